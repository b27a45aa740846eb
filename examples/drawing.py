"""Garments drawn by the program: product pictures with known truth and nobody's copyright.

A garment is a few smooth outlines. Each is drawn three times too large, shrunk (that is the
anti-aliasing), filled with a pattern that follows the folds of the cloth, and shaded: folds are
low-frequency noise, edges are darker, light comes from the upper left. Coordinates are fractions
of the picture, x to the right and y down. Everything is a function of the arguments and `seed`.
"""

from __future__ import annotations

import colorsys
import functools
import math
import zlib
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    Array = np.ndarray
    Point = tuple[float, ...]  # (x, y) on a smooth curve, (x, y, 1) at a corner
    Shape = str | Sequence[Point]  # a string is read by `_read`
    Texture = Callable[[Array, Array], Array]  # pattern coordinates -> (h, w, 3) in 0..1

COLORS: dict[str, tuple[int, int, int]] = {
    "black": (30, 30, 33),
    "white": (244, 243, 240),
    "grey": (140, 141, 144),
    "red": (196, 30, 40),
    "maroon": (105, 22, 38),
    "blue": (42, 96, 190),
    "navy": (28, 36, 74),
    "green": (44, 128, 66),
    "olive": (104, 106, 56),
    "yellow": (242, 204, 56),
    "pink": (238, 142, 176),
    "purple": (116, 62, 148),
    "orange": (236, 122, 36),
    "brown": (108, 68, 42),
    "beige": (216, 196, 164),
    "turquoise": (48, 178, 176),
}
PATTERNS: tuple[str, ...] = ("solid", "striped", "checked", "floral", "dotted", "graphic")
SLEEVES: tuple[str, ...] = ("sleeveless", "short", "three-quarter", "long")
_SUPERSAMPLING = 3


# --- curves -------------------------------------------------------------------------------


@functools.cache
def _read(path: str) -> tuple[Point, ...]:
    """Read an outline written as thousandths: `"120,660! 105,540"`, with `!` for a corner."""
    return tuple(
        (*(int(n) / 1000 for n in word.rstrip("!").split(",")), *(1,) * word.endswith("!"))
        for word in path.split()
    )


def _points(shape: Shape) -> Sequence[Point]:
    return _read(shape) if isinstance(shape, str) else shape


_STEPS = np.linspace(0, 1, 9, endpoint=False)[:, None, None]
# The cubic Hermite polynomials: weights of start, start's tangent, end, end's tangent.
_HERMITE = (
    2 * _STEPS**3 - 3 * _STEPS**2 + 1,
    _STEPS**3 - 2 * _STEPS**2 + _STEPS,
    3 * _STEPS**2 - 2 * _STEPS**3,
    _STEPS**3 - _STEPS**2,
)


def _spline(shape: Shape, closed: bool = True) -> Array:
    """Return a smooth curve through the points, (n, 2); at corners it goes straight on."""
    points = _points(shape)
    p = np.array([q[:2] for q in points], float)
    corner = np.array([len(q) > 2 for q in points])
    if not closed:
        corner[[0, -1]] = True
    following = np.arange(1, len(p) + 1) % len(p)
    chord = p[following] - p
    tangent = (chord + chord[following - 2]) / 2
    # A tangent longer than its chord makes loops.
    length = np.hypot(tangent[:, 0], tangent[:, 1]) + 1e-9
    limit = np.hypot(chord[:, 0], chord[:, 1])
    leave = tangent * np.minimum(1, limit / length)[:, None]
    arrive = tangent[following] * np.minimum(1, limit / length[following])[:, None]
    leave[corner] = chord[corner]
    arrive[corner[following]] = chord[corner[following]]
    terms = zip(_HERMITE, (p, leave, p[following], arrive), strict=True)
    curve = sum(weight * value for weight, value in terms)
    drawn = curve.transpose(1, 0, 2) if closed else curve.transpose(1, 0, 2)[:-1]
    return np.concatenate([drawn.reshape(-1, 2), p[:1] if closed else p[-1:]])


def _mirror(half: Shape) -> list[Point]:
    """Close a right half, listed from the top of the middle axis to its bottom."""
    points = _points(half)
    inner = [q for q in points if abs(q[0] - 0.5) > 1e-6]
    return [*points, *((1 - q[0], *q[1:]) for q in reversed(inner))]


def _flip(shape: Shape, right: bool) -> list[Point]:
    """Return the shape, or its mirror image when it is not for the right side."""
    return [q if right else (1 - q[0], *q[1:]) for q in _points(shape)]


def _move(shape: Shape, dx: float, dy: float) -> list[Point]:
    return [(q[0] + dx, q[1] + dy, *q[2:]) for q in _points(shape)]


def _oval(x: float, y: float, rx: float, ry: float | None = None) -> list[Point]:
    a = np.linspace(0, 2 * math.pi, 12, endpoint=False)
    return [(x + rx * math.cos(b), y + (ry or rx) * math.sin(b)) for b in a]


def _box(x0: float, y0: float, x1: float, y1: float, r: float = 0.0) -> list[Point]:
    if not r:
        return [(x0, y0, 1), (x1, y0, 1), (x1, y1, 1), (x0, y1, 1)]
    return [
        *((x0, y0 + r, 1), (x0 + 0.3 * r, y0 + 0.3 * r), (x0 + r, y0, 1)),
        *((x1 - r, y0, 1), (x1 - 0.3 * r, y0 + 0.3 * r), (x1, y0 + r, 1)),
        *((x1, y1 - r, 1), (x1 - 0.3 * r, y1 - 0.3 * r), (x1 - r, y1, 1)),
        *((x0 + r, y1, 1), (x0 + 0.3 * r, y1 - 0.3 * r), (x0, y1 - r, 1)),
    ]


# --- cloth --------------------------------------------------------------------------------


def _noise(rng: np.random.Generator, size: int, across: int, down: int) -> Array:
    """Return smooth noise, (size, size) in about -1..1, with that many waves."""
    grid = rng.uniform(-1, 1, (down + 2, across + 2)).astype(np.float32)
    return np.asarray(Image.fromarray(grid).resize((size, size), Image.Resampling.BICUBIC))


def _soft(distance: Array, width: float = 0.004) -> Array:
    """Return 1 inside (negative distance) and 0 outside, with a soft edge."""
    return np.clip(0.5 - distance / width, 0, 1)


def _mix(base: Array, over: Array, amount: Array) -> Array:
    return base + (over - base) * amount[..., None]


def _luma(rgb: Array) -> float:
    return float(rgb @ np.array([0.3, 0.59, 0.11]))


def _shade_of(name: str, rng: np.random.Generator) -> Array:
    h, s, v = colorsys.rgb_to_hsv(*(c / 255 for c in COLORS[name]))
    h += rng.uniform(-0.012, 0.012)
    s *= rng.uniform(0.86, 1.08)
    v *= (
        rng.uniform(0.9, 1.1) if name not in ("white", "black", "navy") else rng.uniform(0.95, 1.04)
    )
    return np.array(colorsys.hsv_to_rgb(h % 1, min(s, 1), min(v, 0.97)), np.float32)


def _contrast(name: str, rng: np.random.Generator) -> Array:
    """Choose a second colour that leaves the first one the garment's name."""
    if name == "white":
        other = rng.choice(["navy", "black", "red", "blue", "grey", "green", "pink"])
    elif name in ("beige", "yellow", "pink", "orange", "turquoise", "grey"):
        other = rng.choice(["white", "white", "navy", "brown", "black"])
    else:
        other = rng.choice(["white", "white", "white", "beige", "grey"])
    return np.array(COLORS[str(other)], np.float32) / 255


def _cells(
    u: Array, v: Array, pitch: float, jitter: float, seed: int
) -> tuple[Array, Array, Array]:
    """Cut the plane in staggered cells; return offsets from each cell's centre and its chance."""
    row = np.floor(v / pitch)
    shifted = u / pitch + 0.5 * (row % 2)
    column = np.floor(shifted)
    # A fixed random table, read modulo its size, so that cells need no bounds.
    table = np.random.default_rng(seed).random((3, 64, 64), np.float32)
    chance = table[:, row.astype(int) % 64, column.astype(int) % 64]
    du = (shifted - column - 0.5 - jitter * (chance[0] - 0.5)) * pitch
    dv = (v / pitch - row - 0.5 - jitter * (chance[1] - 0.5)) * pitch
    return du, dv, chance[2]


def _texture(pattern: str, name: str, base: Array, rng: np.random.Generator) -> Texture:
    other = _contrast(name, rng)
    seed = int(rng.integers(1 << 30))

    def flat(u: Array, _: Array) -> Array:
        return np.broadcast_to(base, (*u.shape, 3))

    if pattern == "striped":
        period = rng.uniform(0.035, 0.085)
        share = rng.uniform(0.28, 0.5) if rng.random() < 0.7 else rng.uniform(0.12, 0.2)
        upright = rng.random() < 0.35

        def striped(u: Array, v: Array) -> Array:
            w = (u if upright else v) / period
            inside = np.abs(w - np.floor(w) - 0.5) - share / 2
            return _mix(flat(u, v), other, _soft(inside * period))

        return striped
    if pattern == "checked":
        period = rng.uniform(0.05, 0.11)
        gingham = rng.random() < 0.45
        line = np.array(COLORS[str(rng.choice(["white", "yellow", "black"]))], np.float32) / 255

        def checked(u: Array, v: Array) -> Array:
            su, sv = (np.abs(w / period - np.floor(w / period) - 0.5) * period for w in (u, v))
            a, b = _soft(su - period / 4), _soft(sv - period / 4)
            if gingham:
                return _mix(flat(u, v), other, (a + b) / 2)
            dark = base * 0.45 if _luma(base) > 0.25 else base + 0.22
            out = _mix(flat(u, v), dark, 0.42 * a + 0.42 * b)
            thin = np.maximum(_soft(period * 0.44 - su), _soft(period * 0.44 - sv))
            out = _mix(out, other, 0.75 * thin)
            fine = np.maximum(_soft(su - period * 0.03), _soft(sv - period * 0.03))
            return _mix(out, line, 0.5 * fine)

        return checked
    if pattern == "dotted":
        pitch = rng.uniform(0.035, 0.075)
        radius = pitch * rng.uniform(0.22, 0.34)

        def dotted(u: Array, v: Array) -> Array:
            du, dv, _ = _cells(u, v, pitch, 0.0, seed)
            return _mix(flat(u, v), other, _soft(np.hypot(du, dv) - radius))

        return dotted
    if pattern == "floral":
        pitch = rng.uniform(0.065, 0.11)
        petals = int(rng.integers(5, 7))
        blooms = [c for c in ("pink", "white", "yellow", "red", "orange", "purple") if c != name]
        first, second = (
            np.array(COLORS[str(c)], np.float32) / 255 for c in rng.choice(blooms, 2, replace=False)
        )
        green = np.array([0.25, 0.5, 0.25], np.float32)
        if name in ("green", "olive"):
            green = np.array([0.72, 0.8, 0.5], np.float32)

        def floral(u: Array, v: Array) -> Array:
            out = flat(u, v)
            for shift in (0.0, 0.45):  # leaves and buds between the blooms
                du, dv, c = _cells(
                    u + shift * pitch + 0.3 * pitch, v + 0.5 * pitch, pitch, 0.5, seed
                )
                angle = c * 6.283
                a, b = (
                    du * np.cos(angle) + dv * np.sin(angle),
                    dv * np.cos(angle) - du * np.sin(angle),
                )
                out = _mix(out, green, _soft(np.hypot(a / 2.6, b) - pitch * 0.075))
            du, dv, c = _cells(u, v, pitch, 0.35, seed + 1)
            r, angle = np.hypot(du, dv), np.arctan2(dv, du)
            reach = pitch * (0.27 + 0.1 * c) * (0.72 + 0.28 * np.cos(petals * angle + 6.283 * c))
            bloom = np.where((c > 0.6)[..., None], second, first)
            bloom = bloom * (0.8 + 0.2 * np.clip(r / (pitch * 0.2), 0, 1))[..., None]
            out = _mix(out, bloom, _soft(r - reach))
            heart = np.where((c > 0.6)[..., None], first, np.float32([0.95, 0.8, 0.3]))
            return _mix(out, heart * 0.95, _soft(r - pitch * 0.085))

        return floral
    return flat


class _Sheet:
    """A white sheet on which parts of one garment are laid, later ones on top."""

    def __init__(
        self, rng: np.random.Generator, size: int, flip: bool, zoom: float, turn: float
    ) -> None:
        self.rng, self.size = rng, size
        self.rgb = np.zeros((size, size, 3), np.float32)  # premultiplied by alpha
        self.alpha = np.zeros((size, size), np.float32)
        scale = zoom * rng.uniform(0.87, 1.0)
        angle = math.radians(rng.uniform(-turn, turn))
        cos, sin = scale * math.cos(angle), scale * math.sin(angle)
        self.matrix = np.array([[-cos if flip else cos, -sin], [-sin if flip else sin, cos]])
        self.centre = 0.5 + rng.uniform(-0.02, 0.02, 2)
        self.fold = 0.65 * _noise(rng, size, int(rng.integers(5, 9)), 2) + 0.35 * _noise(
            rng, size, int(rng.integers(12, 18)), 4
        )
        self.crumple = _noise(rng, size, 5, 6)
        self.grain = rng.normal(0, 1, (size, size)).astype(np.float32)

    def place(self, points: Array) -> Array:
        """Return points in supersampled pixels."""
        return ((points - 0.5) @ self.matrix.T + self.centre) * (self.size * _SUPERSAMPLING)

    def mask(
        self, shapes: Sequence[Array], width: float = 0.0, holes: Sequence[Array] = ()
    ) -> tuple[slice, slice, Array] | None:
        """Return where the shapes are, and their coverage there in 0..1; `width` draws lines."""
        k = _SUPERSAMPLING
        placed = [self.place(s) for s in shapes]
        allp = np.concatenate(placed)
        pad = width * self.size + 3
        x0, y0 = (max(0, int(allp[:, i].min() / k - pad)) for i in (0, 1))
        x1, y1 = (min(self.size, int(allp[:, i].max() / k + pad) + 1) for i in (0, 1))
        if x1 <= x0 or y1 <= y0:
            return None
        image = Image.new("L", ((x1 - x0) * k, (y1 - y0) * k))
        draw = ImageDraw.Draw(image)
        corner = np.array([x0 * k, y0 * k])
        for s in placed:
            flat = [tuple(q) for q in s - corner]
            if width:
                draw.line(flat, 255, max(1, round(width * self.size * k)), joint="curve")
            else:
                draw.polygon(flat, 255)
        for s in holes:
            draw.polygon([tuple(q) for q in self.place(s) - corner], 0)
        small = np.asarray(image.reduce(k), np.float32) / 255
        return slice(y0, y1), slice(x0, x1), small

    def _lay(self, rows: slice, columns: slice, cover: Array, rgb: Array) -> None:
        at = (rows, columns)
        self.rgb[at] += (rgb - self.rgb[at]) * cover[..., None]
        self.alpha[at] += (1 - self.alpha[at]) * cover

    def part(
        self,
        points: Shape,
        texture: Texture | Array,
        *,
        angle: float = 0.0,
        tone: float = 1.0,
        edge: float = 0.3,
        round_: float = 0.035,
        folds: float = 0.16,
        gloss: float = 0.0,
        holes: Sequence[Shape] = (),
        clip: Shape | None = None,
    ) -> None:
        """Lay one piece of cloth (folds) or leather (gloss), shaded and patterned."""
        found = self.mask([_spline(points)], holes=[_spline(h) for h in holes])
        if found is None:
            return
        rows, columns, cover = found
        if clip is not None:
            window = self.mask([_spline(clip)])
            if window is None:
                return
            full = np.zeros((self.size, self.size), np.float32)
            full[window[0], window[1]] = window[2]
            cover = cover * full[rows, columns]
        fold, crumple = self.fold[rows, columns], self.crumple[rows, columns]
        y, x = np.mgrid[rows, columns].astype(np.float32) / self.size - 0.5
        inverse = np.linalg.inv(self.matrix)
        px, py = inverse[0, 0] * x + inverse[0, 1] * y, inverse[1, 0] * x + inverse[1, 1] * y
        u = px * math.cos(angle) + py * math.sin(angle) + 0.010 * fold * bool(folds)
        v = py * math.cos(angle) - px * math.sin(angle) + 0.016 * fold * bool(folds)
        colour = (
            texture(u + 2, v + 2)
            if callable(texture)
            else np.broadcast_to(texture, (*cover.shape, 3))
        )
        blurred = Image.fromarray((cover * 255).astype(np.uint8)).filter(
            ImageFilter.GaussianBlur(round_ * self.size)
        )
        height = np.asarray(blurred, np.float32) / 255
        depth = np.clip(height * 2 - 1, 0, 1)
        dy, dx = np.gradient(height)
        light = (dx * 0.7 + dy * 0.7) * round_ * self.size
        shade = tone * (1 - edge * (1 - depth) ** 2)
        shade = shade + folds * (fold + 0.35 * crumple) + 0.55 * edge * light
        lift = np.maximum(shade - 1, 0) * 0.35 + 0.05 * folds / 0.16 * np.maximum(fold, 0)
        if gloss:
            shine = np.clip(light * 2.2 + 0.25 * crumple, 0, 1) ** 2
            lift = lift + gloss * shine
        out = colour * shade[..., None] + (lift + 0.008 * self.grain[rows, columns])[..., None]
        self._lay(rows, columns, cover, np.clip(out, 0, 1))

    def line(
        self, points: Shape, colour: Array, width: float = 0.006, opacity: float = 0.7
    ) -> None:
        found = self.mask([_spline(points, closed=False)], width)
        if found:
            self._lay(found[0], found[1], found[2] * opacity, colour)

    def seam(self, points: Shape, depth: float = 0.35, width: float = 0.006) -> None:
        """Darken along a line, and lighten beside it: a seam, whatever the colour."""
        found = self.mask([_spline(points, closed=False)], width)
        if found:
            at = found[0], found[1]
            shadow = found[2][..., None]
            self.rgb[at] *= 1 - depth * shadow
            lit = np.roll(found[2], (1, 1), (0, 1))[..., None] * (1 - shadow)
            self.rgb[at] += 0.10 * lit * self.alpha[at][..., None]

    def stitches(self, points: Shape, colour: Array, width: float = 0.005) -> None:
        curve = _spline(points, closed=False)
        length = np.r_[0, np.cumsum(np.hypot(*np.diff(curve, axis=0).T))]
        ticks = np.arange(0, length[-1], 0.009)
        dense = np.stack([np.interp(ticks, length, curve[:, i]) for i in (0, 1)], 1)
        dashes = [dense[i : i + 2] for i in range(0, len(dense) - 1, 2)]
        found = self.mask(dashes, width) if dashes else None
        if found:
            rows, columns, cover = found
            self._lay(rows, columns, 0.8 * cover * self.alpha[rows, columns], colour)

    def button(self, x: float, y: float, colour: Array, r: float = 0.009) -> None:
        self.part(_oval(x, y, r * 1.25), colour * 0.55, folds=0, edge=0, round_=0.01)
        self.part(_oval(x - 0.001, y - 0.001, r), colour, folds=0, round_=0.008, gloss=0.3)

    def finish(self) -> Image.Image:
        """Put the garment on white, with a soft shadow below it."""
        depth = self.rng.uniform(0.05, 0.2)
        blur = Image.fromarray((self.alpha * 255).astype(np.uint8)).filter(
            ImageFilter.GaussianBlur(self.size * self.rng.uniform(0.012, 0.03))
        )
        down = round(self.size * self.rng.uniform(0.004, 0.022))
        shadow = np.roll(np.asarray(blur, np.float32) / 255, (down, down // 2), (0, 1))
        shadow[:down] = 0
        paper = (1 - depth * shadow)[..., None]
        out = paper * (1 - self.alpha[..., None]) + self.rgb
        return Image.fromarray((np.clip(out, 0, 1) * 255 + 0.5).astype(np.uint8))


# Outlines are read along the line; the formatter would put every number on a line of its own.
# fmt: off

# --- garments -----------------------------------------------------------------------------


class _Cloth:
    """What a garment is made of: its colour, its pattern and the trimmings that go with them."""

    def __init__(self, name: str, pattern: str, sleeve: str, rng: np.random.Generator) -> None:
        self.name, self.sleeve = name, sleeve
        self.base = _shade_of(name, rng)
        self.texture = _texture(pattern, name, self.base, rng)
        self.graphic = pattern == "graphic"
        self.other = _contrast(name, rng)
        dark = _luma(self.base) < 0.22
        self.trim = np.clip(self.base * 1.25 + 0.05 if dark else self.base * 0.82, 0, 1)
        self.thread = np.clip(self.base + 0.25 if dark else self.base * 0.6, 0, 1)
        self.metal = np.array([[0.78, 0.78, 0.8], [0.83, 0.68, 0.35]],
            np.float32)[int(rng.random() < 0.4)]


_DARK = np.array([0.16, 0.15, 0.15], np.float32)
_PALE = np.array([0.93, 0.92, 0.9], np.float32)


class _Upper:
    """The trunk and sleeves that shirts, sweaters, coats and dresses share."""

    def __init__(self, s: _Sheet, c: _Cloth, *, top: float = 0.15, hem: float = 0.84,
        shoulder: float = 0.2, chest: float = 0.19, waist: float = 0.18, hip: float = 0.19,
        waist_at: float = 0.58, neck: float = 0.075, drop: float = 0.06, vee: bool = False,
        sleeve_width: float = 0.105, cuff: str = "hem", strap: bool = False, back: bool = True,
        lay: bool = True) -> None:
        r, sleeve = s.rng, c.sleeve
        self.s, self.c, self.top, self.hem = s, c, top, hem
        self.neck, self.drop, self.vee, self.hip, self.chest = neck, drop, vee, hip, chest
        self.span = hem - top
        arm = top + 0.2 + 0.02 * r.uniform(-1, 1)
        sleeveless = sleeve == "sleeveless"
        if sleeveless:
            shoulder = neck + (0.028 if strap else 0.06)
        sy = top + (0.012 if sleeveless else 0.045)
        self.shoulder, self.shoulder_y, self.arm = shoulder, sy, arm
        if back:
            rim = [(0.5, top - 0.012), (0.5 + neck * 0.6, top - 0.01),
                (0.5 + neck + 0.012, top + 0.012, 1)]
            s.part(_mirror([*rim, (0.5 + neck * 0.8, top + drop + 0.02),
                (0.5, top + drop + 0.03)]), c.trim * 0.62, folds=0.03, edge=0.1)
        if not sleeveless:
            self._sleeves(sleeve, sleeve_width, cuff)
        bottom = (0.5, top + drop, 1) if vee else (0.5, top + drop)
        half: list[Point] = [bottom]
        if not vee:
            half.append((0.5 + neck * 0.72, top + drop * 0.66))
        half += [(0.5 + neck, top, 1), (0.5 + shoulder, sy, 1)]
        if sleeveless:
            half += [(0.5 + shoulder * 0.96, top + 0.1), (0.5 + chest * 0.9, arm - 0.015),
                (0.5 + chest, arm, 1)]
        else:
            half += [(0.5 + shoulder - 0.012, (sy + arm) / 2), (0.5 + chest, arm, 1)]
        y_waist = top + (hem - top) * waist_at
        half += [(0.5 + waist, y_waist), (0.5 + hip, hem, 1), (0.5 + hip * 0.5, hem + 0.008),
            (0.5, hem + 0.01)]
        self.outline = _mirror(half)
        self.neckline = half[: 2 if vee else 3]
        if lay:
            s.part(self.outline, c.texture)
        if lay and not sleeveless:
            for right in (True, False):
                s.seam(_flip([(0.5 + shoulder, sy), (0.5 + shoulder - 0.014, (sy + arm) / 2),
                    (0.5 + chest, arm)], right), 0.25)

    def _sleeves(self, sleeve: str, width: float, cuff: str) -> None:
        s, c, r = self.s, self.c, self.s.rng
        length = {"short": 0.2, "three-quarter": 0.4, "long": 0.56}[sleeve]
        lean = {"short": 0.72, "three-quarter": 0.36, "long": 0.22}[sleeve] + r.uniform(-0.05, 0.08)
        length *= min(1.0, 0.35 + self.span) if sleeve == "long" else 1.0
        wide = width * {"short": 1.0, "three-quarter": 0.85, "long": 0.68}[sleeve]
        along = np.array([math.sin(lean), math.cos(lean)])
        inward = np.array([-along[1], along[0]])
        start, armpit = (np.array([0.5 + self.shoulder, self.shoulder_y]),
            np.array([0.5 + self.chest, self.arm]))
        end = start + along * length + np.array([0.012, 0.0])
        inner = end + inward * wide
        bulge = (start + end) / 2 - inward * 0.012
        knee = (armpit + inner) / 2 + inward * 0.004
        outline = [(*start, 1), tuple(start + along * 0.06 - inward * 0.008), tuple(bulge),
            (*end, 1), (*inner, 1), tuple(knee), (*armpit, 1), (*(armpit - [0.05, 0.02]), 1),
            (*(start - [0.05, 0.0]), 1)]
        for right in (True, False):
            angle = -lean if right else lean
            s.part(_flip(outline, right), c.texture, angle=angle, tone=0.95)
            deep = {"hem": 0.018, "rib": 0.05, "band": 0.045}[cuff]
            if sleeve == "long" and cuff == "hem":
                deep = 0.024
            back_e, back_i = end - along * deep, inner - along * deep
            if cuff in ("rib", "band"):
                box = [(*back_e, 1), (*(end + inward * 0.006), 1), (*(inner - inward * 0.006), 1),
                    (*back_i, 1)]
                s.part(_flip(box, right), c.trim if cuff == "rib" else c.texture, angle=angle,
                    tone=0.93, folds=0.05)
                if cuff == "rib":
                    for t in np.linspace(0.12, 0.88, 6):
                        s.seam(_flip([tuple(back_e + (back_i - back_e) * t),
                            tuple(end + (inner - end) * t)], right), 0.2, 0.004)
            s.seam(_flip([tuple(back_e), tuple(back_i)], right), 0.3)

    def collar_ring(self, colour: Array, width: float = 0.02) -> None:
        """Bind the neckline with a ribbed or folded band."""
        half = [(q[0], q[1]) for q in self.neckline]
        left = [(1 - x, y) for x, y in reversed(half[1:])]
        curve = [*left, (half[0][0], half[0][1], 1) if self.vee else half[0], *half[1:]]
        self.s.line(curve, colour, width, 1.0)
        inner = [(x, y + 0.55 * width) for x, y, *_ in curve]
        self.s.seam(inner, 0.28, 0.004)

    def hem_seam(self, up: float = 0.025) -> None:
        y, w = self.hem - up, self.hip
        self.s.seam([(0.5 - w, y), (0.5, y + 0.01), (0.5 + w, y)], 0.25)

    def rib_hem(self, deep: float = 0.05) -> None:
        w, y = self.hip, self.hem
        box = [(0.5 - w - 0.002, y - deep, 1), (0.5 + w + 0.002, y - deep, 1),
            (0.5 + w - 0.012, y + 0.008, 1), (0.5, y + 0.014), (0.5 - w + 0.012, y + 0.008, 1)]
        self.s.part(box, self.c.trim, folds=0.05, edge=0.2)
        for x in np.linspace(0.5 - w + 0.012, 0.5 + w - 0.012, 26):
            self.s.seam([(x, y - deep), (x, y + 0.008)], 0.2, 0.004)

    def shirt_collar(self, texture: Texture | Array) -> None:
        n, t = self.neck, self.top
        for right in (True, False):
            leaf = [(0.5 + n * 0.55, t - 0.03), (0.5 + n + 0.012, t - 0.002, 1),
                (0.5 + n + 0.016, t + 0.045, 1), (0.5 + 0.006 + n * 0.35, t + 0.075, 1),
                (0.5, t + 0.035, 1)]
            self.s.part(_flip(leaf, right), texture, angle=0.6 if right else -0.6, folds=0.04,
                edge=0.35, round_=0.014)

    def placket(self, low: float, buttons: int, colour: Array, first: float = 0.07) -> None:
        s, top = self.s, self.top + first
        s.part(_box(0.482, top - 0.02, 0.518, low), self.c.texture, folds=0.05, edge=0.22,
            round_=0.01)
        for y in np.linspace(top + 0.01, low - 0.035, buttons):
            s.button(0.5, float(y), colour)

    def print_graphic(self) -> None:
        s, c, r = self.s, self.c, self.s.rng
        y, k = self.top + 0.25, r.uniform(0.075, 0.105)
        inks = [c.other, *(np.array(COLORS[str(n)],
            np.float32) / 255 for n in r.choice([n for n in ("red", "yellow", "turquoise",
            "orange", "pink", "white", "black") if n != c.name], 2, replace=False))]
        kind = int(r.integers(4))
        flat = {"folds": 0.05, "edge": 0.04}
        if kind == 0:  # a setting sun
            s.part(_oval(0.5, y, k), inks[1], **flat)
            for i in range(4):
                yy = y + k * (0.15 + 0.22 * i)
                s.part(_box(0.5 - k, yy, 0.5 + k, yy + k * (0.05 + 0.03 * i)), c.base, **flat)
        elif kind == 1:  # mountains in a disc
            s.part(_oval(0.5, y, k * 1.05), inks[0], **flat)
            peak = [(0.5 - k, y + 0.5 * k, 1), (0.5 - 0.3 * k, y - 0.45 * k, 1),
                (0.5 + 0.1 * k, y + 0.1 * k, 1), (0.5 + 0.4 * k, y - 0.2 * k, 1),
                (0.5 + k, y + 0.5 * k, 1)]
            s.part(peak, inks[1], **flat)
        elif kind == 2:  # a star
            a = np.linspace(0, 2 * math.pi, 10, endpoint=False) - math.pi / 2
            star = [(0.5 + k * (1.1 if i % 2 == 0 else 0.48) * math.cos(b),
                y + k * (1.1 if i % 2 == 0 else 0.48) * math.sin(b), 1) for i, b in enumerate(a)]
            s.part(star, inks[1], **flat)
        else:  # a splash
            a = np.linspace(0, 2 * math.pi, 14, endpoint=False)
            s.part([(0.5 + k * d * math.cos(b), y + k * d * math.sin(b)) for b, d in zip(a,
                r.uniform(0.6, 1.25, 14), strict=True)], inks[2], **flat)
            s.part(_oval(0.5, y, k * 0.45), inks[1], **flat)
        for i in range(int(r.integers(1, 3))):  # two lines of letters
            x, yy, h = 0.5 - k * r.uniform(0.8, 1.1), y + k * (1.3 + 0.5 * i), k * (0.34 - 0.12 * i)
            while x < 0.5 + k:
                w = h * r.uniform(0.4, 0.7)
                s.part(_box(x, yy, x + w, yy + h), inks[0], holes=[_box(x + w * 0.35,
                    yy + h * (0.0 if r.random() < 0.5 else 0.4), x + w * 0.65, yy + h * 0.7)],
                    **flat)
                x += w + h * 0.22


def _t_shirt(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    vee = r.random() < 0.3
    u = _Upper(s, c, hem=r.uniform(0.8, 0.87), waist=r.uniform(0.165, 0.19), drop=r.uniform(0.05,
        0.075) + 0.06 * vee, vee=vee, sleeve_width=0.12)
    contrast = r.random() < 0.2
    u.collar_ring(c.other if contrast else c.trim)
    u.hem_seam()
    if c.graphic:
        u.print_graphic()


def _shirt(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    u = _Upper(s, c, hem=r.uniform(0.82, 0.88), neck=0.062, drop=0.075, vee=True,
        waist=r.uniform(0.165, 0.185), cuff="band" if c.sleeve == "long" else "hem")
    buttons = _PALE if _luma(c.base) > 0.25 or r.random() < 0.6 else c.trim
    u.placket(u.hem + 0.006, 7, buttons)
    u.shirt_collar(c.texture)
    if r.random() < 0.75:
        s.part("565,360! 635,360! 635,430! 600,445! 565,430!", c.texture, folds=0.06, edge=0.3,
            round_=0.012)
    u.hem_seam(0.02)


def _polo(s: _Sheet, c: _Cloth) -> None:
    u = _Upper(s, c, hem=s.rng.uniform(0.8, 0.86), neck=0.065, drop=0.06, vee=True, cuff="rib",
        sleeve_width=0.11)
    u.placket(u.top + 0.2, 3, _PALE)
    u.shirt_collar(c.other if s.rng.random() < 0.2 else c.trim)
    u.hem_seam()


def _top(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    strap = r.random() < 0.5
    flare = r.uniform(0.0, 0.06)
    u = _Upper(s, c, top=0.2, hem=r.uniform(0.74, 0.8), shoulder=0.17, chest=0.165,
        waist=0.15 + flare / 2, waist_at=0.5, hip=0.18 + flare, neck=r.uniform(0.075, 0.1),
        drop=r.uniform(0.09, 0.13), strap=strap, sleeve_width=0.12)
    u.collar_ring(c.trim, 0.014)
    y = u.top + 0.26
    if r.random() < 0.5:
        s.seam([(0.5 - 0.15, y), (0.5, y + 0.012), (0.5 + 0.15, y)], 0.3)
        for x in np.linspace(-0.12, 0.12, 7):
            s.seam([(0.5 + x, y + 0.01), (0.5 + x * (1.1 + flare), y + r.uniform(0.08, 0.2))], 0.2)
    u.hem_seam(0.02)
    if c.graphic:
        u.print_graphic()


def _sweater(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    vee = r.random() < 0.3
    u = _Upper(s, c, hem=r.uniform(0.8, 0.86), chest=0.2, waist=0.2, hip=0.19, shoulder=0.205,
        drop=0.055 + 0.08 * vee, vee=vee, cuff="rib", sleeve_width=0.13)
    cable = r.random() < 0.6
    for x in np.linspace(-0.13, 0.13, 5 if cable else 0):
        ys = np.arange(u.top + 0.14, u.hem - 0.06, 0.03)
        for sign in (1, -1):
            s.seam([(0.5 + x + sign * 0.011 * (1 if i % 2 else -1), float(y)) for i,
                y in enumerate(ys)], 0.28, 0.006)
    for y in np.arange(u.top + 0.12, u.hem - 0.05, 0.014):  # rows of knitting
        s.seam([(0.33, float(y)), (0.67, float(y))], 0.07, 0.004)
    u.collar_ring(c.trim, 0.032)
    u.rib_hem()


def _hoodie(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    hood = _mirror("500,75 575,95 615,170 600,250! 500,270")
    s.part(hood, c.texture, folds=0.1)
    s.part(_mirror("500,115 550,130 565,200 500,262!"), c.trim * 0.6, folds=0.05, edge=0.2)
    u = _Upper(s, c, top=0.2, hem=r.uniform(0.82, 0.88), shoulder=0.2, chest=0.2, waist=0.2,
        hip=0.19, neck=0.085, drop=0.06, vee=True, cuff="rib", sleeve_width=0.13, back=False)
    u.collar_ring(c.trim, 0.028)
    pocket = _mirror("500,600 575,600! 625,680! 625,765! 500,768")
    s.part(pocket, c.texture, folds=0.05, edge=0.3, round_=0.018)
    u.rib_hem()
    if r.random() < 0.5:
        s.seam([(0.5, u.top + 0.06), (0.5, u.hem)], 0.5, 0.008)
    for x in (0.465, 0.535):
        s.line([(x, 0.265), (x + 0.006, 0.33), (x - 0.003, 0.4)], _PALE, 0.009, 1.0)
    if c.graphic:
        u.top += 0.02
        u.print_graphic()


def _lapels(s: _Sheet, c: _Cloth, u: _Upper, low: float, wide: float) -> None:
    t, n = u.top, u.neck
    for right in (True, False):
        leaf = [(0.5 + n * 0.5, t - 0.022), (0.5 + n + 0.02, t + 0.0, 1),
            (0.5 + n + wide * 0.55, t + 0.1, 1), (0.5 + n + wide * 0.1, t + 0.1, 1),
            (0.5 + n + wide * 0.42, t + 0.13, 1), (0.505, low, 1), (0.5 + n * 0.62, t + 0.1)]
        s.part(_flip(leaf, right), c.texture, angle=0.3 if right else -0.3, tone=0.94, folds=0.06,
            edge=0.4, round_=0.018)


def _jacket(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    u = _Upper(s, c, hem=r.uniform(0.78, 0.83), chest=0.205, waist=0.2, hip=0.195, shoulder=0.21,
        drop=0.05, cuff="rib", sleeve_width=0.14)
    w = u.hip
    zipper = c.metal
    collar = _mirror([(0.5, u.top + 0.005), (0.5 + u.neck * 0.9, u.top - 0.03, 1),
        (0.5 + u.neck + 0.022, u.top + 0.03, 1), (0.5, u.top + 0.085)])
    s.part(collar, c.trim, folds=0.05)
    u.rib_hem(0.055)
    s.part(_box(0.49, u.top + 0.04, 0.51, u.hem + 0.01), c.trim * 0.7, folds=0, edge=0.1)
    s.line([(0.5, u.top + 0.02), (0.5, u.hem)], zipper, 0.009, 1.0)
    s.stitches([(0.5, u.top + 0.02), (0.5, u.hem)], _DARK, 0.009)
    s.part(_box(0.493, u.top + 0.07, 0.507, u.top + 0.105), zipper * 0.9, folds=0, round_=0.006)
    for right in (True, False):
        s.seam(_flip([(0.5 + w * 0.4, 0.55), (0.5 + w * 0.72, 0.68)], right), 0.55, 0.012)
        if r.random() < 0.5:
            s.seam(_flip([(0.515, 0.37), (0.5 + w, 0.385)], right), 0.3)
        s.seam(_flip([(0.5 + w * 0.3, 0.46), (0.5 + w * 0.65, 0.45)], right), 0.4, 0.008)


def _coat(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    u = _Upper(s, c, top=0.1, hem=r.uniform(0.9, 0.94), chest=0.165, waist=0.15, waist_at=0.42,
        hip=r.uniform(0.18, 0.22), shoulder=0.175, neck=0.06, drop=0.1, vee=True,
        sleeve_width=0.13, cuff="band")
    double = r.random() < 0.5
    lean = 0.035 if double else 0.0
    s.seam([(0.5 + lean, u.top + 0.2), (0.5 + lean, u.hem)], 0.55, 0.008)
    _lapels(s, c, u, u.top + 0.22, 0.12)
    colour = c.trim * 0.7 if _luma(c.base) > 0.3 else c.trim * 1.3
    for y in np.linspace(u.top + 0.25, 0.62, 4 if double else 3):
        for x in (0.455, 0.545) if double else (0.5,):
            s.button(x, float(y), np.clip(colour, 0, 1), 0.012)
    if double or r.random() < 0.4:
        s.part(_box(0.345, 0.44, 0.655, 0.472), c.texture, tone=0.9, folds=0.08, edge=0.35,
            round_=0.01)
        s.part(_box(0.475, 0.437, 0.525, 0.475, 0.01), c.trim * 0.6, folds=0, holes=[_box(0.487,
            0.446, 0.513, 0.466)], edge=0.2, round_=0.01)
    for right in (True, False):
        s.part(_flip("575,570! 650,585! 648,612! 573,597!", right), c.texture, folds=0.04,
            edge=0.4, round_=0.01)


def _blazer(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    shirt = np.array([0.93, 0.94, 0.95], np.float32)
    s.part(_mirror("500,140 570,125 580,300 500,500"), shirt if r.random() < 0.4 else c.trim * 0.5,
        folds=0.05)
    u = _Upper(s, c, top=0.13, hem=r.uniform(0.82, 0.87), chest=0.19, waist=0.165, waist_at=0.5,
        hip=0.195, shoulder=0.205, neck=0.065, drop=0.3, vee=True, sleeve_width=0.13, back=False)
    _lapels(s, c, u, u.top + 0.31, 0.14)
    s.seam([(0.5, u.top + 0.3), (0.505, u.hem)], 0.55, 0.008)
    for y in (u.top + 0.34, u.top + 0.44):
        s.button(0.503, y, np.clip(c.trim * 0.6, 0, 1) if _luma(c.base) > 0.25 else c.trim, 0.011)
    for right in (True, False):
        s.part(_flip("560,645! 655,655! 655,690! 560,680!", right), c.texture, folds=0.03,
            edge=0.35, round_=0.01)
    s.seam("585,400 640,390", 0.5, 0.01)


def _dress(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    waist = r.uniform(0.1, 0.125)
    hip = r.uniform(0.2, 0.29)
    hem = r.uniform(0.84, 0.94)
    top = 0.07
    strap = r.random() < 0.45
    u = _Upper(s, c, top=top, hem=hem, shoulder=0.14, chest=0.13, waist=waist, hip=hip,
        neck=r.uniform(0.055, 0.08), drop=r.uniform(0.06, 0.11), vee=r.random() < 0.35,
        strap=strap, sleeve_width=0.1, lay=False)
    y = r.uniform(0.38, 0.44)
    half = [q for q in u.outline if q[0] >= 0.5 and q[1] < y - 0.1]
    # The upper part of the outline is the shared one; from the waist down the skirt flares.
    half += [(0.5 + waist, y, 1), (0.5 + waist + (hip - waist) * 0.42, y + (hem - y) * 0.33),
        (0.5 + hip, hem, 1), (0.5 + hip * 0.5, hem + 0.018), (0.5, hem + 0.022)]
    s.part(_mirror(half), c.texture, folds=0.18)
    for x in np.linspace(-0.85, 0.85, 8) + r.uniform(-0.05, 0.05, 8):
        s.seam([(0.5 + x * waist, y + 0.005), (0.5 + x * (waist * 0.4 + hip * 0.6),
            y + (hem - y) * r.uniform(0.45, 0.95))], r.uniform(0.1, 0.26), 0.008)
    kind = r.random()
    if kind < 0.4:
        s.part(_box(0.5 - waist - 0.004, y - 0.016, 0.5 + waist + 0.004, y + 0.016),
            c.trim * 0.85 if r.random() < 0.6 else c.other, folds=0.06, edge=0.3, round_=0.01)
    else:
        s.seam([(0.5 - waist, y), (0.5, y + 0.008), (0.5 + waist, y)], 0.35, 0.007)
    if kind > 0.75:
        for yy in np.linspace(top + u.drop + 0.03, y - 0.03, 4):
            s.button(0.5, float(yy), _PALE, 0.008)
    u.collar_ring(c.trim, 0.012)
    s.seam([(0.5 - hip, hem - 0.02), (0.5, hem + 0.002), (0.5 + hip, hem - 0.02)], 0.2)


def _skirt(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    waist, top = r.uniform(0.14, 0.165), 0.2
    kind = int(r.integers(3))  # pencil, flared, pleated
    hip = waist + (0.05, 0.15, 0.13)[kind] + r.uniform(-0.01, 0.02)
    hem = r.uniform(0.76, 0.88)
    side = (0.5 + waist + (0.045, 0.05, 0.04)[kind], top + 0.22)
    s.part(_mirror([(0.5, top + 0.01), (0.5 + waist, top, 1), side, (0.5 + hip, hem, 1),
        (0.5 + hip * 0.5, hem + 0.016), (0.5, hem + 0.02)]), c.texture, folds=(0.1, 0.2,
        0.1)[kind])
    count = (2, 9, 17)[kind]
    for x in np.linspace(-0.9, 0.9, count):
        foot = (0.5 + x * hip * 0.98, hem + 0.018 * (1 - abs(x)))
        if kind == 0:
            foot = (0.5 + x * waist * 1.02, top + 0.16)
        elif kind == 1:
            foot = (0.5 + x * hip * 0.9, hem - r.uniform(0.02, 0.3))
        s.seam([(0.5 + x * waist * 0.95, top + 0.05), foot], 0.3 if kind == 2 else r.uniform(0.12,
            0.25), 0.008)
    s.part(_mirror([(0.5, top - 0.02), (0.5 + waist + 0.002, top - 0.03, 1),
        (0.5 + waist + 0.005, top + 0.03, 1), (0.5, top + 0.042)]), c.texture, tone=0.88,
        folds=0.05, edge=0.3, round_=0.015)
    if r.random() < 0.35:
        s.button(0.5, top + 0.008, c.metal)
    if kind != 2:
        s.seam([(0.5 - hip, hem - 0.02), (0.5, hem), (0.5 + hip, hem - 0.02)], 0.22)


def _legs(s: _Sheet, texture: Texture, *, top: float, hem: float, waist: float, hip: float,
    knee: float, ankle: float, spread: float, folds: float = 0.14) -> float:
    """Lay two trouser legs and return the height of the crotch."""
    crotch, hip_y = top + 0.24, top + 0.17
    middle = (crotch + hem) / 2 - 0.02
    centre = 0.5 + spread
    leg = [(0.497, top + 0.012, 1), (0.5 + waist, top, 1), (0.5 + hip, hip_y),
        (centre + knee, middle), (centre + ankle, hem, 1), (centre, hem + 0.008),
        (centre - ankle, hem, 1), (max(0.508, centre - knee), middle), (0.502, crotch, 1)]
    for right in (False, True):
        s.part(_flip(leg, right), texture, angle=-0.04 if right else 0.04, folds=folds,
            round_=0.03)
    return crotch


def _waistband(s: _Sheet, top: float, waist: float, texture: Texture | Array,
    loops: bool = True) -> None:
    s.part(_mirror([(0.5, top - 0.008), (0.5 + waist, top - 0.02, 1),
        (0.5 + waist + 0.004, top + 0.022, 1), (0.5, top + 0.034)]), texture, tone=0.92,
        folds=0.04, edge=0.3, round_=0.012)
    for x in (-0.75, -0.32, 0.32, 0.75) if loops else ():
        s.part(_box(0.5 + x * waist - 0.006, top - 0.012, 0.5 + x * waist + 0.006, top + 0.032),
            texture, tone=0.85, folds=0, edge=0.4, round_=0.006)


def _trousers(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    waist, top, hem = 0.125, 0.08, r.uniform(0.9, 0.94)
    wide = r.uniform(0.0, 0.02)
    crotch = _legs(s, c.texture, top=top, hem=hem, waist=waist, hip=0.158, knee=0.062 + wide,
        ankle=0.05 + wide * 1.4, spread=0.095)
    _waistband(s, top, waist, c.texture)
    s.seam([(0.5, top + 0.03), (0.503, crotch)], 0.45, 0.007)
    s.seam([(0.52, top + 0.03), (0.52, top + 0.14), (0.503, crotch - 0.05)], 0.25, 0.005)
    s.button(0.5, top + 0.01, c.trim)
    for right in (True, False):
        s.seam(_flip([(0.5 + waist * 0.72, top + 0.035), (0.5 + waist + 0.012, top + 0.12)],
            right), 0.4, 0.008)
        if r.random() < 0.85:  # pressed crease
            s.seam(_flip([(0.57, top + 0.08), (0.59, 0.5), (0.595, hem)], right), 0.22, 0.007)


def _jeans(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    waist, top, hem = 0.128, 0.08, r.uniform(0.9, 0.94)
    wash = r.uniform(0.12, 0.3) if c.name not in ("black", "white") else 0.07
    seed_noise = _noise(r, 256, 90, 90)

    def denim(u: Array, v: Array) -> Array:
        out = c.texture(u, v)
        x, y = u - 2, v - 2  # the sheet's own coordinates, from its middle
        thigh = np.exp(-(((np.abs(x) - 0.085) / 0.045) ** 2) - ((y + 0.02) / 0.22) ** 2)
        grain = seed_noise[(v * 700).astype(int) % 256, (u * 700).astype(int) % 256]
        pale = np.clip(out * 0.55 + 0.42, 0, 1)
        return np.clip(out + (pale - out) * (wash * 1.6 * thigh)[..., None] + 0.05 * grain[...,
            None], 0, 1)

    thin = r.uniform(-0.012, 0.018)
    crotch = _legs(s, denim, top=top, hem=hem, waist=waist, hip=0.155, knee=0.058 + thin,
        ankle=0.046 + thin, spread=0.09, folds=0.13)
    _waistband(s, top, waist, denim)
    thread = np.array([0.83, 0.58, 0.25] if r.random() < 0.75 or c.name == "blue" else c.thread,
        np.float32)
    if c.name in ("black", "white", "grey") and r.random() < 0.6:
        thread = c.thread
    s.seam([(0.5, top + 0.03), (0.503, crotch)], 0.45, 0.007)
    s.stitches([(0.526, top + 0.035), (0.526, top + 0.15), (0.508, crotch - 0.04)], thread)
    s.stitches([(0.5 - waist, top - 0.012), (0.5, top), (0.5 + waist, top - 0.012)], thread)
    s.stitches([(0.5 - waist, top + 0.018), (0.5, top + 0.028), (0.5 + waist, top + 0.018)], thread)
    for right in (True, False):
        pocket = [(0.545, top + 0.034), (0.56, top + 0.085), (0.5 + waist + 0.022, top + 0.105)]
        s.seam(_flip(pocket, right), 0.4, 0.008)
        s.stitches(_flip([(x - 0.004, y + 0.01) for x, y in pocket], right), thread)
        s.stitches(_flip([(0.588 - 0.05, hem - 0.016), (0.588 + 0.05, hem - 0.016)], right), thread)
        s.seam(_flip([(0.5 + 0.15, top + 0.2), (0.655, 0.5), (0.59 + 0.043 + thin, hem)], right),
            0.15, 0.006)
        s.button(0.5 + (0.046 if right else -0.046), top + 0.04, c.metal, 0.004)
    s.button(0.5, top + 0.01, c.metal, 0.011)


def _shorts(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    waist, top, hem = 0.175, 0.22, r.uniform(0.66, 0.76)
    wide = r.uniform(0.11, 0.125)
    crotch = top + 0.27
    leg = [(0.497, top + 0.012, 1), (0.5 + waist, top, 1), (0.5 + 0.205, top + 0.15),
        (0.625 + wide, hem - 0.01, 1), (0.625, hem + 0.012), (0.627 - wide, hem + 0.012, 1),
        (0.502, crotch, 1)]
    for right in (False, True):
        s.part(_flip(leg, right), c.texture, folds=0.15)
    sporty = r.random() < 0.4
    s.seam([(0.5, top + 0.03), (0.503, crotch)], 0.45, 0.008)
    _waistband(s, top, waist, c.texture, loops=not sporty)
    if sporty:
        for x in np.linspace(-0.95, 0.95, 30):
            s.seam([(0.5 + x * waist, top - 0.018), (0.5 + x * waist, top + 0.03)], 0.25, 0.004)
        for x in (0.485, 0.515):
            s.line([(x, top + 0.01), (x - 0.01, top + 0.08), (x + 0.004, top + 0.14)], _PALE,
                0.008, 1.0)
    else:
        s.seam([(0.528, top + 0.035), (0.528, top + 0.16), (0.506, crotch - 0.04)], 0.25, 0.005)
        s.button(0.5, top + 0.01, c.trim, 0.011)
    for right in (True, False):
        s.seam(_flip([(0.5 + waist * 0.68, top + 0.035), (0.5 + waist + 0.02, top + 0.14)], right),
            0.4, 0.009)
        s.seam(_flip([(0.628 - wide, hem - 0.012), (0.622 + wide, hem - 0.034)], right), 0.28)
        if sporty and c.name != "white":
            s.line(_flip([(0.5 + waist - 0.01, top + 0.04), (0.5 + 0.19, top + 0.15),
                (0.6 + wide, hem - 0.006)], right), c.other, 0.016, 0.9)


def _socks(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    trim = c.other if r.random() < 0.5 else c.trim
    for dx, dy, tone in ((0.14, -0.04, 0.86), (-0.04, 0.04, 1.0)):
        sock = ("200,160! 370,160! 365,360 375,500 460,620 600,690 640,760 600,820 480,815 "
            "340,740 230,680 200,580 210,400")
        moved = _move(sock, dx, dy)
        s.part(moved, c.texture, tone=tone, folds=0.1)
        s.part(_oval(0.605 + dx, 0.77 + dy, 0.075, 0.09), trim, tone=tone, folds=0.05, clip=moved)
        s.part(_oval(0.225 + dx, 0.655 + dy, 0.075, 0.085), trim, tone=tone, folds=0.05, clip=moved)
        s.part(_box(0.195 + dx, 0.15 + dy, 0.375 + dx, 0.215 + dy), trim, tone=tone * 0.96,
            folds=0.04, edge=0.25, round_=0.02)
        for x in np.linspace(0.208, 0.362, 14):
            s.seam([(x + dx, 0.152 + dy), (x + dx, 0.214 + dy)], 0.22, 0.004)


# --- things to carry and wear -------------------------------------------------------------


def _cap(s: _Sheet, c: _Cloth) -> None:
    dome = "140,600! 150,440 250,280 420,220 580,280 660,420 680,580! 420,660"
    s.part(dome, c.texture, folds=0.08, round_=0.06, edge=0.35)
    for seam in ("420,220 330,380 300,630", "420,220 530,380 555,620", "420,220 210,340 160,500"):
        s.seam(seam, 0.35, 0.007)
    for x, y in ((0.28, 0.36), (0.45, 0.34), (0.585, 0.4)):
        s.part(_oval(x, y, 0.01), c.trim * 0.5, folds=0, edge=0)
    s.part(_oval(0.42, 0.222, 0.024, 0.015), c.trim, folds=0, round_=0.01)
    brim = "360,625! 520,595 680,560! 820,575 910,640 900,690 760,680 560,675"
    s.part(brim, c.texture if s.rng.random() < 0.6 else c.trim, tone=0.9, folds=0.04, round_=0.03,
        edge=0.35)
    for k in (0.02, 0.04):
        s.seam([(0.44, 0.655 - k * 0.4), (0.7, 0.65 - k), (0.88 - k, 0.655 - k)], 0.2, 0.004)
    if c.graphic or s.rng.random() < 0.4:
        s.part(_oval(0.43, 0.47, 0.06, 0.05), c.other, folds=0.03, edge=0.1)
        s.part(_oval(0.43, 0.47, 0.035, 0.026), c.base, folds=0.03, edge=0.1)


def _hat(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    s.part(_oval(0.5, 0.64, 0.4, 0.13), c.texture, tone=0.92, folds=0.1, round_=0.04)
    crown = "270,630! 285,450 330,300 430,270 500,300 570,270 670,300 715,450 730,630! 500,700"
    s.part(crown, c.texture, folds=0.08, round_=0.05, edge=0.35)
    band = "271,620! 276,540! 500,605 724,540! 729,620! 500,690"
    s.part(band, c.other if r.random() < 0.5 else c.trim * 0.5, folds=0.05, round_=0.02)
    s.seam("500,300 490,380 500,470", 0.25, 0.02)


def _beanie(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    s.part("230,660! 240,460 330,270 500,200 670,270 760,460 770,660!", c.texture, folds=0.08,
        round_=0.06)
    for x in np.linspace(-1, 1, 17):
        s.seam([(0.5 + x * 0.04, 0.21), (0.5 + x * 0.2, 0.4), (0.5 + x * 0.265, 0.62)], 0.24, 0.006)
    s.part(_box(0.21, 0.6, 0.79, 0.76, 0.03), c.trim, folds=0.06, round_=0.04)
    for x in np.linspace(0.235, 0.765, 22):
        s.seam([(x, 0.605), (x, 0.755)], 0.25, 0.006)
    if r.random() < 0.5:
        a = np.linspace(0, 6.283, 26, endpoint=False)
        d = r.uniform(0.068, 0.095, 26)
        s.part([(0.5 + k * math.cos(b), 0.17 + k * math.sin(b)) for b, k in zip(a, d,
            strict=True)], c.other, folds=0.25, round_=0.04)


def _bag(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    tall = r.uniform(-0.03, 0.05)
    top, low = 0.43 - tall, 0.85
    flare = r.uniform(0.0, 0.05)
    for inset, tone in ((0.025, 0.7), (0.0, 1.0)):  # the far handle, then the near one
        reach = r.uniform(0.26, 0.3) if inset else 0.3
        arc = [(0.5 - 0.15, top + 0.05), (0.5 - 0.135, top - reach * 0.55 + inset),
            (0.5, top - reach + inset), (0.5 + 0.135, top - reach * 0.55 + inset),
            (0.5 + 0.15, top + 0.05)]
        s.line(arc, np.clip(c.trim * tone * 0.9, 0, 1), 0.028, 1.0)
        s.line([(x - 0.004, y - 0.004) for x, y, *_ in arc], np.clip(c.trim * tone * 1.15 + 0.08, 0,
            1), 0.008, 0.6)
        if inset:
            s.part(_mirror([(0.5, top - 0.015), (0.5 + 0.25, top, 1), (0.5 + 0.25, top + 0.05, 1),
                (0.5, top + 0.05)]), c.trim * 0.6, folds=0)
    body = _mirror([(0.5, top + 0.012), (0.5 + 0.27, top, 1), (0.5 + 0.31 + flare, low - 0.06),
        (0.5 + 0.28 + flare, low, 1), (0.5, low + 0.015)])
    s.part(body, c.texture, folds=0.07, round_=0.06, gloss=0.25)
    s.part(_mirror([(0.5, top + 0.012), (0.5 + 0.271, top, 1), (0.5 + 0.276, top + 0.045, 1),
        (0.5, top + 0.06)]), c.trim, folds=0.03, round_=0.015)
    s.seam([(0.5 - 0.3 - flare, low - 0.07), (0.5, low - 0.05), (0.5 + 0.3 + flare, low - 0.07)],
        0.3, 0.007)
    for right in (True, False):
        s.part(_flip(_box(0.62, top + 0.02, 0.68, top + 0.11, 0.012), right), c.trim * 0.9,
            folds=0, round_=0.012, gloss=0.2)
        s.part(_flip(_oval(0.65, top + 0.045, 0.017), right), c.metal, folds=0, round_=0.01,
            gloss=0.5)
    kind = r.random()
    if kind < 0.5:
        s.part(_mirror([(0.5, top + 0.02), (0.5 + 0.055, top + 0.02, 1),
            (0.5 + 0.05, top + 0.15, 1), (0.5, top + 0.18)]), c.trim, folds=0, round_=0.015,
            gloss=0.2)
        s.part(_box(0.477, top + 0.1, 0.523, top + 0.15, 0.01), c.metal, folds=0, round_=0.012,
            gloss=0.6)
    elif kind < 0.8:
        s.seam([(0.33, top + 0.16), (0.5, top + 0.175), (0.67, top + 0.16)], 0.4, 0.008)
        s.part(_box(0.5 - 0.17, top + 0.152, 0.5 - 0.145, top + 0.2), c.metal, folds=0,
            round_=0.006)


def _backpack(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    dark = np.clip(c.trim * 0.75, 0, 1)
    s.line("450,170 455,100 500,75 545,100 550,170", dark, 0.026, 1.0)
    for right in (True, False):
        s.part(_flip("680,300! 760,420 775,620 720,800! 690,780! 735,600 720,440 670,380!", right),
            dark, folds=0.05)
    body = _mirror("500,130 620,150 700,270 725,500 735,780 700,890 500,900")
    s.part(body, c.texture, folds=0.08, round_=0.06)
    for right in (True, False):
        s.part(_flip("675,600! 745,580! 750,820 680,860!", right), c.trim, folds=0.06)
    zip_ = "325,520 345,300 420,220 580,220 655,300 675,520"
    s.seam(zip_, 0.6, 0.014)
    s.stitches(zip_, c.metal, 0.006)
    s.part(_box(0.66, 0.5, 0.682, 0.57), c.metal, folds=0, round_=0.008)
    pocket = _mirror("500,555 650,560! 675,660 675,820 640,855 500,860")
    s.part(pocket, c.texture if r.random() < 0.6 else c.trim, tone=0.95, folds=0.08, round_=0.04,
        edge=0.4)
    s.seam("355,600 500,615 645,600", 0.6, 0.012)
    s.part(_box(0.37, 0.6, 0.388, 0.66), c.metal, folds=0, round_=0.008)
    if r.random() < 0.7:
        s.part(_box(0.45, 0.36, 0.55, 0.42, 0.012), c.other, folds=0.02, edge=0.15)
        s.part(_box(0.465, 0.378, 0.535, 0.402), c.base, folds=0.02, edge=0.1)


def _wallet(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    s.part(_box(0.17, 0.27, 0.83, 0.7, 0.03), c.trim, tone=0.75, folds=0.03)
    s.part(_box(0.16, 0.3, 0.82, 0.73, 0.03), c.texture, folds=0.05, round_=0.05, gloss=0.3)
    s.stitches("180,320! 800,320! 800,710! 180,710! 180,320!", c.thread)
    if r.random() < 0.5:
        s.part(_box(0.72, 0.46, 0.86, 0.56, 0.03), c.trim, folds=0, round_=0.02, gloss=0.2)
        s.button(0.76, 0.51, c.metal, 0.018)
    else:
        s.seam("200,500 780,500", 0.45, 0.009)
        s.part(_box(0.64, 0.61, 0.76, 0.66, 0.01), c.trim * 0.8, folds=0, edge=0.3, round_=0.01)


def _shoe(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    sole = _PALE if c.name != "white" or r.random() < 0.5 else c.other
    if c.name in ("black", "brown") and r.random() < 0.4:
        sole = c.trim * 0.6
    upper = ("115,660! 100,540 120,410 155,370! 220,425 290,425 360,350! 405,335! 500,430 "
        "630,505 770,535 870,585 900,660!")
    s.part("140,400 250,360 380,340! 300,460 160,440", c.trim * 0.5, folds=0.02)
    s.part(upper, c.texture, folds=0.06, round_=0.045, edge=0.35, gloss=0.12)
    s.part("340,335! 400,300 430,325! 620,485! 570,500! 400,420", c.trim, folds=0.04)
    toe = "730,525! 820,550 880,590 905,665! 700,665! 710,600"
    s.part(toe, c.trim if r.random() < 0.7 else sole, folds=0.03, clip=upper)
    s.part("100,460! 200,470 240,560 230,670! 90,670!", c.trim, folds=0.03, clip=upper)
    accent = int(r.integers(3))
    if accent == 0:
        for x in (0.33, 0.39, 0.45):
            s.line([(x + 0.06, 0.47), (x, 0.65)], c.other, 0.022, 0.95)
    elif accent == 1:
        s.part("260,580 330,630 470,585 620,500 470,620 330,660", c.other, folds=0, edge=0.1)
    else:
        s.seam("240,520 400,560 550,520 660,600 700,660", 0.3, 0.007)
    for t in np.linspace(0.0, 1.0, 5):
        x, y = 0.405 + 0.17 * t, 0.35 + 0.125 * t
        s.line([(x - 0.045, y + 0.045), (x + 0.035, y - 0.005)], c.trim * 0.4, 0.018, 0.5)
        s.line([(x - 0.045, y + 0.042), (x + 0.035, y - 0.008)],
            _PALE if c.name != "white" else c.other, 0.013, 1.0)
    bottom = ("95,635! 300,655 550,650 750,645 895,625! 925,660 900,705 800,730 500,735 140,730 "
        "90,710")
    s.part(bottom, sole, folds=0.02, round_=0.025)
    s.seam("95,710 500,716 800,712 910,685", 0.35, 0.007)


def _formal_shoe(s: _Sheet, c: _Cloth) -> None:
    upper = ("120,660! 105,540 125,440 160,400! 250,450 330,450 400,390! 440,385! 550,490 "
        "700,545 840,575 930,630 940,675!")
    s.part("150,420 280,400 420,390! 340,480 200,470", c.trim * 0.45, folds=0)
    s.part(upper, c.texture, folds=0.04, round_=0.05, gloss=0.7)
    s.seam("660,530 690,600 680,670", 0.4, 0.008)
    s.seam("240,450 300,560 290,670", 0.35, 0.007)
    s.seam("400,390 440,500 550,560 580,660", 0.35, 0.007)
    for t in np.linspace(0.0, 1.0, 4):
        x, y = 0.445 + 0.1 * t, 0.405 + 0.085 * t
        s.line([(x - 0.04, y + 0.04), (x + 0.02, y)], c.trim * 0.35, 0.011, 0.9)
    s.part("105,650! 500,665 940,660! 950,685 850,705 550,690 360,690 340,750! 115,750!",
        _DARK, folds=0, round_=0.02)


def _heel(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    h = r.uniform(-0.05, 0.05)
    top = 0.3 + h
    s.part([(0.135, top + 0.17, 1), (0.25, top + 0.16, 1), (0.2, top + 0.28), (0.178, 0.79, 1),
        (0.148, 0.79, 1), (0.15, top + 0.3)], c.trim * 0.85, folds=0, round_=0.02, gloss=0.4)
    s.part([(0.13, top + 0.01), (0.3, top + 0.15), (0.5, 0.58), (0.6, 0.56), (0.5, 0.56),
        (0.3, top + 0.05)], np.array([0.85, 0.72, 0.58]), folds=0, edge=0.2)
    upper = [(0.12, top, 1), (0.15, top - 0.005, 1), (0.22, top + 0.12), (0.36, 0.56 + h * 0.4),
        (0.52, 0.6), (0.63, 0.57), (0.68, 0.585, 1), (0.8, 0.66), (0.92, 0.745), (0.945, 0.79, 1),
        (0.72, 0.79, 1), (0.6, 0.765), (0.43, 0.65), (0.28, top + 0.235), (0.14, top + 0.2),
        (0.11, top + 0.1)]
    s.part(upper, c.texture, folds=0.03, round_=0.04, gloss=0.65)
    s.part([(0.13, top + 0.19, 1), (0.28, top + 0.225), (0.43, 0.64), (0.6, 0.755),
        (0.72, 0.782, 1), (0.945, 0.782, 1), (0.94, 0.8), (0.7, 0.8, 1), (0.57, 0.78),
        (0.4, 0.665), (0.26, top + 0.255), (0.13, top + 0.21)], c.trim * 0.45, folds=0, edge=0.1)
    kind = r.random()
    if kind < 0.3:
        s.line([(0.15, top + 0.03), (0.24, top - 0.02), (0.34, top + 0.02), (0.33, top + 0.08),
            (0.2, top + 0.09)], c.trim, 0.018, 1.0)
    elif kind < 0.55:
        s.part(_oval(0.68, 0.61, 0.035, 0.025), c.metal if r.random() < 0.5 else c.other, folds=0,
            round_=0.015, gloss=0.4)


def _boot(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    top = r.uniform(0.1, 0.3)
    heel = r.uniform(0.0, 0.05)
    s.part(_oval(0.35, top + 0.006, 0.14, 0.022), c.trim * 0.4, folds=0)
    upper = [(0.205, top, 1), (0.35, top + 0.02), (0.495, top, 1), (0.49, 0.4), (0.5, 0.53),
        (0.58, 0.6), (0.72, 0.635), (0.84, 0.68), (0.885, 0.79, 1), (0.22, 0.79, 1), (0.205, 0.68),
        (0.225, 0.55), (0.21, 0.35)]
    s.part(upper, c.texture, folds=0.1, round_=0.06, gloss=0.3)
    for y in (0.56, 0.6):
        s.seam([(0.24, y + 0.02), (0.36, y + 0.03), (0.52, y - 0.01)], 0.28, 0.014)
    kind = int(r.integers(3))
    if kind == 0:  # laces
        for y in np.linspace(top + 0.04, 0.55, 6):
            s.line([(0.4, y + 0.02), (0.49, y)], c.trim * 0.35, 0.014, 0.9)
            s.button(0.395, float(y) + 0.02, c.metal, 0.006)
        s.seam([(0.38, top + 0.02), (0.385, 0.5), (0.44, 0.62), (0.47, 0.78)], 0.35)
    elif kind == 1:  # zip and buckle
        s.line([(0.33, top + 0.03), (0.33, 0.7)], c.metal, 0.007, 0.9)
        s.part("210,600! 500,545! 520,585! 210,645!", c.trim * 0.8, folds=0, clip=upper)
        s.part(_box(0.37, 0.56, 0.43, 0.625), c.metal, folds=0, holes=[_box(0.385, 0.575, 0.415,
            0.61)], round_=0.01)
    else:  # elastic side
        s.part([(0.3, top + 0.03, 1), (0.42, top + 0.03, 1), (0.4, 0.52), (0.33, 0.52)],
            c.trim * 0.55, folds=0.05, clip=upper)
    sole = c.trim * 0.4 if r.random() < 0.8 else np.array([0.75, 0.58, 0.38])
    s.part([(0.205, 0.775, 1), (0.89, 0.775, 1), (0.895, 0.815), (0.86, 0.835), (0.52, 0.82, 1),
        (0.42, 0.825, 1), (0.4, 0.83 + heel, 1), (0.21, 0.83 + heel, 1)], sole, folds=0,
        round_=0.02)


def _sandal(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    h = r.uniform(0.0, 0.1)
    bed = np.array([0.72, 0.53, 0.34]) if r.random() < 0.6 else c.trim * 0.7
    foot = [(0.1, 0.64 - h, 1), (0.3, 0.655 - h * 0.8), (0.6, 0.73), (0.92, 0.71, 1), (0.94, 0.74),
        (0.88, 0.79), (0.6, 0.795), (0.3, 0.74 - h * 0.4), (0.1, 0.72 - h * 0.6)]

    def strap(points: Shape, width: float, tone: float = 1.0) -> None:
        s.line(points, np.clip(c.base * 0.55 * tone, 0, 1), width + 0.012, 1.0)
        s.line(points, np.clip(c.base * tone, 0, 1), width, 1.0)
        s.line(_move(points, -0.004, -0.006), np.clip(c.base * tone * 1.2 + 0.1,
            0, 1), width * 0.3, 0.6)

    strap([(0.2, 0.66 - h), (0.15, 0.5 - h), (0.2, 0.42 - h), (0.3, 0.42 - h), (0.33, 0.5 - h)],
        0.03, 0.75)
    strap("660,710 720,620 800,610 860,700", 0.05, 0.75)
    s.part(foot, bed, folds=0.02, round_=0.03)
    s.part([(0.1, 0.7 - h * 0.6, 1), (0.3, 0.72 - h * 0.4), (0.6, 0.775), (0.9, 0.76, 1),
        (0.9, 0.79), (0.6, 0.815), (0.3, 0.765 - h * 0.2), (0.24, 0.8, 1), (0.1, 0.8, 1)],
        c.trim * 0.4 if r.random() < 0.5 else bed * 0.5, folds=0, round_=0.015)
    strap([(0.13, 0.67 - h), (0.12, 0.52 - h), (0.19, 0.44 - h), (0.31, 0.47 - h),
        (0.37, 0.56 - h), (0.35, 0.69 - h * 0.5)], 0.034)
    s.part("560,745! 600,600 700,530 760,530 720,600 680,775!", c.texture, folds=0.05, edge=0.4,
        gloss=0.2, round_=0.02)
    s.part("740,775! 750,660 790,580 850,575 840,650 840,770!", c.texture, folds=0.05, edge=0.4,
        gloss=0.2, round_=0.02)
    strap([(0.37, 0.56 - h), (0.5, 0.56 - h * 0.4), (0.66, 0.56)], 0.024)
    s.part(_box(0.27, 0.425 - h, 0.335, 0.495 - h), c.metal, folds=0, holes=[_box(0.288, 0.443 - h,
        0.317, 0.477 - h)], round_=0.01)


def _flip_flops(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    strap = c.other if r.random() < 0.5 else c.trim
    for right in (False, True):
        bed = ("700,120 790,160 830,300 785,500 775,680 790,800 750,880 660,880 615,800 605,650 "
            "575,450 575,250 620,140")
        s.part(_move(_flip(bed, right), 0.008, 0.012), c.trim * 0.4, folds=0)
        s.part(_flip(bed, right), c.texture, folds=0.03, round_=0.03)
        for side in ("668,240 720,340 790,500", "668,240 620,340 590,500"):
            s.line(_flip(side, right), np.clip(strap * 0.5, 0, 1), 0.042, 1.0)
            s.line(_flip(side, right), strap, 0.03, 1.0)
        s.button(0.668 if right else 0.332, 0.24, strap * 0.8, 0.014)


def _belt(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    y, wide = 0.5, r.uniform(0.055, 0.075)
    a = np.linspace(math.pi, 2 * math.pi, 15)
    outer = [(0.5 + 0.36 * math.cos(b), y + 0.2 * math.sin(b)) for b in a]
    back = [*outer, *[(x, yy + 2 * wide * 0.8) for x, yy in reversed(outer)]]
    s.part([(*back[0], 1), *back[1:14], (*back[14], 1), (*back[15], 1), *back[16:29],
        (*back[29], 1)], c.trim, tone=0.7, folds=0.03, edge=0.2)
    b = np.linspace(0, math.pi, 15)
    front = [(0.5 + 0.36 * math.cos(k), y + 0.16 * math.sin(k)) for k in b]
    strip = [*front, *[(x, yy + 2 * wide) for x, yy in reversed(front)]]
    shape = [(*strip[0], 1), *strip[1:14], (*strip[14], 1), (*strip[15], 1), *strip[16:29],
        (*strip[29], 1)]
    s.part(shape, c.texture, folds=0.03, round_=0.03, gloss=0.35)
    for k in (0.012, 2 * wide - 0.012):
        s.stitches([(x, yy + k) for x, yy in front], c.thread)
    middle = y + 0.16 + wide
    for i in range(4):
        x = 0.64 + 0.045 * i
        dy = 0.16 * (math.sin(math.acos(min(1, (x - 0.5) / 0.36))) - 1)
        s.part(_oval(x, middle + dy, 0.008, 0.011), c.trim * 0.25, folds=0, edge=0)
    h = wide + 0.022
    if r.random() < 0.25:
        s.part(_oval(0.46, middle, 0.085, h), c.metal, folds=0, holes=[_oval(0.46, middle, 0.058,
            h - 0.03)], round_=0.015, gloss=0.7)
    else:
        s.part(_box(0.37, middle - h, 0.54, middle + h, 0.02), c.metal, folds=0, holes=[_box(0.398,
            middle - h + 0.028, 0.515, middle + h - 0.028)], round_=0.015, gloss=0.7)
    s.line([(0.385, middle), (0.53, middle)], c.metal * 0.85, 0.017, 1.0)
    s.part(_box(0.575, middle - wide - 0.004, 0.6, middle + wide), c.trim * 0.85, folds=0,
        round_=0.01)


def _tie(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    w = r.uniform(0.075, 0.1)
    lean = 0.7 if r.random() < 0.7 else 0.0
    loop = "470,170 380,140 370,75 500,45 630,75 620,140 530,170"
    s.line(loop, c.trim * 0.65, 0.052, 1.0)
    s.line(loop, c.trim * 0.9, 0.036, 1.0)
    s.part("520,200! 550,600 560,800! 520,830! 490,600", c.texture, angle=-lean, tone=0.7)
    s.part(_mirror([(0.5, 0.21), (0.5 + 0.035, 0.21, 1), (0.5 + w * 0.7, 0.5), (0.5 + w, 0.845, 1),
        (0.5, 0.945, 1)]), c.texture, angle=lean, folds=0.09, gloss=0.25)
    s.part(_mirror([(0.5, 0.135), (0.5 + 0.062, 0.13, 1), (0.5 + 0.037, 0.225, 1), (0.5, 0.235)]),
        c.texture, angle=-lean, folds=0.06, edge=0.4, round_=0.025, gloss=0.2)
    s.seam("500,240 495,320 500,400", 0.25, 0.01)


def _scarf(s: _Sheet, c: _Cloth) -> None:
    r = s.rng

    def end(x: float, low: float, wide: float, lean: float, tone: float) -> None:
        left, right = x - wide / 2, x + wide / 2
        for k in np.linspace(left + 0.006, right - 0.006, 17):  # fringe
            s.line([(k + lean, low - 0.01), (k + lean * 1.05 + r.uniform(-0.008, 0.008),
                low + r.uniform(0.05, 0.065))], c.trim * tone, 0.007, 1.0)
        s.part([(x - wide * 0.3, 0.3, 1), (x + wide * 0.35, 0.3, 1), (right + lean * 0.5, 0.6),
            (right + lean, low, 1), (left + lean, low, 1), (left + lean * 0.5, 0.6)], c.texture,
            angle=-lean, tone=tone, folds=0.24)
        for k in (0.3, 0.6):
            s.seam([(x - 0.03 + 0.1 * k, 0.36), (left + wide * k + lean, low - 0.12)], 0.25, 0.012)

    end(0.56, r.uniform(0.78, 0.84), 0.2, 0.03, 0.82)
    end(0.43, r.uniform(0.84, 0.88), 0.22, -0.03, 1.0)
    ring = "500,90 640,120 710,220 670,340 520,410 360,360 285,240 350,130"
    s.part(ring, c.texture, angle=0.5, folds=0.26,
        holes=["500,140 580,155 610,200 500,235 390,205 420,155"], edge=0.4)
    for k in (0.0, 0.04, 0.08):
        s.seam([(0.32 + k, 0.23), (0.42 + k * 0.5, 0.3 + k * 0.8), (0.55, 0.31 + k * 0.7),
            (0.67 - k, 0.24)], 0.3, 0.014)


def _gloves(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    rib = r.random() < 0.6
    for right, dx in ((False, 0.015), (True, 0.0)):
        hand: list[Point] = [(0.58, 0.62), (0.565, 0.5)]
        for x, tip in ((0.585, 0.24), (0.645, 0.17), (0.705, 0.18), (0.76, 0.26)):
            hand += [(x - 0.024, 0.44), (x - 0.024, tip + 0.03), (x, tip), (x + 0.025, tip + 0.03),
                (x + 0.027, 0.4)]
        hand += _points("790,500 785,620 750,720 755,860! 600,860! 600,720")
        thumb = "600,660 540,580 515,470 535,435 565,460 600,550 640,620"
        for shape, tone in ((hand, 1.0), (thumb, 0.95)):
            s.part(_move(_flip(shape, right), -dx, 0), c.texture, tone=tone,
                folds=0.1, round_=0.025, gloss=0 if rib else 0.4)
        if rib:
            s.part(_flip(_box(0.595, 0.75, 0.76, 0.87), right), c.trim, folds=0.05)
            for x in np.linspace(0.605, 0.75, 11):
                s.seam(_flip([(x, 0.752), (x, 0.868)], right), 0.25, 0.005)
        else:
            s.seam(_flip("600,760 755,760", right), 0.4, 0.012)
            for x in (0.63, 0.675, 0.72):
                s.seam(_flip([(x, 0.48), (x, 0.62)], right), 0.3, 0.007)


def _watch(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    steel = c.name in ("grey", "white") or r.random() < 0.15
    for up in (True, False):
        strap = "410,380! 590,380! 570,200 562,60! 438,60! 430,200"
        if not up:
            strap = "410,620! 590,620! 570,800 562,940! 438,940! 430,800"
        s.part(strap, c.texture, folds=0.03, round_=0.03, gloss=0.35)
        for y in np.arange(0.08, 0.34, 0.035) if steel else ():
            yy = float(y) if up else 1 - float(y)
            s.seam([(0.43, yy), (0.57, yy)], 0.45, 0.007)
        if not steel:
            for x in (0.45, 0.55):
                ys = (0.08, 0.34) if up else (0.92, 0.66)
                s.stitches([(x, ys[0]), (x + (x - 0.5) * 0.3, ys[1])], c.thread)
    for i in range(0 if steel else 4):
        s.part(_oval(0.5, 0.78 + 0.04 * i, 0.008, 0.011), c.trim * 0.3, folds=0, edge=0)
    if not steel:
        s.part(_box(0.42, 0.08, 0.58, 0.115), c.trim * 0.8, folds=0, round_=0.01)
    radius = r.uniform(0.165, 0.195)
    s.part(_box(0.5 + radius - 0.01, 0.482, 0.5 + radius + 0.028, 0.518, 0.006), c.metal * 0.85,
        folds=0, round_=0.01)
    square = r.random() < 0.2
    shape = (_box(0.5 - radius, 0.5 - radius, 0.5 + radius, 0.5 + radius,
        0.04) if square else _oval(0.5, 0.5, radius))
    inner = radius - 0.028
    face = (_box(0.5 - inner, 0.5 - inner, 0.5 + inner, 0.5 + inner,
        0.03) if square else _oval(0.5, 0.5, inner))
    s.part(shape, c.metal, folds=0, round_=0.018, gloss=0.8)
    dials = [_PALE, _DARK, c.base]
    dial = dials[int(r.integers(3))]
    s.part(face, dial, folds=0, edge=0.15, round_=0.02)
    ink = _DARK if _luma(dial) > 0.45 else _PALE
    for k in range(12):
        a = k * math.pi / 6
        x, y = math.sin(a), math.cos(a)
        s.line([(0.5 + inner * 0.74 * x, 0.5 + inner * 0.74 * y),
            (0.5 + inner * 0.9 * x, 0.5 + inner * 0.9 * y)], ink, 0.012 if k % 3 == 0 else 0.007,
            1.0)
    if r.random() < 0.35:
        for x, y in ((-0.4, 0), (0.4, 0), (0, 0.42)):
            s.part(_oval(0.5 + inner * x, 0.5 + inner * y, inner * 0.22), dial * 0.86, folds=0,
                edge=0.3, round_=0.012)
    for a, reach, width in ((-0.95, 0.5, 0.015), (0.95, 0.72, 0.011), (2.6, 0.75, 0.004)):
        s.line([(0.5, 0.5), (0.5 + inner * reach * math.sin(a),
            0.5 - inner * reach * math.cos(a))], ink, width, 1.0)
    s.part(_oval(0.5, 0.5, 0.012), c.metal, folds=0, edge=0.1)


def _sunglasses(s: _Sheet, c: _Cloth) -> None:
    r = s.rng
    aviator = r.random() < 0.35
    lens = np.array([0.12, 0.12, 0.13]) if r.random() < 0.65 else np.array([0.3, 0.2, 0.12])
    for right in (True, False):
        s.line(_flip("860,430 840,370 720,310 620,300", right), c.trim * 0.75, 0.02, 1.0)
    for right in (True, False):
        if aviator:
            outline = "545,420 620,395 780,400 865,440 850,560 770,645 670,630 570,540"
        else:
            outline = "540,440 580,405 720,395 860,400 885,430 855,540 790,605 680,610 580,565"
        rim = _flip(outline, right)
        mid = np.mean([q[:2] for q in rim], 0)
        shrink = 0.93 if aviator else 0.84
        glass = [(mid[0] + (q[0] - mid[0]) * shrink,
            mid[1] + (q[1] - mid[1]) * shrink) for q in rim]
        s.part(rim, c.texture, folds=0, round_=0.012, gloss=0.6, edge=0.3)
        top, low = min(q[1] for q in glass), max(q[1] for q in glass)

        def tinted(_: Array, v: Array, top: float = top, low: float = low) -> Array:
            k = np.clip((v - 1.5 - top) / (low - top), 0, 1)[..., None]
            return lens + k * 0.3 * (1 - lens)

        s.part(glass, tinted, folds=0, edge=0.1, round_=0.02)
        x = mid[0]
        s.line([(x - 0.06, mid[1] + 0.05), (x + 0.01, mid[1] - 0.07)], np.ones(3), 0.02, 0.18)
        s.line([(x - 0.03, mid[1] + 0.06), (x + 0.035, mid[1] - 0.06)], np.ones(3), 0.008, 0.18)
    bridge = "450,450 500,428 550,450"
    s.line(bridge, c.base * 0.9, 0.022 if not aviator else 0.012, 1.0)
    if aviator:
        s.line("440,415 500,400 560,415", c.base * 0.9, 0.012, 1.0)


# fmt: on
_DRAWN: dict[str, Callable[[_Sheet, _Cloth], None]] = {
    "t-shirt": _t_shirt,
    "shirt": _shirt,
    "polo shirt": _polo,
    "top": _top,
    "sweater": _sweater,
    "hoodie": _hoodie,
    "jacket": _jacket,
    "blazer": _blazer,
    "coat": _coat,
    "dress": _dress,
    "skirt": _skirt,
    "trousers": _trousers,
    "jeans": _jeans,
    "shorts": _shorts,
    "socks": _socks,
    "cap": _cap,
    "hat": _hat,
    "beanie": _beanie,
    "bag": _bag,
    "backpack": _backpack,
    "wallet": _wallet,
    "shoe": _shoe,
    "formal shoe": _formal_shoe,
    "heel": _heel,
    "boot": _boot,
    "sandal": _sandal,
    "flip-flops": _flip_flops,
    "belt": _belt,
    "tie": _tie,
    "scarf": _scarf,
    "gloves": _gloves,
    "watch": _watch,
    "sunglasses": _sunglasses,
}  # fmt: skip
KINDS: tuple[str, ...] = tuple(_DRAWN)
# What the seed chooses from when the caller doesn't say; twice is twice as likely.
_SLEEVES_OF: dict[str, tuple[str, ...]] = {
    "t-shirt": ("short", "short", "short", "long"), "shirt": ("long", "long", "short"),
    "polo shirt": ("short",), "top": ("sleeveless", "sleeveless", "short", "three-quarter"),
    "sweater": ("long",), "hoodie": ("long",), "jacket": ("long",), "blazer": ("long",),
    "coat": ("long",), "dress": ("sleeveless", "sleeveless", "short", "three-quarter", "long"),
}  # fmt: skip
_ONE_SIDED = frozenset({"cap", "shoe", "formal shoe", "heel", "boot", "sandal", "socks", "belt"})
# Outlines that leave much of the sheet empty are enlarged, as shops crop their photos.
_ZOOM = {
    "t-shirt": 1.22, "shirt": 1.2, "polo shirt": 1.22, "top": 1.35, "sweater": 1.2, "hoodie": 1.12,
    "jacket": 1.16, "blazer": 1.16, "skirt": 1.2, "shorts": 1.4, "socks": 1.08, "cap": 1.14,
    "beanie": 1.2, "wallet": 1.2, "belt": 1.15, "shoe": 1.06, "boot": 1.1, "gloves": 1.2,
    "sunglasses": 1.12,
}  # fmt: skip


def _generator(*words: object) -> np.random.Generator:
    # crc32 and not hash(), which differs from one run of Python to the next.
    return np.random.default_rng(zlib.crc32("/".join(map(str, words)).encode()))


def draw_garment(
    kind: str,
    color: str,
    pattern: str = "solid",
    *,
    sleeve: str | None = None,
    seed: int,
    size: int = 224,
) -> Image.Image:
    """Draw one garment, cut out on white.

    Parameters
    ----------
    kind, color, pattern
        From `KINDS`, `COLORS` and `PATTERNS`. `graphic` prints the chest of T-shirts, tops and
        hoodies and the front of caps; other kinds stay solid.
    sleeve
        From `SLEEVES`; None lets the seed choose among those usual for the kind. Kinds without
        sleeves ignore it.
    seed
        Varies shade, proportions, details, folds and position; the same seed, the same pixels.
    size
        Width and height in pixels.

    Returns
    -------
    PIL.Image.Image
        RGB, `size` by `size`.

    Raises
    ------
    ValueError
        If kind, color, pattern or sleeve is none of those above.
    """
    for got, known, what in (
        (kind, KINDS, "kind"),
        (color, COLORS, "color"),
        (pattern, PATTERNS, "pattern"),
        (sleeve or "short", SLEEVES, "sleeve"),
    ):
        if got not in known:
            raise ValueError(f"{what} {got!r} is not drawn; take one of {', '.join(known)}.")
    rng = _generator(kind, color, pattern, sleeve, seed)
    usual = _SLEEVES_OF.get(kind, ("long",))
    chosen = sleeve or usual[int(rng.integers(len(usual)))]
    cloth = _Cloth(color, pattern, chosen, rng)
    flip = bool(kind in _ONE_SIDED and rng.random() < 0.5)
    zoom, turn = _ZOOM.get(kind, 1.0), 5.0 if kind in _ONE_SIDED else 3.0
    sheet = _Sheet(rng, size, flip, zoom, turn)
    _DRAWN[kind](sheet, cloth)
    return sheet.finish()


# --- pictures without a product -----------------------------------------------------------

NOTHING_KINDS: tuple[str, ...] = (
    "noise", "plain", "gradient", "text", "landscape", "shapes", "chart", "blur",
)  # fmt: skip
_WORDS = (  # noqa: SIM905 - a list of forty strings is no better to read
    "the terms of this notice apply from date and may change without prior page see below table "
    "total order number figure result in a of to is are was for with on by not all each value"
).split()


def _landscape(rng: np.random.Generator, size: int) -> Image.Image:
    big = size * 2
    dusk = rng.random() < 0.3
    high = np.array([70, 90, 150] if dusk else [90, 150, 220]) + rng.uniform(-20, 20, 3)
    low = np.array([250, 180, 120] if dusk else [215, 232, 245]) + rng.uniform(-8, 5, 3)
    ramp = np.linspace(0, 1, big)[:, None, None] ** 0.8
    clouds = np.asarray(Image.fromarray(_noise(rng, size, 4, 9)).resize((big, big)))
    sky = high + (low - high) * ramp + 70 * np.clip(clouds - 0.1, 0, 1)[..., None] * (1 - ramp)
    image = Image.fromarray(np.clip(np.broadcast_to(sky, (big, big, 3)), 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    x, y, r = rng.uniform(0.1, 0.9) * big, rng.uniform(0.08, 0.3) * big, 0.05 * big
    draw.ellipse((x - r, y - r, x + r, y + r), (255, 244, 200))
    xs = np.linspace(0, big, 60)
    layers = int(rng.integers(3, 5))
    for i in range(layers):
        near = (i + 1) / layers
        a, b, c, d = rng.uniform(0, 6.3, 4)
        wave = (
            0.5 * np.sin(xs / big * 5 + a)
            + 0.3 * np.sin(xs / big * 11 + b)
            + 0.1 * np.sin(xs / big * 29 + c)
        )
        ys = big * (0.42 + 0.34 * near) + wave * big * (0.11 - 0.05 * near)
        far, close = np.array([140, 160, 180]), np.array([60 + 20 * math.sin(d), 110, 48])
        colour = tuple(int(v) for v in far + (close - far) * near)
        draw.polygon([(0, big), *zip(xs, ys, strict=True), (big, big)], colour)
        for _ in range(int(rng.integers(4, 14)) if i else 0):
            k = int(rng.integers(len(xs)))
            h = big * rng.uniform(0.04, 0.1) * (0.4 + near)
            tx, ty = xs[k], ys[k] + rng.uniform(0, 0.05) * big
            leaf = tuple(int(v * rng.uniform(0.55, 0.8)) for v in colour)
            draw.rectangle((tx - h * 0.05, ty - h * 0.3, tx + h * 0.05, ty + h * 0.1), (74, 54, 40))
            if rng.random() < 0.5:
                for j in range(3):
                    yy = ty - h * (0.25 + 0.25 * j)
                    draw.polygon(
                        [
                            (tx - h * (0.32 - 0.08 * j), yy),
                            (tx, yy - h * 0.45),
                            (tx + h * (0.32 - 0.08 * j), yy),
                        ],
                        leaf,
                    )
            else:
                for _ in range(6):
                    ox, oy, q = rng.uniform(-0.2, 0.2) * h, rng.uniform(-0.75, -0.35) * h, h * 0.2
                    draw.ellipse((tx + ox - q, ty + oy - q, tx + ox + q, ty + oy + q), leaf)
    return image.reduce(2)


def _page(rng: np.random.Generator, size: int) -> Image.Image:
    dark = rng.random() < 0.2
    paper = (32, 34, 38) if dark else tuple(int(v) for v in rng.integers(244, 256, 3))
    ink = (222, 224, 228) if dark else (int(rng.integers(10, 70)),) * 3
    image = Image.new("RGB", (size, size), paper)
    draw = ImageDraw.Draw(image)
    height = int(size * rng.uniform(0.035, 0.08))
    font = ImageFont.load_default(height)
    margin, y = size * rng.uniform(0.04, 0.1), size * rng.uniform(0.04, 0.1)
    if rng.random() < 0.6:
        draw.text(
            (margin, y),
            " ".join(rng.choice(_WORDS, 3)).title(),
            ink,
            ImageFont.load_default(height * 1.6),
        )
        y += height * 2.4
    while y < size * 0.95:
        line = " ".join(rng.choice(_WORDS, 14))
        while line and draw.textlength(line, font) > size - 2 * margin:
            line = line.rpartition(" ")[0]
        if rng.random() > 0.12:
            draw.text(
                (margin, y),
                line[: int(len(line) * rng.uniform(0.4, 1.0))] if rng.random() < 0.15 else line,
                ink,
                font,
            )
        y += height * 1.4
    return image


def _chart(rng: np.random.Generator, size: int) -> Image.Image:
    big = size * 2
    image = Image.new("RGB", (big, big), (255, 255, 255))
    draw = ImageDraw.Draw(image)
    x0, y0, x1, y1 = 0.12 * big, 0.1 * big, 0.94 * big, 0.88 * big
    for k in np.linspace(0, 1, 6):
        y = y1 + (y0 - y1) * k
        draw.line((x0, y, x1, y), (220, 220, 220), 2)
        draw.text(
            (x0 * 0.3, y - big * 0.02),
            str(int(k * 100)),
            (80, 80, 80),
            ImageFont.load_default(big * 0.035),
        )
    names = list(COLORS)[3:]
    count = int(rng.integers(4, 10))
    if rng.random() < 0.5:
        step = (x1 - x0) / count
        for i in range(count):
            draw.rectangle(
                (
                    x0 + step * (i + 0.15),
                    y1 - (y1 - y0) * rng.uniform(0.1, 0.95),
                    x0 + step * (i + 0.85),
                    y1,
                ),
                COLORS[str(rng.choice(names))],
            )
    else:
        for _ in range(int(rng.integers(1, 4))):
            ys = y1 - (y1 - y0) * np.clip(0.5 + np.cumsum(rng.normal(0, 0.12, count + 6)), 0, 1)
            draw.line(
                list(zip(np.linspace(x0, x1, count + 6), ys, strict=True)),
                COLORS[str(rng.choice(names))],
                6,
                joint="curve",
            )
    draw.line((x0, y0, x0, y1, x1, y1), (40, 40, 40), 4)
    return image.reduce(2)


def _shapes(rng: np.random.Generator, size: int) -> Image.Image:
    big = size * 2
    image = Image.new("RGB", (big, big), tuple(int(v) for v in rng.integers(150, 256, 3)))
    draw = ImageDraw.Draw(image)
    for _ in range(int(rng.integers(3, 12))):
        x, y, r = *rng.uniform(0, big, 2), rng.uniform(0.04, 0.25) * big
        colour = tuple(int(v) for v in rng.integers(0, 256, 3))
        kind = int(rng.integers(3))
        if kind == 0:
            draw.ellipse((x - r, y - r, x + r, y + r), colour)
        else:
            draw.regular_polygon(
                (x, y, r), int(rng.integers(3, 7)), float(rng.uniform(0, 90)), colour
            )
    return image.reduce(2)


def draw_nothing(kind: str, *, seed: int, size: int = 224) -> Image.Image:
    """Draw a picture that shows no product: `kind` from `NOTHING_KINDS`, deterministic by seed.

    Returns an RGB image, `size` by `size`; raises ValueError for a kind that is not drawn.
    """
    rng = _generator("nothing", kind, seed)
    if kind == "landscape":
        return _landscape(rng, size)
    if kind == "text":
        return _page(rng, size)
    if kind == "chart":
        return _chart(rng, size)
    if kind == "shapes":
        return _shapes(rng, size)
    if kind == "plain":
        return Image.new("RGB", (size, size), tuple(int(v) for v in rng.integers(0, 256, 3)))
    if kind == "noise":
        coarse = int(rng.choice([1, 1, 2, 4, 8, 16]))
        side = -(-size // coarse)
        raw = rng.normal(128, rng.uniform(25, 80), (side, side, 3 if rng.random() < 0.6 else 1))
        pixels = np.broadcast_to(np.clip(raw, 0, 255).astype(np.uint8), (side, side, 3))
        return Image.fromarray(np.ascontiguousarray(pixels)).resize(
            (size, size), Image.Resampling.NEAREST
        )
    if kind == "gradient":
        a, b = rng.uniform(0, 255, (2, 3))
        y, x = np.mgrid[:size, :size] / size - 0.5
        angle = rng.uniform(0, 6.283)
        t = (
            np.hypot(x, y) * 1.4
            if rng.random() < 0.3
            else x * math.cos(angle) + y * math.sin(angle) + 0.5
        )
        return Image.fromarray((a + (b - a) * np.clip(t, 0, 1)[..., None]).astype(np.uint8))
    if kind == "blur":
        waves = int(rng.integers(2, 7))
        mean, spread = rng.uniform(60, 190, 3), rng.uniform(30, 90)
        field = np.stack([_noise(rng, size, waves, waves) for _ in range(3)], -1)
        return Image.fromarray(np.clip(mean + spread * field, 0, 255).astype(np.uint8))
    raise ValueError(f"kind {kind!r} is not drawn; take one of {', '.join(NOTHING_KINDS)}.")
