// A canvas context that writes down what is drawn, for tests.

/** @typedef {{ kind: string, words?: string, points: number[][], [property: string]: any }} Mark */

/** Each fill, stroke and text becomes a mark with its points and the properties that the context then has. */
export class LoggingPen {
  /** @type {Mark[]} */
  marks = [];
  /** @type {number[][]} */
  points = [];
  /** @type {number[][]} */
  circles = [];
  /** @type {number[]} */
  dash = [];
  closed = false;
  clipped = 0;
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
  lineCap = "butt";
  /** @type {CanvasLineJoin} */
  lineJoin = "miter";

  /** @type {(kind: string, more?: object) => void} */
  mark(kind, more = {}) {
    const { points, circles, dash, closed, clipped, globalAlpha: alpha, lineWidth: width, textAlign: align } = this;
    const color = kind === "fill" || kind === "text" ? this.fillStyle : this.strokeStyle;
    this.marks.push({ kind, points, circles, dash, closed, clipped, alpha, width, align, color, ...more });
  }
  clearRect() {}
  save() {}
  restore() { this.clipped--; }
  clip() { this.clipped++; }
  beginPath() { [this.points, this.circles, this.closed] = [[], [], false]; }
  closePath() { this.closed = true; }
  /** @type {(x: number, y: number) => void} */
  moveTo(x, y) { this.points.push([x, y]); }
  /** @type {(x: number, y: number) => void} */
  lineTo(x, y) { this.points.push([x, y]); }
  /** @type {(x: number, y: number, width: number, height: number) => void} */
  rect(x, y, width, height) { this.points.push([x, y], [x + width, y + height]); }
  /** @type {(x: number, y: number, r: number) => void} */
  arc(x, y, r) { this.circles.push([x, y, r]); }
  /** @type {(dash: Iterable<number>) => void} */
  setLineDash(dash) { this.dash = [...dash]; }
  fill() { this.mark("fill"); }
  stroke() { this.mark("stroke"); }
  /** @type {(words: string, x: number, y: number) => void} */
  strokeText(words, x, y) { this.mark("rim", { words, points: [[x, y]] }); }
  /** @type {(words: string, x: number, y: number) => void} */
  fillText(words, x, y) { this.mark("text", { words, points: [[x, y]] }); }
}
