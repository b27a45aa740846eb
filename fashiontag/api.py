"""`Tagger`: the same as the command line, from Python."""

from __future__ import annotations

import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from fashiontag.catalog import FileRef, clean_title
from fashiontag.datamodels import Item
from fashiontag.encoders import resolve
from fashiontag.index import Entry, Index
from fashiontag.labels import load_labels
from fashiontag.vectors import VectorStore
from fashiontag.workflows.embed import embed
from fashiontag.workflows.search import search as search_workspace
from fashiontag.workflows.tag import ZeroShotTagger, index_entry

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fashiontag.datamodels import Encoder, Hit, Tagged
    from fashiontag.heads.probe import Probe
    from fashiontag.labels import LabelSpace

DEFAULT_WORKSPACE = Path(".fashiontag")


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
        Trained with this encoder; `space` has to hold its labels.

    Examples
    --------
    >>> from fashiontag import Tagger
    >>> tagger = Tagger.from_pretrained()  # doctest: +SKIP
    >>> tagger.tag(["dress.jpg"], ["Navy floral dress"])[0].labels("color")  # doctest: +SKIP
    ('navy',)
    """

    def __init__(
        self, encoder: Encoder, space: LabelSpace, workspace: Path, probe: Probe | None = None
    ) -> None:
        self.encoder = encoder
        self.space = space
        self.workspace = workspace
        self.probe = probe
        self._tagger: ZeroShotTagger | None = None
        self._store: VectorStore | None = None

    @classmethod
    def from_pretrained(
        cls,
        model: str | None = None,
        labels: str | Path | None = None,
        probe: str | Path | None = None,
        *,
        workspace: str | Path = DEFAULT_WORKSPACE,
        device: str = "auto",
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
        encoder = resolve(model, device=device, offline=offline)
        space, trained = load_labels(labels), None
        if probe is not None:
            from fashiontag.heads.artefact import load_probe

            trained = load_probe(Path(probe))
            trained.manifest.check_encoder(encoder, f"The probe {probe}")
            space = space.with_(trained.space)
        return cls(encoder, space, Path(workspace), trained)

    def tag(
        self,
        images: Sequence[str | Path | Image.Image] | str | Path | Image.Image,
        titles: Sequence[str | None] | str | None = None,
        *,
        scores: bool = False,
    ) -> list[Tagged]:
        """Tag pictures; `search` then finds those that are files.

        Parameters
        ----------
        images : sequence of str, Path or PIL.Image.Image, or one of them
            Files, or pictures in memory. A file's id is its path as given, a picture's its place
            in the sequence.
        titles : sequence of str or None, optional
            One per picture; None, NaN or "" where there is none. Markup is removed.
        scores : bool
            Whether results carry the score of every label.

        Returns
        -------
        list of Tagged
            One per picture, in order. One that can't be read has status "error" and the reason.

        Raises
        ------
        ValueError
            The two sequences differ in length.
        TypeError
            They hold something else.
        """
        pictures = [images] if isinstance(images, _PICTURE) else list(images)
        given = [titles] if titles is None or isinstance(titles, str) else list(titles)
        if titles is not None and len(given) != len(pictures):
            raise ValueError(
                f"{len(pictures)} images and {len(given)} titles were given; "
                "give one title per image, None where there is none."
            )
        items = [
            _item(image, place, _title(given[place] if titles is not None else None))
            for place, image in enumerate(pictures)
        ]
        store = self._open()
        if self._tagger is None:
            self._tagger = ZeroShotTagger(self.encoder, self.space, store, probe=self.probe)
        results: list[Tagged] = []
        entries: dict[str, Entry] = {}  # a path that was given twice is one item, as told last
        for embedded in embed(items, self.encoder, store):
            tagged = list(self._tagger.tag(embedded, scores=scores))
            results += tagged
            entries |= {
                row.id: index_entry(row, item, key)
                for row, item, key in zip(tagged, embedded.items, embedded.image_keys, strict=True)
                if row.status == "ok" and item.path
            }
        with Index.open(self.workspace) as index:
            index.replace_source(
                f"python:{Path.cwd()}",
                entries.values(),
                fingerprint=self.encoder.fingerprint,
                model=self.encoder.name,
                labels=self.space.name,
                complete=False,  # what was tagged before stays
            )
        return results

    def search(
        self,
        query: str | None = None,
        image: str | Path | None = None,
        minus: str | None = None,
        where: str | None = None,
        k: int = 10,
    ) -> list[Hit]:
        """Search what was tagged, here or on the command line, in the same workspace.

        Parameters
        ----------
        query : str or None
            Words; together with `image` one joint query.
        image : str, Path or None
            A picture to look like.
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
        result = search_workspace(
            self.workspace, self.encoder, query=query, image=image, minus=minus, where=where, k=k
        )
        return list(result.hits)

    def _open(self) -> VectorStore:
        if self._store is None:
            self._store = VectorStore.open(self.workspace)
        return self._store


@dataclass(frozen=True, slots=True)
class _PictureRef:
    """A picture in memory; its bytes are PNG, which loses nothing."""

    picture: Image.Image
    locator: str

    def stamp(self) -> None:
        """Return None: memory has no time of change."""

    def read(self) -> bytes:
        """Return the picture as PNG."""
        buffer = io.BytesIO()
        plain = self.picture if self.picture.mode in _PNG_MODES else self.picture.convert("RGB")
        plain.save(buffer, "PNG", compress_level=1)
        return buffer.getvalue()


_PICTURE = (str, Path, Image.Image)
_PNG_MODES = {"1", "L", "LA", "I", "I;16", "P", "RGB", "RGBA"}


def _title(title: object) -> str:
    if title is None or title != title:
        return ""
    if not isinstance(title, str):
        raise TypeError(f"A title is {title!r}; give text, or None where there is none.")
    return title


def _item(image: str | Path | Image.Image, place: int, title: str) -> Item:
    text = clean_title(title)
    if isinstance(image, str | Path):
        path = os.fspath(image)
        file = os.path.abspath(path)  # noqa: PTH100 (resolve() would follow links)
        return Item(path, path, title, text, {}, FileRef(file))
    if not isinstance(image, Image.Image):
        raise TypeError(
            f"Image {place} is {type(image).__name__}; give a path or a PIL.Image.Image."
        )
    return Item(str(place), "", title, text, {}, _PictureRef(image, f"memory:{place}"))
