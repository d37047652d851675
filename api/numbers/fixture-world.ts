import { expect } from 'vitest';
import { shopEvents } from '../../examples/shop/generator.ts';
import { startTestApi, TEST_NOW_MS, type TestApi } from '../fixture-api.ts';
import { Oracle } from './fixture-oracle.ts';

/** The example's shop in the memory of one process, beside SQL over its events. For tests. */

export type Json = Readonly<Record<string, unknown>>;

const DAYS = 31;
/** Sessions that leave, too: every 56 minutes one orders for certain. */
const EVERY_MINUTES = 34;
const AT_ONCE = 4_000;
const DAY_MS = 86_400_000;

/** Two weeks, and the two before them; now is noon of the day after. */
export const FIRST_DAY = '2025-08-18';
export const LAST_DAY = '2025-08-31';
export const START_MS = Date.parse(FIRST_DAY);
export const END_MS = Date.parse(LAST_DAY) + DAY_MS;
export const RANGE = { start: `${FIRST_DAY}T00:00:00Z`, end: '2025-09-01T00:00:00Z' };
/** As conditions of SQL. */
export const NOW = `t >= ${START_MS} AND t < ${END_MS}`;
export const BEFORE = `t >= ${START_MS - 14 * DAY_MS} AND t < ${START_MS}`;
export const UNTIL = `t < ${END_MS}`;

/** Minor units of pounds as a number of pounds. */
export const pounds = (minor: number): number => Number((minor / 100).toFixed(2));
export const text = (minor: number): string => (Math.round(minor) / 100).toFixed(2);
export const by = <T extends object>(rows: readonly T[], name: string): Readonly<Record<string, T>> =>
  Object.fromEntries(rows.map((row) => [String((row as Json)[name] ?? ''), row]));

export class ShopWorld {
  readonly test: TestApi;
  readonly sql: Oracle;
  readonly events: number;
  readonly #key: string;

  private constructor(test: TestApi, sql: Oracle, key: string, events: number) {
    this.test = test;
    this.sql = sql;
    this.#key = key;
    this.events = events;
  }

  static async open(): Promise<ShopWorld> {
    const test = await startTestApi({ RATE_LIMIT_RPS: '1000000', RATE_LIMIT_BURST: '1000000' });
    const key = await test.key('admin');
    const events = shopEvents({ seed: 16, now_ms: TEST_NOW_MS, days: DAYS, every_minutes: EVERY_MINUTES });
    const world = new ShopWorld(test, await Oracle.of(events), key, events.length);
    for (let at = 0; at < events.length; at += AT_ONCE) {
      const json = events.slice(at, at + AT_ONCE);
      expect(await world.post('/ingest', json, 202)).toMatchObject({ accepted: json.length, rejected: [] });
    }
    await test.apply();
    return world;
  }

  async close(): Promise<void> {
    this.sql.close();
    await this.test.close();
  }

  readonly get = (path: string): Promise<Json> => this.#answer(path, {}, 200);

  readonly post = (path: string, json: unknown, status = 200): Promise<Json> =>
    this.#answer(path, { json }, status);

  readonly send = (path: string, init: RequestInit & { json?: unknown } = {}): Promise<Response> =>
    this.test.send(path, { key: this.#key, ...init });

  async #answer(path: string, init: { json?: unknown }, status: number): Promise<Json> {
    const response = await this.send(path, init);
    const body = await response.text();
    expect(response.status, `${path} ${body.slice(0, 500)}`).toBe(status);
    return JSON.parse(body) as Json;
  }
}

/** How an endpoint of the documents, with its whole path, is compared. */
export type Comparison = readonly [endpoint: string, compare: (shop: ShopWorld) => Promise<void>];
