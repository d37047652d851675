import { expect, it } from 'vitest';
import { checkContinuity } from './stream-continuity.ts';

const known = { stream: 'S', incarnation: 'one', firstSequence: 1, lastSequence: 100 };

it.each([
  ['the stream as it was', {}, 100, false, undefined],
  ['a stream that went on', { lastSequence: 900 }, 100, false, undefined],
  ['a stream that kept what follows', { firstSequence: 101, lastSequence: 200 }, 100, false, undefined],
  [
    'a stream that lost what follows',
    { firstSequence: 102, lastSequence: 200 },
    100,
    false,
    'position_before_stream',
  ],
  ['a bucket that lost what follows', { firstSequence: 102, lastSequence: 200 }, 100, true, undefined],
  ['a shorter stream', { lastSequence: 99 }, 100, false, 'position_ahead_of_stream'],
  ['a shorter bucket', { lastSequence: 99 }, 100, true, 'position_ahead_of_stream'],
  ['another stream of the name', { incarnation: 'two' }, 100, false, 'stream_recreated'],
])('%s', (_, changed, read, isSparse, code) => {
  const check = (): void => checkContinuity(known, { ...known, ...changed }, read, isSparse);
  if (code === undefined) check();
  else expect(check).toThrow(expect.objectContaining({ code }));
});
