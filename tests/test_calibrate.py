"""Constants of a model from a catalogue's own titles: what is fitted, kept, used, refused."""

import csv
import json
import os

import numpy as np
import pytest

from fashiontag.catalog import read_catalog
from fashiontag.catalog.annotations import read_annotations
from fashiontag.errors import StoreError
from fashiontag.heads.constants import lowest_cut
from fashiontag.heads.statistics import Statistics
from fashiontag.labels import parse_labels
from fashiontag.workflows.calibrate import LEAST, calibrate
from fashiontag.workflows.tag import Outputs, tag
from fashiontag.workspace import Workspace
from fashiontag.workspace.calibration import calibrated_groups, load_constants
from fashiontag.workspace.receipts import judge_digest
from tests.fakes import COLORS, ColorEncoder, color_picture

NAMES = ("red", "green", "blue", "yellow")
CONTENT = {
    "groups": {
        "color": {"labels": [*NAMES], "templates": ["a {label} thing"]},
        "mood": {"exclusive": False, "labels": ["calm", "loud"]},
        "fit": {"labels": ["slim", "wide"], "visible": False},
    }
}
COUNT = 420


def space_of(content=CONTENT, name="mine"):
    return parse_labels(content, name, "a test")


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Pictures between two colours; the nearer one is true, and three titles in four name it."""
    folder, rng = tmp_path_factory.mktemp("shop"), np.random.default_rng(0)
    lines = []
    for number in range(COUNT):
        true, other = rng.choice(len(NAMES), 2, replace=False)
        share = rng.uniform(0, 0.55)
        rgb = (1 - share) * np.array(COLORS[NAMES[true]]) + share * np.array(COLORS[NAMES[other]])
        color_picture(folder / "photos" / f"{number}.png", tuple(rgb.astype(int).tolist()), (8, 8))
        named = NAMES[true] if rng.random() < 0.99 else NAMES[other]
        title = f"thing {named}" if rng.random() < 0.75 else "thing"
        lines.append([f"{number}.png", title, NAMES[true]])
    for picture in (folder / "photos").iterdir():
        os.utime(picture, (1e9, 1e9))  # a file written just now is read again by the next run
    with (folder / "titles.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "title", "shade"], *lines])
    with (folder / "truth.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["image", "color"], *([a, c] for a, _, c in lines)])
    return folder


def catalog_of(shop, titles="titles.csv"):
    return read_catalog([str(shop / "photos")], shop / titles if titles else None)


def calibrated(shop, path, **options):
    encoder = options.pop("encoder", ColorEncoder())
    catalog = options.pop("catalog", None) or catalog_of(shop)
    with Workspace.open(path, encoder) as workspace:
        return calibrate(workspace, catalog, options.pop("space", space_of()), **options)


def test_titles_come_near_what_true_labels_give(shop, tmp_path) -> None:
    catalog = catalog_of(shop)
    truth = read_annotations(
        str(shop / "truth.csv"), [i.id for i in catalog.items], like=space_of()
    )
    found = {}
    for kind, table in (("titles", None), ("truth", truth)):
        done = calibrated(shop, tmp_path / kind, truth=table)
        color, mood, fit = done.groups
        assert color.source == kind
        assert color.least <= color.right <= color.most
        assert mood.kept
        assert fit.kept
        assert not mood.source
        assert not fit.source
        own = load_constants(tmp_path / kind, "c0105", space_of())
        assert own.keys() == {"mine/color"}
        found[kind] = own["mine/color"], color
    (titles, said), (true, known) = found["titles"], found["truth"]
    assert titles.image_alone == pytest.approx(true.image_alone, rel=0.3)  # each wrong title costs
    assert said.given == pytest.approx(known.given, abs=0.1)
    assert said.labelled < known.labelled == COUNT
    assert titles.title == 0
    assert titles.words > 5


def test_tag_uses_it_unless_told_otherwise_and_only_for_this_model_and_these_labels(
    shop, tmp_path
) -> None:
    place, out = tmp_path / "ws", tmp_path / "tags.csv"
    catalog = catalog_of(shop, None)

    def tags(space=None, encoder=None, **options):
        with Workspace.open(place, encoder or ColorEncoder(), **options) as workspace:
            summary = tag(workspace, catalog, space or space_of(), outputs=Outputs(out))
        with out.open() as file:
            return summary, [row["color"] for row in csv.DictReader(file)]

    neutral = tags()
    assert not neutral[0].probabilities
    assert tags()[0].unchanged
    calibrated(shop, place)
    fitted = tags()
    assert fitted[0].probabilities
    assert not fitted[0].unchanged
    # what lies between two colours stays empty
    assert fitted[1].count("") > neutral[1].count("")
    assert tags(calibrated=False)[1] == neutral[1]
    assert tags(encoder=ColorEncoder(fingerprint="0ther"))[1] == neutral[1]
    more = {"groups": {**CONTENT["groups"], "color": {"labels": [*NAMES, "teal"]}}}
    assert not tags(space_of(more))[0].probabilities
    elsewhere = {"groups": {"use": {"labels": ["home", "work"]}, **CONTENT["groups"]}}
    with Workspace.open(place, ColorEncoder()) as workspace:  # other groups are others' business
        assert "mine/color" in workspace.statistics_for(space_of(elsewhere)).groups


def test_few_or_useless_titles_change_nothing(shop, tmp_path) -> None:
    whole = catalog_of(shop)
    lines = (shop / "titles.csv").read_text().splitlines()[1:]
    names, titles = zip(*(line.split(",")[:2] for line in lines), strict=True)
    mixed = np.random.default_rng(1).permutation(titles)
    few = [*titles[:150], *["thing"] * (COUNT - 150)]
    same = ["thing red"] * COUNT
    for kind, found in {"mixed": mixed, "few": few, "same": same}.items():
        table = tmp_path / f"{kind}.csv"
        table.write_text("\n".join(["image,title", *map(",".join, zip(names, found, strict=True))]))
        done = calibrated(
            shop, tmp_path / kind, catalog=read_catalog([str(shop / "photos")], table)
        )
        assert done.file is None, kind
        assert all(group.kept and not group.source for group in done.groups)
        assert calibrated_groups(tmp_path / kind) == {}
    done = calibrated(shop, tmp_path / "none", catalog=catalog_of(shop, None))
    assert f"{LEAST} are needed" in done.groups[0].kept
    assert done.titled == 0
    assert len(whole.items) == done.products


def test_what_was_fitted_stays_when_another_group_is(shop, tmp_path) -> None:
    place = tmp_path / "ws"
    calibrated(shop, place)
    other = {"groups": {"shade": CONTENT["groups"]["color"] | {"labels": ["red", "green", "blue"]}}}
    calibrated(shop, place, space=space_of(other, "shades"))
    assert calibrated_groups(place) == {"c0105": ("mine/color", "shades/shade")}
    with Workspace.open(place, ColorEncoder()) as workspace:
        one = judge_digest(workspace, space_of())
        workspace.calibrated = False
        assert judge_digest(workspace, space_of()) != one
        assert workspace.statistics_for(space_of()) == Statistics()


def test_a_damaged_file_is_said_and_never_used(shop, tmp_path) -> None:
    done = calibrated(shop, tmp_path / "ws")
    content = json.loads(done.file.read_text())
    assert content["fingerprint"] == "c0105"
    done.file.write_text("{}")
    with pytest.raises(StoreError, match=r"can't be read.*calibrate again"):
        load_constants(tmp_path / "ws", "c0105", space_of())


def test_silent_titles_raise_a_cut() -> None:
    rng = np.random.default_rng(0)
    score = rng.uniform(size=4000)
    right = rng.random(4000) < score
    cuts = [lowest_cut(score, right, 0.8, silent) for silent in (None, score[:100], score)]
    assert cuts[0] < cuts[1] < cuts[2] < 1
