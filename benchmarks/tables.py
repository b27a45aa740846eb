"""Make the tables of ``benchmarks/README.md`` again from committed rows.

``python -m benchmarks.tables``; a test holds the page to it.
"""

from __future__ import annotations

from benchmarks.lab.tables import fill
from benchmarks.paths import PAGE


def main() -> None:
    before = PAGE.read_text("utf-8")
    after = fill(before)
    PAGE.write_text(after, "utf-8")
    print(f"{PAGE}: {'as it was' if after == before else 'written'}")


if __name__ == "__main__":
    main()
