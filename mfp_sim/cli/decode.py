"""The verb ``decode``, and ``diff`` for messages: anything that SCEP carries, readable, with what is odd about it."""

from __future__ import annotations

import argparse
import base64
import binascii
import http.client
import io
import json
import re
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mfp_sim.errors import AlgorithmRefused, DecodeError, EnvelopeUnreadable, MfpSimError, UsageError
from mfp_sim.scep import der, messages
from mfp_sim.scep import vocabulary as v
from mfp_sim.scep.certificate import Certificate
from mfp_sim.scep.cms import read_bag
from mfp_sim.scep.crl import Crl
from mfp_sim.scep.csr import Csr
from mfp_sim.scep.der import MAX_OCTETS
from mfp_sim.scep.elements import Leaf, leaves, structure_of
from mfp_sim.scep.envelope import open_envelope, read_envelope
from mfp_sim.scep.http import HttpRequest, read_base64, read_capabilities, read_scep_query

__all__ = ["decode", "differences", "is_trace", "read_input"]

_CAP = 4 * MAX_OCTETS
"""The largest file in octets: base64 and escapes make a message of the largest size that much longer."""
_PEM = re.compile(rb"-----BEGIN ([A-Z0-9 ]+)-----\s+([A-Za-z0-9+/=\s]+)-----END \1-----")


@dataclass
class Opened:
    """What was found in a file: the octets of one message, and how it was come by."""

    octets: bytes = field(repr=False)
    wrapping: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def decode(options: argparse.Namespace) -> int:
    """Print a message.

    Raises:
        UsageError: the file holds none that can be read; with path and offset.
    """
    try:
        return _decode(options)
    except DecodeError as error:
        raise UsageError(f"{options.file}: {error}") from None


def _decode(options: argparse.Namespace) -> int:
    opened = _unwrap(read_input(options.file))
    key = _private_key(options.key) if options.key else None
    envelopes = _Envelopes(key)
    kind, facts, notes = _facts(opened, envelopes)
    notes = [*opened.notes, *notes]
    elements = [] if kind == "capabilities" else list(leaves(opened.octets, plaintext=envelopes.open))
    if options.json:
        rows = [{"path": leaf.path, "offset": leaf.offset, "value": leaf.text} for leaf in elements]
        found = {
            "kind": kind,
            "octets": len(opened.octets),
            "wrapping": opened.wrapping,
            "facts": facts,
            "elements": rows,
            "notes": notes,
        }
        print(json.dumps(found, ensure_ascii=False))
        return 0
    print(", ".join([kind, *opened.wrapping, f"{len(opened.octets)} octets"]))
    width = max((len(name) for name in facts), default=0)
    for name, value in facts.items():
        print(f"  {name:{width}}  {_shown(value)}")
    if elements:
        print("\nelements (offset, path, value):")
        for leaf in elements:
            print(f"  {leaf.offset:6}  {_printable(leaf.path)}  {_printable(leaf.text)}")
    if envelopes.closed and kind != "capabilities":
        print(f"\nThe envelope stays closed: {envelopes.closed}.")
    print("\nnotes:" if notes else "\nnothing odd about it")
    for note in notes:
        print(f"  {_printable(note)}")
    return 0


def _shown(value: object) -> str:
    return _printable(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))


def _printable(text: str) -> str:
    """What a message says is hostile: no control character reaches the terminal."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)


# --- input ------------------------------------------------------------------------------------------------


def read_input(name: str) -> bytes:
    """The octets of a file, or of the standard input for ``-``.

    Raises:
        UsageError: it cannot be read, is empty or too large.
    """
    try:
        if name == "-":
            octets = sys.stdin.buffer.read(_CAP + 1)
        else:
            with Path(name).open("rb") as file:
                octets = file.read(_CAP + 1)
    except OSError as error:
        raise UsageError(f"cannot read {name}: {error.strerror}") from None
    if not octets:
        raise UsageError(f"{name} is empty", remedy="give a message, or - for the standard input")
    if len(octets) > _CAP:
        raise UsageError(f"{name} is larger than {_CAP} octets")
    return octets


def _unwrap(octets: bytes) -> Opened:
    """Take off HTTP, PEM and base64."""
    opened = Opened(octets)
    for name, fits, take in _WRAPPINGS:
        if fits(opened.octets):
            opened.wrapping.append(name)
            take(opened)
    if not opened.octets:
        raise UsageError("there is no message in it", remedy="give the request or the reply with its body")
    return opened


def _take_request(opened: Opened) -> None:
    head, _, body = opened.octets.partition(b"\r\n\r\n" if b"\r\n\r\n" in opened.octets else b"\n\n")
    lines = head.decode("latin-1").split("\n")
    words = lines[0].split()
    if len(words) < 2:
        raise UsageError(
            "the HTTP request line has no target", remedy="a request begins with: GET /path?query HTTP/1.1"
        )
    headers = tuple((name.strip(), value.strip()) for name, _, value in (line.partition(":") for line in lines[1:]))
    query = read_scep_query(HttpRequest(words[0], words[1], headers, body))
    opened.wrapping.append(f"operation {query.operation or 'missing'}")
    opened.notes.extend(query.notes)
    opened.octets = query.message or b""


class _Replayed:
    """As much of a socket as ``HTTPResponse`` wants."""

    def __init__(self, octets: bytes) -> None:
        self._octets = octets

    def makefile(self, mode: str) -> io.BytesIO:
        assert mode == "rb"
        return io.BytesIO(self._octets)


def _take_reply(opened: Opened) -> None:
    response = http.client.HTTPResponse(cast("socket.socket", _Replayed(opened.octets)))
    try:
        response.begin()
        body = response.read()
    except (http.client.HTTPException, ValueError, OSError) as error:
        raise UsageError(f"the HTTP reply is not readable: {type(error).__name__}: {error}") from None
    opened.wrapping.append(f"status {response.status}, {response.getheader('Content-Type') or 'no media type'}")
    opened.octets = body


def _take_pem(opened: Opened) -> None:
    blocks = _PEM.findall(opened.octets)
    label, text = blocks[0]
    if len(blocks) > 1:
        opened.notes.append(f"the file has {len(blocks)} PEM blocks; this is the first")
    if b"PRIVATE KEY" in label:
        raise UsageError("this is a private key, not a message", remedy="give it as --key, and the message as FILE")
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


def _private_key(path: Path) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(path.read_bytes(), None)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, TypeError):
        raise UsageError(f"{path} is not a private key without password in PEM") from None
    if not isinstance(key, RSAPrivateKey):
        raise UsageError(f"{path} is not an RSA key; SCEP envelopes are for RSA keys")
    return key


class _Envelopes:
    """Opens envelopes with the key, if there is one; remembers why one stayed closed."""

    def __init__(self, key: RSAPrivateKey | None) -> None:
        self._key = key
        self.closed: str | None = None

    def open(self, octets: bytes) -> bytes | None:
        """The plaintext of a ContentInfo with EnvelopedData, or None."""
        if self._key is None:
            self.closed = "give the recipient's key with --key"
            return None
        try:
            return open_envelope(read_envelope(octets), self._key)
        except (AlgorithmRefused, EnvelopeUnreadable, DecodeError) as error:
            self.closed = str(error)
            return None


# --- what it is -------------------------------------------------------------------------------------------


def _facts(opened: Opened, envelopes: _Envelopes) -> tuple[str, dict[str, object], list[str]]:
    """What the message is, the facts people look for first, and what is odd about it."""
    octets = opened.octets
    if octets[:1] != b"\x30":
        capabilities = _capabilities(octets)
        if capabilities is not None:
            return "capabilities", {"keywords": list(capabilities)}, []
    structure = structure_of(der.read(octets, "message", trailing=True))
    return _KINDS.get(structure, _unknown)(octets, envelopes)


def _capabilities(octets: bytes) -> tuple[str, ...] | None:
    text = octets[:4096].decode("ascii", "replace")
    return read_capabilities(octets).keywords if text.isascii() and (text.isprintable() or "\n" in text) else None


def _message(octets: bytes, envelopes: _Envelopes) -> tuple[str, dict[str, object], list[str]]:
    try:
        message = messages.decode(octets)
    except DecodeError as as_message:
        for read in (_next_ca, _bag):
            try:
                return read(octets)
            except DecodeError:
                continue
        return _lone_envelope(octets, as_message)
    facts = message.describe()
    notes = [str(note) for note in message.notes]
    facts.pop("notes", None)
    facts["signature"] = _verdict(message.signer(), message.verify)
    data = envelopes.open(message.content) if message.content else None
    if data is not None:
        inside, more = _inside(data)
        facts.update(inside)
        notes.extend(more)
    return f"{message.label} (pkiMessage)", facts, notes


def _verdict(signer: Certificate | None, verify: Callable[[Certificate], None]) -> str:
    """What a signature is worth by the certificate that came with it."""
    if signer is None:
        return "not verified: the signer's certificate is not in the message"
    try:
        verify(signer)
    except MfpSimError as error:
        return f"WRONG: {error}"
    return f"verified with the certificate of {signer.subject_text}"


def _next_ca(octets: bytes) -> tuple[str, dict[str, object], list[str]]:
    """The reply to GetNextCACert: a signed message without SCEP's attributes, around certificates."""
    found = messages.read_next_ca(octets)
    if set(found.signed_data.attributes) & set(v.SCEP_ATTRIBUTES.values()):
        raise DecodeError("signerInfos[0].signedAttrs", 0, "no SCEP attributes", "some")
    facts: dict[str, object] = {
        "certificates": [_named(c) for c in found.certificates],
        "signature": _verdict(found.signer(found.signed_data.certificates), found.verify),
    }
    return "next CA certificates (SignedData)", facts, [str(note) for note in found.notes]


def _bag(octets: bytes) -> tuple[str, dict[str, object], list[str]]:
    bag = read_bag(octets)
    facts: dict[str, object] = {"certificates": [_named(c) for c in bag.certificates]}
    if bag.crls:
        facts["CRLs"] = [Crl.from_der(crl).issuer_text for crl in bag.crls]
    return "certificates", facts, [str(note) for note in bag.notes]


def _lone_envelope(octets: bytes, as_message: DecodeError) -> tuple[str, dict[str, object], list[str]]:
    """An EnvelopedData that stands alone, or CMS that is nothing SCEP knows."""
    try:
        envelope = read_envelope(octets)
    except DecodeError:
        return "CMS, but no SCEP message", {"why": str(as_message)}, []
    facts: dict[str, object] = {
        "cipher": envelope.cipher,
        "recipients": len(envelope.recipients) + len(envelope.password_recipients),
    }
    return "envelope (EnvelopedData)", facts, [str(note) for note in envelope.notes]


def _inside(data: bytes) -> tuple[dict[str, object], list[str]]:
    """What the envelope holds, in a few lines, and what is odd about it."""
    for label, read in (("csr ", _csr), ("", _bag)):
        try:
            _, facts, notes = read(data)
        except DecodeError:
            continue
        return {label + name: value for name, value in facts.items()}, notes
    return {"messageData": f"{len(data)} octets"}, []


def _named(certificate: Certificate) -> str:
    span = f"{certificate.not_before:%Y-%m-%d %H:%M:%SZ} to {certificate.not_after:%Y-%m-%d %H:%M:%SZ}"
    return f"{certificate.subject_text}, serial {certificate.serial:x}, from {certificate.issuer_text}, {span}"


def _csr(octets: bytes, _: object = None) -> tuple[str, dict[str, object], list[str]]:
    request = Csr.from_der(octets)
    facts: dict[str, object] = {
        "subject": request.subject_text,
        "names": list(request.sans),
        "signature digest": request.signature_digest,
        "challenge": "absent" if request.challenge is None else "present, not shown",
    }
    return "certificate request (PKCS#10)", facts, [str(note) for note in request.notes]


def _certificate(octets: bytes, _: object) -> tuple[str, dict[str, object], list[str]]:
    certificate = Certificate.from_der(octets)
    facts: dict[str, object] = {
        "certificate": _named(certificate),
        "key usage": sorted(certificate.key_usage) if certificate.key_usage is not None else "no extension",
        "names": list(certificate.sans),
        "SHA-256": certificate.fingerprint(),
    }
    return "certificate", facts, []


def _crl(octets: bytes, _: object) -> tuple[str, dict[str, object], list[str]]:
    crl = Crl.from_der(octets)
    return "CRL", {"revoked": [f"{entry.serial:x}" for entry in crl.revoked]}, []


def _unknown(_octets: bytes, _: object) -> tuple[str, dict[str, object], list[str]]:
    return "ASN.1 that is no SCEP message", {}, []


_KINDS: dict[str, Callable[[bytes, _Envelopes], tuple[str, dict[str, object], list[str]]]] = {
    "ContentInfo": _message,
    "Csr": _csr,
    "Certificate": _certificate,
    "Crl": _crl,
}


# --- diff -------------------------------------------------------------------------------------------------


def is_trace(octets: bytes) -> bool:
    """Whether a file is a trace: its first octet begins a JSON object."""
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
            yield f"+ {path}  {_printable(other.text if other else '')}"
        elif other is None:
            yield f"- {path}  {_printable(one.text)}"
        elif one.octets != other.octets:
            yield f"~ {path}  {_printable(one.text)}  ->  {_printable(other.text)}"


def _by_path(octets: bytes) -> dict[str, Leaf]:
    found: dict[str, Leaf] = {}
    for leaf in leaves(octets):
        path, number = leaf.path, 1
        while path in found:
            number += 1
            path = f"{leaf.path} #{number}"
        found[path] = leaf
    return found
