"""The mock CA on a socket, for tests of SCEP clients that are not written with this package.

Owns a host, its TLS, and what a test asks of them. The CA behind it is that of a `Bench`, with the system's clock.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from types import TracebackType
from typing import Literal

from mfp_sim.shared.simtime import SystemClock
from mfp_sim.testing.bench import CHALLENGE, Bench
from mock_scep_server.ca_operator import CaOperator
from mock_scep_server.challenges import ChallengePolicy
from mock_scep_server.journal import JournalEntry
from mock_scep_server.ledger import Ledger
from mock_scep_server.profiles.registry import CaProfile
from mock_scep_server.script import Rule
from mock_scep_server.script_file import script_of
from mock_scep_server.server import ServerHost
from mock_scep_server.setup import CaSetup
from mock_scep_server.tls import TlsKind, make_endpoint

__all__ = ["MockScepServer"]


class MockScepServer:
    """A mock CA that listens on loopback while a `with` block runs.

    Args:
        ca: The keys of a scenario's `ca:` section, as YAML or as a value.
        profile: The shape of the CA, or its name; replaces that of `ca`.
        ra: The RA certificates; replaces those of `ca`.
        script: Rules as YAML; replaces those of `ca`.
        challenge: The static challenge password, or a policy; None for a CA that wants none.
        port: The TCP port; 0 for any free one.
        tls: The certificate that the server shows; None for plain HTTP.
        seed: Decides the CA's keys, which come from the pool of the package; None for generated ones.

    Raises:
        DocumentError: A mistake in `ca` or `script`.
        UsageError: A profile that does not exist, or a port that is in use.
    """

    def __init__(
        self,
        ca: str | CaSetup = "{}",
        *,
        profile: str | CaProfile | None = None,
        ra: Literal["none", "single", "split"] | None = None,
        script: str | None = None,
        challenge: str | ChallengePolicy | None = CHALLENGE,
        port: int = 0,
        tls: TlsKind | None = None,
        seed: int | None = None,
    ) -> None:
        bench = Bench(ca, profile=profile, ra=ra, script=script, challenge=challenge, clock=SystemClock(), seed=seed)
        self.ca = bench.ca
        self.challenge = bench.challenge
        self._endpoint = tls and make_endpoint(
            tls,
            bench.ca.authority,
            clock=bench.clock,
            entropy=bench.entropy.fork("tls"),
            keys=bench.keys(side=1),
        )
        self._host = ServerHost(bench.ca, port=port, tls=self._endpoint.context if self._endpoint else None)

    def __enter__(self) -> MockScepServer:
        self._host.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._host.stop()

    @property
    def url(self) -> str:
        """The SCEP URL."""
        return f"{self._host.url}/scep"

    @property
    def port(self) -> int:
        """The TCP port."""
        return self._host.port

    @property
    def ca_certificate(self) -> str:
        """The certificate of the CA, in PEM."""
        return ssl.DER_cert_to_PEM_cert(self.ca.authority.issuer.certificate.der)

    @property
    def tls_ca_certificate(self) -> str | None:
        """The certificate that a client has to trust for TLS, in PEM; None for plain HTTP."""
        if self._endpoint is None:
            return None
        return ssl.DER_cert_to_PEM_cert((self._endpoint.anchor or self._endpoint.certificate).der)

    @property
    def script(self) -> tuple[Rule, ...]:
        """The rules. Assign YAML to replace them; none of the new ones is used yet.

        Raises:
            DocumentError: All mistakes of the YAML.
        """
        return tuple(self.ca.script.rules)

    @script.setter
    def script(self, text: str) -> None:
        """Replace the rules."""
        self.ca.script.replace(script_of(text))

    @property
    def journal(self) -> tuple[JournalEntry, ...]:
        """Every request so far, and what became of it."""
        return tuple(self.ca.journal.entries)

    @property
    def asked(self) -> list[str]:
        """The operations and message types so far: `["GetCACaps", "GetCACert", "PKCSReq"]`."""
        return [entry.name for entry in self.journal]

    @property
    def ledger(self) -> Ledger:
        """Every certificate that was issued, and what became of it."""
        return self.ca.ledger

    @property
    def operator(self) -> CaOperator:
        """What the operator of the CA does: approve, reject, revoke, roll over."""
        return self.ca.operator

    def write_ca(self, path: Path) -> Path:
        """Write the certificate of the CA into a PEM file, and return its path."""
        path.write_text(self.ca_certificate, "ascii")
        return path
