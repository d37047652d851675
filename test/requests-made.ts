import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, relative, resolve } from 'node:path';

/** Which operations of the API the tests ask, as it was recorded of runs: `api/requests-made.json`. */

const ROOT = resolve(import.meta.dirname, '..');
const RECORD = join(ROOT, 'api', 'requests-made.json');
/** What each file of a recording run has asked. */
const PARTS = join(ROOT, 'dist', 'requests-made');
const BASE = '/v1/order-analytics';

export interface RequestRecord {
  /** Of each operation its method and path: `GET /v1/order-analytics/jobs/{jobId}`. */
  readonly operations: Readonly<Record<string, string>>;
  /** By test file, from the root: ids of the operations that answered it with success, with a space between them. */
  readonly files: Readonly<Record<string, string>>;
}

/** They go through all operations, whatever those are. */
const SWEEPS = new Set([
  ...['api/examples.test.ts', 'api/fuzz.test.ts', 'api/matrix.test.ts', 'api/masks.test.ts'],
  ...['api/audit.test.ts', 'api/api-page.test.ts', 'test/example-shop.test.ts', 'test/web.test.ts'],
]);

export const readRecord = (): RequestRecord => JSON.parse(readFileSync(RECORD, 'utf8')) as RequestRecord;

/**
 * Where the tests of an operation lie. Those in a folder that its path names come first (`api/sections/ingest` of
 * `POST /ingest`), then those of the API, and of these the ones that ask little else.
 */
export function testsOf({ operations, files }: RequestRecord, operation: string): readonly string[] {
  const segments = (operations[operation] ?? '').split('/');
  const rank = (file: string): number => {
    const isOwn = segments.includes(file.split('/').at(-2) ?? '');
    const place = isOwn ? 0 : file.startsWith('api/') ? 1_000 : 2_000;
    return place + (files[file] ?? '').split(' ').length;
  };
  return Object.keys(files)
    .filter((file) => !SWEEPS.has(file) && files[file]?.split(' ').includes(operation))
    .sort((a, b) => rank(a) - rank(b) || (a < b ? -1 : 1));
}

/** Finds the operation that a request is for. */
export class Operations {
  /** By method and number of segments; those without parameters first. */
  readonly #byForm = new Map<string, { readonly id: string; readonly segments: readonly string[] }[]>();

  constructor(operations: RequestRecord['operations']) {
    for (const [id, operation] of Object.entries(operations)) {
      const [method = '', path = ''] = operation.split(' ');
      const segments = path.split('/');
      const form = `${method} ${segments.length}`;
      this.#byForm.set(form, [...(this.#byForm.get(form) ?? []), { id, segments }]);
    }
    const parameters = (segments: readonly string[]): string =>
      segments.map((segment) => (segment.startsWith('{') ? '1' : '0')).join('');
    for (const all of this.#byForm.values())
      all.sort((a, b) => (parameters(a.segments) < parameters(b.segments) ? -1 : 1));
  }

  find(method: string, path: string): string | undefined {
    const segments = path.replace(/^\/v1\/[^/]+\/order-analytics(?=\/|$)/, BASE).split('/');
    const candidates = this.#byForm.get(`${method} ${segments.length}`) ?? [];
    return candidates.find((one) =>
      one.segments.every((segment, at) =>
        segment.startsWith('{') ? segments[at] !== '' : segment === segments[at],
      ),
    )?.id;
  }
}

/** What the requests of one test file were for. */
class RequestsMade {
  #operations: Operations | undefined;
  readonly #asked = new Set<string>();
  readonly #succeeded = new Set<string>();

  begin(operations: RequestRecord['operations']): void {
    this.#operations = new Operations(operations);
    this.#asked.clear();
    this.#succeeded.clear();
  }

  add(method: string, url: string, status: number): void {
    const id = this.#operations?.find(method.toUpperCase(), new URL(url, 'http://localhost').pathname);
    if (id === undefined) return;
    this.#asked.add(id);
    if (status < 300) this.#succeeded.add(id);
  }

  /** Whatever was answered: a cancel may come when the job has just ended, and that is right too. */
  get asked(): ReadonlySet<string> {
    return this.#asked;
  }

  get succeeded(): readonly string[] {
    return [...this.#succeeded].sort();
  }
}

/** One of the process, whoever loads this file how often. */
const ofProcess = globalThis as { millraceRequestsMade?: RequestsMade };
ofProcess.millraceRequestsMade ??= new RequestsMade();
export const requestsMade: RequestsMade = ofProcess.millraceRequestsMade;

export const isRecording = process.env.RECORD_REQUESTS === '1';

export const fileOf = (path: string): string => relative(ROOT, path);

/** Keeps what a file of a recording run has asked, for `mergeParts`. */
export function writePart(file: string, ids: readonly string[]): void {
  mkdirSync(PARTS, { recursive: true });
  writeFileSync(join(PARTS, `${file.replaceAll('/', '--')}.json`), JSON.stringify({ file, ids }));
}

export const clearParts = (): void => rmSync(PARTS, { recursive: true, force: true });

/** Puts what a recording run has asked in the place of what its files had asked before. */
export function mergeParts(): void {
  if (!existsSync(PARTS)) return;
  const record = readRecord();
  const files: Record<string, string> = { ...record.files };
  for (const name of readdirSync(PARTS)) {
    const { file, ids } = JSON.parse(readFileSync(join(PARTS, name), 'utf8')) as {
      readonly file: string;
      readonly ids: readonly string[];
    };
    if (ids.length === 0) delete files[file];
    else files[file] = ids.join(' ');
  }
  writeRecord({ operations: record.operations, files });
}

export function writeRecord({ operations, files }: RequestRecord): void {
  const sorted = (values: Readonly<Record<string, string>>) =>
    Object.fromEntries(Object.entries(values).sort(([a], [b]) => (a < b ? -1 : 1)));
  const text = JSON.stringify({ operations: sorted(operations), files: sorted(files) }, null, 2);
  writeFileSync(RECORD, `${text}\n`);
}
