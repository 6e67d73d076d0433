"""The contents of SCEP exchanges: messageData of every type, and the replies to GetCACert and GetNextCACert.

Owns only reading and writing; the caller decides whom to trust. RFC 8894, 3.3, 3.4, 4.2 and 4.7.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from mfp_sim.shared.errors import DecodeError
from mfp_sim.shared.scep import cms, der
from mfp_sim.shared.scep.algorithms import PrivateKey
from mfp_sim.shared.scep.certificate import Certificate, name_pairs
from mfp_sim.shared.scep.crl import Crl
from mfp_sim.shared.scep.http_messages import CA_CERT, CA_RA_CERT, NEXT_CA_CERT
from mfp_sim.shared.scep.note import Note
from mfp_sim.shared.scep.oddities import CORRECT, Oddities

__all__ = [
    "NextCaReply",
    "certs_only",
    "encode_next_ca",
    "issuer_and_serial",
    "issuer_and_subject",
    "read_ca_certificates",
    "read_certs_only",
    "read_crls",
    "read_issuer_and_serial",
    "read_issuer_and_subject",
    "read_next_ca",
]


# --- messageData ------------------------------------------------------------------------------------------


def certs_only(certificates: Sequence[bytes], crls: Sequence[bytes] = (), *, oddities: Oddities = CORRECT) -> bytes:
    """A degenerate SignedData of DER certificates and CRLs, in the given order (SCEP-3.4)."""
    return cms.encode_certs_only(certificates, crls, oddities=oddities)


def read_certs_only(octets: bytes) -> tuple[Certificate, ...]:
    """The certificates of a degenerate SignedData; do not rely on their order (SCEP-3.3.2.1-04).

    Raises:
        DecodeError: the bytes are not a degenerate SignedData.
    """
    return cms.read_bag(octets).certificates


def read_crls(octets: bytes) -> tuple[Crl, ...]:
    """The CRLs of a degenerate SignedData (SCEP-3.3.2.1-10).

    Raises:
        DecodeError: the bytes are not a degenerate SignedData, or an entry of ``crls`` is not a CRL.
    """
    return tuple(Crl.from_der(crl, f"crls[{i}]") for i, crl in enumerate(cms.read_bag(octets).crls))


def issuer_and_subject(issuer: bytes, subject: bytes) -> bytes:
    """The messageData of CertPoll (RFC 8894, 3.3.3)."""
    return der.sequence(issuer, subject)


def read_issuer_and_subject(octets: bytes) -> tuple[bytes, bytes]:
    """Issuer and subject of a CertPoll.

    Raises:
        DecodeError: it is not a SEQUENCE of two Names.
    """
    outer = der.read(octets, "issuerAndSubject").expect(der.SEQUENCE)
    issuer, subject = outer.child(0, "issuer", der.SEQUENCE).raw, outer.child(1, "subject", der.SEQUENCE).raw
    for name in (issuer, subject):
        name_pairs(name)
    return issuer, subject


def issuer_and_serial(issuer: bytes, serial: int) -> bytes:
    """The messageData of GetCert and GetCRL (RFC 8894, 3.3.4)."""
    return der.sequence(issuer, der.integer(serial))


def read_issuer_and_serial(octets: bytes) -> tuple[bytes, int]:
    """Issuer and serial number of a GetCert or GetCRL.

    Raises:
        DecodeError: it is not a SEQUENCE of a Name and an INTEGER.
    """
    outer = der.read(octets, "issuerAndSerialNumber").expect(der.SEQUENCE)
    serial = outer.child(1, "serialNumber", der.INTEGER).to_integer()
    return outer.child(0, "issuer", der.SEQUENCE).raw, serial


# --- CA certificates --------------------------------------------------------------------------------------


def read_ca_certificates(body: bytes, media_type: str | None) -> tuple[tuple[Certificate, ...], tuple[Note, ...]]:
    """The certificates of a GetCACert reply: a single certificate, or a degenerate SignedData with CA and RA.

    The bytes decide which; the media type is only checked against them (SCEP-4.2.1).

    Raises:
        DecodeError: the body is neither; the error says if it is PEM, HTML or empty.
    """
    outer = _outer(body, "GetCACert", "a certificate", "a DER certificate or SignedData")
    is_bag = bool(outer.children) and outer.children[0].tag == der.OID
    notes = _media_notes(CA_RA_CERT if is_bag else CA_CERT, media_type, "SCEP-4.2.1-01")
    if outer.end != len(body):
        notes.append(Note("SCEP-4.2.1.1-01", "body", f"{len(body) - outer.end} bytes follow"))
    if not is_bag:
        return (Certificate.from_element(outer, "GetCACert"),), tuple(notes)
    bag = cms.read_bag(body)
    if not bag.certificates:
        raise DecodeError("GetCACert.certificates", 0, "at least one certificate", "none")
    notes.extend(note for note in bag.notes if note.requirement != "SCEP-3-05")
    return bag.certificates, tuple(notes)


def _outer(body: bytes, path: str, wanted: str, wanted_der: str) -> der.Element:
    if not body:
        raise DecodeError(path, 0, wanted, "an empty body")
    if body[:1] != b"\x30":
        got = "PEM text" if body.startswith(b"-----BEGIN") else "text" if body[:1].isascii() else body[:8].hex()
        raise DecodeError(path, 0, wanted_der, got)
    return der.read(body, path, trailing=True)


def _media_notes(wanted: str, got: str | None, requirement: str) -> list[Note]:
    if got == wanted:
        return []
    return [Note(requirement, "Content-Type", f"{wanted} expected, got {got or 'none'}")]


@dataclass(frozen=True)
class NextCaReply:
    """A GetNextCACert reply: the new CA certificates, and the SignedData that vouches for them (not yet verified)."""

    certificates: tuple[Certificate, ...]
    signed_data: cms.SignedData = field(repr=False)
    notes: tuple[Note, ...]

    def signer(self, among: Iterable[Certificate]) -> Certificate | None:
        """The certificate that the SignerInfo names. ``among`` are trusted certificates, never those of the message."""
        return next((c for c in among if self.signed_data.names_signer(c)), None)

    def verify(self, signer: Certificate) -> None:
        """Check the signature (SCEP-4.7.1-02).

        Raises:
            SignatureInvalid: the signature does not verify.
            AlgorithmRefused: the algorithm is unknown.
        """
        self.signed_data.verify(signer)


def encode_next_ca(
    certificates: Sequence[bytes],
    *,
    signer_key: PrivateKey,
    signer_certificate: Certificate,
    digest: str = "sha256",
    flat: bool = False,
    oddities: Oddities = CORRECT,
) -> bytes:
    """The body of a GetNextCACert reply: SignedData by the current CA around a certificates-only SignedData.

    Args:
        certificates: the new CA certificates, DER.
        signer_key: of the current CA or RA.
        signer_certificate: its certificate.
        digest: of the signature.
        flat: put the new certificates into the outer certificates field, without content, as jscep's servlet does.
        oddities: of both the outer and the inner SignedData.
    """
    outer = [signer_certificate]
    if flat:
        outer += [Certificate.from_der(octets) for octets in certificates]
    content = None if flat else certs_only(certificates, oddities=oddities)
    return cms.encode_signed_data(
        content if oddities.content is None else oddities.content,
        [],
        signer_key=signer_key,
        signer_certificate=signer_certificate,
        certificates=outer,
        digest=digest,
        oddities=oddities,
    )


def read_next_ca(body: bytes, media_type: str | None = NEXT_CA_CERT) -> NextCaReply:
    """Read a GetNextCACert reply. Call `NextCaReply.verify` before you trust anything in it.

    Raises:
        DecodeError: the reply is not signed (SCEP-4.7.1-02), or does not hold certificates.
    """
    _outer(body, "GetNextCACert", "a SignedData", "a DER SignedData")
    signed = cms.read_signed_data(body)
    notes = [*signed.notes, *_media_notes(NEXT_CA_CERT, media_type, "SCEP-4.7.1-03")]
    if signed.content is not None:
        bag = cms.read_bag(signed.content)
        notes.extend(bag.notes)
        certificates = bag.certificates
    else:
        certificates = tuple(c for c in signed.certificates if not signed.names_signer(c))
        text = "the new certificates stand beside the signer's instead of in a SignedData of their own"
        notes.append(Note("SCEP-4.7.1-04", "certificates", text))
    if not certificates:
        raise DecodeError("GetNextCACert.certificates", 0, "at least one new certificate", "none")
    return NextCaReply(certificates, signed, tuple(notes))
