"""Which unlabelled products to label next, and a random audit set to measure on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from fashiontag.catalog.families import find_families
from fashiontag.errors import CatalogError
from fashiontag.heads.active import pick, uncertainty
from fashiontag.heads.groups import group_spans
from fashiontag.heads.statistics import unit
from fashiontag.heads.training import Training
from fashiontag.workflows.evaluate import Observed
from fashiontag.workspace.embed import DEFAULTS, EmbedOptions, embed_all

if TYPE_CHECKING:
    from collections.abc import Collection

    from numpy.typing import NDArray

    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Item
    from fashiontag.heads.probe import Probe
    from fashiontag.workspace import Workspace

Purpose = Literal["suggested", "audit"]


@dataclass(frozen=True, slots=True)
class Suggestion:
    """One product to label.

    Attributes
    ----------
    item : Item
    purpose : {"suggested", "audit"}
        To learn from, or drawn at random to measure on: thresholds and promises want 200 to 300
        of these.
    unclear : float
        In [0, 1]; NaN without a probe.
    guesses : tuple of str
        What the probe would say, ``group=label``, one for each exclusive group.
    """

    item: Item
    purpose: Purpose
    unclear: float
    guesses: tuple[str, ...]


def suggest(
    workspace: Workspace,
    catalog: Catalog,
    *,
    count: int,
    audit: int = 0,
    probe: Probe | None = None,
    labelled: Collection[str] = (),
    seed: int = 0,
    options: EmbedOptions = DEFAULTS,
) -> tuple[Suggestion, ...]:
    """Pick products to label: without a probe diverse ones, with one also unclear ones.

    Parameters
    ----------
    workspace, catalog
    count, audit : int
        How many to learn from, and how many at random to measure on.
    probe : Probe or None
        Its training is not suggested again, and what is unclear to it comes first.
    labelled : collection of str
        Ids that have labels already.
    seed : int
        Of the audit set.
    options : EmbedOptions

    Raises
    ------
    CatalogError
        Nothing is left to label.
    """
    embedded = embed_all(workspace, catalog.items, options)
    images, texts, keys = embedded.images, embedded.texts, embedded.image_keys
    families = find_families(keys, [item.text for item in catalog.items])
    taken = set(probe.training.image_keys) if probe else set()
    done = {
        int(families[row])
        for row, item in enumerate(catalog.items)
        if item.id in labelled or keys[row] in taken
    }
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(families))
    _, first = np.unique(families[order], return_index=True)
    # One of each family that has a picture and no labelled member.
    free = np.array(
        sorted(r for r in order[first] if images[r] >= 0 and int(families[r]) not in done),
        np.int64,
    )
    if not len(free):
        raise CatalogError(
            f"All {len(catalog.items)} products of {catalog.source} are labelled or like one that "
            "is; nothing is left to suggest."
        )
    shuffled = rng.permutation(len(free))
    drawn, rest = shuffled[:audit], np.sort(shuffled[audit:])
    dim = workspace.encoder.dim
    seen = workspace.images.padded(images[free], dim)
    read = workspace.texts.padded(texts[free], dim)
    x = unit(np.hstack([unit(seen - seen.mean(axis=0)), unit(read - read.mean(axis=0))]))
    unclear = np.full(len(free), np.nan, np.float32)
    guesses: list[tuple[str, ...]] = [()] * len(free)
    if probe is not None:
        rows = Training(
            ids=tuple(catalog.items[row].id for row in free),
            image_keys=tuple(keys[row] or "" for row in free),
            texts=tuple(embedded.read[row] for row in free),
            images=seen.astype(np.float16),
            titles=read.astype(np.float16),
            space=probe.whole,
            targets=np.full((len(free), probe.whole.size), -1, np.int8),
        )
        unclear, guesses = _asked(workspace, probe, rows)
    chosen = rest[pick(x[rest], count, None if probe is None else unclear[rest])]
    purposes: tuple[tuple[Purpose, NDArray[np.int64]], ...]
    purposes = (("suggested", chosen), ("audit", drawn))
    return tuple(
        Suggestion(catalog.items[free[place]], purpose, float(unclear[place]), guesses[place])
        for purpose, places in purposes
        for place in places
    )


def _asked(
    workspace: Workspace, probe: Probe, rows: Training
) -> tuple[NDArray[np.float32], list[tuple[str, ...]]]:
    """Return how unclear products are to a probe, and its guess in each exclusive group.

    A product whose best guess is a label without an example is as unclear as can be: nobody has
    told yet whether the guess is right.
    """
    space, taught = probe.whole, probe.training
    scores = Observed.of(workspace, probe.features, rows).scores
    chances = probe.overlay(scores, space, probe.features.of(rows)).labels
    unclear = uncertainty(chances, group_spans(space))
    shown = {tag for tag, y in zip(taught.space.tags, taught.targets.T, strict=True) if 1 in y}
    strange = np.array([tag not in shown for tag in space.tags])
    guesses = []
    for group in group_spans(space):
        if group.exclusive:
            best = group.span.start + chances[:, group.span].argmax(axis=1)
            unclear = np.where(strange[best], 1.0, unclear)
            guesses.append([space.tags[column] for column in best])
    return unclear.astype(np.float32), [*zip(*guesses, strict=True)] or [()] * len(rows.ids)
