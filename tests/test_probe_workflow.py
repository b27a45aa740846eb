"""Labelled products → probe → tags: tables of every shape, bad input, artefact, promise."""

import json

import numpy as np
import pytest
from fakes import COLORS, ColorEncoder, color_picture

from fashiontag.catalog import read_catalog
from fashiontag.catalog.annotations import read_annotations
from fashiontag.catalog.families import find_families
from fashiontag.errors import CatalogError, ForeignEncoderError, UsageError
from fashiontag.heads.artefact import load_probe, save_probe
from fashiontag.heads.local import Promise
from fashiontag.heads.training import draw_shots
from fashiontag.heads.zeroshot import Scores
from fashiontag.labels import load_labels, parse_labels
from fashiontag.workflows.evaluate import evaluate_probe
from fashiontag.workflows.learn import gather, train_probe, unlabelled
from fashiontag.workflows.tag import Judge
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import embed

IDS = [f"{name}{n}.png" for name in COLORS for n in range(6)]
KINDS = {"red": "shirt", "green": "shoe", "blue": "shirt", "yellow": "shoe"}


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """Return a folder of pictures in shades of eight colours, six of each."""
    folder = tmp_path_factory.mktemp("shop")
    rng = np.random.default_rng(0)
    for name, color in COLORS.items():
        for n in range(6):
            shade = np.clip(np.array(color) * 0.8 + rng.integers(0, 50, 3), 0, 255)
            color_picture(folder / f"{name}{n}.png", tuple(int(v) for v in shade))
    return folder


@pytest.fixture
def workspace(tmp_path):
    with Workspace.open(tmp_path / "workspace", ColorEncoder()) as opened:
        yield opened


def table(path, text):
    path.write_text(text, "utf-8")
    return str(path)


def own_labels(path, colors=COLORS, count=6):
    """Write a table of attribute columns: shade and kind."""
    rows = [f"{c}{n}.png,{c}ish,{KINDS.get(c, '')}" for c in colors for n in range(count)]
    return table(path, "\n".join(["image,shade,kind", *rows]))


def train(shop, workspace, labels, **options):
    catalog = read_catalog(str(shop))
    notes = read_annotations(labels, [item.id for item in catalog.items])
    training, _ = gather(workspace, catalog, notes)
    return train_probe(workspace, training, **options)


# -- tables -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "image,tags\nred0.png,color=red|kind=shirt\nblue0.png,color=blue\n",
        "image,color,kind\nred0.png,red,shirt\nblue0.png,blue,\n",
        "image,color=red,color=blue,kind=shirt\nred0,1,0,1\nblue0,0,1,\n",
    ],
    ids=["long", "attributes", "wide"],
)
def test_three_shapes_say_the_same(tmp_path, text):
    notes = read_annotations(table(tmp_path / "labels.csv", text), IDS)
    assert notes.space.group("color").exclusive
    said = {tag: notes.targets[:, notes.space.column(tag)].tolist() for tag in notes.space.tags}
    assert [IDS[row] for row in notes.rows] == ["red0.png", "blue0.png"]
    assert said == {"color=blue": [0, 1], "color=red": [1, 0], "kind=shirt": [1, -1]}


def test_a_blank_is_unknown_and_no_negative_unless_asked(tmp_path):
    path = table(
        tmp_path / "l.csv", "image,kind,trim\nred0,shirt,zip|lace\nblue0,,lace\nteal0,shoe,"
    )
    known = {}
    for unlabeled in ("group", "negative", "unknown"):
        notes = read_annotations(path, IDS, unlabeled=unlabeled)
        assert not notes.space.group("trim").exclusive
        order = [
            notes.space.tags.index(t) for t in ("kind=shirt", "kind=shoe", "trim=lace", "trim=zip")
        ]
        by_id = dict(zip(notes.rows.tolist(), notes.targets[:, order].tolist(), strict=True))
        known[unlabeled] = [by_id[IDS.index(one)] for one in ("red0.png", "blue0.png", "teal0.png")]
    assert known["group"] == [[1, 0, 1, 1], [-1, -1, 1, 0], [0, 1, -1, -1]]
    assert known["negative"] == [[1, 0, 1, 1], [0, 0, 1, 0], [0, 1, 0, 0]]
    assert known["unknown"] == [[1, 0, 1, 1], [-1, -1, 1, -1], [0, 1, -1, -1]]


def test_a_label_file_gives_words_exclusiveness_and_implications(tmp_path):
    space = parse_labels(
        {
            "groups": {
                "kind": {"labels": ["Top", "Bottom"]},
                "type": {"labels": [{"name": "Shirt", "implies": ["kind=Top"]}, "Jeans"]},
            }
        },
        "own",
        "own",
    )
    path = table(tmp_path / "l.csv", "image,TYPE\nred0,shirt\nblue0,jeans\nteal0,hat\n")
    notes = read_annotations(path, IDS, space)
    assert notes.space.tags == space.tags
    red, blue = notes.targets.tolist()
    assert red == [1, 0, 1, 0]
    assert blue == [-1, -1, 0, 1]
    assert "'type' hold 1 values that the label file doesn't have" in notes.warnings[0]
    assert "hat (1)" in notes.warnings[0]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("image,color\nnone.png,red\n", "labels no product of the source"),
        ("image,color\nred0,\n", "labels no product"),
        ("picture,color\nred0,red\n", "no key column"),
        ("image,tags\nred0,red\n", "labels no product"),
        ("image,color=red\nred0,1\nred0,0\n", "both has and hasn't color=red"),
        ("image,tags\nred0,title=long\nblue0,title=short\n", "column of every output"),
    ],
)
def test_tables_that_cannot_be_used_are_refused(tmp_path, text, says):
    with pytest.raises(CatalogError, match=says):
        read_annotations(table(tmp_path / "l.csv", text), IDS)


def test_two_colours_in_an_exclusive_group_are_refused_by_id_and_line(tmp_path):
    path = table(tmp_path / "l.csv", "image,color\nred0,red\nblue0,blue\nred0.png,navy\n")
    labels = parse_labels({"groups": {"color": {"labels": ["red", "blue", "navy"]}}}, "own", "own")
    with pytest.raises(CatalogError, match=r"red0.png has two values of 'color', 'red' in line 2"):
        read_annotations(path, IDS, labels)
    invented = read_annotations(path, IDS)
    assert not invented.space.group("color").exclusive
    assert "several values of color" in invented.warnings[0]


def test_what_can_not_be_used_is_counted(tmp_path):
    text = (
        "image,title,price,empty,link,tags\n"
        "red0,Red,1.5,,http://a/1,c=r\nblue0,Blue,2,,http://a/2,c=b|broken\nmissing,X,3,,http://a/3,\n"
    )
    notes = read_annotations(table(tmp_path / "l.csv", text), IDS)
    assert notes.space.names == ("c",)
    told = " ".join(notes.warnings)
    for part in ("filled in empty", "price, link looks like", "1 of 3 rows match no image: missing",
                 "1 tags aren't written group=label", "line 3"):  # fmt: skip
        assert part in told


def test_a_table_that_is_not_utf8_is_read(tmp_path):
    path = tmp_path / "l.csv"
    path.write_bytes("image,color\nred0,écru\nblue0,bleu foncé\n".encode("latin-1"))
    assert read_annotations(str(path), IDS).space.tags == ("color=bleu foncé", "color=écru")


# -- families and shots -----------------------------------------------------------------------


def test_families_are_equal_pictures_or_titles_but_for_colours_and_numbers():
    keys = ["a", "b", "c", "a", None, "f", "g"]
    texts = [
        "Acme Men Red Polo Shirt 32", "Acme Men Navy Blue Polo Shirt", "Shirt", "", "Shirt",
        "Acme Men Polo Shirt", "Other Men Polo Shirt",
    ]  # fmt: skip
    found = find_families(keys, texts).tolist()
    assert found[0] == found[1] == found[3] == found[5]
    assert len({found[0], found[2], found[4], found[6]}) == 4


def test_shots_are_one_per_family_and_repeat_with_the_seed():
    rng = np.random.default_rng(0)
    targets = (rng.integers(0, 4, 200)[:, None] == np.arange(4)).astype(np.int8)
    families = np.arange(200) // 2
    rows = draw_shots(targets, families, 3, seed=5)
    assert len(np.unique(families[rows])) == len(rows)
    assert (targets[rows].sum(axis=0) == 3).all()
    assert (rows == draw_shots(targets, families, 3, seed=5)).all()
    assert (rows != draw_shots(targets, families, 3, seed=6)).any()


# -- training ---------------------------------------------------------------------------------


def test_own_labels_are_learned_and_given(shop, workspace, tmp_path):
    labels = own_labels(tmp_path / "l.csv", count=4)
    encoder = workspace.encoder
    trained = train(shop, workspace, labels)
    encoded = encoder.images_seen
    save_probe(trained.probe, tmp_path / "probe")
    probe = load_probe(tmp_path / "probe", workspace.encoder)
    judge = Judge(workspace, load_labels("fashion"), probe)
    items = read_catalog(str(shop)).items
    rows = [row for window in embed(workspace, items) for row in judge.tag(window)]
    assert encoder.images_seen == len(IDS) > encoded  # the four of a colour weren't encoded again
    held_out = [row for row in rows if row.id[-5] in "45"]
    right = [row.labels("shade") == (f"{row.id[:-5]}ish",) for row in held_out]
    assert np.mean(right) > 0.85
    tags = {tag.group: tag for row in rows for tag in row.tags}
    assert (tags["shade"].method, tags["shade"].source) == ("probe", "image")
    assert all(
        tag.method == "zero-shot" for group, tag in tags.items() if group in ("fit", "color")
    )
    assert tags["shade"].decision is None


def test_a_loaded_probe_judges_like_the_fitted_one(shop, workspace, tmp_path):
    trained = train(shop, workspace, own_labels(tmp_path / "l.csv"), promise=Promise(0.8))
    save_probe(trained.probe, tmp_path / "probe")
    probe = load_probe(tmp_path / "probe", workspace.encoder)
    old = trained.probe
    x = old.features.transform(old.training.images, old.training.titles, old.training.texts)
    nothing = np.full((len(x), probe.whole.size), 0.1, np.float32)
    none, never = nothing[:, : len(probe.whole.groups)], nothing > 1
    scores = Scores(nothing, none, never, never, none)
    mine, theirs = (one.overlay(scores, one.whole, x) for one in (old, probe))
    assert np.array_equal(mine.labels, theirs.labels)
    assert np.array_equal(mine.promises, theirs.promises)
    assert np.array_equal(mine.label_cuts, theirs.label_cuts)
    assert probe.training.hash == old.training.hash == probe.manifest.training_hash
    assert not any(name.suffix in {".pkl", ".pt"} for name in (tmp_path / "probe").iterdir())


def test_fitting_twice_gives_the_same_numbers(shop, workspace, tmp_path):
    labels = own_labels(tmp_path / "l.csv")
    for name in ("one", "two"):
        save_probe(train(shop, workspace, labels).probe, tmp_path / name)
    both = [(tmp_path / name / "probe.safetensors").read_bytes() for name in ("one", "two")]
    assert both[0] == both[1]


def test_appending_is_training_on_both_tables(shop, workspace, tmp_path):
    first = own_labels(tmp_path / "a.csv", [*COLORS][:4])
    second = own_labels(tmp_path / "b.csv", [*COLORS][4:])
    catalog = read_catalog(str(shop))
    ids = [item.id for item in catalog.items]
    old, new, both = (
        gather(workspace, catalog, read_annotations(path, ids))[0]
        for path in (first, second, own_labels(tmp_path / "c.csv"))
    )
    together = old.combined(new)
    assert set(together.space.tags) == set(both.space.tags)
    assert len(together.ids) == len(both.ids)
    at = {tag: together.space.column(tag) for tag in both.space.tags}
    place = {one: row for row, one in enumerate(together.ids)}
    for row, one in enumerate(both.ids):
        mine = together.targets[place[one], [at[tag] for tag in both.space.tags]]
        assert mine.tolist() == both.targets[row].tolist()
    again = together.combined(new)
    assert np.array_equal(again.targets, together.targets)


def test_who_was_sneakers_and_is_shoes_now_may_be_any(shop, workspace, tmp_path):
    catalog, table = read_catalog(str(shop)), tmp_path / "kinds.csv"
    ids = [item.id for item in catalog.items]
    kinds = ["shoes", "hats", *({"name": x, "parent": "shoes"} for x in ("sneakers", "boots"))]
    space = parse_labels({"groups": {"kind": {"labels": kinds}}}, "k", "k")

    def told(kind):
        table.write_text(f"image,kind\n{ids[0]},{kind}\n")
        return gather(workspace, catalog, read_annotations(str(table), ids, space))[0]

    assert told("sneakers").combined(told("shoes")).targets.tolist() == [[1, 0, -1, -1]]
    assert told("shoes").combined(told("boots")).targets.tolist() == [[0, 0, 0, 1]]


def test_another_encoder_is_refused_by_naming_both(shop, workspace, tmp_path):
    save_probe(train(shop, workspace, own_labels(tmp_path / "l.csv")).probe, tmp_path / "probe")
    with pytest.raises(ForeignEncoderError, match=r"model color .* theirs"):
        load_probe(tmp_path / "probe", ColorEncoder("theirs", "bbbb"))


def test_held_out_products_are_judged_and_those_of_the_training_are_not(shop, workspace, tmp_path):
    probe = train(shop, workspace, own_labels(tmp_path / "l.csv", count=4)).probe
    catalog = read_catalog(str(shop))
    notes = read_annotations(own_labels(tmp_path / "all.csv"), [i.id for i in catalog.items])
    rows, _ = gather(workspace, catalog, notes)
    report, warnings = evaluate_probe(workspace, probe, rows)
    assert report.products == 2 * len(COLORS)
    assert "32 of 48 products were in the probe's training" in warnings[0]
    shade = next(group for group in report.groups if group.group == "shade")
    assert shade.ranking > 0.9
    assert shade.top1 > 0.85


def test_labels_without_positive_or_negative_are_refused_by_name_and_count(
    shop, workspace, tmp_path
):
    text = "image,zip=yes,lace=yes,dots=yes\n" + "\n".join(f"red{n},1,{n % 2},0" for n in range(6))
    trained = train(shop, workspace, table(tmp_path / "l.csv", text))
    told = " ".join(trained.warnings)
    assert "no positive product, so nothing is learnt of them: dots=yes (0)" in told
    assert "haven't them, too: zip=yes (6)" in told
    assert trained.probe.space.tags == ("lace=yes",)


@pytest.mark.parametrize(
    "text", ["image,shade\nred0,reddish\n", "image,shade\nred0,reddish\nred1,reddish\n"],
    ids=["one row", "one label"],
)  # fmt: skip
def test_one_row_or_one_label_teaches_nothing(shop, workspace, tmp_path, text):
    with pytest.raises(CatalogError, match="teach nothing"):
        train(shop, workspace, table(tmp_path / "l.csv", text))


def test_a_label_with_one_positive_is_told_what_it_is_worth(shop, workspace, tmp_path):
    text = "image,shade\nred0,reddish\nblue0,bluish\nblue1,bluish\n"
    trained = train(shop, workspace, table(tmp_path / "l.csv", text))
    assert any(
        "1 labels rest on one product each" in one and "reddish" in one for one in trained.warnings
    )


def test_a_promise_gives_every_tag_a_decision(shop, workspace, tmp_path):
    labels = own_labels(tmp_path / "l.csv")
    probe = train(shop, workspace, labels, promise=Promise(0.5)).probe
    judge = Judge(workspace, probe.space, probe)
    (window,) = embed(workspace, read_catalog(str(shop)).items)
    decisions = {tag.decision for row in judge.tag(window) for tag in row.tags}
    assert "publish" in decisions
    assert None not in decisions
    strict = train(shop, workspace, labels, promise=Promise(0.99)).probe
    judge = Judge(workspace, strict.space, strict)
    assert {t.decision for row in judge.tag(window) for t in row.tags} <= {"review", "abstain"}


def test_open_groups_get_no_more_wrong_tags_than_zero_shot_is_expected_to_give(
    shop, workspace, tmp_path
):
    text = "image,mood\nred0,warm|loud\nblue0,cold\nteal0,cold|loud\nyellow0,warm\n"
    catalog = read_catalog(str(shop))
    path = table(tmp_path / "l.csv", text)
    notes = read_annotations(path, [item.id for item in catalog.items])
    assert not notes.space.group("mood").exclusive
    training, _ = gather(workspace, catalog, notes)
    rest = unlabelled(workspace, catalog, notes)
    assert len(rest.ids) == len(IDS) - 4
    trained = train_probe(workspace, training, catalogue=rest)
    assert trained.forecast.products == len(IDS) - 4
    assert trained.forecast.wrong <= 0.05 * 3 * len(IDS)
    alone = read_catalog(str(shop / "red0.png"))
    all_of_it = read_annotations(path, [item.id for item in alone.items])
    assert unlabelled(workspace, alone, all_of_it) is None


def test_what_zero_shot_gives_in_an_open_group_stays_where_nothing_speaks_against_it(
    shop, workspace, tmp_path
):
    catalog = read_catalog(str(shop))
    text = "image,tone\nred0,red|warm\nblue0,blue|cold\nteal0,cold\nyellow0,warm\n"
    notes = read_annotations(table(tmp_path / "l.csv", text), [item.id for item in catalog.items])
    training, _ = gather(workspace, catalog, notes)
    rest = unlabelled(workspace, catalog, notes)
    probe = train_probe(workspace, training, catalogue=rest).probe
    (window,) = embed(workspace, catalog.items)
    before, after = (
        {
            (row.id, tag.tag)
            for row in Judge(workspace, notes.space, one).tag(window)
            for tag in row.tags
        }
        for one in (None, probe)
    )
    known = {pair for pair in before if pair[1] in ("tone=red", "tone=blue")}
    assert known
    assert known <= after
    assert probe.spared["tone"].kept == 0
    save_probe(probe, tmp_path / "probe")
    assert load_probe(tmp_path / "probe", workspace.encoder).spared == probe.spared


def test_a_folder_with_something_else_is_not_replaced(shop, workspace, tmp_path):
    trained = train(shop, workspace, own_labels(tmp_path / "l.csv"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("years of work")
    with pytest.raises(UsageError, match="holds no probe"):
        save_probe(trained.probe, tmp_path / "mine")
    with pytest.raises(CatalogError, match="holds no probe"):
        load_probe(tmp_path / "mine", workspace.encoder)


def test_a_damaged_probe_says_so(shop, workspace, tmp_path):
    save_probe(train(shop, workspace, own_labels(tmp_path / "l.csv")).probe, tmp_path / "probe")
    (tmp_path / "probe" / "probe.safetensors").write_bytes(b"half")
    with pytest.raises(CatalogError, match="damaged"):
        load_probe(tmp_path / "probe", workspace.encoder)
    (tmp_path / "probe" / "manifest.json").write_text(json.dumps({"kind": "probe"}))
    with pytest.raises(CatalogError, match="can't be read"):
        load_probe(tmp_path / "probe", workspace.encoder)
