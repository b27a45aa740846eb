"""Title words → evidence per label, without a model: the cheapest accuracy there is.

In real catalogues the title often names the label, so a string match is the humble row of every
benchmark and, next to the embeddings, a head of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fashiontag.words import split

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fashiontag.labels import Group, LabelSpace

ALSO_NAMED = 0.5
"""Evidence for a label of an exclusive group that the title names besides the one that decides."""


def _plurals(word: str) -> tuple[str, ...]:
    """Return the word and its regular plural: a title may be plural where a label is singular.

    Never the other way round, or "short sleeve" would name shorts.
    """
    if not word.isalpha() or len(word) < 3:
        return (word,)
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return (word, word + "es")
    if word.endswith("y") and word[-2] not in "aeiou":
        return (word, word[:-1] + "ies")
    return (word, word + "s")


def _spellings(term: str) -> set[tuple[str, ...]]:
    """Return the token sequences that count as this term: "t-shirt", "tshirts", "T shirt"."""
    words = split(term)
    if not words:
        return set()
    found = {(*words[:-1], last) for last in _plurals(words[-1])}
    if "-" in term:
        found |= {(joined,) for joined in _plurals("".join(words))}
    return found


class _GroupMatcher:
    """The terms of one group, longest first; one term may name several labels."""

    def __init__(self, group: Group, offset: int) -> None:
        self.exclusive = group.exclusive
        self.decides = 0 if group.first_named else -1
        self._columns: dict[tuple[str, ...], list[int]] = {}
        self.longest: dict[str, int] = {}
        """Words of the longest term that begins with a word: most words of a title begin none."""
        for position, label in enumerate(group.labels):
            for term in label.terms:
                for spelling in _spellings(term):
                    columns = self._columns.setdefault(spelling, [])
                    if offset + position not in columns:
                        columns.append(offset + position)
                    known = self.longest.get(spelling[0], 0)
                    self.longest[spelling[0]] = max(known, len(spelling))

    def match(self, words: Sequence[str], starts: Sequence[int]) -> list[int]:
        """Return the columns named, in the order of the text, a longer term hiding shorter ones.

        ``starts`` are the places, ascending, of the words that a term begins with.
        """
        found: list[int] = []
        free = 0
        for at in starts:
            if at < free:
                continue
            for length in range(min(self.longest[words[at]], len(words) - at), 0, -1):
                columns = self._columns.get(tuple(words[at : at + length]))
                if columns:
                    found.extend(columns)
                    free = at + length
                    break
        return found


class TitleMatcher:
    """Finds the labels that a title names.

    Parameters
    ----------
    space : LabelSpace
        Names, aliases and words of every label are searched, case-insensitively, as whole words,
        in singular and regular plural, with the longest match winning within a group.
    """

    def __init__(self, space: LabelSpace) -> None:
        self.space = space
        self._groups: list[_GroupMatcher] = []
        offset = 0
        for group in space.groups:
            self._groups.append(_GroupMatcher(group, offset))
            offset += len(group.labels)
        self._begun: dict[str, list[_GroupMatcher]] = {}
        for matcher in self._groups:
            for word in matcher.longest:
                self._begun.setdefault(word, []).append(matcher)

    def score(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Score cleaned titles.

        Parameters
        ----------
        texts : sequence of n str
            "" stands for a missing title.

        Returns
        -------
        ndarray of shape (n, t), float32, in [0, 1]
            1 where the title names the label; in an exclusive group 0.5 unless it is the last one
            named, or the first where the group says so; 0 elsewhere. Columns in the order of the
            label space.
        """
        scores = np.zeros((len(texts), self.space.size), np.float32)
        for row, text in enumerate(texts):
            words = split(text)
            starts: dict[_GroupMatcher, list[int]] = {}
            for at, word in enumerate(words):
                for group in self._begun.get(word, ()):
                    starts.setdefault(group, []).append(at)
            for group, places in starts.items():
                columns = group.match(words, places)
                if group.exclusive and columns:
                    scores[row, columns] = ALSO_NAMED
                    scores[row, columns[group.decides]] = 1.0
                else:
                    scores[row, columns] = 1.0
        return scores
