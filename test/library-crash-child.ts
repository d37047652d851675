import { run } from '../index.ts';
import { settling } from './library-crash-topology.ts';

const [dataDir, natsUrl] = process.argv.slice(2);
if (dataDir === undefined || natsUrl === undefined) throw new Error('Usage: child DATA_DIR NATS_URL');
await run(settling, { dataDir, natsUrl, streams: { SETTLED: ['settled.>'] } });
process.stdout.write('running\n');
