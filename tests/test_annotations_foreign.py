"""Tables of labels as they come from spreadsheets, annotation tools and data frames."""

import pytest

from fashiontag.catalog import read_catalog
from fashiontag.catalog.annotations import read_annotations
from fashiontag.errors import CatalogError

IDS = [f"{number}.jpg" for number in range(12)]


def read(tmp_path, rows, columns="image,kind", **options):
    """Return the labels of each item, as ``group=label``, and the annotations."""
    path = tmp_path / "labels.csv"
    lines = [f"{number},{row}" for number, row in enumerate(rows)]
    path.write_text("\n".join([columns, *lines]), encoding="utf-8")
    found = read_annotations(str(path), IDS, **options)
    held = {
        int(place): {found.space.tags[at] for at in (row == 1).nonzero()[0]}
        for place, row in zip(found.rows, found.targets, strict=True)
    }
    return held, found


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Jeans", " jeans "),
        ("Caf\u00e9", "CAFE\u0301"),
        ("Knee  high", "knee high"),
        ("Ｔｏｐ", "top"),
    ],
    ids=["case", "unicode form", "blanks", "full width"],
)
def test_spellings_of_a_label_are_one(tmp_path, one, other):
    held, found = read(tmp_path, [one, other, "Dress"])
    assert held[0] == held[1]
    assert len(found.space.tags) == 2


@pytest.mark.parametrize(
    "cell",
    [
        "Jeans;Men",
        "Jeans | Men",
        '"[""Jeans"", ""Men""]"',
        "\"['Jeans', 'Men']\"",
        '"{""choices"": [""Jeans"", ""Men""]}"',
    ],
    ids=["semicolon", "bar", "json", "python", "label studio"],
)
def test_a_cell_may_hold_several_labels(tmp_path, cell):
    held, _ = read(tmp_path, [cell, "Jeans", "Men"])
    assert held == {0: {"kind=Jeans", "kind=Men"}, 1: {"kind=Jeans"}, 2: {"kind=Men"}}


def test_commas_part_only_labels_that_are_known(tmp_path):
    from fashiontag.labels import parse_labels

    groups = {"kind": {"labels": ["Jeans", "Men"], "exclusive": False}}
    known = parse_labels({"groups": groups}, "x", "x.toml")
    held, _ = read(tmp_path, ['"Jeans, men"', "Men"], labels=known)
    assert held[0] == {"kind=Jeans", "kind=Men"}
    assert read(tmp_path, ['"Navy, dark"', "Men"])[0][0] == {"kind=Navy, dark"}


@pytest.mark.parametrize("cell", ["N/A", "-", "na", "#N/A", "NULL", "—", "nan"])
def test_what_says_nothing_is_blank_and_counted(tmp_path, cell):
    held, found = read(tmp_path, [cell, "Jeans", "Dress"])
    assert held == {1: {"kind=Jeans"}, 2: {"kind=Dress"}}
    assert f"{cell!r} (1)" in " ".join(found.warnings)


def test_none_says_that_no_label_holds(tmp_path):
    _, found = read(tmp_path, ["None", "Jeans", "Dress"])
    assert found.targets[0].tolist() == [0, 0]


@pytest.mark.parametrize(
    "values",
    [
        ["2026-05-01", "2026-05-02T10:00:00Z"],
        ["01/05/2026", "2/5/26"],
        ["12.99 EUR", "$ 8", "1.299,00 €"],
        ["10%", "20 %"],
        [f"Runner {chr(65 + number)}" for number in range(12)],
    ],
    ids=["iso dates", "dates", "prices", "shares", "names"],
)
def test_columns_that_teach_nothing_become_no_group(tmp_path, values):
    rows = [f"{('Jeans', 'Dress')[n % 2]},{values[n % len(values)]}" for n in range(12)]
    _, found = read(tmp_path, [row.replace(",00", "") for row in rows], "image,kind,other")
    assert found.space.names == ("kind",)
    assert "other looks like" in " ".join(found.warnings)


@pytest.mark.parametrize(("yes", "no"), [("1.0", "0.0"), ("x", ""), ("✓", ""), ("Y", "n")])
def test_a_mark_is_a_yes(tmp_path, yes, no):
    held, found = read(tmp_path, [f"{yes},{no}", f"{no},{yes}"], "image,Jeans,Men")
    assert held == {0: {"labels=Jeans"}, 1: {"labels=Men"}}
    assert found.targets[0].tolist() == [1, 0]


@pytest.mark.parametrize(
    ("rows", "why"),
    [(["N/A", "-"], "nothing is known"), (["x://y", "x://z"], "looks like"), (["", ""], "no cell")],
)
def test_why_nothing_was_learnt_is_said(tmp_path, rows, why):
    with pytest.raises(CatalogError, match="labels no product") as error:
        read(tmp_path, rows)
    assert why in " ".join(error.value.__notes__)


@pytest.mark.parametrize("rows", [["Jeans", "Dress", "Jeans;Dress"], ["a", "b", "b|a", "a|b"]])
def test_the_row_that_opens_a_group_is_named(tmp_path, rows):
    _, found = read(tmp_path, rows)
    (warning,) = found.warnings
    assert f"{len(rows) - 2} of {len(rows)} products have several values of kind" in warning
    assert "2.jpg is" in warning
    assert "line 4" in warning


@pytest.mark.parametrize("key", ["{}", "{}.jpg", "img/{}.jpg", "https://x/{}.jpg?v=2"])
def test_labels_join_a_tables_items_by_picture(tmp_path, key):
    (tmp_path / "l.csv").write_text("sku,image\nS,img/a.jpg\nT,img/b.jpg\nU,img/a.jpg\n")
    catalog = read_catalog(str(tmp_path / "l.csv"))
    (tmp_path / "labels.csv").write_text(
        f"image,kind\n{key.format('a')},Tee\n{key.format('b')},Bag"
    )
    found = read_annotations(str(tmp_path / "labels.csv"), catalog.names)
    assert [found.space.tags[row.argmax()] for row in found.targets] == [
        "kind=Tee",
        "kind=Bag",
        "kind=Tee",
    ]


def test_the_names_that_an_output_ends_in_are_no_labels(tmp_path):
    _, found = read(tmp_path, ["Tee,x", "Bag,x", "Tee,y"], columns="image,kind,table.line")
    assert found.space.names == ("kind",)
