"""``kill -9`` again and again: the repeated run ends in the bytes of an undisturbed one."""

import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from encoder_folders import write_clip
from fakes import color_picture

PICTURES = 120
BATCH = 4

pytestmark = pytest.mark.slow


def start(folder: Path, model: Path, workspace: str, out: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "fashiontag", "tag", "shop", "--labels", "few.toml"]
    command += ["--model", f"local-dir:{model}", "--batch-size", str(BATCH)]
    command += ["--workspace", workspace, "--out", out, "--scores"]
    return subprocess.Popen(
        command, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )


def stored(workspace: Path) -> int:
    return sum(path.stat().st_size for path in workspace.glob("vectors/*"))


def test_a_killed_run_ends_in_the_bytes_of_an_undisturbed_one(tmp_path) -> None:
    model = write_clip(tmp_path / "model")
    (tmp_path / "few.toml").write_text("[groups.colour]\nlabels = ['red', 'blue', 'green']\n")
    for number in range(PICTURES):
        color_picture(tmp_path / f"shop/{number:03}.png", (number * 2, 255 - number, 7))
    assert start(tmp_path, model, "calm", "calm.jsonl").wait(300) == 0
    kills = 0
    for _ in range(12):
        before = stored(tmp_path / "storm")
        with start(tmp_path, model, "storm", "storm.jsonl") as run:
            # as soon as this run has stored something of its own, wherever it is by then
            while run.poll() is None and stored(tmp_path / "storm") == before:
                time.sleep(0.005)
            time.sleep(0.02 * kills)
            if run.poll() is not None:
                break
            run.send_signal(signal.SIGKILL)
        kills += 1
    assert start(tmp_path, model, "storm", "storm.jsonl").wait(300) == 0
    assert kills >= 3
    assert (tmp_path / "storm.jsonl").read_bytes() == (tmp_path / "calm.jsonl").read_bytes()
    assert not list(tmp_path.glob(".storm*"))
