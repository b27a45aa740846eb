"""How good a probe is: what it gives beside the truth, statistics, and the plots' points."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from fashiontag.catalog.families import find_families
from fashiontag.catalog.titles import first_few
from fashiontag.errors import CatalogError
from fashiontag.heads.calibration import Outlook, candidates, outlook
from fashiontag.heads.features import titled
from fashiontag.heads.groups import group_spans
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.heads.local import Directions
from fashiontag.heads.statistics import unit
from fashiontag.heads.zeroshot import Evidence
from fashiontag.metrics import (
    average_precision_score,
    f1_score,
    label_ranking_average_precision_score,
    macro,
    measure,
    micro_average_precision,
    precision_at,
)
from fashiontag.verdicts import cases, judge
from fashiontag.workspace.prompts import zero_shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fashiontag.heads.features import Features
    from fashiontag.heads.probe import Probe
    from fashiontag.heads.training import Training
    from fashiontag.heads.zeroshot import Scores
    from fashiontag.metrics import GroupFigures
    from fashiontag.verdicts import Verdict
    from fashiontag.workspace import Workspace

    Floats = NDArray[np.float32]
    Points = tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True)
class LabelReport:
    """One label: support, ranking, decisions.

    ``published`` and ``right`` count what the promise would publish and what of it holds; figures
    that nothing defines are NaN.
    """

    group: str
    label: str
    support: int
    ranking: float
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
    ranking : float
        Macro average precision.
    top1, coverage, calibration : float
        Of an exclusive group's best label: how often it is right, the share of products that can
        be decided at 95 % precision, and the calibration error of its probability.
    published, precision : float
        What the promise covers, as a share of the products, and how much of it is right.
    outlook : Outlook or None
        What more labels would buy; None where nothing was promised for the group.
    reliability : tuple of (float, float) pairs
        Mean probability and share right, per bin.
    """

    group: str
    exclusive: bool
    products: int
    ranking: float
    macro_f1: float
    top1: float
    coverage: float
    calibration: float
    published: float
    precision: float
    outlook: Outlook | None = None
    reliability: Points = ()


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


@dataclass(frozen=True, slots=True)
class Judged:
    """What is said of n products, to be compared with their annotations.

    Attributes
    ----------
    rows : Training
        The products, with targets over t labels.
    families : ndarray of shape (n,), int64
    chances : ndarray of shape (n, t)
        Probabilities.
    thresholds, promises : ndarray of shape (n, t)
        Probabilities from which a label is given, and may be published; NaN where nobody judges.
    """

    rows: Training
    families: NDArray[np.int64]
    chances: Floats
    thresholds: Floats
    promises: Floats


@dataclass(frozen=True, slots=True)
class Observed:
    """Products, where they lie and what zero-shot says of them, over all labels of their space."""

    rows: Training
    at: Directions
    scores: Scores

    @classmethod
    def of(cls, workspace: Workspace, features: Features, rows: Training) -> Self:
        """Let zero-shot judge products by their stored vectors."""
        words = TitleMatcher(rows.space).score(rows.texts)
        images, titles = rows.images.astype(np.float32), rows.titles.astype(np.float32)
        told = titled(rows.texts) | words.any(axis=1)
        evidence = Evidence(images, titles, told, words, workspace.measured(rows.image_keys))
        at = Directions(
            unit(images - features.image),
            unit(titles - features.title) * titled(rows.texts)[:, None],
        )
        return cls(rows, at, zero_shot(workspace, rows.space).score(evidence))

    @property
    def pair(self) -> tuple[Directions, Scores]:
        """What a local head is fitted on."""
        return self.at, self.scores


def evaluate_probe(
    workspace: Workspace, probe: Probe, held_out: Training
) -> tuple[ProbeReport, tuple[str, ...]]:
    """Judge labelled products that the probe wasn't trained on.

    Returns the statistics and what to say: products that were in the training, or labels that the
    probe doesn't know, are left out of them and counted.

    Raises
    ------
    CatalogError
        Nothing is left to judge.
    """
    seen = set(probe.training.image_keys)
    fresh = np.array([key not in seen for key in held_out.image_keys])
    warnings = []
    if not fresh.all():
        warnings.append(
            f"{(~fresh).sum()} of {len(fresh)} products were in the probe's training and are left "
            "out."
        )
    if not fresh.any():
        raise CatalogError(
            f"All {len(fresh)} labelled products were in the probe's training; give others."
        )
    held_out = held_out.select(np.flatnonzero(fresh))
    shown = (held_out.targets == 1).any(axis=0)
    lost = [tag for tag in np.array(held_out.space.tags)[shown] if tag not in probe.space.tags]
    if lost:
        warnings.append(
            f"{len(lost)} labels that the probe doesn't know stand in no statistics: "
            f"{first_few(lost)}."
        )
    held_out = held_out.on_space(probe.space)
    if not (held_out.targets >= 0).any():
        raise CatalogError("The table annotates none of the labels that the probe knows.")
    families = find_families([key or None for key in held_out.image_keys], held_out.texts)
    scores = Observed.of(workspace, probe.features, held_out.on_space(probe.whole)).scores
    told = probe.overlay(scores, probe.whole, probe.features.of(held_out))
    assert told.label_cuts is not None
    columns = [probe.whole.column(tag) for tag in probe.space.tags]
    chances, thresholds = told.labels[:, columns], told.label_cuts[:, columns]
    promises = np.full_like(chances, np.inf)
    if told.promises is not None:
        promises = told.promises[:, columns]
    judged = Judged(held_out, families, chances, thresholds, promises)
    return report_on("held-out products", judged), tuple(warnings)


def report_on(basis: str, judged: Judged, precision: float | None = None) -> ProbeReport:
    """Compare probabilities with annotations.

    `basis` says what the products are; with a `precision` that is promised for each group's labels
    together, they are those that a probe was trained on.
    """
    rows, truth = judged.rows, judged.rows.targets
    offered = candidates(judged.chances, group_spans(rows.space))
    published = offered >= judged.promises
    given = (offered > 0) & (offered >= np.minimum(judged.thresholds, judged.promises))
    f1 = f1_score(truth, given)
    ranking = average_precision_score(truth, judged.chances)
    labels = tuple(
        LabelReport(
            group,
            label,
            support=int((truth[:, column] == 1).sum()),
            ranking=float(ranking[column]),
            f1=float(f1[column]),
            threshold=float(np.nanmedian(judged.thresholds[:, column])),
            promise=float(np.nanmedian(judged.promises[:, column])),
            published=int((published[:, column] & (truth[:, column] >= 0)).sum()),
            right=int((published[:, column] & (truth[:, column] == 1)).sum()),
        )
        for column, (group, label) in enumerate(tag.split("=", 1) for tag in rows.space.tags)
    )
    groups = []
    for group in rows.space.groups:
        span = rows.space.span(group.name)
        known = np.asarray((truth[:, span] >= 0).any(axis=1))
        found = measure(truth[:, span], judged.chances[:, span], known, exclusive=group.exclusive)
        annotated = truth[known][:, span]
        out = published[known][:, span] & (annotated >= 0)
        groups.append(
            GroupReport(
                group=group.name,
                exclusive=group.exclusive,
                products=int(known.sum()),
                ranking=macro(found.average_precision),
                macro_f1=macro(f1[span]),
                top1=found.accuracy if group.exclusive else float("nan"),
                coverage=found.coverage,
                calibration=found.calibration,
                published=float(out.any(axis=1).mean()) if len(out) else float("nan"),
                precision=float((annotated[out] == 1).mean()) if out.any() else float("nan"),
                outlook=None
                if precision is None
                else outlook(offered[:, span], truth[:, span], judged.families, precision),
                reliability=_reliability(found),
            )
        )
    return ProbeReport(
        basis=basis,
        products=len(rows.ids),
        families=len(np.unique(judged.families)),
        macro_ap=macro(np.array([group.ranking for group in groups])),
        micro_ap=micro_average_precision(truth, judged.chances),
        lrap=label_ranking_average_precision_score(truth, judged.chances),
        precision_at_3=precision_at(truth, judged.chances),
        groups=tuple(groups),
        labels=labels,
    )


def left_out_verdict(judged: Judged, *, promised: bool) -> Verdict:
    """Judge what a probe would give, or publish where it promises; examples are the surest."""
    rows, space = judged.rows, judged.rows.space
    order = np.argsort(-judged.chances.max(axis=1), kind="stable")
    truth = rows.targets[order]
    offered = candidates(judged.chances, group_spans(space))
    # A local head gives what replaces another label from 0 on: that is no word for all labels.
    given = (offered > 0) & (offered >= (judged.promises if promised else judged.thresholds))
    given = given[order]
    exclusive = {group.name for group in space.groups if group.exclusive}
    # To the head that learned from it, a row of zeros is one of none of these.
    none = {
        (row, name)
        for name in exclusive
        for row in np.flatnonzero((truth[:, space.span(name)] == 0).all(axis=1)).tolist()
    }
    names = {group.name: np.array(group.names) for group in space.groups}

    def said(row: int, group: str) -> tuple[str, ...]:
        return tuple(names[group][given[row, space.span(group)]].tolist())

    found = cases(space, truth, [rows.ids[row] for row in order], said, none)
    return judge(found, exclusive, {group.name: group.names for group in space.groups})


def _reliability(found: GroupFigures) -> Points:
    right, confidence = found.right, found.confidence
    if not len(right):
        return ()
    parts = np.array_split(np.argsort(confidence, kind="stable"), min(15, len(right)))
    means = [(float(confidence[part].mean()), float(right[part].mean())) for part in parts]
    return tuple((round(mean, 4), round(share, 4)) for mean, share in means)
