"""`export --as label-studio|fiftyone|hf|webdataset`, and people's answers back."""

import importlib.util
import io
import json
import os
import shutil
import sys
import tarfile
import time
from pathlib import Path
from xml.etree import ElementTree as ET

import fiftyone_standin
import pytest
from fakes import ColorEncoder, color_picture
from PIL import Image

from fashiontag.catalog import read_catalog
from fashiontag.cli import run
from fashiontag.errors import CatalogError, UsageError
from fashiontag.labels import parse_labels
from fashiontag.workflows.corrections import import_answers
from fashiontag.workflows.datasets import export_dataset
from fashiontag.workflows.tag import Outputs, tag
from fashiontag.workspace import Workspace
from fashiontag.workspace.decisions import Choice, Decisions

HARD = ('a "so", b/c', "d'été 👗, نسيج", "فستان / أحمر")
"""Labels with commas, slashes, quotes, emoji and text from right to left."""
GROUPS = {
    "colour": {"labels": ["red", "green", "blue"], "templates": ["{label}"]},
    "Größe, 'أ' 🎀": {"labels": list(HARD), "exclusive": False, "visible": False},
    "use": {"labels": ["work", "sport"], "exclusive": False, "visible": False},
}
HARD_GROUP = "Größe, 'أ' 🎀"
SPACE = parse_labels({"groups": GROUPS}, "toy", "toy.toml")
NAMES = ("red.png", "green, “x” 👗.png", "deep/فستان, 'é'.png")
PEOPLE = {
    (NAMES[0], "colour"): ("blue",),
    (NAMES[1], HARD_GROUP): HARD[:2],
    (NAMES[2], HARD_GROUP): (HARD[2],),
    (NAMES[2], "colour"): (),
}


@pytest.fixture
def shop(tmp_path, monkeypatch) -> Path:
    long_ago = time.time() - 60
    for name, colour in zip(NAMES, ("red", "green", "blue"), strict=True):
        path = color_picture(tmp_path / "shop" / name, colour)
        os.utime(path, (long_ago, long_ago))
    monkeypatch.chdir(tmp_path)
    with Workspace.open(Path("ws"), ColorEncoder()) as workspace:
        tag(workspace, read_catalog("shop"), SPACE, outputs=Outputs(Path("tags.csv")))
    return tmp_path


@pytest.fixture
def fiftyone(monkeypatch):
    if importlib.util.find_spec("fiftyone") is None:
        monkeypatch.setitem(sys.modules, "fiftyone", fiftyone_standin)
    return sys.modules.get("fiftyone") or importlib.import_module("fiftyone")


def decide(decided=PEOPLE, workspace: str = "ws") -> None:
    root = str(Path("shop").absolute())
    choices = [Choice(root, *place, labels, ("was",)) for place, labels in decided.items()]
    with Decisions.open(Path(workspace)) as kept:
        kept.record(choices, by="ann")


def held(workspace: str) -> dict[tuple[str, str], tuple[str, ...]]:
    with Decisions.open(Path(workspace)) as kept:
        return {key[1:]: event.labels for key, event in kept.current().items()}


def export(tool: str):
    return export_dataset(Path("ws"), Path("tags.csv"), tool)


@pytest.mark.parametrize("tool", ["label-studio", "fiftyone"])
@pytest.mark.parametrize("target", ["ws", "another"])
def test_decisions_go_out_and_come_back_as_they_were(shop, fiftyone, tool, target) -> None:
    decide()
    done = export(tool)
    assert (done.products, done.decided, done.warnings) == (3, 4, ())
    path = done.out / "tasks.json" if tool == "label-studio" else done.out
    back = import_answers(Path(target), path)
    assert held(target) == held("ws") == PEOPLE
    assert len(back.decided) == (0 if target == "ws" else 4)
    assert all(event.was == ("was",) for event in back.decided)


@pytest.mark.parametrize("tool", ["label-studio", "fiftyone"])
def test_what_nobody_answered_decides_nothing(shop, fiftyone, tool) -> None:
    done = export(tool)
    path = done.out / "tasks.json" if tool == "label-studio" else done.out
    assert import_answers(Path("ws"), path).corrections == 0


def test_a_product_with_two_colours_keeps_both(shop) -> None:
    datasets = pytest.importorskip("datasets")
    text = Path("tags.csv").read_text("utf-8")
    Path("tags.csv").write_text(text.replace("colour=red", "colour=red|colour=blue"), "utf-8")
    out = export("hf").out
    rows = datasets.load_dataset(str(out), cache_dir=str(shop / "cache"))["train"]
    found = {row["id"]: row["colour"] for row in rows}
    assert found[NAMES[0]] == [0, 2]


def test_what_is_to_review_goes_to_people_and_into_no_training(shop) -> None:
    lines = Path("tags.csv").read_text("utf-8").splitlines()
    marked = [lines[0] + ",review", *(line + ",use=work" for line in lines[1:])]
    Path("tags.csv").write_text("\n".join(marked), "utf-8")
    (task, *_) = json.loads((export("label-studio").out / "tasks.json").read_text("utf-8"))
    assert task["data"]["fashiontag"]["given"]["use"] == ["work"]
    with tarfile.open(export("webdataset").out / "shard-000000.tar") as tar:
        facts = json.load(tar.extractfile(tar.getnames()[1]))
    assert facts["tags"]["use"] == []


def answered(change) -> Path:
    """Export as Label Studio does: each prediction submitted, after one change."""
    shutil.rmtree("tags-label-studio", ignore_errors=True)
    tasks = json.loads((export("label-studio").out / "tasks.json").read_text("utf-8"))
    by_id = {}
    for number, task in enumerate(tasks, 1):
        (prediction,) = task.pop("predictions")
        made = {"id": number, "completed_by": 1, "was_cancelled": False, "updated_at": "2026-01"}
        by_id[task["data"]["id"]] = {**made, "result": prediction["result"]}
        task.update(id=number, annotations=[by_id[task["data"]["id"]]], predictions=[])
    change(by_id, tasks)
    path = Path("answers.json")
    path.write_text(json.dumps(tasks), "utf-8")
    return path


def choose(annotation, group: str, *labels: str) -> None:
    kept = [one for one in annotation["result"] if one["from_name"] != group]
    new = {"from_name": group, "to_name": "image", "type": "choices", "value": {"choices": labels}}
    annotation["result"] = [*kept, new] if labels else kept


def test_a_changed_answer_is_a_decision_and_an_equal_one_is_none(shop) -> None:
    def change(by_id, tasks) -> None:
        choose(by_id[NAMES[0]], "colour", "green")
        choose(by_id[NAMES[1]], "colour")
        choose(by_id[NAMES[2]], HARD_GROUP, *HARD)

    assert import_answers(Path("ws"), answered(change), by="bo").corrections == 3
    assert held("ws") == {
        (NAMES[0], "colour"): ("green",),
        (NAMES[1], "colour"): (),
        (NAMES[2], HARD_GROUP): HARD,
    }


def test_skipped_tasks_decide_nothing_and_the_newest_answer_counts(shop) -> None:
    def change(by_id, tasks) -> None:
        choose(by_id[NAMES[0]], "colour", "green")
        by_id[NAMES[0]]["was_cancelled"] = True
        task = next(one for one in tasks if one["data"]["id"] == NAMES[1])
        newer = json.loads(json.dumps(task["annotations"][0])) | {"updated_at": "2026-02"}
        choose(newer, "colour", "blue")
        task["annotations"].insert(0, newer)

    back = import_answers(Path("ws"), answered(change))
    assert held("ws") == {(NAMES[1], "colour"): ("blue",)}
    assert [" ".join(note.split(": ", 1)[1].split()[:3]) for note in back.notes] == [
        "1 tasks without",
        "1 tasks have",
    ]


def test_what_no_export_of_ours_is_is_refused_in_a_sentence(shop, fiftyone) -> None:
    def new_label(by_id, tasks) -> None:
        choose(by_id[NAMES[0]], "colour", "mauve")

    path = answered(new_label)
    with pytest.raises(
        CatalogError, match=r"red\.png has colour 'mauve', and the label.*--new-labels"
    ):
        import_answers(Path("ws"), path)
    assert import_answers(Path("ws"), path, new_labels=True).corrections == 1
    path = answered(lambda by_id, tasks: choose(by_id[NAMES[0]], "colour", "red", "blue"))
    with pytest.raises(CatalogError, match="colour 'red' and 'blue', and a product has one"):
        import_answers(Path("ws"), path)
    for text, says in (
        ("{", "can't be read as JSON"),
        ('[{"id": 1, "colour": "red"}]', "not as JSON-MIN"),
        ('[{"data": {}, "annotations": [{"result": []}]}]', "task 1: .*'fashiontag'"),
    ):
        Path("bad.json").write_text(text)
        with pytest.raises(CatalogError, match=says):
            import_answers(Path("ws"), Path("bad.json"))
    Path("empty").mkdir()
    with pytest.raises(CatalogError, match="can't be read by FiftyOne"):
        import_answers(Path("ws"), Path("empty"))
    with pytest.raises(UsageError, match="There is no gone"):
        import_answers(Path("ws"), Path("gone.json"))


def test_label_studio_has_one_prediction_its_page_and_its_two_lines(shop) -> None:
    out = export("label-studio").out
    tasks = json.loads((out / "tasks.json").read_text("utf-8"))
    assert [task["data"]["id"] for task in tasks] == sorted(NAMES)
    for task in tasks:
        (prediction,) = task["predictions"]
        assert prediction["result"]
        assert not task["annotations"]
        place = task["data"]["image"].removeprefix("/data/local-files/?d=")
        assert Image.open(out / place).size == Image.open(Path("shop", task["data"]["id"])).size
    page = ET.parse(out / "config.xml").getroot()
    found = {one.get("name"): [c.get("value") for c in one] for one in page.iter("Choices")}
    assert found == {name: list(SPACE.group(name).names) for name in SPACE.names}
    kinds = [one.get("choice") for one in page.iter("Choices")]
    assert kinds == ["single", "multiple", "multiple"]
    assert (out / "label-studio.env").read_text().splitlines() == [
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true",
        f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={out.absolute()}",
    ]


def test_label_studios_own_library_reads_it(shop) -> None:
    interface = pytest.importorskip(
        "label_studio_sdk.label_interface", reason="label-studio-sdk isn't installed"
    )
    decide()
    out = export("label-studio").out
    label_interface = interface.LabelInterface((out / "config.xml").read_text("utf-8"))
    for task in json.loads((out / "tasks.json").read_text("utf-8")):
        assert label_interface.validate_task({"data": task["data"]})
        for made in task["predictions"]:
            assert label_interface.validate_prediction(made)
        for made in task["annotations"]:
            assert label_interface.validate_annotation(made)


def test_fiftyone_has_a_field_a_group(shop, fiftyone) -> None:
    decide()
    out = export("fiftyone").out
    dataset = fiftyone.Dataset.from_dir(
        dataset_dir=str(out), dataset_type=fiftyone.types.FiftyOneDataset
    )
    fields = {group: field for field, group in dataset.info["fashiontag"].items()}
    assert fields["colour"] == "colour"
    samples = {json.loads(sample["fashiontag"])["id"]: sample for sample in dataset}
    assert [c.label for c in samples[NAMES[0]]["colour"].classifications] == ["blue"]
    hard = samples[NAMES[1]][fields[HARD_GROUP]].classifications
    assert [c.label for c in hard] == list(HARD[:2])
    assert all(Image.open(sample["filepath"]) for sample in dataset)


def test_datasets_reads_the_parquet(shop) -> None:
    datasets = pytest.importorskip("datasets")
    decide()
    out = export("hf").out
    rows = datasets.load_dataset(str(out), cache_dir=str(shop / "cache"))["train"]
    colour = rows.features["colour"]
    assert colour.names == ["red", "green", "blue"]
    by_id = {row["id"]: row for row in rows}
    assert set(by_id) == set(NAMES)
    assert colour.int2str(by_id[NAMES[0]]["colour"]) == "blue"
    assert by_id[NAMES[2]]["colour"] is None
    hard = rows.features[HARD_GROUP].feature
    assert tuple(map(hard.int2str, by_id[NAMES[1]][HARD_GROUP])) == HARD[:2]
    assert by_id[NAMES[0]]["decided"] == ["colour"]
    assert by_id[NAMES[0]]["image"].size == Image.open(Path("shop", NAMES[0])).size
    assert "3 fashion products" in (out / "README.md").read_text("utf-8")


def test_a_webdataset_has_keys_without_a_dot_and_the_id_inside(shop) -> None:
    datasets = pytest.importorskip("datasets")
    decide()
    out = export("webdataset").out
    with tarfile.open(out / "shard-000000.tar") as tar:
        names = tar.getnames()
        facts = [json.load(tar.extractfile(n)) for n in names if n.endswith(".json")]
        Image.open(io.BytesIO(tar.extractfile(names[0]).read()))
    assert len({name.partition(".")[0] for name in names}) == 3
    assert all(name.count(".") == 1 for name in names)
    by_id = {one["id"]: one for one in facts}
    assert set(by_id) == set(NAMES)
    assert tuple(by_id[NAMES[1]]["tags"][HARD_GROUP]) == HARD[:2]
    rows = datasets.load_dataset(
        "webdataset",
        data_files=str(out / "*.tar"),
        split="train",
        cache_dir=str(shop / "cache"),
    )
    assert {row["json"]["id"] for row in rows} == set(NAMES)
    assert rows[0]["png"].size == Image.open(Path("shop", NAMES[0])).size


def test_products_without_a_picture_are_left_out_and_said(shop) -> None:
    Path("shop", NAMES[0]).unlink()
    done = export("webdataset")
    assert done.products == 2
    assert "1 products have no picture and are left out: red.png" in done.warnings[0]


def test_the_command_says_what_is_wrong(shop, capsys) -> None:
    place = ["--workspace", "ws"]
    assert run(["export", "tags.csv", "--as", "webdataset", *place], debug=False) == 0
    assert "3 products" in capsys.readouterr().out
    assert run(["export", "tags.csv", "--as", "webdataset", *place], debug=False) == 2
    assert "is there already" in capsys.readouterr().err
    assert run(["export", "--as", "hf", *place], debug=False) == 2
    assert "it takes TAGS" in capsys.readouterr().err
    path = answered(lambda by_id, tasks: choose(by_id[NAMES[0]], "colour", "blue"))
    assert run(["decisions", "import", str(path), *place], debug=False) == 0
    assert held("ws") == {(NAMES[0], "colour"): ("blue",)}
