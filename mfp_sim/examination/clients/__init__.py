"""Clients whose wrappers come with the package: the protocol of docs/clients.md around real programs."""
