"""The Remote UI clicked through in Chromium: the manual's procedures in English and Norwegian, with moved time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from mfp_sim.device.printer_profile import profile_named
from mfp_sim.remote_ui.app import create_app
from mfp_sim.remote_ui.assembly import Served, ServePlan, assemble
from mfp_sim.remote_ui.host import UiHost
from mfp_sim.remote_ui.labels import labels_of
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.remote_ui.recording import Recording
from mfp_sim.remote_ui.sessions import DEFAULT_PIN
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import run
from mfp_sim.shared.simtime import Entropy, PooledKeys

START = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)  # 08:00 in Oslo
CHALLENGE = "s3cret"


class Person:
    """Somebody at a browser, who reads labels in one language and clicks what they say."""

    def __init__(self, page, language: str, host: UiHost, served: Served) -> None:
        self.page, self.words, self.host, self.served = page, labels_of(language), host, served
        self.printer, self.site = served.site.printers[0], served.site
        self.go("login")
        page.click(f"#language-{language}")

    def go(self, path: str) -> None:
        self.page.goto(self.host.url + path.lstrip("/"))

    def open(self, name: str) -> None:
        self.go(PAGES[name].url)

    def follow(self, *names: str) -> None:
        """From the portal by the menu, each entry by its label."""
        self.go("/")
        for name in names:
            self.page.get_by_role("link", name=self.words.text(name), exact=True).first.click()

    def press(self, key: str) -> None:
        self.page.get_by_role("button", name=self.words.text(key), exact=True).click()

    def fill(self, key: str, text: object) -> None:
        self.page.get_by_label(self.words.text(key), exact=True).fill(str(text))

    def choose(self, key: str, value: str) -> None:
        self.page.get_by_label(self.words.text(key), exact=True).select_option(value)

    def tick(self, key: str) -> None:
        self.page.get_by_label(self.words.text(key), exact=True).check()

    def log_in(self, role: str = "administrator", pin: str = DEFAULT_PIN) -> None:
        self.go("login")
        self.choose("login.as", role)
        self.fill("login.pin", pin)
        self.press("login")

    def connect(self) -> None:
        """The manual: communication settings for the SCEP server."""
        self.follow("settings", "devmgmt", "scep", "comm")
        self.fill("comm.url", self.site.ca_url)
        self.fill("comm.port", self.served.host.port)
        self.fill("comm.timeout", 30)
        self.press("update")

    def fill_key(self) -> None:
        self.fill("key.name", "tls2026")
        self.choose("key.signature", "SHA256")
        self.choose("key.length", "2048")
        self.fill("key.organization", "Example AS")
        self.fill("key.common-name", "192.0.2.10")
        self.fill("key.challenge", CHALLENGE)
        self.choose("key.use", "TLS")

    def tell_ca(self, answer: str) -> None:
        self.go("simulation")
        self.page.select_option("#answer", answer)
        self.page.click("#apply")

    @property
    def text(self) -> str:
        return " ".join(self.page.inner_text("body").split())

    @property
    def first_row(self) -> str:
        return " ".join(self.page.inner_text("#status-table tbody tr:first-child").split())

    @property
    def reason(self) -> str | None:
        return self.page.get_attribute("#refusal", "data-reason")


@pytest.fixture
def person(page, watched) -> Iterator[Callable[..., Person]]:
    """``person("nb")``: an administrator-to-be before the login page; nothing may go wrong in the browser meanwhile."""
    running: list[tuple[UiHost, Served]] = []

    def make(language: str = "en", **changes: object) -> Person:
        profile = replace(profile_named("canon-ir-adv-dx"), **changes)  # type: ignore[arg-type]
        plan = ServePlan(profile, start=START, challenge=CHALLENGE, policies=("hq",))
        served = assemble(plan, keys=PooledKeys(Entropy(5), sides=1))
        app = create_app(served.site, served.site.printers[0], entropy=Entropy(3))
        running.append((UiHost(app), served))
        return Person(page, language, *running[-1])

    yield make
    hosts = tuple(host.url for host, _ in running)
    for host, served in running:
        host.stop()
        served.close()
    # A page that is refused says so with its HTTP status, which Chromium puts on the console.
    assert [text for text in watched.errors if "the server responded with a status of" not in text] == []
    assert [url for url in watched.requests if not url.startswith(hosts)] == []


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


@LANGUAGES
def test_every_page_is_accessible(person, violations, language: str) -> None:
    someone = person(language)
    found = {"login": violations(someone.page)}
    someone.log_in(pin="0")
    found["login refused"] = violations(someone.page)
    someone.log_in()
    someone.connect()
    someone.open("request")
    someone.fill_key()
    someone.press("request.send")
    found["sent"] = violations(someone.page)
    someone.open("comm")
    someone.fill("comm.port", 99999)
    someone.press("update")
    found["refused"] = violations(someone.page)
    for path in (f"{PAGES['keys'].url}/2", f"{PAGES['keys'].url}/2/delete", "simulation", "nowhere"):
        someone.go(path)
        found[path] = violations(someone.page)
    for name in PAGES:
        someone.open(name)
        found[name] = violations(someone.page)
    someone.open("restart")
    someone.press("restart.device")
    found["off"] = violations(someone.page)
    assert {name: lines for name, lines in found.items() if lines} == {}


def test_pages_fit_a_narrow_screen(person) -> None:
    someone = person("nb")
    someone.log_in()
    someone.page.set_viewport_size({"width": 360, "height": 700})
    wide = []
    for name in PAGES:
        someone.open(name)
        width = someone.page.evaluate("document.documentElement.scrollWidth")
        if width > 360 and name not in ("audit", "keys", "status", "functions"):  # tables may be wide
            wide.append((name, width))
    assert wide == []
