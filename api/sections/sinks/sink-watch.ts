import { asMillraceError } from '../../../engine/index.ts';
import type { Definition, JobRecord, Jobs, KindDefinitions } from '../../../runtime/index.ts';
import type { ApiPorts } from '../../http/index.ts';
import type { ExportMaking, SeamChain } from '../exports/index.ts';
import { Looking } from '../jobs/index.ts';
import { analystFor, dueAt, runId } from '../reports/index.ts';
import { SINK_JOB } from './sink-job.ts';
import type { Sink } from './sink-kind.ts';

const LOOK_MS = 1_000;
const MINUTE_MS = 60_000;
/** A begin that failed is tried again then, ms. */
const AGAIN_MS = 30_000;

export interface SinkWatchParts {
  readonly ports: Pick<ApiPorts, 'clock' | 'log'>;
  readonly sinks: KindDefinitions<Sink>;
  readonly exporting: ExportMaking;
  readonly jobs: Jobs;
  readonly chain: SeamChain;
}

/** Makes the runs of sinks that tell what changed of an answer: by schedule, or when something has changed. */
export class SinkWatch {
  readonly #parts: SinkWatchParts;
  /** By sink and revision up to which time it was seen to. */
  readonly #seen = new Map<string, number>();
  readonly #looking = new Looking(() => this.#look(), LOOK_MS);

  constructor(parts: SinkWatchParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#looking.start();
  }

  close(): Promise<void> {
    return this.#looking.close();
  }

  get now_ms(): number {
    return this.#parts.ports.clock.now();
  }

  async #look(): Promise<void> {
    const { sinks } = this.#parts;
    const known = new Set<string>();
    for (const tenant of sinks.tenants()) {
      for (const sink of sinks.list(tenant)) {
        const key = `${sink.id}@${sink.revision}`;
        known.add(key);
        if (sink.body.enabled && 'query' in sink.body.source) await this.#lookAt(key, tenant, sink);
      }
    }
    for (const key of this.#seen.keys()) if (!known.has(key)) this.#seen.delete(key);
  }

  async #lookAt(key: string, tenant: string, sink: Definition<Sink>): Promise<void> {
    const { now_ms } = this;
    const { schedule, timezone, every_minutes } = sink.body;
    const every_ms = every_minutes * MINUTE_MS;
    const due_ms =
      schedule === undefined
        ? Math.floor(now_ms / every_ms) * every_ms
        : dueAt({ schedule, timezone }, now_ms);
    if (due_ms === undefined || due_ms <= Math.max(this.#seen.get(key) ?? 0, sink.updated_at_ms)) return;
    try {
      await this.run(tenant, sink, due_ms, schedule !== undefined);
      this.#seen.set(key, due_ms);
    } catch (error) {
      const { retriable, code } = asMillraceError(error);
      this.#parts.ports.log.warn({ err: error, sink: sink.id, due_ms }, 'a run of a sink could not be begun');
      // What the sink asks does not become right by itself.
      if (!retriable && code !== 'too_many_jobs') this.#seen.set(key, due_ms);
      else this.#seen.set(key, Math.max(this.#seen.get(key) ?? 0, due_ms - AGAIN_MS));
    }
  }

  /** Makes the run of a time, once for it; undefined where nothing has changed since the last one. */
  async run(
    tenant: string,
    sink: Definition<Sink>,
    due_ms: number,
    isWanted: boolean,
  ): Promise<JobRecord | undefined> {
    const { exporting, jobs, chain, ports } = this.#parts;
    const { id, name, body, created_by, revision } = sink;
    if (!('query' in body.source)) return undefined;
    const { query, seam } = chain.next({ tenant, id, revision, query: body.source.query });
    const isSame = JSON.stringify(seam.after?.position) === JSON.stringify(seam.to);
    if (isSame && !isWanted) return undefined;
    const asker = analystFor(tenant, sink, ports);
    const target = { format: 'parquet', compression: false } as const;
    const saved = exporting.savedOf(tenant, { type: 'kpis', query });
    const made = await exporting.input(asker, target, saved);
    if (made.of !== 'kpis') return undefined;
    const input = { sink_id: id, query: made.query, seam, destination: body.destination };
    return jobs.create({
      ...{ tenant, type: SINK_JOB, created_by, input, report: { id, name, due_ms } },
      job_id: runId(id, due_ms),
    });
  }
}
