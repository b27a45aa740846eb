"""Products and variants: photos judged together, in any order, with what speaks against it."""

import csv
import json
import os
import re
import time
from pathlib import Path

import numpy as np
import pytest
from fakes import ColorEncoder, color_picture
from pyarrow import parquet

from fashiontag.catalog import Columns, read_catalog
from fashiontag.catalog.units import by_units, units_of
from fashiontag.cli import run as command
from fashiontag.datamodels import TagScore
from fashiontag.errors import UsageError
from fashiontag.heads.photos import STRANGE, fuse, fuse_scores, strangeness
from fashiontag.heads.statistics import Moments, Statistics
from fashiontag.heads.zeroshot import Scores
from fashiontag.index import Index
from fashiontag.labels import parse_labels
from fashiontag.workflows.exporting import Given
from fashiontag.workflows.products import UnitJudge
from fashiontag.workflows.tag import Judge, Outputs, tag
from fashiontag.workspace import Workspace
from fashiontag.workspace.decisions import Choice, Decisions, Standing
from fashiontag.workspace.embed import embed

SPACE = parse_labels(
    {
        "background": ["teal wall"],
        "groups": {
            "kind": {
                "labels": [
                    {"name": "warm", "prompts": ["red"], "words": ["warm"]},
                    {"name": "cold", "prompts": ["blue"], "words": ["cold"]},
                ]
            },
            "colour": {"labels": ["red", "green", "blue"], "templates": ["{label}"]},
        },
    },
    "toy",
    "toy.toml",
)
HEADER = ("path", "handle", "sku", "title", "kind")
SHOP = (
    ("a1.png", "a", "a-red", "warm thing", ""),
    ("b1.png", "b/c", "", "", "warm"),
    ("a2.png", "a", "a-green", "", ""),
    ("b2.png", "b/c", "", "", ""),
    ("a3.png", "a", "a-red", "", ""),
    ("lone.png", "", "", "", ""),
    ("a4.png", "a", "", "", ""),
)
COLOURS = {
    "a1": "red", "a2": (60, 200, 0), "a3": (250, 20, 10), "a4": (240, 40, 20),
    "b1": "blue", "b2": (20, 10, 240), "lone": "red",
}  # fmt: skip


class Rows(list):
    """A sink that keeps what it is given."""

    def write(self, tagged, item):
        assert item == tagged.photos[0]
        self.append(tagged)


@pytest.fixture
def shop(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    long_ago = time.time() - 60  # what has just been written may be written again unnoticed
    for name, colour in COLOURS.items():
        os.utime(color_picture(tmp_path / f"{name}.png", colour), (long_ago, long_ago))
    write("shop.csv", SHOP)
    return tmp_path


def write(name, rows):
    with Path(name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])


def catalog_of(table="shop.csv", by="product", variant="sku"):
    return by_units(read_catalog(table), by, "handle", variant)


def run(table="shop.csv", by="product", out=None, html=None, **options):
    rows, encoder = Rows(), ColorEncoder()
    with Workspace.open(Path("ws"), encoder) as workspace:
        outputs = None if out is None else Outputs(out, html)
        summary = tag(
            workspace, catalog_of(table, by), SPACE, outputs=outputs, sinks=[rows], **options
        )
    return {row.id: row for row in rows}, summary, encoder


def test_one_photo_is_its_own_answer_to_the_bit():
    row = np.float32([[0.7, 0.2, 0.1]])
    assert fuse(row, np.ones(1), exclusive=True).tolist() == row[0].tolist()


@pytest.mark.parametrize("exclusive", [True, False])
def test_the_order_of_photos_changes_no_bit(exclusive):
    rng = np.random.default_rng(0)
    for count in range(2, 12):
        chances = rng.dirichlet(np.ones(5), count).astype(np.float32)
        weights = rng.random(count)
        answers = {
            fuse(chances[order], weights[order], exclusive=exclusive).tobytes()
            for order in (rng.permutation(count) for _ in range(30))
        }
        assert len(answers) == 1
        (answer,) = ([*map(float, np.frombuffer(one))] for one in answers)
        assert not exclusive or sum(answer) == pytest.approx(1)


def test_photos_that_agree_are_surer_but_not_as_if_they_were_independent():
    row = [0.6, 0.3, 0.1]
    one, four = (fuse(np.array([row] * n), np.ones(n), exclusive=True) for n in (1, 4))
    independent = np.prod([row] * 4, axis=0)
    assert one[0] < four[0] < (independent / independent.sum())[0]


def test_what_a_photo_cant_tell_speaks_against_nothing():
    knows, nothing = [0.9, 0.05, 0.05], [0.0, 0.0, 1.0]
    chances = np.array([knows, nothing, nothing, nothing])
    found = fuse(chances, np.maximum(chances[:, :-1].max(axis=1), 1e-6), exclusive=True)
    assert found[0] == pytest.approx(0.9, abs=0.01)


def test_one_photo_cant_rule_out_what_three_say():
    chances = np.array([[0.9, 0.05, 0.05]] * 3 + [[0.0, 1.0, 0.0]])
    assert fuse(chances, np.ones(4), exclusive=True).argmax() == 0


def test_a_photo_of_something_else_is_strange_and_a_vague_one_is_not():
    shares = np.array([[0.95, 0.02], [0.93, 0.03], [0.01, 0.98], [0.2, 0.25]])
    looks = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]], np.float32)
    strange = strangeness(shares, looks, np.array([1, 1, 1, 0.2]))
    assert strange.argmax() == 2
    assert strange[2] > STRANGE + 1
    assert strange[[0, 1, 3]].max() < STRANGE - 1
    assert strangeness(shares[:1], looks[:1], np.ones(1)).tolist() == [-np.inf]


def test_a_title_says_which_of_two_photos_is_strange():
    shares, looks = np.array([[0.5, 0.4, 0.1], [0.0, 0.1, 0.9]]), np.eye(2, 4, dtype=np.float32)
    alone = strangeness(shares, looks, np.ones(2))
    told = strangeness(shares, looks, np.ones(2), np.array([True, True, False]))
    assert abs(alone[0] - alone[1]) < 1
    assert told[1] > told[0] + 2
    # a title can't make strange what another photo vouches for
    both = strangeness(shares[[1, 1]], looks[[1, 1]], np.ones(2), np.array([True, False, False]))
    assert both.max() < STRANGE - 1


def test_a_photo_that_shows_no_whole_product_counts_for_less():
    labels = np.float32([[0.6, 0.3, 0, 0, 0], [0.3, 0.6, 0, 0, 0]])
    rows = Scores(
        labels=labels,
        unknown=np.float32([[0.1, 1], [0.1, 1]]),
        by_image=labels > 1,
        by_title=labels > 1,
        cuts=np.zeros((2, 2), np.float32),
    )
    for whole, best in (([1.0, 0.0], 0), ([0.0, 1.0], 1)):
        fused = fuse_scores(SPACE, rows, np.array(whole))
        assert fused.labels[0, :2].argmax() == best
    same = fuse_scores(SPACE, rows, np.ones(2))
    assert same.labels[0, 0] == same.labels[0, 1]


def test_what_tells_whole_products_travels_with_the_statistics(tmp_path):
    moments = Moments(*np.zeros((2, 4), np.float32), np.zeros((4, 4), np.float32))
    whole = np.float32([2, 0, 0, 0, -1])
    saved = Statistics(moments, moments, np.zeros(4, np.float32), whole=whole)
    saved.save(tmp_path / "statistics.safetensors")
    loaded = Statistics.load(tmp_path, 4)
    images = np.eye(4, dtype=np.float32)
    assert loaded.shows_whole(images).tolist() == saved.shows_whole(images).tolist()
    assert loaded.shows_whole(images).argmax() == 0
    assert Statistics().shows_whole(images).tolist() == [1] * 4


def test_units_are_what_the_source_says(shop):
    products = units_of(catalog_of())
    assert [(unit.id, unit.photos) for unit in products] == [
        ("a", (0, 2, 4, 6)),
        ("b%2Fc", (1, 3)),
        ("lone.png", (5,)),
    ]
    assert products[0].looks == ((0, 4), (2,))
    variants = units_of(catalog_of(by="variant"))
    assert [(unit.id, unit.photos, unit.looks) for unit in variants] == [
        ("a/a-red", (0, 4, 6), ((0, 4),)),
        ("a/a-green", (2, 6), ((2,),)),
        ("b%2Fc", (1, 3), ((1, 3),)),
        ("lone.png", (5,), ((5,),)),
    ]


@pytest.mark.parametrize(
    ("by", "product", "variant", "said"),
    [
        ("shelf", None, None, "--by shelf: give one of photo, variant, product"),
        ("product", None, None, "name a column with --product-column"),
        (None, None, "sku", "name a column with --product-column"),
        (None, "nobody", None, "--product-column nobody: no such column"),
        ("variant", "handle", None, "name a column with --variant-column"),
    ],
)
def test_what_cant_be_grouped_is_said(shop, by, product, variant, said):
    with pytest.raises(UsageError, match=re.escape(said)):
        by_units(read_catalog("shop.csv"), by, product, variant)


def test_a_photo_without_a_product_is_one_of_its_own_and_counted(shop):
    assert catalog_of().warnings == (
        "1 photos name no product in 'handle': each is one of its own.",
    )


def test_columns_of_a_titles_table_say_the_product_too(shop):
    catalog = read_catalog(".", "shop.csv", Columns(id="path"))
    assert [unit.id for unit in units_of(by_units(catalog, None, "Handle"))] == [
        "a",
        "b%2Fc",
        "lone.png",
    ]


def test_a_product_has_one_row_and_the_colours_of_its_variants(shop):
    rows, summary, _ = run()
    assert list(rows) == ["a", "b%2Fc", "lone.png"]
    assert summary.items == 3
    a = rows["a"]
    assert (a.path, a.title, len(a.photos)) == ("a1.png", "warm thing", 4)
    assert a.labels("kind") == ("warm",)
    assert set(a.labels("colour")) == {"red", "green"}
    assert rows["b%2Fc"].labels("colour") == ("blue",)


def test_colour_is_the_variants_own_and_the_rest_the_products(shop):
    rows, _, _ = run(by="variant")
    assert rows["a/a-red"].labels("colour") == ("red",)
    assert rows["a/a-green"].labels("colour") == ("green",)
    kinds = [[t for t in rows[i].tags if t.group == "kind"] for i in ("a/a-red", "a/a-green")]
    assert kinds[0] == kinds[1]


def test_a_guess_on_one_variant_is_left_out_where_another_is_given_a_label(shop):
    with Workspace.open(Path("ws"), ColorEncoder()) as workspace:
        units = UnitJudge(Judge(workspace, SPACE), catalog_of())
        guess = TagScore("colour", "red", 0.4, "image", "probe", "abstain")
        given = TagScore("colour", "green", 0.9, "image", "probe", "publish")
        assert units._tags(0, [(), (guess,), (given,)])[0] == (given,)
        assert units._tags(0, [(), (guess,), ()])[0] == (guess,)


@pytest.mark.parametrize("by", ["product", "variant"])
def test_the_order_of_photos_changes_no_tag(shop, by):
    first, _, _ = run(by=by, scores=True)
    for number, order in enumerate(([6, 5, 4, 3, 2, 1, 0], [3, 4, 0, 6, 1, 5, 2])):
        write(f"other{number}.csv", [SHOP[place] for place in order])
        rows, _, _ = run(f"other{number}.csv", by=by, scores=True)
        assert {i: row.tags for i, row in rows.items()} == {i: row.tags for i, row in first.items()}
        assert {i: row.scores for i, row in rows.items()} == {
            i: row.scores for i, row in first.items()
        }


def test_windows_and_their_size_change_nothing(shop):
    whole, _, _ = run()
    with Workspace.open(Path("ws"), ColorEncoder()) as workspace:
        catalog = catalog_of()
        judge = Judge(workspace, SPACE, standing=Standing.of(workspace.store, catalog, SPACE))
        units = UnitJudge(judge, catalog)
        windows = [
            [row.id for row in units.add(window, scores=False)]
            for window in embed(workspace, catalog.items, window=2)
        ]
        assert windows == [[], [], [], ["a", "b%2Fc", "lone.png"]]
        again = UnitJudge(judge, catalog)
        rows = [
            row
            for window in embed(workspace, catalog.items, window=3)
            for row in again.add(window, scores=False)
        ]
    assert rows == list(whole.values())


def test_a_second_run_encodes_nothing_and_is_left_out(shop):
    _, first, _ = run(out=shop / "tags.csv")
    _, second, encoder = run(out=shop / "tags.csv")
    assert (first.encoded, second.encoded, second.unchanged) == (6, 0, True)
    assert not encoder.images_seen
    _, photos, encoder = run(by="variant", out=shop / "tags.csv", scores=False)
    assert not photos.unchanged
    assert not encoder.images_seen


def test_the_index_holds_photos_as_ever(shop):
    def kept():
        with Index.open(shop / "ws") as index:
            numbers = range(1, 1 + len(SHOP))
            return [(item.id, item.tags) for item in index.items(list(numbers))]

    with Workspace.open(Path("ws"), ColorEncoder()) as workspace:
        tag(workspace, catalog_of(by="photo"), SPACE)
    by_photo = kept()
    run()
    assert kept() == by_photo
    assert sorted(item for item, _ in by_photo) == sorted(row[0] for row in SHOP)


def test_an_unread_photo_is_named_and_only_a_product_without_any_is_an_error(shop):
    (shop / "a1.png").write_text("no picture")
    (shop / "lone.png").unlink()
    rows, summary, _ = run()
    assert rows["a"].status == "ok"
    assert rows["a"].message.startswith("a1.png: ")
    assert rows["a"].path == "a3.png" or rows["a"].path == "a2.png"
    assert (rows["lone.png"].status, rows["lone.png"].tags) == ("error", ())
    assert summary.errors == 1
    assert dict(summary.reasons) == {"no such file": 1}


def test_conflicts_of_photos_title_and_field(shop):
    rows, _, _ = run()
    said = {(c.group, c.between, c.values) for row in rows.values() for c in row.conflicts}
    assert ("kind", ("b1.png", "field kind"), ("cold", "warm")) in said
    write("odd.csv", [("a1.png", "x", "", "cold", ""), ("a3.png", "x", "", "", "")])
    rows, _, _ = run("odd.csv")
    (conflict,) = rows["x"].conflicts
    assert conflict.between[1] == "title"
    assert conflict.values == ("warm", "cold")


def test_a_foreign_photo_is_reported(shop):
    mixed = [(f"{name}.png", "x", "", "", "") for name in ("a1", "b1", "a3", "a4")]
    write("odd.csv", mixed)
    rows, _, _ = run("odd.csv")
    assert rows["x"].labels("kind") == ("warm",)
    assert rows["x"].message.startswith("b1.png may show another product (cold; a")
    assert rows["x"].conflicts[0].group == "kind"
    assert "b1.png" in rows["x"].conflicts[0].between
    assert not run()[0]["b%2Fc"].message


def test_a_title_says_which_of_two_photos_is_foreign(shop):
    for title, foreign in (("cold thing", "a1.png"), ("warm thing", "b1.png")):
        for order in (("a1.png", "b1.png"), ("b1.png", "a1.png")):
            write("odd.csv", [(name, "x", "", title, "") for name in order])
            assert run("odd.csv")[0]["x"].message.startswith(f"{foreign} may show another product")


def test_a_person_outranks_the_photos_together(shop):
    root = str(shop / "shop.csv")
    with Decisions.open(shop / "ws") as decisions:
        decisions.record([Choice(f"{root}#product", "a", "kind", ("cold",))])
        decisions.record([Choice(root, "b1.png", "colour", ("green",))])
        decisions.record([Choice(root, "a2.png", "kind", ())])  # of one photo, not of the product
    rows, summary, _ = run()
    assert rows["a"].labels("kind") == ("cold",)
    assert [t.method for t in rows["a"].tags if t.group == "kind"] == ["person"]
    assert rows["b%2Fc"].labels("colour") == ("green",)
    assert summary.decided == 3


def test_a_decision_on_a_variants_photo_is_of_that_variant(shop):
    root = str(shop / "shop.csv")
    with Decisions.open(shop / "ws") as decisions:
        decisions.record([Choice(root, "a2.png", "colour", ("blue",))])
        decisions.record([Choice(root, "a2.png", "kind", ("cold",))])
    assert set(run()[0]["a"].labels("colour")) == {"red", "blue"}
    rows, _, _ = run(by="variant")
    assert rows["a/a-red"].labels("colour") == ("red",)
    assert rows["a/a-green"].labels("colour") == ("blue",)
    assert rows["a/a-red"].labels("kind") == ("cold",)  # what it is, is the product's


def test_people_who_disagree_on_photos_are_a_conflict(shop):
    root = str(shop / "shop.csv")
    with Decisions.open(shop / "ws") as decisions:
        decisions.record([Choice(root, "b1.png", "kind", ("warm",))])
        decisions.record([Choice(root, "b2.png", "kind", ("cold",))])
    rows, _, _ = run()
    first = rows["b%2Fc"].conflicts[0]
    assert (first.between, first.values) == (("b1.png", "b2.png"), ("warm", "cold"))


def test_a_decision_on_a_variant_leaves_the_photo_of_that_name_alone(shop):
    root = str(shop / "shop.csv")
    with Decisions.open(shop / "ws") as decisions:
        decisions.record([Choice(f"{root}#product", "lone.png", "kind", ("cold",))])
    with Workspace.open(Path("ws"), ColorEncoder()) as workspace:
        by_photo = []

        class Keep:
            def write(self, tagged, item):
                by_photo.append(tagged)

        tag(workspace, catalog_of(by="photo"), SPACE, sinks=[Keep()])
    assert {row.id: row.labels("kind") for row in by_photo}["lone.png"] == ("warm",)
    assert run()[0]["lone.png"].labels("kind") == ("cold",)


def test_tables_and_the_page_show_products(shop):
    for out in ("t.csv", "t.jsonl", "t.parquet"):
        run(out=shop / out, html=shop / "t.html")
    with Path("t.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0])[-2:] == ["colour", "photos"]
    assert [(row["id"], row["photos"]) for row in rows] == [
        ("a", "4"),
        ("b%2Fc", "2"),
        ("lone.png", "1"),
    ]
    nested = [json.loads(line) for line in (shop / "t.jsonl").read_text("utf-8").splitlines()]
    assert nested[0]["photos"] == 4
    assert nested[0]["evidence"][0].keys() == {"photo", "group", "label", "score"}
    assert isinstance(nested[0]["conflicts"], list)
    stored = parquet.read_table("t.parquet").to_pylist()
    assert [row["evidence"] for row in stored] == [row["evidence"] for row in nested]
    pictures = re.findall(r'id="(t\d+(?:-\d+)?)"', (shop / "t.html").read_text("utf-8"))
    assert pictures == ["t0", "t0-1", "t0-2", "t0-3", "t1", "t1-1", "t2"]


def test_the_command_line_says_products(shop, capsys):
    (shop / "few.toml").write_text("[groups.colour]\nlabels = ['red', 'blue']\n", "utf-8")
    arguments = ["tag", "shop.csv", "--labels", "few.toml", "--by", "variant"]
    arguments += ["--product-column", "handle", "--variant-column", "SKU"]
    assert command(arguments, debug=True) == 0
    assert "4 variants, 0 errors" in capsys.readouterr().out
    with Path("tags.csv").open(encoding="utf-8", newline="") as file:
        assert next(csv.DictReader(file))["id"] == "a/a-red"
    assert command(["tag", "shop.csv", "--by", "product"], debug=False) == 2


def test_rows_of_products_are_exported(shop):
    write_tags = (
        "id,tags,photos\nb%2Fc,kind=cold|colour=blue,2\na,kind=warm|colour=red|colour=green,4\n"
    )
    (shop / "tags.csv").write_text(write_tags, "utf-8")

    class Row:
        product, variant = "b/c", "b-1"

    given = Given.read(shop / "tags.csv", {})
    assert given.of(Row, variant=True) == {"kind": ("cold",), "colour": ("blue",)}
    Row.product = "a"
    assert given.of(Row, variant=True) == {"kind": ("warm",)}
    assert given.of(Row, variant=False)["colour"] == ("red", "green")
