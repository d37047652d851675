import { readFile } from 'node:fs/promises';
import { z } from 'zod';
import { type Mailer, type S3Store, s3Place } from '../../connectors/index.ts';
import { MillraceError } from '../../engine/index.ts';
import { ChannelError } from './channels.ts';

const MAX_RECIPIENTS = 50;
/** A larger file is not put into a mail. */
export const MAIL_FILE_MAX_BYTES = 20 * 1024 * 1024;

const s3Url = z
  .string()
  .max(1_024)
  .refine((url) => s3Place(url) !== undefined, 'must be s3://bucket or s3://bucket/prefix');
const address = z.email().max(254);

const whereSchema = z
  .strictObject({
    s3: s3Url.optional().describe('The file is put there under its own name'),
    email: z
      .union([address, z.array(address).min(1).max(MAX_RECIPIENTS)])
      .optional()
      .describe(`It is sent there, up to ${MAIL_FILE_MAX_BYTES / 1_048_576} MiB`),
  })
  .refine(({ s3, email }) => s3 !== undefined || email !== undefined, 'must name `s3` or `email`');

/** Where a file goes beside being downloaded. */
export const destinationSchema = z
  .union([s3Url.transform((s3) => ({ s3 })), whereSchema])
  .describe('`s3://bucket/prefix`, or `{"s3": …, "email": …}`; without it the file is downloaded only');
export type Destination = z.output<typeof destinationSchema>;

export interface FileSenders {
  readonly s3?: Pick<S3Store, 'put'> | undefined;
  readonly mailer?: Pick<Mailer, 'send'> | undefined;
}

/** Throws `channel_not_configured` (422) where the installation has no settings for the destination. */
export function requireDestination(
  { s3, mailer }: FileSenders,
  destination: Destination | undefined,
  path = 'destination',
): void {
  const { s3: url, email } = recipientsOf(destination);
  const missing =
    url !== undefined && s3 === undefined
      ? ['S3', 'S3_ACCESS_KEY_ID and S3_SECRET_ACCESS_KEY']
      : email.length > 0 && mailer === undefined
        ? ['mail', 'SMTP_URL and MAIL_FROM']
        : undefined;
  if (missing === undefined) return;
  throw new ChannelError(
    'channel_not_configured',
    path,
    `This installation does not send by ${missing[0]}: its settings ${missing[1]} are absent.`,
  );
}

export interface SentFile {
  readonly path: string;
  /** Under which it goes there. */
  readonly name: string;
  readonly media_type: string;
  readonly size_bytes: number;
  /** Names the file: the same in every try. */
  readonly id: string;
  readonly subject: string;
  readonly text: string;
}

/** Sends a file where it is to go; where to, as text. Throws `s3_failed`, `mail_failed`, `file_too_large`. */
export async function sendFile(
  senders: FileSenders,
  destination: Destination | undefined,
  file: SentFile,
  signal: AbortSignal,
): Promise<readonly string[]> {
  requireDestination(senders, destination);
  const { s3: url, email } = recipientsOf(destination);
  const sent: string[] = [];
  const place = url === undefined ? undefined : s3Place(url);
  if (place !== undefined) {
    const key = place.prefix === '' ? file.name : `${place.prefix}/${file.name}`;
    await senders.s3?.put(place, key, file.path, file.media_type, signal);
    sent.push(`s3://${place.bucket}/${key}`);
  }
  if (email.length > 0) {
    if (file.size_bytes > MAIL_FILE_MAX_BYTES) {
      throw new MillraceError(
        'file_too_large',
        `The file has ${file.size_bytes} bytes, a mail takes ${MAIL_FILE_MAX_BYTES}. Ask for less, or send it to S3.`,
      );
    }
    const { name, media_type, id, subject, text } = file;
    const content = await readFile(file.path);
    await senders.mailer?.send({ to: email, subject, text, id, attachment: { name, media_type, content } });
    sent.push(...email);
  }
  return sent;
}

function recipientsOf(destination: Destination | undefined): {
  readonly s3: string | undefined;
  readonly email: readonly string[];
} {
  const { s3, email = [] } = (destination ?? {}) as { s3?: string; email?: string | readonly string[] };
  return { s3, email: typeof email === 'string' ? [email] : email };
}
