"""Rows of tags and their pictures → one HTML file that people look at.

The page is self-contained: pictures, styles and script are inside, and its content policy forbids
every request. Catalogue texts travel as JSON in which ``<``, ``>`` and ``&`` are escaped, and the
page puts them in place as text, so a title is inert whatever it holds.
"""

from __future__ import annotations

import base64
import hashlib
import html
import io
import json
import re
from importlib import resources
from typing import TYPE_CHECKING, Any, Self

from fashiontag.sinks.partfile import PartFile

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path
    from types import TracebackType

    from PIL import Image

    from fashiontag.datamodels import Hit, Tagged

_BOX = (240, 288)  # pixels of a thumbnail: a card's 190 px, sharp on most screens
_THUMB_BYTES = 12_000  # at most, about; a product on white takes 3,000
_ROWS_AT_ONCE = 250
# What a browser still opens at ease: 100,000 rows are 80 MB of text, pictures stop at 150 MB.
_MOST_ROWS = 100_000
_MOST_THUMBS = 150_000_000


def thumbnail(image: Image.Image) -> bytes:
    """Return a small JPEG of a picture, at most 240 x 288 pixels and never enlarged."""
    scale = min(1.0, _BOX[0] / image.width, _BOX[1] / image.height)
    size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
    colours = image if image.mode == "RGB" else image.convert("RGB")
    small = colours.resize(size, reducing_gap=2.0)
    for quality in (72, 50, 30):
        buffer = io.BytesIO()
        small.save(buffer, "JPEG", quality=quality, optimize=True)
        if buffer.tell() <= _THUMB_BYTES:
            break
    return buffer.getvalue()


def embed_json(value: object) -> str:
    """Return JSON that can stand inside a ``<script>`` element.

    A lone surrogate, from a file name that is no Unicode text, is spelled out as in the tables.
    """
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return re.sub("[<>&\u2028\u2029\ud800-\udfff]", _escape, text)


def _escape(found: re.Match[str]) -> str:
    code = ord(found[0])
    return f"\\\\u{code:04x}" if 0xD800 <= code <= 0xDFFF else f"\\u{code:04x}"


def open_report(
    out: Path, *, title: str, groups: Sequence[str], exclusive: Sequence[bool]
) -> ReportSink:
    """Open a contact sheet for writing, having made sure that it can be written.

    Parameters
    ----------
    out : Path
        The HTML file.
    title : str
        The page's heading.
    groups : sequence of str
        The attribute groups in the order of the cards.
    exclusive : sequence of bool
        For each group whether it takes one label: without one, the card says that it is unsure.

    Returns
    -------
    ReportSink
        A context manager. The file is there once its block has ended without an exception.

    Raises
    ------
    OutputError
        Nothing can be written there; later also from the sink, when the disk is full.
    """
    return ReportSink(PartFile(out), title, groups, exclusive)


class ReportSink:
    """One open contact sheet, made by `open_report`; a context manager.

    Memory stays flat. A page that no browser would open helps nobody: after 150 MB of pictures
    the cards go on without, after 100,000 rows they end, and the page's head says so.
    """

    def __init__(
        self, part: PartFile, title: str, groups: Sequence[str], exclusive: Sequence[bool]
    ) -> None:
        self._part = part
        self._groups = [
            {"name": name, "exclusive": one} for name, one in zip(groups, exclusive, strict=True)
        ]
        self._number = {name: at for at, name in enumerate(groups)}
        self._held: list[dict[str, Any]] = []
        self._rows = 0
        self._thumb_bytes = 0
        self._without_picture = 0
        self._finished = False
        self._script = _asset("contactsheet.js")
        self._put(page_head(title, self._script))
        self._put(_asset("contactsheet.html").replace("{{title}}", html.escape(title)))

    def write(self, tagged: Tagged, image: Image.Image | None) -> None:
        """Add one card; without a picture, its place says so."""
        self._rows += 1
        if self._rows > _MOST_ROWS:
            return
        if image is not None and self._thumb_bytes < _MOST_THUMBS:
            thumb = base64.b64encode(thumbnail(image)).decode()
            self._thumb_bytes += len(thumb)
            self._put(f'<script type="text/plain" id="t{self._rows - 1}">{thumb}</script>\n')
        elif image is not None:
            self._without_picture += 1
        row: dict[str, Any] = {"id": tagged.id, "path": tagged.path, "title": tagged.title}
        if tagged.status == "error":
            row["error"] = tagged.message or "no reason was given"
        row["tags"] = [
            [
                self._number[tag.group],
                tag.label,
                round(float(tag.score), 3),
                tag.source,
                tag.method,
                tag.decision,
            ]
            for tag in tagged.tags
        ]
        self._held.append(row)
        if len(self._held) >= _ROWS_AT_ONCE:
            self._flush()

    def finish(self, summary: Mapping[str, str]) -> None:
        """End the page; `summary` stands in its head, name and value."""
        self._flush()
        notices = []
        if self._rows > _MOST_ROWS:
            notices.append(f"Only the first {_MOST_ROWS:,} of {self._rows:,} products are here.")
        if self._without_picture:
            notices.append(f"{self._without_picture:,} cards are without their picture, for size.")
        page = {
            "groups": self._groups,
            "facts": list(summary.items()),
            "notice": " ".join(notices),
        }
        self._put(
            f'<script type="application/json" id="page-data">{embed_json(page)}</script>\n'
            f"<script>{self._script}</script>\n</body>\n</html>\n"
        )
        self._finished = True

    def _flush(self) -> None:
        if self._held:
            rows = embed_json(self._held)
            self._put(f'<script type="application/json" class="rows">{rows}</script>\n')
            self._held.clear()

    def _put(self, text: str) -> None:
        with self._part.errors():
            self._part.file.write(text.encode("utf-8", "backslashreplace"))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if kind is None:
                if not self._finished:
                    self.finish({})
                self._part.commit()
        finally:
            self._part.discard()


def write_gallery(
    out: Path,
    *,
    title: str,
    note: str,
    hits: Sequence[Hit],
    images: Sequence[Image.Image | None],
) -> None:
    """Write the answers to a search as one page, best first.

    Parameters
    ----------
    out : Path
        The HTML file.
    title, note : str
        The page's heading and the line under it ("" for none).
    hits : sequence of Hit
        What was found.
    images : sequence of Image or None
        A picture for each hit.

    Raises
    ------
    OutputError
        Nothing can be written there.
    """
    part = PartFile(out)
    try:
        cards = "\n".join(_hit_card(hit, im) for hit, im in zip(hits, images, strict=True))
        nothing = "" if hits else '<p class="nothing">Nothing was found.</p>'
        page = (
            f'{page_head(title)}<header class="top"><div><h1>{html.escape(title)}</h1>'
            f'<p class="facts">{html.escape(note)}</p></div></header>\n'
            f'<main class="gallery"><ol class="sheet">{cards}</ol>{nothing}</main>\n'
            "</body>\n</html>\n"
        )
        with part.errors():
            part.file.write(page.encode("utf-8", "backslashreplace"))
        part.commit()
    finally:
        part.discard()


def _hit_card(hit: Hit, image: Image.Image | None) -> str:
    picture = "no picture here"
    if image is not None:
        data = base64.b64encode(thumbnail(image)).decode()
        picture = f'<img alt="" src="data:image/jpeg;base64,{data}">'
    name = f"<h2>{html.escape(hit.title)}</h2>"
    if not hit.title:
        name = '<h2 class="untitled">no title</h2>'
    chips = "".join(
        f'<span class="tag" title="{html.escape(tag)}">{html.escape(tag.split("=", 1)[-1])}</span>'
        for tag in hit.tags
    )
    folded = f" · {hit.folded} more alike" if hit.folded else ""
    return (
        f'<li class="card"><div class="pic">{picture}</div><div class="body">'
        f'<p class="rank"><span>{hit.rank}{folded}</span><span>{hit.score:.3f}</span></p><div>'
        f'{name}<p class="id" title="{html.escape(hit.path)}">{html.escape(hit.id)}</p></div>'
        f'<div class="chips">{chips}</div></div></li>'
    )


def _asset(name: str) -> str:
    return resources.files("fashiontag.sinks").joinpath(name).read_text("utf-8")


def page_head(title: str, script: str = "", style: str = "") -> str:
    """Return a page down to ``<body>``; only the style and script named by hash may act.

    `style` is added to the common one.
    """
    style = _asset("page.css") + style
    allowed = f"script-src {_hash(script)}; " if script else ""
    policy = (
        f"default-src 'none'; img-src data:; style-src {_hash(style)}; {allowed}"
        "base-uri 'none'; form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
