"""The search that `fashiontag search`, the process that it leaves behind and HTTP all run."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from fashiontag.workflows.search import Query, SearchResult, search

if TYPE_CHECKING:
    from pathlib import Path

    from fashiontag.index.qdrant import Collection
    from fashiontag.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Search:
    """What is asked: a query, what holds of its hits, how many; as `workflows.search` has them."""

    words: str = ""
    image: str | Path | bytes | None = None
    minus: str = ""
    where: str | None = None
    k: int = 10
    fold: bool = True
    min_score: float | Literal["auto"] | None = None
    image_weight: float | None = None

    def __post_init__(self) -> None:
        """Refuse what no search could answer, before anything is opened."""
        Query(self.words, self.image, self.minus)

    def run(self, workspace: Workspace, collection: Collection | None = None) -> SearchResult:
        """Search the workspace, or a collection of Qdrant; raises what `workflows.search` does."""
        query = Query(self.words, self.image, self.minus)
        names = ("where", "k", "fold", "min_score", "image_weight")
        more: dict[str, Any] = {name: getattr(self, name) for name in names}
        if collection is None:
            return search(workspace, query, **more)
        from fashiontag.workflows.push import search_collection

        return search_collection(workspace, collection, query, **more)
