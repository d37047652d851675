import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Logger } from 'pino';
import {
  CONNECTOR_TYPES,
  type ConnectorType,
  type IntakeSurroundings,
  type SourceRecord,
} from '../../connectors/index.ts';
import {
  type Clock,
  type KeyValueStore,
  type MetricSample,
  Metrics,
  type Publisher,
} from '../../engine/index.ts';
import type { Definition, DefinitionKind, KindDefinitions } from '../definitions/index.ts';
import { JOB_TIMES, Members } from '../jobs/index.ts';
import type { SigningSecret } from '../trust/index.ts';
import { ConnectorBoard } from './connector-board.ts';
import { type ConnectorBody, connectorKind } from './connector-kind.ts';
import { CONNECTOR_TIMES, ConnectorRun, type ConnectorTimes, type RunParts } from './connector-run.ts';
import { ConnectorSecrets } from './connector-secrets.ts';
import { added, type ConnectorState, type Counts, NO_COUNTS } from './connector-state.ts';
import type { EventDoor } from './event-door.ts';
import { Intake } from './intake.ts';
import { WEBHOOK_TYPE } from './webhook-type.ts';

/** Connectors that one process reads for at once. */
const RUNNING_MAX_CONNECTORS = 100;
/** A process that goes waits so long for what its connectors are at, ms. */
const STOP_MS = 1_000;

/** What connectors have from outside. */
export interface ConnectorPorts {
  /** A bucket with history 1 and no TTL. */
  readonly records: KeyValueStore;
  /** Of dead letters. */
  readonly letters: Publisher;
  readonly surroundings: IntakeSurroundings;
  /** Default: those that there are. */
  readonly types?: readonly ConnectorType[];
  readonly times?: Partial<ConnectorTimes>;
}

export interface ConnectorsOptions extends ConnectorPorts {
  readonly door: EventDoor;
  readonly secret: SigningSecret;
  readonly clock: Clock;
  readonly log: Logger;
  /** ms, never moving back; default: that of the process. */
  readonly monotonic?: () => number;
}

interface Running {
  readonly run: ConnectorRun;
  readonly stop: AbortController;
  readonly done: Promise<void>;
}

/**
 * The connectors of all tenants. Any number of processes share them: exactly one reads for each that pulls, and goes on
 * from its position where another one has ended. All of them take what is sent to those that are sent to.
 */
export class Connectors {
  readonly kind: DefinitionKind<ConnectorBody>;
  readonly secrets: ConnectorSecrets;
  readonly #options: ConnectorsOptions;
  readonly #types: ReadonlyMap<string, ConnectorType>;
  readonly #times: ConnectorTimes;
  readonly #process = `proc_${randomUUID()}`;
  readonly #board: ConnectorBoard;
  readonly #members: Members;
  readonly #metrics = new Metrics();
  readonly #intake: Intake;
  readonly #running = new Map<string, Running>();
  /** Of connectors that are sent to: what is not in the bucket yet. */
  readonly #sent = new Map<string, { readonly counts: Counts; readonly at_ms: number }>();
  readonly #stop = new AbortController();
  #definitions: KindDefinitions<ConnectorBody> | undefined;
  #looking: Promise<unknown> = Promise.resolve();
  #unlisten: (() => void) | undefined;

  constructor(options: ConnectorsOptions) {
    this.#options = options;
    const { records, log, letters, surroundings, types = CONNECTOR_TYPES } = options;
    const { monotonic = () => performance.now() } = options;
    this.#times = { ...CONNECTOR_TIMES, ...options.times };
    this.#types = new Map(types.map((one) => [one.type, one]));
    const paths = new Map([
      [WEBHOOK_TYPE, ['secret']],
      ...types.map(({ type, secrets }) => [type, secrets] as const),
    ]);
    this.secrets = new ConnectorSecrets(options.secret, paths);
    this.kind = connectorKind({ types, secrets: this.secrets, surroundings });
    this.#board = new ConnectorBoard(records, log);
    const times = { ...JOB_TIMES, tick_ms: this.#times.tick_ms };
    this.#members = new Members({ store: records, process: this.#process, disk: '', times, monotonic });
    this.#intake = new Intake(options.door, letters, this.#metrics);
    this.#metrics.gauge(
      'millrace.connectors.running',
      'Connectors that this process reads for',
      () => this.#running.size,
    );
    this.#metrics.gauge(
      'millrace.connectors.running.limit',
      'Connectors that one process reads for at once',
      () => RUNNING_MAX_CONNECTORS,
    );
    for (const health of ['waiting', 'failed'] as const) {
      const help = 'Connectors, of all processes, that cannot read now';
      this.#metrics.gauge('millrace.connectors.unwell', help, () => this.#count(health), { health });
    }
  }

  /** Takes up the work; the definitions are loaded. */
  async start(definitions: KindDefinitions<ConnectorBody>): Promise<void> {
    this.#definitions = definitions;
    await this.#board.open();
    this.#board.onWish((id) => this.#running.get(id)?.run.asked());
    this.#unlisten = definitions.onChange(({ type, definition }) => {
      if (type === 'delete') this.#forget(definition.id);
    });
    const renew = (): Promise<void> => this.#members.renew(this.#running.size > 0, []);
    // Apart from each other: a run that ends slowly must not cost the lease.
    this.#looking = Promise.all([this.#every(() => this.#look()), this.#every(renew)]);
  }

  async close(): Promise<void> {
    this.#unlisten?.();
    this.#stop.abort();
    const ended = async (): Promise<void> => {
      await this.#looking;
      await Promise.all([...this.#running.keys()].map((id) => this.#end(id)));
      await this.#flushSent();
      await this.#members.leave();
      await this.#board.close();
    };
    const late = sleep(STOP_MS, undefined, { ref: false });
    await Promise.race([ended().catch(() => undefined), late]);
  }

  /** As far as this process knows it. */
  state({ id }: Pick<Definition<ConnectorBody>, 'id'>): ConnectorState {
    const state = this.#board.state(id);
    const sent = this.#sent.get(id);
    return sent === undefined ? state : withSent(state, sent);
  }

  /** Has the owner read at once, or all again from the beginning. Throws `kv_unavailable`. */
  run({ id }: Pick<Definition<ConnectorBody>, 'id'>, what: 'now' | 'all'): Promise<void> {
    return this.#board.ask(id, what === 'all' ? 'resyncs' : 'runs');
  }

  /** Takes records that were sent to a connector. Throws as `Intake.take` does. */
  async take(connector: Definition<ConnectorBody>, records: readonly SourceRecord[]): Promise<Counts> {
    const counts = await this.#intake.take(connector, records);
    const before = this.#sent.get(connector.id)?.counts ?? NO_COUNTS;
    this.#sent.set(connector.id, { counts: added(before, counts), at_ms: this.#options.clock.now() });
    return counts;
  }

  /** Those of all tenants that cannot read now. */
  get unwell(): number {
    return this.#count('waiting') + this.#count('failed');
  }

  samples(): MetricSample[] {
    return this.#metrics.samples();
  }

  #count(health: ConnectorState['health']): number {
    return this.#pulling().filter(({ id }) => this.#board.state(id).health === health).length;
  }

  /** Those that are to be read for. */
  #pulling(): readonly Definition<ConnectorBody>[] {
    const definitions = this.#definitions;
    if (definitions === undefined) return [];
    return definitions
      .tenants()
      .flatMap((tenant) => definitions.list(tenant))
      .filter(({ body }) => body.enabled && this.#types.has(body.type));
  }

  async #every(work: () => Promise<void>): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await work();
      } catch (error) {
        if (signal.aborted) return;
        this.#options.log.warn({ err: error }, 'connectors cannot be looked after now');
        // Where the bucket was deleted: all is read again, and counts once.
        await this.#options.records.ensure(0).catch(() => undefined);
      }
      await sleep(this.#times.tick_ms, undefined, { signal, ref: false }).catch(() => undefined);
    }
  }

  async #look(): Promise<void> {
    await this.#flushSent();
    const wanted = new Map(this.#pulling().map((one) => [one.id, one]));
    for (const [id, { run }] of this.#running) {
      if (wanted.get(id)?.revision !== run.revision) await this.#end(id);
    }
    const idle = [...wanted.values()].filter(({ id }) => !this.#running.has(id));
    const owners = new Set(idle.flatMap(({ id }) => this.#board.state(id).owner ?? []));
    owners.delete(this.#process);
    const dead = await this.#members.look(owners);
    for (const connector of idle) {
      const { owner } = this.#board.state(connector.id);
      if (owner === null || owner === this.#process || dead.has(owner)) await this.#claim(connector, dead);
    }
  }

  async #claim(connector: Definition<ConnectorBody>, dead: ReadonlySet<string>): Promise<void> {
    const type = this.#types.get(connector.body.type);
    if (type === undefined || this.#stop.signal.aborted) return;
    if (this.#running.size >= RUNNING_MAX_CONNECTORS) return;
    // Before the claim: an owner without a lease would be dead.
    await this.#members.renew(true, []);
    const { state, revision } = await this.#board.read(connector.id);
    const { owner } = state;
    if (owner !== null && owner !== this.#process && !dead.has(owner)) return;
    const held = await this.#board.write(connector.id, { ...state, owner: this.#process }, revision);
    if (held === undefined) return;
    const run = new ConnectorRun(this.#runParts(), type, connector, held);
    const stop = new AbortController();
    const done = run.run(stop.signal).finally(() => {
      // Lost, and not ended by this process.
      if (this.#running.get(connector.id)?.run === run) this.#running.delete(connector.id);
    });
    this.#running.set(connector.id, { run, stop, done });
  }

  /** Ends a run of this process, and lets others have the connector. */
  async #end(id: string): Promise<void> {
    const running = this.#running.get(id);
    if (running === undefined) return;
    this.#running.delete(id);
    running.stop.abort();
    await running.done;
    await running.run.release().catch(() => undefined);
  }

  #runParts(): RunParts {
    const { surroundings, clock, log } = this.#options;
    return {
      process: this.#process,
      board: this.#board,
      intake: this.#intake,
      secrets: this.secrets,
      ...{ surroundings, clock, times: this.#times },
      told: ({ id, tenant }, { code, message, retriable }) =>
        log.warn({ connector: id, tenant, code, retriable }, `a connector cannot read: ${message}`),
    };
  }

  /** Writes what was sent since the last time. */
  async #flushSent(): Promise<void> {
    for (const [id, sent] of [...this.#sent]) {
      this.#sent.delete(id);
      try {
        await this.#board.change(id, (state) => withSent(state, sent));
      } catch (error) {
        const more = this.#sent.get(id);
        const counts = more === undefined ? sent.counts : added(sent.counts, more.counts);
        this.#sent.set(id, { counts, at_ms: more?.at_ms ?? sent.at_ms });
        throw error;
      }
    }
  }

  #forget(id: string): void {
    this.#sent.delete(id);
    const gone = async (): Promise<void> => {
      await this.#end(id);
      await this.#board.forget(id);
    };
    gone().catch((error: unknown) => {
      this.#options.log.warn({ err: error, connector: id }, 'what a connector has left stays for now');
    });
  }
}

function withSent(
  state: ConnectorState,
  { counts, at_ms }: { readonly counts: Counts; readonly at_ms: number },
): ConnectorState {
  return { ...state, counts: added(state.counts, counts), last_record_at_ms: at_ms, health: 'ok' };
}
