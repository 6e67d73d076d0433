"""The Remote UI clicked through in Chromium: the manual's procedures in English and Norwegian, with moved time."""

from __future__ import annotations

import pytest
from at_the_browser import CHALLENGE, Person

from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.remote_ui.recording import Recording
from mfp_sim.remote_ui.sessions import DEFAULT_PIN
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import run

LANGUAGES = pytest.mark.parametrize("language", ["en", "nb"])


@LANGUAGES
def test_communication_settings(person, picture, language: str) -> None:
    someone = person(language)
    someone.log_in()
    someone.connect()
    assert someone.words.text("updated") in someone.text
    assert someone.printer.communication.url == someone.site.ca_url
    picture(someone.page, language)


@LANGUAGES
def test_a_manual_request(person, picture, language: str) -> None:
    someone = person(language)
    someone.log_in()
    someone.connect()
    someone.open("functions")
    someone.page.click("#turn-1")
    someone.follow("settings", "devmgmt", "scep", "request")
    someone.fill_key()
    someone.press("request.send")
    assert someone.words.text("request.ended", state=someone.words.text("state.successful")) in someone.text
    picture(someone.page, f"{language}-sent")
    assert someone.page.input_value("#name") == ""
    assert someone.printer.functions_in_use()["TLS"] == "Default Key"
    someone.press("restart")
    assert someone.words.text("off.title") in someone.text
    picture(someone.page, f"{language}-restarting")
    someone.page.click("#advance-1m")
    assert someone.page.inner_text("h1") == someone.words.text("portal")
    assert someone.printer.functions_in_use()["TLS"] == "tls2026"


@LANGUAGES
def test_the_timer_to_a_certificate_and_the_status(person, picture, language: str) -> None:
    someone = person(language)
    someone.log_in()
    someone.connect()
    someone.tell_ca("pending")
    someone.follow("settings", "devmgmt", "scep", "auto")
    someone.tick("auto.timer")
    someone.fill("date", "2026-03-02")
    someone.fill("time", "09:00")
    someone.tick("auto.polling")
    someone.fill("auto.polling-count", 2)
    someone.fill("auto.polling-interval", 10)
    someone.tick("auto.periodic")
    someone.fill("auto.every", 30)
    someone.tick("auto.restart")
    someone.tick("auto.delete-old")
    someone.fill_key()
    someone.press("update")
    assert someone.words.text("updated") in someone.text
    assert someone.page.inner_text("#next-request") == "2026-03-02 09:00:00"

    someone.follow("settings", "devmgmt", "status")
    assert someone.first_row.startswith(f"2026-03-02 09:00:00 {someone.words.text('state.to-be-processed')}")
    picture(someone.page, f"{language}-planned")
    someone.page.click("#advance-next")
    assert someone.words.text("state.processing") in someone.first_row
    someone.tell_ca("policy")
    someone.open("status")
    someone.page.click("#advance-next")  # the certificate, and the automatic restart
    assert someone.words.text("off.title") in someone.text
    someone.page.click("#advance-next")
    someone.open("status")
    rows = [" ".join(row.split()) for row in someone.page.locator("#status-table tbody tr").all_inner_texts()]
    assert rows[0].startswith(f"2026-04-01 09:00:00 {someone.words.text('state.to-be-processed')}")
    assert rows[1].startswith(f"2026-03-02 09:10:00 {someone.words.text('state.successful')}")
    picture(someone.page, f"{language}-issued")
    someone.follow("settings", "devmgmt", "keys")
    someone.page.get_by_role("link", name=f"{someone.words.text('keys.details')}: tls2026").click()
    assert "O=Example AS" in someone.text
    picture(someone.page, f"{language}-certificate")


@LANGUAGES
def test_the_status_page_shows_an_error_with_its_details(person, picture, language: str) -> None:
    someone = person(language)
    someone.log_in()
    someone.connect()
    for answer, detail in (("failure-2", "fail-info"), ("http-503", "http"), ("pending", "deferred")):
        someone.tell_ca(answer)
        someone.open("request")
        someone.fill_key()
        someone.press("request.send")
        someone.follow("settings", "devmgmt", "status")
        number = answer.rpartition("-")[2]
        assert someone.words.text("state.error") in someone.first_row
        assert someone.words.text(f"detail.{detail}", number=number) in someone.first_row
    picture(someone.page, language)


@LANGUAGES
def test_what_is_locked_while_the_timer_is_on(person, picture, language: str) -> None:
    """The fields are grey; a page that was opened before is refused, with the reason."""
    someone = person(language)
    someone.log_in()
    someone.connect()
    other = someone.page.context.new_page()
    other.goto(someone.host.url + PAGES["auto"].url.lstrip("/"))
    for box in ("#timer",):
        other.check(box)
    for field, text in {
        "#start": "2026-03-02",
        "#start_time": "09:00",
        "#name": "k",
        "#common_name": "192.0.2.10",
    }.items():
        other.fill(field, text)
    with other.expect_navigation():  # none is closed while it loads
        other.click("#update")
    other.close()
    someone.press("update")
    assert someone.reason == "timer-on"
    assert someone.words.text("refused.timer-on") in someone.text
    picture(someone.page, f"{language}-refused")
    for name in ("comm", "request"):
        someone.open(name)
        assert someone.page.locator("fieldset:disabled").count() == 1
        assert someone.words.text("auto.timer") in someone.page.inner_text("#locked")


def test_a_refusal_leads_to_its_field(person) -> None:
    someone = person()
    someone.log_in()
    someone.open("comm")
    someone.fill("comm.url", "https://ca.example/scep")
    someone.press("update")
    assert someone.reason == "https-not-supported"
    someone.page.click("#refusal a")
    assert someone.page.evaluate("document.activeElement.id") == "url" or "#url" in someone.page.url
    assert someone.page.input_value("#url") == "https://ca.example/scep"
    assert someone.page.get_attribute("#url", "aria-invalid") == "true"


def test_a_general_user_sees_no_scep_menu(person, picture) -> None:
    someone = person()
    someone.log_in("user", "")
    someone.follow("settings", "devmgmt")
    assert someone.page.locator(".menu a").count() == 0
    someone.open("comm")
    assert someone.reason == "not-administrator"
    picture(someone.page, "refused")


def test_the_wrong_pin(person) -> None:
    someone = person()
    someone.log_in(pin="1111")
    assert someone.reason == "wrong-pin"
    someone.open("status")
    assert someone.page.inner_text("h1") == "Log In"


HOSTILE = '"><img src=x onerror="window.stolen=1"><script>window.stolen=1</script>\'{{7*7}}'


@pytest.mark.parametrize("name", ["comm", "request", "auto", "import-export", "network", "functions"])
def test_hostile_input_in_every_field(person, name: str) -> None:
    someone = person()
    someone.log_in()
    someone.connect()
    someone.open(name)
    inputs = someone.page.locator("main input:not([type=hidden],[type=checkbox],[type=file])")
    names = [inputs.nth(index).get_attribute("id") for index in range(inputs.count())]
    assert names or name in ("network", "functions")
    for field in [*names, "__options__"]:
        someone.open(name)
        if field == "__options__":  # what no browser would send by itself
            someone.page.evaluate(
                "text => document.querySelectorAll('main select option, main button[name], main input[name=use]')"
                ".forEach(one => { one.value = text; })",
                HOSTILE,
            )
        else:
            someone.page.evaluate(
                "([id, text]) => { const one = document.getElementById(id); one.type = 'text'; one.value = text; }",
                [field, HOSTILE],
            )
        someone.page.locator("main button").first.click()
        someone.page.wait_for_load_state()
        assert someone.page.evaluate("window.stolen") is None
        assert someone.page.locator("main img").count() == 0
        assert "49" not in someone.page.inner_text("main h1")
    for page in PAGES:
        someone.open(page)
        assert someone.page.evaluate("window.stolen") is None


def test_hostile_names_in_certificates_and_logs(person) -> None:
    someone = person()
    someone.log_in()
    someone.connect()
    someone.open("request")
    someone.fill_key()
    someone.fill("key.organization", HOSTILE[:64])
    someone.press("request.send")
    for path in (f"{PAGES['keys'].url}/2", PAGES["audit"].url, PAGES["keys"].url, "simulation"):
        someone.go(path)
        assert someone.page.evaluate("window.stolen") is None
        assert someone.page.locator("img").count() == 0
    someone.go(f"{PAGES['keys'].url}/2")
    assert "onerror" in someone.text  # it is shown, as text


def test_the_status_page_follows_by_itself_until_told_not_to(person) -> None:
    someone = person()
    someone.log_in()
    someone.connect()
    someone.open("status")
    before = someone.first_row
    someone.page.evaluate("document.body.dataset.same = 'yes'")
    key = {"name": "by-hand", "common_name": "192.0.2.10", "challenge": CHALLENGE}
    send(someone, key)
    someone.page.wait_for_selector("#status-table tr[data-state=successful]", timeout=20_000)
    assert someone.page.evaluate("document.body.dataset.same") == "yes"  # the page was not loaded again
    assert someone.first_row != before
    someone.page.click("#follow-button")
    assert someone.page.inner_text("#follow-button") == "Resume updating"


def send(someone: Person, key: dict[str, str]) -> None:
    """A request by another administrator."""
    from mfp_sim.device.settings import KeySettings

    with someone.site.held():
        someone.printer.send_request(KeySettings(**key))  # type: ignore[arg-type]


def test_the_page_comes_back_after_a_restart_by_itself(person) -> None:
    someone = person()
    someone.log_in()
    someone.open("restart")
    someone.press("restart.device")
    assert "The printer is off" in someone.text
    with someone.site.held():
        someone.site.advance(60)
    someone.page.wait_for_selector("h1:has-text('Portal')", timeout=20_000)


def test_a_page_that_follows_leads_back_when_its_session_ends(person) -> None:
    someone = person("nb")
    someone.log_in()
    someone.open("status")
    someone.page.context.clear_cookies(name="remote-ui-SIM00001")
    someone.page.wait_for_selector("#login-form", timeout=20_000)
    assert someone.page.inner_text("h1") == someone.words.text("login")
    someone.fill("login.pin", DEFAULT_PIN)
    someone.press("login")
    someone.page.wait_for_selector("#status-table")


def test_without_scripts_everything_works(browser, person) -> None:
    someone = person()
    context = browser.new_context(java_script_enabled=False)
    context.set_default_timeout(5000)
    plain = Person(context.new_page(), "en", someone.host, someone.served)
    plain.log_in()
    plain.connect()
    plain.open("request")
    plain.fill_key()
    plain.press("request.send")
    plain.open("status")
    assert plain.page.get_attribute("#status-table tbody tr", "data-state") == "successful"
    assert plain.page.locator("noscript").count() == 1
    context.close()


def test_the_keyboard_alone_is_enough(person) -> None:
    someone = person()
    someone.go("login")
    page = someone.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.id") == "role"
    page.keyboard.press("Tab")
    page.keyboard.type(DEFAULT_PIN)
    page.keyboard.press("Enter")
    page.wait_for_selector("h1:has-text('Portal')")


def test_what_was_clicked_runs_as_a_scenario(person) -> None:
    someone = person("nb")
    someone.site.observer = recording = Recording(someone.served)
    someone.log_in()
    someone.connect()
    someone.tell_ca("pending")
    someone.open("auto")
    someone.tick("auto.timer")
    someone.fill("date", "2026-03-02")
    someone.fill("time", "09:00")
    someone.tick("auto.adjust")
    someone.tick("auto.polling")
    someone.fill_key()
    someone.press("update")
    someone.page.click("#advance-1h")
    someone.page.click("#advance-10m")
    someone.tell_ca("policy")
    someone.page.click("#advance-1h")
    someone.open("status")
    assert someone.page.get_attribute("#status-table tbody tr", "data-state") == "successful"
    shown = someone.page.inner_text("#status-table tbody time")
    text = recording.text("clicked")
    assert shown in text
    assert CHALLENGE not in text
    (scenario,) = read_text(text, "clicked.scenario.yaml")
    assert run(scenario).failures == ()


# --- accessibility ----------------------------------------------------------------------------------------


def test_axe_sees_what_is_wrong(page, violations) -> None:
    page.set_content("<html><body><img src=x><input><button></button></body></html>")
    found = {line.partition(":")[0] for line in violations(page)}
    assert {"image-alt", "label", "button-name", "html-has-lang"} <= found
