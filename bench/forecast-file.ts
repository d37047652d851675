import { readFileSync } from 'node:fs';
import { gunzipSync } from 'node:zlib';
import { z } from 'zod';
import { MillraceError } from '../engine/index.ts';
import type { TestSeries } from './forecast-series.ts';

/** A series of which some steps may not be known: null. */
export type FileSeries = TestSeries<number | null>;

/** A series without a period has no season. */
const VALUES = z.array(z.number().nullable());
const SERIES = z.object({
  id: z.union([z.string(), z.number().transform(String)]),
  period: z
    .number()
    .nullish()
    .transform((period) => period ?? 1),
  train: VALUES,
  test: VALUES,
});

/** A series of a file that is not one, and what is wrong with it. */
export interface BadSeries {
  readonly id: string;
  readonly problem: string;
}

/**
 * `[{id, period, train, test}, …]` of a file, which may be packed by gzip. What is wrong with one series is said of it, and
 * the others are taken. Throws MillraceError `invalid_file`.
 */
export function seriesOf(file: string): {
  readonly series: readonly FileSeries[];
  readonly bad: readonly BadSeries[];
} {
  const list = parsed(file);
  const series: FileSeries[] = [];
  const bad: BadSeries[] = [];
  for (const [at, one] of list.entries()) {
    const found = SERIES.safeParse(one);
    if (found.success) series.push(found.data);
    else bad.push({ id: nameOf(one, at), problem: z.prettifyError(found.error).replaceAll('\n', ' ') });
  }
  return { series, bad };
}

const nameOf = (one: unknown, at: number): string =>
  typeof one === 'object' && one !== null && 'id' in one ? String(one.id) : `the one at ${at}`;

function parsed(file: string): readonly unknown[] {
  const wrong = (why: string): MillraceError => new MillraceError('invalid_file', `${file}: ${why}`);
  let text: string;
  try {
    const bytes = readFileSync(file);
    text = (isGzip(bytes) ? gunzipSync(bytes) : bytes).toString();
  } catch (error) {
    throw wrong(`it cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  }
  let found: unknown;
  try {
    found = JSON.parse(text);
  } catch (error) {
    throw wrong(`it is no JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
  if (!Array.isArray(found)) throw wrong('it is no list: give [{"id", "period", "train", "test"}, …].');
  return found;
}

const isGzip = (bytes: Buffer): boolean => bytes[0] === 0x1f && bytes[1] === 0x8b;
