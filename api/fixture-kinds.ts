import type { AnyQueryKind, QueryKind } from '../engine/index.ts';

interface SpinQuery {
  /** First cell: parts that began; second: parts that saw that they are not wanted any more. */
  readonly counts: SharedArrayBuffer;
}

/** A scan without an end, but for its caller's. For tests. */
export const spinKind: QueryKind<SpinQuery, SpinQuery, null, null> = {
  name: 'testing.spin',
  schema: { parse: (input) => input as SpinQuery },
  plan: (_, query) => ({
    kind: 'testing.spin',
    rows: 1_000,
    bytes: 8_000,
    cost_ms: 10_000,
    source: 'scan',
    explain: {},
    narrow: ['ask for a shorter range (start, end)'],
    shared: query,
    parts: [{ reads: 'immutable', rows: 1_000, cost_ms: 10_000, work: null }],
  }),
  partial: (_, { shared }, __, cancel) => {
    const counts = new Int32Array(shared.counts);
    Atomics.add(counts, 0, 1);
    while (!cancel.isCancelled());
    Atomics.add(counts, 1, 1);
    return new Uint8Array(1);
  },
  merge: (a) => a,
  finish: () => null,
};

/** Answers at once. */
export const instantKind: QueryKind<null, null, null, string> = {
  name: 'testing.instant',
  schema: { parse: () => null },
  plan: ({ scope }) => ({
    kind: 'testing.instant',
    rows: 0,
    bytes: 0,
    cost_ms: 0,
    source: 'none',
    explain: { scope },
    narrow: [],
    shared: null,
    parts: [],
  }),
  partial: () => new Uint8Array(0),
  merge: (a) => a,
  finish: ({ scope }) => scope,
};

export function queryKinds(): readonly AnyQueryKind[] {
  return [spinKind, instantKind];
}
