"""Waits for changes of the given files and directories, for `run --watch`. Owns no run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from mfp_sim.scenario.collection import bundled_directory
from mfp_sim.shared.errors import UsageError

__all__ = ["changes_of"]


def changes_of(selection: Sequence[str]) -> Iterator[list[str]]:
    """The names of the changed YAML files, after each change; included files are beside the others.

    Raises:
        UsageError: watchfiles is not installed.
    """
    try:
        from watchfiles import watch  # noqa: PLC0415 - an extra, and only this option needs it
    except ImportError:
        raise UsageError("--watch needs watchfiles", remedy="pip install 'mfp-sim[watch]'") from None
    paths = [Path(word.partition("::")[0]) for word in selection]
    folders = {path if path.is_dir() else path.parent for path in paths if path.exists()} or {bundled_directory()}
    looks = watch(
        *folders,
        watch_filter=lambda _, path: path.endswith((".yaml", ".yml")),
        rust_timeout=200,  # milliseconds
        yield_on_timeout=True,
        raise_interrupt=True,
    )
    next(looks)  # changes count from this point on
    return (sorted({Path(path).name for _, path in found}) for found in looks if found)
