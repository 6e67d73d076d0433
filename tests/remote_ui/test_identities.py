"""Offices of several languages at the Remote UI: what they enter is shown again as they wrote it, or refused in words."""

from __future__ import annotations

import pytest
from identities import Identity, identities

from mfp_sim.remote_ui.menu import PAGES


@pytest.mark.parametrize("office", identities(1), ids=str)
def test_an_office_gets_a_key_of_its_name_and_reads_it_in_the_details(bench, key, office: Identity) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    mine = {"name": office.key_name, "organization": office.organization, "common_name": office.ip}
    admin.post(PAGES["request"].url, {**key, **mine})
    (_, entry) = here.printer.key_list()
    admin.get(PAGES["keys"].url)
    assert office.key_name in admin.words
    admin.get(f"{PAGES['keys'].url}/{entry.id}")
    assert f"O={office.organization}".replace(",", "\\,") in admin.words  # as RFC 4514 writes a name
    assert office.ip in admin.words


@pytest.mark.parametrize("office", [one for one in identities(1) if not one.person.isascii()], ids=str)
@pytest.mark.parametrize(
    ("field", "reason", "words"),
    [
        ("name", "bad-key-name", "1 to 24 letters, digits, blanks, - or _"),
        ("common_name", "bad-common-name", "an IP address or an FQDN"),
    ],
)
def test_other_letters_than_a_field_takes_are_refused_and_still_there(
    bench, key, office: Identity, field: str, reason: str, words: str
) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    page = admin.post(PAGES["request"].url, {**key, field: office.person})
    assert (page.status_code, admin.reason) == (422, reason)
    assert words in admin.words
    assert f'value="{office.person}"' in page.text
    assert len(here.printer.key_list()) == 1
