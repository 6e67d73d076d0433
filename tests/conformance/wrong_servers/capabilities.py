"""GetCACaps with a false or malformed list. RFC 8894, 3.5."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mfp_sim.shared.scep.http_messages import HttpReply, read_capabilities
from mfp_sim.shared.scep.vocabulary import FailInfo, Operation
from mfp_sim.testing import Bench
from mock_scep_server.service import ScepService
from wrong_servers.base import INTEROPERABILITY, SECURITY, reader, replies, republish, reshape, wrong

CAPABLE = "RFC 8894, 3.5.2: a keyword says that the CA supports the capability"


def caps(bench: Bench) -> HttpReply:
    reply = bench.client().get(Operation.GET_CA_CAPS).reply
    assert reply is not None
    return reply


def words(bench: Bench) -> tuple[str, ...]:
    return tuple(caps(bench).body.decode().split())


def saying(ca: ScepService, change: Any) -> None:
    republish(ca, Operation.GET_CA_CAPS, lambda reply: replace(reply, body=change(reply.body)))


@wrong(INTEROPERABILITY, CAPABLE, lambda bench: _posted(bench) == 405)
def post_advertised_and_refused(ca: ScepService) -> None:
    """Lists POSTPKIOperation but replies to POST with 405."""
    reshape(ca._pki_operation, post="405")


def _posted(bench: Bench) -> int:
    client = bench.client()
    assert "POSTPKIOperation" in words(bench)
    reply = client.ask(client.order()).reply
    return reply.status if reply else 0


@wrong(INTEROPERABILITY, CAPABLE, replies(lambda a: a.refused and a.fail_info == FailInfo.BAD_ALG), serves=False)
def aes_advertised_and_refused(ca: ScepService) -> None:
    """Lists AES but refuses AES-128-CBC."""
    reshape(reader(ca), refuse_ciphers=frozenset({"des-cbc", "aes-128-cbc"}))


@wrong(INTEROPERABILITY, CAPABLE, replies(lambda a: a.refused and a.fail_info == FailInfo.BAD_ALG), serves=False)
def sha256_advertised_and_refused(ca: ScepService) -> None:
    """Lists SHA-256 but refuses messages that are signed with it."""
    reshape(reader(ca), refuse_digests=frozenset({"md5", "sha256"}))


@wrong(INTEROPERABILITY, CAPABLE, replies(lambda a: a.refused and a.fail_info == FailInfo.BAD_ALG, digest="sha512"))
def sha512_advertised_and_refused(ca: ScepService) -> None:
    """Lists SHA-512 but refuses messages that are signed with it."""
    reshape(reader(ca), refuse_digests=frozenset({"md5", "sha512"}))


@wrong(
    INTEROPERABILITY, CAPABLE, replies(lambda a: a.refused and a.fail_info == FailInfo.BAD_ALG, cipher="des-ede3-cbc")
)
def des3_advertised_and_refused(ca: ScepService) -> None:
    """Lists DES3 but refuses envelopes that use it."""
    reshape(reader(ca), refuse_ciphers=frozenset({"des-cbc", "des-ede3-cbc"}))


def _next(bench: Bench) -> bool:
    reply = bench.client().get(Operation.GET_NEXT_CA_CERT).reply
    return "GetNextCACert" in words(bench) and reply is not None and reply.status == 501


@wrong(INTEROPERABILITY, CAPABLE, _next)
def next_ca_advertised_and_not_known(ca: ScepService) -> None:
    """Lists GetNextCACert but replies to it with 501."""
    saying(ca, lambda body: body + b"GetNextCACert\n")
    republish(ca, Operation.GET_NEXT_CA_CERT, lambda reply: replace(reply, status=501, body=b"not implemented\n"))


@wrong(INTEROPERABILITY, "RFC 8894, 3.5.2: each keyword is on its own line", lambda b: b"," in caps(b).body)
def capabilities_in_one_line(ca: ScepService) -> None:
    """Lists its capabilities in one line, with commas."""
    saying(ca, lambda body: b", ".join(body.split()) + b"\n")


@wrong(INTEROPERABILITY, "RFC 8894, 3.5.2: the CA MUST use the text case specified here", lambda b: "aes" in words(b))
def capabilities_in_lower_case(ca: ScepService) -> None:
    """Lists its capabilities in lower case."""
    saying(ca, bytes.lower)


@wrong(INTEROPERABILITY, "RFC 8894, 3.5: CAs MUST implement the GetCACaps message", lambda b: caps(b).status == 500)
def capabilities_fail(ca: ScepService) -> None:
    """Replies to GetCACaps with 500."""
    republish(ca, Operation.GET_CA_CAPS, lambda reply: replace(reply, status=500, body=b"NullPointerException\n"))


@wrong(SECURITY, CAPABLE, lambda b: read_capabilities(caps(b).body).digest == "sha1")
def strong_algorithms_kept_silent(ca: ScepService) -> None:
    """Does not list AES, SHA-2 and SCEPStandard although it supports them: clients fall back to 3DES and SHA-1."""
    saying(ca, lambda body: b"DES3\nPOSTPKIOperation\nRenewal\nSHA-1\n")


@wrong(SECURITY, "RFC 8894, 2.9: implementations MUST NOT support single DES and MD5", lambda b: "MD5" in words(b))
def weak_algorithms_advertised(ca: ScepService) -> None:
    """Lists also DES and MD5."""
    saying(ca, lambda body: body + b"DES\nMD5\n")


@wrong(INTEROPERABILITY, CAPABLE, lambda b: b"<html" in caps(b).body)
def capabilities_as_a_page(ca: ScepService) -> None:
    """Replies to GetCACaps with a page of its portal, as text/html with status 200."""
    page = b"<html><body>Welcome</body></html>"
    republish(
        ca, Operation.GET_CA_CAPS, lambda reply: replace(reply, headers=(("Content-Type", "text/html"),), body=page)
    )
