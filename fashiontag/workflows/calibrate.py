"""A model's constants, fitted on a user's own catalogue: nobody labels anything, titles do.

A group is fitted where labels are known, or where titles that name one say the same as the
pictures; every other one stays as it was, and the report says why.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.errors import CatalogError
from fashiontag.heads.constants import (
    PRECISION,
    PRECISION_DEFAULT,
    GroupData,
    Rows,
    Weights,
    best_labels,
    fit_exclusive,
    surely_between,
)
from fashiontag.heads.zeroshot import Evidence
from fashiontag.labels import DEFAULT_LABELS
from fashiontag.words import style
from fashiontag.workflows.tag import Judge
from fashiontag.workspace.calibration import save_constants
from fashiontag.workspace.embed import DEFAULTS, embed

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fashiontag.catalog import Catalog
    from fashiontag.catalog.annotations import Annotations
    from fashiontag.heads.statistics import GroupConstants
    from fashiontag.heads.zeroshot import ZeroShot
    from fashiontag.labels import Group, LabelSpace
    from fashiontag.workspace import Workspace
    from fashiontag.workspace.embed import EmbedOptions

LEAST = 200
"""Styles of products that must have a label, from a table or by their titles."""

NAMED = 1 / 3
"""Share of titles that must name a label: of the others nobody knows what they show."""

BY_CHANCE = 0.2
"""Share of what chance leaves to agree on (Cohen's kappa) that titles and pictures must reach; with
titles that belong to other products it is under .02."""

BLANK = 0.005
"""Share of the products that may be taken for pictures of nothing."""


@dataclass(frozen=True, slots=True)
class GroupReport:
    """What became of one group.

    Attributes
    ----------
    group : str
    labelled : int
        Products with a label, by the table of true ones or by their titles.
    share : float
        Of all products with a picture.
    source : {"truth", "titles", ""}
        What it was fitted on; "" if it stays as it was.
    given : float
        Share of the products that are given a label by their picture alone.
    right, least, most : float
        Share of those labels that are right, among products that weren't fitted on, and its 95 %
        interval; styles are counted once. NaN where nothing is given.
    kept : str
        Why it stays as it was; "" if it was fitted.
    """

    group: str
    labelled: int
    share: float
    source: str = ""
    given: float = float("nan")
    right: float = float("nan")
    least: float = float("nan")
    most: float = float("nan")
    kept: str = ""


@dataclass(frozen=True, slots=True)
class Calibration:
    """What `calibrate` did.

    Attributes
    ----------
    source, model, labels : str
    products, titled : int
        Products with a picture that was read; those of them with a title.
    groups : tuple of GroupReport
    file : Path or None
        Where the constants are kept; None if nothing could be fitted.
    warnings : tuple of str
    seconds : float
    """

    source: str
    model: str
    labels: str
    products: int
    titled: int
    groups: tuple[GroupReport, ...]
    file: Path | None
    warnings: tuple[str, ...]
    seconds: float


def calibrate(
    workspace: Workspace,
    catalog: Catalog,
    space: LabelSpace,
    truth: Annotations | None = None,
    options: EmbedOptions = DEFAULTS,
) -> Calibration:
    """Fit what can be fitted, and keep it in the workspace.

    Parameters
    ----------
    workspace : Workspace
    catalog : Catalog
        With titles, but where ``truth`` says enough.
    space : LabelSpace
    truth : Annotations or None
        Labels of some products, read with ``like=space``.
    options : EmbedOptions

    Raises
    ------
    CatalogError
        No picture could be read.
    StoreError
        The workspace can't be written.
    """
    began = time.monotonic()
    facts = _Facts.of(Judge(workspace, space), catalog, options)
    fitted: dict[str, GroupConstants] = {}
    reports = []
    for group in space.groups:
        report, constants = _fit(facts, group, truth)
        reports.append(report)
        if constants is not None:
            fitted[group.name] = constants
    main = space.main
    if main is not None and main.name in fitted:
        fitted[main.name] = facts.with_blank(f"{space.name}/{main.name}", fitted[main.name])
    file = None
    if fitted:
        file = save_constants(workspace.path, workspace.encoder.fingerprint, space, fitted)
    return Calibration(
        source=catalog.source,
        model=workspace.encoder.name,
        labels=space.name,
        products=len(facts.rows),
        titled=int(facts.evidence.titled.sum()),
        groups=tuple(reports),
        file=file,
        warnings=(*catalog.warnings, *(truth.warnings if truth is not None else ())),
        seconds=time.monotonic() - began,
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    """All n products that have a picture: their places in the source, and what is known of them."""

    head: ZeroShot
    evidence: Evidence
    rows: NDArray[np.int64]
    styles: NDArray[np.int64]
    seen: NDArray[np.float64]
    said: NDArray[np.float64]
    background: NDArray[np.float64]

    @classmethod
    def of(cls, judge: Judge, catalog: Catalog, options: EmbedOptions) -> _Facts:
        parts, rows, styles, at = [], [], [], 0
        for window in embed(judge.workspace, catalog.items, options):
            seen = np.flatnonzero(window.images >= 0)
            whole = judge.evidence(window)
            names = ("images", "titles", "titled", "words", "colours")
            parts.append([getattr(whole, name)[seen] for name in names])
            rows.append(at + seen)
            items = [window.items[row] for row in seen.tolist()]
            styles += [style(item.text) or (item.id,) for item in items]
            at += len(window.items)
        if not styles:
            raise CatalogError(
                f"No picture of {catalog.source} can be read, so there is nothing to calibrate on."
            )
        evidence = Evidence(*map(np.concatenate, zip(*parts, strict=True)))
        numbers = {one: number for number, one in enumerate(dict.fromkeys(styles))}
        head = judge.head
        return cls(
            head=head,
            evidence=evidence,
            rows=np.concatenate(rows),
            styles=np.array([numbers[one] for one in styles], np.int64),
            seen=head.look(evidence.images, evidence.colours).astype(float),
            said=head.cosines(evidence.titles).astype(float),
            background=head.background(evidence.images).astype(float),
        )

    def of_titles(self, group: Group) -> GroupData:
        """Return a group's evidence without titles, and what they name, if it is one label."""
        columns = self._columns(group)
        words = self.evidence.words[:, self.head.space.span(group.name)]
        named = self.evidence.words[:, columns]
        sure = (named.max(axis=1) == 1) & ((words > 0).sum(axis=1) == 1)
        return self._data(group, np.where(sure, named.argmax(axis=1), -1), weak=True)

    def of_table(self, group: Group, truth: Annotations) -> GroupData:
        """Return a group's evidence with and without titles, and what a table says of it."""
        names, column = truth.space.names, np.full(len(self.rows), -1)
        if group.name in names:
            space = self.head.space
            own = {space.tags[at]: place for place, at in enumerate(self._columns(group))}
            span = truth.space.span(group.name)
            targets = truth.targets[:, span]
            # What holds and isn't among the labels that a picture can show is "none of these".
            place = np.array([own.get(tag, len(own)) for tag in truth.space.tags[span]])
            said = np.where(
                (targets == 1).any(axis=1),
                place[targets.argmax(axis=1)],
                np.where((targets == 0).all(axis=1), len(own), -1),
            )
            whole = dict(zip(truth.rows.tolist(), said.tolist(), strict=True))
            column = np.array([whole.get(row, -1) for row in self.rows.tolist()])
        return self._data(group, column, weak=False)

    def _columns(self, group: Group) -> NDArray[np.int64]:
        """Return the labels that a picture can show, and that have none under them."""
        space = self.head.space
        span = space.span(group.name)
        shown = np.flatnonzero(space.visible[span] & space.lowest[span])
        return np.asarray(span.start + shown, np.int64)

    def _data(self, group: Group, truth: NDArray[np.int64], *, weak: bool) -> GroupData:
        columns, space = self._columns(group), self.head.space
        none = np.zeros((len(truth), len(columns)))
        words = self.evidence.words[:, columns].astype(float)
        return GroupData(
            seen=self.seen[:, columns],
            background=self.background[:, space.names.index(group.name)],
            said=[none] if weak else [self.said[:, columns], none],
            words=[none] if weak else [words, none],
            truth=truth,
            weak=weak,
            main=group is space.main,
            source="titles" if weak else "truth",
        )

    def with_blank(self, name: str, constants: GroupConstants) -> GroupConstants:
        """Return the main group's constants, with the lead of "unknown" that makes a blank."""
        statistics = self.head.statistics
        groups = {**statistics.groups, name: replace(constants, blank=0.0)}
        self.head.statistics = replace(statistics, groups=groups)
        lead = self.head.lead(self.evidence.images)
        return replace(constants, blank=min(float(np.quantile(lead, 1 - BLANK)), 0.0))


def _fit(
    facts: _Facts, group: Group, truth: Annotations | None
) -> tuple[GroupReport, GroupConstants | None]:
    """Fit one group on a table if it says enough, else on titles; None if neither does."""
    space = facts.head.space
    if not space.visible[space.span(group.name)].any():
        return GroupReport(group.name, 0, 0.0, kept="no picture shows it"), None
    if not group.exclusive:
        why = "several of its labels may hold, so a title that names one denies no other"
        return GroupReport(group.name, 0, 0.0, kept=why), None
    # Photos of no studio are judged by other rules, but for what the product is.
    elsewhere = facts.head.away(facts.evidence) if group is not space.main else facts.styles < 0
    styles = facts.styles[~elsewhere]
    data = None if truth is None else facts.of_table(group, truth).part(~elsewhere)
    if data is None or _count(data, styles) < LEAST:
        data = facts.of_titles(group).part(~elsewhere)
    known = data.truth >= 0
    report = GroupReport(group.name, int(known.sum()), float(known.sum() / max(len(known), 1)))
    if why := _useless(data, styles, int(facts.evidence.titled[~elsewhere].sum())):
        return replace(report, kept=why), None
    aim = PRECISION_DEFAULT if space.name == DEFAULT_LABELS else PRECISION
    return _judged(report, data, styles, aim), fit_exclusive(data, aim)


def _count(data: GroupData, styles: NDArray[np.int64]) -> int:
    """Return how many styles have a label of the group."""
    return len(np.unique(styles[(data.truth >= 0) & (data.truth < data.size)]))


def _useless(data: GroupData, styles: NDArray[np.int64], titled: int) -> str:
    """Return why nothing can be fitted on these products; "" if something can."""
    found, known = _count(data, styles), (data.truth >= 0) & (data.truth < data.size)
    if found < LEAST:
        what = "titles of {} styles name one of its labels" if data.weak else "{} styles have one"
        return f"{what.format(f'only {found}' if found else 'no')}; {LEAST} are needed"
    share = known.sum() / max(titled, 1)
    if data.weak and share < NAMED:
        return f"titles name its labels for {share:.0%} of the products; a third is needed"
    truth, best = data.truth[known], data.seen[known].argmax(axis=1)
    rates = [np.bincount(one, minlength=data.size) / len(truth) for one in (truth, best)]
    chance = float(rates[0] @ rates[1])
    agreed = ((truth == best).mean() - chance) / max(1 - chance, 1e-9)
    if agreed < BY_CHANCE:
        return "what is said of the products and what their pictures look like don't go together"
    return ""


def _judged(
    report: GroupReport, data: GroupData, styles: NDArray[np.int64], aim: float
) -> GroupReport:
    """Fit on half of the styles, judge pictures alone of the others, and the other way round."""
    given, right = np.zeros(len(styles), bool), np.zeros(len(styles), bool)
    pictures = Rows.all(data)
    for half in (0, 1):
        mine = styles % 2 == half
        found = fit_exclusive(data.part(~mine), aim)
        score, best = best_labels(Weights(found.image_alone, found.unknown_alone), pictures)
        given[mine] = ((score > 0) & (score >= found.cut_alone))[mine]
        right[mine] = (best == data.truth)[mine]
    judged = given & (data.truth >= 0)
    share, count = float(right[judged].mean()), len(np.unique(styles[judged]))
    least, most = surely_between(share, count)
    return replace(
        report,
        source=data.source,
        given=float(given.mean()),
        right=share,
        least=least,
        most=most,
    )
