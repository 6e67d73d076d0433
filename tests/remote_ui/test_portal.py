"""The portal shows the printer's own state; what it only draws says so; numbers of assumptions are the simulator's."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mfp_sim.remote_ui.menu import PAGES, below
from mfp_sim.shared.catalogue.registry import assumptions

NUMBER = re.compile(r"\bA-\d\d\b")


def url(name: str) -> str:
    return PAGES[name].url


def messages(admin) -> dict[str, str]:
    """The messages of the portal: the text of each by its key."""
    page = admin.get("/").text
    found = re.findall(r'<li class="[a-z]+" data-message="([a-z-]+)">(.*?)</li>', page, re.DOTALL)
    return {key: re.sub(r"<[^>]+>", "", text).strip() for key, text in found}


def state(admin) -> str:
    found = re.search(r'data-state="([a-z]+)">', admin.get("/").text)
    assert found is not None
    return found[1]


def test_a_new_printer_asks_for_its_server_and_nothing_else(bench) -> None:
    here = bench()
    admin = here.administrator()
    assert (state(admin), list(messages(admin))) == ("ready", ["no-server"])
    here.connect(admin)
    assert messages(admin) == {}
    assert "There are no messages." in admin.words


def test_the_portal_says_why_the_last_request_failed_until_one_succeeds(bench, key) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    here.site.set_answer("failure-2")
    admin.post(url("request"), key)
    expected = "The last request, of 2026-03-02 08:00:00, failed: Communication Error (SCEP ERROR Fail Info 2)."
    assert messages(admin)["failed"].startswith(expected)
    here.site.set_answer("policy")
    admin.post(url("request"), key)
    assert "failed" not in messages(admin)


def test_the_portal_asks_for_the_restart_that_the_key_needs(bench, key) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(url("request"), key)
    assert messages(admin) == {}, "the function is off"
    admin.post(url("functions"), {"use": "TLS", "turn": "on"})
    assert messages(admin) == {}, "a function that starts takes the key"
    admin.post(url("request"), {**key, "name": "second"})
    assert messages(admin)["restart"].startswith("TLS will use the new key second after a restart.")
    admin.post(url("restart"))
    admin.advance("1m")
    assert messages(admin) == {}


def test_the_portal_shows_the_plan_a_full_store_and_an_expired_certificate(bench, auto, key) -> None:
    here = bench(key_limit=2)
    admin = here.administrator()
    here.connect(admin)
    admin.post(url("request"), key)
    assert messages(admin)["full"].startswith("The printer cannot store more keys and certificates than these 2.")
    admin.post(url("auto"), {**auto, "delete_old": "on"})
    assert messages(admin)["planned"].startswith("The next automatic request is planned for 2026-03-02 09:00:00.")
    (entry,) = [entry for entry in here.printer.key_list() if not entry.default]
    left = (entry.certificate.not_after - here.site.clock.now()).total_seconds()
    admin.post(url("auto"), {**auto, "timer": ""} | {"name": "", "common_name": ""})
    here.printer.set_clock(entry.certificate.not_after)
    assert "expired" not in messages(admin), f"valid to the last second of {left}"
    here.printer.set_clock(entry.certificate.not_after.replace(year=entry.certificate.not_after.year + 1))
    assert "expired" in messages(admin)


def test_what_the_printer_is_doing(bench, key) -> None:
    here = bench()
    admin, user = here.administrator(), here.visitor()
    user.log_in("user", "")
    here.connect(admin)
    here.site.set_network("silent")
    admin.post(url("request"), key)
    assert (state(admin), state(user)) == ("request", "ready"), "requests are the administrator's"
    here.site.advance(30)
    assert state(admin) == "ready"
    admin.post(f"{url('import-export')}/export", {"password": "p"})
    assert (state(admin), state(user)) == ("transfer", "transfer")


def test_others_than_the_administrator_get_no_message(bench, key) -> None:
    here = bench()
    here.site.set_network("refused")
    admin, user = here.administrator(), here.visitor()
    here.connect(admin)
    admin.post(url("request"), key)
    assert "failed" in messages(admin)
    user.log_in("user", "")
    assert messages(user) == {}
    assert "Only the administrator sees messages." in user.words
    assert "There are no messages." not in user.words


def test_paper_and_toner_are_said_to_be_drawn(bench) -> None:
    page = bench().administrator().get("/").text
    panels = re.findall(r'<section class="panel drawn".*?</section>', page, re.DOTALL)
    assert len(panels) == 2
    assert page.count("<meter") == sum(panel.count("<meter") for panel in panels) == 7
    for panel in panels:
        assert "Drawn by the simulator, which has no paper and no toner. These levels never change." in panel
    assert page.count("Simulated printer") == 1


@pytest.mark.parametrize("role", ["administrator", "user"])
def test_the_side_menu_has_every_page_of_the_role(bench, role: str) -> None:
    visitor = bench().visitor()
    assert 'id="side"' not in visitor.get("/login").text
    visitor.log_in(role)
    page = visitor.get("/").text
    links = re.findall(r'href="([^"]+)"', re.search(r'<nav class="side".*?</nav>', page, re.DOTALL)[0])
    assert links == [page.url for page in PAGES.values() if role in page.roles]
    assert len(links) == (14 if role == "administrator" else 3)
    assert {page.url for name in PAGES for page in below(name, role)} | {"/"} == set(links)


# --- numbers of assumptions -------------------------------------------------------------------------------


def test_no_page_of_the_printer_shows_the_number_of_an_assumption(bench, key, auto) -> None:
    here = bench()
    assert NUMBER.search(here.printer.profile.scep), "the model has one, so that this test can fail"
    admin = here.administrator()
    here.connect(admin)
    here.site.set_answer("failure-0")
    admin.post(url("request"), key)
    here.site.set_answer("policy")
    admin.post(url("request"), key)
    admin.post(url("auto"), auto)
    for path in [*(page.url for page in PAGES.values()), f"{url('keys')}/2", f"{url('keys')}/2/delete", "/simulation"]:
        page = admin.get(path)
        assert page.status_code == 200
        assert not NUMBER.search(admin.own), path
    assert "RFC 8894 and the NDES of Windows Server 2008 R2, 2012 R2 and 2016<" in admin.get("/").text


@pytest.mark.parametrize("name", PAGES)
def test_the_strip_leads_to_the_assumptions_of_the_page(bench, name: str) -> None:
    page = PAGES[name]
    here = bench()
    text = here.administrator().get(page.url).text
    assert sorted(NUMBER.findall(text)) == sorted(page.assumes)
    (link,) = re.findall(r'href="([^"]+)" id="to-assumptions"', text)
    explained = here.visitor().get(link)
    assert explained.status_code == 200
    assert re.findall(r'<th scope="row">(A-\d\d)</th>', explained.text) == list(page.assumes)
    for number in page.assumes:
        assert assumptions()[number].title.replace("'", "&#39;") in explained.text


def test_there_are_no_assumptions_behind_a_page_that_is_not_there(bench) -> None:
    assert bench().visitor().get("/simulation/assumptions/nowhere").status_code == 404


def test_every_assumption_is_behind_some_page() -> None:
    assert {number for page in PAGES.values() for number in page.assumes} == assumptions().keys()


# --- long numbers -----------------------------------------------------------------------------------------


def test_long_numbers_wrap_between_bytes_only(bench) -> None:
    here = bench()
    page = here.administrator().get(f"{url('keys')}/1").text
    certificate = here.printer.key_list()[0].certificate
    whole = certificate.fingerprint()
    assert "<wbr>".join(whole[at : at + 4] for at in range(0, 64, 4)) in page
    assert whole in page.replace("<wbr>", "")


def test_a_model_of_your_own_is_shown_without_its_numbers(bench) -> None:
    here = bench()
    here.printer.profile = replace(here.printer.profile, scep="NDES (A-27, A-31) and more (1)", summary="mine (A-01)")
    admin = here.administrator()
    admin.get("/")
    assert "NDES and more (1)<" in admin.own
    assert "canon-ir-adv-dx: mine<" in admin.own
