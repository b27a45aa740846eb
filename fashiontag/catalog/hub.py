"""Data sets through Hugging Face `datasets`: from the hub, a local folder or a Parquet file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fashiontag.catalog.items import Catalog, Words, make_item
from fashiontag.catalog.parquet import picture_in
from fashiontag.catalog.tables import Table, as_text
from fashiontag.errors import CatalogError, FashiontagError, ImageError, UsageError

if TYPE_CHECKING:
    from fashiontag.datamodels import Item

# Without a network `datasets` retries for 24 s before it says so; one question does.
_SECONDS_TO_ANSWER = 4


@dataclass(frozen=True, slots=True)
class DatasetRef:
    """A picture in a row of a data set: an `ImageRef`.

    Attributes
    ----------
    locator : str
        ``hf:NAME/split/row``.
    rows : Dataset
        The split with its image column only, undecoded.
    column : str
        The name of that column.
    row : int
        From 0.
    """

    locator: str
    rows: Any = field(repr=False, compare=False)
    column: str
    row: int

    def stamp(self) -> str | None:
        """Return None: a data set does not say when a row changed."""
        return None

    def read(self) -> bytes:
        """Return the encoded picture; raise `ImageError` with the reason if there is none."""
        try:
            cell = self.rows[self.row][self.column]
        except Exception as error:  # pyarrow's errors and those of a remote file
            raise ImageError(f"the row can't be read: {error}") from error
        return picture_in(cell)


def list_dataset(source: str, title_column: str | None) -> Catalog:
    """List the rows of all splits of ``hf:NAME``, with the titles that the data set has itself.

    NAME is a data set of the hub, a local folder (pictures, Parquet files, or what
    ``save_to_disk`` wrote) or a Parquet file. The image column is the first of the type Image.

    Raises
    ------
    UsageError
        There is no such data set, or it lacks the title column asked for.
    CatalogError
        It can't be had here and now, has no image column, or no row.
    """
    name = source.removeprefix("hf:")
    if not name:
        raise UsageError("hf: names no data set; give hf:NAME, with NAME of the hub or a folder.")
    root = "hf:" + (str(Path(name).absolute()) if Path(name).exists() else name)
    items = [
        item
        for split, rows in _load(source, name).items()
        for item in _rows(source, root, str(split), rows, title_column)
    ]
    if not items:
        raise CatalogError(f"{source} has no row; name a data set with pictures.")
    return Catalog(source, root, tuple(items))


def _rows(source: str, root: str, split: str, rows: Any, title_column: str | None) -> list[Item]:  # noqa: ANN401 - `datasets` has no types
    import datasets

    features = rows.features
    image = next((n for n, kind in features.items() if isinstance(kind, datasets.Image)), None)
    if image is None:
        raise CatalogError(
            f"{source} has no column of the type Image in its split {split}; its columns are "
            f"{', '.join(features)}; cast one with datasets' cast_column, or name another data set."
        )
    plain = [
        column
        for column, kind in features.items()
        if isinstance(kind, datasets.Value | datasets.ClassLabel) and kind.dtype != "binary"
    ]
    title_at = Table(source, tuple(plain), ()).column("title", title_column)
    cells = {column: _texts(rows, column) for column in plain}
    pictures = rows.select_columns([image]).cast_column(image, datasets.Image(decode=False))
    titles = cells.pop(plain[title_at]) if title_at is not None else [""] * len(rows)
    return [
        make_item(
            f"{split}/{row}",
            f"{source}/{split}/{row}",
            DatasetRef(f"{root}/{split}/{row}", pictures, image, row),
            Words(title.strip(), {column: texts[row] for column, texts in cells.items()}),
        )
        for row, title in enumerate(titles)
    ]


def _texts(rows: Any, column: str) -> list[str]:  # noqa: ANN401
    values = rows.select_columns([column]).with_format(None)[:][column]
    names = getattr(rows.features[column], "names", None)
    if names:
        # -1 is how `datasets` marks a row without a class
        return [names[value] if value is not None and value >= 0 else "" for value in values]
    return [as_text(value) for value in values]


def _load(source: str, name: str) -> Mapping[str, Any]:
    import datasets

    local = Path(name)
    shown = datasets.is_progress_bar_enabled()
    datasets.disable_progress_bars()  # the library never prints
    try:
        if (local / "state.json").is_file() or (local / "dataset_dict.json").is_file():
            loaded = datasets.load_from_disk(name)
        elif local.is_file():
            loaded = datasets.load_dataset("parquet", data_files=name)
        else:
            if not local.is_dir():
                _ask_hub(source, name)
            loaded = datasets.load_dataset(name)
    except FashiontagError:
        raise
    except Exception as error:  # `datasets` raises whatever its readers and its network raise
        raise CatalogError(
            f"{source} can't be loaded as a data set: {' '.join(str(error).split())[:200]}; name a "
            "data set of the hub, a folder of pictures or Parquet files, or one Parquet file."
        ) from error
    finally:
        if shown:
            datasets.enable_progress_bars()
    return loaded if isinstance(loaded, Mapping) else {str(loaded.split or "train"): loaded}


def _ask_hub(source: str, name: str) -> None:
    """Ask the hub once whether it has the data set; offline, `datasets` looks into its cache."""
    import huggingface_hub
    from huggingface_hub import errors

    if huggingface_hub.is_offline_mode():
        return
    try:
        huggingface_hub.HfApi().dataset_info(name, timeout=_SECONDS_TO_ANSWER)
    except (errors.RepositoryNotFoundError, errors.HFValidationError) as error:
        raise UsageError(
            f"There is no data set {source}: the hub and this folder have none of that name; "
            "check the spelling, or log in if it is a private one."
        ) from error
    except Exception as error:  # no network: what is raised depends on the HTTP library
        endpoint = os.environ.get("HF_ENDPOINT", "https://huggingface.co")
        raise CatalogError(
            f"{source} is no local folder, and {endpoint} can't be reached; connect, give a local "
            "folder (hf:FOLDER), or set HF_HUB_OFFLINE=1 if it was downloaded before."
        ) from error
