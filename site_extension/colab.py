"""Where the site is, and a button on every page that is a notebook: it opens the notebook in Colab."""

from tools.address import address


def choose_baseurl(app, config):
    config.html_baseurl = config.html_baseurl or address().site


def add_button(app, pagename, templatename, context, doctree):
    """First among the buttons above the page. The theme has its own, but in a menu, and not for a tag."""
    if context.get("page_source_suffix") == ".ipynb":
        button = {
            "type": "link",
            "url": f"{address().colab}/{pagename}.ipynb",
            "text": "Open in Colab",
            "icon": "fas fa-rocket",
            "label": "colab",
        }
        context["header_buttons"].insert(0, button)


def setup(app):
    app.connect("config-inited", choose_baseurl)
    app.connect("html-page-context", add_button, priority=502)  # after the theme's buttons
