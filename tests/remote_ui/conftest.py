"""A Remote UI over a site on a simulated clock, and a browser of plain HTTP that reads what pages hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timezone
from html import unescape

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from mfp_sim.device.printer_profile import profile_named
from mfp_sim.remote_ui.app import create_app
from mfp_sim.remote_ui.assembly import Served, ServePlan, assemble
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.shared.simtime import Entropy, PooledKeys

START = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)  # 08:00 in Oslo
CHALLENGE = "canary-c4a11e"
PIN = "canary-p1n"


class Visitor:
    """Somebody with a browser; forms are sent with the token of the last page."""

    def __init__(self, client: FlaskClient) -> None:
        self.client = client
        self.page: TestResponse | None = None
        self.token = ""

    def get(self, url: str, **named: object) -> TestResponse:
        return self._keep(self.client.get(url, follow_redirects=True, **named))

    def post(self, url: str, data: dict[str, object] | None = None, **named: object) -> TestResponse:
        fields = {"form_token": self.token, **(data or {})}
        return self._keep(self.client.post(url, data=fields, follow_redirects=True, **named))

    def _keep(self, page: TestResponse) -> TestResponse:
        self.page = page
        found = re.search(rb'name="form_token" value="([0-9a-f]+)"', page.data)
        self.token = found[1].decode() if found else self.token
        return page

    def log_in(self, role: str = "administrator", pin: str = PIN) -> TestResponse:
        self.get("/login")
        return self.post("/login", {"role": role, "pin": pin})

    def advance(self, by: str) -> TestResponse:
        return self.post("/simulation/advance", {"by": by, "back": "/"})

    @property
    def words(self) -> str:
        """The text of the last page, without its tags."""
        assert self.page is not None
        body = re.sub(r"<(script|style)\b.*?</\1>", " ", self.page.text.replace("<wbr>", ""), flags=re.DOTALL)
        return " ".join(unescape(re.sub(r"<[^>]*>", " ", body)).split())

    @property
    def own(self) -> str:
        """The part of the last page that is the printer's: without the simulator's strip."""
        assert self.page is not None
        before, strip = self.page.text.split('<aside class="strip"')
        assert "</aside>" in strip
        return before

    @property
    def reason(self) -> str | None:
        """Why the last page refused."""
        assert self.page is not None
        found = re.search(r'id="refusal" data-reason="([^"]+)"', self.page.text)
        return found[1] if found else None


class Bench:
    """A site with its first printer's application."""

    def __init__(self, served: Served) -> None:
        self.served, self.site, self.printer = served, served.site, served.site.printers[0]
        self.app = create_app(self.site, self.printer, entropy=Entropy(3), pin=PIN)

    @property
    def ca_url(self) -> str:
        return self.site.ca_url

    @property
    def ca_port(self) -> int:
        assert self.served.host is not None
        return self.served.host.port

    def visitor(self) -> Visitor:
        return Visitor(self.app.test_client())

    def administrator(self) -> Visitor:
        visitor = self.visitor()
        visitor.log_in()
        return visitor

    def connect(self, visitor: Visitor) -> None:
        page = visitor.post(PAGES["comm"].url, {"url": self.ca_url, "port": self.ca_port, "timeout": 30})
        assert page.status_code == 200, visitor.words


KEY = {
    "name": "tls2026", "signature": "SHA256", "length": "2048", "organization": "Example AS",
    "common_name": "192.0.2.10", "challenge": CHALLENGE, "use": "TLS", "policy": "",
}  # fmt: skip
AUTO = {
    **KEY, "timer": "on", "start": "2026-03-02 09:00", "polling": "on", "polling_count": "2", "polling_interval": "10",
    "every": "1",
}  # fmt: skip


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    """Makes a site with a mock CA: ``bench(printers=2, key_limit=3)``; what is no part of a plan is the model's."""
    made: list[Served] = []

    def make(model: str = "canon-ir-adv-dx", **changes: object) -> Bench:
        ours = {name: value for name, value in changes.items() if name in ServePlan.__dataclass_fields__}
        profile = replace(profile_named(model), **{n: v for n, v in changes.items() if n not in ours})  # type: ignore[arg-type]
        values: dict[str, object] = {"start": START, "challenge": CHALLENGE, "policies": ("hq", "branch"), **ours}
        served = assemble(ServePlan(profile, **values), keys=PooledKeys(Entropy(5), sides=1))  # type: ignore[arg-type]
        made.append(served)
        return Bench(served)

    yield make
    for served in made:
        served.close()


@pytest.fixture
def key() -> dict[str, object]:
    """The fields of a key, filled in well."""
    return dict(KEY)


@pytest.fixture
def auto() -> dict[str, object]:
    """The fields of the automatic request, filled in well: 09:00, polling twice at ten minutes."""
    return dict(AUTO)
