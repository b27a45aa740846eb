"""Addresses: what lies in an object store is read and written as what lies on a disk is.

`file://` stands for a store in most tests. A real S3 protocol needs moto, which wants an older
python-dateutil than the one that is pinned here: with `moto_server` on the PATH (5.2, from an
environment of its own) the last test runs against it.
"""

import csv
import os
import shlex
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from fakes import color_picture

from fashiontag.catalog import read_catalog
from fashiontag.cli import run
from fashiontag.errors import CatalogError, ImageError, UsageError
from fashiontag.objects import ObjectRef, is_address, refs
from fashiontag.sinks.shards import Folder

ROOT = Path(__file__).parents[1]
EXAMPLES = ROOT / "examples" / "catalog"


@pytest.fixture
def store(tmp_path):
    place = tmp_path / "store"
    for number, color in enumerate(("red", "green", "blue")):
        color_picture(place / "photos" / "deep er" / f"{number} ü#%41.png", color)
    shutil.copy(place / "photos" / "deep er" / "0 ü#%41.png", place / "photos" / "bare")
    (place / "photos" / ".hidden.png").write_bytes(b"")
    (place / "photos" / "clip.mov").write_bytes(b"x")
    (place / "titles.csv").write_text("file,title\nbare,a red thing\n", "utf-8")
    return f"file://{place}"


def test_what_is_an_address():
    assert [*map(is_address, ("s3://a/b", "gs://a", "abfs://a/b", "file:///a"))] == [True] * 4
    assert not any(map(is_address, ("hf:a", "https://a/b", "a/b", "C:/a", "")))


def test_a_folder_in_a_store_gives_the_ids_of_one_on_a_disk(store):
    there = read_catalog(f"{store}/photos/", f"{store}/titles.csv")
    here = read_catalog(store[7:] + "/photos", store[7:] + "/titles.csv")
    assert [(i.id, i.title) for i in there.items] == [(i.id, i.title) for i in here.items]
    assert [i.image.read() for i in there.items] == [i.image.read() for i in here.items]
    assert all(item.image.stamp() for item in there.items)
    assert there.complete
    assert there.warnings == (f"{store}/photos/: 1 files are no pictures: .mov (1).",)


def test_a_table_names_pictures_at_addresses_and_beside_itself(store, tmp_path):
    rows = f"sku,image\n1,photos/bare\n2,{store}/photos/deep er/1 ü#%41.png\n3,photos/none.png\n"
    (tmp_path / "store" / "items.csv").write_text(rows, "utf-8")
    items = read_catalog(f"{store}/items.csv").items
    assert [item.id for item in items] == ["1", "2", "3"]
    assert items[1].image.read().startswith(b"\x89PNG")
    assert items[0].image.stamp()
    with pytest.raises(ImageError, match="no such file"):
        items[2].image.read()
    local = tmp_path / "items.csv"
    local.write_text(f"sku,image\n1,{store}/photos/bare\n", "utf-8")
    assert read_catalog(str(local)).items[0].image == refs([f"{store}/photos/bare"])[0]


def test_what_is_wrong_is_a_sentence_that_names_the_address(store, tmp_path):
    with pytest.raises(UsageError, match="There is no file:///nowhere/photos"):
        read_catalog("file:///nowhere/photos")
    with pytest.raises(UsageError, match=r"There is no file:///nowhere\.csv"):
        read_catalog(f"{store}/photos", "file:///nowhere.csv")
    (tmp_path / "store" / "empty.csv").write_text("", "utf-8")
    with pytest.raises(CatalogError, match=f"^{store}/empty.csv is empty"):
        read_catalog(f"{store}/photos", f"{store}/empty.csv")
    with pytest.raises(UsageError, match=r"pip install 'fashiontag\[cloud\]'"):
        read_catalog("abfs://bucket/photos")
    with pytest.raises(UsageError, match="Nothing here reads nonsense://"):
        read_catalog("nonsense://bucket/photos")
    with pytest.raises(ImageError, match="no such file"):
        ObjectRef(f"{store}/none").read()


def test_a_table_at_an_address_is_whole_and_guarded(store, tmp_path, capsys):
    out = tmp_path / "store" / "tags.csv"
    command = ["tag", f"{store}/photos", "--titles", f"{store}/titles.csv", "--out"]
    command += [f"{store}/tags.csv", "--workspace", str(tmp_path / "work")]
    assert run(command, debug=False) == 0
    assert next(row["id"] for row in csv.DictReader(out.open())) == "bare"
    assert run(command, debug=False) == 0
    assert "nothing changed" in capsys.readouterr().out
    out.write_text(out.read_text("utf-8").replace("ok", "OK"), "utf-8")
    before = out.read_bytes()
    assert run(command, debug=False) == 1
    assert out.read_bytes() == before
    assert run([*command, "--overwrite"], debug=False) == 0
    names = sorted(path.name for path in out.parent.iterdir())
    assert names == [
        "photos",
        "tags.csv",
        "titles.csv",
    ]


def test_a_file_of_a_folder_is_put_in_place_whole(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    folder = Folder(str(tmp_path / "new" / "run"))
    assert folder.names() == []
    folder.put("x", tmp_path / "a")
    (tmp_path / "a").write_bytes(b"two")
    folder.put("x", tmp_path / "a")
    assert (folder.names(), folder.read("x")) == (["x"], b"two")
    assert os.listdir(tmp_path / "new" / "run") == ["x"]  # noqa: PTH208


def test_importing_loads_no_store_and_no_engine():
    names = ["pyarrow", "fsspec", "ray", "qdrant_client", "qdrant_edge"]
    for code in (
        "import fashiontag",
        "from fashiontag.cli import run; run(['push', '--help'], debug=1)",
    ):
        probe = f"import sys\n{code}\nprint([m for m in {names!r} if m in sys.modules])"
        done = subprocess.run([sys.executable, "-c", probe], capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.slow
def test_the_walk_of_the_guide(tmp_path):
    """Tag on Ray, push, search: each in a process of its own, half a minute."""
    pytest.importorskip("ray", reason="the extra [ray] isn't installed")
    pytest.importorskip("qdrant_client", reason="the extra [qdrant] isn't installed")
    from qdrant_standin import Standin

    server = Standin()
    shutil.copytree(EXAMPLES, tmp_path / "shop" / "photos")
    shutil.move(tmp_path / "shop" / "photos" / "titles.csv", tmp_path / "shop" / "titles.csv")
    _walk(tmp_path, f"file://{tmp_path}/shop", server, {})
    server.shutdown()


@pytest.mark.slow
@pytest.mark.skipif(not shutil.which("moto_server"), reason="there is no moto_server on the PATH")
def test_the_walk_of_the_guide_on_s3(tmp_path, monkeypatch):
    pytest.importorskip("ray", reason="the extra [ray] isn't installed")
    pytest.importorskip("qdrant_client", reason="the extra [qdrant] isn't installed")
    from pyarrow.fs import S3FileSystem
    from qdrant_standin import Standin

    with socket.socket() as line:
        line.bind(("127.0.0.1", 0))
        port = line.getsockname()[1]
    moto = subprocess.Popen(["moto_server", "-p", str(port)], stderr=subprocess.DEVNULL)
    for name, value in {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    try:
        store = S3FileSystem(
            allow_bucket_creation=True, endpoint_override=f"127.0.0.1:{port}", scheme="http"
        )
        for attempt in range(50):
            try:
                store.create_dir("shop")
                break
            except OSError:
                assert attempt < 49
                time.sleep(0.2)
        for path in EXAMPLES.rglob("*"):
            if path.is_file():
                name = str(path.relative_to(EXAMPLES))
                place = "shop/" if name == "titles.csv" else "shop/photos/"
                with store.open_output_stream(place + name) as file:
                    file.write(path.read_bytes())
        server = Standin()
        _walk(tmp_path, "s3://shop", server, dict(os.environ))
        server.shutdown()
    finally:
        moto.kill()
        moto.wait()


def _walk(place, shop, server, environment):
    guide = (ROOT / "docs" / "cloud.md").read_text("utf-8")
    lines = [line.strip() for line in guide.splitlines() if line.startswith("    fashiontag")]
    assert len(lines) == 3
    said = []
    for line in lines:
        line = line.replace("s3://shop", shop).replace("--shards 256", "--shards 4 --ray-workers 2")
        line = line.replace("qdrant+http://HOST:6333/products", server.address("products"))
        words = shlex.split(line)
        done = subprocess.run(
            [sys.executable, "-m", *words], cwd=place, capture_output=True, text=True,
            env={**os.environ, **environment, "PYTHONPATH": str(ROOT)},
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        said.append(done.stdout)
    assert "35 items, 0 errors, 0 gone; 4 of 4 shards made by 2 workers" in said[0]
    assert "35 points, 35 sent" in said[1]
    assert "navy" in said[2]
