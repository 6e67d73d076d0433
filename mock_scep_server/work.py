"""One request in progress: what each layer found, what the script and its faults demand, and what they changed.

The layers are those of `service.py`; each adds to the `Work` of the request, and the last one writes it to the journal.
Decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from mfp_sim.shared.scep.certificate import Certificate
from mfp_sim.shared.scep.http_messages import HttpReply, HttpRequest
from mock_scep_server.asked import Asked
from mock_scep_server.faults.base import Context, Hook, On, Value
from mock_scep_server.faults.differences import differences
from mock_scep_server.judgement import Finding
from mock_scep_server.ruled import RuledAnswer
from mock_scep_server.script import Facts, Script, Taken

__all__ = ["EarlyReply", "Work", "text_reply"]


def text_reply(status: int, text: str) -> HttpReply:
    """Return a status with a line of plain text."""
    return HttpReply(status, headers=(("Content-Type", "text/plain; charset=utf-8"),), body=(text + "\n").encode())


class EarlyReply(Exception):
    """The reply is already known, and the remaining layers are skipped: the request is refused, or a rule answers
    it."""

    def __init__(self, reply: HttpReply) -> None:
        super().__init__(reply.status)
        self.reply = reply


@dataclass
class Work:
    """A request with everything known about it; `context` is the part that faults see.

    `issued` is the certificate that the reply should deliver, `carried` whether it still does after the faults, and
    `closes` whether the connection is closed instead.
    """

    context: Context
    client: str
    notes: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    taken: Taken = field(default_factory=Taken)
    decision: str = ""
    issued: Certificate | None = None
    carried: bool = True
    closes: bool = False
    changes: list[str] = field(default_factory=list)
    _effective: set[int] = field(default_factory=set)
    _answered_by: int | None = None
    _facts: tuple[str | None, Asked | None, Facts] | None = field(default=None, repr=False)
    """The latest finding and its subject."""

    @property
    def request(self) -> HttpRequest:
        """The HTTP request."""
        return self.context.request

    @property
    def facts(self) -> Facts:
        """The properties that rules match."""
        seen, asked, request = self.context, self.context.asked, self.context.request
        known = self._facts
        if known is None or known[0] is not seen.operation or known[1] is not asked:
            subject = asked.subject_text if asked else None
            found = Facts(
                seen.operation, request.method, seen.name, seen.transaction, subject, self.client, request.target,
                request.headers,
            )  # fmt: skip
            known = self._facts = seen.operation, asked, found
        return known[2]

    def refused(self, requirement: str, text: str, status: int) -> EarlyReply:
        """Make an early end because the request violates a requirement."""
        self.findings += (Finding(requirement, text),)
        return EarlyReply(text_reply(status, text))

    # --- the script and its faults ------------------------------------------------------------------------

    def take(self, script: Script) -> RuledAnswer | None:
        """Ask the script and the faults of the decide layer for an answer.

        Raises:
            EarlyReply: they demand an HTTP status.
        """
        self.taken = script.take(self.facts, self.context.now)
        answer = self.altered(On.ANSWER, self.taken.answer)
        if answer is not self.taken.answer:
            self.taken = replace(self.taken, answer=answer)
        if answer is None or answer.kind != "http":
            return answer
        status = answer.status or 500
        self.decided("http", f"HTTP {status}")
        reply = text_reply(status, f"The script answers {status}.")
        if answer.retry_after is not None:
            reply = replace(reply, headers=(*reply.headers, ("Retry-After", str(answer.retry_after))))
        raise EarlyReply(reply)

    def altered(self, hook: Hook[Value], value: Value) -> Value:
        """Return the value after the faults with this hook; their changes are noted for the journal.

        A changed value is an effect of the fault, noted by its index in the rule. A different answer is an effect only
        if it is the final decision: see `decided`.
        """
        for index, chosen in enumerate(self.taken.faults):
            for part in chosen.fault.parts(self.context, chosen.slug):
                before, value = value, hook.call(part, value, self.context)
                changes = [f"{hook.layer}: {change}" for change in differences(before, value)]
                self.changes.extend(changes)
                if changes and hook is On.ANSWER:
                    self._answered_by = index
                elif changes:
                    self._effective.add(index)
        return value

    def has(self, hook: Hook[Value]) -> bool:
        """Whether a fault with this hook applies."""
        parts = (part for c in self.taken.faults for part in c.fault.parts(self.context, c.slug))
        return any(hook.name in part.hooks for part in parts)

    def decided(self, kind: str, text: str) -> None:
        """Note the kind of the answer: a fault that demanded it has had an effect. `text` is for the journal."""
        self.decision, answer = text, self.taken.answer
        if self._answered_by is not None and answer is not None and answer.kind == kind:
            self._effective.add(self._answered_by)

    def end(self, script: Script) -> None:
        """Report to the script which of its faults have newly had an effect."""
        if not self.taken.effects.issuperset(self._effective):
            script.had_effect(self.taken, self._effective)

    def slugs(self, *, effective: bool) -> tuple[str, ...]:
        """The faults of the rule that had an effect at this request, or those that did not."""
        faults = enumerate(self.taken.faults)
        return tuple(chosen.slug for index, chosen in faults if (index in self._effective) == effective)

    @property
    def answers_nothing(self) -> bool:
        """Whether the script demands that nothing is sent."""
        return self.taken.answer is not None and self.taken.answer.kind == "none"
