"""Draw ``docs/how-good.png`` from the committed pages: what is given and right, what teaching does.

``python -m benchmarks.how_good`` (extra ``[bench]``), after `benchmarks.zeroshot` and
`benchmarks.lab.scenarios`.
"""

from __future__ import annotations

import re

from benchmarks.paths import RESULTS, ROOT

PICTURE = ROOT / "docs" / "how-good.png"
GROUPS = {"articleType": "type", "baseColour": "colour", "gender": "audience", "usage": "usage"}
CONDITIONS = {"both, plain": "photo and title", "picture": "photo alone"}
WAYS = ("nothing", "40 corrections", "40 at random", "120 corrections", "120 at random")
SHELVES = {
    "33 shelves that merge, split and rename types; titles plain": "a buyer's 33 shelves",
    "12 shelves with names of the house, which say nothing; titles plain": "12 invented names",
}


def given_and_right() -> dict[str, dict[str, tuple[float, float]]]:
    """Return condition → group → share of products with a label, share of those that are right."""
    text = (RESULTS / "zeroshot.md").read_text("utf-8")
    _, _, table = text.partition("The default output, with its cuts")
    head, _, *rows = [line for line in table.split("\n## ")[0].split("\n") if line[:1] == "|"]
    names = [cell.strip() for cell in head.split("|")[2:-1]]
    found = {}
    for row in rows:
        name, *cells = (cell.strip() for cell in row.split("|")[1:-1])
        pairs = [re.match(r"([\d.]+) \[.*?\] given, right in ([\d.]+)", cell) for cell in cells]
        found[name] = {
            group: (float(pair[1]), float(pair[2]))
            for group, pair in zip(names, pairs, strict=True)
            if pair
        }
    return found


def taught() -> dict[str, dict[str, tuple[float, float, float]]]:
    """Return shelf → way of labelling → products right, wrong and empty."""
    text = (RESULTS / "scenarios.md").read_text("utf-8")
    found = {}
    for section in text.split("\n## ")[1:]:
        title, _, rest = section.partition(": local\n")
        if rest:
            cells = [line.split("|") for line in rest.split("\n") if line.startswith("|")]
            found[title] = {
                row[1].strip(): tuple(float(cell.replace(",", "")) for cell in row[3:6])
                for row in cells[2:]
            }
    return found  # type: ignore[return-value]


def main() -> None:
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    green, red, grey = "#2f7d4f", "#c0392b", "#d5d5d5"
    given, scenarios = given_and_right(), taught()
    shelves = {title: name for title, name in SHELVES.items() if title in scenarios}
    figure, grid = plt.subplots(2, 2, figsize=(11, 7), constrained_layout=True)
    axes = grid.flat
    for axis, (condition, name) in zip(axes, CONDITIONS.items(), strict=False):
        for place, (group, word) in enumerate(GROUPS.items()):
            share, right = given[condition][group]
            parts = (share * right, share * (1 - right), 1 - share)
            _stack(axis, place, parts, (green, red, grey))
            axis.text(0, place - 0.32, f"{word}: {share:.0%} given, {right:.0%} of them right")
        axis.set(title=f"Nothing labelled, {name}", yticks=[], xlim=(0, 1), xticks=[])
    for axis, (title, name) in zip(axes[2:], shelves.items(), strict=True):
        ways = [way for way in WAYS if way in scenarios[title]]
        for place, way in enumerate(ways):
            counts = scenarios[title][way]
            _stack(axis, place, [count / sum(counts) for count in counts], (green, red, grey))
            axis.text(0, place - 0.32, f"{way}: {counts[0]:,.0f} right, {counts[1]:,.0f} wrong")
        axis.set(title=f"Labelled, {name}", yticks=[], xlim=(0, 1), xticks=[])
    for axis in axes:
        axis.invert_yaxis()
        axis.set_frame_on(False)
    figure.suptitle("Products of the test split: right (green), wrong (red), left empty (grey)")
    figure.savefig(PICTURE, dpi=110)
    print(PICTURE)


def _stack(axis: object, place: int, parts: object, colours: object) -> None:
    left = 0.0
    for part, colour in zip(parts, colours, strict=True):  # type: ignore[call-overload]
        axis.barh(place, part, height=0.5, left=left, color=colour)  # type: ignore[attr-defined]
        left += part


if __name__ == "__main__":
    main()
