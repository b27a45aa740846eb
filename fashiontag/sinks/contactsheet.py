"""Rows of tags and their pictures → one HTML file that people look at; hits → a gallery."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from fashiontag.datamodels import TaggedUnit
from fashiontag.sinks import pages
from fashiontag.sinks.partfile import PartFile

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    from PIL import Image

    from fashiontag.datamodels import Hit, Item, Tagged
    from fashiontag.labels import LabelSpace

_ROWS_AT_ONCE = 250
# What a browser still opens at ease: 100,000 rows are 80 MB of text, pictures stop at 150 MB.
_MOST_ROWS = 100_000
_MOST_THUMBS = 150_000_000


@contextmanager
def open_report(
    out: Path, *, title: str, space: LabelSpace, load: pages.LoadImage
) -> Iterator[ReportSink]:
    """Open a contact sheet for writing, having made sure that it can be written.

    Parameters
    ----------
    out : Path
        The HTML file.
    title : str
        The page's heading.
    space : LabelSpace
        The attribute groups in the order of the cards. A card without a label of an exclusive group
        that a picture shows says that it is unsure, unless the group is out of question.
    load : LoadImage
        How a picture is decoded.

    Yields
    ------
    ReportSink
        The file is there once the block has ended without an exception.

    Raises
    ------
    OutputError
        Nothing can be written there; later also from the sink, when the disk is full.
    """
    with PartFile(out) as part:
        sink = ReportSink(part, title, space, load)
        yield sink
        sink.finish()


class ReportSink:
    """One open contact sheet, made by `open_report`.

    Memory stays flat. A page that no browser would open helps nobody: after 150 MB of pictures
    the cards go on without, after 100,000 rows they end, and the page's head says so.
    """

    def __init__(
        self, part: PartFile, title: str, space: LabelSpace, load: pages.LoadImage
    ) -> None:
        self._part = part
        self._title = title
        self._space = space
        self._number = {name: number for number, name in enumerate(space.names)}
        self._load = load
        self._held: list[dict[str, Any]] = []
        self._thumbs: list[tuple[str, str]] = []
        self._rows = 0
        self._thumb_bytes = 0
        self._without_picture = 0
        self._part.write(self._around_rows({})[0])

    def write(self, tagged: Tagged, item: Item) -> None:
        """Add one card; without a picture, its place says so."""
        self._rows += 1
        if self._rows > _MOST_ROWS:
            return
        shown = tagged.photos if isinstance(tagged, TaggedUnit) else (item,)
        if tagged.status == "ok" and self._thumb_bytes >= _MOST_THUMBS:
            self._without_picture += 1
        elif tagged.status == "ok":
            self._picture(shown)
        row: dict[str, Any] = {"id": tagged.id, "path": tagged.path, "title": item.text}
        if isinstance(tagged, TaggedUnit):
            row |= {"photos": len(tagged.photos), "note": tagged.message}
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
        row["unsure"] = self._unsure(tagged)
        self._held.append(row)
        if len(self._held) >= _ROWS_AT_ONCE:
            self._flush()

    def _unsure(self, tagged: Tagged) -> list[int]:
        """Return the numbers of the groups that have no answer, though a picture might give one."""
        if tagged.status == "error":
            return []
        given = tagged.given
        closed = {tag.group for tag in given}
        closed |= self._space.out_of_question({tag.tag for tag in given})
        asked = (g.name for g in self._space.groups if g.exclusive and g.visible)
        return [self._number[name] for name in asked if name not in closed]

    def _picture(self, shown: Sequence[Item]) -> None:
        """Add the thumbnails of a card, each of its photos that can be read."""
        name = str(self._rows - 1)
        for number, photo in enumerate(shown):
            image = pages.picture_of(photo, self._load)
            if image is not None:
                thumb = pages.embed_thumbnail(image)
                self._thumb_bytes += len(thumb)
                self._thumbs.append((f"{name}-{number}" if number else name, thumb))

    def finish(self) -> None:
        """End the page."""
        self._flush()
        notices = []
        if self._rows > _MOST_ROWS:
            notices.append(f"Only the first {_MOST_ROWS:,} of {self._rows:,} products are here.")
        if self._without_picture:
            notices.append(f"{self._without_picture:,} cards are without their picture, for size.")
        page = {
            "groups": [{"name": g.name, "exclusive": g.exclusive} for g in self._space.groups],
            "notice": " ".join(notices),
        }
        self._part.write(self._around_rows(page)[1])

    def _around_rows(self, page: Mapping[str, Any]) -> list[str]:
        """Return what stands before the rows, and what after them: that is known at the end."""
        text = (
            pages.templates().get_template("contactsheet.html").render(title=self._title, page=page)
        )
        return text.split("<!-- rows -->\n")

    def _flush(self) -> None:
        if self._held:
            template = pages.templates().get_template("contactsheet_rows.html")
            self._part.write(template.render(rows=self._held, pictures=self._thumbs))
            self._held.clear()
            self._thumbs.clear()


def write_gallery(
    out: Path,
    *,
    title: str,
    note: str,
    hits: Sequence[Hit],
    images: Iterable[Image.Image | None],
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
    images : iterable of Image or None
        A picture for each hit (`picture_of`), taken as they are written.

    Raises
    ------
    OutputError
        Nothing can be written there.
    """
    cards = zip(hits, images, strict=True)
    pages.write_page(out, "gallery.html", title=title, note=note, hits=hits, cards=cards)
