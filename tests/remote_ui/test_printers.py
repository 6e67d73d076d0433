"""The start page of several printers: each with its address, its power and its latest request."""

from __future__ import annotations

import re

import pytest

from mfp_sim.remote_ui.app import create_app
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.shared.simtime import Entropy


def rows(page: str) -> dict[str, str]:
    found = re.findall(r'<tr data-serial="([^"]+)">(.*?)</tr>', page, re.DOTALL)
    return {serial: " ".join(re.sub(r"<[^>]+>", " ", row).split()) for serial, row in found}


def test_all_printers_are_listed_without_a_login(bench, key) -> None:
    here = bench(printers=3)
    here.site.ports |= {"SIM00001": 8000, "SIM00002": 8001}
    admin = here.administrator()
    here.connect(admin)
    admin.post(PAGES["request"].url, key)
    here.site.printers[1].power_off()
    visitor = here.visitor()
    page = visitor.get("/simulation/printers")
    assert page.status_code == 200
    assert rows(page.text) == {
        "SIM00001": "SIM00001 canon-ir-adv-dx 192.0.2.10 On Successful 2026-03-02 08:00:00",
        "SIM00002": "SIM00002 canon-ir-adv-dx – Off –",
        "SIM00003": "SIM00003 canon-ir-adv-dx 192.0.2.12 On –",
    }
    assert re.findall(r'href="(http:[^"]+)"', page.text) == ["http://localhost:8000/", "http://localhost:8001/"]


@pytest.mark.parametrize(
    ("host", "link"),
    [
        ("127.0.0.1:8000", "http://127.0.0.1:8001/"),
        ("[::1]:8000", "http://[::1]:8001/"),
        ("[::1]", "http://[::1]:8001/"),
    ],
)
def test_the_links_have_the_host_name_of_the_browser(bench, host: str, link: str) -> None:
    here = bench(printers=2)
    here.site.ports["SIM00002"] = 8001
    page = here.app.test_client().get("/simulation/printers", headers={"Host": host}).text
    assert f'href="{link}" id="to-SIM00002"' in page


@pytest.mark.parametrize("printers", [1, 2])
def test_the_strip_leads_there_if_there_are_several(bench, printers: int) -> None:
    page = bench(printers=printers).administrator().get("/").text
    assert ('href="/simulation/printers"' in page) == (printers > 1)


def test_the_page_is_there_while_its_own_printer_is_off(bench) -> None:
    here = bench(printers=2)
    here.printer.power_off()
    app = create_app(here.site, here.site.printers[0], entropy=Entropy(1))
    assert app.test_client().get("/simulation/printers").status_code == 200
