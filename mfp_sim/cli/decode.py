"""The verb ``decode``, and ``diff`` for messages: shows anything that SCEP carries, and what is odd about it."""

from __future__ import annotations

import argparse
import base64
import binascii
import http.client
import json
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from mfp_sim.cli.told import Envelopes, Told, tell, tell_capabilities
from mfp_sim.shared.content_keys import content_keys_beside
from mfp_sim.shared.errors import DecodeError, UsageError, unread
from mfp_sim.shared.files import octets_of, rsa_key_of
from mfp_sim.shared.http_octets import reply_of, request_of
from mfp_sim.shared.scep.crl import MAX_OCTETS
from mfp_sim.shared.scep.elements import ElementValue, leaves
from mfp_sim.shared.scep.envelope import EnvelopeKeys
from mfp_sim.shared.scep.http_messages import KEYWORDS, HttpRequest, read_base64, read_scep_query
from mfp_sim.shared.visible import one_line, visible
from mock_scep_server.captures import captured_exchanges, is_capture

__all__ = ["decode", "differences", "is_trace", "read_input"]

_CAP = 4 * MAX_OCTETS
"""The largest file in bytes: base64 and escapes make a CRL of the largest size that much longer."""
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----")


@dataclass
class Opened:
    """The contents of a file: the bytes of one message, and the wrappings around it."""

    octets: bytes = field(repr=False)
    wrapping: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def decode(options: argparse.Namespace) -> int:
    """Print a message.

    Raises:
        UsageError: the file contains no readable message; with path and offset.
    """
    try:
        return _decode(options)
    except DecodeError as error:
        raise UsageError(f"{options.file}: {error}") from None
    except UsageError as error:
        name = "standard input" if options.file == "-" else options.file
        named = (name, Path(name).with_suffix(".key"), *([options.key] if options.key else []))
        if any(str(path) in error.message for path in named):
            raise
        raise UsageError(f"{name}: {error.message}", remedy=error.remedy) from None


def _decode(options: argparse.Namespace) -> int:
    octets = read_input(options.file)
    private = (rsa_key_of(options.key),) if options.key else ()
    if is_capture(octets):
        return _decode_capture(options, octets, EnvelopeKeys(private))
    content = () if options.file == "-" else content_keys_beside(Path(options.file))
    found, lines = _read(_unwrap(octets), EnvelopeKeys(private, content))
    if options.json:
        print(_json(found))
        return 0
    for line in lines:
        print(line)
    return 0


def _decode_capture(options: argparse.Namespace, octets: bytes, keys: EnvelopeKeys) -> int:
    """Each message of a packet capture; an unreadable one is reported, and the others follow."""
    rows: list[dict[str, object]] = []
    for number, exchange in enumerate(captured_exchanges(octets, Path(options.file)), 1):
        if exchange.problem:
            ends = {"exchange": number, "client": exchange.client, "server": exchange.server}
            rows.append({**ends, "notes": [exchange.problem]})
            if not options.json:
                where = f"exchange {number}, {exchange.client} -> {exchange.server}"
                print(one_line(f"{where}: not readable as HTTP: {exchange.problem}") + "\n")
            continue
        request, reply = exchange.request, exchange.reply
        where = f"exchange {number}, {exchange.client} -> {exchange.server}: {request.method} {request.target[:60]}"
        query, notes = Opened(b""), list[str]()
        try:
            _take_request_of(query, request)
        except DecodeError as error:
            notes.append(str(error))
        came = (
            "no whole reply"
            if reply is None
            else f"status {reply.status}, {reply.header('Content-Type') or 'no media type'}"
        )
        parts = [("request", query)] if query.octets else []
        if reply is not None and reply.body:
            parts.append(("reply", Opened(reply.body, [came])))
        row: dict[str, object] = {"exchange": number, "client": exchange.client, "server": exchange.server}
        row |= {"method": request.method, "target": request.target, "came": came, "notes": notes}
        lines = [one_line(f"{where} -> {came}"), *(f"  {one_line(note)}" for note in notes)]
        for side, opened in parts:
            try:
                row[side], shown = _read(opened, keys)
            except (DecodeError, UsageError) as error:
                row[side], shown = {"problem": str(error)}, iter([f"not readable: {visible(str(error))}"])
            lines += ["", f"{side}:", *shown]
        rows.append(row)
        if not options.json:
            print("\n".join([*lines, ""]))
    if options.json:
        print(_json(rows))
    return 0


def _read(opened: Opened, keys: EnvelopeKeys) -> tuple[dict[str, object], Iterator[str]]:
    """A message as a JSON-able object, and as lines for people."""
    envelopes = Envelopes(keys)
    told = _told(opened, envelopes)
    notes = [*opened.notes, *told.notes]
    elements, broken = ([], None) if told.kind == "capabilities" else _elements(opened.octets, envelopes)
    if broken is not None and broken not in notes:
        notes.append(broken)
    found: dict[str, object] = {
        "kind": told.kind,
        "octets": len(opened.octets),
        "wrapping": opened.wrapping,
        "facts": told.facts,
        "elements": [{"path": leaf.path, "offset": leaf.offset, "value": leaf.text} for leaf in elements],
        "notes": notes,
        "unchecked": told.unchecked,
        "closed": envelopes.closed,
    }
    return found, _lines(opened, told, elements, notes, envelopes.closed)


_MOST_ELEMENTS, _MOST_VALUES = 2000, 50
"""The most elements of a message, and values of a fact, that are shown to people; JSON has all."""


def _lines(
    opened: Opened, told: Told, elements: list[ElementValue], notes: list[str], closed: str | None
) -> Iterator[str]:
    """The lines for people. All of it may come from the message, so no line may control the terminal."""
    yield one_line(", ".join([told.kind, *opened.wrapping, f"{len(opened.octets)} bytes"]))
    width = min(max((len(name) for name in told.facts), default=0), 40)
    for name, value in told.facts.items():
        yield f"  {one_line(name):{width}}  {_shown(value)}"
    if elements:
        yield "\nelements (offset, path, value):"
        for leaf in elements[:_MOST_ELEMENTS]:
            yield f"  {leaf.offset:6}  {one_line(leaf.path)}  {one_line(leaf.text)}"
        if len(elements) > _MOST_ELEMENTS:
            yield f"  … and {len(elements) - _MOST_ELEMENTS} more; --json shows all"
    if closed:
        yield f"\nThe envelope was not opened: {one_line(closed)}."
    if told.unchecked:
        yield "\nnot verified:"
        yield from (f"  {one_line(text)}" for text in told.unchecked)
    partly = bool(closed or told.unchecked)
    yield "\nnotes:" if notes else f"\nnothing odd {'in the part that was read' if partly else 'found'}"
    yield from (f"  {one_line(note)}" for note in notes)


def _told(opened: Opened, envelopes: Envelopes) -> Told:
    octets = opened.octets
    if octets[:1] != b"\x30":
        told = tell_capabilities(octets)
        if told is not None:
            return told
        if _is_text(octets):
            raise UsageError(
                "this is text without any SCEP capability", remedy=f"a list has lines such as {KEYWORDS[0]}"
            )
    return tell(octets, envelopes)


def _is_text(octets: bytes) -> bool:
    start = octets[:4096].decode("utf-8", "replace")
    return "\ufffd" not in start and all(letter.isprintable() or letter in "\r\n\t" for letter in start)


def _elements(octets: bytes, envelopes: Envelopes) -> tuple[list[ElementValue], str | None]:
    """The elements as far as they can be read, and where that ends."""
    found: list[ElementValue] = []
    try:
        for leaf in leaves(octets, plaintext=envelopes.open):
            found.append(leaf)
    except DecodeError as error:
        return found, str(error)
    return found, None


def _shown(value: object) -> str:
    if isinstance(value, list) and len(value) > _MOST_VALUES:
        value = [*value[:_MOST_VALUES], f"… and {len(value) - _MOST_VALUES} more"]
    return one_line(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _json(found: object) -> str:
    """JSON on one line, in which no letter of the message can control a terminal."""
    return "".join(
        letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in json.dumps(found, ensure_ascii=False)
    )


# --- input ------------------------------------------------------------------------------------------------


def read_input(name: str) -> bytes:
    """The bytes of a file, or of the standard input for ``-``.

    Raises:
        UsageError: it cannot be read, is empty or too large.
    """
    try:
        octets = sys.stdin.buffer.read(_CAP + 1) if name == "-" else octets_of(Path(name), _CAP)
    except OSError as error:
        raise unread("standard input", error) from None
    if not octets:
        where = "standard input" if name == "-" else name
        raise UsageError(f"{where} is empty", remedy="give a message, or - for standard input")
    if len(octets) > _CAP:
        raise UsageError(f"standard input is larger than {_CAP} bytes")
    return octets


def _unwrap(octets: bytes) -> Opened:
    """Take off HTTP, PEM and base64."""
    opened = Opened(octets)
    for name, fits, take in _WRAPPINGS:
        if fits(opened.octets):
            opened.wrapping.append(name)
            take(opened)
    if not opened.octets:
        raise UsageError("the file contains no message", remedy="give the request or the reply with its body")
    return opened


def _take_request(opened: Opened) -> None:
    _take_request_of(opened, request_of(opened.octets))


def _take_request_of(opened: Opened, request: HttpRequest) -> None:
    query = read_scep_query(request)
    opened.wrapping.append(f"operation {query.operation or 'missing'}")
    opened.notes.extend(query.notes)
    opened.octets = query.message or b""


def _take_reply(opened: Opened) -> None:
    try:
        reply = reply_of(opened.octets)
    except (http.client.HTTPException, ValueError, OSError) as error:
        raise UsageError(f"the HTTP reply is not readable: {type(error).__name__}: {error}") from None
    opened.wrapping.append(f"status {reply.status}, {reply.header('Content-Type') or 'no media type'}")
    opened.octets = reply.body


def _take_pem(opened: Opened) -> None:
    blocks = _PEM.findall(opened.octets)
    label, text = blocks[0]
    if len(blocks) > 1:
        opened.notes.append(f"the file has {len(blocks)} PEM blocks; this is the first")
    if b"PRIVATE KEY" in label:
        raise UsageError(
            "this is a private key, not a message", remedy="give the key with --key, and the message as FILE"
        )
    try:
        opened.octets = base64.b64decode(b"".join(text.split()), validate=True)
    except binascii.Error as error:
        raise UsageError(f"the PEM block is not base64: {error}") from None


def _take_base64(opened: Opened) -> None:
    opened.octets = read_base64(b"".join(opened.octets.split()), opened.notes)


_WRAPPINGS: tuple[tuple[str, Callable[[bytes], bool], Callable[[Opened], None]], ...] = (
    ("HTTP request", lambda octets: octets[:4] in (b"GET ", b"POST", b"HEAD"), _take_request),
    ("HTTP reply", lambda octets: octets[:5] == b"HTTP/", _take_reply),
    ("PEM", lambda octets: _PEM.search(octets) is not None, _take_pem),
    ("base64", lambda octets: re.fullmatch(rb"M[A-Za-z0-9+/_=\s-]+", octets) is not None, _take_base64),
)


# --- diff -------------------------------------------------------------------------------------------------


def is_trace(octets: bytes) -> bool:
    """Whether a file is a trace: its first byte begins a JSON object."""
    return octets.lstrip()[:1] == b"{"


def differences(first: bytes, second: bytes) -> Iterator[str]:
    """The differences of two messages by element, a line each."""
    try:
        left, right = (_by_path(_unwrap(octets).octets) for octets in (first, second))
    except DecodeError as error:
        raise UsageError(f"not a message: {error}") from None
    for path in dict.fromkeys([*left, *right]):
        one, other = left.get(path), right.get(path)
        if one is None:
            yield f"+ {path}  {one_line(other.text if other else '')}"
        elif other is None:
            yield f"- {path}  {one_line(one.text)}"
        elif one.octets != other.octets:
            yield f"~ {path}  {one_line(one.text)}  ->  {one_line(other.text)}"


def _by_path(octets: bytes) -> dict[str, ElementValue]:
    found: dict[str, ElementValue] = {}
    for leaf in leaves(octets):
        path, number = leaf.path, 1
        while path in found:
            number += 1
            path = f"{leaf.path} #{number}"
        found[path] = leaf
    return found
