"""Tagged products in other tools' own formats, pictures included, and people's answers back.

One module a tool. Each has `write(samples, schema, folder, out)`: into `folder`, which is to be
called `out` when it is done. Those in which people answer have `read(path)` too.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    Labels = Mapping[str, tuple[str, ...]]

TOOLS = {
    "label-studio": "label_studio",
    "fiftyone": "fiftyone",
    "hf": "huggingface",
    "webdataset": "webdataset",
}
"""What `--as` calls them, and their modules."""

ANSWERED = ("label-studio", "fiftyone")
"""Those in which people answer."""


@dataclass(frozen=True, slots=True)
class Schema:
    """What can be said: all groups with their labels, in the order of columns.

    Attributes
    ----------
    name : str
        Of the data set.
    groups : Mapping of str to tuple of str
    exclusive : frozenset of str
        The groups of which a product has one label at most.
    """

    name: str
    groups: Labels
    exclusive: frozenset[str]


@dataclass(frozen=True, slots=True)
class Sample:
    """One product with its picture.

    Attributes
    ----------
    id, source, title : str
        The item, and the root of the source that it belongs to.
    picture : bytes
        As it is on disk.
    ending : str
        Of its file, ".jpg" say.
    given : Mapping of str to tuple of str
        What the table gives, by group.
    decided, was : Mapping of str to tuple of str
        What people decided, and what stood there before.
    """

    id: str
    source: str
    title: str
    picture: bytes
    ending: str
    given: Labels
    decided: Labels
    was: Labels

    @property
    def key(self) -> str:
        """A name for its files: 32 hex digits of the id's SHA-256, for an id may hold anything."""
        return hashlib.sha256(self.id.encode("utf-8", "backslashreplace")).hexdigest()[:32]

    @property
    def labels(self) -> Labels:
        """What holds: the decisions of people, and what else is given."""
        return {**self.given, **self.decided}

    def origin(self) -> dict[str, Any]:
        """Return what must travel with the product for its answers to find back."""
        return {"id": self.id, "source": self.source, "given": self.given, "was": self.was}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a person says in a tool of one product in one group; ``labels`` is () for none."""

    source: str
    item: str
    group: str
    labels: tuple[str, ...]
    was: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """What came back from a tool, and what there is to say of it."""

    found: tuple[Answer, ...]
    notes: tuple[str, ...] = ()


def write(format: str, samples: Iterable[Sample], schema: Schema, folder: Path, out: Path) -> None:  # noqa: A002
    """Write products in a tool's format; see this package's first lines."""
    _module(format).write(samples, schema, folder, out)


def read(format: str, path: Path) -> Answers:  # noqa: A002
    """Read what people answered in a tool.

    Raises
    ------
    CatalogError
        It isn't what that tool exports, or of other products than `write` wrote.
    """
    answers: Answers = _module(format).read(path)
    return answers


def answers_of(origin: Mapping[str, Any], chosen: Mapping[str, Sequence[str]]) -> list[Answer]:
    """Compare what a product has in a tool with what it was written with.

    An answer is what differs from what the table gave, and what was decided before.
    """
    given, was = origin["given"], origin["was"]
    found = []
    for group in dict.fromkeys((*given, *was, *chosen)):
        labels, before = tuple(chosen.get(group, ())), tuple(given.get(group, ()))
        if group in was or set(map(fold, labels)) != set(map(fold, before)):
            there = tuple(was.get(group, before))
            found.append(Answer(origin["source"], origin["id"], group, labels, there))
    return found


def _module(format: str) -> Any:  # noqa: A002, ANN401
    return import_module(f"{__name__}.{TOOLS[format]}")
