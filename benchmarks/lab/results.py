"""Result rows on disk: JSON lines that are only ever appended to."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any

from fashiontag.errors import CatalogError

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

Row = dict[str, Any]
IDENTITY = ("kind", "data", "encoder", "method", "condition", "shots", "seed", "group")


def read_rows(path: Path) -> list[Row]:
    """Read result rows, the newest of each cell and group, in the order of their first writing.

    A last line that was torn by a kill is left out.

    Raises
    ------
    CatalogError
        Another line is no JSON.
    """
    if not path.is_file():
        return []
    lines = path.read_text("utf-8").split("\n")
    newest: dict[tuple[Any, ...], Row] = {}
    for number, line in enumerate(lines[:-1], start=1):  # what follows the last newline is torn
        try:
            row = json.loads(line)
        except ValueError as error:
            raise CatalogError(
                f"{path}, line {number} is no JSON; take it out, or restore the file."
            ) from error
        newest[tuple(row.get(name) for name in IDENTITY)] = row
    return list(newest.values())


def append_rows(path: Path, rows: Iterable[Row]) -> None:
    """Append whole lines in one write, after cutting off a line that a kill tore."""
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    with path.open("ab+") as file:
        file.seek(0)
        whole = file.read().rfind(b"\n") + 1
        file.truncate(whole)
        file.write(text.encode())


def digest(value: object) -> str:
    """Return twelve hexadecimal digits that stand for a value, as rows hold them."""
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=6).hexdigest()
