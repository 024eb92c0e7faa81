"""The address of the site, and the button that opens a page's notebook in Colab."""

from tools.address import address


def choose_baseurl(app, config):
    config.html_baseurl = config.html_baseurl or address().site


def add_button(app, pagename, templatename, context, doctree):
    """Put the button first above a page whose notebook is on GitHub.

    The theme has such a button, but in a menu, and it leads to a branch, not to the tag of the version.
    """
    on_github = not pagename.startswith("book/solutions/")  # the build makes these; git ignores them
    if context.get("page_source_suffix") == ".ipynb" and on_github:
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
