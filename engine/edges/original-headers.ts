import type { SourceRecord } from './source.ts';

/** Of the headers of a record that go with its dead letter, characters of JSON. */
const MAX_CHARS = 8_192;
/** The server's own, which speak of one publish: under the same id a repeat would not be stored. */
const SERVER_HEADER = /^nats-/i;

/**
 * Headers of a dead letter that say which ones its record had: `Original-Headers`, a JSON list of name and
 * value in ASCII, and in `Original-Headers-Omitted` how many found no room. Those of the server are left out.
 */
export function originalHeaders(
  record: { headers?: SourceRecord['headers'] } & object,
): Readonly<Record<string, string>> {
  const kept: string[] = [];
  let chars = 0;
  let omitted = 0;
  for (const header of record.headers?.() ?? []) {
    if (SERVER_HEADER.test(header[0])) continue;
    const text = JSON.stringify(header).replaceAll(/[^\x20-\x7e]/g, escaped);
    chars += text.length + 1;
    if (chars < MAX_CHARS) kept.push(text);
    else omitted++;
  }
  return {
    ...(kept.length > 0 ? { 'Original-Headers': `[${kept.join()}]` } : {}),
    ...(omitted > 0 ? { 'Original-Headers-Omitted': String(omitted) } : {}),
  };
}

const escaped = (unit: string): string => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
