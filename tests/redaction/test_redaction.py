"""Secrets are masked by value, in whatever form they come."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import Annotated, Literal
from urllib.parse import quote, quote_plus, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markupsafe import escape as markup
from report_samples import conformance_run

from mfp_sim.report.html_report import as_html
from mfp_sim.report.junit import as_junit
from mfp_sim.report.markdown import as_markdown
from mfp_sim.shared.redaction import MASK, OWN, Redactor

SECRET = "s3cret päss/+&w0rd"
TEXT = SECRET
OCTETS = SECRET.encode()
UTF16 = SECRET.encode("utf-16-le")


@pytest.mark.parametrize(
    "form",
    [
        TEXT,
        OCTETS.hex(),
        OCTETS.hex().upper(),
        UTF16.hex(),
        UTF16.hex().upper(),
        base64.b64encode(OCTETS).decode(),
        base64.urlsafe_b64encode(OCTETS).decode(),
        base64.b64encode(UTF16).decode(),
        quote(TEXT, safe=""),
        quote_plus(TEXT),
        urlencode({"challenge": TEXT}).partition("=")[2],
    ],
)
def test_each_form_is_masked(form: str) -> None:
    shown = Redactor([SECRET]).text(f"before {form} after")
    assert shown == f"before {MASK} after"


@pytest.mark.parametrize("before", range(7))
@pytest.mark.parametrize("after", range(7))
def test_base64_of_a_longer_text_does_not_give_it_away(before: int, after: int) -> None:
    whole = b"\x13" * before + OCTETS + b"\x0c" * after
    shown = Redactor([SECRET]).text(base64.b64encode(whole).decode())
    assert MASK in shown
    kept = shown.replace(MASK, "")
    # What is left are the letters that share bits with the neighbours: at most two at either edge of the secret.
    assert len(kept) <= 4 * ((before + 2) // 3 + (after + 2) // 3) + 4


def test_the_octets_of_a_der_string_are_masked_in_hex() -> None:
    tlv = b"\x0c" + bytes([len(OCTETS)]) + OCTETS
    assert Redactor([SECRET]).text(tlv.hex()) == f"0c{len(OCTETS):02x}{MASK}"


@pytest.mark.parametrize(("tag", "encoding"), [(0x1E, "utf-16-be"), (0x1C, "utf-32-be"), (0x1E, "utf-16-le")])
def test_a_string_of_several_bytes_a_character_is_masked(tag: int, encoding: str) -> None:
    """A BMPString or UniversalString with another one after it: nothing of the secret is left in hex, base64 or bytes."""
    wide = SECRET.encode(encoding)
    whole = bytes([tag, len(wide)]) + wide + b"\x13\x02no"
    redactor = Redactor([SECRET])
    assert redactor.text(whole.hex()) == f"{whole[:2].hex()}{MASK}{whole[-4:].hex()}"
    assert redactor.octets(whole) == whole[:2] + b"*" * len(wide) + whole[-4:]
    kept = redactor.text(base64.b64encode(whole).decode()).replace(MASK, "")
    assert len(kept) <= 16


def test_a_secret_in_a_repr_with_escapes() -> None:
    secret = 'a\\b"c\nd'
    assert secret.encode("unicode_escape").decode() not in Redactor([secret]).text(repr(f"x {secret} y"))
    assert MASK in Redactor([secret]).text(repr(f"x {secret} y"))


def test_octets_as_a_secret() -> None:
    redactor = Redactor([b"\x00\x01\x02\xff\xfe\xfd"])
    assert redactor.text("key 000102fffefd.") == f"key {MASK}."


def test_values_are_masked_at_every_depth_keys_too() -> None:
    redactor = Redactor(["hunter22"])
    value = {"a": ["x hunter22", {"hunter22": ("hunter22", 1, None, True)}]}
    assert redactor.value(value) == {"a": [f"x {MASK}", {MASK: [MASK, 1, None, True]}]}


def test_the_longer_secret_wins_where_one_holds_the_other() -> None:
    assert Redactor(["pass", "password"]).text("password pass") == f"{MASK} {MASK}"
    assert Redactor(["password", "pass"]).text("password pass") == f"{MASK} {MASK}"


def test_secrets_can_come_later_and_empty_ones_change_nothing() -> None:
    redactor = Redactor([""])
    assert redactor.text("nothing to hide") == "nothing to hide"
    redactor.add("hide")
    assert redactor.text("nothing to hide") == f"nothing to {MASK}"


def _one_by_one(secret: str, marks: Sequence[int]) -> str:
    """The secret with each character as the mark says: as it is, encoded, encoded in lower case, encoded twice."""
    once = [quote(one, safe="") if quote(one, safe="") != one else f"%{ord(one):02X}" for one in secret]
    forms = zip(secret, once, (one.lower() for one in once), (one.replace("%", "%25") for one in once), strict=True)
    return "".join(form[mark] for form, mark in zip(forms, marks, strict=True))


@given(
    pairs=st.lists(
        st.tuples(st.characters(codec="utf-8", exclude_characters="\0%"), st.integers(0, 3)), min_size=6, max_size=30
    )
)
def test_any_characters_of_a_secret_may_be_percent_encoded(pairs: list[tuple[str, int]]) -> None:
    secret, marks = "".join(one for one, _ in pairs), [mark for _, mark in pairs]
    encoded = _one_by_one(secret, marks)
    assert Redactor([secret]).text(f"<{encoded}>") == f"<{MASK}>"
    octets = encoded.encode()
    assert Redactor([secret]).octets(b"<" + octets + b">") == b"<" + b"*" * len(octets) + b">"


@pytest.mark.parametrize(
    "encoded",
    ["pa ss=word=", "pa+ss=word%3d", "pa%20ss=word=", "pa%2520ss%3Dword=", "%70a+ss%3dword%3D", "pa ss%3Dword="],
)
def test_an_encoder_need_not_encode_every_character(encoded: str) -> None:
    redactor = Redactor(["pa ss=word="])
    assert redactor.text(f"/scep?password={encoded}&x=1") == f"/scep?password={MASK}&x=1"
    assert redactor.octets(f"?{encoded}&".encode()) == b"?" + b"*" * len(encoded) + b"&"


@pytest.mark.parametrize(
    "encoded", ["a%b=c%%d", "a%25b%3Dc%25%25d", "a%b%3dc%25%d", "a%2525b=c%%2525d", "%61%25b=c%%25%64"]
)
def test_a_secret_with_percent_signs_is_masked(encoded: str) -> None:
    assert Redactor(["a%b=c%%d"]).text(f"<{encoded}>") == f"<{MASK}>"


def test_a_character_of_latin_1_and_a_byte_outside_utf_8_may_be_percent_encoded() -> None:
    assert Redactor(["p\u00e4ssword"]).text("p%E4ssword p%c3%a4ssword") == f"{MASK} {MASK}"
    assert Redactor([b"k\xffey-of-it"]).text("k%FFey-of-it") == MASK


def test_what_is_shown_instead_and_the_longer_secret_win_also_if_percent_encoded() -> None:
    redactor = Redactor(["pass"])
    redactor.add("pass=word", instead=r"name-1 \1")
    assert redactor.text("p%61ss%3dword p%61ss") == rf"name-1 \1 {MASK}"


@pytest.mark.parametrize("secret", ["a\"b<c>'d&e\u00e4\U0001f600", "line\nline"])
def test_a_secret_is_masked_as_json_python_and_html_escape_it(secret: str) -> None:
    redactor = Redactor([secret])
    for text in (
        json.dumps(f"({secret})"), json.dumps(f"({secret})", ensure_ascii=False), repr(f"({secret})"),
        ascii(f"({secret})"), escape(f"({secret})"), escape(f"({secret})", quote=False), str(markup(f"({secret})")),
    ):  # fmt: skip
        assert redactor.text(text).strip("\"'") == f"({MASK})"


@pytest.mark.parametrize(
    "shown",
    [
        r"a\u003cb\u003Ec'/d",
        r"a<b>c'\/d",
        r"a<b>c\u0027/d",
        "a&lt;b&gt;c&apos;/d",
        "a&#60;b&#x3E;c&#0039;/d",
        r"a%3Cb\u003ec&#39;\/d",
    ],
)
def test_encoders_of_json_and_html_differ_in_what_they_escape(shown: str) -> None:
    redactor = Redactor(["a<b>c'/d"])
    assert redactor.text(f"({shown})") == f"({MASK})"
    assert redactor.octets(f"({shown})".encode()) == b"(" + b"*" * len(shown) + b")"


def test_a_secret_that_begins_another_one_leaves_nothing_of_it() -> None:
    assert Redactor(["abc", "abc%def"]).text("x abc%25def y abc") == f"x {MASK} y {MASK}"


def test_bytes_may_be_in_latin_1() -> None:
    redactor = Redactor(["p\u00e4ss", "\u04161"])
    assert redactor.octets("1 p\u00e4ss 1".encode("latin-1")) == b"1 **** 1"


def test_a_hostile_secret_and_a_hostile_text_take_no_time() -> None:
    """Each character has forms that begin alike, so that a pattern could try all combinations."""
    redactor = Redactor(["%25" * 300, "%" * 900 + "x", "+ " * 400, "\\" * 300 + "x", "&amp;" * 200, "/" * 300 + "x"])
    texts = (
        "%2525" * 2_000, "%25" * 3_000, "%" * 6_000, "+ " * 3_000 + "%", "%" + "25" * 4_000,
        "\\" * 6_000, "&amp;" * 3_000, "&#38;" * 3_000, "\\/" * 3_000, "\\u005c" * 2_000,
    )  # fmt: skip
    for text in texts:
        redactor.text(text)


def test_innocent_text_stays() -> None:
    text = "GetCACert 200 application/x-x509-ca-cert c2hvcnQ= 73686f7274"
    assert Redactor([SECRET]).text(text) == text


@given(secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=6, max_size=30), rest=st.text())
def test_no_secret_survives_in_a_json_line(secret: str, rest: str) -> None:
    value = Redactor([secret]).value({"text": f"{rest}{secret}{rest}"})
    assert isinstance(value, dict)
    assert secret not in str(value["text"]).replace(MASK, "\x00")
    json.dumps(value)


@dataclass(frozen=True)
class Row:
    verdict: Literal["pass", "fail"]
    other: Literal["pass"] | None
    id: Annotated[str, OWN]
    text: str
    rows: tuple[Row, ...] = ()
    count: int = 7


def test_of_a_record_all_is_masked_but_our_own_words() -> None:
    row = Row("pass", "pass", "pass-it", "pass it on", (Row("fail", None, "x", "it passes"),))
    assert Redactor(["pass", "ail"]).record(row) == Row(
        "pass", "pass", "pass-it", f"{MASK} it on", (Row("fail", None, "x", f"it {MASK}es"),)
    )
    assert Redactor(["pass"]).record({"pass": ("a pass", 3, None)}) == {"pass": (f"a {MASK}", 3, None)}


@pytest.mark.parametrize("secret", ["ab", "fail", "PASS", "security", "renew"])
def test_a_report_can_be_made_whatever_word_of_it_a_secret_is(secret: str) -> None:
    """A challenge, or the part of one that a check tries, may be two letters of a word that decides how a page is made."""
    report = Redactor([secret]).record(conformance_run())
    for form in (as_html, as_markdown, as_junit):
        assert form(report)
