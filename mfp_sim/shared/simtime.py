"""Time, randomness and keys: the only module that may use the system's clock, randomness or key generation.

Every other module is given a `Clock`, an `Entropy` and a `KeySource`, so that the same scenario with the same seed
gives the same trace. All instants are aware datetimes in UTC.
"""

from __future__ import annotations

import base64
import hashlib
import heapq
import itertools
import os
import random
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone, tzinfo
from functools import cache
from importlib import resources
from typing import TYPE_CHECKING, Protocol

from mfp_sim.shared.errors import BoundExceeded, UsageError

if TYPE_CHECKING:  # cryptography is slow to import, and `--help` does not need it
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

__all__ = [
    "Booking",
    "Clock",
    "Entropy",
    "FrozenClock",
    "GeneratedKeys",
    "KeySource",
    "KeysAhead",
    "PassingClock",
    "PooledKeys",
    "Scheduler",
    "SystemClock",
    "local",
]

UTC = timezone.utc
_LONGEST_WAIT = 3600.0  # seconds: the system's clock may be set meanwhile


def local(instant: datetime, zone: tzinfo) -> datetime:
    """An instant in a zone. It stays in UTC if it is out of range in the zone, as at the end of 9999, which is the
    notAfter of a certificate without an end (RFC 5280, 4.1.2.5)."""
    try:
        return instant.astimezone(zone)
    except OverflowError:
        return instant.astimezone(UTC)


class Clock(Protocol):
    """A source of the time."""

    def now(self) -> datetime:
        """The current instant, aware, in UTC."""
        ...


class PassingClock(Clock, Protocol):
    """A clock that can wait. Only a `Scheduler` makes it wait."""

    def wait_until(self, instant: datetime | None, news: threading.Event, *, expected: bool) -> None:
        """Return at ``instant`` (at once if it has passed) or when ``news`` is set; if None, only when ``news`` is set.

        ``expected``: another thread is working and will set ``news``.
        """
        ...


_now = datetime.now
"""Bound at import, so that the real clock keeps running even if ``datetime`` is frozen later."""


class SystemClock:
    """The system's clock; waiting takes real time."""

    def now(self) -> datetime:
        return _now(UTC)

    def wait_until(self, instant: datetime | None, news: threading.Event, *, expected: bool) -> None:  # noqa: ARG002
        while not news.is_set():
            left = _LONGEST_WAIT if instant is None else (instant - self.now()).total_seconds()
            if left <= 0:
                return
            news.wait(min(left, _LONGEST_WAIT))


class FrozenClock:
    """A clock that stands still until it is moved. Waiting moves it, but not while another thread is working. It never
    goes backwards.

    ``listener``, if set, is called with each new instant (freezegun follows the clock through it).
    """

    def __init__(self, start: datetime) -> None:
        if start.tzinfo is None:
            raise UsageError("the start of a frozen clock needs a time zone")
        self._now = start.astimezone(UTC)
        self.listener: Callable[[datetime], None] | None = None

    def now(self) -> datetime:
        return self._now

    def wait_until(self, instant: datetime | None, news: threading.Event, *, expected: bool) -> None:
        if expected or instant is None:
            news.wait()  # work in other threads does not use simulated time
        else:
            self.move_to(instant)

    def move_to(self, instant: datetime) -> None:
        """Move forward to ``instant`` without running any booking: that is for a `Scheduler`."""
        if instant > self._now:
            self._now = instant.astimezone(UTC)
            if self.listener is not None:
                self.listener(self._now)

    def advance(self, seconds: float) -> None:
        """Move forward by ``seconds`` (>= 0), like `move_to`."""
        self.move_to(self._now + timedelta(seconds=seconds))


@dataclass(order=True)
class Booking:
    """An action booked for ``due``. Bookings for the same instant run in the order in which they were made."""

    due: datetime
    sequence: int
    label: str = field(compare=False)
    action: Callable[[], None] = field(compare=False, repr=False)
    cancelled: bool = field(compare=False, default=False)

    def cancel(self) -> None:
        """Cancel the booking; running it afterwards does nothing."""
        self.cancelled = True


class Scheduler:
    """A heap of bookings on one clock, which only the scheduler moves. ``max_events`` is the most events that may run.

    Time passes only between events. An event that waits is refused, since other events that fall due could not run
    during it. The results of other threads become events too; these threads touch nothing else here.
    """

    def __init__(self, clock: PassingClock, *, max_events: int = 100_000) -> None:
        self.clock = clock
        self._heap: list[Booking] = []
        self._sequence = itertools.count()
        self._left = self._max = max_events
        self._inside: str | None = None
        self._lock = threading.Lock()
        self._news = threading.Event()
        self._posted: list[tuple[str, Callable[[], None]]] = []
        self._expected = 0

    def at(self, due: datetime, action: Callable[[], None], label: str) -> Booking:
        """Book ``action`` for ``due``; if that has passed, it runs at the next `run_until`."""
        booking = Booking(due.astimezone(UTC), next(self._sequence), label, action)
        heapq.heappush(self._heap, booking)
        return booking

    def after(self, seconds: float, action: Callable[[], None], label: str) -> Booking:
        """Book ``action`` for ``seconds`` from now."""
        return self.at(self.clock.now() + timedelta(seconds=seconds), action, label)

    def expect(self, label: str) -> Callable[[Callable[[], None]], None]:
        """Expect an action from another thread. The returned function books it; call it once, from any thread."""
        with self._lock:
            self._expected += 1

        def post(action: Callable[[], None]) -> None:
            with self._lock:
                self._posted.append((label, action))
                self._news.set()

        return post

    def next_booking(self) -> Booking | None:
        """The next booking, or None."""
        while self._heap and self._heap[0].cancelled:
            heapq.heappop(self._heap)
        return self._heap[0] if self._heap else None

    def planned(self) -> list[Booking]:
        """All bookings that have not been cancelled, the next one first."""
        return sorted(booking for booking in self._heap if not booking.cancelled)

    def next_due(self) -> datetime | None:
        """The instant of the next booking, or None."""
        booking = self.next_booking()
        return booking.due if booking else None

    def run_until(self, instant: datetime) -> None:
        """Run every booking due up to and including ``instant``, in order, then wait for ``instant``.

        Raises:
            BoundExceeded: more than ``max_events`` events have run.
            RuntimeError: called within an event.
        """
        self._refuse_inside()
        while True:
            self._take_news()
            due = self.next_due()
            if due is not None and due <= instant:
                self.run_next()
            elif self.clock.now() < instant:
                self._wait(instant)
            else:
                return

    def run_due(self) -> None:
        """Run every booking that is due now, and the actions that other threads have posted.

        Raises:
            BoundExceeded, RuntimeError: see `run_until`.
        """
        self._refuse_inside()
        self._take_news()
        while (due := self.next_due()) is not None and due <= self.clock.now():
            self.run_next()

    def run_next(self) -> bool:
        """Wait for the next event and run it; return False if no event is booked or expected.

        Raises:
            BoundExceeded, RuntimeError: see `run_until`.
        """
        self._refuse_inside()
        self._take_news()
        while (booking := self.next_booking()) is None or booking.due > self.clock.now():
            if booking is None and not self._expected:
                return False
            self._wait(booking.due if booking else None)
            self._take_news()
        self._run(heapq.heappop(self._heap))
        return True

    def listen(self, until: datetime) -> None:
        """Return at ``until``, or when another thread has posted an action, without running any event.

        The calling thread must not hold a lock on the objects that the events change.
        """
        self._wait(until)

    def _wait(self, until: datetime | None) -> None:
        self.clock.wait_until(until, self._news, expected=bool(self._expected))

    def _run(self, booking: Booking) -> None:
        if self._left <= 0:
            raise BoundExceeded(
                f"more than {self._max} events ran; the next is {booking.label!r}",
                remedy="raise bounds.events, or look for an endless loop",
            )
        self._left -= 1
        self._inside = booking.label
        try:
            booking.action()
        finally:
            self._inside = None

    def _take_news(self) -> None:
        if not self._news.is_set():
            return
        with self._lock:
            self._news.clear()
            posted, self._posted = self._posted, []
            self._expected -= len(posted)
        for label, action in posted:
            self.at(self.clock.now(), action, label)

    def _refuse_inside(self) -> None:
        if self._inside is not None:
            raise RuntimeError(f"time may not pass within an event, and this is {self._inside!r}")


class Entropy:
    """Randomness in named streams: ``fork`` gives each user its own stream, so that users do not affect each other.

    With a seed it is repeatable; with ``None`` it is the system's, as real servers need. ``messages``: with a seed,
    RSA's padding is repeatable too, so that whole messages are the same in each run. This takes some time, and is only
    of use if messages are stored.
    """

    def __init__(self, seed: int | None, *, stream: str = "", messages: bool = False) -> None:
        self.seed, self.stream = seed, stream
        self.repeatable = seed is not None and messages
        self._lock = threading.Lock()
        self._random: random.Random
        if seed is None:
            self._random = random.SystemRandom()
        else:
            digest = hashlib.sha256(f"{seed}/{stream}".encode()).digest()
            self._random = random.Random(int.from_bytes(digest, "big"))

    def fork(self, name: str) -> Entropy:
        """A separate stream, which depends only on the seed and the path of names."""
        return Entropy(self.seed, stream=f"{self.stream}/{name}", messages=self.repeatable)

    def octets(self, count: int) -> bytes:
        """``count`` random bytes."""
        if self.seed is None:
            return os.urandom(count)
        with self._lock:
            return self._random.randbytes(count)

    def integer(self, low: int, high: int) -> int:
        """A uniformly drawn integer from ``low`` to ``high``, both included."""
        with self._lock:
            return self._random.randint(low, high)

    def exponential(self, rate: float) -> float:
        """The seconds until the next random event, at ``rate`` events per second on average."""
        with self._lock:
            return self._random.expovariate(rate)


class KeySource(Protocol):
    """A source of key pairs."""

    def rsa(self, bits: int) -> RSAPrivateKey:
        """A key pair with a modulus of ``bits`` bits."""
        ...

    def ec(self, bits: int) -> EllipticCurvePrivateKey:
        """A key pair on the NIST curve of ``bits`` bits, 256 or 384."""
        ...


class GeneratedKeys:
    """New keys, generated on demand, which takes tens to hundreds of milliseconds each."""

    def rsa(self, bits: int) -> RSAPrivateKey:
        from cryptography.hazmat.primitives.asymmetric import rsa  # noqa: PLC0415 - Clock and Entropy do not need it

        return rsa.generate_private_key(public_exponent=65537, key_size=bits)

    def ec(self, bits: int) -> EllipticCurvePrivateKey:
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - Clock and Entropy do not need it

        return ec.generate_private_key(ec.SECP384R1() if bits == 384 else ec.SECP256R1())


class KeysAhead:
    """RSA keys of another source, made ahead of time by one thread per core, so that callers hardly wait.

    This begins at the first request. Only keys of length ``bits`` are made ahead, and ``ahead`` of them are kept ready;
    other keys are made on demand. OpenSSL works without the interpreter's lock. `close` stops the threads.
    """

    def __init__(self, source: KeySource, *, bits: int = 2048, ahead: int = 32) -> None:
        self._source, self._bits, self._ahead = source, bits, ahead
        self._ready: deque[Future[RSAPrivateKey]] = deque()
        self._lock = threading.Lock()
        self._makers = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="keys")

    def __enter__(self) -> KeysAhead:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop making keys ahead, and wait for those in progress."""
        self._makers.shutdown(cancel_futures=True)

    def rsa(self, bits: int) -> RSAPrivateKey:
        if bits != self._bits:
            return self._source.rsa(bits)
        with self._lock:
            while len(self._ready) <= self._ahead:
                self._ready.append(self._makers.submit(self._source.rsa, bits))
            first = self._ready.popleft()
        return first.result()

    def ec(self, bits: int) -> EllipticCurvePrivateKey:
        return self._source.ec(bits)


class PooledKeys:
    """Keys from the committed pool, for the in-process mock only: they are public.

    ``entropy`` decides their order. ``sides`` splits the pool into disjoint parts, so that the printer and the CA never
    have the same key. When a part is used up, it starts again.
    """

    def __init__(self, entropy: Entropy, *, side: int = 0, sides: int = 2) -> None:
        self._entropy, self._side, self._sides = entropy, side, sides
        self._next: dict[int, int] = {}
        self._lock = threading.Lock()

    def rsa(self, bits: int) -> RSAPrivateKey:
        lines = _pool(bits)[self._side :: self._sides]
        if not lines:
            raise UsageError(
                f"the key pool has no RSA keys of {bits} bits",
                remedy="use 1024, 2048 or 4096 bits, or `keys: generate`",
            )
        with self._lock:
            if bits not in self._next:
                self._next[bits] = self._entropy.fork(f"rsa{bits}").integer(0, len(lines) - 1)
            index = self._next[bits] = (self._next[bits] + 1) % len(lines)
        return _load_pooled(lines[index])

    def ec(self, bits: int) -> EllipticCurvePrivateKey:
        """A key derived from the seed: elliptic curve keys are fast to make and do not need a pool."""
        from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - Clock and Entropy do not need it

        with self._lock:
            count = self._next[-bits] = self._next.get(-bits, 0) + 1
        scalar = int.from_bytes(self._entropy.fork(f"ec{bits}/{self._side}/{count}").octets(bits // 8 - 1), "big")
        return ec.derive_private_key(scalar + 1, ec.SECP384R1() if bits == 384 else ec.SECP256R1())


@cache
def _pool(bits: int) -> tuple[str, ...]:
    entry = resources.files("mfp_sim.shared.keypool").joinpath(f"rsa{bits}.txt")
    if not entry.is_file():
        return ()
    return tuple(line for line in entry.read_text("ascii").split() if line)


@cache
def _load_pooled(line: str) -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey  # noqa: PLC0415 - Clock and Entropy do not need it
    from cryptography.hazmat.primitives.serialization import load_der_private_key  # noqa: PLC0415 - Clock and Entropy do not need it

    # Validation takes 70 ms per key, and the pool is trusted: only here may it be skipped.
    key = load_der_private_key(base64.b64decode(line), password=None, unsafe_skip_rsa_key_validation=True)
    assert isinstance(key, RSAPrivateKey)
    return key
