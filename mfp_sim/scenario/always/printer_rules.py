"""Rules about a printer: its keys, its settings, what people may do, and what it stores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta, tzinfo
from itertools import pairwise
from typing import Any

from mfp_sim.device.invariants import broken
from mfp_sim.device.keystore import KeyEntry
from mfp_sim.device.machine import ADMINISTRATOR
from mfp_sim.events import PowerFailed, StatusRowAdded, Undone
from mfp_sim.scenario.always.watching import AlwaysRule, Course, PrinterSeen, StepSeen, StoredCommit
from mfp_sim.shared.documents.records import record_of
from mfp_sim.shared.errors import UsageError

__all__ = ["PRINTER_RULES"]

_PASSES_TIME = {"advance", "advance_to", "request", "restart", "export_bundle", "import_bundle"}
"""The steps in which time may pass, and printers may send."""
_BY_PEOPLE = {
    "communication",
    "request",
    "auto_request",
    "delete_key",
    "restart",
    "dns",
    "ip",
    "function",
    "export_bundle",
    "import_bundle",
}
"""The steps that only an administrator may do."""
_AUDIT = 1000
"""The most entries of the audit log."""


# --- after each step --------------------------------------------------------------------------------------


def _sound(course: Course) -> Iterator[str]:
    for serial, printer in course.printers.items():
        yield from (f"{serial}: {text}" for text in broken(printer))


def _shown_is_stored(course: Course) -> Iterator[str]:
    """After a step in which the printer stored something or a person operated it; at the end, for every printer."""
    step = course.steps[-1] if course.steps else None
    for serial in course.printers:
        seen = step.before.get(serial) if step is not None else None
        operated = step is not None and step.serial == serial and step.kind in _BY_PEOPLE
        if seen is None or operated or seen.kept is not course.storages[serial].kept:
            yield from _differs_from_storage(course, serial)


def _shown_at_the_end(course: Course) -> Iterator[str]:
    for serial in course.printers:
        yield from _differs_from_storage(course, serial)


def _differs_from_storage(course: Course, serial: str) -> Iterator[str]:
    printer, kept = course.printers[serial], course.storages[serial].kept
    if not printer.powered or kept is None:
        return
    shown: Mapping[str, object] = {
        "keys": [record_of(KeyEntry).write(key) for key in printer.key_list()],
        "functions": sorted(printer.functions),
        "dns": printer.dns,
        "timer": printer.auto_request.timer,
        "finished rows": [row.label for row in printer.status() if row.state in ("error", "successful")],
    }
    try:
        rest = printer.at_rest()
    except UsageError as error:
        yield f"{serial}: the stored state cannot be read: {error.message}"
        return
    stored: Mapping[str, object] = {
        "keys": list(kept["keys"]),
        "functions": sorted(kept["functions"]),
        "dns": kept["dns"],
        "timer": kept["auto"]["timer"],
        "finished rows": [row.label for row in rest.status() if row.state in ("error", "successful")],
    }
    yield from (
        f"{serial}: {name}: the screen differs from the storage" for name in shown if shown[name] != stored[name]
    )
    for name in ("communication", "auto_request", "ip", "next_request"):
        if getattr(printer, name) != getattr(rest, name):
            yield f"{serial}: {name}: a restart would change what the screen shows"


def _planned(course: Course) -> Iterator[str]:
    """A timer with an interval always has a next request, or one in progress."""
    for serial, printer in course.printers.items():
        if not printer.powered or printer.transfer is not None:
            continue
        auto = printer.auto_request
        busy = any(row.state == "processing" for row in printer.status())
        repeats = auto.every_days is not None or printer.profile.renewal_trigger != "calendar"
        if auto.timer and repeats and not busy and printer.next_request is None:
            yield f"{serial}: the timer is on with an interval, but no request is planned"
        if not auto.timer and printer.next_request is not None:
            yield f"{serial}: the timer is off, but a request is planned"


# --- a step -----------------------------------------------------------------------------------------------


def _about(step: StepSeen) -> tuple[PrinterSeen, PrinterSeen] | None:
    before, after = step.before.get(step.serial), step.after.get(step.serial)
    return None if before is None or after is None else (before, after)


def _changed(before: PrinterSeen, after: PrinterSeen) -> list[str]:
    """The parts of the stored state that differ, except the audit log and the progress of a request."""
    old, new = before.kept, after.kept
    if old is None or new is None:
        return []
    under_way = old["request"] is not None and new["request"] is not None
    left_out = {"audit", *(("request",) if under_way else ())}
    return [name for name in new if name not in left_out and old.get(name) != new[name]]


def _refused_changes_nothing(step: StepSeen) -> Iterator[str]:
    seen = _about(step)
    if seen is None or step.refused in (None, "power-lost") or step.begun != step.ended:
        return
    before, after = seen
    if after.sent != before.sent:
        yield f"{step.kind} was refused ({step.refused}), but something was sent"
    yield from (f"{step.kind} was refused ({step.refused}), but {name} changed" for name in _changed(before, after))
    if (before.keys, before.in_use) != (after.keys, after.in_use):
        yield f"{step.kind} was refused ({step.refused}), but the keys shown changed"


def _rights(step: StepSeen) -> Iterator[str]:
    if step.kind in _BY_PEOPLE and step.role != ADMINISTRATOR and step.refused is None:
        yield f"{step.kind} was carried out for {step.role}, which has no administrator rights"


def _off_refuses(step: StepSeen) -> Iterator[str]:
    seen = _about(step)
    refused = step.refused in ("powered-off", "no-file", "no-such-key")  # the others are the scenario's own
    if seen is not None and step.kind in _BY_PEOPLE and not seen[0].powered and not refused:
        yield f"{step.kind} on a printer that is off ended with {step.refused or 'success'}"


def _nothing_sent_at_once(step: StepSeen) -> Iterator[str]:
    if step.kind in _PASSES_TIME or step.begun != step.ended:
        return
    for serial, after in step.after.items():
        if serial in step.before and after.sent != step.before[serial].sent:
            yield f"{serial} sent something during {step.kind}, in which no time passed"


def _locked(step: StepSeen) -> Iterator[str]:
    seen = _about(step)
    if seen is None or step.kind != "request" or step.refused is not None:
        return
    before = seen[0]
    for locks, what in ((before.timer, "the timer was on"), (before.busy, "a request was in progress"),
                        (before.transfer, "an import or export was running")):  # fmt: skip
        if locks:
            yield f"a manual request was accepted while {what}"


def _transfer_locks(step: StepSeen) -> Iterator[str]:
    seen = _about(step)
    if seen is not None and seen[0].transfer and step.kind in _BY_PEOPLE - {"request"} and step.refused is None:
        yield f"{step.kind} was accepted while an import or export was running"


def _keys_kept(step: StepSeen) -> Iterator[str]:
    """Deleting by hand removes one key, which is neither the Default Key nor in use."""
    seen = _about(step)
    if seen is None or step.kind != "delete_key" or step.begun != step.ended:
        return
    before, after = seen
    if not (before.powered and after.powered):
        return
    there = {key[0] for key in after.keys}
    gone = [key for key in before.keys if key[0] not in there]
    if step.refused is None and len(gone) != 1:
        yield f"deleting a key removed {len(gone)} keys"
    for _, name, use, policy, assigned in gone:
        if name == "Default Key":
            yield "the Default Key was deleted"
        if assigned and before.in_use.get(use if policy is None else f"{use}/{policy}") == name:
            yield f"{name!r} was deleted although {use} uses it"


def _waited(step: StepSeen) -> Iterator[str]:
    """A manual request never polls, so it ends in the step that waits for it."""
    seen = _about(step)
    if seen is not None and step.kind == "request" and step.refused is None and step.begun != step.ended:
        after = seen[1]
        if (
            after.busy
            and after.powered
            and after.kept is not None
            and (after.kept["request"] or {}).get("method") == "manual"
        ):
            yield "the manual request did not end, although the step waited for its end"


# --- commits ----------------------------------------------------------------------------------------------


def _commits_in_order(course: Course) -> Iterator[str]:
    for serial, storage in course.storages.items():
        yield from (f"{serial}: {text}" for text in storage.broken)


def _pairs(course: Course) -> Iterator[tuple[str, StoredCommit, StoredCommit]]:
    for serial, commits in course.commits.items():
        yield from ((serial, old, new) for old, new in pairwise(commits))


def _books_grow(course: Course) -> Iterator[str]:
    """History and audit log only grow at their end; counters never decrease."""
    for serial, old, new in _pairs(course):
        limit = course.printers[serial].profile.history
        if _added(old.state["history"], new.state["history"], limit) is None:
            yield f"{serial}: finished rows were changed or removed"
        if _added(old.state["audit"], new.state["audit"], _AUDIT) is None:
            yield f"{serial}: entries of the audit log were changed or removed"
        for counter in ("next_id", "requests"):
            if new.state[counter] < old.state[counter]:
                yield f"{serial}: the counter {counter} decreased"


def _added(before: Sequence[Any], after: Sequence[Any], limit: int) -> Sequence[Any] | None:
    """The entries that a commit added at the end; None if ``after`` is not ``before`` with more entries at its end, cut
    to the newest ``limit``. A commit never replaces all entries."""
    for kept in range(min(len(before), len(after)), 0 if before else -1, -1):
        complete = kept == len(before) or len(after) == limit
        if complete and list(after[:kept]) == list(before[len(before) - kept :]):
            return after[kept:]
    return None


def _new_rows(course: Course, serial: str, old: StoredCommit, new: StoredCommit) -> Sequence[Any]:
    """The rows that a commit added to the history; none if the history was changed, which `_books_grow` reports."""
    limit = course.printers[serial].profile.history
    return _added(old.state["history"], new.state["history"], limit) or ()


def _polls_as_set(course: Course) -> Iterator[str]:
    for serial, commits in course.commits.items():
        for commit in commits:
            request = commit.state["request"]
            if request is None:
                continue
            polling, polls = request["polling"], request["polls"]
            if polling is None and polls:
                yield f"{serial}: a request without polling polled {polls} times"
            if polling is not None and polls > polling["count"]:
                yield f"{serial}: poll {polls} was booked, the settings allow {polling['count']}"
            if request["method"] == "manual" and polls:
                yield f"{serial}: a manual request polled"
        for old, new in pairwise(commits):
            first, then = old.state["request"], new.state["request"]
            if first and then and then["polls"] > first["polls"] and then["next_poll"] is not None:
                due = datetime.fromisoformat(then["next_poll"])
                if due - new.own_time != timedelta(minutes=then["polling"]["minutes"]):
                    later, minutes = due - new.own_time, then["polling"]["minutes"]
                    yield f"{serial}: the next poll is due {later} after the reply, the settings say {minutes} minutes"
                if then["polls"] != first["polls"] + 1:
                    yield f"{serial}: one reply counted as {then['polls'] - first['polls']} polls"


def _outcome_is_stored(course: Course) -> Iterator[str]:
    """A successful row comes with exactly one new key of its name; a row of an error with none."""
    for serial, old, new in _pairs(course):
        rows = _new_rows(course, serial, old, new)
        known = {key["id"] for key in old.state["keys"]}
        fresh = [key for key in new.state["keys"] if key["id"] not in known]
        won = [row for row in rows if row["state"] == "successful"]
        if rows and len(won) != len(fresh):
            yield f"{serial}: {len(won)} successful rows were stored with {len(fresh)} new keys"
        elif rows and [row["key_name"] for row in won] != [key["name"] for key in fresh]:
            yield f"{serial}: the new key does not have the name in its row"
        for key in fresh if rows else ():
            settings = (old.state["request"] or {}).get("settings")
            if settings is not None and (key["use"], key["policy"]) != (settings["use"], settings["policy"]):
                yield f"{serial}: the new key has the use {key['use']}, the request said {settings['use']}"
            if not key["assigned"] and key["use"] != "None":
                yield f"{serial}: the new key is not assigned to {key['use']}"


def _schedule(course: Course) -> Iterator[str]:
    """A planned date keeps the time of day and the interval; the adjustment is in its range."""
    for serial, old, new in _pairs(course):
        profile, state = course.printers[serial].profile, new.state
        planned, auto = state["planned"], state["auto"]
        if planned is None or planned == old.state["planned"] or auto["start"] is None:
            continue
        start, date = datetime.fromisoformat(auto["start"]), datetime.fromisoformat(planned)
        if profile.renewal_trigger == "calendar" and profile.period == "local-days":
            if date.time() != start.time():
                yield f"{serial}: a request is planned for {date:%H:%M:%S}, the start is at {start:%H:%M:%S}"
            days = auto["every_days"]
            if days and (date.date() - start.date()).days % days:
                later = (date.date() - start.date()).days
                yield f"{serial}: a request is planned {later} days after the start, every {days} days is set"
        due = state["due"]
        if due is not None:
            zone = course.printers[serial].zone
            local = datetime.fromisoformat(due).astimezone(zone)
            shift = (local.replace(tzinfo=None) - date).total_seconds()
            low, high = profile.adjustment_range if auto["adjust"] else (0, 0)
            if not low <= shift <= high and not _clocks_change(date, zone):
                yield f"{serial}: the adjustment is {shift:.0f} seconds"


def _clocks_change(date: datetime, zone: tzinfo) -> bool:
    """Whether the clocks change within a day of a local time: such a change moves a time that does not exist."""
    offsets = {(date + timedelta(days=days)).replace(tzinfo=zone).utcoffset() for days in (-1, 1)}
    return len(offsets) > 1


def _nothing_unforeseen(course: Course) -> Iterator[str]:
    for one in course.happenings:
        if isinstance(one.event, Undone):
            yield f"{one.printer}: {one.event.error}"
        if isinstance(one.event, StatusRowAdded) and one.event.diagnosis.startswith("unforeseen:"):
            yield f"{one.printer}: {one.event.diagnosis}"


def _restarts(course: Course) -> Iterator[str]:
    """A success of an automatic request restarts the printer if the settings say so, and otherwise does not."""
    ended: list[tuple[str, StoredCommit]] = []
    restarting = set()
    for serial, old, new in _pairs(course):
        added = _new_rows(course, serial, old, new)
        if len(added) == 1 and added[0]["state"] == "successful":
            ended.append((serial, new))
            if added[0]["method"] == "automatic" and new.state["auto"]["restart"]:
                restarting.add((serial, new.time))
    for serial, new in ended:
        wanted = (serial, new.time) in restarting  # a manual request may end at the same instant
        after = [one for one in course.of(serial) if one.number >= new.events]
        words = [getattr(one.event, "operation", "") for one in after if one.time == new.time]
        lost = any(isinstance(one.event, PowerFailed) for one in after if one.time == new.time)
        if not lost and ("restart by SCEP" in words) != wanted:
            switched, did = ("on", "did not restart") if wanted else ("off", "restarted")
            yield f"{serial}: restart is {switched}, but the printer {did}"


PRINTER_RULES: Mapping[str, AlwaysRule] = {
    "printer-sound": AlwaysRule(
        "Keys fit their certificates, the key limit holds, there is one Default Key and one key per use.",
        now=_sound,
        serves=("MFP-ENROL-02",),
    ),
    "shown-is-stored": AlwaysRule(
        "What the screens show is stored: a power failure does not take it back.",
        now=_shown_is_stored,
        course=_shown_at_the_end,
        serves=("F-K07",),
    ),
    "always-planned": AlwaysRule(
        "A timer with an interval has a next request, or one in progress; without the timer none is planned.",
        now=_planned,
        serves=("MFP-AUTO-01", "MFP-PERIOD-01"),
    ),
    "refused-changes-nothing": AlwaysRule(
        "A refused action sends nothing and changes nothing.", step=_refused_changes_nothing
    ),
    "administrator-only": AlwaysRule(
        "Only an administrator can change settings, send requests and delete keys.",
        step=_rights,
        serves=("MFP-ADMIN-01",),
    ),
    "off-refuses": AlwaysRule("A printer that is off refuses every action.", step=_off_refuses),
    "sends-in-time": AlwaysRule(
        "A printer sends only when time passes, or for a manual request.", step=_nothing_sent_at_once
    ),
    "manual-request-locked": AlwaysRule(
        "A manual request is refused while the timer is on, a request is in progress, or a transfer is running.",
        step=_locked,
        serves=("MFP-REQ-08",),
    ),
    "transfer-locks": AlwaysRule("During an import or export, every other action is refused.", step=_transfer_locks),
    "keys-kept": AlwaysRule(
        "Deleting by hand removes one key, which is neither the Default Key nor in use.",
        step=_keys_kept,
        serves=("MFP-DELETE-03",),
    ),
    "manual-request-ends": AlwaysRule("A manual request ends without polling.", step=_waited),
    "commits-in-order": AlwaysRule(
        "An old key is deleted only after its successor is stored, and a request in progress is never lost.",
        course=_commits_in_order,
        serves=("MFP-DELETE-01", "F-K07"),
    ),
    "books-only-grow": AlwaysRule(
        "History and audit log only grow at their end.", course=_books_grow, serves=("MFP-HIST-01",)
    ),
    "polls-as-set": AlwaysRule(
        "A printer polls as often as its settings say, at their interval, and never for a manual request.",
        course=_polls_as_set,
        serves=("MFP-POLL-01", "MFP-POLL-02"),
    ),
    "outcome-stored": AlwaysRule(
        "A successful row is stored together with its one new key; an error comes without a new key.",
        course=_outcome_is_stored,
        serves=("MFP-STATUS-01",),
    ),
    "schedule-kept": AlwaysRule(
        "Planned dates keep the time of day and the interval; the adjustment is in its range.",
        course=_schedule,
        serves=("MFP-AUTO-05", "MFP-PERIOD-01"),
    ),
    "restart-as-set": AlwaysRule(
        "After an automatic success the printer restarts if the settings say so, and otherwise does not.",
        course=_restarts,
        serves=("MFP-RESTART-01",),
    ),
    "nothing-unforeseen": AlwaysRule(
        "No internal error ends a request or resets a printer.", course=_nothing_unforeseen
    ),
}
