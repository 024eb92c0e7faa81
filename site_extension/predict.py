"""The boxes "Predict first" on the site: the reader commits to a guess before the answer opens.

A box holds its question, the options as a list if it is a choice, and the answer in <details>; so it stands
in Jupyter, in Colab, on paper and without JavaScript. The metadata `predict` of its cell says what is right:

    "predict": {"right": 2}                          of the options, counted from 1
    "predict": {"number": 0.807, "unit": "nats"}     of a question for a number

A number that an explorer of the page shows has `"of": "kl?mu=0&sigma=2"`, the state in which it does, and
`"name": "kl"`, its output (or a trait in that state). There the explorer draws the guess.

Until book.js has run, a click on the button does nothing: a form for a dialog, outside of one, is not sent.
"""

from html import escape
from pathlib import Path

from docutils import nodes
from sphinx.errors import ExtensionError
from sphinx.transforms import SphinxTransform

from tools.notebooks import read

END = (
    '</fieldset><p class="buttons"><button>Check my guess</button>'
    '<button type="reset" hidden>Guess again</button></p><p class="verdict" role="status"></p></form>'
)


class Predictions(SphinxTransform):
    """Give each box what one commits with; after BoxClasses, which finds the boxes."""

    default_priority = 410

    def apply(self):
        path = Path(self.env.doc2path(self.env.docname))
        quotes = self.document.findall(nodes.block_quote)
        boxes = [quote for quote in quotes if "box-predict-first" in quote["classes"]]
        cells = read(path)["cells"] if path.suffix == ".ipynb" else []
        asked = {cell["id"]: cell["metadata"]["predict"] for cell in cells if "predict" in cell["metadata"]}
        if len(boxes) != len(asked):
            raise ExtensionError(f"{path.name}: {len(boxes)} boxes, but {len(asked)} cells with predict")
        for box, (cell, prediction) in zip(boxes, asked.items(), strict=True):
            ask(box, f"{path.stem}/{cell}", prediction)


def ask(box, key: str, prediction: dict):
    """Put a form behind the question: around its options, or with a field for a number."""
    data = " ".join(f'data-{name}="{escape(str(value))}"' for name, value in prediction.items())
    start = f'<form class="guess" method="dialog" data-key="{key}" {data} autocomplete="off"><fieldset>'
    options = next((child for child in box if isinstance(child, nodes.bullet_list)), None)
    if options is None:
        field = '<input name="guess" inputmode="decimal" required>'
        box.insert(1, raw(f"{start}<label>Your guess {field} {escape(prediction['unit'])}</label>{END}"))
        return
    for number, item in enumerate(options, 1):
        radio = f'<input type="radio" name="guess" value="{number}" required>'
        item[0].children = [raw(f"<label>{radio} <span>"), *item[0].children, raw("</span></label>")]
    place = box.index(options)
    box.insert(place + 1, raw(END))
    box.insert(place, raw(f'{start}<legend class="visually-hidden">Your guess</legend>'))


def raw(html: str):
    return nodes.raw("", html, format="html")


def setup(app):
    app.add_transform(Predictions)
