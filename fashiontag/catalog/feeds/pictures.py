"""A merchant's folder of pictures: which file is the picture at an address, or of a product."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from fashiontag.catalog.feeds.addresses import file_path, full_size
from fashiontag.catalog.read import walk_pictures
from fashiontag.catalog.titles import Matcher
from fashiontag.errors import CatalogError, UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fashiontag.catalog.feeds.products import Findings

_MOST_NAMED = 100


class Pictures:
    """The pictures below a folder.

    Parameters
    ----------
    folder : str
    findings : Findings
        Gets what fits several files.

    Raises
    ------
    UsageError
        There is no such folder.
    CatalogError
        It holds no picture.
    """

    def __init__(self, folder: str, findings: Findings) -> None:
        if not os.path.isdir(folder):  # noqa: PTH112 (paths are strings throughout this room)
            raise UsageError(f"--images: there is no folder {folder}; give an existing one.")
        names = walk_pictures(folder).names
        if not names:
            raise CatalogError(f"--images: {folder} holds no picture; give the folder that does.")
        self._folder = os.path.abspath(folder)  # noqa: PTH100
        self._matcher = Matcher(names)
        self._findings = findings

    def at(self, url: str) -> str | None:
        """Return the absolute path of the picture at an address: by path, then by file name.

        A copy under the name of the full picture, of another size or of another ending fits too.
        """
        path = file_path(url)
        name = PurePosixPath(path).name
        full = full_size(name)
        return self._first((path, name, full, PurePosixPath(full).stem))

    def of(self, key: str, number: int) -> str | None:
        """Return the picture with a number, from 1, of what is called `key`: KEY, KEY_1, KEY-1."""
        numbered = (f"{key}_{number}", f"{key}-{number}", f"{key}/{number}")
        return self._first((key, *numbered) if number == 1 else numbered)

    def all_of(self, key: str) -> Iterator[str]:
        """Yield all pictures that are named after `key`, by their numbers."""
        for number in range(1, _MOST_NAMED):
            found = self.of(key, number)
            if found is None:
                return
            yield found

    def _first(self, names: tuple[str, ...]) -> str | None:
        for name in names:
            found = self._matcher.find(name) if name else []
            if len(set(found)) == 1:
                return f"{self._folder}/{found[0]}"
            if found:
                self._findings.note(
                    "pictures fit several files of --images and were taken from none",
                    f"{name} ({found[0]}, {found[1]})",
                )
                return None
        return None
