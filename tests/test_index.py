"""The index: it matches its source, filters by what items have, and finds the nearest exactly."""

import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashiontag.catalog import FileRef
from fashiontag.datamodels import Item
from fashiontag.errors import StoreError
from fashiontag.index import (
    DATABASE,
    DERIVED,
    GUEST,
    Entry,
    Index,
    Part,
    Placement,
    Titles,
    closeness,
    engine,
    nearest,
)
from fashiontag.index.nearest import _widen, chance_level, members
from fashiontag.words import split


def entry(item, *, title="", tags=(), fields=None, image=None):
    path = f"/shop/{item}"
    return Entry(
        Item(item, path, title, title, fields or {}, FileRef(path)),
        tags,
        image_key=image or f"picture of {item}",
        text_key=f"text of {title}" if title else None,
    )


@pytest.fixture
def index(tmp_path):
    with Index.open(tmp_path) as opened:
        yield opened


def replace(index, entries, root="/shop", fingerprint="m"):
    return index.replace_source(root, entries, fingerprint=fingerprint, model="M", labels="L")


def numbers(index, fingerprint="m"):
    return index.placement(fingerprint, lambda _, keys: np.zeros(len(keys), np.int64)).numbers


def having(index, text):
    """Return the places of the items whose titles have words of a text."""
    titles = index.said("m", numbers(index))
    return np.flatnonzero(closeness(index.words(text), titles)).tolist()


def contents(index):
    return {item.id: item for item in index.items(numbers(index).tolist())}


# -- matching a source ----------------------------------------------------------------------------


def test_changes_are_told_apart(index):
    replace(index, [entry(x) for x in ("same", "edited", "moved", "went")])
    changes = replace(
        index,
        [
            entry("same"),
            entry("edited", image="another picture"),
            entry("moved away", image="picture of moved"),
            entry("came"),
        ],
    )
    assert (changes.new, changes.changed, changes.renamed, changes.gone, changes.unchanged) == (
        1, 1, 1, 1, 1,
    )  # fmt: skip
    assert set(contents(index)) == {"same", "edited", "moved away", "came"}
    assert contents(index)["moved away"].path == "/shop/moved away"


def test_a_source_is_replaced_alone(index):
    replace(index, [entry("a")], root="/one")
    replace(index, [entry("a"), entry("b")], root="/two")
    replace(index, [], root="/two")
    assert [(s.root, s.items, s.model) for s in index.sources()] == [
        ("/two", 0, "M"),
        ("/one", 1, "M"),
    ]


def test_a_part_of_a_source_leaves_the_rest(index):
    replace(index, [entry("a"), entry("b")])
    changes = index.replace_source(
        "/shop",
        [entry("b", title="New"), entry("c", image="picture of a")],
        fingerprint="m",
        model="M",
        labels="L",
        complete=False,
    )
    assert (changes.new, changes.changed, changes.gone, changes.unchanged) == (1, 1, 0, 1)
    assert set(contents(index)) == {"a", "b", "c"}


def test_entries_that_fail_halfway_leave_the_index_as_it_was(index):
    replace(index, [entry("a")])

    def broken():
        yield entry("b")
        raise RuntimeError("the source is gone")

    with pytest.raises(RuntimeError, match="gone"):
        replace(index, broken())
    assert set(contents(index)) == {"a"}
    replace(index, [entry("c")])  # and the next attempt starts clean
    assert set(contents(index)) == {"c"}


def test_tags_nobody_judged_stay_as_long_as_picture_and_title_do(index):
    tags = ("color=red",)
    replace(
        index, [entry(x, title="T", tags=tags) for x in ("same", "moved", "retitled", "new pic")]
    )
    replace(
        index,
        [
            entry("same", title="T", tags=None),
            entry("moved 2", title="T", tags=None, image="picture of moved"),
            entry("retitled", title="U", tags=None),
            entry("new pic", title="T", tags=None, image="other"),
        ],
    )
    assert {item: one.tags for item, one in contents(index).items()} == {
        "same": tags,
        "moved 2": tags,
        "retitled": (),
        "new pic": (),
    }
    assert len(index.matching("color", "=", "red")) == 2


item_lists = st.lists(
    st.tuples(st.sampled_from("abcdef"), st.sampled_from("xyz"), st.sampled_from("rgb")),
    max_size=6,
    unique_by=lambda one: one[0],
)


@given(st.lists(item_lists, min_size=1, max_size=6))
@settings(max_examples=40, deadline=None)
def test_after_any_sequence_the_index_holds_exactly_the_last_source(tmp_path_factory, states):
    with Index.open(tmp_path_factory.mktemp("ws")) as index:
        before = {}
        for state in states:
            now = {item: (picture, color) for item, picture, color in state}
            changes = replace(
                index,
                [
                    entry(
                        item,
                        image=picture,
                        title=f"{picture} {color}",
                        tags=(f"color={color}",),
                        fields={"c": color},
                    )
                    for item, (picture, color) in now.items()
                ],
            )
            held = contents(index)
            assert {item: one.tags for item, one in held.items()} == {
                item: (f"color={color}",) for item, (_, color) in now.items()
            }
            for color in "rgb":
                wanted = sum(one[1] == color for one in now.values())
                assert len(index.matching("color", "=", color)) == wanted
                assert len(index.matching("table.c", "=", color)) == wanted
                assert len(having(index, color)) == wanted
            assert changes.unchanged == sum(before.get(item) == one for item, one in now.items())
            assert changes.unchanged + changes.changed + changes.renamed + changes.gone == len(
                before
            )
            assert changes.unchanged + changes.changed + changes.renamed + changes.new == len(now)
            before = now


SHOPPING = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from fashiontag.index import Index
from test_index import STATES, entry, replace
for number, state in enumerate(STATES):
    with Index.open(Path(sys.argv[1])) as index:
        replace(index, [entry(item, title=title) for item, title in state.items()])
    print(number, flush=True)
"""
# 200 states of a shop of some 300 items, each with a few added, changed and taken away.
STATES = [
    {f"{n}.jpg": f"title {(n + step) % 40}" for n in range(300) if (n * 7 + step) % 11}
    for step in range(200)
]


@pytest.mark.parametrize("wait", [0.0, 0.013, 0.031, 0.057, 0.101])
def test_after_kill_9_the_index_holds_what_was_acknowledged(tmp_path, wait):
    """Or what was about to be: the transaction may have ended before its word got out."""
    child = subprocess.Popen(
        [sys.executable, "-c", SHOPPING, str(tmp_path), str(Path(__file__).parent)],
        stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    told = [child.stdout.readline()]
    time.sleep(wait)
    child.kill()
    told += child.stdout.read().splitlines()
    child.wait()
    last = int(told[-1])
    assert last < len(STATES) - 1, "it ended before it was killed"
    with Index.open(tmp_path) as index:
        held = {item: one.title for item, one in contents(index).items()}
        assert held in (STATES[last], STATES[last + 1])
        assert having(index, "title") == list(range(len(held)))
        replace(index, [entry(item) for item in ("a", "b")])
        assert set(contents(index)) == {"a", "b"}


def test_placement_is_found_anew_only_after_a_change(index):
    asked = []

    def find(kind, keys):
        asked.append(kind)
        return np.arange(len(keys))

    replace(index, [entry("a"), entry("b", title="T")])
    for _ in range(2):
        placement = index.placement("m", find)
    assert asked == ["image", "text"]
    assert placement.images.tolist() == [0, 1]
    replace(index, [entry("b")])
    assert index.placement("m", find).numbers.tolist() == placement.numbers[1:].tolist()
    assert len(asked) == 4


def test_known_titles_are_found_by_id_and_say_their_picture(index):
    replace(index, [entry("a", title="One", fields={"sku": "007"}), entry("b")])
    assert index.titles("/shop")["a"].title == "One"
    assert index.titles("/shop")["a"].fields == {"sku": "007"}
    assert index.titles("/shop")["a"].image_key == "picture of a"
    assert list(index.titles("/shop")) == ["a", "b"]
    assert index.titles("/elsewhere") == {}


def test_doctor_can_say_what_faiss_runs_on():
    import faiss

    told = engine()
    assert told["version"] == faiss.__version__
    assert told["active"] == "CPU" or "GPU" in told["active"]
    assert told["compiled for"]


def test_a_file_that_is_no_index_is_one_sentence(tmp_path):
    (tmp_path / "index.sqlite").write_text("no database, " * 100)
    with pytest.raises(StoreError, match=r"not a database.*delete index.sqlite .*--workspace"):
        Index.open(tmp_path)


# -- values ---------------------------------------------------------------------------------------


def test_values_match_as_numbers_or_as_text(index):
    prices = {"a": "9", "b": "50.0", "c": "120", "d": "on request", "e": "nan", "f": ""}
    replace(index, [entry(item, fields={"price": price}) for item, price in prices.items()])
    by_number = dict(zip(numbers(index).tolist(), prices, strict=True))

    def having(operator, value):
        found = index.matching("table.price", operator, value)
        return "".join(sorted(by_number[number] for number in found.tolist()))

    assert having("<", 60.0) == "ab"
    assert having(">=", 50.0) == "bc"
    assert having("=", 50.0) == "b"
    assert having("=", "50.0") == "b"
    assert having("=", "50") == ""
    assert having("=", "On Request") == "d"
    assert having(">", "o") == "d"
    assert having("=", "") == "f"


@pytest.mark.parametrize("asked", ["Levi's", "LEVI’S", "levi`s ", "Ｌevi's"])
def test_values_are_one_in_any_spelling(index, asked):
    brands = {"a": "Levi’s", "b": "Levi's", "c": "Levis"}
    replace(index, [entry(item, fields={"brand": brand}) for item, brand in brands.items()])
    assert len(index.matching("table.brand", "=", asked)) == 2
    replace(index, [entry("a", fields={"brand": "Levi´s"})])
    assert len(index.matching("table.brand", "=", asked)) == 1


def test_columns_go_with_their_last_value(index):
    replace(index, [entry("a", tags=("color=red", "color=blue"), fields={"Price": "5"})])
    assert index.columns() == ("color", "table.Price")
    replace(index, [entry("a")])
    assert index.columns() == ()


def test_order_is_that_of_numbers_or_of_texts(index):
    fields = ["10", "9", "b", "A", "9.0", "ä"]
    replace(index, [entry(str(at), fields={"f": text}) for at, text in enumerate(fields)])
    first = int(numbers(index)[0])

    def having(operator, value):
        return "".join(sorted(str(n - first) for n in index.matching("table.f", operator, value)))

    for _ in range(2):  # the second time from what the first one kept
        assert having("=", 9.0) == "14"
        assert having("<", 10.0) == "14"
        assert having("<=", 10.0) == "014"
        assert having(">", 9.0) == "0"
        assert having("<=", "a") == "3"
        assert having(">", "a") == "25"
        assert having(">=", "ä") == "5"
        assert having("<", "0") == ""
        assert having("=", "c") == ""


# -- words of titles ------------------------------------------------------------------------------


def test_words_are_found_in_any_case_with_or_without_accents(index):
    titles = ["Robe été", "ROBE rouge", "प्यारा कुर्ता", "T-shirt", "", "Ёлка 501™ №7"]
    replace(index, [entry(str(at), title=title) for at, title in enumerate(titles)])
    assert having(index, "robe") == [0, 1]
    assert having(index, "Été") == having(index, "ETE") == having(index, "e\u0301te\u0301") == [0]
    assert having(index, "कुर्ता") == [2]
    assert having(index, "t-shirt") == [3]
    assert having(index, "ёлка") == having(index, "501") == having(index, "7") == [5]
    assert having(index, '"; OR *') == []
    assert np.diff(index.said("m", numbers(index)).starts).tolist() == [2, 2, 2, 2, 0, 3]


def test_titles_are_kept_until_the_index_changes(index):
    replace(index, [entry("a", title="Red dress"), entry("b", title="Blue dress")])
    assert having(index, "dress") == [0, 1]
    before = numbers(index)
    index._database.execute("DELETE FROM words")  # only what was kept can answer now
    assert having(index, "dress") == [0, 1]
    replace(index, [entry("a", title="Red dress"), entry("c", title="Blue shirt dress")])
    assert having(index, "blue shirt") == [1]
    # of a state that the index has just left, and of which the new one holds a part, or more
    lengths = lambda state: np.diff(index.said("m", state).starts).tolist()  # noqa: E731
    assert lengths(before) == [2, 0]
    assert lengths(numbers(index)) == [2, 3]
    now = numbers(index)
    replace(index, [entry("a"), entry("c", title="Blue shirt dress"), entry("d", title="Tie")])
    assert lengths(numbers(index)) == [0, 3, 1]
    assert lengths(now) == [0, 3]


def kept_files(workspace):
    return sorted((workspace / DERIVED).rglob("*.npy"))


def test_only_the_present_state_is_kept(index, tmp_path):
    for title in ("Red dress", "Blue dress"):
        replace(index, [entry("a", title=title)])
        assert having(index, "dress") == [0]
    assert [path.name for path in (tmp_path / DERIVED).iterdir()] == [str(index.generation())]
    assert len(kept_files(tmp_path)) == 4  # the placement; whose titles, their words and starts


@pytest.mark.parametrize("damage", [b"", b"no array"])
def test_what_can_not_be_kept_or_read_is_made_again(index, tmp_path, damage):
    replace(index, [entry("a", title="Red dress", tags=("color=red",))])
    assert having(index, "dress") == [0]
    for path in kept_files(tmp_path):
        path.write_bytes(damage)
    with Index.open(tmp_path) as again:
        assert having(again, "dress") == [0]
    shutil.rmtree(tmp_path / DERIVED)
    (tmp_path / DERIVED).write_text("no folder can be made here")
    with Index.open(tmp_path) as again:
        assert having(again, "dress") == [0]
        assert len(again.matching("color", "=", "red")) == 1


def test_what_another_database_kept_is_not_read(index, tmp_path):
    replace(index, [entry("a", title="Red dress")])
    assert having(index, "dress") == [0]
    (tmp_path / DATABASE).unlink()
    with Index.open(tmp_path) as new:
        replace(new, [entry("b", title="Blue shirt"), entry("c", title="Tie dress")])
        assert having(new, "dress") == [1]


def test_words_of_what_went_go_too(index):
    replace(index, [entry("a", title="Red dress"), entry("b", title="Blue dress")])
    replace(index, [entry("a", title="Red shirt")])
    assert index._database.execute("SELECT count(*) FROM words").fetchone() == (1,)
    assert having(index, "dress") == []


def test_what_has_gone_meanwhile_is_left_out(index):
    replace(index, [entry("a"), entry("b")])
    before = numbers(index).tolist()
    replace(index, [entry("b")])
    assert [item.id for item in index.items(before)] == ["b"]


@pytest.mark.parametrize(("version", "way"), [(5, "delete index.sqlite there"), (9, "update")])
def test_an_index_of_another_format_is_refused(index, tmp_path, version, way):
    index._database.execute(f"PRAGMA user_version = {version}")
    with pytest.raises(StoreError, match=f"has format {version}, .* reads 6; {way}.*--workspace"):
        Index.open(tmp_path)


def said(titles):
    """Return `Titles` of texts, and a function from a query to the numbers of its words."""
    known = {}
    parts = [
        np.array([known.setdefault(w, len(known)) for w in split(t)], "<i4").tobytes()
        for t in titles
    ]
    return Titles.join(parts), lambda text: [known.get(w, -1) for w in dict.fromkeys(split(text))]


def test_a_title_with_all_words_and_little_else_is_nearest():
    titles, words = said(["red dress", "red shirt", "red dress by them", "", "blue trousers"])

    def near(query, weight=1.0):
        return closeness(words(query), titles, weight)

    dress, shirt, long, none, trousers = near("Red dress dress!")
    assert 1 > dress > long > shirt > none == trousers == 0
    assert near("dress")[0] > near("dress unheard")[0] > 0
    assert 0 < near("dress silk")[0] < 0.2 * near("dress")[0]  # a half is worth an eighth
    assert not near("unheard of").any()
    assert not near("?!").any()
    assert not near("red dress", weight=0.0).any()
    assert near("red dress", weight=2.0)[0] == pytest.approx(1 - (1 - dress) ** 2)


def test_half_of_the_words_are_worth_an_eighth_of_all():
    titles, words = said(["a b", "b", "a"])
    both, second, first = closeness(words("a b"), titles)
    assert both == pytest.approx(8 * first) == pytest.approx(8 * second)


def test_what_leads_a_title_is_its_brand_and_takes_nothing_away():
    titles, words = said(["dress", "some long brand dress", "dress shirt", "brand dress dress"])
    bare, branded, other, twice = closeness(words("dress"), titles)
    assert bare == branded == twice > other > 0


# -- distances ------------------------------------------------------------------------------------


def unit(array):
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)


def placed(images, texts=None, families=None, pictures=None):
    n = len(images)
    own = -np.arange(1, n + 1)
    return Placement(
        numbers=np.arange(1, n + 1) * 10,
        families=own if families is None else np.array(families),
        pictures=own if pictures is None else np.array(pictures),
        images=np.array(images),
        texts=np.full(n, -1) if texts is None else np.array(texts),
    )


@pytest.fixture
def random():
    return np.random.default_rng(0)


def test_widening_is_exact_for_every_finite_half():
    halves = np.arange(65536, dtype=np.uint16).view(np.float16)
    finite = halves[np.isfinite(halves)].reshape(1, -1)
    assert (_widen(finite).view(np.int32) == finite.astype(np.float32).view(np.int32)).all()


def test_nearest_agrees_with_brute_force(random):
    """Both modalities, centred, one item in three without a title, rows in any order."""
    pictures = unit(random.normal(size=(3000, 16))).astype(np.float16)
    titles = unit(random.normal(size=(3000, 16)) + 1).astype(np.float16)
    mean = titles.astype(np.float32).mean(axis=0)
    query = unit(random.normal(size=16))
    images = random.permutation(3000)
    texts = np.where(np.arange(3000) % 3 == 0, -1, random.permutation(3000))
    parts = [
        Part(pictures, images, query, None, 0.4),
        Part(titles, texts, query, mean, 0.6),
    ]
    found = nearest(placed(images, texts), parts, 25)

    by_picture = pictures[images].astype(np.float64) @ query
    by_title = unit(titles[texts].astype(np.float64) - mean) @ query
    scores = np.where(texts < 0, by_picture, 0.4 * by_picture + 0.6 * by_title)
    assert found.positions.tolist() == np.argsort(-scores)[:25].tolist()
    # 1e-4: what halves, which aren't quite of unit length, cost the one-pass formula
    assert found.scores == pytest.approx(scores[found.positions], abs=1e-4)


def test_words_take_a_title_nearer_and_leave_the_rest_where_it_is(random):
    vectors = unit(random.normal(size=(50, 16)))
    part = Part(vectors.astype(np.float16), np.arange(50), vectors[7], None, 1.0)
    words = np.zeros(50, np.float32)
    plain = nearest(placed(range(50)), [part], 50)
    same = nearest(placed(range(50)), [part], 50, words=words)
    assert (same.scores == plain.scores).all()
    words[3] = 0.75
    found = nearest(placed(range(50)), [part], 50, words=words)
    cosine = plain.scores[plain.positions.tolist().index(3)]
    assert found.scores[found.positions.tolist().index(3)] == pytest.approx(0.75 + 0.25 * cosine)
    assert (np.diff(found.scores) <= 0).all()


@pytest.mark.parametrize(
    ("numbers", "positions"),
    [
        ([50, 70, 4990], [4, 6, 498]),  # in no sense near
        ([4990, 70, 3, 50, 70, 9990, 0], [4, 6, 498]),  # any order, twice, and of no item
        (range(20, 5000, 20), range(1, 499, 2)),
    ],
)
def test_a_filter_is_applied_before_the_cut(random, numbers, positions):
    pictures = unit(random.normal(size=(500, 8))).astype(np.float16)
    query = unit(random.normal(size=8))
    rows = np.arange(500)
    part = Part(pictures, rows, query, None, 1.0)
    among = np.flatnonzero(members(placed(rows).numbers, np.array(numbers)))
    assert among.tolist() == sorted(positions)
    found = nearest(placed(rows), [part], 10, among=among)
    near = sorted(positions, key=lambda row: -(pictures[row].astype(np.float32) @ query))
    assert found.positions.tolist() == near[:10]


def test_items_without_a_vector_are_no_hits():
    pictures = np.eye(3, dtype=np.float16)
    part = Part(pictures, np.array([0, -1, 2]), np.float32([0, 1, 0]), None, 1.0)
    assert nearest(placed([0, -1, 2]), [part], 5).positions.tolist() == [0, 2]


def test_families_and_equal_pictures_fold_into_their_best():
    vectors = unit(np.array([[1, 0.1 * i] for i in range(6)])).astype(np.float16)
    rows = np.arange(6)
    part = Part(vectors, rows, np.float32([1, 0]), None, 1.0)
    placement = placed(rows, families=[7, 8, 7, -4, 8, 7], pictures=[1, 2, 3, 4, 5, 4])
    folded = nearest(placement, [part], 10)
    assert folded.positions.tolist() == [0, 1, 3]
    assert folded.folded.tolist() == [2, 1, 1]
    assert nearest(placement, [part], 2).positions.tolist() == [0, 1]
    assert nearest(placement, [part], 10, fold=False).positions.tolist() == [0, 1, 2, 3, 4, 5]


def test_hundreds_of_copies_do_not_crowd_out_the_rest():
    vectors = np.ones((1001, 2), dtype=np.float16)
    vectors[1000] = [1, 0]
    rows = np.arange(1001)
    part = Part(vectors, rows, np.float32([1, 1]), None, 1.0)
    placement = placed(rows, pictures=[5] * 1000 + [6])
    assert nearest(placement, [part], 2).positions.tolist() == [0, 1000]


def test_auto_keeps_what_chance_would_not_give(random):
    noise = unit(random.normal(size=(2000, 64)))
    query = unit(random.normal(size=64))
    rows = np.arange(2000)

    def hits(vectors):
        part = Part(vectors.astype(np.float16), rows, query, None, 1.0)
        return nearest(placed(rows), [part], 10, floor="auto").positions.tolist()

    assert hits(noise) == []
    noise[[7, 1500]] = unit(query + 0.5 * unit(random.normal(size=(2, 64))))
    assert sorted(hits(noise)) == [7, 1500]


def test_few_scores_show_no_distribution():
    assert chance_level(np.linspace(0, 1, 199, dtype=np.float32)) == -np.inf


def test_a_floor_is_inclusive():
    part = Part(np.eye(2, dtype=np.float16), np.array([0, 1]), np.float32([1, 0]), None, 1.0)
    assert nearest(placed([0, 1]), [part], 5, floor=1.0).positions.tolist() == [0]


def test_one_style_is_one_family(index):
    titles = ["Nike Men Red Tee 7", "nike men BLUE tee", "Nike Tee Men", "Red", "Nike", "Nike", ""]
    replace(index, [entry(str(i), title=title) for i, title in enumerate(titles)])
    families = index.placement("m", lambda _, keys: np.zeros(len(keys))).families.tolist()
    assert families[0] == families[1]
    assert len(set(families)) == 6


def file_entry(name, path, *tags):
    return Entry(Item(name, path, "", "", {}, FileRef(path)), tags, f"{path}-key", None)


@pytest.mark.parametrize("folder_first", [True, False])
def test_a_file_that_python_named_too_is_one_item(tmp_path, folder_first):
    facts = {"fingerprint": "f", "model": "m", "labels": "l"}
    with Index.open(tmp_path) as index:

        def by_folder():
            index.replace_source("/shop", [file_entry("a.jpg", "/shop/a.jpg", "c=folder")], **facts)

        def by_python(where):
            files = [
                file_entry("shop/a.jpg", "/shop/a.jpg", "c=python"),
                file_entry("b.jpg", "/elsewhere/b.jpg", "c=python"),
            ]
            index.replace_source(f"{GUEST}{where}", files, complete=False, **facts)

        if folder_first:
            by_folder()
        by_python("/one")
        by_python("/two")
        if not folder_first:
            by_folder()
        assert sorted((source.root, source.items) for source in index.sources()) == [
            ("/shop", 1), (f"{GUEST}/one", 0), (f"{GUEST}/two", 1),
        ]  # fmt: skip
        assert len(index.matching("c", "=", "folder")) == 1
        assert len(index.matching("c", "=", "python")) == 1
