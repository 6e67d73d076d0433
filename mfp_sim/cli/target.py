"""Is there a SCEP server at a URL? Asked once before scenarios run against it."""

from __future__ import annotations

import contextlib
from urllib.parse import urlsplit

from mfp_sim.errors import DecodeError, TargetError, TransportError, UsageError
from mfp_sim.report.model import CaIdentity
from mfp_sim.scep.http import read_capabilities, scep_request
from mfp_sim.scep.messages import read_ca_certificates
from mfp_sim.scep.vocabulary import Operation
from mfp_sim.simtime import SystemClock
from mfp_sim.transport import SocketClient

__all__ = ["probe"]

_SECONDS = 30.0


def probe(url: str) -> CaIdentity:
    """Ask for the CA's certificate and its capabilities; returns who answers.

    Raises:
        UsageError: the URL is none, or not http.
        TargetError: nobody answers, or not in SCEP.
    """
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port or 80
    except ValueError:
        raise UsageError(f"{url!r} is not a URL") from None
    if parts.scheme != "http" or not host:
        raise UsageError(f"{url!r} is not an http URL", remedy="the printer speaks http only; write http://host/path")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    request = scep_request(target, Operation.GET_CA_CERT)
    try:
        reply = SocketClient(SystemClock()).exchange(host, port, request, _SECONDS)
    except TransportError as error:
        remedy = "check the URL and that the server runs"
        raise TargetError(f"no SCEP server at {url}: {error.message}", remedy=remedy) from None
    if reply.status != 200:
        remedy = "check the path of the URL"
        raise TargetError(f"no SCEP server at {url}: GetCACert gave HTTP {reply.status}", remedy=remedy)
    try:
        certificates, _ = read_ca_certificates(reply.body, reply.media_type)
    except DecodeError as error:
        kind = reply.media_type or "no media type"
        raise TargetError(
            f"no SCEP server at {url}: the reply to GetCACert ({kind}) is not a certificate: {error}"
        ) from None
    first = certificates[0]
    capabilities: tuple[str, ...] = ()
    with contextlib.suppress(TransportError):  # a server without GetCACaps is an old one, not none
        told = SocketClient(SystemClock()).exchange(host, port, scep_request(target, Operation.GET_CA_CAPS), _SECONDS)
        capabilities = read_capabilities(told.body).keywords if told.status == 200 else ()
    return CaIdentity(
        first.subject_text, first.fingerprint(), capabilities=capabilities, server=reply.header("Server") or ""
    )
