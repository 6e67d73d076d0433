"""What a conduct is worth where more than the conduct decides: by which reply it came, and what had been asked."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from mfp_sim.examination.engine import SituationResult
from mfp_sim.examination.findings import kind_of
from mfp_sim.examination.judging import Conduct, Observation, judge
from mfp_sim.examination.program import End, VerbResult
from mfp_sim.examination.situations import situations
from mfp_sim.testing import Bench
from mock_scep_server.journal import JournalEntry

ISSUED = Bench().ca.authority.issuer.certificate
CLEAN = "it still enrolled, with a reply that was right"


def entry(decision: str, name: str = "PKCSReq", faults: tuple[str, ...] = (), status: int = 200) -> JournalEntry:
    return JournalEntry(
        datetime.now(UTC), "client", "POST", name, "t", decision=decision, faults=faults, status=status
    )  # fmt: skip


def seen(end: End, *entries: JournalEntry, text: str = "", **files) -> Observation:
    enrolled = {"left": ISSUED, "fits": True} if end is End.DONE and not files else files
    return Observation((VerbResult("enrol", end, 0, text, 0.0),), entries, **enrolled)


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
        ("renews", seen(End.DONE, entry("SUCCESS", "RenewalReq")), "pass", "it enrolled"),
        ("fails", seen(End.DONE, entry("SUCCESS", faults=("x",))), "fail", "it treated a refusal as a certificate"),
        ("fails", seen(End.DONE, entry("SUCCESS")), "pass", CLEAN),
        ("refuses", seen(End.DONE, entry("SUCCESS")), "finding", CLEAN),
        ("refuses", seen(End.DONE, entry("SUCCESS"), entry("SUCCESS", faults=("x",))), "fail",
         "it accepted a reply that a client must refuse, and installed its certificate"),
        ("malformed", seen(End.DONE, entry("SUCCESS", faults=("x",))), "finding",
         "it read a malformed reply, which was the CA's own reply to its request"),
        ("malformed", seen(End.DONE, entry("FAILURE", faults=("x",))), "fail",
         "it accepted a reply that a client must refuse, and installed its certificate"),
        ("http", seen(End.DONE, entry("SUCCESS", faults=("x",), status=202)), "finding",
         "it read a reply of the CA that came with another HTTP status than 200"),
        ("http", seen(End.DONE, entry("503", faults=("x",), status=503)), "fail",
         "it treated an HTTP error as a success"),
        ("ca-check", seen(End.REFUSED, entry("SUCCESS")), "warn",
         "it sent its request to a CA with another fingerprint than it was given"),
        ("ca-check-bag", seen(End.DONE, entry("SUCCESS")), "pass", "it enrolled"),
        ("ca-check-bag", seen(End.REFUSED, entry("FAILURE badMessageCheck")), "warn",
         "it encrypted its request to another certificate than that of the given CA"),
        ("shows", seen(End.REFUSED, entry("FAILURE"), text="the CA said: bad_request"), "pass", "it refused"),
        ("shows", seen(End.REFUSED, entry("FAILURE"), text="bad luck"), "finding",
         "it does not say which failInfo the CA sent"),
        ("lost", seen(End.HUNG, entry("SUCCESS")), "warn", "it did not end and was stopped"),
        ("lost", seen(End.HUNG, entry("SUCCESS"), entry("SUCCESS")), "inconclusive",
         "it was still sending requests when its time was over (--timeout)"),
        ("polls", seen(End.HUNG, entry("PENDING")), "inconclusive",
         "it was still sending requests when its time was over (--timeout)"),
    ],
)  # fmt: skip
def test_what_was_sent_and_asked_decides(word: str, observed: Observation, verdict: str, because: str) -> None:
    judged = judge(word, observed, "x")
    assert (judged.verdict.word, judged.because) == (verdict, because)


def test_a_certificate_whose_key_is_gone_is_lost() -> None:
    kept = seen(End.REFUSED, left=ISSUED, before=ISSUED, fits=True)
    assert judge("fails", kept).verdict.word == "pass"
    lost = seen(End.REFUSED, left=ISSUED, before=ISSUED, fits=False)
    assert lost.conduct is Conduct.SPOILT
    assert judge("fails", lost).verdict.word == "fail"


def test_a_request_to_a_ca_that_is_not_the_one_told_is_no_matter_of_interoperability() -> None:
    (situation,) = [s for s in situations() if s.id == "rogue-ca"]
    observed = seen(End.REFUSED, entry("SUCCESS"))
    judged = judge(situation.word, observed, "rogue-ca")
    assert kind_of(SituationResult(situation, judged.verdict, judged.because, observed), "warn") == "security"
