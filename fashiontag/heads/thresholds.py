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
        self._parents = {tag: space.parents(tag) for tag in space.tags}
        self._group_at = {name: position for position, name in enumerate(space.names)}

    def decide(self, scores: Scores, row: int) -> tuple[TagScore, ...]:
        """Return the tags of one row of `scores`, by group in file order, best first."""
        given: dict[str, dict[str, float]] = {group.name: {} for group in self._space.groups}
        settled: set[str] = set()
        for position, group in enumerate(self._space.groups):
            values = scores.labels[row, self._spans[position]]
            if group.name in settled:
                continue
            cuts = self._cuts(scores, row, position)
            if group.exclusive:
                best = int(values.argmax())
                sure = values[best] >= max(scores.unknown[row, position], cuts[best])
                chosen = [best] if sure else []
            else:
                chosen = np.flatnonzero(values >= cuts).tolist()
            for index in chosen:
                label, score = group.labels[index].name, float(values[index])
                tag = f"{group.name}={label}"
                if self._parents_plausible(scores, row, tag):
                    given[group.name][label] = score
                    settled |= self._bring_parents(given, scores, row, tag, score)
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

    def _cuts(self, scores: Scores, row: int, position: int) -> NDArray[np.float32]:
        """Return the cuts of one group's labels: their own, or the group's; a promise is enough."""
        span = self._spans[position]
        cuts = np.full(len(self._space.groups[position].labels), scores.cuts[row, position])
        if scores.label_cuts is not None:
            own = scores.label_cuts[row, span]
            cuts = np.where(np.isnan(own), cuts, own)
        if scores.promises is not None:
            cuts = np.minimum(cuts, scores.promises[row, span])
        return cuts

    def _tag(
        self,
        scores: Scores,
        row: int,
        group: str,
        label: str,
        score: float,
        decision: Decision | None = None,
    ) -> TagScore:
        tag = f"{group}={label}"
        column = self._space.column(tag)
        probed = scores.probed is not None and bool(scores.probed[column])
        if scores.promises is not None and decision is None:
            kept = scores.labels[row, column] >= scores.promises[row, column]
            decision = "publish" if kept else "review"
        return TagScore(
            group,
            label,
            score,
            self._source(scores, row, tag),
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

    def _parents_plausible(self, scores: Scores, row: int, tag: str) -> bool:
        for parent in self._parents[tag]:
            position = self._group_at[parent.split("=", 1)[0]]
            if self._space.groups[position].exclusive:
                values = scores.labels[row, self._spans[position]]
                own = scores.labels[row, self._space.column(parent)]
                if int((values > own).sum()) >= 2:
                    return False
        return True

    def _bring_parents(
        self, given: dict[str, dict[str, float]], scores: Scores, row: int, tag: str, score: float
    ) -> set[str]:
        """Give the labels that a tag implies; return the exclusive groups that this settles."""
        settled: set[str] = set()
        for parent in self._parents[tag]:
            group, label = parent.split("=", 1)
            own = float(scores.labels[row, self._space.column(parent)])
            if self._space.group(group).exclusive:
                given[group].clear()
                settled.add(group)
            # A parent is at least as likely as its child.
            given[group][label] = max(own, score)
        return settled

    def _source(self, scores: Scores, row: int, tag: str) -> Source:
        column = self._space.column(tag)
        by_image, by_title = scores.by_image[row, column], scores.by_title[row, column]
        if by_image == by_title:
            return "both"
        return "image" if by_image else "title"
