"""The verdict on a client's conduct in a situation: a table of what it did against what a correct client does.

The words for what a correct client does come from the faults' catalogue (``clients:``). A refusal alone never proves a
check: `mfp_sim.examination.engine` counts it only between two enrolments that succeeded.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.examination.program import ClientVerb, End, VerbResult
from mfp_sim.shared.scep.certificate import Certificate
from mock_scep_server.journal import JournalEntry

__all__ = ["CONDUCT", "CRASHED", "MISDIRECTED", "NOTHING_LEFT", "Conduct", "Judged", "Observation", "judge"]


class Conduct(StrEnum):
    """What a client did, as far as the mock can see it."""

    ENROLLED = "left a new certificate for its key"
    STRANGE = "left a certificate that is not for its key"
    FETCHED = "left what it was asked to fetch"
    OTHER = "left something else than it was asked to fetch"
    EXTRA = "left more than it was asked to fetch"
    UNREADABLE = "left a file that cannot be read"
    KEPT = "still has its earlier certificate"
    SPOILT = "no longer has its earlier certificate, or its key"
    CLAIMED = "says that it has a certificate, but left none"
    REFUSED = "refused"
    PENDING = "treats the request as pending"
    CRASHED = "crashed"
    UNCLEAR = "ended with an exit code that the protocol does not define"
    HUNG = "did not end"
    UNSUPPORTED = "does not support this"


@dataclass(frozen=True)
class Observation:
    """What was seen in a situation. ``left`` is the client's certificate now, ``before`` its earlier one; ``fits``: its
    key is that of ``left``; ``entries`` are the CA's, of the runs that count; ``fetched``: how the file of a verb that
    fetches was judged, if there is one."""

    runs: tuple[VerbResult, ...]
    entries: tuple[JournalEntry, ...]
    left: Certificate | None = None
    before: Certificate | None = None
    fits: bool = False
    unreadable: bool = False
    fetched: Conduct | None = None

    @property
    def conduct(self) -> Conduct:
        """The one word for it."""
        last = self.runs[-1]
        fetches = last.verb in _FETCHING
        if last.by_word:
            done = Conduct.FETCHED if fetches else Conduct.ENROLLED
            return done if last.end is End.DONE else _ENDS[last.end]
        if self.unreadable and self.before is None:
            return Conduct.UNREADABLE
        if self.left is not None and self.left != self.before and not fetches:
            return Conduct.ENROLLED if self.fits else Conduct.STRANGE
        if self.before is not None and (self.left != self.before or not self.fits):
            return Conduct.SPOILT  # without its key it is useless
        if fetches:
            return self.fetched or _ENDS[last.end]
        if last.end is End.DONE and self.before is not None:
            return Conduct.KEPT
        return _ENDS[last.end]

    @property
    def transactions(self) -> tuple[str, ...]:
        """The transactionIDs of its requests for a certificate, in order, each once."""
        asked = (e.transaction for e in self.entries if e.name in ("PKCSReq", "RenewalReq", "CertPoll"))
        return tuple(dict.fromkeys(text for text in asked if text))

    @property
    def granted(self) -> JournalEntry | None:
        """The last SUCCESS that was sent."""
        sent = (e for e in reversed(self.entries) if e.decision.startswith("SUCCESS") and e.status == 200)
        return next(sent, None)

    def was_granted_without(self, slug: str | None) -> bool:
        """Whether the fault did nothing at the last SUCCESS."""
        last = self.granted
        return slug is not None and last is not None and (slug not in last.faults or slug in last.without_effect)

    @property
    def waits(self) -> bool:
        """Whether it has a reason to be still running: it got PENDING, or has sent more than one request."""
        asked = [entry for entry in self.entries if entry.name not in _INFORMATION]
        return len(asked) > 1 or any(entry.decision.startswith("PENDING") for entry in asked)

    @property
    def output(self) -> str:
        """All that it printed."""
        return "\n".join(run.text for run in self.runs)


_INFORMATION = ("GetCACaps", "GetCACert", "GetNextCACert")
_ENDS: Mapping[End, Conduct] = {
    End.DONE: Conduct.CLAIMED,
    End.REFUSED: Conduct.REFUSED,
    End.PENDING: Conduct.PENDING,
    End.UNSUPPORTED: Conduct.UNSUPPORTED,
    End.BROKEN: Conduct.UNCLEAR,
    End.CRASHED: Conduct.CRASHED,
    End.HUNG: Conduct.HUNG,
}


@dataclass(frozen=True)
class Judged:
    """A verdict on a client in a situation, and why."""

    verdict: CheckVerdict
    because: str


CRASHED = "it crashed"
NOTHING_LEFT = "it says that it has a certificate, but left none"
MISDIRECTED: Mapping[str, str] = {
    "ca-check": "it sent its request to a CA with another fingerprint than it was given",
    "ca-check-bag": "it encrypted its request to another certificate than that of the given CA",
}
"""By word, what is unsafe even if the client does not enrol."""
PASS, FINDING, WARN, FAIL = CheckVerdict.PASS, CheckVerdict.FINDING, CheckVerdict.WARN, CheckVerdict.FAIL
_Row = Mapping[Conduct, tuple[CheckVerdict, str]]
_ALWAYS: _Row = {
    Conduct.ENROLLED: (PASS, "it enrolled"),
    Conduct.REFUSED: (PASS, "it refused"),
    Conduct.STRANGE: (FAIL, "it left a certificate that is not for its key"),
    Conduct.FETCHED: (PASS, "it left what it was asked to fetch"),
    Conduct.UNREADABLE: (FAIL, "it left a file that is not a certificate"),
    Conduct.KEPT: (WARN, "it says that it is done, but only has its earlier certificate"),
    Conduct.SPOILT: (FAIL, "it no longer has its earlier certificate, or its key"),
    Conduct.CLAIMED: (FAIL, NOTHING_LEFT),
    Conduct.CRASHED: (FAIL, CRASHED),
    Conduct.PENDING: (WARN, "it treats the request as pending"),
    Conduct.UNCLEAR: (WARN, "it ended with an exit code that the protocol does not define"),
    Conduct.HUNG: (WARN, "it did not end and was stopped"),
    Conduct.UNSUPPORTED: (CheckVerdict.NOT_APPLICABLE, "it does not support this"),
}


def _must_not(why: str) -> _Row:
    return {Conduct.ENROLLED: (FAIL, why)}


def _should(why: str) -> _Row:
    return {Conduct.REFUSED: (WARN, why)}


_ACCEPTED = "it accepted a reply that a client must refuse, and installed its certificate"
_BELIEVED = "it accepted a reply that a client must refuse, and left what was in it"
_STRICT = "it refused a reply that clients must tolerate"
CONDUCT: Mapping[str, _Row] = {
    "enrols": {Conduct.REFUSED: (FAIL, "it did not enrol, although nothing was wrong")},
    "renews": {Conduct.REFUSED: (WARN, "it did not renew its certificate, although nothing was wrong")},
    "refuses": _must_not(_ACCEPTED),
    "not-usable": _must_not("it installed a certificate that cannot be used"),
    "fails": _must_not("it treated a refusal as a certificate"),
    "shows": _must_not("it treated a refusal as a certificate"),
    "shows-badalg": _must_not("it treated a refusal as a certificate"),
    "malformed": _must_not(_ACCEPTED),
    "http": _must_not("it treated an HTTP error as a success"),
    "takes": _should(_STRICT),
    "reads-caps": _should("it stopped, although the capabilities are readable"),
    "ignores-ku": _should("it refused a CA with an unsuitable key usage, which clients must tolerate"),
    "ignores-extra": _should(_STRICT),
    "by-key": _should("it did not find its certificate"),
    "polls": {
        Conduct.REFUSED: (WARN, "it gave up a pending request"),
        Conduct.PENDING: (WARN, "it did not fetch its certificate after the CA issued it"),
    },
    "waits": {
        Conduct.ENROLLED: (FAIL, "it treated a certificate as issued that the CA has not issued"),
        Conduct.PENDING: (PASS, "it treats the request as pending, which is right"),
    },
    "lost": {Conduct.REFUSED: (WARN, "it did not repeat the request whose reply was lost")},
    "ca-check": {
        Conduct.ENROLLED: (WARN, "it enrolled without comparing the CA's fingerprint with the one it was given"),
    },
    "ca-check-bag": {},
    "no-ca": {Conduct.ENROLLED: (WARN, "it accepted an issuer that is not a CA certificate")},
    "weaker": {}, "no-capabilities": {}, "dates": {}, "asks-right": {},
    "either": {Conduct.KEPT: (PASS, "it still has its earlier certificate")},
    "fetches": _should("it fetched nothing, although nothing was wrong"),
    "tolerates": _should(_STRICT),
    "fetches-nothing": dict.fromkeys((Conduct.FETCHED, Conduct.OTHER, Conduct.EXTRA), (FAIL, _BELIEVED)),
    "fetches-malformed": {Conduct.FETCHED: (FINDING, "it read a malformed reply, which was the CA's own")},
    "fetches-ca": {Conduct.FETCHED: (WARN, "it accepted an issuer that is not a CA certificate")},
    "may-fetch": {}, "compares": {},
}  # fmt: skip
"""The verdict on each conduct where a correct client does what the word says; other conducts have the usual verdict."""
_DONE_WITHOUT = (FAIL, "it says that it is done, but left no file")
_FETCHING: Mapping[ClientVerb, _Row] = {
    "get-ca": {
        Conduct.OTHER: (WARN, "it accepted certificates without the one whose fingerprint it was given"),
        Conduct.EXTRA: (WARN, "it accepted certificates for which the CA that it was given does not vouch"),
        Conduct.UNREADABLE: (FAIL, "it left a file without a certificate"),
        Conduct.CLAIMED: _DONE_WITHOUT,
    },
    "get-next-ca": {
        Conduct.KEPT: (WARN, "it left the certificate of the current CA instead of those of the next CA"),
        Conduct.OTHER: (FAIL, "it left no certificate of the next CA, but others"),
        Conduct.EXTRA: (WARN, "it accepted certificates that are of neither the CA nor the next CA"),
        Conduct.UNREADABLE: (FAIL, "it left a file without a certificate"),
        Conduct.CLAIMED: _DONE_WITHOUT,
    },
    "get-crl": {
        Conduct.OTHER: (FAIL, "it accepted a CRL that is not of the CA, does not verify, or is not current"),
        Conduct.EXTRA: (FAIL, "it accepted more CRLs than that of the CA"),
        Conduct.UNREADABLE: (FAIL, "it left a file without a CRL"),
        Conduct.CLAIMED: _DONE_WITHOUT,
    },
}
"""The usual verdicts of the verbs that fetch something else than a certificate for the client's key."""
_AUTHENTIC: Mapping[str, str] = {
    "malformed": "it read a malformed reply, which was the CA's own reply to its request",
    "http": "it read a reply of the CA that came with another HTTP status than 200",
}
"""What is lenient but not unsafe, if it accepted a SUCCESS of the CA: signed, and for its request."""
_MAY_ASK_AGAIN = ("http", "fails", "shows", "shows-badalg")
"""The words of a request that has failed: a new request, in another form, is not affected by the fault."""
_TOLD = ("failinfo", "badalg", "badmessagecheck", "badrequest", "badtime", "badcertid")


def judge(word: str, seen: Observation, slug: str | None = None) -> Judged:
    """The verdict on what was seen, where a correct client does what the word says and the fault ``slug`` acts."""
    conduct = seen.conduct
    usual = {**_ALWAYS, **_FETCHING.get(seen.runs[-1].verb, {})}
    verdict, because = {**usual, **CONDUCT[word]}[conduct]
    if conduct is Conduct.ENROLLED:
        verdict, because = _enrolled(word, seen, slug) or (verdict, because)
    elif conduct is Conduct.FETCHED and verdict is FAIL and seen.was_granted_without(slug):
        verdict, because = FINDING, "it still fetched what it was asked to, with a reply that was right"
    elif conduct is Conduct.HUNG and seen.waits:
        verdict, because = (
            CheckVerdict.INCONCLUSIVE,
            "it was still sending requests when its time was over (--timeout)",
        )
    elif word == "shows" and conduct is Conduct.REFUSED and not _says_why(seen):
        verdict, because = FINDING, "it does not say which failInfo the CA sent"
    if verdict is not FAIL:
        verdict, because = _besides(word, seen) or (verdict, because)
    return Judged(verdict, because)


def _enrolled(word: str, seen: Observation, slug: str | None) -> tuple[CheckVerdict, str] | None:
    """Remarks on an enrolment besides its row: which reply gave the certificate, and after which requests."""
    by_word = seen.runs[-1].by_word
    if word == "lost" and len(seen.transactions) > 1:
        return FINDING, "it repeated the request in another transaction: the first certificate is an orphan at the CA"
    if word == "renews" and not by_word and all(entry.name != "RenewalReq" for entry in seen.entries):
        return FINDING, "it sent a PKCSReq, as for a first certificate, instead of a RenewalReq"
    if CONDUCT[word].get(Conduct.ENROLLED, (PASS,))[0] is FAIL and seen.was_granted_without(slug):
        verdict = PASS if word in _MAY_ASK_AGAIN else FINDING
        return verdict, "it still enrolled, with a reply that was right"
    if word in _AUTHENTIC and any(entry.decision.startswith("SUCCESS") for entry in seen.entries):
        return FINDING, _AUTHENTIC[word]
    return None


def _besides(word: str, seen: Observation) -> tuple[CheckVerdict, str] | None:
    """What is wrong however the client ended: on the way there, in an earlier run, or after it left its file."""
    ends = [run.end for run in seen.runs]
    if End.CRASHED in ends:
        return FAIL, CRASHED
    if End.DONE in ends[:-1]:  # there would be no further run if it had left anything
        return FAIL, NOTHING_LEFT
    misdirected = {
        "ca-check": bool(seen.transactions) and seen.conduct is not Conduct.ENROLLED,  # which has its own row
        "ca-check-bag": any("badMessageCheck" in entry.decision for entry in seen.entries),
    }
    return (WARN, MISDIRECTED[word]) if misdirected.get(word) else None


def _says_why(seen: Observation) -> bool:
    """Whether the client shows the CA's failInfo, as far as its output can be read."""
    return seen.runs[-1].by_word or any(text in _letters(seen.output) for text in _TOLD)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text.lower()))
