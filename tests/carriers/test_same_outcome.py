"""A delivery has the same outcome on both carriers: the same expectation is held against each."""

from typing import Any

import pytest

from mfp_sim.shared.errors import ConnectionLost, DeadlineExceeded
from mfp_sim.shared.scep.http_messages import HttpReply, Operation, read_capabilities, scep_request

CAPS = scep_request("/scep", Operation.GET_CA_CAPS)
CLEAN = "clean"

OUTCOMES: dict[str, Any] = {
    "[]": CLEAN,
    "[{faults: [{delay: 0.05s}]}]": CLEAN,
    "[{faults: [{delay: 30s}]}]": DeadlineExceeded,
    "[{faults: [stall]}]": DeadlineExceeded,
    "[{faults: [{stall: {after: 9}}]}]": DeadlineExceeded,
    "[{faults: [{stall: {after: 150}}]}]": DeadlineExceeded,
    "[{faults: [reset]}]": (ConnectionLost, "reset the connection without a reply"),
    "[{faults: [{reset: {after: 9}}]}]": (ConnectionLost, "reset the connection"),
    "[{faults: [{reset: {after: 150}}]}]": (ConnectionLost, "reset the connection"),
    "[{faults: [{truncate: {after: 0}}]}]": (ConnectionLost, "closed the connection without a reply"),
    "[{faults: [{truncate: {after: 9}}]}]": (ConnectionLost, "after 9 bytes"),
    "[{faults: [{truncate: {after: 150}}]}]": (ConnectionLost, "closed the connection after 150 bytes"),
    "[{then: none}]": (ConnectionLost, "closed the connection without a reply"),
    "[{then: {http: 503, retry_after: 120}}]": 503,
}


@pytest.mark.parametrize("rules", OUTCOMES)
def test_the_outcome_is_the_same(carrier, rules: str) -> None:
    expected = OUTCOMES[rules]
    # A short deadline is waited for on the real wire, a generous one never is.
    timeout = 0.3 if expected is DeadlineExceeded else 20
    with carrier(rules) as (transport, host, port):
        if expected == CLEAN:
            reply = transport.exchange(host, port, CAPS, timeout)
            assert reply.status == 200
            assert read_capabilities(reply.body).post
        elif isinstance(expected, int):
            reply = transport.exchange(host, port, CAPS, timeout)
            assert (reply.status, reply.header("Retry-After")) == (expected, "120")
        elif expected is DeadlineExceeded:
            with pytest.raises(DeadlineExceeded, match=r"did not reply within 0\.3 s") as caught:
                transport.exchange(host, port, CAPS, timeout)
            assert caught.value.sent
        else:
            kind, text = expected
            with pytest.raises(kind, match=text) as caught:
                transport.exchange(host, port, CAPS, timeout)
            assert caught.value.sent


def test_head_and_body_are_the_same_octet_for_octet(carriers) -> None:
    def fetch(carrier) -> HttpReply:
        with carrier("[]") as (transport, host, port):
            return transport.exchange(host, port, CAPS, 20)

    played, sent = [fetch(carrier) for carrier in carriers]
    assert [name for name, _ in played.headers] == [name for name, _ in sent.headers]
    assert played.body == sent.body
