"""The first contact with a SCEP server: whether there is one at a URL, and how reports name its CA.

May not judge the server. ``conformance`` makes a contact of its own, since it also checks servers that this module
refuses. RFC 8894, 3.5.1 and 4.2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence

from mfp_sim.report.model import CaIdentity
from mfp_sim.shared.errors import DecodeError, TargetError, TransportError
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpReply, read_capabilities, scep_request
from mfp_sim.shared.scep.messages import read_ca_certificates
from mfp_sim.shared.scep.roles import CaRoles
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.simtime import SystemClock
from mfp_sim.transport import SocketClient

__all__ = ["identity_of", "probe"]

_SECONDS = 30.0


def identity_of(
    issuer: Certificate, certificates: Sequence[Certificate], capabilities: tuple[str, ...], reply: HttpReply
) -> CaIdentity:
    """The CA as reports name it: the issuer, and the first other certificate that is not a CA's as its RA.

    Args:
        issuer: the one of ``certificates`` that issues.
        certificates: the certificates of GetCACert.
        capabilities: the keywords of GetCACaps.
        reply: the reply to GetCACert.
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
    """Ask for the CA's certificates and its capabilities; returns the identity of the CA.

    Raises:
        UsageError: ``url`` is not a URL, or not http.
        TargetError: the server does not answer, or does not speak SCEP.
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
