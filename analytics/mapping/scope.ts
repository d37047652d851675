import { isObject, own } from '../events/index.ts';
import type { RecordCondition } from './mapping-schema.ts';

/** What arrived: the parsed body (see `parseExact`) and its headers, names in lower case. */
export interface SourceRecordBody {
  readonly body: unknown;
  readonly headers: Readonly<Record<string, string>>;
  /** The same whenever the record comes: what its events are called that the mapping finds no `event_id` for. */
  readonly id?: string;
}

/** What paths are read from: the record, or one element of a list of it. */
export class Scope {
  readonly #record: SourceRecordBody;
  readonly #here: unknown;

  constructor(record: SourceRecordBody, here: unknown = record.body) {
    this.#record = record;
    this.#here = here;
  }

  /** What lies at a path; undefined for nothing, null and ''. */
  at(path: string): unknown {
    if (path.startsWith('@')) return this.#record.headers[path.slice(1).toLowerCase()] || undefined;
    const fromRoot = path.startsWith('$.');
    let value: unknown = fromRoot ? this.#record.body : this.#here;
    for (const name of (fromRoot ? path.slice(2) : path).split('.')) {
      if (Array.isArray(value)) value = /^\d+$/.test(name) ? value[Number(name)] : undefined;
      else value = isObject(value) ? own(value, name) : undefined;
    }
    return value === null || value === '' ? undefined : value;
  }

  first(paths: string | readonly string[]): unknown {
    for (const path of typeof paths === 'string' ? [paths] : paths) {
      const value = this.at(path);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  /** The elements of a list; none where there is no list. */
  each(path: string): readonly Scope[] {
    return this.#elements(path) ?? [];
  }

  /** The elements of a list, or of the lists `b` of all elements of a list `a` for `a.b`. Undefined where one is not there. */
  eachNested(path: string): readonly Scope[] | undefined {
    const whole = this.#elements(path);
    if (whole !== undefined) return whole;
    for (
      let dot = path.indexOf('.', path.startsWith('$.') ? 2 : 0);
      dot !== -1;
      dot = path.indexOf('.', dot + 1)
    ) {
      const outer = this.#elements(path.slice(0, dot));
      if (outer === undefined) continue;
      const inner = outer.map((element) => element.eachNested(path.slice(dot + 1)));
      return inner.some((list) => list === undefined) ? undefined : inner.flatMap((list) => list ?? []);
    }
    return undefined;
  }

  #elements(path: string): readonly Scope[] | undefined {
    const list = this.at(path);
    return Array.isArray(list) ? list.map((element) => new Scope(this.#record, element)) : undefined;
  }

  holds(condition: RecordCondition): boolean {
    return Object.entries(condition).every(([path, wanted]) => {
      const value = this.at(path);
      if (Array.isArray(wanted)) return wanted.some((one) => one === value);
      if (typeof wanted !== 'object') return wanted === value;
      if ('not' in wanted) return !wanted.not.some((one) => one === value);
      return wanted.exists === (value !== undefined);
    });
  }
}
