"""How a server is reached over sockets: TLS with every way to fail it, proxies, logins and fields; one deadline."""

from __future__ import annotations

import argparse
import base64
import pickle
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from client_pki import PASSWORD, ClientPki, client_pki
from http_proxy import proxy
from tls_hosts import tls_host

from mfp_sim.shared.errors import ConnectFailed, ConnectionLost, MalformedHttp, TransportError, UsageError
from mfp_sim.shared.reaching import REACH_OPTIONS, Reach, asked_for, reach_of
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, delivery_of
from mfp_sim.shared.simtime import SystemClock
from mfp_sim.testing import Bench
from mfp_sim.transport import SocketClient
from mock_scep_server.server import ServerHost

CAPS = HttpRequest("GET", "/scep?operation=GetCACaps", scheme="https")
PLAIN = replace(CAPS, scheme="http")


def get(host: ServerHost, reach: Reach, request: HttpRequest = CAPS, *, name: str = "") -> HttpReply:
    """One exchange."""
    return SocketClient(SystemClock(), reach).exchange(name or host.host, host.port, request, 20)


def refused(host: ServerHost, reach: Reach, request: HttpRequest = CAPS, *, name: str = "") -> TransportError:
    """Why there is no exchange; the request has not left."""
    with pytest.raises(TransportError) as caught:
        get(host, reach, request, name=name)
    assert caught.value.remedy, "nothing is said about what to do"
    return caught.value


# --- TLS --------------------------------------------------------------------------------------------------


def test_a_trusted_server_is_spoken_to_and_shows_what_it_is(tmp_path: Path) -> None:
    with tls_host(tmp_path) as made:
        client = SocketClient(SystemClock(), Reach(ca=made.trust))
        assert client.exchange(made.host.host, made.host.port, CAPS, 20).status == 200
        assert client.tls is not None
        assert client.tls.version in ("TLSv1.2", "TLSv1.3")
        assert client.tls.cipher
        assert client.tls.verified
        assert Certificate.from_der(client.tls.chain[0]).common_name == "Mock TLS server (tests only)"
        assert get(made.host, Reach(ca=made.trust), name="localhost").status == 200


@pytest.mark.parametrize(
    ("kind", "made", "words"),
    [
        ("other-pki", 0, "shows a TLS certificate of an unknown CA"),
        ("untrusted", 0, "shows a TLS certificate that it signed itself"),
    ],
)
def test_a_server_that_nobody_vouches_for_is_sent_nothing(tmp_path: Path, kind, made: int, words: str) -> None:
    with tls_host(tmp_path, kind) as live:
        error = refused(live.host, Reach())
        assert isinstance(error, ConnectFailed)
        assert words in error.message
        assert error.remedy is not None
        assert "--tls-ca FILE" in error.remedy
        assert live.bench.asked == []
        # Whoever says so goes on all the same, and it is known that nothing was checked.
        client = SocketClient(SystemClock(), Reach(insecure=True))
        assert client.exchange(live.host.host, live.host.port, CAPS, 20).status == 200
        assert client.tls is not None
        assert not client.tls.verified
        assert live.bench.asked == ["GetCACaps"]


@pytest.mark.parametrize(("days", "words"), [(-400, "has expired"), (40, "is not valid yet")])
def test_validity_is_judged_by_the_machines_own_clock(tmp_path: Path, days: int, words: str) -> None:
    with tls_host(tmp_path, "untrusted", made=timedelta(days=days)) as made:
        error = refused(made.host, Reach(ca=made.trust))
        assert words in error.message
        assert "clock" in (error.remedy or "")


def test_a_certificate_for_another_name_is_refused(tmp_path: Path) -> None:
    with tls_host(tmp_path) as made, proxy(hosts={"ca.example": (made.host.host, made.host.port)}) as between:
        reach = Reach(ca=made.trust, proxies=(("all", between.url()),))
        error = refused(made.host, reach, name="ca.example")
        assert error.message.endswith("shows a TLS certificate for another host name than ca.example")
    named = tls_host(tmp_path, names=("ca.example",))
    with named as made, proxy(hosts={"ca.example": (made.host.host, made.host.port)}) as between:
        reach = Reach(ca=made.trust, proxies=(("all", between.url()),))
        assert get(made.host, reach, name="ca.example").status == 200


def test_a_name_that_ends_in_a_dot_is_the_same_in_tls(tmp_path: Path) -> None:
    named = tls_host(tmp_path, names=("ca.example",))
    with named as made, proxy(hosts={"ca.example.": (made.host.host, made.host.port)}) as between:
        reach = Reach(ca=made.trust, proxies=(("all", between.url()),))
        assert get(made.host, reach, name="ca.example.").status == 200


@pytest.mark.parametrize("name", ["ca..example", ".ca.example", f"{'x' * 64}.example"])
def test_a_name_that_is_none_is_told_behind_a_proxy_too(tmp_path: Path, name: str) -> None:
    with tls_host(tmp_path) as made, proxy(hosts={name: (made.host.host, made.host.port)}) as between:
        reach = Reach(ca=made.trust, proxies=(("all", between.url()),))
        with pytest.raises(ConnectFailed, match="the name does not resolve"):
            get(made.host, reach, name=name)
        assert made.bench.asked == []


def test_plain_http_at_a_port_of_tls_and_the_other_way_round(tmp_path: Path) -> None:
    with tls_host(tmp_path) as made:
        assert b"https://" in get(made.host, Reach(), PLAIN).body
    with ServerHost(Bench(clock=SystemClock()).ca) as host:
        error = refused(host, Reach())
        assert "does not speak TLS on this port" in error.message
        assert "write http://" in (error.remedy or "")


@contextmanager
def listening(answer: bytes | None) -> Iterator[ServerHost]:
    """A server that says ``answer`` to whatever comes and closes; None: it says nothing until the client goes."""

    class Host(ServerHost):
        def __init__(self) -> None:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.host, self.port = "127.0.0.1", self._listener.getsockname()[1]

        def serve(self) -> None:
            while True:
                try:
                    connection, _ = self._listener.accept()
                except OSError:
                    return
                with connection, suppress(OSError):  # the client may be gone
                    connection.recv(65536)
                    if answer is None:
                        while connection.recv(65536):
                            pass
                    else:
                        connection.sendall(answer)

    host = Host()
    thread = threading.Thread(target=host.serve, daemon=True)
    thread.start()
    yield host
    host._listener.shutdown(socket.SHUT_RDWR)
    host._listener.close()
    thread.join()


def test_an_alert_of_tls_in_answer_to_plain_http_is_told_as_such() -> None:
    with listening(bytes.fromhex("15 0301 0002 02 46")) as host:
        error = refused(host, Reach(), PLAIN)
    assert isinstance(error, MalformedHttp)
    assert "it speaks TLS on this port" in error.message


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (b"", "broke the connection off during the TLS handshake"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "does not speak TLS on this port"),
        (bytes.fromhex("15 0303 0002 02 28"), "refused the TLS handshake"),
        (bytes.fromhex("15 0303 0002 02 46"), "no safe version or cipher of TLS"),
        (bytes.fromhex("15 0303 0002 02 70"), "knows no server of this name"),
        (bytes.fromhex("15 0303 0002 02 50"), "failed in TLS: "),
    ],
)
def test_each_end_of_a_handshake_has_its_sentence(answer: bytes, words: str) -> None:
    with listening(answer) as host:
        assert words in refused(host, Reach()).message


def test_one_deadline_over_connection_handshake_and_proxy() -> None:
    late = pytest.raises(TransportError, match=r"did not finish the TLS handshake within 0\.2 s")
    with listening(None) as host, late:
        SocketClient(SystemClock()).exchange(host.host, host.port, CAPS, 0.2)
    with proxy(silent=True) as between:
        reach = Reach(proxies=(("all", between.url()),))
        with pytest.raises(TransportError, match=r"the proxy 127\.0\.0\.1:\d+ did not .* within 0\.2 s"):
            SocketClient(SystemClock(), reach).exchange("ca.example", 443, CAPS, 0.2)


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("ca", None, "cannot be read: No such file or directory"),
        ("ca", "no certificate", "cannot be used"),
        ("certificate", None, "cannot be read: No such file or directory"),
        ("certificate", "no certificate", "cannot be used"),
    ],
)
def test_a_file_that_is_none_is_told(tmp_path: Path, name: str, text: str | None, words: str) -> None:
    file = tmp_path / "file.pem"
    if text is not None:
        file.write_text(text)
    changed: dict[str, Any] = {name: file}
    with listening(b"") as host, pytest.raises(UsageError, match=words):
        get(host, replace(Reach(), **changed))


# --- proxies ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("login", [None, "printer:hush-proxy"])
def test_a_proxy_forwards_http_and_tunnels_tls(tmp_path: Path, login: str | None) -> None:
    bench = Bench(clock=SystemClock())
    with tls_host(tmp_path) as secure, ServerHost(bench.ca) as plain, proxy(login=login) as between:
        reach = Reach(ca=secure.trust, login="me:hush-server", proxies=(("all", between.url(login or "")),))
        assert get(plain, reach, PLAIN).status == 200
        assert get(secure.host, reach).status == 200
    forwarded, tunnelled = between.heads
    assert forwarded.startswith(f"GET http://127.0.0.1:{plain.port}/scep?operation=GetCACaps HTTP/1.1\r\n")
    assert tunnelled.startswith(f"CONNECT 127.0.0.1:{secure.host.port} HTTP/1.1\r\n")
    token = base64.b64encode(b"me:hush-server").decode()
    assert (token in forwarded, token in tunnelled) == (True, False), "the proxy of a tunnel sees no login of ours"
    assert all(("Proxy-Authorization: Basic " in head) is (login is not None) for head in between.heads)


@pytest.mark.parametrize("request_of_ours", [PLAIN, CAPS], ids=["forwarded", "tunnelled"])
def test_a_proxy_that_wants_a_login_says_so(request_of_ours: HttpRequest) -> None:
    with ServerHost(Bench(clock=SystemClock()).ca) as host, proxy(login="printer:hush-proxy") as between:
        error = refused(host, Reach(proxies=(("all", between.url("printer:wrong")),)), request_of_ours)
        assert isinstance(error, ConnectFailed)
        assert error.message == f"the proxy {between.place} requires a login"


def test_a_proxy_that_cannot_connect_is_no_answer_of_the_server() -> None:
    with socket.socket() as closed, proxy() as between:
        closed.bind(("127.0.0.1", 0))
        reach = Reach(proxies=(("all", between.url()),))
        with pytest.raises(ConnectFailed, match=r"the proxy .* does not connect to 127\.0\.0\.1:\d+: HTTP 502"):
            SocketClient(SystemClock(), reach).exchange("127.0.0.1", closed.getsockname()[1], CAPS, 20)


def options(**given: object) -> argparse.Namespace:
    """The options as the command line has them."""
    absent = {name.replace("-", "_"): how.get("default", False if "action" in how else None)
              for name, how in REACH_OPTIONS.items()}  # fmt: skip
    return argparse.Namespace(**(absent | given))


@pytest.fixture
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """An environment that names none."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.usefixtures("no_proxies")
def test_the_environment_names_proxies_as_for_other_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    assert reach_of(options()) == Reach()
    monkeypatch.setenv("http_proxy", "http://one.example:3128")
    monkeypatch.setenv("HTTPS_PROXY", "two.example:8080")
    monkeypatch.setenv("no_proxy", "inside.example, .lan")
    reach = reach_of(options())
    found = {
        (scheme, host): getattr(reach.proxy_for(scheme, host, 80), "host", None)  # type: ignore[arg-type]
        for scheme in ("http", "https")
        for host in ("ca.example", "inside.example", "ca.lan", "127.0.0.1", "::1", "localhost")
    }
    assert {pair: host for pair, host in found.items() if host} == {
        ("http", "ca.example"): "one.example",
        ("https", "ca.example"): "two.example",
    }
    assert reach_of(options(no_proxy=True)) == Reach()
    given = reach_of(options(proxy="http://three.example:1"))
    assert {getattr(given.proxy_for("https", host, 443), "host", None) for host in ("ca.lan", "127.0.0.1")} == {
        "three.example"
    }


@pytest.mark.usefixtures("no_proxies")
def test_a_proxy_of_the_environment_is_looked_at_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Many machines have one for other programs, of a kind that is not spoken here."""
    monkeypatch.setenv("all_proxy", "socks5://me:hush%40x:y@proxy.example:1080")
    reach = reach_of(options())
    assert reach.proxy_for("https", "localhost", 443) is None
    assert set(reach.secrets) == {"me:hush@x:y", "hush@x:y"}
    with pytest.raises(UsageError, match="'socks5://proxy.example:1080' is not an HTTP proxy") as caught:
        SocketClient(SystemClock(), reach).exchange("ca.example", 443, CAPS, 20)
    assert "--no-proxy" in str(caught.value)


@pytest.mark.usefixtures("no_proxies")
@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"proxy": "socks5://me:hush@proxy.example:1"}, "is not an HTTP proxy"),
        ({"proxy": "http://me:hush@[::1"}, "is not a URL"),
        ({"proxy": "http://me:hush@/"}, "is not an HTTP proxy"),
        ({"proxy": "http://me:hush/hush@p.example:1"}, "the proxy 'http://p.example:1' is not a URL"),
        ({"proxy": "http://p.example:1", "no_proxy": True}, "both given"),
        ({"tls_insecure": True, "tls_ca": Path("x")}, "both given"),
        ({"tls_key": Path("x")}, "a TLS client key is given without a certificate"),
        ({"header": ["hush"]}, "is not printable ASCII of this form (write --header 'Name: value')"),
        ({"header": ["X-Key: hush\r\nX: y"]}, "is not printable ASCII of this form (write --header 'Name: value')"),
        ({"header": ["content-length: 7"]}, "each request has its own"),
        ({"header": ["User-Agent: hush"]}, "each request has its own"),
        ({"header": ["@missing"]}, "cannot read the header file missing"),
        ({"http_login_file": Path("x"), "http_login_env": "X"}, "--http-login-file and --http-login-env"),
    ],
)
def test_what_cannot_be_is_told_and_shows_no_secret(given: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        reach_of(options(**given))
    assert words in str(caught.value)
    assert "hush" not in str(caught.value)


# --- logins and fields ------------------------------------------------------------------------------------


class Noting:
    """Answers everything, and keeps what it was asked."""

    def __init__(self, *replies: HttpReply) -> None:
        self.asked: list[HttpRequest] = []
        self.replies = list(replies)

    def handle(self, request: HttpRequest, client: str):
        self.asked.append(request)
        reply = self.replies.pop(0) if self.replies else HttpReply(200, body=b"AES")
        return delivery_of(reply, keep_alive=request.keep_alive)


@pytest.mark.usefixtures("no_proxies")
def test_the_login_and_the_fields_are_in_each_request_and_in_nothing_that_is_kept(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("LOGIN", "me:hush-server")
    (tmp_path / "fields").write_text("X-Key: hush-key\n\nAuthorization-Token: Bearer hush-token\n")
    given = options(http_login_env="LOGIN", header=[f"@{tmp_path / 'fields'}", "X-Tenant: 7"])
    reach = reach_of(given)
    service = Noting()
    with ServerHost(service) as host:
        client = SocketClient(SystemClock(), reach)
        client.exchange(host.host, host.port, PLAIN, 20)
        raw = b"GET /scep HTTP/1.1\r\nHost: x\r\nX-Key: own\r\nConnection: close\r\n\r\n"
        client.converse(host.host, host.port, [raw], 20)
    first, second = service.asked
    assert first.header("Authorization") == second.header("Authorization") == "Basic bWU6aHVzaC1zZXJ2ZXI="
    assert (first.header("X-Key"), second.header("X-Key")) == ("hush-key", "own")
    assert first.header("X-Tenant") == "7"
    assert set(reach.secrets) == {"me:hush-server", "hush-server", "hush-key", "Bearer hush-token", "hush-token"}
    assert "hush" not in repr(reach) + repr(reach.words) + repr(reach.told)
    assert reach.words[:2] == ("--http-login-file", "...")
    assert reach.words[2:4] == ("--header", "@X-Key.txt")
    behind = reach_of(options(proxy="http://me:hush@@proxy.example:3128", tls_insecure=True))
    assert behind.words == ("--proxy", "http://proxy.example:3128", "--tls-insecure")
    assert pickle.loads(pickle.dumps(reach)) == reach
    assert (asked_for(options()), asked_for(given)) == (None, "http-login-env")


@pytest.mark.usefixtures("no_proxies")
def test_a_login_in_a_proxys_url_is_found_however_the_scheme_is_spelled() -> None:
    reach = reach_of(options(proxy="HTTP://me:hush@proxy.example:3128"))
    found = reach.proxy_for("https", "ca.example", 443)
    assert (found and found.login, set(reach.secrets)) == ("me:hush", {"me:hush", "hush"})
    assert reach.words == ("--proxy", "HTTP://proxy.example:3128")


@pytest.mark.usefixtures("no_proxies")
def test_a_short_word_at_the_end_of_a_field_is_not_masked_everywhere() -> None:
    assert reach_of(options(header=["X-Tenant: tenant 1"])).secrets == ("tenant 1",)


# --- one connection ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("fields", [(("Connection", "close"),), (("Connection", "Keep-Alive, Close"),)])
def test_the_end_of_a_connection_is_believed_when_it_is_said(fields) -> None:
    """A server that says so and holds the connection open all the same costs no time."""
    service = Noting(HttpReply(200, headers=fields, body=b"AES"))
    octets = b"GET /scep HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
    with ServerHost(service) as host:
        with pytest.raises(ConnectionLost, match="announced the end of the connection with its reply"):
            SocketClient(SystemClock()).converse(host.host, host.port, [octets, octets], 3600)
        assert len(service.asked) == 1
        assert len(SocketClient(SystemClock()).converse(host.host, host.port, [octets, octets], 20)) == 2


def test_tls_holds_two_requests_on_one_connection(tmp_path: Path) -> None:
    octets = b"GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: x\r\nConnection: keep-alive\r\n\r\n"
    with tls_host(tmp_path) as made:
        client = SocketClient(SystemClock(), Reach(ca=made.trust))
        replies = client.converse(made.host.host, made.host.port, [octets, octets], 20, "https")
        assert [reply.status for reply in replies] == [200, 200]


def test_the_bench_speaks_tls_too(tmp_path: Path) -> None:
    with tls_host(tmp_path) as made:
        client = made.bench.client(made.host, reach=Reach(ca=made.trust))
        assert client.ask(client.order()).granted


# --- client certificates ----------------------------------------------------------------------------------


@pytest.fixture
def pki(tmp_path: Path) -> ClientPki:
    return client_pki(tmp_path)


def test_a_client_certificate_is_shown_where_one_is_wanted(tmp_path: Path, pki: ClientPki) -> None:
    with tls_host(tmp_path, clients=pki.root) as made:
        reach = Reach(ca=made.trust)
        for shown in (
            replace(reach, certificate=pki.chain),
            replace(reach, certificate=pki.chain, key=pki.key),
            replace(reach, certificate=pki.chain, key=pki.sealed, key_password=PASSWORD),
        ):
            assert get(made.host, shown).status == 200


def test_the_whole_chain_of_a_server_is_known(pki: ClientPki) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pki.chain)
    with ServerHost(Bench(clock=SystemClock()).ca, tls=context) as host:
        client = SocketClient(SystemClock(), Reach(insecure=True))
        client.exchange(host.host, host.port, CAPS, 20)
    assert client.tls is not None
    names = [Certificate.from_der(octets).common_name for octets in client.tls.chain]
    assert names == ["leaf of clients", "intermediate of clients"]


@pytest.mark.parametrize(
    ("shown", "words", "remedy"),
    [
        ({}, "wants a client certificate", "--tls-cert FILE"),
        ({"certificate": "leaf"}, "does not accept the client certificate", "and its chain"),
        ({"certificate": "stranger"}, "does not accept the client certificate", "one from a CA that it trusts"),
    ],
)
def test_a_server_that_takes_no_such_client_is_told(tmp_path, pki: ClientPki, shown, words: str, remedy: str) -> None:
    with tls_host(tmp_path, clients=pki.root) as made:
        files = {name: getattr(pki, file) for name, file in shown.items()}
        for _ in range(5):  # under TLS 1.3 the refusal comes after our request, and has to be read all the same
            error = refused(made.host, Reach(ca=made.trust, **files))
            assert isinstance(error, ConnectFailed)
            assert (words in error.message, remedy in (error.remedy or ""), error.sent) == (True, True, False)
        assert made.bench.asked == []


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"certificate": "chain", "key": "sealed"}, "sealed.pem cannot be opened .give its password"),
        ({"certificate": "chain", "key": "sealed", "key_password": "hush"}, "sealed.pem cannot be opened"),
        ({"certificate": "stranger", "key": "key"}, "and the key do not belong together"),
        ({"certificate": "root"}, "cannot be used"),
    ],
)
def test_a_client_certificate_that_cannot_be_used_is_told(tmp_path, pki: ClientPki, given, words: str) -> None:
    files = {name: getattr(pki, file, file) for name, file in given.items()}
    with listening(b"") as host, pytest.raises(UsageError, match=words) as caught:
        get(host, Reach(**files))
    assert "hush" not in str(caught.value)
