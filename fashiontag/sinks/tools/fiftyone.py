"""FiftyOne: a data set with one `Classifications` field a group, through its own API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fashiontag.errors import CatalogError, UsageError
from fashiontag.sinks.tools import Answer, Answers, answers_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fashiontag.sinks.tools import Sample, Schema

ORIGIN = "fashiontag"
"""A sample's field, as JSON (names in FiftyOne's database can't hold every sign), and the entry of
the data set's info that says which field is which group."""

_TAKEN = {ORIGIN, "title", "id", "filepath", "tags", "metadata", "created_at", "last_modified_at"}


def write(samples: Iterable[Sample], schema: Schema, folder: Path, out: Path) -> None:
    """Write a `fiftyone.types.FiftyOneDataset`, its pictures in ``data/``."""
    del out
    fo = _fiftyone()
    fields = {
        group if group.isidentifier() and group not in _TAKEN else f"group_{number}": group
        for number, group in enumerate(schema.groups)
    }
    pictures = folder / "pictures"
    pictures.mkdir()

    def sample_of(sample: Sample) -> Any:  # noqa: ANN401
        file = pictures / f"{sample.key}{sample.ending}"
        file.write_bytes(sample.picture)
        labels = sample.labels
        given = {
            field: fo.Classifications(
                classifications=[fo.Classification(label=label) for label in labels[group]]
            )
            for field, group in fields.items()
            if labels.get(group)
        }
        origin = json.dumps(sample.origin(), ensure_ascii=False)
        return fo.Sample(filepath=str(file), title=sample.title, **{ORIGIN: origin}, **given)

    dataset = fo.Dataset()
    try:
        dataset.add_samples(map(sample_of, samples))
        dataset.info = {ORIGIN: fields, "name": schema.name}
        dataset.save()
        kind = fo.types.FiftyOneDataset
        dataset.export(export_dir=str(folder), dataset_type=kind, export_media="move")
    finally:
        dataset.delete()
    pictures.rmdir()


def read(path: Path) -> Answers:
    """Read a folder that FiftyOne exported as `FiftyOneDataset`."""
    fo = _fiftyone()
    try:
        dataset = fo.Dataset.from_dir(dataset_dir=str(path), dataset_type=fo.types.FiftyOneDataset)
    except (OSError, ValueError, KeyError) as error:
        raise CatalogError(
            f"{path} can't be read by FiftyOne ({error}); export it there with "
            "dataset_type=fiftyone.types.FiftyOneDataset."
        ) from error
    found: list[Answer] = []
    try:
        fields = dataset.info[ORIGIN]
        for sample in dataset:
            chosen = {
                group: [one.label for one in sample[field].classifications]
                for field, group in fields.items()
                if sample.has_field(field) and sample[field] is not None
            }
            found += answers_of(json.loads(sample[ORIGIN]), chosen)
    except (KeyError, TypeError, ValueError) as error:
        raise CatalogError(
            f"{path} has no readable {ORIGIN!r} in its samples or its info, by which answers find "
            "their product; correct the data set that `fashiontag export` wrote."
        ) from error
    finally:
        dataset.delete()
    return Answers(tuple(found))


def _fiftyone() -> Any:  # noqa: ANN401
    try:
        import fiftyone
    except ImportError as error:
        raise UsageError(
            "FiftyOne isn't installed; run: pip install 'fashiontag[fiftyone]'"
        ) from error
    try:
        fiftyone.list_datasets()
    except Exception as error:  # its own kind, or that of its database's client
        raise UsageError(f"FiftyOne can't open its database: {error}") from error
    return fiftyone
