"""An encoder that can be read by eye: a picture is its mean colour, a text its colour words."""

import re
from pathlib import Path

import numpy as np
from PIL import Image

from fashiontag.datamodels import EncodedTexts

COLORS = {
    "red": (255, 0, 0),
    "green": (0, 255, 0),
    "blue": (0, 0, 255),
    "yellow": (255, 255, 0),
    "purple": (255, 0, 255),
    "teal": (0, 255, 255),
    "white": (255, 255, 255),
    "black": (0, 0, 0),
}
CONTEXT = 8
"""Words in one window of a text."""


class ColorEncoder:
    """Vectors of four numbers: red, green and blue from -1 to 1, and 0.5, made unit length.

    ``images_seen`` and ``texts_seen`` tell what it was asked to encode.
    """

    def __init__(self, name="color", fingerprint="c0105"):
        self.name = name
        self.fingerprint = fingerprint
        self.dim = 4
        self.folder: Path | None = None
        self.image_size = 8
        self.images_seen = 0
        self.texts_seen: list[str] = []

    def prepare(self, image):
        return np.asarray(image.convert("RGB").resize((8, 8)))

    def encode_images(self, pixels):
        self.images_seen += len(pixels)
        return _unit([picture.reshape(-1, 3).mean(axis=0) for picture in pixels])

    def encode_texts(self, texts):
        assert all(texts), "the vector of an empty text means nothing"
        self.texts_seen += texts
        windows = [max(1, -(-len(text.split()) // CONTEXT)) for text in texts]
        return EncodedTexts(_unit([_color_of(text) for text in texts]), np.array(windows))


def _color_of(text):
    """Return the mean of a text's colour words; mid grey where it has none."""
    found = [COLORS[word] for word in re.findall(r"[a-z]+", text.lower()) if word in COLORS]
    return np.mean(found, axis=0) if found else np.full(3, 127.5)


def _unit(colors):
    vectors = np.full((len(colors), 4), 0.5, dtype=np.float32)
    if len(colors):
        vectors[:, :3] = np.asarray(colors) / 127.5 - 1
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def color_picture(path, color, size=(16, 16)):
    """Write a picture of one colour, given as a word or as RGB, and return its path."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, COLORS.get(color, color)).save(path)
    return path
