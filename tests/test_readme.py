"""Every command and script that the README shows, run in a folder that looks like a user's."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from commandline import call

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
# test_server_browser.py runs `serve`, which ends when it is told to, test_objects.py addresses
COMMANDS = re.findall(r"^    (fashiontag (?!serve)(?!.*://).+)$", README, re.MULTILINE)


def fenced(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def desk(tmp_path_factory) -> Path:
    """Return a folder with what the README's commands name."""
    folder = tmp_path_factory.mktemp("desk")
    catalog = ROOT / "examples" / "catalog"
    shutil.copytree(catalog, folder / "images", ignore=shutil.ignore_patterns("*.csv"))
    shutil.copy(catalog / "titles.csv", folder)
    shutil.copy(next(catalog.glob("*.jpg")), folder / "dress.jpg")
    truth = (catalog / "truth.csv").read_text("utf-8").splitlines()
    columns = (line.split(",") for line in truth)
    (folder / "labels.csv").write_text("\n".join(f"{row[0]},{row[1]}" for row in columns) + "\n")
    return folder


def test_the_readme_is_short_and_shows_commands() -> None:
    assert len(README.splitlines()) <= 120
    assert len(COMMANDS) >= 5


def test_the_commands_run_in_order(desk) -> None:
    for command in COMMANDS:
        arguments = shlex.split(command)[1:]
        assert call(*arguments, cwd=desk).stdout, command
    assert (desk / "tags.csv").is_file()
    assert (desk / "report.html").is_file()


@pytest.mark.parametrize("script", fenced("python"))
def test_the_python_runs(script, desk) -> None:
    done = subprocess.run([sys.executable, "-c", script], cwd=desk, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout
