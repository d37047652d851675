import { pino } from 'pino';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { DimensionPaths } from '../../analytics/index.ts';
import { MemoryKeyValueStore } from '../../connectors/index.ts';
import { ManualClock, MillraceError } from '../../engine/index.ts';
import { Definitions } from '../definitions/index.ts';
import type { BuildRequest, BuiltGeneration } from '../generations/index.ts';
import { readSettings } from '../settings/index.ts';
import { DimensionBuilds, type DimensionBuildsOptions } from './dimension-builds.ts';
import { type Dimensions, dimensionKind } from './dimension-kind.ts';

const PATIENTLY = { timeout: 60_000, interval: 5 };
const log = pino({ level: 'silent' });

/** Generations whose builds end when the test says so. */
class Turns {
  readonly requests: BuildRequest[] = [];
  readonly discarded: number[] = [];
  declaredDimensions: readonly string[] = ['team'];
  settings = { ...readSettings({}), customDimensions: ['team'] as readonly string[] };
  left: ReturnType<DimensionBuildsOptions['generations']['interrupted']> = [];
  #end: ((error?: MillraceError) => void) | undefined;

  build(request: BuildRequest): Promise<BuiltGeneration> {
    this.requests.push(request);
    return new Promise((done, fail) => {
      this.#end = (error) => {
        this.#end = undefined;
        if (error !== undefined) return fail(error);
        const { customDimensions = [], dimensionPaths = {} } = request.options;
        this.settings = { ...this.settings, customDimensions, dimensionPaths };
        done({
          generation: 2,
          replaced: 1,
          records: 0,
          same: false,
          different: [],
          cells: null,
          isActive: true,
          pause_ms: 0,
        });
      };
    });
  }

  interrupted() {
    return this.left;
  }

  discard(generation: number): Promise<void> {
    this.discarded.push(generation);
    this.left = this.left.filter((one) => one.generation !== generation);
    return Promise.resolve();
  }

  /** Ends the build of these columns. */
  async end(
    columns: readonly string[],
    error?: MillraceError,
    dimensionPaths?: DimensionPaths,
  ): Promise<void> {
    await vi.waitFor(() => expect(this.#end).toBeDefined(), PATIENTLY);
    expect(this.requests.at(-1)?.options).toEqual({ customDimensions: columns, dimensionPaths });
    this.#end?.(error);
    // What follows from it happens before the next turn of timers.
    await new Promise((resolve) => setImmediate(resolve));
  }

  get isBuilding(): boolean {
    return this.#end !== undefined;
  }
}

let clock: ManualClock;
let definitions: Definitions;
let dimensions: Dimensions;
let turns: Turns;
let builds: DimensionBuilds;
let isUsed = false;

beforeEach(async () => {
  clock = new ManualClock(Date.UTC(2026, 0, 1));
  definitions = new Definitions({ store: new MemoryKeyValueStore(), clock, log });
  turns = new Turns();
  isUsed = false;
  dimensions = definitions.kind(
    dimensionKind({
      declared: () => turns.declaredDimensions,
      tenant_max: 16,
      userOf: () => (isUsed ? 'The metric "m"' : undefined),
    }),
  );
  await definitions.open();
  builds = new DimensionBuilds({ dimensions, generations: turns, log, onBuilt: () => undefined });
});
afterEach(async () => {
  builds.close();
  await definitions.close();
});

const define = (name: string, tenant = 'a', body: object = {}) => {
  clock.advance(1);
  return dimensions.create(tenant, { name, body, created_by: 'key' });
};

describe('builds of dimensions', () => {
  it('are one at a time; what is defined meanwhile, by whoever, is built together', async () => {
    builds.start();
    const one = await define('one');
    const two = await define('two');
    await define('three', 'b');
    await define('two', 'b');
    turns.requests[0]?.onProgress?.({
      ...{ generation: 2, phase: 'reading', position: 1, goal: 4 },
      ...{ share: 0.25, records: 1, records_per_s: 1 },
    });
    expect(builds.stateOf(one)).toEqual({ status: 'building', share: 0.25 });
    const values = () => builds.samples().map(({ labels, value }) => [...Object.values(labels), value]);
    const ended = (built: number) => [
      ['built', built],
      ['failed', 0],
    ];
    const of = (ready: number, building: number, share: number) => [
      ...[['ready', ready], ['building', building], ['failed', 0], [share]],
    ];
    expect(values()).toEqual([...of(0, 4, 0.25), ...ended(0)]);
    expect(builds.stateOf(two)).toEqual({ status: 'building', share: 0 });
    await turns.end(['team', 'one']);
    expect(builds.stateOf(one)).toEqual({ status: 'ready' });
    await turns.end(['team', 'one', 'two', 'three']);
    expect([turns.isBuilding, turns.requests.length]).toEqual([false, 2]);
    expect(values()).toEqual([...of(4, 0, 0), ...ended(2)]);
  });

  it('give the column of a deleted one up with the next build, and make none for that', async () => {
    builds.start();
    const { id } = await define('one');
    await turns.end(['team', 'one']);
    await dimensions.delete('a', id);
    expect(turns.isBuilding).toBe(false);
    await define('two');
    await turns.end(['team', 'two']);
    turns.declaredDimensions = ['team', 'region2'];
    await define('three');
    await turns.end(['team', 'two', 'region2', 'three']);
  });

  it('are tried again after what passes, and say what does not until it is defined again', async () => {
    builds.start();
    const one = await define('one');
    await turns.end(['team', 'one'], new MillraceError('no_state', 'Nothing yet.', { retriable: true }));
    expect(builds.stateOf(one)).toEqual({ status: 'building', share: 0 });
    await turns.end(['team', 'one'], new MillraceError('generation_differs', 'It differs.'));
    expect(builds.stateOf(one)).toEqual({
      ...{ status: 'failed', code: 'generation_differs', message: 'It differs.' },
    });
    expect(turns.isBuilding).toBe(false);
    await dimensions.delete('a', one.id);
    await define('one');
    await turns.end(['team', 'one']);
    expect(builds.stateOf(one)).toEqual({ status: 'ready' });
  });

  it('go on with an interrupted one of the same, and remove those of others', async () => {
    await define('one');
    const left = { reason: 'custom dimensions', started_at_ms: 0 };
    turns.left = [
      { ...left, generation: 2, options: { customDimensions: ['team', 'gone'] } },
      { ...left, generation: 3, options: { customDimensions: ['team', 'one'] } },
      { ...left, generation: 4, reason: 'backfill', options: {} },
    ];
    builds.start();
    await turns.end(['team', 'one']);
    expect([turns.discarded, turns.requests[0]?.reason]).toEqual([[2], 'custom dimensions']);
    // A restart that finds all columns there.
    new DimensionBuilds({ dimensions, generations: turns, log, onBuilt: () => undefined }).start();
    expect(turns.discarded).toEqual([2, 3]);
  });
});

describe('dimensions that lie deeper', () => {
  it('are built where they lie, for each tenant, and again when they move', async () => {
    builds.start();
    const one = await define('carrier', 'a', { path: 'data.delivery.carrier' });
    const asked = { customDimensions: ['team', 'carrier'] };
    const delivery = { a: { carrier: ['delivery', 'carrier'] } };
    await turns.end(['team', 'carrier'], undefined, delivery);
    expect(builds.stateOf(one)).toEqual({ status: 'ready' });
    // The column is there, and what it has of this tenant is another member.
    const other = await define('carrier', 'b', { path: 'data.parcel[0].by' });
    expect(builds.stateOf(other)).toEqual({ status: 'building', share: 0 });
    const both = { ...delivery, b: { carrier: ['parcel', 0, 'by'] } };
    await turns.end(asked.customDimensions, undefined, both);
    expect(builds.stateOf(other)).toEqual({ status: 'ready' });
    const moved = await dimensions.patch('b', other.id, { path: null });
    expect(builds.stateOf(moved)).toEqual({ status: 'building', share: 0 });
    await turns.end(asked.customDimensions, undefined, delivery);
    expect(builds.stateOf(moved)).toEqual({ status: 'ready' });
    await dimensions.delete('b', other.id);
    expect(turns.isBuilding).toBe(false);
    await dimensions.patch('a', one.id, { path: 'carrier' });
    await turns.end(asked.customDimensions, undefined, {});
    expect(turns.requests).toHaveLength(4);
  });
});

describe('dimensions', () => {
  it('have names that are free, and no more than an installation may have', async () => {
    for (const name of ['country', 'currency', 'ts', 'a b', '1st', '__proto__', 'data']) {
      await expect(define(name)).rejects.toMatchObject({ code: 'validation_failed' });
    }
    await expect(define('team')).rejects.toMatchObject({ code: 'name_taken' });
    for (const path of ['', 'data', 'data[0]', 'items[].sku', 'a..b', 'a[x]', '[0]']) {
      const refused = { code: 'validation_failed', errors: [{ path: 'path' }] };
      await expect(define('one', 'a', { path }), path).rejects.toMatchObject(refused);
    }
    for (let index = 0; index < 31; index++)
      await define(`d${index}`, `t${index % 3}`, { path: `data.d${index}` });
    await expect(define('more')).rejects.toMatchObject({ code: 'limit_reached' });
    // Another tenant's has its column already.
    const again = await define('d0', 'z');
    isUsed = true;
    await expect(dimensions.delete('z', again.id)).rejects.toMatchObject({ code: 'definition_in_use' });
    await expect(dimensions.patch('z', again.id, { name: 'd1' })).rejects.toMatchObject({
      code: 'definition_in_use',
    });
  });
});
