import { afterEach, beforeEach, expect, it } from 'vitest';
import { SmtpReceiver } from '../../test/smtp-receiver.ts';
import { Mailer } from './mailer.ts';

let server: SmtpReceiver;
let mailer: Mailer;

beforeEach(async () => {
  server = await SmtpReceiver.start();
  mailer = new Mailer({ url: server.urlOf('alerts:pass%20word@'), from: 'Millrace <alerts@example.com>' });
});
afterEach(async () => {
  mailer.close();
  await server.stop();
});

const MAIL = {
  to: ['ops@example.com', 'büro@example.org'],
  subject: 'Umsatz −77 %',
  text: 'Zeile\n.\nEnde',
  id: 'n 1',
};

it('sends a mail to all recipients, with a name that stays the same', async () => {
  await mailer.send({ ...MAIL, to: ['ops@example.com', 'shop@example.org'] });
  const [mail] = server.mails;
  expect(mail).toMatchObject({
    from: 'alerts@example.com',
    to: ['ops@example.com', 'shop@example.org'],
    user: 'alerts',
  });
  expect(mail?.text).toContain('Message-ID: <n_1@example.com>');
  expect(mail?.text).toContain('From: Millrace <alerts@example.com>');
  expect(mail?.text).toMatch(/Subject: =\?UTF-8\?/);
});

it('says whether it may be taken later', async () => {
  server.refusal = { code: 451, message: 'later' };
  await expect(mailer.send(MAIL)).rejects.toMatchObject({ code: 'mail_failed', retriable: true });
  server.refusal = { code: 550, message: 'never' };
  await expect(mailer.send({ ...MAIL, to: ['ops@example.com'] })).rejects.toMatchObject({
    code: 'mail_failed',
    retriable: false,
  });
  // A server ends when its connections have: this one would wait until the pool's is idle for too long.
  mailer.close();
  await server.stop();
  const other = new Mailer({ url: server.urlOf(), from: 'a@example.com' });
  await expect(other.send(MAIL)).rejects.toMatchObject({ code: 'mail_failed', retriable: true });
  other.close();
});
