"""`mfp-sim new`: writes a first scenario that runs unchanged, from options or from questions at a terminal.

Owns the kinds of scenarios that it can write, and their text. The loader decides what a file may contain.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from dataclasses import dataclass

from mfp_sim.scenario.collection import SUFFIX
from mfp_sim.scenario.loader import read_text, scenario_schema
from mfp_sim.scenario.parameters import NAME
from mfp_sim.scenario.runner import run
from mfp_sim.shared.documents import did_you_mean
from mfp_sim.shared.errors import DocumentError, UsageError
from mock_scep_server.faults import FAULTS

__all__ = ["KINDS", "new"]

SCHEMA = "scenario.schema.json"


@dataclass(frozen=True)
class _Begin:
    """A kind of scenario: its subject, the rules of its CA, and its steps."""

    about: str
    why: str
    script: str
    steps: str


_KEY = "{name: web, common_name: 192.0.2.10, challenge: s3cret, use: TLS}"
_AUTO = f"""\
  - auto_request:
      start: 2026-03-02 09:00
      polling: {{count: 3, interval: 10m}}
      key: {_KEY}
"""
KINDS = {
    "manual": _Begin(
        "a request by hand",
        "A manual request brings a certificate, and TLS uses it after a restart.",
        "",
        f"""\
  - request: {_KEY}
  - expect: {{status: {{state: successful, key: web}}, requests: [GetCACaps, GetCACert, PKCSReq]}}
  - restart
  - expect: {{functions: {{TLS: web}}}}
""",
    ),
    "automatic": _Begin(
        "the automatic request, every 30 days",
        "The automatic request is sent at its time and again after its interval.",
        "",
        _AUTO.replace("      polling", "      every: 30d\n      delete_old: true\n      polling")
        + """\
  - advance_to: 2026-03-02 09:05
  - expect: {status: {state: to-be-processed}, next_request: 2026-04-01 09:00}
  - advance_to: 2026-04-01 09:05
  - expect: {ledger: {minted: 2, installed: 2}, keys: [{name: web}]}
""",
    ),
    "pending": _Begin(
        "a CA that defers the request",
        "The printer polls a PENDING request at the interval until the CA decides.",
        "  script:\n    - {when: {type: PKCSReq}, then: pending}\n    - {when: {type: CertPoll}, then: success}\n",
        _AUTO
        + """\
  - advance_to: 2026-03-02 09:05
  - expect: {status: {state: processing}}
  - advance: 10m
  - expect: {status: {state: successful}, requests: [GetCACaps, GetCACert, PKCSReq, CertPoll], transactions: 1}
""",
    ),
    "lost-reply": _Begin(
        "a reply that is lost after the CA issued",
        "After a lost reply the printer gets the certificate that the CA has issued, and not a second one.",
        "  script:\n    - {when: {type: PKCSReq, nth: 1}, then: success, faults: [reset]}\n",
        _AUTO
        + """\
  - advance_to: 2026-03-02 09:05
  - expect: {ledger: {minted: 1, orphaned: 1}}
  - advance: 10m
  - expect: {status: {state: successful}, transactions: 1, ledger: {minted: 1, installed: 1, orphaned: 0}}
""",
    ),
    "fault": _Begin(
        "a fault of the CA, chosen with --fault",
        "The CA's reply has the fault {fault}.",
        "",
        f"  - request: {_KEY}\n",
    ),
}


def new(options: argparse.Namespace) -> int:
    """Write a scenario file, and the schema for editors beside it; returns the exit code.

    Raises:
        UsageError: a name, kind or fault that is not valid, or a file that already exists.
    """
    asks = options.name is None and sys.stdin.isatty()
    name = options.name or (_asked("name, of small letters, digits and hyphens", "my-scenario") if asks else None)
    if name is None:
        raise UsageError("a scenario needs a name", remedy="mfp-sim new my-scenario")
    if not re.fullmatch(NAME, name):
        raise UsageError(f"{name!r} cannot name a scenario", remedy="small letters, digits and hyphens: my-scenario")
    kinds = [f"{kind}: {begin.about}" for kind, begin in KINDS.items()]
    kind = options.kind or ("fault" if options.fault else None)
    kind = kind or (_asked("kind\n  " + "\n  ".join(kinds) + "\nwhich", "manual") if asks else "manual")
    if kind not in KINDS:
        raise UsageError(f"there is no kind {kind!r}", remedy=did_you_mean(kind, KINDS) or ", ".join(KINDS))
    fault = options.fault or "nonce-mismatch"
    if asks and kind == "fault" and not options.fault:
        fault = _asked("fault (mock-scep-server faults lists them)", fault)
    text = _text(name, kind, fault, options.why)
    path = options.directory / f"{name}{SUFFIX}"
    if path.exists() and not options.force:
        raise UsageError(f"{path} exists", remedy="choose another name, or --force to replace it")
    try:
        options.directory.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
        schema = options.directory / SCHEMA
        if not schema.exists():
            schema.write_text(json.dumps(scenario_schema(), indent=1) + "\n", "utf-8")
    except OSError as error:
        raise UsageError(f"cannot write {error.filename}: {error.strerror}") from None
    print(f"wrote {path}\nmfp-sim run {path}")
    return 0


def _asked(what: str, default: str) -> str:
    return input(f"{what} [{default}]: ").strip() or default


def _text(name: str, kind: str, fault: str, why: str | None) -> str:
    begin = KINDS[kind]
    if kind != "fault":
        return _whole(name, why or begin.why, begin.script, begin.steps)
    if fault not in FAULTS:
        raise UsageError(
            f"there is no fault {fault!r}", remedy=did_you_mean(fault, FAULTS) or "mock-scep-server faults lists all"
        )
    # Only a trial run shows where a fault acts, and how the printer ends: a first scenario has to pass.
    for rule in ("when: {type: PKCSReq}, then: success, ", "when: {type: PKCSReq}, ", ""):
        script = f"  script:\n    - {{{rule}faults: [{FAULTS[fault].example}]}}\n"
        for state in ("error", "successful"):
            steps = f"{begin.steps}  - expect: {{status: {{state: {state}}}}}\n"
            text = _whole(name, why or begin.why.format(fault=fault), script, steps)
            if _passes(text):
                return text
    raise UsageError(f"the fault {fault} does not show at a single request", remedy=f"mfp-sim explain {fault}")


def _passes(text: str) -> bool:
    try:
        return all(not run(scenario).failures for scenario in read_text(text))
    except DocumentError:
        return False


def _whole(name: str, why: str, script: str, steps: str) -> str:
    return f"""\
# yaml-language-server: $schema={SCHEMA}
format: 1
name: {name}
why: {json.dumps(why, ensure_ascii=False)}
clock: 2026-03-02T08:00:00+01:00
printer:
  timezone: Europe/Oslo
  functions: [TLS]
  communication: {{url: http://ca.example/scep}}
ca:
  challenge: {{static: s3cret}}
{script}steps:
{steps}"""
