"""Conformance of SCEP clients: runs a program against the mock, situation by situation, and judges what it does."""
