"""Puts a CA together from its profile and its operator's policy: keys, identifiers, generations, challenges."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from mfp_sim.simtime import Clock, Entropy, KeySource
from mock_scep_server.authorities import Authorities, Lineage
from mock_scep_server.ca import CertificateAuthority, SerialNumbers, Shape
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
    base = profile.ca_name or policy.name
    shape = Shape(
        profile.issued_key_usage, profile.issued_purposes, profile.issued_basic_constraints, profile.backdated
    )

    def make(identifier: str | None, generation: int, begins: datetime) -> CertificateAuthority:
        return CertificateAuthority(
            clock,
            entropy,
            keys,
            name=f"{base} {identifier}" if identifier else base,
            ra=ra,
            validity=policy.validity,
            lifetime=policy.lifetime,
            key=policy.key,
            key_usage=profile.ca_key_usage or None,
            shape=shape,
            serials=serials,
            begins=begins,
            slug=f"ca{policy.identifiers.index(identifier) if identifier else ''}-{generation}",
        )

    lineages = [Lineage(identifier, start, make) for identifier in policy.identifiers or (None,)]
    if policy.rollover is not None:
        publish, switch = (_instant(w, start, zone) for w in (policy.rollover.publish, policy.rollover.switch))
        for lineage in lineages:
            lineage.prepare(publish, switch, policy.rollover.overlap)
    authorities = Authorities(lineages, strict=policy.strict_identifiers)
    authorities.publish_at(policy.publish_at)
    return authorities


def _instant(when: timedelta | datetime, start: datetime, zone: ZoneInfo) -> datetime:
    return start + when if isinstance(when, timedelta) else when.replace(tzinfo=zone)
