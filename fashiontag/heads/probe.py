"""A fitted probe: features, estimator, what it was fitted on, and its word among other scores."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashiontag.heads.local import directions, shifted

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fashiontag.heads.classifier import ProbeClassifier
    from fashiontag.heads.features import Features
    from fashiontag.heads.local import LocalHead
    from fashiontag.heads.training import Training
    from fashiontag.heads.zeroshot import Scores
    from fashiontag.labels import LabelSpace
    from fashiontag.manifest import Manifest

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Spared:
    """What becomes of the labels that zero-shot gives in an open group.

    Attributes
    ----------
    shift : float
        What they are made likelier by, in logits, so that they are right as often as is believed.
    kept : float
        The probability from which they stay.
    """

    shift: float
    kept: float


@dataclass(frozen=True, slots=True)
class Probe:
    """A fitted probe and all that it needs to judge products.

    Attributes
    ----------
    manifest : Manifest
    features : Features
    training : Training
    classifier : ProbeClassifier or None
        What judges the groups that the local head doesn't.
    local : LocalHead or None
        What judges exclusive groups.
    spared : mapping of str to Spared
        By the name of an open group.
    guards : tuple of str
        Groups in which zero-shot's "unknown" is believed: it almost never won on labelled products,
        so a picture on which it wins shows none.
    """

    manifest: Manifest
    features: Features
    training: Training
    classifier: ProbeClassifier | None = None
    local: LocalHead | None = None
    spared: Mapping[str, Spared] = field(default_factory=dict)
    guards: tuple[str, ...] = ()

    @property
    def whole(self) -> LabelSpace:
        """All labels of the probe's groups, those without an example included."""
        return self.space if self.local is None else self.space.with_(self.local.space)

    @property
    def space(self) -> LabelSpace:
        """The labels that the probe knows."""
        return self.features.space

    @property
    def linear(self) -> LabelSpace:
        """Those of them that the classifier judges."""
        return without(self.space, self.local)

    @property
    def precision(self) -> float | None:
        """The precision that was promised."""
        precision: float | None = self.manifest.settings["precision"]
        return precision

    @property
    def promised(self) -> bool:
        """Whether a precision was promised."""
        return self.precision is not None

    def overlay(self, scores: Scores, space: LabelSpace, x: Floats) -> Scores:
        """Put what the probe knows in place of zero-shot scores.

        In an exclusive group that has labels the probe doesn't know, those keep their zero-shot
        scores where one of them is the zero-shot best and the probe gives no label even odds; the
        probe shares out the rest.

        Parameters
        ----------
        scores : Scores
            Zero-shot scores of n products, over `space`.
        space : LabelSpace
            Has all labels of the probe.
        x : ndarray of shape (n, p), float32
            From `Features.transform`.
        """
        titled = x[:, self.features.widths.image :].any(axis=1, keepdims=True)
        linear = self.linear
        if self.classifier is not None:
            by_image, by_title, chances, thresholds, promises = self.classifier.say(x)
        shape = scores.labels.shape
        cuts = np.full(shape, np.nan, np.float32)
        promised = np.full(shape, np.inf, np.float32)
        probed = np.zeros(space.size, bool)
        out = replace(
            scores,
            labels=scores.labels.copy(),
            unknown=scores.unknown.copy(),
            by_image=scores.by_image.copy(),
            by_title=scores.by_title.copy(),
            probed=probed,
            label_cuts=cuts,
            promises=promised if self.promised else None,
        )
        probed[[space.column(tag) for tag in self.space.tags]] = True
        for group in linear.groups:
            own = linear.span(group.name)
            columns = np.array([space.column(tag) for tag in linear.tags[own]])
            given = chances[:, own]
            if group.exclusive:
                given = self._share(out, space, group.name, columns, given)
            own_cuts = thresholds[:, own]
            if group.name in self.spared:
                mine, position = self.spared[group.name], space.names.index(group.name)
                stays = scores.labels[:, columns] >= scores.cuts[:, [position]]
                given = np.where(stays, shifted(given, mine.shift), given)
                own_cuts = np.where(stays, mine.kept, own_cuts)
            seen, read = (
                _speaks_for(side[:, own], exclusive=group.exclusive)
                for side in (by_image, by_title)
            )
            out.by_image[:, columns], out.by_title[:, columns] = seen, read & titled
            out.labels[:, columns] = given
            cuts[:, columns], promised[:, columns] = own_cuts, promises[:, own]
        if self.local is not None:
            self.local.overlay(out, scores, space, directions(x, self.features.widths))
        out.by_image[:] |= probed & ~titled
        return out

    def _share(
        self,
        out: Scores,
        space: LabelSpace,
        group: str,
        columns: NDArray[np.int64],
        chances: Floats,
    ) -> Floats:
        """Share an exclusive group between the probe, labels that it doesn't know, and "unknown".

        Writes into `out` what the strangers and "unknown" get, and returns the chances that are
        left to the probe's `columns`.
        """
        span, position = space.span(group), space.names.index(group)
        labels, unknown = out.labels[:, span], out.unknown[:, position]
        inside = columns - span.start
        strangers = np.setdiff1d(np.arange(labels.shape[1]), inside)
        nothing_wins = unknown > labels.max(axis=1)
        taken = np.zeros(len(labels), np.float32)
        if len(strangers):
            # Looks like a label that the probe never saw: it is unsure, zero-shot isn't.
            ahead = labels[:, strangers].max(axis=1) > labels[:, inside].max(axis=1)
            labels[:, strangers] *= (ahead & (chances.max(axis=1) < 0.5))[:, None]
            taken = labels[:, strangers].sum(axis=1)
        if group in self.guards:
            chances = chances * np.where(nothing_wins, 1 - unknown, 1)[:, None]
        chances = chances * (1 - taken)[:, None]
        out.unknown[:, position] = np.clip(1 - (chances.sum(axis=1) + taken), 0, 1)
        return chances


def without(space: LabelSpace, local: LocalHead | None) -> LabelSpace:
    """Return the labels of groups that a local head doesn't judge."""
    judged = set() if local is None else {*local.titled}
    return replace(space, groups=tuple(g for g in space.groups if g.name not in judged))


def _speaks_for(logits: Floats, *, exclusive: bool) -> NDArray[np.bool_]:
    """Mark the labels that one side alone would give: its best, or all above even odds."""
    if exclusive and logits.shape[1] > 1:
        return np.asarray(logits >= logits.max(axis=1, keepdims=True))
    return np.asarray(logits > 0)
