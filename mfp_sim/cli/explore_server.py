"""``mfp-sim explore --ca URL``: searches a SCEP server for wrong decisions.

Owns console, files and exit codes; the search is in `mfp_sim.exploration.server`.
"""

from __future__ import annotations

import argparse
import json
import sys

from mfp_sim.cli.conform import session_of
from mfp_sim.conformance.model import CheckVerdict
from mfp_sim.exploration.server.search import search_server
from mfp_sim.exploration.writing import write_result
from mfp_sim.load.job import refuse_strangers
from mfp_sim.report.console import Console
from mfp_sim.shared.reaching import reach_of
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.simtime import GeneratedKeys, KeysAhead, SystemClock
from mfp_sim.transport import SocketClient

__all__ = ["explore_server"]


def explore_server(options: argparse.Namespace) -> int:
    """The search; returns the exit code: 6 for a breach of security, 1 for another failure, 3 if nothing was proved,
    130 if it was interrupted before a failure.

    Raises:
        UsageError: the server is on another computer, or an option does not fit.
    """
    url = Url.of_server(options.url, "write http(s)://host[:port]/path")
    refuse_strangers(
        url,
        allowed=options.i_may_search_this_server,
        why="a search fills a CA with certificates",
        option="--i-may-search-this-server",
    )
    clock, reach = SystemClock(), reach_of(options)
    progress = Console(sys.stderr)
    with KeysAhead(GeneratedKeys()) as keys:
        session = session_of(options, clock, reach, SocketClient(clock, reach), keys)
        result = search_server(
            session,
            seed=options.seed,
            seconds=options.time,
            cases=options.seeds,
            keep_going=options.keep_going,
            progress=lambda number, text: progress.progress(number, options.seeds or number, text),
        )
    progress.clear()
    console = Console(sys.stdout)
    if options.json:
        print(json.dumps(result.to_json()))
    else:
        for line in result.lines():
            console.line(line)
    if options.out is not None:
        write_result(options.out / "explore.json", result.to_json())
        (progress if options.json else console).line(f"result in {options.out / 'explore.json'}")
    if result.insecure:
        return 6
    if result.interrupted and result.worst is not CheckVerdict.FAIL:
        return 130
    if result.worst is CheckVerdict.INCONCLUSIVE:
        return 3
    return 1 if result.worst is CheckVerdict.FAIL else 0
