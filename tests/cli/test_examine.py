"""``mfp-sim examine``: what is printed, written and returned; the client is a program of a few lines of shell."""

from __future__ import annotations

import fcntl
import json
import os
import re
import select
import signal
import socket
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from mfp_sim.cli.main import main
from mfp_sim.examination.situations import situations

ENROLS = """\
case $1 in version) echo fake 1; exit 0 ;; enrol) ;; *) exit 127 ;; esac
exec "{python}" -m mfp_sim.examination.clients.printer "$1"
"""


@pytest.fixture
def client(tmp_path: Path) -> str:
    """A client that enrols by means of the simulated printer, and can do nothing else."""
    file = tmp_path / "client.sh"
    file.write_text(ENROLS.format(python=sys.executable))
    return f"sh {file}"


def examine(*arguments: object) -> int:
    return main(["examine", *map(str, arguments)])


def test_a_run_is_told_and_written(client: str, tmp_path: Path, capsys) -> None:
    out = tmp_path / "out"
    chosen = ("--only", "bad-signature", "--only", "renewal", "--only", "ra")
    assert examine("--client", client, *chosen, "--report", out) == 0
    told = capsys.readouterr().out
    assert "pass     bad-signature: The last byte of the signature is flipped" in told
    total = len(situations()) + 2
    assert (
        f"grade      none: {total - 5} of {total} situations were not chosen; 1 of {total} situations was skipped: "
        "the client does not support them, or sent no request to which the fault applies\n"
    ) in told
    assert "The client refused every tried reply that it must refuse." in told
    report = json.loads((out / "report.json").read_text())
    rows = {check["id"]: check["verdict"] for check in report["checks"]}
    assert rows == {
        "control-first": "pass", "ra": "pass", "renewal": "skipped", "bad-signature": "pass", "control-last": "pass",
    }  # fmt: skip
    assert report["provenance"]["options"] == {"client": "client.sh (fake 1)", "CA": "profile: rfc8894"}
    (row,) = [check for check in report["checks"] if check["id"] == "bad-signature"]
    assert row["command"].endswith("--only bad-signature")
    assert len(row["exchanges"]) == 3
    assert {file.name for file in out.iterdir()} >= {"report.html", "report.json", "summary.md", "junit.xml"}


class Device:
    """Someone who operates a device: enrols it with the simulated printer's client, and says so."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.urls, self.words = folder, [], [""]

    def say(self, *words: object) -> None:
        self.words = [*self.words, " ".join(map(str, words))]

    def ask(self, question: str) -> str:
        (task,) = re.findall(r"enrol: at (\S+), subject (\S+), challenge password (\S+)", self.words[-2])
        url, subject, challenge = task
        self.urls.append(url)
        place = self.folder / str(len(self.urls))
        place.mkdir()
        names = {"SCEP_CERTIFICATE_FILE": place / "certificate.pem", "SCEP_KEY_FILE": place / "key.pem"}
        given = {"SCEP_URL": url, "SCEP_SUBJECT": subject, "SCEP_CHALLENGE": challenge, "SCEP_TIMEOUT": "10", **names}
        words = [sys.executable, "-m", "mfp_sim.examination.clients.printer", "enrol"]
        ended = subprocess.run(
            words, env={**os.environ, **{k: str(v) for k, v in given.items()}}, cwd=place, check=False
        )
        return "e" if ended.returncode == 0 else "r"


def test_a_device_is_examined_at_the_address_that_it_can_reach(tmp_path: Path, capsys, monkeypatch) -> None:
    device = Device(tmp_path)
    monkeypatch.setattr("mfp_sim.cli.examine.input", device.ask, raising=False)
    monkeypatch.setattr("mfp_sim.cli.examine.print", device.say, raising=False)
    with socket.create_server(("127.0.0.2", 0)) as free:
        port = free.getsockname()[1]
    chosen = ("--only", "ra", "--only", "bad-signature")
    out = tmp_path / "out"
    assert examine("--manual", *chosen, "--host", "127.0.0.2", "--port", port, "--report", out) == 0
    assert device.urls == [f"http://127.0.0.2:{port}/scep"] * 4  # also of the CA that has an RA
    told = capsys.readouterr().out
    assert "pass     bad-signature" in told
    assert "The mock listens on 127.0.0.2, which only this computer reaches" in told
    (row,) = [one for one in json.loads((out / "report.json").read_text())["checks"] if one["id"] == "bad-signature"]
    assert row["command"] == f"mfp-sim examine --manual --host 127.0.0.2 --port {port} --only bad-signature"


def test_without_a_host_only_this_computer_reaches_the_mock_and_that_is_said(
    tmp_path: Path, capsys, monkeypatch
) -> None:
    device = Device(tmp_path)
    monkeypatch.setattr("mfp_sim.cli.examine.input", device.ask, raising=False)
    monkeypatch.setattr("mfp_sim.cli.examine.print", device.say, raising=False)
    assert examine("--manual", "--only", "bad-signature") == 0
    assert {url.rpartition(":")[0] for url in device.urls} == {"http://127.0.0.1"}
    says = "The mock listens on 127.0.0.1, which only this computer reaches; --host ADDRESS for others\n"
    assert says in capsys.readouterr().out


def test_on_every_address_the_url_has_the_name_of_this_computer(client: str, tmp_path: Path, monkeypatch) -> None:
    said = tmp_path / "said"
    monkeypatch.setenv("SAID", str(said))
    Path(client.split()[1]).write_text('echo "$SCEP_URL" >>"$SAID"; exit 1')
    assert examine("--client", client, "--only", "ra", "--ca", "", "--host", "0.0.0.0") == 3
    assert {url.rpartition(":")[0] for url in said.read_text().split()} == {f"http://{socket.gethostname()}"}


def test_a_client_that_supports_nothing_of_what_is_chosen_does_not_pass(client: str, tmp_path: Path, capsys) -> None:
    baseline = tmp_path / "baseline.yaml"
    baseline.write_text("format: 1\nexpected: []\n")
    assert examine("--client", client, "--only", "renewal", "--baseline", baseline) == 5
    assert "As the baseline expects" not in capsys.readouterr().out
    assert examine("--client", client, "--only", "renewal") == 5
    told = capsys.readouterr().out
    assert "SCEP client: INCONCLUSIVE: nothing was tried: the client does not support the chosen situations" in told
    assert "nothing to mend" not in told
    assert "refused every" not in told


def test_a_word_that_quick_leaves_out_is_an_error_beside_others(capsys) -> None:
    assert examine("--list", "--quick", "--only", "renewal", "--only", "refused-badalg") == 2
    told = capsys.readouterr()
    assert (told.out, told.err) == (
        "",
        "mfp-sim: --quick leaves out the situation 'refused-badalg' (examine without --quick)\n",
    )


def test_no_challenge_is_in_any_report(client: str, tmp_path: Path, capsys, monkeypatch) -> None:
    said = tmp_path / "said"
    monkeypatch.setenv("SAID", str(said))
    Path(client.split()[1]).write_text('echo "$SCEP_CHALLENGE" >>"$SAID"; echo "challenge $SCEP_CHALLENGE"; exit 1')
    assert examine("--client", client, "--only", "ra", "--report", tmp_path / "out", "--ca", "") == 3
    (secret,) = set(said.read_text().split())
    written = "".join(file.read_text() for file in (tmp_path / "out").rglob("*") if file.is_file())
    assert secret not in written + capsys.readouterr().out


def test_a_client_that_refuses_all_is_no_target(tmp_path: Path, capsys) -> None:
    assert examine("--client", "false", "--only", "bad-signature") == 3
    told = capsys.readouterr().out
    assert "SCEP client: INCONCLUSIVE: it does not enrol although nothing is wrong" in told
    assert "control    control-first: it sent nothing: refused" in told


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("--client", "x", "--manual"), 2, "not allowed with argument"),
        ((), 2, "no client is given"),
        (("--client", ""), 2, "--client is empty"),
        (("--client", "false", "--timeout", "0"), 2, "'0' is not a time from 0.1 to 3600 seconds"),
        (("--client", "false", "--timeout", "nan"), 2, "'nan' is not a time from 0.1 to 3600 seconds"),
        (("--client", "false", "--only", "bad-signatur"), 2, "did you mean 'bad-signature'?"),
        (("--client", "./no-such", "--only", "ra"), 2, "./no-such cannot be run"),
        (("--client", "false", "--host", "192.0.2.1"), 2, "'192.0.2.1' is not an address of this computer"),
        (("--client", "false", "--port", "65536"), 2, "'65536' is not a port from 0 to 65535"),
        (("--client", "false", "--ca", "profile: nonsense", "--only", "ra"), 2, "profile has to be one of"),
    ],
)
def test_wrong_usage_is_told(arguments, code: int, told: str, capsys) -> None:
    got: object
    try:
        got = examine(*arguments)
    except SystemExit as end:
        got = end.code
    assert got == code
    assert told in capsys.readouterr().err


def test_a_run_that_is_ended_ends_its_client(tmp_path: Path) -> None:
    lock, begun = tmp_path / "lock", tmp_path / "begun"
    os.mkfifo(begun)
    client = tmp_path / "client.sh"
    client.write_text(f"exec 9>{lock}; flock 9; echo >{begun}; exec sleep 600")
    run = subprocess.Popen(
        [sys.executable, "-m", "mfp_sim", "examine", "--client", f"sh {client}", "--only", "ra", "--timeout", "60"],
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    pipe = os.open(begun, os.O_RDWR)  # without a writer, a plain read would wait for ever
    ready, _, _ = select.select([pipe], [], [], 60)
    os.close(pipe)
    if not ready:
        run.kill()
        pytest.fail(f"the client did not begin: {run.communicate()[1]}")
    run.send_signal(signal.SIGTERM)  # SIGINT is the same to it, where the shell has not switched that off
    _, told = run.communicate(timeout=60)
    assert (told, run.returncode) == ("mfp-sim: interrupted\n", 130)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # waits for whoever holds it


def test_the_list_names_what_is_left_out_and_why(capsys) -> None:
    assert examine("--list") == 0
    told = capsys.readouterr().out
    assert f"{len(situations())} situations; " in told
    assert "the protocol has no verb for GetCert: getcert-pending, getcert-wrong-cert" in told
    assert examine("--list", "--json", "--only", "refuses") == 0
    rows = json.loads(capsys.readouterr().out)
    assert {row["conduct"] for row in rows if "left_out" not in row} == {"refuses"}


def test_a_baseline_is_strict_both_ways(client: str, tmp_path: Path, capsys) -> None:
    file = tmp_path / "baseline.yaml"
    line = "  - {{id: {}, verdict: fail, reason: known, expires: 2099-01-01}}\n"
    file.write_text("format: 1\nexpected:\n" + line.format("bad-signature"))
    assert examine("--client", client, "--only", "bad-signature", "--baseline", file, "-q") == 1
    assert "baseline   bad-signature: no longer failing: remove the line" in capsys.readouterr().out
    file.write_text("format: 1\nexpected:\n" + line.format("bad-signatur"))
    assert examine("--client", client, "--only", "bad-signature", "--baseline", file) == 2
    assert "there is no check 'bad-signatur' (did you mean 'bad-signature'?)" in capsys.readouterr().err


@pytest.mark.parametrize(("verdict", "code", "expected"), [("fail", 0, True), ("finding", 1, False)])
def test_all_outputs_agree_on_what_the_baseline_expects(
    client: str, tmp_path: Path, capsys, monkeypatch, verdict: str, code: int, expected: bool
) -> None:
    """A failure is not expected by a line with a better verdict."""
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    script = Path(client.split()[1])
    asks = f'{sys.executable} -c \'import os, urllib.request as r; r.urlopen(os.environ["SCEP_URL"] + "?operation=GetCACert")\''
    keeps_nothing = f"get-ca) {asks}; exit 0 ;; *) exit 127"
    script.write_text(script.read_text().replace("*) exit 127", keeps_nothing))
    file, out = tmp_path / "baseline.yaml", tmp_path / "out"
    line = f"{{id: get-ca, verdict: {verdict}, reason: mended in 2.0, expires: 2099-01-01}}"
    file.write_text(f"format: 1\nexpected:\n  - {line}\n")
    assert examine("--client", client, "--only", "get-ca", "--baseline", file, "--report", out) == code
    assert ("baseline   get-ca: not expected" in capsys.readouterr().out) is not expected
    report = json.loads((out / "report.json").read_text())
    (row,) = [check for check in report["checks"] if check["id"] == "get-ca"]
    assert (row["verdict"], row["waived"]) == ("fail", "mended in 2.0" if expected else None)
    (finding,) = [finding for finding in report["findings"] if finding["places"][0]["check"] == "get-ca"]
    assert finding["waived"] is expected
    (case,) = [
        case for case in ET.parse(out / "junit.xml").iter("testcase") if case.attrib["name"].startswith("get-ca: ")
    ]
    assert [part.tag for part in case] == ["skipped" if expected else "failure"]
    assert ("mended in 2.0" in (out / "report.html").read_text()) is expected


def test_a_listed_message_that_is_right_now_is_no_longer_failing(
    client: str, tmp_path: Path, capsys, monkeypatch
) -> None:
    """A right message has no row. With a choice of situations, it may not have been sent."""
    file = tmp_path / "baseline.yaml"
    line = "{id: message-scep-2.3-02, verdict: warn, reason: known, expires: 2099-01-01}"
    file.write_text(f"format: 1\nexpected:\n  - {line}\n")
    words = ("--client", client, "--baseline", file, "-q")
    assert examine(*words, "--only", "bad-signature") == 0
    assert "baseline   " not in capsys.readouterr().out
    monkeypatch.setattr("mfp_sim.cli.examine._selected", lambda *_: situations()[:1])
    assert examine(*words) == 1
    assert "baseline   message-scep-2.3-02: no longer failing: remove the line" in capsys.readouterr().out


def test_a_listed_message_of_a_client_that_does_not_enrol_was_not_seen(tmp_path: Path, capsys) -> None:
    file = tmp_path / "baseline.yaml"
    line = "{id: message-scep-2.9-09, verdict: fail, reason: known, expires: 2099-01-01}"
    file.write_text(f"format: 1\nexpected:\n  - {line}\n")
    assert examine("--client", "false", "--baseline", file) == 3
    shown = capsys.readouterr().out
    assert "No verdict: not even a right request succeeded" in shown
    assert "no longer failing" not in shown


def test_what_a_fault_told_the_client_is_not_held_against_it(tmp_path: Path, monkeypatch) -> None:
    """Without capabilities a client has to send its request by GET, though the CA would take a POST."""
    out = tmp_path / "out"
    assert examine("--client", "printer", "--only", "caps-404", "--report", out, "--ca", "", "-q") == 0
    rows = {check["id"]: check["verdict"] for check in json.loads((out / "report.json").read_text())["checks"]}
    assert rows["caps-404"] == "pass"
    assert not [row for row in rows if row.startswith("message-scep-4.1")]
