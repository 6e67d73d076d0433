"""A run against a server behind TLS, a proxy or a login: its verdicts, what it says of the way there, and no secret."""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from http_proxy import proxy
from tls_hosts import TlsHost, tls_host

from mfp_sim.report.json_report import read_file
from mfp_sim.report.model import UNCHECKED

CHALLENGE = "conf0rm-secret"
FEW = ("--only", "capabilities", "--only", "post-binary", "--only", "http-keep-alive")


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing of the environment that the tests run in."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def behind_tls(tmp_path: Path) -> Iterator[TlsHost]:
    """A conforming mock behind TLS."""
    with tls_host(tmp_path, challenge=CHALLENGE) as made:
        yield made


def written(directory: Path) -> dict:
    """The JSON report."""
    read_file(directory / "report.json")
    return json.loads((directory / "report.json").read_text("utf-8"))


def test_a_server_behind_tls_is_judged_like_any_other(behind_tls: TlsHost, conform, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = (behind_tls.url, "--challenge", CHALLENGE, "--tls-ca", behind_tls.trust, "--report", out)
    code, shown = conform(*words, *FEW, "--printer", "canon-7100")
    assert code == 0, shown
    whole = written(out)
    assert {check["verdict"] for check in whole["checks"]} <= {"pass", "skipped"}
    assert {check["id"]: check["verdict"] for check in whole["checks"]}["http-keep-alive"] == "pass"
    options = whole["provenance"]["options"]
    assert options["TLS certificate"] == f"checked against the CAs in {behind_tls.trust}, and for 127.0.0.1"
    assert options["TLS"].startswith("TLSv1.")
    assert "CN=Mock TLS server (tests only)" in options["TLS chain"]
    (check,) = [check for check in whole["checks"] if check["id"] == "post-binary"]
    assert check["command"] == (
        f"mfp-sim conform {behind_tls.url} --challenge-env CHALLENGE --tls-ca {behind_tls.trust} --only post-binary"
    )
    assert f"TLS        checked against the CAs in {behind_tls.trust}" in shown


def test_a_printer_that_speaks_http_only_works_with_something_in_between(
    behind_tls: TlsHost, conform, tmp_path
) -> None:
    words = ("--challenge", CHALLENGE, "--tls-ca", behind_tls.trust, "--verdict", "printers", "--report", tmp_path)
    code, shown = conform(behind_tls.url, *words, "--printer", "canon-7100")
    assert code == 0, shown
    (printer,) = written(tmp_path)["printers"]
    assert printer["verdict"] == "works-with"
    assert printer["because"][0].startswith("with a proxy that speaks TLS to the server")
    assert "A-01" in printer["assumptions"]
    told = "Works with 0 of 1 printer models, and with 1 more if a proxy speaks TLS."
    assert told in written(tmp_path)["grade"]["words"]


def test_an_unchecked_certificate_is_said_first_last_and_in_the_report(behind_tls: TlsHost, conform, tmp_path) -> None:
    words = ("--challenge", CHALLENGE, "--tls-insecure", "--verdict", "rfc", "--report", tmp_path)
    code, shown = conform(behind_tls.url, *words, *FEW)
    assert code == 0, shown
    assert shown.startswith("warning: the TLS certificate of the server is NOT CHECKED (--tls-insecure)")
    assert "\nTLS        NOT CHECKED (--tls-insecure)" in shown
    assert written(tmp_path)["provenance"]["options"][UNCHECKED].startswith("NOT CHECKED")
    for name in ("report.html", "summary.md"):
        said = html.unescape((tmp_path / name).read_text("utf-8"))
        assert "The server's TLS certificate was not checked (--tls-insecure): these results may be about" in said
    suites = re.findall(r"<testsuite .*?</testsuite>", (tmp_path / "junit.xml").read_text("utf-8"), re.DOTALL)
    assert suites
    assert all(f'<property name="{UNCHECKED}" value="NOT CHECKED' in suite for suite in suites)


def test_a_page_with_challenges_that_is_not_checked_is_said_too(server, conform, tmp_path) -> None:
    with tls_host(tmp_path) as page:
        words = ("--challenge-page", page.host.url, "--tls-insecure", "--verdict", "rfc", "--report", tmp_path)
        _, shown = conform(server().url, *words, *FEW)
    assert shown.startswith("warning: the TLS certificate of the server is NOT CHECKED (--tls-insecure)")
    assert UNCHECKED in written(tmp_path)["provenance"]["options"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ((), "shows a TLS certificate of an unknown CA"),
        (("--tls-ca", "missing.pem"), "the CA certificates in missing.pem cannot be read: No such file or directory"),
        (("--tls-key", "x"), "a TLS client key is given without a certificate"),
        (("--proxy", "http://127.0.0.1:1"), "the proxy 127.0.0.1:1 refused the connection"),
    ],
)
def test_what_stands_in_the_way_is_one_sentence(behind_tls: TlsHost, conform, words, told: str) -> None:
    code, shown = conform(behind_tls.url, *words, "--read-only")
    assert code in (2, 3)
    assert told in shown
    assert shown.count("\n") == 1
    assert behind_tls.bench.asked == []


@pytest.mark.parametrize("secure", [True, False], ids=["tunnelled", "forwarded"])
def test_no_secret_of_the_way_is_in_any_output(server, conform, tmp_path: Path, monkeypatch, secure: bool) -> None:
    """The proxy, the login and the fields are used, and whatever the server says of them is masked."""
    monkeypatch.setenv("SERVER_LOGIN", "me:canary-server")
    (tmp_path / "fields").write_text("X-Key: canary-field\n")
    out = tmp_path / "out"
    with tls_host(tmp_path, challenge=CHALLENGE) as behind, proxy(login="printer:canary-proxy") as between:
        url = behind.url if secure else server().url
        code, shown = conform(
            url, "--challenge", CHALLENGE, "--proxy", between.url("printer:canary-proxy"), "--report", out,
            "--http-login-env", "SERVER_LOGIN", "--header", f"@{tmp_path / 'fields'}", "--verdict", "rfc", *FEW,
            *(("--tls-ca", behind.trust) if secure else ()),
        )  # fmt: skip
    assert code == 0, shown
    assert between.heads, "the proxy was not asked"
    options = written(out)["provenance"]["options"]
    assert options["proxy"].startswith(f"{between.place}, ")
    assert (options["HTTP login"], options["added fields"]) == ("basic authentication", "X-Key")
    everything = shown + "".join(path.read_text("utf-8") for path in out.rglob("*") if path.is_file())
    logins = [base64.b64encode(f"{login}".encode()).decode() for login in ("me:canary-server", "printer:canary-proxy")]
    for secret in ("canary-server", "canary-proxy", "canary-field", *logins):
        assert secret not in everything
    found = {check["id"]: check for check in written(out)["checks"]}
    if secure:
        assert found["http-keep-alive"]["verdict"] == "pass"
    else:  # the bytes that arrive are the proxy's
        assert found["http-keep-alive"]["verdict"] == "inconclusive"
        assert "a proxy rewrites each request" in found["http-keep-alive"]["because"]


def test_a_login_that_the_server_sends_back_is_masked(server, conform, tmp_path: Path, monkeypatch) -> None:
    mock = server()
    monkeypatch.setenv("SERVER_LOGIN", "me:canary-server")
    handle = mock.service.handle

    def echoing(request, client):
        if "GetEverything" in request.target:
            from mfp_sim.shared.scep.http_messages import HttpReply, delivery_of

            said = f"no: {request.header('Authorization')}, canary-server".encode()
            return delivery_of(HttpReply(404, headers=(("X-Said", said.decode()),), body=said))
        return handle(request, client)

    monkeypatch.setattr(mock.service, "handle", echoing)
    words = ("--challenge", CHALLENGE, "--http-login-env", "SERVER_LOGIN", "--verdict", "rfc", "--report", tmp_path)
    code, shown = conform(mock.url, *words, "--only", "unknown-operation")
    assert code == 0, shown
    everything = shown + "".join(path.read_text("utf-8") for path in tmp_path.rglob("*") if path.is_file())
    assert "unknown-operation" in everything
    assert "canary-server" not in everything
    assert base64.b64encode(b"me:canary-server").decode() not in everything
