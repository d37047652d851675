import type { S3Place, S3Store } from '../s3/index.ts';
import type { BlobStore } from './blob-store.ts';

const MEDIA_TYPE = 'application/octet-stream';

/** A prefix of a bucket. An object of S3 is replaced whole. */
export class S3Blobs implements BlobStore {
  readonly url: string;
  readonly #store: S3Store;
  readonly #place: S3Place;

  constructor(store: S3Store, place: S3Place) {
    this.url = `s3://${place.bucket}${place.prefix === '' ? '' : `/${place.prefix}`}`;
    this.#store = store;
    this.#place = place;
  }

  #key(name: string): string {
    return this.#place.prefix === '' ? name : `${this.#place.prefix}/${name}`;
  }

  put(name: string, bytes: Uint8Array): Promise<void> {
    return this.#store.putBytes(this.#place, this.#key(name), bytes, MEDIA_TYPE);
  }

  get(name: string): Promise<Uint8Array | undefined> {
    return this.#store.get(this.#place, this.#key(name));
  }

  async list(prefix: string): Promise<readonly string[]> {
    const cut = this.#key('').length;
    return (await this.#store.list(this.#place, this.#key(prefix))).map((key) => key.slice(cut)).sort();
  }

  remove(name: string): Promise<void> {
    return this.#store.remove(this.#place, this.#key(name));
  }

  close(): Promise<void> {
    return this.#store.close();
  }
}
