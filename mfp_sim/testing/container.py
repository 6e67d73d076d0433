"""The mock CA in a container, for tests that start their servers with Testcontainers.

Owns the container's command, and the calls to its control port. Needs the extra `containers`, and a Docker engine.
"""

from __future__ import annotations

import json
import shlex
import urllib.request
from collections.abc import Sequence
from typing import Any

from testcontainers.core.container import DockerContainer
from testcontainers.core.wait_strategies import HttpWaitStrategy

from mfp_sim.shared.simtime import Entropy
from mfp_sim.testing.bench import CHALLENGE

__all__ = ["MockScepContainer"]

_SCEP, _CONTROL = 8080, 8081
_ANY = "0.0.0.0"  # noqa: S104 - within the container; what is published is the engine's matter


class MockScepContainer(DockerContainer):
    """The image of this project, running the mock CA; a context manager, like every Testcontainers class.

    Args:
        image: The image, as `docker build` tagged it.
        challenge: The static challenge password; None for a CA that wants none.
        options: Further options of `mock-scep-server`, such as `["--profile", "lenient"]`.
    """

    def __init__(
        self, image: str = "mfp-sim", *, challenge: str | None = CHALLENGE, options: Sequence[str] = ()
    ) -> None:
        self._token = Entropy(None).octets(16).hex()
        env = {"MOCK_SCEP_CONTROL_TOKEN": self._token}
        command = [
            *("mock-scep-server", "--host", _ANY, "--port", str(_SCEP)),
            *("--control-host", _ANY, "--control-port", str(_CONTROL)),
            *("--control-token-env", "MOCK_SCEP_CONTROL_TOKEN"),
        ]
        if challenge is not None:
            env["MOCK_SCEP_CHALLENGE"] = challenge
            command += ["--challenge-env", "MOCK_SCEP_CHALLENGE"]
        super().__init__(image, command=shlex.join([*command, *options]), env=env)
        self.challenge = challenge
        self.with_exposed_ports(_SCEP, _CONTROL)
        self.waiting_for(HttpWaitStrategy(_SCEP, "/scep?operation=GetCACaps").for_status_code(200))

    @property
    def url(self) -> str:
        """The SCEP URL, as this computer reaches it."""
        return f"{self._base(_SCEP)}/scep"

    @property
    def ca_certificate(self) -> str:
        """The certificate of the CA, in PEM."""
        return self._call("GET", "/ca.pem").decode("ascii")

    @property
    def journal(self) -> list[dict[str, Any]]:
        """Every request so far, and what became of it, as `GET /journal` describes it."""
        entries: list[dict[str, Any]] = json.loads(self._call("GET", "/journal"))["entries"]
        return entries

    @property
    def script(self) -> str:
        """The rules as YAML. Assign YAML to replace them; none of the new ones is used yet.

        Raises:
            urllib.error.HTTPError: 400, and its body lists all mistakes of the YAML.
        """
        return self._call("GET", "/script.yaml").decode("utf-8")

    @script.setter
    def script(self, text: str) -> None:
        """Replace the rules."""
        self._call("PUT", "/script", text.encode("utf-8"))

    def control(self, method: str, path: str, **fields: object) -> Any:
        """Call an operation of the control port: `control("POST", "/approve", pattern="CN=printer-*")`.

        Raises:
            urllib.error.HTTPError: The operation was refused; the body says why.
        """
        return json.loads(self._call(method, path, json.dumps(fields).encode() if fields else None, kind="json"))

    def _base(self, port: int) -> str:
        return f"http://{self.get_container_host_ip()}:{self.get_exposed_port(port)}"

    def _call(self, method: str, path: str, body: bytes | None = None, *, kind: str = "yaml") -> bytes:
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": f"application/{kind}"}
        request = urllib.request.Request(self._base(_CONTROL) + path, body, headers, method=method)  # noqa: S310 - http
        with urllib.request.urlopen(request, timeout=30) as reply:  # noqa: S310 - the URL above
            content: bytes = reply.read()
            return content
