"""Label Studio: tasks with one prediction each, their labelling page, and exported answers."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from fashiontag.errors import CatalogError
from fashiontag.names import PATH
from fashiontag.sinks.tools import Answers, answers_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from fashiontag.sinks.tools import Sample, Schema

ORIGIN = "fashiontag"
"""The key of a task's data that leads its answers back; Label Studio keeps data as it came."""


def write(samples: Iterable[Sample], schema: Schema, folder: Path, out: Path) -> None:
    """Write ``tasks.json``, ``images/``, ``config.xml`` and ``label-studio.env``.

    All groups are in one prediction: of two, Label Studio may show one only. What people decided
    is an annotation.
    """
    images = folder / "images"
    images.mkdir()
    with (folder / "tasks.json").open("w", encoding="utf-8", errors="backslashreplace") as file:
        file.write("[")
        for number, sample in enumerate(samples):
            name = f"{sample.key}{sample.ending}"
            (images / name).write_bytes(sample.picture)
            file.write(",\n" if number else "\n")
            json.dump(_task(sample, name), file, ensure_ascii=False)
        file.write("\n]\n")
    (folder / "config.xml").write_text(_config(schema), "utf-8")
    # Without these Label Studio shows no picture that lies on a disk.
    (folder / "label-studio.env").write_text(
        "LABEL_STUDIO_LOCAL_FILES_SERVING_ENABLED=true\n"
        f"LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT={out.absolute()}\n",
        "utf-8",
    )


def read(path: Path) -> Answers:
    """Read what Label Studio exports as JSON; of several answers to a task the newest counts."""
    try:
        tasks = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CatalogError(
            f"{path} can't be read as JSON ({error}); export JSON from Label Studio."
        ) from error
    if not isinstance(tasks, list) or not all(
        isinstance(task, dict) and isinstance(task.get("annotations"), list) for task in tasks
    ):
        raise CatalogError(
            f"{path} is no list of tasks with annotations; export as JSON from Label Studio, not "
            "as JSON-MIN or CSV."
        )
    found, open_tasks, several = [], 0, 0
    for number, task in enumerate(tasks, 1):
        done = [one for one in task["annotations"] if not one.get("was_cancelled")]
        several += len(done) > 1
        if not done:
            open_tasks += 1
            continue
        try:
            newest = max(done, key=lambda one: str(one.get("updated_at") or ""))
            found += answers_of(task["data"][ORIGIN], _chosen(newest["result"]))
        except (KeyError, TypeError, AttributeError) as error:
            raise CatalogError(
                f"{path}, task {number}: its data has no readable {ORIGIN!r}, by which answers "
                "find their product; label the tasks.json that `fashiontag export` wrote."
            ) from error
    notes = []
    if open_tasks:
        notes.append(f"{path}: {open_tasks:,} tasks without an answer decide nothing.")
    if several:
        notes.append(f"{path}: {several:,} tasks have several answers; the newest counts.")
    return Answers(tuple(found), tuple(notes))


def _task(sample: Sample, name: str) -> dict[str, Any]:
    return {
        "data": {
            "image": f"/data/local-files/?d=images/{name}",
            "title": sample.title,
            "id": sample.id,
            ORIGIN: sample.origin(),
        },
        "predictions": [{"model_version": "fashiontag", "result": _result(sample.given)}],
        "annotations": [{"result": _result(sample.labels)}] if sample.decided else [],
    }


def _result(labels: Mapping[str, Sequence[str]]) -> list[dict[str, Any]]:
    return [
        {
            "id": str(number),
            "from_name": group,
            "to_name": "image",
            "type": "choices",
            "value": {"choices": list(chosen)},
        }
        for number, (group, chosen) in enumerate(labels.items())
        if chosen
    ]


def _chosen(result: Sequence[Mapping[str, Any]]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for one in result:
        value = one["value"]
        if "choices" in value:
            found.setdefault(one["from_name"], []).extend(map(str, value["choices"]))
        elif "taxonomy" in value:
            found.setdefault(one["from_name"], []).extend(map(PATH.join, value["taxonomy"]))
    return found


def _config(schema: Schema) -> str:
    view = ET.Element("View")
    ET.SubElement(view, "Image", name="image", value="$image")
    ET.SubElement(view, "Header", value="$title")
    for group, labels in schema.groups.items():
        ET.SubElement(view, "Header", value=group, size="5")
        choice = "single" if group in schema.exclusive else "multiple"
        choices = ET.SubElement(
            view, "Choices", name=group, toName="image", choice=choice, showInline="true"
        )
        for label in labels:
            ET.SubElement(choices, "Choice", value=label)
    ET.indent(view)
    return ET.tostring(view, "unicode") + "\n"
