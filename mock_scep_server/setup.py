"""A CA as a file describes it: the keys of a scenario's ``ca:`` section, and a service made of them.

``mock-scep-server --ca FILE`` and ``--set KEY=VALUE`` hold the same keys, so that what a scenario does in process can
be had over sockets. Owns no policy of its own: profile, changes and policy do.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal
from zoneinfo import ZoneInfo

from mfp_sim.documents import Node, Problems
from mfp_sim.errors import UsageError
from mfp_sim.simtime import Clock, Entropy, KeySource
from mock_scep_server.challenges import ChallengePolicy, StaticChallenge
from mock_scep_server.journal import JournalEntry
from mock_scep_server.policy import POLICY_KEYS, CaPolicy, read_policy, read_secret
from mock_scep_server.profiles.changes import EMPTY_CONTENTS, changed, changed_capabilities
from mock_scep_server.profiles.registry import PROFILES, profile_named
from mock_scep_server.script import Rule, Script, read_script
from mock_scep_server.service import ScepService

__all__ = ["CA_KEYS", "CaSetup", "make_service", "read_ca"]

CA_KEYS = ("profile", "caps", "empty_content", "ra", "script", "url", *POLICY_KEYS)


@dataclass(frozen=True)
class CaSetup:
    """The ``ca:`` section. ``challenge`` is the static challenge password; ``caps`` and ``empty_content`` change the
    profile where they are given; ``ra`` None is the profile's; ``policy`` holds whatever else its operator decides;
    ``url`` is a real server instead."""

    profile: str = "rfc8894"
    caps: tuple[str, ...] | None = None
    empty_content: str | None = None
    ra: Literal["none", "single", "split"] | None = None
    challenge: str | None = field(default=None, repr=False)
    script: tuple[Rule, ...] = ()
    url: str | None = None
    policy: CaPolicy = field(default_factory=CaPolicy)


def read_ca(node: Node, problems: Problems) -> CaSetup:
    """Read the section; mistakes go to ``problems``."""
    fields = problems.map(node, CA_KEYS, "ca")
    values: dict[str, object] = {}
    if "profile" in fields:
        values["profile"] = problems.choice(fields["profile"], PROFILES, "profile")
    if "caps" in fields:
        words = tuple(problems.text(word, "a keyword") or "" for word in problems.list(fields["caps"], "caps"))
        own = PROFILES.get(str(values.get("profile") or CaSetup.profile))
        try:
            changed_capabilities(words, own.capabilities if own else ())
        except UsageError as error:
            problems.add(fields["caps"], error.message, error.remedy)
        values["caps"] = words
    if "empty_content" in fields:
        values["empty_content"] = problems.choice(fields["empty_content"], EMPTY_CONTENTS, "empty_content")
    if "ra" in fields:
        values["ra"] = problems.choice(fields["ra"], ("none", "single", "split"), "ra")
    values["policy"] = read_policy(fields, problems)
    static = fields["challenge"].get("static") if "challenge" in fields else None
    if static is not None:
        values["challenge"] = read_secret(static, problems, "static")
    if "script" in fields:
        values["script"] = read_script(fields["script"], problems)
    if "url" in fields:
        values["url"] = problems.text(fields["url"], "url")
    return CaSetup(**values)  # type: ignore[arg-type]


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
    profile = changed(profile_named(setup.profile), caps=setup.caps, empty_content=setup.empty_content)
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
