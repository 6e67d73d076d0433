"""A person at the Remote UI in Chromium, who reads labels in one language and clicks what they say."""

from __future__ import annotations

from datetime import datetime, timezone

from mfp_sim.remote_ui.assembly import Served
from mfp_sim.remote_ui.host import UiHost
from mfp_sim.remote_ui.labels import labels_of
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.remote_ui.sessions import DEFAULT_PIN

START = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)  # 08:00 in Oslo
CHALLENGE = "s3cret"


class Person:
    """A person at a browser."""

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
        self.page.wait_for_load_state()

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
