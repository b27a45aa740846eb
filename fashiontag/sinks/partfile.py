"""A file or folder that appears whole or not at all: written beside its target, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from typing import TYPE_CHECKING, BinaryIO, Self

from fashiontag.errors import FashiontagError, OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

try:
    import fcntl
except ImportError:  # Windows refuses to remove a file that is open, so it needs no lock
    fcntl = None  # type: ignore[assignment]

_TOKEN = 8  # hex digits that keep two runs with one target apart


class PartFile:
    """The binary file behind one output; the target changes only when its block has ended well.

    The bytes go to ``.NAME.<random>.part`` beside the target. That file is locked while its run
    lives, so the next run tells a killed run's leftovers, which it removes, from those of a
    neighbour that is still writing. After an exception the target is as it was.

    Parameters
    ----------
    target : Path
        Where the result belongs: nothing is there, or a file to replace. A link is followed.
    before : callable or None
        Called with the finished file before it takes the target's name; what it raises is raised,
        and the target stays as it was.

    Raises
    ------
    OutputError
        When the block begins, before any work is done, if nothing can be written there.
    """

    file: BinaryIO

    def __init__(self, target: Path, before: Callable[[Path], None] | None = None) -> None:
        self._target = target.resolve()
        self._before = before

    def __enter__(self) -> Self:
        with self.errors():
            if self._target.is_dir():
                raise IsADirectoryError(0, "that is a folder")
            if not self._target.parent.is_dir():
                raise FileNotFoundError(0, "its folder does not exist")
            if self._target.exists() and not os.access(self._target, os.W_OK):
                raise PermissionError(0, "the file there is read-only")
            self._part = _part_beside(self._target)
            self.file = self._part.open("xb")
        with contextlib.suppress(OSError):  # a file system without locks
            _lock(self.file.fileno())
        return self

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
        """Turn what the system says about this file into one sentence that names it."""
        try:
            yield
        except OSError as error:
            reason = error.strerror or str(error)
            raise OutputError(
                f"can't write {str(self._target)!r}: {reason}; name a file that can be written"
            ) from error

    def write(self, text: str) -> None:
        r"""Add text in UTF-8; a lone surrogate, from a file name, is spelled out as ``\udcXX``."""
        with self.errors():
            self.file.write(text.encode("utf-8", "backslashreplace"))

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        try:
            if kind is None:
                with self.errors():
                    self.file.flush()
                    os.fsync(self.file.fileno())
                    self.file.close()
                if self._before is not None:
                    self._before(self._part)
                with self.errors():
                    self._part.replace(self._target)
        finally:
            with contextlib.suppress(OSError):  # a full disk says so again as it is flushed
                self.file.close()
            with contextlib.suppress(OSError):
                self._part.unlink()


@contextlib.contextmanager
def part_folder(target: Path) -> Iterator[Path]:
    """Yield a new folder that takes a folder's place when the block has ended well.

    Killed runs leave as little behind as those of a `PartFile`.

    Raises
    ------
    OutputError
        It can't be written.
    """
    try:
        with _replacing(target.resolve()) as part:
            yield part
    except OSError as error:
        if isinstance(error, FashiontagError):
            raise
        raise OutputError(
            f"can't write {str(target)!r}: {error.strerror or error}; name a folder that can be "
            "written"
        ) from error


@contextlib.contextmanager
def _replacing(target: Path) -> Iterator[Path]:
    part = _part_beside(target)
    old = part.with_name(part.name.replace(".part", ".old"))
    part.mkdir()
    held = os.open(part, os.O_RDONLY) if fcntl is not None else None  # Windows opens no folder
    try:
        with contextlib.suppress(OSError):
            _lock(held)
        yield part
        if target.exists():
            target.rename(old)
        part.rename(target)
        shutil.rmtree(old, ignore_errors=True)
    finally:
        if old.exists() and not target.exists():
            old.rename(target)
        shutil.rmtree(part, ignore_errors=True)
        if held is not None:
            os.close(held)


@contextlib.contextmanager
def new_folder(target: Path) -> Iterator[Path]:
    """Yield a `part_folder` for a target that isn't there yet, or is empty.

    Raises
    ------
    UsageError
        It is there.
    OutputError
        It can't be written.
    """
    if target.exists() and not is_empty(target):
        raise UsageError(f"{target} is there already; remove it, or give --out a new folder.")
    with part_folder(target) as folder:
        yield folder


def is_empty(folder: Path) -> bool:
    """Return whether it is a folder that holds nothing."""
    return folder.is_dir() and not any(folder.iterdir())


def _part_beside(target: Path) -> Path:
    """Return a new name beside a target, after killed runs' leftovers there were removed."""
    prefix = f".{target.name[:200]}."  # a name may have 255 bytes
    for path in target.parent.glob("*.part"):
        if path.name.startswith(prefix) and len(path.name) == len(prefix) + _TOKEN + 5:
            _remove_if_orphaned(path)
    return target.with_name(f"{prefix}{secrets.token_hex(_TOKEN // 2)}.part")


def _remove_if_orphaned(part: Path) -> None:
    with contextlib.suppress(OSError):
        if fcntl is not None:
            held = os.open(part, os.O_RDONLY)
            try:
                _lock(held)
            finally:
                os.close(held)
        if part.is_dir():
            shutil.rmtree(part)
        else:
            part.unlink()


def _lock(held: int | None) -> None:
    """Lock an open file or folder for this run; `OSError` if another run has it."""
    if fcntl is not None and held is not None:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
