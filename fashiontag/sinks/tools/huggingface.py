"""Hugging Face: Parquet files with pictures and class labels, and a card, as `datasets` reads."""

from __future__ import annotations

import json
from collections import Counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fashiontag.sinks.tools import Sample, Schema

BATCH = 64
"""Products in one row group: what a reader holds at once, some 10 MB of pictures."""
LARGEST = 500_000_000
"""Bytes of pictures in one file, as the Hub advises."""

_TAKEN = ("image", "id", "title", "decided")


def write(samples: Iterable[Sample], schema: Schema, folder: Path, out: Path) -> None:
    """Write ``data/train-00000.parquet`` and on, and the card.

    An exclusive group is a `ClassLabel`, null where nothing was given; another is a list of them.
    ``decided`` names the groups that a person answered.
    """
    from datasets import ClassLabel, Features, Image, Sequence, Value
    from datasets.arrow_writer import ParquetWriter

    del out
    (folder / "data").mkdir()
    columns = {name: f"{name}_" if name in _TAKEN else name for name in schema.groups}
    kinds = {name: ClassLabel(names=list(labels)) for name, labels in schema.groups.items()}
    text = Value("string")
    features = Features(
        {"image": Image(), "id": text, "title": text}
        | {
            columns[name]: kind if name in schema.exclusive else Sequence(kind)
            for name, kind in kinds.items()
        }
        | {"decided": Sequence(text)}
    )

    def opened(number: int) -> ParquetWriter:
        path = folder / "data" / f"train-{number:05}.parquet"
        return ParquetWriter(features=features, path=str(path), writer_batch_size=BATCH)

    counts: Counter[str] = Counter()
    # a data set without products has a file, too
    writer, files, size = opened(0), 1, 0
    for sample in samples:
        if size > LARGEST:
            writer.finalize()
            writer, files, size = opened(files), files + 1, 0
        size += len(sample.picture)
        row: dict[str, Any] = {
            "image": {"bytes": sample.picture, "path": f"{sample.key}{sample.ending}"},
            "id": sample.id,
            "title": sample.title,
            "decided": list(sample.decided),
        }
        for group in schema.groups:
            labels = list(sample.labels.get(group, ()))
            one = group in schema.exclusive
            row[columns[group]] = next(iter(labels), None) if one else labels
            counts[group] += bool(labels)
        counts[""] += 1
        writer.write(features.encode_example(row))
    writer.finalize()
    (folder / "README.md").write_text(_card(schema, counts), "utf-8")


def _card(schema: Schema, counts: Counter[str]) -> str:
    """Return the card; its head tells `datasets` where the rows are."""
    lines = [
        f"| {group.replace('|', ' ')} | {'one' if group in schema.exclusive else 'several'} "
        f"| {len(labels):,} | {counts[group]:,} |"
        for group, labels in schema.groups.items()
    ]
    return "\n".join(
        (
            "---",
            f"pretty_name: {json.dumps(schema.name, ensure_ascii=False)}",
            "task_categories:\n- image-classification",
            "tags:\n- fashion",
            "configs:\n- config_name: default\n  data_files:\n  - split: train\n"
            "    path: data/train-*.parquet",
            "---",
            f"# {schema.name}",
            "",
            f"{counts['']:,} fashion products with their pictures and titles, tagged by "
            "fashiontag. Labels are the program's, but for the groups that `decided` names in a "
            "row: those a person gave. A null or an empty list means that nothing was given, not "
            "that nothing holds.",
            "",
            "The pictures and titles are those of the catalogue that was tagged; add its licence "
            "here before you share them.",
            "",
            "| group | labels a product | labels | products with one |",
            "|---|---|---|---|",
            *lines,
            "",
        )
    )
