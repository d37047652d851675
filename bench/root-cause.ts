import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { type Cause, changeTable, explainChange } from '../analytics/index.ts';
import { cpu_ms, machine, quantileOf } from './rig.ts';

/** A labelled case: leaves with what came and what was expected, and the sets of values that changed. */
interface LabelledCase {
  readonly id: number | string;
  readonly truth: readonly string[];
  readonly attrs: readonly string[];
  readonly rows: readonly (readonly (string | number)[])[];
}

const FILE = join(process.cwd(), '..', 'shared', 'data', 'root-cause', 'cases.json.gz');

/** `npm run bench -- root-cause [--file FILE]`: causes found in labelled changes, exact matches only. */
export async function rootCauseBench(): Promise<object> {
  const { values } = parseArgs({ options: { file: { type: 'string' } }, allowPositionals: true });
  const cases = casesOf(values.file ?? FILE);
  const counts = { right: 0, wrong: 0, missed: 0 };
  const took_ms: number[] = [];
  const cpu: number[] = [];
  for (const one of cases) {
    const table = changeTable(
      one.attrs,
      one.rows.map((row) => rowOf(row, one.attrs.length)),
    );
    const [before_ms, cpuBefore_ms] = [performance.now(), cpu_ms()];
    const { causes } = explainChange(table);
    took_ms.push(performance.now() - before_ms);
    cpu.push(cpu_ms() - cpuBefore_ms);
    const [found, truth] = [new Set(causes.map((cause) => nameOf(cause, one.attrs))), new Set(one.truth)];
    const right = [...found].filter((name) => truth.has(name)).length;
    counts.right += right;
    counts.wrong += found.size - right;
    counts.missed += truth.size - right;
  }
  process.stdout.write(`${machine()}; ${cases.length} cases\n`);
  const { right, wrong, missed } = counts;
  return {
    micro_f1: Number(((2 * right) / (2 * right + wrong + missed)).toFixed(3)),
    ...counts,
    ms_p50: Number(quantileOf(took_ms, 0.5).toFixed(1)),
    ms_max: Number(Math.max(...took_ms).toFixed(1)),
    cpu_ms_p50: Number(quantileOf(cpu, 0.5).toFixed(1)),
  };
}

function casesOf(file: string): readonly LabelledCase[] {
  const bytes = readFileSync(file);
  const text = file.endsWith('.gz') ? gunzipSync(bytes) : bytes;
  return JSON.parse(text.toString()) as readonly LabelledCase[];
}

/** A row has its values first, then what came, then what was expected. */
function rowOf(row: readonly (string | number)[], width: number) {
  const values = row.slice(0, width).map(String);
  return { values, actual: Number(row[width]), expected: Number(row[width + 1]) };
}

const nameOf = ({ where }: Cause, attrs: readonly string[]): string =>
  attrs
    .filter((name) => where[name] !== undefined)
    .map((name) => `${name}=${where[name]}`)
    .join('&');
