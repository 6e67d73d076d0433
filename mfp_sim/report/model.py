"""The values from which reports are made: plain and frozen, so that reporters are independent of scenarios and checks.

It also owns the shape of the JSON report: field names are its keys, docstrings are its descriptions, and
`mfp_sim.shared.documents` reads it, writes it and makes the schema. A value must not hold a secret: the code that fills
it masks the secret first. Every text may come from a server, and is hostile to the code that shows it.
"""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Final, Literal, TypeVar

from mfp_sim.report.message_table import Base64, Referred
from mfp_sim.shared.documents.json_values import Anything, Strings
from mfp_sim.shared.documents.records import document
from mfp_sim.shared.redaction import OWN

__all__ = [
    "BASES",
    "CHANGES",
    "KINDS",
    "NEXT",
    "OUTCOMES",
    "SECURITY",
    "UNCHECKED",
    "VERDICTS",
    "Baseline",
    "CaIdentity",
    "CatalogueEntry",
    "CauseChange",
    "CauseKind",
    "CausePlace",
    "CauseReport",
    "CheckReport",
    "Conclusion",
    "Difference",
    "ExchangeReport",
    "FailureReport",
    "Grade",
    "HttpMessage",
    "MintedCertificate",
    "PrinterStage",
    "PrinterVerdict",
    "Provenance",
    "RunComparison",
    "RunReport",
    "ScenarioReport",
    "SourceLine",
    "StageName",
    "StepReport",
    "Verdict",
    "exchanged",
]

Verdict = Literal["pass", "fail", "warn", "finding", "inconclusive", "skipped", "experimental", "planned"]
VERDICTS: tuple[Verdict, ...] = (
    "fail", "warn", "finding", "inconclusive", "pass", "skipped", "experimental", "planned",
)  # fmt: skip
"""The verdicts in the order of reports: the one that most needs attention is first."""


ScenarioOutcome = Literal["passed", "failed", "error", "skipped"]
OUTCOMES: tuple[ScenarioOutcome, ...] = ("passed", "failed", "error", "skipped")
"""The outcomes of a scenario; an `error` could not be run to its end, or its file has mistakes."""


Basis = Literal["said", "assumed", "not-examined"]
BASES: tuple[Basis, ...] = ("said", "assumed", "not-examined")
"""What the result of a scenario depends on."""


CauseKind = Literal["security", "interoperability", "robustness", "hygiene", "policy"]
KINDS: tuple[CauseKind, ...] = ("security", "interoperability", "robustness", "hygiene", "policy")
"""The classes of findings at a server, the one to fix first at the front; `policy` is a choice of its operator."""


SECURITY: Final = "Security"
"""The name of the conclusion on security failures."""


NEXT = 3
"""How many findings a report shows first, as the things to do next."""


T = TypeVar("T")


def exchanged(part: type[T]) -> type[T]:
    """Mark a part of the report: its docstring describes it, and programs of other versions read it."""
    says = " ".join((inspect.getdoc(part) or "").replace("`", "").split())
    return document(exchanged=True, later=True, says=says)(part)


# --- evidence ---------------------------------------------------------------------------------------------


@exchanged
@dataclass(frozen=True)
class HttpMessage:
    """A request or a reply. ``line`` is the request line or the status line; ``body`` is base64 of the bytes, in which
    secrets are overwritten with asterisks; `octets` is the length of the original body in bytes. A body that is left
    out (because it is too large, or holds pieces of a secret) is an empty ``body`` with `octets` above 0."""

    line: str
    headers: tuple[Annotated[tuple[str, str], Strings(2)], ...] = ()
    body: Annotated[bytes, Base64()] = b""
    octets: int = 0


@exchanged
@dataclass(frozen=True)
class ExchangeReport:
    """One HTTP exchange; ``request`` and ``reply`` are keys of ``messages``. ``operation`` is the SCEP operation or
    message type; ``begun`` and ``ended`` are ISO 8601; ``event`` is the index in the scenario's trace of the event that
    it belongs to; ``error`` says why there is no reply, and ``sent`` whether the whole request had been sent by then;
    ``seconds`` is how long the reply took on the clock of the run."""

    operation: str
    begun: str
    ended: str
    request: Annotated[HttpMessage, Referred()]
    reply: Annotated[HttpMessage | None, Referred()] = None
    error: str | None = None
    sent: bool = True
    seconds: float = 0.0
    event: int | None = None
    notes: tuple[str, ...] = ()


@exchanged
@dataclass(frozen=True)
class Difference:
    """One element whose actual value differs from the expected value; None means that it is absent."""

    path: str
    expected: str | None
    got: str | None


@exchanged
@dataclass(frozen=True)
class MintedCertificate:
    """A certificate that a CA made in this run. ``by`` is the check or the key name it was made for; ``fate`` is what
    became of it: ``delivered``, ``installed``, ``orphaned`` (made, but no one has it), or ``unknown``. Instants are ISO
    8601; ``fingerprint`` is SHA-256 in hex."""

    serial: str
    subject: str
    by: str = ""
    minted_at: str = ""
    not_before: str = ""
    not_after: str = ""
    fingerprint: str = ""
    transaction: str = ""
    fate: Literal["delivered", "installed", "orphaned", "unknown"] = "unknown"


@exchanged
@dataclass(frozen=True)
class SourceLine:
    """A line of a scenario file, with secrets masked; ``marked`` is the line that failed."""

    number: int
    text: str
    marked: bool = False


# --- scenarios --------------------------------------------------------------------------------------------


@exchanged
@dataclass(frozen=True)
class StepReport:
    """One step; ``begun`` and ``ended`` are ISO 8601 instants."""

    number: int
    text: str
    place: str
    begun: str
    ended: str


@exchanged
@dataclass(frozen=True)
class FailureReport:
    """One failure. ``step`` counts from 1; 0 is the whole run. ``source`` are the step's lines in its file. ``error``:
    it ended the run early, or prevented its start; ``got`` says why."""

    step: int
    place: str
    path: str
    expected: str
    got: str
    source: tuple[SourceLine, ...] = ()
    error: bool = False


@exchanged
@dataclass(frozen=True)
class ScenarioReport:
    """One scenario as it ran. ``trace`` are the events as JSON-able objects; ``command`` repeats just this.

    ``rests_on`` are the assumptions that it depends on; ``declared`` are those of them that were not measured.
    ``examined`` says whether it was measured, as it ran here, which other readings of assumptions change its outcome.
    ``exchanges`` are the messages as bytes; they are kept beside the trace, and only when a report is requested.
    """

    name: str
    why: str
    file: str
    seed: int
    covers: tuple[str, ...]
    rests_on: tuple[str, ...]
    tags: tuple[str, ...]
    steps: tuple[StepReport, ...]
    failures: tuple[FailureReport, ...]
    trace: tuple[Mapping[str, Annotated[object, Anything()]], ...]
    virtual_seconds: float
    real_seconds: float
    command: str
    skipped: str | None = None
    unobserved: tuple[str, ...] = ()
    chapter: str = ""
    timezone: str = "UTC"
    exchanges: tuple[ExchangeReport, ...] = ()
    exchanges_left_out: int = 0
    minted: tuple[MintedCertificate, ...] = ()
    declared: tuple[str, ...] = ()
    examined: bool = False

    @property
    def basis(self) -> Basis:
        """`said`: it depends only on the manual and the RFC; `assumed`: also on assumptions; or `not-examined`."""
        if not self.examined:
            return "not-examined"
        return "assumed" if self.rests_on else "said"

    @property
    def outcome(self) -> ScenarioOutcome:
        """``passed``, ``failed``, ``error`` or ``skipped``."""
        if self.skipped is not None:
            return "skipped"
        if any(failure.error for failure in self.failures):
            return "error"
        return "failed" if self.failures else "passed"


# --- conformance ------------------------------------------------------------------------------------------


@exchanged
@dataclass(frozen=True)
class CheckReport:
    """One check of a SCEP server. ``section`` is a section of RFC 8894; ``level`` is the level of the requirement
    (``MUST``, ``SHOULD``, ``MAY``, ``(implied)``); ``field_failures`` are ids ``F-…``; ``cost`` is what the check
    creates on the server, in words (``nothing``, ``1 certificate``); ``why`` says why the check matters, and
    ``because`` gives the reason for the verdict; ``likely_mistake`` is the diagnosis; ``rfc_text`` is a short
    quotation; ``waived`` is the reason that the baseline gives for expecting this failure; ``command`` repeats only
    this check; ``wrong`` says what went wrong, and ``cause`` is the id of the finding that it belongs to; ``breach``:
    it is a security failure, which fails the server at every level."""

    id: Annotated[str, OWN]
    title: str
    verdict: Verdict
    requirements: tuple[str, ...] = ()
    section: str = ""
    level: str = ""
    field_failures: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    cost: str = ""
    why: str = ""
    severity: str = ""
    because: str = ""
    likely_mistake: str = ""
    expected: str = ""
    got: str = ""
    differences: tuple[Difference, ...] = ()
    exchanges: tuple[ExchangeReport, ...] = ()
    exchanges_left_out: int = 0
    rfc_text: str = ""
    command: str = ""
    waived: str | None = None
    notes: tuple[str, ...] = ()
    begun: str = ""
    ended: str = ""
    seconds: float = 0.0
    wrong: str = ""
    cause: str = ""
    breach: bool = False


@exchanged
@dataclass(frozen=True)
class CausePlace:
    """Where a cause shows: a check by its id, and ``title``, what went wrong there."""

    check: Annotated[str, OWN]
    title: str
    verdict: Verdict


@exchanged
@dataclass(frozen=True)
class CauseReport:
    """One cause of findings, with all places where it shows. ``id`` is stable and names the cause; ``title`` says what
    went wrong; ``kind`` is its class; ``verdict`` is the worst verdict of its places; ``sections`` are section numbers
    of RFC 8894 with their titles; ``remedy`` is empty if it is not known; ``clients`` are the clients that it affects,
    including printer models; ``waived``: the baseline expects all of it; ``grave``: it alone makes the grade an F."""

    id: Annotated[str, OWN]
    title: str
    kind: CauseKind
    verdict: Verdict
    places: tuple[CausePlace, ...] = ()
    sections: tuple[str, ...] = ()
    remedy: str = ""
    clients: tuple[str, ...] = ()
    waived: bool = False
    grave: bool = False

    @property
    def told(self) -> str:
        """The title, and the number of places where it shows if there are several."""
        return self.title if len(self.places) == 1 else f"{self.title}: {len(self.places)} places"


ChangeOutcome = Literal["new", "worse", "not-judged-before", "not-judged", "turned", "better", "mended"]
CHANGES: tuple[ChangeOutcome, ...] = (
    "new", "worse", "not-judged-before", "not-judged", "turned", "better", "mended",
)  # fmt: skip
"""What may become of a cause from one run to the next; the change that most needs attention is first."""


@exchanged
@dataclass(frozen=True)
class CauseChange:
    """How a cause has changed since an earlier run; ``checks`` are the checks that show the change. ``mended``: every
    check that showed it now passes; ``turned``: one of them still deviates, by another cause; ``not-judged``: one of
    them was not judged again; ``not-judged-before``: the earlier run had not judged the checks that show it now."""

    id: str
    title: str
    kind: CauseKind
    outcome: ChangeOutcome
    checks: tuple[str, ...] = ()


@exchanged
@dataclass(frozen=True)
class RunComparison:
    """An earlier run that this one is compared with: its ``target``, when it began, and the letter of its grade;
    ``printers`` are the models whose verdict changed, in words. Everything that is not listed is unchanged."""

    target: str
    begun: str
    letter: str
    changes: tuple[CauseChange, ...] = ()
    printers: tuple[str, ...] = ()


@exchanged
@dataclass(frozen=True)
class Grade:
    """The grade of the run, ``A`` to ``F``, or empty if the run allows no grade. ``because`` are the rules that limited
    it, the decisive one first; ``words`` is the verdict in sentences."""

    letter: str = ""
    because: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


StageName = Literal["capabilities", "ca", "enrol", "install", "poll", "renew", "recover"]


@exchanged
@dataclass(frozen=True)
class PrinterStage:
    """One stage of a printer's life with the server, under the reading that the verdict names. ``remedy`` is the
    remedy at the server, if it is known."""

    name: StageName
    outcome: Literal["done", "failed", "not-reached", "not-needed", "cannot-tell"]
    because: str = ""
    remedy: str = ""


@exchanged
@dataclass(frozen=True)
class PrinterVerdict:
    """Whether a printer model works with the server. ``because`` are sentences: the settings it needs for
    ``works-with``, the causes for ``does-not-work``; ``assumptions`` are the ids of those it depends on; ``checks`` are
    the ids of the checks that show it; ``stages`` are in the order of a printer's life; ``condition`` is what has to
    hold for ``works-with``; ``over`` is the id of the finding that it stumbles over."""

    model: str
    verdict: Literal["works", "works-with", "does-not-work", "not-tried"]
    because: tuple[str, ...] = ()
    assumptions: tuple[str, ...] = ()
    checks: tuple[str, ...] = ()
    exchanges: tuple[ExchangeReport, ...] = ()
    stages: tuple[PrinterStage, ...] = ()
    condition: str = ""
    over: str = ""


@exchanged
@dataclass(frozen=True)
class Conclusion:
    """One of the verdicts on the whole run, e.g. ``Security``, ``RFC 8894`` or ``Printers``, in a sentence."""

    name: str
    verdict: Verdict
    because: str


@exchanged
@dataclass(frozen=True)
class Baseline:
    """How the run compares with the file of expected failures, by ids of checks. ``not_judged`` are ids of the file
    that were selected and got no verdict. If all four lists are empty, the run is as expected."""

    file: str
    unexpected: tuple[str, ...] = ()
    no_longer: tuple[str, ...] = ()
    expired: tuple[str, ...] = ()
    not_judged: tuple[str, ...] = ()

    @property
    def broken(self) -> bool:
        """Whether the run differs from the file, either way."""
        return bool(self.differences)

    @property
    def differences(self) -> tuple[tuple[str, str], ...]:
        """Each id that differs, with what is wrong."""
        told = (
            ("not expected", self.unexpected),
            ("no longer failing: remove the line", self.no_longer),
            ("expired: review it", self.expired),
            ("listed, but not judged in this run", self.not_judged),
        )
        return tuple((name, words) for words, names in told for name in names)


# --- the run ----------------------------------------------------------------------------------------------


@exchanged
@dataclass(frozen=True)
class CaIdentity:
    """Whose certificates the target serves. Fingerprints are SHA-256 in hex; ``capabilities`` is GetCACaps's list."""

    subject: str = ""
    fingerprint: str = ""
    ra_subject: str = ""
    ra_fingerprint: str = ""
    capabilities: tuple[str, ...] = ()
    server: str = ""


UNCHECKED: Final = "TLS certificate not checked"
"""The option of `Provenance` that says that the server's TLS certificate was not checked."""


@exchanged
@dataclass(frozen=True)
class Provenance:
    """Where the run comes from. ``begun`` is an ISO 8601 instant of the computer's clock; ``seed`` is None if each
    scenario has its own; ``options`` are further conditions in words (``budget: 20 certificates``)."""

    version: str = ""
    python: str = ""
    catalogue: str = ""
    dependencies: Mapping[str, str] = field(default_factory=dict)
    begun: str = ""
    seconds: float = 0.0
    command: str = ""
    seed: int | None = None
    ca: CaIdentity | None = None
    baseline: Baseline | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@exchanged
@dataclass(frozen=True)
class CatalogueEntry:
    """What an id in this report means: a requirement, a failure met in the field, an assumption, or a fault of the mock
    CA. ``level`` is the keyword of a requirement, or the layer of a fault."""

    id: str
    title: str
    text: str
    source: str = ""
    level: str = ""


@exchanged
@dataclass(frozen=True)
class RunReport:
    """A run: scenarios, or the checks of a conformance run. ``target`` is the server's URL, or ``in process``;
    ``stopped`` says why it ended before its end; ``catalogue`` explains every id that occurs; ``findings`` are what was
    found at a server, by cause, from what to mend first; ``since`` compares them with an earlier run."""

    scenarios: tuple[ScenarioReport, ...]
    target: str
    flips: tuple[str, ...] = ()
    provenance: Provenance = Provenance()
    conclusions: tuple[Conclusion, ...] = ()
    grade: Grade | None = None
    since: RunComparison | None = None
    findings: tuple[CauseReport, ...] = ()
    checks: tuple[CheckReport, ...] = ()
    printers: tuple[PrinterVerdict, ...] = ()
    minted: tuple[MintedCertificate, ...] = ()
    stopped: str | None = None
    catalogue: Mapping[str, CatalogueEntry] = field(default_factory=dict)

    @property
    def exchanges(self) -> Iterator[ExchangeReport]:
        """All exchanges of the run."""
        parts: tuple[ScenarioReport | CheckReport | PrinterVerdict, ...] = (
            *self.scenarios, *self.checks, *self.printers,
        )  # fmt: skip
        for part in parts:
            yield from part.exchanges

    @property
    def messages(self) -> Iterator[HttpMessage]:
        """All requests and replies of the run."""
        for exchange in self.exchanges:
            yield exchange.request
            if exchange.reply is not None:
                yield exchange.reply

    @property
    def to_mend(self) -> tuple[CauseReport, ...]:
        """The findings except those of policy: the first three are what to do next."""
        return tuple(entry for entry in self.findings if entry.kind != "policy")

    @property
    def broken_printers(self) -> tuple[PrinterVerdict, ...]:
        """The models that do not work although no baseline expects it."""
        failing = tuple(printer for printer in self.printers if printer.verdict == "does-not-work")
        if (baseline := self.provenance.baseline) is None:
            return failing
        return tuple(printer for printer in failing if f"printer:{printer.model}" in baseline.unexpected)

    @property
    def unchecked(self) -> bool:
        """Whether the server's TLS certificate was not checked, so the results may be about a different server."""
        return UNCHECKED in self.provenance.options

    @property
    def counts(self) -> dict[str, int]:
        """How many scenarios have each outcome."""
        found = Counter(scenario.outcome for scenario in self.scenarios)
        return {outcome: found[outcome] for outcome in OUTCOMES}

    @property
    def resting(self) -> dict[str, int]:
        """How many of the scenarios that ran to their end have each basis."""
        found = Counter(s.basis for s in self.scenarios if s.outcome in ("passed", "failed"))
        return {basis: found[basis] for basis in BASES}

    @property
    def not_as_expected(self) -> int:
        """How many scenarios failed or are errors."""
        return self.counts["failed"] + self.counts["error"]

    @property
    def baseline_broken(self) -> bool:
        """Whether the run differs from its baseline, either way."""
        baseline = self.provenance.baseline
        return baseline is not None and baseline.broken

    @property
    def verdicts(self) -> dict[str, int]:
        """How many checks have each verdict, the worst first."""
        found = Counter(check.verdict for check in self.checks)
        return {verdict: found[verdict] for verdict in VERDICTS}
