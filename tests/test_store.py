"""The store: what was acknowledged is there, whatever happened to the process that wrote it."""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fashiontag.errors import StoreError
from fashiontag.vectors import Known, VectorStore

MODEL = "a" * 16


def vectors(keys, dim=4):
    """Return vectors that can be told from each other: the key's number, then small parts."""
    return np.array([[int(key, 16) % 2048, *range(1, dim)] for key in keys], dtype=np.float32)


def key(number):
    return f"{number:032x}"


@pytest.fixture
def store(tmp_path):
    with VectorStore.open(tmp_path / "ws") as opened:
        yield opened


@pytest.fixture
def shard(store):
    return store.shard("image", MODEL)


batches = st.lists(
    st.tuples(
        st.sampled_from(["image", "text"]),
        st.sampled_from(["m1", "m2"]),
        st.lists(st.integers(0, 30), max_size=8),
        st.booleans(),
    ),
    max_size=12,
)


@given(batches)
@settings(max_examples=25, deadline=None)
def test_behaves_like_a_dict_that_never_overwrites(steps):
    model = {}
    with tempfile.TemporaryDirectory() as folder:
        store = VectorStore.open(Path(folder))
        for version, (kind, fingerprint, numbers, reopen) in enumerate(steps):
            keys = [key(number) for number in numbers]
            block = np.full((len(keys), 3), version, dtype=np.float32)
            block[:, 1] = range(len(keys))  # equal keys in one batch differ: the first wins
            rows = store.shard(kind, fingerprint).add(keys, block)
            for k, row, vector in zip(keys, rows, block, strict=True):
                kept = model.setdefault((kind, fingerprint, k), (row, vector))
                assert kept[0] == row
            if reopen:
                store.close()
                store = VectorStore.open(Path(folder))
        for kind in ("image", "text"):
            for fingerprint in ("m1", "m2"):
                keys = [key(number) for number in range(31)]
                shard = store.shard(kind, fingerprint)
                rows = shard.find(keys)
                asked = [(kind, fingerprint, k) for k in keys]
                assert [row >= 0 for row in rows] == [k in model for k in asked]
                there = [k for k in asked if k in model]
                got = shard.read(rows[rows >= 0])
                assert got.dtype == np.float16
                assert got.tolist() == [model[k][1].tolist() for k in there]
        store.close()


def test_rows_that_do_not_exist_are_refused(shard):
    shard.add([key(1)], vectors([key(1)]))
    for row in (-1, 1):  # numpy would read -1 as the last row
        with pytest.raises(IndexError):
            shard.read([row])


def test_another_length_under_one_fingerprint_is_refused(shard):
    shard.add([key(1)], np.ones((1, 4), dtype=np.float32))
    with pytest.raises(StoreError, match="4"):
        shard.add([key(2)], np.ones((1, 5), dtype=np.float32))
    assert shard.find([key(2)]).tolist() == [-1]


def test_padding_stands_where_there_is_no_row(shard):
    nothing = shard.padded(np.array([-1, -1]), 3)
    assert (nothing.dtype, nothing.tolist()) == (np.float32, [[0, 0, 0]] * 2)
    rows = shard.add([key(1)], np.array([[0.1, 2, 3]], dtype=np.float32))
    padded = shard.padded(np.array([-1, rows[0]]), 3)
    assert padded.tolist() == [[0, 0, 0], [float(np.float16(0.1)), 2, 3]]


def test_a_shard_sees_what_others_add_and_prune(shard, tmp_path):
    assert (shard.revision(), shard.matrix().shape) == (-1, (0, 0))
    with VectorStore.open(tmp_path / "ws") as other:
        other.shard("image", MODEL).add([key(1)], vectors([key(1)]))
        assert (shard.revision(), shard.find([key(1)]).tolist()) == (1, [0])
        assert shard.read([0])[0, 0] == 1
        other.prune(keep=())
        other.shard("image", MODEL).add([key(2)], vectors([key(2)]))
    assert (shard.revision(), shard.read([0])[0, 0]) == (2, 2)


def test_windows_are_kept_for_long_texts(store):
    titles = store.shard("text", MODEL)
    rows = titles.add([key(1), key(2)], np.ones((2, 3), dtype=np.float32), np.array([1, 3]))
    assert titles.windows(rows[::-1]).tolist() == [3, 1]


def test_a_matrix_is_a_view_that_nobody_can_write(shard):
    shard.add([key(1)], vectors([key(1)]))
    matrix = shard.matrix()
    shard.add([key(2)], vectors([key(2)]))
    assert (matrix.shape, shard.matrix().shape) == ((1, 4), (2, 4))
    with pytest.raises(ValueError, match="read-only"):
        matrix[0, 0] = 5


# -- files ----------------------------------------------------------------------------------------


def aged(path, seconds=60):
    os.utime(path, (time.time() - seconds,) * 2)
    return str(path)


def test_unchanged_files_are_known_and_changed_ones_are_not(store, tmp_path):
    good, bad = tmp_path / "good.jpg", tmp_path / "bad.jpg"
    for path in (good, bad):
        path.write_bytes(b"x")
        aged(path)
    store.remember(
        [
            (str(good), "1-100", Known("h1")),
            (str(bad), "1-100", Known("h0", "truncated file")),
            ("hf:set/train/0", "0", Known("h2")),
        ]
    )
    asked = [
        (str(bad), "1-100"),
        (str(good), "1-200"),
        ("never seen", "1"),
        (str(good), "1-100"),
        ("hf:set/train/0", "0"),
    ]
    assert store.contents(asked) == [
        Known("h0", "truncated file"),
        None,
        None,
        Known("h1"),
        Known("h2"),
    ]


def test_a_file_written_a_moment_ago_is_read_again_next_time(store, tmp_path):
    """Its time may be too coarse to show a second write within the same tick."""
    fresh = tmp_path / "fresh.jpg"
    fresh.write_bytes(b"x")
    store.remember([(str(fresh), "1-100", Known("h1"))])
    assert store.contents([(str(fresh), "1-100")]) == [None]


def test_a_file_that_could_not_be_opened_is_tried_again(store):
    """`chmod` mends it and leaves size and time as they were."""
    store.remember([("/x/a.jpg", "1-100", Known(None, "no permission"))])
    assert store.contents([("/x/a.jpg", "1-100")]) == [None]


def test_an_error_is_forgotten_when_the_decoders_change(store, monkeypatch):
    store.remember([("a", "1", Known("h0", "no decoder for HEIC")), ("b", "1", Known("h"))])
    monkeypatch.setattr("fashiontag.vectors.store._decoders", lambda: "pillow 99")
    assert store.contents([("a", "1"), ("b", "1")]) == [None, Known("h")]


def test_a_file_name_that_is_not_utf8_is_a_key_like_any_other(store):
    odd = os.fsdecode(b"/x/caf\xe9.jpg")
    store.remember([(odd, "1", Known("h"))])
    assert store.contents([(odd, "1"), ("/x/caf.jpg", "1")]) == [Known("h"), None]


# -- accidents ------------------------------------------------------------------------------------

WRITER = """
import sys
from pathlib import Path
sys.path[:0] = [sys.argv[3]]
from test_store import key, vectors, MODEL
from fashiontag.vectors import VectorStore

store = VectorStore.open(Path(sys.argv[1]))
start = int(sys.argv[2])
for first in range(start, start + 1400, 7):
    keys = [key(n) for n in range(first, first + 7)]
    store.shard("image", MODEL).add(keys, vectors(keys, 64))
    sys.stdout.write(f"{first}\\n")
    sys.stdout.flush()
"""


def writer(workspace, start):
    return subprocess.Popen(
        [sys.executable, "-c", WRITER, str(workspace), str(start), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        text=True,
    )


def check(workspace, acknowledged):
    keys = [key(n) for first in acknowledged for n in range(first, first + 7)]
    with VectorStore.open(workspace) as store:
        shard = store.shard("image", MODEL)
        rows = shard.find(keys)
        assert (rows >= 0).all()
        assert len(set(rows.tolist())) == len(set(keys))
        assert (shard.read(rows) == vectors(keys, 64).astype(np.float16)).all()


def test_a_writer_killed_at_any_moment_leaves_every_acknowledged_row(tmp_path):
    acknowledged = []
    for moment in (0.0, 0.003, 0.011, 0.029, 0.05):
        process = writer(tmp_path, 0)
        acknowledged.append(int(process.stdout.readline()))  # it has begun: no kill of imports
        time.sleep(moment)
        process.send_signal(signal.SIGKILL)
        lines = process.stdout.read().split("\n")
        process.wait()
        acknowledged += [int(line) for line in lines[:-1]]
        check(tmp_path, acknowledged)
    assert len(acknowledged) > 5


def test_two_writers_at_once_lose_nothing(tmp_path):
    """Their ranges overlap by half, and both create the workspace."""
    both = [writer(tmp_path / "ws", start) for start in (0, 353)]
    acknowledged = []
    for process in both:
        acknowledged += [int(line) for line in process.communicate(timeout=120)[0].split()]
        assert process.returncode == 0
    check(tmp_path / "ws", acknowledged)
    with VectorStore.open(tmp_path / "ws") as store:
        assert store.status().shards[0].rows == max(acknowledged) + 7


def test_bytes_of_a_killed_writer_are_overwritten(tmp_path):
    with VectorStore.open(tmp_path) as store:
        store.shard("image", MODEL).add([key(1)], vectors([key(1)]))
    (shard,) = (tmp_path / "vectors").iterdir()
    with shard.open("ab") as file:
        file.write(b"\x7f" * 13)  # not even a whole row
    with VectorStore.open(tmp_path) as store:
        rows = store.shard("image", MODEL).add([key(2), key(3)], vectors([key(2), key(3)]))
        assert rows.tolist() == [1, 2]
        assert store.shard("image", MODEL).matrix()[:, 0].tolist() == [1, 2, 3]


def test_a_vector_file_cut_short_is_said_not_read(tmp_path):
    with VectorStore.open(tmp_path) as store:
        store.shard("image", MODEL).add([key(1), key(2)], vectors([key(1), key(2)]))
    (shard,) = (tmp_path / "vectors").iterdir()
    os.truncate(shard, 5)
    with VectorStore.open(tmp_path) as store:
        with pytest.raises(StoreError, match="shorter"):
            store.shard("image", MODEL).read([0])
        with pytest.raises(StoreError, match="shorter"):
            store.shard("image", MODEL).add([key(3)], vectors([key(3)]))


FULL_DISK = """
import resource, sys
from pathlib import Path
import numpy as np
from fashiontag.errors import StoreError
from fashiontag.vectors import VectorStore

store = VectorStore.open(Path(sys.argv[1]))
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
done = 0
try:
    while done < 400:
        store.shard("image", "m").add([f"{done:032x}"], np.full((1, int(sys.argv[3])), done))
        done += 1
except StoreError as error:
    assert store.shard("image", "m").find([f"{done:032x}"]).tolist() == [-1]
    sys.stdout.write(f"{done}\\n{error}")
"""


@pytest.mark.parametrize(
    ("limit", "dim"),
    [(120_000, 20_000), (120_000, 4)],
    ids=["in the vectors", "in the database"],
)
def test_a_full_disk_is_one_sentence_and_no_damage(tmp_path, limit, dim):
    ran = subprocess.run(
        [sys.executable, "-c", FULL_DISK, str(tmp_path), str(limit), str(dim)],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    done, message = ran.stdout.split("\n")
    assert int(done) > 0
    assert message.startswith(f"The workspace {tmp_path} can't be written (")
    assert message.endswith(".")
    with VectorStore.open(tmp_path) as store:
        rows = store.shard("image", "m").find([key(n) for n in range(int(done) + 1)])
        assert rows.tolist() == [*range(int(done)), -1]
        assert store.shard("image", "m").read(rows[:-1])[:, 0].tolist() == list(range(int(done)))
        assert store.shard("image", "m").add(["x"], np.ones((1, dim))).tolist() == [int(done)]


def test_a_workspace_that_cannot_be_made_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreError, match="--workspace"):
        VectorStore.open(tmp_path / "file" / "ws")
    (tmp_path / "ws").mkdir()
    (tmp_path / "ws" / "store.sqlite").write_text("no database, " * 100)
    with pytest.raises(StoreError, match=r"not a database.*delete store.sqlite"):
        VectorStore.open(tmp_path / "ws")


def test_a_newer_format_is_refused(tmp_path):
    import sqlite3

    VectorStore.open(tmp_path).close()
    with contextlib.closing(sqlite3.connect(tmp_path / "store.sqlite")) as database:
        database.execute("PRAGMA user_version = 9")
    with pytest.raises(StoreError, match="format 9"):
        VectorStore.open(tmp_path)


def test_status_names_models_and_prune_drops_the_others(store, tmp_path):
    gone = aged_file(tmp_path / "gone.jpg")
    here = aged_file(tmp_path / "here.jpg")
    store.remember([(gone, "1", Known("a")), (here, "1", Known("b")), ("hf:s/t/0", "", Known("c"))])
    Path(gone).unlink()
    for model in ("old", "new"):
        store.name_model(model, f"Model {model}")
        store.shard("image", model).add([key(1), key(2)], vectors([key(1), key(2)]))
    status = store.status()
    assert [(s.kind, s.model, s.rows, s.bytes) for s in status.shards] == [
        ("image", "Model new", 2, 16),
        ("image", "Model old", 2, 16),
    ]
    assert status.files == 3
    pruned = store.prune(keep={"new"})
    assert (pruned.vectors, pruned.files) == (2, 1)
    assert store.shard("image", "old").find([key(1)]).tolist() == [-1]
    assert store.shard("image", "new").read([1])[0, 0] == 2
    assert [path.name for path in (tmp_path / "ws" / "vectors").iterdir()] == ["0002.f16"]
    old = store.shard("image", "old")
    old.add([key(9)], vectors([key(9)]))  # a file of its own, not the old one
    assert old.read([0])[0, 0] == 9


def aged_file(path):
    path.write_bytes(b"x")
    return aged(path)
