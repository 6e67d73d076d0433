"""The administrator's settings on the printer, and how they are changed.

This module commits nothing, and a refused change leaves the settings as they were.
Serves MFP-COMM-04, MFP-COMM-05, MFP-REQ-03, MFP-REQ-04, MFP-AUTO-05.
"""

from __future__ import annotations

from mfp_sim.device.machine import Machine
from mfp_sim.device.outside import Factory
from mfp_sim.device.plan import Plan
from mfp_sim.device.settings import (
    AutoRequestSettings,
    CommunicationSettings,
    KeySettings,
    ShownSentence,
    advice_on,
    read_ip,
)
from mfp_sim.shared.errors import Refused

__all__ = ["Configuration"]


class Configuration:
    """The settings of ``machine``. Changes of the automatic request are passed on to ``plan``."""

    def __init__(self, machine: Machine, factory: Factory, plan: Plan) -> None:
        self._machine, self._factory, self._plan = machine, factory, plan
        self.advice: tuple[ShownSentence, ...] = ()
        """Help texts that applied to the key entered last (MFP-REQ-04)."""

    @property
    def ip(self) -> str:
        """The printer's address."""
        return self._machine.state.ip or self._factory.ip

    def validate(self, settings: KeySettings | AutoRequestSettings) -> None:
        """Raise Refused unless the model accepts these values."""
        settings.validate(self._machine.profile, dns=self._machine.state.dns, policies=self._factory.policies)

    def needed(self) -> CommunicationSettings:
        """The communication settings.

        Raises:
            Refused: they have not been set yet.
        """
        found = self._machine.state.communication
        if found is None:
            raise Refused("no-communication-settings", "set URL, port and timeout of the SCEP server first")
        return found

    def set_communication(self, url: str, port: int, timeout: int | None) -> None:
        """Set the SCEP server; ``timeout`` in seconds, None for the model's default."""
        machine = self._machine
        if machine.state.auto.timer:
            raise Refused("timer-on", "the timer is on; the communication settings cannot be updated")
        settings = CommunicationSettings(url, port, machine.profile.default_timeout if timeout is None else timeout)
        settings.validate(machine.profile)
        machine.state.communication = settings
        machine.note("SCEP settings changed", "OK")

    def set_auto_request(self, settings: AutoRequestSettings) -> None:
        """Store the settings of the automatic request, and plan it."""
        self.validate(settings)
        start = settings.start if settings.timer else None
        if settings.timer:
            self.needed()
        if start is not None:
            self._plan.refuse_past(start)
        self._machine.state.auto = settings
        self._plan.set(start)
        self._machine.note("SCEP settings changed", "OK")
        self.advise(settings.key)

    def set_ip(self, ip: str) -> None:
        """Set the printer's IPv4 or IPv6 address."""
        try:
            self._machine.state.ip = read_ip(ip)
        except ValueError:
            raise Refused("bad-ip", f"{ip[:60]!r} is not an address that a printer can have",
                          remedy="an IPv4 or IPv6 address, such as 192.0.2.11") from None  # fmt: skip
        self._machine.note("settings changed", "OK", f"IP address {self._machine.state.ip}")

    def advise(self, key: KeySettings | None) -> None:
        """Show the help texts for a key that was entered. Log a warning if its name needs DNS and no DNS is set."""
        self.advice = () if key is None else advice_on(key, self.ip)
        if key is not None and key.needs_dns and not self._machine.state.dns:
            self._machine.note("warning", "OK", "the common name is an FQDN, but there is no DNS server")
