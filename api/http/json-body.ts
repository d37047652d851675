import { ApiError } from './problem.ts';

/** Nesting that a body may have; deeper values would overflow the stack of those who walk them. */
export const MAX_JSON_DEPTH = 64;

const utf8 = new TextDecoder('utf-8', { fatal: true });

/** Bytes as text; undefined when they are not UTF-8. A byte order mark is dropped. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return utf8.decode(bytes);
  } catch {
    return undefined;
  }
}

export type ParsedJson =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly code: 'malformed_json' | 'json_too_deep'; readonly message: string };

/** JSON from untrusted bytes, with the reason when it is none. Never throws. */
export function tryParseJson(bytes: Uint8Array): ParsedJson {
  const text = textOf(bytes);
  if (text === undefined) return { ok: false, code: 'malformed_json', message: 'It is not valid UTF-8.' };
  if (tooDeep(text)) {
    return {
      ok: false,
      code: 'json_too_deep',
      message: `It is nested more than ${MAX_JSON_DEPTH} levels deep.`,
    };
  }
  try {
    return { ok: true, value: JSON.parse(text) as unknown };
  } catch (error) {
    const message = error instanceof Error ? error.message.slice(0, 200) : 'It does not parse.';
    return { ok: false, code: 'malformed_json', message };
  }
}

/** JSON from a request's body; a 400 or 422 problem when it is none. */
export function parseJson(bytes: Uint8Array): unknown {
  const parsed = tryParseJson(bytes);
  if (parsed.ok) return parsed.value;
  throw new ApiError(parsed.code, `The body must be JSON in UTF-8. ${parsed.message}`, {
    errors: [{ path: '', message: parsed.message }],
  });
}

function tooDeep(text: string): boolean {
  let depth = 0;
  for (let at = 0; at < text.length; at++) {
    switch (text.charCodeAt(at)) {
      case 0x22: // A string: its brackets do not count.
        at = endOfString(text, at);
        break;
      case 0x5b:
      case 0x7b:
        if (++depth > MAX_JSON_DEPTH) return true;
        break;
      case 0x5d:
      case 0x7d:
        depth--;
        break;
    }
  }
  return false;
}

function endOfString(text: string, start: number): number {
  for (let at = text.indexOf('"', start + 1); at !== -1; at = text.indexOf('"', at + 1)) {
    let slashes = 0;
    while (text.charCodeAt(at - 1 - slashes) === 0x5c) slashes++;
    if (slashes % 2 === 0) return at;
  }
  return text.length;
}
