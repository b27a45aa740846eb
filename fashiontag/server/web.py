"""The desk over HTTP: routes, their OpenAPI document, and what an error becomes. Extra ``[serve]``.

Routes run in FastAPI's threads; how many of one client's do at once, `guard` bounds.
"""
# No `from __future__ import annotations`: FastAPI reads them where local names are gone.

import json
from importlib import resources
from typing import Annotated, Any, Literal

from fastapi import FastAPI, File, Form, Query, Request, UploadFile
from fastapi.exceptions import RequestValidationError
from jinja2 import Environment, PackageLoader
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from fashiontag import __version__
from fashiontag.catalog.images import load_image
from fashiontag.errors import FashiontagError, ImageError, OutputError, StoreError, UsageError
from fashiontag.plain import plain
from fashiontag.server.desk import AmbiguousError, BusyError, Decided, Desk, NotFoundError
from fashiontag.server.guard import Guard
from fashiontag.sinks.pages import thumbnail
from fashiontag.workflows.search import Query as Search

PICTURES = 16
"""Pictures of one request."""

_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (NotFoundError, 404),
    (AmbiguousError, 409),
    (BusyError, 503),
    (UsageError, 400),
    (ImageError, 400),
    (StoreError, 503),
    (OutputError, 503),
    (FashiontagError, 409),
)
_PAGES = {"/": "review", "/search": "search", "/stats": "stats"}
_ASSETS = ("style.css", "common.js", *(f"{name}.js" for name in _PAGES.values()))

Text = Annotated[str, Field(max_length=2_000)]
Source = Annotated[str | None, Query(max_length=4_000, description="Where ids repeat: which.")]
Where = Annotated[str, Query(max_length=4_000, description="A filter, as `search --where` has it.")]
ItemId = Annotated[str, Field(min_length=1, max_length=4_000)]


class DecisionBody(BaseModel):
    """Labels that hold for one product in one group; none for "none of these"."""

    id: ItemId
    group: Text
    labels: Annotated[list[Text], Field(max_length=100)]
    source: ItemId | None = None
    by: Text | None = None
    whole: Annotated[bool, Field(description="All photos of the product that is shown.")] = False


class Json(Response):
    """JSON in ASCII: a file name that is no Unicode text would fit in no other."""

    media_type = "application/json"

    def render(self, content: object) -> bytes:
        """Return strict JSON, null for what is no number."""
        return json.dumps(plain(content), separators=(",", ":")).encode()


def create_app(desk: Desk, token: str | None = None) -> Guard:
    """Return the application: `Guard` before FastAPI."""
    app = FastAPI(
        title="fashiontag",
        version=__version__,
        description="Tags of fashion products: tag, search, review, teach.",
        docs_url=None,  # its pages load scripts from elsewhere
        redoc_url=None,
        default_response_class=Json,
    )
    _errors(app)
    _pages(app, desk)
    _products(app, desk)
    _decisions(app, desk)
    return Guard(app, token)


def _errors(app: FastAPI) -> None:
    @app.exception_handler(FashiontagError)
    def expected(_: Request, error: Exception) -> Json:
        status = next(status for kind, status in _STATUS if isinstance(error, kind))
        return Json({"error": str(error)}, status)

    @app.exception_handler(HTTPException)
    def refused(_: Request, error: HTTPException) -> Json:
        return Json({"error": error.detail}, error.status_code, headers=error.headers)

    @app.exception_handler(RequestValidationError)
    def unreadable(_: Request, error: RequestValidationError) -> Json:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        return Json({"error": f"{where}: {first['msg']}."}, 422)


def _pages(app: FastAPI, desk: Desk) -> None:
    pages = Environment(loader=PackageLoader("fashiontag.server", "pages"), autoescape=True)
    files = resources.files("fashiontag.server") / "pages"

    def serve(path: str, text: str, kind: str) -> None:
        app.add_route(path, lambda _: Response(text, media_type=kind), include_in_schema=False)

    for path, name in _PAGES.items():
        serve(path, pages.get_template(f"{name}.html").render(name=name), "text/html")
    for name in _ASSETS:
        kind = "text/css" if name.endswith(".css") else "text/javascript"
        serve(f"/assets/{name}", (files / name).read_text("utf-8"), kind)

    @app.get("/favicon.ico", include_in_schema=False)
    def icon() -> Response:
        """Say that there is none."""
        return Response(status_code=204)

    @app.get("/photo/{number}", include_in_schema=False)
    def photo(number: Annotated[int, Field(ge=0, lt=2**63)]) -> Response:
        """Return a product's photo, small."""
        try:
            image = load_image(desk.path_of(number).read_bytes(), at_least=240)
        except OSError as error:
            raise HTTPException(404, "The photo can't be read any more.") from error
        cached = {"cache-control": "private, max-age=600"}
        return Response(thumbnail(image), media_type="image/jpeg", headers=cached)


def _products(app: FastAPI, desk: Desk) -> None:
    @app.get("/healthz")
    def healthz() -> Any:  # noqa: ANN401
        """Say that the server lives."""
        return Json({"status": "ok", "version": __version__})

    @app.get("/v1/items")
    def items(
        where: Where = "",
        sort: Literal["gain", "unsure", "conflict", "catalogue"] = "gain",
        show: Literal["all", "open", "decided"] = "all",
        limit: Annotated[int, Query(ge=1, le=200)] = 24,
        after: Annotated[str, Query(max_length=100, description="The cursor of a page.")] = "",
    ) -> Any:  # noqa: ANN401
        """List products with their tags, a page at a time."""
        return Json(desk.page(where=where, sort=sort, show=show, limit=limit, after=after))

    @app.get("/v1/items/{id:path}")
    def item(id: str, source: Source = None) -> Any:  # noqa: A002, ANN401
        """Show one product."""
        return Json(desk.item(id, source))

    @app.get("/v1/labels")
    def labels() -> Any:  # noqa: ANN401
        """List the groups and labels that can be chosen."""
        return Json(desk.labels())

    @app.get("/v1/stats")
    def stats(where: Where = "") -> Any:  # noqa: ANN401
        """Count labels by group, and how far people are, among what satisfies a filter."""
        return Json(desk.stats(where))

    @app.post("/v1/tag")
    def tag(
        image: Annotated[list[UploadFile], File(min_length=1, max_length=PICTURES)],
        title: Annotated[str, Form(max_length=10_000)] = "",
    ) -> Any:  # noqa: ANN401
        """Tag pictures that aren't in the catalogue; one row each, as in ``tags.jsonl``."""
        sent = [(one.filename or str(place), one.file.read()) for place, one in enumerate(image)]
        return Json(desk.tag(sent, title))

    def answer(asked: Search) -> Json:
        result = desk.search(asked)
        numbers = desk.numbers_of(result)
        hits = [plain(hit) for hit in result.hits]
        named = [hit | {"number": n} for hit, n in zip(hits, numbers, strict=True)]
        return Json({"query": result.query, "hits": named, "note": result.note})

    @app.get("/v1/search")
    def search_words(
        q: Annotated[str, Query(max_length=2_000)] = "",
        where: Where = "",
        k: Annotated[int, Query(ge=1, le=200)] = 24,
        minus: Annotated[str, Query(max_length=2_000)] = "",
        like: Annotated[str, Query(max_length=4_000, description="A product's id.")] = "",
        source: Source = None,
    ) -> Any:  # noqa: ANN401
        """Search by words, by what a product looks like, or by both."""
        image = desk.like(like, source) if like else None
        return answer(Search(q, image, minus, where or None, k))

    @app.post("/v1/search")
    def search_picture(
        image: Annotated[UploadFile, File()],
        q: Annotated[str, Form(max_length=2_000)] = "",
        where: Annotated[str, Form(max_length=4_000)] = "",
        k: Annotated[int, Form(ge=1, le=200)] = 24,
        minus: Annotated[str, Form(max_length=2_000)] = "",
    ) -> Any:  # noqa: ANN401
        """Search by a picture, with words or without."""
        return answer(Search(q, image.file.read(), minus, where or None, k))


def _decisions(app: FastAPI, desk: Desk) -> None:
    @app.post("/v1/decisions")
    def decide(
        body: DecisionBody | Annotated[list[DecisionBody], Field(min_length=1, max_length=1_000)],
    ) -> Any:  # noqa: ANN401
        """Record what a person decides, one product's group or many as one act."""
        several = body if isinstance(body, list) else [body]
        wanted = [
            Decided(one.id, one.group, tuple(one.labels), one.source, one.whole) for one in several
        ]
        return Json({"decided": desk.decide(wanted, several[0].by)})

    @app.delete("/v1/decisions/last")
    def undo() -> Any:  # noqa: ANN401
        """Take the last act back; an empty list says that there was none."""
        return Json({"undone": desk.undo()})

    @app.post("/v1/learn")
    def learn(*, apply: bool = False) -> Any:  # noqa: ANN401
        """Learn from all decisions and show what would change; ``apply`` lets it."""
        return Json(desk.learn(apply=apply))
