"""The socket host: keep-alive, caps, what HTTP clients do, and a prompt stop."""

from __future__ import annotations

import http.client
import logging
import socket
import struct

import pytest

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.http_messages import HEAD_CAP, MESSAGE_CAP, HttpReply, HttpRequest, delivery_of
from mock_scep_server.server import ServerHost


class Echo:
    """Says what it got."""

    def handle(self, request: HttpRequest, client: str):
        body = f"{request.method} {request.target} {client} {len(request.body)}".encode()
        return delivery_of(HttpReply(200, body=body), keep_alive=request.keep_alive)


class Broken:
    def handle(self, request: HttpRequest, client: str):
        raise RuntimeError("planted")


@pytest.fixture
def host():
    with ServerHost(Echo()) as host:
        yield host


def talk(host: ServerHost, octets: bytes) -> bytes:
    """All that comes back until the server closes."""
    with socket.create_connection((host.host, host.port), timeout=20) as connection:
        connection.sendall(octets)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def status(reply: bytes) -> int:
    return int(reply.split(b" ", 2)[1])


def test_two_requests_on_one_connection(host) -> None:
    client = http.client.HTTPConnection(host.host, host.port, timeout=20)
    client.request("GET", "/a?operation=x")
    assert client.getresponse().read() == b"GET /a?operation=x 127.0.0.1 0"
    before = client.sock
    client.request("POST", "/b", body=b"12345")
    assert client.getresponse().read() == b"POST /b 127.0.0.1 5"
    assert client.sock is before
    client.close()


def test_http_1_0_without_a_host_is_closed_after_the_reply(host) -> None:
    reply = talk(host, b"GET /a HTTP/1.0\r\n\r\n")
    assert b"Connection: close\r\n" in reply
    assert reply.endswith(b"GET /a 127.0.0.1 0")


@pytest.mark.parametrize(
    ("octets", "body"),
    [
        (b"POST /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=1\r\nde\r\n0\r\nT: 1\r\n\r\n", b"5"),
        (b"\r\nGET /d HTTP/1.1\nHost: x\nConnection: close\n\n", b"GET /d 127.0.0.1 0"),
        (b"GET http://ca.example/e?q=1 HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /e?q=1 127.0.0.1 0"),
        (b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\nab", b"POST / 127.0.0.1 2"),
    ],
)
def test_what_clients_send(host, octets: bytes, body: bytes) -> None:
    assert talk(host, octets).endswith(body)


def test_who_asks_may_continue(host) -> None:
    with socket.create_connection((host.host, host.port), timeout=20) as connection:
        connection.sendall(b"POST / HTTP/1.1\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert connection.recv(100) == b"HTTP/1.1 100 Continue\r\n\r\n"
        connection.sendall(b"ab")
        assert b"POST / 127.0.0.1 2" in connection.recv(4096)


@pytest.mark.parametrize(
    ("octets", "refused", "text"),
    [
        (b"GET /\r\n\r\n", 400, b"request line"),
        (b"GET  / HTTP/1.1\r\n\r\n", 400, b"request line"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, b"request line"),
        (b"GET / HTTP/2.0\r\n\r\n", 505, b"supports"),
        (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", 400, b"header field"),
        (b"GET / HTTP/1.1\r\n folded: x\r\n\r\n", 400, b"header field"),
        (b"GET /" + b"a" * (HEAD_CAP + 70000) + b" HTTP/1.1\r\n\r\n", 431, b"too large"),
        (b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * 20000 + b"\r\n", 431, b"too large"),
        (b"POST / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % (MESSAGE_CAP + 1), 413, b"larger than"),
        (b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", 400, b"not a single number"),
        (b"POST / HTTP/1.1\r\nContent-Length: -1\r\n\r\n", 400, b"not a single number"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n", 501, b"chunked"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\nContent-Length: 1\r\n\r\n", 400, b"not both"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nxx\r\n", 400, b"broken"),
        (b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nfffffff\r\n", 413, b"larger than"),
    ],
)
def test_what_is_refused_and_why(host, octets: bytes, refused: int, text: bytes) -> None:
    reply = talk(host, octets)
    assert status(reply) == refused
    assert text in reply.partition(b"\r\n\r\n")[2]


def test_a_client_that_breaks_off_leaves_the_host_alive(host) -> None:
    for octets in (b"", b"GET", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nab"):
        with socket.create_connection((host.host, host.port), timeout=20) as connection:
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.sendall(octets)
    assert talk(host, b"GET /a HTTP/1.0\r\n\r\n").endswith(b"GET /a 127.0.0.1 0")


def test_a_mistake_of_ours_is_a_500_and_stands_in_the_log(caplog) -> None:
    with ServerHost(Broken()) as host, caplog.at_level(logging.ERROR):
        assert status(talk(host, b"GET /x HTTP/1.1\r\n\r\n")) == 500
    assert "the mock failed on GET /x" in caplog.text
    assert "planted" in caplog.text


def test_a_busy_port_is_said_with_what_to_do(host) -> None:
    with pytest.raises(UsageError, match=f"cannot listen on 127.0.0.1, port {host.port}: address already in use"):
        ServerHost(Echo(), "127.0.0.1", host.port)
    with pytest.raises(UsageError, match="cannot listen on nowhere.invalid"):
        ServerHost(Echo(), "nowhere.invalid", 0)
    with pytest.raises(UsageError, match="cannot listen on 127.0.0.1, port 80800: a port is a number from 0 to 65535"):
        ServerHost(Echo(), "127.0.0.1", 80800)


def test_stopping_does_not_wait_for_idle_clients() -> None:
    host = ServerHost(Echo())
    host.start()
    with socket.create_connection((host.host, host.port), timeout=20) as connection:
        connection.sendall(b"GET /a HTTP/1.1\r\n\r\n")
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        host.stop()
        assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((host.host, host.port), timeout=20)
