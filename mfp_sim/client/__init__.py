"""A SCEP client's transaction: what it sends in each state, what it makes of each reply. Not for the mock."""
