import { type Msg, type NatsConnection, nanos, type Subscription } from 'nats';
import { apiSubject, describe, type NatsLink, newInbox } from '../client/index.ts';
import { type Delivery, DeliveryReader } from './delivery.ts';
import type { Frame } from './frame.ts';
import { type FrameTap, frameTapOf } from './frame-tap.ts';
import { MEBIBYTE, type PullLimits } from './pull-limits.ts';
import { type NatsRecord, readRecord, readStatus, replyBytes } from './record.ts';

/** What subject, reply subject and headers add to a payload at most, bytes. */
const ENVELOPE_BYTES = 64 * 1024;
/** A pull for less than this part of the usual, 1 in so many, waits for more room. */
const WORTHWHILE = 4;
/** How often an idle server says how far it has looked, at least, ms. */
const PROGRESS_MS = 200;
/** A server that was asked, and says nothing for so long, is not there as far as answers go, ms. */
const SILENT_MS = 3_000;
/** Heartbeats in a row whose absence ends a session. */
const HEARTBEATS_MISSED = 2;

/** What a session needs of the source that it feeds. */
export interface SessionOwner {
  /** Records that wait to be taken. */
  buffered(): { readonly messages: number; readonly bytes: number };
  /** A record in stream order, and how many the stream has after it. */
  receive(record: NatsRecord, pending: number): void;
  /** The same of a record that lies in what the socket gave, valid during the call. */
  receiveFrame(frame: Frame, delivery: Delivery): void;
  /** All that the socket gave is received. */
  settled(): void;
  /**
   * The server is heard, and has sent everything it had. `passed`: the stream's sequence up to which it has looked
   * at every message; what it has not sent of them was removed, or is not of the consumer's subjects.
   */
  quiet(passed?: number): void;
}

/** One open or finished pull request. Each has its own inbox, for a message does not say whose it is. */
interface Lane {
  readonly inbox: string;
  subscription: Subscription | undefined;
  /** What may still come of it. */
  messages: number;
  bytes: number;
  isTouched: boolean;
  /** When the server must have ended it. */
  until_ms: number;
}

/**
 * One consumer's life: keeps pulls open while there is room for what they bring, checks that nothing is
 * missing between the deliveries, and ends, once, with the reason when it cannot vouch for that any more.
 */
export class PullSession {
  /** Resolves with the reason. */
  readonly ended: Promise<string>;
  readonly #connection: NatsConnection;
  readonly #nextSubject: string;
  readonly #limits: PullLimits;
  readonly #owner: SessionOwner;
  readonly #lanes: readonly [Lane, Lane];
  readonly #delivery = new DeliveryReader();
  readonly #tap: FrameTap | undefined;
  #resolveEnded: (reason: string) => void = () => undefined;
  #isEnded = false;
  #consumerSequence = 0;
  #hasWorked = false;
  #isHeard = true;
  /** When the server's last word came, or when it was asked after a time of nothing to ask for; monotonic ms. */
  #word_at_ms = performance.now();
  #silences = 0;
  #isSingle = false;
  #monitor: NodeJS.Timeout | undefined;

  constructor(link: NatsLink, stream: string, consumer: string, limits: PullLimits, owner: SessionOwner) {
    this.#connection = link.connection;
    this.#tap = frameTapOf(link.connection);
    this.#nextSubject = apiSubject(link, `CONSUMER.MSG.NEXT.${stream}.${consumer}`);
    this.#limits = limits;
    this.#owner = owner;
    this.#lanes = [newLane(newInbox(link)), newLane(newInbox(link))];
    this.ended = new Promise((resolve) => {
      this.#resolveEnded = resolve;
    });
  }

  /** Whether messages are read where the socket put them; else as the client's objects. */
  get isDirect(): boolean {
    return this.#tap !== undefined;
  }

  /** The server owes an answer, and has said nothing for seconds. Sooner than `ended`, which tries again. */
  get isSilent(): boolean {
    const isAsked = this.#lanes.some(({ messages }) => messages > 0);
    return isAsked && performance.now() - this.#word_at_ms > SILENT_MS;
  }

  /** True once the server has served a pull: the next failure is a new one. */
  get hasWorked(): boolean {
    return this.#hasWorked;
  }

  start(): void {
    for (const lane of this.#lanes) {
      lane.subscription = this.#connection.subscribe(lane.inbox, {
        callback: (error, message) => this.#onMessage(lane, error, message),
      });
      this.#tap?.open(lane.subscription.getID(), {
        frame: (frame) => this.#onFrame(lane, frame),
        settled: () => {
          this.#word_at_ms = performance.now();
          this.#owner.settled();
        },
      });
    }
    this.#monitor = setInterval(() => this.#checkSilence(), this.#limits.idle_heartbeat_ms);
    this.#monitor.unref();
    this.pull();
  }

  end(reason: string): void {
    if (this.#isEnded) return;
    this.#isEnded = true;
    clearInterval(this.#monitor);
    for (const { subscription } of this.#lanes) {
      if (subscription === undefined) continue;
      this.#tap?.close(subscription.getID());
      if (!this.#connection.isClosed()) subscription.unsubscribe();
    }
    this.#resolveEnded(reason);
  }

  /** Opens the pulls for which there is room. */
  pull(): void {
    const [a, b] = this.#lanes;
    if (!this.#isEnded && a.messages === 0) this.#open(a, b);
    if (!this.#isEnded && b.messages === 0) this.#open(b, a);
  }

  #open(lane: Lane, other: Lane): void {
    const limits = this.#limits;
    const buffered = this.#owner.buffered();
    const isBare = buffered.messages === 0 && other.messages === 0;
    // The server serves open pulls in turn. Two equal ones would end together, and leave a gap in which
    // none is open: so one is half used when the other ends.
    const full = limits.pull_max_messages;
    const wanted = other.messages > (full * 3) / 4 ? full / 2 : full;
    const room = limits.buffer_max_messages - buffered.messages - other.messages;
    const messages = Math.ceil(this.#isSingle ? 1 : Math.min(wanted, room));
    const largest = (this.#connection.info?.max_payload ?? MEBIBYTE) + ENVELOPE_BYTES;
    const room_bytes = Math.min(
      limits.pull_max_bytes,
      limits.buffer_max_bytes - buffered.bytes - other.bytes,
    );
    if (!isBare && (messages * WORTHWHILE < wanted || room_bytes < largest)) return;
    if (other.messages === 0) this.#word_at_ms = performance.now();
    lane.messages = messages;
    lane.bytes = Math.max(room_bytes, largest);
    lane.isTouched = false;
    lane.until_ms = performance.now() + limits.pull_expires_ms + HEARTBEATS_MISSED * limits.idle_heartbeat_ms;
    const request = {
      batch: messages,
      expires: nanos(limits.pull_expires_ms),
      idle_heartbeat: nanos(Math.min(limits.idle_heartbeat_ms, PROGRESS_MS)),
      ...(this.#isSingle ? {} : { max_bytes: lane.bytes }),
    };
    this.#isSingle = false;
    try {
      this.#connection.publish(this.#nextSubject, JSON.stringify(request), { reply: lane.inbox });
    } catch (error) {
      this.end(`a pull could not be sent (${describe(error)})`);
    }
  }

  /** Must not throw: it runs inside the client's reader, which an exception would stop for good. */
  #onMessage(lane: Lane, error: Error | null, message: Msg): void {
    if (this.#isEnded) return;
    try {
      if (error !== null) {
        this.end(`the subscription failed (${describe(error)})`);
        return;
      }
      this.#isHeard = true;
      this.#word_at_ms = performance.now();
      const reply = replyBytes(message);
      if (reply.length === 0) this.#onStatus(lane, message);
      else this.#onRecord(lane, message, reply);
    } catch (thrown) {
      this.end(`a message could not be received (${describe(thrown)})`);
    }
  }

  /** Must not throw either. What the server says of a pull has no reply subject, and is the client's to read. */
  #onFrame(lane: Lane, frame: Frame): boolean {
    if (frame.replyStart === frame.replyEnd) return false;
    if (this.#isEnded) return true;
    try {
      this.#isHeard = true;
      if (!this.#follows(frame.bytes, frame.replyStart, frame.replyEnd)) return true;
      this.#owner.receiveFrame(frame, this.#delivery);
      this.#count(lane, frame.size_bytes);
    } catch (thrown) {
      this.end(`a message could not be received (${describe(thrown)})`);
    }
    return true;
  }

  #onRecord(lane: Lane, message: Msg, reply: Uint8Array): void {
    if (!this.#follows(reply, 0, reply.length)) return;
    const record = readRecord(this.#delivery.streamSequence, message, this.#delivery.stored_ms);
    this.#owner.receive(record, this.#delivery.pending);
    this.#count(lane, record.size_bytes);
  }

  /** Whether a delivery is the one after the last. */
  #follows(reply: Uint8Array, start: number, end: number): boolean {
    const delivery = this.#delivery;
    if (!delivery.read(reply, start, end)) {
      const subject = Buffer.from(reply.subarray(start, end)).toString('utf8');
      this.end(`a delivery has the reply subject "${subject}", which is none of JetStream's`);
      return false;
    }
    const next = this.#consumerSequence + 1;
    if (delivery.consumerSequence !== next) {
      this.end(`delivery ${next} is missing, the next one is ${delivery.consumerSequence}`);
      return false;
    }
    this.#consumerSequence = next;
    this.#hasWorked = true;
    return true;
  }

  /** One message of a pull has been received. */
  #count(lane: Lane, size_bytes: number): void {
    lane.isTouched = true;
    lane.messages--;
    lane.bytes -= size_bytes;
    if (lane.messages > 0) return;
    finish(lane);
    this.pull();
  }

  #onStatus(lane: Lane, message: Msg): void {
    const status = readStatus(message);
    if (status.code === 100) {
      this.#hasWorked = true;
      // Sent after everything that was delivered: a higher number means that some of it is lost.
      const last = sequenceOf(status.header('Nats-Last-Consumer'));
      const came = this.#consumerSequence;
      if (last === came) this.#owner.quiet(sequenceOf(status.header('Nats-Last-Stream')));
      else if (last === undefined) this.#owner.quiet();
      else if (last > came) this.end(`the server has made ${last} deliveries, ${came} came`);
      else this.end(`the server has made ${last} deliveries, ${came} came: it is another consumer`);
      return;
    }
    const isTooLarge = status.code === 409 && status.text === 'message size exceeds maxbytes';
    if (status.code === 404 || status.code === 408 || isTooLarge) {
      // A message that is larger than the server lets anybody publish today: alone, without a limit.
      if (isTooLarge && !lane.isTouched) this.#isSingle = true;
      this.#hasWorked = true;
      finish(lane);
      this.pull();
      if (!isTooLarge) this.#owner.quiet();
      return;
    }
    // Follows the last message of a pull, which has counted as its end already.
    if (status.code === 409 && status.text === 'batch completed') return;
    this.end(`the server answered ${status.code} ${status.text || 'no responders'}`);
  }

  #checkSilence(): void {
    const isWaiting = this.#lanes.some((lane) => lane.messages > 0);
    this.#silences = isWaiting && !this.#isHeard ? this.#silences + 1 : 0;
    this.#isHeard = false;
    if (this.#silences <= HEARTBEATS_MISSED && !this.#isOverdue) return;
    // When the event loop was held, the timer runs before what has arrived is read. Read it first.
    setImmediate(() => {
      setImmediate(() => {
        // The server does not tell the end of a pull whose last message was as large as what was left of its bytes.
        if (this.#isOverdue) this.end('the server has not said that a pull is over');
        else if (!this.#isHeard && this.#silences > HEARTBEATS_MISSED)
          this.end(`the server was not heard for ${HEARTBEATS_MISSED * this.#limits.idle_heartbeat_ms} ms`);
      });
    });
  }

  get #isOverdue(): boolean {
    const now_ms = performance.now();
    return this.#lanes.some(({ messages, until_ms }) => messages > 0 && now_ms > until_ms);
  }
}

function sequenceOf(header: string | undefined): number | undefined {
  return header !== undefined && /^\d{1,15}$/.test(header) ? Number(header) : undefined;
}

function newLane(inbox: string): Lane {
  return {
    inbox,
    subscription: undefined,
    messages: 0,
    bytes: 0,
    isTouched: false,
    until_ms: 0,
  };
}

function finish(lane: Lane): void {
  lane.messages = 0;
  lane.bytes = 0;
}
