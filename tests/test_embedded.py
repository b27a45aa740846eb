"""Real runs: the embedded model on the drawn catalogue, and on what arrives in real folders."""

import csv
import os
from pathlib import Path

import numpy as np
import pytest

from fashiontag.catalog import read_catalog
from fashiontag.catalog.images import load_image
from fashiontag.encoders import resolve
from fashiontag.heads.statistics import Statistics
from fashiontag.labels import load_labels, shipped_labels
from fashiontag.workflows.tag import tag
from fashiontag.workspace import Workspace

ROOT = Path(__file__).parents[1]
CATALOG = ROOT / "examples" / "catalog"
BROKEN = Path(os.environ.get("FASHIONTAG_DATA") or ROOT.parent / "shared" / "data") / "broken"
needs_data = pytest.mark.skipif(not BROKEN.is_dir(), reason=f"no real data in {BROKEN}")


@pytest.fixture(scope="module")
def encoder():
    return resolve()


class Rows:
    def __init__(self) -> None:
        self.by_id = {}

    def write(self, tagged, item) -> None:
        self.by_id[item.id] = tagged


def run(encoder, workspace, source, titles=None, labels=None):
    rows = Rows()
    with Workspace.open(workspace, encoder) as opened:
        tag(opened, read_catalog(str(source), titles), load_labels(labels), sinks=[rows])
    return rows.by_id


@pytest.fixture(scope="module")
def workspace(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("workspace")


@pytest.fixture(scope="module")
def truth() -> dict[str, dict[str, str]]:
    with (CATALOG / "truth.csv").open(encoding="utf-8", newline="") as file:
        return {row["image"]: row for row in csv.DictReader(file)}


def test_the_drawn_catalogue_is_tagged_clearly_right(encoder, workspace, truth) -> None:
    rows = run(encoder, workspace, CATALOG, CATALOG / "titles.csv")
    assert set(rows) == set(truth)
    for group, share in (("category", 0.85), ("color", 0.85)):
        given = {name: row.labels(group) for name, row in rows.items() if row.labels(group)}
        right = sum(truth[name][group] in labels for name, labels in given.items())
        assert len(given) >= 0.7 * len(rows), f"{group}: too many cells are empty"
        assert right >= share * len(given), f"{group}: {right} of {len(given)} are right"


def test_every_group_of_the_shipped_files_has_constants(encoder) -> None:
    statistics = Statistics.load(encoder.folder, encoder.dim)
    assert statistics.fitted
    for name in shipped_labels():
        for group in load_labels(name).groups:
            if group.visible:
                assert f"{name}/{group.name}" in statistics.groups


@needs_data
def test_bad_files_are_error_rows_and_good_ones_are_not(encoder, workspace) -> None:
    rows = run(encoder, workspace, BROKEN)
    for name, row in rows.items():
        assert (row.status == "error") == name.startswith("bad_"), f"{name}: {row.message}"
        assert bool(row.message) == (row.status == "error")
    assert rows["ok_1x1.png"].tags == ()
    assert "._applesidecar.jpg" not in rows


TWINS = [
    ["same_stem.jpg", "ok_png_named.jpg", "ok_cmyk.jpg", "ok_cutout_alpha.png"],
    ["ok_upper.JPG", "ok_dot.name.v2.jpeg", "ok_ünïcode 名前.jpg"],
]


@needs_data
@pytest.mark.parametrize("names", TWINS)
def test_one_garment_in_several_formats_gets_one_vector(encoder, names) -> None:
    pictures = [load_image((BROKEN / name).read_bytes()) for name in names]
    vectors = encoder.encode_images([encoder.prepare(picture) for picture in pictures])
    cosines = vectors @ vectors.T
    assert float(cosines.min()) > 0.97, np.round(cosines, 3)


def test_another_label_file_needs_no_torch_where_all_pictures_are_stored(encoder, workspace):
    run(encoder, workspace, CATALOG, CATALOG / "titles.csv")
    fresh = resolve()
    rows = run(fresh, workspace, CATALOG, CATALOG / "titles.csv", "fashion-products")
    assert len(rows) == 35
    assert fresh._loaded is None
