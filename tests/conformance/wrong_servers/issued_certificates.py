"""Wrong certificates. RFC 5280, 4; RFC 8894, 2.1.2."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate, Identity
from mfp_sim.shared.scep.csr import Csr
from mfp_sim.testing import CHALLENGE, Bench
from mock_scep_server.service import ScepService
from wrong_servers.base import (
    INTEROPERABILITY,
    SECURITY,
    around,
    challenge_attribute,
    csr,
    enrolled,
    extension_request,
    issued_to,
    issues,
    opened,
    resign,
    retemplate,
    signed_by,
    with_extension,
    wrong,
)

ENROLMENT_AGENT, SECURITY_ID = "1.3.6.1.4.1.311.20.2.1", "1.3.6.1.4.1.311.25.2"
POWER = "RFC 8894, 2.1.2: a CA may enforce policies; RFC 5280, 4.2.1.9: cA says that the key may verify certificates"
SERIAL = "RFC 5280, 4.1.2.2: the serial number MUST be a positive integer, unique for each certificate of a CA"


def copies(oid: str, value: bytes, critical: bool = False) -> Any:
    """Whether an extension of the CSR is in the certificate with the same value."""

    def shows(bench: Bench) -> bool:
        client = bench.client()
        key = client.key()
        wished = extension_request((oid, critical, value))
        request = csr(key, client.subject(), challenge_attribute(CHALLENGE), wished)
        answer = client.ask(client.order(key=key, request=request))
        got = answer.issued.extensions.get(oid) if answer.issued else None
        return got is not None and got.value == value

    return shows


def copy(ca: ScepService, *oids: str) -> None:
    def change(template: Any, request: Csr) -> Any:
        for oid, extension in request.extensions.items():
            if oid in oids:
                template = with_extension(template, oid, extension.value, extension.critical)
        return template

    retemplate(ca, change)


@wrong(SECURITY, POWER, copies(*x509.basic_constraints_extension(True)[::2]))
def copies_ca_true(ca: ScepService) -> None:
    """Copies basicConstraints with cA TRUE from the CSR."""
    copy(ca, v.BASIC_CONSTRAINTS)


@wrong(SECURITY, POWER, copies(*x509.key_usage_extension("digitalSignature", "keyCertSign")[::2]))
def copies_key_cert_sign(ca: ScepService) -> None:
    """Copies keyUsage from the CSR with all its bits, including keyCertSign."""
    copy(ca, v.KEY_USAGE)


PURPOSES = "RFC 5280, 4.2.1.12: the CA states the purposes for which the certified key may be used"


@wrong(SECURITY, PURPOSES, copies(*x509.extended_key_usage_extension(v.CLIENT_AUTH, v.ANY_PURPOSE)[::2]))
def copies_any_purpose(ca: ScepService) -> None:
    """Copies extendedKeyUsage from the CSR, including anyExtendedKeyUsage."""
    copy(ca, v.EXTENDED_KEY_USAGE)


@wrong(SECURITY, PURPOSES, copies(*x509.extended_key_usage_extension(ENROLMENT_AGENT)[::2]))
def copies_enrolment_agent(ca: ScepService) -> None:
    """Copies only the purpose of Microsoft's enrolment agents, who may request certificates for others."""

    def change(template: Any, request: Csr) -> Any:
        wished = request.extensions.get(v.EXTENDED_KEY_USAGE)
        if wished is None or der.oid(ENROLMENT_AGENT) not in wished.value:
            return template
        return with_extension(template, v.EXTENDED_KEY_USAGE, wished.value)

    retemplate(ca, change)


@wrong(
    SECURITY,
    "RFC 5280, 4.2: an extension is the CA's statement; Microsoft's SID extension names the holder's account",
    copies(SECURITY_ID, der.sequence(der.utf8_string("S-1-5-21-1-2-3-500"))),
)
def copies_microsoft_sid(ca: ScepService) -> None:
    """Copies Microsoft's extension with the security identifier of an account."""
    copy(ca, SECURITY_ID)


@wrong(SECURITY, "RFC 5280, 4.2: an extension is the CA's statement", copies("1.3.6.1.4.1.55555.7", der.null()))
def copies_what_it_does_not_know(ca: ScepService) -> None:
    """Copies every unknown extension from the CSR."""

    def change(template: Any, request: Csr) -> Any:
        for oid, extension in request.extensions.items():
            if not oid.startswith("2.5.29."):
                template = with_extension(template, oid, extension.value, extension.critical)
        return template

    retemplate(ca, change)


def _second(bench: Bench) -> bool:
    client = bench.client()
    key = client.key()
    first = extension_request(x509.subject_alt_name_extension(("printer.example",)))
    request = csr(
        key,
        client.subject(),
        challenge_attribute(CHALLENGE),
        first,
        extension_request(x509.basic_constraints_extension(True)),
    )
    answer = client.ask(client.order(key=key, request=request))
    return answer.issued is not None and answer.issued.says_ca


def requested(request: Csr) -> list[list[bytes]]:
    """The encoded Extensions of each extensionRequest."""
    holder = der.read(request.info, "info").child(3, "attributes")
    return [
        [value.raw for value in entry.child(1, "values").children]
        for entry in holder.children
        if entry.child(0, "type").to_oid() == v.EXTENSION_REQUEST
    ]


@wrong(SECURITY, POWER, _second)
def copies_from_second_request(ca: ScepService) -> None:
    """Filters the first extensionRequest of a CSR and copies cA from a second one."""

    def change(template: Any, request: Csr) -> Any:
        constraints = x509.basic_constraints_extension(True)
        later = [extensions for values in requested(request)[1:] for extensions in values]
        if any(constraints[2] in extensions for extensions in later):
            return with_extension(template, v.BASIC_CONSTRAINTS, constraints[2], True)
        return template

    retemplate(ca, change)


@wrong(SECURITY, POWER, issues(lambda c, bench: c.says_ca))
def everybody_is_a_ca(ca: ScepService) -> None:
    """Issues every certificate with cA TRUE."""
    value = x509.basic_constraints_extension(True)[2]
    retemplate(ca, lambda template, request: with_extension(template, v.BASIC_CONSTRAINTS, value, True))


@wrong(SECURITY, PURPOSES, issues(lambda c, bench: v.ANY_PURPOSE in (c.purposes or ())))
def everybody_may_do_anything(ca: ScepService) -> None:
    """Adds anyExtendedKeyUsage to every certificate."""
    value = x509.extended_key_usage_extension(v.ANY_PURPOSE)[2]
    retemplate(ca, lambda template, request: with_extension(template, v.EXTENDED_KEY_USAGE, value))


# --- serial numbers


def serials(ca: ScepService, draw: Any) -> None:
    retemplate(ca, lambda template, request: replace(template, serial=draw(template.serial)))


def _twice(bench: Bench) -> bool:
    client = bench.client()
    return enrolled(bench, client).certificate.serial == enrolled(bench, client).certificate.serial


@wrong(SECURITY, SERIAL, _twice)
def serial_always_the_same(ca: ScepService) -> None:
    """Gives every certificate the same serial number."""
    serials(ca, lambda serial: 4711)


@wrong(INTEROPERABILITY, SERIAL, issues(lambda c, bench: c.serial < 0))
def serial_negative(ca: ScepService) -> None:
    """Gives negative serial numbers: 16 random bytes, used unchanged as an INTEGER."""
    serials(ca, lambda serial: serial - (1 << 127))


@wrong(INTEROPERABILITY, SERIAL, issues(lambda c, bench: c.serial == 0))
def serial_zero_first(ca: ScepService) -> None:
    """Counts serial numbers from 0."""
    count = iter(range(1 << 30))
    serials(ca, lambda serial: next(count))


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 4.1.2.2: conforming CAs MUST NOT use serialNumber values longer than 20 bytes",
    issues(lambda c, bench: c.serial.bit_length() > 160),
)
def serial_of_32_octets(ca: ScepService) -> None:
    """Gives serial numbers of 32 bytes."""
    serials(ca, lambda serial: serial << 128 | 1 << 250)


@wrong(SECURITY, SERIAL, _twice)
def serial_of_the_second(ca: ScepService) -> None:
    """Uses the time in seconds as the serial number: two certificates of one second have the same."""
    serials(ca, lambda serial: int(ca.clock.now().timestamp()))


# --- validity


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 6.1: a path is valid only while all its certificates are",
    issues(lambda c, bench: c.not_after > bench.ca.authority.issuer.certificate.not_after),
)
def outlives_its_ca(ca: ScepService) -> None:
    """Issues certificates that expire after the CA's own."""

    def change(template: Any, request: Csr) -> Any:
        return replace(template, not_after=template.issuer.certificate.not_after + timedelta(days=30))

    retemplate(ca, change)


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 4.1.2.5: validity begins at notBefore",
    issues(lambda c, b: c.not_before > b.clock.now()),
)
def valid_from_tomorrow(ca: ScepService) -> None:
    """Issues certificates that become valid only after a day."""
    retemplate(ca, lambda template, request: replace(template, not_before=template.not_before + timedelta(days=1)))


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 4.1.2.5: notAfter is the end of validity",
    issues(lambda c, b: c.not_after < b.clock.now()),
)
def expired_at_once(ca: ScepService) -> None:
    """Issues certificates that expired a minute ago."""

    def change(template: Any, request: Csr) -> Any:
        return replace(template, not_after=ca.clock.now() - timedelta(minutes=1))

    retemplate(ca, change)


TIMES = "RFC 5280, 4.1.2.5: dates through 2049 MUST be UTCTime, dates in 2050 or later GeneralizedTime"


def _times(certificate: Certificate) -> list[der.Element]:
    return list(der.read(certificate.der, "c").child(0, "tbs").child(4, "validity").children)


@wrong(INTEROPERABILITY, TIMES, issues(lambda c, bench: _times(c)[1].tag == 0x18 and c.not_after.year < 2050))
def generalized_time_before_2050(ca: ScepService) -> None:
    """Writes every notAfter as GeneralizedTime."""

    def change(fields: list[bytes], authority: Any) -> list[bytes]:
        begins, ends = der.read(fields[4], "validity").children
        return [*fields[:4], der.sequence(begins.raw, der.generalized_time(ends.to_time())), *fields[5:]]

    resign(ca, change)


@wrong(
    INTEROPERABILITY,
    TIMES,
    issues(lambda c, bench: _times(c)[1].tag == 0x17 and _times(c)[1].content.startswith(b"60")),
)
def utc_time_after_2050(ca: ScepService) -> None:
    """Issues certificates until 2060 and writes the date as UTCTime, which means 1960."""

    def change(fields: list[bytes], authority: Any) -> list[bytes]:
        begins = der.read(fields[4], "validity").children[0]
        return [*fields[:4], der.sequence(begins.raw, der.tlv(0x17, b"600101000000Z")), *fields[5:]]

    resign(ca, change)


# --- names, keys, extensions, signature


def _changed_name(name: bytes) -> bytes:
    rows = []
    for row in der.read(name, "name").children:
        pairs = [der.sequence(p.children[0].raw, der.utf8_string(p.children[1].to_text())) for p in row.children]
        rows.append(der.set_of(pairs))
    return der.sequence(*rows)


def _asked_name(bench: Bench) -> bool:
    client = bench.client()
    order = client.order()
    return issued_to(client.ask(order)).subject != order.subject


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 4.1.2.6: the subject names the holder of the key; a client compares it with its request",
    _asked_name,
)
def subject_encoded_anew(ca: ScepService) -> None:
    """Encodes the subject again, with UTF8String where the CSR had PrintableString."""
    retemplate(ca, lambda template, request: replace(template, subject=_changed_name(template.subject)))


@wrong(SECURITY, "RFC 8894, 3.3.1: the request contains the subject Distinguished Name", _asked_name)
def subject_of_its_own(ca: ScepService) -> None:
    """Issues every certificate for a fixed subject, regardless of the request."""
    other = x509.name(("CN", "Default device"))
    retemplate(ca, lambda template, request: replace(template, subject=other))


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 4.1.2.4: the issuer is the subject of the CA, encoded identically (7.1)",
    issues(lambda c, bench: c.issuer != bench.ca.authority.issuer.certificate.subject),
)
def issuer_encoded_anew(ca: ScepService) -> None:
    """Writes the issuer with UTF8String where the CA certificate has another string type."""

    def change(fields: list[bytes], authority: Any) -> list[bytes]:
        new = _changed_name(fields[3])
        if new == fields[3]:
            new = x509.name(*x509.name_pairs(fields[3])).replace(b"\x0c", b"\x13")
        return [*fields[:3], new, *fields[4:]]

    resign(ca, change)


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 4.2.1.6: subjectAltName contains identities of the subject",
    issues(lambda c, bench: c.sans == (), sans=("printer.example",)),
)
def san_dropped(ca: ScepService) -> None:
    """Leaves out the requested subjectAltName."""
    retemplate(ca, lambda template, request: with_extension(template, v.SUBJECT_ALT_NAME, None))


@wrong(
    SECURITY,
    "RFC 5280, 4.2.1.6: the CA MUST verify each part of the subject alternative name",
    issues(lambda c, bench: "printer.example" not in c.sans and bool(c.sans), sans=("printer.example",)),
)
def san_of_another(ca: ScepService) -> None:
    """Writes another subjectAltName than the requested one."""
    value = x509.subject_alt_name_extension(("other.example",))[2]
    retemplate(ca, lambda template, request: with_extension(template, v.SUBJECT_ALT_NAME, value))


def extensions_changed(ca: ScepService, change: Any) -> None:
    def fields_changed(fields: list[bytes], authority: Any) -> list[bytes]:
        listed = [entry.raw for entry in der.read(fields[-1], "e").children[0].children]
        return [*fields[:-1], der.explicit(3, der.sequence(*change(listed)))]

    resign(ca, fields_changed)


def _extension(oid: str, value: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.octet_string(value))


def _without(listed: list[bytes], oid: str) -> list[bytes]:
    return [entry for entry in listed if der.oid(oid) not in entry[:12]]


AKI = "RFC 5280, 4.2.1.1: keyIdentifier MUST be in all certificates, and is the SKI of the issuing CA"


@wrong(INTEROPERABILITY, AKI, issues(lambda c, bench: b"\xab" * 20 in c.extensions[v.AUTHORITY_KEY_IDENTIFIER].value))
def authority_key_identifier_wrong(ca: ScepService) -> None:
    """Writes another key than the CA's in authorityKeyIdentifier."""
    value = der.sequence(der.implicit(0, b"\xab" * 20))
    new = _extension(v.AUTHORITY_KEY_IDENTIFIER, value)
    extensions_changed(ca, lambda listed: [*_without(listed, v.AUTHORITY_KEY_IDENTIFIER), new])


@wrong(INTEROPERABILITY, AKI, issues(lambda c, bench: v.AUTHORITY_KEY_IDENTIFIER not in c.extensions))
def authority_key_identifier_absent(ca: ScepService) -> None:
    """Leaves authorityKeyIdentifier out."""
    extensions_changed(ca, lambda listed: _without(listed, v.AUTHORITY_KEY_IDENTIFIER))


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 4.2.1.2: the subject key identifier identifies the key of the certificate",
    issues(lambda c, b: c.extensions[v.SUBJECT_KEY_IDENTIFIER].value != der.octet_string(x509.key_identifier(c.spki))),
)
def subject_key_identifier_of_the_ca(ca: ScepService) -> None:
    """Writes the CA's own key identifier as the subject's."""

    def change(listed: list[bytes]) -> list[bytes]:
        own = der.octet_string(x509.key_identifier(ca.authority.issuer.certificate.spki))
        return [*_without(listed, v.SUBJECT_KEY_IDENTIFIER), _extension(v.SUBJECT_KEY_IDENTIFIER, own)]

    extensions_changed(ca, change)


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 4.2: a certificate MUST NOT include more than one instance of a particular extension",
    issues(lambda c, bench: c.der.count(der.oid(v.SUBJECT_KEY_IDENTIFIER)) == 2),
)
def extension_twice(ca: ScepService) -> None:
    """Writes subjectKeyIdentifier twice."""
    extensions_changed(
        ca, lambda listed: [*listed, next(e for e in listed if der.oid(v.SUBJECT_KEY_IDENTIFIER) in e[:9])]
    )


def _raw(bench: Bench) -> bytes:
    """What is in the envelope of the reply to a right request."""
    client = bench.client()
    return opened(client.ask(client.order()))


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 4.1.2.1: when extensions are used, version MUST be 3",
    lambda bench: b"\xa0\x03\x02\x01\x00" in _raw(bench),
)
def version_one_with_extensions(ca: ScepService) -> None:
    """Writes version 1 into a certificate with extensions."""
    resign(ca, lambda fields, authority: [der.explicit(0, der.integer(0)), *fields[1:]])


def _key_of_another(bench: Bench) -> bool:
    client = bench.client()
    order = client.order()
    answer = client.ask(order)
    return answer.granted and answer.issued is None


@wrong(
    SECURITY,
    "RFC 8894, 3.3.1: the request contains the subject public key, which is certified",
    _key_of_another,
    serves=False,
)
def key_of_its_own(ca: ScepService) -> None:
    """Certifies its own key instead of the client's."""
    own = x509.spki_of(ca._keys.rsa(2048))
    retemplate(ca, lambda template, request: replace(template, spki=own))


@wrong(
    SECURITY,
    "RFC 5280, 4.1.1.3: the signature is made by the CA's private key over the TBSCertificate",
    issues(lambda c, bench: not c.was_issued_by(bench.ca.authority.issuer.certificate)),
)
def signed_with_another_key(ca: ScepService) -> None:
    """Signs certificates with another key than that of the certificate in GetCACert."""
    key = ca._keys.rsa(2048)
    for authority in ca.authorities.all:

        def signed(original: Any, template: Any, digest: str = "sha256") -> Certificate:
            return original(replace(template, issuer=Identity(template.issuer.certificate, key)), digest)

        around(authority, "sign", signed)


def _algorithms(certificate: Certificate, bench: Bench) -> bool:
    outer = der.read(certificate.der, "c")
    return outer.child(1, "algorithm").raw != outer.child(0, "tbs").child(2, "signature").raw


@wrong(
    INTEROPERABILITY,
    "RFC 5280, 4.1.1.2: signatureAlgorithm MUST be the same as the signature field",
    issues(_algorithms),
)
def algorithms_differ(ca: ScepService) -> None:
    """Names SHA-256 inside the certificate and SHA-512 outside."""
    for authority in ca.authorities.all:

        def signed(original: Any, template: Any, digest: str = "sha256", own: Any = authority) -> Certificate:
            made = original(template, digest)
            tbs = der.read(made.der, "certificate").child(0, "tbs")
            return signed_by([field.raw for field in tbs.children], own.issuer, "sha512")

        around(authority, "sign", signed)
