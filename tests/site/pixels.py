"""Can each word be seen? From a picture of the page, whatever its style sheets say."""

import io
import json

import numpy as np
from PIL import Image

# Scrolls, and lists the boxes of the words in the window: word, left, top, right, bottom; of one that breaks,
# the first. What lies under the header, what its box or that of an ancestor cuts off, and what is for screen
# readers alone, is left out.
WORDS = r"""async (y) => {
  scrollTo(0, y);
  for (let i = 0; i < 2; i++) await new Promise(requestAnimationFrame);
  for (const change of document.getAnimations()) change.finish();
  const window = [0, scrollY ? 100 : 0, innerWidth, innerHeight];
  const cuts = new Map([[null, window]]), found = [];
  const inside = ({ left, top, right, bottom }, box) =>
    left >= box[0] - 1 && top >= box[1] - 1 && right <= box[2] + 1 && bottom <= box[3] + 1;
  const cut = (element) => { // the part of the window to which an element is cut
    if (!cuts.has(element)) {
      const [left, top, right, bottom] = cut(element.parentElement), style = getComputedStyle(element);
      const open = style.overflow === "visible" || !style.overflow || element === document.body;
      const own = open ? { left, top, right, bottom } : element.getBoundingClientRect();
      cuts.set(element, style.opacity === "0" ? [9, 9, 0, 0] : [Math.max(left, own.left),
        Math.max(top, own.top), Math.min(right, own.right), Math.min(bottom, own.bottom)]);
    }
    return cuts.get(element);
  };
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT), range = new Range();
  while (texts.nextNode()) {
    const text = texts.currentNode, element = text.parentElement;
    if (!/[\p{L}\p{N}]/u.test(text.data)) continue;
    if (element.closest("script, style, noscript, option, title, desc, .katex-mathml")) continue;
    range.selectNodeContents(text);
    const { top, bottom } = range.getBoundingClientRect();
    if (bottom < 0 || top > innerHeight || !element.checkVisibility({ visibilityProperty: true })) continue;
    for (const { index, 0: word } of text.data.matchAll(/\S*[\p{L}\p{N}]\S*/gu)) {
      range.setStart(text, index), range.setEnd(text, index + word.length);
      const box = range.getClientRects()[0];
      if (!box || box.width < 2 || box.height < 4 || !inside(box, cut(element))) continue;
      found.push([word.slice(0, 30), box.left, box.top, box.right, box.bottom]);
    }
  }
  return JSON.stringify(found); // thousands of numbers: as a text they are here sooner
}"""
PIECE = 6000  # pixels of the page in one picture, of which there cannot be one of any height
SMALL = 16  # pixels: the height of the box of small words
OVERLAP = 200  # so that no word is cut, and each is once below the header
LIGHT = np.arange(256) / 255
LIGHT = np.where(LIGHT <= 0.04045, LIGHT / 12.92, ((LIGHT + 0.055) / 1.055) ** 2.4) + 0.05


def unseen(page, least):
    """The words on the page whose boxes have no two lightnesses with a contrast of at least `least`.

    Of small ones, as in an exponent, the strokes are thinner than a pixel and never have their colour.
    """
    size = page.viewport_size
    page.set_viewport_size({**size, "height": PIECE})
    found = []
    for top in range(0, page.evaluate("document.documentElement.scrollHeight"), PIECE - OVERLAP):
        # what still moved when the picture was taken, stands still at the second time
        found += pale(page, top, least) and pale(page, top, least)
    page.set_viewport_size(size)
    return found


def pale(page, top, least):
    """The words in one piece of the page that its picture shows without contrast."""
    words = json.loads(page.evaluate(WORDS, top))
    jpeg = page.screenshot(type="jpeg", quality=90)
    with Image.open(io.BytesIO(jpeg)) as picture:
        picture.draft("L", picture.size)  # the lightness alone
        grey = np.asarray(picture.convert("L"))
    found = []
    for word, *box in words:
        left, above, right, below = (max(0, round(side)) for side in box)
        part = grey[above:below, left:right]
        if LIGHT[part.max()] / LIGHT[part.min()] < (least if len(part) >= SMALL else min(least, 2)):
            found.append((word, left, top + above))
    return found
