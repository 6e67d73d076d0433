"""No label is missing in any language, and the Norwegian pages have every label and every cause of the manual, letter by
letter."""

from __future__ import annotations

import ast
import re
import string
from html import unescape
from html.parser import HTMLParser
from pathlib import Path
from typing import get_args

import pytest

from mfp_sim.device.printer_profile import ALL_USES
from mfp_sim.device.status import _DETAIL_LABELS, STATE_LABELS
from mfp_sim.remote_ui.forms import REFUSALS
from mfp_sim.remote_ui.labels import LANGUAGES, best_language, labels_of
from mfp_sim.remote_ui.menu import PAGES
from mfp_sim.shared.errors import Reason, UsageError

ROOT = Path(__file__).parents[2] / "mfp_sim"

MANUAL = """\
Innstillinger/lagring
Utstyrstyring
Innstillinger for sertifikatutstedelseforespørsel (SCEP)
Kommunikasjonsinnstillinger
SCEP-server-URL:
Portnummer:
Kommunikasjonstidsbrudd:
Oppda.
Aktiver tidtager for automatisk forespørsel om utstedelse av sertifikat
Forespørsel om utstedelse av sertifikat
Tastnavn:
Signaturalgoritme:
Tastlengde (bit):
Organisasjon:
Fellesnavn:
Utfordringspassord:
Nøkkelbrukersted:
IPSec
Ingen
Send forespørsel
Omstart
Innstillinger for automatisk forespørsel om utstedelse av sertifikat
Startdato/-tid for forespørsel:
Tid for automatisk justering av forespørsel om utstedelse
Utfør polling når kommunikasjonsfeil oppstår eller når forespørsel om utstedelse utsettes
Send periodiske forespørsler om utstedelse
Forespørselsintervall: Hver
Dato/tid for neste forespørsel:
Omstart enhet automatisk etter henting av sertifikat
Slett gammel nøkkel og gammelt sertifikat
Innstillinger for nøkkel og sertifikat som skal utstedes
Status for forespørsel om utstedelse av sertifikat
Status
Venter på behandling
Dato/tid for forespørsel
Behandler...
Feil
Vellykket
Detaljer
Innstillinger/lagring basisinformasjon
Utsatt
Registreringsgrensefeil for nøkkel og sertifikat
Kommunikasjonsfeil (TOP ERROR)
Kommunikasjonsfeil (TOP ERROR 503)
Kommunikasjonsfeil (SCEP ERROR Fail Info 0)
Kommunikasjonsfeil (SCEP ERROR Fail Info 1)
Kommunikasjonsfeil (SCEP ERROR Fail Info 2)
Kommunikasjonsfeil (SCEP ERROR Fail Info 3)
Kommunikasjonsfeil (SCEP ERROR Fail Info 4)
""".splitlines()
"""All that the manual writes in brackets, and the texts of its table of details (with 503 for the HTTP status)."""

CAUSES = {
    "deferred": "Ventende status ble returnert fra SCEP-serveren.",
    "registration-limit": "Grensen for antall nøkler og sertifikater som kan registreres i maskinen, ble nådd.",
    "top-error": "Tilkobling til SCEP-serveren mislyktes / tidsavbrudd i kommunikasjonen",
    "top-error-503": "Det oppstod en HTTP-feil.",
    "fail-info-0": "Ukjent algoritme eller algoritme som ikke støttes.",
    "fail-info-1": "Integritetskontroll (signaturkontroll av CMS-melding) mislyktes.",
    "fail-info-2": "Transaksjon ikke tillatt eller støttes ikke.",
    "fail-info-3": "Attributtet signingTime fra CMS authenticatedAttributes var ikke tilstrekkelig nær systemtiden.",
    "fail-info-4": "Intet sertifikat som stemte med de oppgitte kriteriene, kunne identifiseres.",
}
"""The manual's table of details: the cause of each, letter by letter, by the slug that the row has."""


def fields_of(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


# --- the files --------------------------------------------------------------------------------------------


def test_norwegian_is_complete() -> None:
    assert labels_of("nb").own.keys() == labels_of("en").own.keys()


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_language_has_known_labels_with_the_same_values(language: str) -> None:
    words = labels_of(language)
    assert words.own.keys() <= words.fallback.keys()
    for key, text in words.own.items():
        assert fields_of(text) == fields_of(words.fallback[key]), key
        assert text.strip() == text


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_a_language_does_not_have_is_english(language: str) -> None:
    words = labels_of(language)
    for key, english in labels_of("en").own.items():
        assert words.text(key) == words.own.get(key, english)
    with pytest.raises(UsageError, match="no label 'nonsense'"):
        words.text("nonsense")


def named(**place: int) -> set[str]:
    """The slugs that calls of some functions have at that place among their arguments, in the whole product."""
    return {
        str(argument.value)
        for file in ROOT.rglob("*.py")
        for call in ast.walk(ast.parse(file.read_text("utf-8")))
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id in place
        for argument in call.args[place[call.func.id] : place[call.func.id] + 1]
        if isinstance(argument, ast.Constant) and re.fullmatch("[a-z]+(-[a-z]+)*", str(argument.value))
    }


def test_the_reasons_are_the_same_for_the_printer_the_pages_and_the_labels() -> None:
    """A refusal that the pages could only show in English would be a missing label."""
    reasons = set(get_args(Reason))
    assert len(reasons) > 40
    assert set(REFUSALS) == reasons
    assert named(Refused=0, Mistyped=0, _in_range=2) | {"power-lost"} == reasons
    for language in ("en", "nb"):
        assert {key for key in labels_of(language).own if key.startswith("refused.")} == {
            f"refused.{reason}" for reason in reasons
        }
    assert {status for _, status in REFUSALS.values()} == {403, 404, 409, 422, 503}


def test_the_field_of_a_refusal_is_one_of_a_page() -> None:
    pages = "".join(file.read_text("utf-8") for file in (ROOT / "remote_ui" / "templates").glob("*.html"))
    fields = {field for field, _ in REFUSALS.values() if field is not None}
    assert len(fields) > 15
    assert [field for field in sorted(fields) if f'"{field}"' not in pages] == []


def test_what_the_machine_says_has_a_label() -> None:
    said = named(ShownSentence=0)
    assert len(said) == 5
    keys = {*labels_of("nb").own}
    assert [key for key in sorted(said) if not {f"advice.{key}", f"import.{key}"} & keys] == []


def test_every_key_that_the_templates_and_modules_name_is_there() -> None:
    known, named, used_prefixes = labels_of("en").own, set(), set()
    for file in (ROOT / "remote_ui").rglob("*"):
        if file.suffix not in (".py", ".html"):
            continue
        text = file.read_text("utf-8")
        named |= set(re.findall(r"\bt\(\s*['\"]([^'\"]+)['\"](?! ~)", text))
        named |= set(re.findall(r"(?:notify|words\.text|labels\(\)\.text)\(\"([^\"]+)\"", text))
        used_prefixes |= set(re.findall(r"\bt\(\s*['\"]([^'\"]+)['\"] ~", text))
    assert len(named) > 100
    assert sorted(named - known.keys()) == []
    computed = {
        *(f"state.{state}" for state in STATE_LABELS),
        *(f"detail.{kind}" for kind in _DETAIL_LABELS),
        *(f"use.{use}" for use in ALL_USES),
        *PAGES,
    }
    assert sorted(computed - known.keys()) == []
    assert {"state.", "role.", "use.", "transfer.", "strip."} <= used_prefixes


@pytest.mark.parametrize(
    ("wanted", "language"),
    [
        (["nb-NO", "en"], "nb"), (["no"], "nb"), (["nn"], "nb"), (["fr", "de-AT"], "de"), (["fr"], "en"), ([], "en"),
        (["ja", "en"], "ja"),
    ],
)  # fmt: skip
def test_the_language_of_a_browser(wanted: list[str], language: str) -> None:
    assert best_language(wanted) == language


# --- the pages --------------------------------------------------------------------------------------------


def texts_of(page: str) -> set[str]:
    """The texts between the tags, each for itself."""
    return {" ".join(unescape(text).split()) for text in re.findall(r">([^<>]+)<", page)}


def test_the_norwegian_pages_have_every_label_of_the_manual(bench, key, auto) -> None:
    here = bench(key_limit=2)
    admin = here.administrator()
    admin.get("/language/nb?back=/")
    seen: set[str] = set()
    causes: dict[str, str] = {}

    def look(*names: str) -> None:
        for name in names or PAGES:
            page = admin.get(PAGES[name].url).text
            seen.update(texts_of(page))
            for details, row in re.findall(
                r'<tr data-state="[a-z-]+" data-details="([^"]+)">(.*?)</tr>', page, re.DOTALL
            ):
                for cause in re.findall(r'<p class="help">([^<]+)</p>', row):
                    causes[details] = cause

    look()
    here.connect(admin)
    here.site.set_network("refused")
    admin.post(PAGES["request"].url, key)
    here.site.set_network("up")
    for answer in ("pending", *(f"failure-{number}" for number in range(5)), "http-503", "policy"):
        here.site.set_answer(answer)
        admin.post(PAGES["request"].url, key)
        seen.update(texts_of(admin.page.text))
    admin.post(PAGES["request"].url, key)  # the store is full by now
    look("status")
    here.site.set_answer("pending")
    for entry in here.printer.key_list():
        if not entry.default:
            admin.post(f"{PAGES['keys'].url}/{entry.id}/delete")
    admin.post(PAGES["auto"].url, auto)
    look("status")
    admin.advance("next")
    look("status")
    assert [label for label in MANUAL if label not in seen] == []
    assert causes == CAUSES


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_opens_in_every_language(bench, language: str) -> None:
    admin = bench().administrator()
    admin.get(f"/language/{language}?back=/")
    for page in PAGES.values():
        answer = admin.get(page.url)
        assert answer.status_code == 200
        assert f'<html lang="{language}">' in answer.text
    title = labels_of(language).text("comm")
    assert f"<h1>{title}</h1>" in admin.get(PAGES["comm"].url).text


def test_the_language_stays_and_a_browser_is_asked_first(bench) -> None:
    visitor = bench().visitor()
    page = visitor.get("/login", headers={"Accept-Language": "nb-NO,nb;q=0.9,en;q=0.8"})
    assert '<html lang="nb">' in page.text
    visitor.get("/language/de?back=/login")
    assert '<html lang="de">' in visitor.get("/login").text
    assert visitor.get("/language/xx").status_code == 404


def test_refusals_are_told_in_the_language_of_the_page(bench) -> None:
    admin = bench().administrator()
    admin.get("/language/nb?back=/")
    admin.post(PAGES["comm"].url, {"url": "http://192.0.2.1/", "port": 70000, "timeout": 30})
    assert "Avvist: Portnummeret må være fra 1 til 65535." in admin.words


class Spoken(HTMLParser):
    """What a page says, each text with the language that it is marked as; attributes must not hold tags."""

    VOID = ("meta", "link", "input", "br")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.languages: list[str] = []
        self.said: list[tuple[str, str]] = []
        self.broken: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.broken += [value for _, value in attrs if value and "<span" in value]
        if tag not in self.VOID:
            self.languages.append(dict(attrs).get("lang") or (self.languages[-1] if self.languages else ""))

    def handle_endtag(self, tag: str) -> None:
        self.languages.pop()

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.said.append((" ".join(data.split()), self.languages[-1]))
            self.broken += [data] if "<span" in data else []


@pytest.mark.parametrize("language", LANGUAGES)
def test_what_falls_back_to_english_is_marked_as_english(bench, key, language: str) -> None:
    here = bench()
    admin = here.administrator()
    here.connect(admin)
    admin.post(PAGES["request"].url, key)
    admin.get(f"/language/{language}?back=/")
    words = labels_of(language)
    names = {entry.name for entry in here.printer.key_list()}  # "Default Key" is one, whatever the language
    fallen = {text for name, text in words.fallback.items() if name not in words.own} - set(words.own.values()) - names
    checked = 0
    for url in [*(page.url for page in PAGES.values()), "/simulation", f"{PAGES['keys'].url}/2", "/login"]:
        spoken = Spoken(admin.get(url).text)
        assert spoken.broken == []
        for text, marked in spoken.said:
            if text in fallen:
                assert marked == "en", (url, text)
                checked += 1
            elif text in set(words.own.values()) - set(words.fallback.values()):
                assert marked == language, (url, text)
    assert (checked > 100) == (language not in ("en", "nb"))
