"""``mock-scep-server judge``: what captured requests say about their client.

Reads a message, a request as it was on the wire, a directory of saved exchanges, or an HTTP archive (HAR); decides
nothing of its own. One judge sees all of them in order, so that what shows only over several messages shows.
"""

from __future__ import annotations

import argparse
import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from mfp_sim.shared.content_keys import content_keys_beside
from mfp_sim.shared.errors import DecodeError, EnvelopeUnreadable, UsageError
from mfp_sim.shared.http_octets import request_of
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.envelope import EnvelopeKeys
from mfp_sim.shared.scep.http_messages import HttpRequest, read_scep_query
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.visible import one_line
from mock_scep_server.judgement import ClientJudge, Finding

__all__ = ["judge"]

_CAP = 64 * 1024 * 1024
"""The largest file that is read, in bytes."""


def judge(options: argparse.Namespace) -> int:
    """Findings about captured requests; 1 when something fails.

    Raises:
        UsageError: nothing that can be judged.
    """
    if not options.name:
        raise UsageError("judge needs what was captured", remedy="mock-scep-server judge request.der")
    key = _key(options.key) if options.key else None
    judge = ClientJudge(options.caps.split(",") if options.caps else None)
    captured = list(_captured(Path(options.name)))
    told = [(found.where, found.message.label, _findings(judge, found, key)) for found in captured]
    if not told:
        raise UsageError(f"{options.name} holds no pkiMessage of a client")
    found = [finding for _, _, findings in told for finding in findings]
    if options.json:
        rows = [{"message": where, **finding.to_json()} for where, _, findings in told for finding in findings]
        print(json.dumps(rows, indent=2))
        return int(any(finding.verdict == "fail" for finding in found))
    for where, label, findings in told:
        if len(told) > 1:
            print(f"{one_line(where)}: {one_line(label)}")
        for finding in findings:
            print(f"{'  ' * (len(told) > 1)}{one_line(str(finding))}")
    inside = "" if key or all(one.content_keys for one in captured) else "; the inside was not looked at (no --key)"
    what = one_line(told[0][1]) if len(told) == 1 else f"{len(told)} messages"
    print(f"{what}, {len(found) or 'no'} finding{'s' * (len(found) != 1)}{inside}")
    return int(any(finding.verdict == "fail" for finding in found))


@dataclass(frozen=True)
class _Captured:
    """A message, its place, and the request that it came in, where that is known, with what is odd about that."""

    where: str
    message: PkiMessage
    request: HttpRequest | None = None
    notes: tuple[str, ...] = ()
    content_keys: tuple[bytes, ...] = ()


def _findings(judge: ClientJudge, captured: _Captured, key: RSAPrivateKey | None) -> list[Finding]:
    message, csr = captured.message, None
    keys = EnvelopeKeys(() if key is None else (key,), captured.content_keys)
    if keys:
        try:
            if message.closed is not None:
                raise message.closed
            if message.envelope is None:
                raise EnvelopeUnreadable("the message has no envelope")
            data = keys.open(message.envelope)
            csr = Csr.from_der(data) if message.label in ("PKCSReq", "RenewalReq") else None
        except (DecodeError, EnvelopeUnreadable) as error:
            raise UsageError(f"the inside of {captured.where} cannot be judged: {error}") from None
    return list(judge.seen(captured.request, message, now=message.signing_time, csr=csr, noted=captured.notes))


# --- what was captured ------------------------------------------------------------------------------------


def _captured(path: Path) -> Iterator[_Captured]:
    """Each message."""
    if path.is_dir():
        for file in sorted(path.glob("*.request.http")):
            yield from _of_request(file.name, request_of(_octets(file)), content_keys_beside(file))
        return
    octets = _octets(path)
    if octets.lstrip()[:1] == b"{":
        for number, request in enumerate(_archive(path, octets), 1):
            yield from _of_request(f"entry {number}", request)
    elif octets[:4] in (b"GET ", b"POST"):
        yield from _of_request(path.name, request_of(octets), content_keys_beside(path))
    else:
        try:
            yield _Captured(path.name, messages.decode(octets))
        except DecodeError as error:
            raise UsageError(f"{path} holds no pkiMessage: {error}") from None


def _of_request(where: str, request: HttpRequest, content_keys: tuple[bytes, ...] = ()) -> Iterator[_Captured]:
    """The message of a request; nothing where it asks for something else."""
    query = read_scep_query(request)
    if query.operation != "PKIOperation":
        return
    try:
        yield _Captured(
            where, messages.decode(query.message or b""), request, tuple(map(str, query.notes)), content_keys
        )
    except DecodeError as error:
        raise UsageError(f"{where} holds no pkiMessage: {error}") from None


def _archive(path: Path, octets: bytes) -> Iterator[HttpRequest]:
    """The requests of an HTTP archive, in order; the octets of a body are in base64, or one letter each."""
    try:
        for entry in json.loads(octets)["log"]["entries"]:
            said = entry["request"]
            body = said.get("postData") or {}
            text = str(body.get("text", ""))
            encoded = body.get("encoding") == "base64"
            yield HttpRequest(
                str(said["method"]),
                Url.parse(str(said["url"])).target,
                tuple((str(field["name"]), str(field["value"])) for field in said.get("headers", ())),
                base64.b64decode(text, validate=True) if encoded else text.encode("latin-1"),
            )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(f"{path} is not an HTTP archive (HAR): {type(error).__name__}: {error}") from None


def _key(path: Path) -> RSAPrivateKey:
    try:
        key = load_pem_private_key(_octets(path), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise UsageError(f"{path} is no private key in PEM without a password") from None
    if not isinstance(key, RSAPrivateKey):
        raise UsageError(f"{path} is not an RSA key; SCEP envelopes are for RSA keys")
    return key


def _octets(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            octets = file.read(_CAP + 1)
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    if len(octets) > _CAP:
        raise UsageError(f"{path} is larger than {_CAP} bytes")
    return octets
