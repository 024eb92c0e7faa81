// A stand-in until the engine is merged.
import { normals } from "../shared/random.js";
export class Run {
  constructor(data, settings) {
    this.data = data; this.settings = { ...settings }; this.failed = null; this.epoch = 0; this.at = 0; this.t = 0;
    const { latent_dim: J, hidden: H, seed } = settings, D = data.width;
    this.shapes = [[H, D], [H], [2 * J, H], [2 * J], [H, J], [H], [D, H], [D]];
    const fill = normals(seed + 1);
    this.w = this.shapes.map(([a, b], i) => { const n = a * (b ?? 1); const e = new Float64Array(16 * Math.ceil(n / 16)); fill(e, 0, e.length);
      const fan = this.shapes[i - (i % 2)][1]; return Float32Array.from(e.subarray(0, n), (v) => 0.58 * v / Math.sqrt(fan)); });
    this.m = this.w.map((p) => new Float32Array(p.length)); this.v = this.w.map((p) => new Float32Array(p.length));
    this.noise = normals(seed + 7); this.eps = new Float64Array(16 * 8); this.sums = [0, 0, 0, 0];
  }
  lin(x, n, W, b, inn, out, relu) { const y = new Float32Array(n * out); for (let r = 0; r < n; r++) for (let i = 0; i < out; i++) { let s = b[i];
    for (let j = 0; j < inn; j++) s += W[i * inn + j] * x[r * inn + j]; y[r * out + i] = relu && s < 0 ? 0 : s; } return y; }
  encode(x) { const { latent_dim: J, hidden: H } = this.settings, D = this.data.width, n = x.length / D, w = this.w;
    const o = this.lin(this.lin(x, n, w[0], w[1], D, H, true), n, w[2], w[3], H, 2 * J); const mu = new Float32Array(n * J), logvar = new Float32Array(n * J);
    for (let r = 0; r < n; r++) for (let j = 0; j < J; j++) { mu[r * J + j] = o[r * 2 * J + j]; logvar[r * J + j] = o[r * 2 * J + J + j]; } return { mu, logvar }; }
  decode(z) { const { latent_dim: J, hidden: H } = this.settings, n = z.length / J, w = this.w;
    return this.lin(this.lin(z, n, w[4], w[5], J, H, true), n, w[6], w[7], H, this.data.width).map((l) => 1 / (1 + Math.exp(-l))); }
  batch(update) {
    const { latent_dim: J, hidden: H, beta, step_size, reduction } = this.settings, D = this.data.width, w = this.w, B = Math.min(64, this.data.count - this.at);
    const x = this.data.train.subarray(this.at * D, (this.at + B) * D); const scale = reduction === "pixel_mean" ? 1 / D : 1;
    const h = this.lin(x, B, w[0], w[1], D, H, true), o = this.lin(h, B, w[2], w[3], H, 2 * J); const z = new Float32Array(B * J), e = new Float64Array(16 * Math.ceil(B * J / 16)); this.noise(e, 0, e.length);
    for (let r = 0; r < B; r++) for (let j = 0; j < J; j++) z[r * J + j] = o[r * 2 * J + j] + Math.exp(o[r * 2 * J + J + j] / 2) * e[r * J + j];
    const g = this.lin(z, B, w[4], w[5], J, H, true), l = this.lin(g, B, w[6], w[7], H, D); let nll = 0, kl = 0; const dl = new Float32Array(B * D);
    for (let i = 0; i < B * D; i++) { nll += Math.max(l[i], 0) + Math.log1p(Math.exp(-Math.abs(l[i]))) - x[i] * l[i]; dl[i] = (1 / (1 + Math.exp(-l[i])) - x[i]) / B * scale; }
    nll *= scale / B; const dg = new Float32Array(B * H), dz = new Float32Array(B * J), dout = new Float32Array(B * 2 * J), dh = new Float32Array(B * H);
    const G = this.w.map((p) => new Float32Array(p.length));
    const back = (d, a, W, gW, gb, da, inn, out, mask) => { for (let r = 0; r < B; r++) for (let i = 0; i < out; i++) { const v = d[r * out + i]; if (!v) continue; gb[i] += v; for (let j = 0; j < inn; j++) { gW[i * inn + j] += v * a[r * inn + j]; if (da) da[r * inn + j] += v * W[i * inn + j]; } } if (mask) for (let k = 0; k < da.length; k++) if (!a[k]) da[k] = 0; };
    back(dl, g, w[6], G[6], G[7], dg, H, D, true); back(dg, z, w[4], G[4], G[5], dz, J, H, false);
    for (let r = 0; r < B; r++) for (let j = 0; j < J; j++) { const a = r * 2 * J + j, b = a + J, mu = o[a], lv = o[b]; kl += 0.5 * (mu * mu + Math.exp(lv) - lv - 1) / B;
      dout[a] = dz[r * J + j] + beta * mu / B; dout[b] = dz[r * J + j] * 0.5 * Math.exp(lv / 2) * e[r * J + j] + beta * 0.5 * (Math.exp(lv) - 1) / B; }
    back(dout, h, w[2], G[2], G[3], dh, H, 2 * J, true); back(dh, x, w[0], G[0], G[1], null, D, H, false);
    if (update) { this.t++; G.forEach((gr, k) => { for (let i = 0; i < gr.length; i++) { const m = this.m[k][i] = 0.9 * this.m[k][i] + 0.1 * gr[i], v = this.v[k][i] = 0.999 * this.v[k][i] + 0.001 * gr[i] ** 2;
      w[k][i] -= step_size * (m / (1 - 0.9 ** this.t)) / (Math.sqrt(v / (1 - 0.999 ** this.t)) + 1e-8); } }); }
    return { nll, kl, loss: nll + beta * kl, B };
  }
  step() { const { nll, kl, loss, B } = this.batch(true); this.at += B; const s = this.sums; s[0] += loss * B; s[1] += nll * B; s[2] += kl * B; const ended = this.at >= this.data.count; const epoch = this.epoch + 1;
    if (!Number.isFinite(loss)) this.failed = { epoch, step: Math.ceil(this.at / 64) };
    const N = this.data.count; const out = ended ? { epoch, step: 1, loss: s[0] / N, reconstruction: -s[1] / N, kl: s[2] / N, ended } : { epoch, step: 1, loss, reconstruction: -nll, kl, ended };
    if (ended) { this.epoch++; this.at = 0; this.sums = [0, 0, 0]; } return out; }
  advance(ms) { const end = performance.now() + ms, found = []; do { const p = this.step(); if (p.ended) found.push(p); } while (performance.now() < end && !this.failed); return found; }
  gradients() { return { reconstruction: 1.5, kl: 0.5 }; }
  evaluate() { const { test, held, width: D } = this.data, J = this.settings.latent_dim; const { mu, logvar } = this.encode(test); const per = new Float64Array(J); let rec = 0;
    for (let i = 0; i < held * J; i++) per[i % J] += 0.5 * (mu[i] ** 2 + Math.exp(logvar[i]) - logvar[i] - 1) / held;
    const p = this.decode(mu); for (let i = 0; i < held * D; i++) rec += (test[i] * Math.log(p[i] + 1e-9) + (1 - test[i]) * Math.log(1 - p[i] + 1e-9)) / held;
    const kl = per.reduce((a, b) => a + b); return { elbo: rec - kl, reconstruction: rec, kl, perDimension: per }; }
  weights() { return this.w; } load(flat) { let at = 0; for (const p of this.w) { p.set(flat.subarray(at, at + p.length)); at += p.length; } }
}
