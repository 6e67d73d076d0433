"""Hooks of mkdocs: pages of the site that no file under docs/ holds, and links from the ones to the others.

README files of scenarios and reports stand beside what they describe, and belong to the site too, at their own paths.
The help texts, the requirements and the operations of the control port are written when the site is built. A link to a
file that the site does not have, such as a module, leads into the repository if ``extra.repository`` says where that
is; otherwise only its text stays.
"""

from __future__ import annotations

import argparse
import html
import json
import os
import posixpath
import re
from collections.abc import Iterator
from pathlib import Path

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.exceptions import PluginError
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

from mfp_sim.cli.options import build_parser
from mfp_sim.shared.catalogue.registry import requirements
from mock_scep_server.cli import _parser as mock_parser

ROOT = Path(__file__).parents[1]
DOCS = "docs"
OUTSIDE = (
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "README.md",
    "examples/clients/README.md",
    "mfp_sim/report/report.schema.json",
    "reports/**/README.md",
    "reports/**/index.md",
    "reports/clients_and_servers.md",
    "scenarios/*.schema.json",
    "scenarios/README.md",
    "tests/vectors/README.md",
)
"""What else the site has, as patterns from the root."""
RENAMED = {"README.md": "repository.md"}
"""Pages whose path on the site is another one: a README.md would be the first page."""
_LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
"""A Markdown link or picture; its text may hold brackets of one level."""
_DIALOG = 'data-md-component="search" role="dialog"'
"""The search dialog of the theme, to which the theme gives no name."""


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the pages that stand elsewhere, and those that are written now."""
    for pattern in OUTSIDE:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, RENAMED.get(name, name), content=path.read_text("utf-8")))
    for name, write in WRITTEN.items():
        files.append(File.generated(config, name, content="\n".join(write()) + "\n"))
    return files


def on_post_page(output: str, page: Page, config: MkDocsConfig) -> str:  # noqa: ARG001 - mkdocs passes it by name
    """Names the theme's search dialog, for screen readers."""
    if _DIALOG not in output:
        raise PluginError(f"{page.file.src_uri}: the theme's search dialog has changed: see whether it has a name now")
    return output.replace(_DIALOG, f'{_DIALOG} aria-label="Search"')


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Rewrites links that lead out of docs/, or into it, to where their targets are on the site."""
    source = page.file.src_uri
    was = {new: old for old, new in RENAMED.items()}.get(source, source)
    here = was if page.file.generated_by else f"{DOCS}/{source}"

    def moved(match: re.Match[str]) -> str:
        picture, text, target = match.groups()
        path, mark, anchor = target.partition("#")
        if not path or re.match(r"[a-z]+:", path):
            return match[0]
        there = posixpath.normpath(posixpath.join(posixpath.dirname(here), path))
        on_site = RENAMED.get(there, there.removeprefix(f"{DOCS}/"))
        if files.get_file_from_path(on_site) is not None:
            return f"{picture}[{text}]({posixpath.relpath(on_site, posixpath.dirname(source) or '.')}{mark}{anchor})"
        repository = config.extra.get("repository")
        return f"[{text}]({repository}/{there})" if repository else text

    return _LINK.sub(moved, markdown)


# --- pages that are written now ---------------------------------------------------------------------------


def _cell(text: object) -> str:
    """A cell of a table: on one line, and nothing in it is markup."""
    return html.escape(" ".join(str(text).split()), quote=False).replace("|", "\\|")


def _verbs(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:  # argparse has no public way to its verbs
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


def _command_line() -> Iterator[str]:
    os.environ["COLUMNS"] = "100"
    yield "# Command line\n\nWhat `--help` prints. [README](../repository.md#exit-codes-of-mfp-sim) has the exit codes."
    for parser in (build_parser(), mock_parser()):
        yield f"\n## {parser.prog}\n\n```text\n{parser.format_help()}```"
        for name, verb in _verbs(parser):
            yield f"\n### {parser.prog} {name}\n\n```text\n{verb.format_help()}```"


def _requirements() -> Iterator[str]:
    yield "# Requirements\n\nWhat the printer's manual and RFC 8894 require. Scenarios, faults and checks use the ids."
    yield "`mfp-sim explain ID` shows how each is checked, and which scenarios show it.\n"
    yield "| id | level | who | what |\n| --- | --- | --- | --- |"
    for entry in requirements().values():
        yield f"| `{entry.id}` | {_cell(entry.level)} | {_cell(entry.on)} | {_cell(entry.title)} |"


def _control_api() -> Iterator[str]:
    description = json.loads((ROOT / DOCS / "reference" / "control.openapi.json").read_text("utf-8"))
    yield "# Control API\n\nThe operations of `mock-scep-server --control-port`. [The mock"
    yield "CA](mock.md#a-whole-ca-and-steering-it) shows how to use them; [control.openapi.json](control.openapi.json)"
    yield "describes them for programs (OpenAPI 3.1).\n"
    yield "| operation | what it does | parameters and fields |\n| --- | --- | --- |"
    for path, operations in description["paths"].items():
        for method, operation in operations.items():
            names = [f"`{entry['name']}`" for entry in operation.get("parameters", ())]
            for kind in operation.get("requestBody", {}).get("content", {}).values():
                names += [f"`{name}`" for name in kind.get("schema", {}).get("properties", {})]
            summary = operation.get("summary", "")
            yield f"| `{method.upper()} {path}` | {_cell(summary)} | {', '.join(dict.fromkeys(names))} |"


WRITTEN = {
    "reference/cli.md": _command_line,
    "reference/requirements.md": _requirements,
    "reference/control_api.md": _control_api,
}
"""Pages that are written when the site is built."""
