"""``mfp-sim report``: converts a JSON report, or prints the schema of reports."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path

from mfp_sim.report.comparison import compared
from mfp_sim.report.json_report import json_text, read_file, report_schema
from mfp_sim.report.writing import FORMATS, write
from mfp_sim.shared.errors import UsageError

__all__ = ["report"]


def report(options: argparse.Namespace) -> int:
    """The verb.

    Raises:
        UsageError: the file does not exist or is not a report, or the result cannot be written.
    """
    if options.schema:
        print(json.dumps(report_schema(), indent=1, ensure_ascii=False))
        return 0
    if options.file is None:
        raise UsageError("no report was given", remedy="give a report.json that mfp-sim run --report DIR wrote")
    if options.pretty and options.format != "json":
        raise UsageError("--pretty applies only to JSON", remedy="give --format json too")
    try:
        found = read_file(options.file)
        if options.format == "badge" and found.grade is None:
            text = f"{options.file} is the report of a run without a grade, which a badge shows"
            raise UsageError(text, remedy="give a report of mfp-sim conform or examine")
        if options.since is not None:
            found = replace(found, since=compared(read_file(options.since), found))
        text = json_text(found, pretty=True) if options.pretty else FORMATS[options.format].make(found, options.lang)
    except RecursionError:  # an event of a trace may be nested to any depth
        raise UsageError(f"{options.file} is nested too deeply to be shown") from None
    target: Path | None = options.output
    if target is None and options.format == "html" and sys.stdout.isatty():
        target = options.file.with_name(options.file.name.removesuffix(".gz")).with_suffix(".html")
    if target is None:
        reconfigure = getattr(sys.stdout, "reconfigure", None)
        if not sys.stdout.isatty() and reconfigure is not None:
            reconfigure(encoding="utf-8")  # the encoding that the document declares
        sys.stdout.write(text)
        return 0
    try:
        size = write(target, text)
    except OSError as error:
        raise UsageError(f"cannot write {target}: {error.strerror}") from None
    print(f"{target}, {size // 1024 + 1} KiB", file=sys.stderr)
    return 0
