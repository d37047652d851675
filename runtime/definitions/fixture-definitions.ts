import { pino } from 'pino';
import { z } from 'zod';
import { connectNats, type NatsLink, openKeyValueStore } from '../../connectors/index.ts';
import { type KeyValueStore, ManualClock } from '../../engine/index.ts';
import { startTestNats, type TestNats } from '../../test/nats.ts';
import type { DefinitionChange, DefinitionKind } from './definition.ts';
import { Definitions } from './definitions.ts';
import type { KindDefinitions, NewDefinition } from './kind-definitions.ts';

export const PATIENTLY = { timeout: 60_000, interval: 10 };

export const RULE = z.strictObject({
  event: z.string(),
  share: z.number().default(1),
  tags: z.record(z.string(), z.string()).optional(),
});
export type Rule = z.output<typeof RULE>;
export const KIND: DefinitionKind<Rule> = { kind: 'rule', schema: RULE, limit: 5 };

/** What one process has: its definitions over a store. */
export interface TestProcess {
  readonly definitions: Definitions;
  readonly rules: KindDefinitions<Rule>;
  readonly changes: DefinitionChange<Rule>[];
  readonly clock: ManualClock;
}

export const made = (name: string, body: unknown = { event: 'visit' }): NewDefinition => ({
  name,
  body,
  created_by: 'key',
});

/** Processes that share buckets of one NATS server. For tests. */
export class DefinitionsBench {
  readonly #nats: TestNats;
  readonly #links: readonly NatsLink[];
  #running: Definitions[] = [];
  #buckets = 0;

  private constructor(nats: TestNats, links: readonly NatsLink[]) {
    this.#nats = nats;
    this.#links = links;
  }

  static async start(): Promise<DefinitionsBench> {
    const nats = await startTestNats();
    const links = await Promise.all(['one', 'two'].map((name) => connectNats({ url: nats.url, name })));
    return new DefinitionsBench(nats, links);
  }

  /** Of one of two processes. */
  link(index: number): NatsLink {
    const link = this.#links[index];
    if (link === undefined) throw new Error('There are two links');
    return link;
  }

  /** The name of a bucket that is not there yet. */
  newBucket(): string {
    return `d${++this.#buckets}`;
  }

  bucket(index: number, name: string): Promise<KeyValueStore> {
    return openKeyValueStore(this.link(index), name);
  }

  async process(store: KeyValueStore, kind: DefinitionKind<Rule> = KIND): Promise<TestProcess> {
    const clock = new ManualClock(Date.UTC(2026, 0, 1));
    let byte = 0;
    // Another run of bytes in each process, as randomness would be.
    const salt = this.#running.length * 16;
    const random = (count: number) => Uint8Array.from({ length: count }, () => (byte++ + salt) % 251);
    const definitions = new Definitions({ store, clock, log: pino({ level: 'silent' }), random });
    const rules = definitions.kind(kind);
    const changes: DefinitionChange<Rule>[] = [];
    rules.onChange((change) => changes.push(change));
    await definitions.open();
    this.#running.push(definitions);
    return { definitions, rules, changes, clock };
  }

  /** Ends all processes. */
  async stopAll(): Promise<void> {
    for (const definitions of this.#running.splice(0)) await definitions.close();
  }

  async close(): Promise<void> {
    await this.stopAll();
    for (const link of this.#links) await link.close();
    await this.#nats.stop();
  }
}
