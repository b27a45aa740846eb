"""probe-train, probe-eval, tag --probe and suggest as typed, with an encoder that reads colours."""

import csv
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from fakes import COLORS, ColorEncoder, color_picture

from fashiontag import encoders
from fashiontag.cli import main
from fashiontag.workspace.decisions import Choice, Decisions


@pytest.fixture(autouse=True)
def colors(monkeypatch, tmp_path):
    """Work in an empty folder with a shop in it; every model is the one that sees colours."""
    monkeypatch.chdir(tmp_path)

    def resolve(name=None, **options):
        return ColorEncoder(name or "color", "feed" if name else "c0105")

    monkeypatch.setattr(encoders, "resolve", resolve)
    rng = np.random.default_rng(0)
    for name, color in COLORS.items():
        for n in range(6):
            shade = np.clip(np.array(color) * 0.8 + rng.integers(0, 50, 3), 0, 255)
            color_picture(tmp_path / "shop" / f"{name}{n}.png", tuple(int(v) for v in shade))
    lines = [f"{name}{n}.png,{name}ish" for name in COLORS for n in range(6)]
    few = [line for line in lines if line[line.index(".") - 1] in "0123"]
    (tmp_path / "few.csv").write_text("\n".join(["image,shade", *few]))
    (tmp_path / "all.csv").write_text("\n".join(["image,shade", *lines]))


def call(*arguments, code=0):
    with pytest.raises(SystemExit) as ended:
        main([str(one) for one in arguments])
    assert ended.value.code == code


def train(*options, code=0):
    call("probe-train", "few.csv", "--images", "shop", *options, code=code)


def rows(path):
    with Path(path).open(newline="") as file:
        return list(csv.DictReader(file))


def test_train_tag_evaluate(tmp_path, capsys):
    train("--json")
    report = json.loads(capsys.readouterr().out)
    assert report["products"] == 32
    assert {one["label"] for one in report["labels"]} == {f"{name}ish" for name in COLORS}
    assert json.loads((tmp_path / "probe/report.json").read_text())["products"] == 32
    assert report["forecast"]["products"] == 16  # what few.csv doesn't label
    assert report["forecast"]["changed"] > 0
    page = (tmp_path / "probe/report.html").read_text()
    assert "http" not in page.replace("http-equiv", "")
    assert "<svg" in page
    assert "What it would change" in page
    verdict = report["verdict"]
    assert verdict["right"] + verdict["wrong"] + verdict["empty"] == 32
    assert f"<h1>Right {verdict['right']}. Wrong {verdict['wrong']}. Left" in page
    assert (
        page.index("Label by label")
        < page.index("<summary>Details")
        < page.index("average precision")
    )
    call("tag", "shop", "--probe", "probe", "--out", "t.csv")
    table = rows("t.csv")
    right = [row["shade"] == row["id"][:-5] + "ish" for row in table]
    assert np.mean(right) > 0.9
    assert "color" in table[0]  # the default labels stay, zero-shot
    call("probe-eval", "probe", "all.csv", "--images", "shop", "--json")
    out = capsys.readouterr()
    held_out = json.loads(out.out.split("t.csv\n")[-1])
    assert held_out["products"] == held_out["verdict"]["products"] == 16
    assert "32 of 48 products were in the probe's training" in out.err


def test_a_promise_adds_a_review_column(tmp_path):
    train("--auto-precision", "0.95")
    call("tag", "shop", "--probe", "probe", "--out", "t.csv")
    table = rows("t.csv")
    # 32 products can't carry a promise of 95 %: all is to be looked at.
    assert list(table[0])[-1] == "review"
    assert all(row["shade"] == "" for row in table)
    assert np.mean(["shade=" in row["review"] for row in table]) > 0.8  # of others nothing is said
    call("tag", "shop", "--probe", "probe", "--out", "t.jsonl")
    tags = [json.loads(line)["tags"] for line in (tmp_path / "t.jsonl").open()]
    assert {tag["decision"] for row in tags for tag in row} <= {"review", "abstain"}
    assert {tag["method"] for row in tags for tag in row} == {"probe", "zero-shot"}


def test_shots_and_append(capsys):
    train("--shots", "2", "--json")
    assert json.loads(capsys.readouterr().out)["products"] == 16
    call("probe-train", "all.csv", "--images", "shop", "--append", "probe", "--json")
    assert json.loads(capsys.readouterr().out)["products"] == 48


def decide(choices):
    source = str(Path("shop").absolute())
    with Decisions.open(Path(".fashiontag")) as decisions:
        decisions.record([Choice(source, item, "shade", labels) for item, labels in choices])


def test_decisions_teach_alone_and_over_a_table(tmp_path, capsys):
    call("probe-train", "--images", "shop", code=2)
    assert "needs LABELS" in capsys.readouterr().err
    call("probe-train", "--images", "shop", "--decisions", code=1)
    assert "Nobody decided anything of the products of shop" in capsys.readouterr().err
    decide([(f"{name}{n}.png", (f"{name}ish",)) for name in COLORS for n in range(4)])
    call("probe-train", "--images", "shop", "--decisions", "--out", "alone", "--json")
    out = capsys.readouterr()
    assert "32 decisions of people take part." in out.err
    train("--out", "table", "--json")
    assert json.loads(out.out)["labels"] == json.loads(capsys.readouterr().out)["labels"]
    decide([("red0.png", ()), ("red1.png", ("blueish",))])
    train("--decisions")
    assert "2 answers differ from what people decided" in capsys.readouterr().err
    call("suggest", "shop", "-n", "50", "--out", "s.csv")
    assert {row["image"][-5] for row in rows("s.csv")} == {"4", "5"}
    call("store", "--json")
    assert json.loads(capsys.readouterr().out)["decisions"] == 32


def test_suggest_writes_a_table_and_a_sheet(tmp_path, capsys):
    train("--json")
    call("suggest", "shop", "--probe", "probe", "-n", "4", "--audit", "3", "--html", "s.html")
    table = rows("suggest.csv")
    assert [row["status"] for row in table] == ["suggested"] * 4 + ["audit"] * 3
    assert all(row["image"][-5] in "45" for row in table)
    assert (tmp_path / "s.html").read_text().count("<li") == 7


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("probe-train", "none.csv", "--images", "shop"), 2, "There is no table none.csv"),
        (("probe-train", "few.csv", "--images", "none"), 2, "There is no none"),
        (("probe-train", "few.csv", "--images", "shop", "--fusion", "x"), 2, "--fusion"),
        (("probe-train", "few.csv", "--images", "shop", "--groups", "x"), 2, "no column 'x'"),
        (("probe-train", "few.csv", "--images", "shop", "--out", "shop"), 2, "holds no probe"),
        (("probe-train", "few.csv", "--images", "shop", "--unlabeled", "x"), 2, "'negative'"),
        (("probe-train", "one.csv", "--images", "shop"), 1, "teach nothing"),
        (("tag", "shop", "--probe", "none"), 2, "There is no probe none"),
        (("tag", "shop", "--probe", "shop"), 1, "holds no probe"),
        (("probe-eval", "shop", "few.csv", "--images", "shop"), 1, "holds no probe"),
    ],
)
def test_what_is_wrong_is_one_sentence(tmp_path, capsys, arguments, code, says):
    (tmp_path / "one.csv").write_text("image,shade\nred0.png,reddish\n")
    call(*arguments, code=code)
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert error.startswith("error: ")
    assert says in error


@pytest.mark.parametrize("command", ["tag", "probe-eval", "suggest", "probe-train"])
def test_another_model_is_refused_by_naming_both(capsys, command):
    train()
    more = {
        "tag": ("shop", "--probe", "probe"),
        "suggest": ("shop", "--probe", "probe"),
        "probe-eval": ("probe", "all.csv", "--images", "shop"),
        "probe-train": ("all.csv", "--images", "shop", "--append", "probe"),
    }[command]
    call(command, *more, "--model", "another", code=1)
    error = capsys.readouterr().err
    assert "was made with the model color" in error
    assert "another" in error


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",\n", ",shade=warm\n", 1),
        lambda text: text + "\n",
        lambda text: text.replace("suggested", "mine", 1),
        lambda text: text.replace("image,", "picture,", 1),
    ],
)
def test_suggestions_that_somebody_filled_in_are_not_written_over(tmp_path, capsys, change):
    asked = ("suggest", "shop", "-n", "3", "--out", "s.csv")
    call(*asked)
    call("suggest", "shop", "-n", "4", "--out", "s.csv")  # nobody touched it
    table = tmp_path / "s.csv"
    table.write_text(change(table.read_text()))
    mine = table.read_text()
    call(*asked, code=1)
    assert "filled in or changed" in capsys.readouterr().err
    assert table.read_text() == mine
    call(*asked, "--overwrite")
    assert len(rows("s.csv")) == 3


def test_what_a_promise_takes_is_said(capsys):
    train("--auto-precision", "0.95")
    assert "95% takes 59 products of different families" in " ".join(
        capsys.readouterr().out.split()
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize(
    ("command", "stream", "code"),
    [
        ("probe-train few.csv --images shop", "stdout", 0),
        ("suggest shop", "stderr", 0),
        ("labels", "stdout", 1),
    ],
)
def test_printing_never_fails_a_job_that_is_done(command, stream, code):
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Path("/dev/full").open("w") as full:
        streams[stream] = full
        done = subprocess.run([sys.executable, "-m", "fashiontag", *command.split()], **streams)
    assert done.returncode == code
    assert b"unexpected" not in (done.stderr or b"")
