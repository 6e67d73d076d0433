"""``mfp-sim proxy`` as a process: the page's transcript, JSON, TLS on both sides, options, and how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from serving_printers import COMM, KEY, Serving
from tls_hosts import tls_host

from mfp_sim.shared.reaching import Reach
from mfp_sim.shared.simtime import SystemClock
from mfp_sim.testing import Bench
from mock_scep_server.server import ServerHost

ROOT = Path(__file__).parents[2]
PROXY = [sys.executable, "-m", "mfp_sim", "proxy", "--listen", "127.0.0.1:0"]


@contextmanager
def proxy(*words: object, cwd: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The command, and the URL at which it is; it is stopped at the end."""
    process = subprocess.Popen(
        [*PROXY, *map(str, words)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd
    )
    try:
        announced = (process.stderr if "--json" in words else process.stdout).readline()  # type: ignore[union-attr]
        found = re.search(r"proxy at (https?://\S+?), in front of", announced)
        assert found is not None, announced + process.communicate(timeout=20)[1]
        yield process, found[1]
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(20)
        process.stdout.close()  # type: ignore[union-attr]
        process.stderr.close()  # type: ignore[union-attr]


def rest(process: subprocess.Popen[str]) -> tuple[str, str]:
    """All that it still says until it ends; ``communicate`` would lose what came along with the first line."""
    assert process.stdout is not None
    assert process.stderr is not None
    out, err = process.stdout.read(), process.stderr.read()
    process.wait(60)
    return out, err


@pytest.fixture
def ca() -> Iterator[tuple[Bench, ServerHost]]:
    bench = Bench(clock=SystemClock())
    with ServerHost(bench.ca) as host:
        yield bench, host


def blocks(comment: str) -> str:
    text = (ROOT / "docs" / "how-to" / "proxy.md").read_text("utf-8")
    found = re.search(rf"<!-- {re.escape(comment)} -->\n```[a-z]+\n(.*?)```", text, re.DOTALL)
    assert found is not None, comment
    return found[1]


def comparable(text: str) -> list[str]:
    """Without what differs from run to run."""
    text = re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:PORT", text)
    text = re.sub(r"\d\d:\d\d:\d\d 127|\(\d+\.\d\d s\)|\b[0-9A-F]{32}\b", "VARIES", text)
    return text.splitlines()


def test_the_pages_transcript_is_what_happens(ca, tmp_path: Path) -> None:
    (tmp_path / "one.scenario.yaml").write_text(blocks("file: one.scenario.yaml"))
    _, shown, run = (
        line.removeprefix("$ ").split() for line in blocks("run: the CA, the proxy, the printer").splitlines()
    )
    words = shown[shown.index("--save") :]
    with proxy("--to", f"{ca[1].url}/scep", *words, cwd=tmp_path) as (process, url):
        run[run.index("--ca") + 1] = url
        printer = subprocess.run(
            [sys.executable, "-m", "mfp_sim", *run[1:]], capture_output=True, text=True, check=False, cwd=tmp_path
        )
        assert printer.returncode == 1, printer.stdout + printer.stderr
        out, err = rest(process)
    said = f"proxy at {url}, in front of {ca[1].url}/scep; give the device this URL; Ctrl-C stops it\n{out}"
    assert comparable(said) == comparable(blocks("output of the proxy"))
    assert (process.returncode, err) == (1, "")
    scenario = tmp_path / "session" / "session.scenario.yaml"
    for verb in ("check", "run"):
        done = subprocess.run(
            [sys.executable, "-m", "mfp_sim", verb, str(scenario)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert len(json.loads((tmp_path / "session" / "session.json").read_text())["exchanges"]) == 5


def test_a_person_at_the_remote_ui_behind_the_proxy_is_told_why(ca, tmp_path: Path) -> None:
    """The page's walk: the forms are posted as the browser does."""
    _, shown, served = (
        line.removeprefix("$ ").split()
        for line in blocks("run: the CA, the proxy, the printer in the browser").splitlines()
    )
    assert served[:3] == ["mfp-sim", "serve", "--ca"]
    with proxy("--to", f"{ca[1].url}/scep", *shown[shown.index("--save") :], cwd=tmp_path) as (process, url):
        printer = Serving("--ca", url)
        try:
            ui = printer.address("printer SIM00001")
            printer.log_in(ui)
            settings = {"url": "http://127.0.0.1/scep", "port": urlsplit(url).port, "timeout": 30}
            assert printer.ask(ui + COMM, settings)[0] == 200
            key = {**KEY, "length": "2048"}
            status = printer.request(ui, {**key, "challenge": "guessed"})
            assert "Communication Error (SCEP ERROR Fail Info 2)" in status
            assert "Successful" not in status
            assert "Successful" in printer.request(ui, {**key, "challenge": "s3cret"})
        finally:
            printer.stop()
        process.send_signal(signal.SIGINT)
        out, err = rest(process)
    said = f"proxy at {url}, in front of {ca[1].url}/scep; give the device this URL; Ctrl-C stops it\n{out}"
    assert comparable(said) == comparable(blocks("output of the proxy, Ctrl-C at its end"))
    assert (process.returncode, err) == (0, "")
    assert "s3cret" not in out
    assert (tmp_path / "browser" / "session.scenario.yaml").exists()


def test_json_over_tls_on_both_sides(tmp_path: Path) -> None:
    with (
        tls_host(tmp_path, challenge="s3cret") as ca,
        proxy("--to", ca.url, "--tls-ca", ca.trust, "--https", "--https-ca-out", tmp_path / "device.pem", "--once",
              "--json", cwd=tmp_path) as (process, url),
    ):  # fmt: skip
        assert url.startswith("https://")
        client = ca.bench.client(_at(url), reach=Reach(ca=tmp_path / "device.pem"))
        assert client.ask(client.order()).text == "SUCCESS"
        out, _ = rest(process)
    rows = [json.loads(line) for line in out.splitlines()]
    assert [list(row) for row in rows] == [["exchange"], ["summary"]]
    assert rows[0]["exchange"]["name"] == "PKCSReq"
    assert rows[1]["summary"]["clients"][0]["enrolments"][0]["outcome"] == "granted"
    assert process.returncode == 0


class _At(ServerHost):
    """A place of which a bench makes a client."""

    def __init__(self, url: str) -> None:
        scheme, _, rest = url.partition("://")
        self._tls = object() if scheme == "https" else None  # type: ignore[assignment]
        self.host, self.port = rest.partition(":")[0], int(re.search(r":(\d+)", rest)[1])  # type: ignore[index]


def _at(url: str) -> ServerHost:
    return _At(url)


def test_a_signal_ends_it_with_a_summary_whatever_is_under_way(ca, tmp_path: Path) -> None:
    bench, host = ca
    with proxy("--to", f"{host.url}/scep", "--fault", "{truncate: 20}", cwd=tmp_path) as (process, url):
        client = bench.client(_at(url))
        assert client.ask(client.order()).reply is None
        process.send_signal(signal.SIGTERM)
        out, err = rest(process)
    assert (process.returncode, err) == (0, "")
    assert "faults: truncate: " in out
    assert "The proxy's own fault truncate changed the reply." in out
    assert "\n1 exchange\nclient 127.0.0.1: 1 exchange\n" in out


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize(("words", "seen"), [(["--once"], 0), (["--exchanges", 9], 0), (["--exchanges", 9], 1)])
def test_a_signal_before_the_awaited_exchange_is_a_failure(ca, tmp_path: Path, number, words, seen: int) -> None:
    bench, host = ca
    with proxy("--to", f"{host.url}/scep", "--save", "session", *words, cwd=tmp_path) as (process, url):
        for _ in range(seen):
            client = bench.client(_at(url))
            assert client.ask(client.order()).granted
        process.send_signal(number)
        out, err = rest(process)
    assert (process.returncode, err) == (1, ""), out
    assert len(json.loads((tmp_path / "session" / "session.json").read_text())["exchanges"]) == seen


def test_a_refusal_stays_a_failure_if_a_signal_comes(ca, tmp_path: Path) -> None:
    bench, host = ca
    with proxy("--to", f"{host.url}/scep", "--exchanges", 9, cwd=tmp_path) as (process, url):
        client = bench.client(_at(url))
        assert not client.ask(client.order(challenge="wrong")).granted
        process.send_signal(signal.SIGTERM)
        out, err = rest(process)
    assert (process.returncode, err) == (1, ""), out


@pytest.mark.parametrize(("where", "warned"), [("0.0.0.0:0", True), ("localhost:0", False)])
def test_who_can_reach_it_is_told_where_it_is_not_this_machine_alone(tmp_path: Path, where: str, warned: bool) -> None:
    with proxy("--to", "http://127.0.0.1:9/", "--listen", where, cwd=tmp_path) as (process, _):
        process.send_signal(signal.SIGTERM)
        out, _ = rest(process)
    assert ("other hosts can reach the CA through this port" in out) == warned


def test_a_tape_needs_no_ca(ca, tmp_path: Path) -> None:
    bench, host = ca
    with proxy("--to", f"{host.url}/scep", "--save", "tape", "--exchanges", 1, cwd=tmp_path) as (process, url):
        client = bench.client(_at(url))
        first = client.ask(client.order())
        rest(process)
    assert first.granted
    with proxy("--replay", "tape", "--exchanges", 1, cwd=tmp_path) as (process, url):
        again = bench.client(_at(url), name="another")
        assert again.ask(again.order()).granted
        out, _ = rest(process)
    assert "The client has reason to refuse the reply: its transactionID is not that of the request." in out


def test_the_certificate_for_devices_is_written_over_no_key(mfp_sim, tmp_path: Path) -> None:
    key = tmp_path / "key.pem"
    key.write_text("-----BEGIN PRIVATE KEY-----")
    done = mfp_sim("proxy", "--to", "http://127.0.0.1:1/", "--https", "--https-ca-out", key)
    assert (done.code, key.read_text()) == (2, "-----BEGIN PRIVATE KEY-----")
    assert "is not a single PEM certificate (give --https-ca-out another name" in done.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "a proxy needs either --to URL or --replay DIR"),
        (["--to", "http://a/", "--replay", "b"], "a proxy needs either --to URL or --replay DIR"),
        (["--replay", ".", "--tls-insecure"], "--tls-insecure applies only to a real server"),
        (["--to", "http://a/", "--show-secrets"], "need --save (add --save DIR)"),
        (["--to", "http://a/", "--save", "x", "--save-keys"], "--save-keys needs a private key"),
        (["--to", "http://a/", "--https-ca-out", "x"], "--https-ca-out needs --https (add --https)"),
        (["--to", "http://a/", "--https-name", "x"], "--https-name needs --https (add --https)"),
        (["--to", "http://a/", "--listen", "8081"], "--listen takes HOST:PORT, not '8081'"),
        (["--to", "ftp://a/"], "is not an http or https URL"),
        (
            ["--to", "http://a/", "--fault", "nonce-mismatch"],
            "nonce-mismatch acts in the CA, so a proxy cannot apply it",
        ),
        (["--to", "http://a/", "--fault", "{http-status: 999}"], "--fault {http-status: 999}:1:15"),
        (["--to", "http://a/", "--key", "missing.pem"], "cannot read missing.pem"),
        (["--replay", "."], "contains no saved exchange"),
    ],
)
def test_options_that_do_not_go_together(mfp_sim, words: list[str], said: str, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    done = mfp_sim("proxy", *words)
    assert done.code == 2
    assert said in done.err


def test_the_list_of_faults(mfp_sim) -> None:
    done = mfp_sim("proxy", "--list-faults")
    assert done.code == 0
    slugs = [line.split()[0] for line in done.out.splitlines()]
    assert {"reset", "http-status", "issue-then-reset", "resp-chunked", "garbage-body"} <= set(slugs)
    assert "nonce-mismatch" not in slugs
