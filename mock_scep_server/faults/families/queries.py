"""Faults of GetCert, GetCRL and GetNextCACert. RFC 8894, 3.3.4, 4.5, 4.6 and 4.7."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import crl, messages
from mfp_sim.shared.scep.certificate import Identity
from mfp_sim.shared.scep.http_messages import CA_CERT, CA_RA_CERT
from mfp_sim.shared.scep.messages import CertRep
from mfp_sim.shared.scep.vocabulary import PkiStatus
from mock_scep_server.faults import strangers
from mock_scep_server.faults.base import Context, Fault
from mock_scep_server.faults.bytes import AlteredBody, flipped
from mock_scep_server.faults.certificates import AlteredNextCa
from mock_scep_server.faults.combined import Together, at
from mock_scep_server.faults.decide import failed, http
from mock_scep_server.faults.families.capabilities import and_also
from mock_scep_server.faults.http_reply import HeaderField
from mock_scep_server.faults.message import Said, odd
from mock_scep_server.faults.registry import Spec, one_of
from mock_scep_server.faults.strangers import DAY, coming
from mock_scep_server.publishing import NextCaCertificates

NEXT = "GetNextCACert"


def _said(name: str, change: Callable[[CertRep, Context], CertRep]) -> Fault:
    return at(name, Said(change), statuses="SUCCESS")


def _pending(reply: CertRep, context: Context) -> CertRep:
    bare = replace(reply, certificates=(), crls=(), recipient=None)
    return replace(bare, status=PkiStatus.PENDING, fail_info=None, fail_info_text=None)


def _crls(change: Callable[[bytes, Context], bytes]) -> Fault:
    """Return a different CRL from the requested one."""
    return _said("GetCRL", lambda reply, context: replace(reply, crls=(change(reply.crls[0], context),)))


def _certificate(name: str, who: Callable[[Context], Identity]) -> Fault:
    """Put this certificate in the reply."""
    return _said(name, lambda reply, context: replace(reply, certificates=(who(context).certificate.der,)))


def _crl(context: Context, issuer: Identity, age: int) -> bytes:
    made = crl.issue(
        issuer=issuer.certificate,
        signing_key=issuer.key,
        this_update=context.now - (7 + age) * DAY,
        next_update=context.now - age * DAY,
    )
    return made.der


# --- GetNextCACert ----------------------------------------------------------------------------------------


def offered(*faults: Fault) -> Fault:
    """GetCACaps lists GetNextCACert, and these faults apply to its reply."""
    return Together((at("GetCACaps", and_also(NEXT)), at(NEXT, *faults)))


def _next(change: Callable[[NextCaCertificates, Context], NextCaCertificates]) -> Fault:
    return offered(AlteredNextCa(change))


def _signed_by(who: Callable[[Context], Identity]) -> Fault:
    return _next(lambda plan, context: replace(plan, signer=who(context)))


def _expired(plan: NextCaCertificates, context: Context) -> NextCaCertificates:
    successor = coming(context).issuer
    expired = strangers.reissued(context, "next expired", successor, successor, dates=strangers.past(context))
    return replace(plan, certificates=(expired.certificate,))


def _not_a_ca(plan: NextCaCertificates, context: Context) -> NextCaCertificates:
    successor = coming(context).issuer
    constraints = [x509.basic_constraints_extension(False)]
    other = strangers.reissued(context, "next cA false", successor, successor, extensions=constraints)
    return replace(plan, certificates=(other.certificate,))


def _unsigned(octets: bytes, context: Context) -> bytes:
    return messages.certs_only([c.der for c in coming(context).certificates])


def _replay(octets: bytes, context: Context) -> bytes:
    """A reply from before the last rollover: correctly signed, with what is now the current CA certificate."""
    old = NextCaCertificates((context.authority.issuer.certificate,), context.authority.issuer)
    del octets
    return context.thing("old next", lambda: old.reply().body)


RIGHT = AlteredNextCa()
CONTENT_TYPES = {
    "ca-cert": CA_CERT,
    "ca-ra-cert": CA_RA_CERT,
    "octet-stream": "application/octet-stream",
    "missing": None,
}
QUERIES = "GetCert GetCRL"

TABLE: dict[str, Spec] = {
    "getcert-pending": Spec("message", lambda: at("GetCert", Said(_pending))),
    "getcert-unsupported": Spec("decide", lambda: at(QUERIES, failed(2, "GetCert and GetCRL are not supported"))),
    "getcert-wrong-cert": Spec("message", lambda: _certificate("GetCert", strangers.device)),
    "getcrl-bad-signature": Spec("message", lambda: _crls(lambda own, context: flipped(own))),
    "getcrl-in-certs": Spec("message", lambda: at("GetCRL", odd(bag_crls_as_certificates=True), statuses="SUCCESS")),
    "getcrl-other-issuer": Spec(
        "message", lambda: _crls(lambda own, context: _crl(context, strangers.stranger(context), -7))
    ),
    "getcrl-stale": Spec("message", lambda: _crls(lambda own, context: _crl(context, context.authority.issuer, 1))),
    "getcrl-with-certs": Spec("message", lambda: _certificate("GetCRL", lambda context: context.authority.issuer)),
    "next-404": Spec("decide", lambda: offered(http(404))),
    "next-501": Spec("decide", lambda: offered(http(501))),
    "next-bad-signature": Spec("bytes", lambda: offered(RIGHT, AlteredBody(lambda octets, context: flipped(octets)))),
    "next-ct": one_of("http", "form", CONTENT_TYPES, lambda form: offered(RIGHT, HeaderField("Content-Type", form))),
    "next-empty": Spec("bytes", lambda: offered(RIGHT, AlteredBody(lambda octets, context: b""))),
    "next-expired": Spec("certificates", lambda: _next(_expired)),
    "next-flat": Spec("certificates", lambda: _next(lambda plan, context: replace(plan, flat=True))),
    "next-not-ca": Spec("certificates", lambda: _next(_not_a_ca)),
    "next-replay": Spec("bytes", lambda: offered(RIGHT, AlteredBody(_replay))),
    "next-same-cert": Spec(
        "certificates",
        lambda: _next(lambda plan, context: replace(plan, certificates=(context.authority.issuer.certificate,))),
    ),
    "next-signed-by-ee": Spec("certificates", lambda: _signed_by(strangers.device)),
    "next-signed-by-next": Spec("certificates", lambda: _signed_by(lambda context: coming(context).issuer)),
    "next-signed-by-stranger": Spec("certificates", lambda: _signed_by(strangers.stranger)),
    "next-unsigned": Spec("bytes", lambda: offered(RIGHT, AlteredBody(_unsigned))),
}
