const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true });
/** Shorter ones are safe; in a string it only costs the second look. */
const LONG_INTEGER = /\d{16}/;
/** Sticky: a number of valid JSON. */
const NUMBER = /-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const INTEGER = /^-?\d+$/;

export type ParsedJson =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly detail: string };

/**
 * Bytes of UTF-8 as a JSON value whose integers keep their digits: what a number cannot hold exactly becomes a
 * BigInt. Every member is a property of its own, `__proto__` as well: read them by Object.hasOwn. `depth_max`
 * bounds how deep integers are looked for: who allows deeper values gets numbers there. Never throws.
 */
export function parseExact(bytes: Uint8Array, depth_max: number): ParsedJson {
  try {
    // A copy: the bytes may lie in memory that threads share, which decoders refuse.
    const text = utf8.decode(new Uint8Array(bytes));
    const value: unknown = JSON.parse(text);
    if (!LONG_INTEGER.test(text) || isDeeper(value, depth_max)) return { ok: true, value };
    return { ok: true, value: new ExactReader(text).read() };
  } catch (error) {
    return { ok: false, detail: error instanceof Error ? error.message.slice(0, 200) : String(error) };
  }
}

/** Whether objects and arrays are nested deeper than `levels`. */
export function isDeeper(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((member) => isDeeper(member, levels - 1));
}

/** Reads JSON that is known to be valid. */
class ExactReader {
  readonly #text: string;
  #at = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(): unknown {
    this.#skipSpace();
    switch (this.#text[this.#at]) {
      case '{':
        return this.#object();
      case '[':
        return this.#array();
      case '"':
        return this.#string();
      case 't':
        this.#at += 4;
        return true;
      case 'f':
        this.#at += 5;
        return false;
      case 'n':
        this.#at += 4;
        return null;
      default:
        return this.#number();
    }
  }

  #skipSpace(): void {
    while (this.#text.charCodeAt(this.#at) <= 0x20) this.#at++;
  }

  /** Steps over white space, one character and white space; the character. */
  #step(): string {
    this.#skipSpace();
    const character = this.#text[this.#at++] as string;
    this.#skipSpace();
    return character;
  }

  /** Whether the list that began goes on: false after its end. */
  #empty(close: string): boolean {
    this.#step();
    if (this.#text[this.#at] !== close) return false;
    this.#at++;
    return true;
  }

  #object(): unknown {
    const members = Object.create(null) as Record<string, unknown>;
    if (this.#empty('}')) return members;
    do {
      const name = this.#string();
      this.#step();
      members[name] = this.read();
    } while (this.#step() === ',');
    return members;
  }

  #array(): unknown {
    const items: unknown[] = [];
    if (this.#empty(']')) return items;
    do items.push(this.read());
    while (this.#step() === ',');
    return items;
  }

  #string(): string {
    const start = this.#at;
    let end = start + 1;
    for (; this.#text[end] !== '"'; end++) if (this.#text[end] === '\\') end++;
    this.#at = end + 1;
    return JSON.parse(this.#text.slice(start, this.#at)) as string;
  }

  #number(): number | bigint {
    NUMBER.lastIndex = this.#at;
    const [text = ''] = NUMBER.exec(this.#text) ?? [];
    this.#at += text.length;
    const value = Number(text);
    return INTEGER.test(text) && !Number.isSafeInteger(value) ? BigInt(text) : value;
  }
}

/** JSON text of a value that `parseExact` gave: integers with all their digits. JSON.stringify refuses them. */
export function exactJsonText(value: unknown): string {
  if (typeof value === 'bigint') return String(value);
  if (Array.isArray(value)) return `[${value.map(exactJsonText).join()}]`;
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null';
  const members = Object.entries(value).map(
    ([name, member]) => `${JSON.stringify(name)}:${exactJsonText(member)}`,
  );
  return `{${members.join()}}`;
}
