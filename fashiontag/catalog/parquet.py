"""Pictures inside a Parquet file, as data sets keep them: ``{bytes, path}``, or bytes alone."""

# as in `items`
# ruff: noqa: PTH100, PTH118, PTH120

from __future__ import annotations

import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from fashiontag.catalog.items import FileRef
from fashiontag.errors import ImageError

_READING = threading.Lock()


def pictures_inside(schema: Any) -> dict[str, str | None]:  # noqa: ANN401 - pyarrow has no types
    """Return the columns of a Parquet file that hold pictures, and the field with their names."""
    import pyarrow as pa

    found: dict[str, str | None] = {}
    for column in schema:
        kind = column.type
        if pa.types.is_struct(kind) and kind.get_field_index("bytes") >= 0:
            found[column.name] = "path" if kind.get_field_index("path") >= 0 else None
        elif pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
            found[column.name] = None
    return found


@dataclass(frozen=True, slots=True)
class InsideRef:
    """A picture in a row of a Parquet file: an `ImageRef`.

    Attributes
    ----------
    file : str
        The absolute path of the Parquet file.
    column : str
    group, row : int
        The row group, and the row within it, from 0.
    locator : str
        The file, and the row in it.
    """

    file: str
    column: str
    group: int
    row: int
    locator: str

    def stamp(self) -> str | None:
        """Return size and time of change of the whole file; None where there is none."""
        return FileRef(self.file).stamp()

    def read(self) -> bytes:
        """Return the encoded picture; raise `ImageError` with the reason if there is none."""
        try:
            # rows come in order, so the group that is wanted is nearly always the last one
            with _READING:
                cell = _group(self.file, self.stamp(), self.column, self.group)[self.row].as_py()
        except Exception as error:  # pyarrow's errors have no common base
            raise ImageError(f"the row can't be read: {error}") from error
        return picture_in(cell, os.path.dirname(self.file))


def picture_in(cell: Any, folder: str = "") -> bytes:  # noqa: ANN401
    """Return the picture that a row holds, or names below a folder; raise `ImageError` if none."""
    data, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
    if data:
        return bytes(data)
    if path:
        return FileRef(os.path.join(folder, path)).read()
    raise ImageError("the row holds no picture")


@lru_cache(maxsize=1)
def _group(file: str, stamp: str | None, column: str, group: int) -> Any:  # noqa: ANN401, ARG001
    import pyarrow.parquet as pq

    return pq.ParquetFile(file).read_row_group(group, [column]).column(0)


def list_inside(path: str, wanted: str | None) -> list[InsideRef]:
    """Return the pictures inside a Parquet file, row by row; none if it holds none.

    Parameters
    ----------
    path : str
    wanted : str or None
        The column with the pictures; None is the first.
    """
    import pyarrow.parquet as pq

    file = pq.ParquetFile(path)
    inside = pictures_inside(file.schema_arrow)
    column = next(iter(inside), None) if wanted is None else wanted
    if column not in inside:
        return []
    whole = os.path.abspath(path)
    refs: list[InsideRef] = []
    for group in range(file.num_row_groups):
        for row in range(file.metadata.row_group(group).num_rows):
            refs.append(InsideRef(whole, column, group, row, f"{whole}/{len(refs)}"))
    return refs
