"""Records acts in a browser as a scenario that can be run: `mfp-sim serve --record FILE`.

Owns the text of the file. The file ends with what the status page and the key list showed. It holds no secret that was
typed: a replacement of the same kind stands for each, so that the CA and the printer decide in the same way.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from datetime import datetime, timedelta
from typing import Any

import yaml

from mfp_sim.device.printer_profile import ALL_USES, PROFILES, Profile
from mfp_sim.device.settings import AutoRequestSettings, KeySettings
from mfp_sim.remote_ui.assembly import Served
from mfp_sim.remote_ui.served_site import Performed
from mfp_sim.shared.documents import load_text, plain
from mfp_sim.shared.scep.certificate import name_pairs

__all__ = ["PREMISES", "Recording"]

_LONG = timedelta(days=700)
_WAITED = ("restart", "export_bundle")
_UNUSABLE = "\u0101"
RecordedStep = dict[str, object]


@dataclass
class _Waiting:
    """A step that waits for its end in a scenario; `left` is the part of the wait that has not yet been recorded."""

    step: RecordedStep
    left: float
    passed: float = 0.0


class Recording:
    """Collects acts on the first printer; `text` is the scenario so far."""

    def __init__(self, served: Served) -> None:
        self._served, self._printer = served, served.site.printers[0]
        self._first_ip = self._printer.ip
        self._acts: list[Performed] = []
        self._stand_ins: dict[str, str] = {}
        self._bundles: dict[bytes, str] = {}
        self._exports = 0
        self._network = "up"
        self._ended: str | None = None
        if served.plan.challenge:
            self._stand_ins[served.plan.challenge] = "recorded-challenge"

    def __call__(self, act: Performed) -> None:
        """Add an act, with any change in the reachability of the CA."""
        if self._printer.exported is not None:
            self._bundles.setdefault(self._printer.exported, f"export-{self._exports}")
        if self._ended is not None:
            return
        if act.kind == "export_bundle":
            self._exports += 1
            act = replace(act, argument=(f"export-{self._exports}", act.argument))
        if act.kind == "import_bundle":
            octets, password = _pair(act.argument)
            if octets not in self._bundles:
                self._ended = "an imported file was not exported in this session"
                return
            act = replace(act, argument=(self._bundles[octets], password))
        if act.kind == "request" and act.refused is None:
            act = replace(act, ended=self._printer.status()[0].state != "processing")
        if act.kind != "network":
            self._acts.append(act)
        state = self._reachability()
        if state != self._network:
            self._network = state
            self._acts.append(Performed("network", state))

    def _reachability(self) -> str:
        settings, street = self._printer.communication, self._served.street
        network = self._served.site.network
        if street is None or network is None:
            return "up"
        return street.state_for(settings.host, settings.port) if settings else network.state

    # --- the text -----------------------------------------------------------------------------------------

    def text(self, name: str) -> str:
        """The scenario as YAML."""
        document = {
            "format": 1,
            "name": _slug(name),
            "why": "Recorded in the Remote UI; the last step expects what its pages showed.",
            "tags": ["recorded"],
            "clock": self._local(self._served.start).isoformat(),
            "seed": self._served.plan.seed,
            **self._bounds(),
            "printer": self._printer_section(),
            "ca": self._ca_section(),
            "steps": [*self._steps(), {"expect": self._expectation()}],
        }
        text = yaml.safe_dump(document, allow_unicode=True, sort_keys=False, width=110)
        return text if self._ended is None else f"# The recording ends early: {self._ended}.\n{text}"

    def _local(self, instant: datetime) -> datetime:
        return instant.astimezone(self._printer.zone)

    def _bounds(self) -> RecordedStep:
        passed = self._served.site.clock.now() - self._served.start
        return {} if passed < _LONG else {"bounds": {"virtual": f"{passed.days + 2}d", "events": 1_000_000}}

    def _printer_section(self) -> RecordedStep:
        plan, printer = self._served.plan, self._printer
        base = PROFILES.get(plan.profile.name, PROFILES["canon-ir-adv-dx"])
        texts = ("name", "summary", "scep", "sources")
        changed = {
            item.name: _plain(getattr(plan.profile, item.name))
            for item in fields(Profile)
            if item.name not in texts and getattr(plan.profile, item.name) != getattr(base, item.name)
        }
        section: RecordedStep = {"profile": base.name, "timezone": plan.timezone, "ip": self._first_ip}
        section["serial"] = printer.serial
        section |= {"policies": list(plan.policies)} if plan.policies else {}
        return section | ({"settings": changed} if changed else {})

    def _ca_section(self) -> RecordedStep:
        plan = self._served.plan
        section: RecordedStep = {"profile": plan.ca_profile}
        section |= {"ra": plan.ra} if plan.ra else {}
        if plan.challenge:
            section["challenge"] = {"static": self._stand_in(plan.challenge)}
        if plan.script is not None:
            rules = plain(plan.script)
            assert isinstance(rules, list)
            section["script"] = [_as_it_was(rule) for rule in rules]
        return section

    # --- steps --------------------------------------------------------------------------------------------

    def _steps(self) -> list[RecordedStep]:
        steps: list[RecordedStep] = []
        waiting: _Waiting | None = None
        mergeable = False
        for act in self._acts:
            if act.kind == "advance":
                seconds = float(str(act.argument))
                if waiting is not None:
                    used = min(seconds, waiting.left)
                    waiting.left, waiting.passed, seconds = waiting.left - used, waiting.passed + used, seconds - used
                    waiting = waiting if waiting.left else None
                if seconds and mergeable and steps:
                    seconds += float(str(steps.pop()["advance"]).removesuffix("s"))
                if seconds:
                    steps.append({"advance": _seconds(seconds)})
                mergeable = bool(seconds)
                continue
            if waiting is not None and act.kind not in ("network", "ca_script", "ca_operator"):
                if act.kind != "power_on":
                    continue  # refused, since an export goes on
                _rewrite(waiting, steps)
                waiting = None
            mergeable = False
            step = self._step(act)
            if step is not None:
                steps.append(step)
            if act.kind in _WAITED and act.refused is None:
                profile = self._printer.profile
                seconds = profile.restart_seconds if act.kind == "restart" else profile.transfer_seconds
                waiting = _Waiting(steps[-1], float(seconds))
        if waiting is not None:
            _rewrite(waiting, steps)
        return steps

    def _step(self, act: Performed) -> RecordedStep | None:
        argument = self._argument(act)
        if argument is None:
            return None
        step: RecordedStep = {act.kind: argument}
        if act.role != "administrator":
            step["as"] = act.role
        if act.refused is not None:
            step["refused"] = act.refused
        if act.kind in PREMISES:
            step["optional"] = True  # it was done; the expectations show whether it had an effect
        return step

    def _argument(self, act: Performed) -> object | None:
        """The argument of the scenario step, or None for an act that scenarios do not have."""
        value = act.argument
        if isinstance(value, KeySettings):
            return self._key(value, act.refused) | ({} if act.ended else {"wait": False})
        if isinstance(value, AutoRequestSettings):
            return self._auto_request(value, act.refused)
        if act.kind == "communication":
            assert isinstance(value, dict)
            return {**value, "timeout": f"{max(value['timeout'], 0)}s"}
        if act.kind == "ca_script":
            rules = plain(load_text(str(value)))
            return [_as_it_was(rule) for rule in rules] if isinstance(rules, list) else rules
        if act.kind in ("export_bundle", "import_bundle"):
            name, password = _pair(value)
            waits = {} if act.kind == "export_bundle" else {"wait": False}
            return {"name": name, "password": self._password(password), **waits}
        if act.kind == "function":
            assert isinstance(value, dict)
            return value if value["use"] in ALL_USES else None
        if act.kind in ("restart", "power_on"):
            return {}
        return value

    def _key(self, key: KeySettings, refused: str | None) -> RecordedStep:
        found: RecordedStep = {"name": key.name, "common_name": key.common_name}
        found |= {"organization": key.organization} if key.organization else {}
        found |= {"length": key.length, "signature": key.signature, "use": key.use}
        found |= {"policy": key.policy} if key.policy is not None else {}
        if key.challenge is not None:
            bad = refused == "bad-challenge"
            found["challenge"] = _UNUSABLE * len(key.challenge) if bad else self._stand_in(key.challenge)
        return found

    def _auto_request(self, settings: AutoRequestSettings, refused: str | None) -> RecordedStep:
        found: RecordedStep = {"timer": settings.timer}
        if settings.start is not None:
            found["start"] = settings.start.strftime("%Y-%m-%d %H:%M")
        found |= {name: True for name in ("adjust", "restart", "delete_old") if getattr(settings, name)}
        if settings.polling is not None:
            found["polling"] = {"count": settings.polling.count, "interval": f"{max(settings.polling.minutes, 0)}m"}
        if settings.every_days is not None:
            found["every"] = f"{max(settings.every_days, 0)}d"
        if settings.key is not None:
            found["key"] = self._key(settings.key, refused)
        return found

    def _stand_in(self, secret: str) -> str:
        return self._stand_ins.setdefault(secret, f"recorded-secret-{len(self._stand_ins) + 1}")

    def _password(self, password: str) -> str:
        usable = re.fullmatch(r"[ -~]{1,32}", password)
        return self._stand_in(f"bundle {password}") if usable else _UNUSABLE * min(len(password), 40)

    # --- what was shown -----------------------------------------------------------------------------------

    def _expectation(self) -> RecordedStep:
        printer = self._printer
        if not printer.powered:
            return {"powered": False}
        found: RecordedStep = {"powered": True, "statuses": list(self._rows())}
        found["next_request"] = self._shown(printer.next_request) if printer.next_request else "none"
        found["keys"] = list(self._keys())
        settings = printer.communication
        if settings is not None:
            found["communication"] = {"url": settings.url, "port": settings.port, "timeout": settings.timeout}
        return found

    def _shown(self, instant: datetime) -> str:
        return self._local(instant).strftime("%Y-%m-%d %H:%M:%S")

    def _rows(self) -> Iterator[RecordedStep]:
        for row in self._printer.status():
            details = row.details.slug if row.details else "none"
            yield {
                "state": row.state, "details": details, "time": self._shown(row.time), "key": row.key_name,
                "method": row.method,
            }  # fmt: skip

    def _keys(self) -> Iterator[RecordedStep]:
        for entry in self._printer.key_list():
            if not entry.default:
                found: RecordedStep = {"name": entry.name, "use": entry.use, "assigned": entry.assigned}
                found |= {"policy": entry.policy} if entry.policy is not None else {}
                subject = dict(name_pairs(entry.certificate.subject))
                shown = {"common_name": subject.get("CN"), "organization": subject.get("O")}
                certificate = {name: value for name, value in shown.items() if value is not None}
                yield {**found, "certificate": {**certificate, "fits_key": entry.fits}}


PREMISES = ("network", "power_cut", "ca_operator", "key_generation")
"""Steps that fail a scenario if they have no effect, unless they are optional."""


def _as_it_was(rule: Any) -> Any:
    """A rule of a script that was not written for this scenario: it need not be hit, and its faults need no effect."""
    if "shuffle" in rule:
        return {"shuffle": [_as_it_was(inner) for inner in rule["shuffle"]]}
    faults = [{**(f if isinstance(f, dict) else {f: None}), "optional": True} for f in rule.get("faults", ())]
    return {**rule, **({"faults": faults} if faults else {}), "optional": True}


def _rewrite(waiting: _Waiting, steps: list[RecordedStep]) -> None:
    """Replace a step that would wait longer than the recording did by steps that do not wait."""
    index = next(number for number, step in enumerate(steps) if step is waiting.step)
    if "restart" in waiting.step:
        steps[index] = {"power_off": {}}
    else:
        argument = waiting.step["export_bundle"]
        assert isinstance(argument, dict)
        argument["wait"] = False
    if waiting.passed:
        steps.insert(index + 1, {"advance": _seconds(waiting.passed)})


def _pair(argument: object) -> tuple[Any, str]:
    """The argument of an act on a bundle: the file (or its name), and the password."""
    assert isinstance(argument, tuple)
    first, password = argument
    return first, str(password)


def _seconds(seconds: float) -> str:
    return f"{seconds:.6f}".rstrip("0").rstrip(".") + "s"


def _plain(value: object) -> object:
    return list(value) if isinstance(value, tuple) else value


def _slug(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "recorded"
