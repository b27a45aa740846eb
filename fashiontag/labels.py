"""Label files: what can be said of a product, in which words, and how tags become a matrix.

A label file is TOML with groups of labels, or plain text with one label a line (one exclusive
group). A label may stand under another of its group, its ``parent``; a path ("Women > Shoes") is
a label that names its parents.
Reading one checks everything that could go wrong later, and says where: file, group and label.
A tag is written ``group=label`` everywhere.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import tomllib
from collections import Counter
from dataclasses import MISSING, asdict, dataclass, fields, replace
from functools import cached_property
from graphlib import CycleError, TopologicalSorter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashiontag.errors import LabelFileError, UsageError
from fashiontag.names import PATH, as_path, fold

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

DEFAULT_LABELS = "fashion"

RESERVED_GROUPS = frozenset(
    {
        "id",
        "path",
        "title",
        "status",
        "message",
        "tags",
        "review",
        "scores",
        "photos",
        "evidence",
        "conflicts",
    }
)
"""Columns that every output has; a group of that name would overwrite one."""

UNKNOWN = "unknown"
"""What wins an exclusive group when none of its labels does; no label may take the name."""

_BULLET = re.compile(r"([-*•–]|\d{1,3}[.)])\s+")

DEFAULT_TEMPLATES = (
    "{label}",
    "a product photo of {label}",
    "{label} on a white background",
    "{label}, fashion e-commerce",
)

DEFAULT_BACKGROUND = (
    "random noise",
    "a plain colour",
    "a page of text",
    "a landscape",
    "no clothes, no product",
)


@dataclass(frozen=True, slots=True)
class Label:
    """One value of a group.

    Attributes
    ----------
    name : str
        What the output shows.
    aliases : tuple of str
        Other words for it; they fill templates beside the name.
    words : tuple of str
        If any, they fill templates instead of name and aliases.
    prompts : tuple of str
        If any, whole sentences instead of filled templates.
    implies : tuple of str
        Tags (``group=label``) that hold whenever this one does.
    visible : bool
        False: only a title can tell it, pictures never vote.
    parent : str
        The label of the same group that this one is a kind of; "" for none.
    shopify, google : str
        What it is in those taxonomies (`fashiontag.taxonomy`): the id of a category, or the values
        of the group's attributes, parted by commas; or "none: REASON".
    """

    name: str
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    implies: tuple[str, ...] = ()
    visible: bool = True
    parent: str = ""
    shopify: str = ""
    google: str = ""

    @property
    def word(self) -> str:
        """What the label is called where it stands: its name, or the last part of a path."""
        return self.name.rpartition(PATH)[2]

    @property
    def terms(self) -> tuple[str, ...]:
        """What titles are matched against: word, aliases and words, in lower case, each once."""
        texts = (self.word, *self.aliases, *self.words)
        return tuple(dict.fromkeys(text.lower() for text in texts))


@dataclass(frozen=True, slots=True)
class Group:
    """Labels that answer one question; at most one holds if ``exclusive``, else several may.

    ``background`` are sentences for products that the group says nothing about (a watch has no
    sleeve): they stand for "unknown" here, beside those of the whole file. ``first_named`` says
    which of several labels in one title decides an exclusive group: the first (colours: "navy
    shirt, white collar") or, as English builds nouns, the last ("shirt dress"). ``shopify`` names
    the attributes that its labels are values of, parted by commas, or "category". ``applies`` are
    tags of one other group, the only ones beside which a picture may show this one: a bag's sleeves
    are out of question, not unsure. Empty: it applies to all.
    """

    name: str
    labels: tuple[Label, ...]
    exclusive: bool = True
    visible: bool = True
    templates: tuple[str, ...] = DEFAULT_TEMPLATES
    background: tuple[str, ...] = ()
    first_named: bool = False
    applies: tuple[str, ...] = ()
    shopify: str = ""

    @property
    def names(self) -> tuple[str, ...]:
        """The labels' names, in file order."""
        return tuple(label.name for label in self.labels)

    def above(self, label: Label) -> tuple[Label, ...]:
        """Return the label's parent, that one's parent, and so on."""
        by_name = {label.name: label for label in self.labels} if label.parent else {}
        found = []
        while label.parent:
            label = by_name[label.parent]
            found.append(label)
        return tuple(found)

    def sentences(self, label: Label) -> tuple[str, ...]:
        """Return the prompt ensemble of one label, each sentence once.

        Its ``prompts``; else every template filled with each of its ``words``; else with its
        name and each alias. Of a path, all parts are filled in: "Women Shoes Heels" (leaf top-1 on
        val's pictures, of 135 paths that begin with the audience: .214 with the last part alone,
        .686 with all).
        """
        if label.prompts:
            return label.prompts
        upper = self.above(label)[::-1] if PATH in label.name else ()
        called = [(one.words or (one.word,))[0] for one in upper]
        fillers = (" ".join((*called, own)) for own in label.words or (label.word, *label.aliases))
        filled = (t.replace("{label}", filler) for filler in fillers for t in self.templates)
        return tuple(dict.fromkeys(filled))


@dataclass(frozen=True)
class LabelSpace:
    """All groups of one label file, in file order, which is also the order of columns.

    Attributes
    ----------
    name : str
        The file's stem.
    groups : tuple of Group
    background : tuple of str
        Sentences for pictures that show no product; they stand for "unknown".
    """

    name: str
    groups: tuple[Group, ...]
    background: tuple[str, ...] = DEFAULT_BACKGROUND

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Every ``group=label``, one per column."""
        return tuple(f"{group.name}={name}" for group in self.groups for name in group.names)

    @cached_property
    def labels(self) -> tuple[Label, ...]:
        """The labels of all groups, one per column."""
        return tuple(label for group in self.groups for label in group.labels)

    @cached_property
    def hash(self) -> str:
        """SHA-256 (hex) of the content; the file's name and layout don't enter, order does.

        Nor do ids of taxonomies: they change nothing that is tagged.
        """
        canonical = json.dumps(self._content(), ensure_ascii=False, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    @cached_property
    def _columns(self) -> dict[str, int]:
        return {tag: column for column, tag in enumerate(self.tags)}

    @property
    def names(self) -> tuple[str, ...]:
        """The groups' names."""
        return tuple(group.name for group in self.groups)

    @property
    def main(self) -> Group | None:
        """The group that says what a product is: the first exclusive one that a picture shows."""
        return next((group for group in self.groups if group.exclusive and group.visible), None)

    @property
    def size(self) -> int:
        """The number of labels t, over all groups."""
        return len(self.tags)

    @property
    def lowest(self) -> NDArray[np.bool_]:
        """Which labels have none under them, shape (t,)."""
        import numpy as np

        found = np.ones(self.size, np.bool_)
        found[[parent for _, parent in self.links]] = False
        return found

    @property
    def visible(self) -> NDArray[np.bool_]:
        """Which labels a picture can show, shape (t,): false if the label or its group says so."""
        import numpy as np  # here: checking a label file must not wait for it

        return np.array([g.visible and label.visible for g in self.groups for label in g.labels])

    @cached_property
    def links(self) -> tuple[tuple[int, int], ...]:
        """Per label with a parent, its column and its parent's; the lowest labels come first.

        Whoever brings children up to their parents goes through them as they stand; whoever hands
        down what holds of parents, from their end.
        """
        found = []
        for group in self.groups:
            for label in group.labels:
                if label.parent:
                    pair = (self.column(f"{group.name}={n}") for n in (label.name, label.parent))
                    found.append((-len(group.above(label)), *pair))
        return tuple((child, parent) for _, child, parent in sorted(found))

    @cached_property
    def above(self) -> Mapping[int, frozenset[int]]:
        """Of each column with a parent, those of all that it stands under."""
        found: dict[int, frozenset[int]] = {}
        for child, parent in reversed(self.links):
            found[child] = found.get(parent, frozenset()) | {parent}
        return found

    @cached_property
    def tags_above(self) -> Mapping[str, tuple[str, ...]]:
        """The same of tags; in column order."""
        return {
            self.tags[column]: tuple(self.tags[parent] for parent in sorted(upper))
            for column, upper in self.above.items()
        }

    def group(self, name: str) -> Group:
        """Return one group; `UsageError` names the groups there are."""
        for group in self.groups:
            if group.name == name:
                return group
        raise UsageError(
            f"No group '{name}' in the labels '{self.name}'{_nearest(name, self.names)}; "
            f"its groups are {', '.join(self.names)}."
        )

    def span(self, name: str) -> slice:
        """Return the columns of one group."""
        first = self.column(f"{name}={self.group(name).labels[0].name}")
        return slice(first, first + len(self.group(name).labels))

    def column(self, tag: str) -> int:
        """Return the column of a ``group=label``; `UsageError` if there is no such tag."""
        if tag not in self._columns:
            raise UsageError(
                f"The labels '{self.name}' have no tag '{tag}'{_nearest(tag, self.tags)}; "
                f"see `fashiontag labels {self.name}`."
            )
        return self._columns[tag]

    @cached_property
    def _implies(self) -> tuple[tuple[str, ...], ...]:
        """Per column what its label implies by itself and by what is above it.

        In a group where several may hold, that includes what is above it.
        """
        found = []
        for group in self.groups:
            for label in group.labels:
                above = group.above(label)
                held = [tag for one in (label, *above) for tag in one.implies]
                if not group.exclusive:
                    held += [f"{group.name}={one.name}" for one in above]
                found.append(tuple(dict.fromkeys(held)))
        return tuple(found)

    def out_of_question(self, tags: Collection[str]) -> frozenset[str]:
        """Return the groups that can't apply to what has these tags, by its label file's rules.

        A group whose ``applies`` is about a group of which nothing was given may still apply.
        """
        given = {tag for own in tags for tag in (own, *self.tags_above.get(own, ()))}
        asked = {tag.split("=")[0] for tag in given}
        return frozenset(
            group.name
            for group in self.groups
            if group.applies
            and group.applies[0].split("=")[0] in asked
            and not given.intersection(group.applies)
        )

    def implied_by(self, tag: str) -> tuple[str, ...]:
        """Return what a ``group=label`` implies, directly or through others, in column order."""
        return tuple(t for t in self.implied([tag]) if t != tag)

    def implied(self, tags: Iterable[str]) -> tuple[str, ...]:
        """Return the tags and all that they imply, each once, in column order.

        A label implies what its parent does. It implies its parent, too, where several labels may
        hold; in an exclusive group it takes the place of all that it stands under.
        """
        found: set[int] = set()
        todo = [self.column(tag) for tag in tags]
        while todo:
            column = todo.pop()
            if column not in found:
                found.add(column)
                todo.extend(self.column(implied) for implied in self._implies[column])
        upper = {column for own in found for column in self.above.get(own, ())}
        for group in self.groups if upper else ():
            if group.exclusive:
                found -= upper.intersection(range(self.size)[self.span(group.name)])
        return tuple(self.tags[column] for column in sorted(found))

    def multi_hot(self, rows: Sequence[Iterable[str]]) -> NDArray[np.bool_]:
        """Return a matrix of shape (n, t): true where a row holds a tag; implies nothing more."""
        import numpy as np

        matrix = np.zeros((len(rows), self.size), dtype=np.bool_)
        for row, tags in zip(matrix, rows, strict=True):
            row[[self.column(tag) for tag in tags]] = True
        return matrix

    def only(self, tags: Collection[str]) -> LabelSpace:
        """Return only these tags: implications to others go, and groups that are left empty.

        A label whose parent goes stands under the next one above that stays.
        """
        groups = []
        for group in self.groups:
            kept = {label.name for label in group.labels if f"{group.name}={label.name}" in tags}
            labels = tuple(
                replace(
                    label,
                    implies=tuple(tag for tag in label.implies if tag in tags),
                    parent=next((a.name for a in group.above(label) if a.name in kept), ""),
                )
                for label in group.labels
                if label.name in kept
            )
            if labels:
                applies = tuple(tag for tag in group.applies if tag in tags)
                groups.append(replace(group, labels=labels, applies=applies))
        return replace(self, groups=tuple(groups))

    def with_(self, other: LabelSpace, name: str | None = None) -> LabelSpace:
        """Return the groups of both, in order: these, then those that only `other` has.

        A group of both has its labels here, then the other's that are new; the other says whether
        it is exclusive, and everything else is as here. Nothing is checked again: each of the two
        keeps the rules of a label file, and a label implies only what its own file has.

        Parameters
        ----------
        other : LabelSpace
        name : str or None
            The name of what is returned; None keeps this one.
        """
        others = {group.name: group for group in other.groups}
        groups = []
        for group in self.groups:
            if more := others.pop(group.name, None):
                new = tuple(label for label in more.labels if label.name not in group.names)
                group = replace(group, exclusive=more.exclusive, labels=group.labels + new)
            groups.append(group)
        return replace(self, name=name or self.name, groups=(*groups, *others.values()))

    def content(self) -> dict[str, Any]:
        """Return what a label file would hold, as plain data; `parse_labels` reads it back."""
        return self._content(ids=True)

    def _content(self, *, ids: bool = False) -> dict[str, Any]:
        groups = {}
        for group in asdict(self)["groups"]:
            for one in (group, *group["labels"]):
                for key in ("shopify", "google"):
                    if not (ids and one.get(key)):
                        one.pop(key, None)
            name, labels = group.pop("name"), group.pop("labels")
            groups[name] = {**group, "labels": list(labels)}  # in this order it enters the hash
        return {"background": self.background, "groups": groups}


def shipped_labels() -> tuple[str, ...]:
    """Return the names of the label files that come with the package."""
    return tuple(sorted(path.stem for path in _shipped_folder().glob("*.toml")))


def load_labels(name_or_path: str | Path | None = None) -> LabelSpace:
    """Read and check a label file.

    Parameters
    ----------
    name_or_path : str, Path or None
        The name of a shipped file, or the path of a ``.toml`` or ``.txt`` file; None is the
        default, ``fashion``.

    Raises
    ------
    UsageError
        There is no such name or path.
    LabelFileError
        The file breaks a rule; the message names file, group and label.
    """
    asked = str(DEFAULT_LABELS if name_or_path is None else name_or_path)
    path = _shipped_folder() / f"{asked}.toml"
    if asked not in shipped_labels():
        path = Path(asked).expanduser()
        if not path.is_file():
            raise UsageError(_not_found(asked, path))
    kind = path.suffix.lower()
    if kind not in {".toml", ".txt"}:
        raise UsageError(
            f"{path} is no label file: give a .toml file, or a .txt of one label a line."
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
        content = tomllib.loads(text) if kind == ".toml" else _one_group(path, text)
    except UnicodeDecodeError as error:
        raise LabelFileError(
            f"{path} isn't UTF-8 (byte {error.start}); save it as UTF-8."
        ) from error
    except tomllib.TOMLDecodeError as error:
        raise LabelFileError(f"{path} isn't valid TOML: {error}.") from error
    except OSError as error:
        raise LabelFileError(f"{path} can't be read: {error.strerror}.") from error
    return parse_labels(content, path.stem, str(path))


def parse_labels(content: Mapping[str, Any], name: str, where: str) -> LabelSpace:
    """Check a label file's content and return it as a label space.

    Parameters
    ----------
    content : mapping
        What the TOML holds: ``groups`` and, if wanted, ``background``.
    name : str
        The label space's name.
    where : str
        What errors call the content, usually its path.

    Raises
    ------
    LabelFileError
        The content breaks a rule.
    """
    options = _options(content, LabelSpace, where)
    groups = content.get("groups")
    if not isinstance(groups, dict) or not groups:
        raise LabelFileError(f"{where} has no groups; write at least one [groups.NAME] table.")
    parsed = tuple(_group(key, value, where) for key, value in groups.items())
    if twins := _twins(group.name for group in parsed):
        raise LabelFileError(f"{where}: the groups {twins} have one name; keep one.")
    space = LabelSpace(name, parsed, **options)
    _check_implications(space, where)
    for group in space.groups:
        _check_applies(group, space, f"{where}, group '{group.name}'")
    return space


def _group(name: str, content: object, where: str) -> Group:
    at = f"{where}, group '{_shown(name)}'"
    _check_name(name, "group", at)
    if fold(name) in RESERVED_GROUPS or name.startswith("table."):
        raise LabelFileError(f"{at}: the name belongs to a fixed column; choose another.")
    if not isinstance(content, dict):
        raise LabelFileError(f"{at} is {_kind(content)}, not a table; write [groups.{name}].")
    options = _options(content, Group, at)
    entries = content.get("labels")
    if not isinstance(entries, list) or not entries:
        raise LabelFileError(f'{at} has no labels; write labels = ["...", ...].')
    labels = tuple(_label(entry, number, at) for number, entry in enumerate(entries, 1))
    _check_twins(labels, at)
    group = Group(name, _with_parents(labels, at), **options)
    for template in group.templates:
        if "{label}" not in template:
            raise LabelFileError(f"{at}: the template '{template}' lacks {{label}}.")
        if set("{}") & set(template.replace("{label}", "")):
            raise LabelFileError(
                f"{at}: the template '{template}' has a brace beside {{label}}, the only thing "
                "that is filled in; remove it."
            )
    if group.exclusive and UNKNOWN in group.names:
        raise LabelFileError(
            f"{at}: a label can't be called '{UNKNOWN}', which means that none holds."
        )
    return group


def _label(entry: object, number: int, at: str) -> Label:
    content = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(content, dict):
        raise LabelFileError(
            f'{at}: label {number} is {_kind(entry)}; write "NAME" or {{ name = "NAME", ... }}.'
        )
    name = content.get("name")
    if not isinstance(name, str):
        raise LabelFileError(f"{at}: label {number} needs a name that is text.")
    name = as_path(name.strip())
    place = f"{at}, label '{_shown(name)}'"
    _check_name(name, "label", place if name else f"{at}, label {number}")
    if not all(name.split(PATH)):
        raise LabelFileError(f"{place}: a path can't have an empty part; write 'Shoes > Heels'.")
    options = _options(content, Label, f"{at}, label '{name}'")
    return Label(name, **options | {"parent": as_path(options["parent"])})


def _with_parents(labels: Sequence[Label], at: str) -> tuple[Label, ...]:
    """Return the labels with those that paths name above them, each knowing its parent.

    What a path names and the file doesn't list comes right before the first label under it.
    """
    names = {fold(label.name): label.name for label in labels}
    found: list[Label] = []
    for label in labels:
        *upper, _ = label.name.split(PATH)
        parent = ""
        for depth in range(1, len(upper) + 1):
            path = PATH.join(upper[:depth])
            if fold(path) not in names:
                names[fold(path)] = path
                found.append(Label(path, parent=parent))
            parent = names[fold(path)]
        if upper and label.parent and fold(label.parent) != fold(parent):
            raise LabelFileError(
                f"{at}, label '{label.name}' stands under '{parent}' by its name and under "
                f"'{label.parent}' by its parent; leave the parent out."
            )
        if label.parent and fold(label.parent) not in names:
            raise LabelFileError(
                f"{at}, label '{label.name}': no label of the group is called '{label.parent}', "
                f"its parent{_nearest(label.parent, names.values())}; add it to the labels."
            )
        found.append(replace(label, parent=parent or names.get(fold(label.parent), "")))
    try:
        TopologicalSorter({one.name: {one.parent} - {""} for one in found}).prepare()
    except CycleError as error:
        circle = error.args[1]
        raise LabelFileError(
            f"{at}, label '{circle[0]}' stands under itself ({' > '.join(circle)}); break the "
            "circle."
        ) from error
    return tuple(found)


def _check_twins(labels: Sequence[Label], at: str) -> None:
    """Refuse two labels of one name, with the way out for one that stands under two parents."""
    twins = _twins(label.name for label in labels)
    if not twins:
        return
    below = [
        f"{one.parent}{PATH}{one.name}" for one in labels if one.parent and f"'{one.name}'" in twins
    ]
    way = (
        f'write the paths in their place ("{below[0]}", "{below[1]}")'
        if len(set(map(fold, below))) > 1
        else "keep one (other spellings are `words`, which titles are matched with)"
    )
    raise LabelFileError(
        f"{at}: the labels {twins} are one to whoever reads or types them, so one stands there "
        f"twice; {way}."
    )


def _twins(names: Iterable[str]) -> str:
    """Return the first two names that are one when folded, both quoted; "" if there are none."""
    seen: dict[str, str] = {}
    for name in names:
        if fold(name) in seen:
            return f"'{_shown(seen[fold(name)])}' and '{_shown(name)}'"
        seen[fold(name)] = name
    return ""


def _check_implications(space: LabelSpace, where: str) -> None:
    """Refuse parents that don't exist, circles, and two values of one exclusive group at once."""
    labels = dict(zip(space.tags, space.labels, strict=True))
    for tag, label in labels.items():
        for parent in label.implies:
            _check_tag(parent, space, f"{_place(where, tag)} implies")
    for tag, label in labels.items():
        if tag in space.implied(label.implies):
            raise LabelFileError(f"{_place(where, tag)} implies itself; break the circle.")
        given = Counter(implied.split("=")[0] for implied in space.implied([tag]))
        for group in space.groups:
            if group.exclusive and given[group.name] > 1:
                raise LabelFileError(
                    f"{_place(where, tag)} implies two labels of the exclusive group "
                    f"'{group.name}'; keep one."
                )


def _check_applies(group: Group, space: LabelSpace, at: str) -> None:
    """Refuse ``applies`` that names what no label is, its own group, or several groups."""
    for tag in group.applies:
        _check_tag(tag, space, f"{at} applies to")
    about = {tag.split("=")[0] for tag in group.applies}
    if len(about) > 1 or group.name in about:
        raise LabelFileError(
            f"{at} applies to tags of {', '.join(sorted(about))}; name those of one other group."
        )


def _check_tag(tag: str, space: LabelSpace, at: str) -> None:
    if tag not in space.tags:
        raise LabelFileError(
            f"{at} '{tag}', which no label is{_nearest(tag, space.tags)}; write 'group=label'."
        )


def _place(where: str, tag: str) -> str:
    group, label = tag.split("=")
    return f"{where}, group '{group}', label '{label}'"


def _check_name(name: str, what: str, at: str) -> None:
    if not name.strip():
        raise LabelFileError(f"{at}: a {what}'s name can't be empty.")
    for sign in "|=":
        if sign in name:
            raise LabelFileError(f"{at}: a {what}'s name can't hold '{sign}', which parts tags.")
    if not name.isprintable():
        raise LabelFileError(f"{at}: a {what}'s name is one line of printable text.")


def _shown(name: str) -> str:
    """Return a name as an error can show it: in one line."""
    return name if name.isprintable() else repr(name)[1:-1]


def _options(
    content: Mapping[str, Any], kind: type[LabelSpace | Group | Label], at: str
) -> dict[str, Any]:
    """Return the fields of `kind` that have defaults, as `content` says or else their defaults.

    The type of a default is the type that is wanted: a flag, a text, or a list of texts. Converting
    with msgspec instead cost 11 ms of the 100 that ``fashiontag labels`` takes, and its messages
    would have to be translated into sentences that name group and label.
    """
    defaults = {field.name: field.default for field in fields(kind)}
    known = defaults.keys() - (() if kind is Label else {"name"})
    options = {key: default for key, default in defaults.items() if default is not MISSING}
    for key, value in content.items():
        default = options.get(key)
        if key not in known:
            hint = _nearest(key, known)
            raise LabelFileError(
                f"{at}: unknown key '{key}'{hint}; known are {', '.join(sorted(known))}."
            )
        if isinstance(default, bool):
            if not isinstance(value, bool):
                raise LabelFileError(f"{at}: {key} is {_kind(value)}; write true or false.")
            options[key] = value
        elif isinstance(default, str):
            if not isinstance(value, str):
                raise LabelFileError(f'{at}: {key} is {_kind(value)}; write "NAME".')
            options[key] = value.strip()
        elif isinstance(default, tuple):
            if not isinstance(value, list | tuple) or not all(map(_is_filled, value)):
                raise LabelFileError(
                    f'{at}: {key} must be a list of texts, such as ["...", "..."].'
                )
            options[key] = tuple(dict.fromkeys(text.strip() for text in value)) or default
    return options


def _is_filled(text: object) -> bool:
    return isinstance(text, str) and bool(text.strip())


def _kind(value: object) -> str:
    kinds = {str: "text", bool: "true or false", int: "a number", float: "a number"}
    return kinds.get(type(value), "a list" if isinstance(value, list) else "a table")


def _nearest(word: str, known: Iterable[str]) -> str:
    by_lower = {k.lower(): k for k in known}
    found = difflib.get_close_matches(word.lower(), by_lower, n=1)
    return f" (did you mean '{by_lower[found[0]]}'?)" if found else ""


def _not_found(asked: str, path: Path) -> str:
    shipped = shipped_labels()
    if path.is_dir():
        return f"{path} is a folder; give a label file, or one of {', '.join(shipped)}."
    if path.suffix or path.parent != Path():
        return f"There is no label file {path}; give a path, or one of {', '.join(shipped)}."
    hint = _nearest(asked, shipped)
    return (
        f"No label file is called '{asked}'{hint}; shipped are {', '.join(shipped)}, "
        "or give the path of a .toml or .txt file."
    )


def _one_group(path: Path, text: str) -> dict[str, Any]:
    """Return a text file's lines as the labels of one exclusive group.

    Lines that begin with ``#`` are comments, and what makes a list of lines (``- ``, ``* ``,
    ``1. ``) goes. What would be several labels is refused: nobody means a label that is called
    "red, blue, green".
    """
    labels = []
    for number, line in enumerate(text.splitlines(), 1):
        label = _BULLET.sub("", line.strip())
        if not label or label.startswith("#"):
            continue
        at = f"{path}, line {number}: '{_shown(label)}'"
        if parted := re.search("[,;\t]", label):
            sign = {",": "a comma", ";": "a semicolon"}.get(parted.group(), "a tab")
            raise LabelFileError(
                f"{at} holds {sign}; write one label a line, or, if it is one label's name, "
                "use a .toml file."
            )
        labels.append(label)
    if not labels:
        raise LabelFileError(f"{path} has no labels; write one a line (# begins a comment).")
    return {"groups": {path.stem: {"labels": labels}}}


def _shipped_folder() -> Path:
    """Return where the label files are: inside an installed package, else beside it."""
    package = Path(__file__).parent
    installed = package / "prompts"
    return installed if installed.is_dir() else package.parent / "prompts"
