"""Broken messages from both sides at once: each exchange is passed on, judged and told, and nothing breaks."""

from __future__ import annotations

import random
from contextlib import suppress
from dataclasses import replace

import pytest
from proxy_stand import ProxyStand

from mfp_sim.proxy.passing import ReplySource
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, Operation, scep_request

COUNT = 150


def broken(octets: bytes, chance: random.Random) -> bytes:
    """The same with a few bytes changed, lost or added."""
    changed = bytearray(octets)
    for _ in range(chance.randint(1, 6) if changed else 0):
        place = chance.randrange(len(changed) + 1)
        changed[place : place + chance.randint(0, 2)] = bytes(
            chance.randrange(256) for _ in range(chance.randint(0, 2))
        )
    return bytes(changed)


class Breaking:
    """Another source, most of whose bodies are broken."""

    def __init__(self, source: ReplySource, chance: random.Random) -> None:
        self._source, self._chance = source, chance

    def ask(self, request: HttpRequest) -> HttpReply:
        reply = self._source.ask(request)
        return replace(reply, body=broken(reply.body, self._chance)) if self._chance.random() < 0.9 else reply

    def close(self) -> None:
        self._source.close()


@pytest.mark.parametrize("seed", range(4))
def test_whatever_comes_is_passed_on_and_told(seed: int, caplog: pytest.LogCaptureFixture) -> None:
    chance = random.Random(seed)
    stand = ProxyStand(opened=True, more_keys=(ProxyStand().client.key(),))
    stand.service._source = Breaking(stand.service._source, chance)
    messages = [stand.client.encode(stand.client.order()) for _ in range(3)]
    for _ in range(COUNT):
        kind = chance.random()
        request = scep_request("/scep", Operation.GET_CA_CERT if kind < 0.2 else Operation.GET_CA_CAPS)
        if kind > 0.4:
            octets = chance.choice(messages)
            octets = broken(octets, chance) if kind > 0.7 else octets
            request = scep_request("/scep", Operation.PKI_OPERATION, octets, method="POST")
        with suppress(UsageError):
            stand.client.http(request)
    assert caplog.records == []  # "cannot be judged" would stand there
    assert len(stand.session.exchanges) == stand.session.count == COUNT
    assert len(list(stand.session.summary())) > 5
