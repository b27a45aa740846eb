"""Batches on their way through decoders, model and store."""

from __future__ import annotations

import os
from threading import Barrier

import numpy as np
import pytest
from fakes import COLORS, ColorEncoder, color_picture

from fashiontag.catalog import read_catalog
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import EmbedOptions, embed


@pytest.fixture
def items(tmp_path):
    for number, color in enumerate(COLORS):  # eight
        path = color_picture(tmp_path / f"shop/{number}.png", color)
        os.utime(path, (1e9, 1e9))  # old enough to be remembered
    return read_catalog(str(tmp_path / "shop")).items


class TwoAtOnce(ColorEncoder):
    """An encoder that gives a batch back only when the next has come, and counts."""

    batch_size = 2

    def __init__(self):
        super().__init__()
        self.sizes: list[int] = []
        self.met = Barrier(2)

    def encode_images(self, pixels):
        self.sizes.append(len(pixels))
        self.met.wait(timeout=30)
        return super().encode_images(pixels)


def test_a_batch_is_handed_over_while_another_is_computed(items, tmp_path):
    encoder, done = TwoAtOnce(), []
    with Workspace.open(tmp_path / "workspace", encoder) as workspace:
        (window,) = embed(workspace, items, EmbedOptions(progress=done.append))
        assert window.encoded == 8
        assert window.images.tolist() == list(range(8))  # stored in the order of the source
        wanted = ColorEncoder().encode_images([encoder.prepare(_open(item)) for item in items])
        np.testing.assert_allclose(workspace.images.read(window.images), wanted, atol=1e-3)
    assert encoder.sizes == [2, 2, 2, 2]  # as many as the encoder likes
    assert done == [2, 2, 2, 2]


def test_a_picture_that_comes_again_in_the_next_batch_is_encoded_once(items, tmp_path):
    encoder = ColorEncoder()
    twice = [items[0], items[1], items[1], items[0], items[2], items[0]]
    with Workspace.open(tmp_path / "workspace", encoder) as workspace:
        (window,) = embed(workspace, twice, EmbedOptions(batch_size=2))
    assert encoder.images_seen == window.encoded == 3
    assert window.images.tolist() == [0, 1, 1, 0, 2, 0]


def test_an_encoder_is_not_asked_how_many_it_likes_where_all_is_stored(items, tmp_path):
    class Asked(ColorEncoder):
        @property
        def batch_size(self):
            raise AssertionError("asking loads the model")

    for encoder in (ColorEncoder(), Asked()):
        with Workspace.open(tmp_path / "workspace", encoder) as workspace:
            (window,) = embed(workspace, items)
    assert window.encoded == 0
    with Workspace.open(tmp_path / "other", Asked()) as workspace, pytest.raises(AssertionError):
        list(embed(workspace, items))


def test_a_run_that_ends_with_a_batch_goes_on_from_there_to_the_same_bytes(items, tmp_path):
    class Fails(ColorEncoder):
        def encode_images(self, pixels):
            if self.images_seen == 4:
                raise ValueError("third batch")
            return super().encode_images(pixels)

    with Workspace.open(tmp_path / "workspace", Fails()) as workspace:
        with pytest.raises(ValueError, match="third batch"):
            list(embed(workspace, items, EmbedOptions(batch_size=2, workers=1)))
        assert len(workspace.images.matrix()) == 4
    with Workspace.open(tmp_path / "workspace", ColorEncoder()) as workspace:
        (window,) = embed(workspace, items, EmbedOptions(batch_size=2))
        again = workspace.images.matrix().tobytes()
    assert window.images.tolist() == list(range(8))
    with Workspace.open(tmp_path / "calm", ColorEncoder()) as workspace:
        list(embed(workspace, items, EmbedOptions(batch_size=2)))
        assert workspace.images.matrix().tobytes() == again


def _open(item):
    from PIL import Image

    return Image.open(item.path)
