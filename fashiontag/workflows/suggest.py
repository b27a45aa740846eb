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
        every = embedded.read
        titles = [every[row] for row in free]
        chances = probe.classifier.predict_proba(probe.features.transform(seen, read, titles))
        groups = group_spans(probe.space)
        unclear = uncertainty(chances, groups)
        best = [
            chances[:, group.span].argmax(axis=1) + group.span.start
            for group in groups
            if group.exclusive
        ]
        guesses = [tuple(probe.space.tags[of[row]] for of in best) for row in range(len(free))]
    chosen = rest[pick(x[rest], count, None if probe is None else unclear[rest])]
    purposes: tuple[tuple[Purpose, NDArray[np.int64]], ...]
    purposes = (("suggested", chosen), ("audit", drawn))
    return tuple(
        Suggestion(catalog.items[free[place]], purpose, float(unclear[place]), guesses[place])
        for purpose, places in purposes
        for place in places
    )
