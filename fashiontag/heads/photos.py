"""Several photos of one product → one answer, and the photo that shows something else.

The logarithmic opinion pool (Genest and Zidek, Statistical Science 1986): log-odds are averaged,
not summed, for photos of one product repeat each other, and so does the title that was read with
each of them. How much surer several are than one is a `TEMPER`, fitted. A photo weighs what its
best label has, and less if it shows no whole product: on details, swatches and size charts the
model spreads its vote, or gives it to "unknown", and what they can't tell speaks against nothing.
"""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fashiontag.heads.groups import group_spans

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fashiontag.heads.zeroshot import Evidence, Scores
    from fashiontag.labels import LabelSpace

Known = TypeVar("Known", "Scores", "Evidence")
Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

DOUBT = 0.005
"""How much of a photo's answer is taken for chance, so that one photo can't rule out a label."""

TEMPER = 0.1
"""Log-odds grow with the number of photos to this power: 1 would be independent photos. Log loss
on pool, of type, colour and audience together: 2.81 at 0, 2.79 at 0.1 and 2.90 at 0.3 with pictures
alone; with titles 0.73 at 0, 0.82 at 0.2."""

LEAST = 0.01
"""The least chance of a whole product that a photo is given: a tenth of its weight is left then."""

FOREIGN = np.array(
    [0.343, 0.065, 2.952, 0.883, -7.73, -1.102, 0.275, -2.376, 3.778, -1.191], np.float64
)
"""What each of a photo's `facts` says for its showing another product, fitted on pool."""
TITLED = 7
"""Which of them says that there is a title."""

CHANCE = 5.472
"""What none of them says."""

STRANGE = 3.71
"""From which strangeness, as of `strangeness`, a photo is said to show another product: nine in ten
of the reports on pool and val are right then, where 5 % of the products hold a foreign photo.

At nine of ten .79 of them are reported on val. With the distance to the others' mean, their pooled
answer and their count it is .78 to .80 without titles and .80 to .82 with them, with boosted trees
.75 to .78: some five of val's products decide that, so none of it is told from chance."""


def fuse(chances: Floats | Doubles, weights: Doubles, *, exclusive: bool) -> Doubles:
    """Return what n photos say together, whatever their order, to the last bit.

    Parameters
    ----------
    chances : ndarray of shape (n, k), in [0, 1]
        Of an exclusive group its labels' and that of "unknown": rows sum to 1. Else each label's.
    weights : ndarray of shape (n,)
        What each photo counts for; some are above 0.
    exclusive : bool

    Returns
    -------
    ndarray of shape (k,), float64, in [0, 1]
        The very row where there is one photo. Labels that no photo gives any chance have none.
    """
    if len(chances) == 1:
        return np.asarray(chances[0], np.float64)
    share = weights / _total(weights)
    surer = _total(share**2) ** -TEMPER  # by the effective number of photos (Kish 1965)
    possible = chances.max(axis=0) > 0
    kept = chances[:, possible].astype(np.float64)
    kept = (1 - DOUBT) * kept + DOUBT / (kept.shape[1] if exclusive else 2)
    logits = np.log(kept) if exclusive else np.log(kept) - np.log1p(-kept)
    pooled = surer * _total(share[:, None] * logits)
    found = np.zeros(chances.shape[1])
    if exclusive:
        odds = np.exp(pooled - pooled.max())
        found[possible] = odds / odds.sum()
    else:
        found[possible] = 1 / (1 + np.exp(-pooled))
    return found


def photo_weights(space: LabelSpace, scores: Scores, whole: Doubles) -> Doubles:
    """Return what each photo counts for in each group, shape (n, g), in (0, 1].

    As much as its best label has in an exclusive group, times the root of the chance that it shows
    a ``whole`` product: with the chance itself errors on pool are the same, and a misjudged photo
    costs more. In an open group, what it counts for in the main one.
    """
    groups = group_spans(space)
    told = np.ones((len(scores.labels), len(groups)))
    for position, group in enumerate(groups):
        if group.exclusive:
            told[:, position] = scores.labels[:, group.span].max(axis=1)
    if space.main is not None:
        open_ones = [position for position, group in enumerate(groups) if not group.exclusive]
        told[:, open_ones] = told[:, [space.names.index(space.main.name)]]
    return np.maximum(told * np.sqrt(np.maximum(whole, LEAST))[:, None], 1e-6)


def _per_row(scores: Known) -> dict[str, NDArray[Any]]:
    """Return the fields of scores that have a row for each product."""
    values = {field.name: getattr(scores, field.name) for field in fields(scores)}
    return {n: value for n, value in values.items() if n != "probed" and value is not None}


def photos_among(scores: Scores, rows: Sequence[int]) -> Scores:
    """Return the scores of some rows."""
    return replace(scores, **{name: value[rows] for name, value in _per_row(scores).items()})


def together(rows: Sequence[Known]) -> Known:
    """Return scores, or evidence, of the same space, one below the other."""
    names = _per_row(rows[0])
    return replace(rows[0], **{n: np.concatenate([getattr(r, n) for r in rows]) for n in names})


def with_groups(scores: Scores, other: Scores, space: LabelSpace, own: Sequence[bool]) -> Scores:
    """Return scores with those of another in the groups that are marked."""
    groups = np.asarray(own)
    columns = np.repeat(groups, [len(group.labels) for group in space.groups])
    out = {
        name: np.where(
            groups if one.shape[1] == len(groups) else columns, getattr(other, name), one
        )
        for name, one in _per_row(scores).items()
    }
    return replace(scores, **out)


def fuse_scores(space: LabelSpace, scores: Scores, whole: Doubles) -> Scores:
    """Return one row of scores for n photos of one product, scored each with its title.

    ``whole`` is the chance that a photo shows a whole product, shape (n,). Cuts and promises are
    those of the photo that counts for most.
    """
    if len(scores.labels) == 1:
        return scores
    weights = photo_weights(space, scores, whole)
    out = photos_among(scores, [0])
    for position, group in enumerate(group_spans(space)):
        own, span = weights[:, position], group.span
        if group.exclusive:
            shares = np.column_stack([scores.labels[:, span], scores.unknown[:, position]])
            fused = fuse(shares, own, exclusive=True)
            out.labels[0, span], out.unknown[0, position] = fused[:-1], fused[-1]
        else:
            out.labels[0, span] = fuse(scores.labels[:, span], own, exclusive=False)
        most = own == own.max()
        out.cuts[0, position] = scores.cuts[most, position].max()
        for one, rows in ((out.label_cuts, scores.label_cuts), (out.promises, scores.promises)):
            if one is not None and rows is not None:
                one[0, span] = rows[most, span].max(axis=0)
    return replace(
        out,
        by_image=scores.by_image.max(axis=0, keepdims=True),
        by_title=scores.by_title.max(axis=0, keepdims=True),
    )


def strangeness(
    shares: Floats | Doubles,
    images: Floats,
    whole: Doubles,
    told: NDArray[np.bool_] | None = None,
) -> Doubles:
    """Return how surely each photo shows another kind of product than the others and the title.

    Parameters are those of `facts`.

    Returns
    -------
    ndarray of shape (n,), float64
        Log-odds; minus infinity where there is one photo. Of two photos without a title each is
        strange to the other.
    """
    if len(shares) == 1:
        return np.full(1, -np.inf)
    return np.asarray(facts(shares, images, whole, told) @ FOREIGN + CHANCE)


def facts(
    shares: Floats | Doubles,
    images: Floats,
    whole: Doubles,
    told: NDArray[np.bool_] | None = None,
) -> Doubles:
    """Return what speaks for each photo's showing another product, shape (n, 10).

    A photo vouches for another as far as it may show the same label, or looks alike; a photo is
    suspect if it knows what it shows, another one does, too, and none that does vouches for it. The
    rest corrects that: how surely it shows a whole, its surest label, the picture nearest to it,
    how sure others are, the best agreement, and whether it contradicts the title, and another photo
    doesn't.

    Parameters
    ----------
    shares : ndarray of shape (n, k), n > 1
        What each photo says by itself, no title read, of the main group's labels.
    images : ndarray of shape (n, d)
        Unit vectors without what all pictures have in common.
    whole : ndarray of shape (n,)
        The chance that a photo shows a whole product.
    told : ndarray of shape (k,), or None
        The labels that go with the title; None or no label where it names none.
    """
    count = len(shares)
    chances, vectors = shares.astype(np.float64), images.astype(np.float64)
    best = np.maximum(chances.max(axis=1), 1e-9)
    kinds = chances / np.maximum(chances.sum(axis=1, keepdims=True), 1e-9)
    sure, alike, near = whole * np.sqrt(best), kinds @ kinds.T, vectors @ vectors.T

    def most(values: Doubles, least: float = 0.0) -> Doubles:
        """Return each photo's highest value among the others."""
        return np.asarray(np.where(np.eye(count, dtype=bool), least, values).max(axis=1))

    knows = most(np.broadcast_to(sure, (count, count)))
    vouched = most(sure * (1 - (1 - alike) * np.clip(1 - near, 0, 1)))
    suspect = sure * np.clip(knows - vouched, 0, 1)
    titled = told is not None and bool(told.any())
    agrees = np.minimum(chances[:, told].sum(axis=1) / best, 1) if titled else np.ones(count)
    against = 1 - agrees
    return np.column_stack(
        [
            _log_odds(whole),
            _log_odds(best),
            suspect,
            _log_odds(np.maximum(suspect, 0.01)),
            most(near, -1.0),
            knows,
            np.log(most(alike) + 1e-3),
            np.full(count, float(titled)),
            against,
            against * most(np.broadcast_to(whole * agrees, (count, count))),
        ]
    )


def _log_odds(chances: Doubles) -> Doubles:
    kept = np.clip(chances, 1e-3, 1 - 1e-3)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def _total(values: Doubles) -> Doubles:
    """Sum over the first axis, smallest first: the same bits in any order of rows."""
    return np.asarray(np.sort(values, axis=0).sum(axis=0))
