"""``fashiontag store``: what the workspace keeps, and what of it nothing uses."""

from __future__ import annotations

from typing import Annotated

import typer

from fashiontag.cli import options, output


def store(
    status: Annotated[
        bool, typer.Option("--status", help="Show what is kept (the default).")
    ] = False,
    prune: Annotated[
        bool,
        typer.Option(
            "--prune", help="Drop vectors of models that no indexed item uses, and files gone."
        ),
    ] = False,
    workspace: options.Workspace = options.DEFAULT_WORKSPACE,
    as_json: options.Json = False,
    debug: options.Debug = False,
) -> None:
    """Show what the workspace keeps, or drop what nothing uses any more."""
    del debug
    from fashiontag.errors import UsageError
    from fashiontag.workflows import upkeep

    if status and prune:
        raise UsageError("--status and --prune were both given; give one of them.")
    if not workspace.is_dir():
        raise UsageError(
            f"There is no workspace {workspace}; run fashiontag tag first, or name another one "
            "with --workspace."
        )
    if prune:
        pruned = upkeep.prune(workspace)
        if as_json:
            output.document(
                {"vectors": pruned.vectors, "files": pruned.files, "bytes": pruned.bytes}
            )
            return
        output.line(
            f"{pruned.vectors:,} vectors and {pruned.files:,} files dropped, "
            f"{max(pruned.bytes, 0) / 1e6:,.1f} MB freed"
        )
        return
    held = upkeep.status(workspace)
    if as_json:
        output.document(
            {
                "bytes": held.store.bytes + held.index_bytes,
                "files": held.store.files,
                "vectors": [
                    {
                        "kind": shard.kind,
                        "model": shard.model,
                        "fingerprint": shard.fingerprint,
                        "dim": shard.dim,
                        "rows": shard.rows,
                        "bytes": shard.bytes,
                        "used": shard.fingerprint in held.used,
                    }
                    for shard in held.store.shards
                ],
                "neighbours": [
                    {"name": name, "rows": manifest.rows, "recall": manifest.recall}
                    for name, manifest in held.neighbours
                ],
            }
        )
        return
    for shard in held.store.shards:
        unused = "" if shard.fingerprint in held.used else ", used by nothing indexed: --prune"
        output.line(
            f"{shard.rows:,} {shard.kind} vectors of {shard.dim} numbers by "
            f"{shard.model or shard.fingerprint[:12]}, {shard.bytes / 1e6:,.1f} MB{unused}"
        )
    for name, manifest in held.neighbours:
        output.line(f"FAISS: {manifest.rows:,} rows of {name}, recall@10 {manifest.recall:.3f}")
    output.line(
        f"{held.store.files:,} files known, index {held.index_bytes / 1e6:,.1f} MB, together "
        f"{(held.store.bytes + held.index_bytes) / 1e6:,.1f} MB in {workspace}"
    )
