"""What the engine makes of a client that cheats, breaks off or does nothing, and what the controls prove."""

from __future__ import annotations

import socket
from collections.abc import Iterable
from urllib.request import urlopen

import pytest
from fetching_client import FetchingClient

from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.examination.engine import Examination, SituationResult, examine
from mfp_sim.examination.program import ClientVerb, End, Task, VerbResult
from mfp_sim.examination.situations import FIRST, LAST, situations
from mfp_sim.shared.errors import UsageError

CRASHED = "it crashed"
NOT_ACTED = "it sent no request to which this fault applies"
SITUATIONS = {situation.id: situation for situation in situations()}


def run(client, *ids: str, **options) -> Examination:
    return examine(client, [SITUATIONS[name] for name in ids], timeout=1.0, **options)


def results(found: Examination) -> dict[str, tuple[str, str]]:
    return {r.situation.id: (r.verdict.word, r.because) for r in found.results}


@pytest.fixture
def shy(puppet):
    """A client that sends its requests only in the two controls: it ends everything else as ``end`` says at once."""

    class Shy(puppet):  # type: ignore[misc, valid-type]
        def __init__(self, end: End, leaves: bool = False) -> None:
            super().__init__(lambda verb: End.DONE)
            self.end, self.leaves, self.turns = end, leaves, 0

        def run(self, verb: ClientVerb, task: Task) -> VerbResult:
            if verb == "version":
                return super().run(verb, task)
            self.turns += 1
            if self.turns in (1, 3):
                return super().run(verb, task)
            if self.leaves:
                self._leave(task)
            return VerbResult(verb, self.end, 3, "", 0.0)

    return Shy


@pytest.mark.parametrize(
    ("end", "leaves", "with_fault", "without"),
    [
        (End.REFUSED, False, ("not-applicable", NOT_ACTED), ("inconclusive", "it sent nothing: refused")),
        (End.HUNG, False, ("not-applicable", NOT_ACTED), ("inconclusive", "it sent nothing: did not end")),
        (End.CRASHED, False, ("fail", CRASHED), ("fail", CRASHED)),
        (End.DONE, False, *[("fail", "it says that it has a certificate, but left none")] * 2),
        (End.DONE, True, ("not-applicable", NOT_ACTED),
         ("inconclusive", "it sent nothing: left a new certificate for its key")),
        (End.UNSUPPORTED, False, *[("not-applicable", "it does not support this")] * 2),
    ],
)  # fmt: skip
def test_a_client_that_sends_nothing_has_proved_nothing_but_its_own_mistakes(
    shy, end: End, leaves: bool, with_fault: tuple[str, str], without: tuple[str, str]
) -> None:
    assert _before_the_last(shy(end, leaves), "bad-signature") == with_fault
    assert _before_the_last(shy(end, leaves), "ra") == without


def _before_the_last(client, name: str) -> tuple[str, str]:
    found: list[SituationResult] = []
    run(client, name, ended=found.append)
    return found[1].verdict.word, found[1].because


def test_a_request_to_which_the_fault_does_not_apply_proves_nothing(puppet) -> None:
    class Looks(puppet):  # type: ignore[misc, valid-type]
        def _ask(self, task: Task) -> None:
            if len(self.asked) == 2:
                with urlopen(f"{task.url}?operation=GetCACaps") as reply:
                    reply.read()
            else:
                super()._ask(task)

    ends = (End.DONE, End.REFUSED)
    assert _before_the_last(Looks(ended(*ends)), "bad-signature") == ("not-applicable", NOT_ACTED)
    assert _before_the_last(Looks(ended(*ends)), "bad-attr") == ("not-applicable", NOT_ACTED)
    assert _before_the_last(puppet(ended(*ends)), "bad-signature") == ("pass", "it refused")


def ended(*ends: End):
    """A reply to each verb in turn, and DONE after them."""
    left = iter(ends)
    return lambda verb: next(left, End.DONE)


def test_a_client_that_cannot_renew_has_not_refused_a_bad_renewal(puppet) -> None:
    """It is tried whether it renews where nothing is wrong, like the verbs that fetch."""
    found = run(puppet(lambda verb: End.REFUSED if verb == "renew" else End.DONE), "renewal-refused", "ra")
    assert list(results(found)) == [FIRST.id, "renewal", "renewal-refused", "ra", LAST.id]
    assert results(found)["renewal"] == ("warn", "it did not renew its certificate, although nothing was wrong")
    assert results(found)["renewal-refused"] == (
        "inconclusive", "a control failed: renewal did not succeed although nothing was wrong",
    )  # fmt: skip
    assert results(found)["ra"] == ("pass", "it enrolled")
    fails = ended(End.DONE, End.DONE, End.REFUSED, End.DONE, End.DONE)
    assert results(run(puppet(fails), "renewal-refused"))["renewal-refused"][0] == "fail", "a failure holds without it"


def test_a_client_that_renews_with_a_pkcsreq_can_renew(puppet) -> None:
    renews = ended(End.DONE, End.DONE, End.DONE, End.DONE, End.REFUSED)
    found = results(run(puppet(renews), "renewal", "renewal-refused"))
    assert found["renewal"][0] == "finding"
    assert found["renewal-refused"] == ("pass", "it refused")


def test_a_verb_that_is_not_supported_is_asked_for_once(puppet) -> None:
    client = puppet(lambda verb: End.UNSUPPORTED if verb == "renew" else End.DONE)
    found = run(client, "renewal", "renewal-refused", "pending-renewal")
    assert {results(found)[name] for name in ("renewal", "renewal-refused", "pending-renewal")} == {
        ("not-applicable", "it does not support this")
    }
    assert client.asked == ["enrol", "enrol", "renew", "enrol"]
    assert (found.skipped, found.unclear, found.tried, found.controlled) == (3, 0, False, True)
    assert [len(r.seen.runs) for r in found.results] == [1, 1, 1, 1, 1]
    assert [r.seconds > 0 for r in found.results] == [True, True, False, False, True]


def test_a_certificate_of_its_own_making_is_no_enrolment(puppet) -> None:
    found = run(puppet(lambda _: End.DONE, own=True), "nonce-mismatch")
    assert not found.controlled
    assert {why for name, (_, why) in results(found).items() if name != "nonce-mismatch"} == {
        "it says that it has a certificate, but left none"
    }


def test_a_client_that_refuses_may_leave_the_certificate_that_signed_its_request(puppet) -> None:
    class Leaves(puppet):  # type: ignore[misc, valid-type]
        def run(self, verb: ClientVerb, task: Task) -> VerbResult:
            self.own = len(self.asked) == 1
            return super().run(verb, task)

    client = Leaves(lambda _: End.DONE)
    client.ends = lambda _: End.REFUSED if len(client.asked) == 2 else End.DONE
    found = run(client, "nonce-mismatch")
    assert found.controlled
    assert results(found)["nonce-mismatch"] == ("pass", "it refused")


def test_a_certificate_that_an_unsupported_verb_has_lost_says_nothing_about_other_situations(puppet) -> None:
    class Loses(puppet):  # type: ignore[misc, valid-type]
        def run(self, verb: ClientVerb, task: Task) -> VerbResult:
            told = super().run(verb, task)
            if verb == "renew" and self.asked.count("renew") == 1:
                task.certificate_file.unlink()
            return told

    client = Loses(lambda verb: End.UNSUPPORTED if verb == "renew" else End.DONE)
    found = results(run(client, "renewal", "renewal-refused"))
    assert found["renewal"] == ("fail", "it no longer has its earlier certificate, or its key")
    assert found["renewal-refused"] == (
        "inconclusive", "a control failed: renewal did not succeed although nothing was wrong",
    )  # fmt: skip


class Operated:
    """A device whose operator says how each verb ended; it sends what ``client`` sends."""

    name = "device"

    def __init__(self, client, ends: Iterable[End]) -> None:
        self.client, self.ends, self.asked = client, iter(ends), []

    def run(self, verb: ClientVerb, task: Task) -> VerbResult:
        if verb == "version":
            return VerbResult(verb, End.UNSUPPORTED, 127, "", 0.0, by_word=True)
        self.asked.append(verb)
        self.client.run(verb, task)
        for file in (task.certificate_file, task.key_file):
            file.unlink(missing_ok=True)
        return VerbResult(verb, next(self.ends, End.DONE), 0, "", 0.0, by_word=True)


def test_a_device_that_has_enrolled_is_not_asked_to_enrol_again(puppet) -> None:
    device = Operated(puppet(lambda verb: End.DONE), [])
    found = run(device, "reset")
    assert device.asked == ["enrol"] * 3
    assert results(found)["reset"] == ("pass", "it enrolled")
    again = Operated(puppet(lambda verb: End.DONE), [End.DONE, End.REFUSED, End.DONE])
    assert results(run(again, "reset"))["reset"][0] == "finding"
    assert again.asked == ["enrol"] * 4


def test_a_device_renews_without_a_file(puppet) -> None:
    device = Operated(puppet(lambda verb: End.DONE), [])
    assert results(run(device, "renewal"))["renewal"] == ("pass", "it enrolled")
    refused = Operated(puppet(lambda verb: End.DONE), [End.DONE, End.REFUSED])
    assert results(run(refused, "renewal"))["renewal"] == ("inconclusive", "the enrolment before failed: refused")
    assert refused.asked == ["enrol"] * 3


def test_a_file_that_is_not_a_certificate_is_told(puppet) -> None:
    class Scribbles(puppet):  # type: ignore[misc, valid-type]
        def _leave(self, task: Task) -> None:
            if len(self.asked) == 1:
                super()._leave(task)
            else:
                task.certificate_file.write_text("nothing")

    found = run(Scribbles(lambda verb: End.DONE), "ra", "renewal")
    assert results(found)["ra"] == ("fail", "it left a file that is not a certificate")
    assert results(found)["renewal"][1] == "the enrolment before failed: done" or not found.controlled
    assert not found.controlled, "the last control has failed as well"


@pytest.mark.parametrize(
    ("code", "text", "version"),
    [
        (0, "\n  puppet 1\nmore", "puppet 1"),
        (0, "", ""),
        (1, "usage: puppet", ""),
        (0, "x" * 300, "x" * 200),
    ],
)
def test_the_version_is_one_line(puppet, code: int, text: str, version: str) -> None:
    class Named(puppet):  # type: ignore[misc, valid-type]
        def run(self, verb: ClientVerb, task: Task) -> VerbResult:
            return VerbResult(verb, End.DONE, code, text, 0.0) if verb == "version" else super().run(verb, task)

    found = run(Named(lambda verb: End.DONE))
    assert (found.client, found.version) == ("puppet", version)


def test_what_was_sent_is_kept_for_each_situation_without_secrets(puppet) -> None:
    class Talks(puppet):  # type: ignore[misc, valid-type]
        def run(self, verb: ClientVerb, task: Task) -> VerbResult:
            self.challenge = task.challenge
            return VerbResult(verb, super().run(verb, task).end, 0, f"I know {task.challenge}", 0.0)

    client = Talks(lambda verb: End.DONE)
    found = run(client, "bad-signature", "truncate", ca="profile: rfc8894")
    assert [len(r.messages) for r in found.results] == [6, 6, 6, 6], "four of its own, and two to learn what it needs"
    assert client.challenge not in repr(found) + repr([r.messages for r in found.results])
    assert found.results[1].seen.output.startswith("I know ")
    assert found.ca == "profile: rfc8894"
    assert all(r.seconds > 0 for r in found.results)
    assert found.results[0].judgement == tuple(dict.fromkeys(found.results[0].judgement))
    errors = [message.error for r in found.results for message in r.messages if message.reply is None]
    assert errors
    assert set(errors) == {"the mock sent no complete reply: IncompleteRead"}


def test_each_situation_has_its_number_and_a_folder_of_its_own(puppet) -> None:
    began, tasks = [], []

    class Looks(puppet):  # type: ignore[misc, valid-type]
        def run(self, verb: ClientVerb, task: Task) -> VerbResult:
            tasks.append((task.subject, task.folder, sorted(task.folder.iterdir())))
            return super().run(verb, task)

    run(Looks(lambda verb: End.DONE), "ra", "reset", began=lambda *said: began.append(said))
    assert [(number, total, s.id) for number, total, s in began] == [
        (1, 4, FIRST.id), (2, 4, "ra"), (3, 4, "reset"), (4, 4, LAST.id),
    ]  # fmt: skip
    assert [subject for subject, _, _ in tasks] == [*(f"CN=client-{n}.example" for n in (1, 2, 3, 4)), ""]
    assert len({folder for _, folder, _ in tasks}) == 5
    assert not any(files for _, _, files in tasks)
    assert not any(folder.exists() for _, folder, _ in tasks)


@pytest.mark.parametrize(("host", "seen"), [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", socket.gethostname())])
def test_the_client_gets_an_address_that_it_can_reach(puppet, host: str, seen: str) -> None:
    urls = []

    class Looks(puppet):  # type: ignore[misc, valid-type]
        def run(self, verb: ClientVerb, task: Task) -> VerbResult:
            urls.append(task.url)
            return VerbResult(verb, End.REFUSED, 1, "", 0.0)

    run(Looks(lambda verb: End.DONE), host=host)
    assert [url.rpartition(":")[0] for url in urls] == [f"http://{seen}"] * 2
    assert urls[0].endswith("/scep")


def test_no_situation_begins_with_the_script_or_the_messages_of_another() -> None:
    """The enrolment before get-crl succeeds, and is none of its messages."""
    found = run(FetchingClient(), "refused-badalg", "get-crl")
    assert results(found)["get-crl"] == ("pass", "it left what it was asked to fetch")
    (refused, fetched) = found.results[1:3]
    for result, asks in ((refused, "PKCSReq"), (fetched, "GetCRL")):
        names = [entry.name for entry in result.seen.entries]
        assert {*names} - {"GetCACaps", "GetCACert"} == {asks}
        assert len(names) == len(result.messages)
    assert found.controlled


def test_a_client_that_cannot_be_run_ends_the_examination(puppet) -> None:
    def ends(verb: ClientVerb) -> End:
        raise UsageError("no such client")

    with pytest.raises(UsageError, match="no such client"):
        run(puppet(ends), "ra")


def test_only_what_was_judged_was_tried() -> None:
    one = SITUATIONS["ra"]
    for verdict in CheckVerdict:
        controls = [SituationResult(which, CheckVerdict.PASS, "") for which in (FIRST, LAST)]
        found = Examination("", "", "", (controls[0], SituationResult(one, verdict, ""), controls[1]))
        assert found.tried == (verdict.word in ("pass", "finding", "warn", "fail")), verdict
        assert found.controlled
        assert not Examination("", "", "", found.results[:-1]).controlled
