"""The operator's policy for a CA beyond its profile, as one frozen value, and its file format.

The keys are those of a scenario's `ca:` section and of `mock-scep-server --ca FILE`. With None, the profile decides.
This module decides nothing itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Annotated, Any, Literal

from mfp_sim.shared.documents import Node, Problems
from mfp_sim.shared.documents.kinds import WRONG, Definitions, Kind, Schema, Text, Within, Words
from mfp_sim.shared.documents.records import Length, agree, document, kind_of
from mock_scep_server.ca import KEY_KINDS
from mock_scep_server.capacity import Capacity
from mock_scep_server.spans import Moment, Span, SpanOrTime

__all__ = [
    "IN_ORDER",
    "POLICY_KEYS",
    "AdminPage",
    "CaPolicy",
    "ChallengeSetup",
    "Rollover",
    "StaticPassword",
    "policy_of",
]


@dataclass(frozen=True)
class ChallengeSetup:
    """Who may enrol: `none`, `one_time` or `per_subject`; a static password is passed separately."""

    kind: Literal["none", "one_time", "per_subject"] = "none"
    lifetime: timedelta = timedelta(minutes=60)
    cache: int = 5
    subjects: Mapping[str, str] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class AdminPage:
    """The page on which NDES hands out challenges: who may see it, and who may log in but has no permission."""

    user: str
    password: str = field(repr=False)
    no_permission: tuple[str, ...] = ()


def _in_order(publish: Moment, switch: Moment) -> str | None:
    late = type(publish) is type(switch) and switch < publish  # type: ignore[operator]
    return "the next CA must be published before it takes over" if late else None


IN_ORDER = agree("publish", "switch", _in_order)


@document("rollover", IN_ORDER)
@dataclass(frozen=True)
class Rollover:
    """When a next CA is published and when it takes over: time spans from the start, or local times without a zone."""

    publish: Annotated[Moment, SpanOrTime()]
    switch: Annotated[Moment, SpanOrTime()]
    overlap: Annotated[timedelta | None, Span()] = None


@dataclass(frozen=True)
class CaPolicy:
    """The whole policy. `duplicates`: how long before its certificate expires a subject may have a second one."""

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
    capacity: Capacity | None = None
    strict_identifiers: bool = False
    serials: Literal["random", "sequential"] | None = None
    extensions: Literal["drop", "refuse"] = "drop"
    minimum_rsa: int | None = None
    time_window: timedelta | None = None
    publish_at: str | None = None
    memory: int = 60

    @property
    def octets(self) -> int:
        """The `memory` in bytes."""
        return self.memory * 1024 * 1024

    @property
    def secrets(self) -> tuple[str, ...]:
        """The secrets that no output may show."""
        return (*self.challenge.subjects.values(), *([self.admin.password] if self.admin else []))


# --- what is written --------------------------------------------------------------------------------------

_Password = Annotated[str, Text("for a CA without challenges write challenge: none")]
_Duration = Annotated[timedelta, Span()]


@dataclass(frozen=True)
class StaticPassword:
    """One password for all clients; it is passed separately from the policy."""

    static: _Password = field(repr=False)


@document("one_time")
@dataclass(frozen=True)
class _OneTimeValues:
    lifetime: _Duration = ChallengeSetup.lifetime
    cache: Annotated[int, Within(1)] = ChallengeSetup.cache


@dataclass(frozen=True)
class _OneTime:
    one_time: _OneTimeValues


@dataclass(frozen=True)
class _PerSubject:
    per_subject: Annotated[Mapping[str, _Password], Length(1)] = field(repr=False)


@document("manual")
@dataclass(frozen=True)
class _Expiry:
    expires: _Duration


@dataclass(frozen=True)
class _Manual:
    manual: _Expiry


@dataclass(frozen=True)
class _BeforeExpiry:
    before_expiry: _Duration


@dataclass(frozen=True)
class _Different:
    """A list of distinct entries."""

    inner: Kind

    def read(self, node: Node, problems: Problems, what: str) -> object:
        found: Any = self.inner.read(node, problems, what)
        if found is not WRONG and len(set(found)) != len(found):
            problems.add(node, "an identifier occurs twice")
            return WRONG
        return found

    def schema(self, found: Definitions) -> Schema:
        return {**self.inner.schema(found), "uniqueItems": True}

    def write(self, value: Any) -> object:
        return self.inner.write(value)


class _Differ:
    def around(self, inner: Kind) -> Kind:
        return _Different(inner)


@document("identifiers", shorthand="names")
@dataclass(frozen=True)
class _Identifiers:
    names: Annotated[tuple[Annotated[str, Text()], ...], _Differ()]
    strict: bool = False


@dataclass(frozen=True)
class PolicyKey:
    """A row of the table of keys: the type of the value, its default, and its meaning."""

    shape: Any
    default: str
    sentence: str

    @property
    def kind(self) -> Kind:
        """The format of the value."""
        return kind_of(self.shape)


POLICY_KEYS: Mapping[str, PolicyKey] = {
    "name": PolicyKey(str, "Mock SCEP CA (tests only)", "the CA's common name"),
    "key": PolicyKey(
        Annotated[str, Words(lambda: KEY_KINDS)],
        "rsa-2048",
        f"the CA's key: {', '.join(KEY_KINDS)}; an RA's key is RSA",
    ),
    "challenge": PolicyKey(
        Literal["none", "checked", "ignored"] | StaticPassword | _OneTime | _PerSubject,
        "none",
        "`none`; `{static: s3cret}`; `{one_time: {lifetime: 60m, cache: 5}}`, handed "
        "out by `ca_operator` or the page;  "
        '`{per_subject: {"CN=a*": s3cret}}`',
    ),
    "admin_page": PolicyKey(
        AdminPage,
        "none",
        "the NDES page for challenges: `{user: admin, password: pw, no_permission: [guest]}`, "
        "at `/certsrv/mscep_admin/`",
    ),
    "approval": PolicyKey(
        Literal["automatic", "manual"] | _Manual,
        "automatic",
        "`manual`: requests wait for `ca_operator`; `{manual: {expires: 24h}}` refuses them after that time",
    ),
    "transaction_lifetime": PolicyKey(_Duration, "unlimited", "after this time the CA forgets a transaction"),
    "renewal_window": PolicyKey(_Duration, "any time", "how long before the expiry renewals are accepted"),
    "duplicate_subject": PolicyKey(
        Literal["allow", "refuse"] | _BeforeExpiry,
        "the profile's",
        "`allow`, `refuse` while a certificate for the subject is valid, or `{before_expiry: 14d}`; not for renewals",
    ),
    "validity": PolicyKey(_Duration, "365d", "of issued certificates, limited by that of the issuer"),
    "lifetime": PolicyKey(_Duration, "3650d", "of the CA's own certificate"),
    "crl_lifetime": PolicyKey(_Duration, "7d", "from thisUpdate to nextUpdate of a CRL"),
    "rollover": PolicyKey(
        Rollover,
        "none",
        "a next CA: `{publish: 30d, switch: 60d, overlap: 1d}`, from the start or at local times; after `overlap` the "
        "old CA stops answering (default: when it expires)",
    ),
    "identifiers": PolicyKey(
        _Identifiers, "one CA", "several CAs, named by GetCACert: `[A, B]`, or `{names: [A, B], strict: true}`"
    ),
    "capacity": PolicyKey(
        Capacity,
        "any number at once",
        "`{workers: 1, time: 400ms}`: how many requests are served at the same time and how long each takes; the "
        "others wait in a queue; `times` sets the time by operation and message type: "
        "`{PKIOperation: 400ms, CertPoll: 50ms}`",
    ),
    "serials": PolicyKey(Literal["random", "sequential"], "the profile's", "`random` or `sequential`"),
    "extensions": PolicyKey(Literal["drop", "refuse"], "drop", "what happens to extensions that a CSR may not have"),
    "minimum_rsa": PolicyKey(
        Annotated[int, Within(512)], "the profile's", "bits; a shorter key is refused with badAlg"
    ),
    "time_window": PolicyKey(
        _Duration, "any", "a signingTime that differs more is refused with badTime; a missing one is accepted"
    ),
    "memory": PolicyKey(
        Annotated[int, Within(1)],
        "60",
        "MiB: half for the ledger, a quarter each for journal and transactions; the oldest entries are dropped first",
    ),
    "publish_at": PolicyKey(
        str, "none", "a URL that certificates contain for CRL and CA certificate; the mock serves both"
    ),
}


def policy_of(said: Mapping[str, Any]) -> CaPolicy:
    """Make the policy from the values by key; other keys are ignored."""
    values: dict[str, Any] = {}
    for key in POLICY_KEYS.keys() & said.keys():
        values |= _MEANINGS[key](said[key]) if key in _MEANINGS else {key: said[key]}
    return CaPolicy(**values)


def _challenge(said: object) -> dict[str, object]:
    """The challenge policy except a static password; `checked` and `ignored` belong to the profile."""
    if isinstance(said, _OneTime):
        return {"challenge": ChallengeSetup("one_time", said.one_time.lifetime, said.one_time.cache)}
    return (
        {"challenge": ChallengeSetup("per_subject", subjects=said.per_subject)} if isinstance(said, _PerSubject) else {}
    )


def _approval(said: str | _Manual) -> dict[str, object]:
    if isinstance(said, _Manual):
        return {"approval": "manual", "approval_expires": said.manual.expires}
    return {"approval": said}


def _duplicates(said: str | _BeforeExpiry) -> dict[str, object]:
    if isinstance(said, _BeforeExpiry):
        return {"duplicates": said.before_expiry}
    return {"duplicates": timedelta(0) if said == "refuse" else None}


_MEANINGS: Mapping[str, Callable[[Any], dict[str, object]]] = {
    "challenge": _challenge,
    "admin_page": lambda said: {"admin": said},
    "approval": _approval,
    "duplicate_subject": _duplicates,
    "identifiers": lambda said: {"identifiers": said.names, "strict_identifiers": said.strict},
}
"""The meaning of keys that are not fields of the same name."""
