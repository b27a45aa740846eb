"""What a dictionary knows of words that no caption holds: WordNet's synonyms and kinds.

MiniLM places single words badly (brogues next to churidar, stilettos next to shoe laces); a
dictionary says that a brogue is a shoe. WordNet 3.0 (Princeton's free licence) is read from its own
text files, as Debian's package wordnet-base installs them; only training needs it.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

ARTEFACTS, ATTRIBUTES = "06", "07"  # WordNet's files of nouns: things that people make; colours
# Steps to a known word → the trust in it. Measured by leaving out each of 311 known words in turn:
# synonyms were right in .96 of the cases, a kind or a part of a kind in .57 (a parka is a jacket),
# two steps in .11 (a shoe is a shoe), so nobody goes that far.
TRUST = (0.95, 0.85)


def singular(word: str) -> Iterable[str]:
    """Yield the word as it is, then the singulars that its ending allows."""
    yield word
    for ending, instead in (("ies", "y"), ("es", ""), ("s", "")):
        if word.endswith(ending) and len(word) > len(ending) + 2:
            yield word.removesuffix(ending) + instead


class Dictionary:
    """Nouns of two of WordNet's files, and the steps between their senses."""

    def __init__(self, folder: Path) -> None:
        self.senses: dict[str, list[str]] = defaultdict(list)
        self.steps: dict[str, list[str]] = defaultdict(list)  # one up or one down
        self.file: dict[str, str] = {}
        for line in (folder / "data.noun").read_text("ascii").splitlines():
            if line.startswith(" "):  # the licence
                continue
            fields = line.partition("|")[0].split()
            place, file, count = fields[0], fields[1], int(fields[3], 16)
            if file not in (ARTEFACTS, ATTRIBUTES):
                continue
            self.file[place] = file
            for lemma in fields[4 : 4 + 2 * count : 2]:
                self.senses[lemma.replace("_", " ").lower()].append(place)
            rest = fields[5 + 2 * count :]
            pointers = zip(rest[::4], rest[1::4], strict=False)
            self.steps[place] = [to for kind, to in pointers if kind in "@~"]

    def of(self, word: str, file: str) -> list[str]:
        """Return the places of a word's senses in one of the files."""
        for form in singular(word.lower()):
            found = [place for place in self.senses.get(form, ()) if self.file[place] == file]
            if found:
                return found
        return []

    def nearest(self, word: str, known: dict[str, list[str]], file: str) -> dict[str, float]:
        """Return the known words that are no or one step away, with the trust in them, 0..1.

        ``known`` is place → words. Of several senses the one nearest to a known word counts: what
        is known here is all about fashion.
        """
        edge, seen = self.of(word, file), set()
        for trust in TRUST:
            found = [w for place in edge for w in known.get(place, ())]
            if found:
                return dict.fromkeys(found, trust)
            seen.update(edge)
            edge = [to for place in edge for to in self.steps[place] if to not in seen]
        return {}

    def around(self, known: dict[str, list[str]]) -> list[str]:
        """Return all words that have a known word no or one step away."""
        near = {to for place in known for to in (place, *self.steps.get(place, ()))}
        return sorted(word for word, senses in self.senses.items() if near & set(senses))
