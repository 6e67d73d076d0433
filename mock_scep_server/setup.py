"""A CA as a file describes it: the keys of a scenario's `ca:` section, and the CA made from them.

`mock-scep-server --ca FILE` and `--set KEY=VALUE` use the same keys, so that the CA of a scenario can also run over
sockets. Makes profile, challenges and CAs (keys, identifiers, generations); `service.py` combines them. It owns no
policy: profile, changes and policy do.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from mfp_sim.shared.documents import Node, Problems
from mfp_sim.shared.documents.kinds import WRONG, Definitions, Kind, OneWay, Schema, Words
from mfp_sim.shared.documents.records import Constraint, Field, Given, Record, kind_of
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.scep.certificate import Identity
from mfp_sim.shared.simtime import Clock, Entropy, KeySource
from mock_scep_server.authorities import Authorities, Generation, Lineage
from mock_scep_server.ca import CertificateAuthority, IssuingStyle, SerialNumbers
from mock_scep_server.challenges import ChallengePolicy, OneTimeChallenges, OpenEnrolment, SubjectChallenges
from mock_scep_server.policy import POLICY_KEYS, CaPolicy, StaticPassword, policy_of
from mock_scep_server.profiles.changes import EMPTY_CONTENTS, changed, changed_capabilities
from mock_scep_server.profiles.registry import PROFILES, VALUES, CaProfile, profile_named, value_kind
from mock_scep_server.script import Rule
from mock_scep_server.script_file import Rules
from mock_scep_server.store import CHANGED, Store
from mock_scep_server.vault import Vault

__all__ = ["CA_KEYS", "VALUE_KEYS", "CaSection", "CaSetup", "make_authorities", "make_challenge", "read_ca"]

CA_KEYS = ("profile", "caps", "empty_content", "ra", "script", "url", *POLICY_KEYS)
VALUE_KEYS = tuple(name for name in VALUES if name not in CA_KEYS)
"""The values of the profile that do not have their own key."""


@dataclass(frozen=True)
class CaSetup:
    """The `ca:` section. `challenge` is the static challenge password; `caps`, `empty_content` and `values` change the
    profile if given; `shape` replaces the profile; with `ra` None, the profile decides; `policy` holds the operator's
    other decisions; `url` is a real server to use instead; `given` are the keys in the section."""

    profile: str = "rfc8894"
    caps: tuple[str, ...] | None = None
    empty_content: str | None = None
    ra: Literal["none", "single", "split"] | None = None
    challenge: str | None = field(default=None, repr=False)
    script: tuple[Rule, ...] = ()
    url: str | None = None
    policy: CaPolicy = field(default_factory=CaPolicy)
    given: tuple[str, ...] = ()
    values: Mapping[str, object] = field(default_factory=dict)
    shape: CaProfile | None = None

    def made_profile(self) -> CaProfile:
        """The profile with the section's changes.

        Raises:
            UsageError: an impossible change.
        """
        shape = self.shape or profile_named(self.profile)
        return changed(shape, caps=self.caps, empty_content=self.empty_content, values=self.values)


def read_ca(node: Node, problems: Problems) -> CaSetup:
    """Read the section; if there are mistakes, they go to `problems` and the result is an empty section."""
    setup = CaSection().read(node, problems, "ca")
    return CaSetup() if setup is WRONG else cast(CaSetup, setup)


class CaSection(OneWay):
    """The format of the section."""

    def read(self, node: Node, problems: Problems, what: str) -> object:
        return _section().read(node, problems, what)

    def schema(self, found: Definitions) -> Schema:
        return _section().schema(found)


@cache
def _section() -> Record:
    own: Mapping[str, Kind] = {
        "profile": Words(lambda: PROFILES),
        "caps": kind_of(tuple[str, ...]),
        "empty_content": Words(lambda: EMPTY_CONTENTS),
        "ra": kind_of(Literal["none", "single", "split"]),
        "script": Rules(),
        "url": kind_of(str),
    }
    rows = [(name, kind, "") for name, kind in own.items()]
    rows += [(name, entry.kind, entry.sentence) for name, entry in POLICY_KEYS.items()]
    rows += [(name, value_kind(name), "") for name in VALUE_KEYS]
    fields = tuple(Field(name, name, kind, sentence, None) for name, kind, sentence in rows)
    return Record("Ca", _setup, fields, "ca", (Constraint({}, _check_capabilities),))


def _check_capabilities(given: Given, problems: Problems) -> None:
    """The keywords: those of the profile with changes, or a whole list."""
    own = PROFILES.get(given.values.get("profile", CaSetup.profile))
    try:
        changed_capabilities(given.values.get("caps", ()), own.capabilities if own else ())
    except UsageError as error:
        problems.add(given.keys["caps"], error.message, error.remedy)


def _setup(**said: Any) -> CaSetup:
    """Make the section from the values by key; `challenge` of the profile is whether it checks one at all."""
    values = {name: said.pop(name) for name in VALUE_KEYS if name in said}
    challenge = said.get("challenge")
    if challenge in ("checked", "ignored"):
        values["challenge"] = said.pop("challenge")
    own = {name: said[name] for name in CA_KEYS if name in said and name not in POLICY_KEYS}
    static = challenge.static if isinstance(challenge, StaticPassword) else None
    return CaSetup(**own, challenge=static, policy=policy_of(said), given=tuple(said), values=values)


def make_challenge(policy: CaPolicy, entropy: Entropy, store: Store) -> ChallengePolicy:
    """Who may enrol if no static password is set."""
    setup = policy.challenge
    if setup.kind == "one_time":
        return OneTimeChallenges(entropy, lifetime=setup.lifetime, cache=setup.cache, store=store)
    return SubjectChallenges(setup.subjects) if setup.kind == "per_subject" else OpenEnrolment()


def make_authorities(
    profile: CaProfile,
    policy: CaPolicy,
    *,
    clock: Clock,
    entropy: Entropy,
    keys: KeySource,
    ra: Literal["none", "single", "split"],
    zone: ZoneInfo,
    vault: Vault,
) -> Authorities:
    """Make the CAs, with a next one prepared if the policy requires it. All share one source of serial numbers.

    CAs in `vault` are used unchanged; they already have their successors.

    Raises:
        UsageError: the vault belongs to another CA, or an own CA would have to represent several CAs.
    """
    base = profile.ca_name or policy.name
    rule = policy.serials or profile.serials
    known = vault.open(
        {"name": base, "key": policy.key, "ra": ra, "identifiers": list(policy.identifiers), "serials": rule}
    )
    serials = SerialNumbers(entropy.fork("serials"), rule, vault.store)
    start = clock.now()
    shape = IssuingStyle(
        profile.issued_key_usage, profile.issued_purposes, profile.issued_basic_constraints, profile.backdated
    )

    def make(
        identifier: str | None, generation: int, begins: datetime, kept: Sequence[Identity] = ()
    ) -> CertificateAuthority:
        slug = _slug(policy, identifier, generation)
        own = kept[0] if kept else vault.own if generation == 1 else None
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
            slug=slug,
            own=own,
            ra_identities=(kept[1], kept[2]) if kept else None,
        )

    def again(identifier: str | None) -> Iterator[Generation]:
        for number in count(1):
            kept = known.get(_slug(policy, identifier, number))
            if kept is None:
                return
            made = make(identifier, number, kept.published, kept.identities)
            yield Generation(made, kept.published, kept.current, kept.answers_until)

    lineages = [
        Lineage(identifier, start, make, known=tuple(again(identifier)), keep=vault.keep)
        for identifier in policy.identifiers or (None,)
    ]
    if policy.rollover is not None and all(len(lineage.all) == 1 for lineage in lineages):
        publish, switch = (_instant(w, start, zone) for w in (policy.rollover.publish, policy.rollover.switch))
        for lineage in lineages:
            lineage.prepare(publish, switch, policy.rollover.overlap)
    if strange := known.keys() - {authority.slug for lineage in lineages for authority in lineage.all}:
        text = f"{vault.store.where} is damaged in its cas: {len(strange)} with a key that no CA of this server has"
        raise UsageError(text, remedy=CHANGED)
    authorities = Authorities(lineages, strict=policy.strict_identifiers)
    authorities.publish_at(policy.publish_at)
    return authorities


def _slug(policy: CaPolicy, identifier: str | None, generation: int) -> str:
    """The name of a CA in its URLs and in the store."""
    return f"ca{policy.identifiers.index(identifier) if identifier else ''}-{generation}"


def _instant(when: timedelta | datetime, start: datetime, zone: ZoneInfo) -> datetime:
    return start + when if isinstance(when, timedelta) else when.replace(tzinfo=zone)
