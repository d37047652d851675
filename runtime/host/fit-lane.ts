import { Worker } from 'node:worker_threads';
import { builtModule } from '../../engine/index.ts';
import type { FitPlace, FitTicket } from '../../operators/index.ts';

const NAME = import.meta.url.endsWith('.ts') ? './fit-thread.ts' : './fit-thread.js';
const THREAD = new URL(builtModule(new URL(NAME, import.meta.url).href));
const THREAD_HEAP_MB = 128;
/** Fits that wait or are being made, of up to 48 kB each. */
const MAX_REQUESTS = 128;
/** How long models are kept, so that several go on together: each time costs a commit. */
const DELIVERY_INTERVAL_MS = 50;

type Made = (model: Uint8Array | undefined) => void;

interface Wanted {
  readonly request: Uint8Array;
  /** undefined: nobody wants it any more. */
  made: Made | undefined;
}

/** Makes fits in a thread of its own, one after the other. It starts with the first, and ends with `close`. */
export class FitLane implements FitPlace {
  readonly #max_requests: number;
  /** The first is being made. */
  readonly #wanted: Wanted[] = [];
  readonly #ended: { readonly made: Made; readonly model: Uint8Array | undefined }[] = [];
  #worker: Worker | undefined;
  #delivery: NodeJS.Timeout | undefined;
  #isClosed = false;

  constructor(max_requests = MAX_REQUESTS) {
    this.#max_requests = max_requests;
  }

  begin(request: Uint8Array, made: Made): FitTicket | undefined {
    if (this.#isClosed || this.#wanted.length >= this.#max_requests) return undefined;
    const wanted: Wanted = { request, made };
    this.#wanted.push(wanted);
    if (this.#wanted.length === 1) this.#next();
    return { cancel: () => this.#cancel(wanted) };
  }

  #cancel(wanted: Wanted): void {
    wanted.made = undefined;
    const at = this.#wanted.indexOf(wanted);
    if (at > 0) this.#wanted.splice(at, 1);
  }

  #next(): void {
    const first = this.#wanted[0];
    if (first === undefined || this.#isClosed) return;
    this.#worker ??= this.#start();
    this.#worker.postMessage(first.request);
  }

  #start(): Worker {
    const worker = new Worker(THREAD, {
      workerData: { millrace: 'fits' },
      name: 'fits',
      resourceLimits: { maxOldGenerationSizeMb: THREAD_HEAP_MB },
    });
    worker.on('message', (model: Uint8Array | undefined) => this.#end(model));
    // An error ends it, too. The fit in hand is then made in the task, and the next one in a new thread.
    worker.on('error', () => undefined);
    worker.on('exit', () => {
      if (this.#worker !== worker) return;
      this.#worker = undefined;
      this.#end(undefined);
    });
    return worker;
  }

  #end(model: Uint8Array | undefined): void {
    const ended = this.#wanted.shift();
    if (ended?.made !== undefined) this.#ended.push({ made: ended.made, model });
    this.#delivery ??= setTimeout(() => this.#deliver(), DELIVERY_INTERVAL_MS);
    this.#next();
  }

  #deliver(): void {
    this.#delivery = undefined;
    for (const { made, model } of this.#ended.splice(0)) made(model);
  }

  /** Ends the thread, whatever it is at. Nobody is called back any more. */
  async close(): Promise<void> {
    this.#isClosed = true;
    clearTimeout(this.#delivery);
    const worker = this.#worker;
    this.#worker = undefined;
    await worker?.terminate();
  }
}
