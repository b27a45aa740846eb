"""Runs on Ray: the same rows as here, a file a shard, whatever is killed meanwhile."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from fakes import ColorEncoder, color_picture

from fashiontag.catalog import read_catalog
from fashiontag.errors import CatalogError, UsageError
from fashiontag.labels import load_labels
from fashiontag.sinks.shards import Folder, read_facts, read_rows
from fashiontag.workflows import cluster
from fashiontag.workflows.tag import Outputs, tag
from fashiontag.workspace import Workspace
from fashiontag.workspace.decisions import Choice, Decisions

COLORS = ("red", "green", "blue", "yellow", "purple", "teal", "white", "black")
EXAMPLES = Path(__file__).parents[1] / "examples" / "catalog"


@pytest.fixture
def shop(tmp_path):
    """40 pictures of 40 colours; every other one has a title."""
    rows = ["file,title,price"]
    for number in range(40):
        shade = tuple(int(value) for value in np.random.default_rng(number).integers(0, 255, 3))
        color_picture(tmp_path / "shop" / f"{number:02d}.png", shade)
        rows.append(f"{number:02d}.png,{COLORS[number % 8] if number % 2 else ''} thing,{number}")
    (tmp_path / "titles.csv").write_text("\n".join(rows) + "\n", "utf-8")
    (tmp_path / "labels.toml").write_text(
        "[groups.color]\nlabels = [" + ", ".join(f'"{name}"' for name in COLORS) + "]\n", "utf-8"
    )
    return tmp_path


def catalog_of(shop):
    return read_catalog(str(shop / "shop"), str(shop / "titles.csv"))


def recipe_of(shop, catalog=None, **changes):
    wanted = {"workspace": shop / "none", "probe": None, "out": str(shop / "run"), "shards": 4}
    space = load_labels(str(shop / "labels.toml"))
    return cluster.recipe_for(
        ColorEncoder, catalog or catalog_of(shop), space, **(wanted | changes)
    )


def make(recipe, catalog):
    for shard in cluster.shards_of(recipe, catalog.items):
        cluster.make_shard(shard, recipe, ColorEncoder())


def rows_of(place):
    return {
        row["id"]: row
        for path in sorted(Path(place).glob("part-*"))
        for row in pq.read_table(path).to_pylist()
    }


def test_shards_hold_what_a_run_here_writes(shop):
    catalog = catalog_of(shop)
    make(recipe_of(shop), catalog)
    with Workspace.open(shop / "work", ColorEncoder()) as workspace:
        table = shop / "tags.parquet"
        tag(workspace, catalog, load_labels(str(shop / "labels.toml")), outputs=Outputs(table))
        here = {row["id"]: row for row in pq.read_table(table).to_pylist()}
        shards = rows_of(shop / "run")
        assert shards.keys() == here.keys()
        for key, row in here.items():
            assert {name: shards[key][name] for name in row} == row
        keys = [row["picture"] for row in shards.values()]
        stored = workspace.images.read(workspace.images.find(keys))
        written = np.array([row["image"] for row in shards.values()], np.float16)
        assert (np.abs(stored.view(np.int16) - written.view(np.int16)) <= 1).all()
        assert sum(row["text"] is not None for row in shards.values()) == 40
    folder = Folder(str(shop / "run"))
    assert sum(read_facts(folder, name).rows for name in folder.names()) == 40
    first = next(read_rows(folder, folder.names()[0]))[0]
    assert first["image"].shape == (4,)
    assert json.loads(first["fields"])["price"] == str(int(first["id"][:2]))


def test_a_shard_is_a_function_of_itself_alone(shop):
    catalog = catalog_of(shop)
    recipe = recipe_of(shop)
    make(recipe, catalog)
    once = {path.name: path.read_bytes() for path in (shop / "run").iterdir()}
    shutil.rmtree(shop / "run")
    encoder, head = ColorEncoder(), None
    for shard in reversed(cluster.shards_of(recipe, catalog.items)):
        _, head = cluster.make_shard(shard, recipe, encoder, head)
    assert {path.name: path.read_bytes() for path in (shop / "run").iterdir()} == once


def test_products_are_rows_as_in_a_run_here(shop):
    catalog = catalog_of(shop)
    items = tuple(
        cluster.replace(item, product=f"p{number % 13}", variants=(str(number % 2),))
        for number, item in enumerate(catalog.items)
    )
    for by in ("product", "variant"):
        units = cluster.replace(catalog, items=items, by=by)
        make(recipe_of(shop, units, out=str(shop / by)), units)
        table = shop / f"{by}.parquet"
        with Workspace.open(shop / "work", ColorEncoder()) as workspace:
            tag(workspace, units, load_labels(str(shop / "labels.toml")), outputs=Outputs(table))
        here = {row["id"]: row for row in pq.read_table(table).to_pylist()}
        shards = rows_of(shop / by)
        assert len(here) == {"product": 13, "variant": 26}[by]
        assert shards.keys() == here.keys()
        for key, row in here.items():
            assert {name: shards[key][name] for name in row} == row
        first = shards[min(shards)]
        assert first["photos"] > 1
        assert first["image"] is not None


def test_a_tables_own_ids_are_columns_of_shards_too(shop):
    rows = ["sku,file,title"] + [f"SKU{n},shop/{n:02d}.png,thing {n}" for n in range(40)]
    (shop / "titles.csv").write_text("\n".join(rows) + "\n", "utf-8")
    catalog = read_catalog(str(shop / "titles.csv"))
    make(recipe_of(shop, catalog), catalog)
    table = shop / "tags.parquet"
    with Workspace.open(shop / "work", ColorEncoder()) as workspace:
        tag(workspace, catalog, load_labels(str(shop / "labels.toml")), outputs=Outputs(table))
    here, shards = pq.read_table(table), rows_of(shop / "run")
    assert catalog.keys
    assert {*catalog.keys} < {*here.column_names}
    for row in here.to_pylist():
        assert {name: shards[row["id"]][name] for name in row} == row


def test_what_a_person_decided_holds_on_every_machine(shop):
    catalog = catalog_of(shop)
    with Decisions.open(shop / "work") as decisions:
        decisions.record([Choice(catalog.root, "03.png", "color", ("teal",))], by="ann")
    make(recipe_of(shop, workspace=shop / "work"), catalog)
    assert rows_of(shop / "run")["03.png"]["color"] == "teal"


def test_a_delta_encodes_what_is_new_and_marks_what_is_gone(shop):
    make(recipe_of(shop), catalog_of(shop))
    (shop / "shop" / "07.png").unlink()
    color_picture(shop / "shop" / "90.png", (9, 90, 9))
    old = time.time() - 100
    for path in (shop / "shop").iterdir():
        os.utime(path, (old, old))
    make(recipe_of(shop), catalog_of(shop))  # times of change are others: pictures are read again
    catalog, encoder = catalog_of(shop), ColorEncoder()
    color_picture(shop / "shop" / "91.png", (9, 90, 200))
    catalog = catalog_of(shop)
    recipe = recipe_of(shop)
    facts = Folder(str(shop / "run"))
    for shard in cluster.shards_of(recipe, catalog.items):
        name = cluster.part_name(shard.number, 4)
        if read_facts(facts, name).made_of != shard.made_of:
            cluster.make_shard(shard, recipe, encoder)
    assert encoder.images_seen == 1
    rows = rows_of(shop / "run")
    assert rows["91.png"]["status"] == "ok"
    assert len([row for row in rows.values() if row["status"] == "ok"]) == 41
    gone = rows.get("07.png")
    assert gone is None or (gone["status"], gone["image"], gone["tags"]) == ("gone", None, [])


def test_gone_rows_are_marked_once(shop):
    make(recipe_of(shop), catalog_of(shop))
    (shop / "shop" / "07.png").unlink()
    make(recipe_of(shop), catalog_of(shop))
    rows = rows_of(shop / "run")
    assert (rows["07.png"]["status"], rows["07.png"]["tags"]) == ("gone", [])
    assert rows["07.png"]["image"] is None
    make(recipe_of(shop), catalog_of(shop))
    assert "07.png" not in rows_of(shop / "run")


def test_a_table_is_no_place_for_shards(shop):
    with pytest.raises(UsageError, match="give --out DIR or an"):
        recipe_of(shop, out="tags.csv")


def test_another_number_of_shards_is_refused(shop):
    make(recipe_of(shop), catalog_of(shop))
    with pytest.raises(UsageError, match="another number of shards"):
        cluster.run_on_ray(recipe_of(shop, shards=5), catalog_of(shop))


def test_without_ray_the_command_says_what_to_install(shop, monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(UsageError, match=r"pip install 'fashiontag\[ray\]'"):
        cluster.run_on_ray(recipe_of(shop), catalog_of(shop))


@dataclass(frozen=True)
class Poison:
    """A picture that ends whoever reads it; ``after`` counts the times that it lets live."""

    locator: str

    def stamp(self):
        return "1:1"

    def read(self):
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.slow
def test_poison_costs_its_own_item_and_the_rows_are_the_same(shop, monkeypatch):
    """A minute of starting processes."""
    pytest.importorskip("ray", reason="the extra [ray] isn't installed")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    catalog = catalog_of(shop)
    bad = catalog.items[11]
    items = tuple(
        cluster.replace(item, image=Poison(item.image.locator)) if item is bad else item
        for item in catalog.items
    )
    poisoned = cluster.replace(catalog, items=items)
    recipe = recipe_of(shop, poisoned, out=str(shop / "poisoned"))
    summary = cluster.run_on_ray(recipe, poisoned, workers=2)
    assert (summary.ok, summary.errors, summary.made) == (39, 1, 4)
    make(recipe_of(shop), catalog)
    rows, healthy = rows_of(shop / "poisoned"), rows_of(shop / "run")
    assert rows[bad.id]["message"].startswith("its picture ends the process")
    assert rows.keys() == healthy.keys()
    for key in rows.keys() - {bad.id}:
        assert rows[key]["tags"] == healthy[key]["tags"]


@pytest.fixture
def ray_address():
    """The address of a cluster of two processors, on which other processes can run."""
    ray = pytest.importorskip("ray", reason="the extra [ray] isn't installed")
    ray.init(num_cpus=2, include_dashboard=False, object_store_memory=128 << 20)
    yield ray.get_runtime_context().gcs_address
    ray.shutdown()


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_killed_at_any_moment_no_shard_is_lost_or_other(tmp_path, ray_address):
    """Drivers and workers are killed ten times each, after each number of shards; five minutes."""
    psutil = pytest.importorskip("psutil")
    rng = np.random.default_rng(7)

    def run(out):
        return subprocess.Popen(
            [sys.executable, "-m", "fashiontag", "tag", EXAMPLES,
             "--titles", EXAMPLES / "titles.csv", "--out", out, "--workspace", tmp_path / "w",
             "--engine", "ray", "--ray-address", ray_address, "--shards", "6", "--quiet"],
        )  # fmt: skip

    def files(out):
        return {path.name: path.read_bytes() for path in out.glob("[!.]*")}

    def workers():
        names = {child: child.name() for child in psutil.Process().children(recursive=True)}
        return [child for child, name in names.items() if name.startswith("ray::Worker")]

    def struck(turn, out, kill):
        """Kill when a number of shards are there, or a worker is; tell whether it came in time."""
        process = run(out)
        while process.poll() is None and (len(files(out)) < turn % 6 or not workers()):
            time.sleep(0.01)
        time.sleep(float(rng.uniform(0, 0.2)))
        in_time = process.poll() is None
        kill(process)
        return process, in_time

    assert run(tmp_path / "whole").wait() == 0
    whole = files(tmp_path / "whole")
    assert len(whole) == 7
    hits = 0
    for turn in range(10):
        out = tmp_path / f"driver{turn}"
        process, in_time = struck(turn, out, subprocess.Popen.kill)
        hits += in_time
        process.wait()
        assert {**whole, **files(out)} == whole
        assert run(out).wait() == 0
        assert files(out) == whole
        assert not [*out.glob(".*")]
    for turn in range(10):
        out = tmp_path / f"worker{turn}"
        process, in_time = struck(turn, out, lambda _: [child.kill() for child in workers()[:1]])
        hits += in_time
        assert process.wait() == 0
        assert files(out) == whole
        assert not [*out.glob(".*")]
    assert hits > 15


def test_everything_is_pickled_by_itself(shop):
    """What travels to workers holds no open file and no lock."""
    import pickle

    recipe = recipe_of(shop)
    again = pickle.loads(pickle.dumps(recipe))
    assert again.digest() == recipe.digest()
    assert isinstance(partial(again.encoder)(), ColorEncoder)


def test_a_foreign_parquet_is_no_shard(shop):
    (shop / "run").mkdir()
    pq.write_table(pa.table({"a": [1]}), shop / "run" / "part-00000-of-00004.parquet")
    with pytest.raises(CatalogError, match="is no file of a run"):
        cluster.run_on_ray(recipe_of(shop), catalog_of(shop))
