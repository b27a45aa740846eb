"""What an audit found → one page with pictures, check by check."""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from fashiontag.sinks.pages import LoadImage, embed_thumbnail, picture_of, write_page

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from fashiontag.datamodels import Item

_MOST_PICTURES = 3_000  # of 12 KB at most each; what follows is text
_SHOWN = 3  # pictures of one finding


def write_audit_page(
    out: Path,
    found: Any,  # noqa: ANN401 (an `Audit`, which is made below)
    beliefs: Mapping[str, str],
    items: Sequence[Item],
    load: LoadImage,
) -> None:
    """Write the page.

    Parameters
    ----------
    out : Path
        The HTML file.
    found : Audit
    beliefs : Mapping of str to str
        What each check believes.
    items : sequence of Item
        Of the catalogue, for pictures and titles.
    load : LoadImage

    Raises
    ------
    OutputError
        Nothing can be written there.
    """
    by_id = {item.id: item for item in items}
    left = _MOST_PICTURES
    thumbs: dict[str, str | None] = {}

    def shown(finding: Any) -> list[tuple[str, str, str | None]]:  # noqa: ANN401
        nonlocal left
        rows = []
        for key in finding.ids[:_SHOWN]:
            if key not in thumbs:
                left -= 1
                image = picture_of(by_id[key], load) if left >= 0 else None
                thumbs[key] = embed_thumbnail(image) if image else None
            rows.append((key, by_id[key].text, thumbs[key]))
        return rows

    of_check = sorted(found.findings, key=lambda finding: list(beliefs).index(finding.check))
    sections = {name: list(some) for name, some in groupby(of_check, lambda f: f.check)}
    write_page(out, "audit.html", found=found, sections=sections, beliefs=beliefs, shown=shown)
