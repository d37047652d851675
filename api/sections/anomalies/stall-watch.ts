import { z } from 'zod';
import { anomalySubject } from '../../../analytics/index.ts';
import { asMillraceError, META_TABLE, readProgress } from '../../../engine/index.ts';
import { type ApiPorts, timeText } from '../../http/index.ts';

/** How long nothing may move before that is told, ms. */
export const STALLED_MS = 30_000;
const CHECK_MS = 1_000;
const MINUTE_MS = 60_000;
const METRIC = 'pipeline';
const SEVERITY = 'high';

interface Stall {
  readonly since_ms: number;
  readonly sequence: number;
  readonly cause: string;
}

/** A stall that a tenant was told of, by whatever process. */
interface OpenStall {
  readonly id: string;
  readonly since: string;
}

const openSchema = z.object({ type: z.literal('pipeline.stalled'), id: z.string(), start: z.string() });

/**
 * Tells the tenants that have rules when the pipeline stands: events wait and none is applied, it has failed, or NATS
 * is away. Metrics are judged by what is applied, so none alerts meanwhile; this is told once, and once when it goes
 * on, also where the process ended meanwhile: what was told is in the stream. What cannot be sent while NATS is away is sent when it is back.
 */
export class StallWatch {
  readonly #ports: ApiPorts;
  readonly #tenants: () => readonly string[];
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> = Promise.resolve();
  #well_ms: number;
  #sequence: number | undefined;
  #stall: Stall | undefined;
  /** Tenants that were told of a stall, and not of its end; undefined: none. Those not looked for are not there. */
  readonly #open = new Map<string, OpenStall | undefined>();

  constructor(ports: ApiPorts, tenants: () => readonly string[]) {
    this.#ports = ports;
    this.#tenants = tenants;
    this.#well_ms = ports.clock.now();
  }

  start(): void {
    let isBusy = false;
    this.#timer = setInterval(() => {
      if (isBusy) return;
      isBusy = true;
      this.#checking = this.check()
        .catch((error: unknown) => this.#ports.log.warn({ err: error }, 'the stall watch failed'))
        .finally(() => {
          isBusy = false;
        });
    }, CHECK_MS);
    this.#timer.unref();
  }

  async close(): Promise<void> {
    clearInterval(this.#timer);
    await this.#checking;
  }

  /** Looks once. */
  async check(): Promise<void> {
    const tenants = this.#tenants();
    const cause = await this.#causeOf();
    const now_ms = this.#ports.clock.now();
    if (cause === undefined) this.#well_ms = now_ms;
    else if (now_ms - this.#well_ms < STALLED_MS) return;
    else this.#stall ??= { since_ms: this.#well_ms, sequence: this.#sequence ?? 0, cause };
    try {
      // Who could not be told while it lasted hears of both.
      for (const tenant of tenants) await this.#begin(tenant);
      if (cause !== undefined) return;
      this.#stall = undefined;
      for (const [tenant, open] of this.#open) if (open !== undefined) await this.#end(tenant, open);
    } catch (error) {
      this.#ports.log.warn({ err: error }, 'a stalled pipeline cannot be told of yet');
    }
  }

  /** Why nothing moves; undefined where it does, or has nothing to do. */
  async #causeOf(): Promise<string | undefined> {
    const { stream, pipeline, reader } = this.#ports;
    const before = this.#sequence;
    try {
      // A state that is damaged is not read.
      const progress = reader()?.reader.snapshot((table) => readProgress(table(META_TABLE)));
      const sequence = progress?.sequence ?? 0;
      this.#sequence = sequence;
      if (before !== undefined && sequence > before) return undefined;
      const { state, error, nats } = pipeline();
      if (state === 'failed' || state === 'restarting') return error?.message ?? `The pipeline is ${state}.`;
      if (!nats.connected) return 'The NATS server cannot be reached.';
      const waiting = (await stream.head()).sequence - sequence;
      return waiting > 0 ? `${waiting} messages wait, and none is applied.` : undefined;
    } catch (thrown) {
      return asMillraceError(thrown).message;
    }
  }

  /** Tells a tenant of the stall, unless it was told, also by a process before this one or beside it. */
  async #begin(tenant: string): Promise<void> {
    const { anomalies } = this.#ports;
    if (anomalies === undefined || this.#open.get(tenant) !== undefined) return;
    if (this.#stall !== undefined || !this.#open.has(tenant)) {
      const data = await anomalies.latest(anomalySubject(tenant, METRIC, SEVERITY));
      const last = data === undefined ? undefined : openSchema.safeParse(jsonOf(data)).data;
      this.#open.set(tenant, last === undefined ? undefined : { id: last.id, since: last.start });
      if (last !== undefined) return;
    }
    if (this.#stall === undefined) return;
    const { since_ms, sequence, cause } = this.#stall;
    const open = {
      id: `pipeline_${sequence}_${Math.floor(since_ms / MINUTE_MS)}`,
      since: timeText(since_ms),
    };
    const text = `The pipeline stands since ${open.since}: ${cause} No metric is judged meanwhile.`;
    await anomalies.publish(this.#message(tenant, open, 'stalled', text));
    this.#open.set(tenant, open);
  }

  async #end(tenant: string, open: OpenStall): Promise<void> {
    const text = `The pipeline goes on; it had stood since ${open.since}.`;
    await this.#ports.anomalies?.publish(this.#message(tenant, open, 'recovered', text));
    this.#open.set(tenant, undefined);
  }

  #message(tenant: string, { id, since }: OpenStall, what: 'stalled' | 'recovered', text: string) {
    const isOver = what === 'recovered';
    const message = {
      type: `pipeline.${what}`,
      ...{ tenant, id, revision: isOver ? 2 : 1, kind: METRIC, rule_id: METRIC, metric: METRIC },
      ...{ state: isOver ? 'ended' : 'open', start: since, severity: SEVERITY, group: {}, currency: null },
      position: { EVENTS: { 0: this.#sequence ?? 0 } },
      ...{ detected_at: timeText(this.#ports.clock.now()), text },
    };
    return {
      subject: anomalySubject(tenant, METRIC, SEVERITY),
      payload: Buffer.from(JSON.stringify(message)),
      id: `${tenant}-${id}-${what}`,
    };
  }
}

function jsonOf(data: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(data).toString());
  } catch {
    return undefined;
  }
}
