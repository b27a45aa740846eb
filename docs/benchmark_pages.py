"""Show the pages of ``benchmarks/`` in the site, where they lie: MkDocs knows one folder only."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from mkdocs.structure.files import File, Files

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parents[1]
SHOWN = (
    "benchmarks/README.md",
    "benchmarks/pages/*.md",
    "benchmarks/results/*.md",
    "benchmarks/results/*.png",
    "benchmarks/train_mini/RESULTS.md",
    "fashiontag/encoders/mini/README.md",
)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add what `SHOWN` names under its own path."""
    for pattern in SHOWN:
        for path in sorted(ROOT.glob(pattern)):
            name = path.relative_to(ROOT).as_posix()
            files.append(File.generated(config, name, abs_src_path=str(path)))
    return files


def on_page_markdown(markdown: str, page: Page, **_: object) -> str:
    """Lead links out of ``docs/`` to where the site has the file; drop those to what it hasn't."""
    here = Path(page.file.src_uri).parent
    inside = page.file.src_uri.startswith(("benchmarks/", "fashiontag/"))

    def moved(match: re.Match[str]) -> str:
        text, target, anchor = match[1], match[2], match[3] or ""
        at = (ROOT if inside else ROOT / "docs") / here / target
        path = Path(*at.parts).resolve()
        if path.is_relative_to(ROOT / "docs") and not inside:
            return match[0]
        shown = path.is_file() and any(path.match(str(ROOT / pattern)) for pattern in SHOWN)
        if not shown:
            return f"`{text.strip('`')}`" if path.exists() else match[0]
        up = "../" * len(here.parts)
        return f"[{text}]({up}{path.relative_to(ROOT).as_posix()}{anchor})"

    return re.sub(r"(?<!!)\[([^\]]+)\]\((?!https?:|#)([^)#\s]+)(#[^)]*)?\)", moved, markdown)
