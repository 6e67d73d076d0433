"""At which requests a fault can act, as limited by its hooks and by the combinations around them.

A script is refused when it is read if a fault cannot act at any request of its rule; `mock-scep-server faults` shows
where each fault acts. This module knows no individual request; `mock_scep_server.faults.combined.Where` does.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from mfp_sim.shared.scep.vocabulary import MessageType, Operation
from mock_scep_server.faults.base import HOOKS, Fault
from mock_scep_server.faults.combined import At, Where

__all__ = ["ANSWERS", "OPERATIONS", "TYPES", "Scope", "in_words", "names_of", "requests_of", "scopes"]

TYPES = tuple(kind.label for kind in MessageType if kind is not MessageType.CERT_REP)
PAGES = ("AdminPage", "CRL", "CACertificate")
"""The names of the pages of `pages.py` in scripts and the journal."""
OPERATIONS = (*(operation.value for operation in Operation), *PAGES)
_ORDER = ("PKCSReq", "RenewalReq", "CertPoll", "GetCert", "GetCRL")
_ENROLMENT = frozenset(_ORDER[:3])
_MESSAGES = frozenset(TYPES)
_PUBLISHED = frozenset(OPERATIONS) - {Operation.PKI_OPERATION, *PAGES}
_EVERYTHING = frozenset({*OPERATIONS, *TYPES}) - {Operation.PKI_OPERATION}
_NAMES: dict[str, frozenset[str]] = {
    "on_answer": _EVERYTHING,
    "on_authority": _MESSAGES | {Operation.GET_CA_CERT},
    "on_template": _ENROLMENT,
    "on_next_ca": frozenset({Operation.GET_NEXT_CA_CERT}),
    "on_capabilities": frozenset({Operation.GET_CA_CAPS}),
    "on_message": _MESSAGES,
    "on_bytes": _MESSAGES | _PUBLISHED,
    "on_http": _EVERYTHING,
    "on_delivery": _EVERYTHING,
}
_DECIDED = frozenset({"on_message", "on_bytes", "on_http", "on_delivery"})
"""The hooks that run once the pkiStatus is known."""
_STATUSES: dict[str, frozenset[str]] = {"on_template": frozenset({"SUCCESS"})}
"""The hooks that run for only one pkiStatus: a certificate is made for SUCCESS."""


@dataclass(frozen=True)
class Left:
    """What the answer of a rule leaves for the faults of the same rule.

    `names` are the requests that can get this answer, `statuses` the possible pkiStatus values (empty: any), and
    `hooks` the hooks that still run with a visible effect.
    """

    names: frozenset[str]
    statuses: frozenset[str] = frozenset()
    hooks: frozenset[str] = frozenset(HOOKS)

    def suits(self, kind: str | None) -> bool:
        """Whether a request of this message type (None: not a message) can get this answer; an unknown type can."""
        if self.names == _EVERYTHING:
            return True
        return kind is not None and (kind in self.names or kind not in TYPES)


ANSWERS: dict[str | None, Left] = {
    None: Left(_EVERYTHING),
    "success": Left(_MESSAGES, frozenset({"SUCCESS"})),
    "pending": Left(_ENROLMENT, frozenset({"PENDING"})),
    "failure": Left(_MESSAGES, frozenset({"FAILURE"})),
    "http": Left(_EVERYTHING, frozenset({"none"}), frozenset({"on_http", "on_delivery"})),
    "none": Left(_EVERYTHING, hooks=frozenset({"on_authority", "on_template", "on_delivery"})),
}
"""By the kind of the answer; None if a rule leaves the decision to the CA."""


@dataclass(frozen=True)
class Scope:
    """Where one hook of a fault can act.

    `names` are operations and message types, `statuses` are pkiStatus values, and `method` is an HTTP method; the last
    two are empty for any.
    """

    hook: str
    names: frozenset[str]
    statuses: frozenset[str] = frozenset()
    method: str | None = None

    def meets(self, names: Collection[str], method: str | None, left: Left) -> bool:
        """Whether a request with these names and this method is included, and its answer leaves something to do."""
        if self.hook not in left.hooks or not self.names & left.names & set(names):
            return False
        if self.method is not None and method is not None and self.method != method:
            return False
        return not self.statuses or not left.statuses or bool(self.statuses & left.statuses)


def names_of(operation: str | None, kind: str | None) -> frozenset[str]:
    """The operations and message types that match the conditions `operation` and `type` of a rule."""
    if kind is not None:
        return frozenset({kind}) if operation in (None, Operation.PKI_OPERATION) else frozenset()
    if operation is None:
        return _EVERYTHING
    return _MESSAGES if operation == Operation.PKI_OPERATION else frozenset({operation})


def scopes(fault: Fault) -> Iterator[Scope]:
    """Where the hooks of a fault and of its parts can act."""
    inner = (scope for member in fault.members for scope in scopes(member))
    yield from inner if not isinstance(fault, At) else _within(fault.where, inner)
    for hook in HOOKS:
        if hook in fault.hooks:
            names = _NAMES[hook] if fault.only is None else _NAMES[hook] & fault.only
            yield Scope(hook, names, _STATUSES.get(hook, frozenset()))


def _within(where: Where, found: Iterable[Scope]) -> Iterator[Scope]:
    """The scopes that remain under a condition."""
    names = frozenset(name for word in where.names for name in names_of(*_condition(word)))
    for scope in found:
        if where.statuses and scope.hook not in _DECIDED:
            continue
        kept = scope.names & names if where.names else scope.names
        if kept:
            yield Scope(scope.hook, kept, where.statuses or scope.statuses, where.method or scope.method)


def _condition(word: str) -> tuple[str | None, str | None]:
    return (None, word) if word in TYPES else (word, None)


def requests_of(found: Collection[Scope]) -> tuple[str, ...]:
    """The operations and message types of some scopes, those of an enrolment first; "" before them if it is every
    request."""
    names = frozenset(name for scope in found for name in scope.names)
    ordered = tuple(name for name in (*_ORDER, *OPERATIONS) if name in names)
    return ("", *ordered) if names == _EVERYTHING else ordered


def in_words(found: Collection[Scope]) -> str:
    """The requests of some scopes as text: `GetCACaps; PKCSReq, CertPoll answered SUCCESS`."""
    groups: dict[tuple[frozenset[str], str | None], set[str]] = {}
    for scope in found:
        groups.setdefault((scope.statuses, scope.method), set()).update(scope.names)
    anyhow = groups.get((frozenset(), None), set())
    rest = {key: names - anyhow if any(key) else names for key, names in groups.items()}
    return "; ".join(_group(names, *key) for key, names in rest.items() if names)


def _group(names: set[str], statuses: frozenset[str], method: str | None) -> str:
    answered = f" answered {', '.join(sorted(statuses))}" if statuses else ""
    return _names(names) + (f" by {method}" if method else "") + answered


def _names(names: set[str]) -> str:
    if names == _EVERYTHING:
        return "every request"
    if names >= _MESSAGES:
        rest = [name for name in OPERATIONS if name in names]
        return ", ".join([*rest, "every message"])
    return ", ".join(name for name in (*OPERATIONS, *_ORDER) if name in names)
