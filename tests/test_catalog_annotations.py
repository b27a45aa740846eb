"""Tables of labels joined to items: what the table invents beside a label file."""

import pytest

from fashiontag.catalog.annotations import read_annotations
from fashiontag.errors import CatalogError
from fashiontag.labels import parse_labels

IDS = ["a.jpg", "b.jpg"]
LABELS = parse_labels(
    {
        "background": ["a wall"],
        "groups": {
            "colour": {"labels": ["red", {"name": "navy", "implies": ["tone=dark"]}]},
            "tone": {"labels": ["dark", "light"], "templates": ["a {label} thing"]},
        },
    },
    "shop",
    "shop.toml",
)


@pytest.fixture
def read(tmp_path):
    """Write a table and read it."""

    def read(text, labels=LABELS, **options):
        file = tmp_path / "table.csv"
        file.write_text(text, "utf-8")
        return read_annotations(str(file), IDS, labels, **options)

    return read


def test_invented_groups_stand_behind_those_of_the_label_file(read):
    notes = read("image,colour,fit\na,Navy,slim\nb,red,loose\n")
    assert notes.space.groups[:2] == LABELS.groups
    assert (notes.space.name, notes.space.background) == ("shop", LABELS.background)
    assert notes.space.tags[4:] == ("fit=loose", "fit=slim")
    assert notes.targets.tolist() == [[0, 1, 1, 0, 0, 1], [1, 0, -1, -1, 1, 0]]


def test_a_table_that_invents_nothing_has_the_label_file_itself(read):
    assert read("image,colour\na,red\n").space is LABELS


def test_a_probes_word_on_a_group_counts(read):
    like = parse_labels({"groups": {"fit": {"exclusive": False, "labels": ["slim"]}}}, "p", "p")
    assert read("image,fit\na,slim\nb,loose\n").space.group("fit").exclusive
    assert not read("image,fit\na,slim\nb,loose\n", like=like).space.group("fit").exclusive


@pytest.mark.parametrize("cells", ["1,1", "0,1"])
def test_a_column_of_a_label_that_the_file_lacks_counts_as_blank(read, cells):
    notes = read(f"image,colour=purple,colour=red\na,{cells}\n")
    assert notes.space is LABELS
    assert notes.targets.tolist() == [[1, 0, -1, -1]]
    assert "1 cells of 'colour' hold 1 values that the label file doesn't have" in notes.warnings[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image,status=ok,fit\na,1,slim\n", "can't be called 'status'"),
        ("image,fit=a=b\na,1\n", r"table\.csv, group 'fit', label 'a=b'"),
        ("image,tags,fit=slim\na,fit=slim,0\n", r"a\.jpg both has and hasn't fit=slim"),
        ("image,tags\na,colour=red\na,colour=navy\n", "'red' in line 2 and 'navy' in line 3"),
    ],
)
def test_what_contradicts_itself_or_breaks_a_rule_is_refused(read, text, says):
    with pytest.raises(CatalogError, match=says):
        read(text)


@pytest.mark.parametrize(
    ("text", "tags"),
    [
        ("image,fit\na,Slim\nb,SLIM\n", {"fit=Slim"}),
        ("image,tags\na,fit=slim fit|Fit=été\nb,fit=Slim  Fit|fit=e\u0301te\u0301\n", None),
        ("image,Levi’s,levi's\na,1,1\nb,0,0\n", {"table=Levi’s"}),
    ],
)
def test_spellings_of_one_value_are_one_label_and_counted(read, text, tags):
    notes = read(text, labels=None)
    assert set(notes.space.tags) == (tags or {"fit=slim fit", "fit=été"})
    assert "spelled in another way" in " ".join(notes.warnings)


def test_a_table_is_read_in_the_spelling_of_the_probe(read):
    like = parse_labels({"groups": {"fit": {"labels": ["Slim"]}}}, "p", "p")
    assert read("image,fit\na,slim\nb,loose\n", like=like).space.tags[-2:] == (
        "fit=Slim",
        "fit=loose",
    )


def test_a_labelled_parent_leaves_open_what_is_under_it(read):
    kinds = ["shoes", "hats", *({"name": x, "parent": "shoes"} for x in ("boots", "pumps"))]
    one, several = (
        parse_labels({"groups": {"kind": {"labels": kinds, "exclusive": exclusive}}}, "k", "k")
        for exclusive in (True, False)
    )
    table = "image,kind\na,shoes\nb,boots\n"
    assert read(table, one).targets.tolist() == [[1, 0, -1, -1], [0, 0, 1, 0]]
    assert read(table, several).targets.tolist() == [[1, 0, -1, -1], [1, 0, 1, 0]]
    assert read(table, one, unlabeled="negative").targets.tolist() == [[1, 0, 0, 0], [0, 0, 1, 0]]
    wide = read("image,kind=shoes,kind=boots\na,1,0\n", one)
    assert wide.targets.tolist() == [[1, 0, 0, -1]]


def test_a_parent_and_its_child_in_one_row_are_the_child(read):
    labels = parse_labels(
        {
            "groups": {
                "kind": {
                    "labels": ["shoes", {"name": "sneakers", "parent": "shoes"}, "bags"],
                }
            }
        },
        "shop",
        "shop.toml",
    )
    notes = read("image,kind\na,shoes|sneakers\nb,sneakers|shoes\n", labels)
    assert notes.targets.tolist() == [[0, 1, 0]] * 2
    with pytest.raises(CatalogError, match="two values of 'kind'"):
        read("image,kind\na,shoes|sneakers|bags\n", labels)
    invented = read("image,place\na,Women|Women > Shoes\nb,Men\n", None).space.groups[0]
    assert invented.exclusive


def test_a_path_is_one_however_it_is_typed(read):
    notes = read("image,shelf\na,Men>Shoes\nb,Men > Shoes > Boots\n")
    assert notes.space.group("shelf").names == ("Men", "Men > Shoes", "Men > Shoes > Boots")
    assert notes.targets[:, notes.space.span("shelf")].tolist() == [[0, 1, -1], [0, 0, 1]]


def said(notes):
    """Return what is known, by id."""
    rows = zip(notes.rows, notes.targets.tolist(), strict=True)
    return {IDS[place]: dict(zip(notes.space.tags, row, strict=True)) for place, row in rows}


@pytest.mark.parametrize(
    "text",
    [
        "image,kind,trim\na,none,None of these\nb,shoe,zip|lace\n",
        "image,tags\na,kind=none|trim=none\nb,kind=shoe|trim=zip|trim=lace\n",
        "image,kind=shoe,kind=none,trim=zip,trim=lace,trim=none\na,0,1,0,0,1\nb,1,0,1,1,0\n",
    ],
    ids=["attributes", "long", "wide"],
)
def test_none_is_known_to_be_none_of_these(read, text):
    notes = read(text, None)
    assert said(notes) == {
        "a.jpg": {"kind=shoe": 0, "trim=lace": 0, "trim=zip": 0},
        "b.jpg": {"kind=shoe": 1, "trim=lace": 1, "trim=zip": 1},
    }
    assert notes.none == {(0, "kind"), (0, "trim")}


def test_none_outranks_what_another_label_implies_and_contradicts_a_label(read):
    notes = read("image,colour,tone\na,navy,none\nb,navy,\n")
    assert said(notes)["a.jpg"] == {
        "colour=red": 0, "colour=navy": 1, "tone=dark": 0, "tone=light": 0,
    }  # fmt: skip
    assert said(notes)["b.jpg"]["tone=dark"] == 1
    with pytest.raises(CatalogError, match="none of 'colour' by line 3 and is 'red' by line 2"):
        read("image,colour\na,red\na,none\n")
    with pytest.raises(CatalogError, match="names no label at all"):
        read("image,kind\na,none\n", None)


def test_a_decision_outranks_the_tables_cell_and_is_counted(read):
    decided = {"a.jpg": {"colour": ("navy",), "trim": ()}, "b.jpg": {"Colour": ("Poncho",)}}
    notes = read("image,colour,trim\na,red,zip\nb,,lace\n", decided=decided)
    assert "2 answers differ from what people decided" in notes.warnings[-1]
    assert "a.jpg (colour), a.jpg (trim)" in notes.warnings[-1]
    assert said(notes) == {
        "a.jpg": {
            "colour=red": 0, "colour=navy": 1, "colour=Poncho": 0,
            "tone=dark": 1, "tone=light": 0, "trim=lace": 0,
        },
        "b.jpg": {
            "colour=red": 0, "colour=navy": 0, "colour=Poncho": 1,
            "tone=dark": -1, "tone=light": -1, "trim=lace": 1,
        },
    }  # fmt: skip
    assert notes.none == {(0, "trim")}


def test_decisions_alone_are_labels(read):
    decided = {"b.jpg": {"kind": ("shoe",), "colour": ()}}
    notes = read_annotations(None, IDS, LABELS, unlabeled="negative", decided=decided)
    assert said(notes)["b.jpg"] == {
        "colour=red": 0, "colour=navy": 0, "tone=dark": -1, "tone=light": -1, "kind=shoe": 1,
    }  # fmt: skip
    only = read_annotations(None, IDS, LABELS, groups=["kind"], decided=decided)
    assert said(only)["b.jpg"]["colour=red"] == -1
