"""What a wrong server is, and the tools to make one and to show that it is wrong.

A wrong server is the mock with one mistake that an implementer may make. The set is written only from RFC 8894, RFC 5280
and RFC 5652, without looking at the checks, so that it shows what the checks miss. It must not follow them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.algorithms import sign, signature_algorithm
from mfp_sim.shared.scep.certificate import Certificate, Identity
from mfp_sim.shared.scep.http_messages import HttpReply, delivery_of
from mfp_sim.shared.scep.vocabulary import MessageType
from mfp_sim.testing import Bench, ScepClient
from mock_scep_server.ca import CertificateAuthority
from mock_scep_server.service import ScepService

SECURITY, INTEROPERABILITY, ROBUSTNESS = "security", "interoperability", "robustness"
SERVERS: dict[str, WrongServer] = {}


@dataclass(frozen=True)
class WrongServer:
    """One server. ``shows`` returns whether the server of a bench is wrong in this way; ``serves`` whether a right
    request still gets its certificate."""

    name: str
    chapter: str
    wrong: str
    breaks: str
    kind: str
    spoil: Callable[[ScepService], None]
    shows: Callable[[Bench], bool]
    serves: bool = True


def wrong(
    kind: str, breaks: str, shows: Callable[[Bench], bool], *, serves: bool = True
) -> Callable[[Callable[[ScepService], None]], Callable[[ScepService], None]]:
    """Add a function that makes the mock wrong to the set; its docstring says what is wrong."""

    def decorate(spoil: Callable[[ScepService], None]) -> Callable[[ScepService], None]:
        name = spoil.__name__.replace("_", "-")
        assert name not in SERVERS, name
        assert spoil.__doc__
        chapter = spoil.__module__.rpartition(".")[2].replace("_", " ")
        SERVERS[name] = WrongServer(name, chapter, spoil.__doc__.strip(), breaks, kind, spoil, shows, serves)
        return spoil

    return decorate


# --- to make one -------------------------------------------------------------------------------------------------


def around(holder: object, name: str, stand_in: Callable[..., Any]) -> None:
    """Replace a method of one object by ``stand_in(original, *arguments)``."""
    setattr(holder, name, functools.partial(stand_in, getattr(holder, name)))


def reader(ca: ScepService) -> Any:
    return ca._pki_operation._reader


def registrar(ca: ScepService) -> Any:
    return ca._pki_operation._registrar


def admission(ca: ScepService) -> Any:
    return registrar(ca)._admission


def reshape(part: Any, **values: object) -> None:
    """One part of the CA follows another profile."""
    part._profile = replace(part._profile, **values)


def reword(ca: ScepService, change: Callable[[Any], Any]) -> None:
    """Change each CertRep before it is written."""

    def encode(original: Any, work: Any, decision: Any) -> HttpReply:
        return original(work, replace(decision, reply=change(decision.reply)))

    around(ca._pki_operation, "_encode", encode)


def odd(reply: Any, **values: object) -> Any:
    return replace(reply, oddities=replace(reply.oddities, **values))


def republish(ca: ScepService, operation: str, change: Callable[[HttpReply], HttpReply]) -> None:
    """Change the reply to GetCACaps or GetCACert."""

    def reply(original: Any, work: Any, query: Any) -> HttpReply:
        found = original(work, query)
        return change(found) if query.operation == operation else found

    around(ca._ca_operations, "reply", reply)


def retemplate(ca: ScepService, change: Callable[[Any, Any], Any]) -> None:
    """Change each template of a certificate: ``change(template, csr)``."""

    def template(original: Any, csr: Any, granted: Any) -> Any:
        return change(original(csr, granted), csr)

    for authority in ca.authorities.all:
        around(authority, "template", template)


def resign(ca: ScepService, change: Callable[[list[bytes], CertificateAuthority], list[bytes]]) -> None:
    """Change the fields of each TBSCertificate, and sign it again."""
    for authority in ca.authorities.all:

        def signed(original: Any, template: Any, digest: str = "sha256", own: Any = authority) -> Certificate:
            made = original(template, digest)
            tbs = der.read(made.der, "certificate").child(0, "tbs")
            return signed_by(change([field.raw for field in tbs.children], own), own.issuer)

        around(authority, "sign", signed)


def signed_by(fields: list[bytes], signer: Identity, outer: str = "sha256") -> Certificate:
    tbs = der.sequence(*fields)
    signature = sign(signer.key, tbs, outer)
    return Certificate.from_der(der.sequence(tbs, signature_algorithm(signer.key, outer), der.bit_string(signature)))


def with_extension(template: Any, oid: str, value: bytes | None, critical: bool = False) -> Any:
    """The template with this value of an extension, or without one."""
    kept = tuple(extension for extension in template.extensions if extension[0] != oid)
    return replace(template, extensions=kept if value is None else (*kept, (oid, critical, value)))


def recertify(ca: ScepService, change: Callable[[dict[str, Any]], None]) -> None:
    """Make a new CA certificate for the same key: ``change`` alters the arguments of ``x509.issue``."""
    for authority in ca.authorities.all:
        old = authority.issuer
        kept = [(oid, e.critical, e.value) for oid, e in old.certificate.extensions.items()]
        told: dict[str, Any] = {
            "serial": old.certificate.serial,
            "issuer": old.certificate.subject,
            "subject": old.certificate.subject,
            "spki": old.certificate.spki,
            "not_before": old.certificate.not_before,
            "not_after": old.certificate.not_after,
            "extensions": kept,
            "signing_key": old.key,
        }
        change(told)
        new = Identity(x509.issue(**told), old.key)
        for place in ("issuer", "signer", "recipient"):
            if getattr(authority, place) is old:
                setattr(authority, place, new)


def replaced_extension(told: dict[str, Any], oid: str, *new: tuple[str, bool, bytes]) -> None:
    told["extensions"] = [e for e in told["extensions"] if e[0] != oid] + list(new)


# --- to show that it is wrong ------------------------------------------------------------------------------------


def grants(**order: Any) -> Callable[[Bench], bool]:
    """Whether an order gets a certificate."""

    def shows(bench: Bench) -> bool:
        client = bench.client()
        return bool(client.ask(client.order(**order)).granted)

    return shows


def enrolled(bench: Bench, client: ScepClient | None = None, **order: Any) -> Identity:
    """A certificate and its key, of the client of a right request."""
    client = client or bench.client()
    asked = client.order(**order)
    issued = issued_to(client.ask(asked))
    return Identity(issued, asked.key)


def issued_to(answer: Any) -> Certificate:
    issued = answer.issued
    assert issued is not None, answer.text
    return issued


def issues(fits: Callable[[Certificate, Bench], bool], **order: Any) -> Callable[[Bench], bool]:
    """Whether what is issued has a property."""

    def shows(bench: Bench) -> bool:
        client = bench.client()
        return fits(issued_to(client.ask(client.order(**order))), bench)

    return shows


def replies(fits: Callable[[Any], bool], **order: Any) -> Callable[[Bench], bool]:
    """Whether the answer to an order has a property."""

    def shows(bench: Bench) -> bool:
        client = bench.client()
        return fits(client.ask(client.order(**order)))

    return shows


def csr(key: Any, subject: bytes, *attributes: bytes, version: int = 0) -> bytes:
    """A PKCS#10 request with these attributes, in this order."""
    info = der.sequence(
        der.integer(version), subject, x509.spki_of(key), der.implicit(0, b"".join(attributes), constructed=True)
    )
    return der.sequence(info, signature_algorithm(key, "sha256"), der.bit_string(sign(key, info, "sha256")))


def attribute(oid: str, *values: bytes) -> bytes:
    return der.sequence(der.oid(oid), der.set_of(values))


def challenge_attribute(text: str) -> bytes:
    return attribute(v.CHALLENGE_PASSWORD, der.utf8_string(text))


def extension_request(*extensions: tuple[str, bool, bytes]) -> bytes:
    return attribute(v.EXTENSION_REQUEST, x509.encode_extensions(extensions))


def renewal(client: ScepClient, by: Identity, **order: Any) -> Any:
    """A RenewalReq of the name in ``by``, signed with it, without a challenge."""
    values = {"subject": by.certificate.subject, "challenge": None, "message_type": MessageType.RENEWAL_REQ, **order}
    return client.order(by=by, **values)


def lookup(client: ScepClient, kind: MessageType, by: Identity, wanted: Certificate) -> Any:
    """A GetCert or GetCRL."""
    data = messages.issuer_and_serial(wanted.issuer, wanted.serial)
    return client.order(message_type=kind, data=data, by=by)


def opened(answer: Any) -> bytes:
    """The content of a reply's envelope; empty if it cannot be opened."""
    return getattr(answer.payload, "plain", None) or b""


def rewritten(delivery: Any, change: Callable[[HttpReply], HttpReply]) -> Any:
    """The delivery of a changed reply."""
    reply = reply_of(delivery.octets)
    hop = {"connection", "transfer-encoding", "content-length", "date"}
    headers = tuple((name, value) for name, value in reply.headers if name.lower() not in hop)
    return replace(
        delivery_of(change(replace(reply, headers=headers)), keep_alive=delivery.keep_alive), tell=delivery.tell
    )
