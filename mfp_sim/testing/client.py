"""A client for tests that can send anything to a CA: right messages, wrong ones, or other bytes.

It is the client of the checks (`mfp_sim.conformance.client`), without the parts for unknown servers: it knows its CA,
so the journal shows only what the test sends, and it sends nothing twice. RFC 8894, 2 to 4.
"""

from __future__ import annotations

from functools import cached_property

from mfp_sim.conformance import client as checks
from mfp_sim.conformance.answers import Exchange
from mfp_sim.conformance.challenges import SendNoChallenge, Static
from mfp_sim.conformance.target import Permissions, Target
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import Capabilities, HttpRequest
from mfp_sim.shared.simtime import Entropy, KeySource, PassingClock
from mfp_sim.transport import Transport
from mock_scep_server.service import ScepService

__all__ = ["ScepClient"]


class ScepClient(checks.Client):
    """A client of the CA of a bench; `Bench.client` makes it.

    `order(...)` is a right PKCSReq, except where the test asks for something else, and `poll(order)` is a CertPoll
    about it. `ask` sends an order and returns an `mfp_sim.conformance.answers.Answer`. `http` sends any HTTP request,
    and `raw` any bytes on a socket.
    """

    def __init__(
        self,
        ca: ScepService,
        target: Target,
        transport: Transport,
        *,
        clock: PassingClock,
        entropy: Entropy,
        keys: KeySource,
        challenge: str | None,
        policy: Permissions | None = None,
    ) -> None:
        challenges = SendNoChallenge() if challenge is None else Static(challenge)
        super().__init__(
            target, transport, clock=clock, entropy=entropy, keys=keys, challenges=challenges, policy=policy
        )
        self.ca = ca

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the CA offers, without asking it."""
        return Capabilities(self.ca.profile.capabilities)

    @cached_property
    def ca_certificates(self) -> tuple[Certificate, ...]:
        """The certificates of the CA at the first use, without asking it."""
        return self.ca.authority.certificates

    def http(self, request: HttpRequest, label: str = "", *, once: bool = True) -> Exchange:
        """Send a request as it is; if the reply is lost, the request is repeated only if `once` is false."""
        return super().http(request, label, once=once)
