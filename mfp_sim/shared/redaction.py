"""Masks secrets by value, in every form in which they might reach a sink.

Every sink (trace, report, console, journal) uses a `Redactor`, so no code has to know which field is secret.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import cache, lru_cache
from html import escape
from types import UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

__all__ = ["MASK", "OWN", "Redactor"]

MASK = "********"
OWN = "a word of our own"
"""Marks a field whose texts come from the program itself: ``id: Annotated[str, OWN]``."""


_WIDE = ("utf-16-le", "utf-16-be", "utf-32-be")
"""Encodings of several bytes a character: Windows', and those of BMPString and UniversalString in DER."""
_LONGEST = 1024
"""The longest secret, in bytes, that is found with some characters encoded."""
_ENCODED = re.compile(r"[%+&\\]")
_ENCODED_OCTETS = re.compile(_ENCODED.pattern.encode())
"""Texts without these characters have no encoded ones."""


class Redactor:
    """Knows the secrets of one run and masks them by value: plain, hex, base64 (any alignment), UTF-16 and UTF-32,
    escaped.

    Escaped means as in JSON, Python and HTML, and percent-encoded. Encoders differ in the characters that they encode:
    each may be encoded or not, percent-encoded repeatedly, and a space may be ``+``.
    """

    def __init__(self, secrets: Sequence[str | bytes] = ()) -> None:
        self._forms: list[str] = []
        self._whole: dict[bytes, str] = {}
        """The secrets themselves, the longest first, and what to show instead."""
        self._instead: dict[str, str] = {}
        for secret in secrets:
            self.add(secret)

    def add(self, secret: str | bytes, *, instead: str = MASK) -> None:
        """Mask ``secret`` from now on; an empty one is ignored. Texts show ``instead`` in its place."""
        octets = secret.encode() if isinstance(secret, str) else secret
        if not octets:
            return
        text = octets.decode("utf-8", "replace")
        forms = {text}
        for encoded in (octets, *(text.encode(wide) for wide in _WIDE)):
            forms |= {binascii.hexlify(encoded).decode(), binascii.hexlify(encoded).decode().upper()}
            forms |= _base64_forms(encoded)
        forms |= _escaped_forms(text)
        forms.discard("")
        if len(octets) <= _LONGEST:
            self._whole.setdefault(octets, instead)
            self._whole = dict(sorted(self._whole.items(), key=lambda pair: -len(pair[0])))
        if instead != MASK:
            self._instead |= dict.fromkeys(forms - set(self._forms), instead)
        known = set(self._forms) | forms
        self._forms = sorted(known, key=lambda form: (-len(form), form))

    def text(self, text: str) -> str:
        """``text`` with every form of every secret masked."""
        if _ENCODED.search(text):  # first: a part of an encoded secret may be another secret
            for secret, instead in self._whole.items():
                text = _encoded(secret).sub(lambda _, instead=instead: instead, text)  # type: ignore[misc]
        for form in self._forms:
            if form in text:
                text = text.replace(form, self._instead.get(form, MASK))
        return text

    def octets(self, octets: bytes) -> bytes:
        """The bytes with every form of every secret overwritten by asterisks; the length stays, so DER stays DER."""
        if _ENCODED_OCTETS.search(octets):
            for secret in self._whole:
                octets = _encoded_octets(secret).sub(lambda found: b"*" * len(found[0]), octets)
        for form in self._forms:
            latin = (form.encode("latin-1"),) if max(form) < "\u0100" and not form.isascii() else ()
            for encoded in (form.encode(), *latin, *(form.encode(wide) for wide in _WIDE)):
                if encoded in octets:
                    octets = octets.replace(encoded, b"*" * len(encoded))
        return octets

    def record(self, value: Any) -> Any:
        """The same dataclass, tuple or mapping with every text in it masked, at every depth.

        The program's own words stay, even if a secret has the same spelling; otherwise the result could not be read.
        These are ``Literal`` fields, fields marked as `OWN`, and the keys of mappings.
        """
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, tuple):
            return tuple(self.record(entry) for entry in value)
        if isinstance(value, Mapping):
            return {key: self.record(entry) for key, entry in value.items()}
        if not is_dataclass(value) or isinstance(value, type):
            return value
        own = _own_words(type(value))
        told = {field.name: getattr(value, field.name) for field in fields(value) if field.name not in own}
        return replace(value, **{name: self.record(entry) for name, entry in told.items()})

    def value(self, value: object) -> object:
        """A JSON value with every string in it masked, including keys."""
        if isinstance(value, str):
            return self.text(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, Mapping):
            return {self.text(str(key)): self.value(entry) for key, entry in value.items()}
        if isinstance(value, list | tuple):
            return [self.value(entry) for entry in value]
        return value


@cache
def _own_words(kind: type) -> frozenset[str]:
    """The fields of a dataclass that hold the program's own words."""

    def is_own(hint: Any) -> bool:
        if get_origin(hint) is Annotated:
            return OWN in hint.__metadata__ or is_own(hint.__origin__)
        alternatives = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        return all(get_origin(part) is Literal or part is type(None) for part in alternatives)

    hints = get_type_hints(kind, include_extras=True)
    return frozenset(name for name, hint in hints.items() if is_own(hint))


def _escaped_forms(text: str) -> set[str]:
    """The text as JSON, Python and HTML escape it."""
    as_json = {json.dumps(text, ensure_ascii=ascii_only)[1:-1] for ascii_only in (True, False)}
    as_html = {
        escape(text),
        escape(text, quote=False),
        escape(text).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    }
    return {repr(text)[1:-1], ascii(text)[1:-1], *as_json, *as_html}


@lru_cache(maxsize=128)
def _encoded(secret: bytes) -> re.Pattern[str]:
    """Finds the secret in a text, each character as it is or encoded."""
    return re.compile(_pattern(secret))


@lru_cache(maxsize=128)
def _encoded_octets(secret: bytes) -> re.Pattern[bytes]:
    """The same in bytes."""
    return re.compile(_pattern(secret).encode())


def _pattern(secret: bytes) -> str:
    units = secret.decode("utf-8", "surrogateescape")  # a byte outside UTF-8 is a unit by itself
    return "".join(f"(?:{'|'.join(_forms_of(unit))})" for unit in units)


_ENTITIES = {'"': "quot", "&": "amp", "'": "apos", "<": "lt", ">": "gt"}


def _forms_of(unit: str) -> Iterator[str]:
    """A pattern for each form of one character; ``%253D`` is encoded twice."""
    octets = unit.encode("utf-8", "surrogateescape")
    latin = [bytes([ord(unit)])] if 0x80 <= ord(unit) < 0x100 else []
    for encoded in (octets, *latin):
        yield "".join(f"%(?:25){{0,3}}{_either_case(f'{octet:02x}')}" for octet in encoded)
    if unit == " ":
        yield r"\+"
    if unit == "/":
        yield r"\\/"  # in JSON, of some encoders
    if len(octets) > 1 or octets.isascii():
        halves = unit.encode("utf-16-be").hex()
        yield "".join(rf"\\u{_either_case(halves[i : i + 4])}" for i in range(0, len(halves), 4))
        yield rf"&\#(?:0{{0,5}}{ord(unit)}|[xX]0{{0,4}}{_either_case(f'{ord(unit):x}')});"
        if unit in _ENTITIES:
            yield f"&{_ENTITIES[unit]};"
        yield re.escape(unit)  # last: the character % begins its own encoding


def _either_case(digits: str) -> str:
    return "".join(f"[{one}{one.upper()}]" if one.isalpha() else one for one in digits)


def _base64_forms(octets: bytes) -> set[str]:
    """The base64 letters that the bytes produce in a longer text, at each of the three alignments."""
    forms = {base64.b64encode(octets).decode(), base64.urlsafe_b64encode(octets).decode()}
    for shift in range(3):
        encoded = base64.b64encode(b"\x00" * shift + octets).decode().rstrip("=")
        start = (0, 2, 3)[shift]
        end = len(encoded) - (0 if (shift + len(octets)) % 3 == 0 else 1)
        if end - start >= 8:  # shorter runs of letters would mask innocent text
            forms.add(encoded[start:end])
    return forms
