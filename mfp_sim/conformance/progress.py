"""The results of a run so far, line by line in files, so that an interrupted run can continue and hides nothing.

The files are in the report's directory: results and certificates in ``progress.jsonl``, certificates as a table for
people in ``minted.csv``. A resumed run appends to both. A result that depends on the last positive control stands only
if a later line says that this control held: a resumed run judges the rest again, as an uninterrupted run would have
taken it back.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

from mfp_sim.conformance.client import Client
from mfp_sim.conformance.model import CheckResult, CheckVerdict, Fact
from mfp_sim.conformance.outcomes import Inconclusive, Minted, Untold
from mfp_sim.conformance.registry import all_checks
from mfp_sim.conformance.reporting import certificate_report
from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.documents.json_values import read_json
from mfp_sim.shared.documents.kinds import Words
from mfp_sim.shared.documents.records import document, record_of
from mfp_sim.shared.errors import DocumentError, UsageError
from mfp_sim.shared.files import readable
from mfp_sim.shared.redaction import OWN, Redactor

__all__ = ["MINTED", "ProgressFile", "Server", "read_progress"]

FILE, MINTED = "progress.jsonl", "minted.csv"
CERTIFICATE = "certificate"
CONTROL = "last control held"
SERVER = "server"


@document("a result", exchanged=True, later=True)
@dataclass(frozen=True)
class _Result:
    """A line of `FILE`: the result of a check. ``seconds`` is its duration."""

    check: Annotated[str, OWN]
    verdict: Annotated[str, Words(lambda: CheckVerdict.__members__), OWN]
    reason: str | None
    seconds: float
    facts: tuple[Fact, ...]


@document("a server", exchanged=True, later=True)
@dataclass(frozen=True)
class Server:
    """The server of these results: ``authorities`` are the SHA-256 of the public keys in GetCACert."""

    url: str
    authorities: Annotated[tuple[str, ...], OWN]
    persona: Annotated[str, OWN]

    @classmethod
    def of(cls, client: Client) -> Server:
        """The server of a client; it sends GetCACaps and GetCACert if it has not yet."""
        _ = client.caps_exchange
        try:
            found = tuple(
                sorted(hashlib.sha256(certificate.spki).hexdigest() for certificate in client.ca_certificates)
            )
        except Inconclusive:
            found = ()
        return cls(client.target.url, found, client.persona.name)

    def is_like(self, other: Server) -> bool:
        """Whether results of the other also count for this one: the same persona, and the same URL or the same CA."""
        same_ca = self.authorities == other.authorities != ()
        return self.persona == other.persona and (self.url == other.url or same_ca)


class ProgressFile:
    """Appends one line per result and per certificate, masked; lines of an earlier run stay only if this one
    ``goes_on`` with it.

    Raises:
        UsageError: the files cannot be written.
    """

    def __init__(self, directory: Path, redactor: Redactor, *, goes_on: bool = False) -> None:
        self._path, self._table, self._redactor = directory / FILE, directory / MINTED, redactor
        if goes_on:
            _cut_rest(self._path)
        else:
            self._append(self._path, "", mode="w")
        if not (goes_on and self._table.exists()):
            self._append(self._table, "serial,subject,not_after,sha256,check\n", mode="w")

    def begins(self, server: Server) -> None:
        """Write the server of the following results.

        Raises:
            UsageError: the file cannot be written.
        """
        self._write({SERVER: record_of(Server).write(self._redactor.record(server))})

    def add(self, result: CheckResult) -> None:
        """Write one result.

        Raises:
            UsageError: the file cannot be written.
        """
        line = _Result(result.check.id, result.verdict.name, result.reason, result.seconds, result.facts)
        self._write(record_of(_Result).write(self._redactor.record(line)))

    def certificate(self, entry: Minted | Untold) -> None:
        """Write a certificate that was or may have been made.

        Raises:
            UsageError: a file cannot be written.
        """
        told = certificate_report(entry)
        row = (told.serial, told.subject, told.not_after, told.fingerprint, told.by)
        self._write({CERTIFICATE: asdict(self._redactor.record(entry))})
        self._append(self._table, ",".join(_cell(self._redactor.text(text)) for text in row) + "\n")

    def close(self, *, held: bool) -> None:
        """Write whether the last positive control held.

        Raises:
            UsageError: the file cannot be written.
        """
        self._write({CONTROL: held})

    def _write(self, line: object) -> None:
        self._append(self._path, json.dumps(line, ensure_ascii=False) + "\n")

    @staticmethod
    def _append(path: Path, text: str, *, mode: str = "a") -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open(mode, encoding="utf-8", errors="backslashreplace") as file:
                file.write(text)
        except OSError as error:
            raise UsageError(f"cannot write {path}: {error.strerror}") from None


def _cut_rest(path: Path) -> None:
    """Remove an incomplete last line, so that further lines can be appended."""
    try:
        with path.open("rb+") as file:
            file.truncate(file.read().rfind(b"\n") + 1)
    except OSError as error:
        raise UsageError(f"cannot write {path}: {error.strerror}") from None


def _cell(text: str) -> str:
    """A value for a table: quoted, and never interpreted as a formula."""
    safe = "'" + text if text[:1] in ("=", "+", "-", "@") else text
    return '"' + safe.replace('"', '""') + '"'


def read_progress(directory: Path, server: Server) -> dict[str, CheckResult]:
    """The results of an interrupted run that stand; checks that were not run are not included.

    Raises:
        UsageError: there are no results, the file is damaged, or they are of another server or persona.
    """
    path = directory / FILE
    try:
        # Never splitlines: a string may contain U+0085 or U+2028. The last line may be incomplete.
        lines = readable(path).read_text("utf-8").split("\n")[:-1]
    except (OSError, UnicodeDecodeError):
        raise UsageError(f"there is nothing to resume in {directory}", remedy="give the --report directory") from None
    found: dict[str, CheckResult] = {}
    standing: dict[str, CheckResult] = {}
    known = False
    for number, line in enumerate(lines, 1):
        try:
            value = json.loads(line)
            if CERTIFICATE in value:
                continue
            if SERVER in value:
                other, known = read_json(Server, value[SERVER], FILE), True
                if not server.is_like(other):
                    text = f"{directory} has the results of another server or persona: {other.url}, {other.persona}"
                    raise UsageError(text, remedy="run without --resume")
                continue
            if CONTROL in value:
                standing |= found if value[CONTROL] is True else _independent(found)
                found = {}
                continue
            read = read_json(_Result, value, FILE)
            _ = [requirements()[fact.requirement] for fact in read.facts if fact.requirement is not None]
        except (ValueError, KeyError, TypeError, RecursionError, DocumentError):
            raise UsageError(f"{path}:{number} is not a result", remedy="run without --resume") from None
        check, verdict = all_checks().get(read.check), CheckVerdict[read.verdict]
        facts = tuple(replace(fact, evidence=()) for fact in read.facts)
        if check is not None and verdict is not CheckVerdict.NOT_RUN:
            found[check.id] = CheckResult(check, verdict, facts, read.reason, (), read.seconds)
    if lines and not known:
        raise UsageError(f"{path} does not name the server of its results", remedy="run without --resume")
    return standing | _independent(found)


def _independent(results: Mapping[str, CheckResult]) -> dict[str, CheckResult]:
    """Whether a result stands even if the server no longer grants right requests."""
    return {name: result for name, result in results.items() if not result.hangs_on_control}
