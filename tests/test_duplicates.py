"""Duplicates and the store's upkeep, from end to end, with an encoder that can be read by eye."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from fakes import ColorEncoder, color_picture
from PIL import Image, ImageOps

from fashiontag.catalog import read_catalog
from fashiontag.cli import main
from fashiontag.encoders import resolve
from fashiontag.errors import CatalogError, ForeignEncoderError
from fashiontag.index import alike
from fashiontag.workflows import duplicates, upkeep
from fashiontag.workflows.duplicates import SAME_STYLE
from fashiontag.workflows.indexing import index_source
from fashiontag.workspace import Workspace
from fashiontag.workspace.neighbours import refresh_neighbours

EXAMPLES = Path(__file__).parents[1] / "examples" / "catalog"


@pytest.fixture
def encoder():
    return ColorEncoder()


@pytest.fixture
def workspace(tmp_path, encoder):
    """Two nearly red, one red twice, one blue."""
    shop = tmp_path / "shop"
    color_picture(shop / "a red.png", "red")
    shutil.copy(shop / "a red.png", shop / "copy.png")
    color_picture(shop / "dark red.png", (225, 10, 10))
    color_picture(shop / "blue.png", "blue")
    follow(tmp_path, encoder)
    return tmp_path / "ws"


def follow(folder, encoder):
    catalog = read_catalog(str(folder / "shop"), None)
    with Workspace.open(folder / "ws", encoder) as opened:
        index_source(opened, catalog, keep_titles=True)
        refresh_neighbours(opened, worth=0, tail=0)


def find_duplicates(workspace, encoder, **options):
    with Workspace.indexed(workspace, encoder) as opened:
        return duplicates.find_duplicates(opened, **options).groups


def named(groups):
    return [(group.kind, [item.id for item in group.items]) for group in groups]


def test_one_photo_and_one_style_are_told_apart(workspace, encoder):
    groups = find_duplicates(workspace, encoder, min_score=0.95)
    assert named(groups) == [
        ("photo", ["a red.png", "copy.png"]),
        ("style", ["a red.png", "dark red.png"]),
    ]
    assert groups[0].scores == (1.0, 1.0)
    assert 0.95 < groups[1].scores[1] < 1
    assert named(find_duplicates(workspace, encoder, min_score=1.01)) == named(groups[:1])
    assert named(find_duplicates(workspace, encoder, min_score=0.9999)) == named(groups[:1])


@pytest.fixture(scope="module")
def embedded():
    return resolve(None)


@pytest.mark.parametrize(
    "copied",
    [
        ImageOps.mirror,
        lambda picture: picture.crop((12, 12, picture.width - 12, picture.height - 16)),
        lambda picture: picture.resize((picture.width // 2, picture.height // 2)),
        lambda picture: ImageOps.mirror(picture).crop((0, 12, *picture.size)).resize((300, 300)),
        lambda picture: Image.merge("RGB", picture.split()[::-1]),
    ],
    ids=["mirrored", "cropped", "resized", "all three", "another colour"],
)
def test_copies_are_found_whatever_was_done_to_them(tmp_path, embedded, copied, request):
    (tmp_path / "shop").mkdir()
    stems = ["SKU-10432", "SKU-10447"]
    for stem in stems:
        picture = Image.open(EXAMPLES / f"{stem}.jpg").convert("RGB")
        picture.save(tmp_path / "shop" / f"{stem}.jpg")
        copied(picture).save(tmp_path / "shop" / f"{stem} copy.jpg", quality=80)
    follow(tmp_path, embedded)
    groups = named(find_duplicates(tmp_path / "ws", embedded))
    copies = sorted(items for kind, items in groups if kind == "copy")
    same = request.node.callspec.id != "another colour"
    assert copies == [[f"{stem} copy.jpg", f"{stem}.jpg"] for stem in stems if same]


def test_copies_of_copies_are_one_group(tmp_path, embedded):
    (tmp_path / "shop").mkdir()
    picture = Image.open(EXAMPLES / "SKU-10432.jpg")
    for number in range(8):
        one = ImageOps.mirror(picture) if number % 2 else picture
        one.save(tmp_path / "shop" / f"{number}.jpg", quality=70 + 3 * number)
    follow(tmp_path, embedded)
    ((kind, items),) = named(find_duplicates(tmp_path / "ws", embedded))
    assert (kind, len(items)) == ("copy", 8)


def test_pictures_that_are_gone_are_counted(tmp_path, workspace, encoder):
    (tmp_path / "shop" / "dark red.png").unlink()
    with Workspace.indexed(workspace, encoder) as opened:
        assert duplicates.find_duplicates(opened).unread == 1


def test_without_an_index_or_with_another_model_it_says_so(tmp_path, workspace):
    with pytest.raises(CatalogError, match="Nothing is indexed"):
        find_duplicates(tmp_path / "empty", ColorEncoder())
    with pytest.raises(ForeignEncoderError, match="another"):
        find_duplicates(workspace, ColorEncoder("another", "else"))


def test_a_chain_of_small_steps_is_not_one_style():
    angles = np.arange(0, 1.2, 0.2)
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1).astype(np.float16)
    leaders, scores = alike(vectors, np.arange(6), None, np.cos(0.25))
    assert leaders.tolist() == [0, 0, 2, 2, 4, 4]
    assert scores[1::2] == pytest.approx(np.cos(0.2), abs=1e-3)


def test_leaders_do_not_depend_on_the_size_of_blocks(monkeypatch):
    import sys

    vectors = np.random.default_rng(0).normal(size=(300, 4))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float16)
    wanted = alike(vectors, np.arange(300), None, 0.9)
    monkeypatch.setattr(sys.modules["fashiontag.index.nearest"], "_BLOCK", 7)
    got = alike(vectors, np.arange(300), None, 0.9)
    assert wanted[0].tolist() == got[0].tolist()
    assert 20 < len(set(got[0].tolist())) < 280


def test_prune_drops_what_no_item_uses(workspace, encoder, tmp_path):
    other = ColorEncoder("other", "0the5")
    follow(tmp_path, other)  # the same source: nothing is indexed with the first any more
    before = upkeep.status(workspace)
    assert {shard.model: shard.used for shard in before.vectors if shard.model} == {
        "color": False,
        "other": True,
    }
    assert [known.name for known in before.neighbours] == ["image-0the5", "image-c0105"]
    assert upkeep.prune(workspace).vectors >= 3
    after = upkeep.status(workspace)
    assert [shard.model for shard in after.vectors if shard.model] == ["other"]
    assert [known.name for known in after.neighbours] == ["image-0the5"]
    assert len(find_duplicates(workspace, other, min_score=0.95)) == 2
    assert upkeep.prune(workspace).vectors == 0


def run(capsys, *arguments, code=0):
    with pytest.raises(SystemExit) as done:
        main([str(argument) for argument in arguments])
    shown = capsys.readouterr()
    assert done.value.code == code, shown.err
    return shown


def test_commands(workspace, encoder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("fashiontag.encoders.resolve", lambda *_, **__: encoder)
    given, near = ("--workspace", workspace), ("--min-score", "0.95")
    groups = json.loads(run(capsys, "duplicates", "--json", *near, *given).out)
    assert [(one["same"], len(one["items"])) for one in groups] == [("photo", 2), ("style", 2)]
    html = tmp_path / "sheet.html"
    shown = run(capsys, "duplicates", "--paths", "--html", html, *near, *given)
    assert shown.out.splitlines() == [
        str(tmp_path / "shop" / name) for name in ("copy.png", "dark red.png")
    ]
    assert html.read_text().count('class="card"') == 4
    assert "dark red.png" not in run(capsys, "duplicates", "--photos-only", *given).out
    status = json.loads(run(capsys, "store", "--json", *given).out)
    assert [
        (one["kind"], one["rows"], one["used"])
        for one in status["vectors"]
        if one["kind"] == "image"
    ] == [("image", 3, True)]
    assert "FAISS: 3 rows" in run(capsys, "store", *given).out
    assert "0 vectors" in run(capsys, "store", "--prune", *given).out
    assert "no workspace" in run(capsys, "store", "--workspace", tmp_path / "no", code=2).err


def test_the_help_names_the_score_that_is_taken(capsys):
    shown = run(capsys, "duplicates", "--help").out
    assert f"{SAME_STYLE} if not given" in " ".join(shown.split())
