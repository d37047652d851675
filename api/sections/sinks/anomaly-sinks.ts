import type { Logger } from 'pino';
import type { MessageQueue, Work, WorkItem, WorkOutcome } from '../../../engine/index.ts';
import type { Definition, KindDefinitions } from '../../../runtime/index.ts';
import type { SinkPorts } from '../../http/index.ts';
import { type SinkJobParts, type SinkMessage, sendTo } from './sink-job.ts';
import type { Sink } from './sink-kind.ts';

/** Anomalies of one sink that a process sends at once. */
const HELD_MAX = 16;
const UNFINISHED_MAX = 256;
const LEASE_MS = 60_000;
/** Longer than a process stands still; a sink whose work is forgotten begins anew where it was made. */
const FORGOTTEN_AFTER_MS = 30 * 86_400_000;

interface AnomalySinkParts extends Pick<SinkJobParts, 'connectors' | 'secrets'> {
  readonly sinks: KindDefinitions<Sink>;
  readonly ports: SinkPorts | undefined;
  /** Stream ANOMALIES. */
  readonly anomalies: MessageQueue | undefined;
  readonly log: Logger;
}

/**
 * Tells anomalies to sinks as they are found: each at least once, by one of the processes, under the id that the anomaly
 * has in its stream. What cannot be sent waits in the stream.
 */
export class AnomalySinks {
  readonly #parts: AnomalySinkParts;
  readonly #works = new Map<string, { readonly revision: number; readonly work: Work }>();
  #changes: Promise<void> = Promise.resolve();
  #unlisten: (() => void) | undefined;

  constructor(parts: AnomalySinkParts) {
    this.#parts = parts;
  }

  start(): void {
    const { sinks } = this.#parts;
    for (const tenant of sinks.tenants()) for (const sink of sinks.list(tenant)) this.#changed(sink, false);
    this.#unlisten = sinks.onChange(({ type, definition }) => this.#changed(definition, type === 'delete'));
  }

  async close(): Promise<void> {
    this.#unlisten?.();
    await this.#changes;
    await Promise.all([...this.#works.values()].map(({ work }) => work.stop()));
  }

  #changed(sink: Definition<Sink>, isGone: boolean): void {
    this.#changes = this.#changes
      .then(() => this.#follow(sink, isGone))
      .catch((error: unknown) => {
        this.#parts.log.warn({ err: error, sink: sink.id }, 'a sink of anomalies cannot be followed now');
      });
  }

  async #follow(sink: Definition<Sink>, isGone: boolean): Promise<void> {
    const { anomalies, ports } = this.#parts;
    const { id, tenant, body, revision } = sink;
    const known = this.#works.get(id);
    if (known?.revision === revision && !isGone) return;
    await known?.work.stop();
    this.#works.delete(id);
    if (isGone) await anomalies?.forget(workName(id));
    if (isGone || !body.enabled || anomalies === undefined || ports === undefined) return;
    if (!('anomalies' in body.source)) return;
    const { metric = '*', severity = '*' } = body.source.anomalies;
    const spec = {
      ...{ name: workName(id), subjects: [`anomalies.${tenant}.${metric}.${severity}`] },
      ...{ from_ms: sink.created_at_ms, held_max: HELD_MAX, unfinished_max: UNFINISHED_MAX },
      ...{ lease_ms: LEASE_MS, forgotten_after_ms: FORGOTTEN_AFTER_MS },
    };
    const work = anomalies.work(spec, (item) => this.#tell(sink, ports, item));
    this.#works.set(id, { revision, work });
  }

  async #tell(
    { tenant, body, id }: Definition<Sink>,
    ports: SinkPorts,
    item: WorkItem,
  ): Promise<WorkOutcome> {
    const own = item.header('Nats-Msg-Id') ?? `ANOMALIES-${item.sequence}`;
    const [, , metric = ''] = item.subject.split('.');
    const message = { id: `${id}-${own}`, key: metric, text: Buffer.from(item.data).toString() };
    const one = async function* (): AsyncGenerator<readonly SinkMessage[]> {
      yield [message];
    };
    await sendTo(this.#parts, ports, tenant, body.destination, one());
    return 'done';
  }
}

const workName = (id: string): string => `sink-${id}`;
