"""What addresses hold, kept by content: a stopped run goes on, a later one asks what is new.

The folder has a file for each content, named by its SHA-256, and a journal with a line for each
address that was done. Lines after the last ``end`` are of a run that was stopped: they stand. Those
before it are asked again with their ETag or date, and a host that has nothing new sends nothing.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import threading
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from fashiontag.catalog.kinds import ending_of
from fashiontag.catalog.web import AGENT, Web
from fashiontag.errors import AddressError, FashiontagError, NoAnswerError, OutputError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

    from protego import Protego

try:
    import fcntl
except ImportError:  # Windows: two imports into one folder at once aren't kept apart
    fcntl = None  # type: ignore[assignment]

JOURNAL = "downloads.jsonl"
_MOST_ROBOTS = 512_000
"""RFC 9309 wants 500 KiB to be read."""
_HOSTS_AT_ONCE = 8
_SILENT = 5
"""Addresses in a row without an answer, after which a host is left alone."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What became of an address.

    Attributes
    ----------
    url : str
        As asked.
    file : str or None
        Below the folder, if its content is there.
    status : int or None
        The host's answer; 0 if it gave none, None if it wasn't asked.
    reason : str
        Why there is no file, to stand after the address; "" if there is one.
    final : str
        Where redirects led to.
    etag, modified : str
        What to ask again with.
    """

    url: str
    file: str | None = None
    status: int | None = None
    reason: str = ""
    final: str = ""
    etag: str = ""
    modified: str = ""

    @property
    def kind(self) -> str:
        """Why there is no file, without what differs from address to address."""
        return f"couldn't be had, as the address {self.reason.partition(' (')[0]}"

    @property
    def place(self) -> str:
        """The address, and what its reason says of it alone."""
        return self.url + "".join(self.reason.partition(" (")[1:])


class Downloads:
    """A folder of downloads; a block with it is a run, which ends with the block or an error.

    Parameters
    ----------
    folder : Path
        Made if need be.
    web : Web
        Closed with the block.

    Raises
    ------
    OutputError
        The folder can't be written, or another run is writing it.
    """

    def __init__(self, folder: Path, web: Web) -> None:
        self.folder = folder
        self._web = web
        self._lock = threading.Lock()
        self._done: dict[str, Fetched] = {}
        self._earlier: dict[str, Fetched] = {}
        self._robots: dict[str, Protego | str] = {}
        self._asking: defaultdict[str, threading.Lock] = defaultdict(threading.Lock)
        with self._writing():
            folder.mkdir(parents=True, exist_ok=True)
            self._journal = (folder / JOURNAL).open("a+b")
        try:
            if fcntl is not None:
                fcntl.flock(self._journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._journal.close()
            raise OutputError(
                f"another import is downloading to {str(folder)!r}; wait for it, or name another "
                "folder with --out"
            ) from error
        self._read()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None or issubclass(kind, FashiontagError):
            self._note({"end": True})
        self._journal.close()
        self._web.close()
        if kind is not None and [path.name for path in self.folder.iterdir()] == [JOURNAL]:
            (self.folder / JOURNAL).unlink()  # a mistyped address leaves nothing
            self.folder.rmdir()

    def path(self, fetched: Fetched) -> Path:
        """Return the file of an address that has one."""
        assert fetched.file is not None
        return self.folder / fetched.file

    def fetch(self, url: str, most: int, *, picture: bool = False, robots: bool = True) -> Fetched:
        """Return what an address holds, asked unless this run did already.

        Parameters
        ----------
        url : str
        most : int
            Bytes.
        picture : bool
            Whether anything else is refused.
        robots : bool
            Whether rules for robots count: not for an address that a person typed.
        """
        if url in self._done:
            return self._done[url]
        try:
            with self._writing():
                fetched = self._ask(url, most, picture=picture, robots=robots)
        except NoAnswerError as error:
            fetched = Fetched(url, status=0, reason=str(error))
        except AddressError as error:
            fetched = Fetched(url, reason=str(error))
        self._done[url] = fetched
        self._note(asdict(fetched))
        return fetched

    def fetch_pictures(
        self, urls: Iterable[str], most: int, advance: Callable[[int], None]
    ) -> dict[str, Fetched]:
        """Return what became of each address: several hosts at once, one request to each."""
        by_host: defaultdict[str, list[str]] = defaultdict(list)
        for url in dict.fromkeys(urls):
            by_host[_host(url)].append(url)
        found: dict[str, Fetched] = {}
        stop = threading.Event()

        def work(mine: list[str]) -> None:
            silent = 0
            for url in mine:
                if stop.is_set():
                    return
                if silent == _SILENT:
                    found[url] = Fetched(url, reason=f"lies on a host silent {_SILENT} times")
                else:
                    found[url] = self.fetch(url, most, picture=True)
                    silent = silent + 1 if found[url].status == 0 else 0
                with self._lock:
                    advance(1)

        with ThreadPoolExecutor(_HOSTS_AT_ONCE) as pool:
            try:
                for ended in as_completed(pool.submit(work, mine) for mine in by_host.values()):
                    ended.result()
            finally:
                stop.set()
        return found

    def robots(self, url: str) -> Protego | str:
        """Return the rules of an address's site, or why it can't be asked.

        As RFC 9309 has it: a site without rules (4xx) allows everything, one that doesn't answer
        nothing.
        """
        from protego import Protego

        parts = urlsplit(url)
        site = f"{parts.scheme}://{parts.netloc}"
        with self._asking[site]:
            if site not in self._robots:
                got = self.fetch(f"{site}/robots.txt", _MOST_ROBOTS, robots=False)
                if got.file is not None:
                    text = self.path(got).read_bytes().decode("utf-8", "replace")
                    rules = Protego.parse(text)
                    self._web.slow_down(_host(url), rules.crawl_delay(AGENT) or 0.0)
                    self._robots[site] = rules
                elif got.status is not None and 400 <= got.status < 500:
                    self._robots[site] = Protego.parse("")
                else:
                    self._robots[site] = f"lies on a site whose robots.txt {got.reason}"
            return self._robots[site]

    def _allowed(self, url: str) -> None:
        rules = self.robots(url)
        if isinstance(rules, str):
            raise AddressError(rules)
        if not rules.can_fetch(url, AGENT):
            raise AddressError("is forbidden by the site's robots.txt")

    def _ask(self, url: str, most: int, *, picture: bool, robots: bool) -> Fetched:
        earlier = self._earlier.get(url)
        headers = {}
        if earlier is not None:
            headers = {"If-None-Match": earlier.etag, "If-Modified-Since": earlier.modified}
            headers = {name: value for name, value in headers.items() if value}
        part = self.folder / f".{secrets.token_hex(8)}.part"
        may = self._allowed if robots else None
        try:
            with part.open("w+b") as file:
                reply = self._web.get(url, file, most, headers=headers, may=may)
                if reply.status == 304 and earlier is not None:
                    return earlier
                if reply.status != 200:
                    reason = f"answers {reply.status}"
                    return Fetched(url, None, reply.status, reason, reply.url)
                file.flush()
                os.fsync(file.fileno())
                file.seek(0)
                head = file.read(64)
                file.seek(0)
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            ending = ending_of(head)
            if picture and not ending:
                return Fetched(url, None, 200, f"is no picture (begins {head[:12]!r})", reply.url)
            name = f"{digest[:2]}/{digest}{ending}"
            (self.folder / digest[:2]).mkdir(exist_ok=True)
            part.replace(self.folder / name)
        finally:
            part.unlink(missing_ok=True)
        etag, modified = (reply.headers.get(key, "") for key in ("etag", "last-modified"))
        # what isn't ASCII can't be sent back in a header
        etag, modified = (tag if tag.isascii() else "" for tag in (etag, modified))
        return Fetched(url, name, 200, "", reply.url, etag, modified)

    def _note(self, line: dict[str, object]) -> None:
        with self._lock, self._writing():
            self._journal.write(json.dumps(line).encode() + b"\n")
            self._journal.flush()
            os.fsync(self._journal.fileno())

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise OutputError(
                f"can't write {str(self.folder)!r}: {error.strerror or error}; make room there, or "
                "name another folder with --out"
            ) from error

    def _read(self) -> None:
        """Read the journal; the last line of a killed run may be a piece, and goes."""
        for part in self.folder.glob(".*.part"):
            part.unlink(missing_ok=True)
        self._journal.seek(0)
        whole = 0
        for line in self._journal:
            try:
                said = json.loads(line)
                entry = None if "end" in said else Fetched(**said)
            except (ValueError, TypeError):
                break
            if not line.endswith(b"\n"):
                break
            whole += len(line)
            if entry is None:
                self._earlier |= self._done
                self._done = {}
            elif entry.file is None or (self.folder / entry.file).is_file():
                self._done[entry.url] = entry
        self._journal.truncate(whole)
        for url in self._done:  # the stopped run may have asked a moment ago
            self._web.pause(_host(url), self._web.delay)
        self._earlier = {url: one for url, one in self._earlier.items() if self._is_there(one)}

    def _is_there(self, entry: Fetched) -> bool:
        return entry.file is not None and (self.folder / entry.file).is_file()


def _host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""
