"""Explorers as Python objects: allowed values, documentation, and the HTML of a page without a kernel."""

from __future__ import annotations

import html
import json
import re
import shutil
import sys
import zipfile

import matplotlib.pyplot as plt
import pytest
from examples import DATA
from setuptools import build_meta

from vae_lib import explorers
from vae_lib.explorers import EXPLORERS, KL, Latent
from vae_lib.explorers.shared import base
from vae_lib.explorers.shared.panel import KernelPanel

SLIDERS = [
    (name, key)
    for name, cls in EXPLORERS.items()
    for key, trait in cls.parameters().items()
    if isinstance(trait, base.Slider)
]
each_explorer = pytest.mark.parametrize("name", EXPLORERS)


@pytest.mark.parametrize(("name", "key"), SLIDERS)
def test_values_that_cannot_be_shown_are_refused(name, key):
    explorer = EXPLORERS[name]()
    before, trait = explorer.state(), EXPLORERS[name].parameters()[key]
    above, below = trait.high * 1.01 + 1, trait.low - abs(trait.low) * 0.01 - 1
    for bad in (float("nan"), float("inf"), above, below, "1", None, True, [1.0]):
        with pytest.raises(ValueError, match=f"{key} must be .* from {trait.low} to {trait.high}, got"):
            setattr(explorer, key, bad)
        with pytest.raises(ValueError, match=key):
            EXPLORERS[name](**{key: bad})
    if trait.integer:
        with pytest.raises(ValueError, match="whole number"):
            setattr(explorer, key, trait.low + 0.5)
    assert explorer.state() == before


@pytest.mark.parametrize(("name", "key"), SLIDERS)
def test_both_bounds_are_allowed(name, key):
    trait = EXPLORERS[name].parameters()[key]
    for value in (trait.low, trait.high):
        explorer = EXPLORERS[name](**{key: value})
        assert getattr(explorer, key) == value
        assert type(getattr(explorer, key)) is (int if trait.integer else float)


def test_menus_take_their_options_only():
    for name, cls in EXPLORERS.items():
        for key, trait in cls.parameters().items():
            if isinstance(trait, base.Choice):
                for option in trait.options:
                    assert getattr(cls(**{key: option}), key) == option
                with pytest.raises(ValueError, match=", ".join(trait.options)):
                    EXPLORERS[name](**{key: "something else"})


@pytest.mark.parametrize(
    ("bad", "words"),
    [
        ((0,) * 63, "got 63 values"),
        ((0,) * 65, "got 65 values"),
        ((0,) * 63 + (17,), "got 17 among them"),
        ((-1,) + (0,) * 63, "got -1 among them"),
        ((0.5,) + (0,) * 63, "got 0.5 among them"),
        ((float("nan"),) + (0,) * 63, "got nan among them"),
        (("1",) + (0,) * 63, "got '1' among them"),
        ((True,) + (0,) * 63, "got True among them"),
        ("0" * 64, "got '000"),
        (None, "got None"),
    ],
)
def test_pixels_that_cannot_be_shown_are_refused(bad, words):
    explorer = Latent()
    before = explorer.drawing
    with pytest.raises(ValueError, match=f"drawing must be 64 whole numbers from 0 to 16, {words}"):
        explorer.drawing = bad
    with pytest.raises(ValueError, match="drawing must be"):
        Latent(drawing=bad)
    assert explorer.drawing == before


def test_pixels_are_kept_as_whole_numbers():
    levels = [i % 17 for i in range(64)]
    explorer = Latent(drawing=[float(level) for level in levels])
    assert explorer.drawing == tuple(levels) and all(type(level) is int for level in explorer.drawing)


@pytest.mark.parametrize("name", DATA)
def test_data_are_part_of_the_page(name):
    data = DATA[name]()
    found = re.search(r' data-data="([^"]*)"><p>', EXPLORERS[name](_data=data).stub())
    assert json.loads(html.unescape(found[1])) == json.loads(json.dumps(data))
    assert EXPLORERS[name](_data=data).card()["data"] == data


@pytest.mark.parametrize("name", DATA)
def test_numbers_need_data(name):
    with pytest.raises(ValueError, match="_data="):
        EXPLORERS[name]().numbers()
    with pytest.raises(ValueError, match=r"_data must hold .* got 0 and 0"):
        EXPLORERS[name](_data={"something": "else"})
    with pytest.raises(ValueError, match=r"_data must hold"):
        EXPLORERS[name](_data={"pixels": 0, "originals": "AAAA", "cases": [{}], "labels": "3"})
    assert EXPLORERS[name](_data={})._data == {}, "nothing yet, as by default"


def test_unknown_traits_are_named():
    with pytest.raises(ValueError, match=r"sigm: not a trait.*mu, sigma"):
        KL(sigm=1.0)


def test_explorers_are_found_in_their_folder():
    """A module and a script for each, in the order of the chapters; each can be imported by its name."""
    found = {path.stem for path in base.SCRIPTS.glob("*.js")}
    assert set(EXPLORERS) == found == {path.stem for path in base.SCRIPTS.glob("*.py")} - {"__init__"}
    chapters = [cls.chapter for cls in EXPLORERS.values()]
    assert chapters == sorted(chapters)
    assert all(getattr(explorers, cls.__name__) is cls for cls in EXPLORERS.values())
    assert set(explorers.__all__) == {"EXPLORERS", "Explorer", *(cls.__name__ for cls in EXPLORERS.values())}


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("x = 1", r"odd.py must define one subclass of Explorer, found 0"),
        ("class A(Explorer):\n    chapter = 1\nclass B(Explorer):\n    chapter = 1", "found 2"),
        ("class A(Explorer):\n    pass", "A must have the class attribute chapter"),
    ],
)
def test_a_module_without_its_explorer_is_named(tmp_path, monkeypatch, source, words):
    head = "from vae_lib.explorers.shared.base import Explorer\n"
    (tmp_path / "odd.py").write_text(head + source, encoding="utf-8")
    (tmp_path / "odd.js").write_text("export const explorer = {};\n", encoding="utf-8")
    monkeypatch.setattr(explorers, "__path__", [str(tmp_path)])
    monkeypatch.setattr(base, "SCRIPTS", tmp_path)
    monkeypatch.delitem(sys.modules, "vae_lib.explorers.odd", raising=False)
    with pytest.raises(TypeError, match=words):
        explorers._explorer_of("odd")


@each_explorer
def test_repr_makes_the_same_explorer(name):
    cls = EXPLORERS[name]
    explorer = cls()
    assert eval(repr(explorer), {cls.__name__: cls}).state() == explorer.state()


@each_explorer
def test_page_without_a_kernel_gets_the_state_and_words(name):
    bundle = EXPLORERS[name]()._repr_mimebundle_()
    assert bundle["text/html"] == EXPLORERS[name]()._repr_mimebundle_()["text/html"], "no ids of objects"
    found = re.search(r'data-explorer="(\w+)" data-state="([^"]*)"><p>(.*)</p>', bundle["text/html"])
    assert found[1] == name
    assert EXPLORERS[name](**json.loads(html.unescape(found[2]))).state() == EXPLORERS[name]().state()
    assert EXPLORERS[name].question in html.unescape(found[3])


def test_colab_gets_no_html(monkeypatch):
    monkeypatch.setitem(sys.modules, "google.colab", object())
    assert set(KL()._repr_mimebundle_()) == {"text/plain", "application/vnd.jupyter.widget-view+json"}


@each_explorer
def test_class_is_documented(name):
    cls = EXPLORERS[name]
    assert cls.__module__ == f"vae_lib.explorers.{name}"
    assert cls.question.endswith("?") and len(cls.question) < 80
    assert [*(base.SCRIPTS.parents[1] / "book").glob(f"{cls.chapter:02}_*.ipynb")], "no such chapter"
    assert all(f"`{key}`" in cls.__doc__ for key in cls.parameters()), "each trait is named in the docstring"
    assert cls.numbers.__doc__


def test_the_wheel_carries_scripts_and_styles(tmp_path, monkeypatch):
    root = base.SCRIPTS.parents[1]
    shutil.copytree(root / "vae_lib", tmp_path / "vae_lib")
    for file in ("pyproject.toml", "README.md"):
        shutil.copy(root / file, tmp_path)
    monkeypatch.chdir(tmp_path)
    inside = zipfile.ZipFile(build_meta.build_wheel(".")).namelist()
    scripts = [path.relative_to(root) for path in base.SCRIPTS.rglob("*.js")]
    assert len(scripts) > 2 * len(EXPLORERS) - 2, "explorers and what they share"
    for path in (*scripts, (base.SHARED / "explorers.css").relative_to(root)):
        assert path.as_posix() in inside


def test_panel_opens_within_its_bounds():
    def draw(mu):
        return plt.figure()

    with pytest.raises(ValueError, match="mu must open between 0 and 1, got 2"):
        KernelPanel(draw, "nothing", mu=(2, 0, 1, 0.1, "μ"))
    assert "sliders for mu" in repr(KernelPanel(draw, "nothing", mu=(1, 0, 1, 0.1, "μ")))
