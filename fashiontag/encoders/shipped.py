"""Vectors of texts that ship beside a model: the prompts of the program's own label files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from fashiontag.encoders.files import check_made_of, reason
from fashiontag.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fashiontag.encoders.files import ModelFiles

FILE_NAME = "prompts.safetensors"


@dataclass(frozen=True, slots=True)
class ShippedTexts:
    """n texts, known by their digests alone, and their vectors.

    Attributes
    ----------
    keys : ndarray of shape (n,), uint64
        Rising.
    vectors : ndarray of shape (n, d), float16
        As they are stored: unit length but for rounding.
    """

    keys: NDArray[np.uint64]
    vectors: NDArray[np.float16]

    @classmethod
    def of(cls, files: ModelFiles) -> Self | None:
        """Read a folder's file, None where it has none.

        Raises
        ------
        ModelError
            If the file can't be read, or was made of other weights.
        """
        path = files.folder / FILE_NAME
        if not path.is_file():
            return None
        from safetensors import SafetensorError, safe_open

        try:
            file: Any = safe_open(path, framework="numpy")
            found = cls(file.get_tensor("keys"), file.get_tensor("vectors"))
        except (OSError, SafetensorError) as error:
            raise ModelError(
                f"{path} can't be read ({reason(error)}); get the folder again, or delete that file"
                " to have all prompts encoded."
            ) from None
        check_made_of(path, (file.metadata() or {}).get("made_of"), files)
        return found

    def find(self, texts: Sequence[str]) -> NDArray[np.int64]:
        """Return each text's row, -1 where it has none; shape (m,)."""
        wanted = text_keys(texts)
        rows = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.where(self.keys[rows] == wanted, rows, -1)


def text_keys(texts: Sequence[str]) -> NDArray[np.uint64]:
    """Digest texts: of 10 million and 3,000 no two meet but once in 600 million times."""
    digests = [
        hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for text in texts
    ]
    return np.frombuffer(b"".join(digests), dtype="<u8")
