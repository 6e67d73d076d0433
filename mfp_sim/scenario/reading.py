"""Small readers that steps and expectations share."""

from __future__ import annotations

from datetime import datetime

from mfp_sim.documents import Node, Problems

__all__ = ["read_local", "whole"]


def read_local(node: Node, problems: Problems, what: str) -> datetime | None:
    """``YYYY-MM-DD HH:MM[:SS]`` as local time without a zone."""
    text = problems.text(node, what)
    if text is None:
        return None
    for form in ("%Y-%m-%d %H:%M", "%Y-%m-%d %H:%M:%S"):
        try:
            return datetime.strptime(text, form)  # noqa: DTZ007 - the printer's local time has no zone
        except ValueError:
            continue
    problems.add(node, f"{what} has to be YYYY-MM-DD HH:MM, not {text!r}")
    return None


def whole(node: Node, problems: Problems, what: str, unit: int, name: str) -> int | None:
    """A duration that is a whole number of ``unit`` seconds, in those."""
    seconds = problems.seconds(node, what)
    if seconds is not None and seconds % unit:
        problems.add(node, f"{what} has to be whole {name}")
        return None
    return None if seconds is None else int(seconds // unit)
