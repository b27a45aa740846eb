"""Search and index from end to end, with an encoder that can be read by eye."""

import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import encoder_folders
import pytest
from fakes import ColorEncoder, color_picture
from hypothesis import given, settings
from hypothesis import strategies as st

from fashiontag.catalog import FileRef, read_catalog
from fashiontag.datamodels import Item
from fashiontag.encoders import resolve
from fashiontag.errors import (
    CatalogError,
    FashiontagError,
    ForeignEncoderError,
    QueryError,
    StoreError,
    UsageError,
)
from fashiontag.index import Index
from fashiontag.index import where as filters
from fashiontag.index.columns import number
from fashiontag.vectors import VectorStore
from fashiontag.workflows.indexing import index_source
from fashiontag.workflows.search import Query
from fashiontag.workflows.search import search as search_in
from fashiontag.workspace import Workspace, indexed_model, indexed_sources
from fashiontag.workspace.neighbours import refresh_neighbours


@pytest.fixture
def shop(tmp_path):
    """Six pictures of one colour each; the titles say it, but for the misleading one."""
    folder = tmp_path / "shop"
    for color in ("red", "green", "blue", "yellow", "black"):
        color_picture(folder / f"{color}.png", color)
    color_picture(folder / "sub" / "untitled red.png", (250, 5, 5))
    old = time.time() - 60  # or the store would not trust the files' times
    for path in folder.rglob("*.png"):
        os.utime(path, (old, old))
    (tmp_path / "titles.csv").write_text(
        "image,title,price,brand\n"
        "red.png,Red dress,50,Zara's\n"
        "green.png,Green dress,9,O\n"
        "blue.png,Blue shirt,120,O\n"
        "yellow.png,Blue bag,15.5,O\n"
        "black.png,Black shirt,n/a,O\n"
    )
    return folder


@pytest.fixture
def workspace(tmp_path):
    return tmp_path / "ws"


@pytest.fixture
def encoder():
    return ColorEncoder()


def index(shop, workspace, encoder, titles=True, source=None):
    table = shop.parent / "titles.csv" if titles else None
    catalog = read_catalog(str(source or shop), table)
    with Workspace.open(workspace, encoder) as opened:
        return index_source(opened, catalog, keep_titles=not titles)


def search(workspace, encoder, *, query="", image=None, minus="", **options):
    asked = Query(query, image, minus, **options)
    with Workspace.indexed(workspace, encoder) as opened:
        return search_in(opened, asked)


@pytest.fixture
def indexed(shop, workspace, encoder):
    index(shop, workspace, encoder)
    return workspace


def ids(result):
    return [hit.id for hit in result.hits]


# -- queries --------------------------------------------------------------------------------------


def test_words_find_pictures_and_titles(indexed, encoder):
    """Picture and title that agree beat either; a blue title lifts yellow over red and green."""
    result = search(indexed, encoder, query="something blue", k=3, fold=False, image_weight=0.5)
    assert ids(result) == ["blue.png", "black.png", "yellow.png"]
    assert [hit.rank for hit in result.hits] == [1, 2, 3]
    assert result.hits[0].title == "Blue shirt"
    assert result.query == "something blue"


def test_the_weight_of_pictures_can_be_said(indexed, encoder):
    """Pictures alone don't know of the misleading title, titles alone believe it."""

    def best(weight):
        result = search(indexed, encoder, query="blue", k=3, fold=False, image_weight=weight)
        return [hit.id for hit in result.hits if hit.score > 0.99]

    assert best(1.0) == ["blue.png"]
    assert sorted(best(0.0)) == ["blue.png", "yellow.png"]
    with pytest.raises(UsageError, match="image-weight"):
        search(indexed, encoder, query="blue", image_weight=1.5)


def test_a_title_that_has_the_very_words_is_nearer(shop, workspace, encoder):
    """To the encoder, which knows colours only, the two red titles are equally far from yellow."""
    table = shop.parent / "titles.csv"
    table.write_text("image,title\nred.png,Red dress\nsub/untitled red.png,Red shirt\n")
    index(shop, workspace, encoder)

    def scores(words, **given):
        found = search(workspace, encoder, query=words, fold=False, **given)
        by_id = {hit.id: hit.score for hit in found.hits}
        return by_id["red.png"], by_id["sub/untitled red.png"]

    dress, shirt = scores("yellow")
    all_words, no_word = scores("dress")
    assert all_words > no_word + 0.05
    assert scores("yellow dress")[0] > dress
    assert scores("yellow dress")[1] == shirt
    assert scores("yellow shirt")[1] > shirt
    assert scores("yellow shirt")[0] == dress
    assert scores("yellow dress", image_weight=1) == scores("yellow", image_weight=1)


def test_a_picture_finds_pictures(indexed, encoder, tmp_path):
    path = color_picture(tmp_path / "query.png", (240, 240, 10))
    assert ids(search(indexed, encoder, image=path, k=1)) == ["yellow.png"]


def test_like_this_but_in_that_colour(indexed, encoder, shop):
    """Like the red picture, but in yellow: yellow comes before what is only as near to red."""
    path = shop / "red.png"
    joint = ids(search(indexed, encoder, query="yellow", image=path, fold=False))
    assert joint[:3] == ["sub/untitled red.png", "red.png", "yellow.png"]
    words = search(indexed, encoder, query="yellow", fold=False)
    assert ids(words)[:3] != joint[:3]
    assert search(indexed, encoder, query="yellow", image=path).query == f"yellow + {path}"


def test_minus_turns_away(indexed, encoder, shop):
    kept = search(indexed, encoder, image=shop / "yellow.png", minus="green", k=3, fold=False)
    assert ids(kept)[0] == "yellow.png"
    assert "green.png" not in ids(kept)
    assert "green.png" in ids(search(indexed, encoder, image=shop / "yellow.png", k=3, fold=False))


def test_the_second_search_for_the_same_encodes_nothing(indexed, shop):
    first, second = ColorEncoder(), ColorEncoder()
    for encoder in (first, second):
        search(indexed, encoder, query="blue", image=shop / "red.png", minus="green")
    assert first.texts_seen == ["blue", "green"]
    assert (second.texts_seen, second.images_seen, first.images_seen) == ([], 0, 0)


def test_one_style_in_two_colours_is_one_hit(shop, workspace, encoder):
    table = shop.parent / "titles.csv"
    table.write_text(table.read_text().replace(" dress", " dress by Zara"))
    index(shop, workspace, encoder)
    result = search(workspace, encoder, query="red", k=10)
    folded = {hit.id: hit.folded for hit in result.hits}
    assert folded["red.png"] == 1
    assert "green.png" not in folded
    assert len(result.hits) == 5
    assert len(search(workspace, encoder, query="red", k=10, fold=False).hits) == 6


def test_titles_that_name_a_kind_of_thing_do_not_fold(indexed, encoder):
    """'Red dress' and 'Green dress' say nothing of a style, nor does 'Blue shirt'."""
    hits = search(indexed, encoder, query="red", k=10).hits
    assert len(hits) == 6
    assert not any(hit.folded for hit in hits)


def test_more_than_there_is_is_all_there_is(indexed, encoder):
    assert len(search(indexed, encoder, query="red", k=1000, fold=False).hits) == 6


def test_a_score_to_reach_can_leave_nothing_and_says_so(indexed, encoder):
    result = search(indexed, encoder, query="red", min_score=1.01)
    assert result.hits == ()
    assert "No good match" in result.note


def test_too_few_items_show_no_chance_and_are_not_cut(indexed, encoder):
    result = search(indexed, encoder, query="red", min_score="auto")
    assert len(result.hits) == 6
    assert "6 indexed are too few" in result.note


@pytest.mark.parametrize("query", [None, "", "  \t"])
def test_an_empty_query_is_one_sentence(indexed, encoder, query):
    with pytest.raises(QueryError, match="nothing to search for"):
        search(indexed, encoder, query=query, minus="red")


def test_less_than_one_hit_is_refused(indexed, encoder):
    with pytest.raises(UsageError, match="-k is 0"):
        search(indexed, encoder, query="red", k=0)


def test_a_query_minus_itself_is_one_sentence(indexed, encoder, monkeypatch):
    monkeypatch.setattr("fashiontag.workflows.search.MINUS_WEIGHT", 1.0)
    with pytest.raises(QueryError, match="--minus"):
        search(indexed, encoder, query="red", minus="red")


@pytest.mark.parametrize("content", [None, b"", b"no picture"])
def test_a_picture_that_cannot_be_read_is_one_sentence(indexed, encoder, tmp_path, content):
    path = tmp_path / "query.jpg"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=r"--image .*query\.jpg can't be read \(.+\)"):
        search(indexed, encoder, image=path)


def test_nothing_indexed_is_one_sentence_and_makes_no_workspace(workspace, encoder):
    for ask in (lambda: search(workspace, encoder, query="red"), lambda: indexed_model(workspace)):
        with pytest.raises(CatalogError, match="fashiontag index"):
            ask()
    assert not workspace.exists()
    assert indexed_sources(workspace) == ()


# -- models ---------------------------------------------------------------------------------------


def test_an_index_of_another_model_is_refused_by_naming_both(indexed, shop):
    """clip-retrieval's filter used ViT-B/32 whatever built the index."""
    assert indexed_model(indexed) == "color"
    with pytest.raises(ForeignEncoderError) as caught:
        search(indexed, ColorEncoder("other", "0ther"), query="red")
    for part in ("color", "c0105", "other", "0ther", f"fashiontag index {shop} --model other"):
        assert part in str(caught.value)


def test_sources_of_another_model_are_left_out_and_named(indexed, shop, tmp_path):
    color_picture(tmp_path / "second" / "teal.png", "teal")
    other = ColorEncoder("other", "0ther")
    index(shop, indexed, other, titles=False, source=tmp_path / "second")
    result = search(indexed, other, query="red")
    assert ids(result) == ["teal.png"]
    assert "6 items indexed with color are left out" in result.note
    assert indexed_model(indexed) == "other"


@pytest.mark.parametrize("searched_before", [True, False])
def test_vectors_that_were_pruned_are_said_not_guessed(indexed, encoder, searched_before):
    if searched_before:
        search(indexed, encoder, query="red")
    with VectorStore.open(indexed) as store:
        store.prune(keep=())
    with pytest.raises(StoreError, match="fashiontag index"):
        search(indexed, encoder, query="red")


# -- filters --------------------------------------------------------------------------------------


def wanting(indexed, encoder, where):
    return sorted(ids(search(indexed, encoder, query="red", where=where, fold=False)))


@pytest.mark.parametrize(
    ("where", "expected"),
    [
        ("table.price < 50", ["green", "yellow"]),
        ("table.price <= 50.0", ["green", "red", "yellow"]),
        ("table.price > '9'", ["blue", "red", "yellow"]),
        ("table.price = 50", ["red"]),
        ("table.price != 50", ["black", "blue", "green", "sub/untitled red", "yellow"]),
        ("table.price = 'N/A'", ["black"]),
        ("TABLE.Price=9", ["green"]),
        ("table.brand = 'Zara''s'", ["red"]),
        ('table.brand = "zara\'s"', ["red"]),
        ("table.brand = ZARA’s", ["red"]),
        ("table.brand in (zara's, none) and table.price=50", ["red"]),
        ("table.brand = ｚａｒａ´s", ["red"]),
        ("table.price in (9, 120) and not table.price = 9", ["blue"]),
        ("table.price not in (9, 120, '15.5') and table.brand = o", ["black"]),
        ("table.price = 9 or table.price = 50 and table.brand = O", ["green"]),
        ("(table.price = 9 or table.price = 50) and table.brand = O", ["green"]),
        ("not (table.brand = O)", ["red", "sub/untitled red"]),
        ("table.price > 1e6", []),
    ],
)
def test_a_filter_holds_what_it_says(indexed, encoder, where, expected):
    assert wanting(indexed, encoder, where) == sorted(f"{name}.png" for name in expected)


def test_a_tag_group_of_several_labels_contains(indexed, encoder, shop):
    with Index.open(indexed) as opened:
        entries = [_tagged(opened, name, tags) for name, tags in TAGS.items()]
        opened.replace_source(
            str(shop), entries, fingerprint="c0105", model="color", labels="fashion"
        )
    assert wanting(indexed, encoder, "style = boho") == ["blue.png", "red.png"]
    assert wanting(indexed, encoder, "style = 'boho' and style = 'smart'") == ["red.png"]
    assert wanting(indexed, encoder, "style != boho") == ["green.png"]


def test_a_filter_finds_what_stands_under_its_value(indexed, encoder, shop):
    given = {"red.png": ("type=boots",), "blue.png": ("type=shoes",), "green.png": ("type=hat",)}
    with Index.open(indexed) as opened:
        entries = [_tagged(opened, name, tags) for name, tags in given.items()]
        entries[0] = replace(entries[0], above=("type=shoes",))
        options = {"fingerprint": "c0105", "model": "color", "labels": "fashion"}
        opened.replace_source(str(shop), entries, **options)
        assert opened.items(opened.matching("type", "=", "boots"))[0].tags == ("type=boots",)
    assert wanting(indexed, encoder, "type = Shoes") == ["blue.png", "red.png"]
    assert wanting(indexed, encoder, "type = boots") == ["red.png"]
    assert wanting(indexed, encoder, "type != shoes") == ["green.png"]
    assert wanting(indexed, encoder, "type in (hat, shoes) and not type = boots") == [
        "blue.png",
        "green.png",
    ]
    with Index.open(indexed) as opened:  # other labels: boots are no shoes any more
        entries = [_tagged(opened, name, tags) for name, tags in given.items()]
        opened.replace_source(str(shop), entries, **options)
    assert wanting(indexed, encoder, "type = shoes") == ["blue.png"]


TAGS = {
    "red.png": ("style=boho", "style=smart"),
    "blue.png": ("style=boho",),
    "green.png": (),
}


def _tagged(opened, name, tags):
    from fashiontag.index import Entry
    from fashiontag.workspace.embed import content_key

    root = opened.sources()[0].root
    key = content_key(Path(root, name).read_bytes())
    item = Item(name, name, "", "", {}, FileRef(f"{root}/{name}"))
    return Entry(item, tags, key, None)


def test_a_filter_that_nothing_satisfies_says_so(indexed, encoder):
    result = search(indexed, encoder, query="red", where="table.price = 1")
    assert (result.hits, result.note) == (
        (),
        "Nothing that is indexed satisfies --where table.price = 1.",
    )


def test_an_unknown_column_names_those_there_are(indexed, encoder):
    with pytest.raises(QueryError, match=r"'table\.prize'.*table\.price.*table\.brand, table\.pri"):
        wanting(indexed, encoder, "table.prize < 50")


@pytest.mark.parametrize(
    "where",
    [
        "",
        "table.price",
        "table.price <",
        "table.price < 50 and",
        "table.price < 50 table.price",
        "table.price in ()",
        "table.price in (9",
        "(table.price = 9",
        "= 9",
        "table. = 9",
        "not",
        "and = 9",
        "table.price = 'open",
        "table.price = 9; DROP TABLE items",
        "table.price = 9 -- comment",
        "(" * 500 + "table.price = 9" + ")" * 500,
        "not " * 5000 + "table.price = 9",
    ],
)
def test_what_is_no_filter_is_one_sentence(indexed, encoder, where):
    with pytest.raises(QueryError, match="--where"):
        wanting(indexed, encoder, where)


def test_a_value_is_never_taken_for_sql(indexed, encoder):
    assert wanting(indexed, encoder, 'table.brand = "\' OR 1=1 --"') == []
    with pytest.raises(QueryError, match="no column"):
        wanting(indexed, encoder, "number = 1")  # a column of the database, not of the index
    assert len(search(indexed, encoder, query="red", fold=False).hits) == 6


@given(st.text("ab'\"()=<>!,. \tinotrd19-", max_size=30))
@settings(max_examples=300, deadline=None)
def test_any_text_is_a_filter_or_a_sentence(text):
    try:
        filters.parse(text)
    except FashiontagError as error:
        assert str(error).startswith("--where")  # noqa: PT017 (either outcome is right)


# -- index ----------------------------------------------------------------------------------------


def counts(summary):
    c = summary
    return c.new, c.changed, c.renamed, c.gone, c.unchanged


def test_an_index_follows_its_folder(indexed, shop, encoder):
    color_picture(shop / "new.png", "teal")
    color_picture(shop / "green.png", "white")
    (shop / "blue.png").rename(shop / "azure.png")
    (shop / "yellow.png").unlink()
    summary = index(shop, indexed, encoder, titles=False)
    assert counts(summary) == (1, 1, 1, 1, 3)
    assert summary.encoded == 2
    titles = {hit.id: hit.title for hit in search(indexed, encoder, query="red", fold=False).hits}
    assert titles == {
        "new.png": "",
        "green.png": "Green dress",
        "azure.png": "Blue shirt",  # known titles stay, also under a new name
        "red.png": "Red dress",
        "black.png": "Black shirt",
        "sub/untitled red.png": "",
    }
    assert wanting(indexed, encoder, "table.price = 120") == ["azure.png"]


def test_an_unchanged_folder_encodes_and_changes_nothing(indexed, shop):
    again = ColorEncoder()
    for titles in (True, False):
        summary = index(shop, indexed, again, titles=titles)
        assert counts(summary) == (0, 0, 0, 0, 6)
        assert (summary.encoded, summary.titled) == (0, 5)
    assert (again.images_seen, again.texts_seen) == (0, [])


def test_a_titles_table_that_lost_a_row_takes_the_title_away(indexed, shop, encoder):
    table = shop.parent / "titles.csv"
    table.write_text(table.read_text().replace("black.png,Black shirt,n/a,O\n", ""))
    assert counts(index(shop, indexed, encoder)) == (0, 1, 0, 0, 5)
    assert wanting(indexed, encoder, "table.price = 'n/a'") == []


@pytest.mark.parametrize("part", ["blue.png", "b*.png"])
def test_one_picture_or_a_glob_leaves_the_rest_of_its_folder(indexed, shop, encoder, part):
    color_picture(shop / "blue.png", "teal")
    summary = index(shop, indexed, encoder, titles=False, source=shop / part)
    assert (summary.changed, summary.gone) == (1, 0)
    assert indexed_sources(indexed)[0].items == 6


def test_what_cannot_be_read_is_counted_and_not_indexed(indexed, shop, encoder):
    (shop / "bad.jpg").write_bytes(b"no picture")
    (shop / "red.png").write_bytes(b"no picture now")
    summary = index(shop, indexed, encoder)
    assert (summary.errors, counts(summary)) == (2, (0, 0, 0, 1, 5))
    assert sum(summary.reasons.values()) == 2


def test_status_tells_what_is_indexed(indexed, shop):
    (source,) = indexed_sources(indexed)
    assert (source.root, source.items, source.model) == (str(shop), 6, "color")
    assert abs(source.updated - time.time()) < 60


def test_words_are_searched_without_torch_pillow_or_faiss(shop, workspace, tmp_path):
    """Their imports take longer than everything else that a search does."""
    folder = encoder_folders.write_clip(tmp_path / "clip")
    index(shop, workspace, resolve(f"local-dir:{folder}"))
    code = f"""
import sys
from pathlib import Path
from fashiontag.encoders import resolve
from fashiontag.workflows.search import Query, search
from fashiontag.workspace import Workspace
with Workspace.indexed(Path("{workspace}"), resolve("local-dir:{folder}")) as opened:
    result = search(opened, Query("red dress", fold=False))
heavy = ("torch", "open_clip", "PIL", "faiss", "regex", "typer")
print(len(result.hits), *[name for name in heavy if name in sys.modules])
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.split() == ["6"]


def test_faiss_follows_the_index_and_answers_alike(indexed, shop, encoder, monkeypatch):
    plain = [search(indexed, encoder, query=words, k=3) for words in ("red", "teal bag")]
    picture = search(indexed, encoder, image=shop / "red.png", k=3)
    monkeypatch.setattr(sys.modules["fashiontag.index.nearest"], "FEW", 0)

    def follow():
        with Workspace.open(indexed, encoder) as opened:
            return refresh_neighbours(opened, worth=0, tail=0)

    assert [follow()["image"], follow()["image"]] == ["built", ""]
    assert [search(indexed, encoder, query=words, k=3) for words in ("red", "teal bag")] == plain
    assert search(indexed, encoder, image=shop / "red.png", k=3) == picture
    color_picture(shop / "sub" / "teal.png", "teal")
    (shop / "red.png").unlink()
    index(shop, indexed, encoder)
    for _ in range(2):
        hits = ids(search(indexed, encoder, query="teal", fold=False))
        assert hits[0] == "sub/teal.png"
        assert "red.png" not in hits
        follow()


def test_a_shops_placeholder_folds_nothing(tmp_path, workspace, encoder):
    names = ["Silk dress", "Wool coat", "Rain boots", "Straw hat", "Leather belt"]
    for at in range(5):
        color_picture(tmp_path / "shop" / f"{at}.png", "grey" if at else "black")
    lines = [f"{at}.png,{name}" for at, name in enumerate(names)]
    (tmp_path / "titles.csv").write_text("\n".join(["image,title", *lines]))
    index(tmp_path / "shop", workspace, encoder)
    assert len(ids(search(workspace, encoder, query="red", k=5))) == 5


def test_pruning_drops_the_items_of_a_folder_that_is_gone(shop, indexed, encoder):
    from fashiontag.workflows import upkeep

    assert upkeep.prune(indexed).gone == ()
    shop.rename(shop.parent / "moved")
    assert upkeep.prune(indexed).gone == (str(shop),)
    assert not any(source.items for source in indexed_sources(indexed))
    assert upkeep.prune(indexed).gone == ()


# -- what a query excludes, and what nothing answers ---------------------------------------------


@pytest.mark.parametrize(
    ("typed", "words", "minus"),
    [
        ("shoes not red", "shoes", "red"),
        ("watch not for men", "watch", "men"),
        ("dress without sleeves", "dress", "sleeves"),
        ("non-leather bag", "bag", "leather"),
        ("shoes that are not red, size 40", "shoes , size 40", "red"),
        ("shirt but not blue not green", "shirt", "blue green"),
        ("not red shoes", "shoes", "red"),
        ("Shoes NOT in red", "Shoes", "red"),
        ("knot dress", "knot dress", ""),
        ("forget me not", "forget me not", ""),
        ("not red", "not red", ""),
    ],
)
def test_not_without_and_non_are_read_as_minus(typed, words, minus):
    heard = Query(typed).heard()
    assert (heard.words, heard.minus) == (words, minus)


def test_what_was_read_as_minus_is_said_and_turned_away(indexed, encoder):
    result = search(indexed, encoder, query="red not dress", minus="blue")
    assert result.note.startswith("Read as 'red' --minus 'blue dress'.")
    assert not search(indexed, encoder, query="red", minus="dress").note.startswith("Read")


def tagged(indexed, shop, given):
    with Index.open(indexed) as opened:
        entries = [_tagged(opened, name, tags) for name, tags in given.items()]
        opened.replace_source(str(shop), entries, fingerprint="c0105", model="color", labels="x")


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ("red bag", "None of these is tagged color=red;"),
        ("bag that is red", "None of these is tagged color=red;"),
        (
            "light red or navy bag",
            "None of these is tagged color=navy or color=light red;",
        ),
        ("blue bag", ""),
        ("red", ""),
    ],
)
def test_hits_that_lack_a_tag_that_the_query_names_are_said(indexed, encoder, shop, query, told):
    given = {"blue.png": ("kind=bag", "color=blue"), "red.png": ("kind=shirt", "color=red")}
    others = {"black.png": ("kind=tie", "color=light red"), "green.png": ("kind=tie", "color=navy")}
    tagged(indexed, shop, given | others)
    where = None if query == "red" else "kind = bag"
    assert search(indexed, encoder, query=query, where=where).note.startswith(told)
    assert "None" not in search(indexed, encoder, query="blue", where=where).note


@pytest.mark.parametrize("words", ["but in red", "the same in RED", "red"])
def test_beside_a_picture_a_hit_of_another_kind_is_no_answer(indexed, encoder, shop, words):
    given = {"blue.png": ("kind=bag", "color=blue"), "red.png": ("kind=shirt", "color=red")}
    tagged(indexed, shop, given)
    bag = {"query": words, "image": shop / "blue.png", "fold": False}
    told = search(indexed, encoder, **bag).note
    assert told.startswith("None of these is tagged color=red and kind=bag; the nearest are shown.")
    tagged(indexed, shop, given | {"sub/untitled red.png": ("kind=bag", "color=red")})
    assert "None" not in search(indexed, encoder, **bag).note
    tagged(indexed, shop, {"blue.png": ("kind=bag",), "red.png": ("color=red",)})
    assert "and kind=bag" in search(indexed, encoder, **bag).note


@pytest.mark.parametrize("count", [20, 240])
@pytest.mark.parametrize("stock", ["green", "blue"])
def test_hits_no_better_than_chance_are_said(tmp_path, workspace, encoder, count, stock):
    for at in range(count):
        shade = (10 + at % 16 * 3, 20 + at % 7, 200 - at // 16 * 4)
        shade = shade if stock == "blue" else (shade[0], shade[2], shade[1])
        color_picture(tmp_path / "shop" / f"{at}.png", shade)
    index(tmp_path / "shop", workspace, encoder, titles=False)
    told = "none of these scores better than chance would"
    assert told in search(workspace, encoder, query="red").note
    color_picture(tmp_path / "shop" / "red.png", "red")
    index(tmp_path / "shop", workspace, encoder, titles=False)
    assert told not in search(workspace, encoder, query="red").note


# -- what moved, and what went --------------------------------------------------------------------


@pytest.mark.parametrize("gone", ["folder", "file", "two files"])
def test_hits_whose_files_are_gone_are_said(shop, indexed, encoder, gone):
    if gone == "folder":
        shop.rename(shop.parent / "moved")
    else:
        for name in ("red.png", "blue.png")[: 1 + (gone == "two files")]:
            (shop / name).unlink()
    told = search(indexed, encoder, query="red", k=9, fold=False).note
    count = {"folder": 6, "file": 1, "two files": 2}[gone]
    assert told.count(f"{count} of these files aren't there any more") == 1
    assert ("store --prune" if gone == "folder" else f"fashiontag index {shop}") in told


def test_a_folder_that_was_moved_keeps_what_is_known_of_it(shop, indexed, encoder):
    moved = shop.rename(shop.parent / "moved")
    color_picture(moved / "new.png", "teal")
    summary = index(moved, indexed, encoder, titles=False)
    assert summary.moved == f"{moved} is what {shop} was, which is gone."
    assert (summary.new, summary.encoded) == (1, 1)
    assert [source.root for source in indexed_sources(indexed)] == [str(moved)]
    assert search(indexed, encoder, query="red", k=1).hits[0].title == "Red dress"
    assert "there any more" not in search(indexed, encoder, query="red").note


@pytest.mark.parametrize("what", ["a copy", "other names", "a part"])
def test_a_folder_that_is_no_moved_one_is_another(shop, indexed, encoder, what):
    other = shop.parent / "other"
    shutil.copytree(shop, other)
    if what != "a copy":
        shutil.rmtree(shop)
        (other / "red.png").rename(other / ("scarlet.png" if what == "other names" else "../r.png"))
    assert index(other, indexed, encoder, titles=False).moved == ""
    assert len(indexed_sources(indexed)) == 2


def test_what_is_asked_for_without_any_effect_is_said(indexed, encoder, shop):
    picture = shop / "red.png"
    told = search(indexed, encoder, image=picture, image_weight=0.5).note
    assert "--image-weight changed nothing" in told
    assert "weight" not in search(indexed, encoder, query="red", image_weight=0.5).note
    assert "weight" not in search(indexed, encoder, image=picture).note


@pytest.mark.parametrize(
    ("typed", "value"),
    [
        ("40.00 EUR", 40), ("$12", 12), ("1.299,00", 1299), ("1,299.00", 1299), ("US$ 1,299", 1299),
        ("₹1,299/-", 1299), ("Rs. 1,299", 1299), ("€ 12,5", 12.5), ("1.299 EUR", 1299),
        ("1 299,00 €", 1299), ("CHF 1'299.50", 1299.5), ("-5 €", -5), ("40", 40), ("1e3", 1000),
        ("49,-€", 49), ("1,5", None), ("1,299", None), ("10-20 EUR", None), ("501 blue", None),
        ("nan", None), ("EUR", None), ("1.2.3 EUR", None),
    ],
)  # fmt: skip
def test_prices_are_numbers(typed, value):
    assert number(typed) == value


@pytest.mark.parametrize("asked", ["words", "picture", "both"])
def test_a_workspace_that_cannot_be_written_can_be_searched(
    tmp_path, indexed, encoder, monkeypatch, asked
):
    query = {
        "query": "red" if asked != "picture" else "",
        "image": None if asked == "words" else color_picture(tmp_path / "q.png", (9, 9, 200)),
    }
    before = {path: path.read_bytes() for path in indexed.rglob("*.sqlite")}
    monkeypatch.setattr("fashiontag.database.os.access", lambda *_: False)
    found = ids(search(indexed, encoder, k=3, **query))
    assert {path: path.read_bytes() for path in indexed.rglob("*.sqlite")} == before
    monkeypatch.undo()
    assert found == ids(search(indexed, encoder, k=3, **query))
