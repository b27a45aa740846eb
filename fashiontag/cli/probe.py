"""``probe-train`` and ``probe-eval``: a few labelled products in, a probe and figures out."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from fashiontag.cli import options, output

if TYPE_CHECKING:
    from fashiontag.catalog import Catalog
    from fashiontag.catalog.annotations import Annotations, Decided
    from fashiontag.heads.local import Promise
    from fashiontag.heads.training import Training
    from fashiontag.labels import LabelSpace
    from fashiontag.verdicts import Verdict
    from fashiontag.workflows.evaluate import ProbeReport
    from fashiontag.workflows.learn import Forecast
    from fashiontag.workspace import Workspace

_LABELS = (
    "A table joined to the pictures like titles: a column tags (group=label|…), one column per "
    "attribute, or 0/1 columns; 'none' says that no label of the group holds."
)
ImagesOption = Annotated[str, "SOURCE", "The pictures, as in `tag`."]


@dataclass(frozen=True)
class Labelling:
    """How a table of labels is read."""

    unlabeled: Annotated[
        Literal["group", "negative", "unknown"],
        "group|negative|unknown",
        "What a blank means: its group isn't known (unless another label of it is given), "
        "the label doesn't hold, or nothing at all.",
    ] = "group"
    groups: Annotated[
        str | None,
        "A,B",
        "Use only these columns or groups of LABELS.",
    ] = None
    key_column: options.KeyColumnOption = None

    def read(
        self,
        table: str | None,
        catalog: Catalog,
        space: LabelSpace | None = None,
        *,
        like: LabelSpace | None = None,
        decided: Decided | None = None,
    ) -> Annotations:
        """Read what table and people say of a catalogue's items; what is odd about it is said."""
        from fashiontag.catalog.annotations import read_annotations

        annotations = read_annotations(
            table,
            catalog.names,
            space,
            unlabeled=self.unlabeled,
            id_column=self.key_column,
            groups=tuple(name.strip() for name in (self.groups or "").split(",") if name.strip()),
            like=like,
            decided=decided,
        )
        output.warn(*annotations.warnings)
        return annotations


@dataclass(frozen=True)
class Teaching:
    """What is learned from labelled products, and what is promised."""

    shots: Annotated[
        int | None,
        typer.Option(min=1, metavar="K", help="Draw K products per label, one per family."),
    ] = None
    seed: Annotated[int, "N", "Which draw."] = 0
    auto_precision: Annotated[
        float | None,
        typer.Option(
            min=0.5,
            max=0.999,
            metavar="P",
            help="Promise this precision: tag then says publish, review or abstain.",
        ),
    ] = None
    promise_per: Annotated[
        Literal["group", "label"],
        "group|label",
        "One promise for a group's labels together, or one for each label.",
    ] = "group"
    head: Annotated[
        Literal["local", "linear"],
        "local|linear",
        "What judges groups of which one label holds: what is near labelled products, or "
        "one linear head.",
    ] = "local"

    @property
    def promise(self) -> Promise | None:
        """The promise that was asked for."""
        from fashiontag.heads.local import Promise

        if self.auto_precision is None:
            return None
        return Promise(self.auto_precision, together=self.promise_per == "group")


@options.command
def probe_train(
    table: Annotated[str | None, "LABELS", _LABELS] = None,
    *,
    images: ImagesOption,
    decisions: Annotated[
        bool,
        "Learn what people decided, too; it outranks LABELS, or is all.",
    ] = False,
    labels: Annotated[
        str | None,
        "NAME|FILE",
        "Words and prompts of groups that this label file has; others are invented.",
    ] = None,
    out: Annotated[Path | None, "DIR", "Where the probe goes; default: probe."] = None,
    append: Annotated[Path | None, "DIR", "Add to the labels of this probe."] = None,
    teaching: Teaching,
    labelling: Labelling,
    session: options.Session,
) -> None:
    """Learn your own labels from a few products; `tag --probe DIR` then gives them."""
    from fashiontag.errors import UsageError
    from fashiontag.heads.artefact import check_target, load_probe, save_probe
    from fashiontag.labels import load_labels
    from fashiontag.workflows.learn import draw, train_probe, unlabelled

    if table is None and not decisions:
        raise UsageError("probe-train needs LABELS, a table of labelled products, or --decisions.")
    target = out or append or Path("probe")
    check_target(target)
    catalog = session.read(images)
    with session.open() as workspace:
        old = load_probe(append, workspace.encoder) if append else None
        decided = _decided(workspace, catalog, table) if decisions else None
        space = load_labels(labels) if labels else None
        annotations = labelling.read(table, catalog, space, decided=decided)
        training = _gather(workspace, catalog, annotations, session)
        if old is not None:
            training = old.training.combined(training)
        with session.progress("Looking at the rest", len(catalog.items)) as settings:
            rest = unlabelled(workspace, catalog, annotations, settings)
        if teaching.shots is not None:
            training, said = draw(training, teaching.shots, teaching.seed)
            output.warn(*said)
        trained = train_probe(
            workspace, training, catalogue=rest, head=teaching.head, promise=teaching.promise
        )
    output.warn(*trained.warnings)
    save_probe(trained.probe, target)
    report = _write_report(trained.verdict, trained.report, target, catalog, trained.forecast)
    output.show(
        {"probe": target, "warnings": trained.warnings, **report},
        lambda: _draw(trained.verdict, trained.report, promised=teaching.auto_precision),
        report=True,
    )
    if output.wants_json():
        return
    output.say(_foretold(trained.forecast))
    output.say(
        f"{len(trained.probe.training.ids):,} products, {trained.probe.space.size} labels, fitted "
        f"in {trained.seconds:.1f} s → {target} (report.html shows it)"
    )


@options.command
def probe_eval(
    probe: Annotated[Path, "PROBE", "A folder of `fashiontag probe-train`."],
    table: Annotated[str, "LABELS", _LABELS],
    *,
    images: ImagesOption,
    html: Annotated[Path | None, "DIR", "Also write report.json and report.html."] = None,
    labelling: Labelling,
    session: options.Session,
) -> None:
    """Compare a probe with labelled products that it wasn't trained on."""
    from fashiontag.heads.artefact import load_probe
    from fashiontag.workflows.compare import compare_pictures
    from fashiontag.workflows.evaluate import evaluate_probe
    from fashiontag.workflows.tag import Judge

    catalog = session.read(images)
    with session.open() as workspace:
        loaded = load_probe(probe, workspace.encoder)
        annotations = labelling.read(table, catalog, like=loaded.whole)
        held_out = _gather(workspace, catalog, annotations, session)
        report, warnings = evaluate_probe(workspace, loaded, held_out)
        with session.progress("Judging", len(annotations.rows)) as settings:
            judging = Judge(workspace, loaded.whole, loaded)
            verdict, _ = compare_pictures(annotations, catalog, judging, settings)
    output.warn(*warnings)
    facts = {**output.plain(report), "verdict": output.plain(verdict)}
    if html is not None:
        html.mkdir(parents=True, exist_ok=True)
        _write_report(verdict, report, html, catalog)
    output.show(
        {"probe": probe, "warnings": warnings, **facts},
        lambda: _draw(verdict, report, promised=loaded.precision),
    )


def _decided(workspace: Workspace, catalog: Catalog, table: str | None) -> Decided:
    """Return what people decided of a catalogue's items, and say how much it is."""
    from fashiontag.errors import CatalogError
    from fashiontag.workspace.decisions import Standing

    standing = Standing.of(workspace.store, catalog)
    if not standing.decided and table is None:
        raise CatalogError(
            f"Nobody decided anything of the products of {catalog.source} in the workspace "
            f"{workspace.path}; bring corrections in with `fashiontag decisions import`, or give "
            "LABELS."
        )
    output.warn(*standing.notes)
    output.say(f"{standing.decided:,} decisions of people take part.")
    found = {item.id: standing.labels(item) for item in catalog.items}
    return {item: labels for item, labels in found.items() if labels}


def _gather(
    workspace: Workspace, catalog: Catalog, annotations: Annotations, session: options.Session
) -> Training:
    from fashiontag.workflows.learn import gather

    with session.progress("Embedding", len(annotations.rows)) as settings:
        training, warnings = gather(workspace, catalog, annotations, settings)
    output.warn(*warnings)
    return training


def _foretold(forecast: Forecast) -> str:
    """Say what a probe changes on the user's own catalogue."""
    if not forecast.products:
        return "Every product is labelled, so nobody can say what the probe would change."
    if not forecast.changed:
        return (
            f"No gain can be shown on {forecast.products:,} unlabelled products: the probe tags "
            "them as zero-shot does. More labels will tell, above all of products that are empty."
        )
    return (
        f"Of {forecast.products:,} unlabelled products {forecast.changed:,} would be tagged "
        f"otherwise: about {forecast.right:+,.0f} right and {forecast.wrong:+,.0f} wrong tags."
    )


def _write_report(
    verdict: Verdict,
    report: ProbeReport,
    folder: Path,
    catalog: Catalog,
    forecast: Forecast | None = None,
) -> dict[str, Any]:
    from fashiontag.catalog.images import load_image
    from fashiontag.sinks.probereport import write_probe_report

    facts: dict[str, Any] = {**output.plain(report), "verdict": output.plain(verdict)}
    facts["forecast"] = None if forecast is None else output.plain(forecast)
    text = json.dumps(facts, ensure_ascii=False, indent=1)
    (folder / "report.json").write_text(text + "\n", "utf-8")
    write_probe_report(folder / "report.html", facts, catalog.items, load_image)
    return facts


def _draw(verdict: Verdict, report: ProbeReport, *, promised: float | None) -> None:
    from fashiontag.cli.eval import draw
    from fashiontag.heads.calibration import CONFIDENCE

    draw(verdict, "the probe doesn't have")
    columns = ["group", ">n", ">ranking", ">F1", ">top-1", ">calib."]
    grid = output.empty_table(*columns, *([] if promised is None else [">published", ">right"]))
    grid.padding = (0, 1, 0, 0)
    for group in report.groups:
        figures = (group.ranking, group.macro_f1, group.top1, group.calibration)
        cells = [group.group, f"{group.products:,}", *map(_figure, figures)]
        if promised is not None:
            cells += [f"{group.published:.0%}", _figure(group.precision)]
        grid.add_row(*cells)
    output.results.print(grid)
    for group in report.groups:
        if group.outlook is not None and group.outlook.more:
            output.sentence(
                f"{group.group}: {group.published:.0%} of the products may be published; about "
                f"{group.outlook.more:,} more labelled ones would buy {group.outlook.share:.0%}."
            )
    output.sentence(
        f"On {report.products:,} {report.basis}: average precision, and F1 of what is given (means "
        "of labels); calibration error of the best label.",
        "dim",
    )
    out = [
        f"{label.group}={label.label}"
        for label in report.labels
        if promised is not None and not math.isfinite(label.promise) and label.support
    ]
    if out:
        least = math.ceil(math.log(1 - CONFIDENCE) / math.log(promised or 1))
        output.sentence(
            f"{len(out)} of {len(report.labels)} labels can't be promised: {promised:.0%} takes "
            f"{least} products of different families that get the label, or a label of its group, "
            "and have it, and more where some haven't; label more of "
            f"{', '.join(out[:8])}{', …' if len(out) > 8 else ''}",
            "dim",
        )


def _figure(value: float) -> str:
    return f"{value:.2f}" if math.isfinite(value) else "–"
