"""``probe-train`` and ``probe-eval``: a few labelled products in, a probe and figures out."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from PIL import Image

    from fashiontag.catalog import Catalog
    from fashiontag.catalog.annotations import Unlabeled
    from fashiontag.datamodels import Encoder
    from fashiontag.heads.training import Training
    from fashiontag.labels import LabelSpace
    from fashiontag.vectors import VectorStore
    from fashiontag.workflows.evaluate import ProbeReport

Table = Annotated[
    str,
    typer.Argument(
        metavar="LABELS",
        help="A table joined to the pictures like titles: a column tags (group=label|…), one "
        "column per attribute, or 0/1 columns.",
    ),
]
Images = Annotated[
    str, typer.Option("--images", metavar="SOURCE", help="The pictures, as in `tag`.")
]
KeyColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="The column of LABELS to join by.")
]
Columns = Annotated[
    str | None,
    typer.Option("--groups", metavar="A,B", help="Use only these columns or groups of LABELS."),
]
Gaps = Annotated[
    str,
    typer.Option(
        metavar="group|negative|unknown",
        help="What a blank means: its group isn't known (unless another label of it is given), "
        "the label doesn't hold, or nothing at all.",
    ),
]
DEFAULT_OUT = Path("probe")


def probe_train(
    table: Table,
    images: Images,
    titles: options.Titles = None,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|FILE",
            help="Words and prompts of groups that this label file has; others are invented.",
        ),
    ] = None,
    out: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Where the probe goes; default: probe.")
    ] = None,
    shots: Annotated[
        int | None,
        typer.Option(min=1, metavar="K", help="Draw K products per label, one per family."),
    ] = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Which draw.")] = 0,
    append: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Add to the labels of this probe.")
    ] = None,
    auto_precision: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=0.999,
            metavar="P",
            help="Promise this precision: tag then says publish, review or abstain.",
        ),
    ] = None,
    unlabeled: Gaps = "group",
    groups: Columns = None,
    key_column: KeyColumn = None,
    path_column: options.PathColumn = None,
    id_column: options.IdColumn = None,
    title_column: options.TitleColumn = None,
    model: options.Model = None,
    workspace: options.Workspace = options.DEFAULT_WORKSPACE,
    device: options.Device = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    offline: options.Offline = False,
    allow_pickle: options.AllowPickle = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Learn your own labels from a few products; `tag --probe DIR` then gives them."""
    del debug
    from fashiontag.heads.artefact import check_target, load_probe, save_probe
    from fashiontag.labels import load_labels
    from fashiontag.workflows.learn import train_probe

    target = out or append or DEFAULT_OUT
    check_target(target)
    old = load_probe(append) if append else None
    space = load_labels(labels) if labels else None
    with _Session(images, titles, path_column, id_column, title_column, workspace) as session:
        session.encoder = _resolve(model, device, offline=offline, allow_pickle=allow_pickle)
        if old is not None:
            old.manifest.check_encoder(session.encoder, f"The probe {append}")
        training = session.gather(
            table, space, unlabeled, groups, key_column, batch_size=batch_size, workers=workers
        )
        if old is not None:
            training = old.training.combined(training)
        trained = train_probe(
            training,
            session.encoder,
            session.store,
            shots=shots,
            seed=seed,
            precision=auto_precision,
        )
        for warning in trained.warnings:
            output.warn(warning)
        save_probe(trained.probe, target)
        report = _write_report(trained.report, target, session.catalog)
    if as_json:
        output.document({"probe": str(target), "warnings": trained.warnings, **report})
        return
    _show(trained.report, promised=auto_precision)
    output.say(
        f"{len(trained.probe.training.ids):,} products, {trained.probe.space.size} labels, fitted "
        f"in {trained.seconds:.1f} s → {target} (report.html shows it)"
    )


def probe_eval(
    probe: Annotated[
        Path, typer.Argument(metavar="PROBE", help="A folder of `fashiontag probe-train`.")
    ],
    table: Table,
    images: Images,
    titles: options.Titles = None,
    html: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Also write report.json and report.html.")
    ] = None,
    unlabeled: Gaps = "group",
    groups: Columns = None,
    key_column: KeyColumn = None,
    path_column: options.PathColumn = None,
    id_column: options.IdColumn = None,
    title_column: options.TitleColumn = None,
    model: options.Model = None,
    workspace: options.Workspace = options.DEFAULT_WORKSPACE,
    device: options.Device = "auto",
    batch_size: options.BatchSize = None,
    workers: options.Workers = None,
    offline: options.Offline = False,
    allow_pickle: options.AllowPickle = False,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Compare a probe with labelled products that it wasn't trained on."""
    del debug
    from fashiontag.heads.artefact import load_probe
    from fashiontag.workflows.evaluate import evaluate_probe

    loaded = load_probe(probe)
    with _Session(images, titles, path_column, id_column, title_column, workspace) as session:
        session.encoder = _resolve(model, device, offline=offline, allow_pickle=allow_pickle)
        loaded.manifest.check_encoder(session.encoder, f"The probe {probe}")
        held_out = session.gather(
            table,
            None,
            unlabeled,
            groups,
            key_column,
            batch_size=batch_size,
            workers=workers,
            like=loaded.space,
        )
        told, warnings = evaluate_probe(loaded, held_out)
        for warning in warnings:
            output.warn(warning)
        report = _document(told)
        if html is not None:
            html.mkdir(parents=True, exist_ok=True)
            report = _write_report(told, html, session.catalog)
    if as_json:
        output.document({"probe": str(probe), "warnings": warnings, **report})
    else:
        _show(told, promised=loaded.classifier.precision)


class _Session:
    """The catalogue, store and encoder that both commands read labelled products with."""

    encoder: Encoder
    store: VectorStore

    def __init__(
        self,
        images: str,
        titles: Path | None,
        path_column: str | None,
        id_column: str | None,
        title_column: str | None,
        workspace: Path,
    ) -> None:
        from fashiontag.catalog import read_catalog

        self.catalog = read_catalog(
            images,
            titles,
            path_column=path_column,
            id_column=id_column,
            title_column=title_column,
        )
        for warning in self.catalog.warnings:
            output.warn(warning)
        self._workspace = workspace

    def __enter__(self) -> _Session:
        from fashiontag.vectors import VectorStore

        self.store = VectorStore.open(self._workspace)
        return self

    def __exit__(self, *exc: object) -> None:
        self.store.close()

    def gather(
        self,
        table: str,
        space: LabelSpace | None,
        unlabeled: str,
        groups: str | None,
        key_column: str | None,
        *,
        batch_size: int | None,
        workers: int | None,
        like: LabelSpace | None = None,
    ) -> Training:
        """Read the labels and embed the labelled products; say what is odd about them."""
        from fashiontag.catalog.annotations import read_annotations
        from fashiontag.workflows.embed import BATCH_SIZE
        from fashiontag.workflows.learn import gather

        _one_of("--unlabeled", unlabeled, ("group", "negative", "unknown"))
        annotations = read_annotations(
            table,
            [item.id for item in self.catalog.items],
            space,
            unlabeled=cast("Unlabeled", unlabeled),
            id_column=key_column,
            groups=tuple(name.strip() for name in groups.split(",")) if groups else (),
            like=like,
        )
        for warning in annotations.warnings:
            output.warn(warning)
        with output.progress("Embedding", len(annotations.rows), "images") as advance:
            training, said = gather(
                self.catalog,
                annotations,
                self.encoder,
                self.store,
                batch_size=batch_size or BATCH_SIZE,
                workers=workers,
                progress=advance,
            )
        for warning in said:
            output.warn(warning)
        return training


def _resolve(model: str | None, device: str, *, offline: bool, allow_pickle: bool) -> Encoder:
    from fashiontag.encoders import resolve

    options.go_offline(offline)
    return resolve(
        model, device=device, offline=offline, allow_pickle=allow_pickle, announce=output.say
    )


def _one_of(option: str, given: str, known: tuple[str, ...]) -> None:
    from fashiontag.errors import UsageError

    if given not in known:
        raise UsageError(f"{option} is {given!r}; give one of {', '.join(known)}.")


def _document(report: ProbeReport) -> dict[str, Any]:
    """Return a report as strict JSON: what is undefined or infinite is null."""
    return cast("dict[str, Any]", _finite(asdict(report)))


def _finite(value: object) -> object:
    if isinstance(value, float):
        return round(value, 5) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value


def _write_report(report: ProbeReport, folder: Path, catalog: Catalog) -> dict[str, Any]:
    from fashiontag.sinks.probereport import write_probe_report

    document = _document(report)
    text = json.dumps(document, ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(text + "\n", "utf-8")
    write_probe_report(folder / "report.html", document, _pictures(catalog, document["mistakes"]))
    return document


def _pictures(catalog: Catalog, mistakes: list[Mapping[str, Any]]) -> dict[str, Image.Image]:
    from fashiontag.catalog import load_image
    from fashiontag.errors import ImageError

    wanted = {one["id"] for one in mistakes}
    found: dict[str, Image.Image] = {}
    for item in catalog.items:
        if item.id in wanted:
            try:
                found[item.id] = load_image(item.image.read(), at_least=288)
            except ImageError:  # gone since it was encoded
                continue
    return found


def _show(report: ProbeReport, *, promised: float | None) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table as RichTable

    grid = RichTable(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0))
    for name in ("group", "n", "image", "title", "both", "F1", "top-1", "calib."):
        grid.add_column(name, justify="left" if name == "group" else "right", no_wrap=True)
    if promised is not None:
        grid.add_column("published", justify="right", no_wrap=True)
        grid.add_column("right", justify="right", no_wrap=True)
    for one in report.groups:
        cells = [
            one.group,
            f"{one.products:,}",
            *(_figure(value) for value in (one.image, one.title, one.fused, one.macro_f1)),
            *(_figure(value) for value in (one.top1, one.calibration)),
        ]
        if promised is not None:
            cells += [f"{one.published:.0%}", _figure(one.precision)]
        grid.add_row(*cells)
    output.results.print(grid)
    output.results.print(
        f"On {report.products:,} {report.basis}: average precision by image, by title, by both; F1 "
        "of what is given (means of labels); calibration error of the best label.",
        style="dim",
    )
    if promised is not None:
        out = [
            f"{one.group}={one.label}"
            for one in report.labels
            if not math.isfinite(one.promise) and one.support
        ]
        if out:
            output.results.print(
                f"{len(out)} of {len(report.labels)} labels can't be promised, for want of sure "
                f"enough support: {', '.join(out[:8])}{', …' if len(out) > 8 else ''}",
                style="dim",
                markup=False,
            )


def _figure(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"
