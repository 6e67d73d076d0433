"""Reads submitted forms into settings of the printer, and finds the field of a page that a refusal is about.

The printer checks ranges and rules. A value that cannot be read is refused with the label of its field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from mfp_sim.device.settings import AutoRequestSettings, KeySettings, Polling
from mfp_sim.shared.errors import Reason, Refused

__all__ = ["REFUSALS", "Mistyped", "fits_picker", "read_auto_request", "read_communication", "read_key"]

Form = Mapping[str, str]

REFUSALS: Mapping[Reason, tuple[str | None, int]] = {
    "bad-bundle-password": ("password", 422),
    "bad-challenge": ("challenge", 422),
    "bad-common-name": ("common_name", 422),
    "bad-ip": ("ip", 422),
    "bad-key-length": ("length", 422),
    "bad-key-name": ("name", 422),
    "bad-organization": ("organization", 422),
    "bad-policy": ("policy", 422),
    "bad-poll-count": ("polling_count", 422),
    "bad-poll-interval": ("polling_interval", 422),
    "bad-port": ("port", 422),
    "bad-request-interval": ("every", 422),
    "bad-signature-algorithm": ("signature", 422),
    "bad-start": ("start", 422),
    "bad-timeout": ("timeout", 422),
    "bad-url": ("url", 422),
    "bad-use": ("use", 422),
    "bundle-damaged": ("file", 422),
    "bundle-invalid": ("file", 422),
    "bundle-not-opened": ("password", 422),
    "bundle-other-machine": ("file", 422),
    "busy": (None, 409),
    "category-not-offered": (None, 422),
    "default-key": (None, 409),
    "fqdn-without-dns": ("common_name", 422),
    "https-not-supported": ("url", 422),
    "import-export-running": (None, 409),
    "incomplete": ("timer", 422),
    "key-in-use": (None, 409),
    "login-required": (None, 403),
    "no-communication-settings": (None, 409),
    "no-file": ("file", 422),
    "no-such-function": (None, 422),
    "no-such-key": (None, 404),
    "no-such-policy": ("policy", 422),
    "not-a-number": (None, 422),
    "not-administrator": (None, 403),
    "port-conflict": ("port", 422),
    "power-lost": (None, 503),
    "powered-off": (None, 503),
    "start-in-the-past": ("start", 422),
    "start-out-of-range": ("start", 422),
    "timer-on": (None, 409),
}
"""By reason: the name of the field that a refusal is about, and the HTTP status (A-04). The label is
`refused.<reason>`."""


class Mistyped(Refused):
    """A field that cannot be read. `field` is its name, `label` the key of its label."""

    def __init__(self, reason: Reason, field: str, label: str) -> None:
        super().__init__(reason, f"the field {field} cannot be read")
        self.field, self.label = field, label


def _number(form: Form, name: str, label: str) -> int:
    text = form.get(name, "").strip()
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise Mistyped("not-a-number", name, label)
    return int(text)


def read_communication(form: Form) -> dict[str, str | int]:
    """`url`, `port` and `timeout` of the communication settings.

    Raises:
        Mistyped: a value that has to be a number is not a number.
    """
    return {
        "url": form.get("url", "").strip(),
        "port": _number(form, "port", "comm.port"),
        "timeout": _number(form, "timeout", "comm.timeout"),
    }


def read_key(form: Form, stored: KeySettings | None = None) -> KeySettings:
    """The settings of a key; an empty challenge password keeps the `stored` one, unless the form deletes it.

    Raises:
        Mistyped: the length is not a number.
    """
    challenge: str | None = form.get("challenge", "") or None
    if challenge is None and stored is not None and "challenge_delete" not in form:
        challenge = stored.challenge
    use = form.get("use", "None")
    return KeySettings(
        name=form.get("name", "").strip(),
        common_name=form.get("common_name", "").strip(),
        organization=form.get("organization", "").strip(),
        length=_number(form, "length", "key.length"),
        signature=form.get("signature", ""),
        use=use,
        policy=(form.get("policy") or None) if use == "IPSec" else None,
        challenge=challenge,
    )


def _start(form: Form) -> datetime | None:
    """The date of one picker and the time of the other, or both as one text in the first."""
    parts = (form.get(name, "").strip() for name in ("start", "start_time"))
    text = " ".join(part for part in parts if part).replace("T", " ")
    if not text:
        return None
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}", text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise Mistyped("bad-start", "start", "auto.start")


def fits_picker(kind: str, text: str) -> bool:
    """Whether a picker of this kind, `date` or `time`, can show the text. It would show any other text as empty."""
    pattern = {"date": "[0-9]{4}-[0-9]{2}-[0-9]{2}", "time": "[0-9]{2}:[0-9]{2}"}[kind]
    return not text or re.fullmatch(pattern, text) is not None


def read_auto_request(form: Form, stored: AutoRequestSettings) -> AutoRequestSettings:
    """The settings of the automatic request. With the timer off, a key without name and common name is left out.

    Raises:
        Mistyped: a number cannot be read, or the start is not a time.
    """
    timer = "timer" in form
    has_key = bool(form.get("name", "").strip() or form.get("common_name", "").strip())
    polling = None
    if "polling" in form:
        count = _number(form, "polling_count", "auto.polling-count")
        polling = Polling(count, _number(form, "polling_interval", "auto.polling-interval"))
    return AutoRequestSettings(
        timer=timer,
        start=_start(form),
        key=read_key(form, stored.key) if has_key else None,
        adjust="adjust" in form,
        polling=polling,
        every_days=_number(form, "every", "auto.every") if "periodic" in form else None,
        restart="restart" in form,
        delete_old="delete_old" in form,
    )
