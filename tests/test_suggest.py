"""Which products to label next: diverse, typical, unclear; and a random audit set."""

import csv

import numpy as np
from fakes import COLORS, ColorEncoder, color_picture

from fashiontag.catalog import read_catalog
from fashiontag.catalog.annotations import read_annotations
from fashiontag.heads.active import pick, uncertainty
from fashiontag.heads.groups import GroupSpan
from fashiontag.sinks.tables import write_suggestions
from fashiontag.workflows.learn import gather, train_probe
from fashiontag.workflows.suggest import suggest
from fashiontag.workspace import Workspace


def clusters(count=40, seed=0):
    """Four tight clusters and one outlier far from all."""
    rng = np.random.default_rng(seed)
    x = np.eye(8)[np.repeat(np.arange(4), count)] + 0.05 * rng.normal(size=(4 * count, 8))
    x = np.vstack([x, -np.eye(8)[7]])
    return (x / np.linalg.norm(x, axis=1, keepdims=True)).astype(np.float32)


def test_the_first_picks_are_one_of_each_kind_and_no_outlier():
    chosen = pick(clusters(), 4)
    assert sorted(chosen // 40) == [0, 1, 2, 3]


def test_what_is_clear_comes_last():
    x = clusters()
    unclear = np.where(np.arange(len(x)) // 40 == 2, 1.0, 0.01).astype(np.float32)
    assert (pick(x, 3, unclear) // 40 == 2).all()


def test_unclear_is_where_two_labels_are_alike_or_a_label_is_even():
    chances = np.array([[0.5, 0.5, 0.0], [0.9, 0.1, 0.5]], np.float32)
    found = uncertainty(chances, [GroupSpan(slice(0, 2), True), GroupSpan(slice(2, 3), False)])
    assert np.allclose(found, [0.5, (0.2 + 1) / 2])


def test_suggestions_leave_out_what_is_labelled_and_are_a_table_to_fill(tmp_path):
    shop = tmp_path / "shop"
    rng = np.random.default_rng(0)
    for name, color in COLORS.items():
        for n in range(4):
            shade = np.clip(np.array(color) * 0.8 + rng.integers(0, 50, 3), 0, 255)
            color_picture(shop / f"{name}{n}.png", tuple(int(v) for v in shade))
    labels = tmp_path / "labels.csv"
    labels.write_text("image,shade\nred0,warm\nyellow0,warm\nblue0,cold\nteal0,cold\n")
    catalog = read_catalog(str(shop))
    notes = read_annotations(str(labels), [item.id for item in catalog.items])
    with Workspace.open(tmp_path / "w", ColorEncoder()) as workspace:
        training, _ = gather(workspace, catalog, notes)
        probe = train_probe(workspace, training).probe
        found = suggest(workspace, catalog, count=6, audit=5, probe=probe)
        again = suggest(workspace, catalog, count=6, audit=5, probe=probe)
        plain = suggest(
            workspace, catalog, count=6, labelled={catalog.items[r].id for r in notes.rows}
        )
    assert [one.item.id for one in found] == [one.item.id for one in again]
    assert [one.purpose for one in found] == ["suggested"] * 6 + ["audit"] * 5
    ids = [one.item.id for one in found]
    assert len(set(ids)) == 11
    assert not set(ids) & {"red0.png", "yellow0.png", "blue0.png", "teal0.png"}
    assert all(one.guesses[0] in {"shade=warm", "shade=cold"} for one in found)
    assert len({one.item.id[:-5] for one in plain}) >= 5
    assert np.isnan(plain[0].unclear)
    out = tmp_path / "suggest.csv"
    write_suggestions(out, [(one.item.id, "=1+1", one.purpose, "") for one in found])
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows[0]["title"] == "'=1+1"
    filled = out.read_text().replace("suggested,,\n", "suggested,,shade=warm\n")
    out.write_text(filled.replace("audit,,\n", "audit,,shade=cold\n"))
    read = read_annotations(str(out), [item.id for item in catalog.items])
    assert read.space.tags == ("shade=cold", "shade=warm")
