"""``fashiontag doctor``: versions, devices, the active FAISS, the models that can be had."""

from __future__ import annotations

from pathlib import Path  # noqa: TC003

from fashiontag import __version__
from fashiontag.cli import options, output
from fashiontag.manifest import versions

LIBRARIES = (
    "torch",
    "onnxruntime",
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
    from fashiontag.encoders import KNOWN_MODELS, resolve
    from fashiontag.encoders.devices import devices
    from fashiontag.index import engine

    with output.talk.status("looking around…"):
        found = versions(LIBRARIES)
        facts = {
            "fashiontag": {"version": __version__, "python": found["python"]},
            "libraries": {
                name: found.get(name, "missing: install fashiontag again")
                for name in LIBRARIES
                if name in found or not name.startswith("faiss")
            },
            "devices": devices(),
            "embedded model": {"pictures by": resolve().engine},
            "faiss": engine(),
            "models": {model.name: model.description for model in KNOWN_MODELS},
            "workspace": _workspace(place.workspace),
        }
    output.show(facts, lambda: _draw(facts))


def _draw(facts: dict[str, dict[str, str]]) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table.grid(padding=(0, 3))
    for section, lines in facts.items():
        for number, (name, value) in enumerate(lines.items()):
            head = Text("" if number else section, style="bold")
            table.add_row(head, Text(name), Text(str(value)))
        table.add_row()
    output.results.print(table)


def _workspace(workspace: Path) -> dict[str, str]:
    from fashiontag.vectors import VectorStore
    from fashiontag.workspace.calibration import calibrated_groups

    if not workspace.is_dir():
        return {str(workspace): "nothing yet; `fashiontag tag` makes it"}
    with VectorStore.open(workspace) as store:
        status = store.status()
    found = {
        f"{shard.kind} vectors": f"{shard.rows:,} of {shard.dim} numbers by "
        f"{shard.model or shard.fingerprint[:12]}"
        for shard in status.shards
    }
    names = {shard.fingerprint[:32]: shard.model for shard in status.shards if shard.model}
    for fingerprint, groups in calibrated_groups(workspace).items():
        found[f"calibrated: {names.get(fingerprint, fingerprint[:12])}"] = ", ".join(groups)
    return {str(workspace): f"{status.bytes / 1e6:,.1f} MB, {status.files:,} files known", **found}
