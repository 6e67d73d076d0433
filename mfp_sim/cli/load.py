"""``mfp-sim load``: real enrolments at a real server, by Locust in separate processes.

Owns options, console, files and exit codes; `mfp_sim.load` makes the load.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import socket
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from mfp_sim.fleet.plan import LoadPlan, load_plan
from mfp_sim.fleet.words import lasting_of
from mfp_sim.load import job as jobs
from mfp_sim.load.job import LoadJob, handed_on, refuse_strangers, write_job
from mfp_sim.load.material import check_keys, make_keys
from mfp_sim.load.page import as_page, asked_of_server, findings_of, name_of, times_of
from mfp_sim.load.result import ISSUED, LoadResult, read_result
from mfp_sim.report.console import Console
from mfp_sim.report.writing import ready, write
from mfp_sim.shared.documents.records import record_of
from mfp_sim.shared.errors import UsageError
from mfp_sim.shared.reaching import Reach, reach_of
from mfp_sim.shared.scep.url import Url
from mfp_sim.shared.secret_options import secret_of
from mfp_sim.shared.stopping import signals_later
from mfp_sim.transport.connecting import tls_context

__all__ = ["load"]

_WAIT = 60
"""Seconds that a master waits for its workers."""


def load(options: argparse.Namespace) -> int:
    """The verb; returns the exit code.

    Raises:
        UsageError, DocumentError: see `mfp_sim.shared.errors`.
    """
    console, progress = Console(sys.stderr if options.json else sys.stdout), Console(sys.stderr)
    if options.make_keys is not None:
        return _make_keys(options, console, progress)
    return _load(options, console, progress)


def _load(options: argparse.Namespace, console: Console, progress: Console) -> int:
    """A run in a temporary folder."""
    if importlib.util.find_spec("locust") is None:
        raise UsageError("mfp-sim load needs Locust", remedy="pip install 'mfp-sim[load]'")
    with tempfile.TemporaryDirectory(prefix="mfp-sim-load-") as folder:
        reach = reach_of(options)
        job = _job(options, Path(folder))
        if job.target.scheme == "https":
            tls_context(reach)  # report problems with its files once, before the load
        refuse_strangers(job.target, allowed=job.allowed)
        challenge = secret_of(options, "challenge")
        if options.report is not None:
            ready(options.report)
        if options.keys is not None and not options.master:
            check_keys(options.keys, 1 if options.worker else job.certificates)
        if options.keys is None and not options.master:
            make_keys(job.certificates, 2048, Path(job.keys), os.cpu_count() or 1, _told(progress, job.certificates))
            progress.clear()
        write_job(job, Path(folder) / "job.json")
        code, said = _locust(options, job, reach, challenge, Path(folder), progress)
        progress.clear()
        if options.worker:
            return 1 if code else 0
        try:
            result, serials = read_result(Path(job.result)), _serials(Path(job.result))
        except UsageError:
            last = said.strip().splitlines()[-3:]
            raise UsageError("the load run has no result", remedy=" / ".join(last) or None) from None
    return _finish(options, console, result, serials)


def _make_keys(options: argparse.Namespace, console: Console, progress: Console) -> int:
    if options.keys is None:
        raise UsageError("--make-keys needs a file to write to", remedy="write --make-keys 500 --keys keys.pem")
    count = options.make_keys
    make_keys(count, options.key_bits, options.keys, os.cpu_count() or 1, _told(progress, count))
    progress.clear()
    console.line(f"{count} RSA key pairs of {options.key_bits} bits in {options.keys}; use each once per server")
    return 0


def _told(progress: Console, total: int) -> Any:
    return lambda number: progress.progress(number, total, "key pairs")


def _job(options: argparse.Namespace, folder: Path) -> LoadJob:
    """The job: the plan's ``load:``, changed by options; small by default."""
    plan = LoadPlan()
    if Path(options.what).is_file():
        found = load_plan(Path(options.what)).load
        if found is None:
            raise UsageError(
                f"{options.what} has no load section", remedy="add load: {target: URL, rate: 5}, or give a URL"
            )
        plan = found
    elif not options.what:
        raise UsageError("no server was given", remedy="give its URL, or a plan with a load section")
    elif "://" not in options.what:
        raise UsageError(f"{options.what!r} is neither a file nor a URL")
    else:
        plan = replace(plan, target=options.what)
    url = Url.of_server(plan.target, "give the URL of the SCEP server, http[s]://host[:port]/path")
    given = {
        name: value
        for name in ("rate", "clients", "certificates", "ramp", "timeout")
        if (value := getattr(options, name)) is not None
    }
    plan = replace(plan, **given)
    if options.clients is not None and options.rate is None:
        plan = replace(plan, rate=None)
    workers = options.expect_workers if options.master or options.worker else options.processes
    if plan.certificates < workers:
        raise UsageError(f"{plan.certificates} certificates are fewer than {workers} workers")
    return LoadJob(
        url=url.parts.geturl(), certificates=plan.certificates, workers=workers, result=str(folder / "load.json"),
        keys=str((options.keys or folder / "keys.pem").absolute()), rate=plan.rate, clients=max(plan.clients, workers),
        ramp=plan.ramp, timeout=plan.timeout, seed=options.seed or 1, prefix=options.subject_prefix,
        allowed=options.i_may_load_this_server, insecure=options.tls_insecure,
    )  # fmt: skip


# --- Locust -----------------------------------------------------------------------------------------------


def _locust(
    options: argparse.Namespace, job: LoadJob, reach: Reach, challenge: str | None, folder: Path, progress: Console
) -> tuple[int, str]:
    """Run Locust; returns its exit code and its output."""
    locustfile = Path(jobs.__file__).with_name("locustfile.py")
    words = [
        sys.executable,
        "-m",
        "locust",
        "-f",
        str(locustfile),
        "--headless",
        "--only-summary",
        "--loglevel",
        "ERROR",
    ]
    bound = ["-u", str(job.workers), "-r", str(job.workers), "-t", f"{round(job.longest)}s"]
    bound += ["--expect-workers", str(job.workers), "--expect-workers-max-wait", str(_WAIT)]
    if options.worker:
        words += ["--worker", "--master-host", options.master_host, "--master-port", str(options.master_port)]
        words += ["--processes", str(options.processes)] if options.processes > 1 else []
    elif options.master:
        words += [
            "--master",
            "--master-bind-host",
            options.bind,
            "--master-bind-port",
            str(options.master_port),
            *bound,
        ]
    else:
        port = str(_free_port())
        words += ["--processes", str(job.workers), "--master-bind-host", "127.0.0.1", "--master-bind-port", port]
        words += ["--master-port", port, *bound]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("LOCUST_")}
    environment |= {jobs.JOB: str(folder / "job.json"), jobs.REACH: handed_on(reach), "LOCUST_SKIP_URLLIB3_PATCH": "1"}
    environment.pop(jobs.CHALLENGE, None)
    if challenge is not None:
        environment[jobs.CHALLENGE] = challenge
    with (folder / "said").open("w+b") as said:
        process: subprocess.Popen[bytes] | None = None
        try:
            with signals_later():
                process = subprocess.Popen(words, stdout=said, stderr=said, env=environment, cwd=folder)  # noqa: S603 - our own
            _wait(process, job, folder, progress)
        except BaseException:
            if process is not None:
                process.terminate()
                with suppress(subprocess.TimeoutExpired):
                    process.wait(10)
                process.kill()
            raise
        return process.returncode, _text(said)


def _wait(process: subprocess.Popen[bytes], job: LoadJob, folder: Path, progress: Console) -> None:
    while True:
        with suppress(subprocess.TimeoutExpired):
            process.wait(0.5)
            return
        with suppress(OSError, ValueError):
            ended, issued = (folder / "load.progress").read_text("utf-8").split()
            progress.progress(int(ended), job.certificates, f"enrolments, {issued} issued")


def _text(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode("utf-8", "replace")


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def _serials(file: Path) -> Sequence[str]:
    return [str(serial) for serial in json.loads(file.read_text("utf-8"))["all_serials"]]


# --- what is said -----------------------------------------------------------------------------------------


def _finish(options: argparse.Namespace, console: Console, result: LoadResult, serials: Sequence[str]) -> int:
    told: Any = record_of(LoadResult).write(result)
    text = json.dumps({**told, "figures": figures_of(result)}, ensure_ascii=False)
    if options.report is not None:
        write(options.report / "load.json", text + "\n")
        write(options.report / "load.html", as_page(result))
        write(options.report / "serials.txt", "".join(f"{serial}\n" for serial in serials))
    _summary(console, result)
    if options.report is not None:
        console.line(f"load.html, load.json and serials.txt (to revoke) in {options.report}")
    if options.json:
        print(text)
    return 1 if result.invalid or result.failed or result.duplicates or result.stopped else 0


def figures_of(result: LoadResult) -> dict[str, object]:
    """The figures derived from the counts, for programs; times in seconds."""
    operations = {
        name: {f"p{share}": round(result.time(name, share / 100), 4) for share in (50, 95, 99)}
        for name in result.operations
    }
    return {
        "per_second": round(result.per_second, 3),
        "failed": result.failed,
        "invalid": list(result.invalid),
        "operations": operations,
    }


def _summary(console: Console, result: LoadResult) -> None:
    console.line(asked_of_server(result))
    console.line()
    outcomes = sorted(result.outcomes.items(), key=lambda pair: (pair[0] != ISSUED, -pair[1]))
    console.line(", ".join(f"{count} {outcome}" for outcome, count in outcomes) or "no enrolment ended")
    console.line(f"{result.per_second:.1f} certificates a second over {lasting_of(result.seconds)}")
    for operation in result.operations:
        times = ", ".join(f"{share} {time}" for share, time in times_of(result, operation).items())
        console.line(f"  {name_of(operation):20} {times}")
    for found in findings_of(result):
        console.line(f"{'✗' if found.bad else '!'} {found.text}")
