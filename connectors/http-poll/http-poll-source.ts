import { createHash } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { MillraceError } from '../../engine/index.ts';
import type { HttpDocument, HttpSender } from '../http/index.ts';
import {
  BATCH_MAX_BYTES,
  BATCH_MAX_RECORDS,
  type JsonValue,
  type RecordSource,
  type SourceBatch,
  type SourceRecord,
} from '../intake/index.ts';
import { type HttpPollConfig, type HttpPollPosition, httpPollPosition } from './http-poll-config.ts';
import { elementsOf, type Range, scalarAt, valueAt } from './json-slices.ts';

/** The largest answer that is taken. */
const ANSWER_MAX_BYTES = 8_388_608;
const HASH_CHARS = 32;
/** Records of a page that are known again at the next look. */
const KNOWN_MAX_RECORDS = 100_000;

interface Page {
  readonly records: readonly SourceRecord[];
  /** Undefined: the answer says that there is none behind it. */
  readonly cursor: string | undefined;
  /** The greatest of the records. */
  readonly greatest: string | undefined;
}

/** What an HTTP API lists, looked at again and again. */
export class HttpPollSource implements RecordSource {
  readonly #config: HttpPollConfig;
  readonly #http: Pick<HttpSender, 'get'>;
  #wake = new AbortController();

  constructor(config: HttpPollConfig, http: Pick<HttpSender, 'get'>) {
    this.#config = config;
    this.#http = http;
  }

  async *read(position: JsonValue | undefined, signal: AbortSignal): AsyncGenerator<SourceBatch> {
    let at = httpPollPosition.safeParse(position).data ?? {};
    let kept = 'none';
    // An answer that says the same again is no news: not to the stream, and not to the dead letters.
    let known: ReadonlySet<string> = new Set();
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const page = await this.#page(at, signal);
      const isLast = page.cursor === undefined || page.cursor === at.cursor || page.records.length === 0;
      const news = page.records.filter(({ place }) => !known.has(place));
      for (const records of batches(news)) yield { records, position: { ...at } };
      if (isLast) known = new Set(page.records.slice(0, KNOWN_MAX_RECORDS).map(({ place }) => place));
      at = behind(at, page, isLast, this.#config.since !== undefined);
      if (JSON.stringify(at) !== kept) yield { records: [], position: { ...at } };
      kept = JSON.stringify(at);
      if (!isLast) continue;
      const ending = AbortSignal.any([signal, this.#wake.signal]);
      await sleep(this.#config.interval_s * 1_000, undefined, { signal: ending, ref: false }).catch(
        () => undefined,
      );
    }
  }

  lag(): Promise<number | null> {
    return Promise.resolve(null);
  }

  wake(): void {
    this.#wake.abort();
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  async #page(at: HttpPollPosition, signal: AbortSignal): Promise<Page> {
    const { url, headers, auth, cursor, since, records: path } = this.#config;
    const target = new URL(url);
    if (cursor !== undefined && at.cursor !== undefined) target.searchParams.set(cursor.param, at.cursor);
    const from = at.since ?? since?.start;
    if (since !== undefined && from !== undefined) target.searchParams.set(since.param, from);
    const answer = await this.#http.get({
      url: target.href,
      headers: {
        Accept: 'application/json',
        ...headers,
        ...(auth === undefined ? {} : { [auth.header]: auth.value }),
      },
      max_bytes: ANSWER_MAX_BYTES,
      signal,
    });
    requireGood(answer, target);
    const { body } = answer;
    const list = listOf(body, path);
    const place = `${target.host}${target.pathname}`;
    const records = list.map(([start, end]) => {
      const value = body.subarray(start, end);
      const hash = createHash('sha256').update(value).digest('hex').slice(0, HASH_CHARS);
      return { value, place: `${place}@${hash}` };
    });
    const marks = since === undefined ? [] : list.map((range) => scalarAt(body, since.path, range));
    return {
      records,
      cursor: cursor === undefined ? undefined : scalarAt(body, cursor.path),
      greatest: marks.reduce((a, b) => greater(a, b), undefined),
    };
  }
}

/** Records divided into batches. */
function* batches(records: readonly SourceRecord[]): Generator<readonly SourceRecord[]> {
  let some: SourceRecord[] = [];
  let size_bytes = 0;
  for (const record of records) {
    some.push(record);
    size_bytes += record.value.length;
    if (some.length < BATCH_MAX_RECORDS && size_bytes < BATCH_MAX_BYTES) continue;
    yield some;
    [some, size_bytes] = [[], 0];
  }
  if (some.length > 0) yield some;
}

/** The position behind a page. While pages follow, what they are asked since stays. */
function behind(at: HttpPollPosition, page: Page, isLast: boolean, hasSince: boolean): HttpPollPosition {
  const reached = greater(at.reached, page.greatest);
  const cursor = page.cursor ?? at.cursor;
  if (!hasSince) return cursor === undefined ? {} : { cursor };
  if (!isLast) {
    return {
      ...(at.since === undefined ? {} : { since: at.since }),
      ...(cursor === undefined ? {} : { cursor }),
      ...(reached === undefined ? {} : { reached }),
    };
  }
  const since = greater(at.since, reached);
  return since === undefined ? {} : { since };
}

const NUMBER = /^-?\d+(?:\.\d+)?$/;

/** The greater of two marks: as numbers where both are, else as texts. */
function greater(a: string | undefined, b: string | undefined): string | undefined {
  if (a === undefined || b === undefined) return a ?? b;
  if (NUMBER.test(a) && NUMBER.test(b) && Number(a) !== Number(b)) return Number(a) > Number(b) ? a : b;
  if (NUMBER.test(a) && NUMBER.test(b) && a.length !== b.length) return a.length > b.length ? a : b;
  return a > b ? a : b;
}

function listOf(body: Uint8Array, path: string): readonly Range[] {
  try {
    JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(body));
  } catch (error) {
    throw unreadable('is not JSON', error);
  }
  const range = valueAt(body, path);
  const list = range === undefined ? undefined : elementsOf(body, range);
  if (list === undefined) throw unreadable(path === '' ? 'is no list' : `has no list at ${path}`);
  return list;
}

const unreadable = (what: string, cause?: unknown): MillraceError =>
  new MillraceError('http_answer_unreadable', `The answer ${what}. Correct the config, or what answers.`, {
    cause,
    retriable: true,
  });

function requireGood({ status }: HttpDocument, { host, pathname }: URL): void {
  if (status >= 200 && status < 300) return;
  const isRefused = status === 401 || status === 403;
  const what = isRefused ? 'refuses the credentials' : 'does not answer as it should';
  throw new MillraceError(
    isRefused ? 'http_refused' : 'http_unavailable',
    `${host}${pathname} ${what}: status ${status}.`,
    { retriable: true },
  );
}
