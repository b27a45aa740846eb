"""Files of lines and cells, read as they come: every cell as text, and where it stands in bytes.

The bytes are kept beside the text, so that a cell can be filled in and all others stay as they are.
"""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import re
import zlib
from collections import Counter
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, dropwhile, islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fashiontag.datamodels import Edit
from fashiontag.errors import CatalogError, UsageError
from fashiontag.names import fold

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

MOST_CHARACTERS = 4_000_000
"""Of one row: the longest page of HTML that a shop keeps in a cell is some 100,000."""
_HEAD = 65_536
_SAMPLE = 200_000
_GZIP = b"\x1f\x8b"
# The text of a file byte by byte: one character a byte, so that places in it are places in bytes.
_BYTEWISE = "latin-1"
# What shops outside of Unicode write. More candidates only add ways to be wrong on 100 bytes.
_ENCODINGS = ["cp1252", "cp1250", "cp1251", "mac_roman", "cp932", "gb18030", "big5", "cp949"]


def _as_windows(error: UnicodeError) -> tuple[str, int]:
    """Read the bytes that are no UTF-8, and only these, as Windows-1252."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    return error.object[error.start : error.end].decode("cp1252", "replace"), error.end


codecs.register_error("fashiontag-mixed", _as_windows)


@contextmanager
def open_feed(path: str) -> Iterator[IO[bytes]]:
    """Open a feed's bytes, unpacked if it is gzip; what the system says becomes one sentence.

    Raises
    ------
    UsageError
        There is no such file.
    CatalogError
        It can't be read to its end.
    """
    try:
        with Path(path).open("rb") as raw:
            packed = raw.read(2) == _GZIP
            raw.seek(0)
            if packed:
                with gzip.open(raw, "rb") as unpacked:
                    yield unpacked  # type: ignore[misc] # reads like one
            else:
                yield raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise CatalogError(
            f"{path} can't be unpacked: {error}; get the file again, it is damaged."
        ) from error
    except (FileNotFoundError, IsADirectoryError) as error:
        raise UsageError(f"There is no file {path}; give an existing feed.") from error
    except OSError as error:
        raise CatalogError(f"{path} can't be read: {error.strerror or error}.") from error


def head_of(path: str) -> bytes:
    """Return the first bytes of a feed."""
    with open_feed(path) as file:
        return file.read(_HEAD)


@dataclass(frozen=True, slots=True)
class Record:
    """One row.

    Attributes
    ----------
    line : int
        The number of its first line, from 1.
    start : int
        Where it begins in the unpacked file, in bytes.
    raw : str
        Its lines with their ends, byte by byte in feeds that are no UTF-16.
    cells : list of str
        As many as the header has.
    ragged : bool
        It has more cells than the header, or a quote that never closes.
    short : bool
        It has fewer; those that are missing are read as empty.
    """

    line: int
    start: int
    raw: str
    cells: list[str]
    ragged: bool = False
    short: bool = False


@dataclass(frozen=True, slots=True)
class Encoding:
    """How bytes are text: by one encoding, or by line where a file mixes UTF-8 with another.

    Attributes
    ----------
    name : str
    skip : int
        Bytes of a mark before the text.
    mixed : int
        Count of lines that are no UTF-8 in a file whose others are; they are read as Windows-1252.
    strangers : tuple of int
        The first of them.
    """

    name: str
    skip: int = 0
    mixed: int = 0
    strangers: tuple[int, ...] = ()

    @property
    def wide(self) -> bool:
        """Whether a letter takes two bytes: then text is decoded as it is read."""
        return self.name.startswith("utf-16")

    @property
    def raw(self) -> str:
        """The encoding that a file is opened in."""
        return self.name if self.wide else _BYTEWISE

    def of_row(self, data: bytes) -> str:
        """Return the encoding of a line, which is its own in a mixed file."""
        if not self.mixed:
            return self.name
        try:
            data.decode("utf-8")
        except UnicodeDecodeError:
            return "cp1252"
        return "utf-8"

    def text(self, raw: str) -> str:
        """Return what bytes, given one character each, say."""
        if raw.isascii() or self.wide:
            return raw
        errors = "fashiontag-mixed" if self.mixed else "replace"
        return raw.encode(_BYTEWISE).decode(self.name, errors)

    def warning(self, path: str) -> tuple[str, ...]:
        """Say which lines of a mixed file are not in its encoding, if any."""
        if not self.mixed:
            return ()
        more = ", …" if self.mixed > len(self.strangers) else ""
        return (
            f"{path}: {self.mixed} line{'s' * (self.mixed > 1)} of a file in UTF-8 "
            f"{'hold' if self.mixed > 1 else 'holds'} other bytes, read as Windows-1252: line "
            f"{', '.join(map(str, self.strangers))}{more}.",
        )

    def raw_of(self, text: str, row: str) -> str:
        """Return text as bytes, one character each, in the encoding of the row it goes into."""
        if self.wide:
            return text
        return text.encode(self.of_row(row.encode(_BYTEWISE))).decode(_BYTEWISE)


class TextLines:
    """The lines of a file in any encoding, gzip or not.

    Attributes
    ----------
    path : str
    encoding : Encoding
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.encoding = _encoding_of(path)

    @contextmanager
    def opened(self) -> Iterator[Iterator[tuple[int, int, str]]]:
        """Open the lines: their number, where they begin, and their bytes as text."""
        with open_feed(self.path) as file:
            yield self._numbered(file)

    def _numbered(self, file: IO[bytes]) -> Iterator[tuple[int, int, str]]:
        encoding = self.encoding
        start = len(file.read(encoding.skip))
        # newline="" keeps line ends, also those inside quoted cells
        text = io.TextIOWrapper(file, encoding.raw, "surrogatepass", newline="")
        number = 0
        try:
            while raw := text.readline(MOST_CHARACTERS):
                number += 1
                if len(raw) >= MOST_CHARACTERS:
                    raise CatalogError(
                        f"{self.path}, line {number}: a row of more than "
                        f"{MOST_CHARACTERS // 1_000_000} million characters, or a quote that never "
                        "closes; mend that line."
                    )
                yield number, start, raw
                start += (
                    len(raw.encode(encoding.name, "surrogatepass")) if encoding.wide else len(raw)
                )
        except UnicodeDecodeError as error:
            raise CatalogError(
                f"{self.path} breaks off in the middle of a letter; get the file again."
            ) from error


class Delimited:
    """A feed of lines and cells.

    Parameters
    ----------
    path : str
        Text in any encoding, gzip or not; ``,``, ``;``, tab or ``|`` between cells.
    anchors : iterable of str
        Column names, folded: the delimiter is the one that shows most of them. One that is there
        twice counts twice.
    banner : int
        How many lines may be the header: above it may stand a title, notes, other headers.

    Attributes
    ----------
    columns : tuple of str
    delimiter : str
    encoding : Encoding
    header : Record

    Raises
    ------
    CatalogError
        The file is empty or no text.
    """

    def __init__(self, path: str, anchors: Iterable[str] = (), *, banner: int = 1) -> None:
        self.path = path
        self._lines = TextLines(path)
        self.encoding = self._lines.encoding
        with self._lines.opened() as lines:
            some = list(islice(lines, banner + 1))
            head = [line for line in some if self.encoding.text(line[2]).strip("\ufeff \t\r\n")]
            named = re.fullmatch(r"sep=(.)\s*", head[0][2]) if head else None
            head = head[bool(named) :]  # Excel's own way to name the delimiter
            if not head:
                raise CatalogError(f"{path} is empty; a table with a header line was expected.")
            weights = Counter(anchors)
            tried = [self._cells(raw, named, weights) for *_, raw in head[:banner]]
            at = header_at([cells for _, cells in tried], weights)
            self.delimiter = tried[at][0]
            below = chain(some[some.index(head[at]) :], lines)
            self.header = next(self._parsed(below, 0, 0))
        self._full = len(self.header.cells)
        while self.header.cells and not self.header.cells[-1].strip():
            self.header.cells.pop()
        self.columns = tuple(name.strip() for name in self.header.cells)
        self._places = {fold(name): at for at, name in reversed([*enumerate(self.columns)])}

    def place(self, *names: str) -> int | None:
        """Return where the first of some columns is that the feed has."""
        return next((self._places[name] for name in names if name in self._places), None)

    def has(self, *names: str) -> bool:
        """Return whether the feed has all of these columns."""
        return all(name in self._places for name in names)

    def records(self) -> Iterator[Record]:
        """Yield the rows below the header that say anything; the file is read as they are taken."""
        with self._lines.opened() as lines:
            below = dropwhile(lambda line: line[1] < self.header.start, lines)
            records = self._parsed(below, len(self.columns), self._full)
            next(records, None)
            for record in records:
                if any(record.cells):
                    yield record

    def pieces(self, record: Record) -> list[str]:
        """Return the cells of a row as they stand, quotes included, for `patched`.

        Text is byte by byte as in `Record.raw`. None at all where they can't be told apart.
        """
        body = record.raw.rstrip("\r\n")
        sign = re.escape(self.delimiter)
        cell = rf'{sign}("(?:[^"]|"")*"[^{sign}]*|[^{sign}]*)'
        found = re.findall(cell, self.delimiter + body)
        return found if self.delimiter.join(found) == body else []

    def piece(self, record: Record, text: str, *, quoted: bool = False) -> str | None:
        """Return text as it stands in a cell of a row; None where it can't stand there.

        That is, its encoding has no such letter, or one was lost when the row was read.
        """
        if quoted or any(sign in text for sign in (self.delimiter, '"', "\r", "\n")):
            text = '"' + text.replace('"', '""') + '"'
        try:
            return None if "\ufffd" in text else self.encoding.raw_of(text, record.raw)
        except UnicodeEncodeError:
            return None

    def patched(self, record: Record, pieces: Iterable[str]) -> Edit:
        """Return the edit that gives a row other cells, its line end aside."""
        old, new = (
            raw.encode(self.encoding.raw, "surrogatepass")
            for raw in (record.raw.rstrip("\r\n"), self.delimiter.join(pieces))
        )
        return Edit(record.start, record.start + len(old), new)

    def _cells(
        self, raw: str, named: re.Match[str] | None, weights: Mapping[str, int]
    ) -> tuple[str, list[str]]:
        """Return a line's delimiter, which shows most names, known ones first, and cells."""
        text = self.encoding.text(raw[:100_000])  # below what a cell may hold by default
        usual = "\t,;|" if self.path.lower().endswith(".tsv") else ",;\t|"
        parted = {
            sign: next(csv.reader([text], delimiter=sign), [])
            for sign in (named.group(1) if named else usual)
        }
        sign = max(parted, key=lambda sign: (_known(parted[sign], weights), len(parted[sign])))
        return sign, parted[sign]

    def _parsed(
        self, lines: Iterator[tuple[int, int, str]], width: int, full: int
    ) -> Iterator[Record]:
        """Yield rows; a quote that never closes costs its own line only.

        A row over several lines is believed only if its quotes close within `MOST_CHARACTERS`,
        nothing stands between a closing quote and the next cell, and it has no more cells than the
        header: otherwise two stray quotes would swallow the products between them.
        """
        waiting: list[tuple[int, int, str]] = []  # read ahead, last first
        taken: list[tuple[int, int, str]] = []
        closed = True

        def needed() -> Iterator[str]:
            """Yield a row's lines: the reader asks for another only while a quote is open."""
            nonlocal closed
            closed, size = True, 0
            while size <= MOST_CHARACTERS and (
                line := waiting.pop() if waiting else next(lines, None)
            ):
                taken.append(line)
                size += len(line[2])
                yield self.encoding.text(line[2])
            closed = False

        def record(
            number: int, start: int, raw: str, cells: list[str] | None, *, broken: bool = False
        ) -> Record:
            cells = self._parted(raw) if cells is None else cells
            short = len(cells) < width
            ragged = broken or (width > 0 and len(cells) > full and any(cells[full:]))
            if width and len(cells) != width:
                cells = [*cells[:width], *[""] * (width - len(cells))]
            return Record(number, start, raw, cells, ragged, short)

        while True:
            taken.clear()
            if not waiting and (ahead := next(lines, None)):
                if '"' not in ahead[2]:  # nearly all, and quicker than a reader for each
                    yield record(*ahead, None)
                    continue
                waiting.append(ahead)
            # 131,072 is too few for some descriptions
            before = csv.field_size_limit(MOST_CHARACTERS)
            try:
                cells = next(csv.reader(needed(), delimiter=self.delimiter, strict=True), [])
            except csv.Error:  # letters behind a closing quote, which may be one that strayed
                line = taken[0][2]
                closed = len(taken) == 1 and line.count('"') % 2 == 0
                text = [self.encoding.text(line)] if closed else []
                cells = next(csv.reader(text, delimiter=self.delimiter), [])
            finally:
                csv.field_size_limit(before)
            if not taken:
                return
            if closed:
                whole = record(*taken[0][:2], "".join(line[2] for line in taken), cells)
                if not whole.ragged:
                    yield whole
                    continue
            waiting += reversed(taken[1:])
            yield record(*taken[0], None, broken=True)

    def _parted(self, raw: str) -> list[str]:
        """Return the cells of a line in which no quote means anything."""
        return self.encoding.text(raw).rstrip("\r\n").split(self.delimiter)


def _known(cells: Iterable[str], weights: Mapping[str, int]) -> int:
    return sum(weights.get(fold(cell), 0) for cell in cells)


def header_at(lines: Sequence[Sequence[str]], weights: Mapping[str, int]) -> int:
    """Return which of a table's first lines holds the names of its columns.

    That with most names that are known, if two are, or the first line has none; else the first
    that fills more than one cell: what stands above a header is a title, a note, or blank.

    Parameters
    ----------
    lines : sequence of sequence of str
        The cells of at least one line.
    weights : mapping of str to int
        Names, folded, and what they count.
    """
    counts = [_known(cells, weights) for cells in lines]
    if max(counts) > 1:
        return counts.index(max(counts))
    filled = (at for at, cells in enumerate(lines) if sum(bool(c.strip()) for c in cells) > 1)
    return 0 if counts[0] else next(filled, 0)


def _encoding_of(path: str) -> Encoding:
    with open_feed(path) as file:
        head = file.read(_HEAD)
        for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
            if head.startswith(mark):
                return Encoding(name, len(mark))
        zeros = head[:200].count(0)
        if zeros * 4 >= len(head[:200]) > 0:  # Latin text in UTF-16 without its mark
            return Encoding("utf-16-le" if head[1] == 0 else "utf-16-be")
        if zeros:
            raise CatalogError(f"{path} is no text; export it as text in UTF-8, or name it .xlsx.")
        skip = 3 if head.startswith(codecs.BOM_UTF8) else 0
        file.seek(0)
        fit, unfit, sample = _lines_beyond_ascii(file)
    if not unfit:
        return Encoding("utf-8", skip)
    # By chance a line of another encoding is UTF-8 too, but one in ten isn't chance.
    if fit * 10 >= len(unfit):
        return Encoding("utf-8", skip, len(unfit), tuple(unfit[:5]))
    return Encoding(legacy_encoding(sample), skip)


def legacy_encoding(raw: bytes) -> str:
    """Return the encoding that bytes which are no Unicode were most likely written in."""
    from charset_normalizer import from_bytes

    matches = list(from_bytes(raw, cp_isolation=_ENCODINGS))
    if not matches:
        return "latin-1"
    # On a short file many encodings are as good as the best: then the most common one wins.
    for match in matches:
        if match.chaos <= matches[0].chaos + 0.01 and "cp1252" in match.could_be_from_charset:
            return "cp1252"
    return matches[0].encoding


def _lines_beyond_ascii(file: IO[bytes]) -> tuple[int, list[int], bytes]:
    """Count lines with letters beyond ASCII that are UTF-8, number the others, keep a few."""
    fit = 0
    unfit: list[int] = []
    sample = b""
    number = 0
    while line := file.readline(4 * MOST_CHARACTERS):
        number += 1
        if line.isascii():
            continue
        if len(sample) < _SAMPLE:
            sample += line[:_SAMPLE]
        try:
            line.decode("utf-8")
            fit += 1
        except UnicodeDecodeError:
            unfit.append(number)
    return fit, unfit, sample


def cell_of(record: Record, place: int | None) -> str:
    """Return a cell without its outer blanks, "" where there is no such column."""
    return "" if place is None else record.cells[place].strip()
