// A pen for pictures that writes SVG: the canvas of cards that are drawn when the site is built.

const tenths = (/** @type {number} */ number) => Math.round(number * 10);
const short = (/** @type {number} */ number) => tenths(number) / 10;
const SIZE = 13;

/**
 * What a canvas context does as far as pictures use it, written down as SVG. What is the same everywhere stands
 * once: in the picture's own element, and for words in explorers.css.
 */
export class Recorder {
  svg = "";
  at = [0, 0]; // the last point of the path, in tenths
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
  moveTo(x, y) {
    this.at = [tenths(x), tenths(y)];
    this.d += `M${short(x)} ${short(y)}`;
  }
  /** @type {(x: number, y: number) => void} */
  lineTo(x, y) {
    const [right, down] = [tenths(x) - this.at[0], tenths(y) - this.at[1]];
    this.at = [tenths(x), tenths(y)];
    if (!right && !down) return;
    this.d += !down ? `h${right / 10}` : !right ? `v${down / 10}` : `l${right / 10} ${down / 10}`;
  }
  closePath() { this.d += "Z"; }
  /** @type {(x: number, y: number, width: number, height: number) => void} */
  rect(x, y, width, height) {
    this.moveTo(x, y);
    this.d += `h${short(width)}v${short(height)}h${short(-width)}Z`;
  }
  /**
   * A whole circle.
   * @type {(x: number, y: number, r: number) => void}
   */
  arc(x, y, r) {
    this.moveTo(x - r, y);
    this.d += `a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0`;
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
  fill() { this.svg += `<path d="${this.d}" fill="${this.fillStyle}"${this.opacity()}/>`; }
  stroke() {
    const width = this.lineWidth === 1 ? "" : ` stroke-width="${this.lineWidth}"`;
    this.svg += `<path d="${this.d}" stroke="${this.strokeStyle}"${width}${this.dash}${this.opacity()}/>`;
  }
  strokeText() {} // the rim is part of fillText
  /** @type {(words: string, x: number, y: number) => void} */
  fillText(words, x, y) {
    const side = { left: "start", start: "start", right: "end", end: "end", center: "middle" }[this.textAlign];
    const anchor = side === "start" ? "" : ` text-anchor="${side}"`;
    const safe = words.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
    const code = this.font.includes("mono") ? ' font-family="Book Mono, ui-monospace, monospace"' : "";
    this.svg += `<text x="${short(x)}" y="${short(y + 0.35 * SIZE)}" fill="${this.fillStyle}"${anchor}${code}>` +
      `${safe}</text>`;
  }
  /** @type {(width: number, height: number) => string} */
  picture(width, height) {
    return `<svg viewBox="0 0 ${width} ${height}" aria-hidden="true" font-size="${SIZE}" fill="none" ` +
      `stroke-linecap="round" stroke-linejoin="round">${this.svg}</svg>`;
  }
}
