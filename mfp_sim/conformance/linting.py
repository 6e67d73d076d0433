"""Certificates against RFC 5280 and against their requests: rules over one certificate, without I/O or verdicts.

A rule returns the problem in words, or None. What cannot be read is wrong too, and raises ``DecodeError``. Names are
compared by RFC 5280, 7.1, regardless of their string types; a separate rule requires that an issuer is encoded like its
CA's subject. RFC 5280, 4.1, 4.2 and 7.1; RFC 8894, 3.3.2.1.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from mfp_sim.shared.errors import DecodeError, MfpSimError
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import DIGEST_OF_SIGNATURE, verify_signature
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.csr import Csr

__all__ = [
    "CA_RULES", "LEAF_RULES", "RA_RULES", "Held", "names_alike", "rights_of", "signed_by",
    "wrong_in",
]  # fmt: skip

NAME_CONSTRAINTS, POLICY_MAPPINGS, POLICY_CONSTRAINTS = "2.5.29.30", "2.5.29.33", "2.5.29.36"
INHIBIT_ANY_POLICY, FRESHEST_CRL = "2.5.29.54", "2.5.29.46"
ISSUER_ALT_NAME, DIRECTORY_ATTRIBUTES, SUBJECT_INFORMATION_ACCESS = "2.5.29.18", "2.5.29.9", "1.3.6.1.5.5.7.1.11"
TLS_FEATURE = "1.3.6.1.5.5.7.1.24"
KNOWN = frozenset({
    v.SUBJECT_ALT_NAME, v.KEY_USAGE, v.EXTENDED_KEY_USAGE, v.BASIC_CONSTRAINTS, v.SUBJECT_KEY_IDENTIFIER,
    v.AUTHORITY_KEY_IDENTIFIER, v.CRL_DISTRIBUTION_POINTS, v.AUTHORITY_INFORMATION_ACCESS, NAME_CONSTRAINTS,
    POLICY_MAPPINGS, POLICY_CONSTRAINTS, v.CERTIFICATE_POLICIES, INHIBIT_ANY_POLICY, FRESHEST_CRL, ISSUER_ALT_NAME,
    DIRECTORY_ATTRIBUTES, SUBJECT_INFORMATION_ACCESS, TLS_FEATURE,
})  # fmt: skip
"""The extensions that clients can be expected to process: those of RFC 5280 and RFC 7633."""
NEVER_CRITICAL = (
    v.SUBJECT_KEY_IDENTIFIER, v.AUTHORITY_KEY_IDENTIFIER, v.AUTHORITY_INFORMATION_ACCESS, FRESHEST_CRL,
    DIRECTORY_ATTRIBUTES, SUBJECT_INFORMATION_ACCESS,
)  # fmt: skip
SMARTCARD_LOGON, KERBEROS_KDC = "1.3.6.1.4.1.311.20.2.2", "1.3.6.1.5.2.3.5"
_RIGHTS: Mapping[str, str] = {
    v.ANY_PURPOSE: "any purpose",
    v.ENROLMENT_AGENT: "requesting certificates for others",
    v.CODE_SIGNING: "signing code",
    v.TIME_STAMPING: "time stamps",
    v.OCSP_SIGNING: "signing OCSP responses",
    SMARTCARD_LOGON: "logging on as an account",
    KERBEROS_KDC: "being a Kerberos KDC",
}
"""Purposes that give rights over others; a device's certificate does not have them unless the CSR requested them."""
_COUNTRY, _COMPONENT, _SERIAL = (v.NAME_ATTRIBUTES[name] for name in ("C", "DC", "SERIALNUMBER"))
_EMAIL = "1.2.840.113549.1.9.1"
_NOT_DIRECTORY = {_COUNTRY: (der.PRINTABLE_STRING,), _SERIAL: (der.PRINTABLE_STRING,),
                  "2.5.4.46": (der.PRINTABLE_STRING,), _COMPONENT: (der.IA5_STRING,),
                  _EMAIL: (der.IA5_STRING,)}  # fmt: skip
"""Attributes with a fixed string type; others are a DirectoryString."""


@dataclass(frozen=True)
class Held:
    """A certificate with the context that its rules use: the issuing CA and the request, if they are known, and further
    certificates that it may name."""

    certificate: Certificate
    issuer: Certificate | None = None
    csr: Csr | None = None


_Rule = Callable[[Held], str | None]


# --- names ------------------------------------------------------------------------------------------------


def _prepared(text: str) -> str:
    """A string prepared by RFC 4518 as far as RFC 5280, 7.1 requires it: case and repeated spaces do not count."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _name(octets: bytes) -> tuple[frozenset[tuple[str, str]], ...]:
    """A Name for comparison: its RDNs in order, each a set of attributes, strings prepared, other values in hex."""
    found = []
    for rdn in der.read(octets, "name").expect(der.SEQUENCE).children:
        attributes = set()
        for attribute in rdn.expect(der.SET).children:
            value = attribute.child(1, "value")
            text = _prepared(value.to_text()) if value.tag in der.TEXT_ENCODINGS else f"#{value.raw.hex()}"
            attributes.add((attribute.child(0, "type").to_oid(), text))
        found.append(frozenset(attributes))
    return tuple(found)


def names_alike(first: bytes, second: bytes) -> bool:
    """Whether two Names are equal by RFC 5280, 7.1, regardless of string types; a non-Name equals only itself."""
    if first == second:
        return True
    try:
        return _name(first) == _name(second)
    except DecodeError:
        return False


def signed_by(certificate: Certificate, issuer: Certificate) -> bool:
    """Whether the key of ``issuer`` signed it, regardless of names; raises nothing."""
    digest = DIGEST_OF_SIGNATURE.get(certificate.signature_oid)
    try:
        if digest is not None:
            verify_signature(issuer.public_key(), certificate.signature, certificate.tbs, digest, "the certificate")
    except MfpSimError:
        return False
    return digest is not None


# --- rules ------------------------------------------------------------------------------------------------


def _fields(held: Held) -> str | None:
    certificate = held.certificate
    wrong = []
    if certificate.version != 3:
        wrong.append(f"version {certificate.version}")
    if certificate.serial <= 0:
        wrong.append(f"serial number {certificate.serial}")
    if certificate.serial.bit_length() > 159:
        wrong.append("a serial number of more than 20 bytes")
    if v.AUTHORITY_KEY_IDENTIFIER not in certificate.extensions and certificate.issuer != certificate.subject:
        wrong.append("no authorityKeyIdentifier")
    return ", ".join(wrong) or None


def _dates(held: Held) -> str | None:
    certificate, issuer = held.certificate, held.issuer
    if certificate.not_after < certificate.not_before:
        return f"it expires at {certificate.not_after}, before it begins at {certificate.not_before}"
    for element, when in zip(_validity(certificate), (certificate.not_before, certificate.not_after), strict=True):
        wrong = _time_type(element, when)
        if wrong is not None:
            return wrong
    if issuer is None or certificate.not_after <= issuer.not_after:
        return None
    return f"it expires at {certificate.not_after}, after its CA's certificate, which expires at {issuer.not_after}"


def _validity(certificate: Certificate) -> list[der.Element]:
    tbs = der.read(certificate.tbs, "tbsCertificate")
    first = 1 if tbs.children[0].tag == 0xA0 else 0
    return list(tbs.child(first + 3, "validity", der.SEQUENCE).children)


def _time_type(element: der.Element, when: datetime) -> str | None:
    """RFC 5280, 4.1.2.5: UTCTime until 2049, GeneralizedTime from 2050, in seconds, with a Z, without fractions."""
    text, general = element.content.decode("ascii", "replace"), element.tag == der.GENERALIZED_TIME
    if general and when.year < 2050:
        return f"GeneralizedTime before 2050: {text}"
    digits = 14 if general else 12
    if len(text) != digits + 1 or not text[:-1].isdecimal() or text[-1] != "Z":
        return f"a time that is not written in seconds and with a Z: {text[:40]}"
    return None


def _key_identifiers(held: Held) -> str | None:
    certificate, issuer = held.certificate, held.issuer
    own, its = (None if c is None else c.extensions.get(v.SUBJECT_KEY_IDENTIFIER) for c in (certificate, issuer))
    if issuer is None or its is None:
        return None
    if own is not None and own.value == its.value and certificate.spki != issuer.spki:
        return "subjectKeyIdentifier is that of the CA"
    named = certificate.extensions.get(v.AUTHORITY_KEY_IDENTIFIER)
    fields = [] if named is None else der.read(named.value, "authorityKeyIdentifier").children
    octets = [entry.content for entry in fields if entry.tag == 0x80]
    wanted = der.read(its.value, "subjectKeyIdentifier").content
    if not octets or octets[0] == wanted:
        return None
    other = octets[0].hex()
    return f"authorityKeyIdentifier has the key {other}, but the CA's is {wanted.hex()}"


def _extension_order(certificate: Certificate) -> list[str]:
    """The object identifiers of its extensions in order, including duplicates."""
    fields = der.read(certificate.tbs, "tbsCertificate").children
    holder = [entry for entry in fields if entry.tag == 0xA3]
    return [entry.child(0, "extnID").to_oid() for entry in holder[0].children[0].children] if holder else []


def _encoding(held: Held) -> str | None:
    whole = der.read(held.certificate.der, "certificate")
    fields = whole.child(0, "tbsCertificate").children
    inner = fields[2 if fields[0].tag == 0xA0 else 1].raw
    if inner != whole.child(1, "signatureAlgorithm").raw:
        return "signatureAlgorithm differs from the signature field in the certificate"
    oids = _extension_order(held.certificate)
    twice = [v.oid_text(oid) for oid in dict.fromkeys(oids) if oids.count(oid) > 1]
    return f"{', '.join(twice)} occurs twice" if twice else None


def _critical(held: Held) -> str | None:
    """RFC 5280, 4.2: a client must refuse a certificate with an unknown critical extension."""
    extensions = held.certificate.extensions
    unknown = [oid for oid, extension in extensions.items() if extension.critical and oid not in KNOWN]
    if unknown:
        return f"an unknown critical extension: {', '.join(map(v.oid_text, unknown))}"
    wrong = [oid for oid in NEVER_CRITICAL if oid in extensions and extensions[oid].critical]
    return f"{v.oid_text(wrong[0])} is critical, and must not be" if wrong else None


def _constraints(held: Held) -> str | None:
    """RFC 5280, 4.2.1.3 and 4.2.1.9: only a CA signs certificates and has a path length."""
    certificate = held.certificate
    if certificate.is_ca:
        lacks = certificate.key_usage is not None and "keyCertSign" not in certificate.key_usage
        return "basicConstraints has cA TRUE, but keyUsage does not have keyCertSign" if lacks else None
    if "keyCertSign" in (certificate.key_usage or frozenset()):
        return "keyUsage has keyCertSign, but basicConstraints does not have cA TRUE"
    extension = certificate.extensions.get(v.BASIC_CONSTRAINTS)
    fields = [] if extension is None else der.read(extension.value, "basicConstraints").children
    return "a pathLenConstraint without cA TRUE" if any(field.tag == der.INTEGER for field in fields) else None


def _empty(held: Held) -> str | None:
    """RFC 5280, 4.2.1.3, 4.2.1.6 and 4.2.1.12: these extensions are not empty."""
    certificate = held.certificate
    if certificate.key_usage is not None and not certificate.key_usage:
        return "keyUsage has no bit"
    if certificate.purposes is not None and not certificate.purposes:
        return "extKeyUsage has no purpose"
    names = certificate.extensions.get(v.SUBJECT_ALT_NAME)
    if names is not None and not der.read(names.value, "subjectAltName").expect(der.SEQUENCE).children:
        return "subjectAltName has no name"
    if _name(certificate.subject) or certificate.is_ca:
        return None
    return None if names is not None and names.critical else "no subject, and no critical subjectAltName"


def _string_types(held: Held) -> str | None:
    """RFC 5280, 4.1.2.4 and Appendix A: PrintableString or UTF8String; names copied from the CSR are not judged."""
    certificate, csr = held.certificate, held.csr
    if csr is not None and certificate.subject == csr.subject:
        return None
    for rdn in der.read(certificate.subject, "subject").children:
        for attribute in rdn.children:
            oid, value = attribute.child(0, "type").to_oid(), attribute.child(1, "value")
            allowed = _NOT_DIRECTORY.get(oid, (der.PRINTABLE_STRING, der.UTF8_STRING))
            if value.tag in der.TEXT_ENCODINGS and value.tag not in allowed:
                return f"{v.oid_text(oid)} of the subject is a {der.tag_name(value.tag)}"
    return None


def _issuer_encoding(held: Held) -> str | None:
    """RFC 5280, 7.1: the issuer is encoded like the subject of its CA, so that every client can match them."""
    certificate, issuer = held.certificate, held.issuer
    if issuer is None or certificate.issuer == issuer.subject:
        return None
    return f"the issuer {certificate.issuer_text} is encoded differently from the CA's subject"


def rights_of(certificate: Certificate) -> dict[str, str]:
    """The rights over others that it gives, in words: to issue, to sign CRLs, and the purposes of `_RIGHTS`."""
    found = {oid: _RIGHTS[oid] for oid in certificate.purposes or () if oid in _RIGHTS}
    usage = certificate.key_usage or frozenset()
    if certificate.is_ca or "keyCertSign" in usage:
        found["keyCertSign"] = "issuing certificates"
    if "cRLSign" in usage:
        found["cRLSign"] = "signing CRLs"
    if v.MICROSOFT_SID in certificate.extensions:
        found[v.MICROSOFT_SID] = "being an account"
    return found


def _ca_constraints(held: Held) -> str | None:
    extension = held.certificate.extensions.get(v.BASIC_CONSTRAINTS)
    return None if extension is None or extension.critical else "basicConstraints is not critical"


def _ca_identifier(held: Held) -> str | None:
    return None if v.SUBJECT_KEY_IDENTIFIER in held.certificate.extensions else "no subjectKeyIdentifier"


def _ca_name(held: Held) -> str | None:
    return None if _name(held.certificate.subject) else "an empty subject"


LEAF_RULES: tuple[tuple[str, str, tuple[_Rule, ...]], ...] = (
    ("not-rfc5280", "version 3, a positive serial of at most 20 bytes, authorityKeyIdentifier", (_fields,)),
    ("dates", "notAfter not later than the CA's, dates before 2050 as UTCTime, in seconds", (_dates,)),
    ("key-identifiers", "the key identifiers of the CA and of the subject's key", (_key_identifiers,)),
    ("encoding", "one signature algorithm, each extension once", (_encoding,)),
    ("critical", "only critical extensions of RFC 5280", (_critical,)),
    ("constraints", "keyCertSign and path length only with cA TRUE", (_constraints,)),
    ("empty", "extensions that are not empty, and a name", (_empty,)),
    ("string-types", "names as PrintableString or UTF8String", (_string_types,)),
    ("issuer-encoding", "the issuer in the encoding of the CA's subject", (_issuer_encoding,)),
)
"""For an issued certificate: slug, what is expected, and the rules."""
CA_RULES: tuple[tuple[str, str, tuple[_Rule, ...]], ...] = (
    ("constraints-not-critical", "a critical basicConstraints", (_ca_constraints,)),
    ("no-key-identifier", "a subjectKeyIdentifier", (_ca_identifier,)),
    ("no-name", "a subject that is not empty", (_ca_name,)),
    ("critical", "only critical extensions of RFC 5280", (_critical,)),
    ("fields", "version 3 and a positive serial number of at most 20 bytes", (_fields,)),
    ("encoding", "one signature algorithm, each extension once", (_encoding,)),
    ("dates", "dates before 2050 as UTCTime, in seconds", (_dates,)),
)
"""For a CA certificate."""


RA_RULES = tuple(row for row in CA_RULES if row[0] in ("critical", "fields", "encoding", "dates"))
"""For an RA certificate in GetCACert."""


def wrong_in(held: Held, rules: Iterable[_Rule]) -> str | None:
    """The result of the first broken rule; a certificate that cannot be read is wrong."""
    try:
        return next(filter(None, (rule(held) for rule in rules)), None)
    except DecodeError as error:
        return f"it cannot be read: {error}"
