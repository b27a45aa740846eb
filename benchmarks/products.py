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

from benchmarks.lab.data import EMPTY, rows_by_id
from benchmarks.paths import data_root
from fashiontag.catalog import FileRef, clean_title
from fashiontag.datamodels import Item
from fashiontag.manifest import versions

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from numpy.typing import NDArray

    from fashiontag.datamodels import Encoder

ATTRIBUTES = (
    "articleType",
    "baseColour",
    "gender",
    "season",
    "usage",
    "subCategory",
    "masterCategory",
)


def data_folder() -> Path:
    """Return `data_root`; exit if the catalogue isn't there."""
    folder = data_root()
    if not (folder / "fashion-products" / "styles.csv").is_file():
        sys.exit(f"No fashion-products data in {folder}; set FASHIONTAG_DATA to the folder.")
    return folder


def made_with(encoder: Encoder | None = None, *, data: bool = True) -> str:
    """Return what figures stand on, for the top of their page: model, data, versions, machine."""
    parts = [f"model {encoder.name} ({encoder.fingerprint[:12]})"] if encoder else []
    parts += [f"data {data_hash()}"] if data else []
    packages = ("fashiontag", "numpy", "torch", "open-clip-torch", "faiss-cpu", "pillow")
    found = ", ".join(f"{name} {number}" for name, number in versions(packages).items())
    return " · ".join([*parts, found, f"{os.cpu_count()} cores of {processor()}"])


def data_hash() -> str:
    """Return twelve digits for the tables of fashion-products and its pictures' names and sizes."""
    folder = data_folder() / "fashion-products"
    digest = hashlib.sha256()
    for path in sorted(folder.glob("*.csv")):
        digest.update(path.read_bytes())
    for entry in sorted(os.scandir(folder / "images"), key=lambda entry: entry.name):
        digest.update(f"{entry.name} {entry.stat().st_size}\n".encode())
    return digest.hexdigest()[:12]


def processor() -> str:
    """Return the processor's name."""
    info = Path("/proc/cpuinfo")
    names = [s for s in info.read_text().splitlines() if "model name" in s] if info.exists() else []
    return names[0].partition(":")[2].strip() if names else platform.processor()


def flags() -> str:
    """Return what of the processor's instructions decides on the speed of matrix products."""
    info = Path("/proc/cpuinfo")
    known = set(info.read_text().split()) if info.exists() else set()
    names = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")
    return "processor with " + (", ".join(name for name in names if name in known) or "none known")


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
            titles={name: [listed[i] for i in kept] for name, listed in self.titles.items()},
        )

    def items(self, condition: str) -> list[Item]:
        """Return the products as a catalogue with the titles of one condition."""
        images = data_folder() / "fashion-products" / "images"
        return [
            Item(
                id=f"{number}.jpg",
                path=str(images / f"{number}.jpg"),
                title=title,
                text=clean_title(title),
                fields={},
                image=FileRef(str(images / f"{number}.jpg")),
            )
            for number, title in zip(self.ids, self.titles[condition], strict=True)
        ]


def load(splits: Sequence[str]) -> Products:
    """Read the pictured products of some splits ("pool", "val", "test")."""
    folder = data_folder() / "fashion-products"
    official, styles, masked, swapped = (
        rows_by_id(folder / name)
        for name in ("splits.csv", "styles.csv", "titles_masked.csv", "titles_swapped.csv")
    )
    ids = sorted(
        key for key, row in official.items() if row["split"] in splits and row["image"] == "1"
    )
    titles = {
        "plain": [styles[key]["productDisplayName"] for key in ids],
        "masked": [masked[key]["title"] for key in ids],
        "absent": [""] * len(ids),
    }
    if swapped.keys() >= set(ids):
        titles["swapped"] = [swapped[key]["title"] for key in ids]
    cells = {name: [styles[key][name] for key in ids] for name in ATTRIBUTES}
    return Products(
        ids=np.array(ids),
        families=np.array([official[key]["family"] for key in ids]),
        attributes={
            name: np.array(["" if cell in EMPTY else cell for cell in values])
            for name, values in cells.items()
        },
        titles=titles,
    )
