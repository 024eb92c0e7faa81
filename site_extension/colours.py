"""The stylesheet and the icon, in the book's colours, generated from their only definition."""

from pathlib import Path

from vae_lib.palette import PALETTE, css_variables


def stylesheet():
    """CSS variables for both modes, and formulas that follow the mode.

    A formula names a light colour (\\textcolor{#0067A6}{…}), since that is what Jupyter and Colab
    understand too; in dark mode the rule for that colour takes over.
    """
    formulas = "\n".join(
        f'html[data-theme="dark"] .katex [style*="color:{pair[0]}" i]{{color:var(--{name})!important}}'
        for name, pair in PALETTE.items()
    )
    return css_variables(":root", 'html[data-theme="dark"]') + formulas + "\n"


def icon():
    """Two densities, the prior under the approximate posterior."""
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
