import { expect, it } from 'vitest';
import { ownBytes } from './scan-message.ts';

it('hands over whole buffers as they are, and copies what is a part of a larger one', () => {
  const whole = Uint8Array.of(1, 2, 3);
  expect(ownBytes(whole).buffer).toBe(whole.buffer);
  const pooled = Buffer.from('abc');
  const own = ownBytes(pooled);
  expect([...own]).toEqual([97, 98, 99]);
  expect([own.buffer === pooled.buffer, own.buffer.byteLength]).toEqual([false, 3]);
  const shared = new Uint8Array(new SharedArrayBuffer(2));
  expect(ownBytes(shared).buffer).toBeInstanceOf(ArrayBuffer);
});
