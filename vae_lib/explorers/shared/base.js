// What all explorers share: formulas, random numbers, the picture, the card and its life.
// An explorer is an object { outputs, numbers, describe, draw } and, where it needs them,
// { height, narrow, prepare, say, idle }; the question and the controls come from its Python class. Its `room`
// is the number of characters of its longest words, whose lines the card reserves.

export const LOG_2PI = Math.log(2 * Math.PI);
export const normal = (z, mu, sigma) => Math.exp(logNormal(z, mu, sigma));
export const logNormal = (z, mu, sigma) => -0.5 * (((z - mu) / sigma) ** 2 + LOG_2PI) - Math.log(sigma);

// KL(N(μ, σ²) ‖ N(0, 1)) in nats, (4.5), of μ and t = ln σ²; near t = 0 by its series, as the terms cancel.
export function klToStandardNormal(mu, t) {
  const series = t * t * (1 / 2 + t * (1 / 6 + t * (1 / 24 + t / 120)));
  return 0.5 * (mu * mu + (Math.abs(t) < 2e-3 ? series : Math.expm1(t) - t));
}

// The running example: p(z) = N(0, 1), p(x|z) = N(2z, 1), x = 2.5; its posterior is N(1, 1/5), (2.8).
export const X = 2.5;
export const POSTERIOR = [1, Math.sqrt(0.2)]; // mean and standard deviation
export const LOG_MARGINAL = logNormal(X, 0, Math.sqrt(5));
export const logLikelihood = (z) => -0.5 * ((X - 2 * z) * (X - 2 * z) + LOG_2PI);
// For q = N(μ, σ²): the mean of log p(x|z), and the gap of its ELBO.
export const meanLogLikelihood = (mu, sigma) => logLikelihood(mu) - 2 * sigma * sigma;
export const klToPosterior = (mu, logvar) => klToStandardNormal((mu - POSTERIOR[0]) / POSTERIOR[1], logvar - 2 * Math.log(POSTERIOR[1]));

// How far the draws of a seed go; an explorer takes the first L of them.
export const MOST_DRAWS = 100_000;

// The stream of torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)):
// Mersenne Twister (MT19937), 53-bit uniforms, Box-Muller in blocks of 16.
export function normals(seed) {
  const s = new Uint32Array(624);
  s[0] = seed;
  for (let i = 1; i < 624; i++) s[i] = Math.imul(1812433253, s[i - 1] ^ (s[i - 1] >>> 30)) + i;
  let at = 624;
  function next() {
    if (at === 624) {
      for (let k = 0; k < 624; k++) {
        const y = (s[k] & 0x80000000) | (s[k < 623 ? k + 1 : 0] & 0x7fffffff);
        s[k] = s[k < 227 ? k + 397 : k - 227] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      at = 0;
    }
    let y = s[at++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }
  const uniform = () => ((next() & 0x1fffff) * 2 ** 32 + next()) / 2 ** 53;
  // Fills out[from … to), a multiple of 16 long, with the next numbers of the stream.
  return function fill(out, from, to) {
    for (let block = from; block < to; block += 16) {
      for (let k = block; k < block + 16; k++) out[k] = uniform();
      for (let k = block; k < block + 8; k++) {
        const radius = Math.sqrt(-2 * Math.log1p(-out[k]));
        const angle = 2 * Math.PI * out[k + 8];
        out[k] = radius * Math.cos(angle);
        out[k + 8] = radius * Math.sin(angle);
      }
    }
  };
}

// Runs step(i) for i = job.done, job.done + stride, … until `total` or the deadline; true when complete.
export function work(job, total, stride, deadline, step) {
  while (job.done < total && performance.now() < deadline) {
    const to = Math.min(total, job.done + stride);
    step(job.done, to);
    job.done = to;
  }
  return job.done >= total;
}

// Numbers of draws that lie even on a logarithmic axis.
export const COUNTS = [...new Set(Array.from({ length: 301 }, (_, i) => Math.round(10 ** (i / 60))))];

// The draws of a seed in cache.eps, of which cache.done are there; true when all are.
export function drawn(seed, cache, deadline) {
  if (cache.seed !== seed) Object.assign(cache, { seed, done: 0, fill: normals(seed), eps: new Float64Array(MOST_DRAWS) });
  return work(cache, MOST_DRAWS, 800, deadline, (from, to) => cache.fill(cache.eps, from, to));
}

// A number as text that begins with it: fixed decimals, of at most eight figures, or powers of ten where those
// say nothing.
export function format(value, digits = 4) {
  const size = Math.abs(value);
  if (size < 1e-14) return (0).toFixed(digits);
  if (size < 0.5 * 10 ** -digits || size >= 1e7) return value.toExponential(3);
  return value.toFixed(Math.min(digits, 7 - Math.floor(Math.log10(size))));
}

// A whole number in words, in groups of three digits from five digits on.
export const grouped = (n) => (n < 1e4 ? String(n) : String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f"));

// For words on the picture: the typographic minus.
export const minus = (text) => String(text).replace("-", "−");

// For words, too: 8·10²¹.
export function scientific(value, digits = 0) {
  const [factor, power] = value.toExponential(digits).split("e");
  return minus(factor) + "·10" + [...String(Number(power))].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[c] ?? "⁻").join("");
}

function niceTicks(low, high, about) {
  const raw = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * [1, 2, 5, 10].find((factor) => factor * power >= raw * 0.999);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(6)));
}

// The colours of a picture, variables of the style sheet; class-0 to class-9 are the classes of digits.
export const COLORS = ["prior", "approximate", "likelihood", "posterior", "ink", "muted", "paper",
  ...Array.from({ length: 10 }, (_, i) => `class-${i}`)];

// A drawing surface: a canvas context (or what records one) with its size and the book's colours.
export class Picture {
  constructor(ctx, width, height, color, layer) {
    Object.assign(this, { ctx, width, height, color, kept: layer, handles: [], narrow: width < 520 });
    ctx.clearRect(0, 0, width, height);
    ctx.font = (this.narrow ? 12 : 13) + "px system-ui, sans-serif";
    ctx.lineCap = ctx.lineJoin = "round";
  }

  stroke(points, color, { width = 2, dash = [], alpha = 1 } = {}) {
    const { ctx } = this;
    ctx.globalAlpha = alpha;
    ctx.strokeStyle = color;
    ctx.lineWidth = width;
    ctx.setLineDash(dash);
    ctx.beginPath();
    points.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
    ctx.stroke();
    ctx.setLineDash([]);
    ctx.globalAlpha = 1;
  }

  fill(points, color, alpha = 1) {
    const { ctx } = this;
    ctx.globalAlpha = alpha;
    ctx.fillStyle = color;
    ctx.beginPath();
    points.forEach(([x, y], i) => (i ? ctx.lineTo(x, y) : ctx.moveTo(x, y)));
    ctx.closePath();
    ctx.fill();
    ctx.globalAlpha = 1;
  }

  rect(x0, y0, x1, y1, color, alpha = 1) {
    this.fill([[x0, y0], [x1, y0], [x1, y1], [x0, y1]], color, alpha);
  }

  // Many rectangles [x, y, width, height] in one stroke of the brush.
  rects(boxes, color, alpha = 1) {
    const { ctx } = this;
    ctx.globalAlpha = alpha;
    ctx.fillStyle = color;
    ctx.beginPath();
    for (const box of boxes) ctx.rect(...box);
    ctx.fill();
    ctx.globalAlpha = 1;
  }

  // A rectangle told apart from a filled one without its colour.
  hatched(x0, y0, x1, y1, color) {
    [x0, x1] = [Math.min(x0, x1), Math.max(x0, x1)];
    [y0, y1] = [Math.min(y0, y1), Math.max(y0, y1)];
    const height = y1 - y0;
    for (let x = x0 - height + 4; x < x1; x += 7) {
      const [start, end] = [Math.max(x, x0), Math.min(x + height, x1)];
      this.stroke([[start, y1 - (start - x)], [end, y1 - (end - x)]], color, { width: 1.2 });
    }
    this.stroke([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]], color, { width: 1.5 });
  }

  // Words of several colours [[words, color], …] in one line; the still picture guesses their widths.
  phrase(x, y, parts) {
    for (const [words, color] of parts) {
      this.text(x, y, words, color);
      x += this.ctx.measureText?.(words).width ?? 6.9 * words.length;
    }
  }

  // Words with a rim of paper, so that a curve behind them does not cross them out.
  text(x, y, words, color = this.color.ink, align = "left", rim = 4) {
    const { ctx } = this;
    Object.assign(ctx, { textAlign: align, textBaseline: "middle", fillStyle: color, strokeStyle: this.color.paper, lineWidth: rim });
    if (rim) ctx.strokeText(words, x, y);
    ctx.fillText(words, x, y);
  }

  dot(x, y, color, radius = 4) {
    const { ctx } = this;
    ctx.fillStyle = color;
    ctx.beginPath();
    ctx.arc(x, y, radius, 0, 2 * Math.PI);
    ctx.fill();
  }

  // What paint() draws, kept while the key and the canvas stay the same; a picture has one layer.
  layer(key, paint) {
    const { ctx, kept, color } = this;
    if (!kept) return paint();
    const { width, height } = ctx.canvas;
    const now = [key, width, height, color.ink].join();
    if (kept.key !== now) {
      Object.assign(kept, { width, height, key: now });
      this.ctx = kept.getContext("2d");
      this.ctx.setTransform(ctx.getTransform());
      this.ctx.font = ctx.font;
      paint();
      this.ctx = ctx;
    }
    ctx.drawImage(kept, 0, 0, this.width, this.height);
  }

  // A place to take hold of along "x", "y" or "xy"; move(x, y) gets the pointer and returns the traits to set.
  // Where none is, a click asks picture.pick(x, y), if there is one, for traits to set or null.
  handle(x, y, color, axis, move) {
    for (const way of axis) for (const side of [-1, 1]) {
      const [dx, dy] = way === "x" ? [1, 0] : [0, 1];
      const [ax, ay] = [x + side * dx * 15, y + side * dy * 15];
      const [bx, by] = [x + side * dx * 10, y + side * dy * 10];
      this.fill([[ax, ay], [bx + dy * 4, by + dx * 4], [bx - dy * 4, by - dx * 4]], color);
    }
    this.dot(x, y, color, 7);
    this.dot(x, y, this.color.paper, 3.5);
    this.handles.push({ x, y, axis, move });
  }

  // Axes in the part of the picture that the margins leave: x and y are [low, high].
  panel(options) {
    return new Panel(this, options);
  }
}

class Panel {
  constructor(picture, { left = 40, right = 12, top = 24, bottom = 40, x, y, logx = false, xlabel, ylabel, xticks, yticks }) {
    const { width, height, color } = picture;
    Object.assign(this, { picture, left, right: width - right, top, bottom: height - bottom });
    const across = logx ? Math.log10 : (v) => v;
    const [x0, x1] = x.map(across);
    this.domain = x;
    this.x = (v) => this.left + ((across(v) - x0) / (x1 - x0)) * (this.right - this.left);
    this.y = (v) => this.bottom - ((v - y[0]) / (y[1] - y[0])) * (this.bottom - this.top);
    this.atX = (px) => {
      const v = x0 + ((px - this.left) / (this.right - this.left)) * (x1 - x0);
      return logx ? 10 ** v : v;
    };
    this.atY = (py) => y[0] + ((this.bottom - py) / (this.bottom - this.top)) * (y[1] - y[0]);
    if (xticks !== null) {
      picture.stroke([[this.left, this.bottom], [this.right, this.bottom]], color.muted, { width: 1 });
      for (const tick of xticks ?? niceTicks(...x, picture.narrow ? 4 : 7)) {
        const [v, words] = Array.isArray(tick) ? tick : [tick, minus(tick)];
        picture.stroke([[this.x(v), this.bottom], [this.x(v), this.bottom + 4]], color.muted, { width: 1 });
        picture.text(this.x(v), this.bottom + 13, words, color.muted, "center");
      }
    }
    if (yticks !== null) {
      picture.stroke([[this.left, this.top], [this.left, this.bottom]], color.muted, { width: 1 });
      for (const tick of yticks ?? niceTicks(...y, 4)) {
        const [v, words] = Array.isArray(tick) ? tick : [tick, minus(tick)];
        picture.stroke([[this.left - 4, this.y(v)], [this.left, this.y(v)]], color.muted, { width: 1 });
        picture.text(this.left - 7, this.y(v), words, color.muted, "right");
      }
    }
    if (xlabel) picture.text((this.left + this.right) / 2, this.bottom + 30, xlabel, color.muted, "center");
    if (ylabel) picture.text(yticks === null ? this.left : Math.max(4, this.left - 34), this.top - 13, ylabel, color.muted);
  }

  // Draws only inside the axes.
  inside(paint) {
    const { ctx } = this.picture;
    ctx.save();
    ctx.beginPath();
    ctx.rect(this.left, this.top - 1, this.right - this.left, this.bottom - this.top + 2);
    ctx.clip();
    paint();
    ctx.restore();
  }

  // Points of the curve y = f(x), one for every other pixel.
  points(f, [low, high] = this.domain) {
    const [start, end] = [this.x(low), this.x(high)];
    const steps = Math.max(1, Math.round(Math.abs(end - start) / 2));
    return Array.from({ length: steps + 1 }, (_, i) => {
      const px = start + ((end - start) * i) / steps;
      return [px, this.y(f(this.atX(px)))];
    });
  }

  curve(f, color, options = {}) {
    this.inside(() => this.picture.stroke(this.points(f, options.over), color, options));
  }

  line(values, color, options = {}) {
    this.inside(() => this.picture.stroke(values.map(([x, y]) => [this.x(x), this.y(y)]), color, options));
  }

  area(f, color, { alpha = 0.25, base = 0, over } = {}) {
    const points = this.points(f, over);
    const ground = this.y(base);
    this.inside(() =>
      this.picture.fill([[points[0][0], ground], ...points, [points[points.length - 1][0], ground]], color, alpha));
  }

  // The area below a curve as upright lines, for parts that count with the other sign.
  striped(f, color, { base = 0 } = {}) {
    const ground = this.y(base);
    this.inside(() => {
      for (let px = this.left + 2; px < this.right; px += 5) {
        const py = this.y(f(this.atX(px)));
        if (Math.abs(py - ground) > 0.5) this.picture.stroke([[px, ground], [px, py]], color, { width: 1.3 });
      }
    });
  }

  text(x, y, words, color, align) {
    this.picture.text(this.x(x), this.y(y), words, color, align);
  }

  vertical(x, color, options = { width: 1.3, dash: [5, 4] }) {
    this.picture.stroke([[this.x(x), this.top], [this.x(x), this.bottom]], color, options);
  }

  horizontal(y, color, options = { width: 1.3, dash: [5, 4] }) {
    this.picture.stroke([[this.left, this.y(y)], [this.right, this.y(y)]], color, options);
  }
}

const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
const toSlider = (control, value) => (control.log ? Math.log10(value) : value);

// The value that a slider's position or a pointer stands for, on the control's grid and in its bounds.
function snapped(control, value) {
  if (control.integer) value = Math.round(value);
  else if (control.log) value = Number(value.toPrecision(3));
  else value = Number((Math.round(value / control.step) * control.step).toFixed(6));
  return Math.min(control.max, Math.max(control.min, value));
}

function shown(control, value) {
  if (control.integer) return String(value);
  const text = value.toFixed(control.log ? 0 : Math.max(0, -Math.floor(Math.log10(control.step))));
  return !control.log && Math.abs(text - value) < 1e-9 ? text : String(Number(value.toPrecision(7)));
}

function controlHTML(explorer, control, state, id, data) {
  const value = state[control.name];
  const name = `id="${id}" name="${control.name}"`;
  if (control.pixels) {
    const side = Math.sqrt(control.pixels);
    const boxes = Array.from({ length: control.pixels }, (_, i) => `<input type="checkbox" name="${control.name}" value="${i}" ` +
      `aria-label="row ${Math.floor(i / side) + 1}, column ${(i % side) + 1}" tabindex="${i ? -1 : 0}">`);
    return `<fieldset class="control pixels"><legend>${escaped(control.label)}</legend>` +
      `<div style="--side:${side}">${boxes.join("")}</div><button type="button" data-do="clear">Clear</button></fieldset>`;
  }
  const label = `<label for="${id}">${escaped(control.label)}</label>`;
  if (control.options) {
    const options = control.options.map(([key, words]) =>
      `<option value="${key}"${key === value ? " selected" : ""}>${escaped(words)}</option>`);
    return `<div class="control">${label}<select ${name}>${options.join("")}</select></div>`;
  }
  const [min, max] = [control.min, control.max].map((v) => toSlider(control, v));
  const words = escaped(said(explorer, control, state, data));
  const paint = control.color ? ` style="--paint:var(--${control.color})"` : "";
  return `<div class="control${idle(explorer, control, state) ? " idle" : ""}">${label}<span class="value" aria-hidden="true">${words}</span>` +
    `<input type="range" ${name} min="${min}" max="${max}" step="${control.step}" value="${toSlider(control, value)}"` +
    ` aria-valuetext="${words}"${paint}></div>`;
}

const isSlider = (control) => control.min !== undefined; // no menu, no pixels

// What a slider says: its value, and what the explorer adds to it, such as a name; and whether it changes anything.
const idle = (explorer, { name }, state) => explorer.idle?.(name, state) ?? false;
const said = (explorer, control, state, data) => {
  const value = state[control.name];
  const more = idle(explorer, control, state) ? ", no effect here" : explorer.say?.[control.name]?.(value, data) ?? "";
  return shown(control, value) + more;
};

// Brings the boxes of a control of pixels to life: a pointer paints, arrow keys walk. get() is the image
// that they show, 16 where it is black, and put(levels) takes another.
function easelOf(grid, get, put) {
  const boxes = [...grid.children];
  const side = Math.sqrt(boxes.length);
  let last = null, lit = false, seen = "";
  const place = ({ clientX, clientY }) => {
    const { left, top, width } = boxes[0].getBoundingClientRect();
    return [clientX - left, clientY - top].map((v) => Math.min(side - 0.01, Math.max(0, v / width)));
  };
  const change = (i, level) => put(get().map((old, k) => (k === i ? level : old)));
  const index = ([x, y]) => Math.floor(y) * side + Math.floor(x);

  // A soft brush, which greys what lies beside its way.
  function paint(from, to) {
    const steps = Math.ceil(4 * Math.hypot(to[0] - from[0], to[1] - from[1])) || 1;
    put(get().map((old, i) => {
      let near = Infinity;
      for (let k = 0; k <= steps; k++) {
        const [x, y] = from.map((v, axis) => v + ((to[axis] - v) * k) / steps);
        near = Math.min(near, Math.hypot((i % side) + 0.5 - x, Math.floor(i / side) + 0.5 - y));
      }
      return Math.max(old, Math.round(16 * Math.min(1, Math.max(0, 1.5 - near))));
    }));
  }

  return {
    show() {
      const levels = get();
      if (seen === (seen = levels.join())) return;
      boxes.forEach((box, i) => {
        box.checked = levels[i] >= 8;
        box.style.setProperty("--level", levels[i] / 16);
      });
    },
    listeners: [
      ["pointerdown", (event) => {
        if (event.button) return;
        last = place(event);
        lit = get()[index(last)] >= 8; // a tap clears it, a stroke may begin on it
        grid.setPointerCapture(event.pointerId);
        if (!lit) paint(last, last);
      }],
      ["pointermove", (event) => {
        const to = place(event);
        if (!last || (lit && index(to) === index(last))) return;
        lit = false;
        paint(last, to);
        last = to;
      }],
      ["pointerup", () => {
        if (last && lit) change(index(last), 0);
        last = null;
      }],
      ["pointercancel", () => (last = null)],
      ["click", (event) => event.detail && event.preventDefault()], // the pointer has painted already
      ["input", ({ target }) => change(boxes.indexOf(target), target.checked ? 16 : 0)],
      ["focusin", ({ target }) => boxes.forEach((box) => (box.tabIndex = box === target ? 0 : -1))],
      ["keydown", (event) => {
        const i = boxes.indexOf(event.target);
        const column = i % side;
        const to = { ArrowLeft: column > 0 && i - 1, ArrowRight: column < side - 1 && i + 1, ArrowUp: i - side, ArrowDown: i + side,
          Home: i - column, End: i - column + side - 1 }[event.key];
        if (to === undefined) return;
        event.preventDefault();
        if (to !== false) boxes[to]?.focus();
      }],
    ].map((listener) => [grid, ...listener]),
  };
}

// The whole card as HTML, the same in the browser and when the site is built.
export function card(explorer, { question, controls }, state, data, id, picture = "<canvas></canvas>") {
  const cache = readied(explorer, state, data);
  const numbers = explorer.numbers(state, cache);
  const outputs = explorer.outputs.map(({ name, label, color }) =>
    `<div><label for="${id}-${name}"${color ? ` style="color:var(--${color})"` : ""}>${escaped(label)}</label>` +
    `<output id="${id}-${name}" name="${name}" data-room="${escaped(widestText(explorer, name))}" aria-live="off">${escaped(outputText(explorer, name, numbers))}</output></div>`);
  const inputs = controls.map((control) => controlHTML(explorer, control, state, `${id}-${control.name}`, data));
  const seed = controls.some((control) => control.name === "seed");
  const text = explorer.describe(state, numbers, cache);
  const [words, room] = [text, text.repeat(9).slice(0, explorer.room)].map(escaped);
  return `<p class="question" id="${id}-question">${escaped(question)}</p>` +
    `<div class="stage"><div class="picture" style="--tall:${explorer.height ?? 300}px;--narrow:${explorer.narrow ?? explorer.height ?? 300}px">` +
    `<div role="img" aria-label="${words}">${picture}</div></div><form class="controls" autocomplete="off" aria-labelledby="${id}-question">${inputs.join("")}` +
    `<div class="buttons"><button type="button" data-do="reset">Reset</button>` +
    (seed ? `<button type="button" data-do="seed">New samples</button>` : "") + `</div></form></div>` +
    `<noscript><p>Its sliders, and what can be dragged, need JavaScript.</p></noscript>` +
    `<div class="numbers">${outputs.join("")}</div>` +
    `<div class="said" data-room="${room}"><p class="words" aria-live="polite">${words}</p></div>` +
    `<p class="fault" role="alert" hidden></p>`;
}

// The longest text of an output: a sign, eight figures and a point with the unit, or what stands for no number.
// The card reserves its width, so that the label beside it breaks its lines alike at every state.
function widestText(explorer, name) {
  const { unit, missing = "none" } = explorer.outputs.find((output) => output.name === name);
  const number = "-0000.0000" + (unit ? " " + unit : "");
  return number.length > missing.length ? number : missing;
}

function outputText(explorer, name, numbers) {
  const { unit, digits, missing } = explorer.outputs.find((output) => output.name === name);
  if (numbers === null) return "…";
  return numbers[name] === null ? missing ?? "none" : format(numbers[name], digits) + (unit ? " " + unit : "");
}

// A cache in which everything that numbers() needs at this state is prepared; its data are what Python sent.
export function readied(explorer, state, data) {
  const cache = { data };
  explorer.prepare?.(state, cache, Infinity);
  return cache;
}

// Brings a card to life and returns what takes it down again. `model` has get, set, save_changes, on, off.
export function live(root, explorer, { controls }, data, model) {
  const find = (selector) => root.querySelector(selector);
  const canvas = find("canvas") ?? document.createElement("canvas");
  const image = find(".picture > div");
  const ctx = canvas.getContext("2d");
  const layer = document.createElement("canvas");
  const input = Object.fromEntries(controls.map((control) => [control.name, find(`[name="${control.name}"]`)]));
  const output = Object.fromEntries(explorer.outputs.map(({ name }) => [name, find(`output[name="${name}"]`)]));
  const fault = find(".fault");
  const cache = { data };
  // What is painted goes on from the image that is shown.
  const pixels = controls.find((control) => control.pixels);
  const painted = (levels) => set({ [pixels.name]: levels, ...explorer.painted });
  const easel = pixels && easelOf(find(".pixels > div"), () => explorer.pixels(read(), cache), painted);
  let color, picture, held = null, dragged = false, pending = 0, moved = false, typed = "", talk;

  function read() {
    const state = Object.fromEntries(controls.map(({ name }) => [name, model.get(name)]));
    const bad = controls.find((control) => isSlider(control) && !Number.isFinite(state[control.name]));
    if (bad) throw new TypeError(`${bad.name} is ${state[bad.name]}`);
    return state;
  }

  function set(values) {
    for (const control of controls) {
      if (!(control.name in values)) continue;
      const value = values[control.name];
      if (isSlider(control) && !Number.isFinite(value)) throw new RangeError(`${control.name} is ${value}`);
      put(control, isSlider(control) ? snapped(control, value) : value);
    }
    model.save_changes();
  }

  function put({ name, clears }, value) {
    const menu = model.get(name) !== value && controls.find((control) => control.name === clears);
    if (menu) model.set(clears, menu.options[0][0]);
    model.set(name, value);
  }

  function colours() {
    const style = getComputedStyle(root);
    color = Object.fromEntries(COLORS.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
  }

  function frame() {
    pending = 0;
    try {
      const state = read();
      // Heavy work gets 1 ms of a frame that answers a hand, and half of one in which nothing moved.
      const ready = explorer.prepare?.(state, cache, performance.now() + (moved ? 1 : 8)) ?? true;
      const numbers = ready ? explorer.numbers(state, cache) : null;
      if (ready || moved || picture) {
        paint(state, numbers);
        report(state, numbers);
      } // else the still picture, with the same numbers, is as good
      moved = false;
      root.dataset.drawn = Number(root.dataset.drawn ?? 0) + 1;
      root.toggleAttribute("data-busy", !ready);
      fault.hidden = true;
      if (!ready) again();
    } catch (error) {
      fail(error);
    }
  }

  function paint(state, numbers) {
    if (!canvas.isConnected) image.replaceChildren(canvas);
    const [width, height, dense] = [image.clientWidth, image.clientHeight, window.devicePixelRatio || 1];
    if (!width || !height) { // hidden, as for a moment while JupyterLab changes its theme: drawn once it shows
      resized.unobserve(image);
      resized.observe(image);
      return;
    }
    if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
      canvas.width = Math.round(width * dense);
      canvas.height = Math.round(height * dense);
    }
    ctx.setTransform(dense, 0, 0, dense, 0, 0);
    picture = new Picture(ctx, width, height, color, layer);
    explorer.draw(picture, state, numbers, cache);
    canvas.handles = picture.handles; // for tests and the curious
  }

  function report(state, numbers) {
    for (const control of controls) {
      const [element, value] = [input[control.name], state[control.name]];
      if (control.options) {
        element.value = value;
        continue;
      }
      if (control.pixels) {
        easel.show();
        continue;
      }
      const words = said(explorer, control, state, data);
      if (element.getAttribute("aria-valuetext") === words) continue;
      element.parentNode.classList.toggle("idle", idle(explorer, control, state));
      element.value = toSlider(control, value);
      element.setAttribute("aria-valuetext", words);
      if (!typed || element !== document.activeElement) element.previousElementSibling.textContent = words;
    }
    for (const { name } of explorer.outputs) {
      const words = outputText(explorer, name, numbers);
      if (output[name].textContent !== words) output[name].textContent = words;
      if (numbers) output[name].dataset.value = numbers[name]; // all its digits
    }
    if (!numbers) return;
    const words = explorer.describe(state, numbers, cache);
    image.setAttribute("aria-label", words);
    clearTimeout(talk); // said once the sliders rest, so that a screen reader can follow
    talk = setTimeout(() => (find(".words").textContent = words), 300);
  }

  // On paper the colours are those of the light mode, whatever the page's are.
  function printing(on) {
    cancelAnimationFrame(pending);
    root.classList.toggle("printing", on);
    colours();
    frame();
  }

  function fail(error) {
    const asked = error instanceof RangeError; // a value out of bounds: the figure itself is well
    fault.textContent = asked ? error.message : `This figure has stopped: ${error.message}. The rest of the page still works.`;
    fault.hidden = false;
    root.removeAttribute("data-busy");
    if (!asked) console.warn(error);
  }

  function again() {
    pending ||= requestAnimationFrame(frame);
  }

  function schedule() {
    moved = true;
    root.toggleAttribute("data-busy", true); // until the numbers are those of the sliders again
    again();
  }

  function guarded(action) {
    return (event) => {
      try {
        action(event);
      } catch (error) {
        fail(error);
      }
    };
  }

  const controlOf = (event) => controls.find(({ name }) => name === event.target.name);
  // What a cell opened with may lie between two positions of the slider.
  const reset = (some) => {
    for (const control of some) put(control, control.opening);
    model.save_changes();
  };

  const nearest = (event) => {
    const box = canvas.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const reach = event.pointerType === "mouse" ? 18 : 30;
    const found = (picture?.handles ?? []).map((handle, i) => [Math.hypot(handle.x - x, handle.y - y), i]);
    const [best] = found.filter(([distance]) => distance < reach).sort((a, b) => a[0] - b[0]);
    return { x, y, handle: best ? best[1] : null };
  };

  const listeners = [
    [root, "input", (event) => {
      const control = controlOf(event);
      const position = Number(event.target.value);
      if (control && !control.pixels) set({ [control.name]: control.options ? event.target.value : control.log ? 10 ** position : position });
      schedule(); // even if the value is the same, so that each step of a drag is answered
    }],
    [root, "dblclick", (event) => {
      const control = controlOf(event);
      if (control && !control.pixels) reset([control]);
    }],
    [root, "click", (event) => {
      const action = event.target.dataset?.do;
      if (action === "reset") reset(controls);
      if (action === "clear") painted(Array(pixels.pixels).fill(0));
      const seed = controls.find(({ name }) => name === "seed");
      if (action === "seed") set({ seed: model.get("seed") < seed.max ? model.get("seed") + 1 : seed.min });
    }],
    [root, "submit", (event) => event.preventDefault()],
    // A number typed on a slider, and Enter: its exact value.
    [root, "keydown", (event) => {
      const control = controlOf(event);
      if (!control || !isSlider(control) || event.ctrlKey || event.metaKey || event.altKey) return;
      const wanted = event.key === "Enter" && typed ? Number(typed) : null;
      if (/^[\d.-]$/.test(event.key)) typed += event.key;
      else if (event.key === "Backspace") typed = typed.slice(0, -1);
      else if (event.key === "Escape" || wanted !== null) typed = "";
      else return;
      event.preventDefault();
      event.target.previousElementSibling.textContent = typed ? typed + "▏" : said(explorer, control, read(), data);
      if (wanted === null) return;
      if (!(wanted >= control.min && wanted <= control.max)) {
        throw new RangeError(`${control.label}: from ${control.min} to ${control.max}`);
      }
      put(control, control.integer ? Math.round(wanted) : wanted);
      model.save_changes();
    }],
    [root, "focusout", (event) => {
      const control = controlOf(event);
      if (typed) event.target.previousElementSibling.textContent = said(explorer, control, read(), data);
      typed = "";
    }],
    [canvas, "pointerdown", (event) => {
      held = nearest(event).handle;
      dragged = held !== null;
      if (held !== null) canvas.setPointerCapture(event.pointerId);
    }],
    [canvas, "pointermove", (event) => {
      const { x, y, handle } = nearest(event);
      if (held !== null) set(picture.handles[held].move(x, y));
      const axis = picture?.handles[held ?? handle]?.axis;
      canvas.style.cursor = { x: "ew-resize", y: "ns-resize", xy: "move" }[axis] ?? (picture?.pick?.(x, y) ? "pointer" : "");
    }],
    [canvas, "click", (event) => {
      const { x, y } = nearest(event);
      const values = !dragged && picture?.pick?.(x, y);
      if (values) set(values);
    }],
    [canvas, "pointerup", () => (held = null)],
    [canvas, "pointercancel", () => (held = null)],
    // A finger on a handle drags it; anywhere else it scrolls the page.
    [canvas, "touchstart", (event) => {
      if (nearest({ ...point(event.touches[0]), pointerType: "touch" }).handle !== null) event.preventDefault();
    }],
    [window, "beforeprint", () => printing(true)], // at once, as the page is printed as it then is
    [window, "afterprint", () => printing(false)],
    ...(easel?.listeners ?? []),
  ].map(([target, kind, action]) => [target, kind, guarded(action), { passive: false }]);

  for (const listener of listeners) listener[0].addEventListener(...listener.slice(1));
  for (const { name } of controls) model.on(`change:${name}`, schedule);
  const resized = new ResizeObserver(again);
  resized.observe(image);
  const recoloured = () => {
    colours();
    again();
  };
  const themed = new MutationObserver(recoloured);
  for (const element of [document.documentElement, document.body]) {
    themed.observe(element, { attributeFilter: ["class", "data-theme", "data-jp-theme-light", "theme"] });
  }
  colours();
  frame();
  root.classList.add("live");

  return () => {
    for (const listener of listeners) listener[0].removeEventListener(...listener.slice(1));
    for (const { name } of controls) model.off(`change:${name}`, schedule);
    resized.disconnect();
    themed.disconnect();
    cancelAnimationFrame(pending);
    clearTimeout(talk);
  };
}

const point = ({ clientX, clientY }) => ({ clientX, clientY });

// For a notebook: builds the card in the cell's output and ties it to the kernel's traits.
let cards = 0;
export function mount(name, explorer, { model, el }) {
  const spec = model.get("_spec");
  const state = Object.fromEntries(spec.controls.map((control) => [control.name, model.get(control.name)]));
  const root = document.createElement("div");
  root.className = "vae-explorer";
  root.dataset.explorer = name;
  const data = model.get("_data");
  root.innerHTML = card(explorer, spec, state, data, `explorer-${name}-live-${Date.now()}-${cards++}`);
  // Keys belong to the control that has the focus: JupyterLab would take arrows and Enter for its cells.
  for (const control of root.querySelectorAll("input, select, button")) control.dataset.lmSuppressShortcuts = "true";
  el.append(root);
  return live(root, explorer, spec, data, model);
}

// For the site: brings each card of the page to life as soon as it has arrived, while the rest is still
// on its way; each has a model of its own. A card is whole when the script behind it runs, which calls.
export function wake(explorers) {
  const done = new Set();
  window.wakeExplorers = () => {
    for (const root of document.querySelectorAll("[data-explorer][data-spec]")) {
      if (done.has(root) || (document.readyState === "loading" && !root.nextElementSibling)) continue;
      done.add(root);
      wakeOne(root, explorers[root.dataset.explorer]);
    }
  };
  window.wakeExplorers();
  document.addEventListener("DOMContentLoaded", window.wakeExplorers);
}

function wakeOne(root, explorer) {
  try {
    const { spec, state, data } = JSON.parse(root.dataset.spec);
    const heard = {};
    const model = {
      get: (name) => state[name],
      set(name, value) {
        if (state[name] === value) return;
        state[name] = value;
        for (const callback of heard[`change:${name}`] ?? []) callback();
      },
      save_changes() {},
      on: (event, callback) => (heard[event] ??= []).push(callback),
      off: (event, callback) => (heard[event] = (heard[event] ?? []).filter((other) => other !== callback)),
    };
    live(root, explorer, spec, data, model);
  } catch (error) {
    console.warn(error);
    const box = root.querySelector(".fault");
    if (box) {
      box.hidden = false;
      box.textContent = `This figure did not start: ${error.message}.`;
    }
  }
}
