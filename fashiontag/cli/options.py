"""Options that several commands share, declared once so that they mean the same everywhere."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

Source = Annotated[
    str,
    typer.Argument(
        metavar="SOURCE",
        help="A folder, one picture, a quoted glob, a table (.csv .tsv .jsonl .parquet .xlsx) "
        "with a path column, or hf:NAME.",
    ),
]
Titles = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="A table of titles, joined by file name, stem or id."),
]
PathColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="The column of a SOURCE table with the paths.")
]
IdColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="The column of --titles to join by.")
]
TitleColumn = Annotated[
    str | None, typer.Option(metavar="NAME", help="The column that holds the title.")
]
Labels = Annotated[
    str | None,
    typer.Option(
        metavar="NAME|FILE", help="A shipped label file's name, or a path; default: fashion."
    ),
]
Model = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="An open_clip model: ARCH/WEIGHTS, hf-hub:ORG/NAME, local-dir:PATH or a short name "
        "that `fashiontag doctor` lists; default: the embedded one.",
    ),
]
Workspace = Annotated[
    Path, typer.Option(metavar="DIR", help="Where vectors and the index are kept.")
]
Device = Annotated[str, typer.Option(help="cpu, cuda, cuda:1, mps, or auto for the best there is.")]
BatchSize = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="Pictures per forward pass.")
]
Workers = Annotated[
    int | None,
    typer.Option(min=1, metavar="N", help="Threads that read and decode; default: one a core."),
]
Offline = Annotated[bool, typer.Option("--offline", help="Never touch the network.")]
AllowPickle = Annotated[
    bool,
    typer.Option("--allow-pickle", help="Accept a model that offers only pickled weights."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on standard output.")]
Debug = Annotated[
    bool, typer.Option("--debug", help="Show a traceback instead of one sentence.", hidden=False)
]

DEFAULT_WORKSPACE = Path(".fashiontag")


def go_offline(offline: bool) -> None:
    """Keep every library off the network; they read this when they are first imported."""
    if offline:
        os.environ["HF_HUB_OFFLINE"] = "1"
