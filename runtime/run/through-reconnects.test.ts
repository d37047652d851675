import { expect, it } from 'vitest';
import { MillraceError } from '../../engine/index.ts';
import { throughReconnects } from './through-reconnects.ts';

const failing = (times: number, error: Error) => {
  let asked = 0;
  return () => (++asked > times ? Promise.resolve(asked) : Promise.reject(error));
};

it('asks again while the server does not answer, until the time is over', async () => {
  expect(await throughReconnects(() => 60_000, failing(2, new Error('CONNECTION_CLOSED')))).toBe(3);
  const away = new MillraceError('nats_unreachable', 'away', { retriable: true });
  expect(await throughReconnects(() => 60_000, failing(1, away))).toBe(2);
  await expect(throughReconnects(() => 1, failing(9, away))).rejects.toBe(away);
});

it('takes an answer for one', async () => {
  const gone = new MillraceError('stream_missing', 'gone');
  await expect(throughReconnects(() => 60_000, failing(1, gone))).rejects.toBe(gone);
});
