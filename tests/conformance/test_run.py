"""A run from the command line: verdicts, exit codes, safety, and servers that hang, die, or are none."""

from __future__ import annotations

import csv
import io
import json
import re
import signal
import socket
import sys
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from mfp_sim.cli.conform import _Teller
from mfp_sim.conformance import reporting
from mfp_sim.conformance.answers import Exchange
from mfp_sim.conformance.challenges import Command
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.engine import run_checks
from mfp_sim.conformance.model import CheckResult, CheckVerdict, Fact, Proof
from mfp_sim.conformance.outcomes import Minted
from mfp_sim.conformance.progress import ProgressFile, Server, read_progress
from mfp_sim.conformance.quick import BUDGET, PRINTERS, QUICK, quick
from mfp_sim.conformance.registry import all_checks, select
from mfp_sim.conformance.selftest import bench
from mfp_sim.report.console import Console
from mfp_sim.report.json_report import read_file
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.redaction import MASK, Redactor
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mock_scep_server.policy import AdminPage, CaPolicy, ChallengeSetup

CHALLENGE = "conf0rm-secret"
BY_VALUE = ("--challenge", CHALLENGE)


def report(directory: Path) -> dict:
    """The JSON report, which has to be one that the reader takes."""
    read_file(directory / "report.json")
    return json.loads((directory / "report.json").read_text("utf-8"))


def verdicts(directory: Path) -> dict[str, str]:
    return {check["id"]: check["verdict"] for check in report(directory)["checks"]}


def test_a_conforming_server_passes_and_everything_minted_is_listed(server, conform, tmp_path: Path) -> None:
    mock = server()
    secret = tmp_path / "secret"
    secret.write_text(CHALLENGE + "\n")
    out = tmp_path / "out"
    code, shown = conform(mock.url, "--challenge-file", secret, "--report", out, "-q")
    assert code == 0, shown
    assert "RFC 8894: WARN: " in shown
    assert "Printers: PASS: 5 of 5 models work" in shown
    whole = report(out)
    listed = {entry["serial"] for entry in whole["minted"]}
    assert mock.serials == listed
    assert all(
        entry["subject"].startswith("CN=mfp-sim-conform-") for entry in whole["minted"] if "odd" not in entry["by"]
    )
    rows = list(csv.DictReader((out / "minted.csv").read_text("utf-8").splitlines()))
    assert {row["serial"] for row in rows} == listed
    assert whole["provenance"]["ca"]["fingerprint"] == mock.service.authority.issuer.certificate.fingerprint()
    assert "latency" in whole["provenance"]["options"]
    everything = shown + "".join(path.read_text("utf-8") for path in out.rglob("*") if path.is_file())
    assert CHALLENGE not in everything
    assert "onf0rm-secret" not in everything


def test_a_failed_check_says_what_why_and_how_to_repeat_it(server, conform, tmp_path: Path) -> None:
    mock = server("accepts-any-type")
    code, shown = conform(
        mock.url, *BY_VALUE, "--only", "refuses-unknown-types", "--keep-going", "--verdict", "rfc", "--report", tmp_path
    )
    assert code == 1
    assert "likely    the server treats every type other than CertPoll and GetCert as PKCSReq" in shown
    whole = report(tmp_path)
    (check,) = whole["checks"]
    assert check["verdict"] == "fail"
    assert check["command"] == f"mfp-sim conform {mock.url} --challenge-env CHALLENGE --only refuses-unknown-types"
    assert whole["messages"][check["exchanges"][0]["reply"]]["body"]
    assert check["expected"].startswith("messageType 0 is refused")
    assert check["rfc_text"].startswith("Message types not defined above MUST be treated as errors unless")


def test_the_one_thing_wrong_in_a_request_is_shown_by_element(server, conform, tmp_path: Path) -> None:
    mock = server("accepts-malformed-attributes")
    conform(mock.url, *BY_VALUE, "--only", "refuses-no-messagetype", "--verdict", "rfc", "--report", tmp_path)
    (check,) = report(tmp_path)["checks"]
    paths = {row["path"]: row for row in check["differences"]}
    (path,) = [path for path in paths if "messageType" in path]
    assert paths[path]["got"] is None
    assert paths[path]["expected"] is not None


def test_it_stops_at_a_certificate_that_should_not_exist(server, conform, tmp_path: Path) -> None:
    mock = server("csr-signature-unchecked")
    code, shown = conform(mock.url, *BY_VALUE, "--only", "3.3.1", "--verdict", "rfc", "--report", tmp_path)
    assert code == 6
    assert (
        "requested no further certificate: refuses-csr-forged got a certificate that should not exist, serial " in shown
    )
    assert "; it gives a certificate for a key that its owner did not use (--keep-going continues); " in shown
    found = verdicts(tmp_path)
    assert found["refuses-csr-forged"] == "fail"
    assert "skipped" in found.values()
    bad = [entry for entry in report(tmp_path)["minted"] if "should not" in entry["by"]]
    assert len([entry for entry in bad if entry["by"].startswith("refuses-csr-forged")]) == 2
    code, shown = conform(mock.url, *BY_VALUE, "--only", "3.3.1", "--verdict", "rfc", "--keep-going")
    assert (code, "stopped" in shown) == (6, False)


def test_a_weak_request_of_ours_that_is_granted_is_a_verdict_and_no_end(server, conform, tmp_path: Path) -> None:
    mock = server(refuse_ciphers=frozenset(), refuse_digests=frozenset())
    words = ("--only", "algorithms", "--only", "requests_refused", "--verdict", "rfc", "--report", tmp_path)
    code, shown = conform(mock.url, *BY_VALUE, *words)
    assert code == 1
    found = verdicts(tmp_path)
    assert (found["single-des-refused"], found["md5-refused"]) == ("fail", "fail")
    assert report(tmp_path)["stopped"] is None
    assert not [check for check in report(tmp_path)["checks"] if "--keep-going" in check["because"]]
    assert "serial" in shown.split("minted", 1)[1], "what should not exist is listed all the same"


def test_after_a_certificate_for_a_stranger_only_what_asks_for_none_goes_on(server, conform, tmp_path: Path) -> None:
    """What reads, what watches, and the printers are judged to the end; the report says what was left out."""
    mock = server("challenge-unchecked")
    words = ("--verdict", "both", "--printer", "canon-7100", "--report", tmp_path, "--skip", "load", "--skip", "time")
    code, shown = conform(mock.url, *BY_VALUE, *words)
    assert code == 6
    whole = report(tmp_path)
    assert (
        "gives a certificate to a client without the challenge password or an earlier certificate" in whole["stopped"]
    )
    left_out = {check["id"] for check in whole["checks"] if "(--keep-going continues)" in check["because"]}
    assert whole["stopped"].endswith(f"; {len(left_out)} checks were left out because of this")
    risky = {check.id for check in all_checks().values() if check.risky}
    assert left_out, "nothing was left out"
    assert left_out - {"renewed-present"} < risky, "what can give nobody anything has been asked before"
    assert [printer["verdict"] for printer in whole["printers"]] == ["works"]
    bad = {entry["by"].partition(" ")[0] for entry in whole["minted"] if "should not" in entry["by"]}
    assert bad & risky == {"challenge-missing"}, "it went on to ask after the first"
    watching = {check.id for check in all_checks().values() if check.watches}
    assert not [check for check in whole["checks"] if check["id"] in watching and check["verdict"] == "skipped"]
    code, shown = conform(mock.url, *BY_VALUE, "--only", "2.4", "--verdict", "rfc", "--keep-going")
    assert "stopped" not in shown


def test_a_server_that_ignores_the_challenge_fails_in_nothing_else(server, conform, tmp_path: Path) -> None:
    """The tutorial shows this report, so a reader must find in it what was planted, and nothing else."""

    def bad(*defects: str) -> set[tuple[str, str]]:
        conform(server(*defects).url, *BY_VALUE, "--quick", "--report", tmp_path)
        return {row for row in verdicts(tmp_path).items() if row[1] in ("fail", "warn", "finding")}

    assert bad("challenge-unchecked") - bad() == {("challenge-missing", "fail")}


@pytest.mark.parametrize(
    ("defect", "name", "later", "gives"),
    [
        ("issues-ca-certificates", "ca-true-not-copied", "powers-not-copied", "the power to issue"),
        ("renews-for-anybody", "renewal-other-name", "renewal-csr-forged", "another name"),
    ],
)
def test_a_certificate_that_gives_more_than_was_right_is_one_too_many(
    server, conform, tmp_path: Path, defect: str, name: str, later: str, gives: str
) -> None:
    code, shown = conform(
        server(defect).url,
        *BY_VALUE,
        "--only",
        name,
        "--only",
        later,
        "--verdict",
        "rfc",
        "--report",
        tmp_path,
    )
    assert verdicts(tmp_path)[later] == "skipped"
    assert f"{name} got a certificate that should not exist" in shown
    assert f"; it gives {gives} (--keep-going continues); 1 check was left out because of this" in shown
    assert any("should not" in entry["by"] for entry in report(tmp_path)["minted"])
    code, shown = conform(server().url, *BY_VALUE, "--only", name, "--verdict", "rfc", "--report", tmp_path)
    assert (code, "stopped" in shown) == (0, False)
    assert not any("should not" in entry["by"] for entry in report(tmp_path)["minted"])


@pytest.mark.parametrize(
    ("defects", "expected"), [((), 0), (("challenge-unchecked", "reissues"), 6), (("accepts-any-type",), 6)]
)
def test_a_quick_run_keeps_its_budget_whatever_the_server_does(
    server, conform, tmp_path: Path, defects: tuple[str, ...], expected: int
) -> None:
    mock = server(*defects)
    code, shown = conform(mock.url, *BY_VALUE, "--quick", "--keep-going", "--report", tmp_path)
    assert code == expected, shown
    assert len(mock.serials) <= BUDGET
    whole = report(tmp_path)
    assert len(whole["minted"]) <= BUDGET
    assert [printer["model"] for printer in whole["printers"]] == list(PRINTERS)
    assert {check["id"] for check in whole["checks"]} == {check.id for check in quick(all_checks().values())}
    assert "--quick" in whole["provenance"]["command"]
    assert whole["provenance"]["options"]["choice"] == "quick"
    if not defects:
        assert [printer["verdict"] for printer in whole["printers"]] == ["works"]
        assert not [check for check in whole["checks"] if "budget" in check["because"]], "its own checks fit into it"


def test_the_quick_choice_is_of_checks_that_there_are(conform) -> None:
    sending = {check.id for check in all_checks().values() if not check.watches}
    assert set(QUICK) <= sending
    assert len(set(QUICK)) == len(QUICK)
    code, shown = conform("--list", "--quick", "--json")
    assert code == 0
    assert {row["id"] for row in json.loads(shown)} == {check.id for check in quick(all_checks().values())}
    assert sum(row["quick"] for row in json.loads(conform("--list", "--json")[1]) if "quick" in row) > len(QUICK)
    assert conform("http://127.0.0.1:1/", "--quick", "--only", "MUST")[0] == 2


def test_read_only_asks_for_nothing(server, conform, tmp_path: Path) -> None:
    mock = server()
    code, shown = conform(mock.url, *BY_VALUE, "--read-only", "--report", tmp_path)
    assert code == 0, shown
    assert {entry.name for entry in mock.service.journal.entries} & {"PKCSReq", "RenewalReq"} == set()
    assert not mock.serials
    found = verdicts(tmp_path)
    assert found["caps-keyword-case"] == found["poll-unknown"] == "pass"
    assert found["replay-same-octets"] == "skipped"
    assert sum(verdict in ("pass", "experimental") for verdict in found.values()) > 60


def test_the_budget_holds(server, conform, tmp_path: Path) -> None:
    mock = server()
    code, shown = conform(mock.url, *BY_VALUE, "--budget", "6", "--report", tmp_path)
    assert code == 0, shown
    assert len(mock.serials) <= 6
    (check,) = [c for c in report(tmp_path)["checks"] if c["id"] == "concurrent-enrolments"]
    assert check["because"] == "needs 32 certificates, which the budget of 6 does not allow"


@pytest.mark.parametrize(
    ("words", "names", "reason"),
    [
        (("--budget", "1", "--only", "refuses-bad-signature"), ("Security", "RFC 8894", "Printers"),
         "refuses-bad-signature: the budget of 1 certificates is spent"),
        (("--read-only", "--only", "refuses-bad-signature", "--verdict", "rfc"), ("Security", "RFC 8894"),
         "refuses-bad-signature: requests certificates, but only reading is allowed (--read-only)"),
        (("--read-only", "--verdict", "printers", "--printer", "canon-7100"), ("Printers",),
         "canon-7100: only reading is allowed"),
    ],
)  # fmt: skip
def test_a_run_in_which_nothing_was_judged_does_not_pass(
    server, conform, tmp_path: Path, words: tuple[str, ...], names: tuple[str, ...], reason: str
) -> None:
    """The server accepts a wrong signature, and the run did not see it: the code, every text and every file say so."""
    mock = server("accepts-bad-signature")
    code, shown = conform(mock.url, *BY_VALUE, *words, "--report", tmp_path)
    assert code == 5, shown
    assert f"No verdict: nothing was judged ({reason})" in shown
    assert "nothing to mend" not in shown
    whole = report(tmp_path)
    assert {entry["name"]: entry["verdict"] for entry in whole["conclusions"]} == dict.fromkeys(names, "inconclusive")
    assert whole["grade"]["letter"] == ""
    assert "no grade" in (tmp_path / "badge.svg").read_text("utf-8")
    assert "inconclusive" in (tmp_path / "report.html").read_text("utf-8").lower()
    suites = list(ET.parse(tmp_path / "junit.xml").getroot())
    assert suites
    assert all(suite.get("skipped") == suite.get("tests") != "0" for suite in suites)


def test_a_bug_of_ours_is_not_an_empty_run(server, conform, monkeypatch) -> None:
    check = replace(all_checks()["post-binary"], run=lambda _: 1 / 0)  # type: ignore[arg-type, return-value]
    monkeypatch.setattr("mfp_sim.cli.conform.select", lambda *_: (check,))
    code, shown = conform(server().url, *BY_VALUE, "--only", "post-binary")
    assert (code, "internal error of mfp-sim" in shown) == (4, True)


def test_a_wrong_challenge_is_no_verdict_on_the_server(server, conform) -> None:
    mock = server()
    code, shown = conform(mock.url, "--challenge", "mistyped", "--only", "post-binary", "--verdict", "rfc")
    assert code == 3
    assert "the first positive control failed" in shown
    assert not any(line.startswith("FAIL") for line in shown.splitlines())


@pytest.mark.parametrize(
    ("words", "warned"),
    [
        (("--challenge", "challenge"), True),
        (("--challenge", "only"), True),
        (("--challenge", "8894"), True),
        (("--challenge", "x7-q9Lm2"), False),
        (("--challenge", "x7-q9Lm2", "--http-login-env", "LOGIN"), True),
        ((), False),
    ],
)
def test_a_password_that_is_a_word_of_reports_is_warned_of(
    server, conform, monkeypatch, words: tuple[str, ...], warned: bool
) -> None:
    """Masking it makes names and commands unreadable."""
    monkeypatch.setenv("LOGIN", "someone:certificate")
    code, shown = conform(server().url, *words, "--only", "caps-supported", "--verdict", "rfc", "--read-only")
    assert code == 0
    says = "mfp-sim: warning: a password is also a word of reports and of options, which mask it wherever it occurs"
    assert (says in shown) is warned


def test_challenges_from_the_admin_page_of_ndes(server, conform, tmp_path: Path, monkeypatch) -> None:
    policy = CaPolicy(challenge=ChallengeSetup("one_time", cache=10_000), admin=AdminPage("admin", "pass-w0rd"))
    mock = server(policy=policy, static=False)
    page = mock.url.replace("/scep", "/certsrv/mscep_admin/")
    monkeypatch.setenv("LOGIN", "admin:pass-w0rd")
    words = ("--challenge-page", page, "--challenge-page-login-env", "LOGIN")
    code, shown = conform(mock.url, *words, "--only", "challenge", "--report", tmp_path, "--verdict", "rfc")
    assert code == 0, shown
    assert verdicts(tmp_path)["challenge-one-time"] == "pass"
    assert "pass-w0rd" not in shown + (tmp_path / "report.json").read_text("utf-8")
    monkeypatch.setenv("LOGIN", "admin:wrong")
    code, shown = conform(mock.url, *words, "--only", "challenge")
    assert code == 3
    assert "returned HTTP 401" in shown


def test_challenges_from_a_command(server, conform, tmp_path: Path) -> None:
    mock = server()
    code, shown = conform(
        mock.url, "--challenge-command", f"echo {CHALLENGE}", "--only", "self-signed-enrolment", "--verdict", "rfc",
        "--report", tmp_path,
    )  # fmt: skip
    assert (code, CHALLENGE in shown) == (0, False)
    (check,) = json.loads((tmp_path / "report.json").read_text())["checks"]
    assert check["command"] == (
        f'mfp-sim conform {mock.url} --challenge-command "$CHALLENGE_COMMAND" --only self-signed-enrolment'
    )


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import time; time.sleep(9)", "did not end within 0.2 s"),
        (r"print(); import os; os.write(1, b'\xe9\n')", "printed something other than text"),
        ("raise SystemExit(3)", "printed no challenge password (exit code 3)"),
    ],
)
def test_a_command_that_fails_is_told_without_its_arguments(monkeypatch, program: str, told: str) -> None:
    monkeypatch.setattr("mfp_sim.conformance.challenges.SECONDS", 0.2 if "sleep" in program else 30.0)
    with pytest.raises(UsageError) as caught:
        Command([sys.executable, "-c", program, "hush"]).next()
    assert (told in str(caught.value), "hush" in str(caught.value)) == (True, False)
    assert "hush" not in repr(Command(["x", "hush"]))


# --- servers that are none --------------------------------------------------------------------------------


@pytest.fixture
def listening() -> Iterator[tuple[str, list[bytes]]]:
    """A server that is no SCEP server: it says what it was told to say, or nothing."""
    answers: list[bytes] = []
    stop = threading.Event()
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0.1)

        def serve() -> None:
            held = []
            while not stop.is_set():
                try:
                    connection, _ = listener.accept()
                except OSError:
                    continue
                connection.settimeout(1)
                connection.recv(65536)
                if answers:
                    connection.sendall(answers[0])
                    connection.close()
                else:
                    held.append(connection)
            for connection in held:
                connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/scep", answers
        stop.set()
        thread.join()


def test_nobody_there(conform) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}/scep"
        code, shown = conform(url)
    assert code == 3
    assert "refused the connection" in shown


def test_a_server_that_hangs(listening, conform) -> None:
    url, _ = listening
    code, shown = conform(url, "--timeout", "0.3")
    assert code == 3
    assert "did not reply within 0.3 s" in shown


def test_a_run_that_left_nothing_out_was_not_stopped(server, conform, tmp_path: Path) -> None:
    """The last check to ask gets a certificate that should not exist: the run has reached its end all the same."""
    mock = server("challenge-unchecked")
    words = ("--only", "challenge-missing", "--only", "caps-supported", "--verdict", "rfc", "--report", tmp_path)
    code, shown = conform(mock.url, *BY_VALUE, *words)
    assert (code, "stopped" in shown) == (6, False)
    assert report(tmp_path)["stopped"] is None
    assert verdicts(tmp_path) == {"challenge-missing": "fail", "caps-supported": "pass"}
    expected = tmp_path / "baseline.yaml"
    line = "{id: challenge-missing, verdict: security-fail, reason: known, expires: 2099-12-31}"
    expected.write_text(f"format: 1\nserver: s\nexpected:\n  - {line}\n")
    code, shown = conform(mock.url, *BY_VALUE, *words, "--baseline", expected)
    assert (code, "stopped" in shown) == (0, False), shown
    code, shown = conform(mock.url, *BY_VALUE, *words, "--only", "challenge-empty", "--baseline", expected)
    assert code == 1, "a run that left a check out is not as expected"
    assert "; 1 check was left out because of this" in shown


def test_a_server_that_is_not_scep(listening, conform) -> None:
    url, answers = listening
    answers.append(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 15\r\n\r\n<html>Hi</html>")
    code, shown = conform(url)
    assert code == 3
    assert "does not speak SCEP" in shown


def test_a_server_that_dies_in_the_middle(server, conform, tmp_path: Path) -> None:
    mock = server("dies-on-garbage")
    code, shown = conform(mock.url, *BY_VALUE, "--report", tmp_path, "--only", "malformed", "--only", "polling")
    assert code == 3
    assert "stopped: the server no longer replies" in shown
    whole = report(tmp_path)
    killer = [c for c in whole["checks"] if c["likely_mistake"].startswith("the request of this check crashed")]
    assert [c["id"] for c in killer] == ["malformed-trailing"] or killer
    assert {entry["serial"] for entry in whole["minted"]} == mock.serials


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_so_and_can_be_resumed(server, conform, tmp_path: Path, monkeypatch, number) -> None:
    mock = server()
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell may have switched it off
    words = (*BY_VALUE, "--only", "caps-supported", "--verdict", "rfc")
    with monkeypatch.context() as during:
        during.setattr(_Teller, "settled", lambda *_: signal.raise_signal(number))
        code, shown = conform(mock.url, *words, "--report", tmp_path)
    signal.signal(signal.SIGINT, before)
    assert (code, shown.endswith("mfp-sim: interrupted\n")) == (130, True)
    code, shown = conform(mock.url, *words, "--resume", tmp_path)
    assert (code, " caps-supported: " in shown) == (0, False), shown


def test_it_resumes_where_it_was_cut_off(server, conform, tmp_path: Path) -> None:
    mock = server("dies-on-garbage")
    words = (*BY_VALUE, "--only", "malformed", "--only", "requests_accepted", "--verdict", "rfc")
    conform(mock.url, *words, "--report", tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert lines.pop() == {"last control held": False}
    (killer,) = [
        line["check"] for line in lines if any(fact["slug"] == "server-dead" for fact in line.get("facts", ()))
    ]
    passed = {line["check"] for line in lines if line.get("verdict") == "PASS"}
    healthy = server()
    code, shown = conform(healthy.url, *words, "--resume", tmp_path)
    assert code == 0, shown
    again = shown.split("target ")[0]
    # What brought the server down is known; its refusals before that were never confirmed, its grants need not be.
    assert f" {killer}: " not in again
    for name in passed:
        assert (f" {name}: " in again) == name.startswith("malformed"), name
    assert "malformed-trailing: " in again or killer == "malformed-trailing"


def test_resuming_takes_back_what_a_whole_run_takes_back(server, conform, tmp_path: Path) -> None:
    """The challenge is used up, so right requests are refused: no failure, not even for whoever goes on later."""
    used_up = server(policy=CaPolicy(challenge=ChallengeSetup("one_time")), static=False)
    used_up.service.operator.give_challenge(secret=CHALLENGE)
    words = (*BY_VALUE, "--verdict", "rfc", "--only", "post-binary", "--only", "challenge-empty")
    code, shown = conform(used_up.url, *words, "--report", tmp_path)
    assert code == 3
    assert not any(line.startswith(("FAIL", "pass  ")) and "post-binary" in line for line in shown.splitlines())
    assert verdicts(tmp_path) == {"post-binary": "inconclusive", "challenge-empty": "inconclusive"}
    written = (tmp_path / "progress.jsonl").read_text()
    assert '"verdict": "FAIL"' in written
    code, shown = conform(server().url, *words, "--resume", tmp_path, "--report", tmp_path)
    assert code == 0, shown
    assert verdicts(tmp_path) == {"post-binary": "pass", "challenge-empty": "pass"}
    # A control held after them, so they stand from now on, whatever comes later.
    code, shown = conform(used_up.url, *words, "--resume", tmp_path, "--report", tmp_path)
    assert verdicts(tmp_path) == {"post-binary": "pass", "challenge-empty": "pass"}


def test_results_of_another_server_are_not_taken_over(server, conform, tmp_path: Path) -> None:
    """Its certificates and its URL are others, or its client is: what was found there says nothing of this one."""
    words = ("--verdict", "rfc", "--only", "post-binary")
    assert conform(server().url, *BY_VALUE, *words, "--report", tmp_path)[0] == 0
    written = (tmp_path / "progress.jsonl").read_text()
    other = server(policy=CaPolicy(key="rsa-4096"))
    code, shown = conform(other.url, *BY_VALUE, *words, "--resume", tmp_path)
    assert code == 2
    assert "has the results of another server or persona: http://127.0.0.1:" in shown
    code, shown = conform(server().url, *BY_VALUE, *words, "--resume", tmp_path, "--persona", "jscep")
    assert code == 2
    assert "another server or persona" in shown
    assert (tmp_path / "progress.jsonl").read_text() == written
    (tmp_path / "progress.jsonl").write_text("".join(line + "\n" for line in written.splitlines()[1:]))
    code, shown = conform(server().url, *BY_VALUE, *words, "--resume", tmp_path)
    assert code == 2
    assert "does not name the server of its results" in shown


SERVER = Server("http://ca.example/scep", ("00",), "rfc8894")


def test_progress_can_be_read_whatever_word_of_it_the_challenge_is(tmp_path: Path) -> None:
    first = next(iter(all_checks().values()))
    file = ProgressFile(tmp_path, Redactor(["PASS", first.id, "rfc8894"]))
    file.begins(SERVER)
    file.add(CheckResult(first, CheckVerdict.PASS, (Fact(first.id, True, "PASS", "it"),)))
    (found,) = read_progress(tmp_path, SERVER).values()
    assert (found.check, found.verdict) == (first, CheckVerdict.PASS)
    assert (found.facts[0].slug, found.facts[0].expected) == (first.id, MASK)


def test_a_line_that_was_cut_off_is_judged_anew_and_no_text_ends_a_line(tmp_path: Path) -> None:
    first, second = list(all_checks().values())[:2]
    odd = Fact("seen", True, "a name", "CN=a\u2028b\x85c")
    written = ProgressFile(tmp_path, Redactor())
    written.begins(SERVER)
    written.certificate(Minted(1, odd.got, "CN=x", "2027-01-01", "ff", "control", expected=True))
    written.add(CheckResult(first, CheckVerdict.PASS, (odd,)))
    with (tmp_path / "progress.jsonl").open("a") as file:
        file.write('{"check": "' + second.id)
    assert read_progress(tmp_path, SERVER)[first.id].facts == (odd,)
    ProgressFile(tmp_path, Redactor(), goes_on=True).add(CheckResult(second, CheckVerdict.WARN))
    assert list(read_progress(tmp_path, SERVER)) == [first.id, second.id]


@pytest.mark.parametrize(
    "change",
    [{"seconds": 10**400}, {"seconds": float("nan")}, {"verdict": "FINE"}, {"facts": [{}]},
     {"facts": [{"slug": "x", "holds": False, "expected": "", "got": "", "requirement": "SCEP-0"}]}],
)  # fmt: skip
def test_a_damaged_result_is_refused(tmp_path: Path, change: dict[str, object]) -> None:
    written = ProgressFile(tmp_path, Redactor())
    written.begins(SERVER)
    written.add(CheckResult(next(iter(all_checks().values())), CheckVerdict.PASS))
    first, line = (tmp_path / "progress.jsonl").read_text().splitlines()
    (tmp_path / "progress.jsonl").write_text(f"{first}\n{json.dumps(json.loads(line) | change)}\n")
    with pytest.raises(UsageError, match="progress.jsonl:2 is not a result"):
        read_progress(tmp_path, SERVER)


@pytest.mark.parametrize(("held", "stands"), [(True, True), (False, False), ("no", False), (None, False)])
def test_a_refusal_stands_only_by_a_control_that_held(tmp_path: Path, held: object, stands: bool) -> None:
    check = next(check for check in all_checks().values() if check.negative)
    written = ProgressFile(tmp_path, Redactor())
    written.begins(SERVER)
    written.add(CheckResult(check, CheckVerdict.PASS))
    with (tmp_path / "progress.jsonl").open("a") as file:
        file.write(json.dumps({"last control held": held}) + "\n")
    assert (check.id in read_progress(tmp_path, SERVER)) is stands


def test_a_new_run_does_not_go_on_with_an_old_one(server, conform, tmp_path: Path) -> None:
    mock = server()
    for name in ("post-binary", "challenge-empty"):
        conform(mock.url, *BY_VALUE, "--verdict", "rfc", "--only", name, "--report", tmp_path)
    lines = [json.loads(line) for line in (tmp_path / "progress.jsonl").read_text().splitlines()]
    assert [line["check"] for line in lines if "check" in line] == ["challenge-empty"]


def test_what_may_have_been_made_is_in_every_list(server, conform, tmp_path: Path) -> None:
    mock = server("hangs-up")
    words = (*BY_VALUE, "--verdict", "rfc", "--only", "challenge-empty", "--report", tmp_path)
    code, shown = conform(mock.url, *words)
    assert code == 0, shown
    assert "finding  2.4       challenge-empty" in shown
    assert "RFC 8894: FINDING: 1 finding\n" in shown
    assert "1 more request may have made a certificate; look for it at the CA:" in shown
    (entry,) = [entry for entry in report(tmp_path)["minted"] if not entry["serial"]]
    assert entry["by"].startswith("challenge-empty (whether one that should not exist was made is unknown: its reply")
    assert entry["fate"] == "unknown"
    rows = list(csv.DictReader((tmp_path / "minted.csv").read_text("utf-8").splitlines()))
    assert [row["subject"] for row in rows if not row["serial"]] == [entry["subject"]]
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "No failures, but some findings" in page
    assert "All as expected" not in page


def _table(directory: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((directory / "minted.csv").read_text("utf-8").splitlines()))


def _written_down(directory: Path) -> list[dict]:
    lines = [json.loads(line) for line in (directory / "progress.jsonl").read_text("utf-8").splitlines()]
    return [line["certificate"] for line in lines if "certificate" in line]


def _planted(*_: object, **__: object) -> None:
    raise RuntimeError("planted")


@pytest.mark.parametrize("place", ["mfp_sim.cli.conform.report_of", "mfp_sim.cli.conform.verdicts_of"])
def test_whatever_ends_a_run_what_was_minted_is_written_down(server, conform, tmp_path, monkeypatch, place) -> None:
    mock = server()
    monkeypatch.setattr(place, _planted)
    code, shown = conform(mock.url, *BY_VALUE, "--verdict", "rfc", "--only", "replay", "--report", tmp_path)
    assert code == 4
    assert "internal error: RuntimeError: planted" in shown
    assert len(mock.serials) > 2
    assert {row["serial"] for row in _table(tmp_path)} == mock.serials
    assert {f"{entry['serial']:x}" for entry in _written_down(tmp_path)} == mock.serials
    assert not (tmp_path / "report.json").exists()


def test_a_mistake_of_ours_in_a_check_is_that_checks_result(server, conform, tmp_path: Path, monkeypatch) -> None:
    mock = server()
    checks = all_checks()
    planted = replace(checks["challenge-empty"], run=_planted)
    monkeypatch.setattr("mfp_sim.cli.conform.select", lambda *_: (planted, checks["post-binary"]))
    code, shown = conform(mock.url, *BY_VALUE, "--verdict", "rfc", "--report", tmp_path)
    assert code == 4
    assert verdicts(tmp_path) == {"challenge-empty": "inconclusive", "post-binary": "pass"}
    (check,) = [c for c in report(tmp_path)["checks"] if c["id"] == "challenge-empty"]
    assert check["because"] == "internal error of mfp-sim, please report it: RuntimeError: planted"
    assert "mfp-sim: challenge-empty: internal error of mfp-sim" in shown
    with monkeypatch.context() as debug:
        debug.setenv("MFP_SIM_DEBUG", "1")
        with pytest.raises(RuntimeError, match="planted"):
            conform(mock.url, *BY_VALUE, "--verdict", "rfc")


def test_a_reply_that_ends_the_run_while_it_is_read_is_listed(server, conform, tmp_path: Path, monkeypatch) -> None:
    mock = server()
    real = Client.take

    def interrupted(self: Client, order, exchange, **rest):
        if self.check == "challenge-empty":
            raise KeyboardInterrupt
        return real(self, order, exchange, **rest)

    monkeypatch.setattr(Client, "take", interrupted)
    code, _ = conform(mock.url, *BY_VALUE, "--verdict", "rfc", "--only", "challenge-empty", "--report", tmp_path)
    assert code == 130
    last = _table(tmp_path)[-1]
    assert (last["serial"], last["check"].split(" (")[0]) == ("", "challenge-empty")
    assert "the run was interrupted before the reply was read: KeyboardInterrupt" in last["check"]
    assert _written_down(tmp_path)[-1]["subject"] == last["subject"]


def test_a_mistake_of_ours_with_one_model_is_that_models_verdict(server, conform, tmp_path: Path, monkeypatch) -> None:
    from mfp_sim.conformance import printers

    mock, real = server(), printers._recovers
    monkeypatch.setattr(printers, "_recovers", lambda s, p: _planted() if p.name == "canon-7100" else real(s, p))
    models = ("--printer", "canon-7100", "--printer", "canon-ir-adv-dx")
    code, shown = conform(mock.url, *BY_VALUE, "--verdict", "printers", *models, "--report", tmp_path)
    assert (code, "mfp-sim: canon-7100: internal error of mfp-sim, please report it: Run" in shown) == (4, True)
    found = {entry["model"]: entry for entry in report(tmp_path)["printers"]}
    assert found["canon-7100"]["verdict"] == "not-tried"
    assert found["canon-7100"]["because"] == ["internal error of mfp-sim, please report it: RuntimeError: planted"]
    assert found["canon-ir-adv-dx"]["verdict"] == "works"


def test_what_a_printer_was_promised_and_does_not_have_is_listed(server, conform, tmp_path: Path) -> None:
    mock = server(reply_cipher="des-cbc")
    model = ("--printer", "canon-ir-adv-dx", "--verdict", "printers", "--report", tmp_path)
    conform(mock.url, *BY_VALUE, *model)
    (printer,) = report(tmp_path)["printers"]
    assert "replies in single DES are read" in printer["because"][0]
    seen = {row["serial"] for row in _table(tmp_path)} - {""}
    unseen = [row for row in _table(tmp_path) if not row["serial"]]
    assert len(mock.serials - seen) == len(unseen) == 1
    assert "the server says SUCCESS, but the printer has no certificate from it" in unseen[0]["check"]


def test_a_run_that_goes_on_adds_to_the_lists(server, conform, tmp_path: Path) -> None:
    mock = server()
    words = (mock.url, *BY_VALUE, "--verdict", "rfc", "--only", "replay", "--report", tmp_path)
    conform(*words)
    first = _table(tmp_path)
    conform(*words, "--resume", tmp_path)
    again = _table(tmp_path)
    assert again[: len(first)] == first
    assert {row["serial"] for row in again} == mock.serials
    elsewhere = tmp_path / "elsewhere"
    conform(*words[:-1], elsewhere, "--resume", tmp_path)
    assert {row["serial"] for row in _table(elsewhere)} == {row["serial"] for row in _table(tmp_path)} == mock.serials


# --- baseline ---------------------------------------------------------------------------------------------

LINE = "  - {{id: {id}, verdict: {verdict}, reason: known and reported, expires: {expires}}}\n"


def baseline(path: Path, *lines: tuple[str, str, str]) -> Path:
    text = "format: 1\nserver: mock\nexpected:\n" if lines else "format: 1\nexpected: []\n"
    path.write_text(text + "".join(LINE.format(id=i, verdict=v, expires=e) for i, v, e in lines))
    return path


@pytest.mark.parametrize(
    ("lines", "code", "told"),
    [
        ((("refuses-unknown-types", "fail", "2099-01-01"),), 0, ""),
        ((), 1, "refuses-unknown-types: not expected"),
        ((("refuses-unknown-types", "warn", "2099-01-01"),), 1, "refuses-unknown-types: not expected"),
        ((("refuses-unknown-types", "fail", "2020-01-01"),), 1, "expired"),
        ((("refuses-unknown-types", "fail", "2099-01-01"), ("poll-unknown", "finding", "2099-01-01")), 1,
         "poll-unknown: no longer failing"),
    ],
)  # fmt: skip
def test_the_baseline_is_strict_both_ways(server, conform, tmp_path: Path, lines, code: int, told: str) -> None:
    mock = server("accepts-any-type")
    file = baseline(tmp_path / "baseline.yaml", *lines)
    got, shown = conform(
        mock.url, *BY_VALUE, "--baseline", file, "--keep-going", "--verdict", "rfc", "--report", tmp_path / "out",
        "--only", "refuses-unknown-types", "--only", "poll-unknown",
    )  # fmt: skip
    assert got == code, shown
    assert told in shown
    failures = list(ET.parse(tmp_path / "out" / "junit.xml").getroot().iter("failure"))
    assert bool(failures) == bool(code), "JUnit and the exit code do not agree"


@pytest.mark.parametrize("verdict", ["fail", "finding"])
@pytest.mark.parametrize(
    ("words", "name", "why"),
    [
        (("--budget", "1"), "refuses-unknown-types", "inconclusive"),
        (("--budget", "2", "--printer", "canon-7100"), "printer:canon-7100", "not tried"),
    ],
)
def test_a_listed_failure_that_was_not_judged_is_not_as_expected(
    server, conform, tmp_path: Path, words: tuple[str, ...], name: str, why: str, verdict: str
) -> None:
    file = baseline(tmp_path / "b.yaml", (name, "works-with" if ":" in name else verdict, "2099-01-01"))
    only = () if ":" in name else ("--only", "refuses-unknown-types", "--only", "caps-supported", "--verdict", "rfc")
    where = ("--baseline", file, "--report", tmp_path / "out")
    code, shown = conform(server("accepts-any-type").url, *BY_VALUE, *words, *only, *where)
    assert code == 1, shown
    assert f"baseline   {name}: listed, but not judged in this run" in shown
    assert "Not as the baseline expects" in shown
    whole = report(tmp_path / "out")
    assert whole["provenance"]["baseline"]["not_judged"] == [name]
    found = {check["id"]: check["verdict"] for check in whole["checks"]}
    assert found.get(name, "not tried") == why
    assert (
        f"in the baseline, but not judged in this run</span> {name}" in (tmp_path / "out" / "report.html").read_text()
    )
    (failure,) = ET.parse(tmp_path / "out" / "junit.xml").getroot().iter("failure")
    assert failure.get("message") == "listed, but not judged in this run"


def test_a_listed_check_that_nobody_selected_is_no_matter(server, conform, tmp_path: Path) -> None:
    """It was not chosen, needs a permission that was not given, or only reading is permitted."""
    lines = ("renewal-revoked", "finding", "2099-01-01"), ("refuses-unknown-types", "fail", "2099-01-01")
    file = baseline(tmp_path / "b.yaml", *lines, ("printer:canon-7100", "does-not-work", "2099-01-01"))
    words = ("--only", "caps-supported", "--only", "renewal-revoked", "--baseline", file)
    code, shown = conform(server().url, *BY_VALUE, *words, "--verdict", "rfc")
    assert (code, "baseline   " in shown) == (0, False), shown
    read = ("--only", "refuses-unknown-types", "--read-only", "--printer", "canon-7100")
    code, shown = conform(server("accepts-any-type").url, *BY_VALUE, *words, *read)
    assert (code, "baseline   " in shown) == (0, False), shown


def test_a_security_failure_has_an_exit_code_and_words_of_its_own(server, conform, tmp_path: Path) -> None:
    mock, out = server("csr-signature-unchecked"), tmp_path / "out"
    chosen = ("--only", "refuses-csr-forged", "--only", "single-des-refused", "--keep-going", "--verdict", "rfc")
    code, shown = conform(mock.url, *BY_VALUE, *chosen, "--report", out)
    title = "A CSR with a signature that does not verify was accepted"
    assert code == 6
    assert f"SECURITY 3.3.1     refuses-csr-forged: {title}" in shown
    assert f"verdict    Security: FAIL: 1 security failure: refuses-csr-forged: {title}" in shown
    assert shown.index("Security: FAIL") < shown.index("RFC 8894: FINDING: 1 finding, 1 passed")
    checks = {check["id"]: check for check in report(out)["checks"]}
    assert {name: check["breach"] for name, check in checks.items()} == {
        "refuses-csr-forged": True, "single-des-refused": False,
    }  # fmt: skip
    assert checks["refuses-csr-forged"]["notes"] == [
        "a security failure: it fails the server regardless of the level of the requirement"
    ]
    assert '<failure type="security" message=' in (out / "junit.xml").read_text("utf-8")
    assert "no grade insecure 20" in (out / "badge.svg").read_text("utf-8")
    assert "1 security failure: refuses-csr-forged" in (out / "report.html").read_text("utf-8")


@pytest.mark.parametrize(("verdict", "wanted"), [("security-fail", 0), ("fail", 6), ("finding", 6)])
def test_a_baseline_expects_a_security_failure_only_by_its_name(
    server, conform, tmp_path: Path, verdict: str, wanted: int
) -> None:
    file = tmp_path / "baseline.yaml"
    line = f"  - {{id: refuses-csr-forged, verdict: {verdict}, reason: known, expires: 2099-01-01}}\n"
    file.write_text(f"format: 1\nexpected:\n{line}")
    words = (*BY_VALUE, "--baseline", file, "--only", "refuses-csr-forged", "--keep-going", "--verdict", "rfc")
    code, shown = conform(server("csr-signature-unchecked").url, *words)
    assert code == wanted
    assert ("baseline   refuses-csr-forged: not expected" in shown) == bool(wanted)
    code, shown = conform(server().url, *words)
    assert code == 1
    assert "baseline   refuses-csr-forged: no longer failing" in shown


def test_a_deviation_that_is_milder_than_its_keyword_says_why(server, conform, tmp_path: Path) -> None:
    words = ("--only", "refuses-no-transactionid", "--keep-going", "--verdict", "rfc", "--report", tmp_path)
    assert conform(server("accepts-malformed-attributes").url, *BY_VALUE, *words)[0] == 0
    (check,) = report(tmp_path)["checks"]
    assert (check["level"], check["verdict"]) == ("MUST", "finding")
    assert check["notes"] == [f"only finding: {all_checks()['refuses-no-transactionid'].mild}"]


def test_mistakes_of_a_baseline_are_told_with_their_places(server, conform, tmp_path: Path) -> None:
    file = tmp_path / "baseline.yaml"
    file.write_text("format: 1\nexpected:\n  - {id: no-such-check, verdict: fail, reason: x, expires: soon}\n")
    code, shown = conform(server().url, "--baseline", file)
    assert code == 2
    assert f"{file}:3:10: there is no check 'no-such-check'" in shown
    assert f"{file}:3:60: expires must be a date, not 'soon' (write 2027-06-30)" in shown


# --- progress ---------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_shows_what_is_left_of_time_and_certificates() -> None:
    checks = [check for check in all_checks().values() if not check.watches][:40]
    stream = Terminal()
    with bench() as session:
        teller = _Teller(Console(stream), quiet=True, journal=None, session=session)
        teller.begins(1, checks)
        session.pause(timedelta(seconds=20))
        teller.begins(21, checks)
        session.policy = replace(session.policy, budget=3)
        teller.begins(21, checks)
    first, second, third = (part for part in re.split(r"\r *\r", stream.getvalue()) if part)
    costs = [check.cost for check in checks]
    assert first == f"[1/40] {sum(costs)} certificates left: {checks[0].id}"
    assert second == f"[21/40] about 0:00:20 and {sum(costs[20:])} certificates left: {checks[20].id}"
    assert third.startswith("[21/40] about 0:00:20 and 3 certificates left: ")


def test_a_second_surprise_with_the_serial_of_the_first_ends_the_asking_too() -> None:
    checks, proof = select(["challenge-missing", "challenge-wrong"]), Proof("", defects=("challenge-unchecked",))
    with bench(proof) as session:
        run_checks(session, checks)
        (surprise,) = (entry for entry in session.minted if not entry.expected)
    with bench(proof) as session:  # the same again, after another certificate with that serial number
        session.minted.append(replace(surprise, fingerprint="another"))
        run = run_checks(session, checks)
    assert [result.verdict for result in run.results] == [CheckVerdict.FAIL, CheckVerdict.NOT_RUN]
    assert "--keep-going continues" in (run.results[1].reason or "")


# --- usage ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        ((), 2, "no server is given"),
        (("ftp://x",), 2, "is not an http or https URL"),
        (("http://127.0.0.1:9/", "--challenge-page", "http://[::1/x"), 2, "is not a URL"),
        (("http://127.0.0.1:1/", "--challenge", ""), 2, "the challenge password is empty"),
        (("http://127.0.0.1:1/", "--challenge-command", ""), 2, "the challenge command is empty"),
        (("http://127.0.0.1:1/", "--only", "nonsense"), 2, "there is no check, section or tag 'nonsense'"),
        (("http://127.0.0.1:1/", "--persona", "nobody"), 2, "there is no persona 'nobody'"),
        (("http://127.0.0.1:1/", "--challenge-env", "NOT_SET_AT_ALL"), 2, "is not set"),
        (("http://127.0.0.1:1/", "--only", "MUST", "--skip", "MUST", "--verdict", "rfc"), 5, "no check was selected"),
    ],
)
def test_usage(conform, words: tuple[str, ...], code: int, told: str) -> None:
    got, shown = conform(*words)
    assert (got, told in shown) == (code, True), shown


def test_the_questionnaire(conform, tmp_path: Path) -> None:
    code, _ = conform("--questionnaire", tmp_path / "questions.md")
    text = (tmp_path / "questions.md").read_text("utf-8")
    assert code == 0
    assert "SCEP-7.3-05" in text
    assert text.count("Answer:") > 3


def test_octets_in_which_a_secret_shows_when_they_are_decoded_are_left_out() -> None:
    """In pieces, bytes contain a secret that no search finds; decoded, everybody would read it. In a rare encoding, it
    is found and overwritten, and the rest is kept."""
    pieces = der.tlv(0x24, der.octet_string(b"piecemeal-") + der.octet_string(b"s3cret"))
    wide = der.tlv(0x1C, "piecemeal-s3cret".encode("utf-32-be"))
    redactor = Redactor(["piecemeal-s3cret"])
    request, at = HttpRequest("POST", "/scep?operation=PKIOperation"), datetime(2026, 3, 2, tzinfo=UTC)
    for inner, shows in ((pieces, True), (wide, False), (der.octet_string(b"piecemeal"), False)):
        body = redactor.octets(der.sequence(inner))
        exchange = Exchange(1, "check", "PKCSReq", request, HttpReply(200, body=body), None, at, 0.1)
        told = reporting._exchange(exchange, redactor)
        assert (told.reply.body == b"") is shows
        assert told.reply.octets == len(body)
