"""What does a promise buy on a user's own shelves? ``python -m benchmarks.lab.promises WORKSPACE``.

Exclusive taxonomies of ``benchmarks/suites/scenarios``, so many products of `pool` labelled at
random, a promise of 95 % for the group, and what of all products of `test` is then published, and
how much of that is right: means of draws, intervals over families. Written to
``benchmarks/results/promises.md``. What all of `pool` buys is ``python -m benchmarks.probe``.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from benchmarks import markdown, products
from benchmarks.lab.bootstrap import FamilyBootstrap
from benchmarks.lab.scenarios import (
    Lesson,
    Way,
    answers,
    at_random,
    lessons,
    parser_of,
    settings,
)
from benchmarks.paths import RESULTS
from fashiontag.encoders import resolve
from fashiontag.heads.local import Promise
from fashiontag.heads.thresholds import Decider
from fashiontag.metrics import PROMISE
from fashiontag.workflows.learn import train_probe
from fashiontag.workspace import Workspace

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from benchmarks.lab.scenarios import Shelf

COUNTS = (221, 600)
DRAWS = 3
HEAD = ("titles", "labelled", "published", "of it right", "draws that publish", "without promise")


def published(lesson: Lesson, judged: Shelf) -> NDArray[np.bool_]:
    """Return what may be published after a lesson, shape (n, t)."""
    pool, of = lesson.pool, judged.rows
    probe = train_probe(
        lesson.workspace,
        replace(pool.rows.select(lesson.rows), targets=lesson.targets),
        catalogue=pool.others(lesson.rows),
        promise=Promise(PROMISE),
        families=pool.families[lesson.rows],
    ).probe
    x = probe.features.transform(of.images, of.titles, of.texts)
    rows = Decider(of.space).decide(probe.overlay(judged.scores, of.space, x))
    tags = [[tag.tag for tag in row if tag.decision == "publish"] for row in rows]
    return of.space.multi_hot(tags)


def run(workspace: Workspace, on: str, draws: int) -> list[str]:
    """Return a table per taxonomy."""
    tables: dict[str, list[list[str]]] = {}
    notes = {}
    for taxonomy, condition, pool, judged in settings(workspace, on):
        if not taxonomy.exclusive:
            continue
        notes[taxonomy.name] = taxonomy.note
        bootstrap = FamilyBootstrap(judged.families)
        zero = judged.right[judged.given.any(axis=1)].mean()
        for count in COUNTS:
            way = Way(f"{count} at random", partial(at_random, count=count))
            out, right = (np.zeros((draws, len(judged.families))) for _ in range(2))
            for draw, lesson in enumerate(lessons(workspace, pool, way, draws)):
                given = published(lesson, judged)
                out[draw] = given.any(axis=1)
                right[draw] = answers(given, judged.rows) * out[draw]
            told = out.mean(axis=0)
            share = np.where(told > 0, right.mean(axis=0) / np.where(told > 0, told, 1), np.nan)
            # Of a product that half of the draws publish, half a tag counts.
            known = told > 0
            weights = (bootstrap.weights * told)[:, known]
            weights = weights[weights.any(axis=1)]
            ratios = weights @ share[known] / weights.sum(axis=1)
            low, high = np.percentile(ratios, [2.5, 97.5]) if known.any() else (np.nan, np.nan)
            point = f"{right.sum() / max(out.sum(), 1):.3f} [{low:.3f}, {high:.3f}]"
            row = [
                condition,
                str(count),
                str(bootstrap.mean(told)),
                point if known.any() else "–",
                f"{int(out.any(axis=1).sum())} of {draws}",
                f"{judged.given.any(axis=1).mean():.3f} given, {zero:.3f} right",
            ]
            tables.setdefault(taxonomy.name, []).append(row)
            print(taxonomy.name, *row, flush=True)
    lines = []
    for name, rows in tables.items():
        lines += ["", f"## {name}", "", notes[name] + ".", "", *markdown.table([*HEAD], rows)]
    return lines


def main() -> None:
    """Parse, teach, write."""
    parser = parser_of(__doc__.split("\n")[0], DRAWS, RESULTS / "promises.md")
    arguments = parser.parse_args()
    with Workspace.open(arguments.workspace, resolve(arguments.model)) as workspace:
        lines = run(workspace, arguments.on, arguments.draws)
        made = products.made_with(workspace.encoder)
    title = f"# What a promise of {PROMISE:.0%} buys on shelves of a user's own"
    of = f"split {arguments.on} · {arguments.draws} draws"
    command = f"`python -m benchmarks.lab.promises WORKSPACE` · {of}"
    markdown.write(arguments.out, [title, "", f"{command} · {made}", *lines, ""])


if __name__ == "__main__":
    main()
