"""The command of the tools that look at every wrong server and write a page about what was found."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TypeVar

from mfp_sim.shared.processes import worker_processes

__all__ = ["page_of_servers"]

T = TypeVar("T")


def page_of_servers(
    tool: str,
    purpose: str,
    page: Path,
    names: Iterable[str],
    look: Callable[[str], tuple[T, str | None]],
    write: Callable[[Mapping[str, T]], str],
) -> int:
    """Look at each server in processes of its own, and write the page; returns the exit code.

    ``look`` returns what was found, and how it differs from what people have reviewed, which ends the command with 1.
    """
    parser = argparse.ArgumentParser(prog=f"python -m {tool}", description=purpose)
    parser.add_argument("--check", action="store_true", help="write nothing; exit code 1 when not up to date")
    parser.add_argument("--jobs", type=int, default=2, help="processes (default: 2)")
    options = parser.parse_args()
    names = list(names)
    found: dict[str, T] = {}
    troubles: list[str] = []
    with worker_processes(options.jobs) as pool:
        for number, (name, (seen, trouble)) in enumerate(zip(names, pool.map(look, names), strict=True), 1):
            print(f"{number}/{len(names)} {name}", file=sys.stderr)
            found[name] = seen
            troubles += [trouble] if trouble else []
    if troubles:
        print("\n".join(troubles), file=sys.stderr)
        return 1
    text = write(found)
    if page.exists() and page.read_text("utf-8") == text:
        return 0
    if options.check:
        print(f"{page.name} is not up to date; run: python -m {tool}", file=sys.stderr)
        return 1
    page.write_text(text, "utf-8")
    print(f"wrote {page.relative_to(page.parents[1])}")
    return 0
