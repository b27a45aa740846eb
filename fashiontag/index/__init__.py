"""What can be searched, and how near it is to a query: the only place where a distance appears.

`database` holds items, and `derived` the arrays that searches made of them. `where` is the language
of filters, which compare `columns`. `nearest` compares vectors, which stay in the store and are
handed in as its memory map, `words` compares titles word for word, and `approximate` spares large
catalogues most of the vectors.
"""

from fashiontag.index.approximate import (
    TAIL,
    WORTH,
    InvertedFile,
    Manifest,
    engine,
    made_of,
    refresh,
)
from fashiontag.index.database import (
    DATABASE,
    DERIVED,
    GUEST,
    Changes,
    Entry,
    Index,
    IndexedItem,
    KnownTitle,
    Placement,
    SourceStatus,
)
from fashiontag.index.nearest import FEW_SCORES, Part, alike, centred, nearest, pairs
from fashiontag.index.words import Titles, closeness

__all__ = [
    "DATABASE",
    "DERIVED",
    "FEW_SCORES",
    "GUEST",
    "TAIL",
    "WORTH",
    "Changes",
    "Entry",
    "Index",
    "IndexedItem",
    "InvertedFile",
    "KnownTitle",
    "Manifest",
    "Part",
    "Placement",
    "SourceStatus",
    "Titles",
    "alike",
    "centred",
    "closeness",
    "engine",
    "made_of",
    "nearest",
    "pairs",
    "refresh",
]
