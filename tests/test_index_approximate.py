"""FAISS proposes, exact comparison decides; what was added or deleted a moment ago is true."""

import dataclasses
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashiontag.index import InvertedFile, Part, Placement, made_of, nearest, refresh
from fashiontag.index import approximate as module

near = sys.modules["fashiontag.index.nearest"]  # its name is the function's
N, D = 3000, 16


def unit(array):
    return (array / np.linalg.norm(array, axis=-1, keepdims=True)).astype(np.float32)


@pytest.fixture(scope="module")
def matrix():
    random = np.random.default_rng(0)
    centres = random.normal(size=(60, D))
    return unit(centres[random.integers(0, 60, N)] + 0.6 * random.normal(size=(N, D))).astype(
        np.float16
    )


@pytest.fixture(scope="module")
def queries():
    return unit(np.random.default_rng(1).normal(size=(40, D)))


@pytest.fixture(autouse=True)
def few(monkeypatch):
    monkeypatch.setattr(near, "FEW", 50)


def renew(folder, matrix, rows, queries, mean=None, revision=1, **given):
    bound = made_of(revision, D, mean)
    return refresh(
        folder, bound, matrix, mean, np.asarray(rows), queries, **({"worth": 0, "tail": 0} | given)
    )


def opened(folder, rows, mean=None, revision=1):
    return InvertedFile.open(folder, made_of(revision, D, mean), np.asarray(rows))


def search(matrix, rows, query, folder=None, k=10, mean=None, **given):
    """Search n items with these rows, through FAISS if there is a folder; return positions."""
    rows = np.asarray(rows)
    own = -np.arange(1, len(rows) + 1)
    none = np.full(len(rows), -1)
    place = Placement(np.arange(len(rows)), own, own, rows, none)
    orders = place.orders()
    place = dataclasses.replace(place, kin=orders[:2])
    proposer = opened(folder, rows, mean) if folder else None
    part = Part(matrix, rows, query, mean, 1.0, proposer, orders[2])
    return nearest(place, [part], k, **given).positions.tolist()


def agreement(matrix, rows, queries, folder, **given):
    same = [
        len(set(search(matrix, rows, q, folder, **given)) & set(search(matrix, rows, q, **given)))
        for q in queries
    ]
    return sum(same) / (10 * len(queries))


@pytest.mark.parametrize("mean", [None, np.full(D, 0.1, dtype=np.float32)])
def test_recall_is_measured_and_held(tmp_path, matrix, queries, mean):
    rows = np.arange(N)
    done = renew(tmp_path, matrix, rows, queries[:20], mean)
    manifest = opened(tmp_path, rows, mean).manifest
    assert (done, manifest.rows) == ("built", N)
    assert manifest.recall >= module.WANTED_RECALL
    assert manifest.probes < manifest.lists
    assert (manifest.queries, manifest.faiss) == (20, __import__("faiss").__version__)
    assert agreement(matrix, rows, queries[20:], tmp_path, mean=mean) >= 0.95


def test_what_came_after_is_found_before_any_refresh(tmp_path, matrix, queries):
    renew(tmp_path, matrix, np.arange(2000), queries)
    rows = np.arange(N)
    assert opened(tmp_path, rows).tail.tolist() == list(range(2000, N))
    for row in (2000, N - 1):
        assert search(matrix, rows, matrix[row].astype(np.float32), tmp_path, k=1) == [row]
    assert renew(tmp_path, matrix, rows, queries, tail=1000) == ""
    assert renew(tmp_path, matrix, rows, queries, tail=999) == "added"
    after = opened(tmp_path, rows)
    assert (len(after.tail), after.manifest.rows, after.manifest.built_for) == (0, N, 2000)
    assert agreement(matrix, rows, queries, tmp_path) >= 0.95


def test_what_is_gone_is_never_proposed(tmp_path, matrix, queries):
    renew(tmp_path, matrix, np.arange(N), queries)
    rows = np.arange(0, N, 3)
    for query in queries:
        proposed = opened(tmp_path, rows).search(query, 100)
        assert len(proposed) == 100
        assert (proposed % 3 == 0).all()
    assert renew(tmp_path, matrix, rows, queries) == "built"  # most of it is dead
    assert opened(tmp_path, np.arange(N)).tail.tolist() == [n for n in range(N) if n % 3]


def test_rows_are_added_to_one_file_and_what_went_before_is_swept(tmp_path, matrix, queries):
    did = [renew(tmp_path, matrix, np.arange(2000 + 100 * step), queries) for step in range(10)]
    assert did == ["built", *["added"] * 9]
    manifest = opened(tmp_path, np.arange(2900)).manifest
    assert {path.name for path in tmp_path.iterdir()} == {
        "lock", "manifest.json", manifest.file, manifest.file + ".npy",
    }  # fmt: skip
    assert agreement(matrix, np.arange(2900), queries, tmp_path) >= 0.95


def test_a_file_that_was_swept_before_it_was_read_is_done_without(tmp_path, matrix, queries):
    rows = np.arange(N)
    renew(tmp_path, matrix, rows, queries)
    opened(tmp_path, rows).path.unlink()
    assert agreement(matrix, rows, queries, tmp_path) == 1


def test_lists_are_learnt_anew_when_the_catalogue_has_doubled(tmp_path, matrix, queries):
    renew(tmp_path, matrix, np.arange(1000), queries)
    assert renew(tmp_path, matrix, np.arange(2000), queries) == "added"
    assert renew(tmp_path, matrix, np.arange(2001), queries) == "built"


def test_another_model_store_or_mean_is_not_answered_from(tmp_path, matrix, queries):
    rows = np.arange(N)
    renew(tmp_path, matrix, rows, queries)
    assert opened(tmp_path, rows) is not None
    assert opened(tmp_path, rows, revision=2) is None
    assert opened(tmp_path, rows, mean=np.zeros(D, np.float32)) is None
    (tmp_path / "manifest.json").write_text('{"format": 99}')
    assert opened(tmp_path, rows) is None
    assert opened(tmp_path / "nothing", rows) is None


def test_a_small_catalogue_writes_nothing(tmp_path, matrix, queries):
    assert renew(tmp_path / "new", matrix, np.arange(N), queries, worth=N * D + 1) == ""
    assert not (tmp_path / "new").exists()


def test_a_wide_filter_is_applied_by_faiss_and_a_narrow_one_exactly(tmp_path, matrix, queries):
    rows = np.arange(N)
    renew(tmp_path, matrix, rows, queries)
    among = np.arange(1, N, 2)
    assert agreement(matrix, rows, queries, tmp_path, among=among) >= 0.95
    some = np.array([5, 17, 1999])
    for query in queries:
        assert search(matrix, rows, query, tmp_path, among=some) == search(
            matrix, rows, query, among=some
        )


def test_a_title_that_has_the_words_is_proposed_however_far_its_vector(tmp_path, matrix, queries):
    rows = np.arange(N)
    renew(tmp_path, matrix, rows, queries)
    far = int(np.argmin(matrix.astype(np.float32) @ queries[0]))
    words = np.zeros(N, np.float32)
    words[far] = 0.99
    found = search(matrix, rows, queries[0], tmp_path, words=words)
    assert found == search(matrix, rows, queries[0], words=words)
    assert far in found
    assert far not in search(matrix, rows, queries[0], tmp_path)


def test_auto_cuts_where_it_does_without_faiss(tmp_path, matrix):
    rows = np.arange(N)
    query = matrix[7].astype(np.float32)
    renew(tmp_path, matrix, rows, query[None])
    assert search(matrix, rows, query, tmp_path, floor="auto") == search(
        matrix, rows, query, floor="auto"
    )


def test_what_folds_is_counted_over_everything(tmp_path, matrix, queries):
    rows = np.arange(N)
    renew(tmp_path, matrix, rows, queries)
    families, own = rows % 40, -rows - 1
    place = Placement(rows, families, own, rows, np.full(N, -1))
    orders = place.orders()
    place = dataclasses.replace(place, kin=orders[:2])
    query = matrix[3].astype(np.float32)
    part = Part(matrix, rows, query, None, 1.0, opened(tmp_path, rows), orders[2])
    found = nearest(place, [part], 5)
    assert found.folded.tolist() == [N / 40 - 1] * 5
    assert len(set(families[found.positions])) == 5


@given(st.lists(st.lists(st.integers(0, 299), max_size=300, unique=True), min_size=1, max_size=5))
@settings(max_examples=25, deadline=None)
def test_after_any_sequence_exactly_the_items_are_found(tmp_path_factory, matrix, states):
    """However FAISS's files follow, asking for everything gives everything there is, once."""
    folder = tmp_path_factory.mktemp("neighbours")
    for number, rows in enumerate(states):
        if number % 2 == 0:
            renew(folder, matrix, np.array(rows, dtype=np.int64), matrix[:3].astype(np.float32))
        if not rows:
            continue
        file = opened(folder, np.array(rows))
        if file is not None:
            proposed = file.search(matrix[0].astype(np.float32), 400, probes=file.manifest.lists)
            assert sorted(proposed.tolist()) == sorted(rows)


KILLED = """
import sys
import numpy as np
from pathlib import Path
from fashiontag.index import made_of, refresh
matrix = np.load(sys.argv[2])
for rows in range(1000, 3001, 50):
    refresh(Path(sys.argv[1]), made_of(1, 16, None), matrix, None, np.arange(rows),
            matrix[:5].astype(np.float32), worth=0, tail=0)
    print(rows, flush=True)
"""


def test_a_killed_refresh_leaves_one_state_or_the_next(tmp_path, matrix, queries):
    np.save(tmp_path / "matrix.npy", matrix)
    folder = tmp_path / "neighbours"
    for wait in (0.0, 0.02, 0.05):
        child = subprocess.Popen(
            [sys.executable, "-c", KILLED, str(folder), str(tmp_path / "matrix.npy")],
            stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        last = int(child.stdout.readline())
        time.sleep(wait)
        os.kill(child.pid, signal.SIGKILL)
        last = int((child.stdout.read().split() or [last])[-1])
        child.wait()
        assert opened(folder, np.arange(N)).manifest.rows >= last
        assert agreement(matrix, np.arange(N), queries[:5], folder) >= 0.9
    renew(folder, matrix, np.arange(N), queries)
    manifest = json.loads((folder / "manifest.json").read_text())
    assert [path.name for path in folder.glob("*.faiss")] == [manifest["file"]]
    assert not list(folder.glob("part-*"))
