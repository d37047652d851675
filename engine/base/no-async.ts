import { MillraceError } from './errors.ts';

/**
 * Operators are synchronous: what they do to state and position is one commit. A promise that got in would be
 * published as `{}`, would hold for every predicate, and would change state after the commit.
 */

/** The rest parameter of a function that takes another one giving `B`: a call with an async one does not compile. */
export type Synchronous<B> = Extract<B, PromiseLike<unknown>> extends never ? [] : [refused: AsyncRefused];

/** What an operator's function cannot be: see `enrichingSource` for look-ups and `toCallback` for calls. */
export interface AsyncRefused {
  readonly 'operators are synchronous: look things up with enrichingSource, call out with toCallback': never;
}

/** What a function may give whose result is not used: anything but a promise. */
export type NoPromise =
  // biome-ignore lint/suspicious/noConfusingVoidType: most give nothing.
  void | string | number | bigint | boolean | symbol | null | undefined | NoThen;
type NoThen = object & { readonly then?: never };

const ADVICE =
  'Operators are synchronous, for what they do is part of one commit. Look things up before the graph with ' +
  '`enrichingSource`, or call out behind the commit with `toCallback`.';

/** Configurations are small; what is nested deeper, or larger, is data. */
const MAX_DEPTH = 6;
const MAX_VALUES = 1_000;

export function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === 'object' && value !== null && 'then' in value && typeof value.then === 'function';
}

/** Throws `async_function` for a promise among what `who` gave. */
export function refusePromises(values: readonly unknown[], who: string): void {
  for (const value of values) if (isThenable(value)) throw gavePromise(value, who);
}

/** Throws `async_function` where `value`, which `who` gave, is a promise. */
export function refusePromise(value: unknown, who: string): void {
  if (isThenable(value)) throw gavePromise(value, who);
}

function gavePromise(promise: PromiseLike<unknown>, who: string): MillraceError {
  // Nobody waits for it: what it rejects with would end the process.
  promise.then(undefined, () => undefined);
  return new MillraceError('async_function', `${who} gave a promise. ${ADVICE}`);
}

/** Throws `async_function` for an async function in what `who` was given: the value itself, or nested in it. */
export function refuseAsync(given: unknown, who: string): void {
  const path = pathOfAsync(given);
  if (path === undefined) return;
  const which = path === '' ? '' : ` as \`${path}\``;
  throw new MillraceError('async_function', `${who} was given an async function${which}. ${ADVICE}`);
}

function pathOfAsync(given: unknown): string | undefined {
  const seen = new Set<object>();
  const look = (value: unknown, path: string, depth: number): string | undefined => {
    if (typeof value === 'function') return isAsync(value) ? path : undefined;
    if (typeof value !== 'object' || value === null || !isPlain(value)) return undefined;
    if (depth === MAX_DEPTH || seen.has(value) || seen.size === MAX_VALUES) return undefined;
    if (Array.isArray(value) && value.length > MAX_VALUES) return undefined;
    seen.add(value);
    for (const [name, { value: inner }] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
      const found = look(inner, path === '' ? name : `${path}.${name}`, depth + 1);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  return look(given, '', 0);
}

/** Not an instance of a class: what its methods are is its own business (a schema's `parseAsync`). */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === null || prototype === Object.prototype;
}

function isAsync(value: object): boolean {
  return /^\[object Async(Generator)?Function\]$/.test(Object.prototype.toString.call(value));
}
