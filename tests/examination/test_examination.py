"""Every situation of an examination can fail, and a client that refuses everything passes nothing."""

from __future__ import annotations

from collections import Counter
from urllib.request import urlopen

import pytest

from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.examination.engine import Examination, SituationResult, examine
from mfp_sim.examination.findings import grade_of
from mfp_sim.examination.judging import CONDUCT, Conduct
from mfp_sim.examination.program import End
from mfp_sim.examination.reporting import report_of
from mfp_sim.examination.situations import FIRST, LAST, QUICK, Situation, left_out, situations
from mock_scep_server.faults import FAULTS

FAIL, WARN = CheckVerdict.FAIL, CheckVerdict.WARN
NOT_ACTED = "it sent no request to which this fault applies"
PLAIN = [situation for situation in situations() if situation.slug is None]


def tried(client, chosen, **options) -> dict[str, SituationResult]:
    """What was judged of each situation before the last control had its say."""
    found: list[SituationResult] = []
    examine(client, chosen, timeout=1.0, ended=found.append, **options)
    return {result.situation.id: result for result in found}


def worth(situation: Situation, conduct: Conduct) -> CheckVerdict | None:
    row = CONDUCT[situation.word].get(conduct)
    return None if row is None else row[0]


def test_each_fault_has_a_situation_or_a_reason_why_not() -> None:
    with_one = {situation.slug for situation in situations() if situation.slug}
    for entry in FAULTS.values():
        assert (entry.slug in with_one) == (left_out(entry) is None), entry.slug
    assert len(situations()) > 350
    ids = [situation.id for situation in (*situations(), FIRST, LAST)]
    assert len(set(ids)) == len(ids)
    assert set(QUICK) < set(ids)


def test_a_client_that_takes_everything_fails_where_something_has_to_be_refused(puppet) -> None:
    """One that leaves a certificate whatever comes: no row of what a client must not accept lets it pass."""
    found = tried(puppet(lambda verb: End.DONE), situations())
    assert len(found) == len(situations()) + 2
    wrong = {}
    for result in found.values():
        wanted = worth(result.situation, Conduct.ENROLLED)
        if wanted is not None and result.because != NOT_ACTED and result.verdict is not wanted:
            wrong[result.situation.id] = (result.verdict.word, result.because)
    # The fault acts at one of its requests only, and by another the CA grants it what it asks for.
    # Or it is the CA's own, and only its form is wrong.
    reasons = Counter(why for _, why in wrong.values())
    assert 0 < reasons.pop("it still enrolled, with a reply that was right") < 20
    assert 0 < reasons.pop("it read a malformed reply, which was the CA's own reply to its request") < 40
    assert 0 < reasons.pop("it read a reply of the CA that came with another HTTP status than 200") < 24
    assert not reasons
    failed = [result for result in found.values() if result.verdict is FAIL]
    assert len(failed) > 120
    assert "it accepted a reply that a client must refuse, and installed its certificate" in {r.because for r in failed}


def test_a_client_that_refuses_everything_passes_nothing(puppet) -> None:
    found = tried(puppet(lambda verb: End.REFUSED), situations())
    assert list(found) == [FIRST.id], "nothing is tried once the first control has failed"
    result = examine(puppet(lambda verb: End.REFUSED), PLAIN, timeout=1.0)
    assert not result.controlled
    assert [r.because for r in result.results] == ["it did not enrol, although nothing was wrong"]


def test_a_client_that_refuses_after_the_first_enrolment_has_proved_nothing(puppet) -> None:
    ends = iter([End.DONE])
    result = examine(puppet(lambda verb: next(ends, End.REFUSED)), situations()[:40], timeout=1.0)
    assert not result.controlled
    verdicts = {r.verdict for r in result.results if r.situation not in (FIRST, LAST)}
    assert verdicts == {CheckVerdict.INCONCLUSIVE}
    assert {r.because for r in result.results[1:-1]} == {
        "a control failed: the client did not enrol although nothing was wrong"
    }


def test_a_client_that_refuses_what_it_has_to_live_with_is_told(puppet) -> None:
    """Its controls succeed: it refuses each situation in between."""
    number = iter(range(10_000))
    last = len(situations()) + 10_000
    client = puppet(lambda verb: End.DONE if next(number) in (0, last) else End.REFUSED)
    found = tried(client, [s for s in situations() if worth(s, Conduct.REFUSED) is WARN and not s.before])
    judged = [r for r in found.values() if r.situation not in (FIRST, LAST) and r.because != NOT_ACTED]
    assert len(judged) > 80
    assert {r.verdict for r in judged} == {WARN}


@pytest.mark.parametrize(
    ("end", "verdict", "because"),
    [
        (End.CRASHED, "fail", "it crashed"),
        (End.HUNG, "inconclusive", "it was still sending requests when its time was over (--timeout)"),
        (End.BROKEN, "warn", "it ended with an exit code that the protocol does not define"),
        (End.PENDING, "warn", "it treats the request as pending"),
        (End.UNSUPPORTED, "not-applicable", "it does not support this"),
    ],
)
def test_a_client_that_ends_otherwise_is_told_how(puppet, end: End, verdict: str, because: str) -> None:
    (situation,) = [s for s in situations() if s.id == "bad-signature"]
    ends = iter([End.DONE, end])
    result = tried(puppet(lambda verb: next(ends, End.DONE)), [situation])["bad-signature"]
    assert (result.verdict.word, result.because) == (verdict, because)


def test_a_certificate_for_another_key_is_never_right(puppet) -> None:
    chosen = [s for s in situations() if s.word in ("takes", "either", "weaker", "dates")][:12]
    found = tried(puppet(lambda verb: End.DONE, fits=False), chosen)
    assert found[FIRST.id].because == "it left a certificate that is not for its key"
    assert len(found) == 1


def test_a_second_enrolment_with_another_transaction_is_an_orphan(puppet) -> None:
    (situation,) = [s for s in situations() if s.id == "reset"]
    ends = iter([End.DONE, End.REFUSED])
    result = tried(puppet(lambda verb: next(ends, End.DONE)), [situation])["reset"]
    assert (result.verdict.word, result.because) == (
        "finding", "it repeated the request in another transaction: the first certificate is an orphan at the CA",
    )  # fmt: skip
    assert [run.verb for run in result.seen.runs] == ["enrol", "enrol"]


def test_a_poll_is_asked_for_only_while_the_request_is_pending(puppet) -> None:
    (situation,) = [s for s in situations() if s.id == "pending-once"]
    ends = iter([End.DONE, End.PENDING, End.PENDING])
    client = puppet(lambda verb: next(ends, End.DONE))
    result = tried(client, [situation])["pending-once"]
    assert result.verdict is CheckVerdict.PASS
    assert client.asked == ["enrol", "enrol", "poll", "poll", "enrol"]


def test_a_renewal_that_loses_the_certificate_fails(puppet) -> None:
    (situation,) = [s for s in situations() if s.id == "renewal-refused"]

    class Careless(puppet):  # type: ignore[misc, valid-type]
        def run(self, verb, task):
            told = super().run(verb, task)
            if verb == "renew":
                task.certificate_file.unlink()
            return told

    ends = iter([End.DONE, End.DONE, End.REFUSED])
    result = tried(Careless(lambda verb: next(ends, End.DONE)), [situation])["renewal-refused"]
    assert (result.verdict, result.because) == (FAIL, "it no longer has its earlier certificate, or its key")


def test_what_breaks_in_one_situation_is_its_result(puppet) -> None:
    calls = iter(range(99))

    def ends(verb):
        if next(calls) == 1:
            raise ZeroDivisionError("planted")
        return End.DONE

    found = tried(puppet(ends), situations()[:2])
    assert [r.because for r in found.values()][1] == "internal error: ZeroDivisionError: planted"
    assert len(found) == 4


def test_a_renewal_that_leaves_the_old_certificate_has_not_renewed(puppet) -> None:
    (situation,) = [s for s in situations() if s.id == "renewal"]

    class Same(puppet):  # type: ignore[misc, valid-type]
        def _leave(self, task):
            if not task.certificate_file.exists():
                super()._leave(task)

    result = tried(Same(lambda verb: End.DONE), [situation])["renewal"]
    assert (result.verdict, result.because) == (
        WARN, "it says that it is done, but only has its earlier certificate",
    )  # fmt: skip


def test_a_client_is_told_the_certificate_that_the_ca_has_in_this_situation(puppet) -> None:
    """Or one that authenticates the CA would be refused what it has to live with; not where that is to be found out."""
    own = {"ca-ku-no-digsig", "getcacert-ra-split", "getcacert-no-keyusage", "ca-not-a-ca"}
    others = {"rogue-ca", "weak-ca-key", "getcacert-alt-encoding"}
    served: list[bool] = []

    class Careful(puppet):  # type: ignore[misc, valid-type]
        def run(self, verb, task):
            if verb == "enrol":
                with urlopen(f"{task.url}?operation=GetCACert") as reply:
                    served.append(task.ca.der in reply.read())
            return super().run(verb, task)

    chosen = [s for s in situations() if s.id in own | others]
    tried(Careful(lambda verb: End.DONE), chosen)
    assert served == [True, *(s.id in own for s in chosen), True]


def _whole(**verdicts: CheckVerdict) -> Examination:
    """An examination in every situation, with a verdict for all but the controls."""
    passed = [SituationResult(one, CheckVerdict.PASS, "") for one in (FIRST, LAST)]
    others = [SituationResult(s, verdicts.get(s.verbs[0], CheckVerdict.PASS), "") for s in situations()]
    return Examination("x", "", "", (passed[0], *others, passed[1]))


def test_a_skipped_situation_was_not_tried() -> None:
    total = len(situations()) + 2
    why = "were skipped: the client does not support them, or sent no request to which the fault applies"
    grade = grade_of(_whole(), ())
    assert (grade.letter, grade.because) == ("A", ())
    assert grade.words == ("The client refuses every reply that a client must refuse.",)
    grade = grade_of(_whole(renew=CheckVerdict.NOT_APPLICABLE), ())
    skipped = sum(s.verbs[0] == "renew" for s in situations())
    assert (grade.letter, grade.because) == ("A", (f"{skipped} of {total} situations {why}",))
    assert grade.words == ("The client refused every tried reply that it must refuse.",)
    nothing = {s.verbs[0]: CheckVerdict.NOT_APPLICABLE for s in situations()}
    grade = grade_of(_whole(**nothing), ())
    assert grade.letter == ""
    assert grade.because == ("nothing was tried beside the controls", f"{total - 2} of {total} situations {why}")


def test_what_came_to_nothing_is_reported(puppet) -> None:
    chosen = [s for s in situations() if s.id == "renewal"]
    ends = iter([End.DONE, End.REFUSED])
    found = examine(puppet(lambda verb: next(ends, End.DONE)), chosen, timeout=1.0)
    report = report_of(found, command="", client="", begun="")
    rows = {check.id: (check.verdict, check.because) for check in report.checks}
    assert rows["renewal"] == ("inconclusive", "the enrolment before failed: refused")
