"""What the built book costs a reader, in headless Chromium: make bench-site.

First the script time of one step of a drag, from the input event to the drawn canvas, without the
browser's own painting; bounds: 4 ms at the 95th percentile, 75 KB of script. Then what each chapter
weighs and when it is ready, beside a default Jupyter Book build of the same notebooks; bounds: 0.7 MB,
0.7 times the default's DOM ready, the first explorer alive after 0.5 s, no layout shift. At last training
in the page: an epoch beside one of `fit`, both on one core; bound: 3 times as long; and what keeps its page
from answering, in time of the processor, so that other programs do not count; bound: 50 ms. Times on a busy
machine are noisy; no test asserts them. With names of parts (`steps`, `pages`, `training`) only these are
run.
"""

import contextlib
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.parse import unquote, urlsplit

import torch
from playwright.sync_api import sync_playwright

from site_extension.explorers import shortened
from vae_lib.datasets import load_digits
from vae_lib.explorers import EXPLORERS
from vae_lib.explorers.shared import base, bundle
from vae_lib.models import VAE
from vae_lib.training import fit

ROOT = Path(__file__).resolve().parents[1]
HTML = ROOT / "_build" / "html"
STEPS, LOADS, EPOCHS = 200, 11, 60  # whether a frame comes before the end of a page is chance: many loads
CHAPTERS = sorted(f"book/{file.stem}" for file in (ROOT / "book").glob("[0-9]*.ipynb"))

# Every animation frame is timed, and so is the handling of each input event.
TIMER = """(() => {
  window.spent = 0;
  const real = window.requestAnimationFrame.bind(window);
  window.requestAnimationFrame = (callback) => real((now) => {
    const start = performance.now();
    callback(now);
    window.spent += performance.now() - start;
  });
  window.frame = () => new Promise(real);
})();"""

DRAG = """async ([root, name, steps]) => {
  const input = root.querySelector(`[name="${name}"]`);
  const [low, high] = [Number(input.min), Number(input.max)];
  const drawn = Number(root.dataset.drawn), times = [];
  for (let i = 0; i < steps; i++) {
    window.spent = 0;
    input.value = low + (high - low) * i / (steps - 1);
    const start = performance.now();
    input.dispatchEvent(new Event("input", { bubbles: true }));
    window.spent += performance.now() - start;
    await window.frame();
    times.push(window.spent);
  }
  return { times, drawn: Number(root.dataset.drawn) - drawn };
}"""

# Notes when the first explorer comes alive, and how far things jump.
WATCH = """(() => {
  window.firstAlive = null;
  window.jumped = 0;
  new PerformanceObserver((list) => list.getEntries().forEach((entry) => (window.jumped += entry.value)))
    .observe({ type: "layout-shift", buffered: true });
  new MutationObserver(() => {
    if (document.querySelector("[data-explorer].live")) window.firstAlive ??= performance.now();
  }).observe(document, { subtree: true, childList: true, attributes: true, attributeFilter: ["class"] });
})();"""

ALIVE = """() => [...document.querySelectorAll("[data-explorer]")].every((card) => card.matches(".live"))"""
# A step that a reader can make: in a closed aside, the canvas makes the browser lay out what nobody sees.
OPEN = """(root) => {
  for (let fold = root; (fold = fold.parentElement.closest("details"));) fold.open = true;
}"""
LOAD_ALL = """() => Promise.all([...document.images].map((image) => {
  image.loading = "eager";
  return image.decode().catch(() => null);
}))"""

SETTINGS = {
    **{"loading": "unit", "draw": "sample", "likelihood": "bernoulli", "reduction": "sum", "kl_line": "sum"},
    **{"beta": 1, "sigma": 0.3, "num_samples": 1, "step_size": 1e-3, "seed": 0, "batch_size": 64},
    **{"latent_dim": 2, "hidden": 128},
}

BEGIN = """([images, count, settings]) => {
  const [train, test] = [Float32Array.from(images), new Float32Array(0)];
  window.run = new Run({ train, test, count, held: 0, width: images.length / count }, settings);
}"""

EPOCH = """() => {
  const start = performance.now();
  let point;
  do point = window.run.step(); while (!point.ended);
  return [performance.now() - start, point.loss];
}"""


def steps(browser):
    """Print the script time of a step for each slider of each explorer."""
    print(f"{'ms a step':22s} {'slider':12s} {'median':>8s} {'p95':>8s} {'max':>8s}  drawn of {STEPS}")
    worst = 0.0
    for file in sorted((HTML / "book").glob("[0-9]*.html")):
        text = file.read_text(encoding="utf-8")
        for name in (name for name in EXPLORERS if f'data-explorer="{name}" data-spec' in text):
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.add_init_script(TIMER)
            page.goto(file.as_uri())
            page.wait_for_function(ALIVE)
            root = page.locator(f'[data-explorer="{name}"]').element_handle()
            root.evaluate(OPEN)
            for key, trait in EXPLORERS[name].parameters().items():
                if not isinstance(trait, base.Slider):
                    continue
                page.evaluate(DRAG, [root, key, 50])  # the engine compiles what it meets often
                result = page.evaluate(DRAG, [root, key, STEPS])
                times = sorted(result["times"])
                p95 = times[int(0.95 * STEPS)]
                worst = max(worst, p95)
                row = f"{statistics.median(times):8.2f} {p95:8.2f} {times[-1]:8.2f}  {result['drawn']}"
                print(f"{name:22s} {key:12s} {row}")
            page.close()
    print(f"largest 95th percentile: {worst:.2f} ms (bound 4)\n")


def default_build(folder: Path) -> Path:
    """The same notebooks with their stored outputs, built by Jupyter Book as it comes."""
    shutil.copytree(ROOT / "book", folder / "book")
    toc = (ROOT / "_toc.yml").read_text(encoding="utf-8")
    (folder / "_toc.yml").write_text(toc, encoding="utf-8")
    (folder / "_config.yml").write_text(
        "title: default\nexecute: {execute_notebooks: 'off'}\n", encoding="utf-8"
    )
    command = [Path(sys.executable).with_name("jupyter-book"), "build", "-q", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True)
    html = folder / "_build" / "html"
    if not (html / f"{CHAPTERS[0]}.html").is_file():
        sys.exit(f"the default build failed: {done.stderr[-500:]}")
    return html


def load(browser, html: Path, chapter: str) -> dict[str, float]:
    """One visit with an empty cache: bytes, requests to other hosts, times from the start of navigation."""
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    page, asked = context.new_page(), set()
    page.on("request", lambda request: asked.add(request.url))
    page.add_init_script(WATCH)
    page.goto((html / f"{chapter}.html").as_uri(), wait_until="load")
    if page.locator("[data-explorer][data-spec]").count():
        page.wait_for_function("window.firstAlive !== null")
    page.wait_for_timeout(500)  # what shifts late
    times = page.evaluate("""() => {
      const visit = performance.getEntriesByType("navigation")[0], { firstAlive, jumped } = window;
      const [dom, load] = [visit.domContentLoadedEventEnd, visit.loadEventEnd];
      const painted = performance.getEntriesByName("first-contentful-paint")[0]?.startTime ?? NaN;
      return { dom, painted, load, ready: firstAlive, shift: jumped };
    }""")
    page.evaluate(LOAD_ALL)
    files = [Path(unquote(urlsplit(url).path)) for url in asked if url.startswith("file:")]
    files = [file for file in files if file.is_file()]
    context.close()
    text = (".html", ".css", ".js", ".svg")
    sent = [len(gzip.compress(f.read_bytes(), 6)) if f.suffix in text else f.stat().st_size for f in files]
    return times | {
        "others": len([url for url in asked if url.startswith("http")]),
        "sent": sum(sent),
        "raw": sum(file.stat().st_size for file in files),
        "scripts": sum(file.stat().st_size for file in files if file.suffix == ".js"),
    }


def pages(browser):
    """Print what chapters weigh and when they are ready, here and in a default build."""
    with tempfile.TemporaryDirectory() as scratch:
        builds = {"this book": HTML, "default build": default_build(Path(scratch))}
        print(f"medians of {LOADS} loads from disk, in turn; gz: text gzipped. Requests to other hosts fail")
        print("at once, so the default build's times leave out what it fetches (MathJax, require.js, …).")
        head = f"{'':27s} {'gz kB':>7s} {'raw kB':>7s} {'js kB':>7s} {'other hosts':>11s} {'DOM ms':>7s}"
        print(f"{head} {'paint ms':>8s} {'load ms':>7s} {'ready ms':>8s} {'shift':>6s}")
        ratios = {}
        for chapter in CHAPTERS:
            runs = [
                {name: load(browser, html, chapter) for name, html in builds.items()} for _ in range(LOADS)
            ]
            medians = {}
            for name in builds:
                found = {key: [run[name][key] for run in runs] for key in runs[0][name]}
                m = {key: statistics.median(values) for key, values in found.items() if None not in values}
                medians[name] = m["dom"]
                ready = f"{m['ready']:.0f}" if "ready" in m else "never"
                weight = " ".join(f"{m[key] / 1e3:7.0f}" for key in ("sent", "raw", "scripts"))
                times = f"{m['dom']:7.0f} {m['painted']:8.0f} {m['load']:7.0f} {ready:>8s} {m['shift']:6.3f}"
                print(f"{Path(chapter).name[:12]:12s} {name:14s} {weight} {m['others']:11.0f} {times}")
            ratios[chapter] = medians["this book"] / medians["default build"]
        print("DOM ready, of the default build's (bound 0.7):")
        print("  " + ", ".join(f"{Path(chapter).name[:2]} {ratio:.2f}" for chapter, ratio in ratios.items()))


@contextlib.contextmanager
def one_core():
    """This process, and what it starts, on one core; where the system cannot do that, on those it has."""
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(before)})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def training(launch):
    """Print what an epoch of 64-128-2-128-64 costs in the page and with `fit`, which take turns."""
    torch.set_num_threads(1)
    script = shortened(bundle.joined([], base.SCRIPTS / "training" / "run.js"))
    x, ours, theirs, losses = load_digits().x_train, [], [], []
    with one_core(), sync_playwright() as playwright, launch(playwright) as browser:
        page = browser.new_page()
        page.add_script_tag(content=script + "window.Run = Run;")
        page.evaluate(BEGIN, [x.flatten().tolist(), len(x), SETTINGS])

        def turn(epoch, history):
            nonlocal start
            theirs.append(1e3 * (time.perf_counter() - start))
            spent, loss = page.evaluate(EPOCH)
            ours.append(spent)
            losses.append(abs(loss - history.loss[-1]))
            start = time.perf_counter()

        model, start = VAE(64, 2, (128,), seed=0), time.perf_counter()
        fit(model, x, epochs=EPOCHS, batch_size=64, progress=False, callback=turn)
    print(f"\ntraining in the page: {len(script.encode())} bytes of script; ms an epoch, of {EPOCHS} epochs:")
    for words, times in (("in the page", ours), ("with fit", theirs)):
        print(f"  {words:12s} least {min(times):6.1f}, median {statistics.median(times):6.1f}")
    print(f"  least in the page / least with fit: {min(ours) / min(theirs):.2f} (bound 3)")
    print(f"  largest difference of the losses of three epochs: {max(losses[:3]):.1e} nats (bound 1e-3)")


def frames(browser, width: int, state: str):
    """Print what the longest slice, picture and task of the chapter's page take while it trains."""
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto((HTML / "book" / "08_training.html").as_uri() + f"#train?{state}")
    page.wait_for_function(f"() => window.digits && ({ALIVE})()")
    card = page.locator('[data-explorer="train"]')
    card.scroll_into_view_if_needed()
    page.wait_for_timeout(1000)
    page.evaluate("""() => {
      window.long = 0;
      const count = (list) => (window.long += list.getEntries().length);
      new PerformanceObserver(count).observe({ type: "longtask" });
    }""")
    kinds = ["devtools.timeline", "disabled-by-default-devtools.timeline"]
    browser.start_tracing(page=page, categories=kinds)
    card.locator("[name=train]").evaluate("button => button.click()")
    page.wait_for_timeout(5000)
    events = json.loads(browser.stop_tracing())["traceEvents"]
    epoch = card.locator("output[name=epoch]").get_attribute("data-value")
    names = {(e["pid"], e["tid"]): e["args"]["name"] for e in events if e.get("name") == "thread_name"}
    ours = [e for e in events if names.get((e["pid"], e["tid"])) == "CrRendererMain" and "tdur" in e]

    def longest(name):
        return max(e["tdur"] for e in ours if e["name"] == name) / 1e3

    slices, picture, task = map(longest, ("FunctionCall", "FireAnimationFrame", "RunTask"))
    row = f"slice {slices:5.1f}, picture {picture:5.1f}, any task {task:5.1f} ms (bound 50)"
    print(
        f"  {width} px, {state or 'as it opens'}: longest {row}; {epoch} epochs in 5 s, "
        f"{page.evaluate('long')} tasks above 50 ms by the clock"
    )
    page.close()


def main():
    parts = sys.argv[1:] or ["steps", "pages", "training"]
    if not (HTML / "index.html").is_file():
        sys.exit("the book is not built: run make book")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("no browser: install chromium")
    script = (HTML / "_static" / "explorers.js").stat().st_size
    print(f"script of all explorers: {script} bytes (bound 75000)\n")

    def launch(playwright):
        return playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )

    with sync_playwright() as playwright, launch(playwright) as browser:
        for part in (steps, pages):
            if part.__name__ in parts:
                part(browser)
        if "training" in parts:
            print("\nthe page of chapter 8 while it trains:")
            for width in (375, 1280):
                for state in ("", "hidden=128&num_samples=10"):
                    frames(browser, width, state)
    if "training" in parts:
        training(launch)


if __name__ == "__main__":
    main()
