"""What people decide: kept for good, given before all else, brought in from a spreadsheet."""

import csv
import json
import os
import sqlite3
import time
from pathlib import Path

import pytest
from fakes import ColorEncoder, color_picture

from fashiontag.catalog import read_catalog
from fashiontag.errors import CatalogError, OutputError
from fashiontag.labels import parse_labels
from fashiontag.workflows.corrections import import_table
from fashiontag.workflows.tag import Outputs, TagSummary, tag
from fashiontag.workspace import Workspace
from fashiontag.workspace.decisions import DATABASE, Choice, Decisions
from fashiontag.workspace.written import FOLDER

GROUPS = {
    "colour": {"labels": ["red", "green", "blue"], "templates": ["{label}"]},
    "kind": {"labels": ["shirt", {"name": "shoe", "implies": ["colour=red"]}], "visible": False},
    "use": {"labels": ["work", "sport"], "exclusive": False, "visible": False},
}
SPACE = parse_labels({"groups": GROUPS}, "toy", "toy.toml")


@pytest.fixture
def place(tmp_path, monkeypatch) -> Path:
    long_ago = time.time() - 60  # what has just been written may be written again unnoticed
    for name in ("red", "green", "blue"):
        path = color_picture(tmp_path / "shop" / f"{name}.png", name)
        os.utime(path, (long_ago, long_ago))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(out: str = "tags.csv", *, space=SPACE, overwrite: bool = False) -> TagSummary:
    with Workspace.open(Path("ws"), ColorEncoder()) as workspace:
        outputs = Outputs(Path(out), overwrite=overwrite)
        return tag(workspace, read_catalog("shop"), space, outputs=outputs)


def choose(item: str, group: str, *labels: str, by: str = "ann") -> None:
    with Decisions.open(Path("ws")) as decisions:
        decisions.record([Choice(str(Path("shop").absolute()), item, group, labels)], by=by)


def table(path: str = "tags.csv") -> dict[str, dict[str, str]]:
    with Path(path).open(newline="", encoding="utf-8-sig") as file:
        return {row["id"]: row for row in csv.DictReader(file)}


def correct(change, path: str = "tags.csv") -> None:
    """Save the table as a spreadsheet would, with one change."""
    rows = list(table(path).values())
    change({row["id"][:-4]: row for row in rows})
    with Path(path).open("w", newline="", encoding="utf-8-sig") as file:
        writer = csv.DictWriter(file, rows[0].keys(), quoting=csv.QUOTE_ALL)
        writer.writeheader()
        writer.writerows(rows)


def bring(path: str = "tags.csv", **options):
    return import_table(Path("ws"), Path(path), **options)


def held() -> dict[tuple[str, str], tuple[str, ...]]:
    with Decisions.open(Path("ws")) as decisions:
        return {key[1:]: event.labels for key, event in decisions.current().items()}


# -- events -----------------------------------------------------------------------------------


def test_undo_adds_the_inverse_of_the_last_act_that_stands(place) -> None:
    choose("red.png", "colour", "green")
    choose("red.png", "colour", by="bob")
    assert held() == {("red.png", "colour"): ()}
    with Decisions.open(Path("ws")) as decisions:
        (undone,) = decisions.undo(by="cy")
        assert (undone.by, undone.labels, undone.undoes) == ("cy", ("green",), 2)
        (undone,) = decisions.undo()
        assert undone.labels is None
        assert decisions.undo() == ()
        assert [event.number for event in decisions.events()] == [1, 2, 3, 4]
    assert held() == {}


def test_an_act_is_undone_whole_and_says_what_was_there(place) -> None:
    with Decisions.open(Path("ws")) as decisions:
        choices = [Choice("s", "a", "g", ("x",), ("w",)), Choice("s", "b", "g", ("y",))]
        assert [event.was for event in decisions.record(choices)] == [("w",), ()]
        assert decisions.record(choices) == ()  # decided so already
        assert len(decisions.undo()) == 2


def test_events_are_only_ever_added(place) -> None:
    choose("red.png", "colour", "green")
    with sqlite3.connect(Path("ws") / DATABASE) as file:
        for statement in ("DELETE FROM events", "UPDATE events SET labels = '[]'"):
            with pytest.raises(sqlite3.IntegrityError, match="only ever added"):
                file.execute(statement)


# -- what a run gives -------------------------------------------------------------------------


def test_a_decision_outranks_the_program_and_is_marked(place) -> None:
    run("tags.jsonl")
    choose("red.png", "colour", "BLUE")
    choose("green.png", "colour")
    summary = run("tags.jsonl")
    assert not summary.unchanged
    assert summary.decided == 2
    rows = {row["id"]: row for row in map(json.loads, Path("tags.jsonl").read_text().splitlines())}
    assert rows["red.png"]["tags"] == [
        {
            "group": "colour",
            "label": "blue",
            "score": 1.0,
            "source": "image",
            "method": "person",
            "decision": "publish",
        }
    ]
    assert rows["green.png"]["tags"] == []
    assert run("tags.jsonl").unchanged


def test_what_a_decided_label_implies_holds_unless_decided_otherwise(place) -> None:
    choose("blue.png", "kind", "shoe")
    run()
    assert table()["blue.png"]["colour"] == "red"
    choose("blue.png", "colour", "green")
    run()
    assert table()["blue.png"]["colour"] == "green"


def test_it_survives_another_name_and_another_source(place) -> None:
    run()
    correct(lambda rows: rows["red"].update(colour="green"))
    bring()
    Path("shop/red.png").rename("shop/scarlet.png")
    summary = run()
    assert table()["scarlet.png"]["colour"] == "green"
    assert "another name" in summary.warnings[-1]
    Path("shop").rename("moved")
    with Workspace.open(Path("ws"), ColorEncoder()) as workspace:
        tag(workspace, read_catalog("."), SPACE, outputs=Outputs(Path("all.csv")))
    assert table("all.csv")["moved/scarlet.png"]["colour"] == "green"


def test_a_picture_that_is_there_twice_inherits_nothing(place) -> None:
    run()
    correct(lambda rows: rows["red"].update(colour="green"))
    bring()
    Path("shop/red.png").rename("shop/a.png")
    color_picture("shop/b.png", "red")
    summary = run()
    assert {table()[name]["colour"] for name in ("a.png", "b.png")} == {"red"}
    assert "are kept" in summary.warnings[-1]


def test_what_the_label_file_lacks_is_kept_and_said(place) -> None:
    choose("red.png", "shelf", "top")
    choose("red.png", "colour", "crimson")
    summary = run()
    assert any("shelf (1)" in warning for warning in summary.warnings)
    assert any("colour=crimson (1)" in warning for warning in summary.warnings)
    assert table()["red.png"]["colour"] == "crimson"
    assert "shelf" not in table()["red.png"]


# -- a table changed by hand ------------------------------------------------------------------


def test_a_corrected_table_is_refused_then_imported_then_written(place) -> None:
    run()

    def three(rows):
        rows["red"]["colour"] = "Green "
        rows["green"]["colour"] = ""
        rows["blue"]["tags"] = "use=sport | colour=blue|use=work"

    correct(three)
    before = Path("tags.csv").read_bytes()
    with pytest.raises(OutputError, match=r"decisions import tags.csv.*--overwrite"):
        run()
    assert Path("tags.csv").read_bytes() == before
    done = bring()
    assert held() == {
        ("red.png", "colour"): ("green",),
        ("green.png", "colour"): (),
        ("blue.png", "use"): ("sport", "work"),
    }
    assert {event.was for event in done.decided} == {("red",), ("green",), ()}
    assert "line" in done.notes[0]  # a column and tags disagree
    assert bring().decided == ()
    run()
    assert table()["red.png"]["tags"] == "colour=green"
    assert table()["blue.png"]["use"] == "sport|work"


def test_overwrite_loses_it_on_request(place) -> None:
    run()
    correct(lambda rows: rows["red"].update(colour="green"))
    run(overwrite=True)
    assert table()["red.png"]["colour"] == "red"
    assert run().unchanged


@pytest.mark.parametrize("suffix", [".tsv", ".jsonl", ".parquet"])
def test_other_formats_are_guarded_too(place, suffix) -> None:
    name = f"tags{suffix}"
    run(name)
    if suffix == ".parquet":
        from pyarrow import parquet

        frame = parquet.read_table(name).to_pylist()
        frame[2]["colour"] = "green"
        import pyarrow as pa

        parquet.write_table(pa.Table.from_pylist(frame), name)
    else:
        text = Path(name).read_text()
        old, new = (
            ('"colour":"red"', '"colour":"green"')
            if suffix == ".jsonl"
            else (
                "colour=red\tred",
                "colour=red\tgreen",
            )
        )
        assert old in text
        Path(name).write_text(text.replace(old, new))
    with pytest.raises(OutputError, match="was changed"):
        run(name)
    bring(name)
    assert held() == {("red.png", "colour"): ("green",)}
    run(name)


def test_a_copy_saved_as_a_workbook_is_understood(place) -> None:
    from openpyxl import Workbook

    run()
    book = Workbook()
    rows = list(table().values())
    book.active.append(list(rows[0]))
    for row in rows:
        book.active.append([row[name] if name != "colour" else "green" for name in row])
    book.save("corrected.xlsx")
    bring("corrected.xlsx")
    assert held() == {("red.png", "colour"): ("green",), ("blue.png", "colour"): ("green",)}


@pytest.mark.parametrize(
    ("column", "cell", "says"),
    [
        ("colour", "gren", "line .: colour has no label 'gren', did you mean 'green'"),
        ("colour", "red|blue", "line .: colour holds one label"),
        ("tags", "shape=round", "line .: there is no group 'shape'"),
        ("tags", "red", "line .: tags are written group=label"),
    ],
)
def test_what_cannot_be_meant_is_refused_whole(place, column, cell, says) -> None:
    run()

    def two(rows):
        rows["red"]["use"] = "work"
        rows["blue"][column] = cell

    correct(two)
    with pytest.raises(CatalogError, match=says):
        bring()
    assert held() == {}


def test_two_changed_cells_that_disagree_are_named(place) -> None:
    run()
    correct(lambda rows: rows["red"].update(colour="green", tags="colour=blue"))
    with pytest.raises(CatalogError, match="'green' in its column and to 'blue' in tags"):
        bring()


def test_new_labels_are_kept_when_they_are_meant(place) -> None:
    run()
    correct(lambda rows: rows["red"].update(colour="Crimson"))
    assert "colour=Crimson (1)" in bring(new_labels=True).notes[-1]
    run()
    assert table()["red.png"]["colour"] == "Crimson"


def test_a_table_with_notes_in_it_is_not_written_over(place) -> None:
    run()
    correct(lambda rows: rows["red"].update(colour="green"))
    rows = table().values()
    with Path("tags.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, [*next(iter(rows)), "my notes"])
        writer.writeheader()
        writer.writerows(row | {"my notes": "ask Bob"} for row in rows)
    done = bring()
    assert len(done.decided) == 1
    assert not done.taken_over
    with pytest.raises(OutputError):
        run()


def test_a_table_that_nobody_here_wrote_is_refused_unless_equal(place) -> None:
    run()
    for copy in Path("ws", FOLDER).iterdir():
        copy.unlink()
    for receipt in Path("ws", "runs").glob("*"):
        receipt.unlink()
    run()
    Path("other.csv").write_text("id,mine\nred.png,1\n")
    with pytest.raises(OutputError, match="no run of this workspace wrote it"):
        run("other.csv")


def test_a_run_killed_around_the_rename_is_no_person(place, monkeypatch) -> None:
    run()
    choose("red.png", "colour", "blue")
    replace = Path.replace

    def dying(self, target):
        done = replace(self, target)
        if str(target).endswith("tags.csv"):
            raise KeyboardInterrupt
        return done

    monkeypatch.setattr(Path, "replace", dying)
    with pytest.raises(KeyboardInterrupt):
        run()  # the table is new, and nothing was done after it got its name
    monkeypatch.setattr(Path, "replace", replace)
    assert table()["red.png"]["colour"] == "blue"
    run()
    assert len(list(Path("ws", FOLDER).iterdir())) == 1
