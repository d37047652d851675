import type { Logger } from 'pino';
import { type KeyValueStore, MillraceError } from '../../engine/index.ts';
import {
  type ConnectorState,
  NEW_STATE,
  NO_WISH,
  stateSchema,
  type Wish,
  wishSchema,
} from './connector-state.ts';

const STATE_PREFIX = 'state.';
const WISH_PREFIX = 'wish.';
/** Tries of a change that others change at the same time. */
const CHANGE_ATTEMPTS = 20;

/** A state as it lies in the bucket. */
export interface Held {
  readonly state: ConnectorState;
  /** 0: it is not there. */
  readonly revision: number;
}

/** The bucket of what connectors do: seen by all processes, changed by compare-and-set. */
export class ConnectorBoard {
  readonly #store: KeyValueStore;
  readonly #log: Logger;
  readonly #states = new Map<string, ConnectorState>();
  readonly #wishes = new Map<string, Wish>();
  readonly #listeners = new Set<(id: string) => void>();
  #unwatch: (() => Promise<void>) | undefined;

  constructor(store: KeyValueStore, log: Logger) {
    this.#store = store;
    this.#log = log;
  }

  async open(): Promise<void> {
    this.#unwatch = await this.#store.watch(
      (change) => this.#see(change.key, change.kind === 'put' ? change.value : undefined),
      (error) => this.#log.warn({ err: error }, 'the state of a connector cannot be read'),
    );
  }

  async close(): Promise<void> {
    await this.#unwatch?.();
  }

  /** Calls back after each wish that somebody has said. */
  onWish(listener: (id: string) => void): void {
    this.#listeners.add(listener);
  }

  /** As this process knows it. */
  state(id: string): ConnectorState {
    return this.#states.get(id) ?? NEW_STATE;
  }

  wish(id: string): Wish {
    return this.#wishes.get(id) ?? NO_WISH;
  }

  /** As it is in the bucket. */
  async read(id: string): Promise<Held> {
    const entry = await this.#store.get(STATE_PREFIX + id);
    if (entry === undefined) return { state: NEW_STATE, revision: 0 };
    // What an other version has left is begun anew: nothing counts twice.
    return { state: stateSchema.safeParse(entry.value).data ?? NEW_STATE, revision: entry.revision };
  }

  /** Writes a state in place of the one that was read; undefined: it is another one by now. */
  async write(id: string, state: ConnectorState, revision: number): Promise<Held | undefined> {
    const key = STATE_PREFIX + id;
    const written =
      revision === 0 ? await this.#store.create(key, state) : await this.#store.update(key, state, revision);
    return written.ok ? { state, revision: written.revision } : undefined;
  }

  /** Changes a state that several processes change. */
  async change(id: string, change: (state: ConnectorState) => ConnectorState): Promise<void> {
    for (let attempt = 0; attempt < CHANGE_ATTEMPTS; attempt++) {
      const { state, revision } = await this.read(id);
      if ((await this.write(id, change(state), revision)) !== undefined) return;
    }
    throw new MillraceError('kv_unavailable', 'The state of the connector changes too fast. Try again.', {
      retriable: true,
    });
  }

  /** Asks the owner, whichever it is, to read at once, or all again. */
  async ask(id: string, what: keyof Wish): Promise<void> {
    const key = WISH_PREFIX + id;
    for (let attempt = 0; attempt < CHANGE_ATTEMPTS; attempt++) {
      const entry = await this.#store.get(key);
      const wish = wishSchema.safeParse(entry?.value).data ?? NO_WISH;
      const next = {
        ...wish,
        runs: wish.runs + 1,
        ...(what === 'resyncs' ? { resyncs: wish.resyncs + 1 } : {}),
      };
      const written =
        entry === undefined
          ? await this.#store.create(key, next)
          : await this.#store.update(key, next, entry.revision);
      if (written.ok) return this.#see(key, next);
    }
    throw new MillraceError('kv_unavailable', 'Too many ask for a run at once. Try again.', {
      retriable: true,
    });
  }

  async forget(id: string): Promise<void> {
    await this.#store.delete(STATE_PREFIX + id);
    await this.#store.delete(WISH_PREFIX + id);
  }

  #see(key: string, value: unknown): void {
    if (key.startsWith(STATE_PREFIX)) {
      const state = stateSchema.safeParse(value).data;
      if (state === undefined) this.#states.delete(key.slice(STATE_PREFIX.length));
      else this.#states.set(key.slice(STATE_PREFIX.length), state);
    }
    if (!key.startsWith(WISH_PREFIX)) return;
    const id = key.slice(WISH_PREFIX.length);
    const wish = wishSchema.safeParse(value).data;
    if (wish === undefined) this.#wishes.delete(id);
    else this.#wishes.set(id, wish);
    for (const listener of this.#listeners) listener(id);
  }
}
