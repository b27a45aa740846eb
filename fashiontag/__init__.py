"""fashiontag: photos and titles of fashion products in, catalogue tags and a search index out."""

from __future__ import annotations

TYPE_CHECKING = False  # type checkers take it for True; importing typing costs a warm search 5 ms
if TYPE_CHECKING:
    from fashiontag.api import Tagger
    from fashiontag.datamodels import Hit, Tagged, TagScore

__version__ = "0.1.0"
__all__ = ["Hit", "TagScore", "Tagged", "Tagger", "__version__"]


def __getattr__(name: str) -> object:
    # On demand: `import fashiontag` must not pay for what a caller may never use.
    if name == "Tagger":
        from fashiontag.api import Tagger

        return Tagger
    if name in {"Hit", "TagScore", "Tagged"}:
        from fashiontag import datamodels

        return getattr(datamodels, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return __all__
