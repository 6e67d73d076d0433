"""A poll belongs to a transaction by its transactionID and its signer, whatever names it carries (SCEP-3.3.3)."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from mfp_sim.shared.documents import Problems, load_text
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr, messages
from mfp_sim.shared.scep.http_messages import scep_request
from mfp_sim.shared.scep.messages import PkiMessage, RequestContent
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, Operation, PkiStatus
from mfp_sim.shared.simtime import Entropy, FrozenClock, PooledKeys
from mock_scep_server.profiles.registry import profile_named
from mock_scep_server.script import Script
from mock_scep_server.script_file import read_script
from mock_scep_server.service import ScepService

NOW = datetime(2026, 3, 2, 8, tzinfo=timezone.utc)
SUBJECT, OTHER = x509.name(("CN", "printer-1.example")), x509.name(("CN", "somebody else"))
KEYS = PooledKeys(Entropy(9))
OURS, THEIRS = KEYS.rsa(2048), KEYS.rsa(2048)


def _certificate(key) -> x509.Certificate:
    end = NOW + timedelta(days=1)
    return x509.self_signed(key, subject=SUBJECT, serial=1, not_before=NOW, not_after=end)


@pytest.fixture
def service() -> ScepService:
    clock, entropy = FrozenClock(NOW), Entropy(9)
    rules = read_script(
        load_text("[{when: {type: PKCSReq}, then: pending}, {when: {type: CertPoll}, then: success}]"), Problems()
    )
    script = Script(rules, timezone.utc, NOW)  # type: ignore[arg-type]
    keys = PooledKeys(entropy, side=1)
    return ScepService(profile=profile_named("rfc8894"), clock=clock, entropy=entropy, keys=keys, script=script)


def _ask(service: ScepService, kind: MessageType, data: bytes, key=OURS) -> PkiMessage:
    request = RequestContent(kind, "t-1", bytes(16), data, service.authority.recipient.certificate)
    octets = messages.encode_request(
        request, signer_key=key, signer_certificate=_certificate(key), octets=Entropy(1).octets
    )
    sent = service.handle(scep_request("/scep", Operation.PKI_OPERATION, octets, method="POST"), "192.0.2.1").octets
    return messages.decode(sent.partition(b"\r\n\r\n")[2])


@pytest.mark.parametrize(
    ("issuer", "subject", "noted"),
    [(None, SUBJECT, []), (OTHER, SUBJECT, ["SCEP-3.3.3-02"]), (None, OTHER, ["SCEP-3.3.3-03"])],
)
def test_other_names_are_noted_and_answered(service: ScepService, issuer, subject, noted: list[str]) -> None:
    pending = _ask(service, MessageType.PKCS_REQ, csr.build(OURS, subject=SUBJECT))
    assert pending.pki_status == PkiStatus.PENDING
    named = messages.issuer_and_subject(issuer or service.authority.issuer.certificate.subject, subject)
    assert _ask(service, MessageType.CERT_POLL, named).pki_status == PkiStatus.SUCCESS
    assert [note.split()[0] for note in service.journal.entries[-1].notes] == noted


def test_a_poll_signed_with_another_key_gets_nothing(service: ScepService) -> None:
    _ask(service, MessageType.PKCS_REQ, csr.build(OURS, subject=SUBJECT))
    named = messages.issuer_and_subject(service.authority.issuer.certificate.subject, SUBJECT)
    refused = _ask(service, MessageType.CERT_POLL, named, key=THEIRS)
    assert (refused.pki_status, refused.fail_info) == (PkiStatus.FAILURE, FailInfo.BAD_CERT_ID)
    assert refused.fail_info_text == "the poll is signed with another key than the request"
    assert service.ledger.counts["minted"] == 0
    assert _ask(service, MessageType.CERT_POLL, named).pki_status == PkiStatus.SUCCESS
