import { z } from 'zod';
import { type ApiPorts, timeText } from '../../http/index.ts';
import { timeLimits } from '../ingest/index.ts';
import type { LetterFilter } from './letter-filter.ts';
import type { LetterReader } from './letter-reader.ts';
import { type Mend, type Mended, mended } from './mend.ts';

/** Kinds of failures that are counted apart. */
const MAX_FAILURES = 50;

export const triedSchema = z.object({
  letters: z.int().describe('Dead letters that the filter finds'),
  mended: z.int().describe('Of them, those whose events all are valid then'),
  failed: z.int(),
  dropped: z.int().describe('Of the mended ones, those that the mapping leaves out on purpose'),
  complete: z.boolean().describe('All dead letters were looked at'),
  failures: z.array(
    z.object({
      code: z.string(),
      message: z.string(),
      count: z.int(),
      sequence: z.int().describe('One of them'),
    }),
  ),
  results: z.array(
    z.object({
      sequence: z.int(),
      ok: z.boolean(),
      events: z
        .array(z.object({ event_id: z.string(), type: z.string(), time: z.string(), payload: z.string() }))
        .describe('What would be sent'),
      error: z
        .object({
          code: z.string(),
          message: z.string(),
          errors: z.array(z.object({ path: z.string(), message: z.string() })),
        })
        .nullable(),
    }),
  ),
});
type Tried = z.output<typeof triedSchema>;

interface TryOptions {
  readonly tenant: string;
  readonly filter: LetterFilter;
  readonly limit: number;
  readonly scanned_max: number;
  readonly signal: AbortSignal;
}

/** What would become of the letters that a filter finds. */
export async function tried(
  ports: ApiPorts,
  reader: LetterReader,
  mend: Mend,
  { tenant, filter, limit, scanned_max, signal }: TryOptions,
): Promise<Tried> {
  const end = await reader.end();
  const marks = reader.marks(end);
  const limits = timeLimits(ports, tenant);
  const results: Tried['results'] = [];
  const failures = new Map<string, Tried['failures'][number]>();
  const counts = { letters: 0, mended: 0, failed: 0, dropped: 0 };
  let scanned = 0;
  for await (const slice of reader.slices({ tenant, filter, after: 0, upTo: end.sequence, signal }, marks)) {
    for (const { letter } of slice.found) {
      const made = mended(await reader.completed(letter, signal), mend, limits);
      counts.letters++;
      if (!made.ok) {
        counts.failed++;
        countFailure(failures, made, letter.sequence);
      } else {
        counts.mended++;
        if (made.dropped !== undefined) counts.dropped++;
      }
      if (results.length < limit) results.push({ sequence: letter.sequence, ...viewOf(made) });
    }
    scanned += slice.scanned;
    if (scanned >= scanned_max) break;
  }
  return { ...counts, complete: scanned < scanned_max, failures: [...failures.values()], results };
}

function countFailure(
  failures: Map<string, Tried['failures'][number]>,
  { code, message }: Extract<Mended, { ok: false }>,
  sequence: number,
): void {
  const key = `${code} ${message}`;
  const known = failures.get(key);
  if (known !== undefined) known.count++;
  else if (failures.size < MAX_FAILURES) failures.set(key, { code, message, count: 1, sequence });
}

function viewOf(made: Mended): Omit<Tried['results'][number], 'sequence'> {
  if (!made.ok) {
    const { code, message, errors } = made;
    return { ok: false, events: [], error: { code, message, errors: [...errors] } };
  }
  const events = made.events.map(({ event_id, type, time_ms, payload }) => ({
    ...{ event_id, type, time: timeText(time_ms) },
    payload: Buffer.from(payload).toString('utf8'),
  }));
  return { ok: true, events, error: null };
}
