"""What can be searched, and how near it is to a query: the only place where a distance appears.

`database` holds items and what they are filtered by, `nearest` compares vectors, which stay in the
store and are handed in as its memory map, `words` compares titles word for word, and `approximate`
spares large catalogues most of the vectors.
"""

from fashiontag.index.approximate import (
    TAIL,
    WORTH,
    Manifest,
    Refreshed,
    Segments,
    engine,
    made_of,
    refresh,
)
from fashiontag.index.database import (
    DATABASE,
    FIELD,
    Changes,
    Entry,
    Index,
    IndexedItem,
    KnownTitle,
    Operator,
    Placement,
    SourceStatus,
    number,
)
from fashiontag.index.nearest import (
    FEW_SCORES,
    Found,
    Part,
    alike,
    centred,
    chance_level,
    members,
    nearest,
)
from fashiontag.index.words import Titles, closeness

__all__ = [
    "DATABASE",
    "FEW_SCORES",
    "FIELD",
    "TAIL",
    "WORTH",
    "Changes",
    "Entry",
    "Found",
    "Index",
    "IndexedItem",
    "KnownTitle",
    "Manifest",
    "Operator",
    "Part",
    "Placement",
    "Refreshed",
    "Segments",
    "SourceStatus",
    "Titles",
    "alike",
    "centred",
    "chance_level",
    "closeness",
    "engine",
    "made_of",
    "members",
    "nearest",
    "number",
    "refresh",
]
