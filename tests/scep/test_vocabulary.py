"""Object identifiers and media types of SCEP stand in one module each, and everything else names them."""

from __future__ import annotations

import ast
from pathlib import Path

import mfp_sim
import mock_scep_server
from mfp_sim.shared.scep import http_messages as http
from mfp_sim.shared.scep import vocabulary as v

MEDIA_TYPES = {http.CA_CERT, http.CA_RA_CERT, http.NEXT_CA_CERT, http.PKI_MESSAGE}
HOMES = {"shared/scep/vocabulary.py": set(v.OID_NAMES), "shared/scep/http_messages.py": MEDIA_TYPES}


def _literals(path: Path) -> set[str]:
    tree = ast.parse(path.read_text("utf-8"))
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def test_each_is_written_in_its_home_only() -> None:
    packages = [Path(package.__file__ or "").parent for package in (mfp_sim, mock_scep_server)]
    written = {path: _literals(path) for package in packages for path in package.rglob("*.py")}
    for home, words in HOMES.items():
        places = {path for path, literals in written.items() if literals & words}
        assert places == {packages[0] / home}
