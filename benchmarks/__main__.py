"""``python -m benchmarks``: one table; exit code 1 when something is over its limit."""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass

from benchmarks import beside, codec, enrolment, exploring, fleet, hostile, imports, memory, overnight, year

ROUNDS = 5
"""Of a comparison with another server."""


def main() -> int:
    """The command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=200, help="enrolments to measure (default: 200)")
    parser.add_argument("--months", type=int, default=year.MONTHS, help="months of the year (default: 12)")
    parser.add_argument("--json", action="store_true", help="the table as JSON, for programs")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--operations", action="store_true", help="only list the RSA private-key operations")
    what.add_argument("--profile", action="store_true", help="only show where an enrolment's time goes")
    what.add_argument(
        "--codec",
        action="store_true",
        help="only the codec: each message type over its RSA operations, beside PyScep, and the costliest messages",
    )
    what.add_argument("--overnight", action="store_true", help="only ten simulated years of one printer: does it grow?")
    what.add_argument(
        "--fleet",
        nargs="?",
        type=int,
        const=100_000,
        metavar="PRINTERS",
        help="only the engine of mfp-sim fleet, beside SimPy (pip install -e '.[bench]'), and up to so many printers",
    )
    what.add_argument("--explore", action="store_true", help="only mfp-sim explore: cases per second, cost of rules")
    what.add_argument(
        "--memory",
        nargs="?",
        type=int,
        const=memory.COUNT,
        metavar="COUNT",
        help=f"only what the mock weighs after COUNT enrolments (default: {memory.COUNT}), with the caps in proportion",
    )
    what.add_argument(
        "--beside",
        nargs="?",
        type=int,
        const=100,
        metavar="COUNT",
        help="only the mock beside micromdm's scepserver: COUNT enrolments for each server, level and round "
        "(default: 100)",
    )
    options = parser.parse_args()
    if options.operations:
        for number, operation in enumerate(enrolment.operations(), 1):
            print(f"{number}  {operation.side:8} {operation.what:8} {operation.caller}")
        return 0
    if options.profile:
        print(enrolment.profile(options.rounds))
        return 0
    if options.codec:
        return _codec(options.rounds)
    if options.overnight:
        return _overnight()
    if options.explore:
        return _explore()
    if options.fleet is not None:
        return _fleet(options.fleet)
    if options.memory is not None:
        return _memory(options.memory)
    if options.beside is not None:
        return _beside(options.beside, as_json=options.json)
    return _table(options.rounds, options.months, as_json=options.json)


def _beside(count: int, *, as_json: bool) -> int:
    try:
        rows = beside.measure(count, ROUNDS, lambda line: print(line, file=sys.stderr, flush=True))
    except beside.Missing as reason:
        print(json.dumps({"skipped": str(reason)}) if as_json else f"skipped: {reason}")
        return 0
    fine = all(row.fine for row in rows)
    if as_json:
        print(json.dumps({"fine": fine, "rows": [row.to_json() for row in rows]}))
        return 0 if fine else 1
    last = f"{'per second':>13} {'CPU ms':>11}"
    print(f"{'the mock beside micromdm':30} {'ratio':>6} {'of rounds':>11} {'goal':>5} {'least':>6} {last}")
    for row in rows:
        span, rates = f"{min(row.ratios):.2f}-{max(row.ratios):.2f}", f"{row.rates[0]:.0f} / {row.rates[1]:.0f}"
        bounds = f"{'-' if row.goal is None else row.goal:>5} {row.limit:6.2f}"
        cpu = f"{row.cpu[0]:.2f} / {row.cpu[1]:.2f}"
        told = f"{rates:>13} {cpu:>11}  {'ok' if row.fine else 'UNDER'}"
        print(f"{row.what:30} {row.ratio:6.2f} {span:>11} {bounds} {told}")
    print()
    for row in rows:
        for name, t in zip(row.names, row.tallies, strict=True):
            told = f"{t.asked} asked, {t.refused} refused, {t.failed} failed, {t.twice} serial numbers given twice"
            print(f"{row.what:28} {name:22} {told}")
    return 0 if fine else 1


def _explore() -> int:
    speed = exploring.measure()
    fine = speed.watched <= 3
    print(f"{speed.per_second:.0f} cases per second on one core; a trace has {speed.events:.0f} events (median)")
    print(f"a watched run / the run alone: {speed.watched:.2f}  limit 3.00  {'ok' if fine else 'OVER'}")
    return 0 if fine else 1


def _overnight() -> int:
    night = overnight.measure()
    for number, octets in enumerate(night.octets, 1):
        print(f"year {number:2}: {octets / 1024:6.0f} KiB reachable from printer, scheduler and Remote UI")
    fine = night.growth <= 1.01
    print(f"year {overnight.YEARS} / year {overnight.FULL}: {night.growth:.3f}  limit 1.010 {'ok' if fine else 'OVER'}")
    print(f"{night.enrolments} certificates, all of them in the mock's ledger: {night.ledger_entries}")
    return 0 if fine else 1


def _memory(count: int) -> int:
    weight = memory.measure(count)
    dropped = ", ".join(f"{number} of the {book}" for book, number in weight.dropped.items())
    print(f"{'the mock above its start':40} {'MiB':>7}  {'limit':>7}")
    for name, octets in ((f"after {count} enrolments", weight.full), ("after half as many more", weight.later)):
        print(f"{name:40} {octets / 2**20:7.1f}  {weight.limit / 2**20:7.1f}")
    print(f"growth {weight.growth:.3f}  limit 1.050  {'ok' if weight.fine else 'OVER'}; dropped: {dropped}")
    return 0 if weight.fine else 1


def _fleet(printers: int) -> int:
    speed = fleet.measure(printers)
    rows = [
        Row(f"{printers} printers, 12 requests each: seconds of CPU", speed.seconds, 15 * printers / 100_000),
        Row("the same: MiB", speed.octets / 2**20, 100 * printers / 100_000),
        Row(f"an exchange at {printers} printers / at 1000", speed.growth, 2.2, 3.0),
    ]
    print(f"{'':52} {'value':>9} {'goal':>7} {'limit':>7}")
    for row in rows:
        print(row.text())
    print(f"{speed.per_second:,.0f} exchanges a second at 10000 printers", end="")
    if speed.beside_simpy is None:
        print("; SimPy is not installed: pip install -e '.[bench]'")
        return 0 if all(row.fine for row in rows) else 1
    fine = speed.beside_simpy >= 3
    print(
        f", {speed.beside_simpy:.1f} times SimPy's as its manual shows it (limit 3.0) {'ok' if fine else 'UNDER'},",
        end="",
    )
    print(f" {speed.beside_waiting:.1f} times SimPy's where its processes only wait for our queue")
    return 0 if fine and all(row.fine for row in rows) else 1


def _codec(rounds: int) -> int:
    for row in codec.measure(rounds):
        print(f"{row.name:24} {row.seconds * 1000:6.2f} ms  {row.ratio:6.2f} times its RSA operations")
    print()
    beside, fine = codec.beside_pyscep(rounds), True
    if beside is None:
        print("PyScep is not installed: pip install -e '.[bench]'")
    else:
        fine = beside.factor >= 4
        print(f"PKCSReq, built: {beside.ours * 1000:.2f} ms, by PyScep {beside.theirs * 1000:.2f} ms,", end=" ")
        print(f"{beside.factor:.1f} times as long (goal 4.0) {'ok' if fine else 'OVER'}")
    print()
    print(f"{'costliest messages, read':50} {'octets':>8} {'goal 50 ms':>11} {'goal 50 MiB':>12}")
    for cost in hostile.measure(rounds // 50):
        milliseconds, peak = cost.seconds * 1000, cost.peak / 2**20
        print(f"{cost.name:50} {cost.octets:8} {milliseconds:8.2f} ms {peak:8.1f} MiB  {'ok' if cost.fine else 'OVER'}")
        fine = fine and cost.fine
    return 0 if fine else 1


@dataclass(frozen=True)
class Row:
    """One line of the table; ``goal`` and ``limit`` are what it should and what it must not exceed, None for none."""

    name: str
    value: float
    goal: float | None = None
    limit: float | None = None

    @property
    def fine(self) -> bool:
        return self.limit is None or self.value <= self.limit

    def text(self) -> str:
        """The line."""
        goal, limit = ("-" if bound is None else f"{bound:g}" for bound in (self.goal, self.limit))
        verdict = "" if self.limit is None else "ok" if self.fine else "OVER"
        return f"{self.name:52} {self.value:9.2f} {goal:>7} {limit:>7}  {verdict}"


def _table(rounds: int, months: int, *, as_json: bool) -> int:
    one, long = enrolment.measure(rounds), year.measure(months)
    heavy = imports.imported_by_help(("cryptography", "flask", "pydantic"))
    rows = (
        Row("function calls of an enrolment", enrolment.calls(), 5500, 5900),
        Row("objects that an enrolment leaves as garbage", enrolment.garbage(), 0, 0),
        Row(f"enrolment / its {len(enrolment.operations())} RSA private-key operations", one.ratio, 1.5),
        Row("the same, median of all rounds", one.median_ratio),
        Row("enrolment in a year of daily ones / a single one", long.ratio, 1, 1.1),
        Row("the same, last quarter / first quarter", long.last_over_first, 1, 1.1),
        Row("heavy modules that mfp-sim --help imports", len(heavy), 0, 0),
    )
    fine = all(row.fine for row in rows)
    if as_json:
        print(json.dumps({"fine": fine, "rows": [{**asdict(row), "fine": row.fine} for row in rows]}))
        return 0 if fine else 1
    print(f"{'':52} {'value':>9} {'goal':>7} {'limit':>7}")
    for row in rows:
        print(row.text())
    whole, rsa = one.seconds * 1000, one.rsa_seconds * 1000
    print(f"\none enrolment: {whole:.2f} ms, {rsa:.2f} ms of it RSA private-key operations")
    print(f"a year: {long.enrolments} enrolments in {long.year_seconds:.2f} s; at its end there are", end=" ")
    print(", ".join(f"{number} {name}" for name, number in long.kept.items()))
    if heavy:
        print(f"mfp-sim --help imports {', '.join(heavy)}")
    return 0 if fine else 1


if __name__ == "__main__":
    sys.exit(main())
