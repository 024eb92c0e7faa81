"""The drawing in which explorers open whose pixels the reader can paint."""

from __future__ import annotations

from vae_lib.explorers.shared.base import LEVELS

_FACE = (
    "........",
    ".##..##.",
    ".##..##.",
    "........",
    "#......#",
    ".#....#.",
    "..####..",
    "........",
)
FACE = [LEVELS * (pixel == "#") for row in _FACE for pixel in row]
