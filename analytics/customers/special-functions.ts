/** Lanczos coefficients for g = 7, n = 9 (P. Godfrey, 2001): about 15 digits. */
const LANCZOS = [
  0.99999999999980993, 676.5203681218851, -1259.1392167224028, 771.32342877765313, -176.61502916214059,
  12.507343278686905, -0.13857109526572012, 9.9843695780195716e-6, 1.5056327351493116e-7,
] as const;
const LANCZOS_G = 7;
const HALF_LN_TWO_PI = 0.5 * Math.log(2 * Math.PI);

/** ln Γ(x) for x > 0, by Lanczos' approximation (SIAM J. Numer. Anal. 1, 1964). */
export function lnGamma(x: number): number {
  // Γ(x) = Γ(x + 1) / x: the approximation is for arguments of at least a half.
  if (x < 0.5) return lnGamma(x + 1) - Math.log(x);
  const z = x - 1;
  let sum: number = LANCZOS[0];
  for (let at = 1; at < LANCZOS.length; at++) sum += (LANCZOS[at] as number) / (z + at);
  const t = z + LANCZOS_G + 0.5;
  return HALF_LN_TWO_PI + (z + 0.5) * Math.log(t) - t + Math.log(sum);
}

const MAX_TERMS = 100_000;
const PRECISION = 1e-15;

/**
 * The Gauss hypergeometric function ₂F₁(a, b; c; z) for 0 ≤ z < 1, by its series (Abramowitz & Stegun 15.1.1).
 * NaN where it does not converge within 100,000 terms.
 */
export function hypergeometric(a: number, b: number, c: number, z: number): number {
  let term = 1;
  let sum = 1;
  for (let n = 0; n < MAX_TERMS; n++) {
    term *= (((a + n) * (b + n)) / (c + n)) * (z / (n + 1));
    sum += term;
    if (Math.abs(term) <= PRECISION * Math.abs(sum)) return sum;
  }
  return Number.NaN;
}

/** ln(eᵃ + eᵇ) without overflow. */
export function lnAdd(a: number, b: number): number {
  const larger = Math.max(a, b);
  if (larger === Number.NEGATIVE_INFINITY) return larger;
  return larger + Math.log1p(Math.exp(Math.min(a, b) - larger));
}
