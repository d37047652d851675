import { createRequire } from 'node:module';
import { asMillraceError, MillraceError } from '../../engine/index.ts';

/** How long one mail may take, ms. */
const MAIL_TIMEOUT_MS = 15_000;
const MAX_CONNECTIONS = 4;

export interface MailSettings {
  /** `smtp://user:password@host:587`, `smtps://host:465`. */
  readonly url: string;
  /** `Millrace <alerts@example.com>` */
  readonly from: string;
}

export interface Mail {
  readonly to: readonly string[];
  readonly subject: string;
  readonly text: string;
  /** The text as HTML, beside it. */
  readonly html?: string | undefined;
  readonly attachment?: { readonly name: string; readonly media_type: string; readonly content: Uint8Array };
  /** Names the mail: the same in every try, so that a repeat is known as one. */
  readonly id: string;
}

/** What is used of nodemailer. */
interface Transport {
  sendMail(mail: object): Promise<{ readonly rejected: readonly unknown[] }>;
  close(): void;
}
type CreateTransport = (options: object) => Transport;

/** Sends mails by SMTP. The connections are made with the first of them. */
export class Mailer {
  readonly #settings: MailSettings;
  #transport: Transport | undefined;

  constructor(settings: MailSettings) {
    this.#settings = settings;
  }

  /**
   * Resolves when the server has taken it for all recipients. Throws `mail_failed`: retriable unless the server said
   * that it will never take it.
   */
  async send({ to, subject, text, html, id, attachment }: Mail): Promise<void> {
    this.#transport ??= transportOf(this.#settings);
    const { from } = this.#settings;
    const domain = /@([\w.-]+)/.exec(from)?.[1] ?? 'millrace';
    const messageId = `<${id.replaceAll(/[^\w.-]/g, '_')}@${domain}>`;
    try {
      const mail = { from, to: [...to], subject, text, messageId, ...(html === undefined ? {} : { html }) };
      const attachments =
        attachment === undefined
          ? []
          : [
              {
                ...{ filename: attachment.name, contentType: attachment.media_type },
                content: Buffer.from(attachment.content),
              },
            ];
      const { rejected } = await this.#transport.sendMail({ ...mail, attachments });
      if (rejected.length > 0) throw new Error(`not taken for ${rejected.map(String).join(', ')}`);
    } catch (error) {
      const { message } = asMillraceError(error);
      const code = error instanceof Error && 'responseCode' in error ? Number(error.responseCode) : 0;
      throw new MillraceError('mail_failed', `The mail was not sent: ${message}.`, {
        cause: error,
        retriable: code < 500,
      });
    }
  }

  close(): void {
    this.#transport?.close();
    this.#transport = undefined;
  }
}

/** The library is read when the first mail is sent: most installations send none. */
function transportOf({ url }: MailSettings): Transport {
  const { createTransport } = createRequire(import.meta.url)('nodemailer') as {
    readonly createTransport: CreateTransport;
  };
  const options = {
    ...{ pool: true, maxConnections: MAX_CONNECTIONS, disableFileAccess: true, disableUrlAccess: true },
    ...{
      connectionTimeout: MAIL_TIMEOUT_MS,
      greetingTimeout: MAIL_TIMEOUT_MS,
      socketTimeout: MAIL_TIMEOUT_MS,
    },
  };
  return createTransport({ url, ...options });
}
