// The picture of a card: a drawing surface, and panels with axes on it.

import { minus, niceTicks } from "./format.js";

/** @import { Axes, Guess, Handle, Line, Pen, Point, Tick, Traits, Value } from "./types.d.ts" */

/** The colours of a picture, variables of the style sheet; class-0 to class-9 are the classes of digits. */
export const COLORS = ["prior", "approximate", "likelihood", "posterior", "ink", "muted", "paper",
  ...Array.from({ length: 10 }, (_, i) => `class-${i}`)];

/** A drawing surface: a canvas context (or what records one) with its size and the book's colours. */
export class Picture {
  /** @type {((x: number, y: number) => Traits | null) | undefined} what a click beside all handles sets */
  pick;
  /** @type {string | null} the term that stands out */
  lit = null;
  /** @type {[term: string, x0: number, y0: number, x1: number, y1: number][]} where the terms are */
  regions = [];
  /** @type {Point | undefined} the ends of the axis that follows the state */
  ends;
  /** @type {[left: number, top: number, size: number] | undefined} where the control of pixels lies */
  tile;
  held = false; // does the reader hold a handle?
  /** @type {Guess | null | undefined} the reader's guess of a number at this state */
  guess;

  /**
   * @param {Pen} ctx
   * @param {number} width
   * @param {number} height
   * @param {Record<string, string>} color
   * @param {HTMLCanvasElement & { key?: string }} [kept] where layer() keeps what it has drawn
   */
  constructor(ctx, width, height, color, kept) {
    this.ctx = ctx;
    this.width = width;
    this.height = height;
    this.color = color;
    this.kept = kept;
    this.narrow = width < 520;
    /** @type {Handle[]} */
    this.handles = [];
    ctx.clearRect(0, 0, width, height);
    const font = (this.narrow ? 12 : 13) + 'px "Book Sans", "Book Mono", system-ui, sans-serif';
    if (ctx.font !== font) ctx.font = font; // to set it brings the styles of the page up to date
    ctx.lineCap = ctx.lineJoin = "round";
  }

  /** @param {ArrayLike<number>[]} points */
  path(points) {
    const { ctx } = this;
    ctx.beginPath();
    points.forEach(({ 0: x, 1: y }, i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
  }

  /**
   * @param {ArrayLike<number>[]} points
   * @param {string} color
   * @param {Line} [options]
   */
  stroke(points, color, { width = 2, dash = [], alpha = 1 } = {}) {
    const { ctx } = this;
    ctx.globalAlpha = alpha;
    ctx.strokeStyle = color;
    ctx.lineWidth = width;
    ctx.setLineDash(dash);
    this.path(points);
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
  }

  /**
   * @param {ArrayLike<number>[]} points
   * @param {string} color
   */
  fill(points, color, alpha = 1) {
    const { ctx } = this;
    ctx.globalAlpha = alpha;
    ctx.fillStyle = color;
    this.path(points);
    ctx.closePath();
    ctx.fill();
    ctx.globalAlpha = 1;
  }

  /** @type {(x0: number, y0: number, x1: number, y1: number, color: string, alpha?: number) => void} */
  rect(x0, y0, x1, y1, color, alpha = 1) {
    this.fill([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], color, alpha);
  }

  /**
   * The outline of a rectangle.
   * @type {(x0: number, y0: number, x1: number, y1: number, color: string, options?: Line) => void}
   */
  frame(x0, y0, x1, y1, color, options = { width: 1 }) {
    this.stroke([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]], color, options);
  }

  /**
   * How dense a term of the equation is drawn, which fills this rectangle: a pointer there lets it stand out.
   * @type {(term: string, x0: number, y0: number, x1: number, y1: number) => number}
   */
  term(term, x0, y0, x1, y1) {
    this.regions.push([term, Math.min(x0, x1), Math.min(y0, y1), Math.max(x0, x1), Math.max(y0, y1)]);
    return this.lit === null || this.lit === term ? 1 : 0.25;
  }

  /**
   * Many rectangles [x, y, width, height] in one call of fill().
   * @param {[number, number, number, number][]} boxes
   * @param {string} color
   */
  rects(boxes, color, alpha = 1) {
    const { ctx } = this;
    ctx.globalAlpha = alpha;
    ctx.fillStyle = color;
    ctx.beginPath();
    for (const box of boxes) ctx.rect(...box);
    ctx.fill();
    ctx.globalAlpha = 1;
  }

  /**
   * A rectangle that differs from a filled one without its colour, too.
   * @type {(x0: number, y0: number, x1: number, y1: number, color: string, alpha?: number) => void}
   */
  hatched(x0, y0, x1, y1, color, alpha = 1) {
    [[x0, x1], [y0, y1]] = [[x0, x1], [y0, y1]].map((ends) => ends.sort((a, b) => a - b));
    const height = y1 - y0;
    for (let x = x0 - height + 4; x < x1; x += 7) {
      const [start, end] = [Math.max(x, x0), Math.min(x + height, x1)];
      this.stroke([[start, y1 - (start - x)], [end, y1 - (end - x)]], color, { width: 1.2, alpha });
    }
    this.frame(x0, y0, x1, y1, color, { width: 1.5, alpha });
  }

  /**
   * How wide words are; the still picture guesses it.
   * @param {string} words
   */
  measure(words) {
    return this.ctx.measureText?.(words).width ?? 6.9 * words.length;
  }

  /**
   * The first of several wordings that is no wider than the room; the last if none is.
   * @param {number} room
   * @param {string[]} wordings
   */
  fitting(room, ...wordings) {
    return wordings.find((words) => this.measure(words) <= room) ?? wordings[wordings.length - 1];
  }

  /**
   * Words of several colours [[words, color], …] in one line.
   * @param {number} x
   * @param {number} y
   * @param {[words: string, color: string][]} parts
   */
  phrase(x, y, parts) {
    for (const [words, color] of parts) {
      this.text(x, y, words, color);
      x += this.measure(words);
    }
  }

  /**
   * Square images of the same size at whole places, each pixel as strong as its number from 0 to 1.
   * @param {[left: number, top: number, strengths: ArrayLike<number>][]} images
   * @param {number} size
   * @param {string} color
   */
  images(images, size, color, alpha = 1) {
    /** @type {[number, number, number, number][][]} */
    const levels = Array.from({ length: 17 }, () => []); // all squares of a level are drawn at once
    for (const [left, top, strengths] of images) {
      const side = Math.sqrt(strengths.length);
      const edge = (/** @type {number} */ i) => Math.round((i * size) / side); // whole, so that neighbours touch
      for (let i = 0; i < strengths.length; i++) {
        const [column, row] = [i % side, Math.floor(i / side)];
        const [x, y] = [edge(column), edge(row)];
        levels[Math.round(16 * strengths[i])].push([left + x, top + y, edge(column + 1) - x, edge(row + 1) - y]);
      }
    }
    levels.forEach((boxes, level) => level && boxes.length && this.rects(boxes, color, (alpha * level) / 16));
  }

  /**
   * Words with a rim of paper, so that a curve behind them does not cross them out.
   * @param {number} x
   * @param {number} y
   * @param {string} words
   * @param {string} [color]
   * @param {CanvasTextAlign} [align]
   */
  text(x, y, words, color = this.color.ink, align = "left", rim = 4) {
    const { ctx } = this;
    const strokeStyle = this.color.paper;
    Object.assign(ctx, { textAlign: align, textBaseline: "middle", fillStyle: color, strokeStyle, lineWidth: rim });
    if (rim) ctx.strokeText(words, x, y);
    ctx.fillText(words, x, y);
  }

  /** @type {(x: number, y: number, color: string, radius?: number) => void} */
  dot(x, y, color, radius = 4) {
    const { ctx } = this;
    ctx.fillStyle = color;
    ctx.beginPath();
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
    ctx.fill();
  }

  /**
   * What paint() draws, kept while the key and the canvas stay the same; a picture has one layer.
   * @param {Value} key
   * @param {() => void} paint
   */
  layer(key, paint) {
    const { kept, color } = this;
    if (!kept) return paint();
    const ctx = /** @type {CanvasRenderingContext2D} */ (this.ctx);
    const { width, height } = ctx.canvas;
    const now = [key, width, height, color.ink].join();
    if (kept.key !== now) {
      Object.assign(kept, { width, height, key: now });
      const other = /** @type {CanvasRenderingContext2D} */ (kept.getContext("2d"));
      other.setTransform(ctx.getTransform());
      other.font = ctx.font;
      this.ctx = other;
      paint();
      this.ctx = ctx;
    }
    ctx.drawImage(kept, 0, 0, this.width, this.height);
  }

  /**
   * A place to drag along "x", "y" or "xy"; move(x, y) gets the pointer and returns the traits to set.
   * Beside all handles a click asks picture.pick(x, y), if there is one, for traits to set or null.
   * @param {number} x
   * @param {number} y
   * @param {string} color
   * @param {Handle["axis"]} axis
   * @param {Handle["move"]} move
   */
  handle(x, y, color, axis, move) {
    for (const way of axis) for (const tip of [-15, 15]) {
      const arrow = [[tip, 0], [tip / 1.5, 4], [tip / 1.5, -4]];
      this.fill(arrow.map(([a, b]) => (way === "x" ? [x + a, y + b] : [x + b, y + a])), color);
    }
    this.dot(x, y, color, 7);
    this.dot(x, y, this.color.paper, 3.5);
    this.handles.push({ x, y, axis, move });
  }

  /**
   * The ends of an axis that follows the state; it stands still while a handle is held, which is dragged along it.
   * @param {Point} ends
   */
  follow(ends) {
    if (!this.held || !this.ends) this.ends = ends;
    return this.ends;
  }

  /** @param {Axes} axes */
  panel(axes) {
    return new Panel(this, axes);
  }
}

/** @type {(tick: Tick) => [value: number, words: string]} */
const worded = (tick) => (Array.isArray(tick) ? tick : [tick, minus(tick)]);

/** Axes in the part of a picture that the margins leave; x and y are [low, high]. */
export class Panel {
  /**
   * @param {Picture} picture
   * @param {Axes} axes
   */
  constructor(picture, { left = 40, right = 12, top = 24, bottom = 40, x, y, logx = false, ...words }) {
    this.picture = picture;
    this.left = left;
    this.right = picture.width - right;
    this.top = top;
    this.bottom = picture.height - bottom;
    this.domain = x;
    this.range = y;
    this.across = logx ? Math.log10 : (/** @type {number} */ v) => v;
    this.back = logx ? (/** @type {number} */ v) => 10 ** v : (/** @type {number} */ v) => v;
    this.ends = [this.across(x[0]), this.across(x[1])];
    if (words.xticks !== null) this.xAxis(words.xticks ?? niceTicks(...x, picture.narrow ? 4 : 7));
    if (words.yticks !== null) this.yAxis(words.yticks ?? niceTicks(...y, 4));
    const { muted } = picture.color;
    if (words.xlabel) picture.text((this.left + this.right) / 2, this.bottom + 30, words.xlabel, muted, "center");
    const start = words.yticks === null ? this.left : Math.max(4, this.left - 34);
    if (words.ylabel) picture.text(start, this.top - 13, words.ylabel, muted);
  }

  /** @param {number} v */
  x(v) {
    const [x0, x1] = this.ends;
    return this.left + ((this.across(v) - x0) / (x1 - x0)) * (this.right - this.left);
  }

  /** @param {number} v */
  y(v) {
    const [y0, y1] = this.range;
    return this.bottom - ((v - y0) / (y1 - y0)) * (this.bottom - this.top);
  }

  /**
   * The value of x at a pixel.
   * @param {number} px
   */
  atX(px) {
    const [x0, x1] = this.ends;
    return this.back(x0 + ((px - this.left) / (this.right - this.left)) * (x1 - x0));
  }

  /** @param {number} py */
  atY(py) {
    const [y0, y1] = this.range;
    return y0 + ((this.bottom - py) / (this.bottom - this.top)) * (y1 - y0);
  }

  /** @param {Tick[]} ticks */
  xAxis(ticks) {
    const { picture, left, right, bottom } = this;
    const { muted } = picture.color;
    picture.stroke([[left, bottom], [right, bottom]], muted, { width: 1 });
    let free = 0;
    for (const [v, words] of ticks.map(worded)) {
      picture.stroke([[this.x(v), bottom], [this.x(v), bottom + 4]], muted, { width: 1 });
      const half = picture.measure(words) / 2;
      const center = Math.min(picture.width - half, Math.max(half, this.x(v))); // not cut by the picture
      if (center - half < free) continue; // nor over those before
      picture.text(center, bottom + 13, words, muted, "center");
      free = center + half + 4;
    }
  }

  /** @param {Tick[]} ticks */
  yAxis(ticks) {
    const { picture, left, top, bottom } = this;
    const { muted } = picture.color;
    picture.stroke([[left, top], [left, bottom]], muted, { width: 1 });
    for (const [v, words] of ticks.map(worded)) {
      picture.stroke([[left - 4, this.y(v)], [left, this.y(v)]], muted, { width: 1 });
      picture.text(left - 7, this.y(v), words, muted, "right");
    }
  }

  /**
   * Draws only inside the axes.
   * @param {() => void} paint
   */
  inside(paint) {
    const { ctx } = this.picture;
    ctx.save();
    ctx.beginPath();
    ctx.rect(this.left, this.top - 1, this.right - this.left, this.bottom - this.top + 2);
    ctx.clip();
    paint();
    ctx.restore();
  }

  /**
   * Points of the curve y = f(x): one for every other pixel, and more where it bends.
   * @param {(x: number) => number} f
   * @param {Point} [over] from where to where; the whole axis, unless given
   * @returns {Point[]}
   */
  points(f, [low, high] = this.domain) {
    const [start, end] = [this.x(low), this.x(high)];
    const steps = Math.max(1, Math.round(Math.abs(end - start) / 2));
    const at = (/** @type {number} */ px) => /** @type {Point} */ ([px, this.y(f(this.atX(px)))]);
    /** @type {(a: Point, b: Point, depth: number) => Point[]} the points after a, up to b */
    const way = (a, b, depth) => {
      const middle = at((a[0] + b[0]) / 2);
      const bent = depth > 0 && Math.abs(middle[1] - (a[1] + b[1]) / 2) > 0.5;
      return bent ? [...way(a, middle, depth - 1), ...way(middle, b, depth - 1)] : [b];
    };
    const coarse = Array.from({ length: steps + 1 }, (_, i) => at(start + ((end - start) * i) / steps));
    return coarse.flatMap((point, i) => (i ? way(coarse[i - 1], point, 4) : [point]));
  }

  /**
   * @param {(x: number) => number} f
   * @param {string} color
   * @param {Line & { over?: Point }} [options]
   */
  curve(f, color, options = {}) {
    this.inside(() => this.picture.stroke(this.points(f, options.over), color, options));
  }

  /**
   * @param {Point[]} values
   * @param {string} color
   * @param {Line} [options]
   */
  line(values, color, options = {}) {
    this.inside(() => this.picture.stroke(values.map(([x, y]) => [this.x(x), this.y(y)]), color, options));
  }

  /**
   * The area between a curve and y = 0.
   * @param {(x: number) => number} f
   * @param {string} color
   */
  area(f, color, { alpha = 0.25 } = {}) {
    const points = this.points(f);
    const ground = this.y(0);
    const closed = [[points[0][0], ground], ...points, [points[points.length - 1][0], ground]];
    this.inside(() => this.picture.fill(closed, color, alpha));
  }

  /**
   * The area between a curve and y = 0 as upright lines, for parts that count with the other sign.
   * @param {(x: number) => number} f
   * @param {string} color
   */
  striped(f, color) {
    const ground = this.y(0);
    this.inside(() => {
      for (let px = this.left + 2; px < this.right; px += 5) {
        const py = this.y(f(this.atX(px)));
        if (Math.abs(py - ground) > 0.5) this.picture.stroke([[px, ground], [px, py]], color, { width: 1.3 });
      }
    });
  }

  /** @type {(x: number, y: number, words: string, color?: string, align?: CanvasTextAlign) => void} */
  text(x, y, words, color, align) {
    this.picture.text(this.x(x), this.y(y), words, color, align);
  }

  /** @type {(x: number, color: string, options?: Line) => void} */
  vertical(x, color, options = { width: 1.3, dash: [5, 4] }) {
    this.picture.stroke([[this.x(x), this.top], [this.x(x), this.bottom]], color, options);
  }

  /** @type {(y: number, color: string, options?: Line) => void} */
  horizontal(y, color, options = { width: 1.3, dash: [5, 4] }) {
    this.picture.stroke([[this.left, this.y(y)], [this.right, this.y(y)]], color, options);
  }

  /**
   * The reader's guess of a quantity, across its axis: a line with wide gaps, and at an end of the axis words alone
   * if it lies beyond.
   * @param {string} name of the quantity
   * @param {"x" | "y"} axis
   * @param {Point} [ends] of the line, in pixels
   * @param {(guess: number) => number} [place] where on the axis a guess lies
   */
  guess(name, axis, ends, place = (v) => v) {
    const { picture, left, right, top, bottom } = this;
    const { guess, color } = picture;
    if (guess?.name !== name) return;
    const upright = axis === "x";
    const value = place(guess.value);
    const [low, high] = upright ? this.domain : this.range;
    const kept = Math.min(high, Math.max(low, value));
    const at = upright ? this.x(kept) : this.y(kept);
    const [from, to] = ends ?? (upright ? [top, bottom] : [left, right]);
    let words = guess.said;
    if (kept === value) picture.stroke(upright ? [[at, from], [at, to]] : [[from, at], [to, at]], color.ink, { dash: [2, 5] });
    else words += " " + (upright ? "←→" : "↓↑")[Number(value > low)];
    const half = picture.measure(words) / 2;
    const x = Math.min(picture.width - half, Math.max(half, upright ? at : to - half));
    picture.text(x, upright ? from + 8 : at - 10, words, color.ink, "center");
  }
}
