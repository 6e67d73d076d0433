"""How both commands begin: Ctrl-C ends them without a traceback while their modules are still imported.

Imports only what Python has loaded anyway.
"""

from __future__ import annotations

import importlib
import os
import sys

__all__ = ["begun"]


def begun(command: str, module: str) -> int:
    """Import the module of a command and run its ``main``; returns the exit code."""
    try:
        code: int = importlib.import_module(module).main()
    except KeyboardInterrupt:
        print(f"{command}: interrupted", file=sys.stderr, flush=True)
        os._exit(130)
    return code
