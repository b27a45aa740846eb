"""``fashiontag doctor``: versions, devices, the active FAISS, the models that can be had."""

from __future__ import annotations

import platform
from pathlib import Path  # noqa: TC003

from fashiontag import __version__
from fashiontag.cli import options, output

LIBRARIES = (
    "torch",
    "open-clip-torch",
    "transformers",
    "faiss-cpu",
    "faiss-gpu",
    "datasets",
    "pandas",
    "pyarrow",
    "pillow",
    "scikit-learn",
    "numpy",
)


@options.command
def doctor(*, place: options.Place) -> None:
    """Show versions, devices, what FAISS runs on, models and what the workspace holds."""
    with output.talk.status("looking around…"):
        facts = {
            "fashiontag": {"version": __version__, "python": platform.python_version()},
            "libraries": _versions(),
            "devices": _devices(),
            "faiss": _faiss(),
            "models": _models(),
            "workspace": _workspace(place.workspace),
        }
    output.show(facts, lambda: _draw(facts))


def _draw(facts: dict[str, dict[str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 3))
    for section, lines in facts.items():
        for number, (name, value) in enumerate(lines.items()):
            table.add_row(
                Text("" if number else section, style="bold"), Text(name), Text(str(value))
            )
        table.add_row()
    output.results.print(table)


def _versions() -> dict[str, str]:
    from importlib import metadata

    found = {}
    for name in LIBRARIES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            if not name.startswith("faiss"):
                found[name] = "missing: install fashiontag again"
    return found


def _devices() -> dict[str, str]:
    from fashiontag.encoders.openclip import devices

    return devices()


def _faiss() -> dict[str, str]:
    from fashiontag.index import engine

    return engine()


def _models() -> dict[str, str]:
    from fashiontag.encoders import KNOWN_MODELS

    return {model.name: model.description for model in KNOWN_MODELS}


def _workspace(workspace: Path) -> dict[str, str]:
    from fashiontag.vectors import VectorStore

    if not workspace.is_dir():
        return {str(workspace): "nothing yet; `fashiontag tag` makes it"}
    with VectorStore.open(workspace) as store:
        status = store.status()
    found = {
        f"{shard.kind} vectors": f"{shard.rows:,} of {shard.dim} numbers by "
        f"{shard.model or shard.fingerprint[:12]}"
        for shard in status.shards
    }
    return {str(workspace): f"{status.bytes / 1e6:,.1f} MB, {status.files:,} files known", **found}
