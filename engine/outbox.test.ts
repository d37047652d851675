import { setTimeout } from 'node:timers/promises';
import { describe, expect, it } from 'vitest';
import { DEFAULT_OUTBOX_LIMITS, OUTBOX_TABLE, type OutMessage, Outbox, type OutboxLimits } from './outbox.ts';
import { MemoryDisk } from './store-memory.ts';

interface Send {
  readonly id: string;
  readonly message: OutMessage;
  acknowledge(): void;
  refuse(): void;
}

class Receiver {
  readonly sends: Send[] = [];

  publish = (message: OutMessage): Promise<void> =>
    new Promise((resolve, reject) => {
      this.sends.push({ id: message.id, message, acknowledge: resolve, refuse: () => reject(new Error('no answer')) });
    });

  get ids(): string[] {
    return this.sends.map(({ id }) => id);
  }
}

const message = (id: string): OutMessage => ({
  id,
  subject: `out.${id}`,
  headers: { Reason: 'because', Ünicode: 'wért' },
  payload: Uint8Array.of(1, 2, 0, 255),
});

class Fixture {
  readonly disk = new MemoryDisk();
  receiver = new Receiver();
  #next = 0;

  open(limits: Partial<OutboxLimits> = {}): Outbox {
    this.receiver = new Receiver();
    const store = this.disk.open();
    return new Outbox(store.table(OUTBOX_TABLE), this.receiver, this.#next, { ...DEFAULT_OUTBOX_LIMITS, retry_ms: 1, ...limits });
  }

  commit(outbox: Outbox): void {
    const sending = this.disk.open();
    const store = sending;
    const table = this.disk.open();
    void store;
    void table;
    this.writing(outbox).sendCommitted();
  }

  /** The commit without what follows it. */
  writing(outbox: Outbox): { sendCommitted(): void } {
    const flushed = this.store.transaction(() => outbox.flush());
    this.#next = outbox.next;
    return flushed;
  }

  store = this.disk.open();

  get rows(): number {
    return [...this.disk.open().table(OUTBOX_TABLE).scan()].length;
  }
}
