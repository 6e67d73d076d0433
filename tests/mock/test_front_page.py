"""What the mock says at its root: what it is, and nothing that a client could not ask for."""

from __future__ import annotations

import http.client

import pytest

from mock_scep_server.server import ServerHost


def test_it_says_what_it_is(make_ca) -> None:
    ca = make_ca(script="[{then: {http: 503}, optional: true}]")
    reply = ca.get("/", ("Host", "ca.example:8080"))
    text = reply.body.decode()
    assert (reply.status, reply.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "<code>http://ca.example:8080/scep</code>" in text
    assert 'href="/scep?operation=GetCACaps"' in text
    assert ca.service.authority.issuer.certificate.fingerprint() in text
    assert "s3cret" not in text
    assert ca.get(f"/{ca.service.authority.slug}.cer").status == 503
    assert f'href="/{ca.service.authority.slug}.cer"' in text
    entry = ca.service.journal.entries[0]
    assert (entry.name, entry.decision, entry.rule, entry.judgement) == ("FrontPage", "front page", None, ())


def test_a_profile_with_a_path_has_its_own(make_ca) -> None:
    ca = make_ca(path="/scep/tests")
    assert "<code>http://[::1]:8080/scep/tests</code>" in ca.get("/", ("Host", "[::1]:8080")).body.decode()
    assert ca.get("/scep/tests?operation=GetCACaps").status == 200


@pytest.mark.parametrize("host", ['"><script>', "a b", "[", "x/../y"])
def test_a_host_that_is_none_is_not_shown(make_ca, host: str) -> None:
    assert "<code>/scep</code>" in make_ca().get("/", ("Host", host)).body.decode()


def test_only_the_root_and_only_to_look_at(make_ca) -> None:
    ca = make_ca()
    for target in ("/?", "/?operation=GetCACaps", "/scep", "//"):
        ca.get(target)
    assert "FrontPage" not in [entry.name for entry in ca.service.journal.entries]


def test_a_head_over_a_socket_has_the_length_and_no_body(make_ca) -> None:
    ca = make_ca()
    with ServerHost(ca.service) as host:
        for method in ("GET", "HEAD"):
            connection = http.client.HTTPConnection(host.host, host.port, timeout=20)
            connection.request(method, "/")
            reply = connection.getresponse()
            body, length = reply.read(), int(reply.headers["Content-Length"])
            assert (reply.status, len(body)) == (200, length if method == "GET" else 0)
            assert length > 500
            connection.close()
