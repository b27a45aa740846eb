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
    Refreshed,
    engine,
    made_of,
    refresh,
)
from fashiontag.index.columns import FIELD, Operator
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
from fashiontag.index.nearest import (
    FEW_SCORES,
    Found,
    Part,
    alike,
    centred,
    chance_level,
    nearest,
)
from fashiontag.index.words import Titles, closeness

__all__ = [
    "DATABASE",
    "DERIVED",
    "FEW_SCORES",
    "FIELD",
    "GUEST",
    "TAIL",
    "WORTH",
    "Changes",
    "Entry",
    "Found",
    "Index",
    "IndexedItem",
    "InvertedFile",
    "KnownTitle",
    "Manifest",
    "Operator",
    "Part",
    "Placement",
    "Refreshed",
    "SourceStatus",
    "Titles",
    "alike",
    "centred",
    "chance_level",
    "closeness",
    "engine",
    "made_of",
    "nearest",
    "refresh",
]
