"""The WSGI application as gunicorn and Flask serve it: a CA of options, its control port, and what WSGI cannot play."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mfp_sim.shared.errors import UsageError
from mfp_sim.testing import Bench
from mock_scep_server.app import create_app
from mock_scep_server.control import ControlService

TOKEN = "canary-token-14"


def fetch(url: str, method: str = "GET", body: bytes | None = None, **headers: str) -> tuple[int, bytes]:
    asked = urllib.request.Request(
        url, body, {name.replace("_", "-"): value for name, value in headers.items()}, method=method
    )
    try:
        with urllib.request.urlopen(asked, timeout=30) as reply:
            return reply.status, reply.read()
    except urllib.error.HTTPError as refused:
        return refused.code, refused.read()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A mock of gunicorn: one worker process, four threads; its URL and process."""
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    (tmp_path / "rules.yaml").write_text("- {when: {operation: GetCACert, nth: 1}, faults: [reset]}\n")
    options = ["--control-token-file", "token", "--set", "approval=manual", "--script", "rules.yaml"]
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.set_inheritable(True)
        server = subprocess.Popen(
            [sys.executable, "-m", "gunicorn", "--workers", "1", "--threads", "4", "--bind", f"fd://{listener.fileno()}",
             f"mock_scep_server.app:create_app(options={options!r})"],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, pass_fds=[listener.fileno()],
        )  # fmt: skip
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        yield url, server
        server.terminate()
        out, _ = server.communicate(timeout=30)
    assert TOKEN not in out


def test_gunicorn_with_threads_has_one_ca_and_its_control_port(served) -> None:
    url, _ = served
    with ThreadPoolExecutor(8) as pool:
        replies = list(pool.map(lambda _: fetch(f"{url}/scep?operation=GetCACaps"), range(40)))
    assert {status for status, _ in replies} == {200}
    with pytest.raises(OSError, match="closed connection|reset"):  # no status: WSGI's nearest to a reset
        fetch(f"{url}/scep?operation=GetCACert")
    right = f"Bearer {TOKEN}"
    status, body = fetch(f"{url}/control/status", Authorization=right)
    assert (status, json.loads(body)["requests"]) == (200, 41)
    assert fetch(f"{url}/control/status")[0] == 401
    assert fetch(f"{url}/control", Authorization=right, Accept="text/html")[0] == 200  # on to /control/, on to its page
    status, page = fetch(f"{url}/control/page?view=script", Authorization=right)
    assert (status, b"faults: [reset]" in page, b'href="page.css"' in page) == (200, True, True)
    status, body = fetch(
        f"{url}/control/hold", "POST", b'{"pattern": "CN=x"}', Authorization=right, Content_Type="application/json"
    )
    assert (status, json.loads(body)) == (200, {"count": 1})
    fingerprint = json.loads(fetch(f"{url}/control/status", Authorization=right)[1])["ca_certificate"]
    assert fingerprint.encode() in fetch(f"{url}/")[1]


def test_flask_finds_the_application() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "flask", "--app", "mock_scep_server.app", "routes"],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert re.search(r"^scep .* /<path:path>$", done.stdout, re.MULTILINE)


def test_a_control_port_without_a_token_is_not_mounted() -> None:
    ca = Bench().ca
    with pytest.raises(UsageError, match="under WSGI the control port needs a token"):
        create_app(ca, control=ControlService(ca))
    client = create_app(ca, control=ControlService(ca, token=TOKEN)).test_client()
    assert client.get("/controls?operation=GetCACaps").data.startswith(b"AES")
    assert client.get("/control/clock", headers={"Authorization": f"Bearer {TOKEN}"}).status_code == 200
    assert client.get("/control/clock").status_code == 401


@pytest.mark.parametrize("options", [["--control-port", "0"], ["--tls", "trusted"], ["--control-host", "::"]])
def test_options_about_sockets_are_refused(options: list[str]) -> None:
    with pytest.raises(UsageError, match=f"{options[0]}: the WSGI server owns the sockets"):
        create_app(options=options)
