import { readdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { OperatorDoc } from '../engine/index.ts';
import * as operators from '../operators/index.ts';
import { proseOf } from '../scripts/operator-pages.ts';
import { topologyOf } from './bounded-state.ts';
import { cases } from './bounded-state-cases.ts';

const ROOT = resolve(import.meta.dirname, '..');

/** State that is meant to grow, and why. */
const UNBOUNDED: Readonly<Record<string, string>> = {
  'dedup-events': 'ids are known for as long as the events are kept: only the retention cuts them',
  anomalies: 'sums of the windows of a rule stay while the rule stands, as rollups do',
  cubes: 'rollups stay when the events that they were made of go',
  'event-watermark': 'a row for each tenant that ever sent an event',
  'event-rates':
    'exchange rates are the history that queries ask for: a row for each rate that was ever given',
};
/**
 * The retention of the order analytics bounds them: analytics/ledger/ledger-operator.test.ts and
 * analytics/funnels/kept-funnels.test.ts have a case.
 */
const ELSEWHERE = ['ledger', 'decode-events', 'kept-events'];
/** They say something of state, but have no table of their own. */
const WITHOUT_TABLES = ['watermark', 'lift'];

/** The files of a room that are neither tests nor theirs. */
function sourcesOf(room: string): string[] {
  return readdirSync(join(ROOT, room), { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts') && !/(\.test|\/fixture-[\w-]+)\.ts$/.test(path))
    .map((path) => readFileSync(join(ROOT, room, path), 'utf8'));
}

const sources = ['operators', 'connectors', 'analytics'].flatMap(sourcesOf);

/** What a file says that a kind is: the text itself, or the documentation that has it. */
function kindIn(said: string): string | undefined {
  const literal = /^'([^']+)'/.exec(said)?.[1];
  if (literal !== undefined) return literal;
  const doc = /^(\w+Doc)\b/.exec(said)?.[1];
  if (doc === undefined) return undefined;
  const declared = new RegExp(`const ${doc}: OperatorDoc = \\{\\s*kind: '([^']+)'`);
  return sources.map((text) => declared.exec(text)?.[1]).find((kind) => kind !== undefined);
}

/** Kinds of the operators that are defined with tables. */
function statefulKinds(): string[] {
  const kinds = new Set<string>();
  for (const text of sources) {
    for (const [definition] of text.matchAll(/\bdefineOperator[<(][\s\S]*?\n\s+start\b/g)) {
      if (!/\n\s+state[:,(]/.test(definition)) continue;
      const kind = kindIn(/\bkind: ([\w.']+[\w.'-]*)/.exec(definition)?.[1] ?? '');
      if (kind !== undefined) kinds.add(kind);
    }
    // Those that are composed of `process` have its tables.
    for (const [, doc] of text.matchAll(/\bmakeProcess<[^()]*>\((\w+Doc)\b/g)) {
      const kind = kindIn(doc as string);
      if (kind !== undefined) kinds.add(kind);
    }
  }
  return [...kinds].sort();
}

const covered = new Set(
  cases.flatMap((of) =>
    topologyOf(of, { ticks: [], moveTo_ms: undefined })
      .describe()
      .nodes.filter(({ state }) => Object.keys(state).length > 0)
      .map(({ kind }) => kind),
  ),
);

const isCovered = (kind: string): boolean =>
  covered.has(kind) || kind in UNBOUNDED || ELSEWHERE.includes(kind);

describe('bounded state', () => {
  it('has a case for every operator that is defined with tables', () => {
    const kinds = statefulKinds();
    expect(kinds.length).toBeGreaterThan(15);
    expect(kinds.filter((kind) => !isCovered(kind))).toEqual([]);
    // And finds all that the cases have.
    expect([...covered].filter((kind) => !kinds.includes(kind))).toEqual([]);
  });

  it('has a case for every operator whose page speaks of state', () => {
    const docs = Object.entries(operators)
      .filter(([name]) => name.endsWith('Doc'))
      .map(([, doc]) => doc as OperatorDoc);
    expect(docs.length).toBeGreaterThan(20);
    const stateful = docs.filter(
      ({ kind }) => !/^None\b/.test(proseOf(ROOT, kind).state) && !WITHOUT_TABLES.includes(kind),
    );
    const kinds = stateful.map(({ kind }) => kind);
    expect(kinds.filter((kind) => !isCovered(kind))).toEqual([]);
  });
});
