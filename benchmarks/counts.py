"""Do `stats` and `drift` hold? ``python -m benchmarks.counts VAL.csv TEST.csv``.

VAL and TEST are tables of `fashiontag tag` with ``--labels fashion-products`` on the pictured
products of ``val`` and ``test``. Shares on test are corrected by precision and recall on val.
For `drift` both are pooled and cut into halves by family, five times; then five points of products
are moved to each of ten labels of one half.
"""

from __future__ import annotations

import csv
import random
import sys
import tempfile
from pathlib import Path

from benchmarks.lab.data import EMPTY, rows_by_id
from benchmarks.products import ATTRIBUTES, data_folder
from fashiontag.words import style
from fashiontag.workflows.drift import drift
from fashiontag.workflows.stats import prevalence

Row = dict[str, str]
MOVED = {
    "baseColour": ("Green", "Purple", "Yellow", "Pink", "Red"),
    "articleType": ("Belts", "Watches", "Heels", "Jeans", "Socks"),
}
LEAST = 20  # true products of a label on test


def family(row: Row) -> str:
    return " ".join(style(row["title"])) or row["id"]


def written(path: Path, rows: list[Row]) -> str:
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.DictWriter(file, rows[0])
        table.writeheader()
        table.writerows(rows)
    return str(path)


def shares(val: list[Row], test: list[Row]) -> None:
    styles = rows_by_id(data_folder() / "fashion-products" / "styles.csv")
    known = [[r for r in rows if r["id"].partition(".")[0] in styles] for rows in (val, test)]
    held, plain, total = 0, 0, 0
    for group in ATTRIBUTES:
        true = [[styles[r["id"].partition(".")[0]][group] for r in rows] for rows in known]
        given = [[r[group] for r in rows] for rows in known]
        for label in {*true[1]} - EMPTY:
            if (count := true[1].count(label)) < LEAST:
                continue
            share, tagged, of = count / len(true[1]), given[1].count(label), len(true[1])
            both = sum(g == t == label for g, t in zip(given[0], true[0], strict=True))
            n, said = true[0].count(label), given[0].count(label)
            quality = (both / said, both / n, n) if both else None
            total += 1
            held += (found := prevalence(tagged, of, quality))[1] <= share <= found[2]
            plain += (found := prevalence(tagged, of))[1] <= share <= found[2]
    print(f"{total} labels: true share within {held / total:.3f}, uncorrected {plain / total:.3f}")


def changes(rows: list[Row], scratch: Path) -> None:
    for seed in range(5):
        rng = random.Random(seed)
        families = sorted({family(row) for row in rows})
        half = set(rng.sample(families, len(families) // 2))
        old = written(scratch / "old.csv", [row for row in rows if family(row) in half])
        later = [dict(row) for row in rows if family(row) not in half]
        found = drift(old, written(scratch / "new.csv", later)).changes
        calm = sum(change.drifts for change in found) / len(found)
        for group, labels in MOVED.items():
            free = rng.sample(range(len(later)), len(later))
            for label in labels:
                for _ in range(round(0.05 * len(later))):
                    later[free.pop()][group] = label
        moved = drift(old, written(scratch / "moved.csv", later)).changes
        called = {(change.group, change.label) for change in moved if change.drifts}
        hits = sum((group, x) in called for group, labels in MOVED.items() for x in labels)
        print(f"halves {seed}: {calm:.3f} of labels drift; of ten moved labels {hits} are found")


def main() -> None:
    val, test = (list(rows_by_id(Path(path)).values()) for path in sys.argv[1:3])
    shares(val, test)
    with tempfile.TemporaryDirectory() as scratch:
        changes(val + test, Path(scratch))


if __name__ == "__main__":
    main()
