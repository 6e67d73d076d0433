"""A SCEP client's transaction: what it sends in each state, and what each reply means. The mock must not use it."""
