"""A printer and the mock CA in one process on a frozen clock, with keys that remember what was done with them.

Owns the set-up that all benchmarks share; measures nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPrivateNumbers, RSAPublicKey

from mfp_sim.device.printer import Factory
from mfp_sim.device.settings import AutoRequestSettings
from mfp_sim.shared.simtime import KeySource
from mfp_sim.testing import KEY, Bench

__all__ = ["KEY", "Operation", "Stage", "daily"]

NINE = datetime(2026, 3, 2, 9)  # noqa: DTZ001 - the printer's local time has no zone


@dataclass(frozen=True)
class Operation:
    """One RSA private-key operation: who did it, from where, and the same again."""

    side: str
    what: str
    caller: str
    again: Callable[[], bytes] = field(repr=False)


@dataclass
class Log:
    """The operations so far; ``tracing`` also notes the caller, which costs time."""

    operations: list[Operation] = field(default_factory=list)
    tracing: bool = False


class WitnessedKey(RSAPrivateKey):
    """A key of the pool that writes down each private-key operation."""

    def __init__(self, key: RSAPrivateKey, side: str, log: Log) -> None:
        self._key, self._side, self._log = key, side, log

    def sign(self, data: Any, padding: Any, algorithm: Any) -> bytes:
        self._note("sign", lambda: self._key.sign(data, padding, algorithm))
        return self._key.sign(data, padding, algorithm)

    def decrypt(self, ciphertext: Any, padding: Any) -> bytes:
        self._note("decrypt", lambda: self._key.decrypt(ciphertext, padding))
        return self._key.decrypt(ciphertext, padding)

    def _note(self, what: str, again: Callable[[], bytes]) -> None:
        caller = _caller() if self._log.tracing else ""
        self._log.operations.append(Operation(self._side, what, caller, again))

    @property
    def key_size(self) -> int:
        return self._key.key_size

    def public_key(self) -> RSAPublicKey:
        return self._key.public_key()

    def private_numbers(self) -> RSAPrivateNumbers:
        return self._key.private_numbers()

    def private_bytes(self, *arguments: Any, **named: Any) -> bytes:
        return self._key.private_bytes(*arguments, **named)

    def __copy__(self) -> WitnessedKey:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> WitnessedKey:
        return self


def _caller() -> str:
    """``module.function`` of the two nearest callers outside this file, the nearer last."""
    import inspect

    frames = [frame for frame in inspect.stack(context=0) if frame.filename != __file__]
    return " > ".join(f"{Path(frame.filename).stem}.{frame.function}" for frame in reversed(frames[:2]))


class WitnessedKeys:
    """A key source whose keys write down what is done with them."""

    def __init__(self, keys: KeySource, side: str, log: Log) -> None:
        self._keys, self._side, self._log = keys, side, log

    def rsa(self, bits: int) -> RSAPrivateKey:
        return WitnessedKey(self._keys.rsa(bits), self._side, self._log)


class Stage(Bench):
    """A bench whose printer's TLS function is off, so that keys can be deleted; ``witnessed`` keys are counted."""

    def __init__(self, *, witnessed: bool = False, seed: int = 7) -> None:
        self.log, self._witnessed = Log(), witnessed
        super().__init__(factory=Factory(), seed=seed)
        assert self.printer.powered
        self.log.operations.clear()

    def keys(self, *, side: int) -> KeySource:
        """Keys of the pool, which write down what is done with them if they are witnessed."""
        pool = super().keys(side=side)
        return WitnessedKeys(pool, ("printer", "CA")[side], self.log) if self._witnessed else pool

    def enrol(self) -> None:
        """One manual request, to its end."""
        row = self.printer.send_request(KEY)
        if row.state != "successful":
            raise SystemExit(f"the enrolment failed: {row}")

    def forget(self) -> None:
        """Make room for the next key."""
        self.printer.delete_key(KEY.name)

    def pass_days(self, days: int) -> None:
        """Let days pass; what is planned in them happens."""
        self.pass_time(days=days)

    def expect_certificates(self, count: int) -> None:
        """Stop the benchmark unless ``count`` certificates were minted and installed: a failed run measures nothing."""
        counts = self.ca.ledger.counts
        if counts["minted"] != count or counts["installed"] != count:
            raise SystemExit(f"{count} enrolments were to be measured, the ledger has {counts}")


def daily(seed: int = 7) -> Stage:
    """A stage with an automatic request planned for 09:00 every day, the old key overwritten. Nothing ran yet.

    It begins at 06:30 UTC, before nine o'clock of winter and of summer: so many days have as many requests.
    """
    stage = Stage(seed=seed)
    stage.pass_time(hours=23, minutes=30)
    stage.printer.update_auto_request(
        AutoRequestSettings(timer=True, start=NINE + timedelta(days=1), key=KEY, every_days=1, delete_old=True)
    )
    return stage


@contextmanager
def no_collection() -> Iterator[None]:
    """The garbage collector held back, so that it hits no side of a comparison by chance."""
    import gc

    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
