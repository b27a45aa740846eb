"""WebDataset: tar shards of a picture and a JSON file a product."""

from __future__ import annotations

import io
import json
import tarfile
from contextlib import ExitStack
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from fashiontag.sinks.tools import Sample, Schema

LARGEST = 500_000_000
"""Bytes of pictures in one shard."""


def write(samples: Iterable[Sample], schema: Schema, folder: Path, out: Path) -> None:
    """Write ``shard-000000.tar`` and on; a key is a hash, for it may hold no dot."""
    del out
    with ExitStack() as stack:
        shards = size = 0
        tar = None
        for sample in samples:
            if tar is None or size > LARGEST:
                stack.close()
                shard = folder / f"shard-{shards:06}.tar"
                tar = stack.enter_context(tarfile.open(shard, "w", format=tarfile.PAX_FORMAT))
                shards, size = shards + 1, 0
            labels = sample.labels
            facts = {
                "id": sample.id,
                "title": sample.title,
                "tags": {group: labels.get(group, ()) for group in schema.groups},
                "decided": tuple(sample.decided),
            }
            text = json.dumps(facts, ensure_ascii=False).encode("utf-8", "backslashreplace")
            for ending, content in ((sample.ending, sample.picture), (".json", text)):
                entry = tarfile.TarInfo(f"{sample.key}{ending}")  # no time: equal bytes again
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
                size += len(content)
