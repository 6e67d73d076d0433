"""What a person reads of a mistaken scenario: each mistake at once, in words that do not get worse."""

from __future__ import annotations

import pytest

from mfp_sim.scenario.loader import read_text
from mfp_sim.shared.errors import DocumentError

HEAD = "format: 1\nname: x\nwhy: y\nclock: 2026-03-02T08:00:00+01:00\nsteps:\n"
WHERE = {"step": HEAD + "  - expect: {powered: true}\n  - ", "expect": HEAD + "  - expect: "}

ROWS: dict[str, tuple[str, ...]] = {
    "step: request: {nmae: tls, common_name: 10, length: 2k}": (
        "x.yaml:7:14: the key needs the key 'name'",
        "x.yaml:7:15: unknown key 'nmae' in the key (did you mean 'name'?)",
        "x.yaml:7:39: common_name has to be a string, not 10 (put it in quotes)",
        "x.yaml:7:51: length has to be an integer, not '2k'",
    ),
    "step: auto_request: {start: 2026-13-02 09:00, every: 30m, polling: {count: two}}": (
        "x.yaml:7:27: start has to be YYYY-MM-DD HH:MM[:SS], not '2026-13-02 09:00'",
        "x.yaml:7:52: every has to be whole days",
        "x.yaml:7:66: polling needs the key 'interval'",
        "x.yaml:7:74: count has to be an integer, not 'two'",
    ),
    "step: auto_request: {start: 2026-03-02 09:00, start_in: 3m, tmer: on}": (
        "x.yaml:7:55: start is given too; give only one of the two",
        "x.yaml:7:59: unknown key 'tmer' in auto_request (did you mean 'timer'?)",
    ),
    "step: advance: 20": ("x.yaml:7:14: advance has to be a duration such as 30s, 10m, 2h or 31d, not 20",),
    "step: power_cut: {nth: 0, off: soon, att: boot}": (
        "x.yaml:7:22: nth has to be at least 1, not 0",
        "x.yaml:7:22: nth counts the passes of a power point: name the point with at",
        "x.yaml:7:30: off has to be a duration such as 30s, 10m, 2h or 31d, not 'soon'",
        "x.yaml:7:36: unknown key 'att' in power_cut (did you mean 'at'?)",
    ),
    "step: ca_operator: {roll_over: {publish: 2d, switch: 1d, overlap: soon}}": (
        "x.yaml:7:52: the next CA must be published before it takes over",
        "x.yaml:7:65: overlap has to be a duration such as 30s, 10m, 2h or 31d, not 'soon'",
    ),
    "step: ca_script: [{when: {type: CertPol, nth: 0}, then: sucess}]": (
        "x.yaml:7:31: type has to be one of RenewalReq, PKCSReq, CertPoll, GetCert, GetCRL, not 'CertPol' (did you mean 'CertPoll'?)",
        "x.yaml:7:45: nth has to be at least 1, not 0",
        "x.yaml:7:55: then has to be success, pending, none, {pending: …}, {failure: …, text: …, hresult: …} or {http: …, retry_after: …}, not 'sucess' (did you mean 'success'?)",
    ),
    "step: ca_script: [{then: {http: 700, retry_afer: 3}, untl: 12:30}]": (
        "x.yaml:7:31: http has to be from 200 to 599, not 700",
        "x.yaml:7:36: unknown key 'retry_afer' in then (did you mean 'retry_after'?)",
        "x.yaml:7:52: unknown key 'untl' in a rule (did you mean 'until'?)",
    ),
    "step: ca_script: [{faults: [nonce-truncatd, {delay: soon}, {http-status: {status: 9, x: 1}}]}]": (
        "x.yaml:7:27: there is no fault 'nonce-truncatd' (did you mean 'nonce-truncated'?)",
        "x.yaml:7:51: seconds has to be a duration such as 30s, 10m, 2h or 31d, not 'soon'",
        "x.yaml:7:81: status has to be one of 503, 400, 401, 403, 404, 405, 408, 410, 411, 413, 429, 500, 501, 502, 504, not 9",
        "x.yaml:7:84: unknown key 'x' in http-status",
    ),
    "step: ca_script: [{shuffle: [{then: success}], times: 2}, {when: {}}]": (
        "x.yaml:7:27: shuffle has at least 2 entries",
        "x.yaml:7:46: unknown key 'times' in a shuffle",
        "x.yaml:7:57: a rule needs 'then', 'faults', or both",
    ),
    "step: ca_script: {then: success}": ("x.yaml:7:16: a script has to be a list, not a map",),
    "step: ca_script: [{then: {failure: -1}, faults: reset, optional: no}]": (
        "x.yaml:7:34: failure has to be from 0 to 1000000000, not -1",
        "x.yaml:7:47: faults has to be a list, not 'reset'",
        "x.yaml:7:64: optional has to be true or false, not 'no'",
    ),
    "step: ca_script: [{then: {pending: 0}, times: 2, until: noon}]": (
        "x.yaml:7:34: pending has to be at least 1, not 0",
        "x.yaml:7:55: until has to be HH:MM or YYYY-MM-DD HH:MM, not 'noon'",
    ),
    "expect: {status: {state: eror, details: fail-info-9, time: 09:00, methd: manual}}": (
        "x.yaml:6:30: state has to be one of to-be-processed, processing, error, successful, not 'eror' (did you mean 'error'?)",
        "x.yaml:6:45: details has to be one of none, deferred, registration-limit, top-error, scep-error, fail-info-0, fail-info-1, fail-info-2, fail-info-3, fail-info-4, top-error-503, not 'fail-info-9' (did you mean 'fail-info-4'?)",
        "x.yaml:6:64: time has to be YYYY-MM-DD HH:MM[:SS][+HH:MM], not '09:00'",
        "x.yaml:6:71: unknown key 'methd' in status (did you mean 'method'?)",
    ),
    "expect: {keys: [{name: 3, use: TSL, assigned: yes, certificate: {common_nme: a, key_length: big}}]}": (
        "x.yaml:6:28: name has to be a string, not 3 (put it in quotes)",
        "x.yaml:6:36: use has to be one of None, TLS, IEEE 802.1X, IPSec, SIP, Device Signature, not 'TSL' (did you mean 'TLS'?)",
        "x.yaml:6:51: assigned has to be true or false, not 'yes'",
        "x.yaml:6:70: unknown key 'common_nme' in certificate (did you mean 'common_name'?)",
        "x.yaml:6:97: key_length has to be an integer, not 'big'",
    ),
    "expect: {wire: {operaton: PKCSREQ}, ledger: {mintd: 1, minted: -1}, stats: none}": (
        "x.yaml:6:21: unknown key 'operaton' in wire (did you mean 'operation'?)",
        "x.yaml:6:50: unknown key 'mintd' in ledger (did you mean 'minted'?)",
        "x.yaml:6:68: minted has to be at least 0, not -1",
        "x.yaml:6:73: unknown key 'stats' in expect (did you mean 'status'?)",
    ),
}


def mistakes(text: str) -> tuple[str, ...]:
    """The mistakes of a text in the order of their places."""
    with pytest.raises(DocumentError) as caught:
        read_text(text, "x.yaml")
    return tuple(str(problem) for problem in sorted(caught.value.problems, key=lambda p: (p.line, p.column)))


@pytest.mark.parametrize("written", ROWS)
def test_every_mistake_is_shown_with_its_place_and_remedy(written: str) -> None:
    where, _, fragment = written.partition(": ")
    assert mistakes(WHERE[where] + fragment + "\n") == ROWS[written]
