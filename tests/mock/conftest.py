"""A CA in process on a frozen clock, and a client that says exactly what a test wants, written on the codec alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from typing import Literal

import pytest

from mfp_sim.shared.http_octets import reply_of
from mfp_sim.shared.scep import certificate as x509
from mfp_sim.shared.scep import csr as csrs
from mfp_sim.shared.scep import messages
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpRequest, scep_request
from mfp_sim.shared.scep.messages import PkiMessage
from mfp_sim.shared.scep.vocabulary import FailInfo, MessageType, Operation, PkiStatus
from mfp_sim.shared.simtime import Entropy, FrozenClock, PooledKeys
from mfp_sim.testing import CHALLENGE, Bench
from mock_scep_server.challenges import ChallengePolicy
from mock_scep_server.profiles.registry import profile_named
from mock_scep_server.vault import Vault

NOON = datetime(2026, 3, 2, 12, tzinfo=timezone.utc)


@dataclass(frozen=True)
class Reply:
    """An HTTP reply, and what a CertRep in it says."""

    status: int
    headers: dict[str, str]
    body: bytes = field(repr=False)

    @property
    def message(self) -> PkiMessage:
        return messages.decode(self.body)

    @property
    def words(self) -> str:
        """``SUCCESS``, ``PENDING``, or ``badRequest: why``."""
        message = self.message
        if message.pki_status != PkiStatus.FAILURE:
            return PkiStatus(message.pki_status).name
        return f"{FailInfo(message.fail_info).label}: {message.fail_info_text}"


class Client:
    """One client: its key, its self-signed certificate, and what it got."""

    def __init__(self, ca: Ca, name: str = "printer-1.example", number: int = 0) -> None:
        self.ca, self.subject = ca, x509.name(("CN", name))
        self.entropy = Entropy(100 + number)
        self.keys = ca.client_keys
        self.key = self.keys.rsa(2048)
        self.signer = self._self_signed()
        self.signer_key = self.key
        self.transaction = self.entropy.octets(8).hex()
        self.certificate: Certificate | None = None

    def _self_signed(self) -> Certificate:
        now = self.ca.clock.now()
        return x509.self_signed(
            self.key,
            subject=self.subject,
            serial=1,
            not_before=now - timedelta(hours=1),
            not_after=now + timedelta(days=365),
        )

    def csr(self, challenge: str | None = "s3cret", **rest: object) -> bytes:
        return csrs.build(self.key, subject=self.subject, challenge=challenge, **rest)  # type: ignore[arg-type]

    def message(self, kind: MessageType, data: bytes, **changes: object) -> bytes:
        """A pkiMessage; ``changes`` are fields of :class:`messages.RequestContent`."""
        recipient = changes.pop("recipient", self.ca.service.authority.recipient.certificate)
        content = messages.RequestContent(
            message_type=kind,
            transaction_id=str(changes.pop("transaction_id", self.transaction)),
            sender_nonce=self.entropy.octets(16),
            message_data=data,
            recipient=recipient,  # type: ignore[arg-type]
        )
        return messages.encode_request(
            replace(content, **changes),  # type: ignore[arg-type]
            signer_key=self.signer_key,
            signer_certificate=self.signer,
            octets=self.entropy.octets,
        )

    def send(self, kind: MessageType, data: bytes, **changes: object) -> Reply:
        """The message by POST, and what comes."""
        octets = self.message(kind, data, **changes)
        return self.ca.ask(scep_request("/scep", Operation.PKI_OPERATION, octets, method="POST"))

    def enrol(
        self, challenge: str | None = "s3cret", *, kind: MessageType = MessageType.PKCS_REQ, **rest: object
    ) -> Reply:
        """PKCSReq with this CSR; a certificate that comes back is kept."""
        csr = {key: rest.pop(key) for key in ("sans", "digest") if key in rest}
        return self.keep(self.send(kind, self.csr(challenge, **csr), **rest))

    def poll(self, **changes: object) -> Reply:
        issuer = changes.pop("issuer", self.ca.service.authority.issuer.certificate.subject)
        data = messages.issuer_and_subject(issuer, changes.pop("subject", self.subject))  # type: ignore[arg-type]
        return self.keep(self.send(MessageType.CERT_POLL, data, **changes))

    def keep(self, reply: Reply) -> Reply:
        if reply.status == 200 and reply.message.pki_status == PkiStatus.SUCCESS:
            self.certificate = self.certificates(reply)[0]
        return reply

    def certificates(self, reply: Reply) -> tuple[Certificate, ...]:
        return messages.read_certs_only(self.open(reply))

    def open(self, reply: Reply) -> bytes:
        """The plaintext, after the reply's own checks."""
        message = reply.message
        assert self.ca.signed_by_the_ca(message)
        return messages.open_envelope(message, self.signer_key, self.signer)

    def renewed(self, *, same_key: bool = False, same_transaction: bool = False) -> Client:
        """The client that renews this one's certificate: new key and transaction, signing with the old ones.

        Clients that derive the transactionID from the key keep both.
        """
        other = Client.__new__(Client)
        other.__dict__ |= self.__dict__
        other.key = self.key if same_key else self.keys.rsa(2048)
        other.signer, other.signer_key = self.certificate, self.key
        other.transaction = self.transaction if same_transaction else self.entropy.octets(8).hex()
        other.certificate = None
        return other


class Ca(Bench):
    """A bench whose CA has a policy as it stands in a scenario's ``ca:`` section; nobody uses its printer."""

    def __init__(
        self,
        policy: str = "{}",
        *,
        profile: str = "rfc8894",
        start: datetime = NOON,
        seed: int = 11,
        clock: FrozenClock | None = None,
        script: str = "[]",
        ra: Literal["none", "single", "split"] = "none",
        challenge: ChallengePolicy | str | None = CHALLENGE,
        vault: Vault | None = None,
        **changes: object,
    ) -> None:
        shape = replace(profile_named(profile), **changes)  # type: ignore[arg-type]
        super().__init__(
            policy, profile=shape, script=script, ra=ra, challenge=challenge, start=start, clock=clock, seed=seed,
            vault=vault,
        )  # fmt: skip
        self.service = self.ca
        self.client_keys = PooledKeys(self.entropy.fork("clients"), side=0)

    def ask(self, request: HttpRequest, client: str = "192.0.2.10") -> Reply:
        delivery = self.service.handle(request, client)
        delivery.tell("ended")
        reply = reply_of(delivery.octets)
        return Reply(reply.status, {name.lower(): value for name, value in reply.headers}, reply.body)

    def get(self, target: str, *headers: tuple[str, str]) -> Reply:
        return self.ask(HttpRequest("GET", target, headers))

    def signed_by_the_ca(self, message: PkiMessage) -> bool:
        now = self.clock.now()
        known = [c for ca in self.service.authorities.answering(now) for c in ca.certificates]
        signer = next((c for c in known if message.names_signer(c)), None)
        if signer is None:
            return False
        message.verify(signer)
        return True

    @property
    def decisions(self) -> list[str]:
        return [entry.decision for entry in self.service.journal.entries]

    @property
    def minted(self) -> int:
        return self.service.ledger.counts["minted"]


@pytest.fixture
def make_ca() -> type[Ca]:
    return Ca


@pytest.fixture
def make_client() -> type[Client]:
    return Client


@pytest.fixture
def clients() -> Callable[[Ca, int], Sequence[Client]]:
    """So many clients of a CA, with names and keys of their own."""
    return lambda ca, count: [Client(ca, f"printer-{n}.example", n) for n in range(count)]
