"""The sessions of a Remote UI, kept on the server, with their form tokens and the administrator's PIN.

A browser holds only a random token. Roles are those of the printer, which decides what a role may do.
Serves MFP-ADMIN-01.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field

from mfp_sim.device.machine import ADMINISTRATOR, ROLES
from mfp_sim.shared.attempts import Attempts
from mfp_sim.shared.simtime import Clock, Entropy, SystemClock

__all__ = ["DEFAULT_PIN", "BrowserSession", "Sessions"]

DEFAULT_PIN = "7654321"
"""The administrator's PIN if no other is set; it is documented, so it protects nothing."""
LOGGED_OUT = ROLES[-1]
_LIMIT = 1000


def _worth(role: str) -> int:
    """The order in which sessions are kept: the administrator's first, then those of users who have logged in."""
    return 2 if role == ADMINISTRATOR else int(role != LOGGED_OUT)


_TOKEN_OCTETS = 32


@dataclass
class BrowserSession:
    """The session of one browser. `notices` are label keys with values, shown once on the next page."""

    token: str = field(repr=False)
    form_token: str = field(repr=False)
    role: str = LOGGED_OUT
    notices: list[tuple[str, dict[str, object]]] = field(default_factory=list)

    @property
    def logged_in(self) -> bool:
        """Whether a user has logged in."""
        return self.role != LOGGED_OUT

    def has_form_token(self, text: str) -> bool:
        """Whether a form came from a page of this session."""
        return hmac.compare_digest(text.encode(), self.form_token.encode())

    def take_notices(self) -> list[tuple[str, dict[str, object]]]:
        """Return the notices and forget them."""
        taken, self.notices = self.notices, []
        return taken


class Sessions:
    """All sessions of one printer, at most a thousand. Sessions without a login are dropped first, then those without a
    PIN, so a login as a user cannot end the administrator's session. After wrong PINs, a login has to wait, by the
    real clock."""

    def __init__(self, entropy: Entropy, pin: str = DEFAULT_PIN, clock: Clock | None = None) -> None:
        self._entropy, self._pin = entropy, pin
        self._sessions: dict[str, BrowserSession] = {}
        self.attempts = Attempts(clock or SystemClock())

    def __len__(self) -> int:
        return len(self._sessions)

    def get(self, token: str | None) -> BrowserSession | None:
        """The session of a browser's token."""
        return self._sessions.get(token) if token else None

    def begin(self, role: str = LOGGED_OUT) -> BrowserSession:
        """A new session."""
        if len(self._sessions) >= _LIMIT:
            del self._sessions[min(self._sessions, key=lambda token: _worth(self._sessions[token].role))]
        session = BrowserSession(self._random(), self._random(), role)
        self._sessions[session.token] = session
        return session

    def log_in(self, before: BrowserSession, role: str, pin: str, *, client: str = "") -> BrowserSession | None:
        """A session with rights that replaces `before`; None if the PIN is wrong, or if `client` has to wait after
        wrong PINs (`attempts.wait`).

        Only the administrator has a PIN. The token changes, so a token known from before is useless.
        """
        if role not in ROLES or role == LOGGED_OUT:
            return None
        if role == ADMINISTRATOR:
            if self.attempts.wait(client):
                return None
            if not hmac.compare_digest(pin.encode(), self._pin.encode()):
                self.attempts.failed(client)
                return None
            self.attempts.succeeded(client)
        self.end(before)
        return self.begin(role)

    def end(self, session: BrowserSession) -> None:
        """Log out."""
        self._sessions.pop(session.token, None)

    def _random(self) -> str:
        return self._entropy.octets(_TOKEN_OCTETS).hex()
