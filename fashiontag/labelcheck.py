"""What a label file says that nobody meant: labels that say nothing, words that get in the way.

Nothing here is wrong enough to be refused; each remark is one sentence with what to write.
"""

from __future__ import annotations

import re
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING

from fashiontag.names import fold
from fashiontag.taxonomy import CATEGORY, NONE, entries
from fashiontag.words import split

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fashiontag.labels import Group, Label, LabelSpace
    from fashiontag.taxonomy import Taxonomy

SHOWN = 5

_NOTHING = """
    yes no true false on off none other others misc miscellaneous various any all default na n/a nil
    ok unknown unspecified undefined null tbd todo onesize freesize
"""
_NO_WORDS = frozenset((*_NOTHING.split(), "one size", "free size", "not applicable"))
_SIZE = re.compile(r"\d?x{0,4}[sml]|\d?x+l|\d+[a-f]|\d+(?:y|yr|yrs|m|mth|cm|mm|ml|g|kg|w|l|t)?")
_MEASURES = """
    uk us eu fr it in size sizes age ages year years yr yrs month months mth cm mm ml g kg inch
    inches to and s m l
"""
_UNITS = frozenset(_MEASURES.split())


def remarks(space: LabelSpace, *, latin_only: bool = True) -> tuple[str, ...]:
    """Return what is odd about a label file, a sentence each; () for one that is fine.

    Parameters
    ----------
    space : LabelSpace
    latin_only : bool
        Whether the model reads no other script, as the embedded one.
    """
    return (*unsaid(space, latin_only=latin_only), *_shared(space), *_inside(space))


def unsaid(space: LabelSpace, *, latin_only: bool = True) -> tuple[str, ...]:
    """Return the remarks on labels that mean nothing to a model that looks at a picture.

    "yes", "M" and "38" are no words for a picture, and in a script that the model can't read
    every word is noise: such a label is given to whatever the noise is near to.
    """
    wordless, foreign = [], []
    for group in space.groups:
        for label in group.labels if group.visible else ():
            if not label.visible:
                continue
            texts = label.prompts or label.words or (label.name, *label.aliases)
            tag = f"{group.name}={label.name}"
            if not label.prompts and not any(map(_says_something, texts)):
                wordless.append(tag)
            elif latin_only and not any(map(_is_latin, texts)):
                foreign.append(tag)
    way = (
        'write { name = "…", words = ["a phrase for what a picture shows"] }, or visible = false '
        "if only a title can tell"
    )
    found = []
    if wordless:
        found.append(
            f"{space.name}: {_counted(wordless, 'label')} no words for a picture, which will be "
            f"tagged at random: {_few(wordless)}; {way}."
        )
    if foreign:
        found.append(
            f"{space.name}: {_counted(foreign, 'label')} in a script that the embedded model can't "
            f"read (it knows English): {_few(foreign)}; {way}, or name a multilingual --model."
        )
    return tuple(found)


def taxonomy_remarks(space: LabelSpace, taxonomy: Taxonomy) -> tuple[str, ...]:
    """Return what a label file names that a taxonomy hasn't, and which labels name nothing there.

    Of Shopify's: categories, attributes, values of attributes, attributes that no category of the
    file may have, and Google's id of a category. Of Google's own file: ids.
    """
    unsaid_, found = [], []
    categories = []
    for group in space.groups:
        if group.shopify.startswith(NONE):
            continue
        attributes = entries(group.shopify)
        for label in group.labels:
            tag = f"{group.name}={label.name}"
            if not label.shopify:
                unsaid_.append(tag)
            for name in entries(label.shopify) if taxonomy.categories else ():
                if attributes != (CATEGORY,):
                    if not taxonomy.attributes_of(name, attributes):
                        found.append(f"{tag}: no value {name!r} of {group.shopify}")
                elif category := taxonomy.categories.get(name):
                    categories.append(category)
                    if category.google and label.google not in ("", category.google):
                        found.append(f"{tag}: Google's id of {name} is {category.google}")
                else:
                    found.append(f"{tag}: no category {name!r}")
            strange = [n for n in entries(label.google) if n not in taxonomy.google]
            found += [f"{tag}: no id {name!r} of Google's" for name in strange if taxonomy.google]
    allowed = frozenset[str]().union(*(category.attributes for category in categories))
    for group in space.groups if taxonomy.categories else ():
        for name in entries(group.shopify):
            if name != CATEGORY and name not in taxonomy.values:
                found.append(f"{group.name}: no attribute {name!r}")
            elif name != CATEGORY and categories and name not in allowed:
                found.append(f"{group.name}: no category of the file may have {name!r}")
    remarks_ = []
    if found:
        remarks_.append(
            f"{space.name}: {len(found)} entries are not in the taxonomy {taxonomy.version}: "
            f"{_few(found)}; mend them, or give the taxonomy that they are of."
        )
    if unsaid_:
        remarks_.append(
            f"{space.name}: {_counted(unsaid_, 'label')} without an entry in the taxonomy: "
            f'{_few(unsaid_)}; write shopify = "…", or "none: WHY".'
        )
    return tuple(remarks_)


def _says_something(text: str) -> bool:
    words = split(text)
    if fold(text) in _NO_WORDS or not words:
        return False
    return not all(
        word in _NO_WORDS | _UNITS or _SIZE.fullmatch(word) or (len(word) == 1 and word.isascii())
        for word in words
    )


def _is_latin(text: str) -> bool:
    letters = [character for character in text if character.isalpha()]
    return all("LATIN" in unicodedata.name(letter, "") for letter in letters)


def _shared(space: LabelSpace) -> Iterator[str]:
    """Yield a remark per exclusive group in which a word names two labels.

    Labels under different parents, and those under others, are told apart by what a title says of
    the parents.
    """
    for group in space.groups:
        parents = {label.name: label.parent for label in group.labels}
        owners: defaultdict[str, dict[str, str]] = defaultdict(dict)
        for label, term, words in _terms(group):
            owners["".join(words).removesuffix("s")].setdefault(label.name, term)
        twice = [
            f"{next(iter(named.values()))!r} ({' and '.join(named)})"
            for named in owners.values()
            if len(named) > 1 and len({parents[name] for name in named}) < len(named)
        ]
        if group.exclusive and twice:
            yield (
                f"{space.name}, group '{group.name}': {_counted(twice, 'word')} for two labels of "
                f"which one can hold: {_few(twice)}; keep each word with one label."
            )


def _inside(space: LabelSpace) -> Iterator[str]:
    """Yield a remark per exclusive group in which a label's words sit inside another's."""
    for group in space.groups:
        terms = list(_terms(group))
        found = [
            f"{short!r} ({inner.name}) in {long!r} ({outer.name})"
            for inner, short, few in terms
            for outer, long, many in terms
            if len(few) < len(many) and _holds(many, few)
            if inner not in (outer, *group.above(outer))
        ]
        if group.exclusive and found:
            yield (
                f"{space.name}, group '{group.name}': {_counted(found, 'word')} inside other "
                f"labels' words: {_few(found)}; a title with the longer one names that label alone."
            )


def _terms(group: Group) -> Iterator[tuple[Label, str, list[str]]]:
    for label in group.labels:
        for term in label.terms:
            if words := split(term):
                yield label, term, words


def _holds(many: list[str], few: list[str]) -> bool:
    starts = range(len(many) - len(few) + 1)
    return any(many[at : at + len(few)] == few for at in starts)


def _counted(found: Sequence[str], what: str) -> str:
    """Return "1 label is" or "3 labels are"."""
    return f"{len(found)} {what}{' is' if len(found) == 1 else 's are'}"


def _few(found: Sequence[str]) -> str:
    return ", ".join(found[:SHOWN]) + (", …" if len(found) > SHOWN else "")
