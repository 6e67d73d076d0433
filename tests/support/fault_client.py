"""A client on the codec alone for what the printer never asks: GetCert, GetCRL, GetNextCACert, odd HTTP requests.

It judges what it gets as RFC 8894 wants a client to, and says what it found in a few words.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from tempfile import TemporaryDirectory

from client_pki import ClientPki, client_pki
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.shared.errors import MfpSimError, TransportError
from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.reaching import Reach
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr, messages
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, outgoing, scep_request
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, Operation, PkiStatus
from mfp_sim.shared.simtime import SystemClock
from mfp_sim.testing import Bench, script_of
from mfp_sim.transport import SocketClient
from mock_scep_server.journal import JournalEntry
from mock_scep_server.policy import CaPolicy, Rollover
from mock_scep_server.server import ServerHost
from mock_scep_server.setup import CaSetup
from mock_scep_server.tls import KINDS, TlsEndpoint, make_endpoint

__all__ = ["DIRECT", "Outcome"]

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)
_SELF_SIGNED = 18  # X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT; its text differs between versions of OpenSSL


@dataclass(frozen=True)
class Outcome:
    """What the client made of it."""

    words: str
    journal: tuple[JournalEntry, ...] = field(repr=False)


class _Client:
    """A client with a certificate of a clean CA, whose script is swapped then."""

    def __init__(self, rules: str, policy: CaPolicy | None = None) -> None:
        bench = Bench(CaSetup(policy=policy or CaPolicy()), challenge=None, start=NOON)
        self.clock, self.service, self.client = bench.clock, bench.ca, bench.client()
        self.right = self.client.order(subject=x509.name(("CN", "client.example")))
        self.rules = script_of(rules)

    def http(self, request: HttpRequest, *, whole: bool = True) -> HttpReply:
        """One exchange in process; ``whole`` adds what a client adds."""
        sent = outgoing(request, "ca.example", 80) if whole else request
        return reply_of(self.service.handle(sent, "192.0.2.20").octets)

    def message(self, kind: MessageType, data: bytes, recipient: Certificate | None = None) -> HttpRequest:
        order = replace(
            self.right,
            message_type=kind,
            data=data,
            transaction_id=self.client.transaction_id(),
            recipient=recipient or self.right.recipient,
        )
        return scep_request("/scep", Operation.PKI_OPERATION, self.client.encode(order), method="POST")

    def ask(self, kind: MessageType, data: bytes, recipient: Certificate | None = None) -> PkiMessage:
        reply = self.http(self.message(kind, data, recipient))
        if reply.status != 200:
            raise MfpSimError(f"HTTP {reply.status}")
        message = messages.decode(reply.body)
        message.verify(self.service.authority.signer.certificate)
        return message

    def enrol(self, recipient: Certificate | None = None) -> Certificate:
        certificates = messages.read_certs_only(self.open(self.ask(MessageType.PKCS_REQ, self.right.data, recipient)))
        return next(c for c in certificates if csr.fits_key(c, self.right.key))

    def open(self, reply: PkiMessage) -> bytes:
        key = self.right.signer_key
        assert isinstance(key, RSAPrivateKey)
        return messages.open_envelope(reply, key, self.right.signer)

    def begin(self) -> int:
        """The fault's rules from now on; how many requests were before."""
        self.service.script.replace(self.rules)
        return self.service.journal.count

    def told(self, words: str, begun: int) -> Outcome:
        return Outcome(words, self.service.journal.entries[begun:])


def _query(rules: str) -> Outcome:
    """GetCert and GetCRL about a certificate that the CA issued."""
    client = _Client(rules)
    certificate = client.enrol()
    begun = client.begin()
    wanted = messages.issuer_and_serial(certificate.issuer, certificate.serial)
    kinds = (MessageType.GET_CERT, MessageType.GET_CRL)
    found = [f"{kind.label}: {_answer(client, kind, wanted, certificate)}" for kind in kinds]
    return client.told("; ".join(found), begun)


def _answer(client: _Client, kind: MessageType, wanted: bytes, certificate: Certificate) -> str:
    try:
        reply = client.ask(kind, wanted)
        if reply.pki_status == PkiStatus.PENDING:
            return "refused, PENDING is not a valid reply"
        if reply.pki_status == PkiStatus.FAILURE:
            return f"{FailInfo(reply.fail_info or 0).label}, {reply.fail_info_text}"
        data = client.open(reply)
        return _certificate(data, certificate) if kind is MessageType.GET_CERT else _crl(client, data)
    except MfpSimError as error:
        return f"refused, {error.message}"


def _certificate(data: bytes, wanted: Certificate) -> str:
    found = messages.read_certs_only(data)
    return "the certificate" if any(c.der == wanted.der for c in found) else "refused, it returned another certificate"


def _crl(client: _Client, data: bytes) -> str:
    crls, certificates = messages.read_crls(data), messages.read_certs_only(data)
    if not crls:
        return "refused, there is no CRL among the crls"
    crls[0].verify_issued_by(client.service.authority.issuer.certificate)
    expires = crls[0].next_update
    if expires is not None and expires < client.clock.now():
        return "refused, the CRL has expired"
    return "the CRL, and unrequested certificates" if certificates else "the CRL"


def _next(rules: str) -> Outcome:
    """GetNextCACert, where GetCACaps lists it."""
    client = _Client(rules)
    begun = client.begin()
    client.http(scep_request("/scep", Operation.GET_CA_CAPS))
    reply = client.http(scep_request("/scep", Operation.GET_NEXT_CA_CERT))
    present = client.service.authority.issuer.certificate
    if reply.status != 200:
        return client.told(f"no next CA: HTTP {reply.status}", begun)
    try:
        answer = messages.read_next_ca(reply.body, reply.media_type)
        signer = answer.signer([present])
        if signer is None:
            return client.told("refused, not signed by the current CA", begun)
        answer.verify(signer)
    except MfpSimError as error:
        return client.told(f"refused, {error}", begun)
    notes = "".join(f"; {note.text}" for note in answer.notes)
    return client.told(_judged(answer.certificates[0], present, client.clock.now()) + notes, begun)


def _judged(coming: Certificate, present: Certificate, now: datetime) -> str:
    if coming.der == present.der:
        return "refused, it is the current CA's certificate"
    if not coming.is_ca:
        return "refused, it is not a CA certificate"
    if coming.not_after < now:
        return "refused, it has expired"
    return f"the next CA: {coming.subject_text}"


def _rollover(rules: str) -> Outcome:
    """A request enveloped to the next CA."""
    day = timedelta(days=1)
    client = _Client(rules, CaPolicy(rollover=Rollover(timedelta(0), day)))
    begun = client.begin()
    coming = client.service.authorities.default.next(client.clock.now())
    assert coming is not None
    request = client.message(
        MessageType.PKCS_REQ,
        client.right.data,
        coming.recipient.certificate,
    )
    reply = messages.decode(client.http(request).body)
    reply.verify(coming.signer.certificate)
    found = messages.read_certs_only(client.open(reply))[0]
    right = found.issuer == coming.issuer.certificate.subject and found.was_issued_by(coming.issuer.certificate)
    words = "a certificate of the next CA" if right else "refused, the certificate is not from the next CA"
    return client.told(words, begun)


def _direct(rules: str) -> Outcome:
    """Requests that lack something: another Content-Type, no length, no Host."""
    client = _Client(rules)
    begun = client.begin()
    found = []
    for name in ("right", "octet-stream", "chunked", "without Host"):
        request = outgoing(
            client.message(MessageType.PKCS_REQ, client.right.data),
            "ca.example",
            80,
        )
        changed = replace(request, headers=_headers(request.headers, name))
        found.append(f"{name}: HTTP {client.http(changed, whole=False).status}")
    return client.told("; ".join(found), begun)


def _headers(headers: tuple[tuple[str, str], ...], name: str) -> tuple[tuple[str, str], ...]:
    gone = {"octet-stream": "Content-Type", "chunked": "Content-Length", "without Host": "Host"}.get(name)
    kept = tuple(pair for pair in headers if pair[0] != gone)
    more = {"octet-stream": ("Content-Type", "application/octet-stream"), "chunked": ("Transfer-Encoding", "chunked")}
    return (*kept, more[name]) if name in more else kept


def _tls(rules: str) -> Outcome:
    """The printer speaks no TLS: the address of a live TLS host is refused where it is entered. A client with TLS says
    what it finds there; its library looks at the real time, therefore the host and the CA have it too."""
    from mfp_sim.device.printer_profile import profile_named as model_named
    from mfp_sim.device.settings import CommunicationSettings

    (kind,) = [kind for kind in KINDS if f"tls-{kind}" in rules] or ["other-pki"]
    bench = Bench(challenge=None, clock=SystemClock())
    entropy, keys = bench.entropy.fork("tls"), bench.keys(side=1)
    with TemporaryDirectory() as folder:
        clients = client_pki(Path(folder)) if "tls-client-chain" in rules else None
        endpoint = make_endpoint(
            kind,
            bench.ca.authority,
            clock=bench.clock,
            entropy=entropy,
            keys=keys,
            clients=clients.root if clients else None,
        )
        with ServerHost(bench.ca, tls=endpoint.context) as host:
            try:
                CommunicationSettings(f"{host.url}/scep", host.port).validate(model_named("canon-ir-adv-dx"))
            except MfpSimError as error:
                seen = _with_certificates(host, endpoint, clients) if clients else _over_tls(host, endpoint)
                return Outcome(f"the address is refused: {error.message}; a client with TLS: {seen}", ())
    raise AssertionError("the printer took https://")


def _with_certificates(host: ServerHost, endpoint: TlsEndpoint, clients: ClientPki) -> str:
    """GetCACert without a client certificate, with the leaf alone, and with the chain; what came, in words."""
    assert endpoint.anchor is not None
    trust = clients.root.with_name("anchor.pem")
    trust.write_text(ssl.DER_cert_to_PEM_cert(endpoint.anchor.der), "ascii")
    asked = replace(scep_request("/scep", Operation.GET_CA_CERT), scheme="https")
    found = []
    for name, file in (
        ("without a certificate", None),
        ("with the leaf alone", clients.leaf),
        ("with its chain", clients.chain),
    ):
        client = SocketClient(SystemClock(), Reach(ca=trust, certificate=file))
        try:
            said = f"HTTP {client.exchange(host.host, host.port, asked, 20).status}"
        except TransportError as error:
            said = f"the server {error.message.partition(' ')[2]}"
        found.append(f"{name}, {said}")
    return "; ".join(found)


def _over_tls(host: ServerHost, endpoint: TlsEndpoint) -> str:
    """GetCACert over TLS, with the anchor trusted if there is one; what came, in words."""
    anchor = ssl.DER_cert_to_PEM_cert(endpoint.anchor.der) if endpoint.anchor else None
    connection = http.client.HTTPSConnection(
        host.host, host.port, timeout=20, context=ssl.create_default_context(cadata=anchor)
    )
    try:
        connection.request("GET", scep_request("/scep", Operation.GET_CA_CERT).target)
        reply = connection.getresponse()
        ((certificate, *_), _) = messages.read_ca_certificates(reply.read(), reply.headers.get_content_type())
    except ssl.SSLCertVerificationError as error:
        signed_by_itself = error.verify_code == _SELF_SIGNED
        return f"aborts, {'the certificate is self-signed' if signed_by_itself else error.verify_message}"
    finally:
        connection.close()
    assert endpoint.anchor is not None
    known = "is" if certificate.was_issued_by(endpoint.anchor) else "is not"
    return f"the server is trusted, its CA certificate {known} from the same PKI"


DIRECT: dict[str, Callable[[str], Outcome]] = {
    "query": _query,
    "next": _next,
    "rollover": _rollover,
    "direct": _direct,
    "tls": _tls,
}
