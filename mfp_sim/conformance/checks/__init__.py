"""The checks, one module per chapter, in the order of RFC 8894."""
