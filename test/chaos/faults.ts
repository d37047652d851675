import {
  closeSync,
  cpSync,
  openSync,
  readFileSync,
  rmSync,
  statfsSync,
  statSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { connectNats, EVENTS_STREAM, openManager } from '../../connectors/index.ts';
import { existingGeneration } from '../../engine/index.ts';
import type { World } from './world.ts';

/** What can be done to a running service. */
export interface Fault {
  readonly kind: string;
  /** Does it, and undoes what an operator would undo. */
  readonly strike: (world: World) => Promise<void>;
  /** Codes that the service may stop with: a state that an operator has to mend. Undefined: it goes on by itself. */
  readonly mayStop?: readonly string[];
  /** What an operator does then, as the message says. */
  readonly mend?: (world: World) => Promise<void>;
  /** The broker loses orders that it had acknowledged: they are sent again before the check. */
  readonly losesOrders?: boolean;
  readonly needsDisk?: boolean;
  /** It changes the file of the state, and an operator verifies it afterwards. */
  readonly isOfFile?: boolean;
}

const MIB = 1_048_576;
const META_BYTES = 8_192;

function generationOf({ dataDir }: World): number {
  return existingGeneration(join(dataDir, 'state'), 'order-analytics')?.generation ?? 1;
}

async function stopped(world: World): Promise<void> {
  const { code } = await world.service.terminate();
  if (code !== 0) throw new Error(`SIGTERM ended the service with ${code}`);
}

async function rebuild(world: World): Promise<void> {
  if (world.service.isRunning) await world.service.kill();
  const { code, out, err } = await world.command('state', 'rebuild');
  if (code !== 0) throw new Error(`state rebuild: ${code} ${out} ${err}`);
  world.restart();
}

/** The service with a state whose file was changed while it was away. */
function changed(change: (world: World, path: string) => void): (world: World) => Promise<void> {
  return async (world) => {
    await stopped(world);
    change(world, world.stateFile(generationOf(world)));
    world.restart();
  };
}

function flipBits({ random }: World, path: string): void {
  const bytes = readFileSync(path);
  for (let flip = 0; flip < 3; flip++) {
    const at = random.int(META_BYTES, bytes.length - 1);
    bytes[at] = (bytes[at] as number) ^ (1 << random.int(0, 7));
  }
  writeFileSync(path, bytes);
}

async function fillDisk(world: World): Promise<void> {
  const path = join(world.disk ?? '', 'ballast');
  const file = openSync(path, 'w');
  const { bavail, bsize } = statfsSync(world.disk ?? '');
  for (let left = bavail * bsize; left > 0; left -= MIB) {
    try {
      writeSync(file, Buffer.alloc(Math.min(MIB, left)));
    } catch {
      break;
    }
  }
  closeSync(file);
  await sleep(world.random.int(1_000, 4_000));
  rmSync(path);
}

async function recreateStream(world: World): Promise<void> {
  const link = await connectNats({ url: world.nats.url, name: 'chaos' });
  const manager = await openManager(link);
  const { config } = await manager.streams.info(EVENTS_STREAM.name);
  await manager.streams.delete(EVENTS_STREAM.name);
  await manager.streams.add(config);
  await link.close();
}

/** The stream's files of a moment ago, put back; publishers go on at once. */
async function restoreStream(world: World): Promise<void> {
  const files = join(world.nats.storeDir, 'nats');
  const backup = `${world.nats.storeDir}/backup`;
  await world.nats.kill();
  cpSync(files, backup, { recursive: true });
  await world.restartNats();
  await sleep(world.random.int(1_500, 3_000));
  await world.nats.kill();
  rmSync(files, { recursive: true });
  cpSync(backup, files, { recursive: true });
  rmSync(backup, { recursive: true });
  await world.restartNats();
}

const DAMAGE = ['state_damaged', 'state_truncated', 'crashed'];

/** Every kind of fault; the run draws from those that it is given. */
export const FAULTS: readonly Fault[] = [
  {
    kind: 'service-killed',
    strike: async (world) => {
      await world.service.kill();
      world.restart();
    },
  },
  {
    kind: 'service-terminated',
    strike: async (world) => {
      await stopped(world);
      world.restart();
    },
  },
  {
    kind: 'service-stopped',
    strike: async (world) => {
      process.kill(world.service.pid, 'SIGSTOP');
      await sleep(world.random.int(500, 4_000));
      process.kill(world.service.pid, 'SIGCONT');
    },
  },
  {
    kind: 'server-killed',
    strike: async (world) => {
      await world.nats.kill();
      await sleep(world.random.int(0, 2_000));
      await world.restartNats();
    },
  },
  {
    kind: 'server-stopped',
    strike: async (world) => {
      process.kill(world.nats.pid, 'SIGSTOP');
      await sleep(world.random.int(500, 4_000));
      process.kill(world.nats.pid, 'SIGCONT');
    },
  },
  {
    kind: 'connection-stalled',
    strike: async (world) => {
      world.proxy.stall();
      await sleep(world.random.int(1_000, 6_000));
      world.proxy.resume();
    },
  },
  {
    kind: 'connection-cut',
    strike: (world) => Promise.resolve(world.proxy.cut()),
  },
  { kind: 'disk-full', needsDisk: true, strike: fillDisk },
  { kind: 'bits-flipped', strike: changed(flipBits), mayStop: DAMAGE, mend: rebuild, isOfFile: true },
  {
    kind: 'file-cut-short',
    strike: changed((world, path) => truncateSync(path, world.random.int(META_BYTES, statSync(path).size))),
    mayStop: DAMAGE,
    mend: rebuild,
    isOfFile: true,
  },
  {
    kind: 'wrong-clock',
    // One tenant's clock is ahead: no other tenant's minutes are complete because of it.
    strike: async (world) => {
      const [tenant = ''] = world.ledger.tenants;
      await world.publisher.send([world.ledger.sent(tenant, Date.now() + 23 * 3_600_000)]);
    },
  },
  {
    kind: 'stream-recreated',
    strike: recreateStream,
    losesOrders: true,
    mayStop: ['stream_recreated', 'position_ahead_of_stream', 'stream_went_back'],
    mend: rebuild,
  },
  {
    kind: 'stream-restored',
    strike: restoreStream,
    losesOrders: true,
    mayStop: ['position_ahead_of_stream', 'stream_went_back', 'stream_restored', 'stream_recreated'],
    mend: rebuild,
  },
];
