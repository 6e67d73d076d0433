"""``mock-scep-server`` as a process: it says where it is, answers, ends when asked to, and explains a busy port."""

from __future__ import annotations

import json
import re
import shlex
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mfp_sim.cli.main import main as decode_main
from mfp_sim.conformance.challenges import Static
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.target import target_of
from mfp_sim.shared.scep.http_messages import HttpRequest
from mfp_sim.shared.simtime import Entropy, PooledKeys, SystemClock
from mfp_sim.testing import Bench
from mfp_sim.transport import SocketClient
from mock_scep_server import cli_serving
from mock_scep_server.cli import _parser, main
from mock_scep_server.profiles.registry import PROFILES
from mock_scep_server.saving import SavingService
from mock_scep_server.service import ScepService

COMMAND = [sys.executable, "-m", "mock_scep_server.cli"]


def test_a_fault_needs_no_script() -> None:
    words = ["--fault", "nonce-mismatch@PKCSReq", "--fault", "certrep-ber@PKCSReq", "--fault", "{delay: 5s}@GetCACert"]
    options = _parser().parse_args(["serve", *words, "--fault", "reset"])
    assert cli_serving._rules_of(options.fault) == (
        "- {when: {type: PKCSReq}, faults: [nonce-mismatch, certrep-ber]}\n"
        "- {when: {operation: GetCACert}, faults: [{delay: 5s}]}\n"
        "- {faults: [reset]}\n"
    )
    script = cli_serving._setup(options).script
    assert [[fault.slug for fault in rule.faults] for rule in script] == [
        ["nonce-mismatch", "certrep-ber"],
        ["delay"],
        ["reset"],
    ]


@pytest.mark.parametrize(("words", "message"), [
    (["--fault", "nonce-mismatsh"], "--fault nonce-mismatsh: there is no fault 'nonce-mismatsh' (did you mean 'nonce-mismatch'?)"),
    (["--fault", "nosuch"], "--fault nosuch: there is no fault 'nosuch' (mock-scep-server faults lists all)"),
    (["--fault", "reset", "--fault", "{delay: 5x}@GetCACert"], "--fault {delay: 5x}:1:9: seconds has to be a duration"),
    (["--fault", "reset@PKCSRek"], "PKCSRek"),
    (["--fault", "reset", "--script", "rules.yaml"], "--fault is for a mock without --script (write the fault into a rule"),
])  # fmt: skip
def test_a_fault_that_cannot_be(words: list[str], message: str, tmp_path: Path, capsys, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "rules.yaml").write_text("[]", "utf-8")
    assert main(["--port", "0", *words]) == 2
    assert message in capsys.readouterr().err


def test_a_mistyped_verb_gets_the_nearest_one_and_the_help_lists_exit_codes(capsys) -> None:
    with pytest.raises(SystemExit):
        main(["fault"])
    assert "; did you mean 'faults'?" in capsys.readouterr().err
    assert main(["--help"]) == 0
    lines = capsys.readouterr().out.partition("\nexit codes:\n")[2].splitlines()
    assert [line.split()[0] for line in lines] == ["0", "1", "2", "4", "130"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--prot", "80"], "unrecognized argument: --prot (did you mean '--port'?)"),
        (["faults", "--jsn"], "unrecognized argument: --jsn (did you mean '--json'?)"),
        (
            ["--chalenge=s3cret", "--port", "0"],
            "unrecognized argument: --chalenge=s3cret (did you mean '--challenge'?)",
        ),
        (["-p", "80"], "unrecognized argument: -p"),
        (["--caps", "-AES"], "argument --caps: expected one argument"),
        (["faults", "nonce-mismatch", "reset"], "unrecognized argument: reset"),
    ],
)
def test_a_mistyped_option_is_named_before_the_word_after_it(words: list[str], told: str, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    shown = capsys.readouterr()
    assert (shown.out, shown.err.splitlines()[-1]) == ("", f"mock-scep-server: error: {told}")


@pytest.mark.parametrize("to", [">/dev/full", ">&-"])
@pytest.mark.parametrize("words", ["faults", "defects --json", "profiles", "completion bash", "--help", "--version"])
def test_a_list_that_cannot_be_printed_is_an_error(words: str, to: str) -> None:
    command = ["sh", "-c", f'"{sys.executable}" -m mock_scep_server {words} {to}']
    done = subprocess.run(command, stderr=subprocess.PIPE, text=True, check=False)
    why = "it is closed" if "&" in to else "No space left on device"
    assert (done.returncode, done.stderr) == (4, f"mock-scep-server: cannot write all of standard output: {why}\n")


def test_it_serves_and_ends_when_asked_to(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("canary-77\n")
    (tmp_path / "rules.yaml").write_text(
        "- {when: {operation: GetCACaps}, then: {http: 503}, times: 1}\n"
        "- {when: {type: PKCSReq}, then: pending}\n"
        "- {when: {type: RenewalReq}, then: pending, optional: true}\n"
    )
    server = subprocess.Popen(
        [*COMMAND, "--port", "0", "--challenge-file", str(tmp_path / "secret"), "--script", str(tmp_path / "rules.yaml")],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    url = re.search(r"http://\S+", server.stdout.readline())[0]
    assert server.stdout.readline().startswith("CA certificate, SHA-256: ")
    with pytest.raises(urllib.error.HTTPError, match="503"):
        urllib.request.urlopen(f"{url}?operation=GetCACaps", timeout=20)
    with urllib.request.urlopen(f"{url}?operation=GetCACaps", timeout=20) as reply:
        assert b"POSTPKIOperation" in reply.read()
    server.send_signal(signal.SIGTERM)
    out, err = server.communicate(timeout=20)
    unused = f"mock-scep-server: {tmp_path / 'rules.yaml'}:2:3: rule 2 was never hit\n"
    assert (server.returncode, err) == (0, unused)
    assert "GET GetCACaps -> " in out
    assert "[rule 1]" in out
    assert "canary" not in out


def test_exchanges_are_saved_and_the_run_is_summed_up(tmp_path: Path, capsys) -> None:
    (tmp_path / "rules.yaml").write_text("- {when: {type: PKCSReq}, faults: [nonce-mismatch]}\n")
    saved = tmp_path / "saved"
    server = subprocess.Popen(
        [*COMMAND, "--port", "0", "--challenge", "canary-77", "--script", str(tmp_path / "rules.yaml"), "--save", str(saved)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert server.stdout is not None
    url = re.search(r"http://\S+", server.stdout.readline())[0]
    clock = SystemClock()
    client = Client(
        target_of(url), SocketClient(clock), clock=clock, entropy=Entropy(None), keys=PooledKeys(Entropy(1)),
        challenges=Static("canary-77"),
    )  # fmt: skip
    answer = client.ask(client.order())
    with socket.create_connection((client.target.host, client.target.port), timeout=20) as raw:
        raw.sendall(b"nonsense\r\n\r\n")
        assert raw.recv(9) == b"HTTP/1.1 "
    server.send_signal(signal.SIGHUP)
    out, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, "")
    lines = out.splitlines()
    assert [line.split()[0] for line in lines if " GET GetCA" in line] == ["#1", "#2"]
    (enrolment,) = [line for line in lines if "POST PKCSReq" in line]
    assert enrolment.startswith("#3 ")
    told = r" \[rule 1\] faults: nonce-mismatch \(message: recipient_nonce: [0-9a-f]{32} -> [0-9a-f]{32}\)$"
    assert re.search(told, enrolment)
    (refused,) = [line for line in lines if "(unreadable)" in line]
    assert not refused.startswith("#"), "it was no exchange"
    assert "4 requests" in lines
    assert "client 127.0.0.1: 4 requests, 1 granted; findings: 1 note" in lines
    names = sorted(file.name for file in saved.iterdir())
    assert names == [f"00000{n}-{name}.{part}.http" for n, name in ((1, "GetCACert"), (2, "GetCACaps"), (3, "PKCSReq"))
                     for part in ("reply", "request")]  # fmt: skip
    assert (saved / names[5]).read_bytes().endswith(answer.exchange.request.body)
    assert {file.stat().st_mode & 0o777 for file in saved.iterdir()} == {0o600}
    assert b"canary" not in b"".join(file.read_bytes() for file in saved.iterdir())
    assert decode_main(["decode", str(saved / names[5])]) == 0
    assert "PKCSReq" in capsys.readouterr().out


def test_a_directory_with_exchanges_is_not_saved_into_again(tmp_path: Path, capsys) -> None:
    (tmp_path / "000001-x.request.http").touch()
    assert main(["--port", "0", "--save", str(tmp_path)]) == 2
    assert "already contains exchanges (use an empty directory for --save)" in capsys.readouterr().err


def test_what_cannot_be_saved_changes_no_answer(tmp_path: Path, caplog) -> None:
    saving = SavingService(tmp_path / "saved")
    saving.service = Bench().ca
    (tmp_path / "saved").rmdir()
    assert saving.handle(HttpRequest("GET", "/scep?operation=GetCACaps"), "x").octets.startswith(b"HTTP/1.1 200")
    assert "is not saved: No such file or directory" in caplog.text


def test_an_empty_challenge_does_not_let_everybody_in(capsys) -> None:
    assert main(["--port", "0", "--challenge", ""]) == 2
    assert "the challenge password is empty" in capsys.readouterr().err


def test_a_busy_port_is_explained(capsys) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["--port", str(port)]) == 2
    told = capsys.readouterr().err
    assert f"cannot listen on 127.0.0.1, port {port}: address already in use" in told
    assert "choose another --port, or 0 for any free port" in told


def test_mistakes_of_a_script_file_are_told_with_their_places(tmp_path: Path, capsys) -> None:
    (tmp_path / "rules.yaml").write_text("- {when: {tpye: PKCSReq}, then: pending}\n- {then: maybe}\n")
    assert main(["--script", str(tmp_path / "rules.yaml")]) == 2
    told = capsys.readouterr().err
    assert "rules.yaml:1:11: " in told
    assert "did you mean 'type'?" in told
    assert "rules.yaml:2:10: " in told


@pytest.mark.parametrize("verb", ["faults", "defects", "profiles"])
def test_lists_for_people_and_machines(capsys, verb: str) -> None:
    assert main([verb]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert main([verb, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert len(lines) == len(rows) >= 2


def test_a_profile_tells_apart_what_it_says_takes_over_and_leaves_unsaid(capsys) -> None:
    assert main(["profiles", "ndes-2016"]) == 0
    told = capsys.readouterr().out
    own, _, rest = told.partition("Inherited from lenient, ndes-2012r2, rfc8894, where the product may differ:\n")
    over, _, unsaid = rest.partition("As in RFC 8894, unverified for NDES of Windows Server 2016")
    assert "It imitates NDES of Windows Server 2016 to 2022.\n" in own
    assert "server: Microsoft-IIS/10.0\n    IIS of Windows Server 2016 (reported; unconfirmed)\n" in own
    line = (
        "empty_content: zero\n    F-E06: certnanny/sscep#59, a reply decoded (capture, for ndes-2012r2; unconfirmed)\n"
    )
    assert line in over
    assert over.count("unconfirmed") == over.count("    ")
    assert "signing_time" in unsaid
    assert max(map(len, unsaid.splitlines()[1:])) <= 110

    assert main(["profiles", "ndes-2016", "--json"]) == 0
    row = json.loads(capsys.readouterr().out)
    assert row["imitates"] == "NDES of Windows Server 2016 to 2022"
    assert row["sources"]["empty_content"] == {
        "source": "F-E06: certnanny/sscep#59, a reply decoded", "by": "capture", "confirmed": False, "from": "ndes-2012r2",
    }  # fmt: skip
    assert row["sources"]["server"]["from"] is None
    assert {*row["sources"], *row["unsaid"]} == row["values"].keys()

    assert main(["profiles", "step-ca"]) == 0
    assert "\nKnown differences:\nsubjectAltName: without one in the CSR, " in capsys.readouterr().out

    assert main(["profiles"]) == 0
    lines = {line.split()[0]: line for line in capsys.readouterr().out.splitlines()}
    doubts = {name: line.partition("  [")[2] for name, line in lines.items()}
    profile = PROFILES["ndes-2016"]
    own, over = (sum(not s.confirmed for s in which.values()) for which in (profile.own, profile.taken_over))
    told = f"{own} of {len(profile.own)} values unconfirmed, {over} inherited values unconfirmed]"
    assert (doubts["ndes-2016"], doubts["mitm"]) == (told, "")


def _started(*options: str) -> tuple[subprocess.Popen[str], list[str]]:
    server = subprocess.Popen(
        [*COMMAND, "--port", "0", *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    return server, [server.stdout.readline() for _ in range(3)]


def test_a_whole_ca_from_a_file_and_options_and_a_port_to_steer_it(tmp_path: Path) -> None:
    (tmp_path / "ca.yaml").write_text(
        "profile: lenient\nname: From a file\nchallenge: {one_time: {cache: 2}}\nidentifiers: [a, b]\n"
    )
    server, lines = _started("--ca", str(tmp_path / "ca.yaml"), "--set", "approval=manual", "--set", "identifiers=[one]",
                             "--profile", "rfc8894", "--control-port", "0")  # fmt: skip
    try:
        url = re.search(r"http://\S+", lines[0])[0]
        assert "(profile rfc8894)" in lines[0]
        control = lines[2].removeprefix("control at ").strip()
        with urllib.request.urlopen(f"{url}?operation=GetCACert&message=one", timeout=20) as reply:
            assert b"From a file one" in reply.read()
        asked = urllib.request.Request(
            f"{control}challenge", b"{}", {"Content-Type": "application/json"}, method="POST"
        )
        with urllib.request.urlopen(asked, timeout=20) as reply:
            assert len(json.load(reply)["challenge"]) == 16
        with urllib.request.urlopen(f"{control}status", timeout=20) as reply:
            assert json.load(reply)["challenges_outstanding"] == 1
        with urllib.request.urlopen(f"{url.removesuffix('scep')}ca0-1.crl", timeout=20) as reply:
            assert reply.headers["Content-Type"] == "application/pkix-crl"
    finally:
        server.send_signal(signal.SIGTERM)
        _, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, "")


def test_it_speaks_tls_and_gives_out_what_is_to_be_trusted(tmp_path: Path) -> None:
    anchor = tmp_path / "web.pem"
    server, lines = _started("--tls", "other-pki", "--tls-ca-out", str(anchor), "--tls-name", "ca.example")
    try:
        url = re.search(r"https://\S+", lines[0])[0]
        assert lines[2] == f"CA to trust for TLS: Mock web PKI, not the SCEP CA (tests only), in {anchor}\n"
        with pytest.raises(urllib.error.URLError, match="unable to get local issuer certificate"):
            urllib.request.urlopen(f"{url}?operation=GetCACaps", timeout=20)
        trusting = ssl.create_default_context(cafile=anchor)
        with urllib.request.urlopen(f"{url}?operation=GetCACert", timeout=20, context=trusting) as reply:
            assert b"Mock SCEP CA" in reply.read()
    finally:
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, "")
    assert "127.0.0.1 TLS -> handshake failed: the client reports unknown ca\n" in out
    assert "127.0.0.1 GET GetCACert -> " in out


def test_a_defect_is_explained_and_a_slip_in_its_name_too(capsys) -> None:
    assert main(["defects", "reissues"]) == 0
    told = capsys.readouterr().out
    assert "Every request creates a new certificate; transactions are not remembered." in told
    assert "to use it: mock-scep-server --defect reissues" in told
    for arguments in (["defects", "reisues"], ["--port", "0", "--defect", "reisues"]):
        assert main(arguments) == 2
        assert "there is no defect 'reisues' (did you mean 'reissues'?)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("defects", "verdicts"),
    [
        ((), {"poll-unknown": "pass", "post-without-operation": "pass"}),
        (("polls-anything",), {"poll-unknown": "fail", "post-without-operation": "pass"}),
        (
            ("polls-anything", "wants-operation-on-post"),
            {"poll-unknown": "fail", "post-without-operation": "finding"},
        ),
    ],
)
def test_tests_of_servers_notice_its_defects(mfp_sim, defects: tuple[str, ...], verdicts: dict[str, str]) -> None:
    server, lines = _started(*(word for defect in defects for word in ("--defect", defect)), "--control-port", "0")
    try:
        url = re.search(r"http://\S+", lines[0])[0]
        assert lines[2].startswith(f"defects: {', '.join(defects)}" if defects else "control at ")
        done = mfp_sim("conform", url, "--verdict", "rfc", "--json", *(f"--only={check}" for check in verdicts))
    finally:
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, "")
    found = {row["id"]: row["verdict"] for row in json.loads(done.out)["checks"]}
    assert found == verdicts
    assert done.code == int("fail" in verdicts.values())
    answered = {line.partition(" -> answered by ")[2] for line in out.splitlines() if " -> answered by " in line}
    assert answered == ({"a defect"} if len(defects) > 1 else set(defects))


def test_a_defect_is_the_same_over_tls(tmp_path: Path) -> None:
    anchor = tmp_path / "ca.pem"
    server, lines = _started("--defect", "caps-as-html", "--tls", "trusted", "--tls-ca-out", str(anchor))
    try:
        url = re.search(r"https://\S+", lines[0])[0]
        assert lines[2] == "defects: caps-as-html\n"
        assert server.stdout.readline().startswith("CA to trust for TLS: Mock SCEP CA (tests only), in ")
        context = ssl.create_default_context(cafile=anchor)
        with urllib.request.urlopen(f"{url}?operation=GetCACaps", timeout=20, context=context) as reply:
            assert reply.headers["Content-Type"] == "text/html"
    finally:
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, "")
    assert "127.0.0.1 GET GetCACaps -> answered by caps-as-html\n" in out


@pytest.fixture
def signals() -> Iterator[None]:
    """What the command does with signals is undone."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ([], r"http://127\.0\.0\.1:\d+"),
        (["--publish", "none"], "None"),
        (["--tls", "trusted"], "None"),  # certificates should not contain https:// URLs (RFC 5280, 8)
        (["--tls", "trusted", "--publish", "http://ca.example"], r"http://ca\.example"),
    ],
)
def test_certificates_name_the_mock_where_it_speaks_http(signals, monkeypatch, options: list[str], named: str) -> None:
    found: list[str] = []

    def stop_at_once(_: object, service: ScepService, *__: object) -> tuple[str, ...]:
        found.append(str(service.authority.url))
        signal.raise_signal(signal.SIGTERM)
        return ()

    monkeypatch.setattr(cli_serving, "_announcement", stop_at_once)
    assert main(["--port", "0", *options]) == 0
    assert re.fullmatch(named, found[0])


def test_a_client_that_does_not_look_at_the_certificate_is_told_of() -> None:
    server, lines = _started("--tls", "untrusted")
    try:
        url = re.search(r"https://\S+", lines[0])[0]
        assert lines[2].startswith("self-signed TLS certificate, SHA-256: ")
        careless = ssl._create_unverified_context()
        with urllib.request.urlopen(f"{url}?operation=GetCACaps", timeout=20, context=careless) as reply:
            assert b"POSTPKIOperation" in reply.read()
    finally:
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, "")
    assert "127.0.0.1 TLS -> the client accepted an untrusted certificate\n" in out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (
            ["--tls-ca-out", "x.pem"],
            "--tls-ca-out, --tls-name and --tls-client-ca need --tls (add, for example, --tls other-pki)",
        ),
        (["--tls", "untrusted", "--tls-ca-out", "x.pem"], "there is no CA to trust for an untrusted certificate"),
        (["--tls", "trusted", "--tls-ca-out", "/nonexistent/x"], "cannot write /nonexistent/x: No such file"),
        (
            ["--tls", "trusted", "--tls-name", "a b"],
            "'a b' is not a valid name for a TLS certificate (give a host name or",
        ),
        (["--set", "approval"], "--set takes KEY=VALUE, not 'approval' (for example --set approval=manual)"),
        (["--set", "aproval=manual"], "unknown key 'aproval' in ca (did you mean 'approval'?)"),
        (["--set", "approval=later"], "approval has to be automatic, manual or {manual: …}, not 'later'"),
        (["--set", "rollover={publish: 2d, switch: 1d}"], "the next CA must be published before it takes over"),
        (["--set", "url=http://x"], "url is for scenarios: this program is the server"),
        (["--challenge-command", ""], "the challenge command is empty"),
        (["--ca", "/nonexistent"], "cannot read /nonexistent: No such file or directory"),
        (["--profile", "ndes"], "there is no CA profile 'ndes'"),
    ],
)
def test_mistakes_of_options(capsys, arguments: list[str], told: str) -> None:
    assert main(["--port", "0", *arguments]) == 2
    assert told in capsys.readouterr().err


def test_the_control_port_with_a_token(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("canary-78\n")
    server, lines = _started(
        "--control-port", "0", "--control-token-file", str(tmp_path / "token"), "--control-host", "127.0.0.1"
    )
    try:
        control = lines[2].removeprefix("control at ").strip()
        with pytest.raises(urllib.error.HTTPError, match="401") as refused:
            urllib.request.urlopen(f"{control}status", timeout=20)
        assert b"the token is missing" in refused.value.read()
        asked = urllib.request.Request(f"{control}status", headers={"Authorization": "Bearer canary-78"})
        with urllib.request.urlopen(asked, timeout=20) as reply:
            assert json.load(reply)["requests"] == 0
    finally:
        server.send_signal(signal.SIGTERM)
        out, err = server.communicate(timeout=20)
    assert (server.returncode, err) == (0, "")
    assert "canary" not in "".join(lines) + out


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--control-token", "x"], "need --control-port (add --control-port)"),
        (["--control-host", "127.0.0.1"], "need --control-port (add --control-port)"),
        (
            ["--control-port", "0", "--control-host", "0.0.0.0"],
            "the control port needs a token outside loopback (add --control-token-file)",
        ),
        (["--control-port", "0", "--control-token", ""], "the control token is empty"),
        (
            ["--control-port", "0", "--control-token-env", "NO_SUCH_TOKEN"],
            "the environment variable NO_SUCH_TOKEN is not set",
        ),
    ],
)
def test_options_of_the_control_port_that_do_not_go_together(capsys, options: list[str], words: str) -> None:
    assert main(["--port", "0", *options]) == 2
    assert words in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["compl"], "completion"),
        (["completion", "z"], "zsh"),
        (["--ra", "s"], "single split"),
        (["--fault", "nonce-mism"], "nonce-mismatch"),
        (["--fault", "tls-"], ""),  # takes effect before the first request: not for --fault
        (["faults", "nonce-mism"], "nonce-mismatch"),
        (["defects", "accepts-bad-s"], "accepts-bad-signature"),
        (["--defect", "accepts-bad-s"], "accepts-bad-signature"),
        (["profiles", "ndes-2016"], "ndes-2016"),
        (["--profile", "ndes-2016"], "ndes-2016"),
        (["--set", "appr"], "approval="),
        (["--set", "reply_d"], "reply_digest="),
        (["--set", "scri"], ""),  # it has an option of its own
        (["--script", "scr"], "script"),
        (["judge", "scr"], "script"),
    ],
)
def test_bash_completes(words: list[str], told: str, tmp_path: Path, capsys) -> None:
    assert main(["completion", "bash"]) == 0
    (tmp_path / "script").write_text(capsys.readouterr().out)
    place = f"COMP_WORDS=(mock-scep-server {shlex.join(words)}); COMP_CWORD={len(words)}"
    run = subprocess.run(
        ["bash", "-c", f'source {tmp_path}/script; {place}; _mock_scep_server; echo "${{COMPREPLY[@]}}"'],
        capture_output=True, text=True, check=True, cwd=tmp_path,
    )  # fmt: skip
    assert run.stdout == f"{told}\n"


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_a_script_with_the_words_of_this_version(shell: str, tmp_path: Path, capsys) -> None:
    assert main(["completion", shell]) == 0
    script = capsys.readouterr().out
    for word in ("nonce-mismatch", "accepts-bad-signature", "ndes-2016", "approval=", "reply_digest="):
        assert word in script
    if (program := shutil.which(shell)) is not None:
        (tmp_path / "script").write_text(script)
        subprocess.run([program, "-n", str(tmp_path / "script")], check=True)


def test_completion_needs_a_shell(capsys) -> None:
    for words in (["completion"], ["completion", "tcsh"]):
        assert main(words) == 2
        assert "one of bash, zsh, fish" in capsys.readouterr().err
