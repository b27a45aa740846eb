"""`fashiontag serve`: routes, decisions, learning, and what must not get through."""

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from importlib import resources
from pathlib import Path
from urllib.parse import quote

import pytest
from fakes import ColorEncoder, color_picture
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

pytest.importorskip("fastapi", reason="needs the extra [serve]")
pytest.importorskip("multipart", reason="needs the extra [serve]")

from fashiontag.catalog import read_catalog
from fashiontag.labels import parse_labels
from fashiontag.plain import plain
from fashiontag.server import guard
from fashiontag.server.desk import AmbiguousError, BusyError, Desk
from fashiontag.workflows.tag import applied_probe, tag
from fashiontag.workspace import Workspace
from fashiontag.workspace.decisions import Choice, Decisions

starlette = pytest.importorskip("starlette.testclient", reason="needs httpx")

SPACE = parse_labels(
    {
        "groups": {
            "colour": {"templates": ["{label}"], "labels": ["red", "green", "blue", "yellow"]},
            "mood": {"exclusive": False, "templates": ["{label}"], "labels": ["warm", "cold"]},
        }
    },
    "test",
    "test.toml",
)


def build(folder, sources=("shop",)):
    for source in sources:
        for color in ("red", "green", "blue", "yellow"):
            for shade in range(3):
                name = folder / source / f"{color} {shade}.png"
                size = (16, 16 + shade)
                color_picture(name, color, size)
    with Workspace.open(folder / "ws", ColorEncoder()) as workspace:
        for source in sources:
            tag(workspace, read_catalog(str(folder / source)), SPACE)
    return folder


NAMES = st.sampled_from(
    ["q", "where", "k", "minus", "like", "source", "sort", "show", "limit", "after", "id", "group",
     "labels", "by"]
)  # fmt: skip


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    return build(tmp_path_factory.mktemp("built"))


@pytest.fixture
def shop(built, tmp_path):
    """A workspace to work on; its pictures are everybody's."""
    shutil.copytree(built / "ws", tmp_path / "ws")
    return tmp_path


@pytest.fixture
def desk(shop):
    with Desk(shop / "ws", ColorEncoder(), SPACE) as desk:
        yield desk


@pytest.fixture
def client(desk):
    from fashiontag.server.web import create_app

    with starlette.TestClient(create_app(desk), base_url="http://127.0.0.1:8765") as client:
        yield client


def decide(client, item, group, *labels, **more):
    body = {"id": item, "group": group, "labels": list(labels), **more}
    return client.post("/v1/decisions", json=body)


def picture(color="red", size=(16, 16)):
    out = io.BytesIO()
    Image.new("RGB", size, color).save(out, "PNG")
    return out.getvalue()


def test_the_routes_that_the_design_names_answer(client):
    assert client.get("/healthz").json()["status"] == "ok"
    paths = client.get("/openapi.json").json()["paths"]
    assert {"/healthz", "/v1/tag", "/v1/search", "/v1/items", "/v1/items/{id}", "/v1/decisions",
            "/v1/decisions/last", "/v1/learn", "/v1/stats"} <= set(paths)  # fmt: skip
    (row,) = client.post("/v1/tag", files={"image": ("x.png", picture())}).json()
    assert (row["id"], row["status"]) == ("x.png", "ok")
    assert {"group", "label", "score", "source", "method", "decision"} == set(row["tags"][0])
    found = client.get("/v1/search", params={"q": "red", "k": 2}).json()
    assert found["hits"][0]["id"].startswith("red")
    assert (
        client.get(f"/photo/{found['hits'][0]['number']}").headers["content-type"] == "image/jpeg"
    )
    by_picture = client.post("/v1/search", files={"image": picture("blue")}).json()
    assert by_picture["hits"][0]["id"].startswith("blue")
    like = client.get("/v1/search", params={"like": "green 0.png"}).json()
    assert like["hits"][0]["id"].startswith("green")
    stats = client.get("/v1/stats").json()
    assert (stats["items"], stats["reviewed"]) == (12, 0)
    for page in ("/", "/search", "/stats", "/assets/common.js", "/assets/style.css"):
        answer = client.get(page)
        assert answer.status_code == 200
        assert "default-src 'self'" in answer.headers["content-security-policy"]
        assert "http://" not in answer.text
        assert "https://" not in answer.text


@pytest.mark.parametrize("sort", ["gain", "unsure", "conflict", "catalogue"])
def test_pages_together_are_the_catalogue_each_product_once(client, desk, sort):
    desk.settle()
    found, after = [], ""
    while True:
        page = client.get("/v1/items", params={"limit": 5, "sort": sort, "after": after}).json()
        assert page["sorted"]
        found += [item["id"] for item in page["items"]]
        # deciding meanwhile neither repeats nor drops a product
        decide(client, found[-1], "mood")
        after = page["after"]
        if not after:
            break
    assert len(found) == len(set(found)) == 12


def test_pages_are_filtered(client):
    decide(client, "red 0.png", "colour", "red")

    def ids(**given):
        return {i["id"] for i in client.get("/v1/items", params=given).json()["items"]}

    assert ids(show="decided") == {"red 0.png"}
    assert len(ids(show="open")) == 11
    assert ids(where="colour = blue") == {f"blue {n}.png" for n in range(3)}
    wrong = client.get("/v1/items", params={"where": "colour ="})
    assert (wrong.status_code, wrong.json()["error"][:7]) == (400, "--where")
    for cursor in ("x", "1:x", "nan:1", "inf:99999999999999999999", ":"):
        answer = client.get("/v1/items", params={"after": cursor})
        assert answer.status_code in {200, 400}


def test_a_decision_is_shown_at_once_and_undone_to_the_beginning(client, shop, built):
    before = client.get("/v1/items", params={"sort": "catalogue"}).json()
    assert decide(client, "red 0.png", "Colour", "BLUE", by="ann").status_code == 200
    several = [{"id": f"blue {n}.png", "group": "mood", "labels": ["cold"]} for n in range(3)]
    assert len(client.post("/v1/decisions", json=several).json()["decided"]) == 3
    card = client.get("/v1/items/red 0.png").json()
    assert card["decided"] == {"colour": ["blue"]}
    assert [t["method"] for t in card["tags"] if t["group"] == "colour"] == ["person"]
    with Decisions.open(shop / "ws") as decisions:
        first = decisions.events()[0]
        assert (first.by, first.via, first.labels) == ("ann", "serve", ("blue",))
        # somebody else decides by another way, and the server follows
        root = str(built / "shop")
        decisions.record([Choice(root, "green 1.png", "colour", ())], by="bob")
    assert client.get("/v1/items/green 1.png").json()["decided"] == {"colour": []}
    assert client.get("/v1/stats").json()["reviewed"] == 5
    while client.delete("/v1/decisions/last").json()["undone"]:
        pass
    assert client.get("/v1/items", params={"sort": "catalogue"}).json() == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"id": "nobody.png", "group": "colour", "labels": []}, 404),
        ({"id": "red 0.png", "group": "size", "labels": []}, 400),
        ({"id": "red 0.png", "group": "colour", "labels": ["mauve"]}, 400),
        ({"id": "red 0.png", "group": "colour", "labels": ["red", "blue"]}, 400),
        ({"id": "red 0.png", "group": "colour", "labels": "red"}, 422),
        ({"id": "../../etc/passwd", "group": "colour", "labels": []}, 404),
        ({"id": "\ud800", "group": "colour", "labels": []}, 422),
        ({"id": "red 0.png", "group": "\ud800", "labels": []}, 422),
        ({}, 422),
        ([], 422),
        (7, 422),
    ],
)
def test_a_wrong_decision_is_one_sentence_and_decides_nothing(client, desk, body, status):
    given = json.dumps(body).encode()
    answer = client.post(
        "/v1/decisions", content=given, headers={"content-type": "application/json"}
    )
    assert answer.status_code == status, answer.text
    assert answer.json()["error"].endswith(".")
    good = {"id": "red 0.png", "group": "colour", "labels": ["red"]}
    if isinstance(body, dict) and status != 422:  # all or nothing
        assert client.post("/v1/decisions", json=[good, {**body, "id": "x"}]).status_code == 404
    assert desk.decisions.revision() == 0


def test_ids_that_repeat_need_their_source(tmp_path):
    from fashiontag.server.web import create_app

    build(tmp_path, ("one", "two"))
    with (
        Desk(tmp_path / "ws", ColorEncoder(), SPACE) as desk,
        starlette.TestClient(create_app(desk), base_url="http://localhost") as client,
    ):
        assert client.get("/v1/items/red 0.png").status_code == 409
        assert decide(client, "red 0.png", "colour", "red").status_code == 409
        source = str(tmp_path / "two")
        card = client.get("/v1/items/red 0.png", params={"source": source}).json()
        assert card["source"] == source
        assert decide(client, "red 0.png", "colour", "blue", source=source).status_code == 200
        other = client.get("/v1/items/red 0.png", params={"source": str(tmp_path / "one")})
        assert other.json()["decided"] == {}
        with pytest.raises(AmbiguousError):
            desk.item("red 0.png")


def test_learning_shows_first_applies_when_asked_and_changes_no_decision(client, desk, shop):
    assert client.post("/v1/learn").status_code == 409  # nobody decided anything
    for color, other in (("red", "yellow"), ("yellow", "red"), ("blue", "green")):
        decide(client, f"{color} 0.png", "colour", other)
        decide(client, f"{color} 1.png", "colour", other)
    before = desk.decisions.current()
    shown = client.post("/v1/learn").json()
    assert (shown["decisions"], shown["applied"]) == (6, False)
    assert not (shop / "ws" / "probe").exists()
    applied = client.post("/v1/learn?apply=true").json()
    assert applied["applied"]
    assert applied["forecast"] == shown["forecast"]
    desk.settle()
    assert client.get("/v1/stats").json()["probe"] == {"products": 6}
    assert client.get("/v1/stats").json()["trouble"] == ""
    assert desk.decisions.current() == before
    assert client.get("/v1/items/red 0.png").json()["decided"] == {"colour": ["yellow"]}
    # what is searched follows
    ids = client.get("/v1/items", params={"where": "colour = yellow"}).json()["items"]
    assert "red 0.png" in {item["id"] for item in ids}
    with Workspace.open(shop / "ws", ColorEncoder()) as workspace:
        assert applied_probe(workspace) == shop / "ws" / "probe"
    with Workspace.open(shop / "ws", ColorEncoder(fingerprint="other")) as workspace:
        assert applied_probe(workspace) is None


def test_two_who_learn_at_once_don_t_wait_for_each_other(desk):
    desk._learning.acquire()
    with pytest.raises(BusyError):
        desk.learn()
    desk._learning.release()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"host": "evil.example"}, 403),
        ({"host": "127.0.0.1.evil.example:8765"}, 403),
        ({"host": ""}, 403),
        ({"host": "localhost:8765"}, 200),
        ({"host": "[::1]:8765"}, 200),
        ({"origin": "http://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"origin": "http://127.0.0.1:9999"}, 403),
        ({"origin": "http://127.0.0.1:8765"}, 200),
        ({"sec-fetch-site": "cross-site"}, 403),
    ],
)
def test_pages_of_others_can_t_use_it(client, headers, status):
    assert client.get("/v1/stats", headers=headers).status_code == status
    assert client.delete("/v1/decisions/last", headers=headers).status_code == status


def test_where_others_can_reach_it_every_request_needs_the_token(desk):
    from fashiontag.server.web import create_app

    app = create_app(desk, token="secret")
    with starlette.TestClient(
        app, base_url="http://shop.example", follow_redirects=False
    ) as client:
        for path in ("/", "/healthz", "/v1/stats", "/assets/common.js", "/?token=wrong"):
            assert client.get(path).status_code == 401
        bearer = {"authorization": "Bearer secret"}
        assert client.get("/v1/stats", headers=bearer).status_code == 200
        assert client.get("/v1/stats", headers={"authorization": "Bearer s"}).status_code == 401
        opened = client.get("/?token=secret")
        assert (opened.status_code, opened.headers["location"]) == (303, "/")
        assert {"HttpOnly", "SameSite=strict"} <= {*opened.headers["set-cookie"].split("; ")}
        client.cookies.set(guard.COOKIE, "secret")
        assert client.get("/v1/stats").status_code == 200
    assert guard.is_loopback("127.0.0.1")
    assert not guard.is_loopback("0.0.0.0")


def test_what_is_sent_is_bounded(client, monkeypatch):
    monkeypatch.setattr(guard, "MOST_BYTES", 50_000)
    files = {"image": ("x.png", b"x" * 60_000)}
    assert client.post("/v1/tag", files=files).status_code == 413

    def chunks():
        for _ in range(60):
            yield b"x" * 1_000

    headers = {"content-type": "application/json"}
    assert client.post("/v1/decisions", content=chunks(), headers=headers).status_code == 413
    many = [("image", (f"{n}.png", picture())) for n in range(17)]
    assert client.post("/v1/tag", files=many).status_code == 422
    bomb = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + (60_000).to_bytes(4, "big") * 2 + bytes(9)
    (row,) = client.post("/v1/tag", files={"image": bomb}).json()
    assert row["status"] == "error"
    assert client.post("/v1/search", files={"image": bomb}).status_code == 400
    assert client.get("/v1/search").status_code == 400


@pytest.mark.parametrize(
    "path",
    [
        "/v1/items/../../../etc/passwd", "/v1/items/%2e%2e%2fetc%2fpasswd", "/v1/items/%00",
        "/v1/items//etc/passwd", "/photo/-1", "/photo/x", "/photo/99999999999999999999999",
        "/photo/424242", "/assets/../desk.py", "/assets/%2e%2e%2fdesk.py", "/v1/items/%ff%fe",
        "/v1/items?limit=0", "/v1/items?sort=x", "/v1/search?q=a&k=-1", "/nowhere",
        "/v1/items?where=" + "(" * 3_000, "/v1/search?q=" + "a" * 3_000,
    ],
)  # fmt: skip
def test_nothing_escapes_and_nothing_breaks(client, path):
    answer = client.get(path)
    assert 400 <= answer.status_code < 500, answer.text
    assert "root:" not in answer.text
    assert "Traceback" not in answer.text


WORDS = st.text(max_size=12) | st.sampled_from(["color = red", "../..", "\x00", "-1", "NaN", "1e9"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=5),
    max_leaves=8,
)


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_whatever_comes_no_answer_is_an_error_of_the_server(client, data):
    for path in ("/v1/items", "/v1/search", f"/v1/items/{quote(data.draw(WORDS), safe='')}"):
        params = data.draw(st.dictionaries(NAMES, WORDS, max_size=4))
        assert client.get(path, params=params).status_code < 500
    body = json.dumps(data.draw(VALUES)).encode()
    headers = {"content-type": "application/json"}
    assert client.post("/v1/decisions", content=body, headers=headers).status_code < 500
    form = {"title": data.draw(WORDS)}
    sent = client.post("/v1/tag", files={"image": data.draw(st.binary(max_size=9))}, data=form)
    assert sent.status_code < 500


def _fuzz(desk, examples):
    """Ask what the OpenAPI document allows, and near it; nothing may be an error of the server."""
    schemathesis = pytest.importorskip("schemathesis", reason="needs schemathesis")
    from fashiontag.server.web import create_app

    schema = schemathesis.openapi.from_asgi(
        "/openapi.json", create_app(desk), headers={"host": "127.0.0.1"}
    )

    asked = set()
    for found in schema.get_all_operations():
        operation = found.ok()
        asked.add(operation.label)

        @settings(max_examples=examples, deadline=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def one(case):
            answer = case.call(headers={"host": "127.0.0.1"})
            assert answer.status_code < 500, (case, answer.text)
            assert b"Traceback" not in answer.content

        one()
    assert {"POST /v1/tag", "GET /v1/items/{id}", "POST /v1/decisions", "POST /v1/learn"} <= asked


def test_what_its_own_document_allows_is_no_error_of_the_server(desk):
    _fuzz(desk, 2)


@pytest.mark.slow
def test_much_that_its_own_document_allows_is_no_error_of_the_server(desk):
    _fuzz(desk, 300)


def test_titles_and_ids_stay_text(tmp_path):
    """They travel as JSON with a type of its own, and scripts set them as text only."""
    from importlib import resources

    pages = resources.files("fashiontag.server") / "pages"
    for script in ("common.js", "review.js", "search.js", "stats.js"):
        text = (pages / script).read_text("utf-8")
        for way in ("innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval("):
            assert way not in text


def test_many_at_once(client, desk):
    answers = []

    def work(n):
        answers.append(decide(client, f"red {n % 3}.png", "colour", ("red", "blue")[n % 2]))
        answers.append(client.get("/v1/items"))
        answers.append(client.post("/v1/tag", files={"image": picture()}))

    threads = [threading.Thread(target=work, args=(n,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {answer.status_code for answer in answers} == {200}
    current = {key[1]: event.labels for key, event in desk.decisions.current().items()}
    for name, labels in current.items():
        assert client.get(f"/v1/items/{name}").json()["decided"]["colour"] == list(labels)


KILLED = """
import os, sys
from pathlib import Path
from fakes import ColorEncoder
from test_server import SPACE
from fashiontag.server.desk import Decided, Desk
for kill in range(int(sys.argv[2])):
    child = os.fork()  # importing all of it again would take a second each time
    if child:
        print("started", child, flush=True)
        os.waitpid(child, 0)
        print("ended", kill, flush=True)
        continue
    desk = Desk(Path(sys.argv[1]), ColorEncoder(), SPACE)
    for n in range(10_000):
        colour = ("red", "green", "blue")[(n + n // 3 + kill) % 3]
        events = desk.decide([Decided(f"red {n % 3}.png", "colour", (colour,))])
        if events:
            print(events[-1].number, colour, flush=True)
    os._exit(0)
"""


def _storm(shop, kills):
    tests = Path(__file__).parent
    known = {}
    run = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(shop / "ws"), str(kills)], stdout=subprocess.PIPE,
        text=True, env=os.environ | {"PYTHONPATH": f"{tests}{os.pathsep}{tests.parent}"},
    )  # fmt: skip
    for kill in range(kills):
        _, child = run.stdout.readline().split()
        for _ in range(3 + kill % 5):
            number, colour = run.stdout.readline().split()
            known[int(number)] = colour
        os.kill(int(child), signal.SIGKILL)
        while not (line := run.stdout.readline()).startswith("ended"):
            number, colour = line.split()  # acknowledged before it died
            known[int(number)] = colour
    assert run.wait() == 0
    run.stdout.close()
    with Decisions.open(shop / "ws") as decisions:
        kept = {event.number: event.labels for event in decisions.events()}
        assert {number: kept[number] for number in known} == {n: (c,) for n, c in known.items()}
        while decisions.undo():
            pass
        assert decisions.current() == {}


@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_what_was_acknowledged_outlives_a_kill(shop):
    _storm(shop, 1)


@pytest.mark.slow
@pytest.mark.timeout(1800)
@pytest.mark.skipif(os.name != "posix", reason="needs SIGKILL")
def test_what_was_acknowledged_outlives_a_hundred_kills(shop):
    _storm(shop, 100)


def test_the_desk_needs_no_extra():
    code = (
        "import sys; import fashiontag.server.desk;"
        "print([m for m in ('fastapi', 'starlette', 'uvicorn') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_a_plain_install_is_told_which_extra(monkeypatch, capsys):
    from fashiontag.cli import run

    monkeypatch.setitem(sys.modules, "uvicorn", None)
    assert run(["serve"], debug=False) == 2
    assert "pip install 'fashiontag[serve]'" in capsys.readouterr().err


def test_a_port_that_is_taken_is_one_sentence():
    from fashiontag.cli.serve import _listening
    from fashiontag.errors import OutputError

    with _listening("127.0.0.1", 0) as line:
        line.listen()
        port = line.getsockname()[1]
        with pytest.raises(OutputError, match=f"Port {port} of 127.0.0.1 .* --port"):
            _listening("127.0.0.1", port)


def imported(folder, photos):
    """Tag an imported catalogue of (product, variant, position, colour) and return its folder."""
    shop = folder / "imported"
    lines = []
    for product, variant, position, color in photos:
        name = f"{product}-{position}.png".replace("/", "_")
        color_picture(shop / name, color, (16, 20 + len(lines)))
        lines.append(
            {"id": f"{product.replace('/', '%2F')}/{position}", "product": product, "path": name,
             "variant": variant, "position": position, "url": "", "title": "", "fields": {}}
        )  # fmt: skip
    (shop / "catalog.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (shop / "import.json").write_text("{}")
    with Workspace.open(folder / "ws", ColorEncoder()) as workspace:
        tag(workspace, read_catalog(str(shop)), SPACE)
    return shop


def test_photos_of_a_product_are_one_card_and_decided_together(tmp_path):
    from fashiontag.server.web import create_app

    photos = [
        *[("b/d", None, 2, "red"), ("b/d", None, 1, "red"), ("b/d", None, 10, "blue")],
        *[("two", "navy", 1, "blue"), ("two", "red", 2, "red"), ("two", "navy", 3, "blue")],
        *[("two", None, 4, "green"), ("sizes", "S", 1, "yellow"), ("sizes", None, 2, "yellow")],
    ]
    imported(tmp_path, photos)
    with (
        Desk(tmp_path / "ws", ColorEncoder(), SPACE) as desk,
        starlette.TestClient(create_app(desk), base_url="http://localhost") as client,
    ):

        def ids(**given):
            page = client.get("/v1/items", params={"sort": "catalogue", **given}).json()
            assert page["total"] == len(page["items"])
            return [[desk.path_of(n).name for n in card["photos"]] for card in page["items"]]

        main = ["b_d-1.png", "b_d-2.png", "b_d-10.png"]
        assert sorted(ids()) == sorted(
            [main, ["two-1.png", "two-3.png"], ["two-2.png"], ["two-4.png"],
             ["sizes-1.png", "sizes-2.png"]]
        )  # fmt: skip
        # a filter that holds for one photo finds the product
        assert main in ids(where="colour = blue")
        stats = client.get("/v1/stats").json()
        assert (stats["items"], stats["reviewed"]) == (5, 0)
        card = plain(desk.item("b%2Fd/2"))  # any photo names it
        assert (card["id"], len(card["photos"])) == ("b%2Fd/1", 3)
        assert [t["label"] for t in card["tags"] if t["group"] == "colour"] == ["red"]
        done = decide(client, card["id"], "colour", "green", whole=True).json()["decided"]
        assert {event["item"] for event in done} == {f"b%2Fd/{n}" for n in (1, 2, 10)}
        assert len({event["act"] for event in done}) == 1
        stats = client.get("/v1/stats").json()
        assert (stats["reviewed"], stats["decisions"]) == (1, 1)
        assert ids(show="decided") == [main]
        assert main not in ids(show="open")
        assert plain(desk.item("b%2Fd/10"))["decided"] == {"colour": ["green"]}
        client.delete("/v1/decisions/last")
        assert plain(desk.item("b%2Fd/1")) == card
        # a photo by itself can still be told from the others
        assert len(decide(client, "b%2Fd/10", "colour", "blue").json()["decided"]) == 1


def test_figures_are_of_what_satisfies_a_filter(client):
    groups = client.get("/v1/stats", params={"where": "colour in (red, blue)"}).json()
    assert groups["items"] == 6
    counts = {one["label"]: one["count"] for one in groups["groups"]["colour"]}
    assert counts == {"red": 3, "blue": 3, "green": 0, "yellow": 0}
    assert client.get("/v1/stats", params={"where": "colour ="}).status_code == 400


def test_a_lesson_that_changes_nothing_says_why_and_what_would(client, monkeypatch):
    def lesson():
        shown = client.post("/v1/learn").json()
        assert shown["forecast"]["changed"] == 0
        return shown

    decide(client, "red 0.png", "colour", "red")
    decide(client, "blue 0.png", "colour", "blue")
    assert "only corrections change" in lesson()["reasons"][0]
    while client.delete("/v1/decisions/last").json()["undone"]:
        pass
    decide(client, "red 0.png", "colour", "yellow")
    shown = lesson()
    (reason,) = shown["reasons"]
    assert reason.startswith("All decisions on colour say 'yellow'")
    for one in shown["forecast"]["closest"]:
        assert (one["after"], int(one["id"]) > 0) == ("yellow", True)
        assert one["before"] != "yellow"


def test_one_client_leaves_threads_to_the_others():
    """A crowd of one address has a few turns; another address is answered meanwhile."""
    import asyncio

    working, most = set(), 0

    async def slow(scope, receive, send):
        nonlocal most
        crowd = scope["client"][0] == "crowd"
        if crowd:
            working.add(scope["client"][1])
            most = max(most, len(working))
            await release.wait()
            working.discard(scope["client"][1])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    async def ask(client, port):
        told = []
        scope = {"type": "http", "method": "GET", "path": "/", "query_string": b"",
                 "headers": [(b"host", b"localhost")], "client": (client, port)}  # fmt: skip

        async def send(message):
            told.append(message)

        await app(scope, None, send)
        return told[0]["status"]

    async def run():
        crowd = [asyncio.create_task(ask("crowd", n)) for n in range(guard.WAITING + 9)]
        await asyncio.sleep(0)
        other = await asyncio.wait_for(ask("other", 1), 5)
        release.set()
        return other, await asyncio.gather(*crowd)

    app, release = guard.Guard(slow), asyncio.Event()
    other, crowd = asyncio.run(run())
    assert (other, most) == (200, guard.AT_ONCE)
    assert (crowd.count(200), crowd.count(503)) == (guard.WAITING, 9)
    assert not app._here


def palette(text, dark):
    """The colours of the style sheet, of the light or the dark scheme."""
    light, _, night = text.partition("@media (prefers-color-scheme: dark)")
    night = night[: night.index("}\n}")]
    found = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", light))
    return found | dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", night)) if dark else found


def luminance(color):
    """WCAG 2.2: https://www.w3.org/TR/WCAG22/#dfn-relative-luminance."""
    digits = color[1:] if len(color) == 7 else "".join(2 * c for c in color[1:])
    parts = [int(digits[n : n + 2], 16) / 255 for n in (0, 2, 4)]
    r, g, b = (p / 12.92 if p <= 0.04045 else ((p + 0.055) / 1.055) ** 2.4 for p in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


@pytest.mark.parametrize("dark", [False, True])
def test_every_text_stands_out_from_what_is_behind_it(dark):
    """4.5 to 1 for texts, 3 to 1 for the rings and bars that say where one is (WCAG AA)."""
    style = (resources.files("fashiontag.server") / "pages/style.css").read_text("utf-8")
    colors = palette(style, dark)
    pairs = [(ink, on) for ink in ("ink", "soft", "review", "bad", "accent")
             for on in ("page", "card", "fill")]  # fmt: skip
    for ink, on in [*pairs, ("accent-ink", "accent"), ("page", "ink"), ("bad-ink", "bad")]:
        lighter, darker = sorted((luminance(colors[ink]), luminance(colors[on])), reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) >= 4.5, (ink, on)
