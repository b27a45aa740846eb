"""The examples: drawings are what they say, the catalogue is theirs, every script runs."""

from __future__ import annotations

import csv
import functools
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[1] / "examples"
CATALOG = EXAMPLES / "catalog"
sys.path.insert(0, str(EXAMPLES))

from draw_catalog import PRODUCTS  # noqa: E402 - the scripts' folder is no package
from drawing import (  # noqa: E402 - the scripts' folder is no package
    COLORS,
    KINDS,
    NOTHING_KINDS,
    PATTERNS,
    SLEEVES,
    draw_garment,
    draw_nothing,
)


def rows_of(table: Path) -> list[dict[str, str]]:
    with table.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def pixels_of(picture: Image.Image) -> np.ndarray:
    return np.asarray(picture.convert("RGB"), np.int16)


# --- drawing ------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_a_garment_fills_the_sheet_and_stays_on_white(kind: str):
    pixels = pixels_of(draw_garment(kind, "red", seed=1, size=96))
    cloth = pixels.min(2) < 128
    rows, columns = np.nonzero(cloth)
    assert 0.03 < cloth.mean() < 0.75
    assert max(np.ptp(rows), np.ptp(columns)) > 0.5 * 96
    assert pixels[[0, 0, -1, -1], [0, -1, 0, -1]].min() > 235  # its corners are paper


@pytest.mark.parametrize("color", COLORS)
def test_a_garment_has_the_colour_that_was_asked_for(color: str):
    drawn = [pixels_of(draw_garment("t-shirt", color, seed=s, size=96)) for s in range(5)]
    # Shades vary by seed: their middle is the colour.
    middle = np.median([p[40:70, 38:58].reshape(-1, 3) for p in drawn], axis=(0, 1))
    nearest = min(COLORS, key=lambda name: np.abs(middle - COLORS[name]).sum())
    assert nearest == color


@pytest.mark.parametrize("pattern", [p for p in PATTERNS if p not in ("solid", "graphic")])
def test_a_pattern_is_seen_in_the_cloth(pattern: str):
    solid, patterned = (
        pixels_of(draw_garment("skirt", "navy", p, seed=3, size=128))[50:90, 50:78].std()
        for p in ("solid", pattern)
    )
    assert patterned > solid + 15


def test_longer_sleeves_reach_further_down():
    def arm(sleeve: str) -> float:
        """Share of cloth left and right of the trunk, below the armpits, over five shirts."""
        drawn = (draw_garment("t-shirt", "blue", sleeve=sleeve, seed=s, size=96) for s in range(5))
        return float(np.mean([pixels_of(p)[36:, :20].min(2) < 160 for p in drawn]))

    arms = [arm(sleeve) for sleeve in SLEEVES]
    assert arms == sorted(arms)
    assert arms[-1] > 3 * max(arms[:2])


def test_a_seed_gives_the_same_pixels_and_another_seed_others():
    one, again, other = (draw_garment("bag", "green", "floral", seed=s) for s in (7, 7, 8))
    assert one.tobytes() == again.tobytes() != other.tobytes()


@pytest.mark.parametrize("kind", NOTHING_KINDS)
def test_pictures_without_a_product_are_drawn_by_seed(kind: str):
    one, again, other = (draw_nothing(kind, seed=s, size=64) for s in (1, 1, 2))
    assert one.size == (64, 64)
    assert one.mode == "RGB"
    assert one.tobytes() == again.tobytes() != other.tobytes()


@pytest.mark.parametrize(
    ("call", "word"),
    [
        (lambda: draw_garment("toga", "red", seed=0), "toga"),
        (lambda: draw_garment("dress", "ultraviolet", seed=0), "ultraviolet"),
        (lambda: draw_garment("dress", "red", "paisley", seed=0), "paisley"),
        (lambda: draw_garment("dress", "red", sleeve="odd", seed=0), "odd"),
        (lambda: draw_nothing("something", seed=0), "something"),
    ],
)
def test_what_is_not_drawn_is_said(call, word: str):
    with pytest.raises(ValueError, match=word):
        call()


# --- the catalogue ------------------------------------------------------------------------


@pytest.fixture(scope="module")
def drawn_again(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("catalog")
    command = [sys.executable, str(EXAMPLES / "draw_catalog.py"), "--out", str(out)]
    subprocess.run(command, check=True, cwd=out)
    return out


def test_the_script_draws_the_committed_catalogue(drawn_again: Path):
    for table in ("titles.csv", "truth.csv"):
        assert (drawn_again / table).read_bytes() == (CATALOG / table).read_bytes()
    names = {p.relative_to(CATALOG).as_posix() for p in CATALOG.rglob("*.jpg")}
    photos = {product.image for product in PRODUCTS if product.photo}
    assert len(photos) == 24
    assert names == photos | {
        p.relative_to(drawn_again).as_posix() for p in drawn_again.rglob("*.jpg")
    }
    for name in names - photos:
        with Image.open(CATALOG / name) as old, Image.open(drawn_again / name) as new:
            # Another libjpeg, or another processor's rounding, may move a pixel a little.
            assert np.abs(pixels_of(old) - pixels_of(new)).mean() < 2, name


def test_the_catalogue_is_small_and_mixed():
    pictures = list(CATALOG.rglob("*.jpg"))
    assert len(pictures) >= 24
    assert max(p.stat().st_size for p in pictures) <= 25_000
    truth = rows_of(CATALOG / "truth.csv")
    assert {row["pattern"] for row in truth} >= {
        "solid",
        "striped",
        "checked",
        "floral",
        "polka dot",
    }
    assert {row["image"] for row in truth} == {p.relative_to(CATALOG).as_posix() for p in pictures}
    titles = rows_of(CATALOG / "titles.csv")
    assert len(titles) < len(pictures)  # some have no row,
    assert any(not row["title"] for row in titles)  # some no title


def test_truth_speaks_the_default_labels():
    from fashiontag.labels import load_labels

    space = load_labels("fashion")
    for group in ("category", "color", "pattern"):
        drawn = {row[group] for row in rows_of(CATALOG / "truth.csv")}
        assert drawn <= set(space.group(group).names)


# --- the scripts, with the embedded model ---------------------------------------------------


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder away from the project; the workspace is made in it, and shared."""
    return tmp_path_factory.mktemp("desk")


def run(desk: Path, *arguments: str) -> str:
    path = os.pathsep.join(filter(None, [str(EXAMPLES.parent), os.environ.get("PYTHONPATH")]))
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=desk,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, f"{arguments}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def printed(desk: Path) -> Callable[[str], str]:
    """Return a function that runs a script, once, and says what it printed."""
    return functools.cache(lambda name: run(desk, str(EXAMPLES / f"{name}.py")))


def lines_with(text: str, word: str) -> list[str]:
    return [line for line in text.splitlines() if word in line]


def test_there_are_four_scripts_and_they_are_short():
    scripts = list(EXAMPLES.glob("0*.py"))
    assert len(scripts) == 4
    assert max(len(s.read_text("utf-8").splitlines()) for s in scripts) <= 35


def test_a_folder_is_tagged_as_it_was_drawn(printed: Callable[[str], str]):
    table = printed("01_tag_a_folder")
    truth = rows_of(CATALOG / "truth.csv")
    title_of = {row["image"]: row["title"] for row in rows_of(CATALOG / "titles.csv")}
    right = dict.fromkeys(("category", "color", "pattern"), 0)
    for row in truth:
        (line,) = lines_with(table, Path(row["image"]).name)
        # The title, which stands last, may name the truth too.
        tags = line.removesuffix(title_of.get(Path(row["image"]).name, ""))
        for group in right:
            right[group] += f" {row[group]} " in f"{tags} "
    # Seven have no title, or another product's; pictures alone must do there.
    assert right["category"] >= 0.7 * len(truth), right
    assert right["color"] >= 0.7 * len(truth), right
    assert right["pattern"] >= 6, right


def test_own_labels_sort_products_on_shelves(printed: Callable[[str], str]):
    lines = printed("02_own_labels").splitlines()
    shelves = {line[:12].strip(): line[15:] for line in lines}
    assert sum(int(line[12:15]) for line in lines) == len(rows_of(CATALOG / "truth.csv"))
    assert "SKU-30001" in shelves["Shoes"]
    assert "SKU-10432 [airy]" in shelves["Dresses"]
    assert shelves.get("(unsure)", "").count("SKU-") < 18
    others = ",".join(products for shelf, products in shelves.items() if shelf != "Shoes")
    assert not {"SKU-10433", "SKU-20011", "SKU-20013"} & set(shelves["Shoes"].split(", "))
    assert "SKU-30002" not in others  # heels stand nowhere else


def test_scores_say_where_they_come_from(printed: Callable[[str], str]):
    alone, titled, lied, landscape = printed("03_score_by_score").strip().split("\n\n")
    assert lines_with(alone, "backpack")[0].endswith("from image")
    assert lines_with(titled, "  category")[0].endswith("from both")
    assert not lines_with(lied, "  category  dress")  # the picture is seen through the lie
    assert "(none:" in landscape


def test_a_search_finds_what_was_tagged(printed: Callable[[str], str]):
    red, like, flowers, shirt, men = printed("04_search").strip().split("\n\n")
    assert "SKU-30002.jpg" in red  # the red heels
    assert "SKU-10441.jpg" in like.splitlines()[1]  # itself first
    assert "SKU-10432.jpg" in flowers  # the floral dress
    assert "shirt" in shirt.lower()
    assert "SKU-30006.jpg" in men  # the black shoes
    assert "women" not in men.lower()


def test_the_command_line_tags_the_catalogue_right(desk: Path):
    titles = str(CATALOG / "titles.csv")
    run(desk, "-m", "fashiontag", "tag", str(CATALOG), "--titles", titles, "--out", "tags.csv")
    tagged = {row["id"]: row for row in rows_of(desk / "tags.csv")}
    truth = rows_of(CATALOG / "truth.csv")
    assert set(tagged) == {row["image"] for row in truth}
    right = sum(tagged[row["image"]]["category"] == row["category"] for row in truth)
    assert right >= 0.7 * len(truth)
