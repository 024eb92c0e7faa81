// A pen for pictures that writes SVG: the canvas of cards that are drawn when the site is built.

const short = (/** @type {number} */ number) => String(Math.round(number * 10) / 10);

/** What a canvas context does as far as pictures use it, written down as SVG. */
export class Recorder {
  svg = "";
  d = ""; // of the path that is being drawn
  dash = "";
  clips = 0;
  globalAlpha = 1;
  lineWidth = 1;
  font = "";
  /** @type {CanvasRenderingContext2D["fillStyle"]} */
  fillStyle = "";
  /** @type {CanvasRenderingContext2D["strokeStyle"]} */
  strokeStyle = "";
  /** @type {CanvasTextAlign} */
  textAlign = "left";
  /** @type {CanvasTextBaseline} */
  textBaseline = "middle";
  /** @type {CanvasLineCap} */
  lineCap = "round";
  /** @type {CanvasLineJoin} */
  lineJoin = "round";

  /** @param {string} id of the picture, with which those of its clips begin */
  constructor(id) {
    this.id = id;
  }
  clearRect() {}
  save() {}
  beginPath() { this.d = ""; }
  /** @type {(x: number, y: number) => void} */
  moveTo(x, y) { this.d += `M${short(x)} ${short(y)}`; }
  /** @type {(x: number, y: number) => void} */
  lineTo(x, y) { this.d += `L${short(x)} ${short(y)}`; }
  closePath() { this.d += "Z"; }
  /** @type {(x: number, y: number, width: number, height: number) => void} */
  rect(x, y, width, height) {
    this.d += `M${short(x)} ${short(y)}h${short(width)}v${short(height)}h${short(-width)}Z`;
  }
  /**
   * A whole circle.
   * @type {(x: number, y: number, r: number) => void}
   */
  arc(x, y, r) {
    this.d += `M${short(x - r)} ${short(y)}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
  }
  /** @type {(dash: Iterable<number>) => void} */
  setLineDash(dash) {
    const lengths = [...dash].join();
    this.dash = lengths && ` stroke-dasharray="${lengths}"`;
  }
  clip() {
    const id = `${this.id}-clip-${this.clips++}`;
    this.svg += `<clipPath id="${id}"><path d="${this.d}"/></clipPath><g clip-path="url(#${id})">`;
  }
  restore() { this.svg += "</g>"; }
  opacity() { return this.globalAlpha === 1 ? "" : ` opacity="${this.globalAlpha}"`; }
  fill() { this.svg += `<path d="${this.d}" style="fill:${this.fillStyle}"${this.opacity()}/>`; }
  stroke() {
    this.svg += `<path d="${this.d}" style="fill:none;stroke:${this.strokeStyle}" ` +
      `stroke-width="${this.lineWidth}"${this.dash}${this.opacity()} stroke-linecap="round" stroke-linejoin="round"/>`;
  }
  strokeText() {} // the rim is part of fillText
  /** @type {(words: string, x: number, y: number) => void} */
  fillText(words, x, y) {
    const anchor = { left: "start", start: "start", right: "end", end: "end", center: "middle" }[this.textAlign];
    const safe = words.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
    const code = this.font.includes("mono") ? ' font-family="Book Mono, ui-monospace, monospace"' : "";
    this.svg += `<text x="${short(x)}" y="${short(y)}" dy=".35em" text-anchor="${anchor}"${code} ` +
      `style="fill:${this.fillStyle};stroke:var(--paper);stroke-width:4;paint-order:stroke">${safe}</text>`;
  }
}
