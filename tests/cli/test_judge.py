"""``mock-scep-server judge``: what was captured, in whatever form, says the same about its client."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from mfp_sim.shared.scep.http_messages import HttpRequest, Operation, render_request, scep_request
from mfp_sim.testing import Bench
from mock_scep_server.cli import main

CLIENT = Bench().client()
MESSAGES = [CLIENT.encode(CLIENT.order(nonce=bytes(16))) for _ in range(2)]
CERT = scep_request("/scep", Operation.GET_CA_CERT)


def request_of(message: bytes, method: str = "POST") -> HttpRequest:
    asked = scep_request("/scep", Operation.PKI_OPERATION, message, method=method)  # type: ignore[arg-type]
    return HttpRequest(asked.method, asked.target, (("Content-Type", "text/plain"),), asked.body)


def judged(capsys, *arguments: object) -> tuple[int, str]:
    code = main(["judge", *map(str, arguments)])
    return code, capsys.readouterr().out


def archive(path: Path, *, encoding: str | None) -> Path:
    """The requests as a browser or a proxy writes them down."""
    entries = []
    for request in (CERT, *map(request_of, MESSAGES)):
        text = base64.b64encode(request.body).decode() if encoding else request.body.decode("latin-1")
        body = {"text": text, **({"encoding": encoding} if encoding else {})}
        headers = [{"name": name, "value": value} for name, value in request.headers]
        url = f"http://ca.example{request.target}"
        entries.append({"request": {"method": request.method, "url": url, "headers": headers, "postData": body}})
    path.write_text(json.dumps({"log": {"entries": entries}}))
    return path


def test_a_message_alone_says_nothing_of_how_it_came(tmp_path: Path, capsys) -> None:
    (tmp_path / "request.der").write_bytes(MESSAGES[0])
    code, told = judged(capsys, tmp_path / "request.der")
    assert (code, "SCEP-4.3-02" in told) == (0, False)
    assert "PKCSReq, no findings; the encrypted content was not examined (no --key)" in told


def test_a_request_says_how_it_came_too(tmp_path: Path, capsys) -> None:
    (tmp_path / "one.http").write_bytes(render_request(request_of(MESSAGES[0]), "ca.example", 80))
    code, told = judged(capsys, tmp_path / "one.http")
    assert code == 0
    assert "warn SCEP-4.3-02 Content-Type: application/x-pki-message expected, got text/plain" in told


@pytest.mark.parametrize("form", ["directory", "base64", None])
def test_one_judge_sees_all_of_them(tmp_path: Path, capsys, form: str | None) -> None:
    """A nonce that is used twice shows in two messages only."""
    captured = tmp_path
    if form == "directory":
        for number, request in enumerate((CERT, *map(request_of, MESSAGES)), 1):
            (tmp_path / f"00000{number}-x.request.http").write_bytes(render_request(request, "ca.example", 80))
            (tmp_path / f"00000{number}-x.reply.http").write_bytes(b"HTTP/1.1 200 OK\r\n\r\n")
    else:
        captured = archive(tmp_path / "all.har", encoding=form)
    code, told = judged(capsys, captured)
    assert code == 1
    assert told.count("PKCSReq") == 2
    assert told.count("SCEP-4.3-02") == 2
    assert "SCEP-3.2.1.5-02 the senderNonce was used before" in told
    assert told.splitlines()[-1].startswith("2 messages, ")
    code, rows = judged(capsys, captured, "--json")
    assert code == 1
    assert {row["message"] for row in json.loads(rows)} == (
        {"000002-x.request.http", "000003-x.request.http"} if form == "directory" else {"entry 2", "entry 3"}
    )


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"log": {}}', "is not an HTTP archive (HAR): KeyError: 'entries'"),
        ('{"log": {"entries": [7]}}', "is not an HTTP archive (HAR): TypeError"),
        ("{", "is not an HTTP archive (HAR): JSONDecodeError"),
        ('{"log": {"entries": []}}', "contains no pkiMessage from a client"),
        ("GET /scep?operation=GetCACert HTTP/1.1\r\n\r\n", "contains no pkiMessage from a client"),
        ("POST /scep?operation=PKIOperation HTTP/1.1\r\n\r\nnonsense", "contains no pkiMessage: "),
        ("POST", "the HTTP request line has no target"),
        ("nonsense", "contains no pkiMessage: "),
    ],
)
def test_what_cannot_be_judged_is_told(tmp_path: Path, capsys, text: str, told: str) -> None:
    (tmp_path / "captured").write_text(text)
    assert main(["judge", str(tmp_path / "captured")]) == 2
    assert told in capsys.readouterr().err


def test_an_empty_directory_is_told(tmp_path: Path, capsys) -> None:
    assert main(["judge", str(tmp_path)]) == 2
    assert "contains no pkiMessage from a client" in capsys.readouterr().err
