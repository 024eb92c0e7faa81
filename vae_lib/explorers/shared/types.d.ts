// Types of what explorers and shared modules give to each other. Only the type checker reads this file.

import type { Panel, Picture } from "./picture.js";

export type Point = [x: number, y: number];
export type Value = number | string | number[];

// The controls, as Slider, Choice and Pixels of base.py describe them.
interface Named { name: string; label: string }
export interface Slider extends Named {
  opening: number;
  min: number;
  max: number;
  step: number;
  log: boolean;
  integer: boolean;
  color: string | null;
  clears: string | null;
  options?: undefined;
  pixels?: undefined;
}
export interface Menu extends Named { opening: string; options: [string, string][]; min?: undefined; pixels?: undefined }
export interface Pixels extends Named { opening: number[]; pixels: number; min?: undefined; options?: undefined }
export type Control = Slider | Menu | Pixels;
export interface Spec { question: string; controls: Control[]; code?: Record<string, string> }

// The traits of a widget, or what stands in for them on the site.
export interface Model {
  get(name: string): any;
  set(name: string, value: unknown): void;
  save_changes(): void;
  on(event: string, callback: () => void): void;
  off(event: string, callback: () => void): void;
}

export interface Output {
  name: string;
  label: string;
  unit?: string;
  digits?: number;
  fixed?: boolean; // 0.00 rather than a small power of ten
  color?: string;
  missing?: string; // in place of a number that is null
}

// An explorer with the state S, the numbers N and the cache C. `Drawn` is what draw() gets as numbers: N | null
// where prepare() may take longer than a frame.
export interface Explorer<S = any, N = any, C = any, Drawn = N> {
  height?: number; // of the picture, in pixels
  narrow?: number; // the height of a picture below 520 pixels of width
  room: number; // number of characters of the longest description, for which the card reserves lines
  outputs: Output[];
  numbers(state: S, cache: C): N;
  describe(state: S, numbers: N, cache: C): string;
  draw(picture: Picture, state: S, numbers: Drawn, cache: C): void;
  prepare?(state: S, cache: C, deadline: number): boolean; // true when complete
  idle?(name: string, state: S): boolean; // does this control change nothing at this state?
  say?: Record<string, (value: number, data: any) => string>; // added to the value of a slider
  pixels?(state: S, cache: C): number[]; // the grey levels that the control of pixels shows
  painted?: Partial<S>; // set together with the pixels
  tasks?: Task<S, N>[];
  steps?: keyof S & string; // the trait that the buttons Previous and Next change
  status?(state: S, cache: C): string; // a line beside the buttons
  // lines of code below the controls, and the longest of them, for which the card reserves room
  diff?: { lines(state: S, data: any, spec: any): string; room(data: any, spec: any): string };
  buttons?: Record<string, string>; // name → words of buttons above the picture, beside which stand its numbers
  more?: (keyof S & string)[]; // controls that are used less, folded under "More"
  live?(card: LiveCard<S, C>): { end(): void }; // what it does by itself while its card is on a page
  equation?: { number: string; lead: string; terms: [sign: string, output: string, words: string][] };
}

// A short task below the question, which ticks itself when its condition holds. A button sets its `start`, if it has
// one. At `reach` it holds, which a test tries; not when the explorer opens, nor at its start.
export interface Task<S = any, N = any> {
  words: string;
  done(state: S, numbers: N, cache: any): boolean;
  reach: Partial<S>;
  start?: Partial<S>;
}

// What an explorer that does something by itself gets of its card.
export interface LiveCard<S = any, C = any> {
  root: HTMLElement;
  model: Model;
  cache: C;
  read(): S;
  again(): void; // asks for a frame
}

// What a page does with a card: sets its state to what an address says, and takes it down.
export interface Live {
  controls: Control[];
  open(query: string): void;
  set(values: Traits): void;
  light(term: string | null): void; // lets one term of the equation stand out, or none
  watch(told: (numbers: Numbers | null, lit: string | null, state: any) => void): void; // after each frame
  end(): void;
}

// What a reader took a number to be, an output or a trait, and the words for it; `at` is the state of the question.
export interface Guess { name: string; value: number; said: string; at: [trait: string, value: string][] }

// What a picture needs of a canvas context; still.mjs has another that writes SVG.
type Context = CanvasRenderingContext2D;
export type Pen = Pick<Context, "clearRect" | "save" | "restore" | "clip" | "beginPath" | "closePath" | "moveTo" | "lineTo" |
  "rect" | "arc" | "setLineDash" | "fill" | "stroke" | "fillText" | "strokeText" | "fillStyle" | "strokeStyle" | "globalAlpha" |
  "lineWidth" | "lineCap" | "lineJoin" | "font" | "textAlign" | "textBaseline"> & Partial<Pick<Context, "measureText">>;

export interface Line { width?: number; dash?: number[]; alpha?: number }

// A place to drag: where, along which axes, and the traits that a pointer at (x, y) sets.
export interface Handle { x: number; y: number; axis: "x" | "y" | "xy"; move(x: number, y: number): Traits }
export type Traits = Record<string, Value>;
export type Numbers = Record<string, number | null>;

export type Tick = number | [value: number, words: string];
export interface Axes {
  left?: number;
  right?: number;
  top?: number;
  bottom?: number;
  x: Point;
  y: Point;
  logx?: boolean;
  xlabel?: string;
  ylabel?: string;
  xticks?: Tick[] | null; // null: no axis
  yticks?: Tick[] | null;
}

export type Listener = [target: EventTarget, kind: string, action: (event: any) => void];
export { Panel, Picture };
