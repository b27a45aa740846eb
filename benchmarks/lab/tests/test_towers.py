"""Other people's architectures, at tiny shapes: what they learn, count, keep and refuse."""

import importlib
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks.lab.methods import Fitted, Rows, Task
from benchmarks.lab.registry import TOWERS
from benchmarks.lab.suite import load_suite
from benchmarks.lab.towers.options import Options
from benchmarks.paths import SUITES
from fashiontag.catalog import FileRef
from fashiontag.datamodels import Item
from fashiontag.encoders import resolve
from fashiontag.errors import FashiontagError, ModelError, UsageError
from fashiontag.heads.training import Training
from fashiontag.labels import parse_labels
from fashiontag.vectors import VectorStore

claim = importlib.import_module("benchmarks.lab.towers.claim")
features = importlib.import_module("benchmarks.lab.towers.features")
fusions = importlib.import_module("benchmarks.lab.towers.fusions")
training = importlib.import_module("benchmarks.lab.towers.training")

pytestmark = pytest.mark.lab

KINDS = ["square", "stripe", "blank"]
WORDS = ["sturdy box", "thin line", "empty page"]
TINY = {"text": "mini", "hidden": 16, "epochs": 12, "batch": 8, "rate": 0.02}
FRESH = {"image": "test_efficientnet", "text": "lstm", "pretrained": False, "size": [40, 30]}
"""Towers of some ten thousand parameters, which learn in a second."""


def picture(kind: int, rng: np.random.Generator) -> np.ndarray:
    pixels = np.full((80, 60, 3), 250, np.uint8)
    colour = rng.integers(0, 120, 3)
    if kind == 0:
        pixels[20:60, 10:50] = colour
    elif kind == 1:
        pixels[:, 28:34] = colour
    return pixels


@pytest.fixture(scope="module")
def task(tmp_path_factory) -> Task:
    folder = tmp_path_factory.mktemp("towers")
    rng = np.random.default_rng(0)
    space = parse_labels(
        {"groups": {"kind": {"templates": ["a {label}"], "labels": KINDS}}}, "tiny", "tiny"
    )

    def rows(count: int, start: int) -> Rows:
        items, kinds = [], []
        for number in range(start, start + count):
            kind = number % 3
            path = folder / f"{number}.png"
            Image.fromarray(picture(kind, rng)).save(path)
            title = f"{WORDS[kind]} {number}"
            items.append(Item(path.name, str(path), title, title, {}, FileRef(path)))
            kinds.append(kind)
        nothing = np.zeros((count, 4), np.float16)
        targets = np.eye(3, dtype=np.int8)[kinds]
        keys = tuple(f"key {item.id}" for item in items)
        texts = tuple(item.text for item in items)
        ids = tuple(item.id for item in items)
        learned = Training(ids, keys, texts, nothing, nothing, space, targets)
        return Rows(tuple(items), np.arange(start, start + count), learned)

    store = VectorStore.open(folder / "workspace")
    return Task(space, rows(24, 0), rows(9, 24), "plain", None, 0, resolve(), store, folder, TINY)


def right(task: Task, fitted, rows: Rows | None = None) -> float:
    rows = task.val if rows is None else rows
    scores = fitted.scores(rows.blind())
    assert scores.shape == rows.targets.shape
    return float((scores.argmax(axis=1) == rows.targets.argmax(axis=1)).mean())


def test_transfers_count_what_learns(task):
    wide = resolve().dim  # the text tower's features are its vectors
    alone = TOWERS["transfer 1 text"](task)
    layer = TOWERS["transfer 2 text"](task)
    options = {**TINY, **FRESH, "tower_epochs": 8, "tower_rate": 0.02}
    whole = TOWERS["transfer 3 text"](replace(task, options=options))
    assert alone.trainable_parameters == (wide + 1) * 3
    assert layer.trainable_parameters == (wide + 1) * 16 + 17 * 3
    words = {word for text in task.train.texts for word in text.split()[:2]}
    lstm = (len(words) + 2) * 128 + 4 * 128 * (128 + 128 + 2)
    assert whole.trainable_parameters == lstm + (128 + 1) * 16 + 17 * 3
    assert right(task, alone) == right(task, layer) == right(task, whole) == 1.0
    assert alone.seconds > 0


def test_frozen_pictures_are_computed_once(task, monkeypatch):
    TOWERS["transfer 2 image"](task)

    def never(*_):
        raise AssertionError("a picture was decoded again")

    monkeypatch.setattr(features, "_SAMPLE", 0)
    monkeypatch.setattr(features, "_pixels", never)
    fitted = TOWERS["transfer 2 image"](replace(task, seed=1))
    assert right(task, fitted) > 0.5


@pytest.mark.parametrize("fusion", fusions.SIMPLE)
@pytest.mark.parametrize("which", ["A", "B"])
def test_pretrained_frozen_towers_fuse(task, which, fusion):
    fitted = TOWERS[f"fuse 2-{which}"](replace(task, options={**TINY, "fusion": fusion}))
    assert right(task, fitted) == 1.0
    width = 16 if which == "A" else 3
    fused = 2 * width if fusion == "concatenate" else width
    head = (fused + 1) * 250 + 251 * 3
    gate = (2 * width + 1) * width if fusion == "gate" else 0
    branches = sum(
        (one + 1) * 16 + (17 * 3 if which == "B" else 0) for one in (1280, resolve().dim)
    )
    assert fitted.trainable_parameters == head + gate + branches


def test_tuned_towers_are_kept_for_every_fusion(task):
    options = {**TINY, "tower_epochs": 1}
    first = TOWERS["fuse 1-A"](replace(task, options=options))
    kept = {path.name: path.stat().st_mtime_ns for path in (task.workspace / "towers").iterdir()}
    second = TOWERS["fuse 1-A"](replace(task, options={**options, "fusion": "add"}))
    again = {path.name: path.stat().st_mtime_ns for path in (task.workspace / "towers").iterdir()}
    assert again == kept
    assert first.notes["image transfer"] in (2, 3)
    assert second.trainable_parameters == first.trainable_parameters - 16 * 250
    assert second.seconds > second.notes["head_seconds"]  # the towers' time counts for each
    assert right(task, first) == 1.0


def test_a_fusion_trains_its_towers(task):
    options = {**TINY, **FRESH, "tower_epochs": 6, "tower_rate": 0.02}
    whole = TOWERS["fuse 3-B"](replace(task, options=options))
    assert right(task, whole) == 1.0
    layer = TOWERS["fuse 3-A"](replace(task, options=options))
    narrower = (2 * 3 - 2 * 16) * 250  # what is fused
    assert whole.trainable_parameters - layer.trainable_parameters == 2 * 17 * 3 + narrower


def test_the_same_seed_gives_the_same_scores(task):
    torch.manual_seed(5)
    first = TOWERS["fuse 2-A"](task).scores(task.val)
    torch.manual_seed(6)
    again = TOWERS["fuse 2-A"](task).scores(task.val)
    assert np.array_equal(first, again)


@pytest.mark.parametrize("fusion", fusions.LEARNED)
def test_stylesense_fuses(task, fusion):
    fitted = TOWERS["stylesense both"](
        replace(task, options={"text": "mini", "fusion": fusion, "epochs": 8, "batch": 8})
    )
    assert right(task, fitted) == 1.0


def test_a_missing_title_is_no_nan(task):
    options = {"text": "mini", "fusion": "cross-attention", "epochs": 1}
    fitted = TOWERS["stylesense both"](replace(task, options=options))
    bare = replace(task.val, training=replace(task.val.training, texts=("",) * len(task.val)))
    assert np.isfinite(fitted.scores(bare)).all()
    net = fusions.CrossAttention(8, 0.0).eval()
    none = torch.zeros((1, 3), dtype=torch.bool)
    assert net(torch.ones(1, 2, 8), torch.ones(1, 3, 8), none).isfinite().all()


def test_efficientnet_and_lstm_learn_from_scratch(task):
    options = {"size": [40, 30], "tower_epochs": 6, "batch": 8, "tower_rate": 0.02, "rate": 0.02}
    fitted = TOWERS["efficientnet-lstm text"](replace(task, options=options))
    assert right(task, fitted) == 1.0
    options |= {"image": FRESH["image"], "tower_epochs": 1}
    both = TOWERS["efficientnet-lstm both"](replace(task, options=options))
    assert both.trainable_parameters > fitted.trainable_parameters
    assert np.allclose(both.scores(task.val).sum(axis=1), 1, atol=1e-5)


@pytest.mark.parametrize("name", ["random forest", "logistic regression", "SVM", "MLP"])
def test_capstone_classifiers(task, name):
    fitted = TOWERS[f"{name} both"](replace(task, options={"text": "mini"}))
    assert right(task, fitted) > 0.5
    assert fitted.trainable_parameters > 0


def test_augmented_pictures_keep_their_white_ground():
    pixels = torch.full((2, 12, 9, 3), 255, dtype=torch.uint8)
    pixels[:, 4:8, 3:6] = 0
    turned = features._rotated(pixels, torch.tensor([10.0, 0.0]))
    assert turned.shape == pixels.shape
    assert torch.allclose(turned[1], pixels[1].float(), atol=1e-3)
    assert turned[0, 0].min() > 254
    assert turned[0, 5:7, 4].max() < 1


def test_unknown_cells_don_t_teach(task):
    logits = torch.zeros((2, 3), requires_grad=True)
    targets = torch.tensor([[1, 0, 0], [-1, -1, -1]], dtype=torch.int8)
    for loss in ("softmax", "sigmoid"):
        (grad,) = torch.autograd.grad(training.loss_of(logits, targets, task.space, loss), logits)
        assert grad[0].abs().sum() > 0
        assert grad[1].abs().sum() == 0


def test_training_keeps_the_best_epoch_of_val(task):
    feed = features.Feed(np.eye(3, dtype=np.float16)[np.arange(12) % 3][None])
    targets = np.eye(3, dtype=np.int8)[np.arange(12) % 3]
    wrong = training.Examples((feed,), np.roll(targets, 1, axis=1))
    net = torch.nn.Linear(3, 3)
    trained = training.train(
        net, task.space, training.Examples((feed,), targets), wrong,
        training.Settings(epochs=30, patience=3, rate=0.1), 0,
    )  # fmt: skip
    assert trained.epoch == 1  # from there on val only gets worse


def test_suites_give_methods_and_options_that_there_are():
    suites = [load_suite(str(path)) for path in sorted(SUITES.glob("*.toml"))]
    mine = [one for suite in suites for one in suite.methods if one.method in TOWERS]
    assert len(mine) > 40
    for spec in mine:
        Options().of(SimpleNamespace(options=spec.options))


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("fuse 2-A", {"fusion": "bilinear"}, "give add, average, product, concatenate, gate"),
        ("stylesense both", {"fusion": "gate"}, "give concatenate, attention"),
        ("transfer 1 image", {"colour": 1}, "There is no option 'colour'"),
        ("transfer 1 image", {"epochs": "many"}, "The option epochs is 'many'"),
        ("transfer 1 image", {"image": "resnet5000"}, "timm has no model 'resnet5000'"),
        ("transfer 1 text", {"text": "lstm"}, "freezing it makes no sense"),
    ],
)
def test_a_bad_option_is_a_sentence(task, name, options, says):
    with pytest.raises(UsageError, match=says):
        TOWERS[name](replace(task, options=options))


def test_an_unreachable_hub_is_a_sentence(task, monkeypatch, tmp_path):
    from fashiontag.encoders import hub

    def away(*_, **__):
        raise ModelError("resnet50 could not be fetched; leave --model out")

    monkeypatch.setattr(hub, "fetch", away)
    with pytest.raises(FashiontagError, match=r"could not be fetched; run where the hub answers"):
        TOWERS["transfer 1 image"](replace(task, options={"image": "resnet50"}))


def test_towers_of_timm_have_the_usual_shapes():
    backbones = importlib.import_module("benchmarks.lab.towers.backbones")
    tower = backbones.image_tower("resnet18", pretrained=False, size=(64, 48))
    pixels = torch.zeros((2, 64, 48, 3), dtype=torch.uint8)
    assert tower.width == tower(pixels).shape[1] == 512
    assert tower.eval().parts(pixels).shape == (2, 4, 512)


# -- StyleSense's claim ------------------------------------------------------------------------

MATERIALS = {
    "groups": {
        "material": {
            "templates": ["{label}"],
            "labels": [
                "leather",
                {"name": "faux leather", "words": ["leatherette", "pu leather"]},
                "silk",
                {"name": "v-neck", "words": ["v-neck"]},
            ],
        }
    }
}


def named(task, titles, least=1):
    ref = task.train.items[0].image
    items = [Item(f"{n}", "", title, title, {}, ref) for n, title in enumerate(titles)]
    group = parse_labels(MATERIALS, "tiny", "tiny").group("material")
    return claim.find_named(items, np.arange(len(items)) // 2, group, least)


def test_the_word_that_names_the_answer_leaves_the_title(task):
    titles = [
        "Brown LEATHER belt", "PU-Leather bag", "Leatherette bag of PU leather", "Silks of Assam",
        "Leather and silk shoe", "V Neck top", "Silky lotion", "Wood",
    ]  # fmt: skip
    found = named(task, titles)
    texts = ["Brown belt", "bag", "bag of", "of Assam", "top"]
    assert list(found.rows.texts) == [item.text for item in found.rows.items] == texts
    assert found.at.tolist() == [0, 1, 2, 3, 5]
    assert found.truth.tolist() == [0, 1, 1, 2, 3]
    assert (found.several, found.rare) == (1, 0)
    rarer = named(task, titles, least=2)
    assert rarer.space.tags == ("material=faux leather",)
    assert rarer.rare == 3


def test_nobody_is_judged_by_a_model_that_saw_its_family(task):
    found = named(task, [f"{one} {n}" for n in range(60) for one in ("leather", "silk")])
    asked = []

    def method(given):
        parts = [set(one.families.tolist()) for one in (given.train, given.val)]
        assert not parts[0] & parts[1]

        def scores(rows):
            assert not (parts[0] | parts[1]) & set(rows.families.tolist())
            assert (rows.targets == -1).all()
            asked.extend(item.id for item in rows.items)
            return np.tile([0.0, 1.0], (len(rows), 1))

        return Fitted(scores)

    said = claim.predictions(found, method, task)
    assert sorted(asked) == sorted(item.id for item in found.rows.items)
    assert (said == 1).all()


def test_repairs_are_counted_among_mistakes():
    alone = np.array([True, False, False, False])
    both = np.array([False, True, True, False])
    families = np.arange(4)
    found = claim.repaired(alone, both, families)
    assert (found.mistaken, found.right) == (3, 2)
    assert found.share.value == pytest.approx(2 / 3)
    seen = np.array([True, False, True, True])
    assert claim.repaired(alone, both, families, among=seen).mistaken == 2
    assert claim.repaired(~alone | alone, both, families).share is None
    assert claim.gain(both, alone, families).value == 0.25
