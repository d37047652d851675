import { fitProphet, type ProphetHistory } from './prophet-fit.ts';

const HEAD = 2;
/** Times, local times and values. */
const COLUMNS = 3;

/** What a fit is made of, as bytes that can go to another thread. */
export function requestOf(history: ProphetHistory, horizon_ms: number, seed: number): Uint8Array {
  const count = history.values.length;
  const request = new Float64Array(HEAD + COLUMNS * count);
  request.set([horizon_ms, seed]);
  request.set(history.times_ms, HEAD);
  request.set(history.local_ms, HEAD + count);
  request.set(history.values, HEAD + 2 * count);
  return new Uint8Array(request.buffer);
}

/** The model of a request of `BackgroundFit`: milliseconds of work, and a function of the bytes alone. */
export function fitOfRequest(bytes: Uint8Array): Uint8Array {
  // A copy: doubles lie at multiples of eight.
  const request = new Float64Array(Uint8Array.from(bytes).buffer);
  const [horizon_ms = 0, seed = 0] = request;
  const count = (request.length - HEAD) / COLUMNS;
  const column = (index: number): Float64Array =>
    request.subarray(HEAD + index * count, HEAD + (index + 1) * count);
  const history: ProphetHistory = { times_ms: column(0), local_ms: column(1), values: column(2) };
  return new Uint8Array(fitProphet(history, horizon_ms, seed).buffer);
}
