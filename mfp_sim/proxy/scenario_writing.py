"""A session of the proxy as a scenario: the mock does to the simulated printer what the server did to the client.

The scenario has everything that a script can express: the capabilities, each reply in order, its HTTP status, lost
replies, and for each deviation that a check found the fault that proves that check. Keys, names, the CA's own
certificates and real times are the mock's. The printer's reaction is tried before the scenario is written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Final

import yaml

from mfp_sim.proxy.explaining import ENROLS, enrolments
from mfp_sim.proxy.observing import SeenExchange
from mfp_sim.scenario.loader import read_text
from mfp_sim.scenario.runner import run
from mfp_sim.shared.documents import load_text, plain
from mfp_sim.shared.errors import DocumentError
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.scep.vocabulary import Operation, PkiStatus

__all__ = ["scenario_of"]

Written = dict[str, Any]
_MESSAGES: Final = (*ENROLS, "CertPoll")
_CHALLENGE: Final = "recorded-secret-1"
_STATES: Final = ("successful", "error", "processing", "to-be-processed")
"""What the status page may show at the end, the most likely first."""
_MOST_RULES: Final = 200
_LOST: Final[dict[str, Written]] = {
    "ConnectionLost": {"faults": ["reset"]},
    "DeadlineExceeded": {"faults": ["stall"]},
    "ConnectFailed": {"faults": ["reset"]},
    "MalformedHttp": {"faults": ["status-line-malformed"]},
}
"""By the error of the wire, the most similar rule."""


def scenario_of(exchanges: Sequence[SeenExchange], url: str, name: str = "seen-by-the-proxy") -> tuple[str | None, str]:
    """The scenario as YAML, or None; and a sentence: what it shows, or why there is no scenario.

    Args:
        exchanges: of the session, in order; the scenario has those of the first enrolment that was not granted, or else
            of the first.
        url: the server's; the printer uses its path, but not its host.
        name: of the scenario.
    """
    own = _of_one(exchanges)
    if not own:
        return None, "no client requested a certificate, so there is no scenario to write"
    polls = sum(one.name == "CertPoll" for one in own)
    for state in _STATES:
        text = yaml.safe_dump(
            _document(own, Url.parse(url).target.partition("?")[0], name, polls, state),
            allow_unicode=True, sort_keys=False, width=110,
        )  # fmt: skip
        try:
            (scenario,) = read_text(text, f"{name}.scenario.yaml")
        except DocumentError as error:
            return None, f"a scenario cannot express what was seen: {error}"
        if not run(scenario).failures:
            return text, f"the printer ends with {state} in it"
    return None, "the printer does not end in a state that the scenario could expect"


def _of_one(exchanges: Sequence[SeenExchange]) -> list[SeenExchange]:
    found = list(enrolments(exchanges))
    chosen = next((one for one in found if one.outcome != "granted"), found[0] if found else None)
    if chosen is None:
        return []
    own = [one for one in exchanges if one.client == chosen.client]
    mine = [number for number, one in enumerate(own) if one.transaction == chosen.transaction and one.name in _MESSAGES]
    before = [number for number, one in enumerate(own[: mine[0]]) if one.name in _MESSAGES]
    return own[(before[-1] + 1 if before else 0) : mine[-1] + 1][:_MOST_RULES]


def _document(own: Sequence[SeenExchange], path: str, name: str, polls: int, state: str) -> Written:
    keywords = next((list(one.keywords) for one in own if one.keywords is not None), None)
    ca: Written = {"profile": "lenient", "challenge": {"static": _CHALLENGE}}
    if keywords is not None:
        ca["caps"] = keywords
    ca["script"] = list(_merged(_rule(one) for one in own))
    key: Written = {"name": "seen", "common_name": "192.0.2.10", "challenge": _CHALLENGE, "use": "TLS"}
    steps: list[Written] = [
        {"auto_request": {"start": "2026-03-02 09:00", "key": key,
                          **({"polling": {"count": polls, "interval": "10m"}} if polls else {})}},
        {"advance_to": "2026-03-02 09:05"},
        {"advance": f"{10 * polls + 30}m"},
        {"expect": {"status": {"state": state}}},
    ]  # fmt: skip
    return {
        "format": 1,
        "name": name,
        "why": f"A simulated printer meets what a server did in {len(own)} exchanges that the proxy saw.",
        "tags": ["recorded"],
        "clock": "2026-03-02T08:00:00+01:00",
        "seed": 1,
        "printer": {
            "profile": "canon-ir-adv-dx", "timezone": "Europe/Oslo", "ip": "192.0.2.10", "functions": ["TLS"],
            "communication": {"url": f"http://ca.example{path}", "timeout": "30s"},
        },
        "ca": ca,
        "steps": steps,
    }  # fmt: skip


def _rule(one: SeenExchange) -> Written:
    """The rule that treats a request like one that was seen."""
    kind = "PKCSReq" if one.name == "RenewalReq" else one.name
    message = one.operation == Operation.PKI_OPERATION
    rule: Written = {"when": {"type": kind} if message else {"operation": one.operation or "GetCACaps"}}
    faults = [{**fault, "optional": True} for fault in _faults(one)]
    if one.lost is not None:
        faults += [{slug: None, "optional": True} for slug in _LOST.get(one.lost, {"faults": []})["faults"]]
    elif one.pki_status is None and one.status not in (200, None):
        rule["then"] = {"http": one.status}
    elif message:
        rule |= _answer(one)
    if faults:
        rule["faults"] = faults
    return rule


def _answer(one: SeenExchange) -> Written:
    if one.pki_status == PkiStatus.SUCCESS:
        return {"then": "success"}
    if one.pki_status == PkiStatus.PENDING:
        return {"then": "pending"} if one.name in (*ENROLS, "CertPoll") else {}
    if one.pki_status != PkiStatus.FAILURE:
        return {"faults": [{"html-error-page": None, "optional": True}]}
    said = {"text": one.fail_info_text[:200]} if one.fail_info_text and one.fail_info_text.isprintable() else {}
    return {"then": {"failure": one.fail_info if one.fail_info is not None else 2, **said}}


def _faults(one: SeenExchange) -> Iterator[Written]:
    """The faults that make the mock deviate as the server did, and those that the proxy applied."""
    texts = [finding.faults for finding in one.server_findings if finding.faults]
    slugs = dict.fromkeys(change.partition(":")[0] for change in one.changes)
    for text in dict.fromkeys([*texts, *slugs]):
        read = plain(load_text(f"[{text}]"))
        for fault in read if isinstance(read, list) else []:
            yield fault if isinstance(fault, dict) else {str(fault): None}


def _merged(rules: Iterator[Written]) -> Iterator[Written]:
    """Merge equal rules in a row into one with their count; a rule need not apply."""
    before: Written | None = None
    times = 0
    for rule in rules:
        if rule.keys() == {"when"}:
            continue
        if before is not None and rule != before:
            yield {**before, "times": times, "optional": True}
            times = 0
        before, times = rule, times + 1
    if before is not None:
        yield {**before, "times": times, "optional": True}
