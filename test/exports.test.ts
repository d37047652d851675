import ExcelJS from 'exceljs';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { connectNats, EventPublisher, type NatsLink } from '../connectors/index.ts';
import { HttpReceiver } from './http-receiver.ts';
import { startTestNats, type TestNats } from './nats.ts';
import { type Millrace, until } from './process.ts';
import { TestS3 } from './s3-server.ts';
import { Scratch } from './scratch.ts';
import { SmtpReceiver } from './smtp-receiver.ts';

const PATIENTLY_MS = 90_000;
const BUCKET = 'reports';

const scratch = new Scratch();
let nats: TestNats;
let link: NatsLink;
let mail: SmtpReceiver;
let hook: HttpReceiver;
let s3: TestS3;

beforeAll(async () => {
  [nats, mail, hook] = await Promise.all([startTestNats(), SmtpReceiver.start(), HttpReceiver.start()]);
  link = await connectNats({ url: nats.url, name: 'exports-test' });
  s3 = new TestS3(await scratch.dir('s3'), [BUCKET]);
  await s3.start();
});
afterAll(async () => {
  await scratch.clean();
  await s3?.stop();
  await Promise.all([mail?.stop(), hook?.stop(), link?.close()]);
  await nats?.stop();
});

const order = (at: number): { subject: string; payload: Uint8Array } => ({
  subject: `events.default.o${at}`,
  payload: Buffer.from(
    JSON.stringify({
      ...{ event_id: `e${at}`, type: 'order.created', time: '2025-03-10T10:00:00Z' },
      ...{ order_id: `o${at}`, customer_id: `c${at % 7}`, amount: 1_250, currency: 'EUR', country: 'DE' },
    }),
  ),
});

async function finished(service: Millrace, job_id: unknown): Promise<Record<string, unknown>> {
  return until(
    async () => {
      const { json } = await service.request('GET', `/jobs/${String(job_id)}`);
      return json.status === 'succeeded' || json.status === 'failed' ? json : undefined;
    },
    () => `the job ends: ${service.output}`,
    PATIENTLY_MS,
  );
}

it('a report goes to S3, to mail and to webhooks, each with what the API says', async () => {
  const env = {
    NATS_URL: nats.url,
    ...s3.env,
    ...{ SMTP_URL: mail.urlOf(), MAIL_FROM: 'Millrace <reports@example.com>', WEBHOOK_ALLOW_PRIVATE: '1' },
  };
  const service = await scratch.start({ dataDir: await scratch.dir('exports'), env });
  await service.request('POST', '/webhooks', {
    body: { url: `${hook.url}/hook`, events: ['report.completed', 'export.failed'] },
  });
  await new EventPublisher(link).publishAll(Array.from({ length: 40 }, (_, at) => order(at)));
  await service.untilApplied();
  const report = await service.request('POST', '/reports', {
    body: {
      ...{ name: 'Daily sales', schedule: '0 6 * * *', timezone: 'Europe/Berlin', format: 'xlsx' },
      query: {
        ...{ metrics: ['orders_count', 'revenue_gross'], group_by: ['country'] },
        ...{ start: '2025-03-10T00:00:00Z', end: '2025-03-11T00:00:00Z' },
      },
      destination: { s3: `s3://${BUCKET}/daily`, email: ['ops@example.com'] },
    },
  });
  expect([report.status, report.json.code]).toEqual([201, undefined]);
  const made = await service.request('POST', `/reports/${String(report.json.id)}/run`, { body: {} });
  const job = await finished(service, made.json.job_id);
  expect(job).toMatchObject({ status: 'succeeded', result: { rows: 1 } });
  const [object, address] = (job.result as { sent_to: string[] }).sent_to;
  expect([object?.startsWith(`s3://${BUCKET}/daily/Daily-sales-`), address]).toEqual([
    true,
    'ops@example.com',
  ]);

  const fetched = await fetch(`${s3.endpoint}/${object?.slice('s3://'.length)}`);
  const book = new ExcelJS.Workbook();
  await book.xlsx.load(await fetched.arrayBuffer());
  expect(((book.worksheets[0]?.getRow(2).values ?? []) as unknown[]).slice(1)).toEqual([
    ...['DE', new Date('2025-03-10T00:00:00Z'), 'EUR', 40, 500],
    expect.any(Boolean),
  ]);

  const [received] = mail.mails;
  expect(received?.text).toContain('Subject: Daily sales');
  const attached = /\r?\n\r?\n(UEsD[\s\S]+?)\r?\n-{2}/.exec(received?.text ?? '')?.[1];
  const mailed = new ExcelJS.Workbook();
  const bytes = Buffer.from(attached ?? '', 'base64');
  await mailed.xlsx.load(
    bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.length) as ArrayBuffer,
  );
  expect(mailed.worksheets[0]?.getCell('E2').value).toBe(500);

  const told = await until(
    () => hook.received[0],
    () => `the webhook is told: ${service.output}`,
    PATIENTLY_MS,
  );
  expect(JSON.parse(told.body)).toMatchObject({
    type: 'report.completed',
    data: { report_id: report.json.id, name: 'Daily sales', job_id: job.job_id, result: { rows: 1 } },
  });

  // A bucket that is not there fails the export by name, and that is told too.
  const lost = await service.request('POST', '/exports', {
    body: { query: {}, format: 'parquet', destination: 's3://no-such-bucket/x' },
  });
  expect(lost.status).toBe(202);
  expect(await finished(service, lost.json.job_id)).toMatchObject({
    status: 'failed',
    error: { code: 's3_failed', message: expect.stringContaining('NoSuchBucket') },
  });
  await until(
    () => hook.received.find(({ body }) => body.includes('"export.failed"')),
    () => `the webhook is told of the failure: ${service.output}`,
    PATIENTLY_MS,
  );
  await service.kill();
});
