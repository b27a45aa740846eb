"""Options that several commands share, declared once, and what they open.

What a command takes before its ``*`` are arguments, the rest are options; the last text of an
annotation is the help, and one before it what stands for the value. A bundle is one parameter
(``model: Model``); `command` spreads it on the command line and puts it together again.
"""

from __future__ import annotations

import inspect
import os
from collections.abc import Callable  # noqa: TC003 - read at run time, as all annotations here
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass
from functools import partial, wraps
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_type_hints

import typer

from fashiontag.cli import output

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Encoder
    from fashiontag.encoders import LazyEncoder
    from fashiontag.labels import LabelSpace
    from fashiontag.workflows.cluster import ClusterSummary
    from fashiontag.workspace import Workspace
    from fashiontag.workspace.embed import EmbedOptions

SourceArgument = Annotated[
    str,
    "SOURCE",
    "A folder, one picture, a quoted glob, a table (.csv .tsv .jsonl .parquet .xlsx) with a path "
    "column, an s3:// or gs:// address, or hf:NAME.",
]
SourcesArgument = Annotated[
    list[str],
    "SOURCE...",
    "A folder, pictures (img/*.jpg), a table (.csv .tsv .jsonl .parquet .xlsx) with a path column, "
    "an s3:// or gs:// address, or hf:NAME.",
]
LabelsOption = Annotated[
    str | None, "NAME|FILE", "A shipped label file's name, or a path; default: fashion."
]
ProbeOption = Annotated[
    Path | None,
    "DIR",
    "A folder of `fashiontag probe-train`: it judges the labels that it knows.",
]
IndexOption = Annotated[
    str | None,
    "ADDRESS",
    "A collection that `fashiontag push` filled: qdrant+http://HOST:6333/NAME.",
]
HtmlOption = Annotated[Path | None, "FILE", "Also write a page of pictures to look at."]
KeyColumnOption = Annotated[str | None, "NAME", "The column of LABELS to join by."]


@dataclass(frozen=True)
class Columns:
    """What belongs to a source: its titles, and how its tables are read."""

    titles: Annotated[
        str | None,  # a path would make s3:// into s3:/
        "FILE",
        "A table of titles, joined by file name, stem or id.",
    ] = None
    path_column: Annotated[
        str | None,
        "NAME",
        "The column of a SOURCE table with the paths.",
    ] = None
    item_id: Annotated[
        str | None,
        "NAME",
        "The column of a SOURCE table that names its items.",
    ] = None
    id_column: Annotated[str | None, "NAME", "The column of --titles to join by."] = None
    title_column: Annotated[str | None, "NAME", "The column that holds the title."] = None

    def read(self, *sources: str) -> Catalog:
        """List the items of sources and join their titles; what is odd about them is said."""
        from fashiontag import catalog as rooms

        names = rooms.Columns(self.path_column, self.id_column, self.title_column, self.item_id)
        catalog = rooms.read_catalog(sources, self.titles, names)
        output.warn(*catalog.warnings)
        return catalog


@dataclass(frozen=True)
class Units:
    """What a row of tags is of, and which columns say so."""

    by: Annotated[
        str | None,
        "photo|variant|product",
        "What a row is of; default: product if SOURCE is an imported catalogue or "
        "--product-column is given, else photo.",
    ] = None
    product_column: Annotated[
        str | None,
        "NAME",
        "The column of a table that names a photo's product.",
    ] = None
    variant_column: Annotated[
        str | None,
        "NAME",
        "The column that names the variant, or is empty.",
    ] = None

    def part(self, catalog: Catalog) -> Catalog:
        """Return the catalogue with what was asked for; what is odd about it is said."""
        from fashiontag.catalog.units import by_units

        parted = by_units(catalog, self.by, self.product_column, self.variant_column)
        output.warn(*parted.warnings[len(catalog.warnings) :])
        return parted


@dataclass(frozen=True)
class Place:
    """Where vectors and the index are."""

    workspace: Annotated[Path, "DIR", "Where vectors and the index are kept."] = Path(".fashiontag")


@dataclass(frozen=True)
class Model(Place):
    """Which model, on what, and where its vectors are."""

    model: Annotated[
        str | None,
        "NAME",
        "An open_clip model: ARCH/WEIGHTS, hf-hub:ORG/NAME, local-dir:PATH or a short "
        "name that `fashiontag doctor` lists; default: the embedded one.",
    ] = None
    device: Annotated[str, "cpu, cuda, cuda:1, mps, or auto for the best there is."] = "auto"
    precision: Annotated[
        str, "fp32, bf16, fp16 (no processor), or auto for the fastest there is."
    ] = "auto"
    no_calibration: Annotated[
        bool,
        "Leave out what `fashiontag calibrate` fitted.",
    ] = False
    offline: Annotated[bool, "Never touch the network."] = False
    allow_pickle: Annotated[
        bool,
        "Accept a model that offers only pickled weights.",
    ] = False

    def resolve(self, name: str | None = None) -> LazyEncoder:
        """Find the model, or the one that is named."""
        from fashiontag import encoders

        return encoders.resolve(self.model or name, announce=output.say, **self._how())

    def maker(self) -> Callable[[], Encoder]:
        """Return what finds the same model in another process."""
        from fashiontag import encoders

        return partial(encoders.resolve, self.model, **self._how())

    def _how(self) -> dict[str, Any]:
        names = ("device", "precision", "offline", "allow_pickle")
        return {name: getattr(self, name) for name in names}

    def open(self) -> Workspace:
        """Open the workspace with the model, creating it if need be."""
        from fashiontag.workspace import Workspace

        return Workspace.open(self.workspace, self.resolve(), calibrated=not self.no_calibration)

    def open_indexed(self) -> Workspace:
        """Open a workspace that can be searched, with the model that it was indexed with."""
        from fashiontag.workspace import Workspace, indexed_model

        name = self.model or indexed_model(self.workspace)
        return Workspace.indexed(self.workspace, self.resolve(name))


@dataclass(frozen=True)
class Session(Model, Columns):
    """A source, the model that looks at it, and how fast pictures are read and encoded."""

    batch_size: Annotated[
        int | None,
        typer.Option(
            min=1, metavar="N", help="Pictures per forward pass; default: what the device likes."
        ),
    ] = None
    workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Threads that read and decode; default: one a core."),
    ] = None

    @contextmanager
    def progress(self, what: str, count: int) -> Iterator[EmbedOptions]:
        """Show how far a job on pictures is; yield how workflows are to do it."""
        from fashiontag.workspace.embed import EmbedOptions

        with output.progress(what, count) as advance:
            yield EmbedOptions(self.batch_size, self.workers, advance)

    @contextmanager
    def work(self, what: str, catalog: Catalog) -> Iterator[tuple[Workspace, EmbedOptions]]:
        """Open the workspace for a job on a catalogue, and show how far that is."""
        with self.open() as workspace, self.progress(what, len(catalog.items)) as settings:
            yield workspace, settings


@dataclass(frozen=True)
class Engine:
    """Where the work is done: in this process, or by workers of Ray."""

    engine: Annotated[str | None, "ray", "Work on a Ray cluster, or on one made here."] = None
    ray_address: Annotated[
        str | None,
        "ADDRESS",
        "The cluster: auto, HOST:6379 or ray://HOST:10001.",
    ] = None
    shards: Annotated[
        int,
        typer.Option(min=1, metavar="N", help="Files that --engine ray writes; 10,000 items each."),
    ] = 16
    ray_workers: Annotated[
        int | None,
        typer.Option(min=1, metavar="N", help="Default: one a GPU, else one a processor."),
    ] = None
    hourly: Annotated[
        float | None,
        "PRICE",
        "Of the cluster; says what a million items cost.",
    ] = None

    def is_ray(self) -> bool:
        """Tell whether Ray was asked for; `UsageError` for what is no engine."""
        from fashiontag.errors import UsageError

        if self.engine not in {None, "ray"}:
            raise UsageError(f"There is no --engine {self.engine}; give ray, or leave it out.")
        if self.engine is None and (self.ray_address or self.ray_workers or self.hourly):
            raise UsageError("--ray-address, --ray-workers and --hourly are about --engine ray.")
        return self.engine == "ray"

    def run(
        self,
        catalog: Catalog,
        out: str,
        session: Session,
        space: LabelSpace | None = None,
        probe: Path | None = None,
    ) -> int:
        """Run on Ray, show what came of it, and return how many error rows there are."""
        from fashiontag.workflows import cluster

        what = "Tagging" if space else "Embedding"
        with session.progress(what, len(catalog.items)) as settings:
            session.resolve()  # says what a download is of
            recipe = cluster.recipe_for(
                session.maker(),
                catalog,
                space,
                workspace=session.workspace,
                probe=probe,
                out=out,
                shards=self.shards,
                options=settings,
            )
            summary = cluster.run_on_ray(
                recipe,
                catalog,
                address=self.ray_address,
                workers=self.ray_workers,
                price=self.hourly,
            )
        output.show(summary, lambda: _draw_cluster(summary), report=True)
        return summary.errors


def _draw_cluster(summary: ClusterSummary) -> None:
    for reason, count in list(summary.reasons.items())[:5]:
        output.warn(f"{count} × {reason}")
    cost = "" if summary.per_million is None else f", {summary.per_million:,.2f} a million"
    output.line(
        f"{summary.items:,} items, {summary.errors:,} errors, {summary.gone:,} gone; "
        f"{summary.made:,} of {summary.shards:,} shards made by {summary.workers} workers, "
        f"{summary.encoded:,} pictures newly encoded with {summary.model} in "
        f"{summary.seconds:.1f} s ({summary.per_second:,.1f} a second{cost}) → {summary.out}"
    )


@dataclass(frozen=True)
class _Everywhere:
    """What every command takes."""

    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document on standard output.")
    ] = False
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Say nothing but results, warnings and errors.")
    ] = False
    debug: Annotated[  # read by `main`, before anything can fail
        bool, "Show a traceback instead of one sentence."
    ] = False


def command(function: Callable[..., int | None]) -> Callable[..., int | None]:
    """Make a function a command: bundles become options, beside those that every command has."""
    hints = get_type_hints(function, include_extras=True)
    bundles = {name: kind for name, kind in hints.items() if is_dataclass(kind)}
    parameters = [
        parameter.replace(annotation=_declared(parameter.kind, name, hints[name]))
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in bundles
    ]
    option = inspect.Parameter.KEYWORD_ONLY
    for bundle in (*bundles.values(), _Everywhere):
        kinds = get_type_hints(bundle, include_extras=True)
        parameters += [
            inspect.Parameter(
                one.name,
                option,
                default=one.default,
                annotation=_declared(option, one.name, kinds[one.name]),
            )
            for one in fields(bundle)
        ]
    # What the function itself asks for stays first on the page of help.
    parameters.sort(key=lambda parameter: parameter.kind)

    @wraps(function)
    def run(**given: Any) -> int | None:  # noqa: ANN401
        def collect(bundle: Any) -> Any:  # noqa: ANN401
            return bundle(**{option.name: given.pop(option.name) for option in fields(bundle)})

        everywhere = collect(_Everywhere)
        output.configure(as_json=everywhere.as_json, quiet=everywhere.quiet)
        collected = {name: collect(bundle) for name, bundle in bundles.items()}
        if any(getattr(bundle, "offline", False) for bundle in collected.values()):
            os.environ["HF_HUB_OFFLINE"] = "1"  # libraries read it when they are first imported
        return function(**given, **collected)

    shown: Any = run
    shown.__signature__ = inspect.Signature(parameters)
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _declared(place: int, name: str, annotation: Any) -> Any:  # noqa: ANN401
    """Return an annotation with texts as typer has it; what is typer's already stays."""
    kind, *said = get_args(annotation)
    if not isinstance(said[-1], str):
        return annotation
    told: dict[str, Any] = dict(zip(("help", "metavar"), reversed(said), strict=False))
    if place == inspect.Parameter.KEYWORD_ONLY:
        # by its name alone: of a switch typer would make a --no-switch too
        return Annotated[kind, typer.Option(f"--{name.replace('_', '-')}", **told)]
    return Annotated[kind, typer.Argument(**told)]
