"""The public bench: its page works as it stands, and each of its arguments does what it says."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mfp_sim.device.settings import AutoRequestSettings
from mfp_sim.shared.errors import DocumentError, UsageError
from mfp_sim.shared.scep.http_messages import scep_request
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.simtime import GeneratedKeys, SystemClock
from mfp_sim.testing import KEY, START, Bench, script_of
from mock_scep_server.policy import CaPolicy, ChallengeSetup
from mock_scep_server.profiles.registry import profile_named
from mock_scep_server.server import ServerHost
from mock_scep_server.setup import CaSetup

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "testing.md"


def _examples() -> list[tuple[str, str]]:
    """The tests of the page, by name, and the text of the block of each."""
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return [(name, block) for block in blocks for name in re.findall(r"^def (test_\w+)", block, re.MULTILINE)]


def test_the_page_has_examples() -> None:
    assert len(_examples()) == 4


@pytest.mark.parametrize(("name", "block"), _examples(), ids=[name for name, _ in _examples()])
def test_an_example_of_the_page_holds(name: str, block: str, tmp_path: Path) -> None:
    names: dict[str, object] = {}
    exec(compile(block, f"{PAGE.name}: {name}", "exec"), names)
    example = names[name]
    example(**{parameter: {"tmp_path": tmp_path}[parameter] for parameter in inspect.signature(example).parameters})  # type: ignore[operator, arg-type]


def test_what_stands_beside_the_section_goes_before_it() -> None:
    bench = Bench("{profile: strict, ra: split, script: [{then: pending}]}", profile="lenient", ra="none", script="[]")
    assert bench.ca.profile.name == "lenient"
    assert len(bench.ca.authority.certificates) == 1
    assert bench.ca.script.rules == ()
    section = Bench("{profile: strict, ra: split, script: [{then: pending}]}")
    assert section.ca.profile.name == "strict"
    assert len(section.ca.authority.certificates) == 3
    assert len(section.ca.script.rules) == 1
    shape = profile_named("strict")
    assert Bench(profile=shape).ca.profile == shape
    assert Bench(CaSetup(shape=shape), profile="lenient").ca.profile.name == "lenient"


@pytest.mark.parametrize(("ca", "challenge", "sent", "granted"), [
    ("{}", "s3cret", "s3cret", True), ("{}", "s3cret", "other", False), ("{}", None, None, True),
    ("{challenge: {static: mine}}", "s3cret", "mine", True), ("{challenge: {static: mine}}", "s3cret", "s3cret", False),
    (CaSetup(challenge="mine"), "s3cret", "mine", True), (CaSetup(challenge="mine"), "s3cret", "s3cret", False),
    ("{challenge: none}", "s3cret", None, True),
])  # fmt: skip
def test_the_challenge_is_that_of_the_section_or_else_the_given_one(ca, challenge, sent, granted: bool) -> None:
    bench = Bench(ca, challenge=challenge)
    client = bench.client()
    assert client.ask(client.order(challenge=sent)).granted is granted
    assert bench.client(name="other").enrol().granted


def test_one_time_challenges_of_a_policy_go_before_the_given_one() -> None:
    bench = Bench(CaSetup(policy=CaPolicy(challenge=ChallengeSetup("one_time"))))
    client = bench.client()
    assert client.ask(client.order()).refused
    assert client.ask(client.order(challenge=bench.ca.operator.give_challenge())).granted


def test_mistakes_are_reported_at_once() -> None:
    with pytest.raises(DocumentError, match="(?s)aproval.*colour"):
        Bench("{aproval: manual, colour: red}")
    with pytest.raises(DocumentError, match=r"(?s)script:1:9: .*script:2:3: unknown key"):
        script_of("[{then: nothing},\n {wen: {}}]")
    with pytest.raises(UsageError, match="A-99"):
        Bench(flips=["A-99"])


def test_the_printer_is_set_up_for_the_ca_or_as_it_was_delivered() -> None:
    assert Bench().printer.send_request(KEY).state == "successful"
    assert Bench(url=None).printer.communication is None
    full = Bench(values={"key_limit": 1})
    full.printer.send_request(KEY)
    assert full.shown == ("error", "registration-limit")


def test_time_passes_for_all_at_once_and_what_is_planned_happens() -> None:
    bench = Bench()
    nine = (START + timedelta(hours=2)).replace(tzinfo=None)
    bench.printer.update_auto_request(AutoRequestSettings(timer=True, start=nine, key=KEY))
    bench.pass_time(minutes=59)
    assert bench.asked == []
    bench.pass_time(minutes=2)
    assert bench.shown == ("successful", None)
    assert bench.clock.now() == START + timedelta(minutes=61)


def test_the_same_seed_gives_the_same_certificate_and_clients_differ() -> None:
    def issued(seed: int, name: str = "client") -> bytes:
        return Bench(seed=seed).client(name=name).enrol().issued.der

    assert issued(7) == issued(7)
    assert len({issued(7), issued(8), issued(7, "other")}) == 3
    assert isinstance(Bench(seed=None).keys(side=1), GeneratedKeys)


def test_a_client_sends_what_the_test_says_once_and_nothing_else() -> None:
    bench = Bench(script="[{faults: [stall]}]")
    client = bench.client()
    answer = client.ask(client.order())
    assert answer.reply is None
    assert bench.asked == ["PKCSReq"]
    client.http(scep_request("/scep", Operation.GET_CA_CAPS))
    assert bench.asked == ["PKCSReq", "GetCACaps"]


def test_a_client_says_over_a_socket_what_it_says_in_process() -> None:
    bench = Bench(clock=SystemClock(), ra="split")
    with ServerHost(bench.ca) as host:
        over, within = bench.client(host), bench.client(name="other")
        answers = [client.enrol() for client in (over, within)]
    assert [answer.text for answer in answers] == ["SUCCESS", "SUCCESS"]
    assert all(answer.distrust is None for answer in answers)


def test_another_printer_is_another_machine_and_without_a_serial_number_it_is_the_same_one() -> None:
    bench = Bench()
    bench.printer.send_request(KEY)
    other = bench.another_printer("SIM00002", ip="192.0.2.11")
    assert other.send_request(replace(KEY, common_name="192.0.2.11")).state == "successful"
    first, second = (printer.key_list()[1].certificate for printer in (bench.printer, other))
    assert first.spki != second.spki
    assert [entry.client for entry in bench.ca.journal.entries] == ["192.0.2.10"] * 3 + ["192.0.2.11"] * 3
    assert {event.printer for event in bench.recorder.events} == {"", "SIM00002"}
    again = bench.make_printer()
    again.power_on()
    assert again.key_list()[1].certificate == first
