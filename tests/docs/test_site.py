"""The documentation's site is built without a warning, and its links lead somewhere."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def run(*words: str) -> None:
    done = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
def test_the_site_is_built_without_a_warning(tmp_path: Path) -> None:
    options = ["-q", "-W", "--keep-going", "-d", str(tmp_path / "trees")]
    run("-m", "sphinx", *options, "-b", "html", str(DOCS), str(tmp_path / "site"))

    site = tmp_path / "site"
    pages = [path for folder in ("howto", "reference") for path in (DOCS / folder).glob("*.md")]
    assert all((site / page.relative_to(DOCS)).with_suffix(".html").exists() for page in pages)


def test_every_link_leads_somewhere() -> None:
    run(str(DOCS / "check_links.py"))


def test_the_list_of_pages_names_each() -> None:
    listed = (DOCS / "README.md").read_text("utf-8")
    folders = ("howto", "reference", "explanation")
    pages = [path.relative_to(DOCS) for folder in folders for path in (DOCS / folder).glob("*.md")]
    assert [str(page) for page in pages if f"({page})" not in listed] == []
