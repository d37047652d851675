import { Parser } from 'nats/lib/nats-base-client.js';
import { describe, expect, it } from 'vitest';
import { fc } from '../../../test/property.ts';
import type { Frame } from './frame.ts';
import { FrameParser } from './frame-parser.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text, 'latin1');
const text = (part: Uint8Array): string => Buffer.from(part).toString('latin1');
const joined = (parts: readonly string[]): Uint8Array => bytes(parts.join(''));

/** What a frame says, the same for both ways of reading it. */
const said = (
  sid: number,
  subject: Uint8Array,
  reply: Uint8Array,
  block: Uint8Array,
  data: Uint8Array,
): string => JSON.stringify([sid, ...[subject, reply, block, data].map(text)]);

type Dispatcher = ConstructorParameters<typeof Parser>[0];

interface Understood {
  readonly kind: number;
  readonly msg?: { readonly sid: number; readonly subject: Uint8Array; reply?: Uint8Array; hdr: number };
  readonly data?: Uint8Array;
}

/** The client's parser, and what it has understood, in order. */
function client(log: string[]) {
  const none = new Uint8Array(0);
  const push = ({ kind, msg, data = none }: Understood): void => {
    if (msg === undefined) {
      log.push(JSON.stringify([kind, text(data)]));
      return;
    }
    const block = Math.max(0, msg.hdr);
    const { sid, subject, reply = none } = msg;
    log.push(said(sid, subject, reply, data.subarray(0, block), data.subarray(block)));
  };
  return new Parser({ push } as Dispatcher);
}

const ours = (log: string[], sid: number) => ({
  settled: () => void log.push('settled'),
  frame: (frame: Frame): boolean => {
    // As the source does: what the server says of a pull is the client's to read.
    if (frame.replyStart === frame.replyEnd) return false;
    const part = (from: number, to: number): Uint8Array => frame.bytes.subarray(from, to);
    const { subjectStart, subjectEnd, replyStart, replyEnd, blockStart, dataStart, dataEnd } = frame;
    const reply = part(replyStart, replyEnd);
    const data = part(dataStart, dataEnd);
    log.push(`!${said(sid, part(subjectStart, subjectEnd), reply, part(blockStart, dataStart), data)}`);
    const record = frame.toRecord(7, 1_000);
    expect(text(record.data)).toBe(text(data));
    expect(record.size_bytes).toBe(frame.size_bytes);
    expect(record.headerBlock).toBe(Buffer.from(part(blockStart, dataStart)).toString());
    return true;
  },
});

/** What comes of some chunks, by the client alone. */
function plainly(chunks: readonly Uint8Array[]): string[] {
  const log: string[] = [];
  const parser = client(log);
  for (const chunk of chunks) parser.parse(chunk);
  return log;
}

/** The same with readers for subscriptions 3 and 4; what they read is marked. */
function tapped(chunks: readonly Uint8Array[]): { readonly log: string[]; readonly direct: number } {
  const log: string[] = [];
  const readers = new Map([3, 4].map((sid) => [sid, ours(log, sid)]));
  const parser = new FrameParser(client(log), readers);
  for (const chunk of chunks) parser.parse(Buffer.from(chunk));
  const events = log.filter((line) => line !== 'settled');
  const unmarked = events.map((line) => line.replace(/^!/, ''));
  return { log: unmarked, direct: events.filter((line) => line.startsWith('!')).length };
}

const ACK = '$JS.ACK.S.c.1.12.7.1795311127957942948.3';
const msg = (sid: number, data: string, reply = '', subject = 'events.a.b'): string =>
  `MSG ${subject} ${sid} ${reply === '' ? '' : `${reply} `}${data.length}\r\n${data}\r\n`;
const hmsg = (sid: number, block: string, data: string, reply = ''): string =>
  `HMSG events.a.b ${sid} ${reply === '' ? '' : `${reply} `}${block.length} ${block.length + data.length}\r\n${block}${data}\r\n`;

const STATUS = 'NATS/1.0 100 Idle Heartbeat\r\nNats-Last-Consumer: 7\r\nNats-Last-Stream: 12\r\n\r\n';
const CLOUD = 'NATS/1.0\r\nce-id: Caf%C3%A9-1\r\nNats-Msg-Id: e1\r\nce-type: order.created\r\n\r\n';
const MIXED = [
  'INFO {"server_id":"x","max_payload":1048576}\r\n',
  msg(3, '{"event_id":"e1"}', ACK),
  'PING\r\n',
  hmsg(4, CLOUD, '{"amount":12}', ACK),
  msg(9, 'an answer of the API', ''),
  msg(3, 'MSG events.a.b 3 5\r\nhello\r\nPING\r\n', ACK),
  hmsg(3, STATUS, ''),
  '+OK\r\n',
  msg(3, '', ACK),
  hmsg(4, 'NATS/1.0 408 Request Timeout\r\n\r\n', ''),
  msg(4, '\r\n', ACK, 'events.caf\u00c3\u00a9'),
  '-ERR \'Permissions Violation for Subscription to "x"\'\r\n',
  'PONG\r\n',
  hmsg(9, CLOUD, 'x', '_INBOX.1'),
  msg(3, 'last', ACK),
];

describe('FrameParser', () => {
  it('reads the messages of its readers itself, and hands the client all else, in order', () => {
    const { log, direct } = tapped([joined(MIXED)]);
    expect(log).toEqual(plainly([joined(MIXED)]));
    expect(direct).toBe(6);
  });

  it('says the same wherever frames are cut', () => {
    const all = joined(MIXED);
    const whole = plainly([all]);
    for (let at = 0; at <= all.length; at++) {
      const { log, direct } = tapped([all.subarray(0, at), all.subarray(at)]);
      expect(log, `cut at ${at}`).toEqual(whole);
      expect(direct).toBe(6);
    }
    const single = tapped(Array.from(all, (byte) => Uint8Array.of(byte)));
    expect(single).toEqual({ log: whole, direct: 6 });
  });

  it('says the same of any frames, cut anywhere', () => {
    const payload = fc.oneof(fc.constantFrom('', '\r\n', 'MSG a 3 1\r\n', 'x'.repeat(5_000)), fc.string());
    const latin = payload.map((value) => text(Buffer.from(value)));
    const sid = fc.integer({ min: 1, max: 12 });
    const reply = fc.constantFrom('', ACK, '_INBOX.x.y');
    const frame = fc.oneof(
      fc.tuple(sid, latin, reply).map((values) => msg(...values)),
      fc.tuple(sid, fc.constantFrom(STATUS, CLOUD), latin, reply).map((values) => hmsg(...values)),
      fc.constantFrom('PING\r\n', 'PONG\r\n', '+OK\r\n', 'INFO {}\r\n'),
    );
    fc.assert(
      fc.property(
        fc.array(frame, { maxLength: 20 }),
        fc.array(fc.integer({ min: 1, max: 400 }), { minLength: 1, maxLength: 9 }),
        (frames, sizes) => {
          const all = joined(frames);
          const chunks: Uint8Array[] = [];
          for (let at = 0; at < all.length; ) {
            const size = sizes[chunks.length % sizes.length] ?? 1;
            chunks.push(all.subarray(at, at + size));
            at += size;
          }
          expect(tapped(chunks).log).toEqual(plainly([all]));
        },
      ),
      { numRuns: 300 },
    );
  });

  it('puts a large message together from many chunks', () => {
    const large = msg(3, 'x'.repeat(3_000_000), ACK);
    const all = joined([msg(3, 'a', ACK), large, msg(3, 'b', ACK)]);
    const chunks = Array.from({ length: Math.ceil(all.length / 65_536) }, (_, index) =>
      all.subarray(index * 65_536, (index + 1) * 65_536),
    );
    expect(tapped(chunks)).toEqual({ log: plainly([all]), direct: 3 });
  });

  it.each([
    ['lower case', `msg events.a 3 ${ACK} 2\r\nok\r\n`],
    ['more spaces', `MSG  events.a  3 ${ACK}  2\r\nok\r\n`],
    ['tabs', `MSG\tevents.a\t3\t${ACK}\t2\r\nok\r\n`],
    ['a line without a carriage return', 'MSG events.a 3 2\nok\r\n'],
  ])('leaves to the client what it does not know itself: %s', (_, strange) => {
    const frames = [msg(3, 'before', ACK), strange, msg(3, 'after', ACK)];
    const whole = plainly([joined(frames)]);
    expect(tapped([joined(frames)]).log).toEqual(whole);
    const apart = tapped([...frames, msg(3, 'later', ACK)].map(bytes));
    expect(apart.log).toEqual([...whole, ...plainly([joined([msg(3, 'later', ACK)])])]);
    // Between two frames again, it reads for itself again.
    expect(apart.direct).toBe(3);
  });

  it('fails as the client does where there is no sense in it', () => {
    for (const broken of ['garbage', 'MSG a 3 x\r\n', 'MSG\r\n', 'HMSG a 3 9 2\r\n']) {
      expect(() => tapped([joined([msg(3, 'x', ACK), broken])])).toThrow();
      expect(() => plainly([joined([msg(3, 'x', ACK), broken])])).toThrow();
    }
  });

  it('begins where the client is between two frames', () => {
    const log: string[] = [];
    const parser = client(log);
    const all = joined([msg(3, 'first', ACK), msg(3, 'second', ACK), msg(3, 'third', ACK)]);
    const cut = msg(3, 'first', ACK).length + 20;
    parser.parse(all.subarray(0, cut));
    const ahead = new FrameParser(parser, new Map([[3, ours(log, 3)]]));
    ahead.parse(all.subarray(cut));
    ahead.parse(joined([msg(3, 'fourth', ACK)]));
    expect(log.map((line) => /first|second|third|fourth|settled/.exec(line)?.[0])).toEqual([
      'first',
      'second',
      'third',
      'fourth',
      'settled',
    ]);
    expect(log[3]).toMatch(/^!/);
  });

  it('tells a reader once that what the socket gave is read', () => {
    const log: string[] = [];
    const parser = new FrameParser(client(log), new Map([[3, ours(log, 3)]]));
    const one = msg(3, 'x', ACK);
    for (const chunk of [one + one, one.slice(0, 9), one.slice(9), 'PING\r\n']) parser.parse(bytes(chunk));
    expect(log.map((line) => (line.startsWith('!') ? 'frame' : line))).toEqual([
      ...['frame', 'frame', 'settled'],
      ...['frame', 'settled'],
      '[4,""]',
    ]);
  });
});
