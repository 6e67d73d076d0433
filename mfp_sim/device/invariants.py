"""Invariants of a printer: those that hold whenever the power is on, and those between two commits.

Used by the power-cut runs, by scenarios (``expect: {sound: true}``) and by the property tests. This module only checks.
Serves MFP-ENROL-02, MFP-DELETE-*, F-K07.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from mfp_sim.device.power import PowerPoints
from mfp_sim.device.printer import Printer
from mfp_sim.device.storage import Storage
from mfp_sim.shared.errors import UsageError

__all__ = ["WatchedStorage", "broken", "broken_by"]

Stored = Mapping[str, Any]


def broken(printer: Printer) -> list[str]:
    """The violated rules, one sentence each; empty for a sound printer.

    A printer that is off is checked by its stored state.
    """
    if not printer.powered:
        try:
            printer = printer.at_rest()
        except UsageError as error:
            return [f"the stored state cannot be read: {error.message}"]
    entries, profile = printer.key_list(), printer.profile
    found = [f"the certificate of {e.name!r} is not for its key" for e in entries if not e.fits]
    if len(entries) > profile.key_limit:
        found.append(f"{len(entries)} keys, the limit is {profile.key_limit}")
    if sum(entry.default for entry in entries) != 1:
        found.append("there is not exactly one Default Key")
    if len({entry.id for entry in entries}) != len(entries):
        found.append("two keys have the same id")
    uses = Counter(entry.destination for entry in entries if entry.assigned)
    found += [f"{count} keys for the use location {use[0]}" for use, count in uses.items() if count > 1]
    found += ["a key is assigned to None"] if ("None", None) in uses else []
    if len([row for row in printer.status() if row.state in ("error", "successful")]) > profile.history:
        found.append(f"more than {profile.history} finished rows")
    foreign = set(printer.functions_in_use()) - {
        use if policy is None else f"{use}/{policy}"
        for use in printer.functions
        for policy in (None, *printer.policies)
    }
    found += [f"{use} uses a key but is not switched on" for use in sorted(foreign)]
    return found


def broken_by(before: Stored, after: Stored, *, by_hand: bool) -> list[str]:
    """The violations that a commit caused, one sentence each.

    Args:
        before, after: the stored states.
        by_hand: a person deleted a key, so one key may be missing.
    """
    return [*_lost_keys(before["keys"], after["keys"], by_hand=by_hand), *_lost_request(before, after)]


def _lost_keys(before: Sequence[Stored], after: Sequence[Stored], *, by_hand: bool) -> list[str]:
    """An old key is deleted only after its successor is stored; a use location never loses its key."""
    there = {key["id"]: key for key in after}
    new = {_destination(key) for key in after if key["id"] not in {old["id"] for old in before}}
    gone = [key for key in before if key["id"] not in there]
    found = [f"{key['name']!r} is gone, although it is the Default Key" for key in gone if key["default"]]
    if by_hand:
        return [*found, "more than one key was deleted by hand"] if len(gone) > 1 else found
    found += [f"{key['name']!r} is gone, but no new key has its use" for key in gone if _destination(key) not in new]
    served = {_destination(key) for key in after if key["assigned"]}
    without = {_destination(key) for key in before if key["assigned"]} - served
    return found + [f"no key is left for the use location {use[0]}" for use in sorted(without, key=str)]


def _destination(key: Stored) -> tuple[str, str | None]:
    return key["use"], key["policy"]


def _lost_request(before: Stored, after: Stored) -> list[str]:
    """A request in progress remains the same after a commit, or it has ended and has a status row."""
    old, new = before["request"], after["request"]
    if old is None or before["history"] != after["history"]:
        return []
    if new is None or new["started"] != old["started"]:
        return ["a request in progress is gone without a row in the status"]
    if old["transaction"] is None:
        return []  # not begun
    if new["transaction"] is None:
        begun_anew = new["polls"] > old["polls"]  # with a poll after a lost reply
        return [] if begun_anew else ["the key of a request in progress is gone"]
    same = ("key", "csr", "transaction_id")
    return [f"the {item} of a request in progress has changed" for item in same if _item(old, item) != _item(new, item)]


def _item(request: Stored, item: str) -> object:
    return request["enrolment"][item]


class WatchedStorage:
    """A storage that checks each commit, and the state that a printer loads when it starts.

    ``broken`` has the violations so far.
    """

    def __init__(self, inner: Storage, points: PowerPoints) -> None:
        self._inner, self._points = inner, points
        self._kept = inner.load()
        self._tried: Stored | None = None
        self.broken: list[str] = []

    @property
    def kept(self) -> Stored | None:
        """The state of the last completed commit."""
        return self._kept

    @property
    def possible(self) -> tuple[Stored | None, ...]:
        """The states that the next start may load: after a power failure in a commit, the old one or the new one."""
        return self._kept, self._kept if self._tried is None else self._tried

    def read_again(self) -> Stored | None:
        """The state as the next start would load it."""
        return self._inner.load()

    def commit(self, state: Stored) -> None:
        """See `Storage.commit`."""
        if self._kept is not None:
            by_hand = self._points.passed[-1:] == ["commit-key-deleted.before"]
            self.broken += broken_by(self._kept, state, by_hand=by_hand)
        self._tried = state
        self._inner.commit(state)
        self._kept, self._tried = state, None

    def load(self) -> Stored | None:
        """See `Storage.load`."""
        found = self._inner.load()
        if found not in self.possible:
            self.broken.append("the loaded state is neither the old state nor the new one")
        self._kept, self._tried = found, None
        return found
