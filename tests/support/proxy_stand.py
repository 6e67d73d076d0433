"""The proxy between a client and the mock, all in one process and on a frozen clock."""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from mfp_sim.conformance.target import target_of
from mfp_sim.proxy.explaining import enrolments
from mfp_sim.proxy.observing import Observer, SeenExchange
from mfp_sim.proxy.passing import ReplySource
from mfp_sim.proxy.service import Keeping, ProxyService
from mfp_sim.proxy.session import Session
from mfp_sim.proxy.wire_faults import WireFaults, chosen_faults
from mfp_sim.shared.errors import ConnectionLost, TransportError
from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.redaction import Redactor
from mfp_sim.shared.scep.envelope import EnvelopeKeys
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest, Operation, outgoing
from mfp_sim.testing import Bench
from mfp_sim.testing.client import ScepClient
from mock_scep_server.saving import ExchangeFiles
from mock_scep_server.service import ScepService

__all__ = ["Failing", "ProxyStand"]

URL = "http://ca.example/scep"


class _FromMock:
    """The mock as a source, in process."""

    def __init__(self, service: ScepService) -> None:
        self._service = service

    def ask(self, request: HttpRequest) -> HttpReply:
        octets = self._service.handle(request, "192.0.2.99").octets
        if not octets:
            raise ConnectionLost("ca.example:80 closed the connection without a reply", sent=True)
        return reply_of(octets)

    def close(self) -> None:
        pass


class Failing:
    """A source that answers what GetCACaps and GetCACert ask, and fails at all else."""

    def __init__(self, error: TransportError) -> None:
        self.error, self.service = error, None

    def ask(self, request: HttpRequest) -> HttpReply:
        raise self.error

    def close(self) -> None:
        pass


class _Through:
    """The client's transport: a request is the proxy's, and its delivery is read at once."""

    def __init__(self, service: ProxyService) -> None:
        self._service = service

    def exchange(self, host: str, port: int, request: HttpRequest, timeout: float) -> HttpReply:
        delivery = self._service.handle(outgoing(request, host, port), "192.0.2.10")
        delivery.tell("ended")
        if not delivery.octets:
            raise ConnectionLost("nothing came", sent=True)
        return reply_of(delivery.octets)


class ProxyStand:
    """A mock, the proxy before it, and a client; ``save`` keeps the exchanges.

    ``opened``: the proxy has the CA's private key.
    """

    def __init__(
        self,
        *,
        ca: str = "{}",
        script: str | None = None,
        faults: tuple[str, ...] = (),
        opened: bool = False,
        more_keys: tuple[RSAPrivateKey, ...] = (),
        source: ReplySource | None = None,
        save: Path | None = None,
        show_secrets: bool = False,
        save_keys: bool = False,
        **bench: object,
    ) -> None:
        self.bench = Bench(ca, script=script, **bench)  # type: ignore[arg-type]
        clock, redactor = self.bench.clock, Redactor()
        keys = EnvelopeKeys((*((self.bench.ca.authority.recipient.key,) if opened else ()), *more_keys))
        self.session = Session()
        files = Keeping(
            ExchangeFiles(save), redactor, secrets=show_secrets, keys=keys if save_keys else None
        ) if save else None  # fmt: skip
        self.service = ProxyService(
            source or _FromMock(self.bench.ca),
            clock=clock,
            faults=WireFaults(
                chosen_faults(faults), clock=clock, entropy=self.bench.entropy.fork("p"), keys=self.bench.keys(side=1)
            ),
            observer=Observer(target_of(URL), clock, keys),
            redactor=redactor,
            on_seen=self.session.add,
            on_told=lambda number, fate: self.session.told(number, cut=fate == "cut"),
            keeping=files,
        )
        made = self.bench.client()
        self.client = ScepClient(
            self.bench.ca, made.target, _Through(self.service), clock=clock, entropy=made.entropy, keys=made.keys,
            challenge=self.bench.challenge,
        )  # fmt: skip

    def begin(self) -> ProxyStand:
        """GetCACaps and GetCACert, as a client begins."""
        self.client.get(Operation.GET_CA_CAPS)
        self.client.get(Operation.GET_CA_CERT)
        return self

    def enrol(self, **order: object) -> ProxyStand:
        """A request for a certificate."""
        self.client.ask(self.client.order(**order))  # type: ignore[arg-type]
        return self

    @property
    def last(self) -> SeenExchange:
        """The newest exchange."""
        return self.session.exchanges[-1]

    @property
    def outcomes(self) -> list[tuple[str, str | None]]:
        """What became of each transaction, and why."""
        return [(one.outcome, one.why) for one in enrolments(self.session.exchanges)]
