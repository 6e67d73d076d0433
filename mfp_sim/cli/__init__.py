"""The command line: ``main`` is the entry point, ``options`` the grammar; each other module has one or more verbs."""
