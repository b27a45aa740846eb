"""How long `fashiontag serve` takes for a page, a decision and a lesson, on made-up catalogues.

::

    python -m benchmarks.review_desk --products 100000
    python -m benchmarks.review_desk --products 20000 --learn 100

Vectors and tags are random, files are empty and known to the store: what is measured is the desk,
not a model. Processor seconds count; those of the wall are of whatever else the machine does.
"""

import argparse
import os
import resource
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np

from fashiontag import colours
from fashiontag.catalog import FileRef
from fashiontag.datamodels import Item
from fashiontag.encoders import resolve
from fashiontag.index import Entry
from fashiontag.labels import load_labels
from fashiontag.server.desk import Decided, Desk
from fashiontag.vectors import Known
from fashiontag.workspace import Workspace
from fashiontag.workspace.embed import text_key

BLOCK = 10_000
PAGE = 48


def fill(folder: Path, products: int) -> None:
    """Make a workspace of so many products."""
    encoder, space, rng = resolve(None), load_labels(None), np.random.default_rng(0)
    color, category = (space.groups[n].names for n in (1, 0))
    items = []
    for n in range(products):
        file = folder / f"{n}.jpg"
        file.touch()
        os.utime(file, (1e9, 1e9))  # what was changed just now is read again
        title = f"{color[n % len(color)]} {category[n % len(category)]} {n}"
        items.append(Item(file.name, str(file), title, title, {}, FileRef(str(file))))
    with Workspace.open(folder / "workspace", encoder) as workspace:
        for start in range(0, products, BLOCK):
            some = items[start : start + BLOCK]
            for kind in (workspace.images, workspace.texts):
                vectors = rng.normal(size=(len(some), encoder.dim)).astype(np.float32)
                vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
                is_image = kind is workspace.images
                keys = [key(item) if is_image else text_key(item.text) for item in some]
                windows = None if is_image else np.ones(len(some), np.int64)
                kind.add(keys, vectors, windows=windows)
            measured = np.zeros((len(some), colours.size()), np.float32)
            workspace.colours.add([key(item) for item in some], measured)
            workspace.store.remember(
                [(i.image.locator, i.image.stamp() or "", Known(key(i))) for i in some]
            )
        entries = (
            Entry(item, tuple(rng.choice(space.tags, 8)), key(item), text_key(item.text))
            for item in items
        )
        workspace.index.replace_source(
            str(folder),
            entries,
            fingerprint=encoder.fingerprint,
            model=encoder.name,
            labels=space.name,
        )


def key(item: Item) -> str:
    """Return a picture's made-up key."""
    return f"{int(item.id.partition('.')[0]):032x}"


def timed(name: str, work: Callable[[], object], times: int = 20) -> None:
    """Print the median and the 95th percentile of some calls, in milliseconds."""
    spent = []
    for _ in range(times):
        before = time.process_time(), time.monotonic()
        work()
        spent.append((time.process_time() - before[0], time.monotonic() - before[1]))
    cpu, wall = 1000 * np.percentile(spent, [50, 95], axis=0).T
    print(f"{name:24} cpu {cpu[0]:.0f} / {cpu[1]:.0f} ms   wall {wall[0]:.0f} / {wall[1]:.0f} ms")


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--learn", type=int, default=0, metavar="DECISIONS")
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        fill(folder, given.products)
        with Desk(folder / "workspace", resolve(None), load_labels(None)) as desk:
            timed("first page, unsorted", lambda: desk.page(limit=PAGE), 1)
            timed("putting all in order", desk.settle, 1)
            cursor = [""]

            def turn(**more: str) -> Callable[[], None]:
                cursor[0] = ""

                def next_page() -> None:
                    cursor[0] = desk.page(limit=PAGE, after=cursor[0], **more).after  # type: ignore[arg-type]

                return next_page

            timed("next page", turn())
            timed("next page, filtered", turn(where="color = red", show="open", sort="unsure"))
            numbers = iter(range(given.products))
            labels = load_labels(None).groups[1].names
            timed("decision", lambda: desk.decide([decision(next(numbers), labels)]))
            if given.learn:
                wanted = [decision(next(numbers), labels) for _ in range(given.learn - 20)]
                desk.decide(wanted)
                timed(f"lesson of {given.learn}", desk.learn, 1)
                timed("applied", lambda: desk.learn(apply=True), 1)
                timed("page with new tags", lambda: desk.page(limit=PAGE), 1)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000
        print(f"peak memory {peak:,.0f} MB")


def decision(number: int, labels: tuple[str, ...]) -> Decided:
    """Return a decision on a product's colour."""
    return Decided(f"{number}.jpg", "color", (labels[number % 4],))


if __name__ == "__main__":
    main()
