"""The command line: ``main`` is the entry, ``options`` the grammar, the other modules a verb or a few each."""
