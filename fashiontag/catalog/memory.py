"""Pictures that a Python caller hands over: paths, encoded bytes, PIL pictures and arrays."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from fashiontag.catalog.items import FileRef, NoPicture, Words, make_item
from fashiontag.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from PIL import Image

    from fashiontag.datamodels import Item


@dataclass(frozen=True, slots=True)
class MemoryRef:
    """A picture in memory: an `ImageRef`.

    Attributes
    ----------
    data : bytes
        The encoded picture.
    name : str
        What the caller calls it.
    """

    data: bytes = field(repr=False)
    name: str

    @property
    def locator(self) -> str:
        """``memory:NAME``."""
        return f"memory:{self.name}"

    def stamp(self) -> None:
        """Return None: memory has no time of change."""

    def read(self) -> bytes:
        """Return the bytes."""
        return self.data


def item_of(picture: object, title: object, id: str) -> Item:  # noqa: A002
    """Return a picture and its title as an item; one that can't be read fails when it is read.

    Parameters
    ----------
    picture : str, PathLike, bytes, PIL.Image.Image or ndarray
        A file's path, which is not opened here; an encoded picture; a picture, whose EXIF and
        colour profile count as in a file; or an array of shape (h, w), (h, w, 3) or (h, w, 4),
        uint8, grey, RGB or RGBA. The last two are kept as PNG, as what a file of theirs would be
        read as: upright sRGB on white.
    title : str or None
        None, NaN, ``pandas.NA`` or "" where there is none. Markup is removed from its text.
    id : str
        The id and the name of a picture in memory; a file's id is its path as given.

    Raises
    ------
    TypeError
        The picture or the title is something else.
    """
    words = Words(_title(title))
    if isinstance(picture, str | os.PathLike):
        path = str(picture)
        file = os.path.abspath(path)  # noqa: PTH100 (resolve() would follow links)
        return make_item(path, path, FileRef(file), words)
    if isinstance(picture, bytes):
        return make_item(id, "", MemoryRef(picture, id), words)
    return make_item(id, "", _encoded(picture, id), words)


def _title(title: object) -> str:
    if isinstance(title, str):
        return title
    # pandas marks what is missing with types of its own; it need not be installed
    missing = title is None or type(title).__name__ in {"NAType", "NaTType"}
    if missing or (isinstance(title, float | np.floating) and np.isnan(title)):
        return ""
    raise TypeError(f"A title is {title!r}; give text, or None where there is none.")


def _encoded(picture: object, name: str) -> MemoryRef | NoPicture:
    from PIL import Image  # here: paths alone must not wait for Pillow

    from fashiontag.catalog.images import reasons, upright

    if not isinstance(picture, np.ndarray | Image.Image):
        raise TypeError(
            f"Image {name} is {type(picture).__name__}; give a path or a PIL.Image.Image, "
            "encoded bytes or a uint8 array."
        )
    buffer = io.BytesIO()
    try:
        with reasons():
            opened = _from_array(picture) if isinstance(picture, np.ndarray) else picture
            upright(opened).save(buffer, "PNG", compress_level=1)
    except ImageError as error:
        return NoPicture(f"memory:{name}", str(error))
    return MemoryRef(buffer.getvalue(), name)


def _from_array(pixels: NDArray[Any]) -> Image.Image:
    from PIL import Image

    grey = pixels.ndim == 2
    colour = pixels.ndim == 3 and pixels.shape[2] in (3, 4)
    if pixels.dtype != np.uint8 or not pixels.size or not (grey or colour):
        raise ImageError(
            f"an array of shape {pixels.shape} and type {pixels.dtype}; "
            "(h, w), (h, w, 3) or (h, w, 4) of uint8 is a picture"
        )
    return Image.fromarray(pixels)
