"""What the explorers of the built book cost, in headless Chromium: make bench-site.

Script time of one step of a drag: from the input event to the drawn canvas, without the browser's own
painting. Times on a busy machine are noisy; no test asserts them. Bounds: 4 ms at the 95th percentile,
60 KB of script.
"""

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from vae_lib.explorers import EXPLORERS, base

HTML = Path(__file__).resolve().parents[1] / "_build" / "html"
STEPS = 200

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

READY = """() => new Promise((done) => {
  const cards = [...document.querySelectorAll("[data-explorer]")];
  const live = () => cards.every((card) => card.classList.contains("live"));
  (function wait() { live() ? done() : setTimeout(wait, 1); })();
})"""


def percentile(times, share):
    return sorted(times)[min(len(times) - 1, int(share * len(times)))]


def main():
    if not (HTML / "index.html").is_file():
        sys.exit("the book is not built: run make book")
    chromium = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if chromium is None:
        sys.exit("no browser: install chromium")
    script = (HTML / "_static" / "explorers.js").read_bytes()
    print(f"script of all explorers: {len(script)} bytes (bound 60000)\n")
    print(
        f"{'explorer':22s} {'slider':12s} {'median':>8s} {'p95':>8s} {'max':>8s}  drawn of {STEPS} steps, ms"
    )
    pages = {}
    for file in sorted((HTML / "book").glob("*.html")):
        text = file.read_text(encoding="utf-8")
        pages |= {name: file for name in EXPLORERS if f'data-explorer="{name}" data-spec' in text}
    worst = 0.0
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium, args=["--no-sandbox", "--disable-background-networking"]
        )
        for name, file in pages.items():
            page = browser.new_page(viewport={"width": 1280, "height": 900})
            page.add_init_script(TIMER)
            page.goto(file.as_uri())
            page.evaluate(READY)
            root = page.locator(f'[data-explorer="{name}"]').element_handle()
            for key, trait in EXPLORERS[name].parameters().items():
                if not isinstance(trait, base.Slider):
                    continue
                page.evaluate(DRAG, [root, key, 50])  # the engine compiles what it meets often
                result = page.evaluate(DRAG, [root, key, STEPS])
                times = result["times"]
                p95 = percentile(times, 0.95)
                worst = max(worst, p95)
                print(
                    f"{name:22s} {key:12s} {percentile(times, 0.5):8.2f} {p95:8.2f} {max(times):8.2f}"
                    f"  {result['drawn']}"
                )
            page.close()
        browser.close()
    print(f"\nlargest 95th percentile: {worst:.2f} ms (bound 4)")


if __name__ == "__main__":
    main()
