// Random draws: the stream of torch for a seed, made a few at a time so that the page stays responsive.

/** Number of draws of a seed; an explorer takes the first L of them. */
export const MOST_DRAWS = 100_000;

/** Numbers of draws that lie even on a logarithmic axis. */
export const COUNTS = [...new Set(Array.from({ length: 301 }, (_, i) => Math.round(10 ** (i / 60))))];

/**
 * Mersenne Twister (MT19937): a function that returns the next 32 random bits. Its `state` is all that it remembers:
 * 624 words, and how many of them are used up.
 * @param {number} seed
 */
export function twister(seed) {
  const s = new Uint32Array(625);
  s[0] = seed;
  for (let i = 1; i < 624; i++) s[i] = Math.imul(1812433253, s[i - 1] ^ (s[i - 1] >>> 30)) + i;
  s[624] = 624;
  function next() {
    if (s[624] === 624) {
      for (let k = 0; k < 624; k++) {
        const y = (s[k] & 0x80000000) | (s[k < 623 ? k + 1 : 0] & 0x7fffffff);
        s[k] = s[k < 227 ? k + 397 : k - 227] ^ (y >>> 1) ^ (y & 1 ? 0x9908b0df : 0);
      }
      s[624] = 0;
    }
    let y = s[s[624]++];
    y ^= y >>> 11;
    y ^= (y << 7) & 0x9d2c5680;
    y ^= (y << 15) & 0xefc60000;
    return (y ^ (y >>> 18)) >>> 0;
  }
  next.state = s;
  return next;
}

/**
 * A number from 0 to 1 of 53 random bits.
 * @param {() => number} next
 */
export const uniform = (next) => ((next() & 0x1fffff) * 2 ** 32 + next()) / 2 ** 53;

/**
 * Makes normals of uniforms (Box-Muller) in out[from … to), whose length is a multiple of 16.
 * @type {(out: Float32Array | Float64Array, from: number, to: number) => void}
 */
export function boxMuller(out, from, to) {
  for (let block = from; block < to; block += 16) {
    for (let k = block; k < block + 8; k++) {
      const radius = Math.sqrt(-2 * Math.log1p(-out[k]));
      const angle = 2 * Math.PI * out[k + 8];
      out[k] = radius * Math.cos(angle);
      out[k + 8] = radius * Math.sin(angle);
    }
  }
}

/**
 * The stream of torch.randn(n, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)): uniforms of
 * 53 bits, and Box-Muller in blocks of 16. The function that is returned fills out[from … to), whose length is
 * a multiple of 16, with the next numbers.
 * @param {number} seed
 */
export function normals(seed) {
  const next = twister(seed);
  /** @type {(out: Float64Array, from: number, to: number) => void} */
  return function fill(out, from, to) {
    for (let k = from; k < to; k++) out[k] = uniform(next);
    boxMuller(out, from, to);
  };
}

/**
 * Runs step(from, to) on pieces of `total` from job.done on, until the deadline; true when complete.
 * @param {{ done: number }} job
 * @param {number} total
 * @param {number} stride
 * @param {number} deadline
 * @param {(from: number, to: number) => void} step
 */
export function work(job, total, stride, deadline, step) {
  while (job.done < total && performance.now() < deadline) {
    const to = Math.min(total, job.done + stride);
    step(job.done, to);
    job.done = to;
  }
  return job.done >= total;
}

/**
 * The draws of a seed in cache.eps, of which the first cache.done are there; true when all are.
 * @typedef {{ seed: number, done: number, fill: ReturnType<typeof normals>, eps: Float64Array }} Draws
 * @param {number} seed
 * @param {Draws} cache
 * @param {number} deadline
 */
export function drawn(seed, cache, deadline) {
  if (cache.seed !== seed) {
    Object.assign(cache, { seed, done: 0, fill: normals(seed), eps: new Float64Array(MOST_DRAWS) });
  }
  return work(cache, MOST_DRAWS, 800, deadline, (from, to) => cache.fill(cache.eps, from, to));
}
