"""What the operator of a CA does for the checks: the commands, what they are told, and what follows where one fails."""

from __future__ import annotations

import json
import os
import re
import shlex
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from mfp_sim.conformance.engine import run_checks
from mfp_sim.conformance.model import OPT_INS, CheckVerdict, Proof
from mfp_sim.conformance.operators import Act, ActByCommand, OperatorCase
from mfp_sim.conformance.registry import all_checks
from mfp_sim.conformance.selftest import bench
from mfp_sim.shared.errors import UsageError
from mock_scep_server.control import ControlService
from mock_scep_server.policy import CaPolicy
from mock_scep_server.server import ServerHost

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "conformance.md"
WAITS = {"policy": CaPolicy(approval="manual"), "static": False}
JUDGED = {"poll-pending": "approve", "poll-rejected": "reject", "renewal-revoked": "revoke", "getcrl-revoked": "revoke"}


@pytest.fixture
def commands(tmp_path: Path):
    """Options with commands that act over the control port of a mock, as an operator's script would."""
    hosts: list[ServerHost] = []

    def give(server, *acts: str, code: int = 0) -> list[str]:
        host = ServerHost(ControlService(server.service))
        host.start()
        hosts.append(host)
        script = tmp_path / "act.py"
        script.write_text(
            "import json, os, sys, urllib.request\n"
            "told = {name: os.environ.get(f'SCEP_{name}') for name in ('TRANSACTION', 'SERIAL', 'SUBJECT')}\n"
            f"open({str(tmp_path / 'told')!r}, 'a').write(json.dumps([sys.argv[1], told]) + '\\n')\n"
            f"if {code}: sys.exit({code})\n"
            "body = {'pattern': told['SERIAL']} if told['SERIAL'] else {'transaction': told['TRANSACTION']}\n"
            f"request = urllib.request.Request(f'{host.url}/{{sys.argv[1]}}', json.dumps(body).encode(),\n"
            "                                 {'Content-Type': 'application/json'})\n"
            "sys.exit(json.load(urllib.request.urlopen(request))['count'] != 1)\n",
            "utf-8",
        )
        return [
            word
            for act in acts
            for word in (f"--{act}-command", shlex.join([sys.executable, str(script), act]))
        ]  # fmt: skip

    yield give
    for host in hosts:
        host.stop()


def verdicts(report: Path) -> dict[str, str]:
    found = json.loads((report / "report.json").read_text("utf-8"))
    return {check["id"]: check["verdict"] for check in found["checks"]}


def test_commands_approve_reject_and_revoke_at_a_server(server, conform, commands, tmp_path: Path) -> None:
    ca = server(**WAITS)
    only = [word for name in JUDGED for word in ("--only", name)]
    code, shown = conform(ca.url, *only, *commands(ca, "approve", "reject", "revoke"), "--report", tmp_path / "out")
    assert code == 0, shown
    assert verdicts(tmp_path / "out") == {
        "poll-pending": "pass", "poll-rejected": "pass",
        # what they need is a certificate at once, and here each waits for the operator
        "renewal-revoked": "inconclusive", "getcrl-revoked": "inconclusive",
    }  # fmt: skip
    told = [json.loads(line) for line in (tmp_path / "told").read_text("utf-8").splitlines()]
    assert {act for act, _ in told} == {"approve", "reject"}
    assert all(len(case["TRANSACTION"]) == 40 and case["SUBJECT"].startswith("CN=mfp-sim-conform") for _, case in told)
    assert not {one.transaction for one in ca.service.operator.waiting} & {case["TRANSACTION"] for _, case in told}


def test_a_command_revokes_and_what_is_revoked_is_seen(server, conform, commands, tmp_path: Path) -> None:
    secret = ("--challenge", "conf0rm-secret")
    for defects, wanted in ((), "pass"), (("renews-the-revoked", "crl-without-revoked"), "fail"):
        ca, out = server(*defects), tmp_path / wanted
        only = ("--only", "revocation", "--keep-going")
        code, shown = conform(ca.url, *secret, *only, *commands(ca, "revoke"), "--report", out)
        assert code == (0 if wanted == "pass" else 6), shown
        assert verdicts(out) == {"renewal-revoked": wanted, "getcrl-revoked": wanted}
    told = [json.loads(line) for line in (tmp_path / "told").read_text("utf-8").splitlines()]
    assert {case["SERIAL"] for _, case in told[-2:]} <= ca.serials


def test_the_script_of_the_page_does_all_three(server, conform, tmp_path: Path) -> None:
    (script,) = re.findall(r"<!-- file: operator.sh -->\n```sh\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    for name, options, checks in (
        ("waits", WAITS, ("poll-pending", "poll-rejected")),
        ("issues", {}, ("renewal-revoked", "getcrl-revoked")),
    ):
        ca = server(**options)
        with ServerHost(ControlService(ca.service)) as control:
            assert "http://127.0.0.1:8081/" in script
            (tmp_path / "operator.sh").write_text(script.replace("http://127.0.0.1:8081", control.url), "utf-8")
            given = [
                word for act in Act for word in (f"--{act.value}-command", f"sh {tmp_path}/operator.sh {act.value}")
            ]
            only = [word for check in checks for word in ("--only", check)]
            secret = () if options else ("--challenge", "conf0rm-secret")
            code, shown = conform(ca.url, *secret, *only, *given, "--report", tmp_path / name)
        assert code == 0, shown
        assert verdicts(tmp_path / name) == dict.fromkeys(checks, "pass")
        for check in json.loads((tmp_path / name / "report.json").read_text())["checks"]:
            assert [word for word in shlex.split(check["command"]) if "operator.sh" in word] == given[1::2]


def test_a_command_that_fails_proves_nothing_and_is_named(server, conform, commands, tmp_path: Path) -> None:
    ca = server()
    words = commands(ca, "revoke", code=9)
    code, shown = conform(ca.url, "--challenge", "conf0rm-secret", "--only", "renewal-revoked", *words)
    assert code == 5
    assert f"the revoke command {sys.executable} ended with exit code 9" in shown
    assert str(tmp_path / "act.py") not in shown, "arguments may hold a secret"


def test_without_a_command_the_checks_say_what_they_need(server, conform, tmp_path: Path) -> None:
    only = [word for name in JUDGED for word in ("--only", name)]
    conform(server().url, "--challenge", "conf0rm-secret", *only, "--report", tmp_path)
    found = json.loads((tmp_path / "report.json").read_text("utf-8"))
    assert {check["id"]: check["because"] for check in found["checks"]} == {
        "poll-pending": "needs the permission --allow approval",
        "poll-rejected": "needs --reject-command",
        "renewal-revoked": "needs --revoke-command",
        "getcrl-revoked": "needs --revoke-command",
    }
    assert {check.opt_in for check in all_checks().values()} <= {None, *OPT_INS}
    assert {act.permission for act in Act} < set(OPT_INS)


def test_commands_are_read_before_anything_is_sent(server, conform) -> None:
    ca = server()
    for option, words in (("--reject-command", "reject command is empty"), ("--revoke-command", "revoke command is e")):
        code, shown = conform(ca.url, option, "")
        assert (code, words in shown) == (2, True), shown
    code, shown = conform(ca.url, "--interactive-approval", "--approve-command", "true")
    assert code == 2
    assert "not allowed with argument --interactive-approval" in shown


def test_a_command_that_is_not_there_is_an_error() -> None:
    with pytest.raises(UsageError, match="the reject command /nowhere/x cannot be run: No such file"):
        ActByCommand(Act.REJECT, ["/nowhere/x", "s3cret"])(OperatorCase(transaction="1"))
    assert "s3cret" not in repr(ActByCommand(Act.REJECT, ["x", "s3cret"]))
    assert "SCEP_SERIAL" not in os.environ


def test_a_crl_of_before_the_revocation_is_no_failure_until_it_runs_out() -> None:
    """A CA may publish its list once a day; what it publishes next has to have the entry."""
    with bench(Proof("")) as session:
        done: list[OperatorCase] = []

        def forgets(case: OperatorCase) -> bool:
            done.append(case)
            return True

        session.policy = replace(session.policy, acts={Act.REVOKE: forgets})
        (result,) = run_checks(session, [all_checks()["getcrl-revoked"]], keep_going=True).results
        assert done
        assert result.verdict is CheckVerdict.FAIL, "the operator says that it is revoked, and no later list has it"
        (fact,) = result.deviations
        assert fact.slug == "not-listed"
        first, second, third = [answer.crls[0] for answer in session.answers if answer.crls]
        assert first.der == second.der
        assert second.next_update < third.this_update, "it waited for the next one"
