import type { Mapping } from './mapping-schema.ts';
import type { SignatureScheme } from './signature.ts';

/** What a source sends, as data: how its payloads become events, and how it signs them. */
export interface Preset {
  readonly name: string;
  readonly signature: SignatureScheme;
  readonly mapping: Mapping;
}
