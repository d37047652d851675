import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { packageRoot } from '../examples/online-retail/app.ts';
import { prepare } from '../examples/online-retail/publish.ts';

const RUN = join(packageRoot(), 'dist', 'examples', 'run.js');
const HEADER = 'InvoiceNo,StockCode,Description,Quantity,InvoiceDate,UnitPrice,CustomerID,Country';
const LINES = [
  '536365,85123A,"HEART, ""WHITE""",6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom',
  '536365,85123A,"HEART, ""WHITE""",6,2010-12-01 08:26:00,2.55,17850.0,United Kingdom',
  '536370,22728,ALARM CLOCK £5,24,2010-12-01 08:45:00,3.75,12583.0,France',
  'C536379,22728,ALARM CLOCK £5,-1,2011-01-02 09:41:00,3.75,12583.0,France',
  '536589,21777,,-10,2010-12-01 16:50:00,0.0,,United Kingdom',
];

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'millrace-test-example-'));
});
afterAll(() => rm(folder, { recursive: true, force: true }));

async function fileOf(name: string, content: string | Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, content);
  return path;
}

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<number | null>;
  out(): string;
  err(): string;
}

function start(...args: string[]): Run {
  const child = spawn(process.execPath, [RUN, ...args], { stdio: ['ignore', 'pipe', 'pipe'] });
  let out = '';
  let err = '';
  child.stdout.on('data', (data: Buffer) => {
    out += data.toString();
  });
  child.stderr.on('data', (data: Buffer) => {
    err += data.toString();
  });
  const ended = once(child, 'close').then(([code]) => code as number | null);
  return { child, ended, out: () => out, err: () => err };
}

describe('npm run example', () => {
  it('publishes a file, shows revenue by month and country, and a command that asks for the same', async () => {
    const path = await fileOf('small.csv.gz', gzipSync(`\ufeff${[HEADER, ...LINES].join('\r\n')}\r\n`));
    const run = start('--file', path, '--keep');
    try {
      await expect.poll(() => run.out(), { timeout: 120_000 }).toContain('It stays up');
      const text = run.out();
      expect(text).toMatch(/5 lines from 2010-12-01T08:26:00Z to 2011-01-02T09:41:00Z/);
      expect(text).toMatch(/100 % {2}4 of 4 events {2}[\d,]+ events\/s/);
      expect(text).toMatch(/Month +France +United Kingdom +All countries +Orders/);
      expect(text).toMatch(/Dec 2010 +£90\.00 +£30\.60 +£120\.60 +2\n/);
      expect(text).toMatch(/Jan 2011 \* +-£3\.75 +£0\.00 +-£3\.75 +0\n/);
      expect(text).toMatch(/Total +£86\.25 +£30\.60 +£116\.85 +2\n/);
      expect(text).toContain("Σ over all months and countries: £116.85, the same as the file's to the penny");
      expect(text).toMatch(/watermark 2011-01-02T09:40:30Z .* from rollup:country@1d/);
      const answer = await ask(text);
      expect(answer.groups.map(({ key, totals }) => [key.country, totals.revenue_net])).toEqual([
        ['France', 8_625],
        ['United Kingdom', 3_060],
      ]);
    } finally {
      run.child.kill('SIGTERM');
    }
    expect(await run.ended).toBe(0);
    expect(existsSync(/data in (\S+)/.exec(run.out())?.[1] ?? folder)).toBe(false);
  });

  it.each([
    [
      'a file that is not there',
      'missing.csv',
      undefined,
      /missing\.csv" cannot be read: there is no such file/,
    ],
    ['other columns', 'columns.csv', 'a,b\n1,2\n', /has no column InvoiceNo, StockCode/],
    ['an empty file', 'empty.csv', '', /has no column InvoiceNo/],
    ['no lines', 'header.csv', `${HEADER}\n`, /has no lines/],
    ['a broken archive', 'broken.csv.gz', gzipSync(LINES.join('\n')).subarray(0, 60), /cannot be read/],
    ['a short line', 'short.csv', `${HEADER}\n1,2\n`, /no proper CSV: .*line 2/],
    [
      'a bad number',
      'number.csv',
      `${HEADER}\n${LINES[0]?.replace('2.55', 'x')}\n`,
      /Line 2 .*UnitPrice "x"/,
    ],
  ])('says in a sentence what is wrong with %s', async (what, name, content, message) => {
    const path = content === undefined ? join(folder, name) : await fileOf(name, content);
    const said = await prepare(path).then(
      () => '',
      (error: Error) => error.message,
    );
    // That there are none is what the command finds.
    if (what !== 'no lines') expect(said).toMatch(message);
    expect(said).not.toContain('\n');
    if (what !== 'no lines' && what !== 'a bad number') return;
    const run = start('--file', path);
    expect([await run.ended, run.out()]).toEqual([1, '']);
    expect(run.err()).toMatch(message);
    expect(run.err().split('\n')).toHaveLength(2);
  });

  it('says what it can do, and what it cannot', async () => {
    const help = start('--help');
    expect([await help.ended, help.out()]).toEqual([0, expect.stringContaining('--file PATH')]);
    const unknown = start('--fiel', 'x');
    expect([await unknown.ended, unknown.err()]).toEqual([1, expect.stringContaining('--fiel')]);
  });
});

interface Answer {
  readonly groups: readonly {
    readonly key: { readonly country: string };
    readonly totals: { readonly revenue_net: number };
  }[];
}

/** Does what the printed curl command does. */
async function ask(text: string): Promise<Answer> {
  const command = text.slice(text.indexOf('curl -s'));
  const [url, authorization, type, body] = [...command.matchAll(/'([^']*)'/g)].map(([, part]) => part ?? '');
  const [, key] = authorization?.split(': ') ?? [];
  const response = await fetch(url ?? '', {
    method: 'POST',
    headers: { Authorization: key ?? '', 'Content-Type': type?.split(': ')[1] ?? '' },
    body: body ?? '',
  });
  return (await response.json()) as Answer;
}
