"""Whether a SCEP server is right: checks of RFC 8894, the engine that runs them, verdicts, and their proof."""
