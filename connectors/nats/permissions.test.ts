import { expect, it, onTestFinished, vi } from 'vitest';
import { configured } from '../../test/configured-nats.ts';
import {
  canAimAnswers,
  checkPermissions,
  connectNats,
  DEADLETTER_STREAM,
  deniedOf,
  EVENTS_STREAM,
  ensureStreams,
  forbiddenToPublishers,
  type NatsLink,
  openManager,
  servicePermissions,
  streamFacts,
} from './client/index.ts';
import { openKeyValueStore } from './kv/index.ts';

vi.setConfig({ testTimeout: 60_000 });

const NEEDS = { streams: [EVENTS_STREAM, DEADLETTER_STREAM], buckets: ['b'] };

async function linkOf(url: string, user: string): Promise<NatsLink> {
  const credentials = { kind: 'user', user, password: 'p' } as const;
  const link = await connectNats({ url, name: 'test', credentials });
  onTestFinished(() => link.close());
  return link;
}

const userText = (user: string, publish: string, subscribe: string): string =>
  `{ user: ${user}, password: p, permissions: { publish: ${publish}, subscribe: ${subscribe} } }`;

it('says what is missing, and does nothing by asking', async () => {
  const needed = ['"events.>"', '"deadletter.>"', '"$KV.b.>"', '"$JS.API.>"'].join(', ');
  const some = '"events.>", "$JS.API.INFO", "$JS.API.STREAM.>", "$JS.API.CONSUMER.>", "$JS.API.DIRECT.>"';
  const users = [
    '{ user: all, password: p }',
    userText('enough', `[${needed}]`, '"_INBOX.>"'),
    userText('some', `[${some}]`, '"_INBOX.>"'),
    userText('deaf', `[${needed}]`, '"x"'),
    userText('publisher', '"events.>"', '"_INBOX_p.>"'),
  ];
  const url = await configured(`authorization { users: [${users.join(', ')}] }`);
  const all = await linkOf(url, 'all');
  await ensureStreams(all);
  await openKeyValueStore(all, 'b');
  const wanted = servicePermissions({}, NEEDS);
  const missing = async (user: string): Promise<string[]> =>
    (await deniedOf(await linkOf(url, user), wanted)).map(({ subject }) => subject);
  expect(await missing('all')).toEqual([]);
  expect(await missing('enough')).toEqual([]);
  expect(await missing('some')).toEqual(['deadletter.millrace-probe', '$KV.b.millrace-probe']);
  expect(await missing('deaf')).toEqual(['_INBOX.millrace-probe.*']);
  const credentials = { kind: 'user', user: 'some', password: 'p' } as const;
  await expect(checkPermissions({ url, credentials }, wanted)).rejects.toThrow(
    expect.objectContaining({
      code: 'nats_permission_denied',
      message: expect.stringContaining(
        'publish to deadletter.millrace-probe; publish to $KV.b.millrace-probe',
      ),
    }),
  );
  const publisher = await linkOf(url, 'publisher');
  const forbidden = forbiddenToPublishers(['events.>'], ['b']);
  expect(await deniedOf(publisher, forbidden)).toEqual(forbidden);
  expect(await deniedOf(all, forbidden)).toEqual([]);
  // One account for all: the publisher's answers go where it likes.
  expect(await canAimAnswers(all, publisher, 'events.x')).toBe(true);
  const manager = await openManager(all);
  for (const { name } of NEEDS.streams)
    expect(await streamFacts(manager, name)).toMatchObject({ lastSequence: 0 });
  expect((await streamFacts(manager, 'KV_b')).lastSequence).toBe(0);
  expect(await manager.consumers.list('EVENTS').next()).toEqual([]);
});
