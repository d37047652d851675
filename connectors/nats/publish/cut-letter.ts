import type { OutMessage } from '../../../engine/index.ts';

/** For the lines that the client and the server add to headers, bytes. */
const FRAME_BYTES = 128;
/** A letter is not cut further: what refuses that refuses all. */
const LEAST_BYTES = 512;

/** Whether a message is a dead letter: what it holds is a copy, of which the beginning is better than nothing. */
export const isLetter = ({ subject, headers }: OutMessage): boolean =>
  subject.startsWith('deadletter.') && headers.Reason !== undefined;

const headerBytes = ({ id, headers }: OutMessage): number =>
  Object.entries(headers).reduce(
    (sum, [name, value]) => sum + name.length + Buffer.byteLength(value) + 4,
    FRAME_BYTES + id.length,
  );

/** Bytes that a message takes of the server's limit, about. */
export const sizeOf = (message: OutMessage): number => headerBytes(message) + message.payload.length;

/**
 * A dead letter that takes at most `limit_bytes` with its headers: its payload is cut, and where that is not enough
 * it loses the headers of the original. `Truncated-From` says how long the payload was.
 */
export function cutLetter(letter: OutMessage, limit_bytes: number): OutMessage {
  if (sizeOf(letter) <= limit_bytes) return letter;
  const fitted = headerBytes(letter) * 2 > limit_bytes ? withoutOriginals(letter) : letter;
  const from = letter.headers['Truncated-From'] ?? String(letter.payload.length);
  const headers = { ...fitted.headers, 'Truncated-From': from };
  const room = Math.max(0, limit_bytes - headerBytes({ ...fitted, headers }));
  return { ...fitted, headers, payload: letter.payload.subarray(0, room) };
}

/** Half as large, for a stream that takes less than its server; undefined where it is small already. */
export function halved(letter: OutMessage): OutMessage | undefined {
  const size = sizeOf(letter);
  return size / 2 < LEAST_BYTES ? undefined : cutLetter(letter, Math.floor(size / 2));
}

function withoutOriginals(letter: OutMessage): OutMessage {
  const { 'Original-Headers': kept, 'Original-Headers-Omitted': omitted = '0', ...headers } = letter.headers;
  if (kept === undefined) return letter;
  const count = (JSON.parse(kept) as unknown[]).length + Number(omitted);
  return { ...letter, headers: { ...headers, 'Original-Headers-Omitted': String(count) } };
}
