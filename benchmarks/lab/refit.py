"""Choose the local head's constants on `val`: ``python -m benchmarks.lab.refit WORKSPACE``.

They fit one model's vectors, so they are chosen again when its weights change: labelled products of
`pool`, figures on all of `val`, exclusive taxonomies of ``benchmarks/suites/scenarios``. One
constant after the other takes the value under which the fewest rows break the promise that teaching
doesn't hurt, and of these the one that puts most right. Written to ``fashiontag/heads/local.json``.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from benchmarks.lab.bootstrap import FamilyBootstrap
from benchmarks.lab.scenarios import (
    WAYS,
    Shelf,
    change,
    decide,
    lessons,
    mean_of,
    settings,
    summary,
)
from fashiontag.encoders import resolve
from fashiontag.heads.local import CONSTANTS, FITTED, Constants, fit_local
from fashiontag.workflows.evaluate import Observed
from fashiontag.workflows.learn import fit_features
from fashiontag.workspace import Workspace
from fashiontag.workspace.prompts import zero_shot

if TYPE_CHECKING:
    from numpy.typing import NDArray

GRID = {
    "noise": (0.03, 0.05, 0.1, 0.2),
    "sharpness": (1.0, 1.5, 2.0, 3.0),
    "anchor_noise": (1.0, 2.0, 4.0),
    "margin": (0.1, 0.2, 0.3),
    "lost": (0.1, 0.15, 0.2),
    "doubt": (20.0, 40.0, 60.0, 80.0),
}
ASKED = ("40 corrections", "40 at random", "120 at random")
FIRMER = 20.0
DRAWS = 2


class Taught(NamedTuple):
    """A lesson as `fit_local` takes it."""

    labelled: Observed
    families: NDArray[np.int64]
    rest: Observed


@dataclass(frozen=True)
class Row:
    """A way of labelling one taxonomy under one title condition, and what is judged after it."""

    judged: Shelf
    seen: Observed
    bootstrap: FamilyBootstrap
    taught: tuple[Taught, ...]

    def after(self, taught: Taught, constants: Constants) -> NDArray[np.bool_]:
        """Return what is given after a lesson, shape (n, t)."""
        space, scores = self.judged.rows.space, self.seen.scores
        labelled, families, rest = taught
        targets = labelled.rows.targets
        fit = fit_local(space, labelled.pair, targets, families, rest.pair, constants=constants)
        out = replace(
            scores,
            labels=scores.labels.copy(),
            unknown=scores.unknown.copy(),
            label_cuts=np.full_like(scores.labels, np.nan),
        )
        fit.head.overlay(out, scores, space, self.seen.at)
        return decide(space, out)


def rows(workspace: Workspace, draws: int) -> list[Row]:
    """Prepare all lessons: what doesn't depend on the constants is done once."""
    found = []
    for taxonomy, _, pool, judged in settings(workspace, "val"):
        if not taxonomy.exclusive:
            continue
        zero = zero_shot(workspace, taxonomy.space)
        features = fit_features(zero, pool.rows)[0]
        seen = Observed.of(workspace, features, judged.rows)
        bootstrap = FamilyBootstrap(judged.families)
        for way in WAYS:
            if way.name not in ASKED:
                continue
            taught = tuple(
                Taught(
                    Observed.of(workspace, features, pool.rows.select(lesson.rows)),
                    pool.families[lesson.rows],
                    Observed.of(workspace, features, pool.others(lesson.rows)),
                )
                for lesson in lessons(workspace, pool, way, draws)
            )
            found.append(Row(judged, seen, bootstrap, taught))
    return found


def worth(found: list[Row], constants: Constants) -> tuple[int, float]:
    """Return how many rows break the promise, and the share mended, negative: less is better."""
    broken, mended = 0, 0.0
    for row in found:
        space = row.judged.rows.space
        changes = [change(row.judged, row.after(taught, constants)) for taught in row.taught]
        line = summary(mean_of(changes), row.bootstrap, space)
        broken += not line.holds
        mended += (line.after_right - line.right) / (line.wrong + line.empty)
    return broken, -mended / len(found)


def refit(found: list[Row], start: Constants = FITTED) -> Constants:
    """Choose one constant after the other."""
    best, value = start, worth(found, start)
    print("start", *value, flush=True)
    for name, choices in GRID.items():
        for choice in choices:
            if choice != getattr(best, name):
                tried = replace(best, **{name: choice})
                reached = worth(found, tried)
                if reached[0] > value[0]:  # what buys more may need a firmer budget
                    tried = replace(tried, doubt=tried.doubt + FIRMER)
                    reached = worth(found, tried)
                print(name, choice, tried.doubt, *reached, flush=True)
                if reached < value:
                    best, value = tried, reached
    return best


def main() -> None:
    """Parse, choose, write."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--model", help="as in fashiontag --model; default: the embedded one")
    parser.add_argument("--draws", type=int, default=DRAWS)
    parser.add_argument("--out", type=Path, default=CONSTANTS)
    arguments = parser.parse_args()
    with Workspace.open(arguments.workspace, resolve(arguments.model)) as workspace:
        chosen = refit(rows(workspace, arguments.draws))
    arguments.out.write_text(json.dumps(asdict(chosen), indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
