import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { MillraceError } from '../../../engine/index.ts';
import type { JobItemError, JobKind, RunningJob } from '../../../runtime/index.ts';
import { type ApiPorts, positionOf } from '../../http/index.ts';
import { prepare, timeLimits } from '../ingest/index.ts';
import { filterSchema } from './letter-filter.ts';
import type { LetterMarks } from './letter-marks.ts';
import type { LetterReader, Slice } from './letter-reader.ts';
import { type GoodCheck, mended, mendSchema } from './mend.ts';

export const RESEND_JOB = 'dead_letter_resend';
const UNIT = 'dead letters';
const RETRY_MIN_MS = 250;
const RETRY_MAX_MS = 5_000;

export const resendInput = z.object({
  filter: filterSchema,
  ...mendSchema,
});

/** How far it is: letters up to `after` are dealt with and marked. */
const stateSchema = z.object({
  /** The last letter that it looks at: those that there were when it began. */
  up_to: z.number(),
  /** Of the stream of dead letters. */
  incarnation: z.string(),
  after: z.number().default(0),
  matched: z.number().default(0),
  mended: z.number().default(0),
  events: z.number().default(0),
  failed: z.number().default(0),
  /** Last sequence that was stored; 0 before the first. */
  sequence: z.number().default(0),
  stored_in: z.string().exactOptional(),
});
type ResendState = z.infer<typeof stateSchema>;

interface Parts {
  readonly ports: Pick<ApiPorts, 'events' | 'clock' | 'reader' | 'log'>;
  readonly reader: LetterReader;
}

/**
 * Mends letters and publishes their events slice by slice. A slice is marked once the stream has stored it; where the
 * job is interrupted in between, it is sent again, under the same ids. While NATS is away it waits.
 */
export function resendKind(parts: Parts): JobKind {
  return {
    type: RESEND_JOB,
    lane: 'ingest',
    run: async (job) => {
      const { filter, ...mend } = resendInput.parse(job.record.input);
      const { reader } = parts;
      const { tenant } = job.record;
      const end = await patiently(parts, job, () => reader.end());
      const first = { up_to: end.sequence, incarnation: end.incarnation };
      let at = stateSchema.parse(job.record.state ?? first);
      if (at.incarnation !== end.incarnation) throw replaced();
      const marks = reader.marks(end);
      await patiently(parts, job, async () => marks.forget(await reader.port.letters.firstSequence()));
      job.advance({ done: at.matched, total: null, unit: UNIT, state: at });
      await patiently(parts, job, async () => {
        // From the last slice on that was dealt with, where the stream was away meanwhile.
        const selection = { tenant, filter, after: at.after, upTo: at.up_to, signal: job.signal };
        for await (const slice of reader.slices(selection, marks)) {
          at = await resent(parts, job, marks, mend, slice, at);
        }
      });
      job.signal.throwIfAborted();
      if (at.matched > 0 && at.mended === 0) throw nothingMended(at);
      return { result: resultOf(at) };
    },
  };
}

async function resent(
  parts: Parts,
  job: RunningJob,
  marks: LetterMarks,
  mend: Parameters<typeof mended>[1],
  slice: Slice,
  at: ResendState,
): Promise<ResendState> {
  const { ports, reader } = parts;
  const { tenant, job_id } = job.record;
  const limits = timeLimits(ports, tenant);
  const errors: JobItemError[] = [];
  const good: GoodCheck[] = [];
  const resolved: number[] = [];
  for (const { letter } of slice.found) {
    const made = mended(await reader.completed(letter, job.signal), mend, limits);
    if (made.ok) {
      good.push(...made.events);
      resolved.push(letter.sequence);
    } else {
      const { code, message, event_id } = made;
      errors.push({ line: letter.sequence, event_id, reason: `${code}: ${message.slice(0, 300)}` });
    }
  }
  const { messages } = prepare(tenant, good);
  const stored =
    messages.length === 0 ? undefined : await patiently(parts, job, () => ports.events.publishAll(messages));
  if (resolved.length > 0) {
    const mark = { at_ms: ports.clock.now(), job_id };
    await patiently(parts, job, () => marks.add(resolved, mark));
  }
  const { sequences = [], incarnation = at.stored_in } = stored ?? {};
  const next: ResendState = {
    ...at,
    after: slice.last,
    matched: at.matched + slice.found.length,
    mended: at.mended + resolved.length,
    events: at.events + good.length,
    failed: at.failed + errors.length,
    sequence: sequences.reduce((a, b) => Math.max(a, b), at.sequence),
    ...(incarnation === undefined ? {} : { stored_in: incarnation }),
  };
  const { matched, mended: done, events, failed } = next;
  job.advance({
    ...{ done: matched, total: null, unit: UNIT, state: next, errors },
    counts: { matched, mended: done, events, failed },
    result: resultOf(next),
  });
  return next;
}

function resultOf({ mended: done, events, failed, sequence, stored_in }: ResendState): object {
  const position = sequence === 0 ? null : positionOf(sequence, stored_in);
  return { mended: done, events, failed, position };
}

const replaced = (): MillraceError =>
  new MillraceError(
    'stream_replaced',
    'The stream of dead letters is not the one that the job began on: it was deleted and made again.',
  );

function nothingMended({ matched }: ResendState): MillraceError {
  return new MillraceError(
    'nothing_mended',
    `None of ${matched} dead letters became valid events; the job's errors say why. Try the mapping on them first.`,
  );
}

/** Tries again while NATS is away. */
async function patiently<T>(
  { ports }: Parts,
  { signal, record }: RunningJob,
  work: () => Promise<T>,
): Promise<T> {
  for (let pause_ms = RETRY_MIN_MS; ; pause_ms = Math.min(RETRY_MAX_MS, 2 * pause_ms)) {
    signal.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof MillraceError) || !error.retriable) throw error;
      ports.log.warn({ err: error, job_id: record.job_id, pause_ms }, 'a job waits for NATS');
      await sleep(pause_ms, undefined, { signal });
    }
  }
}
