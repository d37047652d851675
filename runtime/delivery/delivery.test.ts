import { describe, expect, it } from 'vitest';
import { normalType } from '../../analytics/index.ts';
import { fc } from '../../test/property.ts';
import { failuresInRow, isOver, type LogEntry, triesOf } from './delivery-log.ts';
import {
  broadcastSubject,
  decodeNotice,
  encodeNotice,
  matchesType,
  messageIdOf,
  patternSubject,
} from './notice.ts';
import { Slots } from './slots.ts';

/** Whether a subject is one of a pattern, as NATS says. */
function isOf(pattern: string, subject: string): boolean {
  const [wanted, tokens] = [pattern.split('.'), subject.split('.')];
  if (wanted.at(-1) === '>') {
    return tokens.length >= wanted.length && wanted.slice(0, -1).every((token, at) => token === tokens[at]);
  }
  return pattern === subject;
}

describe('subjects of notices', () => {
  const word = fc.constantFrom(
    'order',
    'created',
    'a',
    'A_b',
    'x-y',
    '',
    '>',
    '*',
    'ä b',
    '=',
    'order.created',
  );
  const type = fc.array(word, { minLength: 1, maxLength: 3 }).map((words) => words.join('.'));

  it('are found by the patterns that match the type, and by no others', () => {
    const pattern = fc.oneof(
      type,
      type.map((one) => `${one}.*`),
      fc.constant('*'),
    );
    fc.assert(
      fc.property(type, pattern, (of, asked) => {
        const normal = normalType(of);
        const subject = broadcastSubject({ tenant: 't', type: normal });
        expect(subject).toMatch(/^notices\.t\.type(\.[a-z0-9=]+)+$/);
        expect(isOf(patternSubject('t', asked), subject), `${asked} ${normal}`).toBe(
          matchesType(asked, normal),
        );
      }),
    );
  });

  it('and ids are of their notice alone; what is stored is read as it was', () => {
    fc.assert(
      fc.property(fc.string(), fc.string(), fc.jsonValue(), (id, other, payload) => {
        const notice = { tenant: 't', type: 'order.created', id, time_ms: 1, payload };
        expect(messageIdOf(notice)).toMatch(/^msg_[a-z2-7]{26}$/);
        expect(messageIdOf(notice) === messageIdOf({ ...notice, id: other })).toBe(id === other);
        const expected: unknown = JSON.parse(JSON.stringify(notice));
        expect(decodeNotice(encodeNotice(notice))).toEqual(expected);
      }),
    );
    expect(decodeNotice(Buffer.from('rubbish'))).toBeUndefined();
    expect(decodeNotice(Buffer.from('{"tenant":"t"}'))).toBeUndefined();
  });
});

describe('the log', () => {
  const entry = (delivery_id: string, status: LogEntry['status'], at_ms = 0): LogEntry => ({
    ...{ delivery_id, status, at_ms, message_id: 'm', type: 't', sequence: 1, response_status: null },
    ...{ error: null, duration_ms: 1, next_attempt_at_ms: null },
  });

  it('says how often a delivery was tried since somebody wished for it, and whether it is over', () => {
    const entries = [entry('a', 'retrying'), entry('b', 'succeeded'), entry('a', 'failed')];
    expect([triesOf(entries, 'a'), triesOf(entries, 'b'), triesOf(entries, 'c')]).toEqual([2, 1, 0]);
    expect(['a', 'b', 'c'].map((id) => isOver(entries, id))).toEqual([true, true, false]);
    const wished = [...entries, entry('a', 'pending')];
    expect([triesOf(wished, 'a'), isOver(wished, 'a')]).toEqual([0, false]);
    expect(triesOf([...wished, entry('a', 'retrying')], 'a')).toBe(1);
  });

  it('counts failures in a row: behind a success, since a time, and no tests', () => {
    const entries = [
      ...[entry('a', 'failed', 1), entry('b', 'succeeded', 2), entry('c', 'failed', 3)],
      ...[entry('d', 'retrying', 4), entry('d', 'failed', 5)],
      { ...entry('e', 'failed', 6), sequence: null },
    ];
    expect([0, 4, 6].map((since_ms) => failuresInRow(entries, since_ms))).toEqual([2, 1, 0]);
  });
});

describe('slots', () => {
  it('are bounded, in all and for each tenant, and nobody waits for a tenant that has too many', async () => {
    const slots = new Slots(4, 2);
    let most = 0;
    const running = new Map<string, number>();
    const done: string[] = [];
    const run = (tenant: string): Promise<void> =>
      slots.run(tenant, async () => {
        running.set(tenant, (running.get(tenant) ?? 0) + 1);
        most = Math.max(most, slots.taken);
        expect(running.get(tenant)).toBeLessThanOrEqual(2);
        await new Promise((resolve) => setTimeout(resolve, 1));
        running.set(tenant, (running.get(tenant) ?? 0) - 1);
        done.push(tenant);
      });
    await Promise.all([...'aaaaaaaabbc'].map(run));
    expect([most, slots.taken, done.length]).toEqual([4, 0, 11]);
    expect(done.lastIndexOf('c')).toBeLessThan(done.lastIndexOf('a'));
    await expect(slots.run('a', () => Promise.reject(new Error('it failed')))).rejects.toThrow('it failed');
    expect(slots.taken).toBe(0);
  });
});
