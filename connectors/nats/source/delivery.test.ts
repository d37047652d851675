import { describe, expect, it } from 'vitest';
import { fc } from '../../../test/property.ts';
import { DeliveryReader } from './delivery.ts';

const bytes = (text: string): Uint8Array => Buffer.from(text);
const sequence = fc.integer({ min: 1, max: Number.MAX_SAFE_INTEGER });
const name = fc.stringMatching(/^[A-Za-z0-9_-]{1,30}$/);

describe('DeliveryReader', () => {
  it('reads both forms of the reply subject', () => {
    fc.assert(
      fc.property(
        fc.record({
          stream: name,
          consumer: name,
          delivered: fc.integer({ min: 1, max: 1_000 }),
          streamSequence: sequence,
          consumerSequence: sequence,
          timestamp: fc.bigInt({ min: 10n ** 18n, max: 2n ** 64n }),
          pending: fc.integer({ min: 0, max: Number.MAX_SAFE_INTEGER }),
          prefix: fc.constantFrom('', 'hub.aB3x.', '_.aB3x.'),
          tail: fc.constantFrom('', '.r4nd0m'),
        }),
        (m) => {
          const tail = m.prefix === '' ? '' : m.tail;
          const numbers = [m.delivered, m.streamSequence, m.consumerSequence, m.timestamp, m.pending];
          const reply = bytes(`$JS.ACK.${m.prefix}${m.stream}.${m.consumer}.${numbers.join('.')}${tail}`);
          const reader = new DeliveryReader();
          // Twice: the second time it knows where the numbers begin.
          for (let i = 0; i < 2; i++) {
            expect(reader.read(reply)).toBe(true);
            expect(reader.streamSequence).toBe(m.streamSequence);
            expect(reader.consumerSequence).toBe(m.consumerSequence);
            expect(reader.pending).toBe(m.pending);
            expect(reader.stored_ms).toBe(Number(m.timestamp / 1_000_000n));
          }
        },
      ),
    );
  });

  it.each([
    '',
    'x',
    '_INBOX.abc.1',
    '$JS.ACK.S.c.1.x.1.2.3',
    '$JS.ACK.S.c.1.1.1.1795311127957942948.z',
    '........',
  ])('refuses %o', (text) => {
    expect(new DeliveryReader().read(bytes(text))).toBe(false);
  });
});
