"""The CAs of one server: by identifier, and over time, with a current CA and a next one that takes over at a date.

Owns which CA is current, which is published as the next, and which one a message addresses. The recipient of an
envelope determines which key decrypts it and which CA issues (SCEP-3.2.2-08). RFC 8894, 2.1, 4.2 and 4.7.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mfp_sim.shared.errors import MfpSimError
from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.messages import Envelope
from mock_scep_server.ca import CertificateAuthority

__all__ = ["Authorities", "Generation", "Lineage"]


@dataclass(frozen=True)
class Generation:
    """A CA with the times from which GetNextCACert publishes it, from which it is current, and until which it
    answers."""

    authority: CertificateAuthority
    published: datetime
    current: datetime
    answers_until: datetime | None = None


class Lineage:
    """One CA over time. `make` returns the CA of a generation, given its number and the start of its validity.

    `known` are the stored generations; `keep` is called with all generations when one has changed.
    """

    def __init__(
        self,
        identifier: str | None,
        now: datetime,
        make: Callable[[str | None, int, datetime], CertificateAuthority],
        *,
        known: Sequence[Generation] = (),
        keep: Callable[[Sequence[Generation]], None] = lambda _: None,
    ) -> None:
        self.identifier, self._make, self._keep = identifier, make, keep
        self._url: str | None = None
        self._generations = list(known) or [Generation(make(identifier, 1, now), now, now)]
        keep(self._generations)

    def publish_at(self, url: str | None) -> None:
        """Set the URL of CRL and CA certificate for present and future CAs."""
        self._url = url
        for authority in self.all:
            authority.url = url

    def prepare(self, publish: datetime, switch: datetime, overlap: timedelta | None = None) -> CertificateAuthority:
        """Prepare a next CA, published from `publish` and current from `switch`.

        Args:
            publish: when GetNextCACert starts to serve it.
            switch: when GetCACert serves it instead of the current one.
            overlap: how long the current CA still answers after that; None: until its certificate expires.
        """
        last = self._generations[-1]
        until = last.authority.issuer.certificate.not_after if overlap is None else switch + overlap
        self._generations[-1] = Generation(last.authority, last.published, last.current, until)
        authority = self._make(self.identifier, len(self._generations) + 1, publish)
        authority.url = self._url
        self._generations.append(Generation(authority, publish, switch))
        self._keep(self._generations)
        return authority

    def replace_ra(self, now: datetime) -> bool:
        """Give the RA of the current CA new keys and certificates; return whether there is an RA."""
        replaced = self.current(now).replace_ra()
        self._keep(self._generations)
        return replaced

    def current(self, now: datetime) -> CertificateAuthority:
        """The CA that GetCACert serves."""
        return next(g for g in reversed(self._generations) if g.current <= now or g is self._generations[0]).authority

    def next(self, now: datetime) -> CertificateAuthority | None:
        """The CA that GetNextCACert serves: published but not yet current; None if there is no such CA."""
        later = (g for g in self._generations if g.published <= now < g.current)
        return next((g.authority for g in later), None)

    def answering(self, now: datetime) -> Iterator[CertificateAuthority]:
        """The CAs that requests may address."""
        for generation in self._generations:
            ended = generation.answers_until is not None and now >= generation.answers_until
            if generation.published <= now and not ended:
                yield generation.authority

    @property
    def all(self) -> tuple[CertificateAuthority, ...]:
        """All generations, including future ones."""
        return tuple(generation.authority for generation in self._generations)


class Authorities:
    """All CAs of a server. `strict`: a GetCACert for an unknown identifier is refused (F-T13)."""

    def __init__(self, lineages: Sequence[Lineage], *, strict: bool = False) -> None:
        self.lineages, self.strict = tuple(lineages), strict

    def publish_at(self, url: str | None) -> None:
        """Set the URL of CRLs and CA certificates."""
        for lineage in self.lineages:
            lineage.publish_at(url)

    @property
    def default(self) -> Lineage:
        """The CA of a request that names none."""
        return self.lineages[0]

    def named(self, identifier: str | None) -> Lineage | None:
        """The CA that GetCACert, GetCACaps or GetNextCACert names; None if the request is refused."""
        for lineage in self.lineages:
            if lineage.identifier is not None and lineage.identifier == identifier:
                return lineage
        return None if self.strict else self.default

    def addressed(self, envelope: Envelope | None, now: datetime) -> CertificateAuthority | None:
        """The CA whose recipient certificate a RecipientInfo names, in any order (SCEP-3.2.2-04)."""
        if envelope is None:
            return None
        for authority in self.answering(now):
            if any(recipient.names(authority.recipient.certificate) for recipient in envelope.recipients):
                return authority
        return None

    def answering(self, now: datetime) -> Iterator[CertificateAuthority]:
        """All CAs that requests may address."""
        for lineage in self.lineages:
            yield from lineage.answering(now)

    @property
    def all(self) -> tuple[CertificateAuthority, ...]:
        """All generations of all CAs, including future ones."""
        return tuple(authority for lineage in self.lineages for authority in lineage.all)

    def issuer_of(self, certificate: Certificate) -> CertificateAuthority | None:
        """The CA of any generation whose key signed `certificate`."""
        for authority in self.all:
            try:
                certificate.verify_issued_by(authority.issuer.certificate)
            except MfpSimError:
                continue
            return authority
        return None
