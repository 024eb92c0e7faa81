"""The colours of the book, each with one meaning. They are defined here only.

The stylesheet of the site, the matplotlib figures and the pipeline drawing all take their colours
from here. Each pair is (light mode, dark mode); every one has a contrast of at least 5:1 on its
background.
"""

PALETTE: dict[str, tuple[str, str]] = {
    "prior": ("#0067A6", "#56B4E9"),  # p(z)
    "approximate": ("#B34700", "#F0A030"),  # q(z|x), and the KL term
    "likelihood": ("#00755A", "#2CC295"),  # p(x|z), the decoder, and the reconstruction term
    "posterior": ("#8A3B7E", "#D58CC4"),  # p(z|x), and the gap
    "ink": ("#1F2328", "#E6E6E6"),  # data, axes, text
    "muted": ("#5B6470", "#A4ACB6"),  # grid, secondary text
}

# The ten classes of digits, 0 to 9, where a figure tells them apart; always with the digit itself.
CLASSES: tuple[tuple[str, str], ...] = (
    ("#0B57D0", "#8CC8FF"),
    ("#B3261E", "#FF8A80"),
    ("#1B7F3B", "#6EDB8F"),
    ("#8B4A00", "#E8B04A"),
    ("#8A2FC4", "#DDB0FF"),
    ("#007078", "#4FD8E0"),
    ("#C2187A", "#FF7AC0"),
    ("#5A6B00", "#C6DB4E"),
    ("#4A4F57", "#B8BCC2"),
    ("#241A7A", "#7C86FF"),
)

PAPER = ("#FFFFFF", "#14181E")  # what explorers are drawn on

LIGHT: dict[str, str] = {name: pair[0] for name, pair in PALETTE.items()}
DARK: dict[str, str] = {name: pair[1] for name, pair in PALETTE.items()}


def css_variables(light: str, dark: str) -> str:
    """A stylesheet that defines --prior, …, --class-0, … and --paper for two selectors, one for each mode."""
    classes = {f"class-{digit}": pair for digit, pair in enumerate(CLASSES)}
    pairs = {**PALETTE, **classes, "paper": PAPER}
    values = ["".join(f"--{name}:{pair[mode]};" for name, pair in pairs.items()) for mode in (0, 1)]
    return f"{light}{{color-scheme:light;{values[0]}}}\n{dark}{{color-scheme:dark;{values[1]}}}\n"
