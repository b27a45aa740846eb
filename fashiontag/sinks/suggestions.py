"""Products to label → a table to fill in: its column ``tags`` is empty, LABELS reads it back."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING

from fashiontag.sinks.partfile import PartFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

COLUMNS = ("image", "title", "status", "message", "tags")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def write_suggestions(out: Path, rows: Iterable[tuple[str, str, str, str]]) -> None:
    """Write id, title, purpose and remark of each product as CSV.

    Raises
    ------
    OutputError
        Nothing can be written there.
    """
    part = PartFile(out)
    try:
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(COLUMNS)
        for image, title, purpose, remark in rows:
            # A title is never a spreadsheet's formula; an id has to stay what it is.
            safe = f"'{title}" if title.startswith(_FORMULA) else title
            writer.writerow((image, safe, purpose, remark, ""))
        with part.errors():
            part.file.write(text.getvalue().encode("utf-8", "backslashreplace"))
        part.commit()
    finally:
        part.discard()
