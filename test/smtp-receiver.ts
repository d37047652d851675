import { once } from 'node:events';
import { createRequire } from 'node:module';
import type { Server } from 'node:net';

/** What is used of the package `smtp-server`. */
interface SmtpServer {
  readonly server: Server;
  listen(port: number, host: string): Server;
  close(callback: () => void): void;
}
interface Session {
  readonly user?: string;
  readonly envelope: {
    readonly mailFrom: { readonly address: string };
    readonly rcptTo: readonly { readonly address: string }[];
  };
}
type Done = (error?: Error | null, answer?: object) => void;
type SmtpServerClass = new (options: object) => SmtpServer;

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** Who logged in. */
  readonly user: string | undefined;
  /** Headers and text as they came. */
  readonly text: string;
}

/** A real SMTP server on loopback that keeps what it gets. */
export class SmtpReceiver {
  readonly mails: ReceivedMail[] = [];
  /** Set: what is said instead of taking a mail. */
  refusal: { readonly code: number; readonly message: string } | undefined;
  readonly #server: SmtpServer;
  readonly #port: number;

  private constructor(server: SmtpServer, port: number) {
    this.#server = server;
    this.#port = port;
  }

  static async start(): Promise<SmtpReceiver> {
    const { SMTPServer } = createRequire(import.meta.url)('smtp-server') as {
      readonly SMTPServer: SmtpServerClass;
    };
    const server: SmtpServer = new SMTPServer({
      disabledCommands: ['STARTTLS'],
      authOptional: true,
      allowInsecureAuth: true,
      onAuth: (auth: { readonly username: string }, _: Session, done: Done) =>
        done(null, { user: auth.username }),
      onData: (stream: AsyncIterable<Buffer>, session: Session, done: Done) => {
        void receiver.#take(stream, session).then(done);
      },
    });
    const listening = server.listen(0, '127.0.0.1');
    await once(listening, 'listening');
    const address = listening.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const receiver: SmtpReceiver = new SmtpReceiver(server, port);
    return receiver;
  }

  async #take(stream: AsyncIterable<Buffer>, { envelope, user }: Session): Promise<Error | undefined> {
    const chunks: Buffer[] = [];
    for await (const chunk of stream) chunks.push(chunk);
    const { refusal } = this;
    if (refusal !== undefined)
      return Object.assign(new Error(refusal.message), { responseCode: refusal.code });
    this.mails.push({
      from: envelope.mailFrom.address,
      to: envelope.rcptTo.map(({ address }) => address),
      user,
      text: Buffer.concat(chunks).toString(),
    });
    return undefined;
  }

  urlOf(login = ''): string {
    return `smtp://${login}127.0.0.1:${this.#port}`;
  }

  async stop(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.close(resolve));
  }
}
