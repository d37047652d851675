import { expect, it } from 'vitest';
import { ManualClock, MillraceError, type OutMessage } from '../../../engine/index.ts';
import { toldPublisher } from './told-publisher.ts';

const message = (subject: string): OutMessage => ({
  id: '1',
  subject,
  headers: {},
  payload: new Uint8Array(0),
});

it('tells a failure as it begins and then every 30 s, whatever the subjects; and whether it is final', async () => {
  const clock = new ManualClock();
  const lines: string[] = [];
  let failure: Error | undefined = new MillraceError('no_stream_for_subject', 'Nobody there.', {
    retriable: true,
  });
  const inner = { publish: () => (failure === undefined ? Promise.resolve() : Promise.reject(failure)) };
  const publisher = toldPublisher(inner, clock, (line) => lines.push(line));
  for (const subject of ['a', 'b', 'a', 'b']) {
    await expect(publisher.publish(message(subject))).rejects.toBe(failure);
  }
  expect(lines.splice(0)).toEqual(['a message for "a" could not be sent, and is tried again: Nobody there.']);
  clock.advance(29_999);
  await expect(publisher.publish(message('b'))).rejects.toBe(failure);
  clock.advance(1);
  await expect(publisher.publish(message('b'))).rejects.toBe(failure);
  expect(lines.splice(0)).toEqual(['a message for "b" could not be sent, and is tried again: Nobody there.']);
  failure = new MillraceError('message_invalid', 'No header.');
  await expect(publisher.publish(message('c'))).rejects.toBe(failure);
  expect(lines.splice(0)).toEqual(['a message for "c" could not be sent, and is left out: No header.']);
  failure = undefined;
  await publisher.publish(message('a'));
  expect(lines).toEqual([]);
});
