"""A run whose table would be the very one that is there isn't run."""

import json
import os
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fakes import ColorEncoder, color_picture

from fashiontag.catalog import read_catalog
from fashiontag.index import Index
from fashiontag.labels import parse_labels
from fashiontag.vectors import VectorStore
from fashiontag.workflows.tag import Outputs, TagSummary, tag
from fashiontag.workspace import Workspace, receipts
from fashiontag.workspace.decisions import Choice, Decisions

GROUPS = {"colour": {"labels": ["red", "green"], "templates": ["{label}"]}}
SPACE = parse_labels({"groups": GROUPS}, "toy", "toy.toml")


@pytest.fixture
def place(tmp_path) -> Path:
    long_ago = time.time() - 60  # what has just been written may be written again unnoticed
    for name in ("red", "green"):
        path = color_picture(tmp_path / "shop" / f"{name}.png", name)
        os.utime(path, (long_ago, long_ago))
    (tmp_path / "titles.csv").write_text("image,title\nred.png,A red dress\n")
    return tmp_path


def run(place: Path, *, space=SPACE, scores=False, out="tags.csv") -> TagSummary:
    catalog = read_catalog(str(place / "shop"), place / "titles.csv")
    with Workspace.open(place / "ws", ColorEncoder()) as workspace:
        return tag(workspace, catalog, space, outputs=Outputs(place / out), scores=scores)


def test_the_same_again_is_left_out_and_says_the_same(place) -> None:
    first = run(place)
    assert not first.unchanged
    assert (first.items, first.encoded) == (2, 2)
    stamp = (place / "tags.csv").stat()
    second = run(place)
    assert second == replace(first, encoded=0, unchanged=True, seconds=second.seconds)
    assert (place / "tags.csv").stat() == stamp


def test_an_absent_picture_keeps_no_run_from_being_left_out(place) -> None:
    line = {"product": "p", "variant": None, "url": "", "title": "", "fields": {}}
    here = {**line, "id": "p/1", "position": 1, "path": "red.png"}
    absent = {**line, "id": "p/2", "position": 2, "path": None, "url": "https://a.example/2.png"}
    gone = {**line, "id": "p/3", "position": 3, "path": "gone.png"}
    lines = "".join(f"{json.dumps(one)}\n" for one in (here, absent, gone))
    (place / "shop/catalog.jsonl").write_text(lines)
    (place / "shop/import.json").write_text("{}")

    def again() -> TagSummary:
        catalog = read_catalog(str(place / "shop"))
        with Workspace.open(place / "ws", ColorEncoder()) as workspace:
            return tag(workspace, catalog, SPACE, outputs=Outputs(place / "tags.csv"))

    assert (again().unchanged, again().unchanged) == (False, True)
    color_picture(place / "shop/gone.png", "green")
    found = again()
    assert (found.unchanged, found.encoded) == (False, 1)


def title(place) -> None:
    (place / "titles.csv").write_text("image,title\nred.png,A green dress\n")


def picture(place) -> None:
    color_picture(place / "shop" / "red.png", "blue")


def more(place) -> None:
    color_picture(place / "shop" / "blue.png", "blue")


def table_saved_again(place) -> None:
    table = place / "tags.csv"
    table.write_bytes(b"\xef\xbb\xbf" + table.read_bytes().replace(b"\n", b"\r\n"))


def decided(place) -> None:
    with Decisions.open(place / "ws") as decisions:
        decisions.record([Choice(str(place / "shop"), "red.png", "colour", ("green",))])


def table_gone(place) -> None:
    (place / "tags.csv").unlink()


def receipt_torn(place) -> None:
    (receipt,) = (place / "ws" / receipts.FOLDER).iterdir()
    receipt.write_text(receipt.read_text()[:40])


def index_replaced(place) -> None:
    with Index.open(place / "ws") as index:
        index.replace_source("/elsewhere", [], fingerprint="f", model="m", labels="")


def vectors_pruned(place) -> None:
    with VectorStore.open(place / "ws") as store:
        store.prune(keep=[])


@pytest.mark.parametrize(
    "change",
    [
        *(title, picture, more, decided),
        *(table_saved_again, table_gone, receipt_torn, index_replaced, vectors_pruned),
    ],
)
def test_whatever_changed_it_runs(place, change) -> None:
    run(place)
    written = (place / "tags.csv").read_bytes()
    change(place)
    assert not run(place).unchanged
    if change not in (title, picture, more, decided):
        assert (place / "tags.csv").read_bytes() == written


def test_other_labels_and_other_options_run(place) -> None:
    run(place)
    assert run(place).unchanged
    other = parse_labels({"groups": GROUPS, "background": ["a wall"]}, "toy", "toy.toml")
    assert not run(place, space=other).unchanged
    assert not run(place, scores=True, out="tags.jsonl").unchanged
    assert not run(place, out="other.csv").unchanged


def test_a_newer_program_runs(place, monkeypatch) -> None:
    run(place)
    monkeypatch.setattr(receipts, "_program", lambda: "another")
    assert not run(place).unchanged


def test_a_picture_that_was_just_written_is_looked_at_again(place) -> None:
    more(place)
    run(place)
    assert not run(place).unchanged
