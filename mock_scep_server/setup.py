"""A CA as a file describes it: the keys of a scenario's ``ca:`` section, and a service made of them.

``mock-scep-server --ca FILE`` and ``--set KEY=VALUE`` hold the same keys, so that what a scenario does in process can
be had over sockets. Owns no policy of its own: profile, changes and policy do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Any, Literal, cast
from zoneinfo import ZoneInfo

from mfp_sim.documents import Node, Problems
from mfp_sim.documents.kinds import WRONG, Definitions, Kind, OneWay, Schema, Words
from mfp_sim.documents.records import Constraint, Field, Given, Record, kind_of
from mfp_sim.errors import UsageError
from mfp_sim.simtime import Clock, Entropy, KeySource
from mock_scep_server.challenges import ChallengePolicy, StaticChallenge
from mock_scep_server.journal import JournalEntry
from mock_scep_server.policy import POLICY_KEYS, CaPolicy, StaticPassword, policy_of
from mock_scep_server.profiles.changes import EMPTY_CONTENTS, changed, changed_capabilities
from mock_scep_server.profiles.registry import PROFILES, VALUES, CaProfile, profile_named, value_kind
from mock_scep_server.script import Rule, Script
from mock_scep_server.script_file import Rules
from mock_scep_server.service import ScepService

__all__ = ["CA_KEYS", "VALUE_KEYS", "CaSection", "CaSetup", "make_service", "read_ca"]

CA_KEYS = ("profile", "caps", "empty_content", "ra", "script", "url", *POLICY_KEYS)
VALUE_KEYS = tuple(name for name in VALUES if name not in CA_KEYS)
"""The values of the profile that have no key of their own."""


@dataclass(frozen=True)
class CaSetup:
    """The ``ca:`` section. ``challenge`` is the static challenge password; ``caps``, ``empty_content`` and ``values``
    change the profile where they are given; ``shape`` stands in for the profile; ``ra`` None is the profile's;
    ``policy`` holds whatever else its operator decides; ``url`` is a real server instead; ``given`` are the keys that
    the section has."""

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


def read_ca(node: Node, problems: Problems) -> CaSetup:
    """Read the section; mistakes go to ``problems``, and the section is an empty one then."""
    setup = CaSection().read(node, problems, "ca")
    return CaSetup() if setup is WRONG else cast(CaSetup, setup)


class CaSection(OneWay):
    """How the section is written."""

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
    """The keywords are the profile's with changes, or a whole list."""
    own = PROFILES.get(given.values.get("profile", CaSetup.profile))
    try:
        changed_capabilities(given.values.get("caps", ()), own.capabilities if own else ())
    except UsageError as error:
        problems.add(given.keys["caps"], error.message, error.remedy)


def _setup(**said: Any) -> CaSetup:
    """The section of what is said by key; the profile's ``challenge`` is whether it checks one at all."""
    values = {name: said.pop(name) for name in VALUE_KEYS if name in said}
    challenge = said.get("challenge")
    if challenge in ("checked", "ignored"):
        values["challenge"] = said.pop("challenge")
    own = {name: said[name] for name in CA_KEYS if name in said and name not in POLICY_KEYS}
    static = challenge.static if isinstance(challenge, StaticPassword) else None
    return CaSetup(**own, challenge=static, policy=policy_of(said), given=tuple(said), values=values)


def make_service(
    setup: CaSetup,
    *,
    clock: Clock,
    entropy: Entropy,
    keys: KeySource,
    zone: ZoneInfo,
    challenge: ChallengePolicy | None = None,
    on_entry: Callable[[JournalEntry], None] | None = None,
) -> ScepService:
    """The CA of a section; local times in it are in ``zone``. ``challenge`` stands in for the section's own.

    Raises:
        UsageError: a change of the profile that cannot be.
    """
    if challenge is None and setup.challenge:
        challenge = StaticChallenge(setup.challenge)
    shape = setup.shape or profile_named(setup.profile)
    profile = changed(shape, caps=setup.caps, empty_content=setup.empty_content, values=setup.values)
    return ScepService(
        profile=profile,
        clock=clock,
        entropy=entropy,
        keys=keys,
        challenge=challenge,
        script=Script(setup.script, zone, clock.now()),
        ra=setup.ra or profile.ra,
        policy=setup.policy,
        on_entry=on_entry,
    )
