"""The slugs of faults, a table a family: each row makes a fault of the primitives beside it."""
