"""Our printer at micromdm's scepserver: real sockets, real clock, real keys."""

from __future__ import annotations

import base64
import http.client
import json
import subprocess
import sys
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from pathlib import Path
from urllib.parse import urlsplit

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from table import AT_PROFILES, Row

from mfp_sim.device.settings import KeySettings
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.setting import PrinterSetup
from mfp_sim.scenario.world import World, build
from mfp_sim.shared.errors import SignatureInvalid
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr, messages
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.vocabulary import MessageType, PkiStatus
from mfp_sim.shared.simtime import Entropy, GeneratedKeys
from mock_scep_server.setup import CaSetup

pytestmark = pytest.mark.peer
NONCE, SUBJECT = bytes(range(16)), x509.name(("CN", "printer-1.example"))

SCENARIO = """\
format: 1
name: enrols-at-a-real-server
why: A manual request at a real server ends with its certificate.
clock: 2026-03-02T08:00:00+01:00
printer: {dns: true, settings: {read_single_des: true}}
ca: {challenge: {static: stands-in}}
steps:
  - request: {name: tls, common_name: printer-2.example, challenge: stands-in, use: TLS}
  - expect:
      status: {state: successful, details: none}
      keys: [{name: tls, certificate: {common_name: printer-2.example, fits_key: true}}]
      requests: [GetCACaps, GetCACert, PKCSReq]
      ledger: {minted: 1}
"""


def world_at(url: str, **settings: object) -> World:
    """A printer whose CA is the server at ``url``."""
    printer = PrinterSetup(settings={"read_single_des": True, **settings}, dns=True)
    now = datetime.now(timezone.utc)
    scenario = Scenario("real", "a real server", "here", now, steps=(), printer=printer, ca=CaSetup(url=url))
    return build(scenario, seed=1)


def test_it_enrols_and_openssl_verifies_the_certificate(micromdm_server, openssl, tmp_path: Path) -> None:
    world = world_at(micromdm_server.url)
    row = world.printer.send_request(KeySettings("tls", "printer-1.example", challenge=micromdm_server.challenge))
    assert (row.state, row.details) == ("successful", None)
    (entry,) = [entry for entry in world.printer.key_list() if not entry.default]
    (tmp_path / "issued.der").write_bytes(entry.certificate.der)
    openssl("x509", "-inform", "DER", "-in", str(tmp_path / "issued.der"), "-out", str(tmp_path / "issued.pem"))
    verified = openssl("verify", "-x509_strict", "-CAfile", str(micromdm_server.ca_file), str(tmp_path / "issued.pem"))
    assert verified.strip().endswith(": OK")
    of_certificate = openssl("x509", "-in", str(tmp_path / "issued.pem"), "-noout", "-pubkey")
    of_key = openssl("pkey", "-inform", "DER", "-pubout", stdin=entry.private)
    assert of_certificate == of_key


def test_a_wrong_challenge_shows_as_fail_info_2(micromdm_server) -> None:
    world = world_at(micromdm_server.url)
    row = world.printer.send_request(KeySettings("tls", "printer-1.example", challenge="wrong"))
    assert (row.state, row.details.slug) == ("error", "fail-info-2")
    assert row.details.label == "Communication Error (SCEP ERROR Fail Info 2)"
    assert [entry.name for entry in world.printer.key_list()] == ["Default Key"]


def test_its_single_des_reply_is_refused_by_name_unless_the_profile_reads_it(micromdm_server) -> None:
    """micromdm 2.1.0 answers in single DES whatever it was asked with; a mended version makes this test fail."""
    world = world_at(micromdm_server.url, read_single_des=False)
    row = world.printer.send_request(KeySettings("tls", "printer-1.example", challenge=micromdm_server.challenge))
    assert (row.state, row.details.slug) == ("error", "scep-error")
    assert "des-cbc" in world.printer.audit[-1].diagnosis


def test_the_command_line_runs_a_scenario_against_it(micromdm_server, tmp_path: Path) -> None:
    file = tmp_path / "real.scenario.yaml"
    file.write_text(SCENARIO)
    (tmp_path / "challenge").write_text(micromdm_server.challenge + "\n")
    run = subprocess.run(
        [sys.executable, "-m", "mfp_sim", "run", str(file), "--ca", micromdm_server.url, "--challenge-file",
         str(tmp_path / "challenge"), "--json", "--report", str(tmp_path / "out")],
        capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip
    assert run.returncode == 0, run.stdout + run.stderr
    report = json.loads(run.stdout)
    assert report["target"] == micromdm_server.url
    assert report["scenarios"][0]["outcome"] == "passed"
    assert [place.rpartition(": ")[2] for place in report["scenarios"][0]["unobserved"]] == ["ledger"]
    written = "".join(path.read_text() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert micromdm_server.challenge not in run.stdout + run.stderr + written


AT_OUR_SHAPE = [row for row in AT_PROFILES if row.ca.profile == "micromdm-2.1"]


@pytest.mark.parametrize(
    "row", AT_OUR_SHAPE, ids=[" ".join([row.peer.split()[0], *row.options]) for row in AT_OUR_SHAPE]
)
def test_each_client_ends_here_as_at_our_shape_of_it(micromdm_server, client, row: Row) -> None:
    """The table says what becomes of the clients at ``micromdm-2.1``; the program itself is the judge of that profile."""
    told = client(row.peer).enrol(micromdm_server.url, micromdm_server.ca_file, *row.options)
    assert (told.certificate is None) == row.cell.success.pinned, told.text
    assert row.cell.says in told.text


# --- its shapes, pinned -----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Asking:
    """A client made of the codec alone: what the server does with a message of any kind."""

    url: str
    authority: Certificate
    key: RSAPrivateKey
    signer: Certificate

    def post(self, kind: MessageType, data: bytes) -> tuple[int, bytes]:
        asked = messages.RequestContent(kind, "t-1", NONCE, data, self.authority, cipher="aes-128-cbc")
        octets = messages.encode_request(
            asked, signer_key=self.key, signer_certificate=self.signer, octets=Entropy(None).octets
        )
        address = urlsplit(self.url)
        connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=30)
        try:
            connection.request("POST", f"{address.path}?operation=PKIOperation", octets)
            reply = connection.getresponse()
            return reply.status, reply.read()
        finally:
            connection.close()


@pytest.fixture
def asking(micromdm_server) -> Asking:
    key = GeneratedKeys().rsa(2048)
    now = datetime.now(timezone.utc)
    signer = x509.self_signed(
        key, subject=SUBJECT, serial=1, not_before=now - timedelta(days=1), not_after=now + timedelta(days=1)
    )
    text = "".join(micromdm_server.ca_file.read_text().split("-----")[2].split())
    return Asking(micromdm_server.url, Certificate.from_der(base64.b64decode(text)), key, signer)


def test_it_answers_in_single_des_and_sha1_with_the_client_s_nonce(asking: Asking) -> None:
    status, body = asking.post(MessageType.PKCS_REQ, csr.build(asking.key, subject=SUBJECT, challenge="peer-challenge"))
    reply = messages.decode(body)
    assert (status, reply.pki_status, reply.digest) == (200, PkiStatus.SUCCESS, "sha1")
    assert reply.envelope is not None
    assert reply.envelope.cipher == "des-cbc", "a mended version answers in the request's cipher"
    assert (reply.sender_nonce, reply.recipient_nonce) == (NONCE, NONCE)
    assert "SCEP-3.2.2-06" in [note.requirement for note in reply.notes]
    (issued,) = messages.read_certs_only(messages.open_envelope(reply, asking.key, asking.signer))
    assert issued in reply.certificates


@pytest.mark.parametrize("kind", [MessageType.CERT_POLL, MessageType.GET_CERT, MessageType.GET_CRL])
def test_it_answers_what_it_does_not_know_with_http_500(asking: Asking, kind: MessageType) -> None:
    data = messages.issuer_and_serial(asking.authority.subject, 1)
    if kind is MessageType.CERT_POLL:
        data = messages.issuer_and_subject(asking.authority.subject, SUBJECT)
    assert asking.post(kind, data)[0] == 500


def test_it_does_not_check_the_csr_s_signature(asking: Asking) -> None:
    right = csr.build(asking.key, subject=SUBJECT, challenge="peer-challenge")
    wrong = right[:-1] + bytes((right[-1] ^ 1,))
    with pytest.raises(SignatureInvalid, match="the signature of the CSR does not verify"):
        csr.Csr.from_der(wrong).verify()
    reply = messages.decode(asking.post(MessageType.PKCS_REQ, wrong)[1])
    assert reply.pki_status == PkiStatus.SUCCESS, "a mended version refuses it"
