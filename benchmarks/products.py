"""The fashion-products data for the benchmarks: official split, families, title conditions."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fashiontag.catalog import FileRef, clean_title
from fashiontag.datamodels import Item
from fashiontag.manifest import versions

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from fashiontag.datamodels import Encoder

ROOT = Path(__file__).parents[1]
ATTRIBUTES = (
    "articleType",
    "baseColour",
    "gender",
    "season",
    "usage",
    "subCategory",
    "masterCategory",
)
CONDITIONS = ("plain", "masked", "absent", "swapped")
EMPTY = {"", "NA"}
"""Cells that sellers left blank: not known, which is not "none of these"."""


def data_folder() -> Path:
    """Return where the data lies: FASHIONTAG_DATA, else ../shared/data; exit if it is nowhere."""
    folder = Path(os.environ.get("FASHIONTAG_DATA") or ROOT.parent / "shared" / "data")
    if not (folder / "fashion-products" / "styles.csv").is_file():
        sys.exit(f"No fashion-products data in {folder}; set FASHIONTAG_DATA to the folder.")
    return folder


def made_with(encoder: Encoder | None = None, *, data: bool = True) -> str:
    """Return what figures stand on, for the top of their page: model, data, versions, machine."""
    said = [f"model {encoder.name} ({encoder.fingerprint[:12]})"] if encoder else []
    said += [f"data {data_hash()}"] if data else []
    packages = ("fashiontag", "numpy", "torch", "open-clip-torch", "faiss-cpu", "pillow")
    found = ", ".join(f"{name} {number}" for name, number in versions(packages).items())
    return " · ".join([*said, found, f"{os.cpu_count()} cores of {processor()}"])


def data_hash() -> str:
    """Return twelve digits for the tables of fashion-products and its pictures' names and sizes."""
    folder = data_folder() / "fashion-products"
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.csv")):
        digest.update(path.read_bytes())
    for entry in sorted(os.scandir(folder / "images"), key=lambda one: one.name):
        digest.update(f"{entry.name} {entry.stat().st_size}\n".encode())
    return digest.hexdigest()[:12]


def processor() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    names = [s for s in info.read_text().splitlines() if "model name" in s] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor()


@dataclass(frozen=True)
class Products:
    """Pictured products of one split, in the order of their ids as text.

    Attributes
    ----------
    ids, families : ndarray of shape (n,), str
    attributes : mapping of str to ndarray of shape (n,), str
        "" where the seller left the cell blank.
    titles : mapping of str to list of n str
        One list per title condition; ``swapped`` exists for the test split only.
    """

    ids: NDArray[np.str_]
    families: NDArray[np.str_]
    attributes: dict[str, NDArray[np.str_]]
    titles: dict[str, list[str]]

    def without_types(self, types: Collection[str]) -> Products:
        """Return the products of all other types."""
        kept = np.flatnonzero(~np.isin(self.attributes["articleType"], list(types)))
        return Products(
            ids=self.ids[kept],
            families=self.families[kept],
            attributes={name: values[kept] for name, values in self.attributes.items()},
            titles={name: [said[i] for i in kept] for name, said in self.titles.items()},
        )

    def items(self, condition: str) -> list[Item]:
        """Return the products as a catalogue with the titles of one condition."""
        images = data_folder() / "fashion-products" / "images"
        return [
            Item(
                id=f"{one}.jpg",
                path=str(images / f"{one}.jpg"),
                title=title,
                text=clean_title(title),
                fields={},
                image=FileRef(images / f"{one}.jpg"),
            )
            for one, title in zip(self.ids, self.titles[condition], strict=True)
        ]


def load(splits: Sequence[str]) -> Products:
    """Read the pictured products of some splits ("pool", "val", "test")."""
    folder = data_folder() / "fashion-products"

    def table(name: str) -> pd.DataFrame:
        return pd.read_csv(folder / name, dtype=str, keep_default_na=False, index_col="id")

    official = table("splits.csv")
    official = official[official["split"].isin(list(splits)) & (official["image"] == "1")]
    ids = sorted(official.index)
    styles = table("styles.csv").loc[ids]
    swapped = table("titles_swapped.csv")["title"]
    titles = {
        "plain": styles["productDisplayName"].tolist(),
        "masked": table("titles_masked.csv")["title"].loc[ids].tolist(),
        "absent": [""] * len(ids),
    }
    if set(ids) <= set(swapped.index):
        titles["swapped"] = swapped.loc[ids].tolist()
    return Products(
        ids=np.array(ids),
        families=official.loc[ids, "family"].to_numpy(str),
        attributes={
            name: np.where(styles[name].isin(EMPTY), "", styles[name]).astype(str)
            for name in ATTRIBUTES
        },
        titles=titles,
    )
