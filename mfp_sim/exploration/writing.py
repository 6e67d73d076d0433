"""Writes a case as a scenario file, with one line for each section and each step, and files of results."""

from __future__ import annotations

import json
from pathlib import Path

import yaml

from mfp_sim.exploration.draws import Document
from mfp_sim.report.writing import write
from mfp_sim.shared.errors import MfpSimError

__all__ = ["as_yaml", "write_result", "write_text"]

_KEYS = ("format", "name", "why", "clock", "printer", "printers", "ca")
_ENDLESS = 10**9


def as_yaml(document: Document, comments: tuple[str, ...] = ()) -> str:
    """The scenario as YAML, with comments at its beginning."""
    lines = [f"# {comment}" for comment in comments]
    lines += [f"{key}: {_flow(document[key])}" for key in _KEYS if key in document]
    lines.append("steps:")
    for step in document["steps"]:
        entries = [f"{key}: {_flow(value)}" if value is not None else str(key) for key, value in step.items()]
        if len(entries) == 1:
            lines.append(f"  - {entries[0]}")
        else:
            lines.append("  - {" + ", ".join(e if ":" in e else f"{e}: null" for e in entries) + "}")
    return "\n".join(lines) + "\n"


def _flow(value: object) -> str:
    text: str = yaml.safe_dump(value, default_flow_style=True, width=_ENDLESS, allow_unicode=True, sort_keys=False)
    return text.removesuffix("\n").removesuffix("\n...")


def write_text(file: Path, text: str) -> None:
    """Write a file.

    Raises:
        MfpSimError: it cannot be written.
    """
    try:
        write(file, text)
    except OSError as error:
        raise MfpSimError(f"cannot write {file}: {error.strerror}") from None


def write_result(file: Path, result: object) -> None:
    """Write a result as JSON.

    Raises:
        MfpSimError: it cannot be written.
    """
    write_text(file, json.dumps(result, indent=1) + "\n")
