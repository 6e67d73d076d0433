"""The slugs of faults, one table per family: each row makes a fault from the primitives of the layers."""
