"""The mock behind TLS for tests, with a certificate that is right or wrong in one way."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from mfp_sim.shared.simtime import FrozenClock, SystemClock
from mfp_sim.testing import Bench
from mock_scep_server.server import ServerHost
from mock_scep_server.tls import TlsKind, make_endpoint


@dataclass(frozen=True)
class TlsHost:
    """A mock on loopback that speaks TLS; ``trust`` is the file with the CA to trust for it."""

    bench: Bench
    host: ServerHost
    trust: Path

    @property
    def url(self) -> str:
        """The SCEP URL."""
        return f"{self.host.url}/scep"


@contextmanager
def tls_host(
    folder: Path,
    kind: TlsKind = "other-pki",
    *,
    made: timedelta = timedelta(0),
    challenge: str | None = None,
    **endpoint_options: object,
) -> Iterator[TlsHost]:
    """A mock that speaks TLS.

    Args:
        folder: where the file with the CA is written.
        kind: of its certificate; with ``untrusted`` the file has that certificate itself.
        made: when its certificate was made, from now; the certificate is valid for a year.
        challenge: what the mock wants.
        endpoint_options: further ones of :func:`make_endpoint`.
    """
    bench = Bench(clock=SystemClock(), challenge=challenge)
    endpoint = make_endpoint(
        kind,
        bench.ca.authority,
        clock=FrozenClock(bench.clock.now() + made),
        entropy=bench.entropy.fork("tls"),
        keys=bench.keys(side=1),
        **endpoint_options,  # type: ignore[arg-type]
    )
    trust = folder / "tls-ca.pem"
    trust.write_text(ssl.DER_cert_to_PEM_cert((endpoint.anchor or endpoint.certificate).der), "ascii")
    with ServerHost(bench.ca, tls=endpoint.context) as host:
        yield TlsHost(bench, host, trust)
