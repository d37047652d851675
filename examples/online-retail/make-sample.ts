import { createReadStream, createWriteStream } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { constants, createGunzip, createGzip } from 'node:zlib';
import { packageRoot } from './app.ts';

/** Two whole months that hold every peculiarity of the file but invoices of more than 1,000 lines. */
const MONTHS = /,2011-0[89]-\d\d \d\d:\d\d:\d\d,/;

/** The header and the lines of the two months, as they stand in the file. */
async function* sampleOf(lines: AsyncIterable<string>): AsyncGenerator<string> {
  let first = true;
  for await (const line of lines) {
    if (first || MONTHS.test(line)) yield `${line}\n`;
    first = false;
  }
}

const [source] = process.argv.slice(2);
if (source === undefined) {
  process.stderr.write('usage: node dist/examples/online-retail/make-sample.js online_retail.csv.gz\n');
  process.exit(1);
}
const target = join(packageRoot(), 'examples', 'online-retail', 'sample.csv.gz');
const input = createReadStream(source).pipe(createGunzip());
await pipeline(
  Readable.from(sampleOf(createInterface({ input, crlfDelay: Number.POSITIVE_INFINITY }))),
  createGzip({ level: constants.Z_BEST_COMPRESSION }),
  createWriteStream(target),
);
process.stdout.write(`${target}\n`);
