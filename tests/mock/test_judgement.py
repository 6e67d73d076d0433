"""What requests say about a client: each finding for its own reason, and none about one that does all right."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr as csrs
from mfp_sim.shared.scep.cms import SignedData
from mfp_sim.shared.scep.http_messages import HttpRequest, Operation, scep_request
from mfp_sim.shared.scep.vocabulary import MessageType
from mock_scep_server.cli import main
from mock_scep_server.judgement import verdict_of

VECTORS = Path(__file__).parent.parent / "vectors"


def _about(ca) -> list[str]:
    return list(ca.service.journal.entries[-1].judgement)


def test_a_client_that_does_all_right_is_found_nothing_about(make_ca, make_client) -> None:
    ca = make_ca("{approval: manual}")
    client = make_client(ca)
    client.enrol()
    client.poll()
    ca.service.operator.approve()
    client.poll()
    client.renewed().enrol(None, kind=MessageType.RENEWAL_REQ)
    ca.get("/?operation=GetCACaps")
    assert ca.service.journal.judgement() == {}


def test_the_verdict_is_the_requirements_level_and_only_of_clients() -> None:
    assert [verdict_of(r) for r in ("SCEP-2.9-09", "SCEP-2.3-04", "SCEP-2.3-07", "SCEP-2.3-08", "SCEP-0-00")] == [
        "fail", "warn", "note", "note", "note",
    ]  # fmt: skip


def _by_get(ca, client) -> None:
    octets = client.message(19, client.csr(), transaction_id="g", sender_nonce=bytes(range(16)))
    ca.ask(scep_request("/", Operation.PKI_OPERATION, octets))
    client.octets = octets


def _twice(ca, client) -> None:
    _by_get(ca, client)
    ca.ask(scep_request("/", Operation.PKI_OPERATION, client.octets, method="POST"))


def _odd_type(ca, client) -> None:
    _by_get(ca, client)
    client.entropy.octets(8)
    request = scep_request("/", Operation.PKI_OPERATION, client.octets, method="POST")
    ca.ask(replace(request, headers=(("Content-Type", "application/octet-stream"),)))


def _without_usage(ca, client) -> None:
    now = ca.clock.now()
    client.signer = x509.issue(
        serial=1, issuer=client.subject, subject=client.subject, spki=x509.spki_of(client.key),
        not_before=now - timedelta(days=2), not_after=now - timedelta(days=1),
        extensions=[x509.key_usage_extension("digitalSignature")], signing_key=client.key,
    )  # fmt: skip
    client.enrol()


def _signer(usage, days: int = 0):
    """An enrolment with a self-signed certificate of this keyUsage, whose validity is moved by days."""

    def act(ca, client) -> None:
        now = ca.clock.now() + timedelta(days=days)
        client.signer = x509.issue(
            serial=1, issuer=client.subject, subject=client.subject, spki=x509.spki_of(client.key),
            not_before=now - timedelta(days=1), not_after=now + timedelta(days=1),
            extensions=usage, signing_key=client.key,
        )  # fmt: skip
        client.enrol()

    return act


BOTH = [x509.key_usage_extension("digitalSignature", "keyEncipherment")]


def _another_csr(ca, client) -> None:
    client.enrol()
    other = csrs.build(client.keys.rsa(2048), subject=x509.name(("CN", "x")), challenge="s3cret")
    client.send(19, other)


def _renewal(ca, client, kind=MessageType.RENEWAL_REQ, challenge=None, same_key=False) -> None:
    client.enrol()
    client.renewed(same_key=same_key).enrol(challenge, kind=kind)


CASES = [
    (_by_get, ["fail SCEP-4.1-06 GET is used although the CA advertises POST"]),
    (_twice, ["fail SCEP-3.2.1.5-02 the senderNonce was used before"]),
    (
        _odd_type,
        [
            "warn SCEP-4.3-02 Content-Type: application/x-pki-message expected, got application/octet-stream",
            "fail SCEP-3.2.1.5-02 the senderNonce was used before",
        ],
    ),
    (
        _without_usage,
        [
            "note SCEP-3.2-14 the signer's certificate expired at 2026-03-01 12:00",
            "fail SCEP-2.3-02 the self-signed certificate's keyUsage lacks keyEncipherment",
        ],
    ),
    (_signer([]), ["warn SCEP-2.3-02 certificates: the self-signed certificate has no keyUsage"]),
    (_signer(BOTH, -3), ["note SCEP-3.2-14 the signer's certificate expired at 2026-02-28 12:00"]),
    (_signer(BOTH, 3), ["note SCEP-3.2-14 the signer's certificate is not valid before 2026-03-04 12:00"]),
    (
        lambda ca, client: client.send(19, client.csr(), digest="sha1"),
        ["warn SCEP-3.5.2-16 SHA-1 is used although the CA advertises SHA-256"],
    ),
    (
        lambda ca, client: client.send(19, client.csr(), digest="sha512"),
        ["warn SCEP-3.5.2-18 SHA-512 is used instead of SHA-256"],
    ),
    (
        lambda ca, client: client.send(19, client.csr(), digest="sha384"),
        ["warn SCEP-3.5.2-18 SHA-384 is used instead of SHA-256, and the CA does not advertise it"],
    ),
    (
        lambda ca, client: client.enrol(cipher="aes-256-cbc"),
        ["warn SCEP-3.5.2-18 AES-256-CBC is used instead of AES-128-CBC, and the CA does not advertise it"],
    ),
    (
        _another_csr,
        [
            "fail SCEP-3.2.1.1-01 the transactionID was used for another request before",
            "warn SCEP-2.3-04 the self-signed certificate's subject differs from the CSR's",
            "warn SCEP-2.3-05 the self-signed certificate's key differs from the CSR's",
        ],
    ),
    (
        lambda ca, client: client.enrol(cipher="des-ede3-cbc"),
        ["warn SCEP-3.5.2-17 3DES is used although the CA advertises AES"],
    ),
    (
        lambda ca, client: client.enrol(None),
        ["fail SCEP-3.3.1-03 the CSR has no challengePassword, but the CA requires one"],
    ),
    (
        lambda ca, client: client.enrol(kind=MessageType.RENEWAL_REQ),
        ["note SCEP-2.3-07 a RenewalReq is signed with a self-signed certificate"],
    ),
    (
        lambda ca, client: client.enrol(transaction_id="s3cret-in-the-open", challenge="s3cret"),
        ["note SCEP-2.4-12 the challenge password is outside the envelope"],
    ),
    (
        lambda ca, client: _renewal(ca, client, kind=MessageType.PKCS_REQ),
        ["note SCEP-2.5-03 a certificate is renewed with a PKCSReq although the CA advertises Renewal"],
    ),
    (
        lambda ca, client: _renewal(ca, client, challenge="s3cret"),
        ["warn SCEP-2.4-06 a renewal contains a challengePassword"],
    ),
    (
        lambda ca, client: _renewal(ca, client, same_key=True),
        ["warn SCEP-2.5-04 the renewal reuses the key of the old certificate"],
    ),
    (
        lambda ca, client: ca.ask(HttpRequest("GET", "/?operation=GetNextCACert")),
        ["note SCEP-4.7-03 GetNextCACert is sent to a CA that does not advertise it"],
    ),
]


@pytest.mark.parametrize(("act", "findings"), CASES, ids=[findings[-1][5:30] for _, findings in CASES])
def test_each_finding_has_its_own_reason(make_ca, make_client, act, findings) -> None:
    ca = make_ca()
    act(ca, make_client(ca))
    assert _about(ca) == findings


def test_what_is_not_advertised(make_ca, make_client) -> None:
    ca = make_ca(capabilities=("AES", "SHA-256", "Renewal"))
    client = make_client(ca)
    client.send(19, client.csr(), digest="sha512", cipher="aes-256-cbc")
    assert _about(ca) == [
        "note SCEP-4.1-08 POST is used although the CA does not advertise it",
        "warn SCEP-3.5.2-18 SHA-512 is used instead of SHA-256, and the CA does not advertise it",
        "warn SCEP-3.5.2-18 AES-256-CBC is used instead of AES-128-CBC, and the CA does not advertise it",
    ]
    _by_get(ca, make_client(ca))
    assert _about(ca) == []


def test_a_digest_that_alone_is_advertised_is_right(make_ca, make_client) -> None:
    ca = make_ca(capabilities=("POSTPKIOperation", "SHA-1", "DES3"))
    client = make_client(ca)
    client.send(19, client.csr(), digest="sha1", cipher="des-ede3-cbc")
    assert _about(ca) == []


def test_a_renewal_under_the_enrolments_transaction_id_is_a_warning(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    client.enrol()
    client.renewed(same_key=True, same_transaction=True).enrol(None, kind=MessageType.RENEWAL_REQ)
    assert _about(ca) == [
        "warn SCEP-3.2.1.1-07 a renewal has the transactionID of an earlier operation",
        "warn SCEP-2.5-04 the renewal reuses the key of the old certificate",
    ]


def test_renewal_that_is_not_advertised(make_ca, make_client) -> None:
    ca = make_ca(capabilities=("SCEPStandard",))
    _renewal(ca, make_client(ca))
    assert _about(ca) == ["note SCEP-3.2.1.2-06 a RenewalReq is sent to a CA that does not advertise Renewal"]


def test_the_worst_comes_first_in_the_summary_and_no_secret_is_in_it(make_ca, make_client) -> None:
    ca = make_ca()
    client = make_client(ca)
    _twice(ca, client)
    _odd_type(ca, client)
    summary = ca.service.journal.judgement()
    assert [key.split(" ")[0] for key in summary] == ["fail", "fail", "warn"]
    assert summary["fail SCEP-3.2.1.5-02 the senderNonce was used before"] == 3
    assert "s3cret" not in json.dumps(summary)


def test_the_command_judges_a_captured_request(capsys) -> None:
    here = VECTORS / "micromdm"
    assert main(["judge", str(here / "pkcsreq.der"), "--key", str(here / "ca-key.pem")]) == 1
    told = capsys.readouterr().out
    assert "fail SCEP-2.9-09 " in told
    assert "warn SCEP-2.3-04 the self-signed certificate's subject differs from the CSR's" in told
    assert told.splitlines()[-1] == "PKCSReq, 3 findings"
    assert main(["judge", str(here / "pkcsreq.der"), "--json"]) == 1
    assert {row["requirement"] for row in json.loads(capsys.readouterr().out)} == {"SCEP-2.9-09", "SCEP-3.2.2-06"}


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (["judge"], 2, "judge needs a captured file or directory"),
        (["judge", "/nonexistent"], 2, "cannot read /nonexistent: No such file or directory"),
        (["judge", str(VECTORS / "micromdm" / "ca-key.pem")], 2, "ca-key.pem contains no pkiMessage: "),
        (
            ["judge", str(VECTORS / "micromdm/pkcsreq.der"), "--key", str(VECTORS / "micromdm/client-key.pem")],
            2,
            "pkcsreq.der cannot be judged: the envelope cannot be decrypted with our key",
        ),
        (
            ["judge", str(VECTORS / "micromdm" / "pkcsreq.der"), "--key", str(VECTORS / "README.md")],
            2,
            "README.md is not a PEM private key without a password",
        ),
    ],
)
def test_mistakes_of_the_command(capsys, arguments, code: int, told: str) -> None:
    assert main(arguments) == code
    assert told in capsys.readouterr().err


def test_a_signature_is_verified_once(make_ca, make_client, monkeypatch) -> None:
    looked, verify = [], SignedData.verify
    monkeypatch.setattr(SignedData, "verify", lambda self, signer: looked.append(signer) or verify(self, signer))
    ca = make_ca()
    client = make_client(ca)
    assert client.enrol().words == "SUCCESS"
    # the CA's look at the request, and the client's at the reply
    assert [c.der for c in looked].count(client.signer.der) == 1
    assert not _about(ca)
