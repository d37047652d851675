import type { Dictionary, RecordPlace, Rejection, SourceRecord } from '../../engine/index.ts';
import type { FieldRules } from '../custom-fields/index.ts';
import { amendmentOf, payloadBeforeErasure } from './amendment.ts';
import { announcedRate, NO_RATE } from './announced-rate.ts';
import { checkEventMembers, isGoodTime } from './check.ts';
import { flatten, valueOfPart } from './cloud-event.ts';
import { type DimensionPaths, PathColumns } from './dimension-paths.ts';
import type { EventBatch } from './event-batch.ts';
import { EventScan } from './event-scan.ts';
import { MAX_MESSAGE_BYTES, MAX_TENANT_CHARS, RESENDS_SUBJECT, RESENDS_TENANT } from './event-schema.ts';
import { T } from './event-types.ts';
import { checkCustom, SLOT } from './fields.ts';
import { tenantSeed } from './identity.ts';
import { dataOf, writeMembers } from './member-writer.ts';
import { type Body, isBinary, splitBody } from './parts.ts';
import { emptyRows, type RowPlace, setCorrectionIdentity } from './row.ts';
import { ScanWriter } from './scan-writer.ts';
import { TypeCodes } from './type-codes.ts';

/** Parts of one message that become dead letters of their own, where nothing else is said. */
export const MAX_REJECTIONS = 1_000;

export interface ColumnDecoderConfig {
  readonly dictionary: Dictionary;
  /** Names of the declared dimensions, in the order of their columns. */
  readonly custom?: readonly string[];
  /** Those of them that are not the member of their name. */
  readonly paths?: DimensionPaths;
  /** Event time before which a tenant's events are forgotten, ms; by default nothing is. */
  readonly retentionCut?: (tenant: string) => number;
  /** What the orders of a tenant may have of its own; by default anything. */
  readonly fieldRules?: (tenant: string) => FieldRules | undefined;
  /** Parts of one message that become dead letters of their own; default `MAX_REJECTIONS`. */
  readonly rejections_max?: number;
}

/** What is told of while messages are decoded. */
export interface DecodeReport {
  reject(place: RecordPlace, why: Rejection, bytes: Uint8Array): void;
  /** An `fx.rate` event that was taken and announces no rate. */
  badRate(place: RecordPlace, detail: string): void;
}

interface Rejected {
  readonly part: number;
  readonly why: Rejection;
  readonly bytes: Uint8Array;
}

/** What becomes of the parts of one message that are no rows. */
class Aside {
  /** The first `max`. */
  readonly rejected: Rejected[] = [];
  more = 0;
  /** Parts of `fx.rate` events without a rate. */
  readonly badRates: number[] = [];

  readonly #max: number;

  constructor(max: number) {
    this.#max = max;
  }

  reject(part: number, why: Rejection, bytes: Uint8Array): void {
    if (this.rejected.length < this.#max) this.rejected.push({ part, why, bytes });
    else this.more++;
  }

  tell(record: SourceRecord, tenant: string, report: DecodeReport): void {
    for (const { part, why, bytes } of this.rejected) report.reject({ tenant, record, part }, why, bytes);
    if (this.more > 0) {
      const detail = `${this.more} more parts of this message were rejected after the first ${this.#max}`;
      report.reject({ tenant, record, part: 0 }, { code: 'too_many_rejections', detail }, record.data);
    }
    for (const part of this.badRates) report.badRate({ tenant, record, part }, NO_RATE);
  }
}

/**
 * Decodes messages into the columns of a batch: one flat event, an array or NDJSON of them, or CloudEvents. What
 * programs write is read along the layout of the message before, straight from its bytes to the columns; everything
 * else is parsed and checked by the schema. Both ways give the same columns. Only events that are taken give texts
 * to the dictionary. Keeps caches: one for each task. Never throws, whatever the bytes.
 */
export class ColumnDecoder {
  readonly #custom: readonly string[];
  readonly #retentionCut: (tenant: string) => number;
  readonly #rejections_max: number;
  readonly #scan: EventScan;
  readonly #types: TypeCodes;
  readonly #writer: ScanWriter;
  readonly #deep: PathColumns;
  /** The subject of the message before, and what subjects of its tenant begin with. */
  #subject = '\0';
  #prefix = '\0';
  /** The batch that was filled last, and up to where. */
  #last: EventBatch | undefined;
  #used = 0;
  readonly #place: RowPlace = { sequence: 0, part: 0, record: 0, tenant: '', scope: -1, seed: 0, emptied: 0 };
  readonly #limits: { now_ms: number; cut_ms: number; fields: FieldRules | undefined } = {
    ...{ now_ms: 0, cut_ms: Number.NEGATIVE_INFINITY, fields: undefined },
  };
  readonly #fieldRules: (tenant: string) => FieldRules | undefined;

  constructor(config: ColumnDecoderConfig) {
    const { dictionary, custom = [], paths = {}, retentionCut, rejections_max } = config;
    this.#fieldRules = config.fieldRules ?? (() => undefined);
    this.#rejections_max = rejections_max ?? MAX_REJECTIONS;
    checkCustom(custom);
    this.#custom = custom;
    this.#retentionCut = retentionCut ?? (() => Number.NEGATIVE_INFINITY);
    this.#scan = new EventScan(custom);
    this.#deep = new PathColumns(custom, paths);
    this.#types = new TypeCodes(dictionary);
    this.#writer = new ScanWriter(dictionary, this.#types, custom);
  }

  /** Appends the events of the batch's `records`; `now_ms` is the clock, for those whose storing has no time. */
  decodeAll(batch: EventBatch, now_ms: number, report: DecodeReport): void {
    // A cut may have moved since the last push.
    this.#subject = '\0';
    this.#prefix = '\0';
    this.#empty(batch);
    const { records } = batch;
    for (let index = 0; index < records.length; index++)
      this.#decode(records[index] as SourceRecord, index, batch, now_ms, report);
    this.#used = batch.length;
  }

  /** Empties what the batch's last use left in it. */
  #empty(batch: EventBatch): void {
    const { capacity } = batch.columns;
    emptyRows(batch, batch.length, batch === this.#last ? this.#used : capacity);
    this.#place.emptied = capacity;
    this.#last = batch;
  }

  #decode(
    record: SourceRecord,
    index: number,
    batch: EventBatch,
    now_ms: number,
    report: DecodeReport,
  ): void {
    // The same in every replay: what was in the future when it was stored is refused a year later, too.
    this.#limits.now_ms = record.stored_ms ?? now_ms;
    const { subject, region } = record;
    if (subject !== this.#subject) {
      if (!subject.startsWith(this.#prefix)) this.#enter(subject);
      this.#subject = subject;
    }
    const bytes = region === undefined ? record.data : region.buffer;
    const start = region === undefined ? 0 : region.start;
    const end = region === undefined ? bytes.length : region.end;
    const place = this.#place;
    // It only says what was sent again.
    if (place.tenant === RESENDS_TENANT && start === end) return;
    const why = refusal(place.tenant, end - start);
    if (why !== undefined) {
      const tenant = place.tenant.slice(0, MAX_TENANT_CHARS);
      report.reject({ tenant, record, part: 0 }, why, record.data);
      return;
    }
    place.sequence = record.sequence;
    place.record = index;
    place.part = 0;
    // A binary CloudEvent's identity is in its headers, whatever its payload looks like.
    const plain = !record.hasHeaders || !isBinary(record);
    if (plain && this.#quickly(bytes, start, end, batch)) return;
    this.#carefully(record, batch, report);
  }

  /** Token 2 of the subject is the tenant, and authoritative. */
  #enter(subject: string): void {
    const start = subject.indexOf('.') + 1;
    const end = subject.indexOf('.', start);
    const tenant = end < 0 ? subject.slice(start) : subject.slice(start, end);
    // Without a third token there is nothing that ends the tenant's name.
    this.#prefix = end < 0 ? '\0' : subject.slice(0, end + 1);
    this.#place.tenant = tenant;
    this.#place.scope = -1;
    this.#place.seed = tenantSeed(tenant);
    this.#limits.cut_ms = this.#retentionCut(tenant);
    this.#limits.fields = this.#fieldRules(tenant);
    this.#deep.enter(tenant);
  }

  /** One event along the layout; false when it has to be read carefully. */
  #quickly(b: Uint8Array, start: number, end: number, batch: EventBatch): boolean {
    const scan = this.#scan;
    if (!scan.scan(b, start, end) || !isGoodTime(scan.time_ms[0] as number, this.#limits)) return false;
    const at = scan.start[SLOT.type] as number;
    const type = this.#types.find(b, at, scan.stop[SLOT.type] as number, scan.fnvs[SLOT.type] as number);
    const kind = this.#types.kindAt(type);
    if (kind === T['fx.rate'] || kind === T['event.retracted']) return false;
    if (scan.mayNameStatus && this.#types.isOfOrderAt(type)) return false;
    if (this.#limits.fields !== undefined && (kind === T['order.created'] || kind === T['order.updated']))
      return false;
    if (kind === T['refund.issued'] && scan.has(SLOT.amount) && (scan.amounts[0] as number) < 0) return false;
    let currency = -1;
    if (scan.has(SLOT.currency)) {
      currency = this.#writer.currencyPlace(b, scan.start[SLOT.currency] as number);
      if (currency < 0) return false;
    }
    this.#writer.write(b, scan, type, currency, batch, this.#place);
    if (!this.#deep.isEmpty) this.#deep.fillFrom(b, start, end, batch, batch.length - 1);
    return true;
  }

  #carefully(record: SourceRecord, batch: EventBatch, report: DecodeReport): void {
    const { data } = record;
    const { tenant } = this.#place;
    const [rows, items, rates] = [batch.own.length, batch.own.itemLength, batch.rates.length];
    const amendments = batch.amendments.length;
    const body = splitBody(data, record);
    const aside = new Aside(this.#rejections_max);
    const malformed = body === undefined ? 'The array does not end' : this.#parts(record, body, batch, aside);
    if (malformed === undefined) {
      aside.tell(record, tenant, report);
      return;
    }
    // A list that is no JSON as a whole is nothing at all.
    emptyRows(batch, rows, batch.own.length);
    batch.own.length = rows;
    batch.own.itemLength = items;
    batch.rates.length = rates;
    batch.amendments.length = amendments;
    report.reject({ tenant, record, part: 0 }, { code: 'malformed_json', detail: malformed }, data);
  }

  /** Reads the parts of a message; what is wrong with the whole of it, if anything is. */
  #parts(record: SourceRecord, { form, ranges }: Body, batch: EventBatch, aside: Aside): string | undefined {
    const { data } = record;
    for (let part = 0; 2 * part < ranges.length; part++) {
      const from = ranges[2 * part] as number;
      const to = ranges[2 * part + 1] as number;
      this.#place.part = part;
      if (form !== 'binary' && this.#quickly(data, from, to, batch)) continue;
      const bytes = data.subarray(from, to);
      const letter = form === 'list' || form === 'lines' ? bytes : data;
      const parsed = valueOfPart(record, bytes);
      if (parsed.ok) this.#event(parsed.value, batch, aside, letter);
      else if (form === 'list') return parsed.detail;
      else aside.reject(part, { code: 'malformed_json', detail: parsed.detail }, letter);
    }
    return undefined;
  }

  #event(value: unknown, batch: EventBatch, aside: Aside, bytes: Uint8Array): void {
    const { part } = this.#place;
    const event = checkEventMembers(flatten(value), this.#limits);
    if (!event.ok) {
      aside.reject(part, { code: event.code, detail: event.detail }, bytes);
      return;
    }
    const row = writeMembers(event, this.#custom, batch, this.#place);
    this.#deep.fill(event.members, batch, row);
    const amendment = amendmentOf(event.members, row, this.#place.seed);
    if (amendment !== undefined) {
      batch.amendments.push(amendment);
      if (amendment.supersedes) setCorrectionIdentity(batch, row);
    }
    const payload = payloadBeforeErasure(event.members, amendment);
    if (payload !== undefined) batch.payload[row] = payload;
    if (batch.kind[row] !== T['fx.rate']) return;
    const rate = announcedRate(event.members, dataOf(event));
    if (rate === undefined) aside.badRates.push(part);
    else batch.rates.push({ row, ...rate });
  }
}

/** Why a message is not looked at. */
function refusal(tenant: string, size_bytes: number): Rejection | undefined {
  if (tenant === RESENDS_TENANT) {
    const detail = `${RESENDS_SUBJECT} takes no events: messages there have a header Millrace-Resends, and no payload`;
    return { code: 'bad_subject', detail };
  }
  if (tenant.length > MAX_TENANT_CHARS) {
    const detail = `The tenant in the subject has ${tenant.length} characters; at most ${MAX_TENANT_CHARS} are taken`;
    return { code: 'bad_subject', detail };
  }
  if (size_bytes <= MAX_MESSAGE_BYTES) return undefined;
  const detail = `The message has ${size_bytes} bytes; at most ${MAX_MESSAGE_BYTES} are taken`;
  return { code: 'too_large', detail };
}
