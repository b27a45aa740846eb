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
    del out
    (folder / "data").mkdir()
    table = _Table(schema, folder / "data")
    counts: Counter[str] = Counter()
    for sample in samples:
        counts.update(group for group, labels in sample.labels.items() if labels)
        counts[""] += 1
        table.add(sample)
    table.close()
    (folder / "README.md").write_text(_card(schema, counts), "utf-8")


class _Table:
    """The rows of a data set, in files of a size that readers like."""

    def __init__(self, schema: Schema, folder: Path) -> None:
        from datasets import ClassLabel, Features, Image, Sequence, Value

        self._schema = schema
        self._folder = folder
        self._columns = {name: f"{name}_" if name in _TAKEN else name for name in schema.groups}
        self._places = {
            group: {label: place for place, label in enumerate(labels)}
            for group, labels in schema.groups.items()
        }
        kinds = {group: ClassLabel(names=list(names)) for group, names in schema.groups.items()}
        columns = {
            self._columns[group]: kind if group in schema.exclusive else Sequence(kind)
            for group, kind in kinds.items()
        }
        text = Value("string")
        self._layout = Features(
            {"image": Image(), "id": text, "title": text, **columns, "decided": Sequence(text)}
        ).arrow_schema  # its metadata tells `datasets` what the columns are
        self._rows: list[dict[str, Any]] = []
        self._writer: Any = None
        self._files = self._size = 0

    def add(self, sample: Sample) -> None:
        """Add one product."""
        labels = sample.labels
        row: dict[str, Any] = {
            "image": {"bytes": sample.picture, "path": f"{sample.key}{sample.ending}"},
            "id": sample.id,
            "title": sample.title,
            "decided": list(sample.decided),
        }
        for group, places in self._places.items():
            found = [places[label] for label in labels.get(group, ())]
            one = group in self._schema.exclusive
            row[self._columns[group]] = next(iter(found), None) if one else found
        self._rows.append(row)
        self._size += len(sample.picture)
        if len(self._rows) == BATCH or self._size > LARGEST:
            self._flush()
        if self._size > LARGEST:
            self._writer.close()
            self._writer, self._size = None, 0

    def close(self) -> None:
        """Write what is left; a data set without products has a file, too."""
        if self._rows or not self._files:
            self._flush()
        if self._writer is not None:
            self._writer.close()

    def _flush(self) -> None:
        import pyarrow as pa
        import pyarrow.parquet as pq

        if self._writer is None:
            path = self._folder / f"train-{self._files:05}.parquet"
            self._writer = pq.ParquetWriter(path, self._layout)
            self._files += 1
        self._writer.write_table(pa.Table.from_pylist(self._rows, self._layout))
        self._rows.clear()


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
