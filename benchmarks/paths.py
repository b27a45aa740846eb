"""Where things lie, whatever folder a command is started in."""

from __future__ import annotations

import os
from pathlib import Path

ROOT = Path(__file__).parents[1]
SUITES = ROOT / "benchmarks" / "suites"
RESULTS = ROOT / "benchmarks" / "results"
PAGES = ROOT / "benchmarks" / "pages"


def data_root() -> Path:
    """Return the folder of the real data: FASHIONTAG_DATA, else shared/data beside the checkout."""
    return Path(os.environ.get("FASHIONTAG_DATA") or ROOT.parent / "shared" / "data")
