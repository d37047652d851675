import type { SourceRecord } from '../../connectors/index.ts';
import {
  type Counter,
  type Metrics,
  MillraceError,
  type OutMessage,
  type Publisher,
} from '../../engine/index.ts';
import type { Definition } from '../definitions/index.ts';
import type { ConnectorBody } from './connector-kind.ts';
import { connectorLetter } from './connector-letter.ts';
import type { Counts } from './connector-state.ts';
import type { DoorCheck, EventDoor } from './event-door.ts';
import { recordMapper } from './record-mapper.ts';

/** Dead letters that wait for their acknowledgement at once. */
const LETTERS_IN_FLIGHT_MAX = 32;

interface Rejection {
  readonly record: SourceRecord;
  readonly code: string;
  readonly detail: string;
}

/** Records of connectors as events of the stream; those that give none as dead letters. */
export class Intake {
  readonly #door: EventDoor;
  readonly #letters: Publisher;
  readonly #counters: Readonly<Record<keyof Counts, Counter>>;

  constructor(door: EventDoor, letters: Publisher, metrics: Metrics) {
    this.#door = door;
    this.#letters = letters;
    const counter = (what: string, help: string): Counter =>
      metrics.counter(`millrace.connectors.${what}`, help);
    this.#counters = {
      in: counter('records', 'Records that connectors of this process read or were sent'),
      accepted: counter('events', 'Events that connectors of this process stored'),
      dropped: counter('dropped', 'Records that a mapping or a filter left out'),
      dead: counter('dead_letters', 'Records that became dead letters'),
    };
  }

  /**
   * Takes records, in order: when it resolves, the stream has their events and the dead letters are stored. Either all
   * events of a record are taken or none. Throws retriable MillraceErrors; taking them again is harmless.
   */
  async take(connector: Definition<ConnectorBody>, records: readonly SourceRecord[]): Promise<Counts> {
    const { tenant, id, body } = connector;
    const outcomes = records.map(recordMapper(body, id));
    const checks = await this.#door.check(
      tenant,
      outcomes.flatMap((outcome) => (outcome.ok ? outcome.events : [])),
    );
    const good: Extract<DoorCheck, { ok: true }>['message'][] = [];
    const rejections: Rejection[] = [];
    let [at, dropped] = [0, 0];
    for (const [index, outcome] of outcomes.entries()) {
      const record = records[index] as SourceRecord;
      if (!outcome.ok) {
        rejections.push({ record, code: outcome.code, detail: outcome.detail });
        continue;
      }
      const own = checks.slice(at, at + outcome.events.length);
      at += own.length;
      if (own.length === 0) dropped++;
      const bad = own.find((check) => !check.ok);
      if (bad !== undefined && !bad.ok) rejections.push({ record, code: bad.code, detail: bad.detail });
      else for (const check of own) if (check.ok) good.push(check.message);
    }
    if (good.length > 0) await this.#door.publish(good);
    await this.#bury(connector, rejections);
    const counts = { in: records.length, accepted: good.length, dropped, dead: rejections.length };
    for (const name of ['in', 'accepted', 'dropped', 'dead'] as const) this.#counters[name].add(counts[name]);
    return counts;
  }

  async #bury(connector: Definition<ConnectorBody>, rejections: readonly Rejection[]): Promise<void> {
    for (let at = 0; at < rejections.length; at += LETTERS_IN_FLIGHT_MAX) {
      const some = rejections.slice(at, at + LETTERS_IN_FLIGHT_MAX);
      await Promise.all(
        some.map(({ record, ...why }) => this.#send(connectorLetter(connector, record, why))),
      );
    }
  }

  async #send(letter: OutMessage): Promise<void> {
    try {
      await this.#letters.publish(letter);
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      throw new MillraceError(
        'stream_unavailable',
        'The stream of dead letters did not confirm one; it may have been stored. It is sent again.',
        { cause: error, retriable: true },
      );
    }
  }
}
