import { fnv1a, hashInteger, hashMember } from '../../operators/index.ts';
import { STATUS_MEMBERS } from '../order-names/index.ts';
import { ROW_DIMENSIONS } from '../rows/index.ts';
import { MAX_TEXT_CHARS } from './event-schema.ts';
import { type Field, fieldsByName, KIND, SLOT, scalarNames } from './fields.ts';
import { ItemScan } from './item-scan.ts';
import { Layout } from './layout.ts';
import { parseEventTime } from './rfc3339.ts';
import { CLOSE, COMMA, hashOfText, OPEN, OPEN_LIST, QUOTE } from './value-scan.ts';

const NULL = 0x6e;
/** In place of an end: the member is there and null. */
const IS_NULL = -1;
const DATA_DEPTH = 2;
const encoder = new TextEncoder();
const STATUS_HASHES: ReadonlySet<number> = new Set(
  STATUS_MEMBERS.status_changed.map((name) => fnv1a(encoder.encode(name))),
);

const STATUS_SLOT = SLOT.dimensions + ROW_DIMENSIONS.indexOf('status');

/**
 * Reads a flat event where its bytes lie, along the layout of those before it, and says where each field is: no
 * object and no string an event. `scan` gives false for whatever it cannot be sure of, and says nothing of what is
 * wrong: the careful path does. Results hold until the next `scan`.
 */
export class EventScan extends ItemScan {
  /** Places of the texts by slot: bytes [start, stop) and their FNV-1a. See `has`. */
  readonly start: Int32Array;
  readonly stop: Int32Array;
  readonly fnvs: Int32Array;
  /** Slots of the dimensions, ids and amounts that the event has, in its order. */
  readonly present: Int32Array;
  presentCount = 0;
  /** Amounts by slot, from SLOT.amount on. */
  readonly amounts = new Float64Array(4);
  readonly time_ms = new Float64Array(1);
  payload = 0;
  /** A status may stand where no column has it from: in `data`, or under another name. */
  mayNameStatus = false;
  readonly #layout: Layout;
  readonly #scalars: readonly Uint8Array[];
  readonly #scalarHashes: Int32Array;
  /** The event that a slot was filled by. */
  readonly #filled: Int32Array;
  #event = 0;
  #inData = false;
  #unsure = false;

  constructor(custom: readonly string[]) {
    super();
    const names = scalarNames(custom);
    const fields = fieldsByName(custom);
    // Scalars have a slot as members of the event and one as members of `data`.
    const slots = SLOT.ticket_id + 2 * names.length;
    this.start = new Int32Array(slots);
    this.stop = new Int32Array(slots);
    this.fnvs = new Int32Array(slots);
    this.#filled = new Int32Array(slots);
    this.present = new Int32Array(slots);
    this.#layout = new Layout(fields, ['specversion', 'supersedes']);
    this.#scalars = names.map((name) => encoder.encode(name));
    this.#scalarHashes = Int32Array.from(this.#scalars, (name) => fnv1a(name));
  }

  /** Whether the event has this field, and not as null. */
  has(slot: number): boolean {
    return this.#filled[slot] === this.#event && this.stop[slot] !== IS_NULL;
  }

  /** The slot of a scalar: the event's own member, else that of `data`; -1 where there is none, or no text. */
  scalarSlot(scalar: number): number {
    const own = SLOT.ticket_id + scalar;
    const slot = this.has(own) ? own : own + this.#scalars.length;
    return this.has(slot) && (this.stop[slot] as number) > (this.start[slot] as number) ? slot : -1;
  }

  scan(b: Uint8Array, from: number, end: number): boolean {
    if (b[from] !== OPEN) return false;
    this.look(b);
    this.#begin();
    let payload = 0;
    let node = this.#layout.root;
    let at = from + 1;
    for (;;) {
      const next = this.#layout.next(node, b, this.view, at, end);
      if (next === undefined) return false;
      node = next;
      at += node.key.length;
      // Another producer writes the same name with a space behind its colon.
      if ((b[at] as number) <= 0x20) at = this.skipSpace(b, at);
      const { field } = node;
      // A dimension of one's own may have such a name, too.
      if (STATUS_HASHES.has(node.name) && field?.slot !== STATUS_SLOT) this.mayNameStatus = true;
      if (field === undefined) {
        if (!this.remember(node.name, 0) || !this.value(b, at, end, DATA_DEPTH)) return false;
      } else {
        if (this.#filled[field.slot] === this.#event) return false;
        this.#filled[field.slot] = this.#event;
        if (!this.#field(b, at, end, field)) return false;
      }
      // Members that are null are as if they were not there.
      if (b[at] !== NULL && node.field?.kind !== KIND.event_id)
        payload = (payload + hashMember(node.name, this.hash)) | 0;
      at = this.at;
      let byte = b[at];
      if (byte !== COMMA && byte !== CLOSE) {
        at = this.skipSpace(b, at);
        byte = b[at];
      }
      at++;
      if (byte === CLOSE) break;
      if (byte !== COMMA) return false;
    }
    this.payload = payload;
    return (
      at === end && !this.#unsure && this.has(SLOT.event_id) && this.has(SLOT.type) && this.has(SLOT.time)
    );
  }

  #begin(): void {
    this.closeNames(0);
    this.#inData = false;
    this.#unsure = false;
    this.itemCount = 0;
    this.presentCount = 0;
    this.mayNameStatus = false;
    if (this.#event === 0x7fff_ffff) {
      this.#event = 0;
      this.#filled.fill(0);
    }
    this.#event++;
  }

  #field(b: Uint8Array, at: number, end: number, field: Field): boolean {
    const { slot, kind } = field;
    if (b[at] === NULL) {
      this.stop[slot] = IS_NULL;
      return this.word(b, at);
    }
    switch (kind) {
      case KIND.text:
        if (!this.#text(b, at, end, field)) return false;
        this.present[this.presentCount++] = slot;
        return slot !== SLOT.type || this.to > this.from;
      case KIND.event_id:
        if (!this.#plain(b, at, end) || this.to === this.from) return false;
        return this.#place(field);
      case KIND.time:
        if (!this.#plain(b, at, end) || !this.#place(field)) return false;
        this.time_ms[0] = parseEventTime(b, this.from, this.to);
        this.hash = hashInteger(this.time_ms[0] as number);
        return true;
      case KIND.currency:
        return this.#text(b, at, end, field) && this.to - this.from === 3;
      case KIND.amount:
        if (!this.whole(b, at)) return false;
        this.stop[slot] = 0;
        this.present[this.presentCount++] = slot;
        this.amounts[slot - SLOT.amount] = this.integer[0] as number;
        this.hash = hashInteger(this.integer[0] as number);
        return true;
      case KIND.items:
        this.stop[slot] = 0;
        return this.items(b, at, end);
      case KIND.data: {
        this.stop[slot] = 0;
        if (b[at] !== OPEN) return false;
        this.#inData = true;
        const taken = this.object(b, at, end, DATA_DEPTH);
        this.#inData = false;
        return taken;
      }
      default:
        if (!this.value(b, at, end, DATA_DEPTH)) return false;
        this.#scalar(b, slot, at);
        return true;
    }
  }

  #text(b: Uint8Array, at: number, end: number, field: Field): boolean {
    if (b[at] !== QUOTE || !this.text(b, at, end)) return false;
    this.hash = hashOfText(this.fnv);
    this.fnvs[field.slot] = this.fnv;
    return this.#place(field);
  }

  /** A text whose hash nobody needs. */
  #plain(b: Uint8Array, quote: number, end: number): boolean {
    if (b[quote] !== QUOTE) return false;
    const from = quote + 1;
    let at = from;
    for (let byte = b[at] as number; byte !== QUOTE; byte = b[++at] as number) {
      // Past the end `byte` is undefined, which is not in these bounds either.
      if (!(byte >= 0x20 && byte < 0x80) || byte === 0x5c) return this.text(b, quote, end);
    }
    this.from = from;
    this.to = at;
    this.at = at + 1;
    return at < end;
  }

  /** Keeps the text read last as a field's; false for one that may be too long. */
  #place({ slot, max_chars }: Field): boolean {
    this.start[slot] = this.from;
    this.stop[slot] = this.to;
    return this.to - this.from <= max_chars;
  }

  /** Keeps the value read last, which began at `at`, as a scalar's text. */
  #scalar(b: Uint8Array, slot: number, at: number): void {
    const byte = b[at];
    if (byte === QUOTE) {
      if (this.to - this.from > MAX_TEXT_CHARS) this.#unsure = true;
      this.start[slot] = this.from;
      this.stop[slot] = this.to;
      this.fnvs[slot] = this.fnv;
    } else if (byte === OPEN || byte === OPEN_LIST) this.start[slot] = this.stop[slot] = 0;
    else if (byte === NULL) this.stop[slot] = IS_NULL;
    else {
      this.start[slot] = at;
      this.stop[slot] = this.at;
      this.fnvs[slot] = fnv1a(b, at, this.at);
    }
  }

  protected override member(b: Uint8Array, name: number, from: number, to: number, at: number): void {
    if (!this.#inData) return;
    if (STATUS_HASHES.has(name)) this.mayNameStatus = true;
    const hashes = this.#scalarHashes;
    for (let scalar = 0; scalar < hashes.length; scalar++) {
      if (hashes[scalar] !== name || !isName(b, from, to, this.#scalars[scalar] as Uint8Array)) continue;
      const slot = SLOT.ticket_id + hashes.length + scalar;
      this.#filled[slot] = this.#event;
      this.#scalar(b, slot, at);
    }
  }
}

function isName(b: Uint8Array, from: number, to: number, name: Uint8Array): boolean {
  if (to - from !== name.length) return false;
  for (let index = 0; index < name.length; index++) if (b[from + index] !== name[index]) return false;
  return true;
}
