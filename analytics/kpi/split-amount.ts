/**
 * Splits an integer amount in proportion to weights >= 0 (safe integers), exactly: each part is rounded toward
 * zero, and the units left over go to the largest remainders, the first of equals first (Hamilton's method). All
 * weights zero: the first part takes everything. Writes the first `length` members of `parts`.
 */
export function splitAmount(amount: number, weights: Float64Array, length: number, parts: Float64Array): void {
  parts.fill(0, 0, length);
  let total = 0;
  let largest = 0;
  for (let at = 0; at < length; at++) {
    const weight = weights[at] as number;
    total += weight;
    if (weight > largest) largest = weight;
  }
  if (total === 0) {
    parts[0] = amount;
    return;
  }
  const whole = Math.abs(amount);
  const isSafe = total <= Number.MAX_SAFE_INTEGER && whole * largest <= Number.MAX_SAFE_INTEGER;
  if (isSafe) splitSafe(whole, total, weights, length, parts);
  else splitBig(whole, weights, length, parts);
  if (amount < 0) for (let at = 0; at < length; at++) parts[at] = -(parts[at] as number);
}

function splitSafe(whole: number, total: number, weights: Float64Array, length: number, parts: Float64Array) {
  let left = whole;
  for (let at = 0; at < length; at++) {
    const product = whole * (weights[at] as number);
    const part = (product - (product % total)) / total;
    parts[at] = part;
    left -= part;
  }
  if (left === 0) return;
  const order = Array.from({ length }, (_, at) => at);
  const rest = (at: number): number => (whole * (weights[at] as number)) % total;
  order.sort((a, b) => rest(b) - rest(a) || a - b);
  for (let at = 0; at < left; at++) (parts[order[at] as number] as number)++;
}

function splitBig(whole: number, weights: Float64Array, length: number, parts: Float64Array): void {
  const big = Array.from({ length }, (_, at) => BigInt(weights[at] as number));
  const total = big.reduce((sum, weight) => sum + weight, 0n);
  const products = big.map((weight) => BigInt(whole) * weight);
  let left = BigInt(whole);
  for (let at = 0; at < length; at++) {
    const part = (products[at] as bigint) / total;
    parts[at] = Number(part);
    left -= part;
  }
  const order = products.map((product, at) => ({ at, rest: product % total }));
  order.sort((a, b) => (a.rest === b.rest ? a.at - b.at : a.rest > b.rest ? -1 : 1));
  for (let at = 0; at < Number(left); at++) (parts[order[at]?.at as number] as number)++;
}
