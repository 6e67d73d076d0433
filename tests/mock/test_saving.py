"""Content keys beside saved exchanges: they open those envelopes, no private key is among them, and who uses them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mfp_sim.cli.main import main as mfp_sim
from mfp_sim.conformance.challenges import Static
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.target import target_of
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.scep.http_messages import HttpRequest, Operation
from mfp_sim.shared.simtime import Entropy, FrozenClock, PooledKeys
from mfp_sim.testing.bench import START
from mfp_sim.transport import InProcess, Sequential
from mock_scep_server.challenges import StaticChallenge
from mock_scep_server.cli import main as mock
from mock_scep_server.control import ControlService
from mock_scep_server.exchange_view import view_exchange
from mock_scep_server.journal import JournalEntry
from mock_scep_server.saving import SavingService
from mock_scep_server.script_file import script_of
from mock_scep_server.service import make_service
from mock_scep_server.setup import CaSetup

SECRET = "canary-8e21"


class Saved:
    """A mock that saves, and what a client of it did: an enrolment, and a refusal."""

    def __init__(self, folder: Path, *, keys: bool, script: str = "[]") -> None:
        clock, entropy = FrozenClock(START), Entropy(7)
        self.saving = SavingService(folder, keys=keys)
        self.service = make_service(
            CaSetup(script=script_of(script)), clock=clock, entropy=self.saving.entropy(entropy.fork("ca")),
            keys=PooledKeys(entropy.fork("k"), side=1), zone=ZoneInfo("UTC"), challenge=StaticChallenge(SECRET),
            on_entry=self.entered,
        )  # fmt: skip
        self.saving.service = self.service
        key = self.service.authority.recipient.key
        assert isinstance(key, RSAPrivateKey)
        self.saving.private = lambda: (key,)
        self.client = Client(
            target_of("http://ca.example/scep"),
            Sequential(clock, lambda scheduler: InProcess(scheduler, self.saving.handle)),
            clock=clock, entropy=entropy.fork("client"), keys=PooledKeys(entropy.fork("c")), challenges=Static(SECRET),
        )  # fmt: skip
        self.client.get(Operation.GET_CA_CAPS)
        self.granted = self.client.ask(self.client.order())

    def entered(self, entry: JournalEntry) -> None:
        self.saving.number_of(entry)


def files(folder: Path, suffix: str) -> dict[str, Path]:
    return {file.name: file for file in sorted(folder.glob(f"*.{suffix}"))}


def test_without_the_option_there_is_no_key(tmp_path: Path) -> None:
    assert Saved(tmp_path / "s", keys=False).granted.granted
    assert files(tmp_path / "s", "key") == {}


def test_each_envelope_has_its_content_key_and_nobody_a_private_one(tmp_path: Path) -> None:
    saved = Saved(tmp_path / "s", keys=True)
    found = files(tmp_path / "s", "key")
    number = next(name[:6] for name in found)
    assert list(found) == [f"{number}-PKCSReq.reply.key", f"{number}-PKCSReq.request.key"]
    assert {file.stat().st_mode & 0o777 for file in found.values()} == {0o600}
    assert len({file.read_text() for file in found.values()}) == 2
    everything = b"".join(file.read_bytes() for file in (tmp_path / "s").iterdir())
    for key in (saved.service.authority.recipient.key, saved.granted.order.key):
        assert isinstance(key, RSAPrivateKey)
        private = key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        numbers = key.private_numbers()
        assert private not in everything
        for secret in (numbers.d, numbers.p, numbers.q):
            octets = secret.to_bytes((secret.bit_length() + 7) // 8, "big")
            assert octets not in everything
            assert octets.hex().encode() not in everything


@pytest.mark.parametrize(
    "script",
    ["[{when: {type: PKCSReq}, faults: [env-two-recipients]}]", "[{when: {type: PKCSReq}, then: {failure: 2}}]"],
)
def test_what_has_no_envelope_has_no_key(tmp_path: Path, script: str) -> None:
    saved = Saved(tmp_path / "s", keys=True, script=script)
    kept = {name.partition(".")[2] for name in files(tmp_path / "s", "key")}
    assert kept == ({"request.key", "reply.key"} if saved.granted.granted else {"request.key"})


def test_decode_and_judge_look_inside(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved = Saved(tmp_path / "s", keys=True)
    request = next(file for name, file in files(tmp_path / "s", "http").items() if "PKCSReq.request" in name)
    assert mfp_sim(["decode", str(request), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["facts"]["csr challenge"] == "present, not shown"
    assert told["closed"] is None
    assert mfp_sim(["decode", str(request.with_name(request.name.replace("request", "reply")))]) == 0
    assert saved.granted.issued is not None
    assert f"{saved.granted.issued.serial:x}" in capsys.readouterr().out
    assert mock(["judge", str(tmp_path / "s")]) == 0
    assert capsys.readouterr().out.strip().endswith("no findings")  # and nothing about a --key that is not there
    assert SECRET not in capsys.readouterr().out
    beside = request.with_suffix(".key")
    beside.write_text("not a key")
    why = f"{beside} is not a content key in hexadecimal (remove the file)"
    assert mfp_sim(["decode", str(request)]) == 2
    assert capsys.readouterr().err == f"mfp-sim: {why}\n"
    assert mock(["judge", str(tmp_path / "s")]) == 2
    assert f"{request.name}: not judged: {why}\n" in capsys.readouterr().out


def test_a_saved_exchange_over_the_control_port(tmp_path: Path) -> None:
    saved = Saved(tmp_path / "s", keys=True)
    last = int(list(files(tmp_path / "s", "http"))[-1][:6])
    control = ControlService(saved.service, saved.saving.files)

    def ask(target: str, method: str = "GET") -> tuple[int, dict]:
        reply = reply_of(control.handle(HttpRequest(method, target, (("Host", "localhost"),)), "127.0.0.1").octets)
        return reply.status, json.loads(reply.body)

    status, shown = ask(f"/exchange/{last}")
    assert (status, shown["name"], shown["number"]) == (200, "PKCSReq", last)
    assert shown["request"]["head"][0].startswith("POST /scep?operation=PKIOperation HTTP/1.1")
    assert shown["request"]["decoded"]["messageType"] == "PKCSReq"
    assert shown["request"]["decoded"]["inside"]["challenge"] == "present, not shown"
    assert shown["reply"]["decoded"]["pkiStatus"] == "SUCCESS"
    assert saved.granted.issued is not None
    assert f"{saved.granted.issued.serial:x}" in [
        c["serial"] for c in shown["reply"]["decoded"]["inside"]["certificates"]
    ]
    assert SECRET not in json.dumps(shown)
    assert ask("/exchange/1")[1]["reply"]["decoded"]["keywords"][0] == "AES"
    assert ask("/exchange/999") == (404, {"error": "there is no exchange 999"})
    assert ask("/exchange/N") == (400, {"error": "number has to be a number"})
    assert ask(f"/exchange/{last}", "POST")[0] == 405
    assert "GET /exchange/{number}" in ask("/")[1]
    without = ControlService(saved.service)
    reply = reply_of(without.handle(HttpRequest("GET", "/exchange/1", (("Host", "localhost"),)), "127.0.0.1").octets)
    assert (reply.status, json.loads(reply.body)["error"]) == (404, "no exchange is saved")


def test_a_head_on_the_control_port_shows_no_login(tmp_path: Path) -> None:
    saved = Saved(tmp_path / "s", keys=False)
    saved.saving.handle(
        HttpRequest("GET", "/scep?operation=GetCACert&password=canary-1", (("Authorization", "Basic canary-2"),)), "x"
    )
    last = int(list(files(tmp_path / "s", "http"))[-1][:6])
    shown: Any = view_exchange(saved.saving.files, last)
    assert "canary" not in json.dumps(shown)
    assert (
        shown["reply"]["decoded"]["certificates"][0]["sha256"]
        == saved.service.authority.issuer.certificate.fingerprint()
    )


def test_a_head_with_a_control_character_is_saved_as_it_is(tmp_path: Path) -> None:
    saved = Saved(tmp_path / "s", keys=False)
    saved.saving.handle(HttpRequest("GET", "/scep?operation=GetCACaps", (("X-Odd", "a\x01b"),)), "x")
    assert any(b"X-Odd: a\x01b" in file.read_bytes() for file in files(tmp_path / "s", "http").values())


def test_the_option_is_about_what_is_saved(capsys: pytest.CaptureFixture[str]) -> None:
    assert mock(["--save-keys", "--port", "0"]) == UsageError.exit_code
    assert "--save-keys needs --save (add --save DIR)" in capsys.readouterr().err
