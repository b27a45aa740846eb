"""Make the tables of ``benchmarks/pages`` again from committed rows.

``python -m benchmarks.tables``; a test holds the pages to it.
"""

from __future__ import annotations

from benchmarks.lab.tables import fill
from benchmarks.paths import PAGES


def main() -> None:
    for page in sorted(PAGES.glob("*.md")):
        before = page.read_text("utf-8")
        after = fill(before)
        page.write_text(after, "utf-8")
        print(f"{page}: {'as it was' if after == before else 'written'}")


if __name__ == "__main__":
    main()
