import { type Condition, exactJsonText, parseExact, parsePath } from '../../analytics/index.ts';
import { ApiError, allows, type Principal } from '../http/index.ts';

/** What an answer shows instead of a value that is masked. */
export const MASK = '***';

/** Levels of a payload: deeper ones are not taken in. */
const MASK_DEPTH = 128;

type Step = string | number;

/** The values that a caller may not see: paths into events, as the tenant set them. */
export class PiiMask {
  readonly #paths: readonly (readonly Step[])[];

  readonly #fields: readonly string[];

  constructor(fields: readonly string[]) {
    this.#fields = fields;
    // A member that the schema does not name is one of `data`, wherever it was sent; a CloudEvent has all of them there.
    this.#paths = fields.flatMap((field) => {
      // One element is masked with all others of its array: which one it is may change.
      const path = (parsePath(field) ?? []).filter((step) => typeof step === 'string');
      return path[0] === 'data' ? [path, path.slice(1)] : [path, ['data', ...path]];
    });
  }

  /** As they were given: a mask of them is the same. */
  get fields(): readonly string[] {
    return this.#fields;
  }

  get isEmpty(): boolean {
    return this.#paths.length === 0;
  }

  /** Whether a member of an event is masked. */
  hides(name: string): boolean {
    return this.#paths.some((path) => path.length === 1 && path[0] === name);
  }

  /** Throws 403 `field_masked` where one of the dimensions of a query or of a file is masked. */
  requireDimensions(names: Iterable<string>): void {
    if (this.isEmpty) return;
    for (const name of names) {
      if (this.hidesDimension(name)) throw masked(`The dimension "${name}" is masked for your role`);
    }
  }

  /** A dimension of items is masked as their member, too. */
  hidesDimension(name: string): boolean {
    const isOfItems = name === 'sku' || name === 'category';
    const ofItems = (path: readonly Step[]): boolean =>
      path.length <= 2 && path[0] === 'items' && (path.length === 1 || path[1] === name);
    return this.hides(name) || (isOfItems && this.#paths.some(ofItems));
  }

  /** Whether all that this one hides is hidden by the other as well. */
  isWithin(others: readonly string[]): boolean {
    return this.#fields.every((field) => others.includes(field));
  }

  /** A payload without what is masked, its numbers with all their digits. */
  textOf(payload: string): string {
    if (this.isEmpty) return payload;
    const parsed = parseExact(Buffer.from(payload), MASK_DEPTH);
    if (!parsed.ok) return JSON.stringify(MASK);
    const event = parsed.value;
    for (const path of this.#paths) mask(event, path, 0);
    // A body that is not read here may say anything.
    mask(event, ['data_base64'], 0);
    return exactJsonText(event);
  }

  /** Throws 403 `field_masked` where a search would find out what is masked. */
  requireSeen(condition: Condition, words: readonly string[]): void {
    if (this.isEmpty) return;
    if (words.length > 0) throw masked('Full text finds what is masked for your role');
    if (condition.kind === 'not') this.requireSeen(condition.of, words);
    else if (condition.kind !== 'field') for (const one of condition.of) this.requireSeen(one, words);
    else {
      const named = condition.path.filter((step) => typeof step === 'string');
      const isMasked = this.#paths.some((path) => isWithin(named, path) || isWithin(path, named));
      if (isMasked) throw masked(`"${condition.field}" is masked for your role`);
    }
  }
}

/** The mask of a caller: none for who may see everything. */
export function maskFor(principal: Principal, fields: readonly string[] | undefined): PiiMask {
  return new PiiMask(allows(principal, 'events:unmasked') ? [] : (fields ?? []));
}

/** The dimensions that a query groups or filters by, however deep it says so. */
export function dimensionsIn(query: unknown): ReadonlySet<string> {
  const found = new Set<string>();
  const visit = (value: unknown): void => {
    if (typeof value !== 'object' || value === null) return;
    for (const [member, inner] of Object.entries(value)) {
      const names: readonly unknown[] =
        member === 'group_by' ? [inner].flat() : member === 'filters' ? Object.keys(Object(inner)) : [];
      for (const name of names) if (typeof name === 'string') found.add(name);
      visit(inner);
    }
  };
  visit(query);
  return found;
}

const masked = (why: string): ApiError =>
  new ApiError('field_masked', `${why}: leave it out, or ask somebody who administers the tenant.`);

/** Whether a path begins with the other. */
const isWithin = (path: readonly Step[], other: readonly Step[]): boolean =>
  other.length > 0 && other.every((step, at) => path[at] === step);

/** Puts the mask where the path leads; an array on the way stands for each of its elements. */
function mask(value: unknown, path: readonly Step[], at: number): void {
  if (typeof value !== 'object' || value === null) return;
  if (Array.isArray(value)) {
    for (const element of value) mask(element, path, at);
    return;
  }
  const step = path[at];
  if (step === undefined || !Object.hasOwn(value, step)) return;
  if (at < path.length - 1) mask((value as Record<Step, unknown>)[step], path, at + 1);
  else
    Object.defineProperty(value, step, { value: MASK, enumerable: true, configurable: true, writable: true });
}
