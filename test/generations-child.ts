import { connectNats, ensureStreams } from '../connectors/index.ts';
import { Generations, readSettings } from '../runtime/index.ts';

/** Runs the order analytics and builds a generation with a dimension more; says each step in a line. */
const [dataDir, url] = process.argv.slice(2);
if (dataDir === undefined || url === undefined) throw new Error('Usage: child DATA_DIR NATS_URL');
const say = (line: string): void => void process.stdout.write(`${line}\n`);

const link = await connectNats({ url, name: 'generations-child' });
await ensureStreams(link);
const generations = new Generations({
  settings: readSettings({ DATA_DIR: dataDir, DEDUP_MEMORY_IDS: '1000' }),
  nats: { url },
  link,
  released: () => Promise.resolve(),
});
say(`interrupted ${JSON.stringify(generations.interrupted())}`);
generations.start();
while (generations.host.progress() === undefined) await new Promise((resolve) => setTimeout(resolve, 20));
if (!generations.settings.customDimensions.includes('store')) {
  let phase = '';
  await generations.build({
    options: { customDimensions: ['store'] },
    reason: 'crash test',
    onProgress: (progress) => {
      if (progress.phase !== phase) say(`phase ${progress.phase}`);
      phase = progress.phase;
    },
  });
}
// Before the line: whoever reads it may send the signal at once.
process.once('SIGTERM', () => {
  void generations.close().then(async () => {
    await link.close();
    process.exit();
  });
});
say(`current ${generations.host.generation}`);
