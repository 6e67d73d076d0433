"""The faults of TLS, shown with Python's own TLS client: what it refuses and for which reason, and what it cannot
know from TLS; and that no client, however it behaves, holds the host.

Validity is judged in real time here, since TLS libraries know no other.
"""

from __future__ import annotations

import http.client
import re
import select
import socket
import ssl
import stat
import struct
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from threading import Thread

import pytest
from client_pki import ClientPki, client_pki

from mfp_sim.client.exchange import ClientPolicy, ClientTransaction, Enrolment, Failed, Issued, Outcome
from mfp_sim.device.printer import Outside, Printer
from mfp_sim.device.printer_profile import profile_named as model_named
from mfp_sim.run_trace import Recorder
from mfp_sim.shared.errors import Refused, SignatureInvalid, UsageError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, outgoing
from mfp_sim.shared.scep.messages import read_ca_certificates
from mfp_sim.shared.simtime import Entropy, PooledKeys, Scheduler, SystemClock
from mfp_sim.testing import Bench
from mfp_sim.transport import Sockets
from mock_scep_server import tls
from mock_scep_server.profiles.registry import PROFILES, profile_named
from mock_scep_server.server import ServerHost
from mock_scep_server.service import ScepService
from mock_scep_server.tls import Handshake, TlsEndpoint, TlsKind, make_endpoint

SELF_SIGNED, UNKNOWN_ISSUER, ANOTHER_ADDRESS, ANOTHER_NAME = 18, 20, 64, 62
"""OpenSSL's X509_V_ERR_*, whose numbers stay where its words differ between versions."""
WITHOUT_CHAIN = "its CA is unknown, or the chain is missing"
CAPS, CA_CERT = "/scep?operation=GetCACaps", "/scep?operation=GetCACert"


@dataclass
class Live:
    """A mock behind TLS, and what its host saw of handshakes."""

    service: ScepService
    endpoint: TlsEndpoint
    host: ServerHost
    handshakes: SimpleQueue[Handshake] = field(default_factory=SimpleQueue)

    @property
    def anchor(self) -> Certificate:
        """What a client has to trust."""
        assert self.endpoint.anchor is not None
        return self.endpoint.anchor

    @property
    def address(self) -> tuple[str, int]:
        """Where to connect to."""
        return self.host.host, self.host.port

    def next_handshake(self) -> Handshake:
        """The next that ends; the host tells of it in a thread of its own."""
        return self.handshakes.get(timeout=20)

    def next_failure(self) -> str | None:
        """Why it failed; None if it did not."""
        return self.next_handshake().failure


def make_live(
    kind: TlsKind,
    rules: str = "[]",
    *,
    profile: str = "rfc8894",
    names: tuple[str, ...] = (),
    clients: Path | None = None,
) -> Live:
    """The mock with that kind of TLS, not started."""
    bench = Bench(clock=SystemClock(), script=rules, profile=profile)
    endpoint = make_endpoint(
        kind,
        bench.ca.authority,
        clock=bench.clock,
        entropy=bench.entropy.fork("tls"),
        keys=bench.keys(side=1),
        names=names,
        clients=clients,
    )
    handshakes: SimpleQueue[Handshake] = SimpleQueue()
    host = ServerHost(bench.ca, tls=endpoint.context, on_handshake=handshakes.put)
    return Live(bench.ca, endpoint, host, handshakes)


@contextmanager
def live(kind: TlsKind, rules: str = "[]", **how: object) -> Iterator[Live]:
    """The mock with that kind of TLS, started."""
    made = make_live(kind, rules, **how)  # type: ignore[arg-type]
    with made.host:
        yield made


@pytest.fixture
def untrusted() -> Iterator[Live]:
    with live("untrusted") as made:
        yield made


@pytest.fixture
def other_pki() -> Iterator[Live]:
    with live("other-pki") as made:
        yield made


def trusting(*anchors: Certificate) -> ssl.SSLContext:
    """A client that trusts these, and as strict as OpenSSL can be; without any it trusts what the machine trusts."""
    pem = "".join(ssl.DER_cert_to_PEM_cert(anchor.der) for anchor in anchors)
    context = ssl.create_default_context(cadata=pem or None)
    context.verify_flags |= ssl.VERIFY_X509_STRICT
    return context


def careless() -> ssl.SSLContext:
    """A client that verifies nothing."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    return context


def exchange(live: Live, context: ssl.SSLContext, request: HttpRequest, *, host: str | None = None) -> HttpReply:
    """One request over HTTPS."""
    connection = http.client.HTTPSConnection(host or live.host.host, live.host.port, timeout=20, context=context)
    try:
        connection.request(request.method, request.target, request.body or None, dict(request.headers))
        reply = connection.getresponse()
        return HttpReply(reply.status, reply.reason, tuple(reply.getheaders()), reply.read())
    finally:
        connection.close()


def fetch(live: Live, context: ssl.SSLContext, target: str = CAPS, *, host: str | None = None) -> HttpReply:
    """One GET over HTTPS."""
    return exchange(live, context, HttpRequest("GET", target), host=host)


def ca_certificate(live: Live, context: ssl.SSLContext) -> Certificate:
    """What GetCACert gives."""
    reply = fetch(live, context, CA_CERT)
    return read_ca_certificates(reply.body, reply.media_type)[0][0]


def why_refused(live: Live, context: ssl.SSLContext, *, host: str | None = None) -> int:
    """OpenSSL's verify error."""
    with pytest.raises(ssl.SSLCertVerificationError) as refused:
        fetch(live, context, host=host)
    return refused.value.verify_code


def enrol(live: Live, context: ssl.SSLContext, challenge: str | None) -> Outcome:
    """A whole request for a certificate, over HTTPS."""
    entropy, now = Entropy(9), live.service.clock.now()
    key, subject = PooledKeys(entropy, side=0).rsa(2048), x509.name(("CN", "client.example"))
    day = timedelta(days=1)
    signer = x509.self_signed(key, subject=subject, serial=7, not_before=now - day, not_after=now + day)
    request = csr.build(key, subject=subject, challenge=challenge)
    enrolment = Enrolment(key=key, csr=request, signer=signer, transaction_id="4711", subject=subject)
    transaction = ClientTransaction(
        enrolment, target="/scep", policy=ClientPolicy(), entropy=entropy, clock=live.service.clock
    )
    while True:
        asked = outgoing(transaction.next_request(), live.host.host, live.host.port)
        outcome = transaction.received(exchange(live, context, asked))
        if outcome is not None:
            return outcome


# --- tls-untrusted ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", ["tls-untrusted"])
def test_no_client_can_know_an_untrusted_certificate(slug: str, untrusted: Live) -> None:
    assert untrusted.endpoint.anchor is None
    assert untrusted.host.url == f"https://127.0.0.1:{untrusted.host.port}"
    for context in (trusting(), trusting(untrusted.service.authority.issuer.certificate)):
        assert why_refused(untrusted, context) == SELF_SIGNED
        assert untrusted.next_failure() == "the client reports unknown ca"
    untrusted.host.stop()
    assert untrusted.service.journal.count == 0, "a request was sent all the same"


def test_nothing_but_trust_is_wrong_with_an_untrusted_certificate(untrusted: Live) -> None:
    assert fetch(untrusted, careless()).body.split() == [
        word.encode() for word in profile_named("rfc8894").capabilities
    ]
    assert (
        ca_certificate(untrusted, trusting(untrusted.endpoint.certificate))
        == untrusted.service.authority.issuer.certificate
    )


# --- tls-other-pki ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("slug", ["tls-other-pki"])
def test_the_scep_ca_does_not_chain_to_the_pki_of_the_tls_server(slug: str, other_pki: Live) -> None:
    found = ca_certificate(other_pki, trusting(other_pki.anchor))
    assert found == other_pki.service.authority.issuer.certificate
    with pytest.raises(SignatureInvalid, match="issuer is CN=Mock SCEP CA .*, not CN=Mock web PKI"):
        found.verify_issued_by(other_pki.anchor)
    other_pki.endpoint.certificate.verify_issued_by(other_pki.anchor)
    assert x509.spki_of(found.public_key()) != x509.spki_of(other_pki.anchor.public_key())


@pytest.mark.parametrize("slug", ["tls-other-pki"])
def test_trust_in_the_scep_ca_is_no_trust_in_the_tls_server(slug: str, other_pki: Live) -> None:
    assert why_refused(other_pki, trusting(other_pki.service.authority.issuer.certificate)) == UNKNOWN_ISSUER
    assert other_pki.next_failure() == "the client reports unknown ca"
    assert other_pki.service.journal.count == 0


def test_who_does_not_look_at_the_ca_gets_a_certificate_that_the_web_pki_knows_nothing_of(other_pki: Live) -> None:
    outcome = enrol(other_pki, trusting(other_pki.anchor), "s3cret")
    assert isinstance(outcome, Issued)
    outcome.certificate.verify_issued_by(other_pki.service.authority.issuer.certificate)
    with pytest.raises(SignatureInvalid, match="issuer is"):
        outcome.certificate.verify_issued_by(other_pki.anchor)


@pytest.mark.parametrize("challenge", [None, "wrong"])
def test_tls_stands_in_for_no_challenge(challenge: str | None, other_pki: Live) -> None:
    outcome = enrol(other_pki, trusting(other_pki.anchor), challenge)
    assert isinstance(outcome, Failed)
    assert outcome.fail_info == 2


# --- the clean case ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", PROFILES)
def test_a_trusted_server_has_its_certificate_from_the_scep_ca(profile: str) -> None:
    with live("trusted", profile=profile) as made:
        assert made.anchor == made.service.authority.issuer.certificate
        assert fetch(made, trusting(made.anchor), CA_CERT).status == 200
        assert made.next_handshake().version in ("TLSv1.2", "TLSv1.3")
        made.endpoint.certificate.verify_issued_by(made.service.authority.issuer.certificate)


def test_it_is_called_as_it_is_reached(other_pki: Live) -> None:
    context = trusting(other_pki.anchor)
    assert fetch(other_pki, context, host="localhost").status == 200
    assert set(other_pki.endpoint.certificate.sans) == {"localhost", "127.0.0.1", "::1"}
    with live("other-pki", names=("0.0.0.0", "127.0.0.1", "192.0.2.9", "ca.example")) as named:
        assert named.endpoint.certificate.sans == ("localhost", "127.0.0.1", "::1", "192.0.2.9", "ca.example")


def test_another_name_is_refused_by_a_client(other_pki: Live) -> None:
    with socket.create_connection(other_pki.address, timeout=20) as plain:
        with pytest.raises(ssl.SSLCertVerificationError) as refused:
            trusting(other_pki.anchor).wrap_socket(plain, server_hostname="ca.example")
        assert refused.value.verify_code == ANOTHER_NAME
    with socket.create_connection(other_pki.address, timeout=20) as plain:
        with pytest.raises(ssl.SSLCertVerificationError) as refused:
            trusting(other_pki.anchor).wrap_socket(plain, server_hostname="192.0.2.9")
        assert refused.value.verify_code == ANOTHER_ADDRESS


@pytest.mark.parametrize("name", ["two words", "a/b", "-", "x\n", "ø.example", "a" * 300])
def test_a_name_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is not a valid name for a TLS certificate"):
        make_live("other-pki", names=(name,))


def test_the_private_key_is_in_no_file_but_for_a_moment_and_encrypted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[int, str]] = []
    load = ssl.SSLContext.load_cert_chain

    def watched(self: ssl.SSLContext, certfile: str, **how: object) -> None:
        seen.append((stat.S_IMODE(Path(certfile).stat().st_mode), Path(certfile).read_text()))
        load(self, certfile, **how)  # type: ignore[arg-type]

    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", watched)
    made = make_live("untrusted")
    made.host.stop()
    ((mode, text),) = seen
    assert mode == 0o600
    assert text.startswith("-----BEGIN ENCRYPTED PRIVATE KEY-----")
    assert list(tmp_path.iterdir()) == []


# --- deliveries inside of TLS -----------------------------------------------------------------------------


@contextmanager
def asking(live: Live) -> Iterator[ssl.SSLSocket]:
    """A connection on which GetCACaps has been asked for. An end of TCP without one of TLS is an error on it."""
    plain = socket.create_connection(live.address, timeout=20)
    context = trusting(live.anchor)
    with context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as connection:
        connection.sendall(f"GET {CAPS} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
        yield connection


def whole(connection: socket.socket, recv: Callable[..., bytes] = ssl.SSLSocket.recv) -> bytes:
    """All that comes."""
    return b"".join(iter(lambda: recv(connection, 65536), b""))


def test_a_reply_ends_with_close_notify(other_pki: Live) -> None:
    with asking(other_pki) as connection:
        found = whole(connection)
    assert found.startswith(b"HTTP/1.1 200")
    assert found.endswith(b"SCEPStandard\n")


@pytest.mark.parametrize("after", [0, 9, 150])
def test_a_reply_cut_short_ends_in_good_order(after: int) -> None:
    with live("other-pki", f"[{{faults: [{{truncate: {{after: {after}}}}}]}}]") as made:
        with asking(made) as connection:
            assert len(whole(connection)) == after
        with asking(made) as connection:
            assert whole(connection, socket.socket.recv), "no close_notify"


@pytest.mark.parametrize("after", [0, 9, 150])
def test_a_reset_is_one_of_tcp(after: int) -> None:
    with live("other-pki", f"[{{faults: [{{reset: {{after: {after}}}}}]}}]") as made:
        with asking(made) as connection, pytest.raises(ConnectionResetError):
            whole(connection, socket.socket.recv)  # Python's ssl takes every end that is not TLS's for the same
        (entry,) = made.service.journal.entries
        assert entry.name == "GetCACaps"


def test_a_stall_lasts_until_the_client_goes() -> None:
    with live("other-pki", "[{faults: [{stall: {after: 9}}]}]") as made, asking(made) as connection:
        assert connection.recv(100) == b"HTTP/1.1 "
        connection.settimeout(0.3)  # a short deadline is waited for on the real wire
        with pytest.raises(TimeoutError):
            connection.recv(1)


def test_a_delay_and_a_status_come_through() -> None:
    with live("other-pki", "[{then: {http: 503, retry_after: 7}, faults: [{delay: 0.05s}]}]") as made:
        reply = fetch(made, trusting(made.anchor))
        assert (reply.status, reply.header("Retry-After")) == (503, "7")


def test_a_connection_is_kept(other_pki: Live) -> None:
    client = http.client.HTTPSConnection(*other_pki.address, timeout=20, context=trusting(other_pki.anchor))
    for _ in range(2):
        client.request("GET", CAPS)
        assert client.getresponse().read()
    client.close()
    assert other_pki.next_failure() is None
    assert other_pki.handshakes.empty()
    assert other_pki.service.journal.count == 2


def test_http_1_1_is_agreed_upon(other_pki: Live) -> None:
    context = trusting(other_pki.anchor)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with (
        socket.create_connection(other_pki.address, timeout=20) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as connection,
    ):
        assert connection.selected_alpn_protocol() == "http/1.1"


# --- clients that do not shake hands ----------------------------------------------------------------------


def hello(live: Live) -> bytes:
    """The first flight of a client."""
    incoming, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting(live.anchor).wrap_bio(incoming, sent, server_hostname="127.0.0.1")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return sent.read()


def test_who_says_nothing_holds_nobody_else_and_no_stop(other_pki: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 3600.0)
    stopping = Thread(target=other_pki.host.stop)
    with socket.create_connection(other_pki.address, timeout=20) as silent:
        assert fetch(other_pki, trusting(other_pki.anchor)).status == 200
        assert other_pki.next_failure() is None
        stopping.start()
        assert silent.recv(1) == b"", "the stop waits for the client"
    stopping.join()
    assert other_pki.handshakes.empty(), "the stop is no failure of the client"


@pytest.mark.parametrize("part", [0, 1, 5, 100])
def test_who_does_not_go_on_is_left(part: int, other_pki: Live, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tls, "HANDSHAKE_SECONDS", 0.05)
    with socket.create_connection(other_pki.address, timeout=20) as client:
        client.sendall(hello(other_pki)[:part])
        assert client.recv(1) == b""
    assert other_pki.next_failure() == "not finished within 0.05 s"


def test_plain_http_is_told_so(other_pki: Live) -> None:
    with socket.create_connection(other_pki.address, timeout=20) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n" + b"x" * 9000)
        found = whole(client, socket.socket.recv)
    assert found.startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert found.endswith(b"This port uses TLS: the URL starts with https://.\n")
    assert other_pki.next_failure() == "the client used plain HTTP"
    assert other_pki.service.journal.count == 0


NOT_TLS = "wrong version number|packet length too long|record|bad"  # as it is worded by this OpenSSL or that
BROKEN_OFF: dict[str, tuple[Callable[[Live], bytes], str]] = {
    "nothing": (lambda _: b"", "the client disconnected"),
    "half a hello": (lambda live: hello(live)[:60], "the client disconnected"),
    "a hello": (hello, "the client disconnected"),
    "garbage": (lambda _: bytes(range(256)), NOT_TLS),
    "a record that is too long": (lambda _: b"\x16\x03\x01\xff\xff" + b"\x00" * 400, NOT_TLS),
}


@pytest.mark.parametrize("how", BROKEN_OFF)
def test_who_breaks_off_kills_nothing(how: str, other_pki: Live) -> None:
    octets, reason = BROKEN_OFF[how]
    with socket.create_connection(other_pki.address, timeout=20) as client:
        client.sendall(octets(other_pki))
    assert re.search(reason, other_pki.next_failure() or "")
    with socket.create_connection(other_pki.address, timeout=20) as client:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        client.sendall(octets(other_pki))
    # With an RST, what was sent may be lost.
    assert re.search(f"{reason}|the client disconnected", other_pki.next_failure() or "")
    assert fetch(other_pki, trusting(other_pki.anchor)).status == 200
    assert other_pki.next_failure() is None


def test_old_versions_are_refused_by_name(other_pki: Live) -> None:
    context = careless()
    context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_2
    assert fetch(other_pki, context).status == 200
    context.set_ciphers("ALL:@SECLEVEL=0")
    with pytest.warns(DeprecationWarning, match="TLSv1_1 is deprecated"):
        context.minimum_version = context.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises(ssl.SSLError, match=r"(?i)protocol.version"):
        fetch(other_pki, context)
    assert other_pki.next_handshake() == Handshake("127.0.0.1", version="TLSv1.2")
    assert other_pki.next_handshake() == Handshake("127.0.0.1", failure="unsupported protocol")


# --- the printer ------------------------------------------------------------------------------------------


def waits(host: ServerHost) -> bool:
    """Whether somebody connected to a host that has not begun to accept."""
    return bool(select.select([host._listener], [], [], 0)[0])


@pytest.mark.parametrize("kind", ["untrusted", "other-pki"])
def test_the_printer_refuses_the_address_and_sends_nothing(kind: TlsKind) -> None:
    clock, entropy = SystemClock(), Entropy(7)
    scheduler = Scheduler(clock)
    made = make_live(kind)
    try:
        keys, recorder = PooledKeys(entropy, side=0), Recorder(clock)
        outside = Outside(scheduler, Sockets(scheduler), entropy, keys, recorder)
        printer = Printer(model_named("canon-ir-adv-dx"), outside)
        printer.power_on()
        with pytest.raises(Refused, match="does not support HTTPS") as refused:
            printer.update_communication(url=f"{made.host.url}/scep", port=made.host.port)
        assert refused.value.reason == "https-not-supported"
        assert not waits(made.host), "the printer connected"
        with socket.create_connection(made.address, timeout=20):
            assert waits(made.host), "the test could not have seen it"
    finally:
        made.host.stop()


# --- tls-client-chain -------------------------------------------------------------------------------------


@pytest.fixture
def clients(tmp_path: Path) -> ClientPki:
    return client_pki(tmp_path)


@pytest.mark.parametrize("slug", ["tls-client-chain"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
@pytest.mark.parametrize(
    ("shown", "alert", "failure"),
    [
        (None, ("CERTIFICATE_REQUIRED", "HANDSHAKE_FAILURE"), "the client sent no certificate"),
        ("leaf", ("UNKNOWN_CA",), "the client's certificate is not accepted: " + WITHOUT_CHAIN),
        ("stranger", ("UNKNOWN_CA",), "the client's certificate is not accepted: it is self-signed"),
        ("chain", (), None),
    ],
)  # fmt: skip
def test_a_leaf_without_its_chain_is_refused(
    slug: str, clients: ClientPki, version: ssl.TLSVersion, shown: str | None, alert: tuple[str, ...], failure
) -> None:
    with live("other-pki", clients=clients.root) as made:
        context = trusting(made.anchor)
        context.maximum_version = version
        if shown is not None:
            context.load_cert_chain(getattr(clients, shown))
        if not alert:
            assert fetch(made, context).status == 200
        else:
            with pytest.raises(ssl.SSLError) as refused:
                fetch(made, context)
            assert any((refused.value.reason or "").endswith(word) for word in alert)
        assert made.next_failure() == failure
    assert made.service.journal.count == (0 if alert else 1)


def test_a_file_of_client_cas_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "root.pem").write_text("nothing")
    for file in (tmp_path / "root.pem", tmp_path / "missing.pem"):
        with pytest.raises(UsageError, match=rf"the client CAs in {re.escape(str(file))} cannot be used"):
            make_live("other-pki", clients=file)
