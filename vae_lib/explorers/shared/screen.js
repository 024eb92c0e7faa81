// The canvas of a live card: its size, its colours, and which handle lies under the pointer.

import { COLORS, Picture } from "./picture.js";

/** @import { Handle } from "./types.d.ts" */

const TEXT = 15; // the size of a card's text, in pixels, for which pictures are laid out

/**
 * The handle nearest to a place, if it is within reach.
 * @param {Handle[]} handles
 * @param {number} x
 * @param {number} y
 * @param {number} reach in pixels
 * @returns {number | null} its number
 */
export function nearest(handles, x, y, reach) {
  const found = handles.map((handle, i) => [Math.hypot(handle.x - x, handle.y - y), i]);
  const [best] = found.filter(([distance]) => distance < reach).sort((a, b) => a[0] - b[0]);
  return best ? best[1] : null;
}

export class Screen {
  /** @type {Picture | undefined} what was painted last */
  picture;
  /** @type {Record<string, string>} */
  #color = {};
  held = false; // does the reader hold a handle?
  /** @type {[width: number, height: number]} of the place for the picture, in pixels */
  #size = [0, 0];
  #scale = 1; // of the picture, by the size that the reader gave to text
  #root;
  #ctx;
  #layer;

  /** @param {HTMLElement} root the card */
  constructor(root) {
    this.#root = root;
    this.image = /** @type {HTMLElement} */ (root.querySelector(".picture > div"));
    /** @type {HTMLCanvasElement & { handles?: Handle[], tile?: number[] }} */
    this.canvas = root.querySelector("canvas") ?? document.createElement("canvas");
    this.#ctx = /** @type {CanvasRenderingContext2D} */ (this.canvas.getContext("2d"));
    this.#layer = document.createElement("canvas");
  }

  /** Reads the colours of the page anew, and the size, which a mode may change, too. */
  recolour() {
    this.fits();
    const style = getComputedStyle(this.#root);
    this.#color = Object.fromEntries(COLORS.map((name) => [name, style.getPropertyValue("--" + name).trim()]));
  }

  /** Measures the place for the picture, as paint() does not; says whether it is as it was. */
  fits() {
    const { image } = this;
    const now = [image.clientWidth, image.clientHeight, parseFloat(getComputedStyle(image).fontSize) / TEXT || 1];
    const same = now.join() === [...this.#size, this.#scale].join();
    [this.#size[0], this.#size[1], this.#scale] = now;
    return same;
  }

  /**
   * Paints with draw(picture), where one term may stand out; false where the card is hidden and has no size.
   * @param {string | null} lit
   * @param {(picture: Picture) => void} draw
   */
  paint(lit, draw) {
    const { canvas, image } = this;
    if (!canvas.isConnected) image.replaceChildren(canvas);
    const [width, height] = this.#size;
    if (!width || !height) {
      this.#color = {}; // those of where it will be are not known before it is there
      return false;
    }
    if (!this.#color.ink) this.recolour();
    const dense = window.devicePixelRatio || 1;
    const [across, down] = [Math.round(width * dense), Math.round(height * dense)];
    if (canvas.width !== across || canvas.height !== down) Object.assign(canvas, { width: across, height: down });
    const scale = dense * this.#scale;
    this.#ctx.setTransform(scale, 0, 0, scale, 0, 0);
    const picture = new Picture(this.#ctx, width / this.#scale, height / this.#scale, this.#color, this.#layer);
    Object.assign(picture, { lit, held: this.held, ends: this.picture?.ends });
    this.picture = picture;
    draw(picture);
    const there = canvas.tile?.join();
    if (picture.tile?.join() !== there) picture.tile?.forEach((value, i) =>
      this.#root.style.setProperty(["--left", "--top", "--size"][i], String(value)));
    Object.assign(canvas, { handles: picture.handles, tile: picture.tile }); // for tests; tile also for the next time
    return true;
  }

  /**
   * Where in the picture an event is, and the number of the handle that it can take hold of.
   * @param {{ clientX: number, clientY: number, pointerType?: string }} event
   */
  place({ clientX, clientY, pointerType }) {
    const box = this.canvas.getBoundingClientRect();
    const [x, y] = [(clientX - box.left) / this.#scale, (clientY - box.top) / this.#scale];
    return { x, y, handle: nearest(this.picture?.handles ?? [], x, y, pointerType === "mouse" ? 18 : 30) };
  }
}
