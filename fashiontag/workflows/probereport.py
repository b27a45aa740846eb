"""How good a probe is: per label and group, with the plots' points and the telling mistakes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.heads.calibration import candidates
from fashiontag.metrics import (
    average_precision_score,
    brier_score,
    calibration_error,
    coverage_at_precision,
    f1_score,
    label_ranking_average_precision_score,
    macro,
    micro_average_precision,
    precision_at,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fashiontag.heads.artefact import Training

    Floats = NDArray[np.float32]

SHOWN_MISTAKES = 24


@dataclass(frozen=True, slots=True)
class LabelReport:
    """One label: support, ranking by picture, title and both, decisions.

    ``published`` and ``right`` count what the promise would publish and what of it holds; figures
    that nothing defines are NaN.
    """

    group: str
    label: str
    support: int
    image: float
    title: float
    fused: float
    f1: float
    threshold: float
    promise: float
    published: int
    right: int


@dataclass(frozen=True, slots=True)
class GroupReport:
    """One attribute group; its macro figures count labels that have a positive.

    Attributes
    ----------
    products : int
        Products annotated in the group.
    image, title, fused : float
        Macro average precision.
    top1, coverage, calibration : float
        Of an exclusive group's best label: how often it is right, the share of products that can
        be decided at 95 % precision, and the calibration error of its probability.
    brier, brier_base : float
        Mean squared error of the probabilities, and of always saying the label's rate.
    published, precision : float
        What the promise covers, as a share of the products, and how much of it is right.
    reliability, tradeoff : tuple of (float, float) pairs
        Mean probability and share right, per bin; coverage and precision, surest first.
    """

    group: str
    exclusive: bool
    products: int
    image: float
    title: float
    fused: float
    macro_f1: float
    top1: float
    coverage: float
    calibration: float
    brier: float
    brier_base: float
    published: float
    precision: float
    reliability: tuple[tuple[float, float], ...] = ()
    tradeoff: tuple[tuple[float, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Mistake:
    """A product of which the probe was sure, and wrong by its annotation."""

    id: str
    title: str
    group: str
    said: str
    annotated: str
    probability: float


@dataclass(frozen=True, slots=True)
class ProbeReport:
    """How good a probe is, and on what that was found.

    Attributes
    ----------
    products, families : int
        Products that were judged, and how many differ.
    basis : str
        What they are: training products judged by fits without their family, or held-out ones.
    """

    basis: str
    products: int
    families: int
    macro_ap: float
    micro_ap: float
    lrap: float
    precision_at_3: float
    groups: tuple[GroupReport, ...]
    labels: tuple[LabelReport, ...]
    mistakes: tuple[Mistake, ...] = field(repr=False, default=())


def report_on(
    basis: str,
    rows: Training,
    families: NDArray[np.int64],
    sides: tuple[Floats, Floats, Floats],
    thresholds: Floats,
    promises: Floats,
) -> ProbeReport:
    """Compare probabilities with annotations.

    Parameters
    ----------
    basis : str
        What the products are.
    rows : Training
        n products with targets over t labels.
    families : ndarray of shape (n,), int64
    sides : three ndarrays of shape (n, t)
        Scores by picture, by title (NaN where there is none) and by both, the last probabilities.
    thresholds, promises : ndarray of shape (n, t)
        Probabilities from which a label is given, and may be published.
    """
    space, truth = rows.space, rows.targets
    image, title, fused = sides
    spans = [space.span(name) for name in space.names]
    offered = candidates(fused, spans, [group.exclusive for group in space.groups])
    given = offered >= np.minimum(thresholds, promises)
    published = offered >= promises
    precision = [average_precision_score(truth, one) for one in (image, fused)]
    titled = average_precision_score(truth, title) if not np.isnan(title).all() else None
    by_title = np.full(space.size, np.nan) if titled is None else titled
    f1 = f1_score(truth, given)
    labels = tuple(
        LabelReport(
            group=tag.split("=", 1)[0],
            label=tag.split("=", 1)[1],
            support=int((truth[:, column] == 1).sum()),
            image=float(precision[0][column]),
            title=float(by_title[column]),
            fused=float(precision[1][column]),
            f1=float(f1[column]),
            threshold=float(np.median(thresholds[:, column])),
            promise=float(np.median(promises[:, column])),
            published=int((published[:, column] & (truth[:, column] >= 0)).sum()),
            right=int((published[:, column] & (truth[:, column] == 1)).sum()),
        )
        for column, tag in enumerate(space.tags)
    )
    groups = []
    for group, span in zip(space.groups, spans, strict=True):
        known = (truth[:, span] >= 0).any(axis=1)
        mine, chances = truth[known][:, span], fused[known][:, span]
        right, sure = _decisions(mine, chances, exclusive=group.exclusive)
        out = published[known][:, span] & (mine >= 0)
        groups.append(
            GroupReport(
                group=group.name,
                exclusive=group.exclusive,
                products=int(known.sum()),
                image=macro(precision[0][span]),
                title=macro(by_title[span]),
                fused=macro(precision[1][span]),
                macro_f1=macro(f1[span]),
                top1=float(right.mean()) if group.exclusive and len(right) else float("nan"),
                coverage=coverage_at_precision(right, sure),
                calibration=calibration_error(right, sure),
                brier=brier_score(mine, chances),
                brier_base=brier_score(mine, np.tile(rates_of(mine), (len(mine), 1))),
                published=float(out.any(axis=1).mean()) if len(out) else float("nan"),
                precision=float((mine[out] == 1).mean()) if out.any() else float("nan"),
                reliability=_reliability(right, sure),
                tradeoff=_tradeoff(right, sure),
            )
        )
    return ProbeReport(
        basis=basis,
        products=len(rows.ids),
        families=len(np.unique(families)),
        macro_ap=macro(np.array([group.fused for group in groups])),
        micro_ap=micro_average_precision(truth, fused),
        lrap=label_ranking_average_precision_score(truth, fused),
        precision_at_3=precision_at(truth, fused),
        groups=tuple(groups),
        labels=labels,
        mistakes=_mistakes(rows, fused),
    )


def _decisions(
    truth: NDArray[np.int8], chances: Floats, *, exclusive: bool
) -> tuple[NDArray[np.bool_], Floats]:
    """Return whether each decision is right, and its probability.

    In an exclusive group the decision is the best label; in an open one every known cell is.
    """
    if exclusive:
        best = chances.argmax(axis=1)[:, None]
        return (
            np.take_along_axis(truth, best, 1)[:, 0] == 1,
            np.take_along_axis(chances, best, 1)[:, 0],
        )
    known = truth >= 0
    return truth[known] == 1, chances[known]


def _reliability(right: NDArray[np.bool_], sure: Floats) -> tuple[tuple[float, float], ...]:
    if not len(right):
        return ()
    parts = np.array_split(np.argsort(sure, kind="stable"), min(15, len(right)))
    return tuple((round(float(sure[p].mean()), 4), round(float(right[p].mean()), 4)) for p in parts)


def _tradeoff(right: NDArray[np.bool_], sure: Floats) -> tuple[tuple[float, float], ...]:
    if not len(right):
        return ()
    order = np.argsort(-sure, kind="stable")
    share = np.cumsum(right[order]) / np.arange(1, len(right) + 1)
    places = np.unique(np.linspace(0, len(right) - 1, 60).astype(int))
    return tuple((round((p + 1) / len(right), 4), round(float(share[p]), 4)) for p in places)


def _mistakes(rows: Training, chances: Floats) -> tuple[Mistake, ...]:
    """Return the surest errors of exclusive groups, at most four a group."""
    found: list[Mistake] = []
    for group in rows.space.groups:
        span = rows.space.span(group.name)
        truth, mine = rows.targets[:, span], chances[:, span]
        wrong = np.flatnonzero(
            (truth == 1).any(axis=1)
            & (np.take_along_axis(truth, mine.argmax(1)[:, None], 1)[:, 0] == 0)
        )
        if not group.exclusive:
            continue
        for row in wrong[np.argsort(-mine[wrong].max(axis=1), kind="stable")][:4]:
            names = group.names
            found.append(
                Mistake(
                    id=rows.ids[row],
                    title=rows.texts[row],
                    group=group.name,
                    said=names[int(mine[row].argmax())],
                    annotated=names[int((truth[row] == 1).argmax())],
                    probability=float(mine[row].max()),
                )
            )
    best = sorted(found, key=lambda one: -one.probability)
    return tuple(best[:SHOWN_MISTAKES])


def rates_of(targets: NDArray[np.int8]) -> Floats:
    """Return how often each label holds where it is known, shape (t,)."""
    known = np.maximum((targets >= 0).sum(axis=0), 1)
    return np.asarray((targets == 1).sum(axis=0) / known, np.float32)
