"""Clients that are made to be judged: they speak SCEP as our own client does, and do what they are made to do with it."""

from __future__ import annotations

import contextlib
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mfp_sim.conformance.challenges import Static
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.conformance.target import Permissions, target_of
from mfp_sim.examination.program import ClientVerb, End, Task, VerbResult
from mfp_sim.shared.errors import MfpSimError
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep.http_messages import scep_request
from mfp_sim.shared.scep.vocabulary import Operation
from mfp_sim.shared.simtime import Entropy, PooledKeys, SystemClock
from mfp_sim.transport import SocketClient

KEYS = PooledKeys(Entropy(5), side=0)


@dataclass
class Puppet:
    """Asks for a certificate as it should, and ends as ``ends`` says; where that is DONE, it leaves a certificate of its
    own making, whatever came. ``fits``: the certificate is for its key; ``own``: it is signed with its key."""

    ends: Callable[[ClientVerb], End]
    fits: bool = True
    own: bool = False
    name: str = "puppet"
    asked: list[ClientVerb] = field(default_factory=list)

    def run(self, verb: ClientVerb, task: Task) -> VerbResult:
        if verb == "version":
            return VerbResult(verb, End.DONE, 0, "puppet 1\nmore", 0.0)
        self.asked.append(verb)
        end = self.ends(verb)
        if end is not End.UNSUPPORTED:
            self._ask(task)
        if end is End.DONE or self.own:
            self._leave(task)
        return VerbResult(verb, end, {End.DONE: 0, End.REFUSED: 1, End.PENDING: 75}.get(end, 3), "failInfo: 2", 0.0)

    def _ask(self, task: Task) -> None:
        clock = SystemClock()
        client = Client(
            target_of(task.url), SocketClient(clock), clock=clock, entropy=Entropy(None), keys=KEYS,
            challenges=Static(task.challenge), policy=Permissions(timeout=0.2),
        )  # fmt: skip
        for operation in (Operation.GET_CA_CAPS, Operation.GET_CA_CERT):
            client.http(scep_request("/scep", operation), "", once=True)
        with contextlib.suppress(MfpSimError, Inconclusive):  # what comes is of no interest to it
            message = client.encode(client.order())
            for method in ("POST", "GET"):
                client.http(scep_request("/scep", Operation.PKI_OPERATION, message, method=method), "", once=True)

    def _leave(self, task: Task) -> None:
        key, other = KEYS.rsa(2048), KEYS.rsa(2048)
        now = SystemClock().now()
        name = x509.name(("CN", task.subject))
        made = x509.issue(
            serial=Entropy(None).integer(1, 2**63), issuer=name, subject=name,
            spki=x509.spki_of(key if self.fits else other), not_before=now, not_after=now + timedelta(days=1),
            extensions=(), signing_key=key if self.own else KEYS.rsa(2048),
        )  # fmt: skip
        task.certificate_file.write_text(ssl.DER_cert_to_PEM_cert(made.der))
        task.key_file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.fixture
def puppet() -> type[Puppet]:
    return Puppet
