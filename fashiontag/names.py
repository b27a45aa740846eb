"""The one way to compare what people type: labels, keys and values of tables, names of columns."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

NONE = frozenset({"none", "none of these"})
"""What people write, folded, for: none of the group's labels."""
PATH = " > "
"""What parts the names in a path."""

# No arrow, no comparison, and nothing that begins with the sign (">38"). An empty part between two
# of them is left for whoever reads paths to refuse.
_STEP = re.compile(r"\s>(?=\s)|(?<=[^\s<=>-])\s*>\s*(?=[^\s<=>])")
_APOSTROPHES = str.maketrans(dict.fromkeys("’‘ʼ´′", "'"))
# Soft hyphen, zero-width space, byte order mark: they come along with what is pasted.
_INVISIBLE = str.maketrans(dict.fromkeys("\u00ad\u200b\ufeff"))


@lru_cache(2**12)  # most are labels, asked for with every item
def fold(text: str) -> str:
    """Return what two spellings of one name have in common.

    Case, Unicode form (composed, decomposed, full-width), the kind of apostrophe, invisible
    characters, the number of blanks, and those around the steps of a path are forgiven; accents and
    all other signs are not. Folding again changes nothing. For the words of a title there is
    `fashiontag.words.split`.

    Examples
    --------
    >>> fold(" Levi’s   501") == fold("LEVI`S 501") == "levi's 501"
    True
    >>> fold("ＲＥＤ"), fold("e\u0301te\u0301") == fold("ÉTÉ"), fold("ete") == fold("été")
    ('red', True, False)
    """
    if not text.isascii():
        # before NFKC, which parts an acute accent that stands alone into a blank and a mark
        text = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES).translate(_INVISIBLE))
        text = unicodedata.normalize("NFKC", text.casefold())
    return as_path(" ".join(text.replace("`", "'").lower().split()))


def as_path(text: str) -> str:
    """Return a text whose steps, if it is a path, are written as everywhere.

    Examples
    --------
    >>> as_path("Women>Shoes >  Heels"), as_path("A -> B"), as_path(">38")
    ('Women > Shoes > Heels', 'A -> B', '>38')
    """
    return PATH.join(map(str.strip, _STEP.split(text))) if ">" in text else text
