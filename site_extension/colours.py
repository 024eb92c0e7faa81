"""A stylesheet with the book's colours, and the icon of the site, both from vae_lib.palette."""

from pathlib import Path

from vae_lib.palette import PALETTE, css_variables


def stylesheet():
    """CSS variables for light and dark mode, and rules for coloured formulas.

    A formula names a colour of the light mode (\\textcolor{#0067A6}{…}), as Jupyter and Colab know no
    variables. In dark mode the rule for that colour replaces it by the dark colour of the same meaning.
    """
    formulas = "\n".join(
        f'html[data-theme="dark"] .katex [style*="color:{pair[0]}" i]{{color:var(--{name})!important}}'
        for name, pair in PALETTE.items()
    )
    return css_variables(":root", 'html[data-theme="dark"]') + formulas + "\n"


def icon():
    """The icon as SVG: the densities of the prior and of the approximate posterior."""
    curves = "".join(
        f'<path d="{path}" fill="{PALETTE[name][0]}" fill-opacity=".75"/>'
        for name, path in (
            ("prior", "M1 28C9 28 9 14 16 14s7 14 15 14z"),
            ("approximate", "M12 28c5 0 4-25 8-25s3 25 8 25z"),
        )
    )
    return f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32">{curves}</svg>\n'


def write(folder: Path):
    (folder / "colours.css").write_text(stylesheet(), encoding="utf-8")
    (folder / "icon.svg").write_text(icon(), encoding="utf-8")
