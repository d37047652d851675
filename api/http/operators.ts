import { z } from 'zod';
import type { MetricSample, TableSize, TopologyDescription } from '../../engine/index.ts';
import { timeTextOrNull } from './schemas.ts';

const ITEMS = 'millrace.operator.';
const WATERMARK = 'millrace.watermark.timestamp';
const OWN = 'millrace.';

/** How an operator stands. Counts begin at 0 with each run of the task. */
export const operatorSchema = z.object({
  name: z.string(),
  received: z.int().describe('Items that came to it; of columns, rows'),
  emitted: z.int().describe('Items that it gave; of columns, rows'),
  watermark: z.string().nullable().describe('Its own, or the least of what it reads; null: none yet'),
  rows: z.int().nullable().describe('Rows of its state; null where nobody knows'),
  size_bytes: z.int().nullable().describe('Of the pages that its state takes; null where nobody knows'),
  counts: z.record(z.string(), z.number()).describe('What it counts itself, e.g. `watermark.late`'),
});

export type OperatorState = z.infer<typeof operatorSchema>;

/** What is known of each operator, in the order of the topology. Sizes are by table, as a reader gives them. */
export function operatorStates(
  { nodes }: TopologyDescription,
  samples: readonly MetricSample[],
  sizes: ReadonlyMap<string, TableSize> | undefined,
): readonly OperatorState[] {
  const of = samplesByOperator(samples);
  const watermarks = new Map<string, number | null>();
  return nodes.map(({ name, inputs, state }) => {
    const own = of.get(name) ?? [];
    const sum = (metric: string): number =>
      own.reduce((total, sample) => total + (sample.name === metric ? sample.value : 0), 0);
    const watermark_ms = watermarkOf(own, inputs, watermarks);
    watermarks.set(name, watermark_ms);
    const tables = Object.keys(state).map((table) => sizes?.get(`${name}/${table}`));
    return {
      name,
      received: sum(`${ITEMS}received`),
      emitted: sum(`${ITEMS}emitted`),
      watermark: timeTextOrNull(watermark_ms),
      rows: sizes === undefined ? null : tables.reduce((total, size) => total + (size?.rows ?? 0), 0),
      size_bytes:
        sizes === undefined ? null : tables.reduce((total, size) => total + (size?.size_bytes ?? 0), 0),
      counts: countsOf(own),
    };
  });
}

function samplesByOperator(samples: readonly MetricSample[]): ReadonlyMap<string, readonly MetricSample[]> {
  const of = new Map<string, MetricSample[]>();
  for (const sample of samples) {
    const { operator } = sample.labels;
    if (operator === undefined) continue;
    const known = of.get(operator);
    if (known === undefined) of.set(operator, [sample]);
    else known.push(sample);
  }
  return of;
}

/** Nodes come after what they read. */
function watermarkOf(
  own: readonly MetricSample[],
  inputs: readonly string[],
  known: ReadonlyMap<string, number | null>,
): number | null {
  const sample = own.find(({ name }) => name === WATERMARK);
  if (sample !== undefined) return Math.round(sample.value * 1_000);
  const read = inputs.map((input) => known.get(input) ?? null);
  return read.length === 0 || read.includes(null) ? null : Math.min(...read.map(Number));
}

/** Counters of an operator by their names; those of several labels are added up. */
function countsOf(own: readonly MetricSample[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { name, kind, value } of own) {
    if (kind !== 'counter' || name.startsWith(ITEMS)) continue;
    const short = name.startsWith(OWN) ? name.slice(OWN.length) : name;
    counts[short] = (counts[short] ?? 0) + value;
  }
  return counts;
}
