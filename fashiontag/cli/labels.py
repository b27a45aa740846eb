"""``fashiontag labels``: what a label file holds, once it has passed every check."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003 (read at run time)
from typing import Annotated

from fashiontag.cli import labelsheet, options, output
from fashiontag.labels import load_labels


@options.command
def labels(
    file: Annotated[
        str | None,
        "[NAME|FILE]",
        "A shipped label file's name, or a path.",
    ] = None,
    *,
    titles: Annotated[
        Path | None,
        "FILE",
        "A table of titles: which labels do they name?",
    ] = None,
    title_column: Annotated[str | None, "NAME", "The column that holds the title."] = None,
    taxonomy: Annotated[
        Path | None,
        "FILE",
        "Shopify's taxonomy.json or Google's taxonomy-with-ids.txt: is what the labels name there?",
    ] = None,
) -> None:
    """Show and check a label file: its groups, labels and rules."""
    space = load_labels(file)
    warnings = labelsheet.warned(space, file)
    facts = {"name": space.name, "hash": space.hash, "warnings": warnings, **space.content()}
    found = None
    if titles is not None:
        from fashiontag.workflows.naming import name_titles

        found = name_titles(space, titles, title_column)
        remarks = found.remarks(str(titles))
        output.warn(*remarks)
        facts |= {"warnings": (*warnings, *remarks), "titles": output.plain(found)}
    if taxonomy is not None:
        facts |= labelsheet.checked(space, taxonomy, facts["warnings"])

    def draw() -> None:
        labelsheet.draw(space, file)
        if taxonomy is not None:
            labelsheet.draw_entries(facts["taxonomy"])
        if found is not None:
            counts = ", ".join(f"{name} {count:,}" for name, count in found.groups.items())
            output.say(
                f"Of {found.titles:,} titles {found.silent:,} name no label; those that name one "
                f"of a group: {counts}."
            )

    output.show(facts, draw)
