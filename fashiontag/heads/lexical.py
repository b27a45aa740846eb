"""Title words → evidence per label, without a model: the cheapest accuracy there is.

In real catalogues the title often names the label, so a string match is the humble row of every
benchmark and, next to the embeddings, a head of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fashiontag.words import (
    BEAUTY,
    BRANDS,
    CHILDREN,
    COLOURS,
    FEMALE,
    MALE,
    NAMES,
    SUBSTANCES,
    is_of_part,
    read,
    says_something,
    split,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fashiontag.labels import Group, Label, LabelSpace
    from fashiontag.words import Context

ALSO_NAMED = 0.5
"""Evidence for a label of an exclusive group that the title names besides the one that decides."""

_OTHER_WORDS = """
    short tight brief flat glass brace pump slip slide trunk good new kid boy girl baby eye sport
"""
_OTHER_SINGULARS = frozenset(_OTHER_WORDS.split())
"""What looks like the singular of a label's plural and is another word: a "short sleeve" names no
shorts. "Boy" and "girl" are prints more often than buyers: right in 4 of the 130 titles outside the
test split that name nobody else, "sport" in 15 of 133."""

_CLOTH_WORDS = """
    leather cotton silk denim striped stripes checked printed zip buttoned sleeve sleeves neck
    collar knee waist fit
"""
_OF_CLOTH = frozenset(_CLOTH_WORDS.split())
"""Words by which a group shows that it speaks of cloth and fastenings: nothing for a perfume."""

_SEXES = (MALE - CHILDREN - {"him"}, FEMALE - CHILDREN - {"her"})
"""Words for one audience each, which a shelf is named by: all name what is under "Women"."""

_SETS = frozenset(("set", "sets", "kit"))
_JOINERS = frozenset(("and", "or", "n"))
_BEAUTY = -1  # the group of `BEAUTY`; also a place from the end of a list


@dataclass(frozen=True, slots=True, eq=False)
class _Term:
    """What one spelling names in one group: a place in the label space, and columns there.

    ``colour`` and ``substance`` say that all its words are, ``brand`` that its group is of brands,
    ``sex`` whose it is: "m", "f" or "", and ``worth`` what colours are beside a term of `BEAUTY`.
    """

    group: int
    columns: tuple[int, ...]
    colour: bool = False
    substance: bool = False
    sex: str = ""
    worth: float = 1.0
    brand: bool = False


@dataclass(slots=True, eq=False)  # frozen ones take three times as long to make
class _Mention:
    """A term in a title, from word ``start`` to before word ``end``."""

    term: _Term
    start: int
    end: int


def _plurals(word: str) -> set[str]:
    """Return a word and its regular plural."""
    if not word.isalpha() or len(word) < 3:
        return {word}
    if word.endswith(("s", "x", "z", "ch", "sh")):
        return {word, word + "es"}
    if word.endswith("y") and word[-2] not in "aeiou":
        return {word, word[:-1] + "ies"}
    if word.endswith("f") and not word.endswith("ff"):
        return {word, word[:-1] + "ves", word + "s"}
    return {word, word[:-2] + "en" if word.endswith("man") else word + "s"}


def _singular_of(word: str) -> set[str]:
    """Return what a word may be the plural of; nothing where that is another word."""
    if not word.isalpha() or len(word) < 4:
        return set()
    found = set()
    if word.endswith("ies"):
        found |= {word[:-3] + "y", word[:-1]}
    elif word.endswith("ves"):
        found |= {word[:-3] + "f", word[:-1]}
    elif word.endswith(("ches", "shes", "sses", "xes")):
        found.add(word[:-2])
    elif word.endswith("s") and not word.endswith(("ss", "us", "is")):
        found.add(word[:-1])
    elif word.endswith("men"):
        found.add(word[:-2] + "an")
    return found


def _spellings(term: str) -> set[tuple[str, ...]]:
    """Return the words that count as this term: "t-shirt", "tshirts", "T shirt".

    Two words in a title also count as one (`TitleMatcher`), so "ear rings" need not be here.
    """
    words = split(term)
    if not words:
        return set()
    found = {(*words[:-1], last) for last in _plurals(words[-1])}
    if "-" in term:
        found |= {("".join(spelling),) for spelling in found}
    return found


def _audience(label: Label) -> set[tuple[str, ...]]:
    """Return all words for men, or for women, where a label is called by one of them."""
    words = set(split(label.word))
    return {(word,) for sex in _SEXES if words and words <= sex for word in sex}


def _singulars(term: str) -> set[tuple[str, ...]]:
    """Return the words of a term in the plural that count as it in the singular."""
    words = split(term)
    if not words:
        return set()
    forms = _singular_of(words[-1])
    return {(*words[:-1], last) for last in forms if words[1:] or last not in _OTHER_SINGULARS}


class TitleMatcher:
    """Finds the labels that a title names.

    Parameters
    ----------
    space : LabelSpace
        Names, aliases and words of every label are searched, case-insensitively, as whole words, in
        singular and plural, with the longest match winning within a group. What a title denies,
        likens or says of something else is no evidence (`fashiontag.words.read`).

    Notes
    -----
    Some groups say what kind of thing a product is: the file's main group, and exclusive groups
    that its labels imply. There a noun's head decides, and words that are only used in another term
    are hidden by it: "cap sleeves" are no cap.
    """

    def __init__(self, space: LabelSpace) -> None:
        self.space = space
        self._one: dict[str, list[_Term]] = {}
        self._more: dict[tuple[str, ...], list[_Term]] = {}
        self._longest: dict[str, int] = {}
        """Words of the longest term that begins with a word: most words of a title begin none."""
        self._names: dict[str, list[tuple[str, ...]]] = {}
        for name in map(split, NAMES):
            self._names.setdefault(name[0], []).append(tuple(name))
        self._groups = _groups(space)
        self._main = next((g for g, facts in enumerate(self._groups) if facts.kind), _BEAUTY)
        self._above = space.above
        self._implied = [frozenset(map(space.column, space.implied([tag]))) for tag in space.tags]
        offset = 0
        for place, group in enumerate(space.groups):
            self._enter(group, place, offset)
            offset += len(group.labels)
        for phrase, worth in BEAUTY.items():
            for spelling in _spellings(phrase):
                self._add(spelling, _Term(_BEAUTY, (), worth=worth))

    def _enter(self, group: Group, place: int, offset: int) -> None:
        """Add the terms of one group; one spelling may name several labels."""
        parents = {label.parent for label in group.labels}
        named: dict[tuple[str, ...], list[int]] = {}
        singular: dict[tuple[str, ...], list[int]] = {}
        for position, label in enumerate(group.labels):
            for term in label.terms:
                for spellings, into in ((_spellings(term), named), (_singulars(term), singular)):
                    for spelling in spellings:
                        if offset + position not in into.setdefault(spelling, []):
                            into[spelling].append(offset + position)
        for position, label in enumerate(group.labels):
            if label.name in parents:
                for spelling in _audience(label):
                    named.setdefault(spelling, [offset + position])
        # What a label calls itself outranks what another's plural is made of.
        named = singular | named
        for spelling, columns in list(named.items()):
            # A tee is a T-shirt wherever no other label of the group is called so.
            if spelling[-1] in ("tee", "tees"):
                shirt = "shirt" + spelling[-1][3:]
                named.setdefault((*spelling[:-1], "t", shirt), columns)
                named.setdefault((*spelling[:-1], "t" + shirt), columns)
        for spelling, columns in named.items():
            # "Sandals" under "Sandals" are called so more plainly.
            above = {upper for column in columns for upper in self._above.get(column, ())}
            columns = [column for column in columns if column not in above]
            words = set(spelling)
            self._add(
                spelling,
                _Term(
                    place,
                    tuple(columns),
                    colour=words <= COLOURS,
                    substance=words <= SUBSTANCES and not group.first_named,
                    brand=not BRANDS.isdisjoint(split(group.name)[-1:]),
                    sex="m" if words <= MALE else "f" if words <= FEMALE else "",
                ),
            )

    def _add(self, spelling: tuple[str, ...], term: _Term) -> None:
        if len(spelling) == 1:
            self._one.setdefault(spelling[0], []).append(term)
        else:
            self._more.setdefault(spelling, []).append(term)
            self._longest[spelling[0]] = max(self._longest.get(spelling[0], 0), len(spelling))

    def score(
        self, texts: Sequence[str], brands: Sequence[str] | None = None
    ) -> NDArray[np.float32]:
        """Score cleaned titles.

        Parameters
        ----------
        texts : sequence of n str
            "" stands for a missing title.
        brands : sequence of n str, optional
            Whose products they are, "" where that isn't known: a brand's name in its title says
            nothing ("Old Navy").

        Returns
        -------
        ndarray of shape (n, t), float32, in [0, 1]
            1 where the title names the label; in an exclusive group 0.5 unless it is the last one
            named, or the first where the group says so, what is said of something else left aside;
            0 elsewhere. Columns in the order of the label space.
        """
        known: dict[tuple[str, str], dict[int, float]] = {}  # two titles in five are another's
        rows: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        for row, text in enumerate(texts):
            title = text, brands[row] if brands else ""
            if title not in known:
                known[title] = self._evidence(*title)
            named = known[title]
            rows.extend([row] * len(named))
            columns.extend(named)
            values.extend(named.values())
        scores = np.zeros((len(texts), self.space.size), np.float32)
        scores[rows, columns] = values
        return scores

    def _evidence(self, text: str, brand: str) -> dict[int, float]:
        """Return the evidence of one title, by column."""
        words, context = read(text)
        found = self._mentions(text, words, brand)
        if not found or not says_something(text):
            return {}
        return self._weigh(self._kept(found, words, context), words, context)

    def _taken(self, words: Sequence[str]) -> list[tuple[int, int]]:
        """Return where names stand that only a longer term may reach over."""
        return [
            (at, at + len(name))
            for at, word in enumerate(words)
            if word in self._names
            for name in self._names[word]
            if tuple(words[at : at + len(name)]) == name
        ]

    def _mentions(self, text: str, words: Sequence[str], brand: str) -> list[_Mention]:
        """Return the terms of all groups in the order of the text, per group the longest first.

        Two words also count as one that they make together ("ear rings"), and what follows a letter
        is part of one with it: a T-shirt is no shirt.
        """
        found: list[_Mention] = []
        taken = [] if self._names.keys().isdisjoint(words) else self._taken(words)
        own = _first(words, split(brand)) if brand else None
        taken += [own] if own else []
        free = [0] * (len(self._groups) + 1)

        def take(terms: Sequence[_Term], start: int, end: int) -> None:
            for first, last in taken:
                if start < last and first < end and not (start <= first and last <= end):
                    return
            for term in terms:
                if free[term.group] <= start and ((start, end) != own or term.brand):
                    free[term.group] = end
                    found.append(_Mention(term, start, end))

        count, before, longest, one = len(words), "", self._longest, self._one.get
        for at, word in enumerate(words):
            if word in longest:
                for length in range(min(longest[word], count - at), 1, -1):
                    if terms := self._more.get(tuple(words[at : at + length])):
                        take(terms, at, at + length)
            if at + 1 < count and (terms := one(word + words[at + 1])):
                take(terms, at, at + 2)
            if (terms := one(word)) and not (len(before) == 1 and _is_inner(before, word, text)):
                take(terms, at, at + 1)
            before = word
        return found

    def _kept(
        self, found: Sequence[_Mention], words: Sequence[str], context: Context
    ) -> list[_Mention]:
        """Leave out what is hidden by longer terms, denied, likened, or said of a part."""
        wide = [mention for mention in found if mention.end - mention.start > 1]
        shortest: dict[int, int] = {}
        if context.denied:  # "no leather belt" is a belt: of two terms the shorter is denied
            for mention in found:
                shortest[mention.start] = min(mention.end, shortest.get(mention.start, mention.end))
        kept = []
        for mention in found:
            start, end = mention.start, mention.end
            if (start in context.denied and end == shortest[start]) or end in context.denied_ends:
                continue
            if mention.term.substance and (
                start in context.likened
                or end in context.likened_ends
                or (end < len(words) and is_of_part(words[start:end], words[end]))
            ):
                continue
            if not wide or not any(
                _hides(other, mention, self._groups, self._implied) for other in wide
            ):
                kept.append(mention)
        return kept

    def _weigh(
        self, found: Sequence[_Mention], words: Sequence[str], context: Context
    ) -> dict[int, float]:
        """Return what the mentions of one title are worth, by column."""
        by_group: dict[int, list[_Mention]] = {}
        for mention in found:
            by_group.setdefault(mention.term.group, []).append(mention)
        beauty = by_group.pop(_BEAUTY, None)
        # A "perfume bag" is a bag, and "blush pink platforms" are something else again.
        if beauty and (by_group.get(self._main) or found)[-1].end > beauty[-1].end:
            beauty = None
        named: dict[int, float] = {}
        for place, mentions in by_group.items():
            group, worth = self._groups[place], 1.0
            if beauty and group.cloth:
                continue
            if beauty and group.first_named:
                worth = beauty[-1].term.worth
            if not worth:
                continue
            if not group.exclusive:
                for mention in mentions:
                    named.update(dict.fromkeys(mention.term.columns, 1.0))
                continue
            upper: set[int] = set()
            if group.tree and len(mentions) > 1:
                mentions, upper = self._lowest(mentions)
            decisive = _decisive(mentions, words, context, group)
            if not decisive:
                continue
            columns = _both_sexes(mentions, words, group) if len(mentions) > 1 else None
            if columns is None:
                columns = decisive[0 if group.first_named else -1].term.columns
                if group.tree:
                    columns = self._under(columns, upper)
                else:
                    columns = columns[:1] if group.first_named else columns[-1:]
            for mention in mentions:
                also = mention.term.columns
                also = self._under(also, upper) if group.tree else also
                named.update(dict.fromkeys(also, worth * ALSO_NAMED))
            named.update(dict.fromkeys(columns, worth))
        return named

    def _lowest(self, mentions: Sequence[_Mention]) -> tuple[list[_Mention], set[int]]:
        """Part the mentions that no other is under from the columns of those above.

        In "women's heels" the first word only says which heels.
        """
        above = {
            column
            for mention in mentions
            for named in mention.term.columns
            for column in self._above.get(named, ())
        }
        upper = [m for m in mentions if not above.isdisjoint(m.term.columns)]
        lowest = [m for m in mentions if above.isdisjoint(m.term.columns)]
        return lowest, {column for m in upper for column in m.term.columns}

    def _under(self, columns: tuple[int, ...], upper: set[int]) -> tuple[int, ...]:
        """Return those of a word's labels of whose parents a title names most."""
        counts = [len(upper.intersection(self._above.get(column, ()))) for column in columns]
        most = max(counts)
        return tuple(c for c, count in zip(columns, counts, strict=True) if count == most)


@dataclass(frozen=True, slots=True)
class _GroupFacts:
    """What the rules ask of a group.

    ``kind``: it says what kind of thing a product is; ``cloth``: it speaks of cloth; ``unisex`` and
    ``kids``: its labels for both sexes, grown up and as children; ``tree``: it has labels under
    others.
    """

    exclusive: bool
    first_named: bool
    kind: bool
    cloth: bool
    columns: range
    unisex: tuple[int, ...]
    kids: tuple[int, ...]
    tree: bool


def _groups(space: LabelSpace) -> list[_GroupFacts]:
    kinds = {space.main.name} if space.main else set()
    exclusive = {group.name for group in space.groups if group.exclusive}
    for label in space.main.labels if space.main else ():
        kinds |= exclusive & {tag.split("=")[0] for tag in label.implies}
    found = []
    for group in space.groups:
        terms = {term for label in group.labels for term in label.terms}
        kind = group.name in kinds and not group.first_named
        words = {word for term in terms for word in split(term)}
        called = {
            name: tuple(
                space.column(f"{group.name}={label.name}")
                for label in group.labels
                if name in label.terms
            )
            for name in ("unisex", "kids")
        }
        found.append(
            _GroupFacts(
                group.exclusive,
                group.first_named,
                kind,
                not kind and not words.isdisjoint(_OF_CLOTH),
                range(*space.span(group.name).indices(space.size)),
                called["unisex"],
                called["kids"] or called["unisex"],
                any(label.parent for label in group.labels),
            )
        )
    return found


def _first(words: Sequence[str], name: Sequence[str]) -> tuple[int, int] | None:
    """Return where a name stands first: an "Olive Women Olive Skirt" by Olive is olive.

    An "and" is left out of both, for "&" is no word.
    """
    places = [at for at, word in enumerate(words) if word != "and"]
    name = [word for word in name if word != "and"]
    for first, at in enumerate(places):
        if name and [words[place] for place in places[first : first + len(name)]] == name:
            return at, places[first + len(name) - 1] + 1
    return None


def _is_inner(before: str, word: str, text: str) -> bool:
    """Tell whether a word only ends a longer one: "T-shirt", "T shirt", "X-top"; not "M-red"."""
    if not before.isalpha() or before in "sml":
        return False
    return before == "t" or f"{before}-{word}" in text.lower()


def _hides(
    longer: _Mention,
    mention: _Mention,
    groups: Sequence[_GroupFacts],
    implied: Sequence[frozenset[int]],
) -> bool:
    """Tell whether a term of another group only uses the words of a mention.

    Colours never are: "blue denim" is blue. A kind hides what kinds it doesn't imply ("belt bag"),
    and leaves what else is said of it ("denim jacket"); other terms leave their last word, which is
    what they say something of ("mini dress"; "cap sleeves" are no cap).
    """
    if not (longer.start <= mention.start and mention.end <= longer.end) or (
        mention.end - mention.start == longer.end - longer.start
    ):
        return False
    if mention.term.group < 0 or longer.term.group < 0 or mention.term.colour:
        return False
    if not groups[longer.term.group].kind:
        return mention.end < longer.end
    group = groups[mention.term.group]
    others = implied[longer.term.columns[0]].intersection(group.columns)
    return group.kind and bool(others) and others.isdisjoint(mention.term.columns)


def _decisive(
    mentions: Sequence[_Mention], words: Sequence[str], context: Context, group: _GroupFacts
) -> Sequence[_Mention]:
    """Return those of which the first or last decides an exclusive group; none may.

    What stands after "with" or "for", or is joined to another by "and", doesn't where something
    else does; what a product comes with or is made for is no kind that it could be.
    """
    heads = mentions
    if context.joints:
        heads = [heads[0]] + [
            mention
            for before, mention in pairwise(mentions)
            if before.end not in context.joints
            or words[mention.end - 1] in _SETS  # an "earring & pendant set" is a set
        ]
    if context.aside is None:
        return heads
    first = [mention for mention in heads if not context.aside[mention.start]]
    if first or not group.kind:
        return first or heads
    return [mention for mention in heads if mention.start not in context.companions]


def _both_sexes(
    mentions: Sequence[_Mention], words: Sequence[str], group: _GroupFacts
) -> tuple[int, ...] | None:
    """Return the labels for both sexes where a title names both in one breath; None elsewhere."""
    for one, other in pairwise(mentions):
        if one.term.sex and other.term.sex and one.term.sex != other.term.sex:
            between = words[one.end : other.start]
            if _JOINERS.issuperset(between):
                young = CHILDREN.issuperset(words[one.start : one.end])
                return group.kids if young else group.unisex
    return None
