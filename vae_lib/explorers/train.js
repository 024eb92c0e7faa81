import { format, minus, scientific } from "./shared/format.js";
import { normals } from "./shared/random.js";
import { whole, Run } from "./training/run.js";
import { Pace, Session } from "./training/session.js";

/** @import { Panel, Picture } from "./shared/picture.js" */
/** @import { Explorer, Line, LiveCard, Point as Place, Spec } from "./shared/types.d.ts" */
/** @import { Point } from "./training/session.js" */
/**
 * @typedef {{ loading: string, draw: string, likelihood: string, reduction: string, kl_line: string, beta: number,
 *   sigma: number, num_samples: number, latent_dim: number, hidden: number, step_size: number, seed: number,
 *   drawing: number[] }} State
 */
/** @typedef {{ train: Float32Array, test: Float32Array, count: number, held: number, width: number, labels: string }} Images */
/** @typedef {{ labels: string, levels: string }} Digits */
/** @typedef {{ mu: ArrayLike<number>, logvar: ArrayLike<number> }} Codes */
/** @typedef {{ latent_dim: number, codes?: Codes, decoded?: ArrayLike<number> }} View */
/** @typedef {{ data: { digits?: Digits, epochs?: number }, images?: Images, session?: Session,
 *   decoded?: HTMLCanvasElement }} Cache */
/** @typedef {ReturnType<typeof numbers>} Terms */
/** @typedef {"loss" | "reconstruction" | "kl" | "elbo"} Term */

const LEVELS = "0123456789abcdefg";
const CELLS = 9; // of the decoded plane, on each side
const OVALS = 24; // images whose q is drawn
const SHOWN = 400; // images at most whose μ is drawn
/** @type {Place} of both axes of the plane */
const ENDS = [-3.3, 3.3];
const SAMPLES = 10;

/**
 * The digits from the text that _packed() of train.py writes; each fifth is held out.
 * @param {Digits} packed
 * @returns {Images}
 */
export function unpacked({ labels, levels }) {
  const [count, side] = [labels.length, 8];
  const sorted = Array.from(labels, (_, i) => i).sort((a, b) => Number(labels[a]) - Number(labels[b]) || a - b);
  const all = Array.from({ length: count }, () => new Float32Array(side * side));
  for (let k = 0; k < side * side; k++) {
    const pixel = (k % side) * side + Math.floor(k / side);
    sorted.forEach((image, i) => (all[image][pixel] = LEVELS.indexOf(levels[k * count + i]) / 16));
  }
  const [train, test] = [0, 1].map((kind) => all.filter((_, i) => Number(i % 5 === 4) === kind));
  const flat = (/** @type {Float32Array[]} */ rows) => Float32Array.from(rows.flatMap((row) => [...row]));
  return imagesOf(flat(train), flat(test), side * side, [...labels].filter((_, i) => i % 5 === 4).join(""));
}

/** @type {(train: Float32Array, test: Float32Array, width: number, labels: string) => Images} */
const imagesOf = (train, test, width, labels) =>
  ({ train, test, width, labels, count: train.length / width, held: test.length / width });

/**
 * The images that Python sent.
 * @param {{ side: number, labels: string, train: DataView, test: DataView }} sent
 */
function received({ side, labels, train, test }) {
  const [a, b] = [train, test].map(({ buffer, byteOffset, byteLength }) =>
    new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength)));
  return imagesOf(a, b, side * side, labels);
}

/** @type {(images: Images, state: State) => Session} */
const sessionOf = (images, state) =>
  new Session((settings) => new Run(images, settings), state, (run) => look(images, /** @type {Run} */ (run)));

/**
 * What the picture shows of a network with two dimensions: the codes of held-out images, and the plane decoded.
 * @type {(images: Images, run: Run) => Generator<void, View>}
 */
function* look({ test, held, width }, run) {
  const { latent_dim } = run.settings;
  if (latent_dim !== 2) return { latent_dim };
  const codes = yield* run.encode(test.subarray(0, Math.min(held, SHOWN) * width));
  const at = (/** @type {number} */ i) => ENDS[0] + ((i + 0.5) * (ENDS[1] - ENDS[0])) / CELLS;
  const z = Float32Array.from({ length: 2 * CELLS ** 2 }, (_, i) =>
    i % 2 ? at(CELLS - 1 - Math.floor(i / 2 / CELLS)) : at((i / 2) % CELLS)); // from the top
  return { latent_dim, codes, decoded: yield* run.decode(z) };
}

/**
 * A picture that is drawn when the site is built trains first.
 * @type {(state: State, cache: Cache) => boolean}
 */
function prepare(state, cache) {
  const { digits, epochs = 0 } = cache.data;
  if (!cache.session && digits) {
    cache.images = unpacked(digits);
    cache.session = sessionOf(cache.images, state);
    const { session } = cache;
    while ((session.curves.last?.epoch ?? 0) < epochs && !session.run.failed) session.advance();
  }
  cache.session?.set(state);
  if (!cache.session?.running) cache.session?.settle();
  return true;
}

/**
 * @param {State} _
 * @param {Cache} cache
 */
function numbers(_, { session }) {
  const last = session?.curves.last;
  return {
    epoch: last?.epoch ?? 0, loss: last?.loss ?? null, reconstruction: last?.reconstruction ?? null,
    kl: last?.kl ?? null, elbo: last?.elbo ?? null,
  };
}

/** @param {number | null | undefined} value */
const rounded = (value) => (value === null || value === undefined ? "none"
  : !Number.isFinite(value) ? "not finite"
  : Math.abs(value) < 1e4 ? minus(value.toFixed(Math.abs(value) < 1 ? 2 : 1)) : scientific(value));

// What a run trains, in few words

/** @type {Record<string, string>} */
const WORDS = {
  raw: "x to 255", sigma_is_exp_logvar: "σ = exp(logvar)", no_noise: "no noise", no_gradient_through_z: "no gradient in z",
  one_eps_per_batch: "one ε per batch", bernoulli: "Bernoulli", gaussian: "Gaussian", continuous_bernoulli: "cont. Bernoulli",
  pixel_mean: "mean over pixels", sigmoid_twice: "sigmoid twice", kl_mean_over_latents: "KL mean over z",
  kl_without_half: "KL without ½", kl_sign: "KL sign", no_kl: "no KL",
};
/** @param {State} s */
const loss = (s) => [s.likelihood, s.loading, s.draw, s.reduction, s.kl_line].map((key) => WORDS[key]).filter(Boolean);
/** @param {State} s */
const sizes = (s) => [`β ${s.beta}`, `σ ${s.sigma}`, `L ${s.num_samples}`, `J ${s.latent_dim}`, `width ${s.hidden}`,
  `step ${s.step_size}`, `seed ${s.seed}`].map(minus);

/**
 * Words one after the other, in as many lines as they need; returns where the next line begins.
 * @type {(picture: Picture, left: number, top: number, room: number, words: string[], color: string) => number}
 */
function drawWords(picture, left, top, room, words, color) {
  let line = "";
  for (const word of words) {
    const longer = line ? `${line} · ${word}` : word;
    if (line && picture.measure(longer) > room) {
      picture.text(left, top, line, color);
      [line, top] = [word, top + 17];
    } else line = longer;
  }
  picture.text(left, top, line, color);
  return top + 17;
}

// The curves

/** @type {[Term, number, "likelihood" | "approximate" | "ink" | "muted", string, string, Line][]} */
const CURVES = [ // with the sign with which it is drawn: what is paid, in nats
  ["loss", 1, "muted", "loss", "loss", { width: 1.5, dash: [7, 4] }],
  ["reconstruction", -1, "likelihood", "reconstruction", "recon.", {}],
  ["kl", 1, "approximate", "KL", "KL", {}],
  ["elbo", -1, "ink", "−ELBO, held out", "−ELBO", {}],
];
/** @param {number} value */
const inside = (value) => value > -150 && value < 90;

/**
 * @type {(picture: Picture, session: Session | undefined, left: number, right: number, top: number, bottom: number) => void}
 */
function drawCurves(picture, session, left, right, top, bottom) {
  const { color, width, height } = picture;
  const [now, kept] = [session?.curves.points ?? [], session?.kept?.curves.points ?? []];
  /** @type {(points: Point[], term: Term, sign: number) => Place[]} */
  const places = (points, term, sign) => points.filter((point) => !Number.isNaN(point[term]))
    .map((point) => [point.epoch, Math.max(-1e3, Math.min(1e3, sign * point[term]))]);
  const all = CURVES.flatMap(([term, sign]) => [now, kept].flatMap((points) => places(points, term, sign)))
    .map(([, value]) => value).filter(inside);
  const last = Math.max(1, ...[now, kept].map((points) => points[points.length - 1]?.epoch ?? 0));
  const end = [20, 50, 100, 200, 500, 1000, 2000, 5000].find((epochs) => epochs >= last) ?? last;
  const [low, high] = [Math.min(0, ...all), Math.max(45, ...all)];
  const p = picture.panel({
    left, right: width - right, top, bottom: height - bottom, x: [0, end], y: [low, 1.04 * high],
    xticks: [0, end / 2, end], xlabel: "epoch", ylabel: "nats per image",
  });
  /** @type {Place[][]} */
  const drawn = [];
  for (const [term, sign, tone, , , style] of CURVES) {
    const both = [places(kept, term, sign), places(now, term, sign)];
    p.line(both[0], color[tone], { width: 1.5, dash: [2, 5] });
    p.line(both[1], color[tone], style);
    drawn.push(...both);
  }
  if (!now.length) return picture.text((p.left + p.right) / 2, (p.top + p.bottom) / 2, "press Train", color.muted, "center");
  nameCurves(picture, p, now[now.length - 1], drawn);
}

/**
 * A name for each curve near its end, in the order of the curves: of all places for the names the nearest at which
 * as little of a curve as can be runs through them.
 * @type {(picture: Picture, p: Panel, last: Point, drawn: Place[][]) => void}
 */
function nameCurves(picture, p, last, drawn) {
  const room = (p.right - p.left) * 0.7;
  const names = CURVES.map(([term, sign, tone, long, short]) => {
    const [paid, words] = [sign * last[term], picture.fitting(room, long, short)];
    if (inside(paid)) return { y: p.y(paid) - 10, words, tone };
    return { y: paid < 0 ? p.bottom : p.top, words: `${words} ${paid < 0 ? "↓" : "↑"} ${rounded(paid)}`, tone };
  }).sort((a, b) => a.y - b.y);
  const rows = Array.from({ length: Math.floor((p.bottom - p.top - 16) / 3) + 1 }, (_, row) => p.top + 8 + 3 * row);
  /** @type {{ cost: number, ys: number[] }[]} the best places of the names so far, the last of them at this row */
  let best = [];
  names.forEach(({ y: wanted, words }, i) => {
    const lanes = drawn.map((curve) => reach(p, curve, p.right - 6 - picture.measure(words)));
    /** @type {typeof best[0]} */
    let above = { cost: i && Infinity, ys: [] };
    best = rows.map((y, row) => {
      if (best[row - 5]?.cost < above.cost) above = best[row - 5]; // names are 15 pixels apart
      const hidden = lanes.map(([low, high]) => Math.max(0, Math.min(high, y + 8) - Math.max(low, y - 8)));
      return { cost: above.cost + Math.abs(y - wanted) + 30 * hidden.reduce((a, b) => a + b, 0), ys: [...above.ys, y] };
    });
  });
  const { ys } = best.reduce((a, b) => (b.cost < a.cost ? b : a));
  names.forEach(({ words, tone }, i) => picture.text(p.right - 2, ys[i], words, picture.color[tone], "right"));
}

/**
 * Between which heights a curve runs on the right of a place; at the top, far from names, if it ends before it.
 * @type {(p: Panel, curve: Place[], left: number) => number[]}
 */
function reach(p, curve, left) {
  const start = curve.findIndex(([epoch]) => p.x(epoch) >= left);
  const ys = start < 0 ? [] : curve.slice(Math.max(0, start - 1)).map(([, value]) => p.y(value));
  return ys.length ? [Math.min(...ys) - 1, Math.max(...ys) + 1] : [0, 0];
}

// The plane of z₁ and z₂

/** @type {(center: Place, radii: Place) => Place[]} */
const around = ([a, b], [r, s]) => Array.from({ length: 33 }, (_, i) =>
  [a + r * Math.cos((i * Math.PI) / 16), b + s * Math.sin((i * Math.PI) / 16)]);

/** @type {(picture: Picture, cache: Cache, left: number, top: number, side: number) => void} */
function drawPlane(picture, cache, left, top, side) {
  const { color, width, height } = picture;
  const { images, session } = cache;
  const plane = picture.panel({
    left, right: width - left - side, top, bottom: height - top - side, x: ENDS, y: ENDS,
    xticks: [-2, 0, 2], yticks: [-2, 0, 2], ylabel: "z₂",
  });
  picture.text(plane.right, plane.bottom + 13, "z₁", color.muted, "right");
  const at = (/** @type {Place} */ [a, b]) => /** @type {Place} */ ([plane.x(a), plane.y(b)]);
  plane.inside(() => {
    const view = /** @type {View | undefined} */ (session?.view);
    if (images && view?.codes) {
      picture.layer(`${session?.version} ${left} ${side}`, () => {
        drawDecoded(picture, plane, cache, view);
        drawMeans(picture, plane, images, view);
      });
    }
    for (const r of [1, 2]) picture.stroke(around([0, 0], [r, r]).map(at), color.prior, { width: 1.5, dash: [6, 4] });
  });
}

/**
 * The decoded plane, drawn pixel by pixel once and then enlarged: squares of all its pixels would take too long.
 * @type {(picture: Picture, plane: Panel, cache: Cache, view: View) => void}
 */
function drawDecoded(picture, plane, cache, { decoded = [] }) {
  if (!picture.kept) return; // in the still picture they would weigh more than all the rest
  const ctx = /** @type {CanvasRenderingContext2D} */ (picture.ctx);
  const small = cache.decoded ??= document.createElement("canvas");
  const pixels = decoded.length / CELLS ** 2;
  const side = Math.sqrt(pixels);
  const image = new ImageData(side, decoded.length / side);
  for (let i = 0; i < decoded.length; i++) image.data[4 * i + 3] = 51 * decoded[i];
  Object.assign(small, { width: image.width, height: image.height });
  const inner = /** @type {CanvasRenderingContext2D} */ (small.getContext("2d"));
  inner.putImageData(image, 0, 0);
  Object.assign(inner, { globalCompositeOperation: "source-in", fillStyle: picture.color.ink });
  inner.fillRect(0, 0, image.width, image.height);
  const step = (plane.right - plane.left) / CELLS;
  const size = Math.floor(step) - 2;
  ctx.imageSmoothingEnabled = false;
  for (let i = 0; i < CELLS ** 2; i++) {
    const [x, y] = [plane.left + (i % CELLS) * step, plane.top + Math.floor(i / CELLS) * step];
    ctx.drawImage(small, 0, i * side, side, side, Math.round(x) + 1, Math.round(y) + 1, size, size);
  }
}

/**
 * Images whose rows lie one after the other, each at its corner.
 * @type {(picture: Picture, corners: number[][], rows: ArrayLike<number>, size: number, color: string, alpha?: number) => void}
 */
function drawRows(picture, corners, rows, size, color, alpha) {
  const pixels = rows.length / corners.length;
  picture.images(corners.map(([left, top], i) =>
    [left, top, Array.from({ length: pixels }, (_, k) => rows[i * pixels + k])]), size, color, alpha);
}

/** @type {(picture: Picture, plane: Panel, images: Images, view: View) => void} */
function drawMeans(picture, plane, { labels }, { codes = { mu: [], logvar: [] } }) {
  const { color } = picture;
  const at = (/** @type {Place} */ [a, b]) => /** @type {Place} */ ([plane.x(a), plane.y(b)]);
  const { mu, logvar } = codes;
  const shown = mu.length / 2;
  for (let i = 0; i < shown; i++) {
    const [a, b] = at([mu[2 * i], mu[2 * i + 1]]);
    if (a < plane.left || a > plane.right || b < plane.top || b > plane.bottom) continue;
    if (labels) picture.text(a, b, labels[i], color[`class-${labels[i]}`], "center", 0);
    else picture.dot(a, b, color.muted, 2);
  }
  for (let i = 0; i < Math.min(shown, OVALS); i++) {
    const sigma = [2 * i, 2 * i + 1].map((j) => Math.exp(logvar[j] / 2));
    picture.stroke(around([mu[2 * i], mu[2 * i + 1]], /** @type {Place} */ (sigma)).map(at), color.approximate, { width: 1.2 });
  }
}

/**
 * The KL of each dimension, and samples from the prior.
 * @type {(picture: Picture, cache: Cache, left: number, top: number, side: number) => void}
 */
function drawDimensions(picture, { session }, left, top, side) {
  const { color, width, height } = picture;
  const J = session?.settings.latent_dim ?? 8;
  const size = Math.floor((side - 16) / 5);
  const rows = 2 * size + 28;
  const bars = picture.panel({
    left, right: width - left - side, top, bottom: height - top - side + rows, x: [0.4, J + 0.6], y: [0, 1.5],
    xticks: [], yticks: [0, 1], ylabel: "KL per dimension, nats",
  });
  const found = session?.measured?.perDimension ?? [];
  for (let j = 0; j < found.length; j++) {
    const kl = Math.min(1.5, Math.max(0, found[j]));
    picture.rect(bars.x(j + 0.7), bars.y(0), bars.x(j + 1.3), bars.y(kl), color.approximate);
    if (found[j] > 1.5) picture.text(bars.x(j + 1), bars.top + 7, "↑", color.paper, "center", 0);
  }
  const y = bars.bottom + 28;
  picture.text(left, y - 12, picture.fitting(side, "samples from the prior", "samples"), color.likelihood);
  if (!session) return;
  const eps = new Float64Array(16 * Math.ceil((SAMPLES * J) / 16));
  normals(3)(eps, 0, eps.length);
  const corners = Array.from({ length: SAMPLES }, (_, i) =>
    [Math.round(left + (i % 5) * (size + 4)), Math.round(y + Math.floor(i / 5) * (size + 4))]);
  drawRows(picture, corners, whole(session.run.decode(Float32Array.from(eps.subarray(0, SAMPLES * J)))), size, color.ink);
}

// The reader's drawing

/** @type {(drawing: number[], pixels: number) => Float32Array} the drawing in the size of the images */
function resized(drawing, pixels) {
  const [from, to] = [drawing.length, pixels].map(Math.sqrt);
  const scaled = (/** @type {number} */ i) => Math.floor((i * from) / to);
  return Float32Array.from({ length: pixels }, (_, i) => drawing[scaled(Math.floor(i / to)) * from + scaled(i % to)] / 16);
}

/** @type {(picture: Picture, state: State, cache: Cache, left: number, top: number, size: number) => void} */
function drawDrawing(picture, { drawing }, { images, session }, left, top, size) {
  const { color } = picture;
  picture.tile = [left, top, size];
  picture.text(left, top - 11, "x", color.ink);
  picture.images([[left, top, drawing.map((level) => level / 16)]], size, color.ink);
  picture.frame(left, top, left + size, top + size, color.muted);
  const second = top + size + 66; // below the button Clear
  picture.text(left, second - 11, "x′, at its μ", color.likelihood);
  picture.frame(left, second, left + size, second + size, color.muted);
  if (!images || !session) return;
  const { mu } = whole(session.run.encode(resized(drawing, images.width)));
  picture.images([[left, second, whole(session.run.decode(Float32Array.from(mu)))]], size, color.ink);
}

// The page

/** Lets a card train: its buttons, the slices of time, and what goes to Python. */
class Trainer {
  #card;
  #seen = true;
  #wanted = false; // was Train pressed before the images had arrived?
  #drawn = 0; // the view that the picture shows
  #said = 0;
  #calm;
  #channel = new MessageChannel();
  /** @type {Pace | undefined} */
  #pace;
  #observer;
  /** @type {[EventTarget, string, (event: any) => void][]} */
  #listeners;

  /** @param {LiveCard<State, Cache>} card */
  constructor(card) {
    this.#card = card;
    this.#calm = matchMedia("(prefers-reduced-motion: reduce)");
    this.#observer = new IntersectionObserver(([entry]) => {
      this.#seen = entry.isIntersecting;
      this.#pace?.go();
    });
    this.#observer.observe(card.root);
    this.#channel.port1.onmessage = () => this.#pace?.turn();
    this.#listeners = [
      [card.root, "click", (event) => this.#click(event)],
      [document, "visibilitychange", () => this.#pace?.go()],
      [window, "digits", () => this.#open()],
    ];
    for (const [target, kind, action] of this.#listeners) target.addEventListener(kind, action);
    this.#open();
  }

  end() {
    for (const [target, kind, action] of this.#listeners) target.removeEventListener(kind, action);
    this.#observer.disconnect();
    this.#channel.port1.close();
    const { session } = this.#card.cache;
    if (session) session.running = false;
  }

  /** Begins as soon as the images are there. */
  #open() {
    const { cache, model, read, again } = this.#card;
    const sent = model.get("_images");
    const { digits } = /** @type {Window & { digits?: Digits }} */ (window);
    if (cache.session || (!sent && !digits)) return;
    cache.images = sent ? received(sent) : unpacked(/** @type {Digits} */ (digits));
    cache.session = sessionOf(cache.images, read());
    const weights = model.get("_weights");
    if (weights?.byteLength) {
      const { buffer, byteOffset, byteLength } = weights;
      cache.session.put(new Float32Array(buffer.slice(byteOffset, byteOffset + byteLength)));
    }
    this.#pace = new Pace(cache.session, () => this.#channel.port2.postMessage(0),
      () => this.#seen && !document.hidden, () => this.#changed());
    if (this.#wanted) this.#run(true);
    this.#tell();
    again();
  }

  /** After a slice: a frame for each view, without motion at most one in a second. */
  #changed() {
    const { root, cache, again } = this.#card;
    const session = /** @type {Session} */ (cache.session);
    session.every = this.#calm.matches ? 1000 : 50;
    if (!session.running) this.#rest();
    else if (session.version !== this.#drawn) again();
    this.#drawn = session.version;
    const now = performance.now();
    if (now - this.#said < 5000) return;
    this.#said = now;
    const words = root.querySelector("[role=img]")?.getAttribute("aria-label") ?? "";
    /** @type {HTMLElement} */ (root.querySelector(".words")).textContent = words;
  }

  /** @param {Event & { target: any }} event */
  #click({ target }) {
    const { cache: { session }, read, again } = this.#card;
    const { name, dataset } = target;
    if (name === "train" && !session) this.#wanted = !this.#wanted;
    if (name === "train" || !session) {
      if (session) this.#run(!session.running && !session.run.failed);
      return this.#tell();
    }
    if (name === "step") {
      this.#run(false);
      session.step();
    } else if (name === "keep") this.#keep(session);
    else if (name === "reset" || dataset.do === "reset" || dataset.task) {
      session.set(read()); // a task has set its start already
      session.restart();
      if (dataset.do === "reset") {
        this.#run(false);
        session.kept = null;
        this.#keep(session, false);
      }
    } else return;
    this.#tell();
    if (!session.running) this.#send();
    again();
  }

  /** @param {boolean} on */
  #run(on) {
    const { cache } = this.#card;
    const session = /** @type {Session} */ (cache.session);
    const before = session.running;
    session.running = on;
    this.#said = performance.now() - 3500; // the first words come soon, so that the card does not say what was before
    if (on) this.#pace?.go();
    else if (before) this.#rest();
  }

  /** Training has come to an end, or to a pause. */
  #rest() {
    this.#tell();
    this.#send();
    this.#card.again();
  }

  /** What the buttons do next, and what a single step showed. */
  #tell() {
    const { root, cache: { session } } = this.#card;
    const running = session ? session.running : this.#wanted;
    const train = /** @type {HTMLButtonElement} */ (root.querySelector("[name=train]"));
    train.textContent = running ? "Pause" : "Train";
    const [failed, parts] = [session?.run.failed, session?.gradients];
    const told = !session ? (running ? "The digits are on their way." : "")
      : failed ? `Not finite in epoch ${failed.epoch}, step ${failed.step}.`
      : parts ? `Gradient of reconstruction ${format(parts.reconstruction, 2)}, of KL ${format(parts.kl, 2)}` : "";
    /** @type {HTMLElement} */ (root.querySelector(".told")).textContent = told;
  }

  /**
   * Puts the numbers of this run beside those of the next.
   * @param {Session} session
   */
  #keep(session, on = true) {
    if (on) session.keep();
    for (const output of this.#card.root.querySelectorAll("output")) {
      output.parentElement?.querySelector(".kept")?.remove();
      const value = session.kept?.curves.last?.[/** @type {keyof Point} */ (output.name)];
      if (value === null || value === undefined) continue;
      const kept = document.createElement("span");
      kept.className = "kept";
      const word = document.createElement("span");
      word.textContent = "kept ";
      kept.append(word, format(value, output.name === "epoch" ? 0 : 2, true));
      output.before(kept);
    }
  }

  /** What was trained goes to Python, at each pause and not at each epoch. */
  #send() {
    const { model, cache: { session } } = this.#card;
    if (!session || !model.get("_images")) return; // no kernel
    const parts = session.run.weights();
    const flat = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
      flat.set(part, at);
      at += part.length;
    }
    const { latent_dim, hidden, likelihood, sigma, seed } = session.settings;
    const { points } = session.curves;
    const columns = ["epoch", "loss", "reconstruction", "kl", "elbo"].map((name) =>
      [name, points.map((point) => point[/** @type {keyof Point} */ (name)])]);
    model.set("_weights", new DataView(flat.buffer));
    model.set("_trained", { latent_dim, hidden, likelihood, sigma, seed, ...Object.fromEntries(columns) });
    model.save_changes();
  }
}

/** @type {Explorer<State, Terms, Cache>} */
export const explorer = {
  height: 342,
  narrow: 560,
  room: 300,
  buttons: { train: "Train", step: "Step", reset: "Start over", keep: "Keep" },
  more: ["num_samples", "hidden", "step_size", "seed"],
  outputs: [
    { name: "epoch", label: "epoch", digits: 0 },
    { name: "loss", label: "loss", digits: 2, fixed: true },
    { name: "reconstruction", label: "reconstruction", digits: 2, fixed: true, color: "likelihood" },
    { name: "kl", label: "KL", digits: 2, fixed: true, color: "approximate" },
    { name: "elbo", label: "held-out ELBO", digits: 2, fixed: true },
  ],
  tasks: [
    { words: "Make the plane collapse with one control: a KL below 0.1 at epoch 10.", reach: { beta: 30 },
      done: (_, { epoch }, { session }) => epoch >= 10 && (session?.measured?.kl ?? 1) < 0.1 }, // the true KL, of any line
    { words: "Which β has the mean over pixels really? Set the sum to it.", start: { reduction: "pixel_mean" },
      reach: { beta: 64 }, done: ({ reduction, beta }) => reduction === "sum" && beta >= 60 && beta <= 68 },
    { words: "Be above an ELBO of −24.9 nats by epoch 40, with J = 2. Look under More.", reach: { step_size: 0.01 },
      done: ({ latent_dim: J, likelihood }, _, { session }) => // nats of densities are others; a frame may miss an epoch
        J === 2 && likelihood === "bernoulli" &&
        !!session?.curves.points.some((/** @type {Point} */ { epoch, elbo }) => epoch <= 40 && elbo > -24.9) },
  ],
  prepare,
  numbers,
  pixels: ({ drawing }) => drawing,
  live: (card) => new Trainer(card),

  diff: {
    lines: (/** @type {State} */ s, _, /** @type {Spec} */ { code = {} }) => [
      `x = ${code[`loading.${s.loading}`]}`,
      `z = ${code[`draw.${s.draw}`]}`,
      `nll = ${(code[`${s.likelihood}.${s.reduction}`] ?? code[`${s.likelihood}.sum`]).replace("sigma", String(s.sigma))}`,
      `kl = ${code[`kl_line.${s.kl_line}`]}`,
      `loss = nll + ${s.beta === 1 ? "" : `${s.beta} * `}kl` +
        (s.num_samples > 1 ? `  # z, nll: ${s.num_samples} draws, their mean` : ""),
    ].join("\n"),
    room: (_, /** @type {Spec} */ { code = {} }) => {
      const longest = (/** @type {RegExp} */ part) => Object.keys(code).filter((key) => part.test(key))
        .map((key) => code[key]).reduce((a, b) => (a.length > b.length ? a : b), "");
      return `x = ${longest(/^load/)}\nz = ${longest(/^draw/)}\nnll = ${longest(/\.(?:sum|pixel|sigmoid)/)}\n` +
        `kl = ${longest(/^kl/)}\nloss = nll + 0.01 * kl  # z, nll: 10 draws, their mean`;
    },
  },

  describe(state, n, { session }) {
    if (session?.run.failed) {
      const { epoch, step } = session.run.failed;
      return `In epoch ${epoch}, step ${step} the loss was not a finite number any more, and training stopped. ` +
        (n.epoch ? `The numbers and curves are those up to epoch ${n.epoch}. ` : "") +
        "Start over with a smaller step or another line.";
    }
    const kept = session?.kept?.curves.last;
    const beside = kept ? ` The kept run: loss ${rounded(kept.loss)}, KL ${rounded(kept.kl)}, ELBO ${rounded(kept.elbo)} ` +
      `after ${kept.epoch} epochs.` : "";
    if (!n.epoch && session?.goesOn) {
      return "The model that was put in: the picture shows what it makes of z and of x. Train goes on with it." + beside;
    }
    if (!n.epoch) {
      return "No epoch has ended yet. Before training each z decodes to about the same grey; " +
        "Train lets this loss shape both networks." + beside;
    }
    const measured = session?.measured;
    const collapsed = measured && measured.kl < 0.1
      ? " q(z|x) is nearly the prior for every image: the posterior has collapsed." : "";
    const held = Number.isFinite(n.elbo) ? `is ${rounded(n.elbo)} nats, their KL ${rounded(measured?.kl)}.`
      : "is not a finite number: the weights have run away.";
    return `Epoch ${n.epoch}: this loss reports ${rounded(n.loss)}, and its KL term, before β, ${rounded(n.kl)}. ` +
      `The ELBO of held-out images, with β = 1, ${held}` + collapsed + beside;
  },

  draw(picture, state, _, cache) {
    const { color, narrow, width } = picture;
    const { session } = cache;
    const size = narrow ? 92 : 100;
    const left = width - 6 - size;
    const free = left - 22 - 34 - (narrow ? 0 : 84);
    const side = Math.round(narrow ? Math.min(270, left - 22 - 34) : Math.min(244, free / 2 + 17));
    const top = narrow ? 206 : 26;
    const plane = left - 22 - side;
    if (narrow) drawCurves(picture, session, 40, width - 12, 26, 152);
    else drawCurves(picture, session, 40, plane - 44, 26, 26 + side);
    if (state.latent_dim === 2) drawPlane(picture, cache, plane, top, side);
    else drawDimensions(picture, cache, plane, top, side);
    drawDrawing(picture, state, cache, left, top + (narrow ? 8 : 0), size);
    let row = narrow ? picture.height - 80 : 312;
    const words = [...loss(state), ...sizes(state)];
    row = drawWords(picture, 6, row, width - 12, words, color.ink);
    if (session?.kept) {
      const dotted = `dotted: kept, ${loss(session.kept.settings).join(", ")}`;
      drawWords(picture, 6, row, width - 12, [dotted, ...sizes(session.kept.settings).slice(0, narrow ? 1 : 4)], color.muted);
    }
  },
};
