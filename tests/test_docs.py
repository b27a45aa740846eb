"""The documentation is true: its commands run, its pages are the program's, its site builds."""

import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from fashiontag.cli import run
from fashiontag.labels import load_labels, parse_labels, shipped_labels

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))

import make_commands  # noqa: E402 - the script's folder is no package

# test_guides.py walks the shops' guides; `serve` ends when it is told to (test_server_browser.py)
PAGES = ("index", "tag", "own-labels", "teach", "correct", "search", "judge")


def test_the_page_of_commands_is_the_programs() -> None:
    assert make_commands.PAGE.read_text("utf-8") == make_commands.page(), (
        "docs/commands.md is old: run `python docs/make_commands.py`"
    )


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with what the guides name."""
    folder = tmp_path_factory.mktemp("desk")
    catalog = ROOT / "examples" / "catalog"
    shutil.copytree(catalog, folder / "images", ignore=shutil.ignore_patterns("*.csv"))
    shutil.copy(catalog / "titles.csv", folder)
    shutil.copy(catalog / "SKU-10444.jpg", folder / "dress.jpg")
    rows = (line.split(",") for line in (catalog / "truth.csv").read_text("utf-8").splitlines())
    (folder / "labels.csv").write_text("\n".join(f"{row[0]},{row[1]}" for row in rows) + "\n")
    (folder / "shelves.toml").write_text(label_file())
    return folder


def label_file() -> str:
    text = (DOCS / "own-labels.md").read_text("utf-8")
    (content,) = re.findall(r"^```toml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return content


def test_the_label_file_is_valid() -> None:
    parse_labels(tomllib.loads(label_file()), "shelves", "shelves.toml")


def test_what_it_says_of_the_default_labels_is_true() -> None:
    text = (DOCS / "tag.md").read_text("utf-8")
    said = re.search(r"`fashion` \(default: (\d+) labels in (\d+) groups\)", text)
    space = load_labels()
    assert said is not None
    assert (int(said[1]), int(said[2])) == (space.size, len(space.groups))
    assert {"fashion", "fashion-products"} <= set(shipped_labels())


@pytest.mark.parametrize("page", PAGES)
def test_the_guides_commands_run(page: str, desk: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(desk)
    text = (DOCS / f"{page}.md").read_text("utf-8")
    commands = re.findall(r"^    (?:fashiontag )(?!serve)(.+)$", text, re.MULTILINE)
    assert commands
    for command in commands:
        extra = ["--no-daemon"] * command.startswith("search")
        assert run([*shlex.split(command), *extra], debug=True) == 0, command


def test_the_site_builds_and_asks_nobody(tmp_path: Path) -> None:
    pytest.importorskip("mkdocs", reason="extra [docs] is not installed")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", tmp_path],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    fetched = re.compile(
        r"""<(?:script|img|iframe|source)[^>]+src=["']?(?:https?:)?//|"""
        r"""<link[^>]+rel=["']?(?:stylesheet|icon|preload|preconnect)[^>]+href=["']?(?:https?:)?//"""
    )
    pages = list(tmp_path.rglob("*.html"))
    assert len(pages) > 15
    for page in pages:
        assert not fetched.search(page.read_text("utf-8")), page.name
    for sheet in tmp_path.rglob("*.css"):
        assert not re.search(r"(?:url\(|@import )[\"']?https?://", sheet.read_text("utf-8")), sheet
