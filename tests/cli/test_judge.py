"""``mock-scep-server judge``: what was captured, in whatever form, says the same about its client."""

from __future__ import annotations

import base64
import json
import os
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
        ('{"log": {"entries": [7]}}', "captured: entry 1: the entry has no readable request: TypeError"),
        ("{", "is not an HTTP archive (HAR): JSONDecodeError"),
        ('{"log": {"entries": []}}', "contains no pkiMessage from a client"),
        ("GET /scep?operation=GetCACert HTTP/1.1\r\n\r\n", "contains no pkiMessage from a client"),
        ("POST /scep?operation=PKIOperation HTTP/1.1\r\n\r\nnonsense", "contains no pkiMessage: "),
        ("POST", "captured: the HTTP request line has no target"),
        (
            "POST /scep?operation=PKIOperation HTTP/1.1\r\nContent-Length: 9\r\n\r\nnonsense",
            "captured: only 8 of 9 bytes of the request's body were captured",
        ),
        ("nonsense", "contains no pkiMessage: "),
    ],
)
def test_what_cannot_be_judged_is_told(tmp_path: Path, capsys, text: str, told: str) -> None:
    (tmp_path / "captured").write_text(text)
    assert main(["judge", str(tmp_path / "captured")]) == 2
    said = capsys.readouterr().err
    assert told in said
    assert said.startswith(f"mock-scep-server: {tmp_path / 'captured'}")


def _save(where: Path, name: str, octets: bytes) -> None:
    (where / f"{name}.request.http").write_bytes(octets)


def _one_bad_of_each_kind(where: Path) -> None:
    good = render_request(request_of(MESSAGES[0]), "ca.example", 80)
    _save(where, "000001-a", b"POST")
    _save(where, "000002-b", good)
    (where / "000002-b.request.key").write_text("not a key")
    (where / "000003-c.request.http").mkdir()
    _save(where, "000004-d", render_request(request_of(MESSAGES[1]), "ca.example", 80))
    (where / "000004-d.request.key").write_text("00" * 16)  # not of this envelope
    _save(where, "000005-e", good)


def test_a_file_that_cannot_be_judged_is_the_result_of_that_file_alone(tmp_path: Path, capsys) -> None:
    _one_bad_of_each_kind(tmp_path)
    code, told = judged(capsys, tmp_path)
    assert code == 2
    assert "000001-a.request.http: not judged: the HTTP request line has no target" in told
    assert f"000002-b.request.http: not judged: {tmp_path / '000002-b.request.key'} is not a content key" in told
    assert (
        f"000003-c.request.http: not judged: cannot read {tmp_path / '000003-c.request.http'}: Is a directory" in told
    )
    assert "000004-d.request.http: not judged: the encrypted content of 000004-d.request.http cannot be judged" in told
    assert "000005-e.request.http: PKCSReq\n  warn SCEP-4.3-02" in told
    assert told.splitlines()[-1].startswith("PKCSReq, 1 finding; 4 not judged")
    code, rows = judged(capsys, tmp_path, "--json")
    assert code == 2
    assert [(row["message"][:6], row["verdict"]) for row in json.loads(rows)] == [
        ("000005", "warn"), *((f"00000{n}", "not judged") for n in range(1, 5)),
    ]  # fmt: skip


def test_a_failure_counts_more_than_a_file_that_cannot_be_judged(tmp_path: Path, capsys) -> None:
    _one_bad_of_each_kind(tmp_path)
    _save(tmp_path, "000006-f", render_request(request_of(MESSAGES[0]), "ca.example", 80))
    code, told = judged(capsys, tmp_path)
    assert (code, "the senderNonce was used before" in told) == (1, True)


def test_if_nothing_can_be_judged_each_reason_is_shown(tmp_path: Path, capsys) -> None:
    for name in ("1", "2"):
        _save(tmp_path, name, b"POST")
    code, told = judged(capsys, tmp_path)
    assert code == 2
    assert told.splitlines()[-1] == "0 messages, no findings; 2 not judged"


def test_an_entry_of_an_archive_that_cannot_be_read_is_the_result_of_that_entry_alone(tmp_path: Path, capsys) -> None:
    file = archive(tmp_path / "all.har", encoding="base64")
    whole = json.loads(file.read_text())
    whole["log"]["entries"][1]["request"]["postData"]["text"] = "!"
    whole["log"]["entries"].insert(0, 7)
    file.write_text(json.dumps(whole))
    code, told = judged(capsys, file)
    assert code == 2
    assert "entry 1: not judged: the entry has no readable request: TypeError" in told
    assert "entry 3: not judged: the entry has no readable request: Error: " in told
    assert "entry 4: PKCSReq\n" in told


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"postData": None}, "the archive does not have the request's body"),
        ({"postData": {"mimeType": "application/x-pki-message"}}, "the archive does not have the request's body"),
        ({"postData": None, "bodySize": -1}, "the archive does not have the request's body"),
        ({"postData": None, "bodySize": 900}, "only 0 of 900 bytes of the request's body were captured"),
        ({"postData": {"text": "0"}, "bodySize": 900}, "only 1 of 900 bytes of the request's body were captured"),
        ({"postData": None, "headers": [{"name": "Content-Length", "value": "77"}]},
         "only 0 of 77 bytes of the request's body were captured"),
    ],
)  # fmt: skip
def test_an_entry_without_its_body_is_not_judged(tmp_path: Path, capsys, changes, reason: str) -> None:
    file = archive(tmp_path / "all.har", encoding="base64")
    whole = json.loads(file.read_text())
    whole["log"]["entries"][1]["request"] |= changes
    file.write_text(json.dumps(whole))
    code, told = judged(capsys, file)
    assert code == 2
    assert f"entry 2: not judged: {reason}\n" in told
    del whole["log"]["entries"][2], whole["log"]["entries"][0]
    file.write_text(json.dumps(whole))
    assert main(["judge", str(file)]) == 2
    assert capsys.readouterr().err == f"mock-scep-server: {file}: entry 1: {reason}\n"


@pytest.mark.parametrize(
    "changes", [{"bodySize": 0}, {"headers": [{"name": "Content-Length", "value": "0"}]}, {"postData": {"text": ""}}]
)
def test_an_entry_whose_body_was_empty_is_judged(tmp_path: Path, capsys, changes) -> None:
    file = archive(tmp_path / "all.har", encoding="base64")
    whole = json.loads(file.read_text())
    whole["log"]["entries"][1]["request"] |= {"postData": None, **changes}
    file.write_text(json.dumps(whole))
    code, told = judged(capsys, file)
    assert (code, "entry 2: PKIOperation\n" in told, "not judged" in told) == (0, True, False)


@pytest.mark.parametrize("suffix", ["http", "key"])
def test_a_pipe_among_the_files_is_not_read(tmp_path: Path, capsys, suffix: str) -> None:
    for name in ("1", "2"):
        _save(tmp_path, name, render_request(request_of(MESSAGES[0]), "ca.example", 80))
    pipe = tmp_path / f"1.request.{suffix}"
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe)
    code, told = judged(capsys, tmp_path)
    assert code == 2
    assert (
        f"1.request.http: not judged: {pipe} is a named pipe (give a file, or <(COMMAND) for the output of a command)\n"
        in told
    )
    assert "2.request.http: PKCSReq\n" in told


def test_an_empty_directory_is_told(tmp_path: Path, capsys) -> None:
    assert main(["judge", str(tmp_path)]) == 2
    assert "contains no pkiMessage from a client" in capsys.readouterr().err
