"""Puts a CA together from its profile and its operator's policy: keys, identifiers, generations, challenges."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from mfp_sim.simtime import Clock, Entropy, KeySource
from mock_scep_server.authorities import Authorities, Lineage
from mock_scep_server.ca import CertificateAuthority, SerialNumbers
from mock_scep_server.challenges import ChallengePolicy, NoChallenge, OneTimeChallenges, SubjectChallenges
from mock_scep_server.policy import CaPolicy
from mock_scep_server.profiles.registry import CaProfile

__all__ = ["make_authorities", "make_challenge"]


def make_challenge(policy: CaPolicy, entropy: Entropy) -> ChallengePolicy:
    """Who may enrol, where no static password is set."""
    setup = policy.challenge
    if setup.kind == "one_time":
        return OneTimeChallenges(entropy, lifetime=setup.lifetime, cache=setup.cache)
    return SubjectChallenges(setup.subjects) if setup.kind == "per_subject" else NoChallenge()


def make_authorities(
    profile: CaProfile,
    policy: CaPolicy,
    *,
    clock: Clock,
    entropy: Entropy,
    keys: KeySource,
    ra: Literal["none", "single", "split"],
    zone: ZoneInfo,
) -> Authorities:
    """The CAs, with the next one prepared if the policy says so. One source of serial numbers for all."""
    serials = SerialNumbers(entropy.fork("serials"), policy.serials or profile.serials)
    start = clock.now()

    def make(identifier: str | None, generation: int, begins: datetime) -> CertificateAuthority:
        authority = CertificateAuthority(
            clock,
            entropy,
            keys,
            name=f"{policy.name} {identifier}" if identifier else policy.name,
            ra=ra,
            validity=policy.validity,
            lifetime=policy.lifetime,
            key=policy.key,
            serials=serials,
            begins=begins,
            slug=f"ca{policy.identifiers.index(identifier) if identifier else ''}-{generation}",
        )
        authority.url = policy.publish_at
        return authority

    lineages = [Lineage(identifier, start, make) for identifier in policy.identifiers or (None,)]
    if policy.rollover is not None:
        publish, switch = (_instant(w, start, zone) for w in (policy.rollover.publish, policy.rollover.switch))
        for lineage in lineages:
            lineage.prepare(publish, switch, policy.rollover.overlap)
    return Authorities(lineages, strict=policy.strict_identifiers)


def _instant(when: timedelta | datetime, start: datetime, zone: ZoneInfo) -> datetime:
    return start + when if isinstance(when, timedelta) else when.replace(tzinfo=zone)
