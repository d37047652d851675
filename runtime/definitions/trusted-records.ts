import { derived, type KeyTrust, openSigned, signed } from '../trust/index.ts';
import { type DefinitionKind, type DefinitionRecord, keyOf } from './definition.ts';

/** Of a definition that was deleted: no version of it is taken again. */
const GONE = Number.MAX_SAFE_INTEGER;

type TrustedKind = Pick<DefinitionKind<unknown>, 'kind' | 'trust' | 'isRemembered'>;

/**
 * Records of a kind that gives rights: whoever can write the bucket makes none by that. A record counts if it was
 * signed for its key, and is not older than what this process has seen of it. Without a trust all are taken.
 */
export class TrustedRecords {
  readonly #trust: KeyTrust | undefined;
  readonly #secret: Uint8Array;
  readonly #isRemembered: (id: string) => boolean;

  constructor({ kind, trust, isRemembered = () => false }: TrustedKind) {
    this.#trust = trust;
    this.#secret = trust === undefined ? new Uint8Array() : derived(trust.secret, `definitions ${kind}`);
    this.#isRemembered = isRemembered;
  }

  /** When a record is changed that was changed last at a time: later than that, for its version is to grow. */
  changedAt(now_ms: number, before_ms: number): number {
    return Math.max(now_ms, this.#trust === undefined ? before_ms : before_ms + 1);
  }

  /** As it is to be stored. */
  sealed(record: DefinitionRecord): object {
    return this.#trust === undefined ? record : signed(this.#secret, keyOf(record), record);
  }

  /** The record of a stored value, or why it does not count. */
  opened(key: string, value: unknown): { readonly record: unknown } | { readonly fault: string } {
    if (this.#trust === undefined) return { record: value };
    const opened = openSigned(this.#secret, key, value);
    if (opened.kind === 'signed') return { record: opened.record };
    return { fault: opened.kind === 'unsigned' ? 'it has no signature' : 'its signature does not hold' };
  }

  /** Whether a newer version of it was seen, or that it was deleted. */
  isOld(record: DefinitionRecord): boolean {
    return versionOf(record) < (this.#trust?.known.get(keyOf(record))?.version ?? 1);
  }

  seen(record: DefinitionRecord): void {
    this.#trust?.known.raise(keyOf(record), {
      version: versionOf(record),
      ...(this.#isRemembered(record.id) ? { record } : {}),
    });
  }

  /** The record as it was last seen, of one that is remembered. */
  remembered(key: string): unknown {
    return this.#trust?.known.get(key)?.record;
  }

  deleted(record: Pick<DefinitionRecord, 'kind' | 'tenant' | 'id'>): void {
    this.#trust?.known.raise(keyOf(record), { version: GONE });
  }
}

/** 1 where it was never changed; grows with each change, by time. */
function versionOf({ created_at_ms, updated_at_ms }: DefinitionRecord): number {
  return updated_at_ms - created_at_ms + 1;
}
