"""What people's decisions teach: a probe, what it would change, and why it changes nothing."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.catalog import Catalog, FileRef, clean_title
from fashiontag.catalog.annotations import read_annotations
from fashiontag.datamodels import Item
from fashiontag.heads.local import Promise
from fashiontag.workflows.learn import SEEN, gather, train_probe, unlabelled

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from fashiontag.heads.probe import Probe
    from fashiontag.index.database import IndexedItem
    from fashiontag.labels import LabelSpace
    from fashiontag.workflows.learn import Forecast, Trained
    from fashiontag.workspace import Workspace
    from fashiontag.workspace.decisions import Event

    Decided = Mapping[int, Mapping[str, Event]]

CLOSEST = 4
"""Products that are shown where none would change."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a probe learned from decisions.

    Attributes
    ----------
    decisions : int
        Products times groups that were decided.
    applied : bool
        Whether it judges now.
    forecast : Forecast
        What would change, or did; the id of an example is its number. ``closest`` are those of
        labels to which somebody corrected a product.
    reasons : tuple of str
        Why nothing changes, and what would change that; () where something does.
    warnings : tuple of str
    seconds : float
    """

    decisions: int
    applied: bool
    forecast: Forecast
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    seconds: float


def train(
    workspace: Workspace,
    space: LabelSpace,
    base: Probe | None,
    decided: Decided,
    mains: NDArray[np.int64],
) -> Trained:
    """Learn from decisions, and from what a probe learned before.

    Parameters
    ----------
    workspace, space
    base : Probe or None
    decided : mapping of int to mapping of str to Event
        By the index's number and by group.
    mains : ndarray of int64
        Numbers of products' main photos, among which it is looked what would change.

    Raises
    ------
    CatalogError
        The decisions teach nothing.
    """
    rest = np.setdiff1d(mains, np.fromiter(decided, np.int64))
    drawn = np.random.default_rng(0).permutation(rest)[:SEEN]
    known = workspace.index.items([*decided, *np.sort(drawn).tolist()])
    # ids repeat across sources, numbers don't
    catalog = Catalog("the workspace", "", [item_as_indexed(k, str(k.number)) for k in known])
    told = {
        str(number): {group: event.labels or () for group, event in events.items()}
        for number, events in decided.items()
    }
    ids = [item.id for item in catalog.items]
    annotations = read_annotations(
        None, ids, space, decided={name: told[name] for name in ids if name in told}
    )
    training, _ = gather(workspace, catalog, annotations)
    promise = None
    if base is not None:
        training = base.training.combined(training)
        precision = base.precision
        promise = None if precision is None else Promise(precision)
    seen = unlabelled(workspace, catalog, annotations)
    return train_probe(workspace, training, catalogue=seen, promise=promise)


def lesson_of(
    trained: Trained, space: LabelSpace, events: Sequence[Event], *, applied: bool
) -> Lesson:
    """Return what is shown of a fit from these decisions, one of each product and group."""
    forecast = trained.forecast
    corrected = [event for event in events if set(event.labels or ()) != set(event.was)]
    taught = {(event.group, label) for event in corrected for label in event.labels or ()}
    near = [one for one in forecast.closest if (one.group, one.after) in taught]
    reasons = () if forecast.changed else tuple(_reasons(space, events, corrected))
    return Lesson(
        decisions=len(events),
        applied=applied,
        forecast=replace(forecast, closest=tuple(near[:CLOSEST])),
        reasons=reasons,
        warnings=trained.warnings,
        seconds=trained.seconds,
    )


def _reasons(
    space: LabelSpace, events: Sequence[Event], corrected: Sequence[Event]
) -> Iterator[str]:
    if not corrected:
        yield (
            "Every decision so far says what the program says, too; only corrections change "
            "what it says of other products."
        )
        return
    alone = []
    for group in {event.group: None for event in corrected}:
        answers = {event.labels for event in events if event.group == group}
        if group in space.names and space.group(group).exclusive and len(answers) == 1:
            alone.append((group, " or ".join(answers.pop() or ("none of these",))))
    for group, label in alone:
        yield (
            f"All decisions on {group} say {label!r}, and nothing shows where that ends: accept or "
            "correct some products that are something else, too."
        )
    if not alone:
        yield (
            "No other product is near enough to those that were corrected. The closest are below: "
            "where the program is wrong about one, correct it and learn again; where it is right, "
            "it is right to change nothing."
        )


def item_as_indexed(known: IndexedItem, item_id: str | None = None) -> Item:
    """Return an indexed product as its source had it, under another id if one is given."""
    text = clean_title(known.title) if known.title else ""
    image = FileRef(known.path)
    return Item(item_id or known.id, known.path, known.title, text, known.fields, image)
