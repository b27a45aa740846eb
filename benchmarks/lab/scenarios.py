"""What teaching does to all other products: ``python -m benchmarks.lab.scenarios WORKSPACE``.

Taxonomies of a user's own (``benchmarks/suites/scenarios``, plain data over the seller's columns),
ways of labelling a few products of one split, and figures on all products of another: right, wrong
and empty before and after, with intervals over families. Written to
``benchmarks/results/scenarios.md``. A run that was stopped goes on where it was: rows that are done
lie beside the page until it is written.
"""

from __future__ import annotations

import argparse
import json
import tomllib
from dataclasses import dataclass, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks import markdown, products
from benchmarks.lab.bootstrap import FamilyBootstrap
from benchmarks.paths import RESULTS, SUITES
from fashiontag.encoders import resolve
from fashiontag.errors import CatalogError
from fashiontag.heads.active import pick
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.heads.statistics import unit
from fashiontag.heads.thresholds import Decider
from fashiontag.heads.training import Training, draw_shots
from fashiontag.heads.zeroshot import Evidence
from fashiontag.labels import parse_labels
from fashiontag.words import split
from fashiontag.workflows.learn import SEEN, train_probe
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import DEFAULTS, embed_all
from fashiontag.workspace.prompts import zero_shot

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from fashiontag.heads.zeroshot import Scores, ZeroShot
    from fashiontag.labels import LabelSpace
    from fashiontag.workflows.learn import HeadName

Floats = NDArray[np.float32]
Ints = NDArray[np.int64]

FOLDER = SUITES / "scenarios"
RESULT = RESULTS / "scenarios.md"
DRAWS = 10
SHARE = 0.8
"""Of the pool that `suggest` sees in a draw: it is no lottery by itself."""
FEW = 16
"""Examples of a label that is taught alone."""
NOISE = 0.05
LINEAR = ("40 at random", "120 at random")
"""The ways that the linear head is judged by in exclusive groups: a row in every table."""


@dataclass(frozen=True)
class Taxonomy:
    """Labels of a user's own, and which products have them by the seller's columns.

    Attributes
    ----------
    space : LabelSpace
        One group.
    rules : mapping of str to mapping
        Of each label, what columns may hold, or which words a title must have one of.
    conditions : tuple of str
        Title conditions.
    """

    name: str
    note: str
    space: LabelSpace
    rules: Mapping[str, Mapping[str, list[str]]]
    conditions: tuple[str, ...]

    @classmethod
    def load(cls, path: Path) -> Taxonomy:
        """Read a rule file."""
        content = tomllib.loads(path.read_text("utf-8"))
        labels, exclusive = content["labels"], content["exclusive"]
        group = {content["group"]: {"labels": [*labels], "exclusive": exclusive}}
        space = parse_labels({"groups": group}, path.stem, str(path))
        return cls(path.stem, content["note"], space, labels, tuple(content["conditions"]))

    @property
    def exclusive(self) -> bool:
        """Whether a product has one label at most: that of the first rule that fits."""
        return self.space.groups[0].exclusive

    def truth(self, of: products.Products) -> NDArray[np.int8]:
        """Return the labels of n products, shape (n, t), 0 or 1; of a path no step above it."""
        words = [set(split(title)) for title in of.titles["plain"]]
        fits = np.ones((len(of.ids), len(self.rules)), np.int8)
        for column, rule in enumerate(self.rules.values()):
            for name, values in rule.items():
                if name == "title":
                    fits[:, column] &= [bool(own & set(values)) for own in words]
                else:
                    fits[:, column] &= np.isin(of.attributes[name], values)
        if self.exclusive:
            fits[np.cumsum(fits, axis=1) > 1] = 0
        (group,) = self.space.names
        out = np.zeros((len(of.ids), self.space.size), np.int8)
        out[:, [self.space.column(f"{group}={name}") for name in self.rules]] = fits
        return out

    def without_words(self, title: str) -> str:
        """Take the words out of a masked title that a rule asks for."""
        asked = {word for rule in self.rules.values() for word in rule.get("title", ())}
        return " ".join(word for word in title.split() if not asked & set(split(word)))


@dataclass(frozen=True)
class Shelf:
    """Products of one split as a taxonomy has them, with their zero-shot scores.

    Attributes
    ----------
    rows : Training
        Vectors, titles of one condition, and targets.
    families : ndarray of shape (n,), int64
    scores : Scores
    given : ndarray of shape (n, t), bool
        What zero-shot gives.
    """

    rows: Training
    families: Ints
    scores: Scores
    given: NDArray[np.bool_]

    @classmethod
    def of(
        cls, workspace: Workspace, head: ZeroShot, taxonomy: Taxonomy, split_: str, condition: str
    ) -> Shelf:
        """Take the products of a split from the store."""
        found = products.load([split_])
        if condition == "masked":
            found.titles["masked"] = [*map(taxonomy.without_words, found.titles["masked"])]
        embedded = embed_all(workspace, found.items(condition), DEFAULTS)
        dim = workspace.encoder.dim
        rows = Training(
            ids=tuple(found.ids.tolist()),
            image_keys=tuple(key or "" for key in embedded.image_keys),
            texts=embedded.read,
            images=workspace.images.padded(embedded.images, dim).astype(np.float16),
            titles=workspace.texts.padded(embedded.texts, dim).astype(np.float16),
            space=taxonomy.space,
            targets=taxonomy.truth(found),
        )
        families = np.unique(found.families, return_inverse=True)[1].astype(np.int64)
        scores = head.score(evidence(rows))
        return cls(rows, families, scores, decide(taxonomy.space, scores))

    @cached_property
    def right(self) -> NDArray[np.bool_]:
        """Which products need no correction."""
        return answers(self.given, self.rows)

    def others(self, rows: Ints) -> Training:
        """Return products that aren't these, as `learn.unlabelled` draws them."""
        left = np.setdiff1d(np.arange(len(self.families)), rows)
        drawn = np.random.default_rng(0).permutation(left)[:SEEN]
        return replace(self.rows.select(drawn), targets=np.full_like(self.rows.targets[drawn], -1))

    @cached_property
    def directions(self) -> Floats:
        """What `suggest` compares: centred vectors side by side, unit rows."""
        sides = (self.rows.images.astype(np.float32), self.rows.titles.astype(np.float32))
        return unit(np.hstack([unit(side - side.mean(axis=0)) for side in sides]))


def answers(given: NDArray[np.bool_], rows: Training) -> NDArray[np.bool_]:
    """Mark the products whose labels are right; in place of a path a step above it is, too."""
    truth, space = rows.targets == 1, rows.space
    if not space.groups[0].exclusive:
        return np.asarray((given == truth).all(axis=1))
    allowed = truth.copy()
    for column, uppers in space.above.items():
        allowed[:, list(uppers)] |= truth[:, [column]]
    return np.asarray((given & allowed).any(axis=1) | ~(given | truth).any(axis=1))


@dataclass(frozen=True)
class Lesson:
    """What a method learns from.

    Attributes
    ----------
    workspace : Workspace
    pool : Shelf
        The catalogue; only of `rows` the labels may be looked at.
    rows : ndarray of shape (m,), int64
        The labelled products of the pool.
    targets : ndarray of shape (m, t), int8
        What they were said to be.
    """

    workspace: Workspace
    pool: Shelf
    rows: Ints
    targets: NDArray[np.int8]


def evidence(rows: Training) -> Evidence:
    """Return the same for the zero-shot head."""
    titled = np.array([bool(text) for text in rows.texts], bool)
    words = TitleMatcher(rows.space).score(rows.texts)
    sides = (rows.images.astype(np.float32), rows.titles.astype(np.float32))
    return Evidence(*sides, titled, words)


def decide(space: LabelSpace, scores: Scores) -> NDArray[np.bool_]:
    """Return what `tag` gives, shape (n, t)."""
    return space.multi_hot([[tag.tag for tag in row] for row in Decider(space).decide(scores)])


# -- ways of labelling ---------------------------------------------------------------------------


def _spread(pool: Shelf, rows: Ints, count: int) -> Ints:
    """Take the first products of different families."""
    _, first = np.unique(pool.families[rows], return_index=True)
    return rows[np.sort(first)][:count]


def at_random(pool: Shelf, rng: np.random.Generator, count: int) -> Ints:
    return _spread(pool, rng.permutation(len(pool.families)), count)


def corrections(pool: Shelf, rng: np.random.Generator, count: int) -> Ints:
    """Only products that were wrong or empty."""
    return _spread(pool, rng.permutation(np.flatnonzero(~pool.right)), count)


def suggested(pool: Shelf, rng: np.random.Generator, count: int) -> Ints:
    some = at_random(pool, rng, int(SHARE * len(np.unique(pool.families))))
    return some[pick(pool.directions[some], count)]


def shots(pool: Shelf, rng: np.random.Generator, count: int) -> Ints:
    return draw_shots(pool.rows.targets, pool.families, count, int(rng.integers(2**31)))


def one_label(
    pool: Shelf, rng: np.random.Generator, count: int, *, corrected: bool = False
) -> Ints:
    """Only products of one label that has so many families; if `corrected`, in need of it."""
    among = ~pool.right if corrected else np.ones_like(pool.right)
    having = [among & (y == 1) for y in pool.rows.targets.T]
    enough = [n for n, own in enumerate(having) if len(np.unique(pool.families[own])) >= count]
    return _spread(pool, rng.permutation(np.flatnonzero(having[rng.choice(enough)])), count)


def half_the_labels(pool: Shelf, rng: np.random.Generator, count: int) -> Ints:
    size = pool.rows.targets.shape[1]
    other = rng.permutation(size)[: size // 2]
    clean = (pool.rows.targets[:, other] == 0).all(axis=1) & pool.rows.targets.any(axis=1)
    return _spread(pool, rng.permutation(np.flatnonzero(clean)), count)


def as_they_are(pool: Shelf, rows: Ints, rng: np.random.Generator) -> NDArray[np.int8]:
    del rng
    return pool.rows.targets[rows]


def some_wrong(pool: Shelf, rows: Ints, rng: np.random.Generator) -> NDArray[np.int8]:
    """Give one product in twenty the labels of another that has other ones."""
    targets = pool.rows.targets[rows]
    for row in rng.permutation(len(rows))[: max(1, round(NOISE * len(rows)))]:
        others = np.flatnonzero((pool.rows.targets != targets[row]).any(axis=1))
        targets[row] = pool.rows.targets[rng.choice(others)]
    return targets


class Way(NamedTuple):
    """A way of labelling: which products, and what is said of them."""

    name: str
    choose: Callable[..., Ints]
    say: Callable[..., NDArray[np.int8]] = as_they_are


WAYS = (
    *(
        Way(f"{count} {name}", partial(choose, count=count))
        for count in (40, 120)
        for name, choose in (
            ("corrections", corrections),
            ("at random", at_random),
            ("suggested", suggested),
        )
    ),
    Way("120 at random, 5 % wrong", partial(at_random, count=120), some_wrong),
    *(Way(f"{count} per label", partial(shots, count=count)) for count in (1, 2, 4, 8, 16)),
    Way(f"{FEW} of one label", partial(one_label, count=FEW)),
    Way(f"{FEW} corrections of one label", partial(one_label, count=FEW, corrected=True)),
    Way("40 of half the labels", partial(half_the_labels, count=40)),
)


# -- what is taught ------------------------------------------------------------------------------


def probe(lesson: Lesson, judged: Shelf, head: HeadName = "local") -> Scores:
    """Judge by fashiontag's probe; by zero-shot where nothing can be learned."""
    rows = lesson.pool.rows.select(lesson.rows)
    families = lesson.pool.families[lesson.rows]
    try:
        trained = train_probe(
            lesson.workspace,
            replace(rows, targets=lesson.targets),
            catalogue=lesson.pool.others(lesson.rows),
            head=head,
            families=families,
        )
    except CatalogError:
        return judged.scores
    found, of = trained.probe, judged.rows
    features = found.features.transform(of.images, of.titles, of.texts)
    return found.overlay(judged.scores, of.space, features)


METHODS: dict[str, Callable[[Lesson, Shelf], Scores]] = {
    "local": probe,
    "linear": partial(probe, head="linear"),
}


# -- figures -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Counts:
    """What is right, wrong and empty, per product or, in an open group, per tag: shapes (n,).

    A product that belongs on no shelf is right where it is left empty.
    """

    right: Floats
    wrong: Floats
    empty: Floats

    @classmethod
    def of(cls, given: NDArray[np.bool_], rows: Training) -> Counts:
        truth = rows.targets == 1
        if rows.space.groups[0].exclusive:
            right = answers(given, rows)
            wrong = ~right & given.any(axis=1)
            return cls(*(x.astype(np.float32) for x in (right, wrong, ~right & ~wrong)))
        cells = (given & truth, given & ~truth, ~given & truth)
        return cls(*(x.sum(axis=1).astype(np.float32) for x in cells))


@dataclass(frozen=True)
class Change:
    """What a lesson changed, means over draws of n products: shapes (n,)."""

    before: Counts
    after: Counts
    lost: Floats
    mended: Floats
    by_label: Floats
    """Right ones won less lost, per label, shape (t,)."""


def change(shelf: Shelf, given: NDArray[np.bool_]) -> Change:
    truth, exclusive = shelf.rows.targets == 1, shelf.rows.space.groups[0].exclusive
    before, after = (Counts.of(x, shelf.rows) for x in (shelf.given, given))
    if exclusive:
        lost, mended = before.right > after.right, after.right > before.right
    else:
        was, is_ = shelf.given == truth, given == truth
        lost, mended = (shelf.given & truth & ~given).sum(axis=1), (is_ & ~was).sum(axis=1)
    by_label = ((given & truth).sum(axis=0, dtype=int)) - (shelf.given & truth).sum(axis=0)
    return Change(before, after, *(np.asarray(x, np.float32) for x in (lost, mended, by_label)))


def mean_of(changes: list[Change]) -> Change:
    def mean(values: list[Any]) -> Any:  # noqa: ANN401
        if isinstance(values[0], Counts):
            return Counts(
                *(mean([getattr(v, n) for v in values]) for n in ("right", "wrong", "empty"))
            )
        return np.mean(values, axis=0)

    names = ("before", "after", "lost", "mended", "by_label")
    return Change(*(mean([getattr(one, name) for one in changes]) for name in names))


class Summary(NamedTuple):
    """A row of the page."""

    right: float
    wrong: float
    empty: float
    after_right: float
    after_wrong: float
    after_empty: float
    lost: float
    mended: float
    more_right: tuple[float, float]
    more_wrong: tuple[float, float]
    worst: str
    holds: bool


def summary(found: Change, bootstrap: FamilyBootstrap, space: LabelSpace) -> Summary:
    """Sum up; intervals are of sums over all products."""
    n = len(found.lost)
    gain = bootstrap.mean((found.after.right - found.before.right).astype(np.float64))
    harm = bootstrap.mean((found.after.wrong - found.before.wrong).astype(np.float64))
    lost, mended = float(found.lost.sum()), float(found.mended.sum())
    right = float(found.before.right.sum())
    worst = int(found.by_label.argmin())
    holds = harm.value <= 0 and harm.high <= 0.005 and lost <= max(0.01 * right, mended / 5)
    return Summary(
        right, float(found.before.wrong.sum()), float(found.before.empty.sum()),
        float(found.after.right.sum()), float(found.after.wrong.sum()),
        float(found.after.empty.sum()), lost, mended,
        (n * gain.low, n * gain.high), (n * harm.low, n * harm.high),
        f"{space.labels[worst].name} {found.by_label[worst]:+.1f}", holds,
    )  # fmt: skip


def settings(
    workspace: Workspace, on: str, names: tuple[str, ...] = ()
) -> Iterator[tuple[Taxonomy, str, Shelf, Shelf]]:
    """Yield every taxonomy and condition with its pool and the products that are judged."""
    for path in sorted(FOLDER.glob("*.toml")):
        taxonomy = Taxonomy.load(path)
        if names and taxonomy.name not in names:
            continue
        head = zero_shot(workspace, taxonomy.space)
        for condition in taxonomy.conditions:
            pool, test = (
                Shelf.of(workspace, head, taxonomy, part, condition) for part in ("pool", on)
            )
            yield taxonomy, condition, pool, test


def lessons(workspace: Workspace, pool: Shelf, way: Way, draws: int) -> Iterator[Lesson]:
    """Yield the draws of a way of labelling; the same for every method."""
    for draw in range(draws):
        rng = np.random.default_rng(draw)
        rows = way.choose(pool, rng)
        yield Lesson(workspace, pool, rows, way.say(pool, rows, rng))


HEAD = (
    "way", "labelled", "right", "wrong", "empty", "more right", "more wrong", "lost", "mended",
    "worst label", "holds",
)  # fmt: skip


@dataclass(frozen=True)
class Journal:
    """Rows that are done, a JSON line each, so that a run that was stopped goes on."""

    path: Path

    def find(self, key: list[str]) -> list[str] | None:
        """Return the row of a key."""
        if not self.path.exists():
            return None
        lines = self.path.read_text("utf-8").splitlines(keepends=True)
        done = [json.loads(line) for line in lines if line.endswith("\n")]
        return next((row for known, row in done if known == key), None)

    def add(self, key: list[str], row: list[str]) -> None:
        """Keep a row."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps([key, row]) + "\n")


def table(
    workspace: Workspace, method: str, taxonomy: Taxonomy, shelves: tuple[Shelf, Shelf],
    ways: list[Way], draws: int, journal: Journal, about: list[str],
) -> list[str]:  # fmt: skip
    """Return the lines of one table: a row a way of labelling."""
    pool, judged = shelves
    bootstrap = FamilyBootstrap(judged.families)
    before = Counts.of(judged.given, judged.rows)
    sums = (before.right.sum(), before.wrong.sum(), before.empty.sum())
    rows: list[list[str]] = [["nothing", "0", *(f"{x:,.0f}" for x in sums), *[""] * 6]]
    for way in ways:
        key = [*about, way.name]
        if kept := journal.find(key):
            rows.append(kept)
            continue
        changes, labelled = [], []
        for lesson in lessons(workspace, pool, way, draws):
            scores = METHODS[method](lesson, judged)
            changes.append(change(judged, decide(taxonomy.space, scores)))
            labelled.append(len(lesson.rows))
        found = summary(mean_of(changes), bootstrap, taxonomy.space)
        after = (found.after_right, found.after_wrong, found.after_empty)
        rows.append(
            [
                way.name,
                f"{np.mean(labelled):.0f}",
                *(f"{x:,.0f}" for x in after),
                *(
                    f"{low:+.0f} to {high:+.0f}"
                    for low, high in (found.more_right, found.more_wrong)
                ),
                f"{found.lost:.0f}",
                f"{found.mended:.0f}",
                found.worst,
                "yes" if found.holds else "**no**",
            ]
        )
        journal.add(key, rows[-1])
        print(taxonomy.name, method, *rows[-1], sep=" | ", flush=True)
    return markdown.table(HEAD, rows)


def parser_of(description: str, draws: int, out: Path) -> argparse.ArgumentParser:
    """Return what every lesson's command asks for: where, on what, how often, where to."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("workspace", type=Path)
    parser.add_argument("--model", help="as in fashiontag --model; default: the embedded one")
    parser.add_argument("--on", default="test", choices=["test", "val"])
    parser.add_argument("--draws", type=int, default=draws)
    parser.add_argument("--out", type=Path, default=out)
    return parser


def main() -> None:
    """Parse, teach, write."""
    parser = parser_of(__doc__.split("\n")[0], DRAWS, RESULT)
    parser.add_argument("--ways", help="only those that hold one of these words, A,B")
    parser.add_argument("--methods", default=",".join(METHODS))
    parser.add_argument("--taxonomies", default="", help="only these, A,B")
    arguments = parser.parse_args()
    wanted = (arguments.ways or "").split(",")
    ways = [way for way in WAYS if any(word in way.name for word in wanted)]
    lines = []
    journal = Journal(arguments.out.with_suffix(".partial.jsonl"))
    with Workspace.open(arguments.workspace, resolve(arguments.model)) as workspace:
        names = tuple(filter(None, arguments.taxonomies.split(",")))
        for taxonomy, condition, *shelves in settings(workspace, arguments.on, names):
            for method in arguments.methods.split(","):
                lines += ["", f"## {taxonomy.note}; titles {condition}: {method}", ""]
                spare = method == "linear" and taxonomy.exclusive
                own = [way for way in ways if not spare or way.name in LINEAR]
                pair = (shelves[0], shelves[1])
                key = [workspace.encoder.fingerprint, arguments.on, str(arguments.draws)]
                key += [taxonomy.name, condition, method]
                lines += table(
                    workspace, method, taxonomy, pair, own, arguments.draws, journal, key
                )
        made = products.made_with(workspace.encoder)
    asked = "".join(
        f' --{name} "{value}"'
        for name, value in vars(arguments).items()
        if name not in ("workspace", "out") and value != parser.get_default(name)
    )
    top = [
        "# What teaching does to all other products", "",
        f"`python -m benchmarks.lab.scenarios WORKSPACE{asked}` · {made}.", "",
        f"Labelled products of `pool`, figures on {len(shelves[1].families):,} of "
        f"`{arguments.on}`, "
        f"means of {arguments.draws} draws; intervals (95 %) by resampling families, of changes "
        "against zero-shot. Products are counted, in an open group tags. A product of no label is "
        "right where it is left empty, and one of a path where a step above it is given. Lost: "
        "right before, not after; mended: the other way round. "
        "Worst label: the one that loses most right ones. A row holds if the mean change of wrong "
        "ones is at most 0 and its upper bound at most .5 % of the products, and right ones lost "
        "are at most 1 % of those right or a fifth of those mended.",
    ]  # fmt: skip
    markdown.write(arguments.out, [*top, *lines, ""])
    journal.path.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
