"""Bodies that are not messages: refused as the client's error, and the server keeps running. RFC 8894, 4.1."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from mfp_sim.conformance.client import Client
from mfp_sim.conformance.facts import answered
from mfp_sim.conformance.model import Fact, Proof
from mfp_sim.conformance.registry import row
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep.http_messages import PKI_MESSAGE, HttpRequest, scep_request
from mfp_sim.shared.scep.vocabulary import Operation

CRASH = Proof("not-a-client-error", defects=("crashes-on-garbage",))


def _post(session: Client, what: str, make: Callable[[bytes], bytes]) -> Iterator[Fact]:
    order = session.poll(wrong=True)
    body = make(session.encode(order))
    target = scep_request(session.target.path, Operation.PKI_OPERATION, b"x", method="POST").target
    exchange = session.http(HttpRequest("POST", target, (("Content-Type", PKI_MESSAGE),), body), what)
    answer = session.take(order, exchange)
    # A FAILURE is just as good: the server read enough to send one.
    calm = answer.refused or exchange.client_error
    yield answered(
        "not-a-client-error",
        calm,
        f"{what} gets HTTP 4xx or a FAILURE",
        answer,
        mistake="the server does not catch the parser's error, or reports it as its own",
        what=what,
    )


def _nested(depth: int) -> bytes:
    """Endlessly nested BER, as indefinite lengths allow."""
    return b"\x30\x80" * depth


BODIES: tuple[tuple[str, str, Callable[[bytes], bytes] | None], ...] = (
    ("malformed-empty", "an empty body", lambda _: b""),
    ("malformed-one-octet", "one byte", lambda _: b"\x30"),
    ("malformed-text", "HTML", lambda _: b"<html><body>no</body></html>"),
    ("malformed-truncated", "a message cut in half", lambda message: message[: len(message) // 2]),
    (
        "malformed-length",
        "a length beyond the end of the body",
        lambda message: b"\x30\x84\x7f\xff\xff\xff" + message[4:],
    ),
    ("malformed-deep", "BER nested 10,000 deep", lambda _: _nested(10_000)),
    ("malformed-large", "500 kB of zeros", lambda _: bytes(500_000)),
    ("malformed-other-der", "DER that is not CMS", lambda _: der.sequence(der.integer(1), der.utf8_string("no"))),
    ("malformed-trailing", "a message with 1 kB after it", None),
)


def _trailing(session: Client, what: str) -> Iterator[Fact]:
    order = session.harmless(wrong=True)
    answer = session.ask(order, octets=session.encode(order) + bytes(1024))
    calm = answer.status is not None or answer.exchange.client_error
    yield answered("not-a-client-error", calm, f"{what} is read, or refused cleanly", answer, what=what)


for _id, _what, _make in BODIES:
    row(
        __name__,
        _id,
        f"{_what[0].upper()}{_what[1:]} is refused as the client's error",
        "SCEP-4.1-19" if _make is not None else "SCEP-3-05",
        run=partial(_trailing, what=_what) if _make is None else partial(_post, what=_what, make=_make),
        why="Bytes from the network must not bring a CA down or look like its own failure.",
        field_failures=("F-E08", "F-E06"),
        reads=True,
        negative=True,
        tags=("malformed",),
        proofs=(CRASH,) if _make is not None else (Proof("not-a-client-error", defects=("crashes-on-trailing",)),),
    )
