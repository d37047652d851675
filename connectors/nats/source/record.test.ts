import { headers, type Msg } from 'nats';
import { describe, expect, it } from 'vitest';
import { fc } from '../../../test/property.ts';
import { headerEntries, headerValue, readRecord, readStatus, replyBytes } from './record.ts';

const message = (part: Partial<Msg>): Msg =>
  ({ subject: 'a.b', sid: 1, data: new Uint8Array(0), ...part }) as Msg;

describe('headerValue', () => {
  it('agrees with the client about everything that the client can write', () => {
    const name = fc.stringMatching(/^[A-Za-z][A-Za-z0-9-]{0,12}$/);
    const value = fc.stringMatching(/^[ -~äß€]{0,20}$/);
    fc.assert(
      fc.property(
        fc.uniqueArray(fc.tuple(name, value), { selector: ([key]) => key.toLowerCase() }),
        name,
        (all, other) => {
          const set = headers();
          for (const [key, text] of all) set.append(key, text);
          const block = Buffer.from((set as unknown as { encode(): Uint8Array }).encode()).toString();
          expect([...headerEntries(block)]).toEqual(all.map(([key, text]) => [key, text.trim()]));
          for (const [key, text] of all) {
            expect(headerValue(block, key.toUpperCase())).toBe(text.trim());
          }
          if (!all.some(([key]) => key.toLowerCase() === other.toLowerCase())) {
            expect(headerValue(block, other)).toBeUndefined();
          }
        },
      ),
    );
  });

  it('gives the first of several, and passes over what is no header', () => {
    const block = 'NATS/1.0\r\nbroken line\r\n: x\r\nA b: no\r\nReason: one\r\nReason: two\r\n\r\n';
    expect(headerValue(block, 'reason')).toBe('one');
    expect([...headerEntries(block)]).toEqual([
      ['A b', 'no'],
      ['Reason', 'one'],
      ['Reason', 'two'],
    ]);
    expect(headerValue(block, 'Missing')).toBeUndefined();
    expect(headerValue('', 'Reason')).toBeUndefined();
    expect(headerValue('NATS/1.0\r\nReason: cut', 'Reason')).toBeUndefined();
  });
});

describe('a client without the fields that are looked into', () => {
  const set = headers();
  set.append('Content-Type', 'text/plain');

  it('is read through its public interface', () => {
    const record = readRecord(7, message({ data: Buffer.from('xyz'), headers: set }));
    expect(record).toMatchObject({ sequence: 7, subject: 'a.b', hasHeaders: true });
    expect(record.header('content-type')).toBe('text/plain');
    expect(record.size_bytes).toBeGreaterThan(3);
    const bare = readRecord(8, message({ data: Buffer.from('xyz') }));
    expect(bare).toMatchObject({ hasHeaders: false, size_bytes: 3 });
    expect(bare.header('content-type')).toBeUndefined();
    expect(Buffer.from(replyBytes(message({ reply: 'r' }))).toString()).toBe('r');
    expect(replyBytes(message({}))).toHaveLength(0);
  });

  it('says what the server said', () => {
    const status = headers(409, 'Consumer Deleted');
    status.append('Nats-Pending-Messages', '3');
    const read = readStatus(message({ headers: status }));
    expect(read).toMatchObject({ code: 409, text: 'consumer deleted' });
    expect(read.header('Nats-Pending-Messages')).toBe('3');
    expect(readStatus(message({}))).toMatchObject({ code: 0, text: '' });
  });
});
