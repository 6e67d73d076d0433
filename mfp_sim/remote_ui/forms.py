"""What browsers send, as settings of the printer; and where on a page a refusal belongs.

Reads only; ranges and rules are the printer's. What cannot be read is refused with the label of its field.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime

from mfp_sim.device.settings import AutoRequestSettings, KeySettings, Polling
from mfp_sim.errors import Refused

__all__ = ["FIELD_OF", "STATUS_OF", "Mistyped", "read_auto_request", "read_communication", "read_key"]

Form = Mapping[str, str]

FIELD_OF: Mapping[str, str] = {
    "bad-url": "url", "https-not-supported": "url", "bad-port": "port", "port-conflict": "port",
    "bad-timeout": "timeout", "bad-key-name": "name", "bad-signature-algorithm": "signature",
    "bad-key-length": "length", "bad-organization": "organization", "bad-common-name": "common_name",
    "fqdn-without-dns": "common_name", "bad-challenge": "challenge", "bad-use": "use", "bad-policy": "policy",
    "no-such-policy": "policy", "bad-poll-count": "polling_count", "bad-poll-interval": "polling_interval",
    "bad-request-interval": "every", "start-in-the-past": "start", "start-out-of-range": "start", "bad-start": "start",
    "incomplete": "timer",
    "bad-bundle-password": "password", "bundle-not-opened": "password", "bundle-damaged": "file",
    "bundle-invalid": "file", "bundle-other-machine": "file", "no-file": "file",
    "bad-ip": "ip",
}  # fmt: skip
"""The name of the field that a refusal is about, by its reason."""

STATUS_OF: Mapping[str, int] = {
    "not-administrator": 403, "login-required": 403, "powered-off": 503, "power-lost": 503, "timer-on": 409,
    "busy": 409, "no-communication-settings": 409, "import-export-running": 409, "key-in-use": 409, "default-key": 409,
    "no-such-key": 404,
}  # fmt: skip
"""The HTTP status of a refusal by its reason; any other is 422 (A-04)."""


class Mistyped(Refused):
    """A field cannot be read. ``field`` is its name, ``label`` the key of its label."""

    def __init__(self, reason: str, field: str, label: str) -> None:
        super().__init__(reason, f"the field {field} cannot be read")
        self.field, self.label = field, label


def _number(form: Form, name: str, label: str) -> int:
    text = form.get(name, "").strip()
    if not re.fullmatch(r"-?[0-9]{1,9}", text):
        raise Mistyped("not-a-number", name, label)
    return int(text)


def read_communication(form: Form) -> dict[str, str | int]:
    """``url``, ``port`` and ``timeout`` of the communication settings.

    Raises:
        Mistyped: a number is none.
    """
    return {
        "url": form.get("url", "").strip(),
        "port": _number(form, "port", "comm.port"),
        "timeout": _number(form, "timeout", "comm.timeout"),
    }


def read_key(form: Form, stored: KeySettings | None = None) -> KeySettings:
    """The items of a key; an empty challenge keeps the ``stored`` one, unless it is to be deleted.

    Raises:
        Mistyped: the length is no number.
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
    text = form.get("start", "").strip().replace("T", " ")
    if not text:
        return None
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}", text):
        try:
            return datetime.fromisoformat(text)
        except ValueError:
            pass
    raise Mistyped("bad-start", "start", "auto.start")


def read_auto_request(form: Form, stored: AutoRequestSettings) -> AutoRequestSettings:
    """The settings of the automatic request. With the timer off, a key without name and common name is none.

    Raises:
        Mistyped: a number or the start is none.
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
