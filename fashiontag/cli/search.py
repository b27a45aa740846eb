"""``fashiontag search``: words, a picture, or both in; the nearest products out."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import RenderableType

    from fashiontag.datamodels import Hit
    from fashiontag.encoders import LazyEncoder
    from fashiontag.workflows.search import Query, SearchResult

BLAS_THREADS = "1"
"""Searches multiply tall matrices by two vectors: a second thread made 40 ms 330 on busy cores."""

BAR = 12
"""Characters of a score bar; the best hit's is full."""

LINES = 7
"""Lines of a picture in the terminal."""


@options.command
def search(
    query: Annotated[str | None, "[QUERY]", "What to look for, in words."] = None,
    *,
    image: Annotated[Path | None, "FILE", "What to look for, as a picture."] = None,
    minus: Annotated[str | None, "TEXT", "What to turn away from."] = None,
    where: Annotated[
        str | None,
        "EXPR",
        "Only items with these tags or fields: \"color = 'red' and table.price < 50\".",
    ] = None,
    image_weight: Annotated[
        float | None,
        "W",
        "The pictures' say against titles, 0 to 1, where there are words.",
    ] = None,
    k: Annotated[int, typer.Option("-k", metavar="N", help="The most hits.")] = 10,
    fold: Annotated[
        bool, typer.Option("--fold/--no-fold", help="Show one hit per family of products.")
    ] = True,
    min_score: Annotated[
        str | None,
        "SCORE|auto",
        "Leave out hits below; auto cuts where chance would reach, and may leave none.",
    ] = None,
    paths: Annotated[bool, "Print paths only, for pipes."] = False,
    null: Annotated[
        bool, typer.Option("--null", "-0", help="End --paths with a NUL each, as xargs -0 reads.")
    ] = False,
    html: options.HtmlOption = None,
    pictures: Annotated[bool, "Show the pictures in the terminal."] = False,
    daemon: Annotated[
        bool,
        typer.Option(
            "--daemon/--no-daemon",
            help="Leave a process behind for 5 minutes that answers the next search at once.",
        ),
    ] = True,
    index: options.IndexOption = None,
    exact: Annotated[bool, "Have the engine of --index compare everything."] = False,
    model: options.Model,
) -> None:
    """Search what was tagged or indexed, by words, by picture, or by both at once."""
    os.environ.setdefault("OPENBLAS_NUM_THREADS", BLAS_THREADS)
    from fashiontag import daemon as process
    from fashiontag.errors import UsageError
    from fashiontag.workflows.search import Query
    from fashiontag.workspace import indexed_model

    ends = _ends(paths=paths, null=null, pictures=pictures)
    asked = Query(query or "", image, minus or "", where, k, fold, _floor(min_score), image_weight)
    draw = _drawing() if pictures else None
    if exact and index is None:
        raise UsageError("--exact is about --index; give both, or leave it out.")

    def show(found: SearchResult) -> None:
        _draw(found, draw, ends=ends)

    if index is not None:
        result = _elsewhere(index, asked, model, exact=exact)
        output.show(result, lambda: show(result))
    else:
        name = model.model or indexed_model(model.workspace)
        if daemon and model.model is None:
            process.start(name)
        result = run(asked, model, name, show)
    if html is not None:
        output.gallery(html, title=result.query, note=result.note, hits=result.hits)
        if not output.wants_json():
            output.say(f"{len(result.hits)} hit{'' if len(result.hits) == 1 else 's'} → {html}")


def _elsewhere(address: str, asked: Query, model: options.Model, *, exact: bool) -> SearchResult:
    """Search a collection that was pushed."""
    from fashiontag.index.qdrant import Collection
    from fashiontag.workflows.search import search as search_in
    from fashiontag.workspace import Workspace

    collection = Collection.open(address, exact=exact)
    encoder = kept(model.resolve(collection.about().model))
    with Workspace.open(model.workspace, encoder) as workspace:
        return search_in(workspace, asked, collection)


def run(
    asked: Query, model: options.Model, name: str, draw: Callable[[SearchResult], None]
) -> SearchResult:
    """Search with the model of this name, and show what was found."""
    from fashiontag.workflows.search import search as search_in
    from fashiontag.workspace import Workspace

    with Workspace.indexed(model.workspace, kept(model.resolve(name))) as workspace:
        result = search_in(workspace, asked)
    output.show(result, lambda: draw(result))
    return result


def answer(asked: dict[str, Any]) -> int:
    """Run a search as another process asks for it: the fields of `Query`, and how it is shown."""
    from fashiontag.workflows.search import Query
    from fashiontag.workspace import indexed_model

    output.configure(as_json=bool(asked.pop("json", False)), quiet=bool(asked.pop("quiet", False)))
    ends = _ends(paths=bool(asked.pop("paths", False)), null=False, pictures=False)
    model = options.Model(workspace=Path(asked.pop("workspace")))
    asked["min_score"] = _floor(asked.get("min_score"))
    name = indexed_model(model.workspace)
    run(Query(**asked), model, name, lambda found: _draw(found, None, ends=ends))
    return 0


_kept: dict[tuple[object, ...], LazyEncoder] = {}


def kept(encoder: LazyEncoder) -> LazyEncoder:
    """Return the encoder of the last call, loaded as it is, if its files are what they were."""
    files = encoder.files
    facts = files.weights.stat()
    wanted = (encoder.device, encoder.precision)
    key = (files.weights, facts.st_mtime_ns, facts.st_size, str(files), *wanted)
    if key not in _kept:
        _kept.clear()
        _kept[key] = encoder
    return _kept[key]


def _ends(*, paths: bool, null: bool, pictures: bool) -> str:
    """Return what ends each path where only paths are printed, else ""."""
    from fashiontag.errors import UsageError

    if paths and output.wants_json():
        raise UsageError("--paths and --json were both given; give the one that is wanted.")
    if pictures and (paths or output.wants_json()):
        raise UsageError("--pictures is for people; leave it out with --paths and --json.")
    if null and not paths:
        raise UsageError("-0 is about --paths, which wasn't given; give both.")
    return "\0" if null else "\n" if paths else ""


def _floor(text: str | None) -> float | Literal["auto"] | None:
    from fashiontag.errors import UsageError

    if text is None:
        return None
    if text == "auto":
        return "auto"
    try:
        return float(text)
    except ValueError:
        raise UsageError(f"--min-score is {text!r}; give a cosine from -1 to 1, or auto.") from None


def _drawing() -> Callable[[Hit], RenderableType] | None:
    """Return what draws a hit's picture in this terminal; None, and a sentence, where none can."""
    from fashiontag.errors import UsageError

    # Where a terminal doesn't tell the size of its letters, it is guessed, and that is logged.
    logging.getLogger("textual_image").setLevel(logging.ERROR)
    try:
        import textual_image  # noqa: F401
    except ImportError as error:
        raise UsageError(
            "--pictures needs textual-image, which isn't installed; "
            "pip install 'fashiontag[pictures]'."
        ) from error
    if not sys.stdout.isatty() or 0 in os.get_terminal_size(sys.stdout.fileno()):
        output.say("--pictures shows none here: standard output is no terminal of a known size.")
        return None
    from textual_image import renderable  # asks the terminal what it can show

    from fashiontag.catalog.images import load_image
    from fashiontag.sinks.pages import picture_of

    def draw(hit: Hit) -> RenderableType:
        image = picture_of(hit, load_image)
        return "" if image is None else renderable.Image(image, height=LINES)

    return draw


def _draw(
    result: SearchResult,
    picture: Callable[[Hit], RenderableType] | None,
    *,
    ends: str,
) -> None:
    from rich.text import Text

    if result.note:
        output.say(result.note)
    if ends:
        from fashiontag.catalog.items import as_on_disk

        for hit in result.hits:
            output.line(as_on_disk(hit.path), ends)
    if ends or not result.hits:
        return
    best = max(hit.score for hit in result.hits)
    table = output.empty_table(">", "score")
    if picture is not None:
        table.add_column("")
    table.add_column("picture", overflow="fold", max_width=30)
    table.add_column("title", max_width=40)
    table.add_column("tags")
    for hit in result.hits:
        filled = round(BAR * max(hit.score, 0) / best) if best > 0 else 0
        cells: list[RenderableType] = [
            str(hit.rank),
            Text(f"{hit.score:.2f} ").append("━" * filled, style="cyan"),
            Text(hit.id).append(f"  (+{hit.folded} alike)" if hit.folded else "", style="dim"),
            Text(hit.title),
            Text(" · ".join(tag.split("=", 1)[1] for tag in hit.tags), style="dim"),
        ]
        if picture is not None:
            cells.insert(2, picture(hit))
        table.add_row(*cells)
    table.columns[1].no_wrap = True
    output.results.print(table)
