"""Pages from templates: self-contained, and inert whatever a catalogue's texts hold.

Pictures, style and script are inside, and a page's content policy forbids every request. Templates
escape every text. Data for a script travels as JSON in which ``<``, ``>`` and ``&`` are escaped,
and the script puts it in place as text.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fashiontag.datamodels import Hit, Item
from fashiontag.sinks.partfile import PartFile

if TYPE_CHECKING:
    from jinja2 import Environment
    from PIL import Image

_BOX = (240, 288)  # pixels of a thumbnail: a card's 190 px, sharp on most screens
_THUMB_BYTES = 12_000  # at most, about; a product on white takes 3,000
_SIDE = 120  # a JPEG may be decoded at any scale that leaves twice this: a thumbnail's width


class LoadImage(Protocol):
    """Bytes → picture; `fashiontag.catalog.images.load_image` is one."""

    def __call__(self, data: bytes, *, at_least: int) -> Image.Image:
        """Decode a picture whose shorter side is needed in `at_least` pixels, or `ImageError`."""


def picture_of(shown: Item | Hit, load: LoadImage) -> Image.Image | None:
    """Return the picture of an item or a hit, large enough for a thumbnail.

    None where it can't be read: what was encoded once may be gone or moved, its tags still hold,
    and a hit's path may be the row of a data set.
    """
    try:
        data = shown.image.read() if isinstance(shown, Item) else Path(shown.path).read_bytes()
        return load(data, at_least=_SIDE)
    except OSError:  # an ImageError is one, too
        return None


def thumbnail(image: Image.Image) -> bytes:
    """Return a small JPEG of a picture, at most 240 x 288 pixels and never enlarged."""
    small = image.convert("RGB")
    small.thumbnail(_BOX)
    for quality in (72, 50, 30):
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= _THUMB_BYTES:
            break
    return buffer.getvalue()


def embed_thumbnail(image: Image.Image) -> str:
    """Return a picture's `thumbnail` in base64, as a data URL has it."""
    return base64.b64encode(thumbnail(image)).decode()


def embed_json(value: object) -> str:
    """Return JSON that can stand inside a ``<script>`` element.

    A lone surrogate, from a file name that is no Unicode text, is spelled out as in the tables.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    text = re.sub("[\ud800-\udfff]", lambda found: f"\\\\u{ord(found[0]):04x}", text)
    return re.sub("[<>&\u2028\u2029]", lambda found: f"\\u{ord(found[0]):04x}", text)


def write_page(out: Path, template: str, **values: object) -> None:
    """Write one page piece by piece, whole or not at all.

    Raises
    ------
    OutputError
        Nothing can be written there.
    """
    with PartFile(out) as part:
        for text in templates().get_template(template).generate(values):
            part.write(text)


@cache
def templates() -> Environment:
    """Return the templates of this room; a page's extend ``page.html``, which has its policy."""
    from jinja2 import Environment, PackageLoader, StrictUndefined  # only where a page is written

    environment = Environment(
        loader=PackageLoader("fashiontag.sinks"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.globals["asset"] = _asset
    environment.filters |= {
        "figure": lambda value: "–" if value is None else f"{value:.3f}",
        "json": embed_json,
        "sha256": _sha256,
        "thousands": "{:,}".format,
        "thumbnail": embed_thumbnail,
    }
    return environment


def _asset(name: str) -> str:
    """Return a style or script as it is; templates stand in the same folder."""
    return (resources.files("fashiontag.sinks") / "templates" / name).read_text("utf-8")


def _sha256(text: str) -> str:
    """Return a style or script's hash as a content policy has it."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
