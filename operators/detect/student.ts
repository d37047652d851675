const LANCZOS = [
  676.5203681218851, -1259.1392167224028, 771.3234287776531, -176.6150291621406, 12.507343278686905,
  -0.13857109526572012, 9.984369578019572e-6, 1.5056327351493116e-7,
];
const MAX_TERMS = 300;
const PRECISE = 1e-14;

/** ln Γ by Lanczos' approximation, for x ≥ 0.5. */
function logGamma(x: number): number {
  const at = x - 1;
  const base = at + LANCZOS.length - 0.5;
  const sum = LANCZOS.reduce((total, factor, index) => total + factor / (at + index + 1), 0.9999999999998099);
  return 0.5 * Math.log(2 * Math.PI) + (at + 0.5) * Math.log(base) - base + Math.log(sum);
}

/** The regularised incomplete beta function by its continued fraction (Lentz), for x below (a + 1) / (a + b + 2). */
function betaFraction(x: number, a: number, b: number): number {
  const tiny = 1e-300;
  let c = 1;
  let d = 1 / (1 - ((a + b) * x) / (a + 1));
  let result = d;
  for (let m = 1; m <= MAX_TERMS; m++) {
    const even = (m * (b - m) * x) / ((a + 2 * m - 1) * (a + 2 * m));
    d = 1 / (1 + even * d || tiny);
    c = 1 + even / c || tiny;
    result *= d * c;
    const odd = (-(a + m) * (a + b + m) * x) / ((a + 2 * m) * (a + 2 * m + 1));
    d = 1 / (1 + odd * d || tiny);
    c = 1 + odd / c || tiny;
    const factor = d * c;
    result *= factor;
    if (Math.abs(factor - 1) < PRECISE) break;
  }
  const front = logGamma(a + b) - logGamma(a) - logGamma(b) + a * Math.log(x) + b * Math.log1p(-x);
  return (Math.exp(front) * result) / a;
}

/** P(T > t) of Student's t with `df` degrees of freedom, for t ≥ 0. Relative error about 1e-12. */
export function studentTail(t: number, df: number): number {
  if (t === 0) return 0.5;
  const x = df / (df + t * t);
  const a = df / 2;
  if (x < (a + 1) / (a + 2.5)) return betaFraction(x, a, 0.5) / 2;
  return (1 - betaFraction(1 - x, 0.5, a)) / 2;
}

/** The t with P(T > t) = `tail`, for a tail of at most a half: Newton's method on its logarithm, which is concave. */
export function studentQuantile(tail: number, df: number): number {
  const front = logGamma((df + 1) / 2) - logGamma(df / 2) - 0.5 * Math.log(df * Math.PI);
  let t = 0;
  for (let step = 0; step < MAX_TERMS; step++) {
    const now = studentTail(t, df);
    const density = Math.exp(front - ((df + 1) / 2) * Math.log1p((t * t) / df));
    const move = ((Math.log(now) - Math.log(tail)) * now) / density;
    t = Math.max(0, t + move);
    if (Math.abs(move) <= PRECISE * 100 * t) break;
  }
  return t;
}
