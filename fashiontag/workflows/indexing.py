"""``fashiontag index``: the index made to match a source, without tagging."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from fashiontag.catalog import title_text
from fashiontag.index import DATABASE, Entry, Index
from fashiontag.workflows.tag import index_entry
from fashiontag.workspace.embed import DEFAULTS, Embedded, EmbedOptions, embed
from fashiontag.workspace.neighbours import refresh_neighbours

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence, Set
    from pathlib import Path

    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Item
    from fashiontag.index import KnownTitle, SourceStatus
    from fashiontag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class IndexSummary:
    """What a run did.

    Attributes
    ----------
    root, model : str
        The source, as the index names it, and the encoder.
    new, changed, renamed, gone, unchanged : int
        Items.
    errors, encoded, titled : int
        Pictures that can't be read, so aren't indexed; pictures that had to be encoded; indexed
        items with a title.
    reasons : Mapping of str to int
        Why pictures couldn't be read.
    seconds : float
    """

    root: str
    model: str
    new: int
    changed: int
    renamed: int
    gone: int
    unchanged: int
    errors: int
    encoded: int
    titled: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    seconds: float = 0.0


def index_source(
    workspace: Workspace,
    catalog: Catalog,
    *,
    keep_titles: bool,
    options: EmbedOptions = DEFAULTS,
) -> IndexSummary:
    """Make the index match a catalogue: new, changed, renamed and gone items; no tagging.

    Tags that an item has stay as long as its picture and its title do.

    Parameters
    ----------
    workspace : Workspace
    catalog : Catalog
    keep_titles : bool
        Whether items that come without a title keep the one that is known, also under a new name:
        true where no titles table was given.
    options : EmbedOptions
    """
    started = time.monotonic()
    index = workspace.index
    counts: Counter[str] = Counter()
    reasons: Counter[str] = Counter()
    known = index.titles(catalog.root) if keep_titles else {}
    items = [_titled(item, known.get(item.id)) for item in catalog.items]
    gone = known.keys() - {item.id for item in items} if catalog.complete else set()

    def entries() -> Iterator[Entry]:
        for embedded in embed(workspace, items, options):
            counts["encoded"] += embedded.encoded
            reasons.update(error for error in embedded.errors if error)
            kept: Sequence[Item] = embedded.items
            if gone:
                kept = _follow(index, catalog.root, gone, known, embedded)
            for item, key, error in zip(kept, embedded.image_keys, embedded.errors, strict=True):
                if not error and key is not None:
                    counts["titled"] += bool(item.text)
                    yield index_entry(item, key, tags=None)

    changes = index.replace_source(
        catalog.root,
        entries(),
        fingerprint=workspace.encoder.fingerprint,
        model=workspace.encoder.name,
        labels="",
        complete=catalog.complete,
    )
    refresh_neighbours(workspace)
    return IndexSummary(
        root=catalog.root,
        model=workspace.encoder.name,
        **asdict(changes),
        errors=reasons.total(),
        encoded=counts["encoded"],
        titled=counts["titled"],
        reasons=dict(reasons.most_common()),
        seconds=time.monotonic() - started,
    )


def index_status(workspace: Path) -> tuple[SourceStatus, ...]:
    """Return what is indexed in a workspace, the source updated last first; () if nothing is."""
    if not (workspace / DATABASE).is_file():
        return ()
    with Index.open(workspace) as index:
        return index.sources()


def _titled(item: Item, known: KnownTitle | None) -> Item:
    if known is None or item.title or item.fields:
        return item
    return replace(item, title=known.title, text=title_text(known.title), fields=known.fields)


def _follow(
    index: Index,
    root: str,
    gone: Set[str],
    known: Mapping[str, KnownTitle],
    embedded: Embedded,
) -> Sequence[Item]:
    """Give new items the title that their picture had under a name that is gone.

    Its vector is in the store already: it was embedded under the old name.
    """
    keys = [
        "" if item.id in known else key or ""
        for item, key in zip(embedded.items, embedded.image_keys, strict=True)
    ]
    before = index.names_of_pictures(root, [key for key in keys if key])
    followed = []
    for item, key in zip(embedded.items, keys, strict=True):
        old = next((name for name in before.get(key, ()) if name in gone), "")
        followed.append(_titled(item, known.get(old)))
    return followed
