"""``python -m tools.pictures [ui] [mock] [fleet]``: the pictures of docs/how-to and docs/reference, taken in Chromium.

Needs ``apt-get install chromium fonts-wqy-microhei`` and ``pip install -e '.[browser]' pillow``. Clicks through the
manual's procedures on a simulated clock and writes ``docs/images/*.png``. The mock has to have its usual port, 8080,
because the pages show it. Those of the fleet are the reports of the plans that come with the package. Pictures are not
compared: fonts differ from machine to machine.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from PIL import Image

from mfp_sim.cli.main import main as mfp_sim
from mfp_sim.device.printer_profile import profile_named
from mfp_sim.remote_ui.app import create_app
from mfp_sim.remote_ui.assembly import ServePlan, assemble
from mfp_sim.remote_ui.host import UiHost
from mfp_sim.remote_ui.sessions import DEFAULT_PIN
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.shared.simtime import Entropy
from mfp_sim.testing import Bench
from mock_scep_server.control import ControlService
from mock_scep_server.server import ServerHost

FOLDER = Path(__file__).parents[1] / "docs" / "images"
START = datetime(2026, 3, 2, 7, tzinfo=timezone.utc)
DEVICE = "/settings/device-management"
KEY = {"#name": "tls2026", "#organization": "Example AS", "#common_name": "192.0.2.10", "#challenge": "s3cret"}


PLANS = ("printers-09-00", "outage-monday", "midnight-herd", "mdm-migration")


def main(wanted: Sequence[str]) -> int:
    """The command; returns the exit code."""
    from playwright.sync_api import sync_playwright

    program = shutil.which("chromium")
    if program is None:
        print("Chromium is not there: apt-get install chromium", file=sys.stderr)
        return 2
    FOLDER.mkdir(exist_ok=True)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-lcd-text"])
        for show in [SHOWN[name] for name in wanted] or SHOWN.values():
            show(browser)
        browser.close()
    return 0


def show_ui(browser: Any) -> None:
    """The Remote UI of a printer, with the mock behind it."""
    plan = ServePlan(profile_named("canon-ir-adv-dx"), start=START, challenge="s3cret", ca_port=8080)
    served = assemble(plan)
    app = create_app(served.site, served.site.printers[0], entropy=Entropy(None))
    try:
        with UiHost(app) as host:
            page = browser.new_page(viewport={"width": 1160, "height": 500}, base_url=host.url, locale="en-GB")
            walk(page, served.site.ca_url)
    finally:
        served.close()


def show_mock(browser: Any) -> None:
    """The control page of a mock at which three requests have been made."""
    rules = "- when: {type: PKCSReq, nth: 2}\n  faults: [nonce-mismatch]\n"
    bench = Bench(script=rules)
    for name in ("first", "second"):
        client = bench.client(name=name)
        client.ask(client.order())
    bench.ca.handle(HttpRequest("GET", "/scep?operation=GetCaCert"), "192.0.2.7")
    with ServerHost(ControlService(bench.ca, script=rules)) as host:
        page = browser.new_page(viewport={"width": 1000, "height": 400})
        page.goto(f"{host.url}/page?view=journal")
        take(page, "mock-page")


def show_fleet(browser: Any) -> None:
    """The report of each plan, and the herd of the first in a picture of its own."""
    page = browser.new_page(viewport={"width": 1000, "height": 500}, locale="en-GB")
    with tempfile.TemporaryDirectory() as folder:
        for plan in PLANS:
            mfp_sim(["fleet", plan, "--report", folder])
            page.goto((Path(folder) / "fleet.html").as_uri())
            take(page, f"fleet-{plan}")
            if plan == PLANS[0]:
                keep(page.locator("#charts .drawing").first.screenshot(), "fleet-herd")


SHOWN = {"ui": show_ui, "mock": show_mock, "fleet": show_fleet}


def take(page: Any, name: str) -> None:
    """One picture, of the whole page."""
    keep(page.screenshot(full_page=True), name)


def keep(picture: bytes, name: str) -> None:
    """A picture as a file, in few colours so that it is small."""
    image = Image.open(io.BytesIO(picture)).convert("RGB")
    few = image.quantize(128, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)  # keeps a colour that is rare
    few.save(FOLDER / f"{name}.png", optimize=True)


def walk(page: Any, ca_url: str) -> None:
    """The procedures of the manual, one after the other."""
    log_in(page)
    communication(page, ca_url)
    manual_request(page)
    timer(page)
    keys(page)
    stalled(page)
    fault(page)
    looks(page)
    page.click("#language-nb")
    for name, path in (("nb-status", "request-status"), ("nb-auto-request", "scep/auto-request")):
        page.goto(f"{DEVICE}/{path}")
        take(page, name)


def log_in(page: Any) -> None:
    """From the login to the SCEP menu."""
    page.goto("/login")
    page.fill("#pin", DEFAULT_PIN)
    take(page, "login")
    page.click("#login")
    take(page, "portal")
    page.click("#to-settings")
    page.click("#to-devmgmt")
    take(page, "device-management")
    page.click("#to-scep")
    take(page, "scep-menu")


def communication(page: Any, ca_url: str) -> None:
    """The first procedure."""
    page.click("#to-comm")
    page.fill("#url", ca_url)
    page.fill("#port", "8080")
    page.click("#update")
    take(page, "communication")


def manual_request(page: Any) -> None:
    """The second procedure."""
    page.goto("/settings/functions")
    page.click("#turn-1")
    page.goto(f"{DEVICE}/scep/request")
    for field, text in KEY.items():
        page.fill(field, text)
    page.select_option("#use", "TLS")
    take(page, "request")
    page.click("#send")
    take(page, "request-sent")
    page.click("#restart")
    take(page, "restarting")
    page.click("#advance-1m")


def timer(page: Any) -> None:
    """The third procedure, with the status of the fourth."""
    tell_ca(page, "pending")
    take(page, "simulation")
    page.goto(f"{DEVICE}/scep/auto-request")
    fill_auto(page)
    take(page, "auto-request")
    page.click("#update")
    page.goto(f"{DEVICE}/request-status")
    take(page, "status-to-be-processed")
    page.click("#advance-next")
    take(page, "status-processing")
    page.goto(f"{DEVICE}/scep/communication")
    take(page, "communication-locked")
    tell_ca(page, "policy")
    page.goto(f"{DEVICE}/request-status")
    page.click("#advance-next")
    take(page, "status-successful")


def keys(page: Any) -> None:
    """The key list, the details of the newest key, and the network."""
    page.goto(f"{DEVICE}/keys")
    take(page, "keys")
    page.click("#details-3")
    take(page, "key-details")
    page.goto("/settings/network")
    take(page, "network")


def stalled(page: Any) -> None:
    """A request while the network is silent: it is processed, and everything else goes on."""
    page.goto(f"{DEVICE}/scep/auto-request")
    page.uncheck("#timer")
    page.click("#update")
    page.goto("/simulation")
    page.select_option("#network", "silent")
    page.click("#apply")
    page.goto(f"{DEVICE}/scep/request")
    for field, text in KEY.items():
        page.fill(field, text)
    page.select_option("#use", "TLS")
    page.click("#send")
    take(page, "request-processing")
    page.goto(f"{DEVICE}/request-status")
    page.click("#advance-10s")
    take(page, "status-while-it-waits")
    page.click("#advance-1m")
    page.goto("/simulation")
    page.select_option("#network", "up")
    page.click("#apply")


def fault(page: Any) -> None:
    """A fault that waits for the next request."""
    page.goto("/")
    page.fill("#strip-search", "nonce recipient")
    page.click("#strip-find")
    page.click("#use-nonce-mismatch")
    page.goto("/simulation?search=nonce+recipient")
    take(page, "simulation-fault")
    page.click("#no-fault")


def looks(page: Any) -> None:
    """The portal in dark mode, and the status on a phone."""
    page.emulate_media(color_scheme="dark")
    page.goto("/")
    take(page, "portal-dark")
    page.emulate_media(color_scheme="light")
    size = page.viewport_size
    page.set_viewport_size({"width": 360, "height": 640})
    page.goto(f"{DEVICE}/request-status")
    take(page, "status-narrow")
    page.set_viewport_size(size)


def tell_ca(page: Any, answer: str) -> None:
    """What the mock answers from now on."""
    page.goto("/simulation")
    page.select_option("#answer", answer)
    page.click("#apply")


def fill_auto(page: Any) -> None:
    """The automatic request at nine o'clock, polling twice, every thirty days."""
    page.check("#timer")
    page.fill("#start", "2026-03-02")
    page.fill("#start_time", "09:00")
    page.check("#polling")
    page.fill("#polling_count", "2")
    page.check("#periodic")
    page.fill("#every", "30")
    page.check("#delete_old")
    for field, text in KEY.items():
        page.fill(field, text)
    page.select_option("#use", "TLS")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
