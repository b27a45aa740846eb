"""What goes with a product, by rules that are written here: nothing of it is learned.

Another kind of thing, for the same people, for the same occasion, season and style as far as both
say any, in colours that go together: a neutral goes with everything, hues go with themselves, their
neighbours and their complement on the painters' wheel (Itten, 1961).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fashiontag.errors import FashiontagError, UsageError
from fashiontag.labels import load_labels
from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fashiontag.index import IndexedItem
    from fashiontag.labels import LabelSpace
    from fashiontag.workspace import Workspace

NEUTRAL = frozenset(
    (
        *("black", "white", "grey", "gray", "charcoal", "beige", "cream", "ivory", "brown", "tan"),
        *("camel", "khaki", "navy", "silver", "gold"),
    )
)
WHEEL = ("red", "orange", "yellow", "green", "blue", "purple")
"""Sixths of the wheel; a complement is three away."""

NEAR = {
    "maroon": "red", "burgundy": "red", "pink": "red", "magenta": "red", "rust": "orange",
    "peach": "orange", "coral": "orange", "mustard": "yellow", "lime": "green", "olive": "green",
    "teal": "blue", "turquoise": "blue", "lavender": "purple", "mauve": "purple",
    "violet": "purple",
}  # fmt: skip

PEOPLE = ("audience", "gender")
SHARED = ("occasion", "usage", "season", "style")
COLOURS = ("color", "basecolour", "colour")


@dataclass(frozen=True, slots=True)
class Match:
    """One product that goes with another, why, and how many of the rules speak for it."""

    rank: int
    score: float
    id: str
    path: str
    title: str
    why: str


def matches(workspace: Workspace, key: str, k: int = 10) -> tuple[Match, ...]:
    """Return what goes with a product, best first, every kind of thing in turn.

    Raises
    ------
    UsageError
        Nothing indexed has this id, or nothing says what it is.
    CatalogError
        Nothing is indexed.
    """
    workspace.left_out()
    index = workspace.index
    sources = {source.root: source for source in index.sources()}
    located = index.locate([(root, key) for root in sources])
    if not located:
        raise UsageError(f"No product {key!r} is indexed; ids are as in the column id of the tags.")
    (this,) = index.items([next(iter(located.values()))])
    try:
        space = load_labels(sources[this.source].labels)
    except FashiontagError:  # a file that isn't where it was
        space = None
    kinds = _Kinds(space)
    own = _labels(this)
    if not kinds.of(own):
        raise UsageError(
            f"Nothing says what kind of thing {key!r} is; tag it, or correct its tags."
        )
    found = []
    for item in index.items(workspace.placement().numbers.tolist()):
        judged = _together(own, _labels(item), kinds)
        if judged is not None and item.number != this.number:
            found.append((*judged, kinds.of(_labels(item)), item))
    found.sort(key=lambda one: (-one[0], one[3].id))
    turns: Counter[str] = Counter()
    ordered = []
    for score, why, kind, item in found:
        ordered.append((turns[kind], -score, item.id, why, item))
        turns[kind] += 1
    ordered.sort(key=lambda one: one[:3])
    return tuple(
        Match(rank, round(-score, 3), item.id, item.path, item.title, why)
        for rank, (_, score, _, why, item) in enumerate(ordered[:k], start=1)
    )


class _Kinds:
    """What is worn in one place: labels of the main group that stand together in the file."""

    def __init__(self, space: LabelSpace | None) -> None:
        self._group = fold(space.main.name) if space and space.main else "category"
        self._slots: dict[str, str] = {}
        if space is not None and space.main is not None:
            for label in space.main.labels:
                above = [one.name for one in space.main.above(label)]
                part = "-".join(label.shopify.split("-")[:3])  # tops, trousers, shoes, bags
                own = (*above[::-1], *label.implies[:1], part, label.name)
                self._slots[fold(label.name)] = next(filter(None, own))

    def of(self, labels: Mapping[str, Sequence[str]]) -> str:
        """Return the kind, "" for none."""
        label = next(iter(labels.get(self._group, ())), "")
        return self._slots.get(label, label)


def _labels(item: IndexedItem) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for tag in item.tags:
        group, _, label = tag.partition("=")
        found.setdefault(fold(group), []).append(fold(label))
    return found


def _together(
    own: Mapping[str, Sequence[str]], other: Mapping[str, Sequence[str]], kinds: _Kinds
) -> tuple[float, str] | None:
    """Return how well two go together, in [0, 1], and why; None where a rule forbids it."""
    if not kinds.of(other) or kinds.of(own) == kinds.of(other):
        return None
    why, score = [f"another kind of thing ({kinds.of(other)})"], 0.0
    for group in PEOPLE:
        a, b = set(own.get(group, ())), set(other.get(group, ()))
        if a and b:
            if not (a & b or "unisex" in a | b):
                return None
            why.append(f"for {' and '.join(sorted(a & b) or ['both'])}")
            score += 0.25
    for group in SHARED:
        a, b = set(own.get(group, ())), set(other.get(group, ()))
        if a and b:
            if not a & b:
                return None
            why.append(f"{group} {', '.join(sorted(a & b))}")
            score += 0.15
    mine, theirs = (
        [label for group in COLOURS for label in labels.get(group, ())] for labels in (own, other)
    )
    if mine and theirs:
        judged = harmony(mine[0], theirs[0])
        if judged is None:
            return None
        why.append(f"{theirs[0]} and {mine[0]}: {judged[1]}")
        score += 0.3 * judged[0]
    return min(1.0, score), "; ".join(why)


def harmony(one: str, other: str) -> tuple[float, str] | None:
    """Return how well two colours go together, in (0, 1], and by which rule; None if they don't.

    Examples
    --------
    >>> harmony("navy blue", "red"), harmony("red", "green"), harmony("red", "blue")
    ((0.8, 'a neutral goes with all'), (0.7, 'complements'), None)
    """
    one, other = fold(one), fold(other)
    if NEUTRAL.intersection(one.split()) or NEUTRAL.intersection(other.split()):
        return (0.8, "a neutral goes with all") if one != other else (0.6, "one colour")
    places = [NEAR.get(name.split()[-1], name.split()[-1]) for name in (one, other)]
    if not set(places) <= set(WHEEL):
        return None
    away = abs(WHEEL.index(places[0]) - WHEEL.index(places[1]))
    away = min(away, len(WHEEL) - away)
    rules = {0: (0.6, "one hue"), 1: (0.9, "neighbours on the wheel"), 3: (0.7, "complements")}
    return rules.get(away)
