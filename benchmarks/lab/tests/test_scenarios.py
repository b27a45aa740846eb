"""Taxonomies of a user's own, ways of labelling, and what is counted."""

import numpy as np
import pytest

from benchmarks.lab.bootstrap import FamilyBootstrap
from benchmarks.lab.scenarios import (
    FOLDER,
    WAYS,
    Counts,
    Journal,
    Shelf,
    Taxonomy,
    change,
    mean_of,
    summary,
)
from benchmarks.products import Products
from fashiontag.heads.training import Training
from fashiontag.heads.zeroshot import Scores
from fashiontag.labels import LabelSpace, parse_labels

FILES = sorted(FOLDER.glob("*.toml"))


def products(**columns: list[str]) -> Products:
    count = len(columns["titles"])
    attributes = {
        name: np.array(columns.get(name, [""] * count))
        for name in (
            "articleType", "baseColour", "gender", "usage", "subCategory", "masterCategory",
        )
    }  # fmt: skip
    ids = np.arange(count).astype(str)
    return Products(ids, ids, attributes, {"plain": columns["titles"]})


def tags(taxonomy: Taxonomy, some: Products, row: int) -> tuple[str, ...]:
    return tuple(taxonomy.space.tags[at] for at in np.flatnonzero(taxonomy.truth(some)[row]))


def shelf(*, size: int = 200, labels: int = 5) -> Shelf:
    """Products of a group's labels, a fifth of them of none, two to a family."""
    rng = np.random.default_rng(0)
    space = parse_labels({"groups": {"kind": {"labels": [*"abcde"[:labels]]}}}, "s", "s")
    targets = np.eye(labels + 1, dtype=np.int8)[rng.integers(0, labels + 1, size)][:, :labels]
    vectors = rng.normal(size=(size, 8)).astype(np.float16)
    names = tuple(map(str, range(size)))
    rows = Training(names, names, names, vectors, vectors, space, targets)
    nothing = np.zeros((size, labels), np.float32)
    scores = Scores(nothing, nothing[:, :1], nothing > 1, nothing > 1, nothing[:, :1])
    given = targets == 1
    given[rng.random(size) < 0.4] = False
    return Shelf(rows, np.arange(size) // 2, scores, given)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_taxonomies_are_label_files_over_columns_that_there_are(path) -> None:
    taxonomy = Taxonomy.load(path)
    found = taxonomy.truth(products(titles=["a striped shirt"]))
    assert found.shape == (1, taxonomy.space.size)
    assert taxonomy.exclusive == (path.stem != "styles")


def test_the_first_rule_that_fits_is_the_shelf_and_every_one_the_style() -> None:
    shelves, styles = (Taxonomy.load(FOLDER / f"{name}.toml") for name in ("shelves", "styles"))
    some = products(
        titles=["Striped shirt", "Soap"],
        articleType=["Shirts", "Soap"],
        usage=["Formal", ""],
        baseColour=["Black", ""],
    )
    assert tags(shelves, some, 0) == ("shelf=Office shirts",)
    assert not shelves.truth(some)[1].any()
    assert tags(styles, some, 0) == (
        "style=Office ready",
        "style=Monochrome",
        "style=Checks and stripes",
    )
    assert styles.without_words("Striped soap") == "soap"


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_ways_label_one_product_a_family_and_corrections_only_what_was_not_right(way) -> None:
    pool, rng = shelf(), np.random.default_rng(1)
    rows = way.choose(pool, rng)
    said = way.say(pool, rows, rng)
    assert len(np.unique(pool.families[rows])) == len(rows) > 0
    assert said.shape == (len(rows), 5)
    if "corrections" in way.name:
        assert not pool.right[rows].any()
    assert (said == pool.rows.targets[rows]).all() == ("wrong" not in way.name)


def judged(space: LabelSpace, truth: list[str], given: list[str]) -> Counts:
    hot = [space.multi_hot([[tag] if tag else [] for tag in tags]) for tags in (truth, given)]
    names = tuple(map(str, range(len(truth))))
    blank = np.zeros((len(truth), 4), np.float16)
    rows = Training(names, names, names, blank, blank, space, hot[0].astype(np.int8))
    return Counts.of(hot[1].astype(bool), rows)


def test_a_product_of_no_label_is_right_where_it_is_left_empty() -> None:
    space = parse_labels({"groups": {"kind": {"labels": ["a", "b"]}}}, "s", "s")
    found = judged(space, ["kind=a"] * 3 + [""] * 2, ["kind=a", "kind=b", "", "", "kind=b"])
    assert found.right.tolist() == [1, 0, 0, 1, 0]
    assert found.wrong.tolist() == [0, 1, 0, 0, 1]
    assert found.empty.tolist() == [0, 0, 1, 0, 0]


def test_paths_are_right_where_a_step_above_them_is_given() -> None:
    taxonomy = Taxonomy.load(FOLDER / "paths.toml")
    some = products(titles=[""] * 4, gender=["Men"] * 4, articleType=["Jeans"] * 4)
    truth = [*tags(taxonomy, some, 0)] * 4
    assert truth[0] == "category=Men > Bottomwear > Jeans"
    given = ["Men > Bottomwear > Jeans", "Men > Bottomwear", "Men > Bottomwear > Trousers", ""]
    found = judged(taxonomy.space, truth, [f"category={name}" if name else "" for name in given])
    assert found.right.tolist() == [1, 1, 0, 0]
    assert found.wrong.tolist() == [0, 0, 1, 0]
    assert judged(taxonomy.space, ["category=Men > Shoes"], [truth[0]]).wrong.tolist() == [1]


def test_what_is_lost_and_mended_is_told_apart() -> None:
    judged = shelf()
    nothing = summary(
        mean_of([change(judged, judged.given)]), FamilyBootstrap(judged.families), judged.rows.space
    )
    assert nothing.holds
    assert nothing.lost == nothing.mended == 0
    perfect = change(judged, judged.rows.targets == 1)
    assert perfect.lost.sum() == 0
    assert perfect.mended.sum() == (~judged.right).sum()
    ruined = change(judged, np.roll(judged.rows.targets == 1, 1, axis=1))
    assert not summary(ruined, FamilyBootstrap(judged.families), judged.rows.space).holds


def test_rows_that_are_done_are_found_again_and_a_torn_one_is_not(tmp_path) -> None:
    journal = Journal(tmp_path / "page.partial.jsonl")
    assert journal.find(["a", "b"]) is None
    journal.add(["a", "b"], ["1", "2"])
    with journal.path.open("a") as file:
        file.write('[["a", "c"], ["3"')
    assert journal.find(["a", "b"]) == ["1", "2"]
    assert journal.find(["a", "c"]) is None
