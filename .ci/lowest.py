"""Constraints for pip: of everything that pyproject.toml declares, the lowest version that it says will do."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

project = tomllib.loads(Path(sys.argv[1]).read_text("utf-8"))["project"]
declared = [*project["dependencies"], *project["optional-dependencies"]["test"]]
for text in declared:
    name, version = re.fullmatch(r"([\w.-]+)>=([\d.]+)", text).groups()  # type: ignore[union-attr]
    print(f"{name}=={version}")
