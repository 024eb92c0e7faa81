"""Every colour is readable on its background, and colours that must be told apart differ."""

from __future__ import annotations

import itertools
import math
import re

import pytest

from vae_lib.palette import CLASSES, DARK, LIGHT, PALETTE, PAPER, css_variables


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


def lab(colour: str) -> tuple[float, float, float]:
    """CIELAB of #RRGGBB, in which Euclidean distances are roughly those that eyes see."""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    r, g, b = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    x = (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505
    y = 0.2126 * r + 0.7152 * g + 0.0722 * b
    z = (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089
    x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in (x, y, z))
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("pair", [*PALETTE.values(), *CLASSES])
def test_every_colour_is_readable(pair):
    light, dark = pair
    assert contrast(light, PAPER[0]) >= 5
    assert contrast(dark, PAPER[1]) >= 5
    assert contrast(dark, "#121212") >= 5  # the theme's dark ground


def test_each_meaning_has_a_colour_of_its_own():
    assert set(PALETTE) == {"prior", "approximate", "likelihood", "posterior", "ink", "muted"}
    assert {name: (LIGHT[name], DARK[name]) for name in PALETTE} == PALETTE
    assert len(set(LIGHT.values())) == len(set(DARK.values())) == len(PALETTE)
    assert all(re.fullmatch(r"#[0-9A-F]{6}", colour) for pair in PALETTE.values() for colour in pair)


def test_ten_classes_are_told_apart():
    """No two within a distance of 20, in which 2 can just be seen; black and white are 100 apart."""
    assert math.dist(lab("#000000"), lab("#FFFFFF")) == pytest.approx(100, abs=0.1)
    assert len(CLASSES) == 10
    for mode in (0, 1):
        colours = [lab(pair[mode]) for pair in CLASSES]
        assert min(math.dist(one, other) for one, other in itertools.combinations(colours, 2)) > 20


def test_the_stylesheet_has_both_modes():
    light, dark = css_variables("day", "night").splitlines()
    for digit, pair in enumerate(CLASSES):
        assert f"--class-{digit}:{pair[0]};" in light and f"--class-{digit}:{pair[1]};" in dark
