// Draws explorers when the site is built: one card (a line of JSON) in, its HTML with a still picture out.

import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const folder = pathToFileURL(process.argv[2] + "/");
const { card, COLORS, Picture, readied } = await import(new URL("shared/base.js", folder));

const WIDTH = 690;
const color = Object.fromEntries(COLORS.map((name) => [name, `var(--${name})`]));
const short = (number) => String(Math.round(number * 10) / 10);

// What a canvas context does as far as pictures use it, written down as SVG.
class Recorder {
  constructor(id) {
    Object.assign(this, { id, svg: "", path: "", dash: "", clips: 0, globalAlpha: 1, lineWidth: 1 });
  }
  clearRect() {}
  save() {}
  beginPath() { this.path = ""; }
  moveTo(x, y) { this.path += `M${short(x)} ${short(y)}`; }
  lineTo(x, y) { this.path += `L${short(x)} ${short(y)}`; }
  closePath() { this.path += "Z"; }
  rect(x, y, width, height) { this.path += `M${short(x)} ${short(y)}h${short(width)}v${short(height)}h${short(-width)}Z`; }
  arc(x, y, r) { this.path += `M${short(x - r)} ${short(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`; }
  setLineDash(dash) { this.dash = dash.length ? ` stroke-dasharray="${dash}"` : ""; }
  clip() {
    const id = `${this.id}-clip-${this.clips++}`;
    this.svg += `<clipPath id="${id}"><path d="${this.path}"/></clipPath><g clip-path="url(#${id})">`;
  }
  restore() { this.svg += "</g>"; }
  opacity() { return this.globalAlpha === 1 ? "" : ` opacity="${this.globalAlpha}"`; }
  fill() { this.svg += `<path d="${this.path}" style="fill:${this.fillStyle}"${this.opacity()}/>`; }
  stroke() {
    this.svg += `<path d="${this.path}" style="fill:none;stroke:${this.strokeStyle}" stroke-width="${this.lineWidth}"` +
      `${this.dash}${this.opacity()} stroke-linecap="round" stroke-linejoin="round"/>`;
  }
  strokeText() {} // the rim is part of fillText
  fillText(words, x, y) {
    const anchor = { left: "start", right: "end", center: "middle" }[this.textAlign];
    const safe = words.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
    const code = this.font.includes("mono") ? ' font-family="Book Mono, ui-monospace, monospace"' : "";
    this.svg += `<text x="${short(x)}" y="${short(y)}" dy=".35em" text-anchor="${anchor}"${code} ` +
      `style="fill:${this.fillStyle};stroke:var(--paper);stroke-width:4;paint-order:stroke">${safe}</text>`;
  }
}

function still(explorer, state, data, id) {
  const cache = readied(explorer, state, data);
  const height = explorer.height ?? 300;
  const ctx = new Recorder(id);
  const picture = new Picture(ctx, WIDTH, height, color);
  explorer.draw(picture, state, explorer.numbers(state, cache), cache);
  return `<svg viewBox="0 0 ${WIDTH} ${height}" aria-hidden="true" font-size="13">${ctx.svg}</svg>`;
}

for await (const line of createInterface({ input: process.stdin })) {
  const { name, spec, state, data, id } = JSON.parse(line);
  const { explorer } = await import(new URL(`${name}.js`, folder));
  console.log(JSON.stringify(card(explorer, spec, state, data, id, still(explorer, state, data, id))));
}
