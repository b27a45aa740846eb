"""Markup out of titles: what a shop pasted from its web page becomes plain text."""

from __future__ import annotations

import html
import re
import unicodedata

# A tag needs a letter (or / ! ?) right after "<": "<3" and "size < 40" are plain text.
_BODY = re.compile(r"<(script|style)\b[^<>]*>.*?(?:</\1\s*>|\Z)", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|\Z)|<!\[CDATA\[|\]\]>", re.DOTALL)
_TAG = re.compile(
    # attribute values may hold a ">"; the second form is for quotes that never close
    r"""</?([a-z][a-z0-9:-]*)(?:[\s/](?:"[^"]*"|'[^']*'|[^<>"'])*)?>|<[/!?]?([a-z])[^<>]*>""",
    re.IGNORECASE,
)
# These stand inside a word ("<b>N</b>avy"); every other tag parts words ("Red<br>dress").
_INLINE = frozenset(
    ("a", "abbr", "b", "big", "em", "font", "i", "mark", "s", "small", "span", "strong", "u")
)
# Soft hyphen, zero-width space, byte order mark: invisible, and they split words in a tokenizer.
_INVISIBLE = re.compile("[\u00ad\u200b\ufeff]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
# Feeds escape twice or three times ("&amp;lt;b&amp;gt;"); more passes are an attack on our time.
_PASSES = 8


def clean_title(raw: str) -> str:
    """Return the text of a title without markup.

    Tags, comments and the bodies of scripts and styles go, entities become their characters,
    white space folds to single blanks, and the result is in NFC. Text that only looks a little
    like markup (``<3``, ``size < 40``) stays.

    Parameters
    ----------
    raw : str
        The title as its seller wrote it.

    Returns
    -------
    str
        Plain text; "" where nothing but markup was there.
    """
    text = raw
    for _ in range(_PASSES):
        before = text
        if "<" in text or "]]>" in text:
            text = _COMMENT.sub(" ", _BODY.sub(" ", text))
            text = _TAG.sub(_blank, text)
        if "&" in text:
            text = html.unescape(text)
        if not text.isascii():
            text = unicodedata.normalize("NFC", _INVISIBLE.sub("", text))
        text = " ".join(_CONTROL.sub(" ", text).split())
        if text == before:
            break
    return text


def _blank(tag: re.Match[str]) -> str:
    return "" if (tag.group(1) or "").lower() in _INLINE else " "
