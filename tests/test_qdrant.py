"""Collections of Qdrant: the same hits as here, filters translated, the alias last of all."""

import json
import sys
from dataclasses import replace

import numpy as np
import pytest
from fakes import ColorEncoder, color_picture

pytest.importorskip("qdrant_client", reason="the extra [qdrant] isn't installed")

from qdrant_client import QdrantClient, models
from qdrant_standin import Standin

from fashiontag.catalog import read_catalog
from fashiontag.errors import (
    CatalogError,
    ForeignEncoderError,
    OutputError,
    QueryError,
    StoreError,
    UsageError,
)
from fashiontag.index import qdrant
from fashiontag.index.qdrant import KEY, Collection
from fashiontag.labels import load_labels
from fashiontag.workflows import cluster, push
from fashiontag.workflows.search import Query, search
from fashiontag.workflows.tag import tag
from fashiontag.workspace import Workspace

COLORS = ("red", "green", "blue", "yellow", "purple", "teal", "white", "black")
MEANS = {"image": None, "text": None}
ABOUT_TEXT = "a long text of this product that nobody would filter by " * 4


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """90 pictures, two thirds with titles, prices and makers; tagged here, and as shards."""
    place = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(3)
    rows = ["file,title,price,maker,about"]
    for number in range(90):
        shade = tuple(int(value) for value in rng.integers(0, 255, 3))
        color_picture(place / "shop" / f"{number:02d}.png", shade)
        kind = ("dress", "shirt", "coat")[number % 3]
        title = f"{COLORS[number % 8]} {kind} {rng.choice(COLORS)}" if number % 3 else ""
        rows.append(f'{number:02d}.png,{title},{number}.50,"A.B ""x""{number % 4}",{ABOUT_TEXT}')
    (place / "titles.csv").write_text("\n".join(rows) + "\n", "utf-8")
    (place / "labels.toml").write_text(
        "[groups.color]\nlabels = [" + ", ".join(f'"{name}"' for name in COLORS) + "]\n"
        '[groups.tone]\nexclusive = false\nlabels = ["red", "teal"]\n',
        "utf-8",
    )
    catalog = read_catalog(str(place / "shop"), str(place / "titles.csv"))
    with Workspace.open(place / "work", ColorEncoder()) as workspace:
        tag(workspace, catalog, load_labels(str(place / "labels.toml")))
    make(place)
    return place


def make(place, out="run", encoder=ColorEncoder, items=None):
    catalog = read_catalog(str(place / "shop"), str(place / "titles.csv"))
    if items is not None:
        catalog = cluster.replace(catalog, items=tuple(items(catalog.items)))
    recipe = cluster.recipe_for(
        encoder, catalog, load_labels(str(place / "labels.toml")),
        workspace=place / "none", probe=None, out=str(place / out), shards=3,
    )  # fmt: skip
    shards = cluster.shards_of(recipe, catalog.items)
    for shard in shards:
        cluster.make_shard(shard, recipe, encoder())
    cluster._finish(
        cluster.Folder(recipe.out),
        recipe,
        {shard.name: shard.made_of for shard in shards},
    )
    return str(place / out)


@pytest.fixture
def standin():
    server = Standin()
    yield server
    server.shutdown()
    server.server_close()


@pytest.fixture(params=["client", pytest.param("engine", marks=pytest.mark.slow)])
def filled(request, shop, standin, tmp_path):
    """A collection over HTTP, and one in Qdrant's own engine."""
    if request.param == "client":
        collection = Collection.open(standin.address("shop"))
    else:
        pytest.importorskip("qdrant_edge", reason="qdrant-edge-py isn't installed")
        from edge_client import EdgeClient

        collection = Collection(EdgeClient(tmp_path), "shop")
    push.push(str(shop / "run"), collection, MEANS)
    return collection


@pytest.fixture
def workspace(shop):
    with Workspace.open(shop / "work", ColorEncoder()) as opened:
        yield opened


def hits(result):
    return [(hit.id, hit.folded, hit.title, hit.tags) for hit in result.hits]


QUERIES = (
    Query("red dress"),
    Query("teal", minus="blue"),
    Query("a coat, not red"),
    Query("white shirt black"),
    Query("nobody ever said this"),
)
FILTERS = (
    None,
    "color = red",
    "color != 'Red'",
    "table.price < 20",
    "table.price = 7.5 or table.price >= 80",
    "not (color = red or color in (blue, teal)) and table.price <= 60",
    "tone = teal and not tone = red",
    """table.maker = 'a.b "X"2'""",
)


@pytest.mark.parametrize("where", FILTERS)
def test_the_same_hits_as_here(filled, workspace, shop, where):
    pictures = [Query(image=shop / "shop" / "07.png"), Query("red", shop / "shop" / "11.png")]
    for query in (*QUERIES, *pictures):
        for fold in (True, False):
            asked = replace(query, where=where, k=7, fold=fold)
            here = search(workspace, asked)
            there = search(workspace, asked, filled)
            assert hits(there) == hits(here)
            scores = [[hit.score for hit in result.hits] for result in (here, there)]
            assert scores[0] == pytest.approx(scores[1], abs=2e-3)
            assert there.query == here.query


@pytest.mark.parametrize(
    ("where", "said"),
    [
        ("table.maker < 'b'", "order of texts"),
        (f"table.about = '{ABOUT_TEXT.strip()}'", "texts of more than"),
        ("colour = red", "did you mean color"),
        ("color = ", "got the end"),
    ],
)
def test_what_cannot_be_translated_is_refused_by_name(filled, workspace, where, said):
    with pytest.raises(QueryError, match=said):
        search(workspace, Query("red", where=where), filled)


def test_auto_is_refused(filled, workspace):
    with pytest.raises(UsageError, match="--min-score auto looks at"):
        search(workspace, Query("red", min_score="auto"), filled)


def test_exact_is_exact(monkeypatch):
    """The nearest by picture and title together are far down by each alone."""
    rng = np.random.default_rng(5)
    monkeypatch.setattr(qdrant, "FETCHED", 10)
    collection = Collection(QdrantClient(":memory:"), "shop")
    encoder = ColorEncoder()
    collection.create(qdrant.About(encoder.name, encoder.fingerprint, 2, {}, 300))
    points = []
    for at, turn in enumerate(rng.uniform(-1, 1, 300).tolist()):
        words = [*{f"w{n}" for n in rng.integers(0, 40, 3)}]
        payload = {"id": f"{at:03d}", "path": "", "title": " ".join(words), "tags": [],
                   "words": words, "family": at // 3, "picture": at}  # fmt: skip
        numbers = sorted(map(qdrant.word_number, words))
        vector = {
            "image": [np.cos(turn), np.sin(turn)],
            "title": [np.cos(turn), -np.sin(turn)],
            "words": models.SparseVector(indices=numbers, values=[1.0] * len(numbers)),
        }
        points.append(models.PointStruct(id=at, vector=vector, payload=payload))
    collection.client.upsert("shop", points)
    found = {}
    for exact in (True, False, None):
        collection.exact = bool(exact)
        if exact is None:  # everything is proposed
            monkeypatch.setattr(qdrant, "FETCHED", 300)
        for turn in (0.5, 0.7, 0.9):
            aim = np.array([np.cos(turn), np.sin(turn)], np.float32)
            for words, fold in (("", True), ("w1 w2", True), ("w3", False), ("nothing", False)):
                hits = collection.search(
                    encoder, [(aim, 0.4), (aim, 0.6)], 1, words=words, words_weight=0.3, fold=fold
                )
                found.setdefault(exact, []).append([(hit.id, hit.score) for hit in hits])
    assert found[True] == found[None]
    assert found[False] != found[None]


def test_serve_searches_the_collection(filled, workspace, shop):
    pytest.importorskip("fastapi", reason="needs the extra [serve]")
    from starlette.testclient import TestClient

    from fashiontag.server.desk import Desk
    from fashiontag.server.web import create_app

    space = load_labels(str(shop / "labels.toml"))
    here = search(workspace, Query("red dress", where="table.price < 60", k=5))
    with (
        Desk(shop / "work", ColorEncoder(), space, None, filled) as desk,
        TestClient(create_app(desk), base_url="http://127.0.0.1:8765") as client,
    ):
        asked = {"q": "red dress", "where": "table.price < 60", "k": 5}
        answer = client.get("/v1/search", params=asked)
        assert answer.status_code == 200
        assert [hit["id"] for hit in answer.json()["hits"]] == [hit.id for hit in here.hits]
        picture = (shop / "shop" / "07.png").read_bytes()
        answer = client.post("/v1/search", files={"image": ("a.png", picture, "image/png")})
        assert answer.json()["hits"][0]["id"] == "07.png"
        answer = client.get("/v1/search", params={"q": "red", "where": "table.maker < 'b'"})
        assert (answer.status_code, "order of texts" in answer.text) == (400, True)
        filled.client.delete_collection(filled.client.get_aliases().aliases[0].collection_name)
        filled.name = "gone"
        answer = client.get("/v1/search", params={"q": "red"})
        assert answer.status_code >= 400
        assert "fill it with fashiontag push" in answer.text


def test_indexes_come_before_points_and_the_alias_last(shop, standin):
    push.push(str(shop / "run"), Collection.open(standin.address("shop")), MEANS)
    puts = [path for method, path in standin.requests if method in ("PUT", "POST")]
    index = max(at for at, path in enumerate(puts) if path.endswith("/index"))
    first = min(at for at, path in enumerate(puts) if path.endswith("/points"))
    last = max(at for at, path in enumerate(puts) if path.endswith("/points"))
    assert index < first <= last < puts.index("/collections/aliases")


def test_a_stopped_push_never_shows_and_goes_on(shop, standin, workspace, monkeypatch):
    monkeypatch.setattr(push.time, "sleep", lambda seconds: None)
    collection = Collection.open(standin.address("shop"))
    push.push(str(shop / "run"), collection, MEANS)
    before = hits(search(workspace, Query("red", k=90), collection))
    other = make(shop, "fewer", items=lambda items: items[:50])
    made = []

    def stop(count):
        made.append(count)
        if len(made) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        push.push(other, collection, MEANS, batch=9, progress=stop)
    assert hits(search(workspace, Query("red", k=90), collection)) == before
    done = push.push(other, collection, MEANS, batch=9)
    assert (done.points, done.sent < 50, len(done.dropped)) == (50, True, 1)
    assert len(search(workspace, Query("red", k=90, fold=False), collection).hits) == 50


def test_an_update_sends_what_changed_and_deletes_what_went(shop, filled, workspace):
    other = make(shop, "update", items=lambda items: items[1:])
    done = push.push(other, filled, MEANS, update=True)
    assert (done.points, done.deleted >= 1, done.sent < 89) == (89, True, True)
    found = search(workspace, Query("red", k=90, fold=False), filled)
    assert "00.png" not in {hit.id for hit in found.hits}
    assert len(found.hits) == 89
    again = push.push(other, filled, MEANS, update=True)
    assert (again.sent, again.deleted) == (0, 0)


def test_a_server_that_stumbles_is_asked_again(shop, standin, monkeypatch):
    monkeypatch.setattr(push.time, "sleep", lambda seconds: None)
    standin.fails.append(("--", 503, "busy"))
    with pytest.raises(StoreError, match="answers 503"):
        push.push(str(shop / "run"), Collection.open(standin.address("other")), MEANS)
    collection = Collection.open(standin.address("third"))
    sent = []

    def stumble(count):
        sent.append(count)
        if len(sent) == 1:
            standin.fails.append(("PUT ", 503, "busy"))

    done = push.push(str(shop / "run"), collection, MEANS, batch=9, progress=stumble)
    assert (done.points, standin.fails) == (90, [])


def test_errors_are_sentences(shop, standin, workspace, monkeypatch):
    full = Collection.open(standin.address("full"))
    standin.fails.append(("--", 500, "No space left on device"))
    with pytest.raises(OutputError, match="no room left on its disk"):
        push.push(str(shop / "run"), full, MEANS)
    with pytest.raises(StoreError, match="fill it with fashiontag push"):
        Collection.open(standin.address("nothing")).about()
    with pytest.raises(StoreError, match="doesn't answer"):
        Collection.open("qdrant+http://127.0.0.1:9/shop").about()
    with pytest.raises(UsageError, match="is no collection"):
        Collection.open("qdrant+http://127.0.0.1:9")
    standin.key = "secret"
    with pytest.raises(StoreError, match=f"give its key in {KEY}"):
        Collection.open(standin.address("shop")).about()
    monkeypatch.setenv(KEY, "secret")
    push.push(str(shop / "run"), Collection.open(standin.address("shop")), MEANS)


def test_another_model_is_refused_and_switched_to(shop, filled, workspace):
    other = make(shop, "switch", encoder=Stranger)
    with pytest.raises(ForeignEncoderError, match="push without --update"):
        push.push(other, filled, MEANS, update=True)
    push.push(other, filled, MEANS)
    with pytest.raises(ForeignEncoderError, match="search with --model stranger"):
        search(workspace, Query("red"), filled)


class Stranger(ColorEncoder):
    def __init__(self):
        super().__init__("stranger", "57a6e")


def test_an_unfinished_run_is_not_pushed(shop, standin):
    collection = Collection.open(standin.address("shop"))
    with pytest.raises(CatalogError, match="holds no finished run"):
        push.push(str(shop / "shop"), collection, MEANS)
    place = make(shop, "half", items=lambda items: items[:20])
    said = json.loads((shop / "half" / "_run.json").read_text("utf-8"))
    said["parts"]["part-00001-of-00003.parquet"] = "another"
    (shop / "half" / "_run.json").write_text(json.dumps(said), "utf-8")
    with pytest.raises(CatalogError, match="is being made anew"):
        push.push(place, collection, MEANS)


def test_without_the_client_the_command_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "qdrant_client", None)
    with pytest.raises(UsageError, match=r"pip install 'fashiontag\[qdrant\]'"):
        Collection.open("qdrant+http://127.0.0.1:6333/shop")
