"""Bytes to one upright sRGB picture on white, or the reason why there is none."""

from __future__ import annotations

import io
import math
import re
import threading
import warnings
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from typing import TYPE_CHECKING

import numpy as np

# Imported here, not on demand, so that many threads may open their first picture at once.
from PIL import (  # noqa: F401
    AvifImagePlugin,
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

# No second decoder for JPEG: simplejpeg, OpenCV and libvips stand on the same libjpeg-turbo. Of the
# 8.4 ms that Pillow takes for 640 KB at a quarter of the size, 7 go into unpacking Huffman codes;
# the others take 8.0, 8.2 and 10.5.
from fashiontag.catalog.colours import to_srgb
from fashiontag.catalog.kinds import kind_of
from fashiontag.catalog.metadata import leaner
from fashiontag.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterator

# The largest camera sensor on sale has 151 megapixels; such a picture with transparency takes
# 1.4 GB while it is composited, which still leaves room for the model below 2.5 GB.
MAX_PIXELS = 152_000_000
# Above this, pictures are decoded one at a time: eight threads must not hold 1.4 GB each.
_LARGE = 40_000_000
_one_large_at_a_time = threading.Lock()

# Each scan of a progressive JPEG goes over all pixels: at 144 megapixels an empty one of 200 bytes
# took 84 ms, so 1 MB of them seven minutes. Cameras and optimisers write 3 to 20.
MAX_SCANS = 100

# Only these decoders see the bytes: by default Pillow would hand an EPS file that is named .jpg
# to Ghostscript.
_FORMATS: tuple[str, ...] = ("JPEG", "PNG", "GIF", "WEBP", "BMP", "TIFF", "AVIF")
_ORIENTATION = 0x0112
_PHOTOMETRIC, _WHITE_IS_ZERO = 262, 0
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_OF_COLOURS = ("icc_profile", "srgb", "gamma", "chromaticity")
_DEEP_MODES = frozenset({"I;16", "I;16B", "I;16L", "I;16N", "I", "F"})

# Pillow warns of large pictures and of sloppy EXIF; large ones are judged below, and the rest
# would only scroll a progress bar away. One filter for the process: catch_warnings is not
# safe in threads.
warnings.filterwarnings("ignore", module=r"PIL\.")


def load_image(data: bytes, *, at_least: int | None = None) -> Image.Image:
    """Decode one picture: its first frame, upright, in sRGB, on white where it is transparent.

    Safe to call from several threads at once. The size is checked in the header, before
    anything is decoded.

    Parameters
    ----------
    data : bytes
        A JPEG, PNG, GIF, WebP, BMP, TIFF, AVIF or HEIC file, whatever its name was.
    at_least : int, optional
        The shorter side in pixels that the caller needs. A JPEG may then be decoded at 1/2,
        1/4 or 1/8 of its size, but never below twice that side, so that the caller's own
        resize still decides the quality.

    Returns
    -------
    PIL.Image.Image
        Mode RGB, loaded, without metadata.

    Raises
    ------
    ImageError
        With a short reason ("empty file", "truncated", ...), for whatever is wrong with the bytes.
    """
    if not data:
        raise ImageError("empty file")
    with reasons(data):
        try:
            return _decoded(data, at_least)
        except Exception:  # of a limit on metadata, or of the pixels: the first reason is told
            for bare in leaner(data):
                with suppress(Exception):
                    return _decoded(bare, at_least)
            raise


def size_of(data: bytes) -> tuple[int, int]:
    """Return width and height as the header has them; `ImageError` if there is none."""
    with reasons(data), _open(data) as picture:
        return picture.size


def _decoded(data: bytes, at_least: int | None) -> Image.Image:
    with _open(data) as picture:
        if "progression" in picture.info and (scans := data.count(b"\xff\xda")) > MAX_SCANS:
            raise ImageError(f"{scans} scans are more than the limit of {MAX_SCANS} scans")
        return upright(picture, at_least)


def upright(picture: Image.Image, at_least: int | None = None) -> Image.Image:
    """Return an open picture as `load_image` does: upright, in sRGB, on white, without metadata.

    Parameters
    ----------
    picture : PIL.Image.Image
        It is loaded, and otherwise left as it is; the result may share its pixels.
    at_least : int, optional
        The shorter side in pixels that the caller needs; only for a picture that nobody else has.

    Raises
    ------
    ImageError
        It is larger than `MAX_PIXELS`; other failures come as Pillow raises them.
    """
    with _room_for(*picture.size):
        if at_least is not None:
            # no effect on formats that can't be decoded smaller
            scale = 2 * at_least / min(picture.size)
            width, height = (math.ceil(side * scale) for side in picture.size)
            picture.draft(None, (width, height))
        picture.load()
        turn = _UPRIGHT.get(_orientation(picture))
        plain = _on_white(picture)
        return plain if turn is None else plain.transpose(turn)


@contextmanager
def reasons(data: bytes = b"") -> Iterator[None]:
    """Turn whatever goes wrong with a picture, or with its bytes, into an `ImageError`."""
    try:
        yield
    except ImageError:
        raise
    except Image.DecompressionBombError as error:
        pixels = re.search(r"\d{7,}", str(error))
        size = f"{int(pixels.group()) // 1_000_000} megapixels" if pixels else "its size"
        raise ImageError(
            f"{size} is more than the limit of {MAX_PIXELS // 1_000_000} megapixels"
        ) from error
    except MemoryError as error:
        raise ImageError("not enough memory to decode it") from error
    except Exception as error:  # damaged bytes raise anything: OSError, SyntaxError, struct.error
        raise ImageError(_reason(data, error)) from error


def _open(data: bytes) -> Image.Image:
    formats = _FORMATS
    if kind_of(data) == "HEIC":
        try:
            import pillow_heif
        except ImportError as error:
            raise ImageError(
                "a HEIC picture, and there is no decoder for it: install pillow-heif"
            ) from error
        pillow_heif.register_heif_opener()
        formats = (*_FORMATS, "HEIF")
    return Image.open(io.BytesIO(data), formats=formats)


def _room_for(width: int, height: int) -> AbstractContextManager[object]:
    """Refuse a bomb; let a large picture wait for its turn."""
    if width * height > MAX_PIXELS:
        raise ImageError(
            f"{width}×{height} pixels is more than the limit of "
            f"{MAX_PIXELS // 1_000_000} megapixels"
        )
    return _one_large_at_a_time if width * height > _LARGE else nullcontext()


def _orientation(picture: Image.Image) -> int:
    """Return the EXIF orientation, 1 where there is none.

    Read after loading, because Pillow turns a TIFF while it loads it and then drops the mark.
    """
    try:
        return int(picture.getexif().get(_ORIENTATION, 1))
    except Exception:  # a picture with damaged EXIF is a good picture
        return 1


def _on_white(picture: Image.Image) -> Image.Image:
    if picture.mode in _DEEP_MODES:
        picture = _from_deep(picture)
    elif (
        picture.format == "BMP" and picture.mode == "RGBA" and not picture.getchannel("A").getbbox()
    ):
        picture = picture.convert("RGB")  # programs leave the fourth byte 0, and viewers ignore it
    picture = to_srgb(picture)
    if not picture.has_transparency_data:
        # the plain class around the same pixels: convert copies RGB too, 0.5 ms for 450 x 600
        same = picture.mode == "RGB"
        plain = picture._new(picture.im) if same else picture.convert("RGB")  # noqa: SLF001
        plain.info.clear()  # or a caller could turn it by its EXIF a second time
        return plain
    layer = picture if picture.mode == "RGBA" else picture.convert("RGBA")
    canvas = Image.new("RGB", layer.size, "white")
    canvas.paste(layer, mask=layer.getchannel("A"))
    return canvas


def _from_deep(picture: Image.Image) -> Image.Image:
    """Scale grey of 16 or more bits to 8: Pillow's own conversion clips some of these modes."""
    values = np.nan_to_num(np.asarray(picture, dtype=np.float32), posinf=0, neginf=0)
    peak = float(values.max())
    tops = (1, 255, 65535) if picture.mode == "F" else (255, 65535)
    top = next((top for top in tops if peak <= top), peak)
    levels = np.clip(values * (255 / top), 0, 255).astype(np.uint8)
    # Pillow turns such a TIFF of 8 bits around, and leaves deeper ones
    if getattr(picture, "tag_v2", {}).get(_PHOTOMETRIC) == _WHITE_IS_ZERO:
        levels = 255 - levels
    grey = Image.fromarray(levels)
    clear = picture.info.get("transparency")
    if isinstance(clear, int):  # the one grey of a PNG that is transparent
        grey.putalpha(Image.fromarray(np.where(values == clear, 0, 255).astype(np.uint8)))
    grey.info = {key: picture.info[key] for key in _OF_COLOURS if key in picture.info}
    return grey


def _reason(data: bytes, error: Exception) -> str:
    text = str(error)
    if "truncated" in text.lower():
        return "truncated"
    if not isinstance(error, UnidentifiedImageError):
        return f"damaged: {text[:120] or type(error).__name__}"
    if kind := kind_of(data):
        return f"truncated or damaged {kind}: its header can't be read"
    if data[4:8] == b"ftyp":
        return f"no decoder here for a picture of the kind {data[8:12].decode('latin-1')!r}"
    start = data[:24]
    shown = start.decode("ascii") if start.isascii() else start[:8].hex(" ")
    return f"not an image: starts with {' '.join(shown.split())!r}"
