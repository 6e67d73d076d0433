"""Clients whose wrappers come with the package: the protocol of docs/reference/clients.md around real programs."""
