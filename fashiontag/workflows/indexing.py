"""``fashiontag index``: the index made to match a source, without tagging."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING

from fashiontag.catalog import clean_title
from fashiontag.index import Changes, Entry
from fashiontag.workflows.tag import index_entry
from fashiontag.workspace.embed import DEFAULTS, EmbedOptions, embed
from fashiontag.workspace.neighbours import refresh_neighbours

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Item
    from fashiontag.index import KnownTitle
    from fashiontag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class IndexSummary(Changes):
    """What a run did, beside the changes.

    Attributes
    ----------
    root, model : str
        The source, as the index names it, and the encoder.
    errors, encoded, titled : int
        Pictures that can't be read, so aren't indexed; pictures that had to be encoded; indexed
        items with a title.
    reasons : Mapping of str to int
        Why pictures couldn't be read.
    moved : str
        Where the source was before, in a sentence.
    seconds : float
    """

    root: str
    model: str
    errors: int
    encoded: int
    titled: int
    reasons: Mapping[str, int] = field(default_factory=dict)
    moved: str = ""
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
    moved_here = workspace.follow(catalog)
    known = index.titles(catalog.root) if keep_titles else {}
    items = [_titled(item, known.get(item.id)) for item in catalog.items]
    there = {item.id for item in items} if catalog.complete else known.keys()
    # New items get the title that their picture had under a name that is gone, of several the
    # first. Its vector is in the store already: it was embedded under the old name.
    moved = {old.image_key: old for name, old in reversed(known.items()) if name not in there}

    def entries() -> Iterator[Entry]:
        for embedded in embed(workspace, items, options):
            counts["encoded"] += embedded.encoded
            reasons.update(error for error in embedded.errors if error)
            for item, key, error in zip(
                embedded.items, embedded.image_keys, embedded.errors, strict=True
            ):
                if not error and key is not None:
                    named = item if item.id in known else _titled(item, moved.get(key))
                    counts["titled"] += bool(named.text)
                    yield index_entry(named, key, tags=None)

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
        moved=moved_here,
        seconds=time.monotonic() - started,
    )


def _titled(item: Item, known: KnownTitle | None) -> Item:
    if known is None or item.title or item.fields:
        return item
    return replace(item, title=known.title, text=clean_title(known.title), fields=known.fields)
