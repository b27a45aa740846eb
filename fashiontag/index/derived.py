"""Arrays made from one state of the index, kept as files that the next search maps.

They only spare it work: whoever can't write computes them again, and so does whoever finds them
swept by a search of a newer state.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from numpy.typing import NDArray

    Arrays = Sequence[NDArray[Any]]


class Derived:
    """Named lists of arrays in ``folder/GENERATION/NAME/``; a name's appear all at once.

    Parameters
    ----------
    folder : Path
        Made when something is kept.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._opened: dict[tuple[int, str], Arrays] = {}

    def read(self, generation: int, name: str, count: int) -> Arrays | None:
        """Return the ``count`` arrays kept under a name, mapped; None where there are none."""
        if (generation, name) not in self._opened:
            home = self._home(generation, name)
            try:
                mapped = [np.load(home / f"{at}.npy", mmap_mode="r") for at in range(count)]
            except (OSError, ValueError, EOFError):
                return None
            # numpy's own kind of mapped array costs every slice a Python call
            self._remember(generation, name, [np.asarray(array) for array in mapped])
        return self._opened.get((generation, name))

    def write(self, generation: int, name: str, arrays: Arrays) -> None:
        """Keep arrays under a name, if they can be written; those of other generations go."""
        self._remember(generation, name, arrays)
        home = self._home(generation, name)
        part = home.with_name(f"{secrets.token_hex(8)}.part")
        with suppress(OSError):
            part.mkdir(parents=True)
            for at, array in enumerate(arrays):
                with (part / f"{at}.npy").open("wb") as file:
                    np.save(file, array)
                    file.flush()
                    os.fsync(file.fileno())
            shutil.rmtree(home, ignore_errors=True)
            part.rename(home)
            for path in self._folder.iterdir():
                if path != home.parent:
                    shutil.rmtree(path, ignore_errors=True)
        shutil.rmtree(part, ignore_errors=True)

    def _remember(self, generation: int, name: str, arrays: Arrays) -> None:
        same = {key: value for key, value in self._opened.items() if key[0] == generation}
        self._opened = {**same, (generation, name): arrays}

    def _home(self, generation: int, name: str) -> Path:
        # a column may be named as no file can be
        digest = hashlib.blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12)
        return self._folder / str(generation) / digest.hexdigest()
