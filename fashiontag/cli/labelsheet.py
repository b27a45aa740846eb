"""A label file as a table: its groups, how many labels each takes, and what only titles tell."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from fashiontag.cli import output
from fashiontag.labels import load_labels, shipped_labels

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from rich.padding import Padding

    from fashiontag.labels import Group, LabelSpace


def warned(space: LabelSpace, file: str | None) -> tuple[str, ...]:
    """Say what is odd about a label file, and return it.

    The shipped ones were measured as they are.
    """
    if file is None or file in shipped_labels():
        return ()
    from fashiontag.labelcheck import remarks

    found = remarks(space)
    for remark in found:
        output.warn(remark)
    return found


def checked(space: LabelSpace, path: Path, warnings: tuple[str, ...]) -> dict[str, Any]:
    """Say what a taxonomy hasn't, and return that and which label is what there."""
    from fashiontag.labelcheck import taxonomy_remarks
    from fashiontag.taxonomy import CATEGORY, NONE, Taxonomy, entries

    taxonomy = Taxonomy.load(path)
    found = taxonomy_remarks(space, taxonomy)
    output.warn(*found)
    rows = [
        {
            "tag": f"{group.name}={label.name}",
            "shopify": group.shopify if group.shopify.startswith(NONE) else label.shopify,
            "google": label.google,
            "path": " | ".join(
                category.path
                for name in entries(label.shopify)
                if group.shopify == CATEGORY and (category := taxonomy.find(name))
            ),
            "groups": [
                other.name
                for other in space.groups
                if group.shopify == CATEGORY
                for name in entries(label.shopify)
                if (category := taxonomy.find(name))
                if category.attributes.intersection(entries(other.shopify))
            ],
        }
        for group in space.groups
        for label in group.labels
    ]
    return {
        "warnings": (*warnings, *found),
        "taxonomy": {"version": taxonomy.version, "labels": rows},
    }


def draw_entries(facts: Mapping[str, Any]) -> None:
    """Print which label is what in a taxonomy, and which groups its category may have."""
    rows = (
        (
            row["tag"],
            f"{row['shopify']} {row['path'].rpartition(' > ')[2]}".strip() or "–",
            row["google"],
            ", ".join(row["groups"]),
        )
        for row in facts["labels"]
    )
    output.table("label", "Shopify", "Google", "and may have", rows=rows)


def show(file: str | None = None) -> None:
    """Print a label file's table, what is odd about it, and where to look next."""
    space = load_labels(file)
    warned(space, file)
    output.show(space, lambda: draw(space, file))


def draw(space: LabelSpace, file: str | None) -> None:
    """Print a label file's table, and where to look next."""
    _show(space)
    others = [name for name in shipped_labels() if name != space.name]
    if file is None:
        output.say(f"Also shipped: {', '.join(others)}. See one: fashiontag labels {others[0]}")


def _lines(group: Group, parent: str, depth: int) -> Iterator[Padding]:
    """Yield the labels under a parent, what is under them indented, the others side by side."""
    from rich.padding import Padding
    from rich.text import Text

    parents = {label.parent for label in group.labels}
    here = [label for label in group.labels if label.parent == parent]
    for upper, labels in groupby(here, lambda label: label.name if label.name in parents else ""):
        names = Text()
        for label in labels:
            names.append(", " if names else "", style="dim")
            seen = group.visible and label.visible
            names.append(label.word, style="" if seen else "italic dim")
        yield Padding(names, (0, 0, 0, 2 * depth))
        if upper:
            yield from _lines(group, upper, depth + 1)


def _show(space: LabelSpace) -> None:
    from rich.console import Group as Lines
    from rich.text import Text

    rows = (
        (
            Text(group.name, style="bold"),
            f"{'one' if group.exclusive else 'several'} of {len(group.labels)}",
            Lines(*_lines(group, "", 0)),
        )
        for group in space.groups
    )
    output.table("group", "takes", "labels (in italics: only a title can tell)", rows=rows)
    output.sentence(
        f"{space.name}: {space.size} labels in {len(space.groups)} groups, hash {space.hash[:12]}"
    )
