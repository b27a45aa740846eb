"""A patch of the user's own file: its bytes, with a few places replaced."""

from __future__ import annotations

import gzip
from typing import IO, TYPE_CHECKING

from fashiontag.sinks.partfile import PartFile

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fashiontag.datamodels import Edit

_BLOCK = 1 << 20


def write_patched(out: Path, source: IO[bytes], edits: Iterable[Edit]) -> None:
    """Copy a file with some places replaced, whole or not at all; ``.gz`` is packed.

    Parameters
    ----------
    out : Path
    source : binary file
        At its start.
    edits : iterable of Edit
        In the order of their places, none inside another.

    Raises
    ------
    OutputError
        The file can't be written.
    """
    with PartFile(out) as part:
        packed = out.suffix.lower() == ".gz"
        # without a name and a time in it, so that equal feeds are equal bytes
        target: IO[bytes] = (
            gzip.GzipFile("", "wb", fileobj=part.file, mtime=0)  # type: ignore[assignment]
            if packed
            else part.file
        )
        at = 0
        for edit in edits:
            at += _copy(source, target, part, edit.start - at)
            at += len(source.read(edit.end - edit.start))
            with part.errors():
                target.write(edit.new)
        _copy(source, target, part, None)
        if packed:
            with part.errors():
                target.close()


def _copy(source: IO[bytes], target: IO[bytes], part: PartFile, size: int | None) -> int:
    """Copy some bytes, or all that are left, and return how many."""
    copied = 0
    while size is None or copied < size:
        block = source.read(_BLOCK if size is None else min(_BLOCK, size - copied))
        if not block:
            break
        with part.errors():
            target.write(block)
        copied += len(block)
    return copied
