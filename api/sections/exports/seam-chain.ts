import { createHash } from 'node:crypto';
import { formatUtc, MAX_GROUPS } from '../../../analytics/index.ts';
import { META_TABLE, MillraceError, readProgress } from '../../../engine/index.ts';
import type { JobRecord, Jobs } from '../../../runtime/index.ts';
import { type ApiPorts, EVENTS_STREAM, PARTITION, positionOf } from '../../http/index.ts';
import type { Seam, SeamEnd } from './seam.ts';

interface ChainParts {
  readonly ports: Pick<ApiPorts, 'clock' | 'reader'>;
  readonly jobs: Pick<Jobs, 'list'>;
  /** Everything that a tenant has set or defined and a KPI answer depends on. */
  readonly dependsOn: (tenant: string, metrics: readonly string[]) => unknown;
}

/** A definition whose runs each say what changed since the one before. */
interface Chained {
  readonly tenant: string;
  readonly id: string;
  readonly revision: number;
  /** A KPI query without an end. */
  readonly query: Readonly<Record<string, unknown>>;
}

/** Puts the runs of a definition one behind the other, by the jobs that there were. */
export class SeamChain {
  readonly #parts: ChainParts;

  constructor(parts: ChainParts) {
    this.#parts = parts;
  }

  /** What the next run asks, and between which positions. Throws `state_not_ready` (retriable). */
  next({ tenant, id, revision, query }: Chained): {
    readonly query: Readonly<Record<string, unknown>>;
    readonly seam: Seam;
  } {
    const { ports, jobs, dependsOn } = this.#parts;
    const metrics = [query.metrics].flat().map(String);
    const of = hashOf(JSON.stringify([revision, dependsOn(tenant, metrics)]));
    const seam = { of, after: lastSeam(jobs.list(tenant), id, of), to: statePosition(ports) };
    const whole = { ...query, limit: MAX_GROUPS, end: wholeMinute(ports.clock.now()) };
    return { query: whole, seam };
  }
}

/** Where the last run of a definition ended, of the runs that asked for the same. */
function lastSeam(records: readonly JobRecord[], id: string, of: string): SeamEnd | null {
  const ends = records.flatMap(({ report, status, result }) => {
    if (report?.id !== id || status !== 'succeeded') return [];
    const { seam } = (result ?? {}) as {
      readonly seam?: Omit<SeamEnd, 'position'> & Pick<Seam, 'of' | 'to'>;
    };
    if (seam?.of !== of) return [];
    const { to: position, end_ms, complete_until_ms } = seam;
    return [{ position, end_ms, complete_until_ms }];
  });
  const at = ({ position }: SeamEnd): number => position[EVENTS_STREAM]?.[PARTITION] ?? 0;
  return ends.reduce<SeamEnd | null>((last, end) => (last === null || at(end) > at(last) ? end : last), null);
}

/** The position of the state as it is now. */
function statePosition({ reader }: Pick<ApiPorts, 'reader'>): Seam['to'] {
  const progress = reader()?.reader.snapshot((table) => readProgress(table(META_TABLE)));
  if (progress !== undefined) return positionOf(progress.sequence, progress.incarnation);
  throw new MillraceError('state_not_ready', 'The state cannot be read yet.', { retriable: true });
}

const MINUTE_MS = 60_000;
/** The end of a range that holds all of now. */
const wholeMinute = (now_ms: number): string => formatUtc(Math.ceil((now_ms + 1) / MINUTE_MS) * MINUTE_MS);

export function hashOf(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 32);
}
