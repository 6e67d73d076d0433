"""A saved exchange for programs and people: request and reply as they were on the wire, and decoded.

Reads the files that `--save` has written, and opens envelopes only with the content keys saved beside them. Secrets in
the head are masked, and challenges are never shown.
"""

from __future__ import annotations

import base64
import http.client
from collections.abc import Callable
from pathlib import Path

from mfp_sim.shared.content_keys import content_keys_beside
from mfp_sim.shared.errors import AlgorithmRefused, DecodeError, EnvelopeUnreadable, UsageError
from mfp_sim.shared.http_octets import reply_of, request_of
from mfp_sim.shared.masking import masked
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.shared.scep.envelope import EnvelopeKeys
from mfp_sim.shared.scep.http_messages import read_capabilities, read_scep_query
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.vocabulary import MessageType, Operation
from mock_scep_server.saving import ExchangeFiles

__all__ = ["view_exchange"]

_JsonObject = dict[str, object]


def view_exchange(files: ExchangeFiles, number: int) -> _JsonObject | None:
    """Return exchange `number` as a JSON-able object; None if it is not saved.

    Raises:
        UsageError: its files cannot be read.
    """
    request = files.find(number)
    if request is None:
        return None
    reply = request.with_name(request.name.replace(".request.http", ".reply.http"))
    asked, came = files.read(request), files.read(reply)
    operation, message = _asked(asked)
    name = request.name.partition("-")[2].removesuffix(".request.http")
    return {
        "number": number,
        "name": name,
        "request": {**_octets(asked), "decoded": _message(message, request)},
        "reply": {**_octets(came), "decoded": _reply(came, operation, reply)},
    }


def _octets(octets: bytes) -> _JsonObject:
    """Return the head as lines and the body in base64."""
    head, _, body = masked(octets, Redactor()).partition(b"\r\n\r\n")
    return {"head": head.decode("latin-1").split("\r\n"), "body": base64.b64encode(body).decode("ascii")}


def _asked(octets: bytes) -> tuple[str | None, bytes | None]:
    try:
        query = read_scep_query(request_of(octets))
    except (DecodeError, UsageError):
        return None, None
    return query.operation, query.message if query.operation == Operation.PKI_OPERATION else None


def _reply(octets: bytes, operation: str | None, file: Path) -> object:
    """Decode a reply to the given request; None if it is incomplete or not SCEP."""
    try:
        reply = reply_of(octets)
    except (http.client.HTTPException, ValueError, OSError):
        return None
    readers: dict[str | None, Callable[[], object]] = {
        Operation.GET_CA_CAPS: lambda: {"keywords": list(read_capabilities(reply.body).keywords)},
        Operation.GET_CA_CERT: lambda: _certificates(messages.read_ca_certificates(reply.body, reply.media_type)[0]),
        Operation.PKI_OPERATION: lambda: _message(reply.body, file),
    }
    read = readers.get(operation)
    try:
        return None if read is None or reply.status != 200 else read()
    except DecodeError as error:
        return {"problem": str(error)}


def _certificates(found: tuple[Certificate, ...]) -> _JsonObject:
    return {
        "certificates": [
            {
                "subject": one.subject_text,
                "issuer": one.issuer_text,
                "serial": f"{one.serial:x}",
                "not_before": one.not_before.isoformat(),
                "not_after": one.not_after.isoformat(),
                "sha256": one.fingerprint(),
            }
            for one in found
        ]
    }


def _message(octets: bytes | None, file: Path) -> _JsonObject | None:
    """Decode a pkiMessage, and its envelope if the content key is saved."""
    if octets is None:
        return None
    try:
        message = messages.decode(octets)
    except DecodeError as error:
        return {"problem": str(error)}
    found = message.describe()
    keys = EnvelopeKeys(content=content_keys_beside(file))
    if keys and message.envelope is not None:
        try:
            found["inside"] = _inside(message, keys.open(message.envelope))
        except (DecodeError, EnvelopeUnreadable, AlgorithmRefused) as error:
            found["inside"] = {"problem": str(error)}
    return found


def _inside(message: PkiMessage, data: bytes) -> _JsonObject:
    if message.message_type in (MessageType.PKCS_REQ, MessageType.RENEWAL_REQ):
        csr = Csr.from_der(data)
        challenge = "none" if csr.challenge is None else "present, not shown"
        return {"subject": csr.subject_text, "challenge": challenge}
    if message.message_type == MessageType.CERT_REP:
        return _certificates(messages.read_certs_only(data))
    return {"octets": len(data)}
