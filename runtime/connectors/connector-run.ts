import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  type ConnectorType,
  type IntakeSurroundings,
  POSITION_MAX_BYTES,
  type RecordSource,
  type SourceBatch,
} from '../../connectors/index.ts';
import { type Clock, MillraceError } from '../../engine/index.ts';
import type { Definition } from '../definitions/index.ts';
import type { ConnectorBoard, Held } from './connector-board.ts';
import type { ConnectorBody } from './connector-kind.ts';
import type { ConnectorSecrets } from './connector-secrets.ts';
import { added, type ConnectorState } from './connector-state.ts';
import type { Intake } from './intake.ts';

export interface ConnectorTimes {
  /** Between two looks at who owns what. */
  readonly tick_ms: number;
  /** The first pause after a failure; it doubles with each that follows. */
  readonly retry_min_ms: number;
  readonly retry_max_ms: number;
  /** Between two reads of a source that ends. */
  readonly again_ms: number;
  /** Between two looks at what waits at the source. */
  readonly lag_ms: number;
}

export const CONNECTOR_TIMES: ConnectorTimes = {
  tick_ms: 1_000,
  retry_min_ms: 1_000,
  retry_max_ms: 60_000,
  again_ms: 10_000,
  lag_ms: 10_000,
};

export interface RunParts {
  readonly process: string;
  readonly board: ConnectorBoard;
  readonly intake: Intake;
  readonly secrets: ConnectorSecrets;
  readonly surroundings: IntakeSurroundings;
  readonly clock: Clock;
  readonly times: ConnectorTimes;
  /** What went wrong, for the log: without secrets. */
  readonly told: (connector: Definition<ConnectorBody>, error: MillraceError) => void;
}

/** Another process owns the connector now. */
const lost = (): MillraceError => new MillraceError('connector_lost', 'Another process reads for it now.');

/**
 * One connector that this process owns: reads its source, and keeps its position once the stream has the events. It
 * ends when another process has taken it over, or the signal is aborted.
 */
export class ConnectorRun {
  readonly #parts: RunParts;
  readonly #type: ConnectorType;
  readonly #connector: Definition<ConnectorBody>;
  readonly #origin: string;
  #held: Held;
  #source: RecordSource | undefined;
  #wake: () => void = () => undefined;
  /** Ends the session, to begin another one. */
  #session = new AbortController();

  constructor(parts: RunParts, type: ConnectorType, connector: Definition<ConnectorBody>, held: Held) {
    this.#parts = parts;
    this.#type = type;
    this.#connector = connector;
    this.#held = held;
    this.#origin = originOf(parts.secrets, type, connector.body);
  }

  /** The definition that it reads for. */
  get revision(): number {
    return this.#connector.revision;
  }

  /** Reads at once; from the beginning where that was asked for. */
  asked(): void {
    if (this.#parts.board.wish(this.#connector.id).resyncs > this.#held.state.resyncs) this.#session.abort();
    this.#source?.wake?.();
    this.#wake();
  }

  /** Never rejects. */
  async run(signal: AbortSignal): Promise<void> {
    const { retry_min_ms, retry_max_ms, again_ms } = this.#parts.times;
    for (let failures = 0; !signal.aborted; ) {
      const kept_ms = this.#held.state.position_at_ms;
      try {
        const end = await this.#read(signal);
        failures = 0;
        if (end === 'ended') await this.#pause(again_ms, signal);
      } catch (error) {
        if (signal.aborted) return;
        const { secrets } = this.#parts;
        const { tenant, body } = this.#connector;
        const named = secrets.redacted(tenant, body, error);
        if (named.code === 'connector_lost') return;
        failures = this.#held.state.position_at_ms === kept_ms ? failures + 1 : 1;
        this.#parts.told(this.#connector, named);
        await this.#failed(named);
        const pause_ms = Math.min(retry_max_ms, retry_min_ms * 2 ** Math.min(failures - 1, 16));
        await this.#pause(named.retriable ? pause_ms : Number.POSITIVE_INFINITY, signal);
      }
    }
  }

  /** Gives the connector back, so that another process need not wait. */
  async release(): Promise<void> {
    await this.#write((state) => ({ ...state, owner: null }));
  }

  /** Until the source ends, or a new session is asked for, which begins at once. */
  async #read(signal: AbortSignal): Promise<'ended' | 'asked'> {
    const { secrets, surroundings } = this.#parts;
    const { tenant, id, body } = this.#connector;
    this.#session = new AbortController();
    this.#held = await this.#mine();
    await this.#beginAnew();
    const asked = this.#session.signal;
    const ending = AbortSignal.any([signal, asked]);
    const config = secrets.opened(tenant, body);
    const source = await this.#type.open(config, { tenant, connector_id: id }, surroundings);
    this.#source = source;
    const lags = this.#watchLag(source, ending);
    try {
      for await (const batch of source.read(this.#held.state.position, ending)) {
        if (ending.aborted) break;
        await this.#take(batch);
        await source.committed?.(batch.position);
      }
      if (asked.aborted) return 'asked';
      if (!signal.aborted) await this.#isWell();
      return 'ended';
    } catch (error) {
      // An aborted session is begun again.
      if (!asked.aborted || signal.aborted) throw error;
      return 'asked';
    } finally {
      this.#source = undefined;
      this.#session.abort();
      await lags;
      await source.close();
    }
  }

  async #take({ records, position }: SourceBatch): Promise<void> {
    const { intake, clock } = this.#parts;
    const size_bytes = Buffer.byteLength(JSON.stringify(position));
    if (size_bytes > POSITION_MAX_BYTES) {
      throw new MillraceError(
        'position_too_large',
        `The position of the source has ${size_bytes} bytes, at most ${POSITION_MAX_BYTES} are kept. Divide the source ` +
          'among several connectors.',
      );
    }
    const counts = await intake.take(this.#connector, records);
    const now_ms = clock.now();
    await this.#write((state) => ({
      ...state,
      ...{ position, position_at_ms: now_ms, counts: added(state.counts, counts), health: 'ok' },
      ...(records.length === 0 ? {} : { last_record_at_ms: now_ms }),
    }));
  }

  /** A changed place, or the wish to read all again, lets go of the position. Events that come again count once. */
  async #beginAnew(): Promise<void> {
    const { resyncs } = this.#parts.board.wish(this.#connector.id);
    const { state } = this.#held;
    const isElsewhere = state.origin !== this.#origin;
    if (!isElsewhere && resyncs <= state.resyncs) return;
    await this.#write(({ position: _, ...rest }) => ({ ...rest, origin: this.#origin, resyncs }));
  }

  async #watchLag(source: RecordSource, signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      await sleep(this.#parts.times.lag_ms, undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
      try {
        const lag = await source.lag();
        const health = lag === null ? this.#held.state.health : 'ok';
        if (lag !== this.#held.state.lag || health !== this.#held.state.health)
          await this.#write((state) => ({ ...state, lag, health }));
      } catch {
        // What is wrong is told by reading.
      }
    }
  }

  async #isWell(): Promise<void> {
    if (this.#held.state.health !== 'ok') await this.#write((state) => ({ ...state, health: 'ok' }));
  }

  async #failed({ code, message, retriable }: MillraceError): Promise<void> {
    const health = retriable ? 'waiting' : 'failed';
    const error = { code, message, at_ms: this.#parts.clock.now() };
    try {
      this.#held = await this.#mine();
      await this.#write((state) => ({ ...state, health, error }));
    } catch {
      // The bucket is away: the next session says so.
    }
  }

  /** The state as it is, where it is still this process's. */
  async #mine(): Promise<Held> {
    const held = await this.#parts.board.read(this.#connector.id);
    if (held.state.owner !== this.#parts.process) throw lost();
    return held;
  }

  #writing: Promise<void> = Promise.resolve();

  /** One write after the other. */
  #write(change: (state: ConnectorState) => ConnectorState): Promise<void> {
    const write = this.#writing.then(async () => {
      const { board } = this.#parts;
      const { state, revision } = this.#held;
      const written = await board.write(this.#connector.id, change(state), revision);
      if (written !== undefined) {
        this.#held = written;
        return;
      }
      // A write before was done although nobody said so: what is read since is read again.
      this.#held = await this.#mine();
      throw new MillraceError('kv_unavailable', 'The state of the connector was written in part.', {
        retriable: true,
      });
    });
    this.#writing = write.catch(() => undefined);
    return write;
  }

  async #pause(pause_ms: number, signal: AbortSignal): Promise<void> {
    const waking = new AbortController();
    this.#wake = () => waking.abort();
    const ending = AbortSignal.any([signal, waking.signal]);
    const bounded_ms = Math.min(pause_ms, 2 ** 31 - 1);
    await sleep(bounded_ms, undefined, { signal: ending, ref: false }).catch(() => undefined);
    this.#wake = () => undefined;
  }
}

/** What a position belongs to: the config without what is secret or only says how fast. */
function originOf(secrets: ConnectorSecrets, { tuning = [] }: ConnectorType, body: ConnectorBody): string {
  const config = Object.entries(secrets.public(body)).filter(([name]) => !tuning.includes(name));
  const text = JSON.stringify(config.sort(([a], [b]) => (a < b ? -1 : 1)));
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}
