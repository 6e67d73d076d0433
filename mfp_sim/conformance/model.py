"""Checks, their facts and their results: plain values, and the one rule for verdicts.

A check owns *facts*; the verdict follows from the level of the requirement that a fact is about. A requirement that RFC
8894 does not state with a keyword does not fail a server: it is a finding at most. The exceptions are the breaches that
a check names: they fail it regardless of the level, and count as security failures. Owns no I/O.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum, IntEnum
from functools import cached_property
from typing import Annotated, ClassVar

from mfp_sim.conformance.client import Client
from mfp_sim.conformance.outcomes import Came
from mfp_sim.shared.catalogue.registry import requirements
from mfp_sim.shared.documents import Node, Problems
from mfp_sim.shared.documents.kinds import Leaf, Schema
from mfp_sim.shared.documents.records import document
from mfp_sim.shared.redaction import OWN

__all__ = [
    "HURT",
    "JUDGED",
    "OPT_INS",
    "Check",
    "CheckFunction",
    "CheckResult",
    "CheckVerdict",
    "Fact",
    "Gain",
    "Proof",
    "severity_of",
    "verdict_of",
]


class CheckVerdict(IntEnum):
    """From good to bad; the last three mean that nothing was judged."""

    PASS = 0
    FINDING = 1
    WARN = 2
    FAIL = 3
    NOT_APPLICABLE = 10
    INCONCLUSIVE = 11
    NOT_RUN = 12

    @property
    def word(self) -> str:
        """The form in reports."""
        return self.name.lower().replace("_", "-")


class Gain(Enum):
    """What a client gains from a certificate that should have been refused. If it gains anything, the run stops."""

    NOTHING = "nothing more than a right request: our own name, key and challenge password"
    NAME = "another name"
    KEY = "a certificate for a key that its owner did not use"
    CA = "the power to issue"
    POWERS = (
        "powers that only the CA may give: to log on as an account, to request certificates for others, any purpose"
    )
    STRANGER = "a certificate to a client without the challenge password or an earlier certificate"


HURT = ("server-dead", "server-hurt")
"""Slugs of the facts from the probe for life."""
JUDGED = (CheckVerdict.PASS, CheckVerdict.FINDING, CheckVerdict.WARN, CheckVerdict.FAIL)
OPT_INS: Mapping[str, str] = {
    "load": "the permission --allow load",
    "approval": "the permission --allow approval",
    "rejection": "--reject-command",
    "revocation": "--revoke-command",
}
"""What a user must allow or give for the checks with an ``opt_in``, which are left out by default."""

_SEVERITY: Mapping[str, CheckVerdict] = {
    "MUST": CheckVerdict.FAIL,
    "MUST NOT": CheckVerdict.FAIL,
    "SHOULD": CheckVerdict.WARN,
    "SHOULD NOT": CheckVerdict.WARN,
    "MAY": CheckVerdict.FINDING,
    "(implied)": CheckVerdict.FINDING,
}


def severity_of(requirement: str) -> CheckVerdict:
    """The verdict of a deviation from a requirement of the catalogue, by its id."""
    level = requirements()[requirement].level
    assert level is not None, requirement
    return _SEVERITY[level]


class _Level(Leaf):
    """A verdict, as its number."""

    shape: ClassVar[Schema] = {"enum": [int(verdict) for verdict in CheckVerdict]}

    def value(self, node: Node, problems: Problems, what: str) -> object:
        number = problems.integer(node, what)
        if number is not None and number not in set(CheckVerdict):
            problems.add(node, f"{what} must be a verdict, not {number}")
            return None
        return None if number is None else CheckVerdict(number)


@document("a fact", exchanged=True)
@dataclass(frozen=True)
class Fact:
    """One observation.

    ``slug`` names it within its check. ``requirement`` is the one it is about (default: the check's first);
    ``at_most`` caps the verdict of a deviation if the requirement's own text is weaker than its keyword.
    ``element`` is the path of the message's element, ``mistake`` the likely cause in words, ``evidence`` the numbers of
    the exchanges. ``of_grant``: it says whether a right request was granted, so it says nothing if the server grants
    none. ``unclear``: it could not be judged, so it neither holds nor deviates. ``came`` is the kind of the reply that
    shows it, ``what`` the request in words; with the slug, they distinguish causes (`mfp_sim.conformance.causes`).
    """

    slug: Annotated[str, OWN]
    holds: bool
    expected: str
    got: str
    evidence: tuple[int, ...] = ()
    requirement: Annotated[str | None, OWN] = None
    at_most: Annotated[CheckVerdict, _Level()] = CheckVerdict.FAIL
    element: str | None = None
    mistake: str | None = None
    of_grant: bool = False
    unclear: bool = False
    came: Came | None = None
    what: str | None = None

    @property
    def deviates(self) -> bool:
        """It was judged, and does not hold."""
        return not self.holds and not self.unclear

    def verdict(self, check: Check) -> CheckVerdict:
        """The verdict of its check that follows from this fact."""
        return CheckVerdict.FAIL if self.breaches(check) else self.by_keyword(check)

    def breaches(self, check: Check) -> bool:
        """Whether it is a security failure."""
        return self.deviates and self.slug in check.breaches

    def by_keyword(self, check: Check) -> CheckVerdict:
        """The verdict by the words of RFC 8894 alone."""
        if self.unclear:
            return CheckVerdict.INCONCLUSIVE
        if self.holds:
            return CheckVerdict.PASS
        return min(severity_of(self.requirement or check.requirements[0]), self.at_most)

    def capped(self, check: Check) -> bool:
        """Whether it deviates with a milder verdict than that of its requirement, or of the breach it resembles."""
        if not self.deviates:
            return False
        return self.slug in check.spared or self.verdict(check) < severity_of(self.requirement or check.requirements[0])


@dataclass(frozen=True)
class Proof:
    """How to make the mock deviate so that the check sees it.

    ``faults`` is the YAML of a script rule's fault list and ``when`` of its conditions; ``answer`` is the YAML of what
    the rule answers; ``defects`` are switches of the CA (`mock_scep_server.faults.defects`); ``ca`` changes fields
    of the CA's profile; ``fact`` is the slug of the fact that must deviate: the right reason.
    """

    fact: str
    faults: str = ""
    when: str = ""
    answer: str = ""
    defects: tuple[str, ...] = ()
    ca: Mapping[str, object] = field(default_factory=dict)
    profile: str = "rfc8894"
    setup: Mapping[str, object] = field(default_factory=dict)

    @cached_property
    def ready(self) -> bool:
        """Whether the mock has these faults; a proof by a missing fault proves nothing yet."""
        from mock_scep_server.faults import FAULTS  # noqa: PLC0415 - only proofs need the mock

        wanted = re.findall(r"(?:^|[,{]\s*)([a-z][a-z0-9-]+)(?=\s*[:,}]|$)", self.faults)
        return all(slug in FAULTS for slug in wanted)

    @property
    def text(self) -> str:
        """The fault in a few words, for the matrix."""
        changes = [f"{key}: {_plain(value)}" for key, value in {**self.ca, **self.setup}.items()]
        profile = [] if self.profile == "rfc8894" else [f"profile {self.profile}"]
        parts = [self.faults, self.answer and f"answer {self.answer}", *self.defects, *profile, *changes]
        return ", ".join(part for part in parts if part)


def _plain(value: object) -> str:
    if isinstance(value, frozenset | tuple | list):
        return " ".join(sorted(map(str, value)))
    return str(value)


CheckFunction = Callable[[Client], Iterator[Fact]]


@dataclass(frozen=True)
class Check:
    """One entry of the registry.

    ``requirements``: the first decides section and level. ``cost``: certificates it makes on a conforming server.
    ``watches``: it sends nothing itself but judges what the run saw. ``negative``: it sends something wrong, so the
    server is probed for life afterwards. ``reads``: it requests no certificate, not even one to be refused.
    ``needs``: capabilities without which it is not applicable; ``opt_in``: what a user must allow first.
    ``is_control``: it judges the positive control itself. ``last``: it runs last, since it lets much time pass or
    judges all issued certificates. ``at_most``: its worst verdict, if the catalogue is milder than the keyword;
    ``mild`` says why. ``spared``: slugs of facts that resemble a breach but are not one, as ``mild`` says. ``gain``:
    what a client gains if the server issues a certificate to it that should not exist; None if that cannot happen.
    ``breaches``: slugs of the facts that mean that a client gets what it must not have, or that a protection has no
    effect; they fail the check regardless of its level.
    """

    id: str
    title: str
    requirements: tuple[str, ...]
    why: str
    run: CheckFunction = field(repr=False, compare=False)
    chapter: str = ""
    field_failures: tuple[str, ...] = ()
    cost: int = 0
    tags: tuple[str, ...] = ()
    needs: tuple[str, ...] = ()
    opt_in: str | None = None
    watches: bool = False
    negative: bool = False
    reads: bool = False
    at_most: CheckVerdict = CheckVerdict.FAIL
    mild: str = ""
    is_control: bool = False
    last: bool = False
    gain: Gain | None = None
    breaches: tuple[str, ...] = ()
    spared: tuple[str, ...] = ()
    proofs: tuple[Proof, ...] = ()

    @cached_property
    def section(self) -> str:
        """The section of RFC 8894."""
        return requirements()[self.requirements[0]].section or ""

    @cached_property
    def level(self) -> str:
        """The RFC's keyword, or ``(implied)``."""
        return requirements()[self.requirements[0]].level or ""

    @property
    def worst(self) -> CheckVerdict:
        """The worst verdict of this check."""
        return CheckVerdict.FAIL if self.breaches else min(severity_of(self.requirements[0]), self.at_most)

    @property
    def controlled(self) -> bool:
        """It means nothing unless a right request is granted: the server may refuse everything, for any reason."""
        return not (self.watches or self.reads or self.is_control)

    @property
    def risky(self) -> bool:
        """A wrong server may grant it a certificate that is of use to a client."""
        return self.gain not in (None, Gain.NOTHING)

    @property
    def asks(self) -> bool:
        """It may request certificates beyond those that the run has anyway."""
        return bool(self.cost or self.negative) and not (self.reads or self.watches)

    @property
    def experimental(self) -> bool:
        """No fault of the mock proves it, so it does not count in any verdict."""
        return not any(proof.ready for proof in self.proofs)


@dataclass(frozen=True)
class CheckResult:
    """The result of one check. ``reason`` says why nothing was judged; ``exchanges`` are the numbers of its own."""

    check: Check
    verdict: CheckVerdict
    facts: tuple[Fact, ...] = ()
    reason: str | None = None
    exchanges: tuple[int, ...] = ()
    seconds: float = 0.0

    @property
    def deviations(self) -> tuple[Fact, ...]:
        """The facts that deviate: first those that hurt the server, then security failures, then the worst."""
        check, wrong = self.check, [fact for fact in self.facts if fact.deviates]
        return tuple(sorted(wrong, key=lambda f: (f.slug not in HURT, not f.breaches(check), -f.verdict(check))))

    @property
    def counts(self) -> bool:
        """Whether it counts in a verdict on the server."""
        return self.verdict in JUDGED and not self.check.experimental

    @property
    def insecure(self) -> bool:
        """Whether it counts as a security failure."""
        return self.counts and any(fact.breaches(self.check) for fact in self.deviations)

    @property
    def by_keyword(self) -> CheckVerdict:
        """The verdict by the words of RFC 8894 alone, also for a security failure."""
        if not self.insecure:
            return self.verdict
        return max(fact.by_keyword(self.check) for fact in self.deviations)

    @property
    def hangs_on_control(self) -> bool:
        """Whether it is valid only if the server still grants right requests: refusals, and requests that were not
        granted."""
        wrong = self.deviations
        doubtful = all(fact.of_grant for fact in wrong) if wrong else self.check.negative
        return doubtful and self.verdict in JUDGED


def verdict_of(check: Check, facts: Sequence[Fact]) -> CheckVerdict:
    """The worst fact; if no fact deviates, an unclear one makes the check inconclusive."""
    worst = max((fact.verdict(check) for fact in facts if not fact.unclear), default=CheckVerdict.INCONCLUSIVE)
    return CheckVerdict.INCONCLUSIVE if worst is CheckVerdict.PASS and any(fact.unclear for fact in facts) else worst
