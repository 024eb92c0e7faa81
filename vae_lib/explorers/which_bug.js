import { minus, scientific } from "./shared/format.js";

const sum = (values) => values.reduce((total, value) => total + value, 0);
const runOf = (data, code) => data.cases.find((run) => run.code === code);
const elboOf = (run) => run.reconstruction - sum(run.per_dimension);
const active = (run) => run.per_dimension.filter((kl) => kl > 0.01).length;
const rounded = (value) => (Math.abs(value) < 1e4 ? minus(value.toFixed(1)) : scientific(value));
const missing = "after your guess";

// Six images in a row, each pixel a digit 0 to 9.
function images(picture, { samples }, left, top, size) {
  samples.forEach((levels, i) => {
    const [x, pixel] = [left + i * (size + 6), size / 8];
    picture.rect(x, top, x + size, top + size, picture.color.muted, 0.12);
    [...levels].forEach((level, at) => {
      const [px, py] = [x + (at % 8) * pixel, top + Math.floor(at / 8) * pixel];
      if (level > 0) picture.rect(px, py, px + pixel, py + pixel, picture.color.ink, level / 9);
    });
  });
}

export const explorer = {
  height: 430,
  narrow: 656,
  room: 470,
  outputs: [
    { name: "reported_loss", label: "loss, as reported" },
    { name: "reported_nll", label: "its reconstruction term", color: "likelihood" },
    { name: "reported_kl", label: "its KL term", color: "approximate" },
    { name: "elbo", label: "true held-out ELBO", unit: "nats", missing },
    { name: "elbo_lost", label: "ELBO lost by the bug", unit: "nats", missing },
    { name: "kl", label: "true KL", unit: "nats", missing },
    { name: "active_units", label: "active dimensions", digits: 0, missing },
  ],

  numbers({ case: number, epoch, guess }, { data }) {
    const run = data.cases[number - 1];
    const [nll, kl] = [run.nll[epoch - 1], run.kl[epoch - 1]];
    const answer = {
      elbo: elboOf(run),
      elbo_lost: elboOf(runOf(data, "right")) - elboOf(run),
      kl: sum(run.per_dimension),
      active_units: active(run),
    };
    if (guess === "none") for (const name in answer) answer[name] = null;
    return { reported_loss: nll + kl, reported_nll: nll, reported_kl: kl, ...answer };
  },

  describe({ case: number, epoch, guess }, n, { data }) {
    const run = data.cases[number - 1];
    const seen = `Case ${number}: after epoch ${epoch} the program reports a loss of ${rounded(n.reported_loss)}, ` +
      `${rounded(n.reported_nll)} for the reconstruction and ${rounded(n.reported_kl)} for the KL. `;
    if (guess === "none") return seen + "The six images are samples from the prior. Is a line wrong, and which? Guess, and the answer appears.";
    const [wrong, right] = run.lines;
    const line = wrong ? `It has ${wrong} where ${right} is right. ` : "";
    return seen + (guess === run.code ? `Your guess is right: ${run.title}. ` : `Your guess was “${runOf(data, guess).title}”: it is “${run.title}”. `) + line +
      `The held-out ELBO is ${rounded(n.elbo)} nats${wrong ? `, ${rounded(n.elbo_lost)} less than that of the right program` : ""}.`;
  },

  draw(picture, { case: number, epoch, guess }, n, { data }) {
    const { color, narrow, width, height } = picture;
    const run = data.cases[number - 1];
    const right = runOf(data, "right");
    const other = guess === "none" ? null : guess === run.code ? right : runOf(data, guess);
    const curves = [["nll", color.likelihood, "reconstruction"], ["kl", color.approximate, "KL"]];

    // The window holds what is of the size of nats; what leaves it is said at its edge.
    const inside = (value) => Math.max(-30, Math.min(60, value));
    const all = [run, other ?? run].flatMap((r) => [...r.nll, ...r.kl]).map(inside);
    const [low, high] = [Math.min(0, ...all), Math.max(1, ...all)];
    const p = picture.panel({
      left: 40, right: narrow ? 20 : Math.round(0.44 * width), top: 44, bottom: narrow ? 394 : 46, x: [1, run.nll.length],
      y: [low - 0.09 * (high - low), high + 0.12 * (high - low)], xticks: [1, 20, 40, 60], xlabel: "epoch",
    });
    picture.text(4, 12, `Case ${number}: the two terms that its loop reports`);
    p.horizontal(0, color.muted, { width: 1 });
    for (const [key, tone, words] of curves) {
      const points = (r) => r[key].map((value, i) => [i + 1, inside(value)]);
      if (other && other !== run) p.line(points(other), tone, { dash: [2, 5], width: 1.5 });
      p.line(points(run), tone);
      const [end, rival] = [key, key === "nll" ? "kl" : "nll"].map((name) => run[name][run.nll.length - 1]);
      const [at, away] = [end, rival].map((value) => p.y(inside(value)));
      const gone = inside(end) === end ? "" : end < 0 ? ": far below" : ": far above";
      picture.text(p.x(0.95 * run.nll.length), at + (at > away && at - away < 28 ? 13 : -13), words + gone, tone, "right");
    }
    p.vertical(epoch, color.ink, { width: 1, dash: [5, 4] });
    picture.handle(p.x(epoch), p.top - 8, color.ink, "x", (x) => ({ epoch: p.atX(x) }));

    const left = narrow ? 12 : width - Math.round(0.44 * width) + 26;
    const size = Math.min(40, (width - left - 8 - 30) / 6);
    let top = narrow ? height - 330 : 32;
    const row = (words, r) => {
      picture.text(left, top - 12, words, color.likelihood);
      images(picture, r, left, top, size);
      top += size + 32;
    };
    row(narrow || !other ? "its samples from the prior" : "its samples", run);
    if (!other) {
      const [x0, y0, x1, y1] = [left, top - 12, left + 6 * size + 30, height - (narrow ? 20 : 46)];
      picture.stroke([[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]], color.muted, { width: 1, dash: [4, 5] });
      ["Here, after your guess:", "samples of the right program,", "what this program does,", "and the KL of each dimension"].forEach((words, i) =>
        picture.text((x0 + x1) / 2, (y0 + y1) / 2 + 20 * (i - 1.5), words, color.muted, "center"));
      return;
    }
    row("samples of the right program", right);
    picture.text(left, top - 8, guess === run.code ? "Right, it is:" : "No, it is:", color.ink);
    picture.text(left, top + 10, run.title, color.ink);
    picture.text(left, top + 32, other === run ? "" : `dotted: ${other === right ? "the right program" : "your guess"}`, color.muted);
    // True KL of each latent dimension, beside that of the right program
    const most = Math.max(1.2, ...right.per_dimension);
    const bars = picture.panel({
      left: left + 22, right: 8, top: top + 72, bottom: narrow ? 30 : 46, x: [0.4, 8.6], y: [0, 1.3 * most], xticks: [], yticks: [0, 1],
      ylabel: "KL per dimension, nats; hatched: right", xlabel: "",
    });
    const sorted = (r) => [...r.per_dimension].sort((a, b) => b - a);
    sorted(run).forEach((kl, i) => picture.rect(bars.x(i + 0.65), bars.y(0), bars.x(i + 0.98), bars.y(Math.min(1.1 * most, kl)), color.approximate));
    sorted(right).forEach((kl, i) => picture.hatched(bars.x(i + 1.02), bars.y(0), bars.x(i + 1.35), bars.y(Math.min(most, kl)), color.approximate));
    const largest = Math.max(...run.per_dimension);
    if (largest > 1.1 * most) picture.text(bars.right, bars.y(1.2 * most), `↑ cut off: up to ${rounded(largest)} nats`, color.approximate, "right");
    bars.horizontal(0, color.muted, { width: 1 });
  },
};
