"""What a label file says that nobody meant, and what to write instead."""

import json

import pytest
from commandline import call
from fakes import color_picture

from fashiontag.labelcheck import remarks, unsaid
from fashiontag.labels import load_labels, parse_labels, shipped_labels


def space(labels, **group):
    return parse_labels({"groups": {"a": {"labels": labels, **group}}}, "mine", "mine.toml")


@pytest.mark.parametrize("name", shipped_labels())
def test_the_shipped_files_say_something_everywhere(name):
    assert unsaid(load_labels(name)) == ()


@pytest.mark.parametrize(
    "name",
    [
        *("yes", "No", "TRUE", "n/a", "Other", "One Size"),
        *("M", "s", "XL", "2XL", "XXL", "S/M"),
        *("1", "38", "32/34", "UK 8", "34B", "6-12 months", "50 ml", "7.5"),
        *("—", "❤️"),
    ],
)
def test_labels_that_are_no_words_for_a_picture_are_named(name):
    (remark,) = unsaid(space([name, "red dress"]))
    assert f"1 label is no words for a picture, which will be tagged at random: a={name};" in remark
    assert "words = [" in remark
    assert "visible = false" in remark


@pytest.mark.parametrize(
    "name", ["90s", "polka dot", "no sleeve", "one shoulder", "3/4 sleeve", "A-line", "sizeless"]
)
def test_what_a_picture_can_show_is_no_size(name):
    assert unsaid(space([name, "x-ray"])) == ()


@pytest.mark.parametrize("name", ["красный", "पीला", "赤", "فستان", "красный (red)"])
def test_labels_in_a_script_that_the_embedded_model_cannot_read_are_named(name):
    (remark,) = unsaid(space([name, "été", "Größe mittel"]))
    assert "1 label is in a script that the embedded model can't read" in remark
    assert f"a={name}" in remark
    assert "--model" in remark
    assert unsaid(space([name]), latin_only=False) == ()


@pytest.mark.parametrize(
    "label",
    [
        {"name": "yes", "words": ["vegan leather"]},
        {"name": "M", "prompts": ["a shirt of middle size"]},
        {"name": "38", "visible": False},
        {"name": "赤", "words": ["red"]},
        {"name": "пальто", "aliases": ["coat"]},
    ],
)
def test_the_ways_out_that_are_named_are_ways_out(label):
    assert unsaid(space([label])) == ()
    assert unsaid(space([label["name"]], visible=False)) == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [(["shirt"], ["t-shirt"]), (["watch"], ["watch strap"]), (["top"], ["top handle bag"])],
)
def test_words_inside_those_of_another_label_are_named(first, second):
    (remark,) = remarks(space([{"name": "A", "words": first}, {"name": "B", "words": second}]))
    assert f"1 word is inside other labels' words: '{first[0]}' (A) in '{second[0]}' (B)" in remark


@pytest.mark.parametrize(
    ("first", "second"),
    [("tee", "committee"), ("ring", "earring"), ("shirt", "sweatshirt"), ("cap", "cape")],
)
def test_letters_inside_a_word_are_no_word(first, second):
    assert remarks(space([first, second])) == ()


@pytest.mark.parametrize(
    ("first", "second"),
    [("tee", "Tee"), ("t-shirt", "tshirt"), ("Shirts", "shirt"), ("T shirt", "t-shirt")],
)
def test_a_word_of_two_labels_is_named(first, second):
    labels = [{"name": "A", "words": [first]}, {"name": "B", "aliases": [second]}]
    (remark,) = remarks(space(labels))
    assert "for two labels of which one can hold" in remark
    assert "(A and B)" in remark
    assert remarks(space(labels, exclusive=False)) == ()


def test_words_that_parents_tell_apart_or_share_are_no_remark():
    assert remarks(space(["Women > Boots", "Men > Boots"])) == ()
    assert remarks(space(["shoes", {"name": "casual shoes", "parent": "shoes"}])) == ()
    assert len(remarks(space(["boot", "Boots", "Men > Boots"]))) == 1


def test_many_are_counted_and_the_first_named():
    (remark,) = unsaid(space([str(size) for size in range(30, 44)]))
    assert "14 labels are no words" in remark
    assert "a=34, …" in remark


FILE = """\
[groups.vegan]
labels = ["yes", "no"]
[groups.type]
labels = ["shirt", "t-shirt"]
"""


def test_labels_shows_a_file_with_its_warnings(tmp_path):
    (tmp_path / "mine.toml").write_text(FILE)
    done = call("labels", "mine.toml", cwd=tmp_path)
    assert "vegan=yes, vegan=no" in done.stderr
    assert "'shirt' (shirt) in 't-shirt'" in done.stderr
    assert "warning" not in done.stdout
    done = call("labels", "mine.toml", "--json", cwd=tmp_path)
    assert done.stderr.count("warning") == 2
    assert [text.split(":")[0] for text in json.loads(done.stdout)["warnings"]] == [
        "mine",
        "mine, group 'type'",
    ]
    done = call("labels", "fashion", "--json", cwd=tmp_path)
    assert (json.loads(done.stdout)["warnings"], done.stderr) == ([], "")


def test_tag_warns_of_labels_that_say_nothing_and_counts_them(tmp_path):
    (tmp_path / "mine.toml").write_text(FILE)
    color_picture(tmp_path / "shop" / "a.png", "red")
    done = call("tag", "shop", "--labels", "mine.toml", "--json", cwd=tmp_path)
    assert "2 labels are no words for a picture" in done.stderr
    (warning,) = json.loads(done.stdout)["warnings"]
    assert "vegan=yes, vegan=no" in warning


TITLES = """\
title,brand
Gold jutti,
Jutti with mirrors,
Silk shirt,
Navy vegan shirt in gold,Navy
N/A,
"""


def test_labels_says_what_titles_never_name_and_what_they_say_instead(tmp_path):
    (tmp_path / "kinds.txt").write_text("tops > shirt\ntops > blouse\nnavy\n")
    (tmp_path / "titles.csv").write_text(TITLES)
    asked = ("labels", "kinds.txt", "--titles", "titles.csv")
    done = call(*asked, cwd=tmp_path)
    assert "2 of the labels are named by no title: kinds=tops > blouse, kinds=navy;" in done.stderr
    assert "2 of 4 titles name no label of 'kinds'; words of theirs: jutti (2), mir" in done.stderr
    assert "Of 4 titles 2 name no label" in done.stderr + done.stdout
    assert [line.split()[-2:] for line in done.stdout.splitlines()[3:6]] == [
        ["4", "tops"],
        ["shirt,", "blouse"],
        ["navy"],
    ]
    found = json.loads(call(*asked, "--json", cwd=tmp_path).stdout)
    assert len(found["warnings"]) == 2
    assert found["titles"]["never"] == ["kinds=tops > blouse", "kinds=navy"]
    assert found["titles"]["groups"] == {"kinds": 2}


def test_titles_that_say_nothing_are_one_sentence(tmp_path):
    (tmp_path / "titles.csv").write_text("title\nN/A\n")
    done = call("labels", "--titles", "titles.csv", cwd=tmp_path, code=1)
    assert "no title has a word" in done.stderr
