"""What is passed on over real sockets: fields, bodies, ends of connections, and what a hostile peer does."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from mfp_sim.conformance.target import target_of
from mfp_sim.proxy.observing import Observer
from mfp_sim.proxy.passing import Upstream
from mfp_sim.proxy.service import ProxyService
from mfp_sim.proxy.session import Session
from mfp_sim.proxy.wire_faults import WireFaults, chosen_faults
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.scep.envelope import EnvelopeKeys
from mfp_sim.shared.scep.http_messages import MESSAGE_CAP
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.simtime import Entropy, PooledKeys, SystemClock
from mfp_sim.testing import Bench
from mfp_sim.transport import SocketClient
from mock_scep_server.server import ServerHost


@contextmanager
def proxy(url: str, *, timeout: float = 20.0, faults: tuple[str, ...] = ()) -> Iterator[tuple[ServerHost, Session]]:
    """A proxy before a server."""
    clock, session = SystemClock(), Session()
    upstream = Upstream(Url.parse(url), SocketClient(clock), timeout)
    service = ProxyService(
        upstream,
        clock=clock,
        faults=WireFaults(chosen_faults(faults), clock=clock, entropy=Entropy(1), keys=PooledKeys(Entropy(1))),
        observer=Observer(target_of(url), clock, EnvelopeKeys()),
        redactor=Redactor(),
        on_seen=session.add,
        on_told=lambda number, fate: session.told(number, cut=fate == "cut"),
    )
    with ServerHost(service) as host:
        try:
            yield host, session
        finally:
            upstream.close()


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[bytes]]]:
    """A server of one's own: ``answer`` writes to each connection once its request is there; the requests."""
    listener = socket.create_server(("127.0.0.1", 0))
    heard: list[bytes] = []

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(20)
                octets = b""
                try:
                    while b"\r\n\r\n" not in octets:
                        octets += connection.recv(65536)
                    heard.append(octets)
                    answer(connection)
                except OSError:
                    pass

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/scep", heard
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(20)


def talk(host: ServerHost, octets: bytes) -> bytes:
    """All that comes back until the proxy closes."""
    with socket.create_connection((host.host, host.port), timeout=20) as connection:
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def says(octets: bytes) -> Callable[[socket.socket], None]:
    return lambda connection: connection.sendall(octets)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nAES"
GET = b"GET /scep?operation=GetCACaps HTTP/1.1\r\nHost: proxy\r\n\r\n"


def test_fields_of_one_hop_stay_there_and_the_others_go_on() -> None:
    reply = (
        b"HTTP/1.1 200 OK\r\nServer: a CA\r\nKeep-Alive: timeout=5\r\nConnection: X-Hop\r\nX-Hop: 1\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n3\r\nAES\r\n0\r\n\r\n"
    )
    with server(says(reply)) as (url, heard), proxy(url) as (host, _):
        came = talk(
            host,
            b"GET /scep?operation=GetCACaps HTTP/1.0\r\nX-Tenant: 7\r\nTE: trailers\r\nUpgrade: h2c\r\n"
            b"Connection: close, X-Mine\r\nX-Mine: 1\r\nProxy-Authorization: Basic eA==\r\n\r\n",
        )
    head, _, body = came.partition(b"\r\n\r\n")
    assert body == b"AES"
    assert head.split(b"\r\n")[1:] == [
        b"Server: a CA", b"Content-Length: 3", b"Connection: close",
    ]  # fmt: skip
    assert heard[0].decode().split("\r\n")[:-2] == [
        "GET /scep?operation=GetCACaps HTTP/1.1", f"Host: {url.split('/')[2]}", "X-Tenant: 7", "Via: 1.1 mfp-sim",
        "Connection: close",
    ]  # fmt: skip


def test_a_chunked_body_goes_on_with_its_length() -> None:
    with server(says(OK)) as (url, heard), proxy(url) as (host, _):
        talk(
            host,
            b"POST /scep?operation=PKIOperation HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
        )
    assert b"Content-Length: 2\r\n" in heard[0]
    assert b"chunked" not in heard[0]


def test_the_reply_to_head_keeps_its_length_and_has_no_body() -> None:
    with server(says(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")) as (url, _), proxy(url) as (host, _):
        came = talk(host, GET.replace(b"GET", b"HEAD", 1))
    assert came.endswith(b"\r\n\r\n")
    assert b"Content-Length: 99\r\n" in came


@pytest.mark.parametrize("line", [b"X-Evil: a\rX-More: b", b"X-Evil: a\x00b", b"X-Evil: \x1b[2J"])
def test_a_head_that_would_forge_another_is_not_passed_on(line: bytes) -> None:
    with server(says(OK)) as (url, heard), proxy(url) as (host, session):
        came = talk(host, GET[:-2] + line + b"\r\n\r\n")
    assert came.startswith(b"HTTP/1.1 400 ")
    assert b"a control character in an HTTP head" in came
    assert heard == []
    assert session.count == 1


def test_a_target_that_is_no_printable_ascii_is_not_passed_on() -> None:
    with server(says(OK)) as (url, heard), proxy(url) as (host, _):
        assert talk(host, b"GET /\xe9 HTTP/1.1\r\nHost: x\r\n\r\n").startswith(b"HTTP/1.1 400 ")
    assert heard == []


def test_a_control_character_in_a_reply_is_not_passed_on() -> None:
    with (
        server(says(b"HTTP/1.1 200 OK\r\nX-Evil: a\x00b\r\nContent-Length: 0\r\n\r\n")) as (url, _),
        proxy(url) as (host, _),
    ):
        came = talk(host, GET)
    assert came.startswith(b"HTTP/1.1 502 ")
    assert b"the head of the reply contains a control character" in came


def test_a_reply_that_is_too_large_ends_with_502() -> None:
    large = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (MESSAGE_CAP + 1)
    with server(says(large)) as (url, _), proxy(url) as (host, session):
        came = talk(host, GET)
    assert came.startswith(b"HTTP/1.1 502 ")
    assert f"is larger than {MESSAGE_CAP} bytes" in (session.exchanges[0].why or "")


def test_a_body_that_never_ends_ends_with_504() -> None:
    with server(begins_only) as (url, _), proxy(url, timeout=0.5) as (host, session):
        came = talk(host, GET)
    assert came.startswith(b"HTTP/1.1 504 ")
    assert (session.exchanges[0].why or "").startswith("The CA got the request but sent no reply in time: ")


def begins_only(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nx")
    connection.recv(1)  # until the proxy gives up


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nAES"])
def test_a_server_that_closes_early_is_met_by_the_client_as_such(begin: bytes) -> None:
    with server(says(begin)) as (url, _), proxy(url) as (host, session):
        assert talk(host, GET) == b""
    assert "closed the connection without a complete reply" in (session.exchanges[0].why or "")


def test_a_server_that_is_not_there_is_502() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with proxy(f"http://127.0.0.1:{port}/scep") as (host, session):
        assert talk(host, GET).startswith(b"HTTP/1.1 502 ")
    assert (session.exchanges[0].why or "").startswith("The proxy could not reach the CA: ")


def test_what_is_under_way_ends_when_the_proxy_does() -> None:
    """A server that says nothing would keep it for its whole time-out."""
    waiting = threading.Event()

    def silent(connection: socket.socket) -> None:
        waiting.set()
        connection.recv(1)

    with server(silent) as (url, _), ThreadPoolExecutor() as pool:
        with proxy(url, timeout=600) as (host, session):
            asked = pool.submit(talk, host, GET)
            assert waiting.wait(20)
        asked.result(20)
    assert session.exchanges[0].lost == "ConnectionLost"


def test_several_clients_at_once_each_get_their_own() -> None:
    bench = Bench(clock=SystemClock())
    with ServerHost(bench.ca) as ca, proxy(f"{ca.url}/scep") as (host, session), ThreadPoolExecutor(8) as pool:
        clients = [bench.client(host, name=f"client-{number}") for number in range(8)]
        orders = [client.order() for client in clients]
        answers = list(pool.map(lambda pair: pair[0].ask(pair[1]), zip(clients, orders, strict=True)))
    assert [answer.text for answer in answers] == ["SUCCESS"] * 8
    assert all(answer.issued is not None and answer.distrust is None for answer in answers)
    assert sorted(one.number for one in session.exchanges) == list(range(1, session.count + 1))
    assert {one.transaction for one in session.exchanges if one.transaction} == {o.transaction_id for o in orders}


def test_a_fault_of_the_connection_is_real() -> None:
    with (
        server(says(OK)) as (url, _),
        proxy(url, faults=("reset",)) as (host, session),
        pytest.raises(ConnectionResetError),
    ):
        talk(host, GET)
    assert session.exchanges[0].changes != ()
