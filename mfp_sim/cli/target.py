"""Is there a SCEP server at a URL? Asked once before scenarios run against it."""

from __future__ import annotations

import contextlib

from mfp_sim.errors import DecodeError, TargetError, TransportError
from mfp_sim.report.model import CaIdentity
from mfp_sim.scep.http import HttpReply, read_capabilities, scep_request
from mfp_sim.scep.messages import read_ca_certificates
from mfp_sim.scep.url import Url
from mfp_sim.scep.vocabulary import Operation
from mfp_sim.simtime import SystemClock
from mfp_sim.transport import SocketClient

__all__ = ["probe"]

_SECONDS = 30.0


def probe(url: str) -> CaIdentity:
    """Ask for the CA's certificate and its capabilities; returns who answers.

    Raises:
        UsageError: it is not a URL, or not http.
        TargetError: nobody answers, or not in SCEP.
    """
    where = Url.of_server(url, remedy="the printer speaks http only; write http://host/path")

    def asked(operation: Operation) -> HttpReply:
        return SocketClient(SystemClock()).exchange(
            where.host, where.port, scep_request(where.target, operation), _SECONDS
        )

    try:
        reply = asked(Operation.GET_CA_CERT)
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
        told = asked(Operation.GET_CA_CAPS)
        capabilities = read_capabilities(told.body).keywords if told.status == 200 else ()
    return CaIdentity(
        first.subject_text, first.fingerprint(), capabilities=capabilities, server=reply.header("Server") or ""
    )
