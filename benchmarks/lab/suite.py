"""Suite files: which data, encoders, methods, title conditions, shots and seeds make the grid."""

from __future__ import annotations

import tomllib
from dataclasses import MISSING, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from benchmarks.lab.data import CONDITIONS, SPLITS, DataSpec
from benchmarks.paths import SUITES
from fashiontag.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")

COLUMNS = ("group", "condition", "shots", "data", "figure")


@dataclass(frozen=True, slots=True)
class MethodSpec:
    """A method of the grid: what tables call it, its own conditions (none: all), its options."""

    method: str
    label: str = ""
    conditions: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class TableSpec:
    """A table of the results: one row a method, one column a value of `columns`.

    Attributes
    ----------
    name : str
        What a page's marker calls it.
    columns : str
        ``group``, ``condition``, ``shots``, ``data``, or ``figure`` for those in `figures`.
    where : mapping
        The other axes' values; one that the suite has only once needs no entry.
    figures : tuple of str
        As in `figures.Figures`; also ``fit_seconds`` and ``trainable_parameters``. Only the first
        counts unless they are the columns.
    against : bool
        Show the reference minus the method, paired, instead.
    """

    name: str
    columns: str = "group"
    where: Mapping[str, Any] = field(default_factory=dict)
    figures: tuple[str, ...] = ("ap",)
    against: bool = False
    methods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Suite:
    """A grid, and how its results are shown.

    Attributes
    ----------
    name : str
        The file's stem, under which results are kept.
    title, note : str
        For people; the note stands under every table.
    data : tuple of DataSpec
    methods : tuple of MethodSpec
    encoders, conditions : tuple of str
    shots : tuple of int or str
        ``all`` takes the whole training split.
    seeds : tuple of int
    reference : str
        The method that the others are compared with, by its label; "" compares none.
    resamples : int
    confusion : bool
        Whether rows hold who was taken for whom.
    groups : bool
        Whether there is a row per attribute group, and not only one for all: with many draws the
        results would be no small text.
    tables : tuple of TableSpec
    """

    name: str
    data: tuple[DataSpec, ...]
    methods: tuple[MethodSpec, ...]
    title: str = ""
    note: str = ""
    encoders: tuple[str, ...] = ("mini",)
    conditions: tuple[str, ...] = ("plain",)
    shots: tuple[Any, ...] = ("all",)
    seeds: tuple[int, ...] = (0,)
    reference: str = ""
    resamples: int = 2_000
    confusion: bool = False
    groups: bool = True
    tables: tuple[TableSpec, ...] = ()


def load_suite(name_or_path: str) -> Suite:
    """Read a suite by its path, or by its name in ``benchmarks/suites``.

    Raises
    ------
    UsageError
        There is none, or it breaks a rule; the message names the key.
    """
    path = Path(name_or_path)
    if path.suffix != ".toml":
        path = SUITES / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in SUITES.glob("*.toml"))) or "none"
        raise UsageError(f"There is no suite {path}; give a .toml file or a name of {known}.")
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} isn't valid TOML: {error}.") from error
    where = str(path)
    data = content.get("data")
    if (
        not isinstance(data, dict)
        or not data
        or not all(isinstance(o, dict) for o in data.values())
    ):
        raise UsageError(f"{where}: data has to be tables, [data.NAME], each with a source.")
    tables, methods = content.get("tables", []), content.get("methods", [])
    if not isinstance(methods, list):
        raise UsageError(f"{where}: methods is {methods!r}; it has to be a list.")
    if not isinstance(tables, list) or not all(isinstance(entry, dict) for entry in tables):
        raise UsageError(f"{where}: tables has to be tables, [[tables]], each with a name.")
    made = {
        "data": [_make(DataSpec, {**data[n], "name": n}, f"{where}, data.{n}") for n in data],
        "methods": [_method(entry, where) for entry in methods],
        "tables": [_make(TableSpec, entry, f"{where}, tables") for entry in tables],
    }
    suite = _make(Suite, {**content, **made, "name": path.stem}, where)
    _check(suite, where)
    return suite


def _method(entry: object, where: str) -> MethodSpec:
    if isinstance(entry, str):
        return MethodSpec(entry, entry)
    if not isinstance(entry, dict) or not isinstance(entry.get("method"), str):
        raise UsageError(f"{where}: {entry!r} in methods is neither a name nor {{method = …}}.")
    own = {"method", "label", "conditions"}
    options = {key: value for key, value in entry.items() if key not in own}
    label = " ".join([entry["method"], *(f"{value}" for value in options.values())])
    table = {"label": label, **{key: entry[key] for key in own & entry.keys()}, "options": options}
    return _make(MethodSpec, table, f"{where}, methods")


def _make(kind: type[T], table: Mapping[str, Any], where: str) -> T:
    """Build a dataclass from a TOML table, whose keys and types have to be its own."""
    known = {key.name: key for key in fields(kind)}  # type: ignore[arg-type]
    values: dict[str, Any] = {}
    for key, value in table.items():
        if key not in known:
            raise UsageError(f"{where} has an unknown key {key!r}; known are {', '.join(known)}.")
        usual = known[key].default
        got = tuple(value) if isinstance(value, list) else value
        kind_of = str if known[key].type == "str" else type(usual)
        if (usual is not MISSING or kind_of is str) and type(got) is not kind_of:
            wanted = "a list" if isinstance(usual, tuple) else kind_of.__name__
            raise UsageError(f"{where}: {key} is {value!r}; it has to be {wanted}.")
        values[key] = got
    missing = [
        name
        for name, key in known.items()
        if name not in values and key.default is MISSING and key.default_factory is MISSING
    ]
    if missing:
        raise UsageError(f"{where} has no {missing[0]}.")
    return kind(**values)


def _check(suite: Suite, where: str) -> None:
    labels = [method.label for method in suite.methods]
    used = {*suite.conditions, *(c for method in suite.methods for c in method.conditions)}
    wrong: list[tuple[str, tuple[str, ...]]] = []
    wrong += [
        (f"condition {condition!r}", CONDITIONS) for condition in sorted(used - set(CONDITIONS))
    ]
    wrong += [
        (f"split {data.split!r} of data.{data.name}", SPLITS)
        for data in suite.data
        if data.split not in SPLITS
    ]
    wrong += [
        (f"columns {table.columns!r} of table {table.name}", COLUMNS)
        for table in suite.tables
        if table.columns not in COLUMNS
    ]
    wrong += [
        (f"shots {count!r}", ("all", "numbers from 1"))
        for count in suite.shots
        if count != "all" and (type(count) is not int or count < 1)
    ]
    wrong += [
        (f"seed {seed!r}", ("numbers from 0",))
        for seed in suite.seeds
        if type(seed) is not int or seed < 0
    ]
    least = [("resamples", suite.resamples)]
    least += [(f"least_positives of data.{data.name}", data.least_positives) for data in suite.data]
    wrong += [(f"{name} {value}", ("numbers from 1",)) for name, value in least if value < 1]
    if suite.reference and suite.reference not in labels:
        wrong.append((f"reference {suite.reference!r}", tuple(labels)))
    if len(set(labels)) < len(labels):
        twice = next(label for label in labels if labels.count(label) > 1)
        raise UsageError(f"{where} has two methods called {twice!r}; give one another label.")
    if wrong:
        raise UsageError(
            f"{where}: {wrong[0][0]} means nothing; known are {', '.join(wrong[0][1])}."
        )
    axes = ("methods", "seeds", "shots", "conditions", "encoders")
    empty = [name for name in axes if not getattr(suite, name)]
    if empty:
        raise UsageError(f"{where} makes an empty grid; give {' and '.join(empty)}.")
