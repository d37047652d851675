import { json, type SourceRecord, TestDriver } from '../../index.ts';

interface Click {
  readonly page: string;
  readonly time_ms: number;
}

/** A schema of zod, valibot or arktype fits too: anything with `parse`. */
const clickSchema = {
  parse(input: unknown): Click {
    const { page, time_ms } = Object(input) as Record<string, unknown>;
    if (typeof page !== 'string' || typeof time_ms !== 'number')
      throw new Error('a click has page and time_ms');
    return { page, time_ms };
  },
};

const record = (sequence: number, text: string): SourceRecord => ({
  sequence,
  subject: 'clicks.eu',
  data: Buffer.from(text),
  hasHeaders: false,
  header: () => undefined,
});

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<SourceRecord, Click>((records) =>
    records.pipe(json('clicks', { parse: clickSchema })),
  );
  await driver.push(record(1, '{"page":"/","time_ms":5}'), record(2, '{"page":7}'), record(3, '{oops'));
  driver.commit();
  return [...driver.out, ...driver.sent.map(({ subject, headers }) => `${subject}: ${headers.Reason}`)];
}

export const expected: unknown[] = [
  { page: '/', time_ms: 5 },
  'deadletter.default: invalid_value',
  'deadletter.default: invalid_json',
];
