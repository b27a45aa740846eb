"""Fit a model's statistics on the validation split: ``python -m benchmarks.fit_statistics``.

Moments and constants come from ``val``: what products look like to the model on pictures that it
was not trained on. Nothing here sees ``pool`` or ``test``. For groups whose true labels the data
hold (type, colour, audience, season, usage, and what follows from them) every constant is fitted,
on titles half plain and half masked, so that a title is trusted, but not blindly. For the others
(pattern, sleeve, neckline, ...) the words of val's titles stand in as labels of the picture, and
`fitted_on` says so.

An open group of a user's own has none of these constants. What stands in for them is fitted on the
native groups written as a user would write them: bare names, the default templates, several may
hold. Its cut is where `UNRELATED`, labels that no product here has, stay out.
"""

from __future__ import annotations

import argparse
import tempfile
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks import products
from benchmarks.train_mini.material import held_out
from examples.drawing import NOTHING_KINDS, draw_nothing
from fashiontag import colours
from fashiontag.encoders import resolve
from fashiontag.heads.constants import (
    PRECISION,
    PRECISION_DEFAULT,
    GroupData,
    Weights,
    even,
    fit_exclusive,
    fit_open,
    open_loss,
    search,
    stack,
    words_decide,
)
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.heads.statistics import FILE_NAME, GroupConstants, Moments, Statistics
from fashiontag.heads.zeroshot import Evidence, ZeroShot
from fashiontag.labels import DEFAULT_LABELS, load_labels, parse_labels
from fashiontag.workflows.tag import Judge
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import embed
from fashiontag.workspace.prompts import zero_shot

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from numpy.typing import NDArray

    from benchmarks.products import Products
    from fashiontag.datamodels import Encoder
    from fashiontag.labels import Group, Label, LabelSpace

    Floats = NDArray[np.float64]
    Ints = NDArray[np.int64]

NOTHING_SEED = 500_000
NOTHING_PICTURES = 300
BLANK = 0.005
"""Share of val's products that may be taken for pictures of nothing, so that what is nothing, but
unlike the pictures of nothing that the model was shown, is taken for it more often."""

_UNRELATED = """
    sofa car dog pizza tree toothbrush bicycle cat horse piano guitar hammer screwdriver lamp
    table chair refrigerator oven spoon fork cup bread cheese apple banana carrot fish bird
    elephant lion airplane train ship truck motorcycle bridge castle mountain river forest
    garden book newspaper pencil scissors television keyboard printer candle statue tent rope
    ladder bucket broom pillow curtain carpet window door bathtub
"""
UNRELATED = tuple(_UNRELATED.split())
"""Labels that no product here has."""

STRANGE = 0.01
"""Share of val's pictures to which such a label may be given, on the average over them."""

TITLES = ("plain", "masked")
WEAK = "words of val's titles, for the picture"

LOOKED_AT = {"fashion/sleeve": 0.33}
"""Cuts of pictures alone that eyes chose: few titles say of sleeves what all can see, so by them
nothing could be given. Of 34 tops of pool above this cut 32 were right; of 96 tops of val 66 got a
sleeve then, 60 of them the right one."""

# Which column of the data is the truth of which group of the default labels.
TRUTH_OF = {
    "category": "articleType",
    "color": "baseColour",
    "audience": "gender",
    "season": "season",
    "occasion": "usage",
}
# What says what a product is.
OPEN_WORLD = {"articleType", "subCategory", "category"}


def fit_users(groups: list[GroupData], strange: Floats) -> GroupConstants:
    """Fit the constants of open groups that have none of their own, on deviations.

    Each group counts as much as any other. A label is rare, so its loss is small, and the nudge
    that other fits can do with kept the weight of a picture at .8: no score came near a cut. A
    title's word is believed (of those in val's plain titles 94 to 99 % were true): it carries its
    label to the cut where the picture is as far from it as any is from a `strange` one. Titles as
    vectors added nothing to that.

    Parameters
    ----------
    groups : list of GroupData
    strange : ndarray of shape (n, k)
        Deviations of the pictures from labels that none of them has.
    """
    alone = search(open_loss, stack([even(data) for data in groups]), [1.0, 7.0], 1e-6)
    votes = alone.image * strange - alone.unknown
    least = float(np.quantile(votes, 1 - STRANGE))
    words = least - float(votes.min())
    cut = round(float(1 / (1 + np.exp(-least))), 4)
    return GroupConstants(
        alone.image, alone.unknown, alone.image, 0.0, words, alone.unknown, cut, cut, standard=True
    )


def true_columns(group: Group, values: NDArray[np.str_], space: LabelSpace) -> Ints:
    """Return each value's column in a group: by name, else by the word for the value."""
    matcher = TitleMatcher(space)
    native = load_labels("fashion-products")
    word = {
        label.name: (label.words or (label.name,))[0]
        for one in native.groups
        for label in one.labels
    }
    columns = {"": -1}
    for value in np.unique(values):
        if value in group.names:
            columns[value] = group.names.index(value)
        elif value:
            hits = matcher.score([word.get(value, value)])[0, space.span(group.name)]
            columns[value] = int(hits.argmax()) if hits.max() == 1 else -1
    return np.array([columns[value] for value in values], np.int64)


def judged_columns(
    group: Group, values: NDArray[np.str_], space: LabelSpace, words: NDArray[Any]
) -> Ints:
    """Return `true_columns`, -1 where a title names a label that the data have no value for.

    To them a polo shirt is a t-shirt, and both are right. `words` is of plain titles, (n, t).
    """
    truth, span = true_columns(group, values, space), space.span(group.name)
    finer = space.visible[span] & space.lowest[span]
    finer[truth[truth >= 0]] = False
    return np.where((words[:, span][:, finer] == 1).any(axis=1), -1, truth)


def columns_in_words(words: Floats) -> Ints:
    return np.where(words.max(axis=1) > 0, words.argmax(axis=1), words.shape[1]).astype(np.int64)


def nothing_vectors(encoder: Encoder) -> NDArray[np.float32]:
    kinds = [NOTHING_KINDS[n % len(NOTHING_KINDS)] for n in range(NOTHING_PICTURES)]
    pictures = (draw_nothing(kind, seed=NOTHING_SEED + n) for n, kind in enumerate(kinds))
    pixels = [encoder.prepare(picture) for picture in pictures]
    batches = [pixels[at : at + 50] for at in range(0, len(pixels), 50)]
    return np.concatenate([encoder.encode_images(batch) for batch in batches])


@dataclass(frozen=True)
class SpaceEvidence:
    """The evidence for every label of one space; rows and title conditions as in `GroupData`."""

    space: LabelSpace
    seen: Floats
    blank: NDArray[np.bool_]
    background: Floats
    said: list[Floats]
    words: list[Floats]

    @classmethod
    def of(
        cls, head: ZeroShot, evidence: list[Evidence], nothing: NDArray[np.float32]
    ) -> SpaceEvidence:
        pictures = np.concatenate([evidence[0].images, nothing])
        # What is measured of pictures of nothing is left out: none of them is of a studio.
        measured = np.zeros((len(pictures), colours.size()), np.float32)
        measured[: len(evidence[0].images)] = evidence[0].colours
        return cls(
            space=head.space,
            seen=head.look(pictures, measured).astype(float),
            blank=np.zeros(len(pictures), bool),
            background=head.background(pictures).astype(float),
            said=[head.cosines(one.titles).astype(float) for one in evidence],
            words=[one.words.astype(float) for one in evidence],
        )

    def group(self, name: str, attributes: dict[str, NDArray[np.str_]]) -> GroupData:
        """Return one group's share, with the truth from the data, or from words where it has none.

        Labels that no picture shows are left out, and so are pictures that `ZeroShot.blank` keeps
        from being judged.
        """
        group, span = self.space.group(name), self.space.span(name)
        column = TRUTH_OF.get(name, name)
        weak = column not in attributes
        truth = (
            columns_in_words(self.words[0][:, span])
            if weak
            else judged_columns(group, attributes[column], self.space, self.words[0])
        )
        nothing = np.full(len(self.seen) - len(truth), len(group.labels))
        kept = np.flatnonzero(self.space.visible[span])
        place = np.full(len(group.labels) + 2, -1)
        place[kept] = np.arange(len(kept))
        place[-2] = len(kept)  # "unknown"; the last, not known, stays -1
        truth = place[np.concatenate([truth, nothing])]
        return GroupData(
            seen=self.seen[:, span][:, kept],
            background=self.background[:, self.space.names.index(name)],
            said=[one[:, span][:, kept] for one in self.said],
            words=[one[:, span][:, kept] for one in self.words],
            truth=np.where(self.blank, -1, truth),
            weak=weak,
            main=name in OPEN_WORLD,
            source=WEAK if weak else "val",
        )


def fit(
    workspace: Workspace,
    types: frozenset[str] = frozenset(),
    columns: frozenset[str] = frozenset(),
) -> Statistics:
    """Fit all constants of one model for both shipped label files.

    Products of `types` are left out, and the groups whose truth is one of `columns` borrow their
    constants: for a model that was trained without either.
    """
    val = products.load(["val"]).without_types(types)
    encoder = workspace.encoder
    nothing = nothing_vectors(encoder)
    windows = {c: list(embed(workspace, val.items(c))) for c in TITLES}
    spaces = [load_labels(name) for name in ("fashion-products", "fashion")]
    neutral = [Judge(workspace, space, statistics=Statistics()) for space in spaces]
    evidence = [[join([t.evidence(w) for w in windows[c]]) for c in TITLES] for t in neutral]
    titles = np.concatenate([one.titles[one.titled] for one in evidence[0]])
    statistics = Statistics(
        image=Moments.fit(evidence[0][0].images),
        title=Moments.fit(titles),
        prompt_mean=np.concatenate([judge.head.prompts for judge in neutral]).mean(axis=0),
    )
    groups: dict[str, GroupConstants] = {}
    for space, known in zip(spaces, evidence, strict=True):
        head = zero_shot(workspace, space, statistics)
        gathered = SpaceEvidence.of(head, known, nothing)
        # The main group first: it decides which pictures the others are never asked about.
        main = space.main
        assert main is not None
        first = f"{space.name}/{main.name}"
        own = {first: fit_exclusive(gathered.group(main.name, val.attributes))}
        head.statistics = replace(statistics, groups=own)
        pictures = np.concatenate([known[0].images, nothing])
        gathered = replace(gathered, blank=head.blank(pictures))
        for group in space.groups:
            name = f"{space.name}/{group.name}"
            if not group.visible or name in own or TRUTH_OF.get(group.name, group.name) in columns:
                continue
            data = gathered.group(group.name, val.attributes)
            aim = PRECISION_DEFAULT if space.name == DEFAULT_LABELS else PRECISION
            own[name] = fit_exclusive(data, aim) if group.exclusive else fit_open(data)
            if name in LOOKED_AT:
                found = Weights(own[name].image_alone, own[name].unknown_alone)
                own[name] = words_decide(found, LOOKED_AT[name], data.source)
        # Last, when no constant depends on it any more.
        blank = min(float(np.quantile(head.lead(known[0].images), 1 - BLANK)), 0.0)
        own[first] = replace(own[first], blank=blank)
        print(f"{space.name}: a picture is blank from {blank:.2f} logits")
        groups |= own
    # Other labels may leave more products out, so there unknown has to be ahead.
    exclusive = replace(groups["fashion-products/articleType"], fitted_on="", blank=0.0)
    pictures = np.concatenate([evidence[0][0].images, nothing])
    own_open = users(workspace, val, columns, pictures)
    return replace(statistics, groups=groups, exclusive=exclusive, open=own_open)


def as_a_users(values: Mapping[str, Collection[str]]) -> LabelSpace:
    """Return the native groups as a user would write them, and `UNRELATED` as one more."""
    native = load_labels("fashion-products")
    groups = {
        group.name: [word_for(label) for label in group.labels if label.name in values[group.name]]
        for group in native.groups
        if group.name in values
    }
    groups["unrelated"] = list(UNRELATED)
    content = {
        name: {"exclusive": False, "labels": list(dict.fromkeys(labels))}
        for name, labels in groups.items()
    }
    return parse_labels({"groups": content}, "a user's", "the native groups")


def word_for(label: Label) -> str:
    return (label.words or (label.name,))[0]


def users(
    workspace: Workspace, val: Products, columns: Collection[str], vectors: NDArray[np.float32]
) -> GroupConstants:
    """Fit what stands in for the constants of a user's open groups.

    `vectors` are val's pictures and then those of nothing; groups of `columns` are left out.
    """
    values = {
        name: set(cells.tolist()) - {""}
        for name, cells in val.attributes.items()
        if name not in columns
    }
    space = as_a_users(values)
    found = zero_shot(workspace, space, Statistics()).deviations(vectors).astype(float)
    groups = []
    for name in values:
        group = load_labels("fashion-products").group(name)
        place = {
            label.name: space.group(name).names.index(word_for(label))
            for label in group.labels
            if label.name in values[name]
        }
        size = len(space.group(name).labels)
        truth = [place.get(value, -1) for value in val.attributes[name].tolist()]
        truth += [size] * (len(vectors) - len(truth))
        seen = found[:, space.span(name)]
        groups.append(
            GroupData(seen, seen[:, 0], [], [], np.array(truth), weak=False, main=False, source="")
        )
    strange = found[: len(val.ids), space.span("unrelated")]
    return fit_users(groups, strange)


def join(parts: list[Evidence]) -> Evidence:
    return Evidence(
        *(np.concatenate([getattr(part, f.name) for part in parts]) for f in fields(Evidence))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", help="as for `fashiontag --model`; default: the embedded one")
    parser.add_argument("--workspace", type=Path, help="keep vectors here between runs")
    parser.add_argument("--hold-out", type=Path, help="as for `benchmarks.train_mini`")
    arguments = parser.parse_args()
    encoder = resolve(arguments.model)
    if encoder.folder is None:
        parser.error("only a local model folder can take statistics")
    with tempfile.TemporaryDirectory() as scratch:
        with Workspace.open(arguments.workspace or Path(scratch), encoder) as workspace:
            statistics = fit(workspace, *held_out(arguments.hold_out))
            # What `products_fused --fit` found on the same weights.
            statistics = replace(statistics, whole=workspace.statistics.whole)
        statistics.save(encoder.folder / FILE_NAME)
    for name, one in {"exclusive": statistics.exclusive, "open": statistics.open}.items():
        print(f"{name:30} {one}")
    for name, one in statistics.groups.items():
        print(f"{name:30} {one}")


if __name__ == "__main__":
    main()
