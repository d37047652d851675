import { describe, expect, it } from 'vitest';
import { covers, overlap, requirePatterns, requireStreamName } from './subjects.ts';

describe('overlap', () => {
  it.each([
    ['a.*', '*.b', true],
    ['a.>', 'a', false],
    ['a.>', 'a.b.c', true],
    ['>', 'x', true],
    ['a.b', 'a.c', false],
    ['a.b', 'a.b.c', false],
    ['a.*.c', 'a.b.>', true],
  ])('of %s and %s is %s', (a, b, expected) => {
    expect(overlap(a, b)).toBe(expected);
    expect(overlap(b, a)).toBe(expected);
  });
});

const codeOf = (work: () => void): unknown => {
  try {
    work();
  } catch (error) {
    return (error as { readonly code?: unknown }).code;
  }
  return undefined;
};

describe('names and subjects', () => {
  it.each(['ORDERS', 'orders-eu_2', 'Bestellungen für Köln'.replaceAll(' ', '_'), 'x'.repeat(255), 'KV_a=b'])(
    '%s is a name of a stream',
    (name) => expect(codeOf(() => requireStreamName(name))).toBeUndefined(),
  );

  it.each([
    '',
    'orders.eu',
    'orders.>',
    'or ders',
    'a*',
    'a/b',
    'a\\b',
    'a\n',
    'x'.repeat(256),
    'ü'.repeat(128),
  ])('%j is none', (name) => expect(codeOf(() => requireStreamName(name))).toBe('bad_stream_name'));

  it.each(['a', 'a.*.b', 'a.>', '>', '*', '$KV.x.>', 'ä.b'])('%s is a subject', (subject) =>
    expect(codeOf(() => requirePatterns('a test', [subject]))).toBeUndefined(),
  );

  it.each(['', '.', 'a.', 'a..b', 'a b', 'a.>.b', 'orders.eu*', 'a\tb', '>x'])('%j is none', (subject) =>
    expect(codeOf(() => requirePatterns('a test', ['good', subject]))).toBe('bad_subject'),
  );

  it('that cover another one overlap with it', () => {
    const patterns = ['a', 'a.b', 'a.*', '*.b', 'a.>', '>', '*', 'a.*.c'];
    for (const outer of patterns) {
      for (const inner of patterns)
        if (covers(outer, inner)) expect([outer, inner, overlap(outer, inner)]).toEqual([outer, inner, true]);
    }
  });
});
