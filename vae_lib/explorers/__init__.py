"""Figures with sliders, one for each idea of the book: a Python class and a script of the same name.

In a notebook they are widgets (anywidget): `KL()` shows one, `explorer.sigma` reads a slider,
`explorer.sigma = 0.3` moves it. On the site the same script runs without a kernel.
"""

from __future__ import annotations

import importlib
import pkgutil

from vae_lib.explorers.shared.base import Explorer


def _explorer_of(module_name: str) -> type[Explorer]:
    """The one subclass of `Explorer` that a module of this folder defines.

    Raises:
        TypeError: it defines none, or several, or the class does not say which chapter shows it.
    """
    module = importlib.import_module(f"{__name__}.{module_name}")
    found = [
        value
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Explorer) and value.__module__ == module.__name__
    ]
    if len(found) != 1:
        raise TypeError(f"{module_name}.py must define one subclass of Explorer, found {len(found)}")
    if not isinstance(getattr(found[0], "chapter", None), int):
        raise TypeError(f"{found[0].__name__} must have the class attribute chapter, a whole number")
    return found[0]


# Each module of this folder defines one explorer.
_CLASSES = [_explorer_of(module.name) for module in pkgutil.iter_modules(__path__) if not module.ispkg]
# In the order of the chapters.
EXPLORERS: dict[str, type[Explorer]] = {
    cls.name: cls for cls in sorted(_CLASSES, key=lambda cls: (cls.chapter, cls.name))
}
globals().update({cls.__name__: cls for cls in _CLASSES})  # from vae_lib.explorers import KL

__all__ = ["EXPLORERS", "Explorer", *(cls.__name__ for cls in EXPLORERS.values())]
