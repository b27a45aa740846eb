"""Scores → decisions: which labels a product is given, and which group stays empty."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.datamodels import Decision, Method, Source, TagScore
from fashiontag.heads.groups import group_spans
from fashiontag.labels import UNKNOWN

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fashiontag.heads.zeroshot import Scores
    from fashiontag.labels import LabelSpace


class Decider:
    """Applies the cuts, the rule of one label per exclusive group, and the implications.

    In an exclusive group the best label is given if it beats "unknown" and reaches the group's
    cut; in an open group every label that reaches the cut. A label that implies another is given
    only where that one is among the two best of its group, and then brings it along: a sandal is
    footwear, whatever the picture's second glance says.

    Scores of children add up to their parent's, so where no child reaches the cut a parent may; of
    several the likeliest is given, and never one above another that is. In an open group a parent
    is as likely as the likeliest of its children, and given with it.

    Where a precision was promised, a tag is to ``publish`` if its score reaches its promise, else
    to ``review``; the best label of an exclusive group that gives none is shown as ``abstain``.

    What only zero-shot's look at the picture says of a group that can't apply beside the tags given
    (`LabelSpace.out_of_question`) is dropped.
    """

    def __init__(self, space: LabelSpace) -> None:
        self._space = space
        self._groups = group_spans(space)
        sizes = [len(group.labels) for group in space.groups]
        self._group_of = np.repeat(np.arange(len(sizes)), sizes).tolist()
        """Of each column, the place of its group."""
        self._names = [(g.name, label.name) for g in space.groups for label in g.labels]
        self._links = [
            (child, parent, self._groups[self._group_of[parent]].exclusive)
            for child, parent in space.links
        ]
        self._lowest = space.lowest
        self._above = space.above
        self._parents = [[space.column(t) for t in space.implied_by(tag)] for tag in space.tags]

    def decide(self, scores: Scores) -> list[tuple[TagScore, ...]]:
        """Return each row's tags, by group in file order, best first."""
        scores = self._added_up(scores)
        reached = [np.flatnonzero(row).tolist() for row in self._reach(scores)]
        pairs = zip(reached, self._seconds(scores).tolist(), strict=True)
        return [self._applying(self._row(scores, row, *pair)) for row, pair in enumerate(pairs)]

    def reach(self, scores: Scores) -> NDArray[np.bool_]:
        """Mark the lowest labels that each group's answer leaves open, shape (n, t).

        All that reach their cut in an open group; in an exclusive one the label that is given, or
        where that is a parent those under it.
        """
        found = self._reach(self._added_up(scores))
        for child, parent, _ in reversed(self._links):
            found[:, child] |= found[:, parent]
        return np.asarray(found & self._lowest)

    def _applying(self, tags: tuple[TagScore, ...]) -> tuple[TagScore, ...]:
        given = {tag.tag for tag in tags if tag.decision != "abstain"}
        out = self._space.out_of_question(given)
        seen = ("zero-shot", "image")
        return tuple(t for t in tags if t.group not in out or (t.method, t.source) != seen)

    def _added_up(self, scores: Scores) -> Scores:
        """Bring the scores of labels up to their parents, and what speaks for them."""
        if not self._links:
            return scores
        by_image, by_title = scores.by_image.copy(), scores.by_title.copy()
        for child, parent, _ in self._links:
            by_image[:, parent] |= by_image[:, child]
            by_title[:, parent] |= by_title[:, child]
        labels = self._summed(scores.labels)
        return replace(scores, labels=labels, by_image=by_image, by_title=by_title)

    def _summed(self, labels: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return scores of shape (n, t) with those of children in those of their parents."""
        found = labels.copy()
        for child, parent, exclusive in self._links:
            join = np.add if exclusive else np.maximum
            found[:, parent] = np.minimum(join(found[:, parent], found[:, child]), 1)
        return found

    def _seconds(self, scores: Scores) -> NDArray[np.float32]:
        """Return, per group, what a label must reach to be among the two best: (n, g).

        In an open group, and of one label, any score will do.
        """
        found = np.full((len(scores.labels), len(self._groups)), -np.inf, np.float32)
        for position, group in enumerate(self._groups):
            labels = scores.labels[:, group.span][:, self._lowest[group.span]]
            if group.exclusive and labels.shape[1] > 1:
                found[:, position] = np.partition(labels, -2, axis=1)[:, -2]
        return found

    def _reach(self, scores: Scores) -> NDArray[np.bool_]:
        """Mark what reaches its cut, in an exclusive group one label at most: (n, t)."""
        cuts = scores.cuts[:, self._group_of]
        if scores.label_cuts is not None:
            cuts = np.where(np.isnan(scores.label_cuts), cuts, scores.label_cuts)
        if scores.promises is not None:  # a promise is enough
            cuts = np.minimum(cuts, scores.promises)
        reach = scores.labels >= cuts
        every = np.arange(len(reach))
        for position, group in enumerate(self._groups):
            if not group.exclusive:
                continue
            reach[:, group.span] &= scores.labels[:, group.span] >= scores.unknown[:, [position]]
            lowest = group.span.start + np.flatnonzero(self._lowest[group.span])
            best = lowest[scores.labels[:, lowest].argmax(axis=1)]
            sure = reach[every, best]
            reach[:, lowest] = False
            reach[every, best] = sure
        given = reach.copy()
        for child, parent, exclusive in self._links:
            if exclusive:  # what is under a label takes its place
                reach[:, parent] |= reach[:, child]
                given[:, parent] &= ~reach[:, child]
        for group in self._groups:
            if group.exclusive and not self._lowest[group.span].all():
                held = given[:, group.span]
                best = np.where(held, scores.labels[:, group.span], -1).argmax(axis=1)
                held &= np.arange(held.shape[1]) == best[:, None]
        return given

    def _row(
        self, scores: Scores, row: int, reached: list[int], seconds: list[float]
    ) -> tuple[TagScore, ...]:
        values, group_of = scores.labels[row].tolist(), self._group_of
        given: list[dict[int, float]] = [{} for _ in self._groups]
        settled: set[int] = set()
        found = {group_of[column]: column for column in reached}
        for column in reached:
            parents = self._parents[column]
            plausible = all(values[parent] >= seconds[group_of[parent]] for parent in parents)
            if group_of[column] in settled or not plausible:
                continue
            given[group_of[column]][column] = values[column]
            for parent in parents:
                above = group_of[parent]
                if self._groups[above].exclusive:
                    if parent in self._above.get(found.get(above, -1), ()):
                        continue  # what was found there is of that kind, and says more
                    given[above].clear()
                    settled.add(above)
                # A parent is at least as likely as its child.
                given[above][parent] = max(values[parent], values[column])
        tags = [
            self._tag(scores, row, column, score)
            for labels in given
            # by score, equal ones by name
            for column, score in sorted(
                labels.items(), key=lambda given: (-given[1], self._names[given[0]][1])
            )
        ]
        if scores.promises is not None:
            # The best guess of each exclusive group that gives nothing.
            for group, labels in zip(self._groups, given, strict=True):
                if group.exclusive and not labels:
                    lowest = np.where(self._lowest, scores.labels[row], -1)[group.span]
                    best = group.span.start + int(lowest.argmax())
                    tags.append(self._tag(scores, row, best, values[best], "abstain"))
        return tuple(tags)

    def all_scores(self, scores: Scores, row: int) -> Mapping[str, Mapping[str, float]]:
        """Return every label's score of one row, with "unknown" in exclusive groups."""
        table: dict[str, dict[str, float]] = {}
        values = self._summed(scores.labels[row : row + 1])[0].tolist()
        for (name, label), value in zip(self._names, values, strict=True):
            table.setdefault(name, {})[label] = value
        for position, group in enumerate(self._space.groups):
            if group.exclusive:
                table[group.name][UNKNOWN] = float(scores.unknown[row, position])
        return table

    def _tag(
        self, scores: Scores, row: int, column: int, score: float, decision: Decision | None = None
    ) -> TagScore:
        probed = scores.probed is not None and bool(scores.probed[column])
        if scores.promises is not None and decision is None:
            kept = scores.labels[row, column] >= scores.promises[row, column]
            decision = "publish" if kept else "review"
        by_image, by_title = scores.by_image[row, column], scores.by_title[row, column]
        source: Source = "both" if by_image == by_title else "image" if by_image else "title"
        method: Method = "probe" if probed else "zero-shot"
        return TagScore(*self._names[column], score, source, method, decision)
