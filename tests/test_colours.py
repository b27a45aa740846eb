"""Colours from the pixels: whatever the frame, the place and the model."""

import numpy as np
import pytest
from PIL import Image, ImageDraw

from fashiontag import colours
from fashiontag.labels import load_labels, parse_labels

NAMED = {
    "red": (190, 25, 35),
    "blue": (40, 90, 200),
    "yellow": (240, 205, 40),
    "black": (20, 20, 22),
    "white": (245, 245, 243),
    "green": (40, 130, 60),
    "pink": (235, 150, 180),
}


def on(ground, colour, size=(120, 160)) -> Image.Image:
    image = Image.new("RGB", size, ground)
    box = [size[0] * 0.25, size[1] * 0.2, size[0] * 0.75, size[1] * 0.8]
    ImageDraw.Draw(image).rectangle(box, fill=colour)
    return image


def best(image: Image.Image) -> str:
    group = load_labels("fashion").group("color")
    at = colours.columns(group)
    logits = colours.measure(colours.thumbnail(image))[:-1]
    return group.names[int(np.where(at >= 0, logits[at], -np.inf).argmax())]


@pytest.mark.parametrize("ground", ["white", (150, 110, 70), (90, 20, 30), (120, 120, 125)])
@pytest.mark.parametrize("name", NAMED)
def test_a_plain_thing_has_its_colour_on_any_ground(name: str, ground) -> None:
    assert best(on(ground, NAMED[name])) == name


def test_white_on_white_is_white_and_a_studio_is_known() -> None:
    assert best(on("white", NAMED["white"])) == "white"
    assert colours.measure(colours.thumbnail(on("white", NAMED["red"])))[-1] == colours.WHITE
    plain = colours.measure(colours.thumbnail(on((150, 110, 70), NAMED["red"])))
    assert plain[-1] == colours.PLAIN
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    assert colours.measure(noise)[-1] == colours.BUSY


@pytest.mark.parametrize("size", [(60, 80), (600, 800), (300, 200)])
def test_the_size_of_a_picture_hardly_matters(size) -> None:
    assert best(on("white", NAMED["blue"], size)) == "blue"


def test_only_groups_of_colours_are_asked() -> None:
    space = load_labels("fashion")
    found = {group.name: colours.columns(group) is not None for group in space.groups}
    assert [name for name, is_colour in found.items() if is_colour] == ["color"]
    own = parse_labels(
        {"groups": {"Farbe": {"labels": ["RED", "Navy  Blue", "gray", "plaid"]}}}, "own", "own.toml"
    )
    assert (colours.columns(own.group("Farbe")) >= 0).tolist() == [True, True, True, False]
