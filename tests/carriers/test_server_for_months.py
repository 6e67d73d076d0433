"""The socket host when the machine has nothing left: it pauses, refuses in words, and serves on."""

from __future__ import annotations

import errno
import http.client
import logging
import socket
import ssl
import threading

import pytest

from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, delivery_of
from mock_scep_server.server import ServerHost


class Echo:
    def handle(self, request: HttpRequest, client: str):
        return delivery_of(HttpReply(200, body=b"here"), keep_alive=request.keep_alive)


@pytest.fixture
def refusals() -> list[tuple[str, int, str]]:
    return []


@pytest.fixture
def make_host(refusals):
    hosts: list[ServerHost] = []

    def make(**options: object) -> ServerHost:
        host = ServerHost(Echo(), on_refusal=lambda *told: refusals.append(told), **options)  # type: ignore[arg-type]
        hosts.append(host)
        return host

    yield make
    for host in hosts:
        host.stop()


def ask(host: ServerHost) -> tuple[int, bytes]:
    client = http.client.HTTPConnection(host.host, host.port, timeout=20)
    try:
        client.request("GET", "/")
        reply = client.getresponse()
        return reply.status, reply.read()
    finally:
        client.close()


def test_one_connection_too_many_is_refused_in_words(make_host, refusals, caplog) -> None:
    host = make_host(most=2)
    host.start()
    kept = [http.client.HTTPConnection(host.host, host.port, timeout=20) for _ in range(2)]
    for client in kept:
        client.request("GET", "/")
        assert client.getresponse().read() == b"here"
    with socket.create_connection((host.host, host.port), timeout=20) as third:
        reply = b"".join(iter(lambda: third.recv(65536), b""))
    assert reply.startswith(b"HTTP/1.1 503 ")
    assert b"Retry-After: 1\r\n" in reply
    assert reply.endswith(b"The server has 2 connections open; try again later.\n")
    assert refusals == [("127.0.0.1", 503, "The server has 2 connections open; try again later.")]
    turned_away = "127.0.0.1 is refused: The server has 2 connections open; try again later. (number 1)"
    assert turned_away in caplog.messages
    for client in kept:
        client.close()
    for _ in range(10_000):  # until the host has noticed; each try is refused or served
        try:
            if ask(host) == (200, b"here"):
                break
        except OSError:
            continue
    else:
        pytest.fail("nobody is served after the others went")


def test_one_connection_too_many_gets_an_alert_where_it_wants_tls(make_host, refusals, caplog) -> None:
    host = make_host(most=0, tls=ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    host.start()
    careless = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    careless.check_hostname, careless.verify_mode = False, ssl.CERT_NONE
    for _ in range(12):
        tried = socket.create_connection((host.host, host.port), timeout=20)
        with tried, pytest.raises(ssl.SSLError) as caught:
            careless.wrap_socket(tried)
        assert caught.value.reason == "TLSV1_ALERT_INTERNAL_ERROR"
    host.stop()
    assert refusals == [("127.0.0.1", 503, "The server has 0 connections open; try again later.")] * 12
    told = "127.0.0.1 is refused: The server has 0 connections open; try again later. (number %d)"
    assert caplog.messages == [told % 1, told % 10, "connections refused: 12"]


def test_without_a_thread_a_client_is_refused_in_words_and_the_next_is_served(
    make_host, refusals, monkeypatch, caplog
) -> None:
    host = make_host()
    host.start()
    start, failed = threading.Thread.start, []

    def fail_once(thread: threading.Thread) -> None:
        if not failed:
            failed.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(host, "_pause", lambda why: logging.getLogger("mock_scep_server").warning(why))
    monkeypatch.setattr(threading.Thread, "start", fail_once)
    with socket.create_connection((host.host, host.port), timeout=20) as first:
        reply = b"".join(iter(lambda: first.recv(65536), b""))
    assert reply.endswith(b"The server has no thread left; try again later.\n")
    assert ask(host) == (200, b"here")
    assert [(status, text) for _, status, text in refusals] == [
        (503, "The server has no thread left; try again later.")
    ]
    assert "no thread can be started: can't start new thread" in caplog.text
    assert failed[0] not in host._serving


def test_it_stops_while_the_thread_of_a_connection_is_about_to_start(make_host, monkeypatch) -> None:
    host = make_host()
    host.start()
    start, join = threading.Thread.start, threading.Thread.join
    about_to, stops, served = threading.Event(), threading.Event(), list[threading.Thread]()

    def late(thread: threading.Thread) -> None:
        served.append(thread)
        about_to.set()
        assert stops.wait(30)
        start(thread)

    def joining(thread: threading.Thread, timeout: float | None = None) -> None:
        stops.set()  # the host waits for its threads
        join(thread, timeout)

    monkeypatch.setattr(threading.Thread, "start", late)
    monkeypatch.setattr(threading.Thread, "join", joining)
    with socket.create_connection((host.host, host.port), timeout=20) as client:
        assert about_to.wait(30)
        host.stop()
        assert client.recv(1) == b"", "what was accepted is broken off"
    assert [thread.is_alive() for thread in served] == [False], "and its thread has ended"


def test_without_a_descriptor_it_pauses_and_accepts_again(make_host, monkeypatch) -> None:
    host = make_host()
    pauses: list[str] = []

    class Scarce:
        """A listener that has no descriptor three times."""

        def __init__(self, listener: socket.socket) -> None:
            self._listener, self._left = listener, 3

        def accept(self) -> tuple[socket.socket, object]:
            if self._left:
                self._left -= 1
                raise OSError(errno.EMFILE, "Too many open files")
            return self._listener.accept()

        def __getattr__(self, name: str) -> object:
            return getattr(self._listener, name)

    monkeypatch.setattr(host, "_listener", Scarce(host._listener))
    monkeypatch.setattr(host, "_pause", pauses.append)
    host.start()
    assert ask(host) == (200, b"here")
    assert pauses == ["no connection can be accepted: too many open files"] * 3


def test_what_cannot_be_read_is_told_to_whoever_keeps_the_journal(make_host, refusals) -> None:
    host = make_host()
    host.start()
    with socket.create_connection((host.host, host.port), timeout=20) as client:
        client.sendall(b"NONSENSE\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 400"
    assert refusals == [("127.0.0.1", 400, "The request line is not METHOD SP target SP version.")]


def test_a_target_forges_no_line_of_the_log(caplog) -> None:
    class Broken:
        def handle(self, request: HttpRequest, client: str):
            raise RuntimeError("planted\x1b[2J")

    with ServerHost(Broken()) as host, socket.create_connection((host.host, host.port), timeout=20) as client:
        client.sendall(b"GET /\x1b[2J\x0bforged HTTP/1.1\r\n\r\n")
        assert client.recv(12) == b"HTTP/1.1 500"
    assert "\x1b" not in caplog.text
    assert "the mock failed on GET /\\x1b[2J\\x0bforged" in caplog.text
    assert "RuntimeError: planted\\x1b[2J" in caplog.text


def test_the_body_of_a_reply_to_head_is_not_taken_for_the_next_reply(make_host) -> None:
    host = make_host()
    host.start()
    with socket.create_connection((host.host, host.port), timeout=20) as raw:
        raw.sendall(b"HEAD / HTTP/1.1\r\n\r\nGET / HTTP/1.1\r\n\r\n")
        reply = b"".join(iter(lambda: raw.recv(65536), b""))
    assert reply.count(b"HTTP/1.1 200") == 1
