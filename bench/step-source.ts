import type { Source, SourceRecord } from '../engine/index.ts';

/** One record a step; its batch is made outside of what is measured. */
export class StepSource implements Source {
  readonly partition = '0';
  readonly #last: number;
  #sequence: number;

  constructor(after: number, last: number) {
    this.#sequence = after;
    this.#last = last;
  }

  facts() {
    return Promise.resolve({ stream: 'S', incarnation: 'i', firstSequence: 1, lastSequence: this.#last });
  }

  start(): Promise<void> {
    return Promise.resolve();
  }

  take(): Promise<readonly SourceRecord[]> {
    const record = { sequence: ++this.#sequence, subject: 's', data: new Uint8Array(0), hasHeaders: false };
    return Promise.resolve([{ ...record, header: () => undefined }]);
  }

  state() {
    return { headSequence: 0, caughtUp: true, connected: true, skipped: 0 };
  }

  stop(): Promise<void> {
    return Promise.resolve();
  }
}
