import { anomalySubject } from '../../../analytics/index.ts';
import { asMillraceError, META_TABLE, readProgress } from '../../../engine/index.ts';
import { type ApiPorts, timeText } from '../../http/index.ts';

/** How long nothing may move before that is told, ms. */
export const STALLED_MS = 30_000;
const CHECK_MS = 1_000;
const MINUTE_MS = 60_000;
const METRIC = 'pipeline';

interface Stall {
  readonly since_ms: number;
  readonly sequence: number;
  readonly cause: string;
  /** Tenants that were told. */
  readonly told: Set<string>;
}

/**
 * Tells the tenants that have rules when the pipeline stands: events wait and none is applied, it has failed, or NATS
 * is away. Metrics are judged by what is applied, so none alerts meanwhile; this is told once, and once when it goes
 * on. What cannot be sent while NATS is away is sent when it is back.
 */
export class StallWatch {
  readonly #ports: ApiPorts;
  readonly #tenants: () => readonly string[];
  #timer: NodeJS.Timeout | undefined;
  #checking: Promise<void> = Promise.resolve();
  #well_ms: number;
  #sequence = -1;
  #stall: Stall | undefined;

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
    if (tenants.length === 0 && this.#stall === undefined) {
      this.#well_ms = this.#ports.clock.now();
      return;
    }
    const now_ms = this.#ports.clock.now();
    const cause = await this.#causeOf();
    if (cause === undefined) {
      this.#well_ms = now_ms;
      await this.#recover();
      return;
    }
    if (now_ms - this.#well_ms < STALLED_MS) return;
    this.#stall ??= { since_ms: this.#well_ms, sequence: this.#sequence, cause, told: new Set() };
    await this.#tellAll(this.#stall, 'stalled', tenants);
  }

  /** Why nothing moves; undefined where it does, or has nothing to do. */
  async #causeOf(): Promise<string | undefined> {
    const { stream, pipeline, reader } = this.#ports;
    const before = this.#sequence;
    const progress = reader()?.reader.snapshot((table) => readProgress(table(META_TABLE)));
    this.#sequence = progress?.sequence ?? 0;
    if (this.#sequence > before) return undefined;
    const { state, error, nats } = pipeline();
    if (state === 'failed' || state === 'restarting') return error?.message ?? `The pipeline is ${state}.`;
    if (!nats.connected) return 'The NATS server cannot be reached.';
    try {
      const waiting = (await stream.head()).sequence - this.#sequence;
      return waiting > 0 ? `${waiting} messages wait, and none is applied.` : undefined;
    } catch (thrown) {
      return asMillraceError(thrown).message;
    }
  }

  async #recover(): Promise<void> {
    const stall = this.#stall;
    if (stall === undefined) return;
    // Who could not be told while it lasted hears of both.
    if (!(await this.#tellAll(stall, 'stalled', this.#tenants()))) return;
    const told = [...stall.told];
    stall.told.clear();
    if (await this.#tellAll(stall, 'recovered', told)) this.#stall = undefined;
  }

  /** False: somebody could not be told yet. */
  async #tellAll(stall: Stall, what: 'stalled' | 'recovered', tenants: readonly string[]): Promise<boolean> {
    const { anomalies } = this.#ports;
    if (anomalies === undefined) return true;
    try {
      for (const tenant of tenants.filter((each) => !stall.told.has(each))) {
        await anomalies.publish(this.#message(stall, what, tenant));
        stall.told.add(tenant);
      }
      return true;
    } catch (error) {
      this.#ports.log.warn({ err: error }, 'a stalled pipeline cannot be told of yet');
      return false;
    }
  }

  #message({ since_ms, sequence, cause }: Stall, what: 'stalled' | 'recovered', tenant: string) {
    const id = `pipeline_${sequence}_${Math.floor(since_ms / MINUTE_MS)}`;
    const isOver = what === 'recovered';
    const since = timeText(since_ms);
    const message = {
      type: `pipeline.${what}`,
      ...{ tenant, id, revision: isOver ? 2 : 1, kind: METRIC, rule_id: METRIC, metric: METRIC },
      ...{ state: isOver ? 'ended' : 'open', start: since, severity: 'high', group: {}, currency: null },
      ...{ position: { EVENTS: { 0: sequence } }, detected_at: timeText(this.#ports.clock.now()) },
      text: isOver
        ? `The pipeline goes on; it had stood since ${since}.`
        : `The pipeline stands since ${since}: ${cause} No metric is judged meanwhile.`,
    };
    return {
      subject: anomalySubject(tenant, METRIC, 'high'),
      payload: Buffer.from(JSON.stringify(message)),
      msgId: `${tenant}-${id}-${what}`,
    };
  }
}
