"""The first contact with a SCEP server: whether there is one at a URL, and how reports name its CA.

Must not judge the server. ``conformance`` has its own contact, because it also checks servers that this module refuses.
RFC 8894, 3.5.1 and 4.2.
"""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from mfp_sim.report.model import UNCHECKED, CaIdentity
from mfp_sim.shared.errors import DecodeError, TargetError, TransportError
from mfp_sim.shared.reaching import DIRECTLY, Reach
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpReply, read_capabilities, scep_request
from mfp_sim.shared.scep.messages import read_ca_certificates
from mfp_sim.shared.scep.roles import CaRoles
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.simtime import SystemClock
from mfp_sim.transport import SocketClient, TlsSession, place_of

__all__ = ["Contact", "identity_of", "probe", "reached", "wants_tls"]

_SECONDS = 30.0
_PATH = "check the path of the URL"
_REMEDIES = {401: "give a login with --http-login-env NAME", 403: "it may need a login, or a client certificate"}


def identity_of(
    issuer: Certificate, certificates: Sequence[Certificate], capabilities: tuple[str, ...], reply: HttpReply
) -> CaIdentity:
    """The CA as reports name it: the issuer, and the first other certificate that is not a CA's as its RA.

    Args:
        issuer: the issuing certificate of ``certificates``.
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


@dataclass(frozen=True)
class Contact:
    """The CA that replies, and how it is reached, in words by name."""

    ca: CaIdentity
    reached: Mapping[str, str]


def reached(url: str, reach: Reach, tls: TlsSession | None) -> dict[str, str]:
    """How a server is reached, in words for reports: the proxy, TLS and the certificates that it showed.

    Args:
        url: the server's.
        reach: as the options say.
        tls: what the server showed in TLS; None for plain HTTP, or if TLS failed.
    """
    where, found = Url.parse(url), dict(reach.told)
    proxy = reach.proxy_for(where.scheme, where.host, where.port)
    if proxy is not None:
        how = "by CONNECT" if where.scheme == "https" else "which forwards the requests"
        found["proxy"] = f"{place_of(proxy.host, proxy.port)}, {how}"
    if where.scheme == "https" and reach.insecure:
        found[UNCHECKED] = "NOT CHECKED (--tls-insecure): anyone on the path can read and change everything"
    elif where.scheme == "https":
        trust = f"the CAs in {reach.ca}" if reach.ca is not None else "the CAs of this system"
        found["TLS certificate"] = f"checked against {trust}, and for {where.host}"
    if tls is not None:
        found["TLS"] = f"{tls.version}, {tls.cipher}"
        found["TLS chain"] = "; ".join(map(_shown, tls.chain))
    return found


def _shown(octets: bytes) -> str:
    try:
        certificate = Certificate.from_der(octets)
    except DecodeError as error:
        return f"a certificate that cannot be read: {error}"
    until = f"{certificate.not_after:%Y-%m-%d}"
    return f"{certificate.subject_text} (until {until}, SHA-256 {certificate.fingerprint()})"


def wants_tls(reply: HttpReply) -> bool:
    """Whether a reply over plain HTTP says that the port speaks TLS, in the words of nginx, Apache, Go and the mock."""
    said = reply.body[:2000].lower()
    return reply.status == 400 and (b"https" in said or b"speaks tls" in said)


def probe(url: str, reach: Reach = DIRECTLY) -> Contact:
    """Request the CA's certificates and capabilities; returns the CA and how it is reached.

    Raises:
        UsageError: ``url`` is not a URL, or neither http nor https; a file of ``reach`` cannot be used.
        TargetError: the server does not reply, or does not speak SCEP.
    """
    where = Url.of_server(url, remedy="write http://host/path or https://host/path")
    transport = SocketClient(SystemClock(), reach)

    def asked(operation: Operation) -> HttpReply:
        request = replace(scep_request(where.target, operation), scheme=where.scheme)
        return transport.exchange(where.host, where.port, request, _SECONDS)

    try:
        reply = asked(Operation.GET_CA_CERT)
    except TransportError as error:
        remedy = error.remedy or "check the URL and that the server runs"
        raise TargetError(f"no SCEP server at {url}: {error.message}", remedy=remedy) from None
    if reply.status != 200:
        remedy = "the port speaks TLS: write https://" if wants_tls(reply) else _REMEDIES.get(reply.status, _PATH)
        raise TargetError(f"no SCEP server at {url}: GetCACert returned HTTP {reply.status}", remedy=remedy)
    try:
        certificates, _ = read_ca_certificates(reply.body, reply.media_type)
    except DecodeError as error:
        kind = reply.media_type or "no media type"
        text = f"no SCEP server at {url}: the reply to GetCACert ({kind}) is not a certificate: {error}"
        raise TargetError(text) from None
    capabilities: tuple[str, ...] = ()
    with contextlib.suppress(TransportError):  # an old server without GetCACaps is still a server
        told = asked(Operation.GET_CA_CAPS)
        capabilities = read_capabilities(told.body).keywords if told.status == 200 else ()
    ca = identity_of(CaRoles(certificates, tolerant=True).issuer, certificates, capabilities, reply)
    return Contact(ca, reached(url, reach, transport.tls))
