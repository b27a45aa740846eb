"""Leave out a run that would write what is there already.

After a run the workspace keeps, per table, what it was made from, what it said, and a digest of
what it wrote. A run that would be made from the same, while the table and the index are as they
were left, has nothing to do: 21,447 products take the time of listing them.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import fashiontag
from fashiontag.manifest import LIBRARIES, versions
from fashiontag.workflows.embed import WINDOW, content_key
from fashiontag.workflows.tag import TagSummary

if TYPE_CHECKING:
    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Encoder, Item
    from fashiontag.index import Index
    from fashiontag.labels import LabelSpace
    from fashiontag.vectors import Known, VectorStore

FOLDER = "runs"


@dataclass(frozen=True, slots=True)
class Run:
    """One run of `fashiontag.workflows.tag.tag` into one table.

    Attributes
    ----------
    workspace, out : Path
        Where receipts are kept; the table.
    made_of : str
        Digest of all that decides on the table's bytes; "" where that can't be told without
        opening pictures, and so has to be run.
    """

    workspace: Path
    out: Path
    made_of: str

    @classmethod
    def of(
        cls,
        workspace: Path,
        out: Path,
        catalog: Catalog,
        encoder: Encoder,
        store: VectorStore,
        judge: str,
    ) -> Run:
        """Describe a run before it runs, or after it: then all its pictures are known.

        ``judge`` comes from `judge_of`, once for both: what it reads may change during the run.
        """
        digest = hashlib.blake2b(judge.encode(), digest_size=16)
        revisions = [
            store.shard(kind, encoder.fingerprint).revision() for kind in ("image", "text")
        ]
        digest.update(f"{revisions} {catalog.root} {catalog.complete}".encode(errors="replace"))
        items = catalog.items
        for start in range(0, len(items), WINDOW):
            window = items[start : start + WINDOW]
            refs = [(item.image.locator, item.image.stamp() or "") for item in window]
            known = store.contents(refs)
            if not all(known):
                return cls(workspace, out, "")
            lines = [_line(item, one) for item, one in zip(window, known, strict=True) if one]
            digest.update("\0".join(lines).encode("utf-8", "surrogatepass"))
        return cls(workspace, out, digest.hexdigest())

    @property
    def _receipt(self) -> Path:
        place = os.path.realpath(self.out)
        return self.workspace / FOLDER / f"{content_key(os.fsencode(place))}.json"

    def done(self, index: Index) -> TagSummary | None:
        """Return what was said of this very run if all it wrote is still there, else None."""
        if not self.made_of or not self.out.is_file():
            return None
        try:
            told = json.loads(self._receipt.read_text("utf-8"))
            same = told["made_of"] == self.made_of and told["index"] == index.generation()
            summary = TagSummary(**told["summary"]) if same else None
        except (OSError, ValueError, KeyError, TypeError):  # none, or of another version
            return None
        if summary is None or told["wrote"] != _file(self.out):
            return None
        return replace(summary, encoded=0)

    def keep(self, index: Index, summary: TagSummary) -> None:
        """Keep the receipt of a run that has just ended; without one it would only run again."""
        if not self.made_of:
            return
        told = {
            "made_of": self.made_of,
            "index": index.generation(),
            "wrote": _file(self.out),
            "summary": asdict(summary),
        }
        part = self._receipt.with_suffix(f".{os.getpid()}.part")
        with suppress(OSError):
            part.parent.mkdir(exist_ok=True)
            part.write_text(json.dumps(told), "utf-8")
            part.replace(self._receipt)


def judge_of(
    encoder: Encoder, space: LabelSpace, *, probe: Path | None = None, scores: bool = False
) -> str:
    """Return a digest of all that decides on rows but the products; read it before the probe."""
    statistics = None if encoder.folder is None else encoder.folder / "statistics.safetensors"
    parts = (
        _program(),
        encoder.fingerprint,
        "" if statistics is None or not statistics.is_file() else _file(statistics),
        repr(space),
        *(_file(path) for path in ([] if probe is None else _files(probe))),
        str(scores),
    )
    return content_key("\0".join(parts).encode("utf-8", "surrogatepass"))


def _line(item: Item, known: Known) -> str:
    return repr((item.id, item.path, item.title, item.text, item.fields, known.hash, known.error))


def _file(path: Path) -> str:
    return content_key(path.read_bytes())


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


@cache
def _program() -> str:
    """Return a digest of this package as it lies there and of what it stands on.

    A newer one may decide otherwise.
    """
    root = Path(fashiontag.__file__).parent
    stamps = [(str(path), path.stat().st_mtime_ns) for path in sorted(root.rglob("*.py"))]
    return content_key(repr((stamps, versions((*LIBRARIES, "pillow")))).encode())
