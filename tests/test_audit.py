"""The audit, counts, changes and matches on a small drawn catalogue with planted faults."""

import csv
import io
import json
import random
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter, ImageOps

from examples.drawing import draw_garment
from fashiontag.catalog.quality import look_at
from fashiontag.cli import run
from fashiontag.heads.doubt import evidence_against, judged_groups
from fashiontag.heads.zeroshot import Scores
from fashiontag.labels import load_labels
from fashiontag.workflows.audit import same_photo
from fashiontag.workflows.drift import drift
from fashiontag.workflows.matches import harmony
from fashiontag.workflows.stats import prevalence

CATALOG = Path(__file__).parents[1] / "examples" / "catalog"


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """The drawn catalogue: two titles exchanged, one photo twice, blurred, and one tiny."""
    folder = tmp_path_factory.mktemp("shop")
    shutil.copytree(CATALOG, folder / "catalog")
    images = folder / "catalog"
    with (images / "titles.csv").open(encoding="utf-8") as file:
        rows = list(csv.reader(file))
    photos = sorted(images.glob("*.jpg"))
    ImageOps.mirror(Image.open(photos[0])).save(images / "again.jpg", quality=85)
    with Image.open(photos[1]) as photo:
        photo.filter(ImageFilter.GaussianBlur(photo.width / 40)).save(photos[1])
    with Image.open(photos[2]) as photo:
        photo.resize((60, 72)).save(photos[2])
    title = rows[0].index("title") if "title" in rows[0] else 1
    rows[4][title], rows[9][title] = rows[9][title], rows[4][title]
    with (folder / "titles.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    for table in images.glob("*.csv"):
        table.unlink()
    names = {"mirrored": photos[0].name, "blurred": photos[1].name, "tiny": photos[2].name}
    return folder, names


@pytest.fixture(scope="module")
def audited(shop):
    folder, names = shop
    arguments = [
        *("audit", str(folder / "catalog"), "--titles", str(folder / "titles.csv")),
        *("--workspace", str(folder / "w"), "--out", str(folder / "audit.csv")),
        *("--html", str(folder / "audit.html"), "--min-side", "100", "-q"),
    ]
    assert run(arguments, debug=True) == 0
    with (folder / "audit.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file)), names, folder


def test_what_was_planted_is_found(audited):
    rows, names, _ = audited
    found = {(row["check"], name) for row in rows for name in row["id"].split("|")}
    assert ("duplicate", "again.jpg") in found
    assert ("duplicate", names["mirrored"]) in found
    assert ("blurred", names["blurred"]) in found
    assert ("small", names["tiny"]) in found


def test_ranks_go_from_contradictions_to_pictures(audited):
    rows, _, _ = audited
    assert [int(row["rank"]) for row in rows] == list(range(1, len(rows) + 1))
    checks = [row["check"] for row in rows]
    assert checks.index("duplicate") < checks.index("blurred")
    assert all(0 <= float(row["score"]) <= 1 for row in rows)


def test_the_page_names_every_finding_and_asks_for_nothing(audited):
    rows, _, folder = audited
    page = (folder / "audit.html").read_text("utf-8")
    assert all(row["check"] in page for row in rows)
    assert "http://" not in page.replace("http://www.w3.org", "")


def test_an_unknown_column_is_an_error_that_names_those_there_are(shop, capsys):
    folder, _ = shop
    arguments = [
        *("audit", str(folder / "catalog"), "--titles", str(folder / "titles.csv")),
        *("--workspace", str(folder / "w"), "--column", "color=Nowhere"),
    ]
    assert run(arguments, debug=False) == 2
    assert "no such column" in capsys.readouterr().err


def scores(space, labels):
    groups = len(space.groups)
    blank = np.zeros((len(labels), space.size), bool)
    none = np.zeros((len(labels), groups), np.float32)
    return Scores(labels.astype(np.float32), none, blank, blank, none)


def test_usual_mix_ups_weigh_less_than_rare_ones():
    space = load_labels("fashion")
    span = space.span("color")
    black, brown, pink = (space.column(f"color={name}") for name in ("black", "brown", "pink"))
    named, labels = np.zeros((2, 122, space.size))
    named[:42, brown] = 1
    for start, colour in ((42, black), (82, pink)):
        named[start : start + 40, colour] = labels[start : start + 40, colour] = 1
    labels[:20, brown], labels[:20, black] = 0.9, 0.05
    labels[20:40, brown], labels[20:40, black] = 0.05, 0.9  # half of the brown ones look black
    labels[40, brown], labels[40, black] = 0.05, 0.9
    labels[41, brown], labels[41, pink] = 0.05, 0.9
    seen = scores(space, labels)
    found = evidence_against(space, "color", named, seen, seen)
    chance = dict(zip(found.rows.tolist(), found.chance("title", main=False), strict=True))
    assert span.start <= found.said.min()
    assert chance[41] > 2 * chance[40]
    assert 0 not in chance
    assert "color" in judged_groups(space)


def test_what_stands_above_a_label_contradicts_nothing(tmp_path):
    file = tmp_path / "own.toml"
    file.write_text(
        '[groups.kind]\nlabels = ["shoes", { name = "sneakers", parent = "shoes" }, "bag"]\n'
    )
    space = load_labels(str(file))
    shoes, sneakers, bag = (space.column(f"kind={n}") for n in ("shoes", "sneakers", "bag"))
    named, labels = np.zeros((2, 2, 3))
    named[:, shoes] = 1
    labels[0, sneakers], labels[1, bag] = 0.9, 0.9
    seen = scores(space, labels)
    assert evidence_against(space, "kind", named, seen, seen).rows.tolist() == [1]


def test_prints_tell_one_photo_from_another():
    drawn = [look_at(path.read_bytes()).print for path in sorted(CATALOG.glob("*.jpg"))[:6]]
    left = np.stack(drawn)
    assert same_photo(left, left[:, :, ::-1]).min() > 0.9
    assert same_photo(left[:3], left[3:]).max() < 0.3


def pasted(*photos):
    """The bytes of photos side by side on white."""
    wide = Image.new(
        "RGB", (sum(p.width for p in photos) + 40, max(p.height for p in photos)), "white"
    )
    at = 0
    for photo in photos:
        wide.paste(photo, (at, 0))
        at += photo.width + 40
    data = io.BytesIO()
    wide.save(data, "PNG")
    return data.getvalue()


def test_unlike_things_are_counted_and_pairs_are_one():
    red, blue = (Image.new("RGB", (150, 300), "white") for _ in range(2))
    red.paste((200, 30, 30), (20, 20, 130, 280))
    red.paste((20, 20, 20), (20, 20, 130, 90))
    blue.paste((30, 30, 200), (20, 120, 130, 200))
    blue.paste((250, 200, 20), (40, 140, 60, 190))
    assert look_at(pasted(red)).things == 1
    assert look_at(pasted(red, ImageOps.mirror(red))).things == 1
    assert look_at(pasted(red, blue)).things == 2


def test_variants_with_one_photo_or_a_wrong_one(tmp_path):
    folder = tmp_path / "shop"
    folder.mkdir()
    for name, colour in (("a", "red"), ("b", "green"), ("c", "green")):
        draw_garment("t-shirt", colour, seed=3).save(folder / f"{name}.jpg", quality=95)
    shutil.copy(folder / "a.jpg", folder / "d.jpg")
    table = tmp_path / "t.csv"
    table.write_text(
        "image,title,style,shade\na.jpg,Tee,s1,red\nd.jpg,Tee,s1,blue\n"
        "b.jpg,Tee,s2,green\nc.jpg,Tee,s2,pink\n"
    )
    out = tmp_path / "audit.csv"
    arguments = [
        *("audit", str(folder), "--titles", str(table), "--workspace", str(tmp_path / "w")),
        *("--product-column", "style", "--variant-column", "shade", "--out", str(out), "-q"),
    ]
    assert run(arguments, debug=True) == 0
    with out.open(encoding="utf-8") as file:
        rows = [(row["check"], row["id"], row["evidence"]) for row in csv.DictReader(file)]
    assert ("shared photo", "a.jpg|d.jpg", "color: one photo for blue, red") in rows
    wrong = {key for check, key, _ in rows if check == "wrong variant"}
    assert "c.jpg" in wrong
    assert not wrong & {"a.jpg", "b.jpg"}


def test_a_share_is_corrected_by_what_tags_are_worth():
    share, low, high = prevalence(200, 1000)
    assert low < share < high
    assert share == 0.2
    true, low, high = prevalence(200, 1000, (0.9, 0.6, 500))
    assert true == pytest.approx(0.3)
    assert low < 0.27 < 0.33 < high
    assert prevalence(0, 100)[1:] > (0.0, 0.02)


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(400):
        truth, seen = rng.random(2000) < 0.2, rng.random(2000)
        tagged = np.where(truth, seen < 0.8, seen < 0.05)
        known = slice(0, 400)
        right = (truth & tagged)[known].sum()
        quality = right / tagged[known].sum(), right / truth[known].sum(), int(truth[known].sum())
        _, low, high = prevalence(int(tagged.sum()), 2000, quality)
        held += low <= 0.2 <= high
    assert held >= 0.93 * 400


def write_tags(path, colours):
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "path", "title", "status", "message", "tags", "color", "kind"])
        for at, colour in enumerate(colours):
            table.writerow([at, "", "", "ok", "", "", colour, random.Random(at).choice("abcdefgh")])
    return str(path)


def test_a_planted_shift_is_called_and_nothing_else(tmp_path):
    rng = np.random.default_rng(5)
    names = np.array(["red", "blue", "green", "black"])
    old = write_tags(tmp_path / "old.csv", rng.choice(names, 2000, p=[0.25, 0.25, 0.25, 0.25]))
    same = write_tags(tmp_path / "same.csv", rng.choice(names, 2000, p=[0.25, 0.25, 0.25, 0.25]))
    new = write_tags(tmp_path / "new.csv", rng.choice(names, 2000, p=[0.35, 0.15, 0.25, 0.25]))
    assert not any(change.drifts for change in drift(old, same).changes)
    assert {c.label for c in drift(old, new).changes if c.drifts} == {"red", "blue"}


def test_counts_and_matches_from_the_index(shop, capsys):
    folder, _ = shop
    place = ["--workspace", str(folder / "w"), "--json"]
    table = str(folder / "titles.csv")
    assert (
        run(["tag", str(folder / "catalog"), "--titles", table, "-q", *place[:2], "--out",
             str(folder / "tags.csv")], debug=True) == 0
    )  # fmt: skip
    capsys.readouterr()
    assert run(["stats", "--by", "category,color", *place], debug=True) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["products"] == len(list((folder / "catalog").rglob("*.jpg")))
    for share in found["shares"]:
        assert share["low"] <= share["share"] <= share["high"]
    counts = {share["label"]: share["count"] for share in found["shares"]}
    for cell in found["cells"]:  # a product counts for its label and for what is above it
        assert cell["count"] <= min(counts[cell["row"]], counts[cell["column"]])
    assert any(cell["count"] for cell in found["cells"])
    assert run(["stats", "--by", "nothing", *place], debug=False) == 2
    with (folder / "tags.csv").open(encoding="utf-8") as file:
        key = next(row["id"] for row in csv.DictReader(file) if row["category"] and row["color"])
    capsys.readouterr()
    assert run(["matches", key, *place], debug=True) == 0
    hits = json.loads(capsys.readouterr().out)
    assert all(hit["id"] != key and "another kind" in hit["why"] for hit in hits)
    assert run(["matches", "no such id", *place], debug=False) == 2


def test_harmony_is_as_it_says():
    assert harmony("black", "red") == (0.8, "a neutral goes with all")
    assert harmony("red", "green") == (0.7, "complements")
    assert harmony("red", "blue") is None
