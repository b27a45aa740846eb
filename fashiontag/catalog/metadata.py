"""A picture's bytes without its metadata, for a decoder that stumbles over them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_PIXELS = frozenset({b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND"})
_PNG_SIGHT = frozenset({b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"eXIf"})

_JPEG = b"\xff\xd8"
_SCAN, _COMMENT = 0xDA, 0xFE
_APPS = range(0xE0, 0xF0)
# What colours and the way up need: marker, how it starts, how long it is at least.
_JPEG_SIGHT = ((0xE1, b"Exif\0\0", 14), (0xE2, b"ICC_PROFILE\0", 14), (0xEE, b"Adobe", 12))


def leaner(data: bytes) -> Iterator[bytes]:
    """Yield a PNG or JPEG with less and less of what isn't pixels; nothing for other kinds.

    Pillow refuses a whole PNG whose text takes more than 1 MB unpacked or has a wrong check sum,
    and a whole JPEG with one short segment.
    """
    if data.startswith(_PNG):
        yield _png(data, _PNG_PIXELS | _PNG_SIGHT)
        yield _png(data, _PNG_PIXELS)
    elif data.startswith(_JPEG):
        yield _jpeg(data)


def _png(data: bytes, kept: Collection[bytes]) -> bytes:
    parts, at = [_PNG], len(_PNG)
    while at < len(data):
        end = at + 12 + int.from_bytes(data[at : at + 4])
        if data[at + 4 : at + 8] in kept:
            parts.append(data[at:end])
        at = end
    return b"".join(parts)


def _jpeg(data: bytes) -> bytes:
    parts, at = [_JPEG], len(_JPEG)
    while data[at : at + 1] == b"\xff" and data[at + 1 : at + 2] not in {b"", b"\xff"}:
        marker, length = data[at + 1], int.from_bytes(data[at + 2 : at + 4])
        if marker == _SCAN or length < 2:
            break
        body = data[at + 4 : at + 2 + length]
        named = marker == _COMMENT or marker in _APPS
        if not named or any(
            marker == sight and body.startswith(start) and len(body) >= least
            for sight, start, least in _JPEG_SIGHT
        ):
            parts.append(data[at : at + 2 + length])
        at += 2 + length
    return b"".join([*parts, data[at:]])
