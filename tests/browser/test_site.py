"""The documentation site as a folder of files: it loads without a server, fetches nothing, and its search finds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site as ``mkdocs build --strict`` writes it: every link and every anchor leads somewhere."""
    program = shutil.which("mkdocs", path=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    if program is None:
        reason = "mkdocs is not there: pip install -e '.[docs]'"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [program, "build", "--strict", "--quiet", "--site-dir", folder], cwd=ROOT, capture_output=True, text=True,
        check=False, timeout=300, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


def test_the_first_page_loads_from_a_file_and_fetches_nothing(page, watched, site: Path, picture) -> None:
    page.goto((site / "index.html").as_uri())
    assert page.get_by_role("heading", name="What do you have?").is_visible()
    picture(page, "first-page")
    assert watched.errors == []
    assert [url for url in watched.requests if not url.startswith(("file:", "data:"))] == []


def test_the_search_finds_without_a_server(page, watched, site: Path) -> None:
    page.goto((site / "how-to" / "servers" / "ndes.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("recipientNonce")
    page.locator(".md-search-result__item").first.wait_for()
    assert page.locator(".md-search-result__item a[href*='conformance']").count() >= 1
    assert [url for url in watched.requests if not url.startswith(("file:", "data:"))] == []


def test_pages_that_stand_elsewhere_and_written_ones_are_there(page, site: Path) -> None:
    page.goto((site / "explanation" / "trust.html").as_uri())
    page.get_by_role("link", name="wrong servers").first.click()
    assert page.url.endswith("reference/wrong_servers.html")
    page.goto((site / "reference" / "cli.html").as_uri())
    assert page.get_by_role("heading", name="mfp-sim conform").is_visible()
    assert "--challenge-file" in page.content()
    page.goto((site / "reports" / "servers" / "index.html").as_uri())
    assert page.locator("table").count() >= 2


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", ["index", "tutorials/first_scenario", "how-to/fleet", "reference/faults"])
def test_axe_finds_nothing_on_a_page_and_in_its_search(page, violations, site: Path, name: str, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    page.goto((site / f"{name}.html").as_uri())
    page.keyboard.press("/")
    page.keyboard.type("printer")
    page.locator(".md-search-result__item").first.wait_for()
    # The theme's script makes a landmark without a name of each button that copies code.
    assert [
        found for found in violations(page) if not found.startswith('landmark-unique: <nav class="md-code__nav')
    ] == []


def test_the_copy_button_copies_commands_without_prompt_and_output(page, site: Path) -> None:
    page.goto((site / "tutorials" / "first_server_report.html").as_uri())
    page.evaluate("document.addEventListener('copy', () => { window.copied = document.activeElement.value })")
    copied = []
    for number in range(3):
        page.locator(".md-code__button[data-md-type=copy]").nth(number).click()
        page.wait_for_function("window.copied")
        copied.append(page.evaluate("window.copied"))
        page.evaluate("window.copied = null")
    assert copied == [
        "python3 -m venv scep && . scep/bin/activate\npip install ~/mfp-sim",
        "mock-scep-server --port 8080 --challenge s3cret --defect challenge-unchecked",
        "mfp-sim conform http://127.0.0.1:8080/scep --challenge s3cret --quick --quiet --report out",
    ]
