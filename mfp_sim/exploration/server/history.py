"""What happened between a server and its clients: acts, and the history of their requests and replies.

Only values: `acts` draws the acts and writes their messages, `rules` judges the history, `diagram` shows it. RFC
8894, 2.5 and 3.2.1.1: one transaction is one request, with its repetitions and its polls.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property

from mfp_sim.conformance.answers import Answer
from mfp_sim.shared.scep.certificate import Certificate, spki_of

__all__ = ["HistoryEntry", "ServerAct", "together", "without"]


@dataclass(frozen=True)
class ServerAct:
    """One act of a client, or of the CA's operator.

    ``kind`` is a slug of `acts.KINDS`, ``about`` the number of the earlier act that it follows. Acts of one
    ``round`` are sent at the same time. ``by_get``: by GET although the server supports POST. ``lost``: the client
    closes the connection after sending, before the reply.
    """

    number: int
    round: int
    client: str
    kind: str
    about: int | None = None
    by_get: bool = False
    lost: bool = False


def without(acts: tuple[ServerAct, ...], gone: set[int]) -> tuple[ServerAct, ...]:
    """The acts except those with these numbers and all that depend on them."""
    left: list[ServerAct] = []
    missing = set(gone)
    for act in acts:
        if act.number in missing or act.about in missing:
            missing.add(act.number)
        else:
            left.append(act)
    return tuple(left)


def together(first: tuple[ServerAct, ...], then: tuple[ServerAct, ...]) -> tuple[ServerAct, ...]:
    """Two cases as one, the second after the first."""
    number = max((act.number for act in first), default=0)
    last = max((act.round for act in first), default=0)
    moved = (
        replace(
            act,
            number=act.number + number,
            round=act.round + last,
            about=None if act.about is None else act.about + number,
        )
        for act in then
    )
    return (*first, *moved)


@dataclass(frozen=True)
class HistoryEntry:
    """One act and the reply to it. ``number`` counts the entries of a history from 1.

    ``root`` is the act that made the request which this message belongs to: a repetition and a poll belong to the act
    that they follow. ``transaction`` names the transaction in diagrams. ``barred`` is the slug of the rule that forbids
    a certificate for this message, or an empty text. ``answer`` is None for an act of the CA's operator.
    """

    number: int
    act: ServerAct
    root: ServerAct
    transaction: str
    barred: str = ""
    own: bool = True
    answer: Answer | None = field(default=None, repr=False)

    @property
    def kind(self) -> str:
        """The slug of the act's kind."""
        return self.act.kind

    @property
    def read(self) -> bool:
        """Whether the client read a reply."""
        return self.answer is not None and self.answer.reply is not None

    @cached_property
    def request(self) -> tuple[str, bytes]:
        """The request that the message belongs to: its transactionID, and the public key that it certifies."""
        if self.answer is None:
            return "", b""
        return self.answer.order.transaction_id, spki_of(self.answer.order.key)

    @property
    def asks(self) -> bool:
        """Whether the message requests a certificate; a poll does not."""
        return self.answer is not None and self.answer.order.asks

    @property
    def granted(self) -> bool:
        """Whether the reply is a SUCCESS."""
        return self.answer is not None and self.answer.granted

    @property
    def parked(self) -> bool:
        """Whether the reply is PENDING."""
        return self.answer is not None and self.answer.parked

    @property
    def refused(self) -> bool:
        """Whether the reply is a FAILURE."""
        return self.answer is not None and self.answer.refused

    @property
    def got(self) -> bool:
        """Whether the client got a certificate, or the reply says so."""
        return self.answer is not None and self.answer.handed_out

    @property
    def certificate(self) -> Certificate | None:
        """The certificate that the reply contains for the request's key."""
        return None if self.answer is None else self.answer.issued

    @property
    def certificates(self) -> tuple[Certificate, ...]:
        """The certificates in the reply that are not the CA's."""
        if self.answer is None:
            return ()
        return self.answer.leaves or ((self.answer.issued,) if self.answer.issued is not None else ())
