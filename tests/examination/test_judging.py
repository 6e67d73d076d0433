"""What a conduct is worth: made-up records of what a client did, with the verdict and the reason that are right."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from mfp_sim.examination.engine import SituationResult
from mfp_sim.examination.findings import kind_of
from mfp_sim.examination.judging import CONDUCT, Conduct, Observation, judge
from mfp_sim.examination.program import ClientVerb, End, VerbResult
from mfp_sim.examination.situations import situations
from mfp_sim.testing import Bench
from mock_scep_server.journal import JournalEntry

OLD, ISSUED = (Bench(seed=seed).ca.authority.issuer.certificate for seed in (1, 2))
CLEAN = "it still enrolled, with a reply that was right"
ACCEPTED = "it accepted a reply that a client must refuse, and installed its certificate"
BELIEVED = "it accepted a reply that a client must refuse, and left what was in it"
A_REFUSAL = "it treated a refusal as a certificate"
STRICT = "it refused a reply that clients must tolerate"
NOT_A_CA = "it accepted an issuer that is not a CA certificate"
CLAIMED = "it says that it has a certificate, but left none"
NO_FILE = "it says that it is done, but left no file"
SENDING = "it was still sending requests when its time was over (--timeout)"
MISDIRECTED = "it sent its request to a CA with another fingerprint than it was given"
MISENCRYPTED = "it encrypted its request to another certificate than that of the given CA"
ORPHAN = "it repeated the request in another transaction: the first certificate is an orphan at the CA"


def entry(
    decision: str,
    name: str = "PKCSReq",
    faults: tuple[str, ...] = (),
    status: int = 200,
    transaction: str = "t",
    idle: tuple[str, ...] = (),
) -> JournalEntry:
    return JournalEntry(
        datetime.now(UTC), "client", "POST", name, transaction, decision=decision, faults=faults, status=status,
        without_effect=idle,
    )  # fmt: skip


def runs(*ends: End, verb: ClientVerb = "enrol", text: str = "", by_word: bool = False) -> tuple[VerbResult, ...]:
    return tuple(VerbResult(verb, end, 0, text, 0.0, by_word) for end in ends)


def seen(end: End, *entries: JournalEntry, text: str = "", **files) -> Observation:
    enrolled = {"left": ISSUED, "fits": True} if end is End.DONE and not files else files
    return Observation(runs(end, text=text), entries, **enrolled)


def verdict_of(word: str, observed: Observation, slug: str | None = "x") -> tuple[str, str]:
    judged = judge(word, observed, slug)
    return judged.verdict.word, judged.because


BAD = entry("SUCCESS", faults=("x",))
"""A SUCCESS of the CA that the fault has changed."""
INFORMED = [entry("200", name) for name in ("GetCACaps", "GetCACert", "GetNextCACert")]


@pytest.mark.parametrize(
    ("word", "observed", "verdict", "because"),
    [
        ("polls", seen(End.REFUSED, entry("PENDING")), "warn", "it gave up a pending request"),
        ("polls", seen(End.PENDING, entry("PENDING"), entry("SUCCESS")), "warn",
         "it did not fetch its certificate after the CA issued it"),
        ("waits", seen(End.PENDING, entry("PENDING")), "pass", "it treats the request as pending, which is right"),
        ("waits", seen(End.REFUSED, entry("PENDING")), "pass", "it refused"),
        ("waits", seen(End.DONE, entry("PENDING")), "fail", "it treated a certificate as issued that the CA has not issued"),
        ("renews", seen(End.DONE, entry("SUCCESS")), "finding",
         "it sent a PKCSReq, as for a first certificate, instead of a RenewalReq"),
        ("renews", seen(End.DONE, entry("FAILURE"), entry("SUCCESS", "RenewalReq")), "pass", "it enrolled"),
        ("renews", Observation(runs(End.DONE, by_word=True), (entry("SUCCESS"),)), "pass", "it enrolled"),
        ("fails", seen(End.DONE, BAD), "fail", A_REFUSAL),
        ("fails", seen(End.DONE, entry("SUCCESS")), "pass", CLEAN),
        ("shows", seen(End.DONE, entry("SUCCESS")), "pass", CLEAN),
        ("shows-badalg", seen(End.DONE, entry("SUCCESS")), "pass", CLEAN),
        ("http", seen(End.DONE, entry("503", faults=("x",), status=503), entry("SUCCESS")), "pass", CLEAN),
        ("refuses", seen(End.DONE, entry("SUCCESS")), "finding", CLEAN),
        ("refuses", seen(End.DONE, BAD, entry("SUCCESS")), "finding", CLEAN),
        ("refuses", seen(End.DONE, entry("SUCCESS", faults=("x",), idle=("x",))), "finding", CLEAN),
        ("refuses", seen(End.DONE, entry("SUCCESS"), BAD), "fail", ACCEPTED),
        ("refuses", seen(End.DONE, BAD, entry("SUCCESS", status=500)), "fail", ACCEPTED),
        ("refuses", seen(End.DONE, BAD, entry("FAILURE")), "fail", ACCEPTED),
        ("refuses", seen(End.DONE), "fail", ACCEPTED),
        ("malformed", seen(End.DONE, BAD), "finding", "it read a malformed reply, which was the CA's own reply to its request"),
        ("malformed", seen(End.DONE, BAD, entry("FAILURE")), "finding",
         "it read a malformed reply, which was the CA's own reply to its request"),
        ("malformed", seen(End.DONE, entry("FAILURE", faults=("x",))), "fail", ACCEPTED),
        ("http", seen(End.DONE, entry("SUCCESS", faults=("x",), status=202)), "finding",
         "it read a reply of the CA that came with another HTTP status than 200"),
        ("http", seen(End.DONE, entry("503", faults=("x",), status=503)), "fail",
         "it treated an HTTP error as a success"),
        ("lost", seen(End.DONE, BAD, entry("SUCCESS")), "pass", "it enrolled"),
        ("lost", seen(End.DONE, BAD, entry("SUCCESS", transaction="u")), "finding", ORPHAN),
        ("lost", seen(End.DONE, BAD, entry("SUCCESS", "CertPoll", transaction="u")), "finding", ORPHAN),
        ("lost", seen(End.DONE, BAD, entry("SUCCESS", "RenewalReq", transaction="u")), "finding", ORPHAN),
        ("lost", seen(End.DONE, BAD, entry("SUCCESS", "GetCRL", transaction="u")), "pass", "it enrolled"),
        ("lost", seen(End.DONE, BAD, entry("unreadable", transaction="")), "pass", "it enrolled"),
        ("takes", seen(End.DONE, BAD, entry("SUCCESS", transaction="u")), "pass", "it enrolled"),
        ("ca-check", seen(End.DONE, BAD), "warn",
         "it enrolled without comparing the CA's fingerprint with the one it was given"),
        ("ca-check", seen(End.REFUSED, *INFORMED), "pass", "it refused"),
        ("ca-check", seen(End.REFUSED, entry("SUCCESS")), "warn", MISDIRECTED),
        ("ca-check", seen(End.PENDING, entry("PENDING")), "warn", MISDIRECTED),
        ("ca-check", seen(End.HUNG, entry("SUCCESS"), entry("SUCCESS")), "warn", MISDIRECTED),
        ("ca-check", seen(End.CRASHED, entry("SUCCESS")), "fail", "it crashed"),
        ("ca-check-bag", seen(End.DONE, entry("SUCCESS")), "pass", "it enrolled"),
        ("ca-check-bag", seen(End.REFUSED, entry("SUCCESS")), "pass", "it refused"),
        ("ca-check-bag", seen(End.REFUSED, entry("FAILURE badMessageCheck")), "warn", MISENCRYPTED),
        ("ca-check-bag", seen(End.DONE, entry("FAILURE badMessageCheck"), entry("SUCCESS")), "warn", MISENCRYPTED),
        ("ca-check-bag", seen(End.CRASHED, entry("FAILURE badMessageCheck")), "fail", "it crashed"),
        ("fails", seen(End.REFUSED, entry("FAILURE badMessageCheck")), "pass", "it refused"),
        ("shows", seen(End.REFUSED, entry("FAILURE"), text="the CA said: bad_request"), "pass", "it refused"),
        ("shows", seen(End.REFUSED, entry("FAILURE"), text="FailInfo 2"), "pass", "it refused"),
        ("shows", seen(End.REFUSED, entry("FAILURE"), text="Bad Alg"), "pass", "it refused"),
        ("shows", seen(End.REFUSED, entry("FAILURE"), text="badMessageCheck"), "pass", "it refused"),
        ("shows", seen(End.REFUSED, entry("FAILURE"), text="bad-time"), "pass", "it refused"),
        ("shows", seen(End.REFUSED, entry("FAILURE"), text="badCertID"), "pass", "it refused"),
        ("shows", seen(End.REFUSED, entry("FAILURE"), text="bad luck"), "finding",
         "it does not say which failInfo the CA sent"),
        ("shows", Observation(runs(End.REFUSED, by_word=True), (entry("FAILURE"),)), "pass", "it refused"),
        ("shows-badalg", seen(End.REFUSED, entry("FAILURE"), text="bad luck"), "pass", "it refused"),
        ("lost", seen(End.HUNG, entry("SUCCESS")), "warn", "it did not end and was stopped"),
        ("lost", seen(End.HUNG, *INFORMED, entry("SUCCESS")), "warn", "it did not end and was stopped"),
        ("lost", seen(End.HUNG, entry("SUCCESS"), entry("SUCCESS")), "inconclusive", SENDING),
        ("polls", seen(End.HUNG, entry("PENDING")), "inconclusive", SENDING),
        ("either", Observation(runs(End.DONE, verb="renew"), (BAD,), OLD, OLD, fits=True), "pass",
         "it still has its earlier certificate"),
        ("renews", Observation(runs(End.DONE, verb="renew"), (BAD,), OLD, OLD, fits=True), "warn",
         "it says that it is done, but only has its earlier certificate"),
    ],
)  # fmt: skip
def test_what_was_sent_and_asked_decides(word: str, observed: Observation, verdict: str, because: str) -> None:
    assert verdict_of(word, observed) == (verdict, because)


ENROLS_WRONGLY: Mapping[str, tuple[str, str]] = {
    "refuses": ("fail", ACCEPTED),
    "not-usable": ("fail", "it installed a certificate that cannot be used"),
    "fails": ("fail", A_REFUSAL),
    "shows": ("fail", A_REFUSAL),
    "shows-badalg": ("fail", A_REFUSAL),
    "waits": ("fail", "it treated a certificate as issued that the CA has not issued"),
    "no-ca": ("warn", NOT_A_CA),
}
REFUSES_WRONGLY: Mapping[str, tuple[str, str]] = {
    "enrols": ("fail", "it did not enrol, although nothing was wrong"),
    "renews": ("warn", "it did not renew its certificate, although nothing was wrong"),
    "takes": ("warn", STRICT),
    "tolerates": ("warn", STRICT),
    "ignores-extra": ("warn", STRICT),
    "reads-caps": ("warn", "it stopped, although the capabilities are readable"),
    "ignores-ku": ("warn", "it refused a CA with an unsuitable key usage, which clients must tolerate"),
    "by-key": ("warn", "it did not find its certificate"),
    "polls": ("warn", "it gave up a pending request"),
    "lost": ("warn", "it did not repeat the request whose reply was lost"),
    "fetches": ("warn", "it fetched nothing, although nothing was wrong"),
}
MAY_DO_BOTH = {"weaker", "no-capabilities", "dates", "either", "asks-right"}
OF_FETCHES = {"fetches", "tolerates", "fetches-nothing", "fetches-malformed", "fetches-ca", "may-fetch", "compares"}
ELSEWHERE = {"malformed", "http", "ca-check", "ca-check-bag", "renews"}
"""Their enrolments depend on more than the word: see above."""


def test_only_what_a_correct_client_does_passes() -> None:
    assert MAY_DO_BOTH | ENROLS_WRONGLY.keys() | REFUSES_WRONGLY.keys() | OF_FETCHES | ELSEWHERE == CONDUCT.keys()
    for word in CONDUCT.keys() - {"ca-check"}:  # its request should not have been sent
        refused = verdict_of(word, seen(End.REFUSED, BAD, text="failInfo"))
        assert refused == REFUSES_WRONGLY.get(word, ("pass", "it refused")), word
    for word in CONDUCT.keys() - OF_FETCHES - ELSEWHERE:
        assert verdict_of(word, seen(End.DONE, BAD)) == ENROLS_WRONGLY.get(word, ("pass", "it enrolled")), word
    for word in CONDUCT:
        assert verdict_of(word, seen(End.UNSUPPORTED)) == ("not-applicable", "it does not support this"), word


@pytest.mark.parametrize(
    ("observed", "verdict", "because"),
    [
        (Observation(runs(End.CRASHED), (BAD,)), "fail", "it crashed"),
        (Observation(runs(End.DONE), (BAD,)), "fail", CLAIMED),
        (Observation(runs(End.DONE), (BAD,), ISSUED), "fail", "it left a certificate that is not for its key"),
        (Observation(runs(End.DONE), (BAD,), unreadable=True), "fail", "it left a file that is not a certificate"),
        (Observation(runs(End.REFUSED, verb="renew"), (BAD,), OLD, OLD), "fail",
         "it no longer has its earlier certificate, or its key"),
        (Observation(runs(End.REFUSED, verb="renew"), (BAD,), None, OLD), "fail",
         "it no longer has its earlier certificate, or its key"),
        (Observation(runs(End.DONE, verb="renew"), (BAD,), None, OLD, unreadable=True), "fail",
         "it no longer has its earlier certificate, or its key"),
        (Observation(runs(End.BROKEN), ()), "warn", "it ended with an exit code that the protocol does not define"),
        (Observation(runs(End.HUNG), ()), "warn", "it did not end and was stopped"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_every_situation(observed: Observation, verdict: str, because: str) -> None:
    for word in CONDUCT.keys() - OF_FETCHES:
        assert verdict_of(word, observed) == (verdict, because), word


@pytest.mark.parametrize("last", [End.REFUSED, End.DONE])
@pytest.mark.parametrize(("first", "because"), [(End.CRASHED, "it crashed"), (End.DONE, CLAIMED)])
def test_a_later_run_does_not_excuse_an_earlier_one(first: End, because: str, last: End) -> None:
    left = ISSUED if last is End.DONE else None
    assert verdict_of("lost", Observation(runs(first, last), (BAD,), left, fits=True)) == ("fail", because)
    assert verdict_of("lost", Observation(runs(End.REFUSED, last), (BAD,), left, fits=True))[0] != "fail"


def test_a_crash_after_the_certificate_does_not_pass() -> None:
    crashed = Observation(runs(End.CRASHED), (BAD,), ISSUED, fits=True)
    assert verdict_of("takes", crashed) == ("fail", "it crashed")
    assert verdict_of("refuses", crashed) == ("fail", ACCEPTED), "which is worse"


def test_a_pending_request_is_neither_a_certificate_nor_a_refusal() -> None:
    right = {"waits": ("pass", "it treats the request as pending, which is right"),
             "polls": ("warn", "it did not fetch its certificate after the CA issued it")}  # fmt: skip
    for word in CONDUCT.keys() - {"ca-check"}:
        told = verdict_of(word, seen(End.PENDING, entry("PENDING")))
        assert told == right.get(word, ("warn", "it treats the request as pending")), word


def test_a_certificate_is_for_its_key_only_if_that_was_seen() -> None:
    left = Observation(runs(End.DONE), (), ISSUED)
    assert left.conduct is Conduct.STRANGE
    assert replace(left, fits=True).conduct is Conduct.ENROLLED


def test_a_certificate_whose_key_is_gone_is_lost() -> None:
    kept = seen(End.REFUSED, left=ISSUED, before=ISSUED, fits=True)
    assert kept.conduct is Conduct.REFUSED
    assert judge("fails", kept).verdict.word == "pass"
    lost = seen(End.REFUSED, left=ISSUED, before=ISSUED, fits=False)
    assert lost.conduct is Conduct.SPOILT
    assert judge("fails", lost).verdict.word == "fail"


LEFT_TO_FETCH: list[tuple[ClientVerb, str, Conduct | None, str, str]] = [
    ("get-ca", "fetches", Conduct.FETCHED, "pass", "it left what it was asked to fetch"),
    ("get-ca", "compares", Conduct.OTHER, "warn",
     "it accepted certificates without the one whose fingerprint it was given"),
    ("get-ca", "compares", Conduct.EXTRA, "warn",
     "it accepted certificates for which the CA that it was given does not vouch"),
    ("get-ca", "may-fetch", Conduct.UNREADABLE, "fail", "it left a file without a certificate"),
    ("get-ca", "fetches", None, "fail", NO_FILE),
    ("get-ca", "fetches-ca", Conduct.FETCHED, "warn", NOT_A_CA),
    ("get-ca", "fetches-malformed", Conduct.FETCHED, "finding", "it read a malformed reply, which was the CA's own"),
    ("get-next-ca", "tolerates", Conduct.KEPT, "warn",
     "it left the certificate of the current CA instead of those of the next CA"),
    ("get-next-ca", "fetches", Conduct.OTHER, "fail", "it left no certificate of the next CA, but others"),
    ("get-next-ca", "fetches", Conduct.EXTRA, "warn",
     "it accepted certificates that are of neither the CA nor the next CA"),
    ("get-next-ca", "fetches", Conduct.UNREADABLE, "fail", "it left a file without a certificate"),
    ("get-next-ca", "fetches-nothing", None, "fail", NO_FILE),
    ("get-crl", "fetches", Conduct.OTHER, "fail",
     "it accepted a CRL that is not of the CA, does not verify, or is not current"),
    ("get-crl", "fetches", Conduct.EXTRA, "fail", "it accepted more CRLs than that of the CA"),
    ("get-crl", "fetches", Conduct.UNREADABLE, "fail", "it left a file without a CRL"),
    ("get-crl", "fetches", None, "fail", NO_FILE),
    ("get-crl", "fetches-nothing", Conduct.FETCHED, "fail", BELIEVED),
    ("get-crl", "fetches-nothing", Conduct.OTHER, "fail", BELIEVED),
    ("get-crl", "fetches-nothing", Conduct.EXTRA, "fail", BELIEVED),
]  # fmt: skip


@pytest.mark.parametrize(("verb", "word", "fetched", "verdict", "because"), LEFT_TO_FETCH)
def test_what_was_fetched_decides(
    verb: ClientVerb, word: str, fetched: Conduct | None, verdict: str, because: str
) -> None:
    observed = Observation(runs(End.DONE, verb=verb), (BAD,), OLD, OLD, fits=True, fetched=fetched)
    assert verdict_of(word, observed) == (verdict, because)


def test_a_client_that_fetches_keeps_its_certificate() -> None:
    fetched = Observation(runs(End.DONE, verb="get-crl"), (), OLD, OLD, fits=True, fetched=Conduct.FETCHED)
    assert fetched.conduct is Conduct.FETCHED
    assert replace(fetched, left=None).conduct is Conduct.SPOILT
    assert replace(fetched, left=None, unreadable=True).conduct is Conduct.SPOILT, "its CRL is none of the matter"
    assert replace(fetched, left=ISSUED).conduct is Conduct.SPOILT
    assert replace(fetched, before=None).conduct is Conduct.FETCHED, "an enrolment is not what it was asked for"


def test_a_crl_by_a_reply_that_was_right_is_only_a_finding() -> None:
    fetched = Observation(runs(End.DONE, verb="get-crl"), (BAD, entry("SUCCESS", "GetCRL")), fetched=Conduct.FETCHED)
    right = "it still fetched what it was asked to, with a reply that was right"
    assert verdict_of("fetches-nothing", fetched) == ("finding", right)
    assert verdict_of("fetches-nothing", fetched, None) == ("fail", BELIEVED), "no fault, so no reply was right"
    assert verdict_of("fetches", fetched) == ("pass", "it left what it was asked to fetch")


@pytest.mark.parametrize(
    ("verb", "end", "conduct"),
    [
        ("enrol", End.DONE, Conduct.ENROLLED),
        ("get-crl", End.DONE, Conduct.FETCHED),
        ("enrol", End.REFUSED, Conduct.REFUSED),
        ("get-ca", End.HUNG, Conduct.HUNG),
    ],
)
def test_a_person_is_taken_at_their_word(verb: ClientVerb, end: End, conduct: Conduct) -> None:
    assert Observation(runs(end, verb=verb, by_word=True), ()).conduct is conduct


def test_a_request_to_a_ca_that_is_not_the_one_told_is_no_matter_of_interoperability() -> None:
    (situation,) = [s for s in situations() if s.id == "rogue-ca"]
    observed = seen(End.REFUSED, entry("SUCCESS"))
    judged = judge(situation.word, observed, "rogue-ca")
    assert kind_of(SituationResult(situation, judged.verdict, judged.because, observed), "warn") == "security"
