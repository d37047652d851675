import { isMainThread, type MessagePort, parentPort, workerData } from 'node:worker_threads';
import { asMillraceError, stepBack } from '../../engine/index.ts';
import { openEncoder } from './encoder.ts';
import type { Cell } from './table.ts';
import type { FromTableThread, TableEncoder, TableThreadData, ToTableThread } from './thread-messages.ts';

/** Below its process: others go first. */
const NICENESS = 10;

function isTableData(data: unknown): data is TableThreadData {
  return typeof data === 'object' && data !== null && 'millrace' in data && data.millrace === 'table';
}

/** Encodes rows in the order in which they come. Bytes wait here until those before them were taken. */
class TableServer {
  readonly #port: MessagePort;
  readonly #writer: Promise<TableEncoder>;
  #work: Promise<void> = Promise.resolve();
  #taken: () => void = () => undefined;

  constructor(port: MessagePort, { format, columns }: TableThreadData) {
    this.#port = port;
    this.#writer = openEncoder(format, columns, {
      write: async (part) => {
        const bytes = typeof part === 'string' ? Buffer.from(part) : part;
        // A copy of its own: what a library gives may be a view of a buffer that it uses again.
        const copy = Uint8Array.from(bytes);
        const taken = new Promise<void>((resolve) => {
          this.#taken = resolve;
        });
        this.#post({ kind: 'bytes', bytes: copy }, [copy.buffer]);
        await taken;
      },
    });
    port.on('message', (message: ToTableThread) => this.#heard(message));
  }

  #post(message: FromTableThread, transfer: readonly ArrayBuffer[] = []): void {
    this.#port.postMessage(message, [...transfer]);
  }

  #heard(message: ToTableThread): void {
    if (message.kind === 'taken') {
      this.#taken();
      return;
    }
    const { kind } = message;
    this.#work = this.#work
      .then(() => (kind === 'rows' ? this.#rows(message.rows) : this.#finish()))
      .catch((error: unknown) => {
        const { code, message: text } = asMillraceError(error);
        this.#post({ kind: 'failed', code, message: text });
      });
  }

  async #rows(text: string): Promise<void> {
    const writer = await this.#writer;
    for (const cells of JSON.parse(text) as Cell[][]) await writer.write(cells);
    this.#post({ kind: 'encoded' });
  }

  async #finish(): Promise<void> {
    await (await this.#writer).finish();
    this.#post({ kind: 'finished' });
  }
}

/** It is ended from outside, when the file is done and when nobody wants it any more. */
if (!isMainThread && parentPort !== null && isTableData(workerData)) {
  stepBack(NICENESS);
  new TableServer(parentPort, workerData);
}
