"""Explorers in a running notebook: a real kernel, the widget protocol and a browser, without JupyterLab."""

import ast
import json
import math
import subprocess

import pytest
from jupyter_client import KernelManager
from playwright.sync_api import expect

from vae_lib.explorers import EXPLORERS, KL
from vae_lib.explorers.shared import base

VIEW = "application/vnd.jupyter.widget-view+json"
WAIT = 60  # seconds for a message

PANEL = """
import matplotlib.pyplot as plt
from vae_lib.explorers.shared.panel import KernelPanel

def draw(mu):
    figure, axes = plt.subplots(figsize=(2, 1))
    axes.axvline(mu)
    return figure

panel = KernelPanel(draw, "a line at mu", mu=(0.0, -1.0, 1.0, 0.1, "μ"))
panel
"""

# What a notebook's front end does with an anywidget: a model that talks to the kernel, and render().
SHOW = """async (state) => {
  const changed = {};
  const tell = (name) => heard.filter(([event]) => event === `change:${name}`).forEach(([, act]) => act());
  window.heard = [];
  window.sent = Promise.resolve(); // all that the page has sent has arrived
  window.receive = (update) => {
    Object.assign(state, update);
    Object.keys(update).forEach(tell);
  };
  const model = {
    get: (name) => state[name],
    set(name, value) {
      if (state[name] === value) return;
      state[name] = changed[name] = value;
      tell(name);
    },
    save_changes() {
      const message = { ...changed };
      window.sent = sent.then(() => toKernel(message));
      Object.keys(changed).forEach((name) => delete changed[name]);
    },
    on: (event, act) => heard.push([event, act]),
    off: (event, act) => heard.splice(heard.findIndex((one) => one[0] === event && one[1] === act), 1),
  };
  const style = document.createElement("style");
  style.textContent = state._css;
  document.head.append(style);
  const url = URL.createObjectURL(new Blob([state._esm], { type: "text/javascript" }));
  window.cleanUp = (await import(url)).default.render({ model, el: document.body });
}"""


class Kernel:
    """A running kernel: run() and update() wait until it is done and return the messages it published."""

    def __init__(self, client):
        self.client = client

    def _published(self, request):
        messages = []
        while True:
            message = self.client.get_iopub_msg(timeout=WAIT)
            if message["parent_header"].get("msg_id") != request:
                continue
            if message["msg_type"] == "status" and message["content"]["execution_state"] == "idle":
                return messages
            messages.append(message)

    def run(self, code):
        return self._published(self.client.execute(code))

    def value(self, expression):
        (result,) = of_kind("execute_result", self.run(expression))
        return ast.literal_eval(result["content"]["data"]["text/plain"])

    def update(self, comm_id, state):
        """What a page sends when someone moves a slider."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        message = self.client.session.msg("comm_msg", {"comm_id": comm_id, "data": data})
        self.client.shell_channel.send(message)
        return self._published(message["header"]["msg_id"])


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    manager = KernelManager(kernel_name="python3")
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    manager.start_kernel(cwd=str(tmp_path_factory.mktemp("kernel")), **silent)
    client = manager.blocking_client()
    client.start_channels()
    try:
        client.wait_for_ready(timeout=WAIT)
        yield Kernel(client)
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def of_kind(kind, messages):
    return [message for message in messages if message["msg_type"] == kind]


def updates(messages):
    """The traits that the kernel sends to the page."""
    data = [message["content"]["data"] for message in of_kind("comm_msg", messages)]
    return [one["state"] for one in data if one["method"] == "update"]


def opened(kernel, cls):
    """An explorer that the kernel shows: its comm's id, the state it opens with, and what the cell shows."""
    name = cls.__name__
    messages = kernel.run(f"from vae_lib.explorers import {name}; explorer = {name}(); explorer")
    (result,) = of_kind("execute_result", messages)
    comm_id = result["content"]["data"][VIEW]["model_id"]
    (comm,) = (m["content"] for m in of_kind("comm_open", messages) if m["content"]["comm_id"] == comm_id)
    assert comm["target_name"] == "jupyter.widget"
    return comm_id, comm["data"]["state"], result["content"]["data"]


@pytest.mark.parametrize("name", EXPLORERS)
def test_kernel_opens_the_explorer_and_both_sides_move_it(name, kernel):
    cls = EXPLORERS[name]
    comm_id, state, shown = opened(kernel, cls)
    there = cls()
    assert {key: state[key] for key in there.parameters()} == json.loads(json.dumps(there.state()))
    assert state["_esm"] == cls._esm and state["_css"] == cls._css
    assert state["_spec"] == json.loads(json.dumps(there._spec))
    assert (state["_model_module"], state["_view_name"]) == ("anywidget", "AnyView")
    assert shown["text/plain"] == repr(there) and shown["text/html"] == there.stub()
    assert set(shown) == {"text/plain", "text/html", VIEW}

    for key, trait in there.parameters().items():
        if isinstance(trait, base.Pixels):
            menu = [[0] * trait.count, [base.LEVELS] * trait.count]
        else:
            menu = list(trait.options) if isinstance(trait, base.Choice) else [trait.low, trait.high]
        first, last = menu[0], menu[-1]
        assert updates(kernel.update(comm_id, {key: first})) == [], "the page knows what it sent"
        pixels = isinstance(trait, base.Pixels)
        assert kernel.value(f"explorer.{key}") == (tuple(first) if pixels else first)
        assert updates(kernel.run(f"explorer.{key} = {last!r}")) == [{key: last}]
    assert kernel.value("eval(repr(explorer)).state() == explorer.state()") is True


def test_a_bad_value_changes_nothing(kernel):
    comm_id, _, _ = opened(kernel, KL)
    for bad in ("7", "-1.0", "float('nan')"):
        messages = kernel.run(f"explorer.sigma = {bad}")
        (error,) = of_kind("error", messages)
        assert error["content"]["ename"] == "ValueError"
        assert "sigma must be a number from 0.1 to 3.0" in error["content"]["evalue"]
        assert updates(messages) == []
    for bad in (7, "wide", None):
        kernel.update(comm_id, {"sigma": bad})
        assert kernel.value("explorer.sigma") == 0.4
    kernel.update(comm_id, {"sigma": 0.7})
    assert kernel.value("explorer.sigma") == 0.7, "the kernel still listens"


@pytest.fixture
def show(kernel, browser):
    """A function that shows an explorer as a notebook does: the page, and its errors.

    Each in a context of its own, as the function that the page calls cannot be taken away from a tab.
    """
    contexts = []

    def show(comm_id, state):
        def send(changed):
            kernel.update(comm_id, changed)

        contexts.append(browser.new_context(viewport={"width": 1280, "height": 800}))
        page, wrong = contexts[-1].new_page(), []
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.expose_function("toKernel", send)
        page.evaluate(SHOW, state)
        return page, wrong

    yield show
    for context in contexts:
        context.close()


def test_page_and_kernel_move_each_other(kernel, show):
    comm_id, state, _ = opened(kernel, KL)
    page, wrong = show(comm_id, state)
    slider, kl = page.locator("input[name=sigma]"), page.locator("output[name=kl]")

    slider.fill("0.7")
    expect(kl).to_have_text(f"{KL(sigma=0.7).numbers()['kl']:.4f} nats")
    page.evaluate("sent")
    assert kernel.value("explorer.sigma") == 0.7
    page.get_by_role("button", name="Reset").click()
    expect(slider).to_have_value("0.4")
    page.evaluate("sent")
    assert kernel.value("explorer.state()") == KL().state()

    for update in updates(kernel.run("explorer.sigma = 0.3")):
        page.evaluate("update => receive(update)", update)
    expect(slider).to_have_value("0.3")
    exact = kernel.value("explorer.numbers()")["kl"]
    expect(kl).to_have_text(f"{exact:.4f} nats")
    assert float(kl.get_attribute("data-value")) == pytest.approx(exact, rel=1e-12)

    assert page.evaluate("heard.length") > 0
    page.evaluate("cleanUp()")
    assert page.evaluate("heard.length") == 0
    page.evaluate("receive({ sigma: 2 })")
    slider.fill("1.5")
    page.evaluate("() => sent.then(() => new Promise(requestAnimationFrame))")
    assert kernel.value("explorer.sigma") == 0.3, "nobody listens to the slider any more"
    expect(kl).to_have_text(f"{exact:.4f} nats")
    assert wrong == []


def test_a_fault_is_shown_in_the_card(kernel, show):
    comm_id, state, _ = opened(kernel, KL)
    page, wrong = show(comm_id, state | {"sigma": math.nan})
    fault = page.locator(".fault")
    expect(fault).to_be_visible()
    expect(fault).to_contain_text("sigma is NaN")
    page.evaluate("receive({ sigma: 0.3 })")
    expect(fault).to_be_hidden()
    assert wrong == []


def test_jupyterlab_takes_no_keys_from_a_card(kernel, show):
    """Arrows and Enter stay with its controls; what changed while it was hidden is drawn once it shows."""
    comm_id, state, _ = opened(kernel, KL)
    page, wrong = show(comm_id, state)
    controls = page.locator(".vae-explorer :is(input, select, button)")
    marked = page.locator(".vae-explorer [data-lm-suppress-shortcuts=true]")
    assert controls.count() == marked.count() > 0
    page.evaluate("""() => {
      document.body.hidden = true;
      receive({ sigma: 0.3 });
      requestAnimationFrame(() => (document.body.hidden = false));
    }""")
    drawn = "!document.body.hidden && document.querySelector('canvas').width > 0"
    page.wait_for_function(drawn, timeout=5000)
    assert wrong == []


def test_a_panel_draws_anew_and_closes_its_figures(kernel):
    messages = kernel.run(PANEL)
    (result,) = of_kind("execute_result", messages)
    assert VIEW in result["content"]["data"]
    assert "moves in a running notebook" in result["content"]["data"]["text/html"]
    before = kernel.value("bytes(panel.picture.value)")
    messages = kernel.update(kernel.value("panel.sliders['mu'].model_id"), {"value": 0.5})
    after = kernel.value("bytes(panel.picture.value)")
    assert before != after and all(png.startswith(b"\x89PNG") for png in (before, after))
    sent = [bytes(buffer) for message in of_kind("comm_msg", messages) for buffer in message["buffers"]]
    assert sent == [after]
    assert kernel.value("(panel.redraw(), plt.get_fignums())") == (None, [])
