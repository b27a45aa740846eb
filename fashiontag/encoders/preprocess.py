"""One upright picture to the pixels a model takes, with Pillow alone: no torch in the workers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fashiontag.errors import ModelError

if TYPE_CHECKING:
    from PIL import Image

    from fashiontag.datamodels import Pixels

# Part of every fingerprint: raise it when a picture's bytes come to other pixels, be it in
# `catalog/images.py`, in `margins.py` or here, or the cutting of long texts to other windows.
# 2: colour profiles are honoured, excess margins are taken off.
# 3: deep grey from white, a deep transparent level, bitmaps without alpha.
VERSION = 3

# The numbers of Pillow's filters: a search by words must not wait for Pillow's import. "random" is
# open_clip's word for "random while training".
_FILTERS = {"bicubic": 3, "bilinear": 2, "random": 3}
_MODES = ("shortest", "longest", "squash")

# A strip of 1 x 10,000 would become 224 x 2,240,000 (1.5 GB) before its centre is cut out.
# Above this ratio only the part that survives the crop is resized.
_STRIP = 8


@dataclass(frozen=True, slots=True)
class Preprocess:
    """open_clip's inference transform up to the tensor, and the numbers for what follows.

    Attributes
    ----------
    size : tuple of int
        Height and width of the result.
    mean, std : tuple of float
        Per channel, applied to values in [0, 1] by the model's side.
    interpolation : {"bicubic", "bilinear", "random"}
    resize_mode : {"shortest", "longest", "squash"}
        Shortest side to size and centre cut out; longest side to size and padded; or stretched.
    fill_color : int
        The grey of the padding.
    """

    size: tuple[int, int]
    mean: tuple[float, float, float]
    std: tuple[float, float, float]
    interpolation: str
    resize_mode: str
    fill_color: int

    @classmethod
    def from_config(cls, config: Mapping[str, Any], where: str) -> Preprocess:
        """Read ``preprocess_cfg`` and ``vision_cfg``; a missing mean or std is an error, no guess.

        open_clip fills both in with OpenAI's numbers without a word, which is wrong for SigLIP.

        Raises
        ------
        ModelError
            If a number is missing or has a value that open_clip doesn't know.
        """
        given = config.get("preprocess_cfg") or {}
        side = config["model_cfg"]["vision_cfg"].get("image_size", 224)
        size = (side, side) if isinstance(side, int) else tuple(side)
        interpolation = given.get("interpolation") or "bicubic"
        mode = given.get("resize_mode") or "shortest"
        fill = given.get("fill_color") or 0
        right = (
            len(size) == 2
            and all(isinstance(n, int) and n > 0 for n in size)
            and interpolation in _FILTERS
            and mode in _MODES
            and isinstance(fill, int)
            and given.get("mode", "RGB") == "RGB"
            and _three(given.get("mean"))
            and _three(given.get("std"))
            and min(given["std"]) > 0
        )
        if not right:
            raise ModelError(
                f"{where} does not say how pictures are prepared: preprocess_cfg needs mean and std"
                f" of three numbers, interpolation one of {', '.join(_FILTERS)}, resize_mode one"
                f" of {', '.join(_MODES)}; take the file that the model was published with."
            )
        mean, std = tuple(map(float, given["mean"])), tuple(map(float, given["std"]))
        return cls(size, mean, std, interpolation, mode, fill)  # type: ignore[arg-type]

    def __call__(self, image: Image.Image) -> Pixels:
        """Resize, then crop or pad, exactly as open_clip's transform does before its tensor.

        Parameters
        ----------
        image : PIL.Image.Image
            Upright; converted to RGB if it is something else.

        Returns
        -------
        ndarray of shape (height, width, 3), uint8
        """
        if image.mode != "RGB":
            image = image.convert("RGB")
        height, width = self.size
        if self.resize_mode == "squash":
            image = self._resize(image, (width, height))
        elif self.resize_mode == "longest":
            ratio = max(image.width / width, image.height / height)
            scaled = (max(1, round(image.width / ratio)), max(1, round(image.height / ratio)))
            image = self._window(self._resize(image, scaled), self.fill_color)
        else:
            image = self._shortest(image)
        return np.array(image, dtype=np.uint8)

    def _shortest(self, image: Image.Image) -> Image.Image:
        height, width = self.size
        if height == width:
            # torchvision's rule for one number: the long side is cut down to an integer.
            short, long = sorted(image.size)
            other = int(height * long / short)
            scaled = (height, other) if image.width <= image.height else (other, height)
        else:
            ratio = min(image.width / width, image.height / height)
            scaled = (round(image.width / ratio), round(image.height / ratio))
        if max(scaled) > _STRIP * max(self.size):
            left, top = round((scaled[0] - width) / 2), round((scaled[1] - height) / 2)
            across, down = image.width / scaled[0], image.height / scaled[1]
            box = (left * across, top * down, (left + width) * across, (top + height) * down)
            return image.resize((width, height), _FILTERS[self.interpolation], box=box)
        return self._window(self._resize(image, scaled), 0)

    def _resize(self, image: Image.Image, size: tuple[int, int]) -> Image.Image:
        return image if image.size == size else image.resize(size, _FILTERS[self.interpolation])

    def _window(self, image: Image.Image, fill: int) -> Image.Image:
        """Cut the centre out, or put the picture in the middle of `fill` where it is too small."""
        height, width = self.size
        if image.width < width or image.height < height:
            from PIL import Image

            across, down = max(width, image.width), max(height, image.height)
            canvas = Image.new("RGB", (across, down), (fill,) * 3)
            canvas.paste(image, ((across - image.width) // 2, (down - image.height) // 2))
            image = canvas
        if image.size == (width, height):
            return image
        left, top = round((image.width - width) / 2), round((image.height - height) / 2)
        return image.crop((left, top, left + width, top + height))


def _three(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and len(value) == 3
        and all(isinstance(number, int | float) for number in value)
    )
