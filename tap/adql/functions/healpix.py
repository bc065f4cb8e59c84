"""HEALPix in Python for constants, in the NESTED scheme (Górski et al. 2005, ApJ 622, 759)."""

from __future__ import annotations

import math

MAX_ORDER = 29
_RINGS = (2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4)
_PLACES = (1, 3, 5, 7, 0, 2, 4, 6, 1, 3, 5, 7)


def pixels(order: int) -> int:
    """Return the number of pixels of an order."""
    return 12 << (2 * order)


def index(order: int, lon: float, lat: float) -> int:
    """Return the pixel that holds a position in degrees."""
    nside = 1 << order
    z = math.sin(math.radians(lat))
    turn = (lon % 360) / 90 % 4
    if abs(z) <= 2 / 3:
        up, down = nside * (0.5 + turn - 0.75 * z), nside * (0.5 + turn + 0.75 * z)
        i, j = int(up // 1), int(down // 1)
        face_i, face_j = i >> order, j >> order
        face = face_i & 3 if face_i < face_j else (face_j & 3) + 8
        if face_i == face_j:
            face = (face_i & 3) | 4
        return _nested(order, face, j & (nside - 1), nside - (i & (nside - 1)) - 1)
    quarter = min(3, int(turn))
    part = turn - quarter
    # 1 - |z| keeps its digits near a pole by way of the half angle.
    size = nside * math.sqrt(6) * math.sin(math.radians(90 - abs(lat)) / 2)
    i, j = min(nside - 1, int(part * size)), min(nside - 1, int((1 - part) * size))
    if z > 0:
        return _nested(order, quarter, nside - j - 1, nside - i - 1)
    return _nested(order, quarter + 8, i, j)


def centre(order: int, pixel: int) -> tuple[float, float]:
    """Return the centre of a pixel, in degrees."""
    nside = 1 << order
    face, within = divmod(pixel, nside * nside)
    x, y = _even_bits(within), _even_bits(within >> 1)
    ring = _RINGS[face] * nside - x - y - 1
    if ring < nside:
        count, shift = ring, 0
        lat = 90 - math.degrees(2 * math.asin(ring / (math.sqrt(6) * nside)))
    elif ring > 3 * nside:
        count, shift = 4 * nside - ring, 0
        lat = math.degrees(2 * math.asin(count / (math.sqrt(6) * nside))) - 90
    else:
        count, shift = nside, (ring - nside) & 1
        lat = math.degrees(math.asin((2 * nside - ring) * 2 / (3 * nside)))
    place = (_PLACES[face] * count + x - y + 1 + shift) / 2
    if place > 4 * nside:
        place -= 4 * nside
    elif place < 1:
        place += 4 * nside
    return (place - (shift + 1) / 2) * 90 / count % 360, lat


def _nested(order: int, face: int, x: int, y: int) -> int:
    return (face << (2 * order)) + sum(
        ((x >> bit & 1) << (2 * bit)) | ((y >> bit & 1) << (2 * bit + 1)) for bit in range(order)
    )


def _even_bits(number: int) -> int:
    """Return every second bit of a number."""
    return sum((number >> (2 * bit) & 1) << bit for bit in range(MAX_ORDER + 1))
