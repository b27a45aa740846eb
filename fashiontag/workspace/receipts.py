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
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import fashiontag
from fashiontag.errors import ImageError
from fashiontag.manifest import LIBRARIES, versions
from fashiontag.vectors import Known
from fashiontag.workspace.decisions import revision
from fashiontag.workspace.embed import WINDOW, content_key

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Item
    from fashiontag.labels import LabelSpace
    from fashiontag.workspace import Workspace

FOLDER = "runs"


@dataclass(frozen=True, slots=True)
class Run:
    """One run that tags a catalogue into one table.

    Attributes
    ----------
    workspace : Workspace
        Where receipts are kept.
    out : Path
        The table.
    made_of : str
        Digest of all that decides on the table's bytes; "" where that can't be told without
        opening pictures, and so has to be run.
    """

    workspace: Workspace
    out: Path
    made_of: str

    @classmethod
    def of(cls, workspace: Workspace, out: Path, catalog: Catalog, judged_by: str) -> Run:
        """Describe a run before it runs, or after it: then all its pictures are known.

        ``judged_by`` comes from `judge_digest`, once for both: what it reads may change meanwhile.
        """
        digest = hashlib.blake2b(judged_by.encode(), digest_size=16)
        revisions = [workspace.images.revision(), workspace.texts.revision()]
        of = f"{revisions} {catalog.root} {catalog.complete} {catalog.by}"
        digest.update(of.encode(errors="replace"))
        items = catalog.items
        for start in range(0, len(items), WINDOW):
            window = items[start : start + WINDOW]
            refs = [(item.image.locator, item.image.stamp() or "") for item in window]
            lines = []
            for item, ref, known in zip(window, refs, workspace.store.contents(refs), strict=True):
                found = known or (None if ref[1] else _why_none(item))
                if found is None:
                    return cls(workspace, out, "")
                lines.append(_line(item, found))
            digest.update("\0".join(lines).encode("utf-8", "surrogatepass"))
        return cls(workspace, out, digest.hexdigest())

    @property
    def _receipt(self) -> Path:
        place = os.path.realpath(self.out)
        return self.workspace.path / FOLDER / f"{content_key(os.fsencode(place))}.json"

    def done(self) -> dict[str, Any] | None:
        """Return what was said of this very run if all it wrote is still there, else None."""
        if not self.made_of or not self.out.is_file():
            return None
        try:
            kept = json.loads(self._receipt.read_text("utf-8"))
            same = (
                kept["made_of"] == self.made_of
                and kept["index"] == self.workspace.index.generation()
                and kept["wrote"] == _file(self.out)
            )
            return dict(kept["summary"]) if same else None
        except (OSError, ValueError, KeyError, TypeError):  # none, or of another version
            return None

    def keep(self, summary: Mapping[str, Any]) -> None:
        """Keep the receipt of a run that has just ended; without one it would only run again."""
        if not self.made_of:
            return
        kept = {
            "made_of": self.made_of,
            "index": self.workspace.index.generation(),
            "wrote": _file(self.out),
            "summary": summary,
        }
        part = self._receipt.with_suffix(f".{os.getpid()}.part")
        with suppress(OSError):
            part.parent.mkdir(exist_ok=True)
            part.write_text(json.dumps(kept), "utf-8")
            part.replace(self._receipt)


def judge_digest(
    workspace: Workspace, space: LabelSpace, *, probe: Path | None = None, scores: bool = False
) -> str:
    """Return a digest of all that decides on rows but the products; read it before the probe."""
    encoder = workspace.encoder
    statistics = None if encoder.folder is None else encoder.folder / "statistics.safetensors"
    parts = (
        _program(),
        encoder.fingerprint,
        "" if statistics is None or not statistics.is_file() else _file(statistics),
        repr(space),
        repr(workspace.statistics_for(space).groups),
        *(_file(path) for path in sorted(probe.rglob("*") if probe else ()) if path.is_file()),
        str(scores),
        str(revision(workspace.path)),
    )
    return content_key("\0".join(parts).encode("utf-8", "surrogatepass"))


def _why_none(item: Item) -> Known | None:
    """Return why there is no picture, asked anew each time; None if there is one."""
    try:
        item.image.read()
    except ImageError as error:
        return Known(None, str(error))
    return None


def _line(item: Item, known: Known) -> str:
    of = (item.product, item.variants, item.keys)
    return repr(
        (item.id, item.path, item.title, item.text, item.fields, *of, known.hash, known.error)
    )


def _file(path: Path) -> str:
    return content_key(path.read_bytes())


@cache
def _program() -> str:
    """Return a digest of this package as it lies there and of what it stands on.

    A newer one may decide otherwise.
    """
    root = Path(fashiontag.__file__).parent
    stamps = [(str(path), path.stat().st_mtime_ns) for path in sorted(root.rglob("*.py"))]
    return content_key(repr((stamps, versions((*LIBRARIES, "pillow")))).encode())
