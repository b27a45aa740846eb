"""Truth beside what was given: right, wrong, left empty, with examples.

It knows labels only: not where they come from, nor any score. In an exclusive group a product is
one answer: right if what is given holds (any of them where the truth names several), wrong if it
doesn't, left empty if nothing is given. In an open group every label is one: given and true is
right, given and untrue wrong, true and not given left empty. What the truth leaves open isn't
judged.

Labels may stand under others. Where the truth is "shoes", "sneakers" are right. Where it is
"sneakers", "shoes" is right in an exclusive group, which gives what is sure, and counted as
``broader``; in an open group it says nothing of the sneakers, which are left empty.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fashiontag.labels import LabelSpace

EXAMPLES = 3
"""Of each label, the mistakes that are kept: enough to see what is mixed up."""


@dataclass(frozen=True, slots=True)
class Case:
    """One product in one group.

    Attributes
    ----------
    id, group : str
    holds : frozenset of str
        Labels that are true.
    denied : frozenset of str or None
        Labels that aren't; None if all others aren't.
    given : tuple of str
    above : Mapping of str to collection of str
        What labels stand under, both as `fold` has them.
    """

    id: str
    group: str
    holds: frozenset[str]
    denied: frozenset[str] | None
    given: tuple[str, ...]
    above: Mapping[str, Collection[str]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Example:
    """One answer that isn't right: ``said`` and ``true`` are labels, () for none."""

    id: str
    said: tuple[str, ...]
    true: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Counts:
    """Answers of one label (the true one, or the one given if none is) or of one group.

    ``unknown`` are those of them that couldn't be right, for the judge doesn't know the label.
    """

    group: str
    label: str
    right: int
    wrong: int
    empty: int
    unknown: int = 0
    examples: tuple[Example, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """How much of what was given is right.

    Attributes
    ----------
    products, right, wrong, empty : int
        Products that were judged, and answers.
    groups, labels : tuple of Counts
        ``label`` is "" in those of groups, which have no examples.
    unknown : Mapping of str to int
        ``group=label`` that the judge doesn't know, and answers that it couldn't get right for it.
    broader : int
        Right answers that are no more than a parent of the true label.
    """

    products: int
    right: int
    wrong: int
    empty: int
    groups: tuple[Counts, ...]
    labels: tuple[Counts, ...]
    unknown: Mapping[str, int]
    broader: int = 0


def cases(
    space: LabelSpace,
    targets: NDArray[np.int8],
    ids: Sequence[str],
    given: Callable[[int, str], tuple[str, ...]],
    none: Collection[tuple[int, str]] = (),
    above: Mapping[str, Sequence[str]] | None = None,
) -> Iterator[Case]:
    """Yield what is known of n products, group by group, beside what was given to them.

    Parameters
    ----------
    space : LabelSpace
    targets : ndarray of shape (n, t), int8
        1, 0, or -1 where unknown.
    ids : sequence of n str
    given : callable
        Row and group → labels.
    none : collection of (int, str)
        Row and group of which no label holds, also none that the space hasn't.
    above : mapping of str to sequence of str, or None
        By tag, those that it stands under; None is `LabelSpace.tags_above`.
    """
    upper: dict[str, dict[str, tuple[str, ...]]] = defaultdict(dict)
    for tag, tags in (space.tags_above if above is None else above).items():
        name, _, label = tag.partition("=")
        upper[fold(name)][fold(label)] = tuple(fold(one.partition("=")[2]) for one in tags)
    for row, item in enumerate(ids):
        for group in space.groups:
            part = targets[row, space.span(group.name)]
            if (part < 0).all():
                continue
            pairs = list(zip(group.names, part.tolist(), strict=True))
            holds = frozenset(label for label, value in pairs if value == 1)
            denied = frozenset(label for label, value in pairs if value == 0)
            # What is under a true label is right, so it leaves nothing open.
            over, true = upper[fold(group.name)], {*map(fold, holds)}
            left = [fold(label) for label, value in pairs if value < 0]
            whole = (row, group.name) in none or (
                bool(holds) and all(true.intersection(over.get(one, ())) for one in left)
            )
            said = given(row, group.name)
            yield Case(item, group.name, holds, None if whole else denied, said, over)


def judge(
    cases: Iterable[Case], exclusive: Collection[str], known: Mapping[str, Collection[str]]
) -> Verdict:
    """Judge cases, whose labels are compared as people type them.

    Parameters
    ----------
    cases : iterable of Case
    exclusive : collection of str
        The groups in which a product is one answer.
    known : Mapping of str to collection of str
        By group, the labels that could have been given.
    """
    could = {group: {*map(fold, labels)} for group, labels in known.items()}
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    examples: dict[tuple[str, str], list[Example]] = defaultdict(list)
    products = set()
    for case in cases:
        products.add(case.id)
        for label, outcome in _outcomes(case, one=case.group in exclusive):
            count = counts[case.group, label]
            count[outcome] += 1
            if outcome == "broader":
                count["right"] += 1
            if outcome in ("right", "broader"):
                continue
            count["unknown"] += bool(label) and fold(label) not in could.get(case.group, ())
            found = examples[case.group, label]
            if len(found) < EXAMPLES:
                found.append(Example(case.id, case.given, tuple(sorted(case.holds))))
    labels = tuple(_counts(*key, counts[key], tuple(examples[key])) for key in sorted(counts))
    groups = {group: Counter[str]() for group, _ in sorted(counts)}
    for (group, _), count in counts.items():
        groups[group].update(count)
    total = sum(groups.values(), Counter[str]())
    return Verdict(
        products=len(products),
        right=total["right"],
        wrong=total["wrong"],
        empty=total["empty"],
        groups=tuple(_counts(group, "", count) for group, count in groups.items()),
        labels=labels,
        unknown={f"{one.group}={one.label}": one.unknown for one in labels if one.unknown},
        broader=total["broader"],
    )


def _outcomes(case: Case, *, one: bool) -> Iterator[tuple[str, str]]:
    """Yield label and outcome of each answer of a case."""
    true = {fold(label): label for label in sorted(case.holds)}
    denied = None if case.denied is None else {*map(fold, case.denied)}
    over = {upper: label for own, label in true.items() for upper in case.above.get(own, ())}
    hit, missed, broader = [], [], []
    for label in dict.fromkeys(case.given):
        names = (fold(label), *case.above.get(fold(label), ()))
        if found := [true[name] for name in names if name in true]:
            hit += [found[0]] if found[0] not in hit else []
        elif names[0] in over:
            broader.append(over[names[0]])
        elif denied is None or names[0] in denied:
            missed.append(label)
    if not one:
        yield from ((label, "right") for label in hit)
        yield from ((label, "wrong") for label in missed)
        yield from ((label, "empty") for label in true.values() if label not in hit)
    elif hit or missed or broader:
        name = (*hit, *broader, *true.values(), *missed)[0]
        yield name, "wrong" if missed else "right" if hit else "broader"
    elif true:
        yield next(iter(true.values())), "empty"
    elif denied is None:
        yield "", "right"  # none of these, and none given


def _counts(
    group: str, label: str, count: Counter[str], examples: tuple[Example, ...] = ()
) -> Counts:
    return Counts(
        group, label, count["right"], count["wrong"], count["empty"], count["unknown"], examples
    )
