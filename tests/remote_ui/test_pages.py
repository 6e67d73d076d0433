"""The manual's procedures over plain HTTP, rights, refusals, and the pages of the machine."""

from __future__ import annotations

import io
import re

import pytest

from mfp_sim.device.machine import ROLES
from mfp_sim.remote_ui.menu import PAGES, below, path_to

CHALLENGE, PIN = "canary-c4a11e", "canary-p1n"


def url(name: str) -> str:
    return PAGES[name].url


# --- the menu ---------------------------------------------------------------------------------------------


def test_the_menu_is_that_of_the_manual(bench) -> None:
    """MFP-UI-01: the SCEP menu holds the three screens; the status is an item of its own under Device Management."""
    admin = bench().administrator()
    for step in ("settings", "devmgmt", "scep"):
        assert f'href="{url(step)}" id="to-{step}"' in admin.page.text
        admin.get(url(step))
    assert re.findall(r'id="to-(comm|request|auto|status)"', admin.page.text) == ["comm", "request", "auto"]
    admin.get(url("devmgmt"))
    assert f'href="{url("status")}" id="to-status"' in admin.page.text
    assert [page.endpoint for page in path_to("status")] == ["portal", "settings", "devmgmt", "status"]


@pytest.mark.parametrize("name", PAGES)
def test_every_page_opens_and_says_where_it_is(bench, name: str) -> None:
    admin = bench().administrator()
    page = admin.get(url(name))
    assert page.status_code == 200
    assert page.text.count("<h1>") == 1
    if name != "portal":
        assert 'aria-current="page"' in page.text


@pytest.mark.parametrize("role", ROLES[1:4])
def test_others_see_no_scep_item_and_no_page_of_the_administrator(bench, role: str) -> None:
    here = bench()
    here.connect(here.administrator())
    visitor = here.visitor()
    visitor.log_in(role, "")
    assert not {page.endpoint for name in PAGES for page in below(name, role)} - {"settings", "devmgmt"}
    for name, page in PAGES.items():
        answer = visitor.get(page.url)
        assert answer.status_code == (200 if role in page.roles else 403), name
        assert here.ca_url not in visitor.own
        if role not in page.roles:
            assert visitor.reason == "not-administrator"


def test_without_a_login_there_is_only_the_login(bench) -> None:
    visitor = bench().visitor()
    for page in PAGES.values():
        answer = visitor.get(page.url)
        assert answer.request.path == "/login"
        assert 'id="login-form"' in answer.text


def test_after_the_login_comes_the_page_that_was_asked_for(bench) -> None:
    visitor = bench().visitor()
    answer = visitor.get(url("status"))
    back = re.search(r'name="back" value="([^"]+)"', answer.text)
    assert back is not None
    answer = visitor.post("/login", {"role": "administrator", "pin": PIN, "back": back[1]})
    assert answer.request.path == url("status")


def end_sessions(here) -> None:
    """What a restart of the server does to every browser."""
    here.app.extensions["desk"].sessions._sessions.clear()


@pytest.mark.parametrize("path", [f"{url('request')}?sent=1", url("auto"), "/"])
def test_a_session_that_ended_keeps_the_language_and_leads_back(bench, path: str) -> None:
    here = bench()
    admin = here.administrator()
    admin.get("/language/nb")
    end_sessions(here)
    page = admin.get(path)
    assert page.request.path == "/login"
    assert '<html lang="nb">' in page.text
    (switch,) = re.findall(r'href="(/language/de[^"]*)"', page.text)
    page = admin.get(switch.replace("&amp;", "&"))
    assert page.request.path == "/login", "the login stays, in another language"
    assert '<html lang="de">' in page.text
    back = re.search(r'name="back" value="([^"]+)"', page.text)
    page = admin.post("/login", {"pin": PIN, "back": back[1]})
    assert page.request.full_path.removesuffix("?") == path
    assert '<html lang="de">' in page.text


@pytest.mark.parametrize(
    ("path", "fields", "back"),
    [
        (url("network"), {"dns": "on"}, url("network")),
        (url("restart"), {}, url("restart")),
        ("/simulation/advance", {"by": "1d", "back": url("status")}, url("status")),
        ("/login", {"pin": PIN, "back": url("keys")}, url("keys")),
        ("/login", {"pin": PIN}, "/"),
        ("/logout", {}, "/"),
        ("/simulation/ca", {"answer": "none", "back": "/simulation"}, "/simulation"),
    ],
)
def test_a_form_of_a_session_that_ended_changes_nothing_and_leads_back(bench, path: str, fields, back: str) -> None:
    here = bench()
    admin = here.administrator()
    admin.get(url("network"))
    end_sessions(here)
    page = admin.post(path, fields)
    assert page.request.path == "/login"
    assert "The session has ended, and nothing was changed." in admin.words
    assert f'name="back" value="{back}"' in page.text
    assert admin.post("/login", {"pin": PIN, "back": back}).request.path == back
    assert not here.printer.dns
    assert here.printer.powered
    assert here.site.clock.now() == here.served.start
    assert here.site.answer == "policy"


# --- the four procedures ----------------------------------------------------------------------------------


def test_communication_settings(bench) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    assert "The settings have been updated." in admin.words
    assert (here.printer.communication.url, here.printer.communication.timeout) == (here.ca_url, 30)
    assert f'value="{here.ca_url}"' in admin.get(url("comm")).text


def test_a_manual_request_to_the_restart(bench, key) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(url("functions"), {"use": "TLS", "turn": "on"})
    admin.get(url("request"))
    assert 'id="restart"' not in admin.page.text
    admin.post(url("request"), key)
    assert "The request has ended: Successful." in admin.words
    assert 'value="tls2026"' not in admin.page.text  # MFP-REQ-09
    assert here.printer.functions_in_use()["TLS"] == "Default Key"
    admin.post(url("restart"))
    assert admin.page.status_code == 503
    assert "The printer is off" in admin.words
    admin.advance("1m")
    assert here.printer.functions_in_use()["TLS"] == "tls2026"
    admin.get(url("status"))
    assert 'data-state="successful" data-details="none"' in admin.page.text


def test_the_timer_to_a_certificate(bench, auto) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    here.site.set_answer("pending")
    admin.post(url("auto"), auto)
    admin.get(url("status"))
    assert 'data-state="to-be-processed"' in admin.page.text
    assert "2026-03-02 09:00:00 To Be Processed" in admin.words
    assert "2026-03-02 09:00:00, automatic request" in admin.words  # the strip
    admin.advance("next")
    admin.get(url("status"))
    assert 'data-state="processing"' in admin.page.text
    here.site.set_answer("policy")
    admin.advance("next")
    admin.get(url("status"))
    assert "2026-03-02 09:10:00 Successful" in admin.words


def test_next_request_date_is_shown_with_periodic_requests(bench, auto) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(url("auto"), {**auto, "periodic": "on", "every": "30"})
    admin.advance("1d")
    page = admin.get(url("auto")).text
    assert '<dd id="next-request">2026-04-01 09:00:00</dd>' in page
    assert 'name="every" value="30"' in page


def test_the_stored_challenge_is_kept_changed_and_deleted_but_never_shown(bench, auto) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(url("auto"), auto)
    assert CHALLENGE not in admin.page.text
    assert "A password is stored." in admin.words
    admin.post(url("auto"), {**auto, "challenge": ""})
    assert here.printer.auto_request.key.challenge == CHALLENGE
    admin.post(url("auto"), {**auto, "challenge": "", "challenge_delete": "on"})
    assert here.printer.auto_request.key.challenge is None


@pytest.mark.parametrize(
    ("use", "on", "answer", "shown"),
    [
        ("TLS", True, "policy", "restart-form"),
        ("TLS", False, "policy", "function-off"),
        ("None", True, "policy", None),
        ("TLS", True, "failure-2", "why"),
        ("TLS", False, "none", "why"),
    ],
)
def test_after_a_request_the_page_shows_what_to_do(bench, key, use: str, on: bool, answer: str, shown) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    here.printer.set_function("TLS", on)
    here.site.set_answer(answer)
    page = admin.post(url("request"), {**key, "use": use}).text
    assert re.findall(r'id="(restart-form|function-off|why)"', page) == [shown] * (shown is not None)
    if shown == "why":
        causes = {"failure-2": "Transaction not permitted", "none": "No connection to the SCEP server"}
        assert causes[answer] in admin.words
        assert re.search(
            r'class="refusal" role="status" data-notice="request.failed">The request has failed: Comm', page
        )
    if shown == "function-off":
        admin.post(url("functions"), {"use": "TLS", "turn": "on"})
        assert here.printer.functions_in_use()["TLS"] == key["name"], "as the page says, without a restart"
    assert not re.findall(r'id="(restart-form|function-off|why)"', admin.get(url("request")).text)


# --- refusals ---------------------------------------------------------------------------------------------


def test_communication_is_locked_while_the_timer_is_on(bench, auto) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(url("auto"), auto)
    admin.get(url("comm"))
    assert "cannot be updated while [Enable Timer for Certificate Issuance Auto Request] is selected" in admin.words
    assert '<fieldset class="plain" disabled>' in admin.page.text
    admin.post(url("comm"), {"url": "http://192.0.2.1/", "port": 80, "timeout": 30})
    assert (admin.page.status_code, admin.reason) == (409, "timer-on")
    assert here.printer.communication.url == here.ca_url


def test_a_manual_request_is_refused_while_the_timer_is_on(bench, auto, key) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(url("auto"), auto)
    assert '<fieldset class="plain" disabled>' in admin.get(url("request")).text
    admin.post(url("request"), key)
    assert (admin.page.status_code, admin.reason) == (409, "timer-on")
    assert [row.state for row in here.printer.status()] == ["to-be-processed"]


@pytest.mark.parametrize(
    ("fields", "reason", "field"),
    [
        ({"url": "https://192.0.2.1/"}, "https-not-supported", "url"),
        ({"url": "ftp://x"}, "bad-url", "url"),
        ({"port": "0"}, "bad-port", "port"),
        ({"port": "eighty"}, "not-a-number", "port"),
        ({"timeout": "301"}, "bad-timeout", "timeout"),
        ({"url": "http://192.0.2.1:81/", "port": "80"}, "port-conflict", "port"),
    ],
)
def test_refused_communication_settings(bench, fields, reason: str, field: str) -> None:
    here = bench()
    admin = here.administrator()
    typed = {"url": "http://192.0.2.1/scep", "port": "80", "timeout": "30", **fields}
    page = admin.post(url("comm"), typed)
    assert (page.status_code, admin.reason) == (422, reason)
    assert f'<a href="#{field}">' in page.text
    assert re.search(rf'id="{field}"[^>]*aria-invalid="true"', page.text)
    for name, value in typed.items():
        assert f'name="{name}" value="{value}"' in page.text  # what was typed is still there
    assert here.printer.communication is None


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"name": ""}, "bad-key-name"),
        ({"signature": "MD5"}, "bad-signature-algorithm"),
        ({"length": "512"}, "bad-key-length"),
        ({"length": ""}, "not-a-number"),
        ({"organization": "x" * 65}, "bad-organization"),
        ({"common_name": "not a name"}, "bad-common-name"),
        ({"common_name": "mfp.example"}, "fqdn-without-dns"),
        ({"challenge": "ø"}, "bad-challenge"),
        ({"use": "Toaster"}, "bad-use"),
        ({"use": "IPSec", "policy": ""}, "bad-policy"),
        ({"use": "IPSec", "policy": "nowhere"}, "no-such-policy"),
    ],
)
def test_refused_keys_on_both_screens(bench, key, auto, fields, reason: str) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    for name, typed in (("request", key), ("auto", auto)):
        page = admin.post(url(name), {**typed, **fields})
        assert (page.status_code, admin.reason) == (422, reason), admin.words
        assert CHALLENGE not in page.text
    assert here.printer.status() == ()


@pytest.mark.parametrize(
    ("fields", "reason", "status"),
    [
        ({"start": "2026-03-02 07:59"}, "start-in-the-past", 422),
        ({"start": "tomorrow"}, "bad-start", 422),
        ({"start": "2026-02-30 09:00"}, "bad-start", 422),
        ({"start": "2026-02-30", "start_time": "09:00"}, "bad-start", 422),
        ({"start": "2026-03-02"}, "bad-start", 422),
        ({"start": "", "start_time": "09:00"}, "bad-start", 422),
        ({"start": "2026-03-02", "start_time": "9 o'clock"}, "bad-start", 422),
        ({"start": "2026-03-02 09:00", "start_time": "10:00"}, "bad-start", 422),
        ({"start": "0001-01-01 00:00"}, "start-out-of-range", 422),
        ({"start": "2200-01-01 00:00"}, "start-out-of-range", 422),
        ({"start": ""}, "incomplete", 422),
        ({"polling_count": "101"}, "bad-poll-count", 422),
        ({"polling_interval": "x"}, "not-a-number", 422),
        ({"polling_interval": "1441"}, "bad-poll-interval", 422),
        ({"periodic": "on", "every": "366"}, "bad-request-interval", 422),
    ],
)
def test_refused_automatic_requests(bench, auto, fields, reason: str, status: int) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    page = admin.post(url("auto"), {**auto, **fields})
    assert (page.status_code, admin.reason) == (status, reason)
    assert not here.printer.auto_request.timer
    assert re.search(r'id="timer"[^>]* checked', page.text)


@pytest.mark.parametrize(
    "fields",
    [
        {"start": "2026-03-03", "start_time": "09:00"},  # by the pickers
        {"start": "2026-03-03 09:00", "start_time": ""},  # as text
        {"start": "2026-03-03T09:00"},  # by a script
    ],
)
def test_the_start_is_read_from_pickers_and_from_text(bench, auto, fields) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    assert 'type="date" id="start" name="start" value="" min="2026-03-02"' in admin.get(url("auto")).text
    assert admin.post(url("auto"), {**auto, **fields}).status_code == 200
    assert f"{here.printer.auto_request.start:%Y-%m-%d %H:%M}" == "2026-03-03 09:00"
    page = admin.get(url("auto")).text
    assert 'type="date" id="start" name="start" value="2026-03-03"' in page
    assert 'type="time" id="start_time" name="start_time" value="09:00"' in page


def test_what_a_picker_cannot_show_stays_as_text(bench, auto) -> None:
    admin = bench().administrator()
    page = admin.post(url("auto"), {**auto, "start": "tomorrow", "start_time": "09:00"})
    assert (page.status_code, admin.reason) == (422, "bad-start")
    assert "Request Start Date/Time needs a date, YYYY-MM-DD, and a time, HH:MM." in admin.words
    assert 'type="text" id="start" name="start" value="tomorrow"' in page.text
    assert 'type="time" id="start_time" name="start_time" value="09:00"' in page.text


def test_a_request_needs_communication_settings(bench, key) -> None:
    admin = bench().administrator()
    admin.post(url("request"), key)
    assert (admin.page.status_code, admin.reason) == (409, "no-communication-settings")


@pytest.mark.parametrize("role", ROLES[1:4])
def test_only_the_administrator_changes_anything(bench, key, auto, role: str) -> None:
    """MFP-ADMIN-01: the printer refuses, nothing changes, and nothing that is stored is shown."""
    here = bench()
    here.connect(here.administrator())
    before = (here.printer.communication, here.printer.auto_request, here.printer.functions, here.printer.dns)
    visitor = here.visitor()
    visitor.log_in(role, "")
    posts = {
        url("comm"): {"url": "http://192.0.2.1/", "port": 80, "timeout": 30},
        url("request"): key,
        url("auto"): auto,
        url("network"): {"dns": "on"},
        url("functions"): {"use": "TLS", "turn": "on"},
        url("restart"): {},
        f"{url('keys')}/1/delete": {},
        f"{url('import-export')}/export": {"password": "p"},
    }
    for path, fields in posts.items():
        page = visitor.post(path, fields)
        assert (page.status_code, visitor.reason) == (403, "not-administrator"), path
        assert here.ca_url not in visitor.own
    assert (here.printer.communication, here.printer.auto_request, here.printer.functions, here.printer.dns) == before
    assert here.printer.status() == ()
    assert here.printer.powered


def test_the_pin_decides(bench) -> None:
    visitor = bench().visitor()
    page = visitor.log_in(pin="1234")
    assert (page.status_code, visitor.reason) == (403, "wrong-pin")
    assert visitor.get("/").request.path == "/login"
    visitor.log_in("root", PIN)
    assert visitor.page.status_code == 403
    visitor.log_in()
    assert visitor.page.request.path == "/"
    assert "Logged in as: Administrator" in visitor.words
    visitor.post("/logout")
    assert visitor.get("/").request.path == "/login"


# --- the machine ------------------------------------------------------------------------------------------


def test_keys_are_listed_with_details_and_deleted(bench, key) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(url("request"), key)
    admin.get(url("keys"))
    assert "2 of 8" in admin.words
    (entry,) = [entry for entry in here.printer.key_list() if not entry.default]
    admin.get(f"{url('keys')}/{entry.id}")
    for text in ("192.0.2.10", "Example AS", "Mock SCEP CA", f"{entry.certificate.serial:x}", "2048", "Yes"):
        assert text in admin.words
    admin.get(f"{url('keys')}/{entry.id}/delete")
    assert "Delete the key tls2026" in admin.words
    admin.post(f"{url('keys')}/{entry.id}/delete")
    assert "The key has been deleted." in admin.words
    assert admin.post(f"{url('keys')}/{entry.id}/delete").status_code == 404


def test_a_key_in_use_and_the_default_key_stay(bench, key) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(url("functions"), {"use": "TLS", "turn": "on"})
    admin.post(url("request"), key)
    for entry, reason in zip(here.printer.key_list(), ("default-key", "key-in-use"), strict=True):
        admin.post(f"{url('keys')}/{entry.id}/delete")
        assert (admin.page.status_code, admin.reason) == (409, reason)
    assert len(here.printer.key_list()) == 2


def test_export_and_import(bench, auto) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(url("auto"), auto)
    admin.post(f"{url('import-export')}/export", {"password": "b8ndle"})
    assert "The printer cannot be operated until 2026-03-02 08:02:00" in admin.words
    admin.post(url("network"), {"dns": "on"})
    assert (admin.page.status_code, admin.reason) == (409, "import-export-running")
    assert admin.get(f"{url('import-export')}/file").status_code == 404
    admin.advance("10m")
    answer = admin.get(f"{url('import-export')}/file")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="SIM00001.dcm"'
    admin.post(url("auto"), {"start": "", "polling_count": "3", "polling_interval": "10", "every": "1"})
    assert not here.printer.auto_request.timer
    for password, reason in (("wrong", "bundle-not-opened"), ("", "bad-bundle-password")):
        file = (io.BytesIO(answer.data), "x.dcm")
        admin.post(f"{url('import-export')}/import", {"file": file, "password": password})
        assert (admin.page.status_code, admin.reason) == (422, reason)
    admin.post(f"{url('import-export')}/import", {"file": (io.BytesIO(answer.data), "x.dcm"), "password": "b8ndle"})
    admin.advance("10m")
    assert here.printer.auto_request.timer
    admin.get(url("import-export"))
    assert "Settings for Certificate Issuance Request (SCEP): imported" in admin.words


@pytest.mark.parametrize(("octets", "reason"), [(b"", "no-file"), (b"PK\x03\x04", "bundle-damaged")])
def test_what_is_no_bundle_is_refused(bench, octets: bytes, reason: str) -> None:
    admin = bench().administrator()
    admin.post(f"{url('import-export')}/import", {"file": (io.BytesIO(octets), "x"), "password": "p"})
    assert (admin.page.status_code, admin.reason) == (422, reason)


def test_the_audit_log_and_its_file(bench, key) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(url("request"), key)
    admin.get(url("audit"))
    assert "certificate registered" in admin.words
    answer = admin.get(f"{url('audit')}/file")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    lines = answer.text.splitlines()
    assert len(lines) == len(here.printer.audit) + 1
    assert CHALLENGE not in answer.text


def test_the_dns_server_lets_an_fqdn_in(bench, key) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(url("network"), {"dns": "on"})
    assert here.printer.dns
    admin.post(url("request"), {**key, "common_name": "mfp.example"})
    assert "Successful" in admin.words
    assert (
        "For IPPS printing from Windows the common name has to be the printer's IP address (192.0.2.10)" in admin.words
    )


def test_a_machine_that_is_off_shows_nothing_else_and_can_be_switched_on(bench) -> None:
    here = bench()
    admin = here.administrator()
    here.printer.power_off()
    for name in ("portal", "status", "comm"):
        page = admin.get(url(name))
        assert page.status_code == 503
        assert 'id="power-on"' in page.text
    admin.post("/simulation/power-on")
    assert here.printer.powered
    assert admin.get(url("status")).status_code == 200


# --- the simulation ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "details"),
    [
        ("pending", "deferred"), ("failure-0", "fail-info-0"), ("failure-1", "fail-info-1"), ("failure-2", "fail-info-2"),
        ("failure-3", "fail-info-3"), ("failure-4", "fail-info-4"), ("http-404", "top-error-404"),
        ("http-503", "top-error-503"), ("none", "top-error"),
    ],
)  # fmt: skip
def test_the_ca_answers_as_it_is_told(bench, key, answer: str, details: str) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post("/simulation/ca", {"answer": answer, "network": "up"})
    admin.post(url("request"), key)
    admin.get(url("status"))
    assert f'data-state="error" data-details="{details}"' in admin.page.text
    admin.get("/simulation")
    assert "PKCSReq" in admin.words
    admin.post("/simulation/ca", {"answer": "policy", "network": "up"})
    admin.post(url("request"), key)
    assert "Successful" in admin.words


@pytest.mark.parametrize("state", ["refused", "unreachable", "no-such-host", "silent"])
def test_a_network_that_is_down_is_a_top_error(bench, key, state: str) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post("/simulation/ca", {"network": state})
    admin.post(url("request"), key)
    if state == "silent":
        here.site.advance(29)
        assert here.printer.status()[0].state == "processing"
        here.site.advance(1)
    assert here.printer.status()[0].details.slug == "top-error"


@pytest.mark.parametrize(("host", "port"), [("192.0.2.99", None), ("127.0.0.1", 9)])
def test_only_the_ca_is_at_its_address(bench, key, host: str, port: int | None) -> None:
    here = bench()
    admin = here.administrator()
    admin.post(url("comm"), {"url": f"http://{host}/scep", "port": port or here.ca_port, "timeout": 30})
    admin.post(url("request"), key)
    assert here.printer.status()[0].details.slug == "top-error"
    assert here.site.ca.journal.count == 0


@pytest.mark.parametrize("fields", [{"by": "1y"}, {"by": ""}, {}])
def test_time_is_moved_by_the_buttons_only(bench, fields) -> None:
    here = bench()
    admin = here.administrator()
    assert admin.post("/simulation/advance", fields).status_code == 400
    assert here.site.clock.now() == here.served.start


def test_the_buttons_move_the_time(bench) -> None:
    here = bench()
    admin = here.administrator()
    admin.advance("1h")
    assert "2026-03-02 09:00:00" in admin.words
    admin.advance("next")  # nothing is booked
    assert (here.site.clock.now() - here.served.start).total_seconds() == 3600


@pytest.mark.parametrize("fields", [{"answer": "gold"}, {"network": "wet"}])
def test_the_ca_is_told_nothing_it_does_not_know(bench, fields) -> None:
    here = bench()
    assert here.administrator().post("/simulation/ca", fields).status_code == 400
    assert (here.site.answer, here.site.network.state) == ("policy", "up")
