const UNITS_MS: Readonly<Record<string, number>> = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};

/** A duration such as `500ms`, `30s`, `5m`, `1h` or `2d` in ms; undefined when it is none. */
export function durationOf(text: string): number | undefined {
  const match = /^(\d{1,12})(ms|s|m|h|d)$/.exec(text);
  if (match === null) return undefined;
  const [, amount, unit] = match;
  const value_ms = Number(amount) * (UNITS_MS[unit as string] as number);
  return Number.isSafeInteger(value_ms) ? value_ms : undefined;
}
