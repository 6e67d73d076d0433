"""Searches for failing combinations: draws cases, checks properties, shrinks failures."""
