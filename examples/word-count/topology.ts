import {
  count,
  flatMap,
  jetstream,
  json,
  topology,
  toWindowTable,
  tumbling,
  watermark,
  window,
} from '../../index.ts';

export type Sentence = { readonly text: string; readonly at: number };
type Word = { readonly word: string; readonly at: number };

function sentence(value: unknown): Sentence {
  const { text, at } = value as Partial<Sentence>;
  if (typeof text !== 'string') throw new Error('needs text');
  if (!Number.isSafeInteger(at) || (at as number) < 0) throw new Error('needs at, in ms since 1970');
  return { text, at: at as number };
}

/** How often each word is said in a minute. */
export const wordCount = topology('word-count', (t) => {
  t.source(jetstream('SENTENCES', { subjects: ['sentences.>'] })).pipe(
    json('parse', { parse: sentence }),
    watermark('time', { timeOf: ({ at }) => at, outOfOrderness_ms: 2_000, idle_ms: 1_000 }),
    flatMap<Sentence, Word>('words', {
      each: ({ text, at }, push) => {
        for (const word of text.toLowerCase().match(/\p{L}+/gu) ?? []) push({ word, at });
      },
    }),
    window('counts', {
      keyOf: ({ word }: Word) => word,
      timeOf: ({ at }) => at,
      window: tumbling({ size_ms: 60_000 }),
      aggregate: { times: count() },
    }),
    toWindowTable('by-word', {
      keyOf: ({ key }) => key,
      windowOf: (result) => result.window,
      value: ({ value }) => value.times,
      retain_ms: 86_400_000,
    }),
  );
});
