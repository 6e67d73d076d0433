"""What the clients of a search can do at a SCEP server: a table of acts, and the drawing of cases from it.

Owns which acts a server gets and what their messages contain. Sends nothing and judges nothing. The choice depends only
on the seed and on what the server supports, never on its replies. RFC 8894, 2.3 to 2.5, 4.3 to 4.6.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import accumulate
from typing import Any, Literal, Protocol

from mfp_sim.conformance import csrs
from mfp_sim.conformance.answers import Order
from mfp_sim.conformance.checks.challenge import stranger
from mfp_sim.conformance.client import Client
from mfp_sim.conformance.operators import Act
from mfp_sim.conformance.renewals import Way
from mfp_sim.exploration.server.history import ServerAct
from mfp_sim.shared.scep import der, messages
from mfp_sim.shared.scep.certificate import Identity
from mfp_sim.shared.scep.vocabulary import MessageType
from mfp_sim.shared.simtime import Entropy

__all__ = ["KINDS", "Abilities", "certificates_of", "draw_case", "lookup_order"]

LONGEST = 10
"""The most acts of a case."""
CROWD = 8
"""The number of clients that enrol at the same time; one case of `CROWDS` is such a case."""
CROWDS = 8
_OFTEN, _SOMETIMES = 4, 8
"""One act of so many is sent at the same time as the previous one, by GET, or loses its reply."""


@dataclass(frozen=True)
class Abilities:
    """What the server supports, as found out before the search.

    ``challenged``: a request without a right challenge password gets no certificate. ``way`` is the form of renewal
    that it grants. ``parks``: a right request waits for the operator, and ``operator`` is what the operator does.
    """

    challenged: bool = True
    way: Way | None = None
    get_cert: bool = False
    get_crl: bool = False
    posts: bool = True
    parks: bool = False
    operator: frozenset[Act] = frozenset()

    @property
    def renews_by_certificate(self) -> bool:
        """Whether only the old certificate authorises a renewal: without a challenge password, where one is needed."""
        return self.way is not None and not self.way.challenged and self.challenged

    def words(self) -> Iterable[str]:
        """One line for each fact."""
        yield "a challenge password is required" if self.challenged else "no challenge password is required"
        yield f"renewal by {self.way.what}" if self.way is not None else "no renewal"
        yield ", ".join(
            f"{name} is {'supported' if there else 'not supported'}"
            for name, there in (("GetCert", self.get_cert), ("GetCRL", self.get_crl), ("POST", self.posts))
        )
        if self.parks:
            yield "requests wait for the operator"
        if self.operator:
            yield f"the operator can {', '.join(sorted(act.value for act in self.operator))}"


class Sender(Protocol):
    """What a message is made from: the session, what the server supports, and what was sent and received so far."""

    session: Client
    abilities: Abilities

    def order_of(self, number: int) -> Order | None:
        """The order that an earlier act sent."""
        ...

    def octets_of(self, number: int) -> bytes | None:
        """The bytes that an earlier act sent."""
        ...

    def identity_of(self, number: int) -> Identity | None:
        """The certificate that the request of an earlier act got, and its key."""
        ...


Built = tuple[Order, bytes | None] | None
"""A message: its order, and its bytes if they are those of an earlier message. None if it cannot be made."""


@dataclass(frozen=True)
class ActKind:
    """A kind of act.

    ``text`` says what is sent. ``about`` is what the act follows: a request, a certificate, or nothing. ``barred`` is
    the slug of the rule that forbids a certificate. ``opens``: it makes a request of its own, which later acts can
    follow. ``own``: the client of the earlier act sends it. ``asks``: it may cost a certificate. ``crowds``: it can be
    sent at the same time as another act. ``plainer`` is the slug of a similar act that follows no other.
    """

    slug: str
    text: str
    build: Callable[[Sender, ServerAct], Built] = field(repr=False)
    offered: Callable[[Abilities], bool] = field(default=lambda _: True, repr=False)
    about: Literal["", "request", "certificate"] = ""
    barred: str = ""
    opens: bool = False
    own: bool = True
    asks: bool = True
    crowds: bool = False
    weight: int = 2
    operator: Act | None = None
    plainer: str = ""


def _enrol(**changes: Callable[[Sender], Any]) -> Callable[[Sender, ServerAct], Built]:
    """A new request in a new transaction."""

    def build(sender: Sender, _: ServerAct) -> Built:
        return sender.session.order(**{name: value(sender) for name, value in changes.items()}), None

    return build


def _changed(change: Callable[[str], str]) -> Callable[[Sender, ServerAct], Built]:
    """A request whose challenge password is a change of the right one."""
    return _enrol(challenge=lambda sender: change(sender.session.draw() or ""))


def _empty(sender: Sender, _: ServerAct) -> Built:
    session = sender.session
    key, subject = session.key(), session.subject()
    request = csrs.encoded(key, subject, [csrs.challenge(der.printable_string(""))])
    return session.order(key=key, subject=subject, request=request), None


def _foreign_signer(sender: Sender, act: ServerAct) -> Built:
    """A request without a challenge password, signed with a certificate that another CA issued for a known name."""
    known = _order(sender, act)
    if known is None:
        return None
    by = stranger(sender.session, known.subject)
    return sender.session.order(subject=known.subject, challenge=None, by=by), None


def _known_name(sender: Sender, act: ServerAct) -> Built:
    """A request without a challenge password under the name of an earlier one."""
    known = _order(sender, act)
    return None if known is None else (sender.session.order(subject=known.subject, challenge=None), None)


def _order(sender: Sender, act: ServerAct) -> Order | None:
    return None if act.about is None else sender.order_of(act.about)


def _repeat(sender: Sender, act: ServerAct) -> Built:
    known, octets = _order(sender, act), sender.octets_of(act.about or 0)
    return None if known is None else (known, octets)


def _again(sender: Sender, act: ServerAct) -> Built:
    known = _order(sender, act)
    return None if known is None else (replace(known, nonce=sender.session.entropy.octets(16)), None)


def _other_key(sender: Sender, act: ServerAct) -> Built:
    known = _order(sender, act)
    return None if known is None else (sender.session.order(transaction_id=known.transaction_id), None)


def _poll(sender: Sender, act: ServerAct) -> Built:
    known = _order(sender, act)
    return None if known is None else (sender.session.poll(known), None)


def _foreign_poll(sender: Sender, act: ServerAct) -> Built:
    known, session = _order(sender, act), sender.session
    if known is None:
        return None
    key = session.key()
    signer = session.self_signed(key, known.subject)
    return session.poll(known, key=key, signer_key=key, signer=signer), None


def _unknown_poll(sender: Sender, _: ServerAct) -> Built:
    return sender.session.poll(), None


def _identity(sender: Sender, act: ServerAct) -> Identity | None:
    return None if act.about is None else sender.identity_of(act.about)


def _renewal(sender: Sender, by: Identity, subject: bytes) -> Built:
    way = sender.abilities.way
    return None if way is None else (way.order(sender.session, by=by, subject=subject), None)


def _renew(sender: Sender, act: ServerAct) -> Built:
    old = _identity(sender, act)
    return None if old is None else _renewal(sender, old, old.certificate.subject)


def _renew_by_stranger(sender: Sender, act: ServerAct) -> Built:
    old = _identity(sender, act)
    if old is None:
        return None
    return _renewal(sender, stranger(sender.session, old.certificate.subject), old.certificate.subject)


def _renew_self_signed(sender: Sender, act: ServerAct) -> Built:
    old = _identity(sender, act)
    if old is None:
        return None
    session, subject = sender.session, old.certificate.subject
    key = session.key()
    own = Identity(session.self_signed(key, subject, serial=old.certificate.serial), key)
    return _renewal(sender, own, subject)


def _renew_other_name(sender: Sender, act: ServerAct) -> Built:
    old = _identity(sender, act)
    return None if old is None else _renewal(sender, old, sender.session.subject())


def lookup_order(session: Client, kind: MessageType, own: Identity, serial: int) -> Order:
    """A GetCert or GetCRL about a serial number, signed with a certificate of the CA."""
    data, subject = messages.issuer_and_serial(own.certificate.issuer, serial), own.certificate.subject
    return session.order(message_type=kind, data=data, by=own, key=own.key, subject=subject, challenge=None)


def _lookup(kind: MessageType, *, unknown: bool = False) -> Callable[[Sender, ServerAct], Built]:
    """A GetCert or a GetCRL, signed with the certificate that it is about."""

    def build(sender: Sender, act: ServerAct) -> Built:
        own = _identity(sender, act)
        if own is None:
            return None
        serial = own.certificate.serial
        if unknown:  # longer than those of sequential servers, so that no certificate has it
            serial = int.from_bytes(sender.session.entropy.octets(12), "big") | 1 << 95
        return lookup_order(sender.session, kind, own, serial), None

    return build


def _nothing(_: Sender, __: ServerAct) -> Built:
    return None


def _challenged(abilities: Abilities) -> bool:
    return abilities.challenged


def _can(act: Act) -> Callable[[Abilities], bool]:
    return lambda abilities: abilities.parks and act in abilities.operator


_UNWANTED, _BY_CERTIFICATE = "challenge-required", "renewal-by-stranger"
_ROWS = (
    ActKind("enrol", "PKCSReq", _enrol(), opens=True, crowds=True, weight=10),
    ActKind("enrol-without-challenge", "PKCSReq without a challenge password", _enrol(challenge=lambda _: None),
            _challenged, barred=_UNWANTED, opens=True, crowds=True),
    ActKind("enrol-wrong-challenge", "PKCSReq with a wrong challenge password",
            _enrol(challenge=lambda sender: sender.session.wrong_challenge()), _challenged, barred=_UNWANTED,
            opens=True, crowds=True),
    ActKind("enrol-cut-challenge", "PKCSReq with the challenge password without its last character",
            _changed(lambda secret: secret[:-1]), _challenged, barred=_UNWANTED, opens=True, crowds=True, weight=1),
    ActKind("enrol-longer-challenge", "PKCSReq with the challenge password and one more character",
            _changed(lambda secret: secret + "x"), _challenged, barred=_UNWANTED, opens=True, crowds=True, weight=1),
    ActKind("enrol-empty-challenge", "PKCSReq with an empty challenge password", _empty, _challenged,
            barred=_UNWANTED, opens=True, weight=1),
    ActKind("enrol-by-stranger",
            "PKCSReq for the name of {about}, without a challenge password, signed with a certificate of another CA",
            _foreign_signer, _challenged, about="request", barred=_UNWANTED, opens=True, own=False, weight=1,
            plainer="enrol-without-challenge"),
    ActKind("enrol-known-name", "PKCSReq for the name of {about}, without a challenge password", _known_name,
            _challenged, about="request", barred=_UNWANTED, opens=True, own=False, plainer="enrol-without-challenge"),
    ActKind("repeat", "the same message as {about} again", _repeat, about="request", crowds=True, weight=3),
    ActKind("again", "the same request as {about} with a new nonce", _again, about="request", crowds=True, weight=3),
    ActKind("other-key", "PKCSReq in the transaction of {about}, for another key", _other_key, about="request",
            barred="transaction-taken", opens=True, own=False, weight=3, plainer="enrol"),
    ActKind("poll", "CertPoll about {about}", _poll, about="request", asks=False, weight=4, plainer="unknown-poll"),
    ActKind("foreign-poll", "CertPoll about {about}, signed with another key", _foreign_poll, about="request",
            barred="poll-by-stranger", own=False, weight=3, plainer="unknown-poll"),
    ActKind("unknown-poll", "CertPoll about an unknown transaction", _unknown_poll, barred="poll-unknown", asks=False,
            weight=1),
    ActKind("renew", "renewal of the certificate of {about}", _renew, lambda has: has.way is not None,
            about="certificate", opens=True, weight=4, plainer="enrol"),
    ActKind("renew-other-name", "renewal by the certificate of {about}, for another name", _renew_other_name,
            lambda has: has.renews_by_certificate, about="certificate", barred="renewal-other-name", opens=True),
    ActKind("renew-by-stranger", "renewal for the name of {about}, signed with a certificate of another CA",
            _renew_by_stranger, lambda has: has.renews_by_certificate, about="certificate", barred=_BY_CERTIFICATE,
            opens=True, own=False),
    ActKind("renew-self-signed", "renewal for the name of {about}, signed with a self-signed certificate",
            _renew_self_signed, lambda has: has.renews_by_certificate, about="certificate", barred=_BY_CERTIFICATE,
            opens=True, own=False),
    ActKind("get-cert", "GetCert for the certificate of {about}", _lookup(MessageType.GET_CERT),
            lambda has: has.get_cert, about="certificate", asks=False),
    ActKind("get-cert-unknown", "GetCert for a serial number that does not exist",
            _lookup(MessageType.GET_CERT, unknown=True), lambda has: has.get_cert, about="certificate", asks=False),
    ActKind("get-crl", "GetCRL", _lookup(MessageType.GET_CRL), lambda has: has.get_crl, about="certificate",
            asks=False, weight=1),
    ActKind("approve", "the operator approves {about}", _nothing, _can(Act.APPROVE), about="request", asks=False,
            operator=Act.APPROVE, weight=8),
    ActKind("reject", "the operator rejects {about}", _nothing, _can(Act.REJECT), about="request", asks=False,
            operator=Act.REJECT, weight=4),
    ActKind("revoke", "the operator revokes the certificate of {about}", _nothing,
            lambda has: Act.REVOKE in has.operator, about="certificate", asks=False, operator=Act.REVOKE,
            weight=3),
)  # fmt: skip
KINDS: Mapping[str, ActKind] = {kind.slug: kind for kind in _ROWS}
"""The acts by slug."""


def certificates_of(acts: Iterable[ServerAct]) -> int:
    """The most certificates that these acts can cost."""
    return sum(KINDS[act.kind].asks for act in acts)


# --- drawing ----------------------------------------------------------------------------------------------


def draw_case(entropy: Entropy, abilities: Abilities) -> tuple[ServerAct, ...]:
    """The acts of one case."""
    if entropy.integer(1, CROWDS) == 1:
        count = entropy.integer(2, CROWD)
        crowd = (ServerAct(number, 1, "ABCDEFGH"[number - 1], "enrol") for number in range(1, count + 1))
        return tuple(crowd)
    clients = "ABC"[: entropy.integer(1, 3)]
    kinds = [kind for kind in _ROWS if kind.offered(abilities)]
    acts: list[ServerAct] = []
    for _ in range(entropy.integer(2, LONGEST)):
        acts.append(_next(entropy, kinds, acts, clients, abilities))
    return tuple(acts)


def _next(
    entropy: Entropy, kinds: Sequence[ActKind], acts: Sequence[ServerAct], clients: str, abilities: Abilities
) -> ServerAct:
    """The next act: a kind by weight among those that have an earlier act to follow."""
    possible = [(kind, found) for kind in kinds if (found := _followed(kind, acts)) or not kind.about]
    point = entropy.integer(1, sum(kind.weight for kind, _ in possible))
    chosen = next(
        index for index, total in enumerate(accumulate(kind.weight for kind, _ in possible)) if total >= point
    )
    kind, found = possible[chosen]
    about = found[entropy.integer(0, len(found) - 1)] if found else None
    client = clients[entropy.integer(0, len(clients) - 1)]
    if kind.operator is not None:
        client = "operator"
    elif about is not None:
        others = [letter for letter in "ABC" if letter != about.client]
        client = about.client if kind.own else others[entropy.integer(0, len(others) - 1)]
    by_get = abilities.posts and entropy.integer(1, _SOMETIMES) == 1
    lost = kind.opens and not kind.barred and entropy.integer(1, _SOMETIMES) == 1
    beside = kind.crowds and not lost and entropy.integer(1, _OFTEN) == 1 and _may_share(acts)
    last = acts[-1].round if acts else 0
    return ServerAct(
        len(acts) + 1,
        last if beside else last + 1,
        client,
        kind.slug,
        None if about is None else about.number,
        by_get and not _repeats_octets(kind),
        lost,
    )


def _repeats_octets(kind: ActKind) -> bool:
    return kind.slug == "repeat"


def _may_share(acts: Sequence[ServerAct]) -> bool:
    return bool(acts) and KINDS[acts[-1].kind].crowds and not acts[-1].lost


def _followed(kind: ActKind, acts: Sequence[ServerAct]) -> list[ServerAct]:
    """The earlier acts that an act of this kind can follow."""
    if not kind.about:
        return []
    decided = {act.about for act in acts if KINDS[act.kind].operator is not None}
    return [
        act
        for act in acts
        if KINDS[act.kind].opens
        and not (kind.about == "certificate" and KINDS[act.kind].barred)
        and not (kind.operator is not None and (act.number in decided or KINDS[act.kind].barred))
    ]
