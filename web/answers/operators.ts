import { useRef } from 'preact/hooks';
import type { Sheet } from '../parts/index.ts';

/** An operator of a topology, as it is described. */
export interface TopologyNode {
  readonly name: string;
  readonly kind: string;
  readonly summary: string;
  readonly inputs: readonly string[];
  readonly state: Readonly<Record<string, unknown>>;
}

/** How an operator stands; counts begin at 0 with each run of its task. */
export interface OperatorState {
  readonly name: string;
  readonly received: number;
  readonly emitted: number;
  readonly watermark: string | null;
  readonly rows: number | null;
  readonly size_bytes: number | null;
  readonly counts: Readonly<Record<string, number>>;
}

/** An operator with what is known of it. */
export interface Operator extends TopologyNode {
  readonly of: OperatorState | undefined;
  /** Events or items that came in a second, between the last two answers; undefined before the second. */
  readonly came: number | undefined;
  /** The same of what it gave. */
  readonly gave: number | undefined;
  /** How far its event time is behind the newest of all, ms; undefined where either is not known. */
  readonly behind_ms: number | undefined;
  /** What it put aside, by kind. */
  readonly aside: readonly (readonly [kind: string, count: number])[];
}

/** Counts that say that something was not simply handled. */
const ASIDE =
  /(^|[._])(late|rejected|ahead|overflow|conflicts?|missing|limited|given_up|unmatched|invalid|frozen)$/;

/** What was put aside of what an operator counts. */
export const asideOf = (counts: OperatorState['counts']): Operator['aside'] =>
  Object.entries(counts)
    .filter(([name, count]) => count > 0 && ASIDE.test(name))
    .map(([name, count]) => [name.replace(/^.*\./, '').replaceAll('_', ' '), count] as const);

/** Operators as rows, to be saved. */
export const operatorSheet = (states: readonly OperatorState[]): Sheet => ({
  columns: ['operator', 'received', 'emitted', 'watermark', 'rows', 'size_bytes', 'put_aside'],
  rows: states.map((one) => [
    ...[one.name, one.received, one.emitted, one.watermark, one.rows, one.size_bytes],
    asideOf(one.counts).reduce((sum, [, count]) => sum + count, 0),
  ]),
});

interface Seen {
  readonly time_ms: number;
  readonly states: ReadonlyMap<string, OperatorState>;
}

const seenOf = (time: string, states: readonly OperatorState[]): Seen => ({
  time_ms: Date.parse(time),
  states: new Map(states.map((state) => [state.name, state])),
});

/** A second, between two answers; undefined where the task began anew between them. */
function rateOf(name: string, of: 'received' | 'emitted', before: Seen, now: Seen): number | undefined {
  const [from, to] = [before.states.get(name)?.[of], now.states.get(name)?.[of]];
  if (from === undefined || to === undefined || to < from) return undefined;
  return ((to - from) / (now.time_ms - before.time_ms)) * 1_000;
}

/** The newest event time of any operator, ms. */
function newestOf(states: readonly OperatorState[]): number {
  return states.reduce(
    (newest, { watermark }) => Math.max(newest, watermark === null ? newest : Date.parse(watermark)),
    Number.NEGATIVE_INFINITY,
  );
}

/** The operators with their rates: each answer is compared with the one before it. */
export function useOperators(
  nodes: readonly TopologyNode[],
  states: readonly OperatorState[],
  time: string,
): readonly Operator[] {
  const seen = useRef<readonly [before: Seen | undefined, now: Seen] | undefined>(undefined);
  if (seen.current?.[1].time_ms !== Date.parse(time)) {
    seen.current = [seen.current?.[1], seenOf(time, states)];
  }
  const [before, now] = seen.current ?? [];
  const rate = (name: string, of: 'received' | 'emitted'): number | undefined =>
    before === undefined || now === undefined ? undefined : rateOf(name, of, before, now);
  const newest_ms = newestOf(states);
  return nodes.map((node) => {
    const of = now?.states.get(node.name);
    const watermark = of?.watermark ?? null;
    return {
      ...node,
      of,
      // Nothing comes to a source: it gives what it read.
      came: rate(node.name, node.inputs.length === 0 ? 'emitted' : 'received'),
      gave: rate(node.name, 'emitted'),
      behind_ms: watermark === null ? undefined : newest_ms - Date.parse(watermark),
      aside: of === undefined ? [] : asideOf(of.counts),
    };
  });
}
