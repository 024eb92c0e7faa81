// How numbers are written: in outputs, in sentences and at the ticks of axes.

/**
 * A number in an output: fixed decimals with at most eight figures, or a power of ten where those say nothing. Where it
 * is `fixed` a small one is 0, and a large one short. What ran away is told in words.
 * @param {number} value
 */
export function format(value, digits = 4, fixed = false) {
  const size = Math.abs(value);
  if (!Number.isFinite(size)) return "not finite";
  if (size < (fixed ? 0.5 * 10 ** -digits : 1e-14)) return (0).toFixed(digits);
  if (size < 0.5 * 10 ** -digits || size >= (fixed ? 1e4 : 1e7)) return scientific(value, fixed ? 1 : 3);
  return minus(value.toFixed(Math.min(digits, 7 - Math.floor(Math.log10(size)))));
}

/**
 * A whole number in words, in groups of three digits from five digits on.
 * @param {number} n
 */
export const grouped = (n) => (n < 1e4 ? String(n) : String(n).replace(/\B(?=(\d{3})+$)/g, "\u202f"));

/**
 * A number in words and pictures: with the typographic minus, which 0.00 has not, and 1e-7 as 1·10⁻⁷.
 * @param {string | number} text
 */
export const minus = (text) => String(text).replace(/e\+?(-?\d+)$/, (_, power) =>
  "·10" + [.../** @type {string} */ (power)].map((c) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(c)] ?? "⁻").join(""))
  .replace(/^-(?=[0.]+$)/, "").replace("-", "−");

/**
 * A number in words as a power of ten, such as 8·10²¹.
 * @param {number} value
 */
export const scientific = (value, digits = 0) => minus(value.toExponential(digits));

/**
 * A number of two figures in words.
 * @param {number} value
 */
export const brief = (value) => minus(Number(value.toPrecision(2)));

/**
 * The multiples of a round step from `low` to `high`, about as many as wanted.
 * @param {number} low
 * @param {number} high
 * @param {number} about
 */
export function niceTicks(low, high, about) {
  const raw = (high - low) / about;
  const power = 10 ** Math.floor(Math.log10(raw));
  const step = power * ([1, 2, 5].find((factor) => factor * power >= raw * 0.999) ?? 10);
  const first = Math.ceil(low / step - 1e-9);
  return Array.from({ length: Math.floor(high / step + 1e-9) - first + 1 }, (_, i) =>
    Number(((first + i) * step).toPrecision(6)));
}

/**
 * Text inside HTML, between tags or in an attribute.
 * @param {string} text
 */
export const escaped = (text) => String(text).replace(/[&<>"]/g, (c) => `&#${c.charCodeAt(0)};`);
