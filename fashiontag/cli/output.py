"""The one place that prints: results to standard output, talk and progress to standard error.

How a result is shown (one JSON document, a table for people, next to nothing) is decided here:
commands hand over what they have and a way to draw it.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console as RichConsole
from rich.segment import Segment

from fashiontag.errors import OutputError
from fashiontag.plain import plain as plain

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from rich.console import ConsoleOptions, RenderableType
    from rich.table import Table
    from rich.text import Text

    from fashiontag.datamodels import Hit, Item

LOG_EVERY = 10.0
"""Seconds between progress lines where standard error is a file and no bar can be drawn."""

interrupted = threading.Event()
"""Set by Ctrl-C. Python drops the exception where it lands in a destructor or in a callback from C,
as it once did in our tests, and a long run would go on; so its progress looks here as well."""


def notice_interrupts() -> None:
    """Remember Ctrl-C beside raising `KeyboardInterrupt`; only the main thread may ask for it."""

    def note(number: int, frame: object) -> None:
        del number, frame
        interrupted.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, note)


_UNSEEN = dict.fromkeys(
    [*range(9), *range(11, 32), *range(127, 160), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]
)
"""Control characters, and what turns the direction of writing: titles may hold any."""


def inert(text: str) -> str:
    """Return a text without what would command the terminal; its width there stays."""
    return text.translate(_UNSEEN)


class Console(RichConsole):
    """A console on which texts of others are only shown, whatever they hold."""

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """Render as rich does; what rich itself says to the terminal is marked, and stays."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else Segment(inert(segment.text), segment.style)


class Talk(Console):
    """A console for what is no result: that nobody can hear it costs no work."""

    def print(self, *objects: Any, **how: Any) -> None:  # noqa: ANN401
        """Print as rich does, if standard error takes it."""
        try:
            super().print(*objects, **how)
        except OSError:
            mute(sys.stderr)


results = Console(highlight=False, soft_wrap=False)
talk: Console = Talk(stderr=True, highlight=False)
_mode = {"json": False, "quiet": False}


def configure(*, as_json: bool, quiet: bool) -> None:
    """Say how this command's results are to be shown."""
    _mode.update(json=as_json, quiet=quiet)


def wants_json() -> bool:
    """Whether standard output is to hold one JSON document and nothing else."""
    return _mode["json"]


def show(result: Any, draw: Callable[[], None], *, report: bool = False) -> None:  # noqa: ANN401
    """Show a command's result: as JSON from its own fields, or drawn for people.

    A ``report`` only tells of work whose result is elsewhere; a quiet run leaves it out, and a
    stream that takes no more doesn't make the work undone.

    Raises
    ------
    OutputError
        Standard output takes no more, of what is no report.
    """
    try:
        if wants_json():
            document(result)
        elif not (report and _mode["quiet"]):
            draw()
        sys.stdout.flush()
    except OSError as error:
        if report:
            mute(sys.stdout)
            warn(f"the summary couldn't be shown ({error.strerror}); what was done is kept.")
        elif isinstance(error, BrokenPipeError):  # whoever read has seen enough
            raise
        else:
            mute(sys.stdout)
            raise OutputError(
                f"can't write to standard output: {error.strerror}; make room there."
            ) from error


def mute(stream: TextIO) -> None:
    """Send what is still to be flushed nowhere, or Python would fail on it as it ends."""
    with suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def say(sentence: str, *, style: str = "") -> None:
    """Tell the user something that is no result."""
    if not _mode["quiet"]:
        talk.print(sentence, markup=False, soft_wrap=True, style=style)


def warn(*sentences: str) -> None:
    """Tell the user what may be wrong with the input."""
    from rich.markup import escape

    for sentence in sentences:
        talk.print(f"[yellow]warning:[/] {escape(sentence)}", soft_wrap=True)


def line(text: str, end: str = "\n") -> None:
    """Print one line of a result as it is, for pipes."""
    sys.stdout.write(text + end)


def document(value: Any) -> None:  # noqa: ANN401
    """Print the one JSON document of ``--json``."""
    # the daemon's has no encoding: it answers only whoever takes UTF-8
    utf8 = (getattr(sys.stdout, "encoding", None) or "utf-8").lower().replace("-", "") == "utf8"
    text = json.dumps(plain(value), ensure_ascii=not utf8, indent=2)
    sys.stdout.write(text.encode("utf-8", "backslashreplace").decode() + "\n")


def gallery(
    page: Path, *, title: str, note: str, hits: Sequence[Hit], items: Sequence[Item] | None = None
) -> None:
    """Write a page of pictures; those of `items` where hits are made of items of a catalogue."""
    from fashiontag.catalog.images import load_image
    from fashiontag.sinks.contactsheet import write_gallery
    from fashiontag.sinks.pages import picture_of

    images = (picture_of(shown, load_image) for shown in (items or hits))
    write_gallery(page, title=title, note=note, hits=hits, images=images)


def sentence(text: str, style: str = "") -> None:
    """Print a sentence of a result for people."""
    from rich.text import Text

    results.print(Text(text, style), soft_wrap=True)


def table(*columns: str, rows: Iterable[Sequence[RenderableType]] = ()) -> None:
    """Print rows in the one style of the house, nothing where there are none.

    A leading ">" sets a column right. Texts are shown as they are, without markup.
    """
    from rich.text import Text

    made = empty_table(*columns)
    for row in rows:
        made.add_row(*(Text(cell) if isinstance(cell, str) else cell for cell in row))
    if made.row_count:
        results.print(made)


def empty_table(*columns: str) -> Table:
    """Return the same without rows, for whoever has more to say of columns."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    made = Table(box=SIMPLE_HEAD, pad_edge=False)
    for name in columns:
        right = name.startswith(">")
        made.add_column(
            name.lstrip(">"), justify="right" if right else "left", overflow="fold", no_wrap=right
        )
    return made


def counted(number: int, noun: str) -> str:
    """Return ``1 decision`` or ``1,200 decisions``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def joined(parts: Sequence[tuple[str, str]]) -> Text:
    """Return pairs of a name and a dim figure on one line: ``shirt .98 · navy .78``."""
    from rich.text import Text

    text = Text()
    for number, (name, figure) in enumerate(parts):
        text.append(" · " if number else "", style="dim")
        text.append(name)
        text.append(f" {figure}" if figure else "", style="dim")
    return text


@contextmanager
def progress(what: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show how far a long job on pictures is, how fast it goes and how long it will take.

    Parameters
    ----------
    what : str
        "Tagging".
    total : int
        Pictures to do.

    Yields
    ------
    callable
        Takes the number of pictures that have just been done.
    """
    if not talk.is_terminal or _mode["quiet"]:
        yield _stopping(_log_lines(what, total))
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[speed]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=talk, transient=True) as bar:
        task = bar.add_task(what, total=total, speed="")

        def advance(done: int) -> None:
            bar.advance(task, done)
            speed = bar.tasks[0].speed
            bar.update(task, speed=f"{speed:,.0f} images/s" if speed else "")

        yield _stopping(advance)


def _stopping(advance: Callable[[int], None]) -> Callable[[int], None]:
    def advance_or_stop(done: int) -> None:
        if interrupted.is_set():
            raise KeyboardInterrupt
        advance(done)

    return advance_or_stop


def _log_lines(what: str, total: int) -> Callable[[int], None]:
    started = logged = time.monotonic()
    done = 0

    def advance(more: int) -> None:
        nonlocal done, logged
        done += more
        now = time.monotonic()
        if now - logged >= LOG_EVERY and done < total:
            logged = now
            speed = done / (now - started)
            left = (total - done) / speed
            say(f"{what}: {done:,} of {total:,}, {speed:,.0f} images/s, {left:,.0f} s left")

    return advance
