"""What each real client does with the mock: the table that the tests prove and that `docs/explanation/peers.md` shows.

Data only. `test_matrix.py` runs every cell and compares the result with this table; `tools/generate.py` writes the page
from it, and a test of the documentation compares the page. So the page shows what the tests have observed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

MICROMDM, STRONGSWAN, CERTMONGER = "micromdm `scepclient`", "strongSwan `pki --scep`", "certmonger"
Situation = Literal["success", "pending", "failure"]


class Outcome(StrEnum):
    """The outcome, as shown in the table. From `BAD_ALG` on, the client does not behave as it should; pinned."""

    ENROLS = "enrols"
    POLLS = "polls, enrols"
    REPORTS = "reports the refusal"
    REGARDLESS = "enrols all the same"
    BAD_ALG = "pinned: refused with badAlg"
    BAD_FORM = "pinned: refused with HTTP 400"
    SILENT = "pinned: sends no request"
    UNREAD = "pinned: cannot read the SUCCESS"
    UNREACHABLE = "pinned: considers the server unreachable"
    LATER = "pinned: considers the server unreachable, enrols when made to ask again"

    @property
    def pinned(self) -> bool:
        return self.startswith("pinned")


Change = tuple[str, object]  # a value of the profile, or caps, and its replacement


@dataclass(frozen=True)
class Ca:
    """The mock's options, as in a scenario's `ca`; with `ra` None, the profile decides. `values` are values of the
    profile without an option."""

    profile: str = "rfc8894"
    ra: Literal["none", "split"] | None = None
    caps: tuple[str, ...] | None = None
    empty_content: str | None = None
    values: tuple[Change, ...] = ()

    def with_(self, changes: Iterable[Change]) -> Ca:
        """A copy with these values; `caps` is the option."""
        found = self
        for name, value in changes:
            if name == "caps":
                assert isinstance(value, tuple)
                found = replace(found, caps=value)
            else:
                found = replace(found, values=(*found.values, (name, value)))
        return found

    def __str__(self) -> str:
        parts = [self.profile]
        parts += [f"caps: [{', '.join(self.caps)}]"] if self.caps else []
        parts += [f"empty_content: {self.empty_content}"] if self.empty_content else []
        parts += [f"ra: {self.ra}"] if self.ra == "split" else []
        return ", ".join(parts)


@dataclass(frozen=True)
class Cell:
    """The outcomes of the three situations; None if the previous one already decides.

    `says` is what the client itself prints if it does not enrol. `because` is the reason, as changes: with all of these
    values of the CA, but not with fewer, the same client enrols.
    """

    success: Outcome
    pending: Outcome | None = None
    failure: Outcome | None = None
    says: str = ""
    because: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Row:
    """One client with its options, one CA, and the outcomes."""

    peer: str
    options: tuple[str, ...]
    ca: Ca
    cell: Cell


def stops(outcome: Outcome, says: str, *because: Change) -> Cell:
    """A client that does not get its certificate."""
    return Cell(outcome, says=says, because=because)


O = Outcome  # noqa: E741 - short, since the table is wide
DES3 = ("--cipher", "des3")
PLUS_384 = ("+SHA-384",)
RIGHT = Cell(O.ENROLS, O.POLLS, O.REPORTS)
AT_MITM = Cell(O.ENROLS, O.POLLS, O.REGARDLESS)
NEEDS_CONTENT = Cell(O.ENROLS, O.LATER, O.UNREACHABLE)
NO_AES, NO_3DES = (f"{cipher}_CBC encryption algorithm not supported by CA" for cipher in ("AES", "3DES"))
NO_SHA256 = "sha256 digest algorithm not supported by CA"
NO_NAME = "only RSA digest encryption supported"
NO_DES = "error:0308010C:digital envelope routines::unsupported"  # OpenSSL 3 without its legacy provider
NO_MD5 = "pkcs7: cannot decrypt data: only RSA, DES, DES-EDE3, AES-256-CBC and AES-128-GCM supported"  # its words
TAKES_DES: Change = ("refuse_ciphers", frozenset())
TAKES_SHA1: Change = ("refuse_digests", frozenset())
TOLERANT: Change = ("tolerance", "tolerant")
IN_AES: Change = ("reply_cipher", "aes-128-cbc")
PLAIN_NAME: Change = ("signature_name", "rsaEncryption")
PRIMITIVE: Change = ("constructed_ciphertext", False)
LISTED: Change = ("caps_reply", "list")
POST: Change = ("post", "served")
PKCS1: Change = ("transport_for_aes", "pkcs1")


def caps(*words: str) -> Change:
    """Other keywords of GetCACaps, or changes to them."""
    return "caps", words


# Every client with every profile, as in `ca: {profile: NAME}`.
_MICROMDM: dict[str, Cell] = {
    "rfc8894": stops(O.BAD_ALG, "failInfo: badAlg (0)", TAKES_DES),
    "strict": stops(O.BAD_FORM, "SCEP-4.3-02 Content-Type: application/x-pki-message expected", TOLERANT, TAKES_DES, TAKES_SHA1),
    "lenient": RIGHT,
    "ndes-2008r2": RIGHT,
    "ndes-2012r2": RIGHT,
    "ndes-2016": RIGHT,
    "micromdm-2.1": RIGHT,
    "step-ca": RIGHT,
    "legacy-md5-des": stops(O.UNREAD, NO_MD5, ("reply_digest", "sha1")),
    "mitm": AT_MITM,
}  # fmt: skip
_STRONGSWAN: dict[str, Cell] = {
    "rfc8894": stops(O.SILENT, NO_AES, caps("+SHA-384")),
    "strict": stops(O.SILENT, NO_SHA256, caps("+SHA-384"), TOLERANT),
    "lenient": RIGHT,
    "ndes-2008r2": stops(O.SILENT, "scep response: HTTP 0", LISTED, caps("SHA-384"), POST),
    "ndes-2012r2": stops(O.SILENT, NO_AES, caps("+SHA-384"), POST, PKCS1),
    "ndes-2016": stops(O.SILENT, NO_AES, caps("+SHA-384")),
    "micromdm-2.1": stops(O.SILENT, NO_AES, caps("+SHA-384"), PLAIN_NAME, PRIMITIVE),
    "step-ca": stops(O.SILENT, NO_AES, caps("+SHA-384"), PLAIN_NAME),
    "legacy-md5-des": stops(O.SILENT, "scep response: HTTP 404", LISTED, caps("SHA-384"), POST),
    "mitm": AT_MITM,
}
_STRONGSWAN_DES3: dict[str, Cell] = {
    "rfc8894": RIGHT,
    "strict": stops(O.SILENT, NO_SHA256, caps("+SHA-384"), TOLERANT, TAKES_DES),
    "lenient": RIGHT,
    "ndes-2008r2": stops(O.SILENT, "scep response: HTTP 0", LISTED, caps("AES", "SHA-384"), POST),
    "ndes-2012r2": stops(O.SILENT, NO_3DES, caps("+AES"), POST),
    "ndes-2016": stops(O.SILENT, NO_3DES, caps("+AES")),
    "micromdm-2.1": stops(O.UNREAD, NO_NAME, PLAIN_NAME, PRIMITIVE),
    "step-ca": stops(O.UNREAD, NO_NAME, PLAIN_NAME),
    "legacy-md5-des": stops(O.SILENT, "scep response: HTTP 404", LISTED, caps("AES", "SHA-384"), POST),
    "mitm": AT_MITM,
}
_CERTMONGER: dict[str, Cell] = {
    "rfc8894": NEEDS_CONTENT,
    "strict": stops(O.UNREACHABLE, "PKCS7 routines::no content", TOLERANT),
    "lenient": RIGHT,
    "ndes-2008r2": stops(O.UNREAD, NO_DES, IN_AES),
    "ndes-2012r2": RIGHT,
    "ndes-2016": RIGHT,
    "micromdm-2.1": stops(O.UNREAD, NO_DES, IN_AES),
    "step-ca": stops(O.UNREAD, NO_DES, IN_AES),
    "legacy-md5-des": stops(O.UNREAD, NO_DES, IN_AES),
    "mitm": AT_MITM,
}
CLIENTS: dict[tuple[str, tuple[str, ...]], dict[str, Cell]] = {
    (MICROMDM, ()): _MICROMDM,
    (STRONGSWAN, ()): _STRONGSWAN,
    (STRONGSWAN, DES3): _STRONGSWAN_DES3,
    (CERTMONGER, ()): _CERTMONGER,
}
AT_PROFILES = tuple(
    Row(peer, options, Ca(profile), cell)
    for (peer, options), profiles in CLIENTS.items()
    for profile, cell in profiles.items()
)


# The same clients with options that suit them, and with an RA.
def _with_switches() -> Iterator[Row]:
    yield Row(MICROMDM, (), Ca("lenient", "split"), RIGHT)
    either: tuple[Literal["none", "split"] | None, ...] = (None, "split")
    for ra in either:
        yield Row(STRONGSWAN, (), Ca("rfc8894", ra, PLUS_384), RIGHT)
    yield Row(STRONGSWAN, DES3, Ca("rfc8894", "split"), RIGHT)
    for ra in either:
        yield Row(CERTMONGER, (), Ca("rfc8894", ra, empty_content="empty"), RIGHT)
    yield Row(CERTMONGER, (), Ca("rfc8894", "split"), NEEDS_CONTENT)


WITH_SWITCHES = tuple(_with_switches())
ROWS = (*AT_PROFILES, *WITH_SWITCHES)


@dataclass(frozen=True)
class Defect:
    """How a peer differs from the RFC or from all others, proved by the test with this name."""

    peer: str
    version: str
    text: str
    test: str


SERVER = "micromdm `scepserver`"
DEFECTS = (
    Defect(MICROMDM, "2.1.0", "envelops in single DES and signs with SHA-1, regardless of the capabilities",
           "test_micromdm_speaks_single_des_and_sha1_whatever_is_offered"),
    Defect(MICROMDM, "2.1.0", "envelops to every certificate of GetCACert, including the signing one",
           "test_micromdm_envelops_to_every_certificate_of_the_ca"),
    Defect(MICROMDM, "2.1.0", "repeats the same bytes 30 s after PENDING and never sends CertPoll",
           "test_micromdm_in_the_situation_pending_everywhere"),
    Defect(MICROMDM, "2.1.0", "cannot read a reply signed with MD5, and blames the cipher",
           "test_micromdm_cannot_read_md5_and_blames_the_cipher"),
    Defect(MICROMDM, "2.1.0", "keeps the first certificate of the reply as its own, even if it is the CA's",
           "test_micromdm_keeps_the_first_certificate_as_its_own"),
    Defect(STRONGSWAN, "5.9.8", "confuses the bits of capabilities: no AES without SHA-384, no 3DES without AES, nothing with "
           "the list of NDES (fixed in 5.9.11)", "test_a_client_that_does_not_enrol_says_why_and_does_where_that_is_otherwise"),
    Defect(STRONGSWAN, "5.9.8", "refuses a CertRep whose signatureAlgorithm is sha256WithRSAEncryption",
           "test_strongswan_wants_rsa_encryption_as_signature_algorithm"),
    Defect(STRONGSWAN, "5.9.8", "cannot read a constructed ciphertext, as micromdm sends it, except with its OpenSSL plugin",
           "test_strongswan_reads_constructed_ciphertext_with_its_openssl_plugin_only"),
    Defect(STRONGSWAN, "5.9.8", "sends POST although POSTPKIOperation is not listed",
           "test_strongswan_posts_where_post_is_not_listed"),
    Defect(STRONGSWAN, "5.9.8", "sends POST without Content-Type", "test_strongswan_leaves_out_content_type_and_user_agent"),
    Defect(STRONGSWAN, "5.9.8", "does not sort the attributes of its CSR", "test_strongswan_does_not_sort_its_attributes"),
    Defect(CERTMONGER, "0.79.17", "considers the server unreachable after a FAILURE or PENDING without content",
           "test_a_client_in_a_situation"),
    Defect(CERTMONGER, "0.79.17", "sends PKIOperation by GET although POST is offered, and AES-256 although no cipher is offered",
           "test_certmonger_ignores_the_capabilities"),
    Defect(CERTMONGER, "0.79.17", "cannot read a reply in single DES, since OpenSSL 3 does so only with its legacy provider",
           "test_certmonger_reads_single_des_as_little_as_openssl_does"),
    Defect(CERTMONGER, "0.79.17", "sends a new PKCSReq after PENDING and never CertPoll",
           "test_a_client_in_a_situation"),
    Defect(CERTMONGER, "0.79.17", "refuses a reply whose media type has a parameter",
           "test_certmonger_wants_the_exact_media_type"),
    Defect(CERTMONGER, "0.79.17", "refuses a reply without senderNonce", "test_certmonger_wants_a_sender_nonce"),
    Defect(SERVER, "2.1.0", "answers in single DES and SHA-1, regardless of the request",
           "test_it_answers_in_single_des_and_sha1_with_the_client_s_nonce"),
    Defect(SERVER, "2.1.0", "repeats the client's senderNonce as its own",
           "test_it_answers_in_single_des_and_sha1_with_the_client_s_nonce"),
    Defect(SERVER, "2.1.0", "also sends the issued certificate outside the envelope",
           "test_it_answers_in_single_des_and_sha1_with_the_client_s_nonce"),
    Defect(SERVER, "2.1.0", "answers CertPoll, GetCert and GetCRL with HTTP 500",
           "test_it_answers_what_it_does_not_know_with_http_500"),
    Defect(SERVER, "2.1.0", "issues for a CSR whose signature is wrong", "test_it_does_not_check_the_csr_s_signature"),
)  # fmt: skip
