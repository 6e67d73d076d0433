"""A lab as ``docs/how-to/lab.md`` sets it up: a CA of one's own, approval by a person in a browser, two restarts."""

from __future__ import annotations

import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path

import beside
import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate

from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.http_messages import scep_request
from mfp_sim.shared.scep.vocabulary import Operation, PkiStatus

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "lab.md"
OPENSSL, MOCK = (shlex.split(line) for line in re.findall(r"^\$ (.+)$", PAGE.read_text(), re.MULTILINE))


@contextmanager
def started(lab: Path, end: signal.Signals) -> Iterator[tuple[beside.Server, str]]:
    """The mock by the command of the page, at any free ports, and the address of its control page."""
    assert MOCK[0] == "mock-scep-server"
    words = ["0" if before in ("--port", "--control-port") else word for before, word in pairwise(MOCK)]
    server = subprocess.Popen(
        [sys.executable, "-m", "mock_scep_server.cli", *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, cwd=lab,
    )  # fmt: skip
    assert server.stdout is not None
    with server.stdout:
        said = ""
        try:
            while "control at" not in said:
                line = server.stdout.readline()
                assert line, said
                said += line
            port, control = re.search(r":(\d+)/scep", said), re.search(r"control at (\S+)", said)
            assert port is not None
            assert control is not None
            found = beside.Server("mock", int(port[1]), beside.ca_certificate(int(port[1])), server.pid)
            yield found, control[1]
        finally:
            server.send_signal(end)
            server.wait(30)
    assert server.returncode == (-signal.SIGKILL if end == signal.SIGKILL else 0)


def status(port: int, request: bytes) -> int | None:
    octets = beside.exchange(port, request)
    assert octets is not None
    return messages.decode(reply_of(octets).body).pki_status


@pytest.fixture
def lab(tmp_path: Path) -> Path:
    subprocess.run(OPENSSL, check=True, capture_output=True, cwd=tmp_path)
    (tmp_path / "secret.txt").write_text(beside.CHALLENGE + "\n")
    return tmp_path


def test_a_lab_is_set_up_and_lives_through_two_restarts(page, lab: Path, watched) -> None:
    own = load_pem_x509_certificate((lab / "ca.pem").read_bytes()).public_bytes(Encoding.DER)

    with started(lab, signal.SIGINT) as (server, control):
        assert server.recipient.der == own
        octets, signer = beside.Makers().next(server.recipient)
        ask = beside.rendered(scep_request("/scep", Operation.PKI_OPERATION, octets, method="POST"), server.port)
        assert status(server.port, ask) == PkiStatus.PENDING
        page.goto(control)
        page.get_by_role("link", name="Waiting 1").click()
        page.goto("about:blank")  # the page would go on asking

    with started(lab, signal.SIGKILL) as (server, control):
        assert server.recipient.der == own
        assert status(server.port, ask) == PkiStatus.PENDING
        page.goto(control)
        page.get_by_role("link", name="Waiting 1").click()
        page.get_by_role("button", name="Approve CN=").click()
        page.get_by_text("Requests approved: 1.").wait_for()
        page.goto("about:blank")

    with started(lab, signal.SIGINT) as (server, control):
        assert server.recipient.der == own
        reply = beside.exchange(server.port, ask)
        assert reply is not None
        given = beside.certificate_in(reply, signer)
        assert given is not None
        given.verify_issued_by(server.recipient)
        page.goto(control)
        page.get_by_role("link", name="Ledger").click()
        page.get_by_text(f"{given.serial:x}").wait_for()
        page.goto("about:blank")
    assert watched.errors == []
