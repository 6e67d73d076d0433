"""The findings of an examination, by cause, and the grade: for a client what a conformance run reports for a server.

One cause is one mistake of the client; its places are the situations in which the client made it. The rule of the grade
is a table, `CAPS`. What was not seen never helps: without both controls, or with situations that were left out, the
grade has no letter, except one that safety alone decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.examination.engine import Examination, SituationResult
from mfp_sim.examination.judging import CONDUCT, CRASHED, MISDIRECTED, NOTHING_LEFT, Conduct
from mfp_sim.examination.situations import situations
from mfp_sim.report.model import KINDS, VERDICTS, CauseKind, CausePlace, CauseReport, CheckReport, Grade
from mfp_sim.shared.catalogue.sections import titled

__all__ = ["SAFETY", "accepted", "findings_of", "grade_of", "is_unsafe", "kind_of"]

SAFETY = "safety"
"""The tag of a row in which a client installed or lost something that it must not."""
CAPS: Mapping[tuple[CauseKind, str], str] = {
    ("security", "fail"): "F",
    ("security", "warn"): "C",
    ("interoperability", "fail"): "D",
    ("interoperability", "warn"): "B",
    ("robustness", "fail"): "D",
    ("robustness", "warn"): "C",
    ("hygiene", "fail"): "B",
}
"""The best letter that a cause allows, by its class and the worst verdict of its places. Other pairs cap nothing."""
_KINDS: Mapping[Conduct, CauseKind] = {
    Conduct.ENROLLED: "security",
    Conduct.FETCHED: "security",
    Conduct.OTHER: "security",
    Conduct.EXTRA: "security",
    Conduct.STRANGE: "security",
    Conduct.UNREADABLE: "security",
    Conduct.SPOILT: "security",
    Conduct.REFUSED: "interoperability",
    Conduct.KEPT: "interoperability",
    Conduct.PENDING: "interoperability",
    Conduct.CRASHED: "robustness",
    Conduct.HUNG: "robustness",
    Conduct.CLAIMED: "robustness",
    Conduct.UNCLEAR: "hygiene",
}
"""The class of a mistake, by what the client did."""
_BY_REASON: Mapping[str, CauseKind] = {
    CRASHED: "robustness",
    NOTHING_LEFT: "robustness",
    **dict.fromkeys(MISDIRECTED.values(), "security"),
}
"""The class of a mistake that is not that of its conduct, such as a crash after the client left a certificate."""
_SPOILT = (Conduct.SPOILT, Conduct.UNREADABLE)
_WRONG = ("fail", "warn", "finding")


def is_unsafe(result: SituationResult, verdict: str) -> bool:
    """Whether a result failed for safety."""
    return verdict == "fail" and kind_of(result, verdict) == "security"


def accepted(found: Examination) -> int:
    """The number of situations in which the client accepted what it must refuse."""
    return sum(is_unsafe(r, r.verdict.word) and r.seen.conduct not in _SPOILT for r in found.results)


def kind_of(result: SituationResult, verdict: str) -> CauseKind:
    """The class of a wrong result; a finding about an enrolment does not count as safety."""
    if not result.seen.runs:  # it had no effect, and nothing was seen
        return "hygiene"
    found = _BY_REASON.get(result.because) or _KINDS.get(result.seen.conduct, "hygiene")
    return "hygiene" if found == "security" and verdict == "finding" else found


def findings_of(
    rows: Sequence[tuple[CheckReport, str, CauseKind]], waived: Sequence[str] = ()
) -> tuple[CauseReport, ...]:
    """The causes, most important first.

    Args:
        rows: each row with its cause in words, and its class.
        waived: ids of rows that the baseline expects.
    """
    groups: dict[tuple[CauseKind, str], list[CheckReport]] = {}
    for check, cause, kind in rows:
        if check.verdict in _WRONG:
            groups.setdefault((kind, cause), []).append(check)
    found = [
        CauseReport(
            id=cause.replace(" ", "-").replace(",", "").replace("'", ""),
            title=cause[:1].upper() + cause[1:],
            kind=kind,
            verdict=min((check.verdict for check in checks), key=VERDICTS.index),
            places=tuple(CausePlace(check.id, check.title, check.verdict) for check in checks),
            sections=tuple(dict.fromkeys(titled(check.section) for check in checks if check.section)),
            waived=all(check.id in waived for check in checks),
        )
        for (kind, cause), checks in groups.items()
    ]
    return tuple(sorted(found, key=lambda e: (KINDS.index(e.kind), VERDICTS.index(e.verdict), -len(e.places))))


def grade_of(found: Examination, findings: Sequence[CauseReport]) -> Grade:
    """The letter, why it is not better, and the verdict in words."""
    caps = sorted(
        ((cap, f"{entry.kind}, {entry.verdict}: {entry.title}") for entry in findings
         if (cap := CAPS.get((entry.kind, entry.verdict))) is not None),
        reverse=True,
    )  # fmt: skip
    missing, skipped = _missing(found), _skipped(found)
    unsafe = [entry for entry in findings if (entry.kind, entry.verdict) == ("security", "fail")]
    letter = (caps[0][0] if caps else "A") if unsafe or not missing else ""
    because = (*(text for cap, text in caps if cap == letter), *missing, *skipped)
    return Grade(letter, because, tuple(_words(found, [*missing, *skipped])))


def _missing(found: Examination) -> list[str]:
    """Why there is no letter."""
    missing = [] if found.controlled else ["it does not enrol although nothing is wrong"]
    left = _all() - len(found.results)
    if left:
        missing.append(f"{left} of {_all()} situations were not chosen")
    elif not found.tried:
        missing.append("nothing was tried beside the controls")
    if found.controlled and found.unclear:
        missing.append(f"{found.unclear} of {_all()} situations {_were(found.unclear)} inconclusive")
    return missing


def _skipped(found: Examination) -> list[str]:
    """What the letter, or the verdict in words, does not cover."""
    why = "the client does not support them, or sent no request to which the fault applies"
    return [f"{found.skipped} of {_all()} situations {_were(found.skipped)} skipped: {why}"] if found.skipped else []


def _were(count: int) -> str:
    return "was" if count == 1 else "were"


def _all() -> int:
    """The number of situations, with the two controls."""
    return len(situations()) + 2


def _words(found: Examination, missing: Sequence[str]) -> list[str]:
    if not found.controlled:
        return ["The client does not enrol although nothing is wrong, so its refusals prove nothing."]
    if not found.tried:
        return ["Every chosen situation was inconclusive or skipped, so nothing was judged." if found.unclear
                else "The client does not support the chosen situations, so nothing was tried."]  # fmt: skip
    unsafe = accepted(found)
    words = [f"The client accepts what it must refuse in {_several(unsafe)}." if unsafe
             else "The client refused every tried reply that it must refuse." if missing
             else "The client refuses every reply that a client must refuse."]  # fmt: skip
    spoilt = sum(is_unsafe(r, r.verdict.word) for r in found.results) - unsafe
    if spoilt:
        words.append(f"In {_several(spoilt)} it loses its certificate or its key, or leaves a file without one.")
    strict = sum(map(_is_strict, found.results))
    if strict:
        words.append(f"In {_several(strict)} it does not get the certificate or the CRL that it should get.")
    return words


def _several(count: int) -> str:
    return f"{count} situation{'s' * (count != 1)}"


def _is_strict(result: SituationResult) -> bool:
    """Whether the client should have got something, and did not."""
    wrong = result.verdict is CheckVerdict.WARN and kind_of(result, result.verdict.word) == "interoperability"
    return wrong and Conduct.REFUSED in CONDUCT[result.situation.word]
