"""What every source becomes: a catalogue of items, with pictures that nobody has read yet."""

# pathlib has nothing that makes a path absolute and plain without resolving links
# ruff: noqa: PTH100,PTH116,PTH123

from __future__ import annotations

import os
import re
import stat
from dataclasses import dataclass, field
from functools import cache
from typing import TYPE_CHECKING, Literal

from fashiontag.catalog.clean import clean_title
from fashiontag.datamodels import Item
from fashiontag.errors import ImageError
from fashiontag.objects import is_address
from fashiontag.words import BRANDS, split

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fashiontag.datamodels import ImageRef

By = Literal["photo", "variant", "product"]
"""What a row of tags is of."""

# A picture of 152 megapixels, which is the most that is decoded, has 456 MB uncompressed.
_MOST_BYTES = 512_000_000


@dataclass(frozen=True, slots=True)
class Words:
    """What a table says of one picture: the title as typed, the other columns, and its names."""

    title: str = ""
    fields: Mapping[str, str] = field(default_factory=dict)
    keys: tuple[str, ...] = ()


NO_WORDS = Words()


@dataclass(frozen=True, slots=True)
class Catalog:
    """What a source holds.

    Attributes
    ----------
    source : str
        As typed.
    root : str
        What identifies the source for good: the absolute folder (for one image or a glob the
        folder without a wildcard), a table's absolute path, ``hf:NAME``, or an address.
    items : sequence of Item
        In the order of the contract, with unread pictures; at least one.
    warnings : tuple of str
        One counted sentence for each kind of thing that was passed over.
    by : {"photo", "variant", "product"}
        What a row of its tags is of.
    keys : tuple of str
        The columns in which tables name the items otherwise than by id: what joins the output back.
    """

    source: str
    root: str
    items: Sequence[Item]
    warnings: tuple[str, ...] = ()
    by: By = "photo"
    keys: tuple[str, ...] = ()

    @property
    def names(self) -> Mapping[str, str] | Sequence[str]:
        """The ids, with the paths of their pictures where those may be keys of tables too."""
        if all(item.path.endswith(item.id) for item in self.items):
            return [item.id for item in self.items]
        return {item.id: item.path for item in self.items}

    @property
    def complete(self) -> bool:
        """Whether the items are all of the root: what a glob leaves out isn't gone."""
        # not Path.resolve: the root is as typed, links unfollowed
        here = self.source.rstrip("/") if is_address(self.root) else os.path.abspath(self.source)
        return self.root.startswith("hf:") or here == self.root


@dataclass(frozen=True, slots=True)
class FileRef:
    """A picture in a file: an `ImageRef`.

    Attributes
    ----------
    file : str
        Its absolute path, as the system spells it.
    """

    file: str

    @property
    def locator(self) -> str:
        """The absolute path, printable even where the name is no Unicode."""
        return printable(self.file)

    def stamp(self) -> str | None:
        """Return size and time of change; None where there is no such file."""
        try:
            facts = os.stat(self.file)
        except (OSError, ValueError):
            return None
        return f"{facts.st_size}:{facts.st_mtime_ns}"

    def read(self) -> bytes:
        """Return the file's bytes; raise `ImageError` with the reason if they can't be had."""
        try:
            facts = os.stat(self.file)
            refusal = _refusal(facts)
            if not refusal:
                with open(self.file, "rb") as file:
                    return file.read()
        except FileNotFoundError as error:
            # Without the path, which stands beside it in every row: a summary counts reasons.
            web = re.search(r"(?:^|/)https?:/", self.file)
            raise ImageError(
                "an address, and only files are read" if web else "no such file"
            ) from error
        except PermissionError as error:
            raise ImageError("no permission to read the file") from error
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise ImageError(f"can't be read: {reason}") from error
        raise ImageError(refusal)


@dataclass(frozen=True, slots=True)
class NoPicture:
    """What stands where there is no picture: an `ImageRef`, with the reason that a row gives."""

    locator: str
    reason: str

    def stamp(self) -> None:
        """Return None: there is nothing that could change."""

    def read(self) -> bytes:
        """Raise `ImageError`."""
        raise ImageError(self.reason)


def _refusal(facts: os.stat_result) -> str:
    if not stat.S_ISREG(facts.st_mode):  # reading a pipe would wait for ever
        return "a folder or a device, not a file"
    if facts.st_size > _MOST_BYTES:
        return f"{facts.st_size // 1_000_000} MB is more than the limit of 512 MB"
    return ""


def make_item(id: str, path: str, image: ImageRef, words: Words = NO_WORDS) -> Item:  # noqa: A002
    """Return an item whose title is cleaned."""
    text = clean_title(words.title) if words.title else ""
    return Item(id, path, words.title, text, words.fields, image, keys=words.keys)


def brand_of(item: Item) -> str:
    """Return whose product an item is, as its column of brands says; "" where none does."""
    return brand_among(item.fields)


def brand_among(fields: Mapping[str, str]) -> str:
    """Return the first brand among the cells of a row; "" for none."""
    return next((text for name, text in fields.items() if text and _is_of_brands(name)), "")


@cache
def _is_of_brands(column: str) -> bool:
    words = split(column)
    return not BRANDS.isdisjoint(words[-2:] if words[-1:] == ["name"] else words[-1:])


def printable(name: str) -> str:
    r"""Return a file's name as Unicode; bytes that are none are shown as ``\xff``."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def as_on_disk(name: str) -> str:
    r"""Return the name of the file that `printable` showed, where there is none called ``\xff``."""
    if "\\x" not in name or os.path.lexists(name):
        return name
    raw = re.sub(
        rb"\\x([89a-f][0-9a-f])", lambda byte: bytes.fromhex(byte[1].decode()), os.fsencode(name)
    )
    return os.fsdecode(raw) if os.path.lexists(raw) else name
