"""Conformance of a SCEP server: checks of RFC 8894, the engine that runs them, verdicts, and their proof."""
