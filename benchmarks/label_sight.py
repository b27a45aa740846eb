"""Can a picture show it? ``python -m benchmarks.label_sight WORKSPACE``.

Every label of ``prompts/fashion.toml`` is tried on the pictures whose titles name it (for a
category, else the seller's article type): how often does such a picture score higher for the label
than one of the same article type whose title names another label of the group? That is the area
under the ROC curve within types, .5 for a coin; without types "leather" would be found by what
shoes look like. (Categories are types, so all are compared there.)

Pictures are those of pool and val; where fewer than 20 are named, backbone's, which the model was
trained on, are added and counted apart. Below ``SEEN`` a label is a candidate for ``visible =
false``; rivals that look alike ("printed" beside "graphic print") can be a reason too. Labels that
too few titles name are for the eye: ``--sheets DIR`` writes the twenty best pictures
of pool and val of each. Last, how many pictures of pool and val ``tag`` gives the label with no
title, and of what types they are: what a model can't see its constants should keep it from saying.
Written to ``benchmarks/results/label-sight.md``.
"""

from __future__ import annotations

import argparse
from collections import Counter, defaultdict
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from benchmarks import markdown, products
from benchmarks.lab.bootstrap import FamilyBootstrap
from benchmarks.paths import RESULTS
from fashiontag.catalog import clean_title
from fashiontag.encoders import resolve
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.labels import load_labels
from fashiontag.workflows.tag import Judge
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import embed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fashiontag.labels import LabelSpace

RESULT = RESULTS / "label-sight.md"
WANTED = 20
SEEN = 0.65
"""Nearly two of three pairs; an agreement, not a finding."""
UNTYPED = ("category",)


def wins(
    scores: NDArray[np.float32], named: NDArray[np.bool_], other: NDArray[np.bool_], kinds: NDArray
) -> NDArray[np.float64]:
    """Return for each named picture the share of others of its kind that score lower.

    Equal scores count half; NaN where there is no other of its kind.
    """
    share = np.full(int(named.sum()), np.nan)
    own, at = scores[named], np.flatnonzero(named)
    for kind in np.unique(kinds[named]):
        rivals = np.sort(scores[other & (kinds == kind)])
        here = kinds[at] == kind
        if len(rivals):
            below = np.searchsorted(rivals, own[here], "left")
            upto = np.searchsorted(rivals, own[here], "right")
            share[here] = (below + upto) / (2 * len(rivals))
    return share


def rows_of(space: LabelSpace, group: str, data: Pictures) -> list[list[str]]:
    """Try one group's labels; a row each."""
    span = space.span(group)
    words = data.words[:, span] > 0
    rows = []
    for column, label in enumerate(space.group(group).labels):
        named, other = words[:, column], words.any(axis=1) & ~words[:, column]
        fresh = int((named & ~data.trained).sum())
        among = np.ones(len(named), bool) if fresh < WANTED else ~data.trained
        kinds = np.zeros(len(named), int) if group in UNTYPED else data.kinds
        share = wins(data.scores[:, span][:, column], named & among, other & among, kinds)
        known = ~np.isnan(share)
        visible = space.group(group).visible and label.visible
        found = "too few"
        verdict = ""
        if known.sum() >= WANTED:
            mean = FamilyBootstrap(data.families[named & among][known]).mean(share[known])
            found = markdown.interval(mean)
            verdict = "seen" if mean.value >= SEEN else "not seen"
        old = int((named & among & data.trained).sum())
        given = data.given[group, label.name]
        kinds_given = ", ".join(f"{count:,} {kind}" for kind, count in given.most_common(3))
        rows.append(
            [group, label.name, f"{fresh:,}", f"{old:,}" if old else "", found, verdict,
             "" if visible else "title only", f"{given.total():,}" if given else "", kinds_given]
        )  # fmt: skip
    return rows


def sheet(path: Path, label: str, pictures: Sequence[str]) -> None:
    """Write small pictures side by side under what they were found by."""
    page = Image.new("RGB", (10 * 98, 20 + 130 * -(-len(pictures) // 10)), "white")
    ImageDraw.Draw(page).text((4, 4), label, fill="black")
    for number, picture in enumerate(pictures):
        with Image.open(picture) as image:
            small = ImageOps.pad(image.convert("RGB"), (96, 128), color="white")
        page.paste(small, (number % 10 * 98, 20 + number // 10 * 130))
    page.save(path)


class Pictures:
    """Pictures with what their titles name and how they score for every label."""

    def __init__(self, place: Path, space: LabelSpace) -> None:
        encoder = resolve()
        splits = ("pool", "val", "backbone")
        read = [products.load([name]) for name in splits]
        self.families = np.concatenate([split.families for split in read])
        types = np.concatenate([split.attributes["articleType"] for split in read])
        self.kinds = np.unique(types, return_inverse=True)[1]
        self.trained = np.repeat(np.array(splits) == "backbone", [len(split.ids) for split in read])
        titles = [title for split in read for title in split.titles["plain"]]
        matcher = TitleMatcher(space)
        self.words = matcher.score([clean_title(title) for title in titles])
        for group in UNTYPED:  # what a title leaves out, the seller's column says
            span = space.span(group)
            silent = ~self.words[:, span].any(axis=1)
            self.words[silent, span] = matcher.score(types[silent].tolist())[:, span]
        items = [item for split in read for item in split.items("absent")]
        self.paths = np.array([item.path for item in items])
        with Workspace.open(place, encoder) as workspace:
            tagger = Judge(workspace, space)
            windows = list(embed(workspace, items))
            rows = np.concatenate([window.images for window in windows])
            self.scores = tagger.head.cosines(workspace.images.padded(rows, encoder.dim))
            tagged = [row for window in windows for row in tagger.tag(window)]
        # Of what types the pictures are that get a label, those not counted that trained the model.
        self.given: defaultdict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for row, kind, old in zip(tagged, types.tolist(), self.trained.tolist(), strict=True):
            for tag in () if old else row.given:
                self.given[tag.group, tag.label][kind] += 1
        self.made_with = products.made_with(encoder)


def main() -> None:
    """Try every label; write the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--sheets", type=Path, help="where to put pictures for the eye")
    given = parser.parse_args()
    space = load_labels("fashion")
    data = Pictures(given.workspace, space)
    rows = [row for group in space.groups for row in rows_of(space, group.name, data)]
    if given.sheets:
        given.sheets.mkdir(parents=True, exist_ok=True)
        shown = np.flatnonzero(~data.trained)
        for column, row in enumerate(rows):
            if not row[5] and not row[6]:
                best = shown[np.argsort(-data.scores[shown, column], kind="stable")[:WANTED]]
                name = f"{row[0]} {row[1]}"
                sheet(given.sheets / f"{name}.png", name, data.paths[best].tolist())
    counts = {
        verdict: sum(row[5] == verdict for row in rows) for verdict in ("seen", "not seen", "")
    }
    lines = [
        "# Which labels a picture shows", "",
        f"`python -m benchmarks.label_sight WORKSPACE` · {data.made_with}.", "",
        "Pictures whose title names a label (or their article type, a category) against pictures "
        "of the same article type whose title names another label of the group (categories: "
        "against all): the share of pairs in which the first scores higher, with its 95 % "
        f"interval over families. {len(rows)} labels: {counts['seen']} seen (≥ {SEEN}), "
        f"{counts['not seen']} not, {counts['']} named by the titles of fewer than {WANTED} "
        "pictures that have such a rival. Given: to pictures of pool and val without a title.", "",
        *markdown.table(
            ["group", "label", "pictures", "more, trained on", "ahead of others", "",
             "in the label file", "given", "to, by the seller's types"],
            rows,
        ), "",
    ]  # fmt: skip
    markdown.write(RESULT, lines)


if __name__ == "__main__":
    main()
