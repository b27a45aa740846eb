"""Label files: what ships, what is refused, and the arithmetic between tags and columns."""

import csv
import json
import os
import re
import subprocess
import sys
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pytest

from fashiontag.errors import LabelFileError, UsageError
from fashiontag.labels import Group, Label, load_labels, parse_labels, shipped_labels

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("FASHIONTAG_DATA", ROOT.parent / "shared" / "data"))
STYLES = DATA / "fashion-products" / "styles.csv"
DEFAULT_GROUPS = [
    *("category", "color", "pattern", "material", "sleeve", "neckline", "length", "fit"),
    *("occasion", "season", "audience", "style", "closure"),
]

SMALL = """
background = ["a blank wall"]

[groups.kind]
templates = ["a photo of a {label}", "{label}"]
labels = [
  "Belts",
  { name = "Tshirts", words = ["t-shirt", "tee"], aliases = ["T Shirt"], implies = ["part=Top"] },
  { name = "Trousers", aliases = ["slacks"] },
  { name = "Gift", prompts = ["a wrapped box"], visible = false },
]

[groups.part]
labels = [{ name = "Top", implies = ["family=Apparel"] }, "Bottom"]

[groups.family]
exclusive = false
labels = ["Apparel", "Other"]
"""


@pytest.fixture
def small(tmp_path):
    path = tmp_path / "small.toml"
    path.write_text(SMALL, encoding="utf-8")
    return load_labels(path)


@pytest.fixture(scope="module")
def styles():
    if not STYLES.is_file():
        pytest.skip(f"no catalogue at {STYLES}; set FASHIONTAG_DATA to its folder")
    with STYLES.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


# --- what ships ---------------------------------------------------------------------------------


def test_default_covers_its_thirteen_groups():
    space = load_labels()
    assert space.name == "fashion"
    assert list(space.names) == DEFAULT_GROUPS
    assert space.size >= 150
    assert {"dress", "t-shirt", "shirt", "shorts", "skirt", "hat"} <= set(
        space.group("category").names
    )


def test_both_shipped_files_are_found_by_name():
    assert shipped_labels() == ("fashion", "fashion-products")


def test_fashion_products_holds_exactly_the_values_of_the_data(styles):
    for group in load_labels("fashion-products").groups:
        values = {row[group.name] for row in styles} - {"", "NA"}
        assert set(group.names) == values
        assert group.exclusive


def test_implications_hold_for_99_percent_of_the_data(styles):
    space = load_labels("fashion-products")
    names = ("articleType", "subCategory", "masterCategory")
    pairs = {(a, b): defaultdict(Counter) for a in names for b in names}
    for row in styles:
        for (a, b), counts in pairs.items():
            counts[row[a]][row[b]] += 1
    checked = 0
    for tag in space.tags:
        child, value = tag.split("=")
        for parent in space.implied_by(tag):
            group, wanted = parent.split("=")
            found = pairs[child, group][value]
            assert found[wanted] >= 0.99 * found.total(), f"{tag} -> {parent}: {found}"
            checked += 1
    assert checked > 250


@pytest.mark.parametrize("name", ["fashion", "fashion-products"])
def test_shipped_prompts_are_several_and_natural(name):
    for group in load_labels(name).groups:
        assert 3 <= len(group.templates) <= 8
        for label in group.labels:
            sentences = group.sentences(label)
            assert len(sentences) >= 3
            for sentence in sentences:
                assert "{" not in sentence
                assert not re.search(r"\ba [aeio]", sentence), sentence
                assert not re.search(r"[a-z]{2}[A-Z]|Tshirt", sentence), sentence


@pytest.mark.parametrize("name", ["fashion", "fashion-products"])
def test_no_term_of_a_shipped_file_names_two_labels_of_a_group(name):
    for group in load_labels(name).groups:
        owners = defaultdict(set)
        for label in group.labels:
            for term in label.terms:
                owners[re.sub(r"[^a-z0-9]", "", term)].add(label.name)
        assert {term: names for term, names in owners.items() if len(names) > 1} == {}


# --- reading ------------------------------------------------------------------------------------


def test_words_replace_name_and_aliases_in_prompts(small):
    kind = small.group("kind")
    belts, tshirts, trousers, gift = kind.labels
    assert kind.sentences(belts) == ("a photo of a Belts", "Belts")
    assert kind.sentences(tshirts) == (
        "a photo of a t-shirt",
        "t-shirt",
        "a photo of a tee",
        "tee",
    )
    assert kind.sentences(trousers) == (
        "a photo of a Trousers",
        "Trousers",
        "a photo of a slacks",
        "slacks",
    )
    assert kind.sentences(gift) == ("a wrapped box",)


def test_terms_are_name_aliases_and_words():
    label = Label("Tshirts", aliases=("T Shirt",), words=("tee", "tshirts"))
    assert label.terms == ("tshirts", "t shirt", "tee")


def test_background_and_defaults(small):
    assert small.background == ("a blank wall",)
    assert small.group("kind").exclusive
    assert not small.group("family").exclusive
    assert small.visible.tolist() == [True, True, True, False, True, True, True, True]


def test_text_file_is_one_exclusive_group(tmp_path):
    path = tmp_path / "mood.txt"
    path.write_text("\ufeffcosy\r\n\r\n  loud \r\n", encoding="utf-8")
    space = load_labels(path)
    assert space.tags == ("mood=cosy", "mood=loud")
    assert space.group("mood").exclusive
    assert "cosy" in space.group("mood").sentences(Label("cosy"))


@pytest.mark.parametrize(
    "text",
    [
        "# moods of the shop\ncosy\nloud\n",
        "#cosy, loud, calm\n  # indented\ncosy\nloud",
        "- cosy\n- loud\n",
        "• cosy\n* loud\n",
        "1. cosy\n2) loud\n",
    ],
)
def test_comments_and_bullets_of_a_text_file_are_no_labels(tmp_path, text):
    path = tmp_path / "mood.txt"
    path.write_text(text, encoding="utf-8")
    assert load_labels(path).group("mood").names == ("cosy", "loud")


def test_a_text_file_keeps_what_only_looks_like_a_bullet(tmp_path):
    path = tmp_path / "mood.txt"
    path.write_text("-cold\n1.5 m\n90s\nC#\n")
    assert load_labels(path).group("mood").names == ("-cold", "1.5 m", "90s", "C#")


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("red, blue, green\n", ["line 1", "a comma", "one label a line", ".toml"]),
        ("red\nbags, wallets & belts", ["line 2", "a comma"]),
        ("red;blue", ["a semicolon"]),
        ("# colours\nred\t12\nblue\t3", ["line 2", "a tab"]),
        ("# red\n\n# blue\n", ["no labels", "comment"]),
        ("", ["no labels"]),
        ("Red\nblue\nred", ["'Red' and 'red'"]),
    ],
)
def test_lists_and_paths_in_a_text_file_are_refused_with_the_way_out(tmp_path, text, named):
    path = tmp_path / "colours.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LabelFileError) as caught:
        load_labels(path)
    assert all(part in str(caught.value) for part in [str(path), *named])


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("red", "red"),
        ("Red", "RED"),
        ("T-shirt", "t-shirt"),
        ("off white", "off  white"),
        ("été", "e\u0301te\u0301"),
        ("ÉTÉ", "été"),
        ("XXL", "ＸＸＬ"),
        ("Levi's", "Levi’s"),
        ("Straße", "STRASSE"),
    ],
)
def test_twins_are_refused_and_both_named(first, second):
    content = {"groups": {"a": {"labels": ["other", first, {"name": second, "words": ["x"]}]}}}
    with pytest.raises(LabelFileError) as caught:
        parse_labels(content, "mine", "mine.toml")
    assert f"'{first}' and '{second}'" in str(caught.value)
    assert "twice" in str(caught.value)


def test_twin_groups_are_refused_and_both_named():
    content = {"groups": {"Color": {"labels": ["red"]}, "color": {"labels": ["blue"]}}}
    with pytest.raises(LabelFileError, match="'Color' and 'color'"):
        parse_labels(content, "mine", "mine.toml")


@pytest.mark.parametrize(("first", "second"), [("été", "ete"), ("T-shirt", "T shirt"), ("A", "Ä")])
def test_what_differs_by_more_than_spelling_is_no_twin(first, second):
    content = {"groups": {"a": {"labels": [first, second]}}}
    assert parse_labels(content, "mine", "mine.toml").group("a").names == (first, second)


# --- tags and columns ---------------------------------------------------------------------------


def test_implied_follows_the_chain_in_column_order(small):
    assert small.implied(["kind=Tshirts"]) == ("kind=Tshirts", "part=Top", "family=Apparel")
    assert small.implied_by("kind=Tshirts") == ("part=Top", "family=Apparel")
    assert small.implied_by("family=Apparel") == ()


def test_multi_hot_and_span(small):
    rows = [["kind=Belts", "family=Other"], [], ["part=Top"]]
    matrix = small.multi_hot(rows)
    assert matrix.shape == (3, small.size)
    assert matrix.dtype == np.bool_
    assert small.tags[small.span("part")] == ("part=Top", "part=Bottom")


def test_unknown_tag_is_named_with_the_nearest(small):
    with pytest.raises(UsageError, match=r"'kind=Belt'.*'kind=Belts'"):
        small.multi_hot([["kind=Belt"]])
    with pytest.raises(UsageError, match="kind, part, family"):
        small.group("colour")


# --- parts and unions ---------------------------------------------------------------------------


def test_only_keeps_order_and_drops_implications_to_others_and_empty_groups(small):
    part = small.only({"family=Apparel", "kind=Tshirts", "kind=Belts", "no=such tag"})
    assert part.tags == ("kind=Belts", "kind=Tshirts", "family=Apparel")
    assert part.name == small.name
    assert part.background == small.background
    assert part.group("kind").templates == small.group("kind").templates
    assert part.implied_by("kind=Tshirts") == ()
    assert small.only(["part=Top", "family=Apparel"]).implied_by("part=Top") == ("family=Apparel",)
    assert small.only(small.tags) == small


def test_with_joins_groups_and_labels_and_takes_the_others_word_on_exclusiveness(small):
    other = parse_labels(
        {
            "background": ["a black wall"],
            "groups": {
                "new": {"labels": [{"name": "x", "implies": ["kind=Hat"]}]},
                "kind": {
                    "exclusive": False,
                    "templates": ["{label}!"],
                    "labels": ["Hat", {"name": "Tshirts", "words": ["jersey"]}],
                },
            },
        },
        "other",
        "other.toml",
    )
    both = small.with_(other)
    assert both.names == ("kind", "part", "family", "new")
    assert both.group("kind").names == ("Belts", "Tshirts", "Trousers", "Gift", "Hat")
    assert not both.group("kind").exclusive
    assert both.group("kind").templates == small.group("kind").templates
    assert both.group("kind").labels[1].words == ("t-shirt", "tee")
    assert (both.name, both.background) == (small.name, small.background)
    assert both.implied_by("new=x") == ("kind=Hat",)
    assert parse_labels(both.content(), both.name, "both") == both
    assert both.hash != small.hash
    assert small.with_(other, name="union").name == "union"
    assert small.with_(small) == small


# --- identity -----------------------------------------------------------------------------------


def test_hash_is_of_the_content_alone(small, tmp_path):
    other = tmp_path / "renamed.toml"
    other.write_text("# a comment\n" + SMALL.replace("  ", "    "), encoding="utf-8")
    assert load_labels(other).hash == small.hash
    assert re.fullmatch(r"[0-9a-f]{64}", small.hash)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Belts", "Belt"),
        ('"tee"', '"tees"'),
        ("a blank wall", "a wall"),
        ("visible = false", "visible = true"),
        ("exclusive = false", "exclusive = true"),
        ('"Apparel", "Other"', '"Other", "Apparel"'),
    ],
)
def test_hash_changes_with_the_content(small, tmp_path, old, new):
    assert old in SMALL
    changed = tmp_path / "changed.toml"
    changed.write_text(SMALL.replace(old, new), encoding="utf-8")
    assert load_labels(changed).hash != small.hash


@pytest.mark.parametrize("name", ["fashion", "fashion-products"])
def test_content_survives_json(name):
    space = load_labels(name)
    again = parse_labels(json.loads(json.dumps(space.content())), name, "stored labels")
    assert again == space
    assert again.hash == space.hash


# --- what is refused ----------------------------------------------------------------------------

REFUSED = {
    "broken toml": ("[groups.a\n", ["line 1"]),
    "no groups": ("background = ['x']", ["no groups"]),
    "group twice": ("[groups.a]\nlabels=['x']\n[groups.a]\nlabels=['y']", ["line 3"]),
    "top key": ("[group.a]\nlabels=['x']", ["'group'", "'groups'"]),
    "group key": ("[groups.a]\nlabels=['x']\nexclusiv=true", ["'a'", "'exclusive'"]),
    "label key": ("[groups.a]\nlabels=[{name='x', word=['y']}]", ["'a'", "'x'", "'words'"]),
    "fixed column": ("[groups.title]\nlabels=['x']", ["'title'", "fixed column"]),
    "fixed column, review": ("[groups.review]\nlabels=['x']", ["'review'", "fixed column"]),
    "pipe in label": ("[groups.a]\nlabels=['x|y']", ["'a'", "'x|y'"]),
    "equals in label": ("[groups.a]\nlabels=['x=y']", ["'a'", "'x=y'"]),
    "equals in group": ("[groups.'a=b']\nlabels=['x']", ["'a=b'"]),
    "line break in label": ('[groups.a]\nlabels=["x\\ny"]', ["'a'", "one line"]),
    "label twice": ("[groups.a]\nlabels=['x', {name='x'}]", ["'a'", "'x'", "twice"]),
    "unknown as label": ("[groups.a]\nlabels=['unknown']", ["'a'", "'unknown'"]),
    "empty group": ("[groups.a]\nlabels=[]", ["'a'", "no labels"]),
    "group is text": ("[groups]\na='x'", ["'a'", "text"]),
    "labels is text": ("[groups.a]\nlabels='x'", ["'a'"]),
    "label is number": ("[groups.a]\nlabels=[1]", ["'a'", "label 1", "number"]),
    "label without name": ("[groups.a]\nlabels=[{words=['x']}]", ["'a'", "label 1", "name"]),
    "blank name": ("[groups.a]\nlabels=['  ']", ["'a'", "label 1", "empty"]),
    "blank word": ("[groups.a]\nlabels=[{name='x', words=[' ']}]", ["'a'", "'x'", "words"]),
    "name in a group": ("[groups.a]\nname='b'\nlabels=['x']", ["'a'", "unknown key 'name'"]),
    "words is text": ("[groups.a]\nlabels=[{name='x', words='y'}]", ["'a'", "'x'", "words"]),
    "flag is text": ("[groups.a]\nexclusive='no'\nlabels=['x']", ["'a'", "exclusive"]),
    "template without label": ("[groups.a]\ntemplates=['a photo']\nlabels=['x']", ["'a photo'"]),
    "template with another field": (
        "[groups.a]\ntemplates=['{label} by {brand}']\nlabels=['x']",
        ["'a'", "{brand}", "only thing"],
    ),
    "implies nothing": (
        "[groups.a]\nlabels=[{name='x', implies=['a=z']}]",
        ["'a'", "'x'", "'a=z'"],
    ),
    "implies itself": (
        """[groups.a]
        labels=[{name='x', implies=['b=y']}]
        [groups.b]
        labels=[{name='y', implies=['a=x']}]""",
        ["'a'", "'x'", "itself"],
    ),
    "applies to nothing": (
        "[groups.a]\nlabels=['x']\n[groups.b]\nlabels=['y']\napplies=['a=z']",
        "group 'b' applies to 'a=z', which no label is",
    ),
    "applies to itself": (
        "[groups.a]\nlabels=['x', 'y']\napplies=['a=x']",
        "group 'a' applies to tags of a; name those of one other group",
    ),
    "implies a rival": (
        "[groups.a]\nlabels=[{name='x', implies=['a=y']}, 'y']",
        ["'a'", "'x'", "two labels"],
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_refused_with_file_group_and_label(case, tmp_path):
    text, named = REFUSED[case]
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(LabelFileError) as caught:
        load_labels(path)
    message = str(caught.value)
    assert caught.value.exit_code == 1
    assert "\n" not in message
    for part in [str(path), *named]:
        assert part in message


def test_not_utf8_is_refused(tmp_path):
    path = tmp_path / "latin.toml"
    path.write_bytes("[groups.a]\nlabels=['été']".encode("latin-1"))
    with pytest.raises(LabelFileError, match="UTF-8"):
        load_labels(path)


def test_text_file_named_like_a_column_is_refused(tmp_path):
    path = tmp_path / "tags.txt"
    path.write_text("red\n")
    with pytest.raises(LabelFileError, match="fixed column"):
        load_labels(path)


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("fashon", ["'fashon'", "did you mean 'fashion'", "fashion-products"]),
        ("nowhere/labels.toml", ["nowhere/labels.toml", "fashion-products"]),
        (".", ["folder"]),
    ],
)
def test_unknown_label_file_is_a_usage_error(asked, named):
    with pytest.raises(UsageError) as caught:
        load_labels(asked)
    assert caught.value.exit_code == 2
    for part in named:
        assert part in str(caught.value)


def test_other_suffix_is_a_usage_error(tmp_path):
    path = tmp_path / "labels.csv"
    path.write_text("red\n")
    with pytest.raises(UsageError, match=r"\.toml"):
        load_labels(path)


def test_group_background_comes_back_with_its_group():
    group = parse_labels(
        {"groups": {"sleeve": {"labels": ["long"], "background": ["a watch"]}}}, "x", "x"
    ).group("sleeve")
    assert isinstance(group, Group)
    assert group.background == ("a watch",)


def test_reading_labels_loads_nothing_heavy():
    code = (
        "import sys; from fashiontag.labels import load_labels; load_labels();"
        "print(*{m.split('.')[0] for m in sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )
    heavy = {"torch", "pandas", "sklearn", "scipy", "faiss", "datasets", "PIL", "open_clip"}
    assert not heavy & set(done.stdout.split())


# --- labels under others ------------------------------------------------------------------------


def one_group(labels, **options):
    content = {"groups": {"a": {"labels": labels, **options}}}
    return parse_labels(content, "mine", "mine.toml")


def test_a_path_makes_its_parents_and_its_last_part_is_its_word():
    space = one_group(["Women>Shoes > Heels", "Men  >Shoes", "Women"])
    names = ("Women > Shoes", "Women > Shoes > Heels", "Men", "Men > Shoes", "Women")
    assert space.group("a").names == names
    heels = space.labels[1]
    assert (heels.word, heels.parent, heels.terms) == ("Heels", "Women > Shoes", ("heels",))
    assert "a product photo of Women Shoes Heels" in space.groups[0].sentences(heels)
    assert [label.name for label in space.groups[0].above(heels)] == ["Women > Shoes", "Women"]
    assert space.links == ((1, 0), (0, 4), (3, 2))
    assert space.lowest.tolist() == [False, True, False, True, False]
    assert parse_labels(json.loads(json.dumps(space.content())), "mine", "mine") == space


def test_lines_of_a_text_file_may_be_paths(tmp_path):
    path = tmp_path / "shelf.txt"
    path.write_text("Women > Shoes\n- Women > Dresses\nSale\n")
    space = load_labels(path)
    assert space.group("shelf").names == ("Women", "Women > Shoes", "Women > Dresses", "Sale")
    assert space.group("shelf").exclusive


def test_a_label_implies_what_its_parent_does_and_in_an_open_group_its_parent():
    labels = ["knit", {"name": "cable", "parent": "Knit"}]
    assert one_group(labels).implied(["a=cable"]) == ("a=cable",)
    assert one_group(labels, exclusive=False).implied(["a=cable"]) == ("a=knit", "a=cable")
    content = {
        "a": {"labels": [{"name": "x", "implies": ["b=y"]}, {"name": "z", "parent": "x"}]},
        "b": {"labels": ["y"]},
    }
    assert parse_labels({"groups": content}, "m", "m").implied_by("a=z") == ("b=y",)


def test_what_is_implied_through_another_gives_way_to_what_stands_under_it():
    content = {
        "type": {
            "labels": ["shoes", {"name": "sneakers", "parent": "shoes", "implies": ["style=sport"]}]
        },
        "style": {"labels": [{"name": "sport", "implies": ["type=shoes"]}]},
    }
    space = parse_labels({"groups": content}, "m", "m")
    assert space.implied(["type=sneakers"]) == ("type=sneakers", "style=sport")
    assert space.implied(["style=sport"]) == ("type=shoes", "style=sport")
    assert space.tags_above == {"type=sneakers": ("type=shoes",)}


def test_no_arrow_and_no_size_is_a_path():
    assert one_group(["A -> B", ">38", "under>>over"]).size == 3


def test_a_label_whose_parent_goes_stands_under_the_next_one_above():
    space = one_group(["a > b > c"])
    assert space.only({"a=a", "a=a > b > c"}).labels[1].parent == "a"
    assert space.only({"a=a > b > c"}).links == ()


@pytest.mark.parametrize(
    ("labels", "named"),
    [
        (["shoe", {"name": "b", "parent": "shoes"}], ["'b'", "'shoes'", "did you mean 'shoe'"]),
        (
            [{"name": "b", "parent": "c"}, {"name": "c", "parent": "b"}],
            ["'b'", "under itself (b > c > b)", "circle"],
        ),
        ([{"name": "b", "parent": "b"}], ["under itself"]),
        (
            ["m", "w", {"name": "b", "parent": "m"}, {"name": "b", "parent": "w"}],
            ["'b' and 'b'", '"m > b", "w > b"'],
        ),
        (["b > > c"], ["'b >  > c'", "empty part"]),
        ([{"name": "b > c", "parent": "d"}, "d"], ["'b > c'", "'b' by its name", "'d'"]),
        ([{"name": "b", "parent": ["c"]}], ["'b'", "parent is a list", "NAME"]),
        (
            ["b", "d", {"name": "c", "parent": "b", "implies": ["a=d"]}],
            ["'c'", "two labels of the exclusive group 'a'"],
        ),
    ],
)
def test_a_wrong_parent_is_refused_in_one_sentence(labels, named):
    with pytest.raises(LabelFileError) as caught:
        one_group(labels)
    message = str(caught.value)
    assert "\n" not in message
    assert all(part in message for part in ["mine.toml", "'a'", *named])
