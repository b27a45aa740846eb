"""Prompt ensembles, titles and title words → a score per label, with nothing labelled.

Every constant ships with the model, so a product's scores never depend on the other products of the
folder. Vectors are compared as they are: centring them first, as SPARC (Miller et al., CVPR 2025)
does for web-trained models, takes away what the embedded model learned about how common a label is
(top-1 on val, pictures: usage .846 → .295, gender .799 → .650, colour .612 → .561).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from fashiontag import colours
from fashiontag.heads.statistics import WORDS_ONLY, GroupConstants, Statistics, unit

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fashiontag.labels import Group, LabelSpace

Floats = NDArray[np.float32]

TOLD = 0.8
"""The least score of the one label of an exclusive group that a title names, unless the picture
plainly contradicts. Of 180 types of val against which the picture leans, 144 are right as the title
says and 16 as the picture does; of 407 colours 383 and 12."""

TRUSTED = 3.0
"""What a word must weigh for that, in logits: what titles say of seasons is mostly a name."""

LEEWAY = 2.0
"""A picture plainly contradicts a word if the named label is behind by more than the word's weight
and these logits: 1 in 200 types of val, and six in ten titles of another type."""


COLOURS = "fashion-products/baseColour"
"""The group whose constants a user's own exclusive group of colours borrows."""

PIXELS = 0.006
"""What a logit of `colours.measure` adds to the cosine with a colour; by likelihood, on val."""

ELSEWHERE = 0.5
"""Lowest share of a colour that is given by the pixels alone: of 60 photos from people's homes that
were looked at, 33 got one, and 30 of these were right; those below were in six of ten."""

SURE = 0.75
"""Lowest score of another group's label there: of 353 dresses and skirts at home 99 were men's with
the cut that photos of a studio have, and 4 so."""

KIND = 0.8
"""How like a label a picture must be in a user's own group of kinds, where 1 is as like as it is to
the nearest of all kinds of products: see `ZeroShot.other_kinds`. On val, two models, fitted or not:
of products that are none of seven kinds .03 to .10 are given one (.42 to .98 without this), of
photos of clothes none is given a bag (.17 to .82), and of the seven kinds .97 to .99 still are."""
LIVELY = 2.5
"""Logits by which a picture on a busy ground needs to be further from one of nothing: 9 in 10 crops
of a garden and a temple are then taken for nothing (6 in 10 before), of photos at home 1 in 100,
and 3 of 22 catalogue photos of val on such a ground, all of several products."""

_NOTHING = -20.0  # the logit of "unknown" there: a product has a colour


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known of n products, in the order of the label space's t columns.

    Attributes
    ----------
    images : ndarray of shape (n, d), float32
        Unit image vectors.
    titles : ndarray of shape (n, d), float32
        Unit title vectors; rows without a title are ignored.
    titled : ndarray of shape (n,), bool
        Which products have a title.
    words : ndarray of shape (n, t), float32, in [0, 1]
        What the title names, from `TitleMatcher.score`.
    colours : ndarray of shape (n, c + 1), float32, or None
        What `colours.measure` gave for the pictures, rows of zeros where it is not known.
    """

    images: Floats
    titles: Floats
    titled: NDArray[np.bool_]
    words: Floats
    colours: Floats | None = None

    def untitled(self) -> Evidence:
        """Return what the pictures alone say."""
        return replace(self, titled=np.zeros_like(self.titled), words=np.zeros_like(self.words))


@dataclass(frozen=True, slots=True)
class Scores:
    """What a head thinks of n products.

    Attributes
    ----------
    labels : ndarray of shape (n, t), float32, in [0, 1]
        Higher is better. In an exclusive group they sum to 1 with `unknown`.
    unknown : ndarray of shape (n, g), float32, in [0, 1]
        Score of "none of these" per group; 0 in open groups.
    by_image, by_title : ndarray of shape (n, t), bool
        Whether the picture alone, or the title alone, speaks for the label.
    cuts : ndarray of shape (n, g), float32
        The lowest score at which a label of the group is given.
    probed : ndarray of shape (t,), bool, or None
        Labels whose scores come from a probe.
    label_cuts : ndarray of shape (n, t), float32, or None
        Their own cuts; NaN where the group's holds.
    promises : ndarray of shape (n, t), float32, or None
        Score from which a label may be published, inf where nothing can be promised; None where
        no precision was promised at all.
    """

    labels: Floats
    unknown: Floats
    by_image: NDArray[np.bool_]
    by_title: NDArray[np.bool_]
    cuts: Floats
    probed: NDArray[np.bool_] | None = None
    label_cuts: Floats | None = None
    promises: Floats | None = None


def ensemble(sentences: Sequence[Floats]) -> Floats:
    """Average each label's prompt vectors into one.

    Parameters
    ----------
    sentences : sequence of t arrays of shape (m_k, d)
        Unit vectors of each label's prompts.

    Returns
    -------
    ndarray of shape (t, d), float32, unit rows (Radford et al. 2021, section 3.1.4)
    """
    return unit(np.stack([np.asarray(rows, np.float32).mean(axis=0) for rows in sentences]))


class ZeroShot:
    """Scores products against the prompts of a label space.

    Parameters
    ----------
    space : LabelSpace
    prompts : ndarray of shape (t, d), float32
        One unit vector per label, from `ensemble`.
    backgrounds : sequence of g arrays of shape (b, d), float32
        Per group, unit vectors of the sentences that stand for "unknown".
    statistics : Statistics
        The model's constants.
    reference : ndarray of shape (r, d), float32, or None
        Unit vectors of prompts for all kinds of products, for groups of a user's own; None takes
        the labels at hand, and has `other_kinds` say nothing.
    """

    def __init__(
        self,
        space: LabelSpace,
        prompts: Floats,
        backgrounds: Sequence[Floats],
        statistics: Statistics,
        reference: Floats | None = None,
    ) -> None:
        self.space = space
        self.statistics = statistics
        self.prompts = prompts
        self.reference = prompts if reference is None else reference
        self._kinds = reference
        self._backgrounds = list(backgrounds)
        self._hues = {
            group.name: colours.columns(group) if group.exclusive else None
            for group in space.groups
        }
        self._exclusive = [
            prompts[space.span(group.name)]
            for group in space.groups
            if group.exclusive and group.visible
        ]
        self._visible = space.visible
        self._lowest = space.lowest
        self._below = np.eye(space.size, dtype=np.bool_)
        """Which labels, by row, have which under them, themselves included."""
        for child, parent in space.links:
            self._below[parent] |= self._below[child]

    @property
    def centred(self) -> Floats:
        """Centred prompt vectors, one unit row per label, shape (t, d)."""
        mean = self.statistics.prompt_mean
        return self.prompts if mean is None else unit(self.prompts - mean)

    def cosines(self, vectors: Floats) -> Floats:
        """Return the cosines of unit vectors of shape (n, d) with every label: (n, t), float32."""
        return _cosines(vectors, self.prompts)

    def look(self, images: Floats, measured: Floats | None) -> Floats:
        """Return the cosines of pictures with every label, in groups of colours with their pixels.

        Parameters
        ----------
        images : ndarray of shape (n, d), float32
        measured : ndarray of shape (n, c + 1), float32, or None
            `Evidence.colours`. Only photos of a studio count: elsewhere pixels stand alone.

        Returns
        -------
        ndarray of shape (n, t), float32
        """
        found = self.cosines(images)
        if measured is not None:
            studio = np.maximum(measured[:, -1:], 0)
            for name, hues in self._hues.items():
                if hues is not None:
                    found[:, self.space.span(name)] += PIXELS * studio * _of(measured, hues)
        return found

    def deviations(self, vectors: Floats) -> Floats:
        """Return how far the cosines of (n, d) vectors are from those with the reference: (n, t).

        In standard deviations of each vector's cosines with the reference.
        """
        usual = _cosines(vectors, self.reference)
        spread = np.maximum(usual.std(axis=1, keepdims=True), 1e-6)
        found = (self.cosines(vectors) - usual.mean(axis=1, keepdims=True)) / spread
        return np.asarray(found, np.float32)

    def background(self, images: Floats) -> Floats:
        """Return, per group, the cosine with the nearest background sentence.

        Parameters
        ----------
        images : ndarray of shape (n, d), float32

        Returns
        -------
        ndarray of shape (n, g), float32, in [-1, 1]; -1 where a group has no background
        """
        nearest = [_cosines(images, rows).max(axis=1, initial=-1.0) for rows in self._backgrounds]
        return np.stack(nearest, axis=1)

    def other_kinds(self, images: Floats) -> Floats:
        """Return, per group, the cosine that pictures may reach though no label of it holds.

        In a user's own exclusive group it is `KIND` of the way from the mean over all kinds of
        products to the nearest of them. A label that is no kind itself ("tops", "men") is farther
        from what it holds of: so the way is shortened by the fourth power of how near the group's
        labels are to a kind, on the average, as texts.

        Parameters
        ----------
        images : ndarray of shape (n, d), float32

        Returns
        -------
        ndarray of shape (n, g), float32, in [-1, 1]; -1 in all other groups
        """
        found = np.full((len(images), len(self.space.groups)), -1, np.float32)
        if self._kinds is None:
            return found
        usual = _cosines(images, self._kinds)
        mean, most = usual.mean(axis=1), usual.max(axis=1)
        for position, group in enumerate(self.space.groups):
            users = group.exclusive and group.visible and not self._own(group)
            if users and self._hues[group.name] is None:
                found[:, position] = mean + KIND * self._like_kinds[group.name] * (most - mean)
        return found

    @cached_property
    def _like_kinds(self) -> dict[str, float]:
        """How far the way to the nearest kind counts, per exclusive group: see `other_kinds`."""
        found = {}
        for group in self.space.groups:
            if self._kinds is not None and group.exclusive and group.visible:
                span = self.space.span(group.name)
                texts = _cosines(self.prompts[span][self._lowest[span]], self._kinds)
                above = texts.mean(axis=1)
                near = float(((texts.max(axis=1) - above) / (1 - above + 1e-6)).mean())
                found[group.name] = max(near, 0.0) ** 4
        return found

    def blank(self, images: Floats, measured: Floats | None = None) -> NDArray[np.bool_]:
        """Tell which pictures show no product of the label space.

        Those in whose main group (the file's first exclusive one; all labels where there is none)
        `lead` is above 0, at most 1 in 200 products of val, or on a busy ground above -`LIVELY`.
        With a model that nobody has fitted those that are more like a background sentence than like
        any kind of product or label of an exclusive group: 1 in 1,000.

        Parameters
        ----------
        images : ndarray of shape (n, d), float32
        measured : ndarray of shape (n, c + 1), float32, or None
            `Evidence.colours`.

        Returns
        -------
        ndarray of shape (n,), bool
        """
        if not self._visible.any():
            return np.zeros(len(images), np.bool_)
        if self.fitted:
            lead = self.lead(images)
            if measured is not None and self.statistics.fitted:
                lead += LIVELY * (measured[:, -1] == colours.BUSY)
            return np.asarray(lead > 0)
        if self._kinds is None:
            return np.zeros(len(images), np.bool_)
        known = np.concatenate([self._kinds, *self._exclusive])
        return np.asarray(self.background(images).max(axis=1) > _cosines(images, known).max(axis=1))

    @property
    def fitted(self) -> bool:
        """Whether labelled products stand behind the model's constants, or titles that name."""
        groups = (self._constants(group) for group in self.space.groups if group.visible)
        return self.statistics.fitted or any(one.fitted_on for one in groups)

    def lead(self, images: Floats) -> Floats:
        """Return how far "unknown" is ahead of the main group's labels together, titles aside.

        Counted from the lead that the group's constant ``blank`` allows.

        Parameters
        ----------
        images : ndarray of shape (n, d), float32

        Returns
        -------
        ndarray of shape (n,), float32
            Logits.
        """
        shown, background = self._visible & self._lowest, 0
        constants = self.statistics.exclusive
        main = self.space.main
        if main is not None:
            inside = np.zeros_like(shown)
            inside[self.space.span(main.name)] = True
            shown, background = shown & inside, self.space.names.index(main.name)
            constants = self.statistics.of(self.space.name, main.name, exclusive=True)
        votes = constants.image_alone * self.cosines(images)[:, shown]
        nothing = np.logaddexp(
            constants.unknown_alone, constants.image_alone * self.background(images)[:, background]
        )
        return np.asarray(nothing - np.logaddexp.reduce(votes, axis=1) - constants.blank)

    def score(self, evidence: Evidence, *, refuse: bool = True) -> Scores:
        """Score n products; see `Scores` for shapes and ranges.

        With ``refuse`` a `blank` picture has no say. It is False where all are known to show
        products, though of kinds that the label space may lack, and what is judged is the ranking.
        """
        size, groups = self.space.size, len(self.space.groups)
        count = len(evidence.titled)
        title = self.cosines(evidence.titles)
        image = self.look(evidence.images, evidence.colours)
        far_image, far_title = image, title
        if any(self._constants(group).standard for group in self.space.groups):
            far_image, far_title = map(self.deviations, (evidence.images, evidence.titles))
        # A label that this picture can't show is left to the title's words: without them it is out.
        blank = self.blank(evidence.images, evidence.colours) & refuse
        shown = self._visible & ~blank[:, None]
        possible = shown | (evidence.words > 0)
        background = np.maximum(self.background(evidence.images), self.other_kinds(evidence.images))
        out = Scores(
            labels=np.zeros((count, size), np.float32),
            unknown=np.zeros((count, groups), np.float32),
            by_image=np.zeros((count, size), bool),
            by_title=np.zeros((count, size), bool),
            cuts=np.zeros((count, groups), np.float32),
        )
        titled = evidence.titled
        away = self.away(evidence) & ~blank
        at = 0
        for position, group in enumerate(self.space.groups):
            span = slice(at, at + len(group.labels))
            at = span.stop
            # One of the lowest holds, if any does: what a parent's own prompts say of it is left
            # aside. With a share of its own ("other shoes") it took 660 of 1,502 types of val.
            columns = span.start + np.flatnonzero(self._lowest[span]) if group.exclusive else span
            constants = self._constants(group)
            weights = _PerRow.of(constants, titled, blank)
            out.cuts[:, position] = weights.cut
            named = evidence.words[:, span]
            if group.exclusive:  # with what a title names, all that is under it is named
                named = named @ self._below[span, columns]
            words = weights.words[:, None] * named
            visible, offered = shown[:, columns], possible[:, columns]
            if group.exclusive:
                seen = weights.image[:, None] * image[:, columns]
                nothing = np.logaddexp(weights.unknown, weights.image * background[:, position])
                if group is not self.space.main:
                    hidden = self._abroad(position, evidence, away, seen, nothing, out.cuts)
                    visible = visible & ~hidden
                    offered = offered & (~hidden | (named > 0))
                # What a picture can't show, it can't contradict: as good as the best that it shows.
                best = np.where(visible, seen, -np.inf).max(axis=1, keepdims=True)
                seen = np.where(visible, seen, np.where(np.isinf(best), 0.0, best))
                said = weights.title[:, None] * title[:, columns] + words
                votes = np.where(offered, seen + said, -np.inf)
                logits = np.column_stack([votes, nothing])
                logits -= logits.max(axis=1, keepdims=True)
                shares = np.exp(logits)
                shares /= shares.sum(axis=1, keepdims=True)
                below = self._below[span, columns]
                _believe(shares, seen, nothing, evidence.words[:, span], weights, below)
                out.labels[:, columns] = shares[:, :-1]
                out.unknown[:, position] = shares[:, -1]
                alone = self._lowest[span].sum() == 1  # nothing to beat but "unknown"
                speaks = seen >= nothing[:, None] if alone else _is_best(seen)
                out.by_image[:, columns] = speaks & visible
                out.by_title[:, columns] = (words > 0 if alone else _is_best(said)) & titled[
                    :, None
                ]
            else:
                look, read = (far_image, far_title) if constants.standard else (image, title)
                seen = weights.image[:, None] * look[:, columns]
                seen = np.where(visible, seen, weights.unknown[:, None])
                said = weights.title[:, None] * read[:, columns] + words
                shares = _sigmoid(seen + said - weights.unknown[:, None])
                out.labels[:, columns] = np.where(offered, shares, 0.0)
                out.by_image[:, columns] = (
                    (seen > said) | (seen >= weights.unknown[:, None])
                ) & visible
                out.by_title[:, columns] = ((said >= seen) | (words > 0)) & titled[:, None]
        # Without a title the picture is all there is, even where a group has one label.
        out.by_image[~titled] |= self._visible
        return out

    def away(self, evidence: Evidence) -> NDArray[np.bool_]:
        """Tell which photos no studio made: a tower knows the colours of those it learned from."""
        if evidence.colours is None or not self.statistics.fitted:
            return np.zeros(len(evidence.titled), np.bool_)
        return np.asarray(evidence.colours[:, -1] < 0)

    def _abroad(
        self,
        position: int,
        evidence: Evidence,
        away: NDArray[np.bool_],
        seen: Floats,
        nothing: Floats,
        cuts: Floats,
    ) -> NDArray[np.bool_]:
        """Judge `away` photos of an exclusive group anew, in place; colours by their pixels alone.

        Return which of its k lowest labels they can't show, shape (n, k).
        """
        name = self.space.names[position]
        hues = self._hues[name]
        if hues is None or evidence.colours is None:
            cuts[away, position] = np.maximum(cuts[away, position], SURE)
            return np.zeros_like(seen, np.bool_)
        hues = hues[self._lowest[self.space.span(name)]]
        seen[away] = _of(evidence.colours[away], hues)
        nothing[away], cuts[away, position] = _NOTHING, ELSEWHERE
        return away[:, None] & (hues < 0)

    def _constants(self, group: Group) -> GroupConstants:
        if not group.visible:
            return WORDS_ONLY
        if not self._own(group) and self._hues[group.name] is not None:
            return self.statistics.groups.get(COLOURS, self.statistics.exclusive)
        return self.statistics.of(self.space.name, group.name, exclusive=group.exclusive)

    def _own(self, group: Group) -> bool:
        return f"{self.space.name}/{group.name}" in self.statistics.groups


def _believe(
    shares: Floats,
    seen: Floats,
    nothing: Floats,
    words: Floats,
    weights: _PerRow,
    below: NDArray[np.bool_],
) -> None:
    """Raise the shares, in place, of what titles name alone in a group: it reaches `TOLD`.

    Where a picture splits its vote, no label would be given of what the title says plainly. What
    is under a label has part in its share.

    Parameters
    ----------
    shares : ndarray of shape (n, k + 1)
        Of a group's labels and of "unknown"; rows sum to 1.
    seen : ndarray of shape (n, k)
        The picture's part in the labels' logits.
    nothing : ndarray of shape (n,)
        The logits of "unknown".
    words : ndarray of shape (n, m)
        What titles name of the m labels, k of which have none under them.
    weights : _PerRow
    below : ndarray of shape (m, k), bool
        Which of the k are those, or under them.
    """
    rows = np.flatnonzero((np.count_nonzero(words, axis=1) == 1) & (weights.words >= TRUSTED))
    named = words[rows].argmax(axis=1)
    least = np.clip(weights.cut[rows] + 0.01, TOLD, 0.99)
    share = np.where(below[named], shares[rows, :-1], 0).sum(axis=1)
    behind = np.maximum(seen[rows].max(axis=1), nothing[rows]) - np.where(
        below[named], seen[rows], -np.inf
    ).max(axis=1)
    raised = (share < least) & (words[rows, named] == 1)
    raised &= behind <= weights.words[rows] + LEEWAY
    rows, inside, share, least = rows[raised], below[named[raised]], share[raised], least[raised]
    others = (1 - least) / (1 - share)
    # A share may be too small for a float: then all that is under the label has part alike.
    gone = share == 0
    shares[rows, :-1] += gone[:, None] & inside
    share = np.where(gone, inside.sum(axis=1), share)
    shares[rows, :-1] *= np.where(inside, (least / share)[:, None], others[:, None])
    shares[rows, -1] *= others


@dataclass(frozen=True, slots=True)
class _PerRow:
    """A group's constants, for each product the ones that fit what it has; shapes (n,)."""

    image: Floats
    title: Floats
    words: Floats
    unknown: Floats
    cut: Floats

    @classmethod
    def of(
        cls, constants: GroupConstants, titled: NDArray[np.bool_], blank: NDArray[np.bool_]
    ) -> _PerRow:
        def choose(with_title: float, without: float, words_only: float) -> Floats:
            chosen = np.where(titled, with_title, without)
            return np.where(blank, words_only, chosen).astype(np.float32)

        return cls(
            image=choose(constants.image, constants.image_alone, WORDS_ONLY.image),
            title=choose(constants.title, 0.0, WORDS_ONLY.title),
            words=choose(constants.words, 0.0, WORDS_ONLY.words),
            unknown=choose(constants.unknown, constants.unknown_alone, WORDS_ONLY.unknown),
            cut=choose(constants.cut, constants.cut_alone, WORDS_ONLY.cut),
        )


def _of(measured: Floats, hues: NDArray[np.int64]) -> Floats:
    """Return the logits of a group's labels; 0, the mean, for one that is none of the colours."""
    return np.where(hues >= 0, measured[:, hues], np.float32(0))


def _cosines(vectors: Floats, prompts: Floats) -> Floats:
    """Multiply in double precision and round to a millionth.

    A matrix product rounds differently with the number of its rows (by 1e-7 in single precision),
    and a product's tags must not depend on how many others are scored with it.
    """
    products = vectors.astype(np.float64) @ prompts.T.astype(np.float64)
    return np.round(products, 6).astype(np.float32)


def _is_best(logits: Floats) -> NDArray[np.bool_]:
    """Mark the best label of each row; none where all are alike, for that is no opinion."""
    best = logits.max(axis=1, keepdims=True)
    return np.asarray((logits >= best) & (best > logits.min(axis=1, keepdims=True)))


def _sigmoid(logits: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-np.clip(logits, -60, 60))), np.float32)
