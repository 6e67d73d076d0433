"""``mfp-sim explore``: cases per second of CPU, and what watching a run for its rules costs beside the run alone.

Rounds are interleaved; times are of the CPU.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from time import process_time

from mfp_sim.exploration.drawing import Space, scenario_of
from mfp_sim.exploration.draws import Document
from mfp_sim.exploration.search import Search
from mfp_sim.scenario.loader import read_document
from mfp_sim.scenario.model import Scenario
from mfp_sim.scenario.runner import one_freeze, run

__all__ = ["ExploringSpeed", "measure"]

CASES = 96


@dataclass(frozen=True)
class ExploringSpeed:
    """``per_second`` cases of a search on one core, with drawing and rules; ``watched`` is the time of a run that is
    watched for every rule over the time of the same run alone; ``events`` is the median length of a trace."""

    per_second: float
    watched: float
    events: float


def measure(rounds: int = 5) -> ExploringSpeed:
    """Search with a few seeds, and run what was drawn with and without its rules."""
    speeds, ratios, lengths = list[float](), list[float](), list[int]()
    for seed in range(rounds):
        search = Search(seed, Space())
        begun = process_time()
        documents = [result.document for result in search.round(CASES)]
        speeds.append(len(documents) / (process_time() - begun))
        watched = [scenario for document in documents if (scenario := scenario_of(document)) is not None]
        alone = [_unwatched(document) for document in documents]
        with one_freeze():
            lengths += [len(run(scenario).events) for scenario in alone]  # once, so that all is loaded
            times = [_time(alone), _time(watched), _time(watched), _time(alone)]
        ratios.append((times[1] + times[2]) / (times[0] + times[3]))
    return ExploringSpeed(median(speeds), median(ratios), median(lengths))


def _unwatched(document: Document) -> Scenario:
    steps = [*document["steps"][:-1], {"expect": {"powered": True}}]
    (scenario,) = read_document({**document, "steps": steps}, "benchmark")
    return scenario


def _time(scenarios: list[Scenario]) -> float:
    begun = process_time()
    for scenario in scenarios:
        run(scenario)
    return process_time() - begun
