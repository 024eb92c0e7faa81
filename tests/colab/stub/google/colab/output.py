"""The switch for widgets of third parties, which anywidget throws; then every view names its manager."""

from types import SimpleNamespace

from IPython import get_ipython

VIEW = "application/vnd.jupyter.widget-view+json"
_widgets = SimpleNamespace(_installed_url=None)


def enable_custom_widget_manager():
    if _widgets._installed_url is None:
        get_ipython().display_pub.register_hook(name_the_manager)
    _widgets._installed_url = "https://example.org/manager.min.js"


def name_the_manager(message):
    content = message["content"]
    if VIEW in content.get("data", {}):
        content["metadata"][VIEW] = {"colab": {"custom_widget_manager": {"url": _widgets._installed_url}}}
    return message
