"""Host, port and target of a URL, and which URL is refused as a server's."""

from __future__ import annotations

import pytest

from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.url import Url


@pytest.mark.parametrize(
    ("text", "host", "port", "target"),
    [
        ("http://ca.example", "ca.example", 80, "/"),
        ("http://CA.example:8080/certsrv/mscep.dll?a=1&b", "ca.example", 8080, "/certsrv/mscep.dll?a=1&b"),
        ("http://[2001:db8::1]:81?x", "2001:db8::1", 81, "/?x"),
        ("https://ca.example/scep", "ca.example", 443, "/scep"),
        ("//ca.example:9", "ca.example", 9, "/"),
        ("/path", "", 80, "/path"),
    ],
)
def test_a_url_has_host_port_and_target(text: str, host: str, port: int, target: str) -> None:
    url = Url.parse(text)
    assert (url.host, url.port, url.target) == (host, port, target)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("http://[::1", "'http://[::1' is not a URL"),
        ("http://ca.example:99999/", "the port in 'http://ca.example:99999/' is not valid"),
        ("ftp://ca.example/", "'ftp://ca.example/' is not an http or https URL"),
        ("http:///scep", "'http:///scep' is not an http or https URL"),
        ("ca.example", "'ca.example' is not an http or https URL"),
        ("http://me:hush@ca.example/", "the URL has a login in it"),
        ("http://ca.example:http/", "the port in 'http://ca.example:http/' is not valid"),
        ("http://me:hush@ca.example:x/", "the URL has a login in it"),
        ("http://me:hu/sh@ca.example/", "the URL has a login in it"),
        ("me:hush@ca.example/scep", "'...@ca.example/scep' is not an http or https URL"),
        ("http://ca.example:0/", "the port in 'http://ca.example:0/' is not valid"),
        ("https://prüfstelle.example/", "'https://prüfstelle.example/' is not a URL"),
        ("http://ca.example/a b", "'http://ca.example/a b' is not a URL"),
        ("http://ca.example/\r\nX-Y: z", "'http://ca.example/\\r\\nX-Y: z' is not a URL"),
    ],
)
def test_what_is_not_a_servers_url_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError) as refused:
        Url.of_server(text, remedy="write http://host/path")
    assert refused.value.message == message


def test_a_bad_port_is_found_where_it_is_asked_for() -> None:
    url = Url.parse("http://ca.example:x/scep")
    assert (url.host, url.target) == ("ca.example", "/scep")
    with pytest.raises(ValueError, match="Port could not be cast"):
        _ = url.port
