import { createHash } from 'node:crypto';
import { MillraceError, type ObjectStore } from '../../../engine/index.ts';
import type { Definition } from '../../../runtime/index.ts';
import { ApiError } from '../../http/index.ts';
import { contentSchema, type ModelBody, type ModelContent, type Trained } from './model-schema.ts';

/** Contents in memory; the least recently used goes first. */
const CACHE_MAX_BYTES = 32 * 1024 * 1024;

/** It is what training wrote, and that was written in another form than this version reads. */
const OUTDATED =
  'The model was trained by a version that stored it in another form. Train it again: POST /models/train with its name, ' +
  'type, dataset and params, as GET /models/{modelId} says them.';

/** What models were trained to, in the object store: written once for each version, and never changed. */
export class ModelContents {
  readonly #objects: ObjectStore;
  readonly #kept = new Map<string, { readonly content: ModelContent; readonly size_bytes: number }>();
  #size_bytes = 0;

  constructor(objects: ObjectStore) {
    this.#objects = objects;
  }

  async put(tenant: string, model_id: string, content: ModelContent): Promise<Trained['object']> {
    const name = nameOf(tenant, model_id);
    const { size_bytes, sha256 } = await this.#objects.put(name, Buffer.from(JSON.stringify(content)));
    return { name, sha256, size_bytes };
  }

  /** Throws `objects_unavailable` (retriable), `object_damaged` where it is not what training wrote, `model_outdated`. */
  async get({ object: { name, sha256 } }: Trained): Promise<ModelContent> {
    const kept = this.#kept.get(sha256);
    if (kept !== undefined) {
      this.#kept.delete(sha256);
      this.#kept.set(sha256, kept);
      return kept.content;
    }
    const bytes = await this.#objects.get(name);
    if (bytes === undefined || createHash('sha256').update(bytes).digest('hex') !== sha256) {
      const what = bytes === undefined ? 'is gone' : 'was changed';
      const message = `What the model was trained to ${what}: the object "${name}". Train it again.`;
      throw new MillraceError('object_damaged', message, { retriable: true });
    }
    const { data: content } = contentSchema.safeParse(JSON.parse(Buffer.from(bytes).toString()));
    if (content === undefined) throw new ApiError('model_outdated', OUTDATED);
    this.#keep(sha256, content, bytes.length);
    return content;
  }

  async delete({ tenant, id, body }: Definition<ModelBody>): Promise<void> {
    if (body.trained !== null) await this.#objects.delete(nameOf(tenant, id));
  }

  #keep(sha256: string, content: ModelContent, size_bytes: number): void {
    this.#kept.set(sha256, { content, size_bytes });
    this.#size_bytes += size_bytes;
    for (const [key, one] of this.#kept) {
      if (this.#size_bytes <= CACHE_MAX_BYTES) break;
      this.#kept.delete(key);
      this.#size_bytes -= one.size_bytes;
    }
  }
}

const nameOf = (tenant: string, model_id: string): string => `${tenant}/${model_id}.json`;
