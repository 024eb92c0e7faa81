import { minus } from "./shared/format.js";
import { klToStandardNormal } from "./shared/formulas.js";
import { normals, work } from "./shared/random.js";

const D = 64;
const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));

// A layer's outputs for the inputs x: Wx + b, W row by row.
const linear = (W, b, x) => b.map((sum, i) => {
  for (let j = 0, at = i * x.length; j < x.length; j++) sum += W[at + j] * x[j];
  return sum;
});
const perceptron = ([W, b, V, c], x) => linear(V, c, linear(W, b, x).map((v) => Math.max(0, v)));
const sigmoid = (logit) => 1 / (1 + Math.exp(-logit));
const total = (values) => values.reduce((sum, v) => sum + v, 0);

// −log p of each pixel, (7.3): softplus(logit) − x · logit.
const nats = (x, logits) => logits.map((l, i) => Math.max(l, 0) + Math.log1p(Math.exp(-Math.abs(l))) - x[i] * l);

// The five steps for one image with the noise eps.
function forward({ encoder, decoder }, x, eps) {
  const code = perceptron(encoder, x);
  const [mu, logvar] = [code.slice(0, 2), code.slice(2)];
  const sigma = logvar.map((t) => Math.exp(t / 2));
  const sample = mu.map((m, j) => m + sigma[j] * eps[j]);
  const logits = perceptron(decoder, sample);
  const costs = nats(x, logits);
  const kl = klToStandardNormal(mu[0], logvar[0]) + klToStandardNormal(mu[1], logvar[1]);
  return { x, eps, mu, sigma, sample, logits, costs, reconstruction: -total(costs), kl };
}

const unpacked = (weights) => {
  const layers = weights.map(([step, text]) => Float64Array.from(new Int16Array(bytes(text).buffer), (v) => v * step));
  return { encoder: layers.slice(0, 4), decoder: layers.slice(4) };
};

const levels = ({ image, drawing }, cache) => {
  cache.levels ??= bytes(cache.data.images);
  return image ? [...cache.levels.subarray((image - 1) * D, image * D)] : drawing;
};
const greys = (state, cache) => Float64Array.from(levels(state, cache), (level) => level / 16);

// The image at hand at once, then all test images in pieces; what is known of a snapshot is kept.
function prepare(state, cache, deadline) {
  const { data } = cache;
  const { snapshot, seed } = state;
  const count = data.labels.length;
  if (cache.seed !== seed) {
    const eps = new Float64Array(16 * Math.ceil((count + 1) / 8));
    normals(seed)(eps, 0, eps.length);
    Object.assign(cache, { seed, eps });
  }
  const noise = (image) => cache.eps.subarray(2 * image, 2 * image + 2);
  cache.models ??= [];
  const model = (cache.models[snapshot] ??= { ...unpacked(data.weights[snapshot]), places: new Float64Array(2 * count), placed: 0 });
  const x = greys(state, cache);
  const held = perceptron(model.decoder, [state.z_1, state.z_2]);
  cache.now = { ...forward(model, x, noise(state.image)), held, likelihood: -total(nats(x, held)), model };
  if (model.seed !== seed) Object.assign(model, { seed, done: 0, reconstruction: 0, kl: 0 });
  return work(model, count, 8, deadline, (from, to) => {
    for (let i = from; i < to; i++) {
      const { mu, reconstruction, kl } = forward(model, greys({ image: i + 1 }, cache), noise(i + 1));
      model.places.set(mu, 2 * i);
      model.reconstruction += reconstruction / count;
      model.kl += kl / count;
      model.placed = Math.max(model.placed, i + 1);
    }
  });
}

export function numbers(state, { now }) {
  const { model, kl, reconstruction } = now;
  const pairs = ["mu", "sigma", "eps", "sample"].flatMap((name) => [[`${name}_1`, now[name][0]], [`${name}_2`, now[name][1]]]);
  return {
    ...Object.fromEntries(pairs),
    reconstruction, mean_reconstruction: model.reconstruction,
    kl, mean_kl: model.kl,
    elbo: reconstruction - kl, mean_elbo: model.reconstruction - model.kl,
    log_likelihood: now.likelihood,
  };
}

const pair = ([a, b]) => minus(`(${a.toFixed(2)}, `) + minus(`${b.toFixed(2)})`);
const named = ({ image }, { labels }) => (image ? `${labels[image - 1] === "8" ? "an" : "a"} ${labels[image - 1]}` : "your drawing");
const around = ([a, b], [r, s]) => Array.from({ length: 49 }, (_, i) => [a + r * Math.cos((i * Math.PI) / 24), b + s * Math.sin((i * Math.PI) / 24)]);
const both = (name, label, color) => [0, 1].map((j) => ({ name: `${name}_${j + 1}`, label: `${label}, dimension ${j + 1}`, color }));

// An image of 8×8 pixels, each as strong as its number between 0 and 1.
function tiles(picture, left, top, size, words, color, strengths) {
  picture.text(left, top - 11, words, color);
  strengths.forEach((strength, i) => {
    const [x, y] = [left + ((i % 8) * size) / 8, top + (Math.floor(i / 8) * size) / 8];
    if (strength > 0.004) picture.rect(x, y, x + size / 8, y + size / 8, color, strength);
  });
  const [right, bottom] = [left + size, top + size];
  picture.stroke([[left, top], [right, top], [right, bottom], [left, bottom], [left, top]], picture.color.muted, { width: 1 });
}

// The loss as a bar of two parts.
function bar(picture, left, top, room, words, [reconstruction, kl]) {
  const { likelihood, approximate } = picture.color;
  const loss = kl - reconstruction;
  const scale = room / Math.max(70, loss);
  picture.text(left, top, `${words}: ${(-reconstruction).toFixed(1)} + ${kl.toFixed(1)} = ${loss.toFixed(1)}`);
  picture.rect(left, top + 10, left - reconstruction * scale, top + 21, likelihood, 0.8);
  picture.hatched(left - reconstruction * scale, top + 10, left + loss * scale, top + 21, approximate);
}

export const explorer = {
  height: 444,
  narrow: 794,
  room: 288,
  outputs: [
    ...both("mu", "μ", "approximate"),
    ...both("sigma", "σ", "approximate"),
    ...both("eps", "ε", "prior"),
    ...both("sample", "z = μ + σε", "approximate"),
    { name: "reconstruction", label: "reconstruction log p(x|z)", unit: "nats", color: "likelihood" },
    { name: "mean_reconstruction", label: "reconstruction, test mean", unit: "nats", color: "likelihood" },
    { name: "kl", label: "KL(q ‖ p(z))", unit: "nats", color: "approximate" },
    { name: "mean_kl", label: "KL, test mean", unit: "nats", color: "approximate" },
    { name: "elbo", label: "ELBO with this draw", unit: "nats" },
    { name: "mean_elbo", label: "ELBO, test mean", unit: "nats" },
    { name: "log_likelihood", label: "log p(x|z) at your z", unit: "nats", color: "likelihood" },
  ],
  numbers,
  prepare,
  pixels: levels,
  painted: { image: 0 },
  say: {
    image: (image, data) => `, ${named({ image }, data)}`,
    snapshot: (snapshot, { epochs }) => `, after ${epochs[snapshot]} epochs`,
  },

  describe(state, n, { data, now }) {
    const worst = now.costs.indexOf(Math.max(...now.costs));
    const fixed = (value) => value.toFixed(1);
    return `${state.image ? `Test image ${state.image}, ${named(state, data)},` : "Your drawing"} goes to μ = ${pair(now.mu)} with σ = ${pair(now.sigma)}. ` +
      `Its loss is ${fixed(-n.elbo)} nats, ${fixed(-n.reconstruction)} of reconstruction and ${fixed(n.kl)} of KL; the mean test image ` +
      `costs ${fixed(-n.mean_reconstruction)} and ${fixed(n.mean_kl)}. Row ${Math.floor(worst / 8) + 1}, column ${(worst % 8) + 1} is the dearest pixel, ` +
      `${fixed(now.costs[worst])} nats. Decoded from your z, the same image costs ${fixed(-n.log_likelihood)} nats.`;
  },

  draw(picture, state, n, cache) {
    const { data, now } = cache;
    const { color, narrow, width, height } = picture;
    const { x, mu, sigma, eps, sample, logits, costs, held, model } = now;
    const side = narrow ? Math.min(270, width - 44) : 330;
    const plane = picture.panel({
      left: 34, right: width - 34 - side, top: 24, bottom: height - 24 - side, x: [-3.3, 3.3], y: [-3.3, 3.3], xlabel: "z₁", ylabel: "z₂",
    });
    const at = ([a, b]) => [plane.x(a), plane.y(b)];
    // The plane of another snapshot stays until every image has its place in the new one.
    if (!cache.plane || model.placed === data.labels.length) cache.plane = model;
    const { places, placed } = cache.plane;
    const spots = Array.from({ length: placed }, (_, i) => at(places.subarray(2 * i, 2 * i + 2)));
    const dashed = { width: 1.5, dash: [6, 4] };
    const square = ([a, b]) => picture.rect(a - 5, b - 5, a + 5, b + 5, color.approximate);
    const oval = (points) => {
      picture.fill(points, color.approximate, 0.25);
      picture.stroke(points, color.approximate);
    };
    plane.inside(() => {
      picture.layer([cache.models.indexOf(cache.plane), placed], () =>
        spots.forEach(([a, b], i) => picture.text(a, b, data.labels[i], color[`class-${data.labels[i]}`], "center", 0)));
      for (const r of [1, 2]) picture.stroke(around([0, 0], [r, r]).map(at), color.prior, dashed);
      oval(around(mu, sigma).map(at));
      picture.dot(...at(mu), color.approximate, 3);
      picture.stroke([at(eps), at(sample)], color.ink, { width: 1.3 });
      picture.dot(...at(eps), color.prior, 5);
      square(at(sample));
    });
    picture.pick = (a, b) => {
      const distances = spots.map(([c, d]) => Math.hypot(a - c, b - d));
      const best = Math.min(...distances);
      return best < 12 ? { image: distances.indexOf(best) + 1 } : null;
    };

    const [key, other, row] = [narrow ? 6 : 34, narrow ? 164 : 216, plane.bottom + 52];
    picture.stroke([[key, row], [key + 24, row]], color.prior, dashed);
    picture.text(key + 32, row, "p(z), radius 1, 2", color.prior);
    oval(around([other + 10, row], [12, 6]));
    picture.text(other + 32, row, "q(z|x): μ, σ", color.approximate);
    picture.stroke([[key + 4, row + 19], [key + 22, row + 19]], color.ink, { width: 1.3 });
    picture.dot(key + 4, row + 19, color.prior, 5);
    square([key + 22, row + 19]);
    picture.text(key + 32, row + 19, "ε → z = μ + σε", color.ink);
    picture.dot(other + 10, row + 19, color.likelihood, 6);
    picture.dot(other + 10, row + 19, color.paper, 3);
    picture.text(other + 32, row + 19, "your z: drag it", color.likelihood);

    const left = narrow ? 6 : 34 + side + 42;
    const size = narrow ? 118 : Math.min(132, (width - left - 32) / 2);
    const [right, top, second] = [narrow ? 164 : left + size + 28, narrow ? row + 62 : 24, narrow ? row + 210 : 24 + size + 34];
    const most = Math.max(...costs);
    const scale = [2, 5, 10, 20, 50, 1000].find((end) => end >= most);
    tiles(picture, left, top, size, `x, ${named(state, data)}`, color.ink, x);
    tiles(picture, right, top, size, "x′ of this draw", color.ink, logits.map(sigmoid));
    tiles(picture, left, second, size, "nats per pixel", color.likelihood, costs.map((v) => v / scale));
    tiles(picture, right, second, size, "x′ at your z", color.ink, held.map(sigmoid));
    const [under, step] = [second + size + 14, (size - 76) / 16];
    picture.text(left, under, "0", color.muted);
    for (let i = 0; i < 16; i++) picture.rect(left + 14 + i * step, under - 5, left + 14 + (i + 1) * step, under + 5, color.likelihood, (i + 0.5) / 16);
    picture.text(left + size - 56, under, `${scale} nats`, color.muted);

    const bars = under + 26;
    const room = narrow ? width - 12 : width - left - 4;
    picture.phrase(left, bars, [["reconstruction ", color.likelihood], ["+ KL ", color.approximate], ["= loss in nats", color.ink]]);
    bar(picture, left, bars + 20, room, named(state, data), [now.reconstruction, now.kl]);
    if (n) bar(picture, left, bars + 57, room, "mean test image", [n.mean_reconstruction, n.mean_kl]);
    picture.handle(...at([state.z_1, state.z_2]), color.likelihood, "xy", (a, b) => ({ z_1: plane.atX(a), z_2: plane.atY(b) }));
  },
};
