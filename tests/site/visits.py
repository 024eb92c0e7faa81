"""One visit of a page in a browser, which collects its facts; the tests look at the facts alone."""

from __future__ import annotations

import functools
import gzip
from types import SimpleNamespace
from urllib.parse import unquote, urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from cards import READ, REST, Reading, data_of, opening
from conftest import CHAPTERS, SET, TITLE, listeners, rgb
from pixels import unseen
from playwright.sync_api import Error

from vae_lib.explorers import EXPLORERS
from vae_lib.palette import DARK, LIGHT, PAPER

CARD = "[data-explorer][data-spec]"
AROUND = ("book/intro", "book/03_elbo", "book/exercises/04_kl", "book/solutions/04_kl", "book/notation")
# The place of each card below the heading of its section (what is far below is laid out later), and its size.
BOXES = f"""() => [...document.querySelectorAll("{CARD}")].map((card) => {{
  const {{ x, y, width, height }} = card.getBoundingClientRect();
  const heading = card.closest("section").firstElementChild;
  return [card.dataset.explorer, [x, y - heading.getBoundingClientRect().y, width, height]];
}})"""
# While a script is held back the page is not loaded, and document.fonts.ready waits for that.
FONTS = """async () => {
  await new Promise(requestAnimationFrame);
  const fonts = [...document.fonts].filter((font) => font.status === "loading");
  await Promise.all(fonts.map((font) => font.loaded));
}"""

# What stands beside the article on every page, and what is focused by the keyboard.
STOPS = ("article p a", "article summary", ".vae-explorer input", ".prev-next-area a", ".copybtn")

# Is read before anything waits: images, formulas, icons, words.
LOOK = """() => {
  const all = (selector) => [...document.querySelectorAll(selector)];
  const style = (element, of) => getComputedStyle(element, of);
  const article = document.querySelector("article.bd-article");
  // Formulas and code may hold dollars and backslashes, what a reader sees as text may not.
  const prose = article.cloneNode(true);
  prose.querySelectorAll(".katex, pre, code, script, style").forEach((element) => element.remove());
  const wide = all("article :is(.katex-display, .cell_output pre)");
  return {
    titles: all("article h1").map((h1) => h1.firstChild.textContent.trim()),
    prose: prose.textContent,
    bad_formulas: all(".katex-error").length,
    formulas: [all(".math").length, all(".math > .katex, .math > .katex-display").length],
    images: all("article img").map((i) =>
      [i.getAttribute("src"), i.loading, i.width, i.height, style(i).filter]),
    icons: all("[class*=fa-solid]").map((icon) => style(icon, "::before").content.replaceAll('"', "")),
    boxes: wide.length,
    cut: wide.filter((e) => e.scrollWidth > e.clientWidth + 1).map((e) => e.innerText.slice(0, 60)),
    names: all("table code").map((code) => [code.textContent, code.getClientRects().length]),
    background: style(document.body).backgroundColor,
    grounds: all(".cell_output .text_html").map((output) => style(output).backgroundColor),
    coloured: all('.katex-html [style*="color:#"]').map((e) =>
      [e.getAttribute("style").match(/color:(#\\w+)/)[1].toUpperCase(), style(e).color]),
    cards: all(".vae-explorer").map((card) =>
      [style(card).getPropertyValue("--paper").trim(), style(card).color]),
  };
}"""

# Images wait until they come near; one that is broken makes this fail.
LOAD_IMAGES = """() => Promise.all([...document.images].map((image) => {
  image.loading = "eager";
  return image.decode();
}))"""

FOCUS = """(stops) => stops.map((stop) => {
  // The first that is not in a closed fold.
  const element = [...document.querySelectorAll(stop)].find((one) => one.checkVisibility());
  element?.focus();
  return element && [stop, document.activeElement === element && getComputedStyle(element).outline];
}).filter(Boolean)"""

# How far things jumped since the page was asked for.
JUMPED = """() => {
  const observer = new PerformanceObserver(() => 0);
  observer.observe({ type: "layout-shift", buffered: true });
  return observer.takeRecords().map(({ value, sources }) =>
    [value, ...sources.map(({ node }) => node?.outerHTML?.slice(0, 100) ?? node?.nodeName)]);
}"""

# Of each answer of the quick check: is its reason seen, what stands before it, the first word of the reason.
ANSWERS = """() => [...document.querySelectorAll("#quick-check details")].map((option) => {
  const [summary, reason] = option.children, mark = getComputedStyle(summary, "::before").content;
  return [reason.checkVisibility(), mark, reason.firstChild.textContent];
})"""

# What is read without opening anything: its height in screens of 900 pixels, its pieces of code, and those
# of them that are wider than their box.
ROAD = """() => {
  document.querySelectorAll("details").forEach((one) => (one.open = false));
  const code = [...document.querySelectorAll("article .cell_input pre")].filter((e) => e.checkVisibility());
  return {
    screens: document.querySelector("article").getBoundingClientRect().height / 900,
    code: code.length,
    cut: code.filter((pre) => pre.scrollWidth > pre.clientWidth + 1).map((pre) => pre.innerText.slice(0, 60)),
  };
}"""
# Gives a page the class that it has while it arrives. What lies elsewhere then, though all of it is laid out
# as if it were on the screen? And what of the first screen begins without its real size?
ARRIVING = """() => {
  const parts = [...document.querySelectorAll(".bd-article > section *")]
    .filter((part) => !part.parentElement.closest(".katex")) // they move with their formula
    .filter((part) => !part.matches(".bd-article > section > section")) // they lose margins of what they hold
    .filter((part) => part.getBoundingClientRect().height);
  const places = () => parts.map((part) => {
    const { left, top, width, height } = part.getBoundingClientRect();
    return [left, top, width, height];
  });
  const after = places();
  document.documentElement.classList.add("arriving");
  const late = [...document.querySelectorAll("article *")]
    .filter((part) => getComputedStyle(part).contentVisibility === "auto");
  for (const { style } of late) [style.contentVisibility, style.contain] = ["visible", "layout style paint"];
  const off = places().map((place, i) =>
    Math.max(...place.map((value, j) => Math.abs(value - after[i][j]))));
  const words = (list) => list.map((part) => part.outerHTML.slice(0, 80));
  const seen = ({ top, height }) => height > 0 && top < innerHeight;
  const first = late.filter((part) => seen(part.getBoundingClientRect()));
  document.documentElement.classList.remove("arriving");
  for (const { style } of late) style.contentVisibility = style.contain = "";
  return [late.length, words(parts.filter((_, i) => off[i] > 0.5)), words(first)];
}"""

ASIDES = "document.querySelectorAll('details.aside').forEach((aside) => (aside.open = true))"

# At one width, in one mode: by how much the page, a card, or the column, which has a scrollbar of its own, is
# too wide; words that have too little contrast with what they stand on, of each kind of element one (axe-core
# leaves out words in a drawing, and takes a second where this takes a hundredth); and the formulas, code and
# tables that scroll: can formulas break, is it seen that they scroll, and can the keyboard scroll them?
SEEN = """async () => {
  // Until pictures are drawn in their new size, which also moves what lies over them; some frames at most.
  const old = ({ clientWidth, width }) => clientWidth && width !== Math.round(clientWidth * devicePixelRatio);
  for (let i = 0; i < 2 || (i < 60 && [...document.querySelectorAll("canvas")].some(old)); i++)
    await new Promise(requestAnimationFrame);
  for (const change of document.getAnimations()) change.finish(); // of a colour, by the theme
  const column = [...document.querySelectorAll(".bd-article-container")]
    .filter((box) => getComputedStyle(box).overflowX !== "visible");
  const wide = [document.documentElement, ...column, ...document.querySelectorAll(".vae-explorer")]
    .map((box) => box.scrollWidth - box.clientWidth);

  const rgba = (colour) => {
    const [r, g, b, a = 1] = colour.match(/[-\\d.e]+/g).map(Number);
    const whole = colour.startsWith("color(") ? 255 : 1;
    return [r * whole, g * whole, b * whole, a];
  };
  const over = ([r, g, b, a], below) => [...[r, g, b].map((v, i) => a * v + (1 - a) * below[i]), 1];
  const ground = (element) => {
    if (!element) return [255, 255, 255, 1];
    const own = rgba(getComputedStyle(element).backgroundColor);
    return own[3] > 0.99 ? own : over(own, ground(element.parentElement));
  };
  const light = (colour) => colour.slice(0, 3).map((v) => v / 255)
    .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0.05);
  const seen = new Set(), unread = [], words = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (words.nextNode()) {
    const text = words.currentNode.data.trim(), element = words.currentNode.parentElement;
    if (!text || element.closest("script, style, noscript, option, title, desc, .katex-mathml")) continue;
    let kind = "";
    for (let one = element, i = 0; one && i < 5; one = one.parentElement, i++) {
      const parts = [one.tagName, one.getAttribute("class"), one.style.color, one.getAttribute("fill")];
      kind += parts.join(" ");
    }
    if (seen.has(kind) || !element.checkVisibility({ visibilityProperty: true })) continue;
    seen.add(kind);
    const style = getComputedStyle(element), below = ground(element);
    const own = element.closest("svg") && style.fill !== "none" ? style.fill : style.color;
    const colour = over(rgba(own), below);
    const [low, high] = [light(colour), light(below)].sort((a, b) => a - b);
    const large = parseFloat(style.fontSize) >= (style.fontWeight >= 700 ? 18.6 : 24);
    if (high / low < (large ? 3 : 4.5)) unread.push([text.slice(0, 30), kind.slice(0, 60), colour.join()]);
  }

  const [formulas, others] = [".katex-display", ":is(pre, .pst-scrollable-table-container)"]
    .map((kind) => [...document.querySelectorAll(`article ${kind}`)]
      .filter((box) => box.checkVisibility() && box.scrollWidth > box.clientWidth + 1));
  return {
    too_wide: Math.max(...wide), unread,
    uncut: formulas.filter((box) => ![...box.querySelectorAll(".base")].some((part) =>
      part.getBoundingClientRect().width > 0.8 * box.clientWidth)).map((box) => box.innerText.slice(0, 60)),
    unmarked: [...formulas, ...others].filter((box) => (box.tabIndex < 0 && formulas.includes(box))
      || !getComputedStyle(box).backgroundImage.includes("gradient"))
      .map((box) => box.innerText.slice(0, 60)),
  };
}"""
THEME = "mode => { document.documentElement.dataset.theme = mode; }"

CONTRAST = ["color-contrast"]
BY_WIDTH = [*CONTRAST, "target-size", "scrollable-region-focusable"]  # what hangs on the width and the mode
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
# Most of a page is the inside of its formulas (the drawn half is hidden from screen readers, and its colours
# are checked by themselves; for the other half, MathML, axe-core has no rule), the coloured words of its
# code, and its sentences. Of words that are of the same kind, as their elements and those around them say,
# one is enough; names of things stay.
SLIM = """() => {
  window.halves = [...document.querySelectorAll(".katex-html, semantics")]
    .map((half) => [half.parentNode, half]);
  halves.forEach(([, half]) => half.remove());
  const seen = new Set();
  for (const word of document.querySelectorAll(".highlight pre span[class]")) {
    const kind = word.className + (word.closest(".cell_output") ? " output" : "");
    if (seen.has(kind)) word.replaceWith(word.textContent);
    seen.add(kind);
  }
  window.sentences = [];
  const names = "a, button, summary, label, h1, h2, h3, h4, th, caption, title, .vae-explorer, .math";
  const texts = document.createTreeWalker(document.querySelector("article"), NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const text = texts.currentNode;
    if (!text.data.trim() || text.parentElement.closest(names)) continue;
    if (text.parentElement.querySelector("a")) continue; // a link may be as small as the words around it
    let kind = "";
    for (let one = text.parentElement, i = 0; one && i < 5; one = one.parentElement, i++)
      kind += one.tagName + one.getAttribute("class") + one.getAttribute("style");
    if (seen.has(kind)) sentences.push([text, text.data]);
    seen.add(kind);
  }
  for (const [text] of sentences) text.data = "";
}"""

FILL = """() => {
  halves.forEach(([formula, half]) => formula.append(half));
  sentences.forEach(([text, words]) => (text.data = words));
}"""
# Leaves what stands around the text, the heading, and a place to which the second skip link leads.
EMPTY = """() => {
  const article = document.querySelector("article"), card = article.querySelector(".vae-explorer[id]");
  article.replaceChildren(article.querySelector("h1"), card?.cloneNode() ?? "");
}"""


def violations(page, rules):
    """What axe-core finds: (rule, element)."""
    # preload would fetch every stylesheet once more
    options = {"runOnly": rules, "resultTypes": ["violations"], "preload": False}
    found = Axe().run(page, options=options).response["violations"]
    return [(rule["id"], node["html"][:150]) for rule in found for node in rule["nodes"]]


@functools.cache
def sent(file):
    """Bytes of a file over the wire, text gzipped as every host sends it; and on the disk."""
    data = file.read_bytes()
    text = file.suffix in {".html", ".css", ".js", ".svg", ".json"}
    return len(gzip.compress(data, 6)) if text else len(data), len(data)


def kept(visits, page_name, *given):
    """The facts of a page, from the one visit that the tests of a module share; or why it failed."""
    if page_name not in visits:
        try:
            visits[page_name] = visit(page_name, *given)
        except Exception as error:  # told by each test, instead of one more visit for each
            visits[page_name] = error
    if isinstance(visits[page_name], Exception):
        raise visits[page_name]
    return visits[page_name]


def visit(page_name, page, base, html, rules, widths, picture):
    """The facts of a page. `base` is the address of the site.

    `rules` is what axe-core looks for. At each of the `widths` the page is looked at in both modes, too,
    with all of its folds open; at the (width, mode) of `picture` a picture of it is taken. What stands
    around the article, and is another at each width, is looked at in both modes by axe-core, with all rules
    in that of the visit, on one page of each kind.
    """
    facts = SimpleNamespace(problems=[], asked=set(), seen={})
    wide, tall = (page.viewport_size[side] for side in ("width", "height"))
    mode = "dark" if page.evaluate("matchMedia('(prefers-color-scheme: dark)').matches") else "light"
    other_mode = "light" if mode == "dark" else "dark"
    facts.mode, facts.base = mode, base
    heard = {**listeners(facts.problems), "request": lambda request: facts.asked.add(request.url)}
    held = []
    for event, act in heard.items():
        page.on(event, act)
    page.route("**/explorers.js*", lambda route: held.append(route))
    try:
        page.goto(f"{base}{page_name}.html", wait_until="domcontentloaded")
        page.wait_for_function("() => document.querySelector('link[rel=stylesheet]').sheet")
        page.evaluate(ASIDES)
        page.evaluate("document.documentElement.classList.remove('arriving')")  # ARRIVING looks at that
        page.evaluate(BOXES)  # lays out what is far below, too, which asks for its fonts
        page.evaluate(FONTS)
        facts.still = page.evaluate(BOXES)
        for route in held:
            route.continue_()
        page.wait_for_load_state("load")
        cards = page.locator(CARD).all()
        for card in cards:
            card.evaluate(REST)
        facts.live = page.evaluate(BOXES)
        page.keyboard.press("Tab")
        facts.first_stop = page.evaluate("""() => {
          const link = document.activeElement, to = link.getAttribute("href");
          return [to, to && document.querySelectorAll(to).length, getComputedStyle(link).outlineStyle];
        }""")
        facts.look, facts.title, facts.answers = (
            SimpleNamespace(**page.evaluate(LOOK)), page.title(), page.evaluate(ANSWERS)
        )  # fmt: skip
        try:
            page.evaluate(LOAD_IMAGES)
        except Error as error:
            facts.problems.append(f"an image: {error}")
        facts.jumped = page.evaluate(JUMPED)
        facts.files = files(facts.asked, base, html)
        data = [data_of(card) for card in cards]
        facts.opened = [reading(card, own) for card, own in zip(cards, data, strict=True)]
        facts.moved = [moved(card, own) for card, own in zip(cards, data, strict=True)]
        facts.focus = page.evaluate(FOCUS, STOPS)

        facts.seen[wide, mode, "folded"] = page.evaluate(SEEN)
        facts.road = SimpleNamespace(**page.evaluate(ROAD))
        page.evaluate("scrollTo(0, 0)")
        facts.arriving = page.evaluate(ARRIVING)
        page.evaluate("document.querySelectorAll('details').forEach((one) => (one.open = true))")
        facts.opened_answers = page.evaluate(ANSWERS)
        page.evaluate(SLIM)
        facts.violations = violations(page, rules)
        page.evaluate(FILL)
        for width in widths:
            page.set_viewport_size({"width": width, "height": tall})
            for theme in (other_mode, mode):
                page.evaluate(THEME, theme)
                facts.seen[width, theme] = page.evaluate(SEEN)
                if (width, theme) == picture:
                    facts.unseen = unseen(page, 3)
        page.set_viewport_size({"width": wide, "height": tall})
        if page_name not in AROUND:
            return facts
        page.evaluate(EMPTY)
        facts.violations += violations(page, CONTRAST)
        if rules != RULES:
            page.evaluate(THEME, mode)
            facts.violations += violations(page, RULES)
    finally:
        page.unroute_all()
        for event, act in heard.items():
            page.remove_listener(event, act)
    return facts


def reading(card, data):
    """What a card of the page shows now."""
    return Reading(card.get_attribute("data-explorer"), data=data, **card.evaluate(READ))


def moved(card, data):
    """The card after its first slider was moved."""
    slider = card.locator("input[type=range]").first
    slider.evaluate(SET, slider.evaluate("s => Number(s.min) + 0.37 * (s.max - s.min)"))
    card.evaluate(REST)
    return reading(card, data)


def files(asked, base, html):
    """The files of the site among the addresses: path → bytes over the wire, bytes."""
    paths = {html / unquote(urlsplit(url.removeprefix(base)).path) for url in asked if url.startswith(base)}
    return {path.relative_to(html).as_posix(): sent(path) for path in paths if path.is_file()}


class EveryVisit:
    """What holds at every visit, whatever its width and mode."""

    def test_asks_no_other_host_and_reports_no_problem(self, facts):
        """No console error, no failed request, no broken image."""
        assert facts.problems == []
        assert [url for url in facts.asked if not url.startswith((facts.base, "data:"))] == []

    def test_has_a_title_a_heading_and_all_its_formulas(self, facts):
        look = facts.look
        (heading,) = look.titles
        assert heading and facts.title.endswith(TITLE)
        assert look.bad_formulas == 0
        math, drawn = look.formulas
        assert math == drawn
        raw = ("$$", "\\tag", "{pipeline}", "{explorer}", ":::")
        assert [marks for marks in raw if marks in look.prose] == []

    def test_explorers_show_the_numbers_of_vae_lib(self, page_name, facts):
        """When the page opens, and after a slider was moved: the script of the site, which was made short."""
        for opened, moved in zip(facts.opened, facts.moved, strict=True):
            assert opened.fault == moved.fault == "", opened.name
            own = f"book/{EXPLORERS[opened.name].chapter:02}_"
            if page_name.startswith(("book/00_", own)):  # others may open in a state of their own
                assert opened.state() == opening(opened.name)
            opened.check()
            moved.check()
            assert moved.state() != opened.state(), opened.name

    def test_nothing_moves_when_explorers_come_alive(self, facts):
        assert [name for name, _ in facts.live] == [name for name, _ in facts.still]
        for (name, live), (_, still) in zip(facts.live, facts.still, strict=True):
            assert live == pytest.approx(still, abs=0.5), name

    def test_nothing_jumps_while_the_page_arrives(self, facts):
        """Its layout shift is below 0.1, which counts as good. Fonts that come late add 0.03."""
        assert sum(value for value, *_ in facts.jumped) < 0.1, facts.jumped

    def test_nothing_moves_when_the_rest_of_a_page_is_laid_out(self, page_name, facts):
        late, moved, seen = facts.arriving
        assert moved == [] and seen == []
        assert late > 5 or page_name not in CHAPTERS

    def test_the_skip_link_is_the_first_stop(self, facts):
        link, targets, outline = facts.first_stop
        assert (link, targets) == ("#main-content", 1)
        assert outline != "none"

    def test_focus_is_seen(self, page_name, facts):
        if page_name == "book/03_elbo":  # which has all that can be focused
            assert [stop for stop, _ in facts.focus] == list(STOPS)
        colour = rgb((LIGHT, DARK)[facts.mode == "dark"]["prior"])
        assert [found for found in facts.focus if found[1] != f"{colour} solid 3px"] == []

    def test_explorers_have_the_colours_of_the_mode(self, facts):
        dark = facts.mode == "dark"
        assert [
            card for card in facts.look.cards if card != [PAPER[dark], rgb((LIGHT, DARK)[dark]["ink"])]
        ] == []

    @pytest.mark.parametrize(
        ("what", "none"),
        [
            ("too_wide", 0),  # the page does not scroll sideways
            ("unread", []),  # all words can be read
            ("uncut", []),  # a formula breaks where it can
            ("unmarked", []),  # where it cannot, and code and tables, show that they scroll
        ],
    )
    def test_at_every_width_and_in_both_modes(self, what, none, facts):
        found = {size: seen[what] for size, seen in facts.seen.items()}
        assert {size: faults for size, faults in found.items() if faults != none} == {}

    def test_every_word_is_seen(self, facts):
        """In a picture of the page, whatever its styles say: nothing covers a word or has its colour."""
        assert facts.unseen == []

    def test_everyone_can_read_it(self, facts):
        """axe-core finds nothing against WCAG 2.2 A, AA or best practice."""
        assert facts.violations == []
