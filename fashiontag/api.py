"""`Tagger`: the same workflows as the command line, from Python."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sized
from itertools import starmap, zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeGuard

from fashiontag.catalog import item_of
from fashiontag.encoders import resolve
from fashiontag.index import GUEST
from fashiontag.labels import load_labels
from fashiontag.sinks.tables import Layout
from fashiontag.workflows.search import Query
from fashiontag.workflows.search import search as search_in
from fashiontag.workflows.tag import Judge, index_entries
from fashiontag.workspace import Workspace
from fashiontag.workspace.decisions import Standing, current
from fashiontag.workspace.embed import EmbedOptions, embed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import numpy as np
    from numpy.typing import NDArray
    from pandas import DataFrame
    from PIL.Image import Image

    from fashiontag.datamodels import Encoder, Hit, Item, Tagged
    from fashiontag.heads.probe import Probe
    from fashiontag.index import Entry
    from fashiontag.labels import LabelSpace

    Picture = str | os.PathLike[str] | bytes | Image | NDArray[np.uint8]

DEFAULT_WORKSPACE = Path(".fashiontag")

WINDOW = 64
"""Items tagged at once: pictures in memory are as large as their callers made them."""

INDEXED_AT_ONCE = 1024
"""Items that enter the index in one step; one that is still waiting is found a moment later."""


class Tagger:
    """Tags product pictures, and searches what was tagged.

    Make one with `Tagger.from_pretrained`; the model is loaded when it is first needed.

    Parameters
    ----------
    encoder : Encoder
    space : LabelSpace
    workspace : Path
        Where vectors and the index are kept: what is in it is not encoded again, and
        ``fashiontag search`` finds what was tagged from Python.
    probe : Probe or None
        Trained with this encoder; its labels are added to `space`.

    Examples
    --------
    >>> import tempfile
    >>> import numpy as np
    >>> from fashiontag import Tagger
    >>> tagger = Tagger.from_pretrained(workspace=tempfile.mkdtemp())
    >>> blank = np.full((90, 60, 3), 255, np.uint8)
    >>> (row,) = tagger.tag([blank], ["Women Navy Floral Dress"])
    >>> row.labels("category"), row.labels("color")
    (('dress',), ('navy',))
    """

    def __init__(
        self, encoder: Encoder, space: LabelSpace, workspace: Path, probe: Probe | None = None
    ) -> None:
        self.encoder = encoder
        self.space = space if probe is None else space.with_(probe.space)
        self.workspace = Path(workspace)
        self.probe = probe
        self._judge: Judge | None = None

    @classmethod
    def from_pretrained(
        cls,
        model: str | None = None,
        labels: str | Path | None = None,
        probe: str | Path | None = None,
        *,
        workspace: str | Path = DEFAULT_WORKSPACE,
        device: str = "auto",
        precision: str = "auto",
        offline: bool = False,
    ) -> Tagger:
        """Return a tagger for a model and a label file, both as the command line names them.

        Parameters
        ----------
        model : str or None
            None is the embedded model.
        labels : str, Path or None
            A shipped label file's name or a path; None is ``fashion``.
        probe : str, Path or None
            A folder that ``fashiontag probe-train`` wrote: it judges the labels that it knows.
        workspace : str or Path
            The folder of vectors and index; made when something is tagged.
        device : str
            "auto", "cpu", "cuda", "cuda:1" or "mps".
        precision : str
            "auto" (the fastest of the device), "fp32", "bf16" or "fp16".
        offline : bool
            Never touch the network.

        Raises
        ------
        UsageError
            There is no such model or label file.
        ModelError
            The model can't be had here.
        LabelFileError
            The label file breaks a rule.
        ForeignEncoderError
            The probe was trained with another model.
        """
        encoder = resolve(model, device=device, precision=precision, offline=offline)
        space = load_labels(labels)
        if probe is None:
            return cls(encoder, space, Path(workspace))
        from fashiontag.heads.artefact import load_probe

        return cls(encoder, space, Path(workspace), load_probe(Path(probe), encoder))

    def tag(
        self,
        images: Iterable[Picture] | Picture,
        titles: Iterable[str | None] | str | None = None,
        *,
        scores: bool = False,
        batch_size: int | None = None,
        workers: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> list[Tagged]:
        """Tag pictures; `search` then finds those that are files.

        Parameters
        ----------
        images : iterable of pictures, or one of them
            Each a file's path, a file's bytes, a PIL image, or an array of shape (h, w) or
            (h, w, 3 or 4), uint8. A file's id is its path as given, another picture's its place.
        titles : iterable of str or None, optional
            One per picture; None, NaN or "" where there is none. Markup is removed.
        scores : bool
            Whether results carry the score of every label.
        batch_size : int or None
            Pictures per forward pass; None takes what the device likes.
        workers : int or None
            Threads that read and decode; None takes one per processor.
        progress : callable or None
            Called with the number of pictures that have just been done, as ``tqdm``'s ``update``.

        Returns
        -------
        list of Tagged
            One per picture, in order. One that can't be read has status "error" and the reason.

        Raises
        ------
        ValueError
            There aren't as many titles as pictures.
        TypeError
            They hold something else.
        """
        if hasattr(images, "columns"):
            raise TypeError("images is a data frame; give it to tag_frame, which says its columns.")
        if isinstance(images, Mapping):
            raise TypeError("images is a mapping; give its values, and the titles in their order.")
        pictures: Iterable[Any] = [images] if _is_picture(images) else images  # type: ignore[assignment]
        pairs: Iterable[Any] = pictures
        if titles is not None:
            pairs = _paired(pictures, [titles] if isinstance(titles, str) else titles)
        return list(
            self.iter(
                pairs, scores=scores, batch_size=batch_size, workers=workers, progress=progress
            )
        )

    def iter(
        self,
        items: Iterable[Picture | tuple[Picture, str | None]],
        *,
        scores: bool = False,
        batch_size: int | None = None,
        workers: int | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> Iterator[Tagged]:
        """Tag pictures as they come, in memory that doesn't grow with their number.

        Parameters
        ----------
        items : iterable of pictures, or of pairs of a picture and its title
            Taken 64 at a time.
        scores, batch_size, workers, progress
            As in `tag`.

        Yields
        ------
        Tagged
            In order.
        """
        if self._judge is None:
            workspace = Workspace.open(self.workspace, self.encoder)
            self._judge = Judge(workspace, self.space, self.probe)
        judge = self._judge
        # people may have decided since the last call
        judge.standing = Standing(self.space, current(self.workspace), _root())
        pairs = (item if isinstance(item, tuple) else (item, None) for item in items)
        made = starmap(_item, enumerate(pairs))
        options = EmbedOptions(batch_size, workers, progress)
        entries: dict[str, Entry] = {}  # a path that was given twice is one item, as told last
        try:
            for embedded in embed(judge.workspace, made, options, window=WINDOW):
                rows = judge.tag(embedded, scores=scores)
                kept = index_entries(embedded, rows, judge.space)
                entries |= {entry.item.id: entry for entry in kept}
                if len(entries) >= INDEXED_AT_ONCE:
                    _keep(judge, entries)
                yield from rows
        finally:  # also where the caller wants no more
            if entries:
                _keep(judge, entries)

    def tag_frame(
        self,
        frame: DataFrame,
        *,
        image: str,
        title: str | None = None,
        progress: Callable[[int], None] | None = None,
    ) -> DataFrame:
        """Tag the rows of a pandas data frame.

        Parameters
        ----------
        frame : DataFrame
        image, title : str
            The columns with pictures, as of `tag`, and with titles.
        progress : callable or None

        Returns
        -------
        DataFrame
            With the frame's index, and columns as in ``tags.csv``: status, message, tags, then one
            a group with its labels joined by ``|``. Where the probe promised a precision, these
            hold what may be published, and a last column ``review`` the other tags.

        Raises
        ------
        KeyError
            There is no such column.
        """
        for name in (image, title):
            if name is not None and name not in frame.columns:
                raise KeyError(f"no column {name!r}; there are {', '.join(map(str, frame))}")
        titles = None if title is None else frame[title].tolist()
        rows = self.tag(frame[image].tolist(), titles, progress=progress)
        promised = self.probe is not None and self.probe.promised
        layout = Layout(self.space.names, promised=promised)
        found = [layout.text_row(row)[3:] for row in rows]  # the frame has id, path and title
        # its own type: no import of pandas
        return type(frame)(found, columns=layout.columns[3:], index=frame.index)

    def search(
        self,
        query: str | None = None,
        image: Picture | None = None,
        minus: str | None = None,
        where: str | None = None,
        k: int = 10,
    ) -> list[Hit]:
        """Search what was tagged, here or on the command line, in the same workspace.

        Parameters
        ----------
        query : str or None
            Words; together with `image` one joint query.
        image : picture or None
            A picture to look like, as of `tag`.
        minus : str or None
            Words to lead away from.
        where : str or None
            A filter on tags and fields, applied before the cut to `k`.
        k : int
            The most hits.

        Returns
        -------
        list of Hit
            Best first.

        Raises
        ------
        QueryError
            The query or the filter can't be understood.
        """
        looked_for = image if image is None else _file_or_bytes(image)
        asked = Query(query or "", looked_for, minus or "", where, k)
        if self._judge is not None:
            return list(search_in(self._judge.workspace, asked).hits)
        # What is there can be searched before anything is tagged from here.
        with Workspace.indexed(self.workspace, self.encoder) as workspace:
            return list(search_in(workspace, asked).hits)

    def close(self) -> None:
        """Release the workspace's files; the next call opens them again."""
        if self._judge is not None:
            self._judge.workspace.close()
            self._judge = None


def _paired(pictures: Iterable[Any], titles: Iterable[Any]) -> Iterator[tuple[Any, Any]]:
    """Yield each picture with its title as they come: pictures are as large as somebody made them.

    Raises
    ------
    ValueError
        One has fewer; before any is taken, where both know how many they are.
    """
    counts = [len(some) if isinstance(some, Sized) else None for some in (pictures, titles)]
    missing = object()
    for place, pair in enumerate(zip_longest(pictures, titles, fillvalue=missing)):
        short = any(one is missing for one in pair)
        if short or (None not in counts and counts[0] != counts[1]):
            said = [
                place + (one is not missing) if n is None else n
                for one, n in zip(pair, counts, strict=True)
            ]
            raise ValueError(
                f"{said[0]} images and {said[1]} titles were given; give one title per image, None "
                "where there is none."
            )
        yield pair


def _root() -> str:
    """Return the source of what is tagged from Python: files by their paths as given."""
    return f"{GUEST}{Path.cwd()}"


def _keep(judge: Judge, entries: dict[str, Entry]) -> None:
    """Index files that were tagged, beside what is indexed; a known file keeps its own item."""
    encoder = judge.workspace.encoder
    judge.workspace.index.replace_source(
        _root(),
        entries.values(),
        fingerprint=encoder.fingerprint,
        model=encoder.name,
        labels=judge.space.name,
        complete=False,  # what was tagged before stays
    )
    entries.clear()


def _is_picture(images: object) -> TypeGuard[Picture]:
    if isinstance(images, str | os.PathLike | bytes):
        return True
    # A PIL image, or one array; an array of file names or a stack of pictures is many.
    return hasattr(images, "getbands") or (
        getattr(images, "dtype", None) == "uint8" and getattr(images, "ndim", 0) in (2, 3)
    )


def _file_or_bytes(picture: Picture) -> Path | bytes:
    if isinstance(picture, str | os.PathLike):
        return Path(picture)
    return item_of(picture, None, "the picture").image.read()


def _item(place: int, pair: tuple[Picture, str | None]) -> Item:
    picture, title = pair
    name = os.fspath(picture) if isinstance(picture, str | os.PathLike) else str(place)
    return item_of(picture, title, name)
