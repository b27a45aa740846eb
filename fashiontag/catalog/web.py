"""Addresses over HTTP: every hop checked, every host asked in turn, nothing without a bound.

A name is resolved once, all its numbers are checked, and the connection goes to the number that
was checked, so that a name that changes in between (DNS rebinding) leads nowhere else.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from collections import defaultdict
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import urldefrag, urljoin, urlsplit

from fashiontag import __version__
from fashiontag.errors import AddressError, NoAnswerError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import httpx

AGENT = "fashiontag"
"""The name that rules of robots.txt are looked up by."""
_HEADERS = {"User-Agent": f"{AGENT}/{__version__}", "Accept": "*/*"}
_MOST_HOPS = 10
_TRIES = 3
_TIMEOUT = 20.0
_AGAIN = frozenset((429, 500, 502, 503, 504))
_LONGEST_WAIT = 120.0
"""Seconds that a host may ask for (Retry-After); who wants more is left for another run."""
_SLOWEST, _GRACE = 1000.0, 30.0
"""Bytes a second that a host has to send, after so many seconds."""
# Where clouds keep their machines' credentials: AWS (and Azure, Google), its containers, Alibaba.
_METADATA = frozenset(
    map(
        ipaddress.ip_address,
        ("169.254.169.254", "169.254.170.2", "fd00:ec2::254", "100.100.100.200"),
    )
)
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Reply:
    """What a host answered at the last of some hops.

    Attributes
    ----------
    url : str
        Where redirects led to.
    status : int
    headers : Mapping of str to str
        By lower-case name.
    """

    url: str
    status: int
    headers: Mapping[str, str]


@dataclass(slots=True)
class _Turn:
    lock: threading.Lock = field(default_factory=threading.Lock)
    free_at: float = 0.0
    delay: float = 0.0


class Web:
    """Asks hosts for addresses: one request at a time per host, with a pause after each.

    Proxies of the environment are not used: what is checked here has to be what is connected to.

    Parameters
    ----------
    delay : float
        Seconds between the end of one request and the next to the same host.
    allow_private : bool
        Whether addresses inside this network may be asked; those of metadata services never.
    now, sleep : callable
        The clock, in seconds.
    """

    def __init__(
        self,
        *,
        delay: float = 0.5,
        allow_private: bool = False,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.delay = delay
        self._allow_private = allow_private
        self._now, self._sleep = now, sleep
        self._turns: defaultdict[str, _Turn] = defaultdict(_Turn)
        self._clients: dict[tuple[str, str], httpx.Client] = {}

    def get(
        self,
        url: str,
        into: BinaryIO,
        most: int,
        *,
        headers: Mapping[str, str] | None = None,
        may: Callable[[str], None] | None = None,
    ) -> Reply:
        """Write what an address holds to a file, redirects followed.

        Parameters
        ----------
        into : file
            Empty; holds the body when the status is 200, and anything otherwise.
        most : int
            Bytes, unpacked.
        may : callable or None
            Called with every hop before it is asked; raises `AddressError` to refuse it.

        Raises
        ------
        AddressError
            A hop is refused, too large, or a redirect too many.
        NoAnswerError
            There was no whole answer, three times.
        """
        hops: list[str] = []
        while True:
            if url in hops:
                raise AddressError(
                    f"redirects in a loop ({' → '.join(map(without_password, (*hops, url)))})"
                )
            if len(hops) > _MOST_HOPS:
                raise AddressError(f"redirects more than {_MOST_HOPS} times, last to {url}")
            hops.append(url)
            if may is not None:
                may(url)
            reply = self._patiently(url, into, most, {**_HEADERS, **(headers or {})})
            if reply.status not in (301, 302, 303, 307, 308) or "location" not in reply.headers:
                return reply
            try:
                url = urldefrag(urljoin(url, reply.headers["location"])).url
            except ValueError as error:
                raise AddressError(f"redirects to what is no address ({error})") from error

    def slow_down(self, host: str, seconds: float) -> None:
        """Leave a host more time between requests, as its robots.txt asks for."""
        self._turns[host].delay = seconds

    def pause(self, host: str, seconds: float) -> None:
        """Leave a host alone for some seconds from now."""
        self._turns[host].free_at = max(self._turns[host].free_at, self._now() + seconds)

    def close(self) -> None:
        """Close all connections."""
        for client in self._clients.values():
            client.close()

    def _patiently(self, url: str, into: BinaryIO, most: int, headers: dict[str, str]) -> Reply:
        for attempt in range(1, _TRIES + 1):
            into.seek(0)
            into.truncate()
            wait = 2.0**attempt
            try:
                reply = self._ask(url, into, most, headers, attempt)
            except NoAnswerError:
                if attempt == _TRIES:
                    raise
            else:
                if reply.status not in _AGAIN or attempt == _TRIES:
                    return reply
                asked = reply.headers.get("retry-after", "")
                wait = max(wait, float(asked) if asked.isascii() and asked.isdigit() else 0.0)
                if wait > _LONGEST_WAIT:
                    return reply
            self.pause(str(urlsplit(url).hostname), wait)
        raise AssertionError

    def _ask(
        self, url: str, into: BinaryIO, most: int, headers: dict[str, str], attempt: int
    ) -> Reply:
        import httpx

        try:
            asked = httpx.URL(url)
            host = asked.raw_host.decode("ascii")
            port = asked.port or {"http": 80, "https": 443}[asked.scheme]
        except (httpx.InvalidURL, KeyError, UnicodeError) as error:
            raise AddressError("is no address of http or https") from error
        numbers = checked_numbers(host, port, allow_private=self._allow_private)
        number = numbers[(attempt - 1) % len(numbers)]
        # TLS is for the name, whatever number it goes to: certificates are checked against it.
        client = self._client(host, number)
        with self._turn(host):
            began = self._now()
            try:
                with client.stream(
                    "GET",
                    asked.copy_with(host=number, fragment=None),
                    headers={**headers, "Host": asked.netloc.decode("ascii")},
                    extensions={"sni_hostname": host},
                ) as answer:
                    if answer.status_code == 200:
                        self._receive(answer, into, most, began)
                    found = {name.lower(): value for name, value in answer.headers.items()}
                    return Reply(url, answer.status_code, found)
            except httpx.TimeoutException as error:
                raise NoAnswerError(f"gave no answer within {_TIMEOUT:.0f} s") from error
            except httpx.HTTPError as error:
                raise NoAnswerError(f"gave no whole answer ({error})") from error

    def _receive(self, answer: httpx.Response, into: BinaryIO, most: int, began: float) -> None:
        too_large = AddressError(f"has more than {most:,} bytes, which is the most that is taken")
        said = answer.headers.get("content-length", "")
        if said.isascii() and said.isdigit() and int(said) > most:
            raise too_large
        count = 0
        for chunk in answer.iter_bytes():
            count += len(chunk)
            if count > most:
                raise too_large
            if count < _SLOWEST * (self._now() - began - _GRACE):
                raise NoAnswerError(f"sends less than {_SLOWEST / 1000:.0f} kB a second")
            into.write(chunk)

    @contextmanager
    def _turn(self, host: str) -> Iterator[None]:
        turn = self._turns[host]
        with turn.lock:
            wait = turn.free_at - self._now()
            if wait > 0:
                self._sleep(wait)
            try:
                yield
            finally:
                turn.free_at = self._now() + max(self.delay, turn.delay)

    def _client(self, host: str, number: str) -> httpx.Client:
        # One a name, not one a number: a connection must not serve another name's requests.
        if (host, number) not in self._clients:
            import httpx

            self._clients[host, number] = httpx.Client(timeout=_TIMEOUT, trust_env=False)
        return self._clients[host, number]


def without_password(address: str) -> str:
    """Return an address without the name and password that it may hold."""
    parts = urlsplit(address)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def checked_numbers(host: str, port: int, *, allow_private: bool) -> list[str]:
    """Return the IP addresses of a host, in the order to try them in.

    Raises
    ------
    AddressError
        A number of the host is not on the public internet, or the host has none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise NoAnswerError(f"names a host that isn't found ({host})") from error
    numbers = list(dict.fromkeys(str(one[4][0]).partition("%")[0] for one in found))
    for number in numbers:
        _check(_inner(ipaddress.ip_address(number)), allow_private=allow_private)
    return numbers


def _check(number: ipaddress.IPv4Address | ipaddress.IPv6Address, *, allow_private: bool) -> None:
    if number in _METADATA or number.is_link_local:
        raise AddressError(
            f"leads to {number}, where clouds keep their machines' credentials; it is never asked"
        )
    if number.is_multicast or number.is_unspecified:
        raise AddressError(f"leads to {number}, which is no host")
    if not number.is_global and not allow_private:
        raise AddressError(
            f"leads inside this network, where --allow-private lets it be asked ({number})"
        )


def _inner(
    number: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """Return the IPv4 address that an IPv6 address stands for, if it does."""
    if isinstance(number, ipaddress.IPv6Address):
        if number in _NAT64:
            return ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        return number.ipv4_mapped or number.sixtofour or number
    return number
