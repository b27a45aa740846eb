"""A file that appears whole or not at all: written beside its target, flushed, then renamed."""

from __future__ import annotations

import contextlib
import os
import secrets
import weakref
from typing import TYPE_CHECKING, BinaryIO, Self

from fashiontag.errors import OutputError

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
        At once, before any work is done, if nothing can be written there.
    """

    def __init__(self, target: Path, before: Callable[[Path], None] | None = None) -> None:
        self._target = target.resolve()
        self._before = before
        with self.errors():
            if self._target.is_dir():
                raise IsADirectoryError(0, "that is a folder")
            if not self._target.parent.is_dir():
                raise FileNotFoundError(0, "its folder does not exist")
            if self._target.exists() and not os.access(self._target, os.W_OK):
                raise PermissionError(0, "the file there is read-only")
            prefix = f".{self._target.name[:200]}."  # a name may have 255 bytes
            for path in self._target.parent.glob("*.part"):
                if path.name.startswith(prefix) and len(path.name) == len(prefix) + _TOKEN + 5:
                    _remove_if_orphaned(path)
            part = self._target.with_name(f"{prefix}{secrets.token_hex(_TOKEN // 2)}.part")
            self.file: BinaryIO = part.open("xb")
        self._part = part
        with contextlib.suppress(OSError):  # a file system without locks
            _lock(self.file)
        # Also runs at interpreter exit: what was opened and never used leaves nothing behind.
        self._discard = weakref.finalize(self, _discard, self.file, part)

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

    def __enter__(self) -> Self:
        return self

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
                self._discard.detach()
        finally:
            self._discard()


def _discard(file: BinaryIO, part: Path) -> None:
    with contextlib.suppress(OSError):  # a full disk says so again when the buffer is flushed
        file.close()
    with contextlib.suppress(OSError):
        part.unlink()


def _remove_if_orphaned(part: Path) -> None:
    with contextlib.suppress(OSError):
        with part.open("rb") as file:
            _lock(file)
        part.unlink()


def _lock(file: BinaryIO) -> None:
    """Lock for this run; `OSError` if another run has it."""
    if fcntl is not None:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
