"""What an operator decides about a CA beyond its profile, as one frozen value, and its reader.

The keys are those of a scenario's ``ca:`` section; ``mock-scep-server --ca FILE`` holds the same. A value of None
leaves the matter to the profile. Decides nothing by itself.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal

from mfp_sim.documents import Node, Problems
from mfp_sim.documents.kinds import Definitions, Duration, Leaf, LocalTime, Schema
from mock_scep_server.ca import KEY_KINDS

__all__ = [
    "POLICY_KEYS",
    "AdminPage",
    "CaPolicy",
    "ChallengeSetup",
    "PolicyKey",
    "Rollover",
    "Span",
    "SpanOrTime",
    "When",
    "read_policy",
    "read_secret",
    "read_when",
]

When = timedelta | datetime


@dataclass(frozen=True)
class ChallengeSetup:
    """Who may enrol: ``none``, ``one_time`` or ``per_subject``; a static password is handed in apart."""

    kind: Literal["none", "one_time", "per_subject"] = "none"
    lifetime: timedelta = timedelta(minutes=60)
    cache: int = 5
    subjects: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class AdminPage:
    """The page on which NDES gives out challenges: who may see it, and who may log in but has no permission."""

    user: str = "admin"
    password: str = field(default="admin", repr=False)
    no_permission: tuple[str, ...] = ()


@dataclass(frozen=True)
class Rollover:
    """When a next CA is published and when it takes over: spans from the start, or local times without a zone."""

    publish: When
    switch: When
    overlap: timedelta | None = None


@dataclass(frozen=True)
class CaPolicy:
    """All of it. ``duplicates``: a subject may have a second certificate so long before the first expires."""

    name: str = "Mock SCEP CA (tests only)"
    key: str = "rsa-2048"
    challenge: ChallengeSetup = ChallengeSetup()
    admin: AdminPage | None = None
    approval: Literal["automatic", "manual"] = "automatic"
    approval_expires: timedelta | None = None
    transaction_lifetime: timedelta | None = None
    renewal_window: timedelta | None = None
    duplicates: timedelta | None = None
    validity: timedelta = timedelta(days=365)
    lifetime: timedelta = timedelta(days=3650)
    crl_lifetime: timedelta = timedelta(days=7)
    rollover: Rollover | None = None
    identifiers: tuple[str, ...] = ()
    strict_identifiers: bool = False
    serials: Literal["random", "sequential"] | None = None
    extensions: Literal["drop", "refuse"] = "drop"
    minimum_rsa: int | None = None
    time_window: timedelta | None = None
    publish_at: str | None = None

    @property
    def secrets(self) -> tuple[str, ...]:
        """What no sink may show."""
        return (*self.challenge.subjects.values(), *([self.admin.password] if self.admin else []))


# --- reading ----------------------------------------------------------------------------------------------


def read_policy(fields: Mapping[str, Node], problems: Problems) -> CaPolicy:
    """The policy of the keys of :data:`POLICY_KEYS` that are there; mistakes go to ``problems``."""
    values: dict[str, object] = {}
    for key, node in fields.items():
        if key in POLICY_KEYS:
            values |= POLICY_KEYS[key].read(node, problems)
    return CaPolicy(**{key: value for key, value in values.items() if value is not None})  # type: ignore[arg-type]


def _span(name: str) -> Callable[[Node, Problems], dict[str, object]]:
    return lambda node, problems: {name: _delta(node, problems, name)}


def _delta(node: Node, problems: Problems, what: str) -> timedelta | None:
    seconds = problems.seconds(node, what)
    return None if seconds is None else timedelta(seconds=seconds)


def _choice(name: str, choices: tuple[str, ...]) -> Callable[[Node, Problems], dict[str, object]]:
    return lambda node, problems: {name: problems.choice(node, choices, name)}


def _text(name: str) -> Callable[[Node, Problems], dict[str, object]]:
    return lambda node, problems: {name: problems.text(node, name)}


def _approval(node: Node, problems: Problems) -> dict[str, object]:
    if node.kind != "map":
        return {"approval": problems.choice(node, ("automatic", "manual"), "approval")}
    fields = problems.map(node, ("manual",), "approval", required=("manual",))
    if "manual" not in fields:
        return {}
    inner = problems.map(fields["manual"], ("expires",), "manual", required=("expires",))
    expires = _delta(inner["expires"], problems, "expires") if "expires" in inner else None
    return {"approval": "manual", "approval_expires": expires}


def _duplicates(node: Node, problems: Problems) -> dict[str, object]:
    if node.kind != "map":
        chosen = problems.choice(node, ("allow", "refuse"), "duplicate_subject")
        return {"duplicates": timedelta(0) if chosen == "refuse" else None}
    fields = problems.map(node, ("before_expiry",), "duplicate_subject", required=("before_expiry",))
    return {
        "duplicates": _delta(fields["before_expiry"], problems, "before_expiry") if "before_expiry" in fields else None
    }


def _identifiers(node: Node, problems: Problems) -> dict[str, object]:
    names, strict = node, False
    if node.kind == "map":
        fields = problems.map(node, ("names", "strict"), "identifiers", required=("names",))
        if "names" not in fields:
            return {}
        names = fields["names"]
        strict = bool(problems.boolean(fields["strict"], "strict")) if "strict" in fields else False
    texts = [problems.text(entry, "an identifier") for entry in problems.list(names, "identifiers")]
    found = tuple(text for text in texts if text)
    if len(set(found)) != len(found):
        problems.add(names, "an identifier is here twice")
    return {"identifiers": found, "strict_identifiers": strict}


def _rollover(node: Node, problems: Problems) -> dict[str, object]:
    fields = problems.map(node, ("publish", "switch", "overlap"), "rollover", required=("publish", "switch"))
    publish, switch = (read_when(fields[n], problems, n) if n in fields else None for n in ("publish", "switch"))
    overlap = _delta(fields["overlap"], problems, "overlap") if "overlap" in fields else None
    if publish is None or switch is None:
        return {}
    if type(publish) is type(switch) and publish > switch:  # type: ignore[operator]
        problems.add(node, "the next CA is to be published before it takes over")
    return {"rollover": Rollover(publish, switch, overlap)}


def read_when(node: Node, problems: Problems, what: str) -> When | None:
    """A span from the start, ``30d``, or a local time, ``2026-06-01 09:00``."""
    when = SpanOrTime().value(node, problems, what)
    return when if isinstance(when, timedelta | datetime) else None


@dataclass(frozen=True)
class Span(Duration):
    """A duration, as a timedelta."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        return _delta(node, problems, what)

    def write(self, value: Any) -> object:
        return super().write(value.total_seconds())


@dataclass(frozen=True)
class SpanOrTime(Leaf):
    """A span from the start, ``30d``, or a local time, ``2026-06-01 09:00``."""

    def value(self, node: Node, problems: Problems, what: str) -> object:
        return self._kind(isinstance(node.value, str) and re.match(r"\d{4}-", node.value)).value(node, problems, what)

    def schema(self, found: Definitions) -> Schema:
        return {"anyOf": [Span().schema(found), LocalTime().schema(found)]}

    def write(self, value: Any) -> object:
        return self._kind(isinstance(value, datetime)).write(value)

    def _kind(self, is_time: object) -> Leaf:
        return LocalTime() if is_time else Span()


def _admin(node: Node, problems: Problems) -> dict[str, object]:
    names = ("user", "password", "no_permission")
    fields = problems.map(node, names, "admin_page", required=("user", "password"))
    values: dict[str, object] = {n: problems.text(fields[n], n) for n in ("user", "password") if n in fields}
    if "no_permission" in fields:
        entries = problems.list(fields["no_permission"], "no_permission")
        values["no_permission"] = tuple(problems.text(entry, "a user") or "" for entry in entries)
    return {"admin": AdminPage(**values)}  # type: ignore[arg-type]


def read_secret(node: Node, problems: Problems, what: str) -> str | None:
    """A password; an empty one would let everybody in."""
    text = problems.text(node, what)
    if text == "":
        problems.add(node, f"{what} is empty", "for a CA that wants no challenge write challenge: none")
    return text


def _challenge(node: Node, problems: Problems) -> dict[str, object]:
    """What is not static; the static password is read where the section is read."""
    if node.kind == "scalar":
        problems.choice(node, ("none",), "challenge")
        return {}
    fields = problems.map(node, ("static", "one_time", "per_subject"), "challenge")
    if len(fields) != 1:
        problems.add(node, "challenge is none, or has exactly one of static, one_time, per_subject")
        return {}
    if "one_time" in fields:
        inner = problems.map(fields["one_time"], ("lifetime", "cache"), "one_time")
        values: dict[str, object] = {"kind": "one_time"}
        if "lifetime" in inner:
            values["lifetime"] = _delta(inner["lifetime"], problems, "lifetime") or timedelta(minutes=60)
        if "cache" in inner:
            values["cache"] = problems.integer(inner["cache"], "cache", 1) or 5
        return {"challenge": ChallengeSetup(**values)}  # type: ignore[arg-type]
    if "per_subject" in fields:
        if fields["per_subject"].kind != "map" or not fields["per_subject"].pairs:
            problems.add(
                fields["per_subject"], "per_subject has a password for each subject", 'write {"CN=a*": secret}'
            )
            return {}
        pairs = {
            str(key.value): read_secret(value, problems, "a password") or ""
            for key, value in fields["per_subject"].pairs
        }
        return {"challenge": ChallengeSetup("per_subject", subjects=pairs)}
    return {}


@dataclass(frozen=True)
class PolicyKey:
    """A line of the table of keys: how it is read, what holds without it, and what it means."""

    read: Callable[[Node, Problems], dict[str, object]]
    default: str
    sentence: str


POLICY_KEYS: Mapping[str, PolicyKey] = {
    "name": PolicyKey(_text("name"), "Mock SCEP CA (tests only)", "the CA's common name"),
    "key": PolicyKey(_choice("key", KEY_KINDS), "rsa-2048", f"the CA's key: {', '.join(KEY_KINDS)}; an RA's is RSA"),
    "challenge": PolicyKey(
        _challenge,
        "none",
        "`none`; `{static: s3cret}`; `{one_time: {lifetime: 60m, cache: 5}}`, given out by `ca_operator` or the page; "
        '`{per_subject: {"CN=a*": s3cret}}`',
    ),
    "admin_page": PolicyKey(
        _admin,
        "none",
        "NDES's page for challenges: `{user: admin, password: pw, no_permission: [guest]}`, at `/certsrv/mscep_admin/`",
    ),
    "approval": PolicyKey(
        _approval,
        "automatic",
        "`manual`: requests wait for `ca_operator`; `{manual: {expires: 24h}}` refuses them then",
    ),
    "transaction_lifetime": PolicyKey(
        _span("transaction_lifetime"), "for ever", "after this time the CA has forgotten a transaction"
    ),
    "renewal_window": PolicyKey(
        _span("renewal_window"), "any time", "renewals are refused before this span before the expiry"
    ),
    "duplicate_subject": PolicyKey(
        _duplicates,
        "the profile's",
        "`allow`, `refuse` while a certificate for the subject is valid, or `{before_expiry: 14d}`; not for renewals",
    ),
    "validity": PolicyKey(_span("validity"), "365d", "of what is issued; nothing outlives its issuer"),
    "lifetime": PolicyKey(_span("lifetime"), "3650d", "of the CA's own certificate"),
    "crl_lifetime": PolicyKey(_span("crl_lifetime"), "7d", "from thisUpdate to nextUpdate of a CRL"),
    "rollover": PolicyKey(
        _rollover,
        "none",
        "a next CA: `{publish: 30d, switch: 60d, overlap: 1d}`, from the start or at local times; after `overlap` the "
        "old CA answers no more (left out: it does until it expires)",
    ),
    "identifiers": PolicyKey(
        _identifiers, "one CA", "several CAs, named by GetCACert: `[A, B]`, or `{names: [A, B], strict: true}`"
    ),
    "serials": PolicyKey(_choice("serials", ("random", "sequential")), "the profile's", "`random` or `sequential`"),
    "extensions": PolicyKey(
        _choice("extensions", ("drop", "refuse")), "drop", "what is done with extensions that a CSR must not get"
    ),
    "minimum_rsa": PolicyKey(
        lambda node, problems: {"minimum_rsa": problems.integer(node, "minimum_rsa", 512)},
        "the profile's",
        "bits; a shorter key is refused with badAlg",
    ),
    "time_window": PolicyKey(
        _span("time_window"), "any", "a signingTime further off is refused with badTime; none is always taken"
    ),
    "publish_at": PolicyKey(
        _text("publish_at"), "none", "a URL: certificates name CRL and CA certificate there, and the mock serves both"
    ),
}
