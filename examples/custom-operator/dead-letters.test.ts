import { expect, it } from 'vitest';
import { json, TopologyTestDriver, topology } from '../../index.ts';
import { moved, type Reading } from './moved.ts';

const news = topology('news', (t) => {
  t.source('readings').pipe(json('parse', { parse: (value) => value as Reading }), moved('moved', { by: 1 }));
});

it('puts what fails among the dead letters, and goes on', async () => {
  const driver = await TopologyTestDriver.start(news, { failingRecords: 'deadLetter' });
  await driver.push(
    { subject: 'sensors.a', json: { sensor: 'a', celsius: 20 } },
    { subject: 'sensors.a', data: 'no JSON', headers: { Trace: 'abc' } },
    { subject: 'sensors.a', json: { celsius: 21 } },
    { subject: 'sensors.a', json: { sensor: 'a', celsius: 22 } },
  );
  driver.commit();
  expect(driver.output<Reading>('moved').map(({ celsius }) => celsius)).toEqual([20, 22]);
  expect(driver.sent.map(({ headers }) => headers.Reason)).toEqual(['invalid_json', 'processing_failed']);
  expect(driver.sent[0]?.headers['Original-Headers']).toBe('[["Trace","abc"]]');
});
