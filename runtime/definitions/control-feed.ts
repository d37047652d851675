import { setTimeout as sleep } from 'node:timers/promises';
import { CUSTOM_FIELD_KIND, METRIC_KIND } from '../../analytics/index.ts';
import { type ControlDefinition, type KeyValueStore, WatchedControl } from '../../engine/index.ts';
import { DEFINITION_PREFIX, DEFINITIONS_BUCKET, recordSchema } from './definition.ts';

const RETRY_MS = 1_000;

/** A task's input of definitions: those of the bucket, as they change. */
export class ControlFeed {
  readonly control: WatchedControl;
  readonly #onError: (error: unknown) => void;
  readonly #stop = new AbortController();
  #started: Promise<void> = Promise.resolve();

  /** `onError` hears of definitions that cannot be read, which count as not there, and of a bucket that is not reached. */
  constructor(onError: (error: unknown) => void) {
    this.#onError = onError;
    this.control = new WatchedControl({ bucket: DEFINITIONS_BUCKET, read: definitionOf, onError });
  }

  /** Goes on trying in the background: until the bucket is reached, what a task has applied stays. */
  start(open: () => Promise<KeyValueStore>): void {
    this.#started = this.#reach(open);
  }

  async #reach(open: () => Promise<KeyValueStore>): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      try {
        await this.control.start(await open());
        return;
      } catch (error) {
        this.#onError(error);
        await sleep(RETRY_MS, undefined, { signal }).catch(() => {});
      }
    }
  }

  async close(): Promise<void> {
    this.#stop.abort();
    await this.#started;
    await this.control.stop();
  }
}

function definitionOf(key: string, value: unknown, revision: number): ControlDefinition | undefined {
  if (!key.startsWith(DEFINITION_PREFIX)) return undefined;
  const { kind, tenant, id, name, body: said, updated_at_ms } = recordSchema.parse(value);
  // Others name a metric by its name.
  const added =
    kind === METRIC_KIND ? { name } : kind === CUSTOM_FIELD_KIND ? { since_ms: updated_at_ms } : undefined;
  const body = added === undefined ? said : { ...(said as object), ...added };
  return { kind, scope: tenant, id, revision, body };
}
