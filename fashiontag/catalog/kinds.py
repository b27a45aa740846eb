"""Which files are pictures: by the endings of their names, and by how their bytes begin."""

from __future__ import annotations

import re

IMAGE_SUFFIXES = (
    *(".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".webp", ".bmp"),
    *(".tif", ".tiff", ".avif", ".heic", ".heif", ".hif"),
)
_BEGINNINGS = {
    "JPEG": rb"\xff\xd8\xff",
    "PNG": rb"\x89PNG",
    "GIF": rb"GIF8",
    "WebP": rb"RIFF....WEBP",
    "BMP": rb"BM....\0\0\0\0",
    "TIFF": rb"II\*\0|MM\0\*",
    "AVIF": rb"....ftypavi[fs]",
    "HEIC": rb"....ftyp(?:hei[cxms]|hev[cx]|mif1|msf1)",
}
_ENDINGS = {"JPEG": ".jpg", "TIFF": ".tif"}


def kind_of(start: bytes) -> str:
    """Return what a picture is by its first 16 bytes or more, "" if they are of none."""
    fits = (kind for kind, begins in _BEGINNINGS.items() if re.match(begins, start, re.DOTALL))
    return next(fits, "")


def ending_of(start: bytes) -> str:
    """Return the ending of a picture's file by its first bytes, "" if they are of none."""
    kind = kind_of(start)
    return _ENDINGS.get(kind, f".{kind.lower()}" if kind else "")
