"""Builds and runs the image without a Docker engine: the instructions of the Dockerfile, in clean roots of Debian.

    image.py DOCKERFILE ROOM

Each stage is a root that debootstrap makes, with Debian's Python in place of the base image's. COPY, RUN, USER,
WORKDIR, ENV and ARG do what they do in an engine, and the command has to be healthy within a minute. What an engine
adds, such as layers and networks, is not tried. Needs root and debootstrap; the roots lie in ROOM.
"""

from __future__ import annotations

import json
import os
import posixpath
import shlex
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from dockerfile_parse import DockerfileParser

PACKAGES = "python3,python3-pip,python3-venv,ca-certificates"
FROM_HERE = ("/etc/pip.conf", "/etc/resolv.conf", "/etc/hosts", "/etc/ssl/certs/ca-certificates.crt")
"""How this machine reaches a package index, and which CAs it trusts for that."""


@dataclass
class Stage:
    """A root, and what the instructions have said so far."""

    root: Path
    user: str = "0"
    folder: str = "/"
    variables: dict[str, str] = field(default_factory=dict)
    health: list[str] = field(default_factory=list)
    command: list[str] = field(default_factory=list)

    def words(self, command: list[str]) -> list[str]:
        """The command, to be run in the root as the user of the stage."""
        inside = f"cd {shlex.quote(self.folder)} && exec {shlex.join(command)}"
        return ["/usr/sbin/chroot", f"--userspec={self.user}:{self.user}", str(self.root), "sh", "-c", inside]

    @property
    def environment(self) -> dict[str, str]:
        """What a process in the root sees: nothing of this machine's but how the package index is reached."""
        pip = {name: value for name, value in os.environ.items() if name.startswith("PIP_") or name.endswith("_proxy")}
        home = "/root" if self.user == "0" else self.folder
        return {
            "PATH": "/usr/local/bin:/usr/local/sbin:/usr/bin:/usr/sbin:/bin:/sbin",
            "HOME": home,
            "PIP_BREAK_SYSTEM_PACKAGES": "1",
            **pip,
            **self.variables,
        }

    def run(self, command: list[str]) -> None:
        """Run a command to its end; it has to succeed."""
        subprocess.run(self.words(command), env=self.environment, check=True)


def new_root(base: Path, root: Path) -> Stage:
    """A copy of the base."""
    subprocess.run(["cp", "-a", str(base), str(root)], check=True)
    for name in FROM_HERE:
        if Path(name).exists():
            shutil.copy(name, root / name.lstrip("/"))
    return Stage(root)


def put(stage: Stage, sources: list[Path], target: str) -> None:
    """COPY: a folder's content, or files."""
    there = stage.root / posixpath.normpath(Path(stage.folder, target)).lstrip("/")
    several = len(sources) > 1 or target.endswith("/")
    for source in sources:
        if source.is_dir():
            shutil.copytree(source, there, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            (there if several else there.parent).mkdir(parents=True, exist_ok=True)
            shutil.copy(source, there)


def build(dockerfile: Path, room: Path) -> Stage:
    """All stages; returns the last."""
    base = room / "base"
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={PACKAGES}", "bookworm", str(base)],
                   check=True, stdout=subprocess.DEVNULL)  # fmt: skip
    stages: dict[str, Stage] = {}
    stage = Stage(base)
    for step in DockerfileParser(path=str(dockerfile)).structure:
        name, value = step["instruction"], step["value"]
        print(f"{name} {value[:100]}", flush=True)
        if name == "FROM":
            stage = new_root(base, room / f"stage{len(stages)}")
            stages[value.partition(" AS ")[2] or str(len(stages))] = stage
        elif name == "COPY":
            *sources, target = (word for word in value.split() if not word.startswith("--"))
            origin = (
                stages[value.split()[0].partition("=")[2]].root if value.startswith("--from=") else dockerfile.parent
            )
            put(stage, [origin / source.lstrip("/") for source in sources], target)
        elif name == "RUN":
            stage.run(["sh", "-c", value])
        elif name == "WORKDIR":
            stage.folder = posixpath.normpath(Path(stage.folder, value))
            (stage.root / stage.folder.lstrip("/")).mkdir(parents=True, exist_ok=True)
        elif name in ("ENV", "ARG"):
            stage.variables |= dict(word.partition("=")[::2] for word in shlex.split(value))
        elif name == "USER":
            stage.user = value
        elif name == "HEALTHCHECK":
            stage.health = json.loads(value[value.index("[") :])
        elif name == "CMD":
            stage.command = json.loads(value)
        elif name not in ("EXPOSE", "LABEL", "COMMENT"):
            sys.exit(f"{name} is not known here")
    return stage


def healthy(stage: Stage) -> bool:
    """Whether the command answers its health check within a minute, as a user without rights."""
    process = subprocess.Popen(stage.words(stage.command), env=stage.environment)
    try:
        for _ in range(60):
            if process.poll() is not None:
                return False
            check = subprocess.run(
                stage.words(stage.health), env=stage.environment, stderr=subprocess.DEVNULL, check=False
            )
            if check.returncode == 0:
                return True
            time.sleep(1)
        return False
    finally:
        process.terminate()
        process.wait(30)


def main() -> int:
    """The command; returns the exit code."""
    dockerfile, room = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    stage = build(dockerfile, room)
    if stage.user == "0":
        sys.exit("the image runs as root")
    for command in (["mfp-sim", "run", "deferred-twice-then-issued"], ["mfp-sim", "--version"]):
        stage.run(command)
    if not healthy(stage):
        sys.exit("the command is not healthy")
    print("the image's commands run, and the mock is healthy")
    return 0


if __name__ == "__main__":
    sys.exit(main())
