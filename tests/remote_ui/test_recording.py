"""What was done in a browser, as a scenario: it runs, and shows what the pages showed; no secret is in it."""

from __future__ import annotations

import io

import pytest

from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.remote_ui.recording import Recording
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import run
from mfp_sim.shared.documents import load_text


@pytest.fixture
def recorded(bench):
    """A bench whose acts are recorded, an administrator, and what is asserted of a recording."""

    def make(**changes):
        here = bench(**changes)
        here.site.observer = recording = Recording(here.served)
        admin = here.administrator()

        def replay():
            text = recording.text("mine")
            assert "canary" not in text
            (scenario,) = read_text(text, "mine.scenario.yaml")
            result = run(scenario)
            assert result.failures == (), text
            return text, scenario

        return here, admin, replay

    return make


def url(name: str) -> str:
    return PAGES[name].url


def test_nothing_done_is_a_scenario_too(recorded) -> None:
    _, _, replay = recorded()
    _, scenario = replay()
    assert [step.kind for step in scenario.steps] == ["expect"]


def test_a_manual_request_with_the_restart(recorded, key) -> None:
    here, admin, replay = recorded()
    here.connect(admin)
    admin.post(url("functions"), {"use": "TLS", "turn": "on"})
    admin.post(url("request"), key)
    admin.post(url("restart"))
    admin.advance("1m")
    admin.advance("1h")
    text, scenario = replay()
    kinds = [step.kind for step in scenario.steps]
    assert kinds == ["communication", "function", "request", "restart", "advance", "expect"]
    assert "advance: 3630s" in text  # the step waits for 30 of the 3660 seconds
    assert "recorded-challenge" in text


def test_a_restart_that_is_not_over_at_the_end(recorded) -> None:
    _, admin, replay = recorded()
    admin.post(url("restart"))
    text, _ = replay()
    assert "powered: false" in text


def test_a_machine_that_is_switched_on_before_the_restart_is_over(recorded) -> None:
    here, admin, replay = recorded()
    admin.post(url("restart"))
    here.site.advance(10)
    admin.post("/simulation/power-on")
    here.connect(admin)
    _, scenario = replay()
    kinds = [step.kind for step in scenario.steps]
    assert kinds == ["power_off", "advance", "power_on", "communication", "expect"]


def test_the_timer_with_polling_and_other_answers(recorded, auto) -> None:
    here, admin, replay = recorded()
    here.connect(admin)
    admin.post("/simulation/ca", {"answer": "pending", "network": "up"})
    admin.post(url("auto"), {**auto, "periodic": "on", "every": "7", "delete_old": "on"})
    admin.advance("next")
    admin.post("/simulation/ca", {"answer": "policy", "network": "up"})
    admin.advance("next")
    admin.advance("30d")
    text, _ = replay()
    assert text.count("state: successful") == 5


def test_the_spread_of_the_time_is_the_same_in_the_scenario(recorded, auto) -> None:
    here, admin, replay = recorded(seed=77)
    here.connect(admin)
    admin.post(url("auto"), {**auto, "adjust": "on"})
    due = here.printer.next_request
    assert 1 <= (due.hour * 3600 + due.minute * 60 + due.second) - 8 * 3600 <= 600
    text, _ = replay()
    assert "seed: 77" in text
    assert due.astimezone(here.printer.zone).strftime("%Y-%m-%d %H:%M:%S") in text


def test_refusals_are_steps_that_are_refused(recorded, key, auto) -> None:
    here, admin, replay = recorded()
    admin.post(url("request"), key)
    admin.post(url("comm"), {"url": "https://192.0.2.1/", "port": 443, "timeout": 30})
    admin.post(url("comm"), {"url": here.ca_url, "port": here.ca_port, "timeout": "-5"})
    here.connect(admin)
    for fields in ({"challenge": "canary ø"}, {"name": "\u0000<b>"}, {"use": "IPSec", "policy": "no such"}):
        admin.post(url("request"), {**key, **fields})
    admin.post(url("auto"), {**auto, "start": "2026-03-02 07:00"})
    admin.post(url("auto"), {**auto, "periodic": "on", "every": "-1"})
    admin.post(url("functions"), {"use": "Toaster", "turn": "on"})
    user = here.visitor()
    user.log_in("user", "")
    user.post(url("request"), key)
    user.post(url("network"), {"dns": "on"})
    _, scenario = replay()
    assert [step.refused for step in scenario.steps] == [
        "no-communication-settings", "https-not-supported", "bad-timeout", None, "bad-challenge", "bad-key-name",
        "no-such-policy", "start-in-the-past", "bad-request-interval", "not-administrator",
        "not-administrator", None,
    ]  # fmt: skip
    assert scenario.steps[-2].role == "user"


def test_a_wrong_challenge_stays_a_wrong_one(recorded, key) -> None:
    here, admin, replay = recorded()
    here.connect(admin)
    admin.post(url("request"), {**key, "challenge": "canary-wrong"})
    admin.post(url("request"), key)
    text, _ = replay()
    assert "fail-info-2" in text


def test_an_address_that_is_not_the_cas(recorded, key) -> None:
    here, admin, replay = recorded()
    admin.post(url("comm"), {"url": "http://192.0.2.77/scep", "port": 80, "timeout": 30})
    admin.post(url("request"), key)
    here.connect(admin)
    admin.post("/simulation/ca", {"network": "silent"})
    admin.post(url("request"), key)
    admin.advance("1m")
    admin.post("/simulation/ca", {"network": "up"})
    admin.post(url("request"), key)
    text, scenario = replay()
    kinds = [step.kind for step in scenario.steps]
    assert kinds == [
        "communication", "network", "request", "communication", "network", "network", "request", "advance", "network",
        "request", "expect",
    ]  # fmt: skip
    assert text.count("top-error") == 2


def test_export_and_import(recorded, auto) -> None:
    here, admin, replay = recorded()
    here.connect(admin)
    admin.post(url("auto"), auto)
    admin.post(f"{url('import-export')}/export", {"password": "canary-b8"})
    admin.post(url("network"), {"dns": "on"})  # refused: it goes on
    admin.advance("10m")
    octets = admin.get(f"{url('import-export')}/file").data
    admin.post(url("auto"), {"start": "", "polling_count": "3", "polling_interval": "10", "every": "1"})
    for password in ("canary-other", "canary-b8"):
        admin.post(f"{url('import-export')}/import", {"file": (io.BytesIO(octets), "x"), "password": password})
    admin.advance("10m")
    text, scenario = replay()
    assert here.printer.auto_request.timer
    assert [step.refused for step in scenario.steps if step.kind == "import_bundle"] == ["bundle-not-opened", None]
    assert "state: to-be-processed" in text


def test_an_export_that_goes_on_at_the_end(recorded) -> None:
    _, admin, replay = recorded()
    admin.post(f"{url('import-export')}/export", {"password": "canary-b8"})
    admin.advance("1m")
    text, _ = replay()
    assert "wait: false" in text


def test_a_file_from_elsewhere_ends_the_recording(recorded) -> None:
    here, admin, replay = recorded()
    here.connect(admin)
    admin.post(f"{url('import-export')}/import", {"file": (io.BytesIO(b"MFP"), "x"), "password": "p"})
    text, _ = replay()
    assert text.startswith("# The recording ends early: an imported file was not exported in this session.\n")


def test_a_deleted_key_is_the_same_one(recorded, key) -> None:
    here, admin, replay = recorded()
    here.connect(admin)
    for organization in ("first", "second", "third"):
        admin.post(url("request"), {**key, "use": "None", "organization": organization})
    second = here.printer.key_list()[2]
    admin.post(f"{url('keys')}/{second.id}/delete")
    text, _ = replay()
    assert text.count("common_name: 192.0.2.10\n") >= 4
    assert "organization: second" in text.split("expect:")[0]
    assert "organization: second" not in text.split("expect:")[1]


def test_a_script_comes_along_and_may_go_unused(recorded, key) -> None:
    script = load_text(
        "- {when: {type: PKCSReq, nth: 1}, then: {failure: 4}}\n- {when: {type: CertPoll}, then: pending}\n"
    )
    here, admin, replay = recorded(script=script)
    here.connect(admin)
    admin.post(url("request"), key)
    text, _ = replay()
    assert "fail-info-4" in text
    assert text.count("optional: true") == 2


def test_what_is_done_while_a_request_is_processed(recorded, key) -> None:
    script = load_text("- {when: {type: PKCSReq, nth: 1}, faults: [{delay: 20s}]}\n")
    here, admin, replay = recorded(script=script)
    here.connect(admin)
    admin.post(url("request"), key)
    admin.advance("10s")
    admin.post(url("request"), key)
    admin.post(url("restart"))
    admin.advance("1m")
    admin.post(url("request"), {**key, "name": "second"})
    text, scenario = replay()
    assert [step.kind for step in scenario.steps] == [
        "communication", "request", "advance", "request", "restart", "advance", "request", "expect",
    ]  # fmt: skip
    assert text.count("wait: false") == 1
    assert "refused: busy" in text


def test_another_model_with_changed_values(recorded, key) -> None:
    here, admin, replay = recorded(model="canon-legacy", restart_seconds=5, key_limit=2)
    here.connect(admin)
    admin.post(url("request"), key)
    admin.post(url("request"), key)
    text, scenario = replay()
    assert scenario.printer.settings == {"key_limit": 2, "restart_seconds": 5}
    assert "registration-limit" in text


def test_years_fit_into_the_bounds(recorded) -> None:
    here, _, replay = recorded()
    here.site.advance(86400 * 1000)
    _, scenario = replay()
    assert scenario.virtual_seconds > 86400 * 1000


def test_another_ca_with_an_ra(recorded, key) -> None:
    here, admin, replay = recorded(ca_profile="lenient", ra="split")
    here.connect(admin)
    admin.post(url("request"), key)
    _, scenario = replay()
    assert (scenario.ca.profile, scenario.ca.ra) == ("lenient", "split")
    assert here.printer.status()[0].state == "successful"


def test_an_address_that_was_set_is_recorded_and_the_first_one_is_the_printers(recorded, key) -> None:
    here, admin, replay = recorded()
    here.connect(admin)
    admin.post(url("network"), {"ip": "not one"})
    assert (admin.page.status_code, admin.reason) == (422, "bad-ip")
    admin.post(url("network"), {"ip": ""})
    admin.post(url("network"), {"ip": " 2001:DB8::11 ", "dns": "on"})
    assert 'value="2001:db8::11"' in admin.get(url("network")).text
    admin.post(url("request"), {**key, "common_name": "2001:db8::11"})
    text, scenario = replay()
    assert "ip: 192.0.2.10" in text
    refused = [(step.act.text().rpartition(" ")[2], step.refused) for step in scenario.steps if step.kind == "ip"]
    assert refused == [("one", "bad-ip"), ("", "bad-ip"), ("2001:DB8::11", None)]
