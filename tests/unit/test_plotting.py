"""The pipeline drawing, the grid of digits and the style."""

from __future__ import annotations

from xml.etree import ElementTree

import matplotlib.pyplot as plt
import pytest
import torch

from vae_lib import plotting
from vae_lib.palette import LIGHT
from vae_lib.plotting import PIPELINE_PARTS, pipeline, pipeline_svg, show_digits


@pytest.fixture(autouse=True)
def no_figure_left():
    with plt.rc_context():
        yield
    plt.close("all")


# The drawing


@pytest.mark.parametrize(
    "highlight", [(), *((part,) for part in PIPELINE_PARTS), ("kl", "z"), PIPELINE_PARTS], ids=str
)
def test_the_drawing_highlights_what_it_is_asked_to(highlight):
    svg = ElementTree.fromstring(pipeline_svg(highlight))
    assert svg.tag == "svg" and svg.get("role") == "img"
    groups = svg.findall("g")
    assert len(groups) == len(PIPELINE_PARTS)
    bright = {
        part for part, group in zip(PIPELINE_PARTS, groups, strict=True) if group.get("opacity") is None
    }
    assert bright == (set(highlight) or set(PIPELINE_PARTS))
    assert svg.findall("g//text") == [], "no word is faded"
    label = svg.get("aria-label")
    assert "encoder" in label and "reconstruction" in label
    if highlight:
        assert label.endswith(f"Highlighted here: {', '.join(part.replace('_', ' ') for part in highlight)}.")
    else:
        assert "Highlighted" not in label


def test_the_drawing_has_its_texts_and_the_colours_of_the_page():
    svg = pipeline_svg()
    texts = [text.text for text in ElementTree.fromstring(svg).iter("text")]
    for text in ("x", "encoder", "μ", "σ", "ε", "z", "decoder", "x′", "KL(q ‖ p(z))", "−log p(x|z)"):
        assert texts.count(text) == 1
    for name in ("prior", "approximate", "likelihood", "ink", "muted"):
        assert f"var(--{name},{LIGHT[name]})" in svg


def test_highlight_may_be_one_name():
    assert pipeline_svg("kl") == pipeline_svg(["kl"]) != pipeline_svg()


@pytest.mark.parametrize("highlight", ["loss", ("kl", "loss"), ("KL",)])
def test_an_unknown_part_is_refused(highlight, value_error):
    unknown = "KL" if highlight == ("KL",) else "loss"
    for draw in (pipeline_svg, lambda parts: pipeline(*([parts] if isinstance(parts, str) else parts))):
        with value_error(f"['{unknown}']", *PIPELINE_PARTS):
            draw(highlight)


def test_pipeline_is_a_drawing_in_a_notebook_and_a_sentence_elsewhere():
    drawing = pipeline("encoder", "mu_sigma")
    assert drawing._repr_html_() == pipeline_svg(("encoder", "mu_sigma"))
    assert repr(drawing).endswith("Highlighted here: encoder, mu sigma.")


# Digits


def test_digits_are_drawn_row_by_row_and_upright():
    images = torch.arange(6 * 9).reshape(6, 9) / 54
    figure = show_digits(images, rows=2, titles=["a", "b", "c"], row_labels=["x", "x′"])
    axes = figure.axes
    assert len(axes) == 6
    for ax, image in zip(axes, images, strict=True):
        (shown,) = ax.images
        assert torch.equal(torch.as_tensor(shown.get_array().data), image.reshape(3, 3))
        assert shown.get_clim() == (0, 1)
    assert [ax.get_title() for ax in axes] == ["a", "b", "c", "", "", ""]
    assert [ax.get_ylabel() for ax in axes] == ["x", "", "", "x′", "", ""]


def test_images_with_gradient_and_without_labels_are_drawn():
    assert len(show_digits(torch.zeros(2, 64, requires_grad=True)).axes) == 2


@pytest.mark.parametrize(
    ("shape", "options", "named"),
    [
        ((64,), {}, [(64,)]),
        ((2, 8, 8), {}, [(2, 8, 8)]),
        ((0, 64), {}, ["empty", (0, 64)]),
        ((2, 60), {}, ["2 images of 60 pixels"]),
        ((5, 64), {"rows": 2}, ["5 images", "2 rows"]),
        ((5, 64), {"rows": 0}, ["rows", "0"]),
        ((5, 64), {"rows": -5}, ["rows", "-5"]),
        ((4, 64), {"titles": ["a"]}, ["titles", "4 entries", "1"]),
        ((4, 64), {"rows": 2, "row_labels": ["a"]}, ["row_labels", "2 entries", "1"]),
    ],
)
def test_images_that_do_not_fill_the_grid_are_refused(shape, options, named, value_error):
    with value_error(*named):
        show_digits(torch.zeros(shape), **options)
    assert not plt.get_fignums()


# Style and labels


def test_the_style_takes_its_colours_from_the_palette():
    plotting.use_style()
    assert plotting.color is LIGHT
    assert plt.rcParams["text.color"] == LIGHT["ink"] and not plt.rcParams["axes.spines.top"]
    for item in plt.rcParams["axes.prop_cycle"]:
        assert item["color"] in LIGHT.values()


def test_a_label_has_the_colour_of_its_kind(value_error):
    _, ax = plt.subplots()
    plotting.label(ax, 0.1, 0.2, "p(z)", "prior", ha="right")
    (text,) = ax.texts
    assert (text.get_text(), text.get_color(), text.get_ha()) == ("p(z)", LIGHT["prior"], "right")
    assert text.get_position() == (0.1, 0.2)
    with value_error("'latent'", *LIGHT):
        plotting.label(ax, 0, 0, "z", "latent")
