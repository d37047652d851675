import { createServer } from 'node:net';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { HttpReceiver } from '../../test/http-receiver.ts';
import { isPublicAddress } from './address.ts';
import { type ChannelMessage, pagerDutyPost, slackPost, smsPost } from './forms.ts';
import { HttpSender } from './http-sender.ts';

let receiver: HttpReceiver;
beforeEach(async () => {
  receiver = await HttpReceiver.start();
});
afterEach(() => receiver.stop());

const MESSAGE = { headers: { 'Content-Type': 'application/json' }, body: '{"ä":1}' };
const anywhere = new HttpSender({ allowPrivate: true });

describe('addresses', () => {
  it.each([
    ...['0.0.0.0', '0.1.2.3', '10.1.2.3', '100.64.0.1', '100.127.255.255', '127.0.0.1', '127.255.255.254'],
    ...['169.254.169.254', '172.16.0.1', '172.31.255.255', '192.168.1.1', '192.0.0.8', '192.0.2.1'],
    ...[
      '198.18.0.1',
      '198.51.100.7',
      '203.0.113.9',
      '224.0.0.1',
      '239.1.1.1',
      '240.0.0.1',
      '255.255.255.255',
    ],
    ...[
      '::',
      '::1',
      '::127.0.0.1',
      '::ffff:127.0.0.1',
      '::ffff:7f00:1',
      '::ffff:10.0.0.1',
      '::ffff:0:10.0.0.1',
    ],
    ...[
      '64:ff9b::10.0.0.1',
      '64:ff9b:1::1',
      '2002:7f00:1::',
      '2002:a9fe:a9fe::1',
      '2001:0:1::1',
      '2001:db8::1',
    ],
    ...['fc00::1', 'fd12:3456::1', 'fe80::1', 'fe80::1%eth0', 'febf::1', 'fec0::1', 'ff02::1', '100::1'],
    ...['', 'localhost', '1.2.3', '0x7f.0.0.1', '1.1.1.1%1'],
  ])('%o is none of the public internet', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });

  it.each([
    ...['1.1.1.1', '8.8.8.8', '100.63.255.255', '100.128.0.0', '172.15.0.1', '172.32.0.1', '192.167.1.1'],
    ...[
      '169.253.1.1',
      '223.255.255.255',
      '2606:4700::1111',
      '2a00:1450:4001::1',
      '::ffff:1.1.1.1',
      '2002:101:101::',
    ],
  ])('%s is one', (address) => {
    expect(isPublicAddress(address)).toBe(true);
  });
});

describe('a post', () => {
  it('says the status and the beginning of the answer, over a connection of its own', async () => {
    const reply = await anywhere.post({ url: `${receiver.url}/a?b=c`, ...MESSAGE });
    expect(reply).toEqual({ status: 204, text: '' });
    receiver.reply = () => 500;
    expect(await anywhere.post({ url: receiver.url, ...MESSAGE })).toEqual({
      status: 500,
      text: 'status 500',
    });
    expect(receiver.received[0]).toMatchObject({ path: '/a?b=c', body: MESSAGE.body });
    expect(receiver.received[0]?.headers).toMatchObject({
      ...{ 'content-type': 'application/json', 'content-length': '8', connection: 'close' },
      'user-agent': expect.stringContaining('Millrace'),
    });
  });

  it('follows no redirect', async () => {
    const other = await HttpReceiver.start();
    receiver.reply = () => ({ redirect: other.url });
    expect((await anywhere.post({ url: receiver.url, ...MESSAGE })).status).toBe(302);
    expect(other.received).toEqual([]);
    await other.stop();
  });

  it('ends at its deadline, whether there is no answer, no end of it, or no name server', async () => {
    const quick = new HttpSender({ allowPrivate: true, timeout_ms: 100 });
    receiver.reply = () => 'never';
    const late = { code: 'target_timeout', retriable: true };
    await expect(quick.post({ url: receiver.url, ...MESSAGE })).rejects.toMatchObject(late);
    const drip = createServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nabc');
      socket.on('error', () => undefined);
    }).listen(0, '127.0.0.1');
    await new Promise((resolve) => drip.once('listening', resolve));
    const address = drip.address();
    const port = typeof address === 'object' ? address?.port : 0;
    // The status came in time.
    expect(await quick.post({ url: `http://127.0.0.1:${port}`, ...MESSAGE })).toEqual({
      status: 200,
      text: 'abc',
    });
    drip.close();
    const unnamed = new HttpSender({
      ...{ allowPrivate: true, timeout_ms: 100 },
      resolve: (_, signal) =>
        new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
    });
    await expect(unnamed.post({ url: 'http://hooks.example', ...MESSAGE })).rejects.toMatchObject(late);
  });

  it('stops when it is not wanted any more', async () => {
    receiver.reply = () => 'never';
    const wanted = new AbortController();
    const posting = anywhere.post({ url: receiver.url, ...MESSAGE, signal: wanted.signal });
    const failing = expect(posting).rejects.toThrow('no more');
    while (receiver.hanging === 0) await new Promise((resolve) => setTimeout(resolve, 5));
    wanted.abort(new Error('no more'));
    await failing;
  });

  it('names what is no target, has no address, or does not listen', async () => {
    const codeOf = async (url: string, sender = anywhere): Promise<unknown> =>
      sender.post({ url, ...MESSAGE }).catch((error: { code: unknown }) => error.code);
    expect(await codeOf('ftp://example.com')).toBe('target_invalid');
    expect(await codeOf('http://user:pass@example.com')).toBe('target_invalid');
    expect(await codeOf('nothing')).toBe('target_invalid');
    const nameless = new HttpSender({ allowPrivate: true, resolve: async () => [] });
    expect(await codeOf('http://hooks.example', nameless)).toBe('target_unresolved');
    const { url } = receiver;
    await receiver.stop();
    expect(await codeOf(url)).toBe('target_unreachable');
    receiver = await HttpReceiver.start();
  });
});

describe('a private target', () => {
  const refused = { code: 'target_forbidden', retriable: false };

  it.each(['127.0.0.1', '[::1]', '[::ffff:127.0.0.1]', '2130706433', '0x7f.1', '0', '127.1'])(
    'is refused as %s',
    async (host) => {
      const closed = new HttpSender({ allowPrivate: false });
      const url = `http://${host}:${receiver.port}/`;
      await expect(closed.check(url)).rejects.toMatchObject(refused);
      await expect(closed.post({ url, ...MESSAGE })).rejects.toMatchObject(refused);
      expect(receiver.received).toEqual([]);
    },
  );

  it('is refused by any of the addresses of its name', async () => {
    const closed = new HttpSender({ allowPrivate: false, resolve: async () => ['1.1.1.1', '127.0.0.1'] });
    const url = `http://hooks.example:${receiver.port}/`;
    await expect(closed.check(url)).rejects.toMatchObject(refused);
    await expect(closed.post({ url, ...MESSAGE })).rejects.toMatchObject(refused);
  });

  it('is refused when its name says another address than when it was checked', async () => {
    const says = [['1.1.1.1'], ['127.0.0.1'], ['127.0.0.1']];
    let asked = 0;
    const closed = new HttpSender({ allowPrivate: false, resolve: async () => says[asked++] ?? [] });
    const url = `http://hooks.example:${receiver.port}/`;
    await closed.check(url);
    await expect(closed.post({ url, ...MESSAGE })).rejects.toMatchObject(refused);
    expect([asked, receiver.received.length]).toEqual([2, 0]);
  });

  it('is not asked for again between the check and the connection', async () => {
    let asked = 0;
    // Whoever asks twice connects to nothing.
    const open = new HttpSender({
      allowPrivate: true,
      resolve: async () => (asked++ === 0 ? ['127.0.0.1'] : ['::']),
    });
    const reply = await open.post({ url: `http://hooks.example:${receiver.port}/`, ...MESSAGE });
    expect([reply.status, asked]).toEqual([204, 1]);
    expect(receiver.received[0]?.headers.host).toBe(`hooks.example:${receiver.port}`);
  });

  it('is no matter where the installation chose it', async () => {
    const closed = new HttpSender({ allowPrivate: false });
    expect((await closed.post({ url: receiver.url, ...MESSAGE, isTrusted: true })).status).toBe(204);
  });
});

describe('forms', () => {
  const message: ChannelMessage = {
    ...{ title: 'Revenue <down>', text: 'a & b', severity: 'error', about: 'rule:1', isResolved: false },
    ...{ time_ms: Date.UTC(2026, 2, 19), details: { expected: 52_000 } },
  };

  it('are those of Slack, PagerDuty and Twilio', async () => {
    await anywhere.post(slackPost(`${receiver.url}/slack`, message));
    await anywhere.post(pagerDutyPost(`${receiver.url}/pager`, 'R1', { ...message, isResolved: true }));
    const provider = { url: `${receiver.url}/sms`, user: 'AC1', password: 'p', from: '+1' };
    await anywhere.post(smsPost(provider, 'whatsapp', '+49', message));
    const [slack, pager, sms] = receiver.received;
    expect(JSON.parse(slack?.body ?? '')).toEqual({ text: '*Revenue &lt;down&gt;*\na &amp; b' });
    expect(JSON.parse(pager?.body ?? '')).toMatchObject({
      ...{ routing_key: 'R1', event_action: 'resolve', dedup_key: 'rule:1' },
      payload: { summary: 'Revenue <down>', severity: 'error', timestamp: '2026-03-19T00:00:00.000Z' },
    });
    expect(Object.fromEntries(new URLSearchParams(sms?.body))).toEqual({
      ...{ To: 'whatsapp:+49', From: 'whatsapp:+1', Body: 'Revenue <down>\na & b' },
    });
    expect(sms?.headers.authorization).toBe(`Basic ${Buffer.from('AC1:p').toString('base64')}`);
  });
});
