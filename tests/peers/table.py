"""What each real client does at the mock: the table that the tests prove and that ``docs/peers.md`` prints.

Data alone. ``test_matrix.py`` runs every cell and compares what it saw with what stands here; ``docs/generate.py`` writes
the page from here, and a test of the documentation compares the page. So the page says what the tests have seen.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

MICROMDM, STRONGSWAN, CERTMONGER = "micromdm `scepclient`", "strongSwan `pki --scep`", "certmonger"
Situation = Literal["success", "pending", "failure"]


class Outcome(StrEnum):
    """What came of it, as the table says it. Those from ``BAD_ALG`` on are defects of the client, pinned."""

    ENROLS = "enrols"
    POLLS = "polls, enrols"
    REPORTS = "reports the refusal"
    BAD_ALG = "pinned: refused with badAlg"
    SILENT = "pinned: sends no request"
    UNREACHABLE = "pinned: takes it for an unreachable server"
    LATER = "pinned: takes it for an unreachable server, enrols when told to ask again"

    @property
    def pinned(self) -> bool:
        return self.startswith("pinned")


@dataclass(frozen=True)
class Ca:
    """The mock's switches, as in a scenario's ``ca``."""

    profile: str = "rfc8894"
    ra: Literal["none", "split"] = "none"
    caps: tuple[str, ...] | None = None
    empty_content: str | None = None

    def __str__(self) -> str:
        parts = [self.profile]
        parts += [f"caps: [{', '.join(self.caps)}]"] if self.caps else []
        parts += [f"empty_content: {self.empty_content}"] if self.empty_content else []
        parts += ["ra: split"] if self.ra == "split" else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Row:
    """One client with its options at one CA, in the three situations; None where the one before decides already."""

    peer: str
    options: tuple[str, ...]
    ca: Ca
    success: Outcome
    pending: Outcome | None
    failure: Outcome | None


O = Outcome  # noqa: E741 - short, since the table is wide
PLUS_384, NDES = ("+SHA-384",), ("POSTPKIOperation", "Renewal", "SHA-512", "SHA-256", "SHA-1", "DES3")
RIGHT = (O.ENROLS, O.POLLS, O.REPORTS)


def _rows() -> Iterator[Row]:
    for ra in ("none", "split"):
        yield Row(MICROMDM, (), Ca("lenient", ra), *RIGHT)
        yield Row(MICROMDM, (), Ca("rfc8894", ra), O.BAD_ALG, None, None)
    for ra in ("none", "split"):
        yield Row(STRONGSWAN, (), Ca("rfc8894", ra, PLUS_384), *RIGHT)
        yield Row(STRONGSWAN, ("--cipher", "des3"), Ca("rfc8894", ra), *RIGHT)
    yield Row(STRONGSWAN, ("--cipher", "aes"), Ca("rfc8894"), O.SILENT, None, None)
    yield Row(STRONGSWAN, (), Ca("rfc8894", caps=NDES), O.SILENT, None, None)
    for ra in ("none", "split"):
        yield Row(CERTMONGER, (), Ca("rfc8894", ra, empty_content="empty"), *RIGHT)
        yield Row(CERTMONGER, (), Ca("rfc8894", ra), O.ENROLS, O.LATER, O.UNREACHABLE)


ROWS = tuple(_rows())


@dataclass(frozen=True)
class Defect:
    """What a peer does otherwise than the RFC or than all others, proved by the test of that name."""

    peer: str
    version: str
    text: str
    test: str


SERVER = "micromdm `scepserver`"
DEFECTS = (
    Defect(MICROMDM, "2.1.0", "envelops in single DES and signs with SHA-1, whatever the capabilities say",
           "test_micromdm_speaks_single_des_and_sha1_whatever_is_offered"),
    Defect(MICROMDM, "2.1.0", "envelops to every certificate of GetCACert, the signing one among them",
           "test_micromdm_envelops_to_every_certificate_of_the_ca"),
    Defect(MICROMDM, "2.1.0", "asks after PENDING with the same octets, after 30 s, never with CertPoll",
           "test_a_client_in_a_situation"),
    Defect(MICROMDM, "2.1.0", "keeps the first certificate of the reply as its own, the CA's if that comes first",
           "test_micromdm_keeps_the_first_certificate_as_its_own"),
    Defect(STRONGSWAN, "5.9.8", "takes one capability's bit for another's: no AES without SHA-384, nothing at NDES's list "
           "(mended in 5.9.11)", "test_a_client_in_a_situation"),
    Defect(STRONGSWAN, "5.9.8", "refuses a CertRep whose signatureAlgorithm is sha256WithRSAEncryption",
           "test_strongswan_wants_rsa_encryption_as_signature_algorithm"),
    Defect(STRONGSWAN, "5.9.8", "sends POST without Content-Type", "test_strongswan_leaves_out_content_type_and_user_agent"),
    Defect(STRONGSWAN, "5.9.8", "does not sort the attributes of its CSR", "test_strongswan_does_not_sort_its_attributes"),
    Defect(CERTMONGER, "0.79.17", "reads a FAILURE or PENDING without content as an unreachable server",
           "test_a_client_in_a_situation"),
    Defect(CERTMONGER, "0.79.17", "sends PKIOperation by GET although POST is offered, and AES-256 where no cipher is",
           "test_certmonger_ignores_the_capabilities"),
    Defect(CERTMONGER, "0.79.17", "asks after PENDING with a fresh PKCSReq, never with CertPoll",
           "test_a_client_in_a_situation"),
    Defect(CERTMONGER, "0.79.17", "refuses a reply whose media type has a parameter",
           "test_certmonger_wants_the_exact_media_type"),
    Defect(CERTMONGER, "0.79.17", "refuses a reply without senderNonce", "test_certmonger_wants_a_sender_nonce"),
    Defect(SERVER, "2.1.0", "answers in single DES and SHA-1 whatever it was asked with",
           "test_it_answers_in_single_des_and_sha1_with_the_client_s_nonce"),
    Defect(SERVER, "2.1.0", "repeats the client's senderNonce as its own",
           "test_it_answers_in_single_des_and_sha1_with_the_client_s_nonce"),
    Defect(SERVER, "2.1.0", "sends the issued certificate outside the envelope, too",
           "test_it_answers_in_single_des_and_sha1_with_the_client_s_nonce"),
    Defect(SERVER, "2.1.0", "answers CertPoll, GetCert and GetCRL with HTTP 500",
           "test_it_answers_what_it_does_not_know_with_http_500"),
    Defect(SERVER, "2.1.0", "issues for a CSR whose signature is wrong", "test_it_does_not_check_the_csr_s_signature"),
)  # fmt: skip
