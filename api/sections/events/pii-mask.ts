import { type Condition, exactJsonText, parseExact, parsePath } from '../../../analytics/index.ts';
import { ApiError, allows, type Principal } from '../../http/index.ts';

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
      const path = parsePath(field) ?? [];
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

const masked = (why: string): ApiError =>
  new ApiError(
    'field_masked',
    `${why}: search by something else, or ask somebody who administers the tenant.`,
  );

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
