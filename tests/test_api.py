"""`Tagger`, with an encoder that can be read by eye."""

import doctest
import io
import weakref
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from fakes import COLORS, ColorEncoder, color_picture
from PIL import Image

import fashiontag
from fashiontag import Tagger, api
from fashiontag.catalog import read_catalog
from fashiontag.datamodels import Tagged, TagScore
from fashiontag.errors import CatalogError, UsageError
from fashiontag.labels import parse_labels
from fashiontag.workflows.duplicates import find_duplicates
from fashiontag.workflows.tag import tag
from fashiontag.workspace import Workspace

SPACE = parse_labels(
    {"groups": {"colour": {"labels": ["red", "green", "blue"], "templates": ["{label}"]}}},
    "toy",
    "toy.toml",
)


@pytest.fixture
def tagger(tmp_path) -> Tagger:
    return Tagger(ColorEncoder(), SPACE, tmp_path / "workspace")


def test_files_and_pictures_in_memory(tagger, tmp_path) -> None:
    file = color_picture(tmp_path / "a.png", "red")
    memory = Image.new("RGB", (8, 8), COLORS["blue"])
    first, second = tagger.tag([file, memory])
    assert (first.id, first.labels("colour")) == (str(file), ("red",))
    assert (second.id, second.labels("colour")) == ("1", ("blue",))


def test_what_was_tagged_is_found(tagger, tmp_path) -> None:
    files = [color_picture(tmp_path / f"{name}.png", name) for name in ("red", "green", "blue")]
    tagger.tag(files[:2])
    tagger.tag(files[2:])
    hits = tagger.search("blue", k=2)
    assert hits[0].path == str(files[2])
    assert hits[0].tags == ("colour=blue",)


def test_one_file_with_two_titles_is_two_answers_and_one_item(tagger, tmp_path) -> None:
    file = color_picture(tmp_path / "a.png", "red")
    rows = tagger.tag([file, file], ["first", "second"])
    assert [row.title for row in rows] == ["first", "second"]
    assert [hit.title for hit in tagger.search("red")] == ["second"]


def test_an_unreadable_file_is_a_row(tagger, tmp_path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    (row,) = tagger.tag([tmp_path / "a.png"])
    assert (row.status, row.message, row.tags) == ("error", "empty file", ())


def test_scores_are_there_when_asked_for(tagger, tmp_path) -> None:
    file = color_picture(tmp_path / "a.png", "red")
    assert tagger.tag([file])[0].scores is None
    (row,) = tagger.tag([file], scores=True)
    assert set(row.scores["colour"]) == {"red", "green", "blue", "unknown"}


def test_misuse_is_told(tagger) -> None:
    with pytest.raises(ValueError, match="2 images and 1 titles"):
        tagger.tag(["a.png", "b.png"], ["one"])
    with pytest.raises(UsageError, match="fashon"):
        Tagger.from_pretrained(labels="fashon")
    with pytest.raises(TypeError, match="a path or a PIL"):
        tagger.tag([3])
    with pytest.raises(TypeError, match="give text"):
        tagger.tag(["a.png"], [3])
    assert tagger.tag([]) == []


def test_one_picture_and_missing_titles_as_pandas_has_them(tagger, tmp_path) -> None:
    file = color_picture(tmp_path / "a.png", "red")
    (row,) = tagger.tag(str(file), [float("nan")])
    assert (row.title, row.labels("colour")) == ("", ("red",))


def pixels(name, side=8):
    return np.full((side, side, 3), COLORS[name], np.uint8)


def test_bytes_and_arrays_are_pictures(tagger, tmp_path) -> None:
    file = color_picture(tmp_path / "a.png", "red")
    data = file.read_bytes()
    rows = tagger.tag([data, pixels("green"), pixels("blue")])
    assert [row.labels("colour") for row in rows] == [("red",), ("green",), ("blue",)]
    (alone,) = tagger.tag(pixels("blue"))
    assert alone.labels("colour") == ("blue",)
    with pytest.raises(CatalogError, match="Nothing is indexed"):  # they are no files
        tagger.search(image=pixels("red"))
    tagger.tag([file])
    for asked in (str(file), file, data, pixels("red"), Image.open(file)):
        assert [hit.path for hit in tagger.search(image=asked)] == [str(file)]


def test_a_bad_picture_in_memory_is_a_row_and_costs_no_other(tagger) -> None:
    bad, good = tagger.tag([b"no picture", pixels("red")])
    assert (bad.status, good.status) == ("error", "ok")
    assert bad.message


def test_iter_takes_what_comes_and_holds_little(tagger) -> None:
    taken = 0

    def pictures():
        nonlocal taken
        while True:  # without an end
            taken += 1
            yield pixels(("red", "green")[taken % 2])

    found = tagger.iter(pictures())
    assert [next(found).labels("colour")[0] for _ in range(4)] == ["green", "red"] * 2
    found.close()
    assert taken == api.WINDOW


def test_iter_takes_titles_and_indexes_files(tagger, tmp_path) -> None:
    file = color_picture(tmp_path / "a.png", "red")
    (row,) = tagger.iter([(file, "A red dress")])
    assert row.title == "A red dress"
    assert [hit.title for hit in tagger.search("red")] == ["A red dress"]


def test_progress_is_told(tagger) -> None:
    done = []
    tagger.tag([pixels("red")] * 5, batch_size=2, workers=1, progress=done.append)
    assert done == [2, 2, 1]


def test_a_frame_gets_its_columns(tagger, tmp_path) -> None:
    files = [str(color_picture(tmp_path / f"{name}.png", name)) for name in ("red", "blue")]
    frame = pd.DataFrame({"photo": [*files, "none.png"], "name": ["Red", pd.NA, "x"]}, [7, 8, 9])
    tagged = tagger.tag_frame(frame, image="photo", title="name")
    assert list(tagged.columns) == ["status", "message", "tags", "colour"]
    assert list(tagged.index) == [7, 8, 9]
    assert list(tagged["colour"]) == ["red", "blue", ""]
    assert list(tagged["tags"]) == ["colour=red", "colour=blue", ""]
    assert tagged.loc[9, "message"] == "no such file"
    assert frame.join(tagged)["colour"][7] == "red"
    with pytest.raises(KeyError, match="photo"):
        tagger.tag_frame(frame, image="picture")
    with pytest.raises(TypeError, match="tag_frame"):
        tagger.tag(frame)


@pytest.mark.parametrize("python_first", [True, False])
def test_python_and_the_command_line_share_a_file(tagger, tmp_path, python_first) -> None:
    files = [color_picture(tmp_path / "shop" / f"{name}.png", name) for name in ("red", "blue")]

    def by_command_line():
        with Workspace.open(tagger.workspace, tagger.encoder) as workspace:
            tag(workspace, read_catalog(str(tmp_path / "shop")), SPACE)

    for do in (tagger.tag, lambda _: by_command_line())[:: 1 if python_first else -1]:
        do(files)
    hits = tagger.search("red", k=5)
    assert [(hit.id, hit.folded) for hit in hits] == [("red.png", 0), ("blue.png", 0)]
    with Workspace.indexed(tagger.workspace, tagger.encoder) as workspace:
        assert find_duplicates(workspace).groups == ()


@pytest.mark.parametrize("orientation", [2, 3, 6, 8])
def test_a_picture_in_memory_is_turned_like_a_file(tagger, orientation) -> None:
    """Half red, half blue, not upright by its EXIF."""
    picture = Image.fromarray(np.vstack([pixels("red"), pixels("blue")]))
    exif = picture.getexif()
    exif[0x0112] = orientation
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", exif=exif)
    as_file = Image.open(io.BytesIO(buffer.getvalue()))
    rows = tagger.tag([buffer.getvalue(), as_file], scores=True)
    assert rows[0].scores == rows[1].scores


def test_the_front_shows_what_there_is() -> None:
    assert "Tagger" in dir(fashiontag)


def test_the_examples_in_docstrings_are_true() -> None:
    assert doctest.testmod(api).attempted >= 5
    assert doctest.testmod(api).failed == 0


def test_tags_that_may_be_published_and_those_to_review_part_what_is_given() -> None:
    made = [
        TagScore("colour", label, 0.5, "image", "probe", decision)
        for label, decision in (("red", "publish"), ("pink", "review"), ("blue", "abstain"))
    ]
    row = Tagged("1", "1.png", "", "ok", "", tuple(made))
    assert [tag.label for tag in row.published] == ["red"]
    assert [tag.label for tag in row.review] == ["pink"]
    assert row.labels("colour") == ("red", "pink")


def test_under_a_promise_a_frame_has_what_may_be_published_and_a_review_column(
    tagger, tmp_path, monkeypatch
) -> None:
    tagger.probe = SimpleNamespace(promised=True)
    made = (
        TagScore("colour", "red", 0.9, "image", "probe", "publish"),
        TagScore("colour", "blue", 0.5, "image", "probe", "review"),
    )
    monkeypatch.setattr(
        type(tagger), "tag", lambda *_, **__: [Tagged("1", "1.png", "", "ok", "", made)]
    )
    frame = tagger.tag_frame(pd.DataFrame({"photo": ["1.png"]}), image="photo")
    assert list(frame.columns) == ["status", "message", "tags", "colour", "review"]
    assert frame.loc[0, ["tags", "colour", "review"]].tolist() == [
        *("colour=red", "red", "colour=blue"),
    ]


def test_a_generator_of_pictures_is_not_taken_whole(tagger) -> None:
    alive: list[weakref.ref] = []

    def pictures():
        for at in range(200):
            picture = np.full((40, 30, 3), at, np.uint8)
            alive.append(weakref.ref(picture))
            assert sum(one() is not None for one in alive) < 150
            yield picture

    rows = tagger.tag(pictures(), (f"Dress {at}" for at in range(200)))
    assert [row.title for row in rows[:2]] == ["Dress 0", "Dress 1"]
    assert len(rows) == 200


@pytest.mark.parametrize(
    ("images", "titles", "counts"),
    [
        ([b"x"], ["a", "b"], "1 images and 2 titles"),
        ((one for one in [b"x", b"y"]), ["a"], "2 images and 1 titles"),
        ([b"x"], (one for one in "abc"), "1 images and 2 titles"),
        ([b"x"], [], "1 images and 0 titles"),
    ],
)
def test_as_many_titles_as_pictures_are_wanted(tagger, images, titles, counts) -> None:
    with pytest.raises(ValueError, match=counts):
        tagger.tag(images, titles)


@pytest.mark.parametrize("images", [{"a.jpg": 1}, pd.DataFrame({"a": [1]}), 5])
def test_what_is_no_list_of_pictures_is_told(tagger, images) -> None:
    with pytest.raises(TypeError):
        tagger.tag(images)
