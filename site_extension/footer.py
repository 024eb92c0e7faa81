"""The foot of every page: under which licences the book and its code may be used."""

from tools.address import address

CC_BY = "https://creativecommons.org/licenses/by/4.0/"
FOOTER = """<p>
Text and figures: <a rel="license" href="{text}">CC BY 4.0</a>
(<a href="{files}/LICENSE-text">LICENSE-text</a>).
Code: <a href="{files}/LICENSE">MIT licence</a>.
</p>"""


def add_licences(app, config):
    ours = address()
    files = f"{ours.repository}/blob/{ours.tag}"
    config.html_theme_options["extra_footer"] = FOOTER.format(text=CC_BY, files=files)
    config.html_theme_options["footer_content_items"] = ["extra-footer.html"]


def setup(app):
    app.connect("config-inited", add_licences)
