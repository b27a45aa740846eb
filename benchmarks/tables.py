"""Make the tables of ``benchmarks/README.md`` again from committed rows.

``python -m benchmarks.tables``, from the repository's root; a test holds the page to it.
"""

from __future__ import annotations

from pathlib import Path

from benchmarks.lab.tables import fill

PAGE = Path("benchmarks/README.md")


def main() -> None:
    before = PAGE.read_text("utf-8")
    after = fill(before)
    PAGE.write_text(after, "utf-8")
    print(f"{PAGE}: {'as it was' if after == before else 'written'}")


if __name__ == "__main__":
    main()
