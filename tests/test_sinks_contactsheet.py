"""The contact sheet: self-contained, inert whatever a title holds, small enough to open."""

import base64
import hashlib
import io
import json
import re
import shutil
import subprocess
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from fashiontag.catalog.items import Words, make_item
from fashiontag.datamodels import Hit, Item, Tagged, TagScore
from fashiontag.errors import ImageError, OutputError
from fashiontag.labels import Group, Label, LabelSpace, parse_labels
from fashiontag.sinks import contactsheet
from fashiontag.sinks.contactsheet import open_report, write_gallery
from fashiontag.sinks.pages import embed_json, picture_of, thumbnail
from fashiontag.sinks.probereport import write_probe_report

GROUPS = {
    "category": {"labels": ["dress", "bag"]},
    "color": {"labels": ["red"]},
    "occasion": {"exclusive": False, "labels": ["party"]},
}
EVIL = "</script><img src=x onerror=alert(1)><!-- & '\" \u2028\u2029 \udce9 名前"
SPELLED_OUT = EVIL.replace("\udce9", "\\udce9")  # a browser has no lone surrogates
RED = Image.new("RGB", (300, 400), "red")
ROWS = (
    Tagged(
        "a.jpg",
        "in/a.jpg",
        EVIL,
        "ok",
        "",
        (
            TagScore("category", "dress", 0.91, "both", decision="publish"),
            TagScore("occasion", "party", 0.6, "title", "probe", "review"),
            TagScore("color", "red", 0.2, "image", decision="abstain"),
        ),
    ),
    Tagged(EVIL, EVIL, "", "error", EVIL),
)


class Bytes:
    """A picture that is there, or isn't."""

    def __init__(self, data=b"picture"):
        self.data = data

    def read(self):
        if not self.data:
            raise ImageError("file not found")
        return self.data


def item_of(row, image=None):
    return Item(row.id, row.path, row.title, row.title, {}, image or Bytes())


def red(data, *, at_least):
    assert data == b"picture"
    assert at_least >= 120
    return RED


class Page(HTMLParser):
    """Elements and the text of scripts, as a browser would see them."""

    def __init__(self, path):
        super().__init__()
        self.elements = []
        self.texts = {}
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data):
        if self.elements and self.elements[-1][0] in ("script", "style"):
            self.texts.setdefault(len(self.elements) - 1, data)

    def all(self, tag, **wanted):
        return [
            (attrs, self.texts.get(at, ""))
            for at, (name, attrs) in enumerate(self.elements)
            if name == tag and all(attrs.get(key) == value for key, value in wanted.items())
        ]

    @property
    def rows(self):
        scripts = self.all("script", **{"class": "rows"})
        return [row for _, text in scripts for row in json.loads(text)]

    @property
    def data(self):
        return json.loads(self.all("script", id="page-data")[0][1])


def space_of(groups):
    return parse_labels({"groups": groups}, "mine", "mine.toml") if groups else LabelSpace("", ())


def report(path, rows=ROWS, load=red, title="Spring", groups=GROUPS):
    with open_report(path, title=title, space=space_of(groups), load=load) as sink:
        for row in rows:
            sink.write(row, item_of(row))
    return path


def test_a_report_holds_rows_and_groups(tmp_path):
    page = Page(report(tmp_path / "r.html"))
    assert page.data["groups"] == [
        {"name": "category", "exclusive": True},
        {"name": "color", "exclusive": True},
        {"name": "occasion", "exclusive": False},
    ]
    assert page.data["notice"] == ""
    assert [row["id"] for row in page.rows] == ["a.jpg", SPELLED_OUT]
    assert page.rows[0]["tags"] == [
        [0, "dress", 0.91, "both", "zero-shot", "publish"],
        [2, "party", 0.6, "title", "probe", "review"],
        [1, "red", 0.2, "image", "zero-shot", "abstain"],
    ]
    assert "error" not in page.rows[0]
    assert page.rows[1]["error"] == SPELLED_OUT


def test_a_card_is_unsure_only_of_what_a_picture_may_show_of_it(tmp_path):
    """A bag's sleeves are out of question, a cut only titles tell; abstentions are unsure."""
    groups = GROUPS | {
        "sleeve": {"labels": ["long"], "applies": ["category=dress"]},
        "fit": {"visible": False, "labels": ["slim"]},
    }
    bag = Tagged("b", "b", "", "ok", "", (TagScore("category", "bag", 0.9, "image"),))
    nothing = Tagged("n", "n", "", "ok", "")
    page = Page(report(tmp_path / "r.html", [*ROWS, bag, nothing], groups=groups))
    assert [row["unsure"] for row in page.rows] == [[1, 3], [], [1], [0, 1, 3]]


def test_each_picture_stands_beside_its_own_row(tmp_path):
    """rclip, clip-retrieval: rows are shifted or lost after one bad file."""
    rows = [ROWS[1], ROWS[0], ROWS[1], ROWS[0]]
    page = Page(report(tmp_path / "r.html", rows))
    thumbs = page.all("script", type="text/plain")
    assert [attrs["id"] for attrs, _ in thumbs] == ["t1", "t3"]
    assert Image.open(io.BytesIO(base64.b64decode(thumbs[0][1]))).size == (216, 288)


@pytest.mark.parametrize("raw", ["Men&#39;s &amp; <b>NEW</b>", "<p>Men's & NEW</p>"])
def test_a_card_shows_the_title_that_was_read_without_its_markup(tmp_path, raw):
    row = Tagged("a", "a", raw, "ok", "")
    item = make_item("a", "a", Bytes(), Words(raw))
    with open_report(tmp_path / "r.html", title="", space=space_of({}), load=red) as sink:
        sink.write(row, item)
    assert embed_json(item.text) in (tmp_path / "r.html").read_text("utf-8")
    assert embed_json(raw) not in (tmp_path / "r.html").read_text("utf-8")


@pytest.mark.parametrize("where", ["title", "id", "group", "label", "heading"])
def test_markup_from_the_catalogue_makes_no_element(tmp_path, where):
    plain, evil = (
        Page(_report_with(tmp_path / f"{name}.html", where, text))
        for name, text in (("plain", "plain"), ("evil", EVIL))
    )
    assert [name for name, _ in evil.elements] == [name for name, _ in plain.elements]


def _report_with(path, where, text):
    group = text if where == "group" else "category"
    label = text if where == "label" else "dress"
    row = Tagged(
        text if where == "id" else "a.jpg",
        "a.jpg",
        text if where == "title" else "",
        "ok",
        "",
        (TagScore(group, label, 0.5, "image"),),
    )
    heading = text if where == "heading" else "Spring"
    with open_report(
        path, title=heading, space=LabelSpace("", (Group(group, (Label(label),)),)), load=red
    ) as sink:
        sink.write(row, item_of(row))
    return path


def test_the_page_asks_for_nothing_and_runs_nothing_but_its_own_script(tmp_path):
    written = (
        report(tmp_path / "r.html"),
        gallery(tmp_path / "g.html"),
        probe_report(tmp_path / "p.html"),
    )
    for path in written:
        page = Page(path)
        policy = page.all("meta", **{"http-equiv": "Content-Security-Policy"})[0][0]["content"]
        assert policy.startswith("default-src 'none'; img-src data:;")
        assert "unsafe" not in policy
        inline = [text for _, text in page.all("style")]
        inline += [text for attrs, text in page.all("script") if not attrs]
        for text in inline:
            digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
            assert f"'sha256-{digest}'" in policy
        for name, attrs in page.elements:
            assert name not in ("link", "iframe", "object", "embed", "base")
            assert not any(key.startswith("on") or key == "style" for key in attrs)
            assert attrs.get("src", "data:").startswith("data:")
            assert attrs.get("href", "#").startswith("#")
        assert "url(" not in page.all("style")[0][1]


def test_embedded_json_has_no_markup_and_reads_back():
    text = embed_json({"title": EVIL})
    assert not re.search("[<>&\u2028\u2029\ud800-\udfff]", text)
    assert json.loads(text) == {"title": SPELLED_OUT}


def test_a_thumbnail_is_small_never_enlarged_and_leaves_the_picture_alone():
    noise = np.random.default_rng(0).integers(0, 255, (900, 600, 3), dtype=np.uint8)
    picture = Image.fromarray(noise)
    assert len(thumbnail(picture)) < 15_000  # 10,000 of these in base64 are 200 MB
    assert picture.size == (600, 900)
    assert Image.open(io.BytesIO(thumbnail(picture))).size == (192, 288)
    for size in ((60, 80), (1, 1)):
        assert Image.open(io.BytesIO(thumbnail(Image.new("L", size)))).size == size
    assert Image.open(io.BytesIO(thumbnail(Image.new("RGB", (5000, 2))))).size == (240, 1)


def test_two_thousand_rows_stay_small(tmp_path):
    ramp = np.linspace(0, 255, 288 * 216 * 3).reshape(288, 216, 3).astype(np.uint8)
    rows = [ROWS[0]] * 2000
    small = Image.fromarray(ramp).resize((60, 80))
    path = report(tmp_path / "r.html", rows, lambda data, at_least: small)
    assert len(Page(path).rows) == 2000
    assert path.stat().st_size < 2000 * 20_000  # 200 MB for 10,000 rows


def test_a_page_too_large_to_open_ends_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(contactsheet, "_MOST_ROWS", 3)
    monkeypatch.setattr(contactsheet, "_MOST_THUMBS", 1)
    page = Page(report(tmp_path / "r.html", [ROWS[0]] * 5))
    assert len(page.rows) == 3
    assert len(page.all("script", type="text/plain")) == 1
    assert page.data["notice"] == (
        "Only the first 3 of 5 products are here. 2 cards are without their picture, for size."
    )


def test_equal_rows_are_equal_bytes(tmp_path):
    assert report(tmp_path / "a.html").read_bytes() == report(tmp_path / "b.html").read_bytes()


def test_without_a_picture_the_page_is_whole(tmp_path):
    row = Tagged("a", "a", "", "ok", "")
    with open_report(tmp_path / "r.html", title="", space=space_of({}), load=red) as sink:
        sink.write(row, item_of(row, Bytes(b"")))
    assert not Page(tmp_path / "r.html").all("script", type="text/plain")
    assert Page(tmp_path / "r.html").data["groups"] == []


def test_an_exception_leaves_the_old_page_and_nothing_else(tmp_path):
    path = report(tmp_path / "r.html")
    before = path.read_bytes()
    with pytest.raises(AttributeError):
        report(path, [*ROWS, "no row"])
    with pytest.raises(ValueError, match="zip"):
        write_gallery(path, title="", note="", hits=[Hit(1, 0.5, "a", "a", "")], images=[])
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_an_unwritable_place_is_said_at_once(tmp_path):
    with (
        pytest.raises(OutputError, match="its folder does not exist"),
        open_report(tmp_path / "no" / "r.html", title="", space=space_of({}), load=red),
    ):
        raise AssertionError


def gallery(path):
    hits = [Hit(1, 0.4321, "a.jpg", "in/a.jpg", EVIL, (f"color={EVIL}", "fit=a=b"), 2)]
    hits += [Hit(2, 0.4, EVIL, EVIL, "")]
    write_gallery(path, title=EVIL, note=EVIL, hits=hits, images=[RED, None])
    return path


def test_a_gallery_shows_hits_and_escapes_everything(tmp_path):
    path = gallery(tmp_path / "g.html")
    page = Page(path)
    assert len(page.all("li")) == 2
    assert len(page.all("img")) == 1
    assert not page.all("script")
    text = path.read_text("utf-8")
    assert "0.432" in text
    assert "2 more alike" in text
    assert ">a=b<" in text


def probe_report(path, text=EVIL, mistaken=ROWS):
    figures = ("ranking", "macro_f1", "top1", "coverage", "calibration", "published", "precision")
    group = dict.fromkeys(figures, 0.5) | {"group": text, "products": 1234, "top1": None}
    group |= {"reliability": [(0.1, 0.2), (0.9, 0.75)]}
    label = dict.fromkeys(("ranking", "f1", "threshold"), 0.5)
    label |= {"group": text, "label": text, "support": 9, "promise": None}
    label |= {"published": 0, "right": 0}
    mistakes = [{"id": row.id, "said": [text], "true": [text]} for row in mistaken]
    counts = {"group": text, "label": text, "right": 12_345, "wrong": 2, "empty": 0}
    report = {
        "basis": text,
        "products": 4321,
        "families": 3000,
        **dict.fromkeys(("macro_ap", "micro_ap", "lrap", "precision_at_3")),
        "groups": [group],
        "labels": [label, label | {"published": 4, "right": 3, "promise": 0.8}],
        "verdict": counts | {"groups": [counts], "labels": [counts | {"examples": mistakes}]},
        "forecast": None,
    }
    write_probe_report(path, report, [item_of(ROWS[0]), item_of(ROWS[1], Bytes(b""))], red)
    return path


def test_a_probe_report_shows_its_figures_and_escapes_everything(tmp_path):
    path = probe_report(tmp_path / "p.html")
    page, plain = Page(path), Page(probe_report(tmp_path / "plain.html", "plain"))
    assert [name for name, _ in page.elements] == [name for name, _ in plain.elements]
    assert len(page.all("img")) == 1
    assert len(page.all("svg")) == 1
    assert page.all("circle")[1][0]["cy"] == "37.5"  # of 150 pixels, from above
    text = path.read_text("utf-8")
    for shown in (
        "4,321",
        "1,234",
        "<td>0.750</td>",
        "can&#39;t be promised",
        "no picture here",
        "Right 12,345. Wrong 2.",
    ):
        assert shown in text
    assert "There is none." in probe_report(path, mistaken=()).read_text("utf-8")


def test_a_picture_is_of_an_item_or_of_a_path_and_none_where_it_cannot_be_read(tmp_path):
    there = tmp_path / "a.jpg"
    there.write_bytes(b"picture")
    assert picture_of(Hit(1, 0.5, "a", str(there), ""), red) is RED
    assert picture_of(Hit(1, 0.5, "a", "hf:shop/train/7", ""), red) is None
    assert picture_of(item_of(ROWS[0]), red) is RED
    assert picture_of(item_of(ROWS[0], Bytes(b"")), red) is None


def test_templates_are_loaded_only_where_a_page_is_written():
    """Jinja takes 0.1 s to import, which a `tag` without --html spares."""
    code = "import sys, fashiontag.sinks.tables, fashiontag.sinks.contactsheet as _\n"
    code += "assert not {'jinja2', 'PIL', 'pyarrow'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs chromium")
def test_in_a_browser_the_cards_appear_and_titles_are_text(tmp_path):
    path = report(tmp_path / "r.html")
    options = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"]
    options += ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
    options += [f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", path.as_uri()]
    run = subprocess.run(
        ["chromium", *options], capture_output=True, check=True, timeout=120, encoding="utf-8"
    )
    assert run.stdout.count('<li class="card') == 2
    assert '<li class="card error"' in run.stdout
    assert "&lt;img src=x onerror=alert(1)&gt;" in run.stdout
    assert "<img src=x" not in run.stdout
    assert re.search(r"unsure:</b> color\b", run.stdout)  # an abstention is no tag
