import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type SeasonalEsdOptions, seasonalEsd } from '../operators/index.ts';

interface Case {
  readonly name: string;
  readonly series: string;
  readonly args: SeasonalEsdOptions;
  readonly index0: number | readonly number[];
}

/** Reference cases of seasonal hybrid ESD: a file of cases, their series in `series.json` beside it. */
export function shesdCases(file: string): object {
  const { cases } = JSON.parse(readFileSync(file, 'utf8')) as { cases: readonly Case[] };
  const all = JSON.parse(readFileSync(join(dirname(file), 'series.json'), 'utf8')) as Record<
    string,
    number[]
  >;
  const differing = cases.flatMap(({ name, series, args, index0 }) => {
    const marked = new Set(seasonalEsd(all[series] ?? [], args).map(({ index }) => index));
    const wanted = new Set([index0].flat());
    const missing = [...wanted].filter((index) => !marked.has(index));
    const extra = [...marked].filter((index) => !wanted.has(index));
    process.stdout.write(
      `${name.padEnd(16)}${marked.size} marked, ${missing.length} missing, ${extra.length} extra\n`,
    );
    return missing.length + extra.length === 0 ? [] : [name];
  });
  return { cases: cases.length, exact: cases.length - differing.length, differing };
}
