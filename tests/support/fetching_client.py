"""A client of ``get-ca``, ``get-next-ca`` and ``get-crl`` that follows RFC 8894, and can leave out one of its checks.

It is made to be examined: each check that it leaves out is one mistake of a client. Without any check it is credulous:
where it cannot read a reply, it leaves what it had before.
"""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mfp_sim.conformance.answers import Answer
from mfp_sim.conformance.challenges import Static
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.outcomes import Inconclusive
from mfp_sim.conformance.target import Permissions, target_of
from mfp_sim.examination.program import ClientVerb, End, Task, VerbResult
from mfp_sim.shared.errors import DecodeError, MfpSimError
from mfp_sim.shared.scep import vocabulary as v
from mfp_sim.shared.scep.certificate import Certificate, Identity
from mfp_sim.shared.scep.cms import SignedData, read_bag
from mfp_sim.shared.scep.contents import issuer_and_serial, read_ca_certificates, read_next_ca
from mfp_sim.shared.scep.crl import Crl
from mfp_sim.shared.scep.http_messages import HttpReply, scep_request
from mfp_sim.shared.scep.vocabulary import MessageType, Operation, PkiStatus
from mfp_sim.shared.simtime import Entropy, PooledKeys, SystemClock
from mfp_sim.transport import SocketClient

__all__ = ["CHECKS", "FetchingClient"]

CHECKS = (
    "fingerprint", "vouching", "is a CA", "readable", "advertised", "next signature", "next is a CA", "next is valid",
    "next is new", "message", "signature", "algorithm", "type", "transaction", "nonce", "status", "CRL issuer", "CRL signature",
    "CRL date",
)  # fmt: skip
_KEYS = PooledKeys(Entropy(11), side=0)


class _Refused(Exception):
    """The client refuses a reply, and says why."""


@dataclass
class FetchingClient:
    """The client; ``without`` are the checks that it leaves out."""

    without: frozenset[str] = frozenset()
    name: str = "fetching"

    def run(self, verb: ClientVerb, task: Task) -> VerbResult:
        """Carry out a verb."""
        verbs: Mapping[str, Callable[[Client, Task], None]] = {
            "enrol": self._enrol, "get-ca": self._get_ca, "get-next-ca": self._get_next_ca, "get-crl": self._get_crl,
        }  # fmt: skip
        if verb not in verbs:
            return VerbResult(verb, End.UNSUPPORTED, 127, "", 0.0)
        clock = SystemClock()
        client = Client(
            target_of(task.url), SocketClient(clock), clock=clock, entropy=Entropy(None), keys=_KEYS,
            challenges=Static(task.challenge), policy=Permissions(timeout=2.0),
        )  # fmt: skip
        try:
            verbs[verb](client, task)
        except (_Refused, MfpSimError, Inconclusive) as why:
            return VerbResult(verb, End.REFUSED, 1, str(why), 0.0)
        return VerbResult(verb, End.DONE, 0, "", 0.0)

    def _check(self, name: str, passed: bool) -> None:
        assert name in CHECKS
        if not passed and name not in self.without:
            raise _Refused(name)

    # --- verbs --------------------------------------------------------------------------------------------

    def _enrol(self, client: Client, task: Task) -> None:
        answer = client.enrol()
        made = client.identity(answer)
        task.certificate_file.write_text(ssl.DER_cert_to_PEM_cert(made.certificate.der))
        task.key_file.write_bytes(made.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        self._identity = made
        if "readable" in self.without:  # what it leaves later if it cannot read the reply
            (task.folder / "had.crl").write_bytes(self._ask_crl(client).payload.crls[0])

    def _get_ca(self, client: Client, task: Task) -> None:
        reply = self._http(client, Operation.GET_CA_CERT)
        try:
            found = read_ca_certificates(reply.body, reply.media_type)[0] if reply.status == 200 else ()
        except DecodeError:
            found = ()
        self._check("readable", bool(found))
        given = [c for c in found if c.fingerprint() == task.environment()["SCEP_CA_SHA256"]]
        self._check("fingerprint", bool(given))
        self._check("is a CA", all(c.is_ca and "keyCertSign" in (c.key_usage or ["keyCertSign"]) for c in given))
        if "vouching" not in self.without and given:
            found = tuple(c for c in found if _same_pki(c, given[0], found))
        self._leave(task, found or (task.ca,))

    def _get_next_ca(self, client: Client, task: Task) -> None:
        caps = self._http(client, Operation.GET_CA_CAPS)
        self._check("advertised", b"GetNextCACert" in caps.body)
        reply = self._http(client, Operation.GET_NEXT_CA_CERT)
        try:
            answer = read_next_ca(reply.body, reply.media_type) if reply.status == 200 else None
            found = answer.certificates if answer else ()
        except DecodeError:
            answer, found = None, self._without_a_signature(reply)
        self._check("readable", bool(found))
        self._check("next signature", answer is not None and _signed_by(answer.signed_data, task.ca))
        now = client.clock.now()
        self._check("next is a CA", all(c.is_ca for c in found))
        self._check("next is valid", all(now < c.not_after for c in found))
        self._check("next is new", task.ca not in found)
        self._leave(task, found or (task.ca,))

    def _get_crl(self, client: Client, task: Task) -> None:
        answer = self._ask_crl(client)
        ours, message = answer.order, answer.message
        self._check("message", message is not None and answer.exchange.ok)
        self._check("signature", answer.distrust is None)
        weak = answer.signed is not None and answer.signed.digest == "md5"
        self._check("algorithm", not weak and (answer.envelope is None or answer.envelope.cipher != "des-cbc"))
        self._check("type", answer.number(v.MESSAGE_TYPE) == MessageType.CERT_REP)
        self._check("transaction", answer.octets(v.TRANSACTION_ID) == ours.transaction_id.encode())
        self._check("nonce", answer.octets(v.RECIPIENT_NONCE) == ours.nonce)
        self._check("status", answer.status == PkiStatus.SUCCESS)
        crls = answer.payload.crls
        self._check("readable", len(crls) == 1)
        crl = Crl.from_der(crls[0] if crls else (task.folder / "had.crl").read_bytes())
        self._check("CRL issuer", crl.issuer == task.ca.subject)
        self._check("CRL signature", crl.was_issued_by(task.ca) or crl.issuer != task.ca.subject)
        self._check("CRL date", crl.next_update is None or client.clock.now() < crl.next_update)
        task.fetched_file.write_bytes(crl.der)

    # --- what they need -----------------------------------------------------------------------------------

    def _http(self, client: Client, operation: Operation) -> HttpReply:
        reply = client.http(scep_request("/scep", operation), "", once=True).reply
        if reply is None:
            raise _Refused("no reply")
        return reply

    def _without_a_signature(self, reply: HttpReply) -> tuple[Certificate, ...]:
        if "next signature" not in self.without:
            return ()
        try:
            return read_bag(reply.body).certificates
        except DecodeError:
            return ()

    def _ask_crl(self, client: Client) -> Answer:
        mine: Identity = self._identity
        data = issuer_and_serial(mine.certificate.issuer, mine.certificate.serial)
        return client.ask(client.order(by=mine, message_type=MessageType.GET_CRL, request=data), once=True)

    def _leave(self, task: Task, found: tuple[Certificate, ...]) -> None:
        task.fetched_file.write_text("".join(ssl.DER_cert_to_PEM_cert(c.der) for c in found))


def _signed_by(signed: SignedData, ca: Certificate) -> bool:
    try:
        signed.verify(ca)
    except MfpSimError:
        return False
    return bool(signed.names_signer(ca))


def _same_pki(one: Certificate, given: Certificate, found: tuple[Certificate, ...]) -> bool:
    """Whether a certificate is the given one, above it, or issued by it or one above it."""
    above = {given.der: given}
    for _ in found:
        above |= {c.der: c for c in found if any(a.was_issued_by(c) for a in above.values())}
    return one.der in above or any(one.was_issued_by(a) for a in above.values())
