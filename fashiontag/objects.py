"""Files in object stores: ``s3://``, ``gs://``, and whatever else fsspec knows.

S3 and Google's are read by the clients that come with pyarrow, so they need no further package and
hold no thread up; the others by fsspec and the package that it asks for. What is written appears
whole or not at all: an object is there once its last byte is, a file on a disk takes its name last.
"""

from __future__ import annotations

import os
import re
import tempfile
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from inspect import signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashiontag.errors import CatalogError, ImageError, OutputError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pyarrow.fs import FileInfo, FileSystem

_ADDRESS = re.compile(r"(?!hf:|https?:)[a-z][a-z0-9+.-]+://[^/]*", re.IGNORECASE)


def is_address(text: object) -> bool:
    """Tell whether this names something in an object store; addresses of the web don't."""
    return _ADDRESS.match(str(text)) is not None


def below(folder: str, name: str) -> str:
    """Return where a name leads from a folder at an address; an address leads where it says."""
    return name if is_address(name) else f"{folder.rstrip('/')}/{name.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class ObjectRef:
    """A picture in an object store: an `ImageRef`.

    Attributes
    ----------
    locator : str
        Its address.
    facts : str or None
        Size and time of change when it was listed.
    """

    locator: str
    facts: str | None = None

    def stamp(self) -> str | None:
        """Return size and time of change as they were listed; None where nobody knew them."""
        return self.facts

    def read(self) -> bytes:
        """Return its bytes; raise `ImageError` with the reason if they can't be had."""
        try:
            store, path = located(self.locator)
            with store.open_input_stream(path) as stream:
                return bytes(stream.readall())
        except FileNotFoundError as error:
            raise ImageError("no such file") from error
        except (OSError, ValueError) as error:
            raise ImageError(f"can't be read: {_reason(error)}") from error


def refs(addresses: Sequence[str]) -> list[ObjectRef]:
    """Return pictures at addresses with their stamps, which are asked for side by side."""
    stores: dict[int, tuple[FileSystem, list[int], list[str]]] = {}
    for place, address in enumerate(addresses):
        store, path = located(address)
        _, places, paths = stores.setdefault(id(store), (store, [], []))
        places.append(place)
        paths.append(path)
    facts: dict[int, str | None] = {}
    for store, places, paths in stores.values():
        with errors(addresses[places[0]]):
            facts |= zip(places, map(_facts, store.get_file_info(paths)), strict=True)
    return [ObjectRef(address, facts[place]) for place, address in enumerate(addresses)]


def listing(address: str) -> list[ObjectRef]:
    """Return the object at an address, or all that is below it, in code-point order.

    Raises
    ------
    UsageError
        There is nothing, or no package here that reads such addresses.
    CatalogError
        The store doesn't answer, or doesn't let us in.
    """
    from pyarrow.fs import FileSelector, FileType

    store, path = located(address.rstrip("/"))
    with errors(address):
        itself = store.get_file_info(path)
        if itself.type == FileType.File:
            return [ObjectRef(address, _facts(itself))]
        found = store.get_file_info(FileSelector(path, recursive=True, allow_not_found=True))
    top = address.rstrip("/")
    files = [
        ObjectRef(f"{top}/{info.path[len(path) :].lstrip('/')}", _facts(info))
        for info in found
        if info.type == FileType.File
    ]
    if not files:
        raise UsageError(f"There is no {address}; give an address where files are.")
    return sorted(files, key=lambda ref: ref.locator)


def begins(address: str, count: int = 16) -> bytes:
    """Return the first bytes of an object; none where it can't be read."""
    with suppress(OSError):
        store, path = located(address)
        with store.open_input_file(path) as file:
            return bytes(file.read(count))
    return b""


@contextmanager
def fetched(source: str) -> Iterator[str]:
    """Yield a file of the same name on this disk: a copy of an object, or the file itself."""
    if not is_address(source):
        yield source
        return
    with tempfile.TemporaryDirectory(prefix="fashiontag-") as folder:
        copy = os.path.join(folder, source.rstrip("/").rsplit("/", 1)[-1])  # noqa: PTH118
        download(source, Path(copy))
        yield copy


def download(address: str, target: Path) -> None:
    """Copy an object to a file on this disk.

    Raises
    ------
    UsageError
        There is no such object.
    CatalogError
        It can't be read.
    """
    from pyarrow.fs import LocalFileSystem, copy_files

    store, path = located(address)
    with errors(address):
        copy_files(path, str(target), store, LocalFileSystem())


def upload(source: Path, address: str) -> None:
    """Put a file of this disk in place at an address: it is there once its last byte is.

    Raises
    ------
    OutputError
        It can't be written there.
    """
    from pyarrow.fs import LocalFileSystem, copy_files

    store, path = located(address)
    try:
        copy_files(str(source), path, LocalFileSystem(), store)
    except OSError as error:
        raise OutputError(
            f"can't write {address}: {_reason(error)}; name a place that can be written"
        ) from error


@contextmanager
def standing_in(address: str, copy: Path) -> Iterator[None]:
    """Let a file of this disk stand for an object: fetched before, put in place if it changed."""
    copy.parent.mkdir(parents=True, exist_ok=True)
    copy.unlink(missing_ok=True)
    with suppress(UsageError):  # there is none yet
        download(address, copy)
    before = copy.read_bytes() if copy.is_file() else None
    yield
    if copy.read_bytes() != before:
        upload(copy, address)


def located(address: str) -> tuple[FileSystem, str]:
    """Return the store of an address, opened once for each bucket, and the path in it."""
    scheme, _, rest = address.partition("://")
    if scheme.lower() in {"s3", "gs", "file"}:
        store = _opened(scheme.lower(), rest.split("/", 1)[0])
        return store, rest
    return _by_fsspec(scheme), rest


@cache
def _opened(scheme: str, bucket: str) -> FileSystem:
    from pyarrow.fs import FileSystem, LocalFileSystem

    if scheme == "file":
        return LocalFileSystem()
    with errors(f"{scheme}://{bucket}"):
        store, _ = FileSystem.from_uri(f"{scheme}://{bucket}")
    return store


@cache
def _by_fsspec(scheme: str) -> FileSystem:
    import fsspec
    from pyarrow.fs import FSSpecHandler, PyFileSystem

    try:
        kind = fsspec.get_filesystem_class(scheme)
        # one that has to be told a host, say, would fail half made
        signature(kind.__init__).bind(None)
        return PyFileSystem(FSSpecHandler(fsspec.filesystem(scheme)))
    except ImportError as error:
        raise UsageError(
            f"{scheme}:// needs a package that isn't installed ({error}); "
            "pip install 'fashiontag[cloud]', or that package."
        ) from error
    except (TypeError, ValueError) as error:
        raise UsageError(
            f"Nothing here reads {scheme}://; give an s3:// or gs:// address, or another that "
            "fsspec knows."
        ) from error


def _facts(info: FileInfo) -> str | None:
    return None if info.mtime_ns is None else f"{info.size}:{info.mtime_ns}"


@contextmanager
def errors(address: str) -> Iterator[None]:
    """Say in one sentence why an address can't be read."""
    try:
        yield
    except FileNotFoundError as error:
        raise UsageError(f"There is no {address}; give an address where files are.") from error
    except OSError as error:
        if isinstance(error, CatalogError | OutputError):
            raise
        raise CatalogError(
            f"{address} can't be read ({_reason(error)}); see that the address, the credentials "
            "in the environment and the network are right."
        ) from error


def _reason(error: Any) -> str:  # noqa: ANN401
    said = str(getattr(error, "strerror", None) or error).strip()
    return (said.splitlines() or [type(error).__name__])[0].split("Detail:")[-1].strip()[:200]
