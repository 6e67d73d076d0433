"""Clients whose wrappers are part of the package: the protocol of docs/reference/clients.md around real programs."""
