"""The mock's control page in Chromium: forms, live updates, no script, narrow and dark, and what axe-core says."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.testing import Bench
from mock_scep_server.control import ControlService
from mock_scep_server.control_page import VIEWS
from mock_scep_server.server import ServerHost

RULES = "- when: {type: PKCSReq, nth: 7}\n  faults: [nonce-mismatch]\n"


@pytest.fixture
def bench() -> Bench:
    """A CA whose first request waits, and to which somebody has sent markup."""
    made = Bench("{approval: manual}", script=RULES)
    client = made.client()
    client.ask(client.order())
    made.ca.handle(HttpRequest("GET", "/scep?operation=%3Cimg%20src=x%20onerror=alert(1)%3E"), "192.0.2.7")
    return made


@pytest.fixture
def host(bench) -> Iterator[ServerHost]:
    with ServerHost(ControlService(bench.ca, script=RULES)) as opened:
        yield opened


def test_a_request_is_approved_and_the_journal_follows(page, host, bench, watched) -> None:
    page.goto(f"{host.url}/")
    assert page.url.endswith("/page")
    page.get_by_role("link", name="Waiting 1").click()
    page.get_by_role("button", name="Approve CN=").click()
    page.get_by_text("Requests approved: 1.").wait_for()
    assert bench.ca.operator.waiting[0].approved
    page.get_by_role("link", name="Journal").click()
    assert page.get_by_text("GetCACaps").count() == 0
    bench.ca.handle(HttpRequest("GET", "/scep?operation=GetCACaps"), "192.0.2.7")
    page.get_by_text("GetCACaps").wait_for()
    assert watched.errors == []
    assert all(url.startswith(host.url) for url in watched.requests)


def test_without_script_it_works_by_reloading(browser, host, bench) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(f"{host.url}/page?view=faults&search=nonce-mismatch")
    page.click("text=nonce-mismatch >> nth=0")
    page.fill("#when", "{type: PKCSReq}")
    page.click("text=Add it before the other rules")
    page.get_by_text("The new rule is the first one").wait_for()
    page.click("nav >> text=Script")
    assert page.input_value("#script").startswith("- when: {type: PKCSReq}\n  faults: [nonce-mismatch]\n- when:")
    page.fill("#script", "- then: succes\n")
    page.click("text=Use these rules")
    page.get_by_text("did you mean 'success'?").wait_for()
    assert len(bench.ca.script.rules) == 2
    context.close()


def test_a_form_of_another_site_does_nothing(page, host, bench) -> None:
    with ServerHost(_Evil(f"{host.url}/page")) as evil:
        page.goto(evil.url)
        page.click("button")
        page.get_by_text("the form does not come from this page").wait_for()
    assert not bench.ca.operator.waiting[0].approved


class _Evil:
    """A page of another site with a form for the control page."""

    def __init__(self, target: str) -> None:
        self.target = target

    def handle(self, request: HttpRequest, client: str):
        from mfp_sim.shared.scep.http_messages import HttpReply, delivery_of

        body = f'<form method=post action="{self.target}"><input name=do value=approve><button>x</button></form>'
        return delivery_of(
            HttpReply(200, headers=(("Content-Type", "text/html"),), body=body.encode()), keep_alive=False
        )


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1250, 400])
def test_every_view_is_accessible_and_fits(browser, host, violations, watched, scheme: str, width: int) -> None:
    context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)
    page = context.new_page()
    watched.watch(page)
    for view in (*VIEWS, "faults&slug=nonce-mismatch"):
        page.goto(f"{host.url}/page?view={view}")
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
        assert violations(page) == [], view
    assert watched.errors == []
    context.close()


def test_log_in_and_out(page, bench) -> None:
    with ServerHost(ControlService(bench.ca, token="canary-13")) as host:
        page.goto(host.url)
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Log in").click()
        page.get_by_text("The token is wrong.").wait_for()
        page.get_by_label("Token").fill("canary-13")
        page.get_by_role("button", name="Log in").click()
        page.get_by_role("heading", name="Overview").wait_for()
        assert "canary" not in page.url + page.content()
        page.get_by_role("button", name="Log out").click()
        page.get_by_role("heading", name="Log in").wait_for()
