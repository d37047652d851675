import { subjectOf, TestDriver, toJetStream } from '../../index.ts';

interface Alert {
  readonly shop: string;
  readonly order: string;
  readonly risk: number;
}

export default async function example(): Promise<unknown[]> {
  const driver = await TestDriver.start<Alert, never>((alerts) =>
    alerts.pipe(
      toJetStream('fraud', {
        subject: subjectOf`alerts.fraud.${({ shop }: Alert) => shop}`,
        headers: ({ risk }) => ({ Priority: risk > 0.9 ? 'high' : 'normal' }),
        // An alert of an order is one alert, also when the state is rebuilt from the stream.
        idOf: ({ order }) => `fraud-${order}`,
      }),
    ),
  );
  await driver.push({ shop: 'berlin', order: 'o7', risk: 0.97 });
  const before = driver.sent.length;
  driver.commit();
  return [
    `${before} before the commit`,
    ...driver.sent.map(({ id, subject, headers }) => `${id} on ${subject}, ${headers.Priority}`),
  ];
}

export const expected: unknown[] = ['0 before the commit', 'fraud-o7 on alerts.fraud.berlin, high'];
