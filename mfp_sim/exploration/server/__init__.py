"""The search of a real SCEP server: acts of several clients, their history, and rules that hold for every server."""
