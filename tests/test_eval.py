"""`eval`: what is right, wrong and left empty, of labels alone and of plain tables."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from fashiontag.heads.training import Training
from fashiontag.labels import parse_labels
from fashiontag.verdicts import Case, Counts, judge
from fashiontag.workflows.compare import compare_table
from fashiontag.workflows.evaluate import Judged, left_out_verdict


def case(holds: str, given: str, denied: str | None = None) -> Case:
    excluded = None if denied is None else frozenset(denied.split())
    return Case(f"{holds}>{given}", "g", frozenset(holds.split()), excluded, tuple(given.split()))


def counted(*cases: Case, exclusive=("g",), known="red green blue") -> tuple[int, int, int]:
    found = judge(cases, exclusive, {"g": known.split()})
    return found.right, found.wrong, found.empty


def test_an_exclusive_group_is_one_answer_a_product() -> None:
    assert counted(case("red", "Red")) == (1, 0, 0)
    assert counted(case("red", "green")) == (0, 1, 0)
    assert counted(case("red", "")) == (0, 0, 1)
    assert counted(case("red blue", "blue")) == (1, 0, 0)  # any of several that are true
    assert counted(case("red", "red green")) == (0, 1, 0)
    assert counted(case("", ""), case("", "red")) == (1, 1, 0)  # none of these


def test_an_open_group_is_one_answer_a_label() -> None:
    assert counted(case("red blue", "red green"), exclusive=()) == (1, 1, 1)


def test_what_the_truth_leaves_open_is_not_judged() -> None:
    assert counted(case("red", "red blue", denied="green"), exclusive=()) == (1, 0, 0)
    assert counted(case("", "blue", denied="green")) == (0, 0, 0)


def test_labels_that_nobody_could_give_are_counted() -> None:
    found = judge([case("hat", "red"), case("hat", "")], ["g"], {"g": ["red"]})
    assert (found.right, found.wrong, found.empty) == (0, 1, 1)
    assert found.unknown == {"g=hat": 2}
    (label,) = found.labels
    assert isinstance(label, Counts)
    assert [(one.said, one.true) for one in label.examples] == [
        (("red",), ("hat",)),
        ((), ("hat",)),
    ]


def test_a_plain_table_of_any_program_is_judged(tmp_path) -> None:
    tags, labels = tmp_path / "tags.csv", tmp_path / "labels.csv"
    tags.write_text("id,color,tags\na.jpg,red,\nb.jpg,,\nc.jpg,blue,kind=shoe\n")
    labels.write_text("image,Color,kind\na,RED,shoe\nb,blue,shoe\nc,red,shoe\nz,red,boot\n")
    found, warnings = compare_table(str(labels), tags, Path(tmp_path / "ws"))
    assert (found.products, found.right, found.wrong, found.empty) == (3, 2, 1, 3)
    assert any("1 of 4 rows match no image: z" in warning for warning in warnings)


def test_none_in_labels_is_right_where_nothing_is_given(tmp_path) -> None:
    tags, labels = tmp_path / "tags.csv", tmp_path / "labels.csv"
    tags.write_text("id,color\na.jpg,\nb.jpg,green\nc.jpg,red\nd.jpg,blue\n")
    labels.write_text("image,color\na,none\nb,none\nc,red\nd,blue\ne,pink\n")
    found, _ = compare_table(str(labels), tags, Path(tmp_path / "ws"))
    assert (found.products, found.right, found.wrong, found.empty) == (4, 3, 1, 0)
    assert [(one.label, one.right, one.wrong) for one in found.labels] == [
        ("", 1, 0),
        ("blue", 1, 0),
        ("green", 0, 1),
        ("red", 1, 0),
    ]


UNDER = {"boot": ("shoe",), "pump": ("shoe",)}


def under(holds: str, given: str, *, one: bool, denied: str | None = None) -> tuple[int, ...]:
    found = judge(
        [replace(case(holds, given, denied), above=UNDER)],
        ["g"] if one else (),
        {"g": ("shoe", "boot", "pump")},
    )
    return found.right, found.broader, found.wrong, found.empty


def test_a_child_of_the_true_label_is_right_and_a_parent_as_far_as_it_goes() -> None:
    assert under("shoe", "boot", one=True, denied="hat") == (1, 0, 0, 0)
    assert under("boot", "shoe", one=True) == (1, 1, 0, 0)
    assert under("boot", "pump", one=True) == (0, 0, 1, 0)
    assert under("shoe", "boot shoe", one=False) == (1, 0, 0, 0)
    assert under("boot", "shoe", one=False) == (0, 0, 0, 1)


def test_paths_of_a_plain_table_stand_under_each_other(tmp_path) -> None:
    tags, labels = tmp_path / "tags.csv", tmp_path / "labels.csv"
    tags.write_text("id,shelf\na.jpg,Men > Shoes > Boots\nb.jpg,Men > Shoes\nc.jpg,Women > Hats\n")
    labels.write_text("image,shelf\na,Men>Shoes\nb,Men>Shoes>Boots\nc,Men > Shoes\n")
    found, _ = compare_table(str(labels), tags, Path(tmp_path / "ws"))
    assert (found.right, found.broader, found.wrong, found.empty) == (2, 1, 1, 0)


def test_a_group_of_which_one_label_holds_is_said_to_get_one():
    space = parse_labels({"groups": {"kind": {"labels": ["Bag", "Shoe", "Tee"]}}}, "s", "s")
    nothing = np.zeros((1, 2), np.float16)
    rows = Training(("a",), ("k",), ("",), nothing, nothing, space, np.array([[1, 0, 0]], np.int8))
    chances = np.array([[0.5, 0.3, 0.2]], np.float32)
    cuts = np.zeros_like(chances), np.full_like(chances, np.inf)
    found = left_out_verdict(Judged(rows, np.zeros(1, np.int64), chances, *cuts), promised=False)
    assert (found.right, found.wrong, found.empty) == (1, 0, 0)
