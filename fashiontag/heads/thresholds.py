"""Scores → decisions: which labels a product is given, and which group stays empty."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fashiontag.datamodels import Source, TagScore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fashiontag.heads.zeroshot import Scores
    from fashiontag.labels import LabelSpace


class Decider:
    """Applies the cuts, the rule of one label per exclusive group, and the implications.

    In an exclusive group the best label is given if it beats "unknown" and reaches the group's
    cut; in an open group every label that reaches the cut. A label that implies a parent is given
    only where that parent is among the two best of its group, and then brings the parent along:
    a sandal is footwear, whatever the picture's second glance says.
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
            if group.exclusive:
                best = int(values.argmax())
                sure = values[best] >= max(
                    scores.unknown[row, position], scores.cuts[row, position]
                )
                chosen = [best] if sure else []
            else:
                chosen = np.flatnonzero(values >= scores.cuts[row, position]).tolist()
            for index in chosen:
                label, score = group.labels[index].name, float(values[index])
                tag = f"{group.name}={label}"
                if self._parents_plausible(scores, row, tag):
                    given[group.name][label] = score
                    settled |= self._bring_parents(given, scores, row, tag, score)
        return tuple(
            TagScore(group, label, score, self._source(scores, row, f"{group}={label}"))
            for group, labels in given.items()
            for label, score in sorted(labels.items(), key=lambda pair: (-pair[1], pair[0]))
        )

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
