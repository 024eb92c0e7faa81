"""Are the colours readable on the grounds they are printed on?"""

from __future__ import annotations

import re

import pytest

from vae_lib.palette import DARK, LIGHT, PALETTE, PAPER


def luminance(colour: str) -> float:
    """Relative luminance of #RRGGBB by the Web Content Accessibility Guidelines 2."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_of_known_pairs():
    assert contrast("#000000", "#FFFFFF") == pytest.approx(21)
    assert contrast("#FFFFFF", "#777777") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", PALETTE)
def test_every_colour_is_readable(name):
    light, dark = PALETTE[name]
    assert contrast(light, PAPER[0]) >= 5
    assert contrast(dark, PAPER[1]) >= 5
    assert contrast(dark, "#121212") >= 5  # the theme's dark ground


def test_meanings_and_their_colours_are_all_there_and_all_different():
    assert set(PALETTE) == {"prior", "approximate", "likelihood", "posterior", "ink", "muted"}
    assert {name: (LIGHT[name], DARK[name]) for name in PALETTE} == PALETTE
    assert len(set(LIGHT.values())) == len(set(DARK.values())) == len(PALETTE)
    assert all(re.fullmatch(r"#[0-9A-F]{6}", colour) for pair in PALETTE.values() for colour in pair)
