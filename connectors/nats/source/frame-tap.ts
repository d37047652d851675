import type { NatsConnection } from 'nats';
import type { FrameReader } from './frame.ts';
import { type ClientParser, FrameParser } from './frame-parser.ts';

/** The version of the client whose inside was looked at. Look again, and run the tests, before raising it. */
const KNOWN_VERSION = '3.4.0';

/** What is used of the client's inside: it makes a new parser for each connect, and calls the one that stands here. */
interface ClientInside {
  parser: ClientParser;
}

/** Readers of subscriptions of one connection, by the subscription's number. */
export class FrameTap {
  readonly #readers = new Map<number, FrameReader>();

  /** @param inside is changed: its parsers are read through ours from now on */
  constructor(inside: ClientInside) {
    let parser = new FrameParser(inside.parser, this.#readers);
    Object.defineProperty(inside, 'parser', {
      configurable: true,
      enumerable: true,
      get: () => parser,
      set: (next: ClientParser) => {
        parser = new FrameParser(next, this.#readers);
      },
    });
  }

  open(subscription: number, reader: FrameReader): void {
    this.#readers.set(subscription, reader);
  }

  close(subscription: number): void {
    this.#readers.delete(subscription);
  }
}

const taps = new WeakMap<NatsConnection, FrameTap>();

/**
 * The tap of a connection, one for all its subscriptions. Undefined when the client's inside is not the one that is
 * known: then messages come by the client's public interface only, at three times the cost.
 */
export function frameTapOf(connection: NatsConnection): FrameTap | undefined {
  let tap = taps.get(connection);
  if (tap === undefined) {
    const inside = insideOf(connection);
    if (inside === undefined) return undefined;
    tap = new FrameTap(inside);
    taps.set(connection, tap);
  }
  return tap;
}

function insideOf(connection: object): ClientInside | undefined {
  const { protocol } = connection as { readonly protocol?: unknown };
  if (!isObject(protocol)) return undefined;
  const { parser, transport } = protocol;
  if (!isObject(transport) || transport.version !== KNOWN_VERSION) return undefined;
  const place = Object.getOwnPropertyDescriptor(protocol, 'parser');
  if (place?.writable !== true || !place.configurable) return undefined;
  const isKnown =
    isObject(parser) &&
    typeof parser.parse === 'function' &&
    typeof parser.state === 'number' &&
    parser.constructor.name === 'Parser';
  return isKnown ? (protocol as unknown as ClientInside) : undefined;
}

const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null;
