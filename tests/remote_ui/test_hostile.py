"""What browsers and servers send is hostile: form tokens, hosts, escaping, headers, sizes, where one is sent to."""

from __future__ import annotations

import re
import threading
from datetime import datetime, timezone
from typing import Any

import pytest

from mfp_sim.remote_ui.app import create_app
from mfp_sim.remote_ui.host import _Received
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.remote_ui.sessions import Sessions
from mfp_sim.shared.simtime import Entropy, FrozenClock

PIN = "canary-p1n"

HOSTILE = [
    '"><script>alert(1)</script>', "'onfocus='alert(1)' autofocus='", "{{7*7}}", "{% raw %}", "=cmd|'/c calc'!A1",
    "../../../../etc/passwd", "\u202e\u0000\u0007", "%s%n{0}", "x" * 5000, "漢字 &lt;b&gt;", "${7*7}", "a\r\nSet-Cookie: x=y",
]  # fmt: skip
POSTS = {
    PAGES["comm"].url: ("url", "port", "timeout"),
    PAGES["request"].url: ("name", "signature", "length", "organization", "common_name", "challenge", "use", "policy"),
    PAGES["auto"].url: ("name", "signature", "length", "organization", "common_name", "challenge", "use", "policy",
                        "timer", "start", "start_time", "polling", "polling_count", "polling_interval", "periodic", "every"),
    PAGES["functions"].url: ("use", "turn"),
    PAGES["network"].url: ("dns", "ip"),
    f"{PAGES['import-export'].url}/export": ("password",),
    "/login": ("role", "pin", "back"),
    "/simulation/advance": ("by", "back"),
    "/simulation/ca": ("answer", "network"),
    "/simulation/fault": ("slug", "at"),
    "/simulation/no-fault": (),
    "/simulation/operator": ("act", "transaction"),
}  # fmt: skip


@pytest.mark.parametrize("text", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_text_in_every_field(bench, key, auto, text: str) -> None:
    here = bench()
    defaults = {**key, **auto, "url": here.ca_url, "port": here.ca_port, "timeout": 30}
    for path, fields in POSTS.items():
        for field in fields:
            admin = here.administrator()
            page = admin.post(path, {**{name: defaults.get(name, "") for name in fields}, field: text})
            assert page.status_code < 500 or "The printer is off" in admin.words, (path, field)
            assert "<script>alert" not in page.text
            assert "autofocus" not in re.sub(r'value="[^"]*"', "", page.text)
            assert "49" not in re.findall(r'value="([^"]*)"', page.text)
            assert "x" not in page.headers.getlist("Set-Cookie")
            here.printer.power_on()
    page = here.visitor().get("/simulation", query_string={"search": text})
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "autofocus" not in re.sub(r'(?:value|href)="[^"]*"', "", page.text)


def test_what_is_stored_is_escaped_wherever_it_is_shown(bench, key) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(PAGES["request"].url, {**key, "organization": "<img src=x onerror=alert(1)>"})
    (entry,) = [entry for entry in here.printer.key_list() if not entry.default]
    pages = [admin.get(path).text for path in (f"{PAGES['keys'].url}/{entry.id}", PAGES["audit"].url, "/simulation")]
    assert "&lt;img src=x onerror=alert(1)" in pages[0]
    assert not any("<img" in page for page in pages)


# --- those who try PINs, and those who take their time -----------------------------------------------------


def test_each_wrong_pin_costs_a_longer_wait_in_which_none_is_looked_at(bench) -> None:
    here, clock = bench(), FrozenClock(datetime(2026, 3, 2, tzinfo=timezone.utc))
    here.app = create_app(here.site, here.printer, entropy=Entropy(3), pin=PIN, clock=clock)
    visitor = here.visitor()
    for _ in range(3):
        assert visitor.log_in(pin="0000").status_code == 403
        assert visitor.reason == "wrong-pin"
    assert visitor.log_in(pin="0000").status_code == 403  # the fourth costs a second
    waits = []
    for _ in range(4):
        page = visitor.log_in(pin=PIN)  # the right one, too early
        assert (page.status_code, visitor.reason) == (429, "wait")
        waits.append(int(page.headers["Retry-After"]))
        assert f"try again in {waits[-1]} s." in visitor.words
        clock.advance(waits[-1])
        assert visitor.log_in(pin="0000").status_code == 403
    assert waits == [1, 2, 4, 8]
    assert visitor.log_in(role="user").status_code == 200  # needs no PIN, so no wait, and changes none
    assert visitor.log_in(pin=PIN).status_code == 429
    clock.advance(16)
    assert visitor.log_in(pin=PIN).status_code == 200
    assert visitor.reason is None


def test_logins_as_user_end_no_session_of_the_administrator(monkeypatch) -> None:
    monkeypatch.setattr("mfp_sim.remote_ui.sessions._LIMIT", 5)
    sessions = Sessions(Entropy(1), PIN)
    administrator = sessions.log_in(sessions.begin(), "administrator", PIN)
    for _ in range(20):
        sessions.log_in(sessions.begin(), "user", "")
        sessions.begin()
    assert sessions.get(administrator.token) is administrator
    assert len(sessions) == 5


class Dripping:
    """A connection on which a letter comes every ten seconds."""

    def __init__(self, clock: FrozenClock) -> None:
        self.clock, self.waits = clock, []

    def settimeout(self, seconds: float) -> None:
        self.waits.append(seconds)

    def recv_into(self, buffer) -> int:
        self.clock.advance(10)
        buffer[:1] = b"G"
        return 1


def test_a_letter_now_and_then_does_not_hold_a_thread_for_ever() -> None:
    clock = FrozenClock(datetime(2026, 3, 2, tzinfo=timezone.utc))
    connection: Any = Dripping(clock)
    received = _Received(connection, clock)
    assert [received.readinto(bytearray(9)) for _ in range(3)] == [1, 1, 1]
    assert connection.waits == [30.0, 30, 20.0, 30, 10.0, 30]
    with pytest.raises(TimeoutError, match="not sent in time"):
        received.readinto(bytearray(9))


@pytest.mark.parametrize("token", ["", "0" * 64, "ø"])
@pytest.mark.parametrize("path", [*POSTS, "/logout", PAGES["restart"].url, "/simulation/power-on"])
def test_without_the_token_of_the_session_nothing_is_done(bench, path: str, token: str) -> None:
    here = bench()
    admin = here.administrator()
    page = admin.post(path, {"form_token": token, "url": here.ca_url, "port": 80, "timeout": 30, "by": "1d"})
    assert page.status_code == 403
    assert "Nothing was changed." in admin.words
    assert here.printer.communication is None
    assert here.printer.powered
    assert here.site.clock.now() == here.served.start
    assert admin.get("/").request.path == "/"  # still logged in


def test_the_token_of_another_session_is_none(bench) -> None:
    here = bench()
    first, second = here.administrator(), here.administrator()
    page = second.post(PAGES["network"].url, {"form_token": first.token, "dns": "on"})
    assert page.status_code == 403
    assert not here.printer.dns


def test_a_login_changes_the_token(bench) -> None:
    """A token that somebody planted before the login is worth nothing after it."""
    here = bench()
    visitor = here.visitor()
    visitor.get("/login")
    before = visitor.client.get_cookie("remote-ui-SIM00001").value
    visitor.log_in()
    assert visitor.client.get_cookie("remote-ui-SIM00001").value != before
    other = here.visitor()
    other.client.set_cookie("remote-ui-SIM00001", before)
    assert other.get("/").request.path == "/login"


def test_the_cookie_and_the_headers_of_every_answer(bench) -> None:
    here = bench()
    client = here.app.test_client()
    for path in ("/", "/login", "/nowhere", "/static/style.css", "/simulation"):
        with client.get(path) as answer:
            headers = answer.headers
        policy = headers["Content-Security-Policy"]
        assert policy.startswith("default-src 'none'")
        assert "unsafe" not in policy
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert headers["Cache-Control"] == "no-store"
    cookie = here.app.test_client().get("/login").headers["Set-Cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie


def test_no_page_needs_what_the_policy_forbids(bench) -> None:
    admin = bench().administrator()
    more = ("/login", "/simulation?search=nonce", "/simulation/printers", "/simulation/assumptions/comm")
    for path in [*(page.url for page in PAGES.values()), *more]:
        text = admin.get(path).text
        assert not re.search(
            r"<style|style=|<script(?! src=)|\son[a-z]+=|javascript:|(src|href|action)=.?https?:", text
        ), path


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "[::2]:80", ""])
def test_a_foreign_host_name_is_refused(bench, host: str) -> None:
    """DNS rebinding: a name of somebody else that leads to loopback."""
    client = bench().app.test_client()
    assert client.get("/login", headers={"Host": host}).status_code == 400


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "LOCALHOST:1", "[::1]:8000"])
def test_loopback_is_known_by_its_names(bench, host: str) -> None:
    assert bench().app.test_client().get("/login", headers={"Host": host}).status_code == 200


def test_any_name_will_do_when_it_is_bound_to_more(bench) -> None:
    here = bench()
    app = create_app(here.site, here.printer, entropy=Entropy(1), hosts=())
    assert app.test_client().get("/login", headers={"Host": "printer.example"}).status_code == 200


@pytest.mark.parametrize(
    "back",
    [
        "https://evil.example/",
        "//evil.example",
        "/\\evil.example",
        "javascript:alert(1)",
        "\\\\x",
        "http:/x",
        "[",
        "/a\r\nb",
        "///evil.example",
        "/\t/evil.example",
        "?//evil.example",
    ],
)
def test_nobody_is_sent_elsewhere(bench, back: str) -> None:
    visitor = bench().visitor()
    answer = visitor.client.get("/language/nb", query_string={"back": back})
    assert answer.headers["Location"] in ("/", "/a", "/ab")
    visitor.get("/login")
    answer = visitor.client.post("/login", data={"form_token": visitor.token, "pin": "canary-p1n", "back": back})
    assert answer.headers["Location"] in ("/", "/a", "/ab")
    for path in ("/simulation/advance", "/login"):  # without a session, the login comes first
        answer = bench().app.test_client().post(path, data={"back": back})
        assert answer.headers["Location"] in ("/login?ended=1", "/login?back=/a&ended=1", "/login?back=/ab&ended=1")


@pytest.mark.parametrize("back", ["/settings?next=//evil.example", "/settings?u=http://evil.example/"])
def test_a_query_is_kept_on_this_site(bench, back: str) -> None:
    visitor = bench().visitor()
    answer = visitor.client.get("/language/nb", query_string={"back": back})
    assert answer.headers["Location"] == back


def test_too_large_is_refused_and_nothing_is_kept(bench) -> None:
    here = bench()
    admin = here.administrator()
    body = (
        b'--b\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + b"x" * 600_000 + b"\r\n--b--\r\n"
    )
    page = admin.client.post(
        f"{PAGES['import-export'].url}/import", data=body, content_type="multipart/form-data; boundary=b"
    )
    assert page.status_code == 413
    assert here.printer.transfer is None


@pytest.mark.parametrize(
    "path", ["/nowhere", "/static/../app.py", "/static/%2e%2e/app.py", "/settings/device-management/keys/99"]
)
def test_what_is_not_there_is_said(bench, path: str) -> None:
    page = bench().administrator().get(path)
    assert page.status_code == 404
    assert "There is no such page." in page.text


def test_the_wrong_method_is_said(bench) -> None:
    admin = bench().administrator()
    assert admin.get("/simulation/advance").status_code == 405
    assert admin.post(PAGES["status"].url).status_code == 405


def test_secrets_are_on_no_page(bench, key, auto) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    pages = [admin.post(PAGES["request"].url, key).text, admin.post(PAGES["auto"].url, auto).text]
    pages.append(admin.post(PAGES["auto"].url, {**auto, "name": ""}).text)
    pages += [admin.get(path).text for path in [*(page.url for page in PAGES.values()), "/simulation"]]
    assert not any("canary" in page for page in pages)
    assert "canary" not in repr(here.served.plan)
    assert all("canary" not in str(event.to_json()) for event in here.printer.recorder.events)


def test_sessions_without_a_login_go_first() -> None:
    sessions = Sessions(Entropy(1), "1234")
    kept = sessions.log_in(sessions.begin(), "administrator", "1234")
    assert kept is not None
    for _ in range(3000):
        sessions.begin()
    assert len(sessions) == 1000
    assert sessions.get(kept.token) is kept
    for text in (kept.token, kept.form_token, "1234"):
        assert text not in repr(kept)


def test_somebody_who_waits_too_long_is_told_so(bench, monkeypatch: pytest.MonkeyPatch) -> None:
    import mfp_sim.remote_ui.app as module

    monkeypatch.setattr(module, "_PATIENCE", 0.01)
    here = bench()
    admin = here.administrator()
    taken, done = threading.Event(), threading.Event()

    def hold() -> None:
        with here.site.held():
            taken.set()
            done.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    taken.wait(10)
    answer = admin.client.get(PAGES["status"].url)
    done.set()
    holder.join()
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "Try again in a moment." in answer.text
    assert admin.get(PAGES["status"].url).status_code == 200


def test_an_error_of_the_machine_is_told_in_words(bench, tmp_path) -> None:
    here = bench(state_dir=tmp_path / "state")
    admin = here.administrator()
    (tmp_path / "state" / "SIM00001" / "printer.json.new").mkdir()
    page = admin.post(PAGES["network"].url, {"dns": "on"})
    assert page.status_code == 500
    assert "cannot keep the state in" in admin.words
