"""Conformance of SCEP clients: a program is run against the mock, situation by situation, and what it did is judged."""
