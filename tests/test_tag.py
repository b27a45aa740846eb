"""The tag workflow on a catalogue that can be read by eye: pictures of one colour."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from fakes import ColorEncoder, color_picture

from fashiontag.catalog import read_catalog
from fashiontag.heads.statistics import GroupConstants, Statistics
from fashiontag.index import Index
from fashiontag.labels import parse_labels
from fashiontag.workflows.search import Query, search
from fashiontag.workflows.tag import Judge, TagSummary, tag
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import EmbedOptions, embed

SPACE = parse_labels(
    {
        "background": ["teal wall"],
        "groups": {
            "colour": {"labels": ["red", "green", "blue"], "templates": ["{label}"]},
            "mood": {"visible": False, "labels": ["calm", "loud"], "templates": ["{label}"]},
        },
    },
    "toy",
    "toy.toml",
)


class Rows:
    """A sink that keeps what it is given."""

    def __init__(self) -> None:
        self.rows = []

    def write(self, tagged, item) -> None:
        assert tagged.id == item.id
        self.rows.append(tagged)

    @property
    def by_id(self):
        return {row.id: row for row in self.rows}


@dataclass
class Run:
    summary: TagSummary
    sink: Rows
    encoder: ColorEncoder

    def colours(self) -> dict[str, str]:
        return {row.id: "|".join(row.labels("colour")) for row in self.sink.rows}


def run(source, workspace, titles=None, *, encoder=None, scores=False, batch_size=4) -> Run:
    encoder, sink = encoder or ColorEncoder(), Rows()
    with Workspace.open(workspace, encoder) as opened:
        summary = tag(
            opened,
            read_catalog(str(source), titles),
            SPACE,
            scores=scores,
            sinks=[sink],
            options=EmbedOptions(batch_size=batch_size),
        )
    return Run(summary, sink, encoder)


@pytest.fixture
def shop(tmp_path) -> Path:
    for name in ("red", "green", "blue"):
        color_picture(tmp_path / "shop" / f"{name}.png", name)
    return tmp_path / "shop"


@pytest.fixture
def workspace(tmp_path) -> Path:
    return tmp_path / "workspace"


def test_every_picture_gets_its_colour(shop, workspace) -> None:
    done = run(shop, workspace)
    assert done.colours() == {"blue.png": "blue", "green.png": "green", "red.png": "red"}
    assert done.summary.items == 3
    assert done.summary.tagged == {"colour": 3, "mood": 0}
    assert not done.summary.probabilities


def test_a_picture_of_the_background_stays_empty(shop, workspace) -> None:
    color_picture(shop / "wall.png", "teal")
    assert run(shop, workspace).colours()["wall.png"] == ""


def test_the_title_adds_what_no_picture_shows(shop, workspace, tmp_path) -> None:
    titles = tmp_path / "titles.csv"
    titles.write_text("image,title\nred.png,A calm shirt\n")
    row = run(shop, workspace, titles).sink.by_id["red.png"]
    assert {(one.label, one.source) for one in row.tags} == {("red", "image"), ("calm", "title")}


@pytest.mark.parametrize("place", range(9))
def test_a_broken_picture_at_any_place_costs_only_its_own_row(place, tmp_path, workspace) -> None:
    # rclip PR#282, clip-retrieval#321: rows shifted or a batch lost after one bad file
    for number in range(9):
        color_picture(tmp_path / f"shop/{number}.png", ("red", "green", "blue")[number % 3])
    (tmp_path / f"shop/{place}.png").write_bytes(b"")
    done = run(tmp_path / "shop", workspace)
    for number, row in enumerate(done.sink.rows):
        if number == place:
            assert (row.status, row.message, row.tags) == ("error", "empty file", ())
        else:
            assert row.labels("colour") == (("red", "green", "blue")[number % 3],)
    assert done.summary.reasons == {"empty file": 1}


def test_a_folder_of_nothing_but_broken_pictures_is_all_error_rows(tmp_path, workspace) -> None:
    # clip-retrieval#345: a batch in which every image is bad raised
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(b"no picture")
    done = run(tmp_path, workspace)
    assert [row.status for row in done.sink.rows] == ["error"] * 5
    assert done.encoder.images_seen == 0


def test_the_same_stem_twice_is_two_items(shop, workspace) -> None:
    # wd14-standalone: outputs named by stem collided
    color_picture(shop / "red.jpg", "blue")
    done = run(shop, workspace).colours()
    assert done["red.png"] == "red"
    assert done["red.jpg"] == "blue"


def test_a_second_run_encodes_nothing_and_says_the_same(shop, workspace) -> None:
    first = run(shop, workspace, scores=True)
    second = run(shop, workspace, scores=True)
    assert first.encoder.images_seen == 3
    assert second.encoder.images_seen == 0
    assert second.encoder.texts_seen == []
    assert second.summary.encoded == 0
    assert first.sink.rows == second.sink.rows


def test_only_what_is_new_is_encoded(shop, workspace) -> None:
    run(shop, workspace)
    color_picture(shop / "yellow.png", "yellow")
    color_picture(shop / "copy of red.png", "red")
    assert run(shop, workspace).encoder.images_seen == 1


def test_another_model_starts_afresh(shop, workspace) -> None:
    run(shop, workspace)
    other = run(shop, workspace, encoder=ColorEncoder("other", "07e4"))
    assert other.encoder.images_seen == 3


def test_tags_depend_on_the_product_alone(tmp_path, workspace) -> None:
    rng = np.random.default_rng(0)
    for number in range(20):
        color_picture(tmp_path / f"all/{number:02}.png", tuple(rng.integers(0, 255, 3).tolist()))
    together = run(tmp_path / "all", workspace, scores=True).sink.by_id
    for number in (0, 7, 19):
        name = f"{number:02}.png"
        alone = run(tmp_path / "all" / name, tmp_path / f"own{number}", scores=True)
        assert alone.sink.rows[0].tags == together[name].tags
        assert alone.sink.rows[0].scores == together[name].scores


def test_what_was_tagged_is_indexed(shop, workspace, tmp_path) -> None:
    titles = tmp_path / "titles.csv"
    titles.write_text("image,title,price\nred.png,A calm shirt,12\n")
    run(shop, workspace, titles)
    with Index.open(workspace) as index:
        (source,) = index.sources()
        assert (source.root, source.items, source.labels) == (str(shop), 3, "toy")
        assert index.columns() == ("colour", "mood", "table.price")
        assert len(index.matching("colour", "=", "red")) == 1


def test_what_was_tagged_is_found_by_what_its_labels_stand_under(shop, workspace) -> None:
    shades = ["warm", {"name": "red", "parent": "warm"}, "green", "blue"]
    groups = {"colour": {"labels": shades, "templates": ["{label}"]}}
    space = parse_labels({"background": ["teal wall"], "groups": groups}, "toy", "toy.toml")
    sink = Rows()
    with Workspace.open(workspace, ColorEncoder()) as opened:
        tag(opened, read_catalog(str(shop)), space, sinks=[sink])
        found = search(opened, Query("red", where="colour = warm")).hits
    assert sink.by_id["red.png"].labels("colour") == ("red",)
    assert [(hit.id, hit.tags) for hit in found] == [("red.png", ("colour=red",))]


@pytest.mark.parametrize("title", ["N/A", "SKU-4711", "👗", "null"])
def test_a_title_that_says_nothing_counts_as_none(title, shop, workspace, tmp_path) -> None:
    titles = tmp_path / "titles.csv"
    titles.write_text(f"image,title\nred.png,{title}\nblue.png,A calm shirt\n", "utf-8")
    done = run(shop, workspace, titles, scores=True)
    row = done.sink.by_id["red.png"]
    untitled = run(shop, tmp_path / "other", scores=True).sink.by_id["red.png"]
    assert row.title == title  # as typed
    assert (row.tags, row.scores) == (untitled.tags, untitled.scores)
    assert done.encoder.texts_seen.count(title) == 0
    assert (done.summary.titled, done.summary.silent_titles) == (1, 1)


@pytest.mark.parametrize("title", ["लाल", "فستان أحمر", "赤いドレス"])
def test_a_title_that_the_model_cannot_read_has_words_alone(
    title, shop, workspace, tmp_path
) -> None:
    class Latin(ColorEncoder):
        def reads(self, text):
            return text.isascii()

    titles = tmp_path / "titles.csv"
    titles.write_text(
        f"image,title\nred.png,{title}\nblue.png,{title} calm\ngreen.png,calm\n", "utf-8"
    )
    done = run(shop, workspace, titles, encoder=Latin())
    assert not {title, f"{title} calm"} & set(done.encoder.texts_seen)
    assert done.summary.silent_titles == 2
    sources = {row.id: {tag.label: tag.source for tag in row.tags} for row in done.sink.rows}
    assert sources["red.png"] == {"red": "image"}
    assert sources["blue.png"] == {"blue": "image", "calm": "title"}  # its English word counts


def test_a_brands_column_takes_its_name_out_of_the_evidence(shop, workspace, tmp_path) -> None:
    titles = tmp_path / "titles.csv"
    head = "image,title,{},price\n"
    for column in ("brand", "Vendor", "product_brand", "Brand Name"):
        titles.write_text(head.format(column) + "red.png,Calm shirt,Calm,1\n")
        row = run(shop, workspace, titles).sink.by_id["red.png"]
        assert {tag.label for tag in row.tags} == {"red"}
    titles.write_text(head.format("colour") + "red.png,Calm shirt,Calm,1\n")
    assert "calm" in {tag.label for tag in run(shop, workspace, titles).sink.by_id["red.png"].tags}


def test_a_sku_is_found_by_its_words(shop, workspace, tmp_path) -> None:
    titles = tmp_path / "titles.csv"
    titles.write_text("image,title\nred.png,AW12-TSH-001\nblue.png,A calm shirt\n")
    run(shop, workspace, titles)
    with Workspace.open(workspace, ColorEncoder()) as opened:
        (first, *_) = search(opened, Query("AW12-TSH-001")).hits
    assert first.id == "red.png"


def test_long_titles_are_counted(shop, workspace, tmp_path) -> None:
    titles = tmp_path / "titles.csv"
    titles.write_text("image,title\nred.png," + "very long red title " * 9 + "\n")
    assert run(shop, workspace, titles).summary.chunked_titles == 1


def test_a_run_that_dies_goes_on_where_it_was(tmp_path, workspace) -> None:
    for number in range(12):
        color_picture(tmp_path / f"shop/{number:02}.png", ("red", "green", "blue")[number % 3])
        # contents must differ, or three pictures would do for all
        color_picture(tmp_path / f"shop/{number:02}.png", (number * 20, 255, 0))

    class Dying(ColorEncoder):
        def encode_images(self, pixels):
            if self.images_seen >= 8:
                raise KeyboardInterrupt
            return super().encode_images(pixels)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "shop", workspace, encoder=Dying())
    second = run(tmp_path / "shop", workspace)
    assert second.encoder.images_seen == 4
    assert len(second.sink.rows) == 12


def test_evidence_reads_what_is_stored(shop, workspace) -> None:
    encoder = ColorEncoder()
    flat = GroupConstants(10, 0, 10, 0, 5, 0)
    with Workspace.open(workspace, encoder) as opened:
        judge = Judge(opened, SPACE, statistics=Statistics(exclusive=flat))
        (window,) = embed(opened, read_catalog(str(shop)).items)
        evidence = judge.evidence(window)
        np.testing.assert_array_equal(evidence.images, opened.images.read(window.images))
    assert not evidence.titled.any()
