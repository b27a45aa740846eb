"""The one place that tags: items in, rows of tags out, to whoever wants them, and an index.

`tag` is the whole job, from a catalogue to tables and a searchable index; `Judge` is the core that
it shares with Python callers and servers.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from fashiontag.catalog import brand_of
from fashiontag.datamodels import Tagged
from fashiontag.errors import UsageError
from fashiontag.heads.doubt import CONFLICT, evidence_against, judged_groups
from fashiontag.heads.lexical import TitleMatcher
from fashiontag.heads.thresholds import Decider
from fashiontag.heads.zeroshot import Evidence, ZeroShot
from fashiontag.index import Entry
from fashiontag.manifest import FILE_NAME, Manifest
from fashiontag.workflows.products import UnitJudge
from fashiontag.workspace.decisions import Standing
from fashiontag.workspace.embed import (
    DEFAULTS,
    Embedded,
    EmbedOptions,
    embed,
    text_key,
)
from fashiontag.workspace.neighbours import refresh_neighbours
from fashiontag.workspace.prompts import zero_shot
from fashiontag.workspace.receipts import Run, judge_digest
from fashiontag.workspace.written import About, Written

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from fashiontag.catalog import Catalog
    from fashiontag.datamodels import Encoder, Item
    from fashiontag.heads.probe import Probe
    from fashiontag.heads.statistics import Statistics
    from fashiontag.heads.zeroshot import Scores
    from fashiontag.labels import LabelSpace
    from fashiontag.workspace import Workspace


APPLIED = "probe"
"""The folder of a workspace with the probe that people let the server learn and apply."""


class Sink(Protocol):
    """Whatever wants every row, in the order of the source."""

    def write(self, tagged: Tagged, item: Item) -> None:
        """Take one row and the item that it came from."""


@dataclass(frozen=True, slots=True)
class Outputs:
    """The files that a run writes.

    Attributes
    ----------
    table : Path or None
        The suffix decides the format; None is CSV on standard output.
    html : Path or None
        A contact sheet.
    inputs : tuple of Path
        What is read besides the pictures, and must not be written over.
    overwrite : bool
        Whether a table that somebody else made, or changed by hand, may be written over.
    """

    table: Path | None
    html: Path | None = None
    inputs: tuple[Path, ...] = ()
    overwrite: bool = False

    def check(self, catalog: Catalog, *, scores: bool) -> None:
        """Refuse to write over what the run reads, or two results into one file; `UsageError`.

        With ``scores`` the table has to be of a kind that takes every label's score.
        """
        if scores and (
            self.table is None or self.table.suffix.lower() not in {".jsonl", ".parquet"}
        ):
            shown = "-" if self.table is None else str(self.table)
            raise UsageError(f"--scores needs --out FILE.jsonl or FILE.parquet, not {shown!r}.")
        written = [path for path in (self.table, self.html) if path is not None]
        absolute = [path.resolve() for path in written]
        if len(set(absolute)) < len(absolute):
            raise UsageError(
                f"--out and --html both name {written[0]}; give each a file of its own."
            )
        inputs = {path.resolve() for path in (*self.inputs, Path(catalog.source))}
        pictures = {item.image.locator for item in catalog.items}
        for path, place in zip(written, absolute, strict=True):
            typed = os.path.abspath(path)  # noqa: PTH100 (a picture's locator follows no links)
            if place in inputs or str(place) in pictures or typed in pictures:
                raise UsageError(
                    f"{path} is read by this run and would be lost; write somewhere else."
                )


@dataclass(frozen=True, slots=True)
class TagSummary:
    """What a run did.

    Attributes
    ----------
    source, model, labels : str
        As typed, the encoder's name, the label space's name.
    out, html : Path, str or None
        The files that were written (a str is an address); None for standard output, and where
        none was wanted.
    items, ok, errors : int
        Rows in all, those with a picture that was read, those without.
    reasons : Mapping of str to int
        Why pictures couldn't be read.
    encoded, titled, chunked_titles, silent_titles : int
        Pictures that had to be encoded (the rest was stored); rows with a title; titles longer than
        the model's context; titles that say nothing, or that the model can't read.
    tagged : Mapping of str to int
        Per group, the items that have at least one label of it.
    decided : int
        Decisions of people that hold for these items.
    probabilities : bool
        Whether labelled products stand behind the scores; else they only rank.
    warnings : tuple of str
        What was odd about the source, and decisions of people that can't be given as they are.
    unchanged : bool
        Whether the run was left out, for it would have written what is there.
    seconds : float
    """

    source: str
    model: str
    labels: str
    out: Path | str | None = None
    html: Path | None = None
    items: int = 0
    ok: int = 0
    errors: int = 0
    reasons: Mapping[str, int] = field(default_factory=dict)
    encoded: int = 0
    titled: int = 0
    chunked_titles: int = 0
    silent_titles: int = 0
    tagged: Mapping[str, int] = field(default_factory=dict)
    decided: int = 0
    probabilities: bool = True
    warnings: tuple[str, ...] = ()
    unchanged: bool = False
    seconds: float = 0.0


class Judge:
    """Decides on stored vectors, with prompts, the model's constants and a title matcher.

    Prompts are embedded when the first product comes: a run that is left out needs none.

    Parameters
    ----------
    workspace : Workspace
    space : LabelSpace
    probe : Probe or None
        Judges the labels that it knows, which are added to the space.
    statistics : Statistics or None
        None takes those of the workspace: the model's own, or fitted there.
    standing : Standing or None
        What people decided, which takes the place of what is found here; None judges alone.
    """

    def __init__(
        self,
        workspace: Workspace,
        space: LabelSpace,
        probe: Probe | None = None,
        statistics: Statistics | None = None,
        standing: Standing | None = None,
    ) -> None:
        self.workspace = workspace
        self.space = space if probe is None else space.with_(probe.space)
        self.probe = probe
        self.standing = standing
        self._statistics = statistics or workspace.statistics_for(space)
        self.decider = Decider(self.space)

    @property
    def promised(self) -> bool:
        """Whether a precision was promised."""
        return self.probe is not None and self.probe.promised

    @cached_property
    def head(self) -> ZeroShot:
        """The zero-shot head."""
        return zero_shot(self.workspace, self.space, self._statistics)

    @cached_property
    def _matcher(self) -> TitleMatcher:
        return TitleMatcher(self.space)

    def evidence(self, embedded: Embedded) -> Evidence:
        """Gather what the store and the titles say of a window of items."""
        dim, items = self.workspace.encoder.dim, embedded.items
        words = self._matcher.score([item.text for item in items], [*map(brand_of, items)])
        return Evidence(
            images=self.workspace.images.padded(embedded.images, dim),
            titles=self.workspace.texts.padded(embedded.texts, dim),
            # A label file may have words in a script that the model can't read.
            titled=(embedded.texts >= 0) | words.any(axis=1),
            words=words,
            colours=self.workspace.measured(embedded.image_keys),
        )

    def score(self, evidence: Evidence, read: Sequence[str]) -> Scores:
        """Score products; ``read`` are the titles that the model read, "" for none."""
        scored = self.head.score(evidence)
        if self.probe is not None:
            features = self.probe.features.transform(evidence.images, evidence.titles, read)
            scored = self.probe.overlay(scored, self.head.space, features)
        return scored

    def tag(self, embedded: Embedded, *, scores: bool = False) -> list[Tagged]:
        """Return one row per item of a window, error rows included, in order.

        With ``scores`` rows carry the score of every label.
        """
        evidence = self.evidence(embedded)
        rows = self.decide(embedded, self.score(evidence, embedded.read), scores=scores)
        said = self._disagreements(evidence, embedded)
        return [
            row if row.message or place not in said else replace(row, message=said[place])
            for place, row in enumerate(rows)
        ]

    @cached_property
    def _looker(self) -> ZeroShot | None:
        """The head of the groups in which a picture may contradict a title; None without any."""
        groups = judged_groups(self.space)
        kept = {tag for tag in self.space.tags if tag.split("=")[0] in groups}
        return zero_shot(self.workspace, self.space.only(kept), self._statistics) if kept else None

    def _disagreements(self, evidence: Evidence, embedded: Embedded) -> dict[int, str]:
        """Return what photos and titles say against each other, by row, if it is likely enough."""
        if self._looker is None or not self._looker.statistics.fitted:
            return {}
        space = self._looker.space
        columns = [self.space.column(tag) for tag in space.tags]
        words = evidence.words[:, columns]
        if not words.any():  # no title says anything that a picture could be against
            return {}
        looks = self._looker.score(replace(evidence, words=words).untitled())
        blank = self._looker.blank(evidence.images, evidence.colours)
        found: dict[int, str] = {}
        for group in space.names:
            against = evidence_against(space, group, words, looks, looks)
            for at in np.flatnonzero(against.chance("alone") >= CONFLICT):
                row = int(against.rows[at])
                item = embedded.items[row]
                decided = self.standing is not None and group in self.standing.labels(item)
                if row not in found and not blank[row] and not decided:
                    said, seen = (
                        space.labels[int(c[at])].name for c in (against.said, against.seen)
                    )
                    found[row] = (
                        f"photo and title may disagree: {group} {said} in the title, {seen} in the"
                        " photo"
                    )
        return found

    def decide(self, embedded: Embedded, scored: Scores, *, scores: bool = False) -> list[Tagged]:
        """Return the rows of `tag` for items that were scored."""
        found = self.decider.decide(scored)
        pairs = zip(embedded.errors, found, strict=True)
        tags = [() if error else tags for error, tags in pairs]
        if self.standing is not None:
            items = zip(embedded.items, tags, strict=True)
            tags = [self.standing.over(item, own) for item, own in items]
        return [
            Tagged(
                id=item.id,
                path=item.path,
                title=item.title,
                status="error" if error else "ok",
                message=error,
                tags=tags[row],
                scores=self.decider.all_scores(scored, row) if scores and not error else None,
            )
            for row, (item, error) in enumerate(zip(embedded.items, embedded.errors, strict=True))
        ]


def applied_probe(workspace: Workspace) -> Path | None:
    """Return the probe that was applied in a workspace; None without one of its model."""
    return found_probe(workspace.path, workspace.encoder)


def found_probe(workspace: Path, encoder: Encoder) -> Path | None:
    """Return the probe that was applied in the workspace of a folder, if it is of this model."""
    folder = workspace / APPLIED
    if not (folder / FILE_NAME).is_file():
        return None
    from fashiontag.heads.artefact import KIND  # and scikit-learn with it

    made_with = Manifest.load(folder, KIND).fingerprint
    return folder if made_with == encoder.fingerprint else None


def index_entries(embedded: Embedded, rows: Sequence[Tagged], space: LabelSpace) -> Iterator[Entry]:
    """Yield what the index keeps: files and rows of data sets whose picture was read.

    The space says what the tags stand under: sneakers are found among shoes.
    """
    for item, row, key in zip(embedded.items, rows, embedded.image_keys, strict=True):
        if row.status == "ok" and item.path:  # a picture in memory has none
            tags = tuple(tag.tag for tag in row.given)
            above = {upper for tag in tags for upper in space.tags_above.get(tag, ())}
            entry = index_entry(item, key, tags)
            yield replace(entry, above=tuple(sorted(above.difference(tags))))


def index_entry(item: Item, image_key: str | None, tags: tuple[str, ...] | None) -> Entry:
    """Return what the index keeps of an item; ``tags`` is None where nobody judged it."""
    return Entry(item, tags, image_key, text_key(item.text) if item.text else None)


def tag(
    workspace: Workspace,
    catalog: Catalog,
    space: LabelSpace,
    *,
    probe: Path | None = None,
    outputs: Outputs | None = None,
    scores: bool = False,
    sinks: Sequence[Sink] = (),
    options: EmbedOptions = DEFAULTS,
) -> TagSummary:
    """Tag a catalogue: into files, into the index, and to whoever else listens.

    Rows are of what `Catalog.by` says; the index holds photos, tagged each by itself, in any case.

    A run that would write what is there already is left out.

    Parameters
    ----------
    workspace : Workspace
        What is stored in it is not encoded again; its index is made to match the catalogue.
    catalog : Catalog
    space : LabelSpace
    probe : Path or None
        A folder of `save_probe`: it judges the labels that it knows.
    outputs : Outputs or None
        The files to write; None for none.
    scores : bool
        Whether rows carry the score of every label; in a table, ``.jsonl`` and ``.parquet`` only.
    sinks : sequence of Sink
        Each gets one row per item too, whatever happened to it; nothing of a run that is left out.
    options : EmbedOptions

    Raises
    ------
    UsageError
        An output is one of the inputs, or of no known format; or there is no such probe.
    CatalogError, ForeignEncoderError
        The probe is damaged, or was trained with another model.
    OutputError, StoreError
        A file can't be written, or the table there isn't as this program wrote it.
    """
    began = time.monotonic()
    if outputs is not None:
        outputs.check(catalog, scores=scores)
    loaded = None
    if probe is not None:
        from fashiontag.heads.artefact import load_probe

        loaded = load_probe(probe, workspace.encoder)
    # The table of a run that may be left out: one on standard output is gone, and a contact sheet
    # shows pictures, which are opened.
    table = outputs.table if outputs is not None and outputs.html is None else None
    judged_by = judge_digest(workspace, space, probe=probe, scores=scores) if table else ""
    space = space if loaded is None else space.with_(loaded.space)
    standing = Standing.of(workspace.store, catalog, space)
    judge = Judge(workspace, space, loaded, standing=standing)
    units = None if catalog.by == "photo" else UnitJudge(judge, catalog)
    moved = workspace.follow(catalog)
    said = (
        *catalog.warnings,
        *[moved] * bool(moved),
        *standing.notes,
        *(units.standing.notes if units else ()),
    )
    if table is not None:
        kept = Run.of(workspace, table, catalog, judged_by).done()
        if kept is not None:
            facts = {"encoded": 0, "warnings": said, "out": table, "unchanged": True}
            return TagSummary(**kept | facts | {"seconds": time.monotonic() - began})
    with ExitStack() as stack:
        opened = _open_outputs(stack, outputs, catalog, judge, units, scores=scores)
        summary = _run(judge, units, catalog, [*opened, *sinks], scores=scores, options=options)
    refresh_neighbours(workspace)
    decided = standing.decided + (units.standing.decided if units else 0)
    summary = replace(summary, decided=decided, warnings=said)
    if outputs is not None:
        summary = replace(summary, out=outputs.table, html=outputs.html)
    if table is not None:
        facts = {"out": None, "warnings": ()}  # as this run has them
        Run.of(workspace, table, catalog, judged_by).keep(asdict(summary) | facts)
    return replace(summary, seconds=time.monotonic() - began)


def _open_outputs(
    stack: ExitStack,
    outputs: Outputs | None,
    catalog: Catalog,
    judge: Judge,
    units: UnitJudge | None,
    *,
    scores: bool,
) -> list[Sink]:
    """Open the files of a run, having made sure that they can be written."""
    from fashiontag.sinks.tables import Layout, open_table

    if outputs is None:
        return []
    rows = catalog if units is None else units.catalog
    layout = Layout(
        judge.space.names,
        scores,
        promised=judge.promised,
        units=units is not None,
        keys=catalog.keys if units is None else (),
    )
    sinks: list[Sink] = []
    before = None
    if outputs.table is not None:
        recording = Written(judge.workspace.path, outputs.table).record(
            About.of(outputs.table, rows.root, judge.space),
            layout,
            {item.id for item in rows.items},
            overwrite=outputs.overwrite,
        )
        sinks.append(recorder := stack.enter_context(recording))
        before = recorder.before
    table = open_table(outputs.table, layout, before=before)
    sinks.append(stack.enter_context(table))
    if outputs.html is not None:
        from fashiontag.catalog.images import load_image
        from fashiontag.sinks.contactsheet import open_report

        sinks.append(
            stack.enter_context(
                open_report(
                    outputs.html,
                    title=f"fashiontag: {catalog.source}",
                    space=judge.space,
                    load=load_image,
                )
            )
        )
    return sinks


@dataclass
class Tally:
    """What is counted while a catalogue is judged; tallies of its parts add up."""

    counts: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)

    def __add__(self, other: Tally) -> Tally:
        # not Counter's own sum, which drops what is 0
        summed = Tally(Counter(self.counts), Counter(self.reasons), Counter(self.groups))
        summed.counts.update(other.counts)
        summed.reasons.update(other.reasons)
        summed.groups.update(other.groups)
        return summed

    def window(self, embedded: Embedded) -> None:
        """Count what embedding met."""
        self.counts["encoded"] += embedded.encoded
        self.counts["chunked_titles"] += embedded.chunked
        for item, title in zip(embedded.items, embedded.read, strict=True):
            self.counts["titled"] += bool(title)
            self.counts["silent_titles"] += bool(item.title.strip()) and not title

    def row(self, row: Tagged) -> None:
        """Count one row."""
        if row.status == "error":
            self.reasons[row.message] += 1
        else:
            self.counts["ok"] += 1
        self.groups.update({tag.group for tag in row.given})

    def summary(self, catalog: Catalog, model: str, labels: str, *, fitted: bool) -> TagSummary:
        """Return it as a run says it."""
        names = ("ok", "encoded", "titled", "chunked_titles", "silent_titles")
        counts: dict[str, Any] = {name: self.counts[name] for name in names}
        return TagSummary(
            source=catalog.source,
            model=model,
            labels=labels,
            items=self.counts["ok"] + self.reasons.total(),
            errors=self.reasons.total(),
            reasons=dict(self.reasons.most_common()),
            tagged=dict(self.groups),
            probabilities=fitted,
            warnings=catalog.warnings,
            **counts,
        )


@dataclass(frozen=True, slots=True)
class Judged:
    """A window of photos, a row for each, and the rows of the table that came with it."""

    embedded: Embedded
    photos: Sequence[Tagged]
    rows: Sequence[tuple[Tagged, Item]]


def judged(
    judge: Judge,
    units: UnitJudge | None,
    items: Sequence[Item],
    tally: Tally,
    *,
    scores: bool = False,
    options: EmbedOptions = DEFAULTS,
) -> Iterator[Judged]:
    """Embed and judge items window by window, counting; the one way to a row of tags."""
    tally.groups.update(dict.fromkeys(judge.space.names, 0))
    for embedded in embed(judge.workspace, items, options):
        photos = judge.tag(embedded, scores=scores and units is None)
        tally.window(embedded)
        rows: list[tuple[Tagged, Item]] = (
            list(zip(photos, embedded.items, strict=True))
            if units is None
            else [(row, row.photos[0]) for row in units.add(embedded, scores=scores)]
        )
        for row, _ in rows:
            tally.row(row)
        yield Judged(embedded, photos, rows)


def _run(
    judge: Judge,
    units: UnitJudge | None,
    catalog: Catalog,
    sinks: Sequence[Sink],
    *,
    scores: bool,
    options: EmbedOptions,
) -> TagSummary:
    workspace, tally = judge.workspace, Tally()

    def entries() -> Iterator[Entry]:
        for window in judged(judge, units, catalog.items, tally, scores=scores, options=options):
            for row, item in window.rows:
                for sink in sinks:
                    sink.write(row, item)
            yield from index_entries(window.embedded, window.photos, judge.space)

    workspace.index.replace_source(
        catalog.root,
        entries(),
        fingerprint=workspace.encoder.fingerprint,
        model=workspace.encoder.name,
        labels=judge.space.name,
        complete=catalog.complete,
    )
    fitted = judge.head.fitted
    return tally.summary(catalog, workspace.encoder.name, judge.space.name, fitted=fitted)
