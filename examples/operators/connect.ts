import {
  defineOperator,
  type Either,
  json,
  mapTable,
  stringCodec,
  stringKey,
  TopologyTestDriver,
  topology,
} from '../../index.ts';

interface Price {
  readonly article: string;
  readonly cents: number;
}
interface Rule {
  readonly article: string;
  readonly text: string;
}

const state = () => ({ rules: mapTable<string, string>({ key: stringKey, value: stringCodec, version: 1 }) });

/** Prices with the rule that is known for their article when they come. */
const ruled = defineOperator<Either<Price, Rule>, string, undefined, ReturnType<typeof state>>({
  kind: 'ruled',
  summary: 'Prices with their rule',
  state,
  start: ({ state: { rules }, emit }) => ({
    onBatch: (items) => {
      const out: string[] = [];
      for (const { input, value } of items) {
        if (input === 'right') rules.scope('').set(value.article, value.text);
        else out.push(`${value.article} ${value.cents}: ${rules.scope('').get(value.article) ?? 'no rule'}`);
      }
      emit(out);
    },
  }),
});

const checked = topology('checked', (t) => {
  const prices = t.source('prices').pipe(json('read-prices', { parse: (value) => value as Price }));
  const rules = t.source('rules').pipe(json('read-rules', { parse: (value) => value as Rule }));
  prices.connect(rules, ruled('ruled', undefined));
});

export default async function example(): Promise<unknown[]> {
  const driver = await TopologyTestDriver.start(checked);
  await driver.pushTo('prices', { subject: 'prices', json: { article: 'pen', cents: 120 } });
  await driver.pushTo('rules', { subject: 'rules', json: { article: 'pen', text: 'at most 150' } });
  driver.commit();
  const restarted = await driver.restart();
  await restarted.pushTo('prices', { subject: 'prices', json: { article: 'pen', cents: 130 } });
  return [...driver.output('ruled'), ...restarted.output('ruled')];
}

export const expected: unknown[] = ['pen 120: no rule', 'pen 130: at most 150'];
