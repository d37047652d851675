import { invariant } from '../errors.ts';
import { CUBE, cellOf, doublesOf, idOf, ROWS, SEGMENTS, segmentKey } from './fixture-state.ts';
import { type AnyQueryKind, type Cancel, defineKind, type PlanHead, PlanStale } from './index.ts';

export interface SumQuery {
  /** Reads the cube too; the answer's `cube` is null otherwise. */
  readonly withCube?: boolean;
  /** What the plan says it costs; default 1,000 ms, not cheap. */
  readonly cost_ms?: number;
  /** What its reading of the cube costs. */
  readonly cube_ms?: number;
  /** Parts that begin count up the first cell, then wait until the second is as high. */
  readonly gate?: SharedArrayBuffer;
  /** The size of each partial answer, at least 24 bytes. */
  readonly bytes?: number;
  readonly finishIn?: 'api' | 'thread';
}

export interface SumAnswer {
  readonly sum: number;
  readonly rows: number;
  readonly cube: number | null;
  /** Whether it was finished in a scan thread. */
  readonly inThread: boolean;
}

type SumPart = { readonly segment: number } | 'cube';

function waitAtGate(gate: SharedArrayBuffer): void {
  const cells = new Int32Array(gate);
  const mine = Atomics.add(cells, 0, 1) + 1;
  for (;;) {
    const open = Atomics.load(cells, 1);
    if (open >= mine) return;
    Atomics.wait(cells, 1, open);
  }
}

function sumBytes(sum: number, rows: number, cube: number, size: number): Uint8Array {
  const values = new Float64Array(Math.max(3, Math.ceil(size / 8)));
  values.set([sum, rows, cube]);
  return new Uint8Array(values.buffer);
}

/** The sum of all rows, a part a segment. */
export const sumKind = defineKind<SumQuery, SumQuery, SumPart, SumAnswer>({
  name: 'toy.sum',
  schema: { parse: (input) => input as SumQuery },
  plan: ({ table }, query) => {
    const { cost_ms = 1_000, cube_ms = 0.1 } = query;
    const segments = [...table(SEGMENTS).scan()].map(({ key, value }) => ({
      segment: idOf(key),
      rows: doublesOf(value)[0] as number,
    }));
    const rows = segments.reduce((total, segment) => total + segment.rows, 0);
    const cubePart = { reads: 'mutable', rows: 0, cost_ms: cube_ms, work: 'cube' } as const;
    return {
      kind: 'toy.sum',
      rows,
      bytes: rows * 8,
      cells: query.withCube === true ? 1 : 0,
      cost_ms,
      source: 'scan',
      explain: { segments: segments.length },
      narrow: ['ask for a shorter range (start, end)'],
      shared: query,
      parts: [
        ...segments.map(
          ({ segment, rows: size }) =>
            ({
              reads: 'immutable',
              rows: size,
              cost_ms: cost_ms / segments.length,
              work: { segment },
            }) as const,
        ),
        ...(query.withCube === true ? [cubePart] : []),
      ],
    };
  },
  partial: ({ table }, { shared }, part) => {
    const { gate, bytes: size = 0 } = shared;
    if (part === 'cube') return sumBytes(0, 0, cellOf(table(CUBE)), size);
    const bytes = table(ROWS).get(segmentKey(part.segment));
    if (bytes === undefined) throw new PlanStale(`Segment ${part.segment}`);
    const values = doublesOf(bytes);
    if (gate !== undefined) waitAtGate(gate);
    return sumBytes(
      values.reduce((a, b) => a + b, 0),
      values.length,
      0,
      size,
    );
  },
  merge: (a, b) => {
    const [into, from] = [new Float64Array(a.buffer), new Float64Array(b.buffer)];
    for (let at = 0; at < 3; at++) into[at] = (into[at] as number) + (from[at] as number);
    return a;
  },
  finish: (_, { shared }, bytes) => {
    const [sum = 0, rows = 0, cube = 0] = bytes === undefined ? [] : new Float64Array(bytes.buffer);
    const inThread = isScanThread;
    return { sum, rows, cube: shared.withCube === true ? cube : null, inThread };
  },
  finishesInThread: ({ shared }) => shared.finishIn === 'thread',
});

/** Set by `queryKinds`, which is called in scan threads only: tests import the kinds. */
let isScanThread = false;

export type BusyHow = 'spin' | 'deaf' | 'exit' | 'throw';

export interface BusyQuery {
  readonly how: BusyHow;
  readonly parts?: number;
  readonly cost_ms?: number;
  /** First cell: parts that began; second: parts that ended because they were cancelled. */
  readonly counts?: SharedArrayBuffer;
}

function count(counts: SharedArrayBuffer | undefined, cell: number): void {
  if (counts !== undefined) Atomics.add(new Int32Array(counts), cell, 1);
}

function behave({ how, counts }: BusyQuery, cancel: Cancel): void {
  if (how === 'exit') process.exit(3);
  if (how === 'throw') throw Object.assign(new TypeError('a fault of the kind'), { code: 'odd' });
  while (how === 'deaf') Math.hypot(1, 2);
  while (how === 'spin' && !cancel.isCancelled());
  if (how === 'spin') count(counts, 1);
}

/** Keeps a thread busy, in several ways. */
export const busyKind = defineKind<BusyQuery, BusyQuery, number, number>({
  name: 'toy.busy',
  schema: { parse: (input) => input as BusyQuery },
  plan: (_, query) => {
    const { parts = 1, cost_ms = 10_000 } = query;
    return {
      kind: 'toy.busy',
      rows: 0,
      bytes: 0,
      cost_ms,
      source: 'none',
      explain: {},
      narrow: [],
      shared: query,
      parts: Array.from({ length: parts }, (_, at) => ({
        reads: 'immutable' as const,
        rows: 0,
        cost_ms: cost_ms / parts,
        work: at,
      })),
    };
  },
  partial: (_, { shared }: PlanHead<BusyQuery>, _at, cancel) => {
    count(shared.counts, 0);
    behave(shared, cancel);
    return Uint8Array.of(1);
  },
  merge: (a, b) => Uint8Array.of((a[0] as number) + (b[0] as number)),
  finish: (_, __, bytes) => bytes?.[0] ?? 0,
});

export function queryKinds(config: unknown): readonly AnyQueryKind[] {
  invariant((config as { readonly toy?: boolean }).toy === true, 'the config arrives');
  isScanThread = true;
  return [sumKind, busyKind];
}
