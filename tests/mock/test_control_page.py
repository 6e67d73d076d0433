"""The page of the control port: what it shows and does, who may, and that nothing of a client is markup in it."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import urlencode

import pytest

from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mfp_sim.shared.simtime import Entropy
from mock_scep_server.control import ControlService
from mock_scep_server.control_page import VIEWS
from mock_scep_server.saving import SavingService

TOKEN = "canary-token-12"
HOST = ("Host", "127.0.0.1:8081")
OWN = ("Origin", "http://127.0.0.1:8081")
FORM = ("Content-Type", "application/x-www-form-urlencoded")
EVIL = "<script>alert(1)</script>"


class Browser:
    """Asks for pages as a browser does, and sends the forms that are in them."""

    def __init__(self, ca, **rest) -> None:
        self.ca, self.control = ca, ControlService(ca.service, entropy=Entropy(5), **rest)
        self.cookie: tuple[tuple[str, str], ...] = ()

    def ask(self, method: str, target: str, body: bytes = b"", *headers: tuple[str, str]) -> HttpReply:
        named = () if any(name == "Host" for name, _ in headers) else (HOST,)
        request = HttpRequest(method, target, (*named, *self.cookie, *headers), body)
        octets = self.control.handle(request, "127.0.0.1").octets
        assert TOKEN.encode() not in octets
        return reply_of(octets)

    def show(self, view: str, **query: object) -> str:
        reply = self.ask("GET", f"/page?{urlencode({'view': view, **query})}")
        assert reply.status == 200
        return reply.body.decode()

    @property
    def form_token(self) -> str:
        found = re.search(r'name="form_token" value="([0-9a-f]{48})"', self.ask("GET", "/page").body.decode())
        assert found is not None
        return found[1]

    def send(
        self, do: str, view: str = "queue", *headers: tuple[str, str], path: str = "/page", **fields: str
    ) -> HttpReply:
        form = {"form_token": self.form_token, "view": view, "do": do, **fields}
        return self.ask("POST", path, urlencode(form).encode(), FORM, *(headers or (OWN,)))


@pytest.fixture
def browser(make_ca):
    def opened(policy: str = "{}", *, rules: str = "[]", **rest) -> Browser:
        return Browser(make_ca(policy, script=rules), **rest)

    return opened


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_of_an_empty_ca(browser, view: str) -> None:
    shown = browser().show(view)
    assert f"<h1>{VIEWS[view]}</h1>" in shown
    assert f'view={view}" aria-current="page"' in shown


def test_a_browser_at_the_root_is_sent_to_the_page_and_a_program_is_not(browser) -> None:
    there = browser()
    reply = there.ask("GET", "/", b"", ("Accept", "text/html,*/*"))
    assert (reply.status, reply.header("Location")) == (303, "page")
    assert there.ask("GET", "/", b"", ("Accept", "*/*")).media_type == "application/json"


def test_what_a_page_may_load_and_where_it_may_stand(browser) -> None:
    reply = browser().ask("GET", "/page")
    policy = reply.header("Content-Security-Policy")
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert (reply.header("X-Content-Type-Options"), reply.header("Cache-Control")) == ("nosniff", "no-store")
    text = reply.body.decode()
    assert not re.search(r"\son\w+=|style=|javascript:", text)
    assert browser().ask("GET", "/page.css").media_type == "text/css"
    assert browser().ask("GET", "/page.js").media_type == "text/javascript"


def test_requests_are_approved_and_rejected_by_their_forms(browser, clients) -> None:
    there = browser("{approval: manual}")
    first, second = clients(there.ca, 2)
    first.enrol(transaction_id="*")
    second.enrol()
    assert 'name="transaction" value="*"' in there.show("queue")
    reply = there.send("approve", transaction="*")
    assert (reply.status, reply.header("Location")) == (303, "page?view=queue&done=approve&count=1")
    assert "Requests approved: 1." in there.show("queue", done="approve", count=1)
    assert "Requests approved: ?." in there.show("queue", done="approve", count="<b>")
    there.send("reject", pattern="CN=printer-1*")
    assert second.poll().words == "badRequest: rejected by the operator"
    assert first.poll(transaction_id="*").words == "SUCCESS"


def test_whatever_a_client_says_is_text(browser, make_client) -> None:
    there = browser("{approval: manual}")
    client = make_client(there.ca, f"{EVIL}\u202eevil\x1b[2J", 3)
    client.enrol(transaction_id=f'">{EVIL}')
    there.ca.get("/?operation=%3Cscript%3Ealert(1)%3C/script%3E")
    there.ca.service.operator.approve()
    client.poll(transaction_id=f'">{EVIL}')
    for view in VIEWS:
        shown = there.show(view)
        assert "<script>alert" not in shown, view
        assert "\u202e" not in shown, view
        assert "\x1b" not in shown, view
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in there.show("journal")
    assert "\\u202eevil" in there.show("ledger")
    echoed = there.show("journal", text=f'"{EVIL}') + there.show("faults", search=f'"{EVIL}')
    assert "<script>alert" not in echoed


def test_the_journal_has_findings_and_is_filtered_and_paged(browser, make_client) -> None:
    there = browser()
    for _ in range(30):
        there.ca.get("/?operation=GetCACaps")
    make_client(there.ca).enrol(transaction_id="twice")
    make_client(there.ca, "other.example", 2).enrol(transaction_id="twice")
    shown = there.show("journal")
    assert "32 of 32 requests, newest first; page 1 of 2" in shown
    assert '<span class="badge bad">fail</span> SCEP-3.2.1.1-01' in shown
    assert ">#8<" in shown
    assert ">#7<" not in shown
    assert ">#7<" in there.show("journal", page=2)
    assert "1 of 32 requests" in there.show("journal", verdict="fail")
    assert "page 2 of 2" in there.show("journal", page=99)
    assert "page 1 of 2" in there.show("journal", page="x")
    assert "192.0.2.10</strong>: 32 requests, 1 granted" in there.show("clients")


def test_decoded_messages_of_a_saved_exchange(browser, make_ca, tmp_path: Path) -> None:
    ca = make_ca()
    saving = SavingService(tmp_path / "s")
    saving.service, ca.service.exchange_number = ca.service, saving.number_of
    saving.handle(HttpRequest("GET", "/scep?operation=GetCACaps"), "192.0.2.10")
    there = Browser(ca, files=saving.files)
    assert 'href="page?view=exchange&amp;number=1"' in there.show("journal")
    assert "&#34;keywords&#34;" in there.show("exchange", number=1)
    reply = there.ask("GET", "/page?view=exchange&number=2")
    assert (reply.status, b"there is no exchange 2" in reply.body) == (404, True)


def test_the_script_is_edited_and_its_mistakes_stand_at_their_places(browser, make_client) -> None:
    there = browser("{}", rules="[{when: {type: PKCSReq, nth: 2}, then: pending}]", script="# kept\n[]\n")
    make_client(there.ca).enrol()
    shown = there.show("script")
    assert "# kept" in shown
    assert "rule 1 nearly matched: this was match 1, the rule requires 2" in shown
    reply = there.send("script", "script", script="- then: pending\r\n- when: {tpye: x}\r\n  then: pending\r\n")
    text = reply.body.decode()
    assert reply.status == 400
    assert '<div class="marked"><span class="no">2</span>- when: {tpye: x}</div>' in text
    assert "line 2, column 10: unknown key &#39;tpye&#39; in when (did you mean &#39;type&#39;?)" in text
    assert len(there.ca.service.script.rules) == 1
    assert there.send("script", "script", script="- then: pending\r\n- then: success\r\n").status == 303
    assert [str(rule.answer) for rule in there.ca.service.script.rules] == ["pending", "success"]
    assert "- then: pending\n- then: success\n</textarea>" in there.show("script")


def test_a_fault_is_found_and_becomes_a_rule(browser, make_client) -> None:
    there = browser()
    found = re.findall(r"slug=([a-z0-9-]+)&amp;", there.show("faults", search="recipient nonce"))
    assert "nonce-mismatch" in found
    assert len(found) < 20
    assert "No fault matches." in there.show("faults", search="no such fault at all")
    reply = there.send("add", "faults", slug="nonce-mismatch", fault="nonce-mismatch", when="{typ: PKCSReq}")
    assert (reply.status, b"did you mean" in reply.body, b'value="{typ: PKCSReq}"' in reply.body) == (400, True, True)
    assert there.send("add", "faults", fault="nonce-mismatch", when="{type: PKCSReq}", times="1").status == 303
    assert make_client(there.ca).enrol().status == 200
    assert there.ca.service.journal.entries[-1].faults == ("nonce-mismatch",)
    assert "- when: {type: PKCSReq}\n  faults: [nonce-mismatch]\n  times: 1\n" in there.show("script")


def test_a_challenge_is_shown_once_and_stands_in_no_url(browser) -> None:
    there = browser("{challenge: {one_time: {cache: 1}}}")
    reply = there.send("challenge", "overview", subject="CN=x*")
    secret = re.search(r'id="challenge">([0-9A-F]{16})<', reply.body.decode())
    assert (reply.status, secret is not None) == (200, True)
    assert secret[1] not in there.show("overview")
    assert "1 challenge passwords are outstanding" in there.send("challenge", "overview").body.decode()
    assert "s3cret" not in browser().show("overview")


def test_ca_certificate_ledger_and_reset(browser, make_client) -> None:
    there = browser()
    client = make_client(there.ca)
    client.enrol()
    authority = there.ca.service.authority
    shown = there.show("overview")
    assert authority.issuer.certificate.fingerprint() in shown
    pem = there.ask("GET", "/ca.pem").body.decode()
    assert pem.strip() in shown
    assert f"{client.certificate.serial:x}" in there.show("ledger")
    assert "count=1" in there.send("revoke", "ledger", pattern=f"{client.certificate.serial:x}").header("Location")
    there.send("reset", "overview")
    assert there.ca.service.journal.count == 0


# --- who may ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers",
    [
        [("Origin", "http://evil.example")],
        [("Origin", "null")],
        [("Origin", "http://127.0.0.1:9999")],
        [("Sec-Fetch-Site", "cross-site")],
        [("Sec-Fetch-Site", "same-site"), OWN],
    ],
)
def test_a_form_from_elsewhere_does_nothing(browser, headers) -> None:
    there = browser()
    reply = there.send("hold", "queue", *headers, pattern="*")
    assert (reply.status, b"the form does not come from this page" in reply.body) == (403, True)
    assert "count=1" in there.send("hold", pattern="*").header("Location")  # nothing was held


def test_a_form_without_its_token_does_nothing(browser) -> None:
    there = browser()
    for token in ("", "0" * 48, "ü"):
        assert there.send("hold", form_token=token).status == 403
    reply = there.ask("POST", "/page", b"do=hold&view=queue", FORM, OWN)
    assert reply.status == 403
    assert there.send("none").status == 400


def test_a_name_that_was_rebound_shows_nothing(browser) -> None:
    reply = browser().ask("GET", "/page", b"", ("Host", "rebound.example"))
    assert (reply.status, b"only programs on this computer" in reply.body) == (403, True)


def test_a_token_is_asked_for_and_the_cookie_does_instead(browser) -> None:
    there = browser(token=TOKEN)
    reply = there.ask("GET", "/page?view=journal")
    assert (reply.status, b"<h1>Log in</h1>" in reply.body, b"view=journal" in reply.body) == (401, True, False)
    assert there.send("approve").status == 401
    assert there.send("", path="/login", token="wrong").status == 401
    reply = there.send("", path="/login", token=TOKEN)
    cookie = reply.header("Set-Cookie")
    assert (reply.status, reply.header("Location")) == (303, "page")
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict")
    there.cookie = (("Cookie", f"other=1; {cookie.partition(';')[0]}"),)
    assert "<h1>Journal</h1>" in there.show("journal")
    assert there.send("hold", pattern="*").status == 303
    assert "Max-Age=0" in there.send("", path="/logout").header("Set-Cookie")
    there.cookie = (("Cookie", "mock-control-8081="),)
    assert there.ask("GET", "/page").status == 401


def test_the_token_is_not_guessed_by_the_form(browser) -> None:
    there = browser(token=TOKEN)
    statuses = [there.send("", path="/login", token=f"guess {n}").status for n in range(5)]
    assert statuses == [401, 401, 401, 401, 429]
    assert there.send("", path="/login", token=TOKEN).status == 429


def test_other_methods_and_views(browser) -> None:
    there = browser()
    assert there.ask("DELETE", "/page").status == 405
    assert there.ask("GET", "/logout").status == 405
    assert there.ask("GET", "/page?view=other").status == 404
    assert there.ask("GET", "/page?view=_act").status == 404
