"""``kill -9`` again and again: the repeated run ends in the bytes of an undisturbed one."""

import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from encoder_folders import write_clip
from fakes import color_picture

from fashiontag.workspace.decisions import DATABASE, Choice, Decisions

PICTURES = 120
BATCH = 4

pytestmark = pytest.mark.slow


def start(folder: Path, model: Path, by: str, workspace: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "fashiontag", "tag", "shop.csv", "--labels", "few.toml"]
    command += ["--by", by, "--product-column", "handle", "--variant-column", "sku"]
    command += ["--model", f"local-dir:{model}", "--batch-size", str(BATCH)]
    command += ["--workspace", workspace, "--out", f"{workspace}.jsonl", "--scores"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def stored(workspace: Path) -> int:
    return sum(path.stat().st_size for path in workspace.glob("vectors/*"))


@pytest.mark.parametrize("by", ["photo", "variant", "product"])
def test_a_killed_run_ends_in_the_bytes_of_an_undisturbed_one(tmp_path, by) -> None:
    model = write_clip(tmp_path / "model")
    (tmp_path / "few.toml").write_text("[groups.colour]\nlabels = ['red', 'blue', 'green']\n")
    lines = ["path,handle,sku,title"]
    for number in range(PICTURES):
        color_picture(tmp_path / f"shop/{number:03}.png", (number * 2, 255 - number, 7))
        # of a product of three or four photos some stand far from the others
        lines.append(f"shop/{number:03}.png,p{number * 7 % 35},s{number % 2},blue thing")
    (tmp_path / "shop.csv").write_text("\n".join(lines))
    assert start(tmp_path, model, by, "calm").wait(300) == 0
    kills = 0
    for _ in range(12):
        before = stored(tmp_path / "storm")
        with start(tmp_path, model, by, "storm") as run:
            # as soon as this run has stored something of its own, wherever it is by then
            while run.poll() is None and stored(tmp_path / "storm") == before:
                time.sleep(0.005)
            time.sleep(0.02 * kills)
            if run.poll() is not None:
                break
            run.send_signal(signal.SIGKILL)
        kills += 1
    assert start(tmp_path, model, by, "storm").wait(300) == 0
    assert kills >= 3
    assert (tmp_path / "storm.jsonl").read_bytes() == (tmp_path / "calm.jsonl").read_bytes()
    assert not list(tmp_path.glob(".storm*"))


TAGGING = """
import os, signal, sys
from pathlib import Path
from fakes import ColorEncoder
from fashiontag.catalog import read_catalog
from fashiontag.labels import parse_labels
from fashiontag.workflows.tag import Outputs, tag
from fashiontag.workspace import Workspace

replace, when = Path.replace, sys.argv[1]

def dying(self, target):
    named = str(target).endswith("tags.csv")
    if named and when == "before":
        os.kill(os.getpid(), signal.SIGKILL)
    done = replace(self, target)
    if named and when == "after":
        os.kill(os.getpid(), signal.SIGKILL)
    return done

Path.replace = dying
space = parse_labels({"groups": {"colour": {"labels": ["red", "blue"]}}}, "few", "few")
with Workspace.open(Path("ws"), ColorEncoder()) as workspace:
    tag(workspace, read_catalog("shop"), space, outputs=Outputs(Path("tags.csv")))
"""
RECORDING = """
import sys
from pathlib import Path
from fashiontag.workspace.decisions import Choice, Decisions
with Decisions.open(Path("ws")) as decisions:
    for number in range(10_000):
        decisions.record([Choice("shop", f"{sys.argv[1]}/{number}", "colour", ("red",))])
        print(number, flush=True)
"""


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    paths = [str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))
    for number in range(40):
        color_picture(tmp_path / f"shop/{number:02}.png", (255 - number, 0, 0))
    return tmp_path


def tagging(when: str = "never") -> int:
    return subprocess.run([sys.executable, "-c", TAGGING, when], check=False).returncode


def colours() -> dict[str, str]:
    with Path("tags.csv").open(newline="") as file:
        return {row["id"]: row["colour"] for row in csv.DictReader(file)}


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_run_killed_around_the_rename_of_its_table_is_no_person(place, when) -> None:
    assert tagging() == 0
    choice = Choice(str(place / "shop"), "00.png", "colour", ("blue",))
    with Decisions.open(Path("ws")) as decisions:
        decisions.record([choice])
    assert tagging(when) == -signal.SIGKILL
    assert colours()["00.png"] == ("red" if when == "before" else "blue")
    assert tagging() == 0
    assert colours()["00.png"] == "blue"


def test_an_acknowledged_decision_outlives_a_kill(place) -> None:
    for turn in range(3):
        command = [sys.executable, "-c", RECORDING, str(turn)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
            assert run.stdout is not None
            for _ in range(7 * turn + 1):
                run.stdout.readline()
            run.send_signal(signal.SIGKILL)
            rest = run.stdout.read().split()
        acknowledged = 7 * turn + 1 + len(rest)
        with Decisions.open(Path("ws")) as decisions:
            known = {event.item for event in decisions.events()}
        assert known >= {f"{turn}/{number}" for number in range(acknowledged)}


def test_a_killed_import_is_recorded_whole_or_not_at_all(place) -> None:
    assert tagging() == 0
    text = Path("tags.csv").read_text()
    command = [sys.executable, "-m", "fashiontag", "decisions", "import", "tags.csv"]
    command += ["--workspace", "ws"]
    Path("tags.csv").write_text(text.replace("red", "blue"))
    for turn in range(6):
        with subprocess.Popen(command, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL) as run:
            while run.poll() is None and not Path("ws", DATABASE).is_file():
                time.sleep(0.001)
            time.sleep(0.01 * turn)
            run.send_signal(signal.SIGKILL)
        with Decisions.open(Path("ws")) as decisions:
            assert len(decisions.events()) in (0, 40)
    assert subprocess.run(command, check=False).returncode == 0
    assert tagging() == 0
    assert set(colours().values()) == {"blue"}
