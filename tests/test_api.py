"""`Tagger`, with an encoder that can be read by eye."""

import pytest
from fakes import COLORS, ColorEncoder, color_picture
from PIL import Image

from fashiontag import Tagger
from fashiontag.errors import UsageError
from fashiontag.labels import parse_labels

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
