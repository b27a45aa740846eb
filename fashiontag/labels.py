"""Label files: what can be said of a product, in which words, and how tags become a matrix.

A label file is TOML with groups of labels, or plain text with one label a line (one open group).
Reading one checks everything that could go wrong later, and says where: file, group and label.
A tag is written ``group=label`` everywhere.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashiontag.errors import LabelFileError, UsageError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

DEFAULT_LABELS = "fashion"

RESERVED_GROUPS = frozenset(
    {"id", "path", "title", "status", "message", "tags", "review", "scores"}
)
"""Columns that every output has; a group of that name would overwrite one."""

UNKNOWN = "unknown"
"""What wins an exclusive group when none of its labels does; no label may take the name."""

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

_TOP_KEYS = frozenset({"groups", "background"})
_GROUP_KEYS = frozenset(
    {"exclusive", "templates", "labels", "visible", "background", "first_named"}
)
_LABEL_KEYS = frozenset({"name", "aliases", "words", "prompts", "implies", "visible"})


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
    """

    name: str
    aliases: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    prompts: tuple[str, ...] = ()
    implies: tuple[str, ...] = ()
    visible: bool = True

    @property
    def terms(self) -> tuple[str, ...]:
        """What titles are matched against: name, aliases and words, in lower case, each once."""
        texts = (self.name, *self.aliases, *self.words)
        return tuple(dict.fromkeys(text.lower() for text in texts))


@dataclass(frozen=True, slots=True)
class Group:
    """Labels that answer one question; at most one holds if ``exclusive``, else several may.

    ``background`` are sentences for products that the group says nothing about (a watch has no
    sleeve): they stand for "unknown" here, beside those of the whole file. ``first_named`` says
    which of several labels in one title decides an exclusive group: the first (colours: "navy
    shirt, white collar") or, as English builds nouns, the last ("shirt dress").
    """

    name: str
    exclusive: bool
    templates: tuple[str, ...]
    labels: tuple[Label, ...]
    visible: bool = True
    background: tuple[str, ...] = ()
    first_named: bool = False

    @property
    def names(self) -> tuple[str, ...]:
        """The labels' names, in file order."""
        return tuple(label.name for label in self.labels)

    def sentences(self, label: Label) -> tuple[str, ...]:
        """Return the prompt ensemble of one label, each sentence once.

        Its ``prompts``; else every template filled with each of its ``words``; else with its
        name and each alias.
        """
        if label.prompts:
            return label.prompts
        fillers = label.words or (label.name, *label.aliases)
        filled = (t.replace("{label}", word) for word in fillers for t in self.templates)
        return tuple(dict.fromkeys(filled))


@dataclass(frozen=True, slots=True)
class LabelSpace:
    """All groups of one label file, in file order, which is also the order of columns.

    Attributes
    ----------
    name : str
        The file's stem.
    groups : tuple of Group
    background : tuple of str
        Sentences for pictures that show no product; they stand for "unknown".
    tags : tuple of str
        Every ``group=label``, one per column.
    hash : str
        SHA-256 (hex) of the content; the file's name and layout don't enter, order does.
    """

    name: str
    groups: tuple[Group, ...]
    background: tuple[str, ...] = DEFAULT_BACKGROUND
    tags: tuple[str, ...] = field(init=False, repr=False, compare=False)
    hash: str = field(init=False, repr=False, compare=False)
    _column: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        tags = tuple(f"{g.name}={label.name}" for g in self.groups for label in g.labels)
        canonical = json.dumps(self.content(), ensure_ascii=False, separators=(",", ":"))
        object.__setattr__(self, "tags", tags)
        object.__setattr__(self, "hash", hashlib.sha256(canonical.encode()).hexdigest())
        object.__setattr__(self, "_column", {tag: i for i, tag in enumerate(tags)})

    @property
    def names(self) -> tuple[str, ...]:
        """The groups' names."""
        return tuple(group.name for group in self.groups)

    @property
    def main(self) -> Group | None:
        """The group that says what a product is: the first exclusive one that a picture shows."""
        return next((g for g in self.groups if g.exclusive and g.visible), None)

    @property
    def size(self) -> int:
        """The number of labels t, over all groups."""
        return len(self.tags)

    @property
    def visible(self) -> NDArray[np.bool_]:
        """Which labels a picture can show, shape (t,): false if the label or its group says so."""
        import numpy as np  # here: checking a label file must not wait for it

        return np.array([g.visible and label.visible for g in self.groups for label in g.labels])

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
        if tag not in self._column:
            raise UsageError(
                f"The labels '{self.name}' have no tag '{tag}'{_nearest(tag, self.tags)}; "
                f"see `fashiontag labels {self.name}`."
            )
        return self._column[tag]

    def parents(self, tag: str) -> tuple[str, ...]:
        """Return what a ``group=label`` implies, directly or through others, in column order."""
        return tuple(t for t in self.implied([tag]) if t != tag)

    def implied(self, tags: Iterable[str]) -> tuple[str, ...]:
        """Return the tags and all that they imply, each once, in column order."""
        labels = [label for group in self.groups for label in group.labels]
        found: set[int] = set()
        todo = [self.column(tag) for tag in tags]
        while todo:
            column = todo.pop()
            if column not in found:
                found.add(column)
                todo.extend(self.column(parent) for parent in labels[column].implies)
        return tuple(self.tags[column] for column in sorted(found))

    def multi_hot(self, rows: Sequence[Iterable[str]]) -> NDArray[np.bool_]:
        """Return a matrix of shape (n, t): true where a row holds a tag; implies nothing more."""
        import numpy as np

        matrix = np.zeros((len(rows), self.size), dtype=np.bool_)
        for row, tags in zip(matrix, rows, strict=True):
            for tag in tags:
                row[self.column(tag)] = True
        return matrix

    def tags_of(self, row: NDArray[np.bool_]) -> tuple[str, ...]:
        """Return the tags of one row of shape (t,), in column order; undoes `multi_hot`."""
        return tuple(self.tags[column] for column in row.nonzero()[0])

    def content(self) -> dict[str, Any]:
        """Return what a label file would hold, as plain data; `parse_labels` reads it back."""
        groups = {
            group.name: {
                "exclusive": group.exclusive,
                "visible": group.visible,
                "templates": list(group.templates),
                "background": list(group.background),
                "first_named": group.first_named,
                "labels": [
                    {
                        "name": label.name,
                        "aliases": list(label.aliases),
                        "words": list(label.words),
                        "prompts": list(label.prompts),
                        "implies": list(label.implies),
                        "visible": label.visible,
                    }
                    for label in group.labels
                ],
            }
            for group in self.groups
        }
        return {"background": list(self.background), "groups": groups}

    def only(self, tags: Collection[str]) -> LabelSpace:
        """Return only these ``group=label`` tags, under the same name.

        What a label implies beyond them is dropped, and so is a group that is left empty.
        """
        groups = []
        for group in self.groups:
            labels = tuple(
                replace(label, implies=tuple(tag for tag in label.implies if tag in tags))
                for label in group.labels
                if f"{group.name}={label.name}" in tags
            )
            if labels:
                groups.append(replace(group, labels=labels))
        return LabelSpace(self.name, tuple(groups), self.background)

    def with_(self, other: LabelSpace, name: str | None = None) -> LabelSpace:
        """Return the groups of both, in order.

        A group that both have keeps its own words and labels, takes the other's labels that are
        new to it, and is exclusive if the other says so.

        Parameters
        ----------
        other : LabelSpace
        name : str or None
            What the result is called; None keeps the name.
        """
        groups = {group.name: group for group in self.groups}
        for group in other.groups:
            own = groups.get(group.name)
            if own is not None:
                new = tuple(label for label in group.labels if label.name not in own.names)
                group = replace(own, labels=own.labels + new, exclusive=group.exclusive)
            groups[group.name] = group
        return LabelSpace(name or self.name, tuple(groups.values()), self.background)


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
    if asked in shipped_labels():
        path = _shipped_folder() / f"{asked}.toml"
    else:
        path = Path(asked).expanduser()
        if not path.is_file():
            raise UsageError(_not_found(asked, path))
    if path.suffix.lower() not in {".toml", ".txt"}:
        raise UsageError(
            f"{path} is no label file: give a .toml file, or a .txt of one label a line."
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise LabelFileError(
            f"{path} isn't UTF-8 (byte {error.start}); save it as UTF-8."
        ) from error
    except OSError as error:
        raise LabelFileError(f"{path} can't be read: {error.strerror}.") from error
    if path.suffix.lower() == ".txt":
        lines = [line.strip() for line in text.splitlines()]
        group = {"exclusive": False, "labels": [line for line in lines if line]}
        return parse_labels({"groups": {path.stem: group}}, path.stem, str(path))
    try:
        content = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LabelFileError(f"{path} isn't valid TOML: {error}.") from error
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
    _check_keys(content, _TOP_KEYS, where)
    groups = content.get("groups")
    if not isinstance(groups, dict) or not groups:
        raise LabelFileError(f"{where} has no groups; write at least one [groups.NAME] table.")
    background = _texts(content, "background", where) or DEFAULT_BACKGROUND
    parsed = tuple(_group(key, value, where) for key, value in groups.items())
    space = LabelSpace(name, parsed, background)
    _check_implications(space, where)
    return space


def _group(name: str, content: object, where: str) -> Group:
    at = f"{where}, group '{_shown(name)}'"
    _check_name(name, "group", at)
    if name.lower() in RESERVED_GROUPS:
        raise LabelFileError(f"{at}: the name belongs to a fixed column; choose another.")
    if not isinstance(content, dict):
        raise LabelFileError(f"{at} is {_kind(content)}, not a table; write [groups.{name}].")
    _check_keys(content, _GROUP_KEYS, at)
    entries = content.get("labels")
    if not isinstance(entries, list) or not entries:
        raise LabelFileError(f'{at} has no labels; write labels = ["...", ...].')
    exclusive = _flag(content, "exclusive", at)
    templates = _texts(content, "templates", at) or DEFAULT_TEMPLATES
    for template in templates:
        if "{label}" not in template:
            raise LabelFileError(f"{at}: the template '{template}' lacks {{label}}.")
        if set("{}") & set(template.replace("{label}", "")):
            raise LabelFileError(
                f"{at}: the template '{template}' has a brace beside {{label}}, the only thing "
                "that is filled in; remove it."
            )
    labels = tuple(_label(entry, number, at) for number, entry in enumerate(entries, 1))
    seen: set[str] = set()
    for label in labels:
        if label.name in seen:
            raise LabelFileError(f"{at}: the label '{label.name}' stands there twice; keep one.")
        if exclusive and label.name == UNKNOWN:
            raise LabelFileError(
                f"{at}: a label can't be called '{UNKNOWN}', which means that none holds."
            )
        seen.add(label.name)
    visible = _flag(content, "visible", at)
    return Group(
        name,
        exclusive,
        templates,
        labels,
        visible,
        background=_texts(content, "background", at),
        first_named=_flag(content, "first_named", at, default=False),
    )


def _label(entry: object, number: int, at: str) -> Label:
    content = {"name": entry} if isinstance(entry, str) else entry
    if not isinstance(content, dict):
        raise LabelFileError(
            f'{at}: label {number} is {_kind(entry)}; write "NAME" or {{ name = "NAME", ... }}.'
        )
    name = content.get("name")
    if not isinstance(name, str):
        raise LabelFileError(f"{at}: label {number} needs a name that is text.")
    name = name.strip()
    _check_name(name, "label", f"{at}, label '{_shown(name)}'" if name else f"{at}, label {number}")
    at = f"{at}, label '{name}'"
    _check_keys(content, _LABEL_KEYS, at)
    return Label(
        name,
        aliases=_texts(content, "aliases", at),
        words=_texts(content, "words", at),
        prompts=_texts(content, "prompts", at),
        implies=_texts(content, "implies", at),
        visible=_flag(content, "visible", at),
    )


def _check_implications(space: LabelSpace, where: str) -> None:
    """Refuse parents that don't exist, circles, and two values of one exclusive group at once."""
    for group in space.groups:
        for label in group.labels:
            at = f"{where}, group '{group.name}', label '{label.name}'"
            for parent in label.implies:
                if parent not in space.tags:
                    hint = _nearest(parent, space.tags)
                    raise LabelFileError(
                        f"{at} implies '{parent}', which no label is{hint}; write 'group=label'."
                    )
    for group in space.groups:
        for label in group.labels:
            at = f"{where}, group '{group.name}', label '{label.name}'"
            tag = f"{group.name}={label.name}"
            if any(tag in space.implied([parent]) for parent in label.implies):
                raise LabelFileError(f"{at} implies itself; break the circle.")
            closure = [t.split("=")[0] for t in space.implied([tag])]
            for other in space.groups:
                if other.exclusive and closure.count(other.name) > 1:
                    raise LabelFileError(
                        f"{at} implies two labels of the exclusive group '{other.name}'; keep one."
                    )


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


def _check_keys(content: Mapping[str, Any], known: frozenset[str], at: str) -> None:
    for key in content:
        if key not in known:
            hint = _nearest(key, known)
            raise LabelFileError(
                f"{at}: unknown key '{key}'{hint}; known are {', '.join(sorted(known))}."
            )


def _texts(content: Mapping[str, Any], key: str, at: str) -> tuple[str, ...]:
    value = content.get(key, [])
    if not isinstance(value, list) or not all(isinstance(v, str) and v.strip() for v in value):
        raise LabelFileError(f'{at}: {key} must be a list of texts, such as ["...", "..."].')
    return tuple(dict.fromkeys(v.strip() for v in value))


def _flag(content: Mapping[str, Any], key: str, at: str, *, default: bool = True) -> bool:
    value = content.get(key, default)
    if not isinstance(value, bool):
        raise LabelFileError(f"{at}: {key} is {_kind(value)}; write true or false.")
    return value


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


def _shipped_folder() -> Path:
    """Return where the label files are: inside an installed package, else beside it."""
    package = Path(__file__).parent
    installed = package / "prompts"
    return installed if installed.is_dir() else package.parent / "prompts"
