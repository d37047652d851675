import { decode, type SourceRecord, TestDriver } from '../../index.ts';

interface Reading {
  readonly sensor: string;
  readonly celsius: number;
}

const record = (sequence: number, text: string): SourceRecord => ({
  sequence,
  subject: 'readings.hall-7',
  data: Buffer.from(text),
  hasHeaders: false,
  header: () => undefined,
});

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<SourceRecord, Reading>((records) =>
    records.pipe(
      // A record holds several lines; a bad one is a dead letter, the others are processed.
      decode<Reading>('csv', {
        decoder: () => (from, _now_ms, out) => {
          for (const [part, line] of Buffer.from(from.data).toString().split('\n').entries()) {
            const [sensor = '', celsius = ''] = line.split(',');
            const place = { tenant: 'hall-7', record: from, part };
            if (celsius !== '') out.accept({ sensor, celsius: Number(celsius) });
            else out.reject(place, { code: 'no_value', detail: `line ${part}` }, Buffer.from(line));
          }
        },
      }),
    ),
  );
  await driver.push(record(1, 'a,20.5\nb\nc,19'));
  driver.commit();
  return [...driver.out, ...driver.sent.map(({ subject, headers }) => `${subject}: ${headers.Reason}`)];
}

export const expected: unknown[] = [
  { sensor: 'a', celsius: 20.5 },
  { sensor: 'c', celsius: 19 },
  'deadletter.hall-7: no_value',
];
