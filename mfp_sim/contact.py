"""Is there a SCEP server at a URL, and who is it? Asked once before scenarios or printers meet it.

Owns the first contact, and how a CA is named in reports. Judges no server: the checks of ``conformance`` take more for
one, since they are there to say what is wrong with it.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from mfp_sim.errors import DecodeError, TargetError, TransportError
from mfp_sim.report.model import CaIdentity
from mfp_sim.scep.certificate import Certificate
from mfp_sim.scep.http import HttpReply, read_capabilities, scep_request
from mfp_sim.scep.messages import read_ca_certificates
from mfp_sim.scep.roles import CaRoles
from mfp_sim.scep.url import Url
from mfp_sim.scep.vocabulary import Operation
from mfp_sim.simtime import SystemClock
from mfp_sim.transport import SocketClient

__all__ = ["identity_of", "probe"]

_SECONDS = 30.0


def identity_of(
    issuer: Certificate, certificates: Sequence[Certificate], capabilities: tuple[str, ...], reply: HttpReply
) -> CaIdentity:
    """Who answers: the CA that issues, the first certificate that is not a CA's, and what it says of itself.

    Args:
        issuer: one of ``certificates``.
        certificates: of GetCACert.
        capabilities: the keywords of GetCACaps.
        reply: to GetCACert.
    """
    other = next((c for c in certificates if not c.says_ca and c is not issuer), None)
    return CaIdentity(
        subject=issuer.subject_text,
        fingerprint=issuer.fingerprint(),
        ra_subject=other.subject_text if other is not None else "",
        ra_fingerprint=other.fingerprint() if other is not None else "",
        capabilities=capabilities,
        server=reply.header("Server") or "",
    )


def probe(url: str) -> CaIdentity:
    """Ask for the CA's certificate and its capabilities; returns who answers.

    Raises:
        UsageError: it is not a URL, or not http.
        TargetError: nobody answers, or not in SCEP.
    """
    where = Url.of_server(url, remedy="the printer speaks http only; write http://host/path")

    def asked(operation: Operation) -> HttpReply:
        request = scep_request(where.target, operation)
        return SocketClient(SystemClock()).exchange(where.host, where.port, request, _SECONDS)

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
        text = f"no SCEP server at {url}: the reply to GetCACert ({kind}) is not a certificate: {error}"
        raise TargetError(text) from None
    capabilities: tuple[str, ...] = ()
    with contextlib.suppress(TransportError):  # a server without GetCACaps is an old one, not none
        told = asked(Operation.GET_CA_CAPS)
        capabilities = read_capabilities(told.body).keywords if told.status == 200 else ()
    return identity_of(CaRoles(certificates, tolerant=True).issuer, certificates, capabilities, reply)
