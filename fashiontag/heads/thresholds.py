"""Scores → decisions: which labels a product is given, and which group stays empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fashiontag.datamodels import Decision, Source, TagScore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fashiontag.heads.zeroshot import Scores
    from fashiontag.labels import LabelSpace


class Decider:
    """Applies the cuts, the rule of one label per exclusive group, and the implications.

    In an exclusive group the best label is given if it beats "unknown" and reaches the group's
    cut; in an open group every label that reaches the cut. A label that implies a parent is given
    only where that parent is among the two best of its group, and then brings the parent along:
    a sandal is footwear, whatever the picture's second glance says.

    Where a precision was promised, a tag is to ``publish`` if its score reaches its promise, else
    to ``review``; the best label of an exclusive group that gives none is shown as ``abstain``.
    """

    def __init__(self, space: LabelSpace) -> None:
        self._space = space
        self._spans = [space.span(name) for name in space.names]
        self._sizes = [len(group.labels) for group in space.groups]
        self._exclusive = {group.name: group.exclusive for group in space.groups}
        self._at = [
            (
                group.name,
                label.name,
                [space.column(tag) for tag in space.parents(f"{group.name}={label.name}")],
            )
            for group in space.groups
            for label in group.labels
        ]
        self._group_of = np.repeat(np.arange(len(self._sizes)), self._sizes).tolist()

    def decide(self, scores: Scores) -> list[tuple[TagScore, ...]]:
        """Return each row's tags, by group in file order, best first."""
        count = len(scores.labels)
        reached: list[list[int]] = [[] for _ in range(count)]
        rows, columns = np.nonzero(self._reach(scores))
        for row, column in zip(rows.tolist(), columns.tolist(), strict=True):
            reached[row].append(column)
        seconds = self._seconds(scores).tolist()
        return [self._row(scores, row, reached[row], seconds[row]) for row in range(count)]

    def _seconds(self, scores: Scores) -> NDArray[np.float32]:
        """Return, per group, what a label must reach to be among the two best: (n, g).

        In an open group, and of one label, any score will do.
        """
        found = np.full((len(scores.labels), len(self._spans)), -np.inf, np.float32)
        for position, span in enumerate(self._spans):
            if self._space.groups[position].exclusive and self._sizes[position] > 1:
                found[:, position] = np.partition(scores.labels[:, span], -2, axis=1)[:, -2]
        return found

    def _reach(self, scores: Scores) -> NDArray[np.bool_]:
        """Mark what reaches its cut, in an exclusive group the best label at most: (n, t)."""
        cuts = np.repeat(scores.cuts, self._sizes, axis=1)
        if scores.label_cuts is not None:
            cuts = np.where(np.isnan(scores.label_cuts), cuts, scores.label_cuts)
        if scores.promises is not None:  # a promise is enough
            cuts = np.minimum(cuts, scores.promises)
        reach = scores.labels >= cuts
        every = np.arange(len(reach))
        for position, span in enumerate(self._spans):
            if self._space.groups[position].exclusive:
                best = span.start + scores.labels[:, span].argmax(axis=1)
                sure = reach[every, best]
                sure &= scores.labels[every, best] >= scores.unknown[:, position]
                reach[:, span] = False
                reach[every, best] = sure
        return reach

    def _row(
        self, scores: Scores, row: int, reached: list[int], seconds: list[float]
    ) -> tuple[TagScore, ...]:
        values = scores.labels[row].tolist()
        given: dict[str, dict[str, float]] = {name: {} for name in self._exclusive}
        settled: set[str] = set()
        for column in reached:
            group, label, parents = self._at[column]
            if group in settled:
                continue
            if all(values[parent] >= seconds[self._group_of[parent]] for parent in parents):
                given[group][label] = values[column]
                for parent in parents:
                    above, name, _ = self._at[parent]
                    if self._exclusive[above]:
                        given[above].clear()
                        settled.add(above)
                    # A parent is at least as likely as its child.
                    given[above][name] = max(values[parent], values[column])
        tags = [
            self._tag(scores, row, group, label, score)
            for group, labels in given.items()
            for label, score in sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))
        ]
        if scores.promises is not None:
            tags += self._abstained(scores, row, given)
        return tuple(tags)

    def all_scores(self, scores: Scores, row: int) -> Mapping[str, Mapping[str, float]]:
        """Return every label's score of one row, with "unknown" in exclusive groups."""
        table: dict[str, dict[str, float]] = {}
        for position, group in enumerate(self._space.groups):
            values = scores.labels[row, self._spans[position]].tolist()
            table[group.name] = {
                label.name: value for label, value in zip(group.labels, values, strict=True)
            }
            if group.exclusive:
                table[group.name]["unknown"] = float(scores.unknown[row, position])
        return table

    def _tag(
        self,
        scores: Scores,
        row: int,
        group: str,
        label: str,
        score: float,
        decision: Decision | None = None,
    ) -> TagScore:
        column = self._space.column(f"{group}={label}")
        probed = scores.probed is not None and bool(scores.probed[column])
        if scores.promises is not None and decision is None:
            kept = scores.labels[row, column] >= scores.promises[row, column]
            decision = "publish" if kept else "review"
        return TagScore(
            group,
            label,
            score,
            _source(scores, row, column),
            "probe" if probed else "zero-shot",
            decision,
        )

    def _abstained(
        self, scores: Scores, row: int, given: Mapping[str, Mapping[str, float]]
    ) -> list[TagScore]:
        """Return the best guess of each exclusive group that gives nothing."""
        guesses = []
        for position, group in enumerate(self._space.groups):
            if group.exclusive and not given[group.name]:
                values = scores.labels[row, self._spans[position]]
                best = int(values.argmax())
                label, score = group.labels[best].name, float(values[best])
                guesses.append(self._tag(scores, row, group.name, label, score, "abstain"))
        return guesses


def _source(scores: Scores, row: int, column: int) -> Source:
    by_image, by_title = scores.by_image[row, column], scores.by_title[row, column]
    if by_image == by_title:
        return "both"
    return "image" if by_image else "title"
