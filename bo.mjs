// engine/base/errors.ts
var MillraceError = class extends Error {
  code;
  retriable;
  /** Whose function threw it, where it is the user's. */
  operator;
  constructor(code, message, options = {}) {
    super(message, options.cause === void 0 ? void 0 : { cause: options.cause });
    this.name = "MillraceError";
    this.code = code;
    this.retriable = options.retriable ?? false;
    this.operator = options.operator;
  }
};
function asMillraceError(thrown) {
  if (thrown instanceof MillraceError) return thrown;
  if (isOfAnotherCopy(thrown)) {
    const { code, message, retriable } = thrown;
    return new MillraceError(code, message, { cause: thrown, retriable });
  }
  if (isDiskFull(thrown)) return diskFull(thrown);
  return new MillraceError("internal", messageOf(thrown), { cause: thrown });
}
var MAX_ISSUES = 5;
function messageOf(thrown) {
  if (!(thrown instanceof Error)) return String(thrown);
  const issues = "issues" in thrown ? thrown.issues : void 0;
  if (!Array.isArray(issues) || issues.length === 0 || !issues.every(isIssue)) return thrown.message;
  const said = issues.slice(0, MAX_ISSUES).map(({ path: path2 = [], message }) => {
    const at2 = path2.map(String).join(".");
    return at2 === "" ? message : `${at2}: ${message}`;
  });
  const more = issues.length > MAX_ISSUES ? [`and ${issues.length - MAX_ISSUES} more`] : [];
  return [...said, ...more].join("; ");
}
function isIssue(value) {
  if (typeof value !== "object" || value === null) return false;
  const { path: path2, message } = value;
  return typeof message === "string" && (path2 === void 0 || Array.isArray(path2));
}
function isOfAnotherCopy(thrown) {
  if (!(thrown instanceof Error) || thrown.name !== "MillraceError") return false;
  const { code, retriable } = thrown;
  return typeof code === "string" && typeof retriable === "boolean";
}
function diskFull(cause) {
  return new MillraceError(
    "disk_full",
    "The disk that holds the state is full: nothing was committed since the last position. Free space on it; processing goes on by itself.",
    { cause, retriable: true }
  );
}
var NO_SPACE_CODES = [28, 122, "ENOSPC", "EDQUOT"];
function isDiskFull(thrown) {
  if (!(thrown instanceof Error)) return false;
  const code = "code" in thrown ? thrown.code : void 0;
  return NO_SPACE_CODES.includes(code) || /no space left on device|MDB_MAP_FULL/i.test(thrown.message);
}
function invariant(condition, what) {
  if (!condition) throw new MillraceError("invariant_broken", `Invariant broken: ${what}`);
}

// engine/base/utf8.ts
var { utf8Slice } = Buffer.prototype;
var { isWellFormed } = String.prototype;
var REPLACEMENT = "\uFFFD";
var HALF_BYTES = 3;
function writeHalves(text2, bytes, start) {
  if (isWellFormed.call(text2)) return;
  let at2 = start;
  for (const character of text2) {
    const code = character.codePointAt(0);
    if (code >= 55296 && code < 57344) {
      bytes[at2] = 237;
      bytes[at2 + 1] = 128 | code >> 6 & 63;
      bytes[at2 + 2] = 128 | code & 63;
    }
    at2 += code < 128 ? 1 : code < 2048 ? 2 : code < 65536 ? HALF_BYTES : 4;
  }
}
function decodeUtf8(bytes, start, end) {
  const text2 = utf8Slice.call(bytes, start, end);
  return text2.includes(REPLACEMENT) ? decodeHalves(bytes, start, end) : text2;
}
function decodeHalves(bytes, start, end) {
  let text2 = "";
  let from = start;
  for (let at2 = bytes.indexOf(237, start); at2 >= 0 && at2 + 2 < end; at2 = bytes.indexOf(237, at2 + 1)) {
    const second = bytes[at2 + 1];
    if (second < 160) continue;
    const half = 53248 | (second & 63) << 6 | bytes[at2 + 2] & 63;
    text2 += utf8Slice.call(bytes, from, at2) + String.fromCharCode(half);
    from = at2 + HALF_BYTES;
  }
  return text2 + utf8Slice.call(bytes, from, end);
}

// engine/base/bytes.ts
var INITIAL_BYTES = 256;
var SHORT_CHARS = 64;
var COPY_BYTES = 128;
var TWO_32 = 2 ** 32;
var ByteWriter = class {
  #buffer = Buffer.allocUnsafe(INITIAL_BYTES);
  #length = 0;
  get length() {
    return this.#length;
  }
  reset() {
    this.#length = 0;
    return this;
  }
  /** The bytes written since `reset`, valid until the next write to this writer. */
  view() {
    return this.#buffer.subarray(0, this.#length);
  }
  /** A copy of the bytes written since `reset`. */
  copy() {
    return Buffer.from(this.view());
  }
  /** Copies the bytes written since `reset` into `target`, which has room for them. */
  copyTo(target, at2) {
    const buffer = this.#buffer;
    const length = this.#length;
    if (length < COPY_BYTES)
      for (let index = 0; index < length; index++) target[at2 + index] = buffer[index];
    else target.set(this.view(), at2);
  }
  #reserve(bytes) {
    const at2 = this.#length;
    if (at2 + bytes > this.#buffer.length) {
      const grown = Buffer.allocUnsafe(Math.max(this.#buffer.length * 2, at2 + bytes));
      this.#buffer.copy(grown, 0, 0, at2);
      this.#buffer = grown;
    }
    this.#length = at2 + bytes;
    return at2;
  }
  u8(value) {
    const at2 = this.#length < this.#buffer.length ? this.#length++ : this.#reserve(1);
    this.#buffer[at2] = value;
    return this;
  }
  u32(value) {
    const at2 = this.#reserve(4);
    this.#buffer.writeUInt32BE(value >>> 0, at2);
    return this;
  }
  /** Big-endian 48 bits: sorts like the number. Holds every time in ms up to the year 10889. */
  u48(value) {
    const at2 = this.#reserve(6);
    this.#buffer.writeUIntBE(value, at2, 6);
    return this;
  }
  f64(value) {
    const at2 = this.#reserve(8);
    this.#buffer.writeDoubleBE(Number.isNaN(value) ? Number.NaN : value, at2);
    return this;
  }
  /** LEB128 of an integer in 0..2^53-1: 1 byte below 128. */
  varint(value) {
    let rest = value;
    while (rest >= 128) {
      this.u8(rest % 128 | 128);
      rest = Math.floor(rest / 128);
    }
    return this.u8(rest);
  }
  /** Zigzag LEB128 of any safe integer. */
  zigzag(value) {
    const sign = value < 0 ? 1 : 0;
    const magnitude = value < 0 ? -value : value;
    const low = magnitude % 64;
    const high = Math.floor(magnitude / 64);
    if (high === 0) return this.u8(low << 1 | sign);
    this.u8(128 | low << 1 | sign);
    return this.varint(high);
  }
  /** UTF-8 with its length before it. */
  string(value) {
    requireText(value);
    const { length } = value;
    if (length < SHORT_CHARS) {
      const start = this.#reserve(length + 1);
      if (this.#ascii(value, start + 1)) {
        this.#buffer[start] = length;
        return this;
      }
      this.#length = start;
    }
    const bytes = Buffer.byteLength(value);
    this.varint(bytes);
    const at2 = this.#reserve(bytes);
    this.#buffer.write(value, at2, "utf8");
    writeHalves(value, this.#buffer, at2);
    return this;
  }
  /** Writes a short string of ASCII without a call out of JavaScript; false when it is not ASCII. */
  #ascii(value, at2) {
    const buffer = this.#buffer;
    for (let index = 0; index < value.length; index++) {
      const code = value.charCodeAt(index);
      if (code > 127 || code === 0) return false;
      buffer[at2 + index] = code;
    }
    return true;
  }
  /** A string in a composite key: sorts by UTF-8 bytes, ends with 00; a 00 inside is written 00 FF. */
  orderedString(value) {
    requireText(value);
    const { length } = value;
    if (length < SHORT_CHARS) {
      const start = this.#reserve(length + 1);
      if (this.#ascii(value, start)) {
        this.#buffer[start + length] = 0;
        return this;
      }
      this.#length = start;
    }
    const bytes = Buffer.from(value);
    writeHalves(value, bytes, 0);
    for (const byte of bytes) {
      this.u8(byte);
      if (byte === 0) this.u8(255);
    }
    return this.u8(0);
  }
  bytes(value) {
    const at2 = this.#reserve(value.length);
    this.#buffer.set(value, at2);
    return this;
  }
};
var ByteReader = class {
  #buffer;
  #view;
  #at = 0;
  constructor(buffer) {
    this.#buffer = buffer;
    this.#view = new DataView(buffer.buffer, buffer.byteOffset, buffer.byteLength);
  }
  get position() {
    return this.#at;
  }
  get remaining() {
    return this.#buffer.length - this.#at;
  }
  #take(bytes) {
    const at2 = this.#at;
    invariant(at2 + bytes <= this.#buffer.length, "a stored value is shorter than its codec expects");
    this.#at = at2 + bytes;
    return at2;
  }
  u8() {
    return this.#buffer[this.#take(1)];
  }
  u32() {
    return this.#view.getUint32(this.#take(4));
  }
  u48() {
    const at2 = this.#take(6);
    return this.#view.getUint16(at2) * TWO_32 + this.#view.getUint32(at2 + 2);
  }
  f64() {
    return this.#view.getFloat64(this.#take(8));
  }
  varint() {
    let byte = this.u8();
    let value = byte & 127;
    let scale = 128;
    while (byte >= 128) {
      byte = this.u8();
      value += (byte & 127) * scale;
      scale *= 128;
    }
    return value;
  }
  zigzag() {
    const first = this.u8();
    let magnitude = (first & 127) >> 1;
    if (first >= 128) magnitude += this.varint() * 64;
    return first & 1 ? -magnitude : magnitude;
  }
  string() {
    const bytes = this.varint();
    const at2 = this.#take(bytes);
    return decodeUtf8(this.#buffer, at2, at2 + bytes);
  }
  orderedString() {
    const start = this.#at;
    let end = this.#buffer.indexOf(0, start);
    invariant(end >= 0, "a composite key has no end of string");
    if (this.#buffer[end + 1] !== 255) {
      this.#at = end + 1;
      return decodeUtf8(this.#buffer, start, end);
    }
    const bytes = [];
    for (end = start; ; end++) {
      const byte = this.#buffer[end];
      invariant(byte !== void 0, "a composite key has no end of string");
      if (byte === 0) {
        if (this.#buffer[end + 1] !== 255) break;
        end++;
      }
      bytes.push(byte);
    }
    this.#at = end + 1;
    return decodeUtf8(Uint8Array.from(bytes), 0, bytes.length);
  }
  /** A view of the next `length` bytes, valid as long as the buffer read from. */
  bytes(length) {
    const at2 = this.#take(length);
    return this.#buffer.subarray(at2, at2 + length);
  }
};
function requireText(value) {
  if (typeof value === "string") return;
  throw new MillraceError(
    "bad_text",
    `A key, an id or a value to be stored is ${value === null ? "null" : typeof value}, and has to be text. Look at keyOf, idOf and what the operator keeps; check the items where they are parsed, so that what has to be there is there.`
  );
}

// engine/base/clock.ts
var systemClock = { now: () => Date.now() };
var TIMER_MAX_MS = 2 ** 31 - 1;

// engine/base/difference.ts
var MAX_DEPTH = 200;
function differenceOf(written2, read4) {
  return compare(written2, read4, "", 0);
}
function compare(a, b, path2, depth) {
  if (Object.is(a, b) || typeof a === "number" && a === b) return void 0;
  const isObject2 = typeof a === "object" && a !== null && typeof b === "object" && b !== null;
  if (!isObject2) return becomes(a, b, path2);
  if (depth === MAX_DEPTH) return void 0;
  if (a instanceof Uint8Array && b instanceof Uint8Array) {
    return Buffer.compare(a, b) === 0 ? void 0 : becomes(a, b, path2);
  }
  const isOther = Object.getPrototypeOf(a) !== Object.getPrototypeOf(b);
  if (isOther && nameOf(a) !== nameOf(b)) return becomes(a, b, path2);
  if (a instanceof Date && b instanceof Date) {
    return Object.is(a.getTime(), b.getTime()) ? void 0 : becomes(a, b, path2);
  }
  if (a instanceof Map && b instanceof Map || a instanceof Set && b instanceof Set) {
    return compare([...a], [...b], path2, depth + 1);
  }
  return compareMembers(a, b, path2, depth);
}
function compareMembers(a, b, path2, depth) {
  if (Array.isArray(a) && Array.isArray(b) && a.length !== b.length) {
    return `${at(path2)}a list of ${a.length} becomes one of ${b.length}`;
  }
  const [before, after] = [new Map(Object.entries(a)), new Map(Object.entries(b))];
  for (const name2 of /* @__PURE__ */ new Set([...before.keys(), ...after.keys()])) {
    const inner = Array.isArray(a) ? `${path2}[${name2}]` : `${path2}.${name2}`;
    const found = compare(before.get(name2), after.get(name2), inner, depth + 1);
    if (found !== void 0) return found;
  }
  return void 0;
}
function becomes(a, b, path2) {
  const [before, after] = [describe(a), describe(b)];
  return `${at(path2)}${before} becomes ${before === after ? "another one" : after}`;
}
var at = (path2) => path2 === "" ? "" : `at ${path2} `;
function nameOf(value) {
  const made = value.constructor;
  return typeof made === "function" && made.name !== "" ? made.name : "Object";
}
function describe(value) {
  switch (typeof value) {
    case "undefined":
      return "nothing";
    case "string":
      return "a text";
    case "number":
      return Number.isFinite(value) ? "a number" : String(value);
    case "object":
      return value === null ? "null" : Array.isArray(value) ? "a list" : `a value of ${nameOf(value)}`;
    default:
      return `a ${typeof value}`;
  }
}

// engine/base/codec.ts
var stringKey = {
  ordered: true,
  write: (writer5, value) => void writer5.orderedString(value),
  read: (reader) => reader.orderedString()
};
var floatCodec = {
  write: (writer5, value) => void writer5.f64(value),
  read: (reader) => reader.f64()
};
function jsonCodec(parse4) {
  return {
    write: (writer5, value) => {
      const text2 = textOf(value);
      if (watched !== void 0) watched.lost ??= differenceOf(value, read(text2));
      writer5.string(text2);
    },
    read: (reader) => {
      return parse4(read(reader.string()));
    }
  };
}
function read(text2) {
  return text2.includes(MARK_TEXT) ? JSON.parse(text2, revived) : JSON.parse(text2);
}
var watched;
function watchingJson(write) {
  const watching = { lost: void 0 };
  watched = watching;
  try {
    write();
  } finally {
    watched = void 0;
  }
  return watching.lost;
}
var MARK = "\0";
var MARK_TEXT = "\\u0000";
var UNKNOWN = /* @__PURE__ */ new Map([
  [`${MARK}NaN`, Number.NaN],
  [`${MARK}Infinity`, Number.POSITIVE_INFINITY],
  [`${MARK}-Infinity`, Number.NEGATIVE_INFINITY],
  [`${MARK}undefined`, void 0]
]);
var BIGINT = /^-?\d+n$/;
function textOf(value) {
  let text2;
  try {
    text2 = JSON.stringify(value);
  } catch {
    return JSON.stringify(value, marked);
  }
  if (text2 === void 0) throw new TypeError(`a ${typeof value} has no JSON`);
  const isSuspect = text2.includes("null") || text2.includes(MARK_TEXT);
  return isSuspect && needsMark(value) ? JSON.stringify(value, marked) : text2;
}
function needsMark(value) {
  if (typeof value === "number") return !Number.isFinite(value);
  if (typeof value === "string") return value.startsWith(MARK);
  if (typeof value !== "object" || value === null) return false;
  if (Array.isArray(value)) return value.some((item) => item === void 0 || needsMark(item));
  return "toJSON" in value || Object.values(value).some(needsMark);
}
function marked(_, value) {
  if (typeof value === "bigint") return `${MARK}${value}n`;
  if (typeof value === "number") return Number.isFinite(value) ? value : `${MARK}${value}`;
  if (typeof value === "string") return value.startsWith(MARK) ? `${MARK}${value}` : value;
  return value === void 0 && Array.isArray(this) ? `${MARK}undefined` : value;
}
function revived(_, value) {
  if (Array.isArray(value)) return Array.from(value);
  if (typeof value !== "string" || !value.startsWith(MARK)) return value;
  if (BIGINT.test(value.slice(MARK.length))) return BigInt(value.slice(MARK.length, -1));
  return value.startsWith(MARK + MARK) ? value.slice(1) : UNKNOWN.has(value) ? UNKNOWN.get(value) : value;
}
function trustedJsonCodec() {
  return jsonCodec((value) => value);
}

// engine/base/metrics.ts
var Metrics = class {
  #entries = /* @__PURE__ */ new Map();
  #counters = /* @__PURE__ */ new Map();
  counter(name2, help, labels = {}) {
    const key = keyOf(name2, labels);
    const known2 = this.#counters.get(key);
    if (known2 !== void 0) return known2;
    const counter = {
      value: 0,
      add(by = 1) {
        counter.value += by;
      }
    };
    this.#counters.set(key, counter);
    this.#entries.set(key, { name: name2, kind: "counter", help, labels, read: () => counter.value });
    return counter;
  }
  /** `read` is called when samples are taken; where it says undefined there is no sample. */
  gauge(name2, help, read4, labels = {}) {
    this.#entries.set(keyOf(name2, labels), { name: name2, kind: "gauge", help, labels, read: read4 });
  }
  /** A count that something else keeps; `read` is called when samples are taken. */
  observedCounter(name2, help, read4, labels = {}) {
    this.#entries.set(keyOf(name2, labels), { name: name2, kind: "counter", help, labels, read: read4 });
  }
  samples() {
    return [...this.#entries.values()].flatMap(({ name: name2, kind, help, labels, read: read4 }) => {
      const value = read4();
      return value === void 0 ? [] : [{ name: name2, kind, help, labels, value }];
    });
  }
};
function keyOf(name2, labels) {
  return `${name2}${JSON.stringify(Object.entries(labels).sort(([a], [b]) => a < b ? -1 : 1))}`;
}

// engine/base/no-async.ts
var ADVICE = "Operators are synchronous, for what they do is part of one commit. Look things up before the graph with `enrichingSource`, or call out behind the commit with `toCallback`.";
var MAX_DEPTH2 = 6;
var MAX_VALUES = 1e3;
function isThenable(value) {
  return typeof value === "object" && value !== null && "then" in value && typeof value.then === "function";
}
function refusePromises(values, who) {
  for (const value of values) if (isThenable(value)) throw gavePromise(value, who);
}
function refusePromise(value, who) {
  if (isThenable(value)) throw gavePromise(value, who);
}
function gavePromise(promise, who) {
  promise.then(void 0, () => void 0);
  return new MillraceError("async_function", `${who} gave a promise. ${ADVICE}`);
}
function refuseAsync(given, who) {
  const path2 = pathOfAsync(given);
  if (path2 === void 0) return;
  const which = path2 === "" ? "" : ` as \`${path2}\``;
  throw new MillraceError("async_function", `${who} was given an async function${which}. ${ADVICE}`);
}
function pathOfAsync(given) {
  const seen = /* @__PURE__ */ new Set();
  const look = (value, path2, depth) => {
    if (typeof value === "function") return isAsync(value) ? path2 : void 0;
    if (typeof value !== "object" || value === null || !isPlain(value)) return void 0;
    if (depth === MAX_DEPTH2 || seen.has(value) || seen.size === MAX_VALUES) return void 0;
    if (Array.isArray(value) && value.length > MAX_VALUES) return void 0;
    seen.add(value);
    for (const [name2, { value: inner }] of Object.entries(Object.getOwnPropertyDescriptors(value))) {
      const found = look(inner, path2 === "" ? name2 : `${path2}.${name2}`, depth + 1);
      if (found !== void 0) return found;
    }
    return void 0;
  };
  return look(given, "", 0);
}
function isPlain(value) {
  const prototype = Object.getPrototypeOf(value);
  return Array.isArray(value) || prototype === null || prototype === Object.prototype;
}
function isAsync(value) {
  return /^\[object Async(Generator)?Function\]$/.test(Object.prototype.toString.call(value));
}

// engine/base/private-files.ts
var HAS_MODES = process.platform !== "win32";

// engine/base/signal.ts
function batch(items2) {
  return { kind: "batch", items: items2 };
}

// engine/base/synchronous-rx.ts
import { Subject } from "rxjs";

// engine/base/task-event-time.ts
var EventTime = class {
  #stored;
  #own_ms = /* @__PURE__ */ new Map();
  #delayed_ms = /* @__PURE__ */ new Map();
  /** The committed watermark at the input of each node of the graph. */
  #initial_ms = /* @__PURE__ */ new Map();
  /** Nodes to which a watermark comes. */
  #behindOwner = /* @__PURE__ */ new Set();
  #task_ms;
  constructor(stored = { watermark_ms: null }) {
    this.#stored = stored;
    this.#task_ms = stored.watermark_ms;
  }
  get watermark_ms() {
    return this.#task_ms;
  }
  get watermarks() {
    return finite(this.#own_ms);
  }
  /** For the commit. */
  get committed() {
    const { watermark_ms, watermarks } = this;
    if (this.#delayed_ms.size === 0) return { watermark_ms, watermarks };
    const delayed = [...this.#delayed_ms].map(([name2, ms]) => [name2, Number.isFinite(ms) ? ms : null]);
    return { watermark_ms, watermarks, delayed: Object.fromEntries(delayed) };
  }
  /** Says which nodes there are, each behind its inputs: the committed watermarks go on from node to node. */
  follow(nodes) {
    const { watermarks, delayed, watermark_ms } = this.#stored;
    const behind_ms = /* @__PURE__ */ new Map();
    const owners = new Set(
      nodes.filter(({ ownsWatermark }) => ownsWatermark === true).map(({ name: name2 }) => name2)
    );
    for (const { name: name2, inputs } of nodes) {
      if (inputs.some((input) => owners.has(input) || this.#behindOwner.has(input)))
        this.#behindOwner.add(name2);
      const times = inputs.map((input) => behind_ms.get(input) ?? null);
      const least_ms = times.includes(null) ? null : Math.min(...times);
      const initial_ms = inputs.length === 0 ? watermark_ms : least_ms;
      this.#initial_ms.set(name2, initial_ms);
      const passed_ms = delayed?.[name2];
      behind_ms.set(name2, watermarks?.[name2] ?? (passed_ms === void 0 ? initial_ms : passed_ms));
    }
  }
  /** Whether something before a node makes the watermark that comes to it. */
  isBehindOwner(node) {
    return this.#behindOwner.has(node);
  }
  /** The committed watermark that an operator begins with: its own, or the one that comes to it. */
  initialOf(operator) {
    const { watermarks, watermark_ms } = this.#stored;
    const initial_ms = this.#initial_ms.get(operator);
    return watermarks?.[operator] ?? (initial_ms === void 0 ? watermark_ms : initial_ms);
  }
  /** An operator holds the watermark back: it goes on from what it passed on, or did before it held it back. */
  expectDelay(operator) {
    const stored_ms = this.#stored.delayed?.[operator];
    const from_ms = stored_ms === void 0 ? this.initialOf(operator) : stored_ms;
    this.#delayed_ms.set(operator, from_ms ?? Number.NEGATIVE_INFINITY);
  }
  /** Takes the watermark that such an operator would pass on; gives the one that it does, which never moves back. */
  delay(operator, time_ms) {
    const passed_ms = Math.max(time_ms, this.#delayed_ms.get(operator) ?? Number.NEGATIVE_INFINITY);
    this.#delayed_ms.set(operator, passed_ms);
    return passed_ms;
  }
  /** The task's watermark waits for this operator's. */
  expect(operator) {
    this.#own_ms.set(operator, this.initialOf(operator) ?? Number.NEGATIVE_INFINITY);
  }
  /** Calls with each operator that generates watermarks, and what reads its own; -Infinity before its first. */
  eachOwner(hear2) {
    for (const operator of this.#own_ms.keys()) hear2(operator, () => this.ownOf(operator));
  }
  /** Whether an operator generates watermarks. */
  isOwner(operator) {
    return this.#own_ms.has(operator);
  }
  /** The watermark of one operator that generates them; -Infinity before its first. */
  ownOf(operator) {
    return this.#own_ms.get(operator) ?? Number.NEGATIVE_INFINITY;
  }
  move(operator, time_ms) {
    const own_ms = this.#own_ms.get(operator) ?? this.initialOf(operator) ?? Number.NEGATIVE_INFINITY;
    invariant(time_ms >= own_ms, "the watermark never moves back");
    this.#own_ms.set(operator, time_ms);
    const smallest_ms = Math.min(...this.#own_ms.values());
    if (smallest_ms > (this.#task_ms ?? Number.NEGATIVE_INFINITY)) this.#task_ms = smallest_ms;
  }
};
function finite(times) {
  return Object.fromEntries([...times].filter(([, time_ms]) => Number.isFinite(time_ms)));
}

// engine/base/thread-turns.ts
var TURN_MAX_MS = 10;
var ThreadTurns = class {
  #waiting = /* @__PURE__ */ new Map();
  #spent_ms = 0;
  #isScheduled = false;
  /** Pieces that wait. */
  get waiting() {
    let sum2 = 0;
    for (const pieces of this.#waiting.values()) sum2 += pieces.length;
    return sum2;
  }
  /** Runs a piece of `scope` when it has its turn, at once where the thread has not done much yet. */
  run(scope, work) {
    return new Promise((resolve, reject) => {
      const piece = {
        work: () => {
          try {
            resolve(work());
          } catch (error) {
            reject(error);
          }
        }
      };
      if (this.#waiting.size === 0 && this.#spent_ms < TURN_MAX_MS) this.#do(piece);
      else this.#waiting.set(scope, [...this.#waiting.get(scope) ?? [], piece]);
      this.#schedule();
    });
  }
  #do({ work }) {
    const began_ms = performance.now();
    work();
    this.#spent_ms += performance.now() - began_ms;
  }
  #schedule() {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => this.#turn());
  }
  #turn() {
    this.#isScheduled = false;
    this.#spent_ms = 0;
    while (this.#waiting.size > 0 && this.#spent_ms < TURN_MAX_MS) {
      const [[scope, [piece, ...rest]] = ["", []]] = this.#waiting;
      this.#waiting.delete(scope);
      if (rest.length > 0) this.#waiting.set(scope, rest);
      if (piece !== void 0) this.#do(piece);
    }
    if (this.#waiting.size > 0 || this.#spent_ms > 0) this.#schedule();
  }
};
var threadTurns = new ThreadTurns();

// engine/channels/block.ts
var writer = new ByteWriter();

// engine/edges/original-headers.ts
var MAX_CHARS = 8192;
var SERVER_HEADER = /^nats-/i;
function originalHeaders(record) {
  const kept = [];
  let chars = 0;
  let omitted = 0;
  for (const header of record.headers?.() ?? []) {
    if (SERVER_HEADER.test(header[0])) continue;
    const text2 = JSON.stringify(header).replaceAll(/[^\x20-\x7e]/g, escaped);
    chars += text2.length + 1;
    if (chars < MAX_CHARS) kept.push(text2);
    else omitted++;
  }
  return {
    ...kept.length > 0 ? { "Original-Headers": `[${kept.join()}]` } : {},
    ...omitted > 0 ? { "Original-Headers-Omitted": String(omitted) } : {}
  };
}
var escaped = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`;

// engine/edges/trace-context.ts
var TRACEPARENT = "traceparent";
var TRACESTATE = "tracestate";
var FORM = /^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})(-.*)?$/;
var SAMPLED = 1;
var MAX_STATE_CHARS = 512;
var NO_TRACE = {};
function traceOf(record) {
  if (record.hasHeaders === false) return NO_TRACE;
  const traceparent = record.header(TRACEPARENT)?.trim() ?? "";
  if (!FORM.test(traceparent)) return NO_TRACE;
  const tracestate = record.header(TRACESTATE)?.trim() ?? "";
  const isFit = tracestate !== "" && tracestate.length <= MAX_STATE_CHARS && !/[^\x20-\x7e]/.test(tracestate);
  return isFit ? { traceparent, tracestate } : { traceparent };
}
function sampledOf(record) {
  const trace = traceOf(record);
  const flags = Number.parseInt(FORM.exec(trace.traceparent ?? "")?.[1] ?? "0", 16);
  return (flags & SAMPLED) === SAMPLED ? trace : NO_TRACE;
}
var TraceFollower = class {
  #current = NO_TRACE;
  /** The records in order, those of a sampled trace apart from the others. */
  *runs(records) {
    let start = 0;
    let current = NO_TRACE;
    try {
      for (const [at2, record] of records.entries()) {
        const trace = record.hasHeaders ? sampledOf(record) : NO_TRACE;
        if (trace.traceparent === current.traceparent) continue;
        this.#current = current;
        if (at2 > start) yield records.slice(start, at2);
        start = at2;
        current = trace;
      }
      this.#current = current;
      yield start === 0 ? records : records.slice(start);
    } finally {
      this.#current = NO_TRACE;
    }
  }
  /** A message with the trace of the records at work, unless it has one of its own. */
  mark(message) {
    const { headers: headers4 } = message;
    if (this.#current.traceparent === void 0 || isOfTrace(headers4)) return message;
    return { ...message, headers: { ...headers4, ...this.#current } };
  }
};
var isOfTrace = (headers4) => Object.keys(headers4).some((name2) => name2.toLowerCase() === TRACEPARENT);

// engine/edges/dead-letter.ts
var DETAIL_MAX_CHARS = 300;
var PAYLOAD_MAX_BYTES = 1e6;
function deadLetter({ tenant, record, part }, why, bytes) {
  const { subject, sequence } = record;
  return {
    id: `deadletter-${encodeURIComponent(subject)}-${sequence}-${part}-${why.code}`,
    subject: `deadletter.${tenant}`,
    headers: {
      Reason: why.code,
      // Header values are one line of ASCII.
      "Reason-Detail": why.detail.replaceAll(/[^\x20-\x7e]/g, "?").slice(0, DETAIL_MAX_CHARS),
      "Original-Subject": subject,
      "Original-Seq": String(sequence),
      "Original-Part": String(part),
      ...originalHeaders(record),
      ...traceOf(record),
      ...bytes.length > PAYLOAD_MAX_BYTES ? { "Truncated-From": String(bytes.length) } : {}
    },
    payload: bytes.subarray(0, PAYLOAD_MAX_BYTES),
    // A flood of them must not wait for one another.
    unordered: true,
    isLocalId: true
  };
}

// engine/edges/fifo.ts
var Fifo = class {
  #items = [];
  #first = 0;
  push(item) {
    this.#items.push(item);
  }
  peek() {
    return this.#items[this.#first];
  }
  shift() {
    const item = this.#items[this.#first];
    if (item === void 0) return void 0;
    this.#items[this.#first++] = void 0;
    if (this.#first * 2 > this.#items.length) {
      this.#items = this.#items.slice(this.#first);
      this.#first = 0;
    }
    return item;
  }
};

// engine/state/checksum.ts
var CHECKSUM_BYTES = 4;

// engine/state/kv.ts
var MAX_KEY_BYTES = 1048576;
function checkKey(key, table) {
  invariant(key.length > 0, `a key of ${table} has at least one byte`);
  if (key.length <= MAX_KEY_BYTES) return;
  throw new MillraceError(
    "key_too_long",
    `A key of table "${table}" has ${key.length} bytes; ${MAX_KEY_BYTES} are possible.`
  );
}
function prefixEnd(prefix3) {
  for (let last = prefix3.length - 1; last >= 0; last--) {
    const byte = prefix3[last];
    if (byte < 255) {
      const end = Uint8Array.from(prefix3.subarray(0, last + 1));
      end[last] = byte + 1;
      return end;
    }
  }
  return void 0;
}

// engine/state/long-keys.ts
var COUNTER_KEY = encodeId(0);
function encodeId(id) {
  return new ByteWriter().u48(id).copy();
}

// engine/state/long-value.ts
var PAGE_BYTES = 4096;
var HEAD_BYTES = 24;
function longValueBytes(pages) {
  return pages * PAGE_BYTES - HEAD_BYTES - CHECKSUM_BYTES;
}

// engine/state/ttl.ts
var TTL_DAY_MS = 864e5;
var TTL_PREFIX_BYTES = 2;
var LAST_DAY = 65535;
function ttlDay(watermark_ms) {
  return Math.min(LAST_DAY, Math.max(0, Math.floor(watermark_ms / TTL_DAY_MS)));
}
function expiryOf(row, ttl) {
  return expiryOfDay(dayOf(row), ttl);
}
function expiryOfDay(day, { retain_ms }) {
  return day === LAST_DAY ? Number.POSITIVE_INFINITY : (day + 1) * TTL_DAY_MS + retain_ms;
}
function oldestDay(watermark_ms, { retain_ms }) {
  return Math.min(LAST_DAY, Math.ceil((watermark_ms - retain_ms) / TTL_DAY_MS - 1));
}
function dayOf(row) {
  return row[0] << 8 | row[1];
}
var MIN_ROWS_PER_COMMIT = 1e3;
var ROWS_PER_WRITE = 4;
var FIRST_KEY = new Uint8Array(0);
var TtlSweep = class {
  #table;
  #ttl;
  /** Where the pass goes on; undefined: none is under way. */
  #from;
  /** The oldest day that the pass has left behind; those written since it began are not older. */
  #left = 0;
  /** There are forgotten rows, for one was met or the last pass has left some that are over now. */
  #hasMet = false;
  /** No row is of an earlier day; undefined before the end of the first pass. */
  #oldest;
  constructor(table, ttl) {
    this.#table = table;
    this.#ttl = ttl;
  }
  /**
   * Inside the commit, which has written this many rows, all of `oldestWritten`'s day or later: by default that of the
   * watermark. Whether a pass begins.
   */
  run(watermark_ms, written2, oldestWritten = ttlDay(watermark_ms)) {
    const begins = this.#from === void 0;
    const oldest = oldestDay(watermark_ms, this.#ttl);
    if (this.#oldest !== void 0 && oldestWritten < this.#oldest) this.#oldest = oldestWritten;
    if (this.#from === void 0) {
      if (this.#oldest !== void 0 && oldest <= this.#oldest) return false;
      this.#left = Math.min(ttlDay(watermark_ms), oldestWritten);
      this.#hasMet = this.#oldest !== void 0;
      this.#from = FIRST_KEY;
    }
    if (oldestWritten < this.#left) this.#left = oldestWritten;
    const limit = this.#hasMet ? Math.max(MIN_ROWS_PER_COMMIT, written2 * ROWS_PER_WRITE) : MIN_ROWS_PER_COMMIT;
    const gone = [];
    let seen = 0;
    let last;
    for (const { key, value } of this.#table.scan(
      this.#from === FIRST_KEY ? { limit } : { start: this.#from, limit }
    )) {
      seen++;
      const day = dayOf(value);
      if (day < oldest) gone.push(Uint8Array.from(key));
      else if (day < this.#left) this.#left = day;
      if (seen === limit) last = Uint8Array.from(key);
    }
    this.#from = last;
    if (last === void 0) this.#oldest = this.#left;
    if (gone.length > 0) this.#hasMet = true;
    for (const key of gone) this.#table.remove(key);
    return begins;
  }
};

// engine/state/migration.ts
var MAX_BATCH_ROWS = 1e3;
var MAX_BATCH_BYTES = 1048576;
var MAX_KEY_CHARS = 80;
function decodeRow(codec, bytes) {
  const reader = new ByteReader(bytes);
  const value = codec.read(reader);
  if (reader.remaining === 0) return value;
  throw new MillraceError(
    "bad_row",
    `The codec read ${reader.position} of ${bytes.length} bytes: it is not the one that wrote them.`
  );
}
function migrateRows(id, table, spec, from) {
  const { migrate, value, ttl } = spec;
  invariant(migrate !== void 0, "a migration is needed here");
  const prefix3 = ttl === void 0 ? 0 : TTL_PREFIX_BYTES;
  const writer5 = new ByteWriter();
  let rows = rowsAfter(table, void 0);
  while (rows.length > 0) {
    for (const row of rows) {
      writer5.reset().bytes(row.value.subarray(0, prefix3));
      try {
        value.write(writer5, migrate(row.value.subarray(prefix3), from));
      } catch (error) {
        throw failed(id, spec, from, row.key, error);
      }
      table.put(row.key, writer5.view());
    }
    rows = rowsAfter(table, rows.at(-1)?.key);
  }
}
function failed(id, { key, version }, from, row, error) {
  const why = error instanceof Error ? error.message : String(error);
  const named2 = nameOf2(key, row).slice(0, MAX_KEY_CHARS);
  return new MillraceError(
    "migration_failed",
    `The migration of table "${id}" from schema version ${from} to ${version} failed on the row ${named2}: ${why.replace(/\.$/, "")}. Nothing is changed: the table is as it was, and the program that wrote it can go on. Correct its migrate, and the codec that it reads the old bytes with, or run the version that wrote it.`,
    { cause: error, operator: id.slice(0, id.indexOf("/")) }
  );
}
function nameOf2(codec, row) {
  const reader = new ByteReader(row);
  const scope = reader.orderedString();
  const key = JSON.stringify(codec.read(reader));
  return scope === "" ? key : `${key} of ${JSON.stringify(scope)}`;
}
function rowsAfter(table, last) {
  const rows = [];
  let bytes = 0;
  const range = last === void 0 ? {} : { start: last };
  for (const { key, value } of table.scan({ ...range, limit: MAX_BATCH_ROWS + 1 })) {
    if (last !== void 0 && Buffer.compare(key, last) === 0) continue;
    rows.push({ key: Uint8Array.from(key), value: Uint8Array.from(value) });
    bytes += key.length + value.length;
    if (bytes >= MAX_BATCH_BYTES) break;
  }
  return rows;
}

// engine/state/schema-version.ts
var SCHEMA_TABLE = "meta";
function schemaKey(table) {
  return new ByteWriter().orderedString("schema").orderedString(table).copy();
}
function checkVersion(store, id, version, migrate) {
  const key = schemaKey(id);
  const stored = store.table(SCHEMA_TABLE).get(key);
  const found = stored === void 0 ? void 0 : new ByteReader(stored).varint();
  if (found === version) return;
  if (found !== void 0 && (migrate === void 0 || found > version)) {
    throw new MillraceError(
      "state_schema_mismatch",
      `State table "${id}" was written with schema version ${found}; this program reads version ${version} and has no migration. Give the table a migrate, run the version that wrote it, or rebuild the state from the stream with "millrace replay --make-current --force".`
    );
  }
  store.transaction(() => {
    if (found !== void 0) migrate?.(found);
    store.table(SCHEMA_TABLE).put(key, new ByteWriter().varint(version).copy());
  });
}

// engine/state/store-lmdb.ts
import { open } from "lmdb";
var MAP_BYTES = 2 ** 38;
var PROBE = Buffer.from([0]);
var NEARLY_FULL_BYTES = 16 * 1048576;

// engine/state/store-memory.ts
var MemoryDisk = class _MemoryDisk {
  tables = /* @__PURE__ */ new Map();
  /** Rows of the open transaction as they were before it, oldest change first. */
  uncommitted = [];
  /** Called at the start and just before the end of each commit: a simulated crash throws from here. */
  fault;
  open() {
    return new MemoryStore(this);
  }
  /** Another disk with the committed content of this one. */
  copy() {
    const copy = new _MemoryDisk();
    for (const name2 of this.tables.keys()) {
      const table = this.#committed(name2);
      if (table === void 0) continue;
      const rows = new Map(table.rows);
      copy.tables.set(name2, { rows, sorted: [], changed: new Set(rows.keys()) });
    }
    return copy;
  }
  reader() {
    return {
      snapshot: (work) => {
        const tables4 = /* @__PURE__ */ new Map();
        const committed = (name2) => {
          if (!tables4.has(name2)) tables4.set(name2, this.#committed(name2));
          return tables4.get(name2);
        };
        return work((name2) => viewOf(() => committed(name2)));
      },
      tableNames: () => [...this.tables.keys()].sort(),
      close: () => Promise.resolve()
    };
  }
  /** A table without what the open transaction, if there is one, has done to it. */
  #committed(name2) {
    const table = this.tables.get(name2);
    if (table === void 0 || this.uncommitted.length === 0) return table;
    const rows = new Map(table.rows);
    const copy = { rows, sorted: [], changed: new Set(rows.keys()) };
    for (const change of this.uncommitted.toReversed()) {
      if (change.table === table) apply(copy, change.key, change.before);
    }
    return copy;
  }
  /** Undoes the open transaction. */
  revert() {
    for (const { table, key, before } of this.uncommitted.reverse()) apply(table, key, before);
  }
};
function text(key) {
  return Buffer.from(key.buffer, key.byteOffset, key.byteLength).toString("latin1");
}
function sortedKeys(table) {
  const { changed, rows, sorted } = table;
  if (changed.size === 0) return sorted;
  const fresh = [...changed].filter((key) => rows.has(key)).sort();
  const merged = [];
  let at2 = 0;
  for (const key of sorted) {
    if (changed.has(key)) continue;
    while (at2 < fresh.length && fresh[at2] < key) merged.push(fresh[at2++]);
    merged.push(key);
  }
  while (at2 < fresh.length) merged.push(fresh[at2++]);
  table.sorted = merged;
  changed.clear();
  return merged;
}
function* scanRows(table, range) {
  if (table === void 0) return;
  const sorted = sortedKeys(table);
  const from = range.start === void 0 ? 0 : lowerBound(sorted, text(range.start));
  const to = range.end === void 0 ? sorted.length : lowerBound(sorted, text(range.end));
  const count2 = Math.max(0, Math.min(to - from, range.limit ?? sorted.length));
  for (let at2 = 0; at2 < count2; at2++) {
    const key = sorted[range.reverse === true ? to - 1 - at2 : from + at2];
    const value = table.rows.get(key);
    invariant(value !== void 0, "a sorted key has a row");
    yield { key: Buffer.from(key, "latin1"), value };
  }
}
function lowerBound(sorted, key) {
  let low = 0;
  let high = sorted.length;
  while (low < high) {
    const middle = low + high >> 1;
    if (sorted[middle] < key) low = middle + 1;
    else high = middle;
  }
  return low;
}
function viewOf(table) {
  return {
    get: (key) => table()?.rows.get(text(key)),
    scan: (range = {}) => scanRows(table(), range)
  };
}
var MemoryStore = class {
  #disk;
  #writing = false;
  constructor(disk) {
    this.#disk = disk;
  }
  table(name2) {
    let table = this.#disk.tables.get(name2);
    if (table === void 0) {
      table = { rows: /* @__PURE__ */ new Map(), sorted: [], changed: /* @__PURE__ */ new Set() };
      this.#disk.tables.set(name2, table);
    }
    const held = table;
    const change = (key, value) => {
      invariant(this.#writing, `a write to ${name2} happens inside a commit`);
      if (value !== void 0) checkKey(key, name2);
      const id = text(key);
      this.#disk.uncommitted.push({ table: held, key: id, before: held.rows.get(id) });
      apply(held, id, value === void 0 ? void 0 : Uint8Array.from(value));
    };
    return {
      get: (key) => held.rows.get(text(key)),
      // All at once: the writer may change the table while it goes through them.
      scan: (range = {}) => [...scanRows(held, range)],
      put: change,
      remove: (key) => change(key, void 0),
      removeRange: (range) => {
        invariant(this.#writing, `a removal from ${name2} happens inside a commit`);
        for (const { key } of [...scanRows(held, { ...range, limit: held.rows.size })])
          change(key, void 0);
      }
    };
  }
  tableNames() {
    return [...this.#disk.tables.keys()].sort();
  }
  transaction(work) {
    invariant(!this.#writing, "transactions do not nest");
    this.#writing = true;
    try {
      this.#disk.fault?.("begin");
      const result = work();
      this.#disk.fault?.("end");
      return result;
    } catch (error) {
      this.#disk.revert();
      throw error;
    } finally {
      this.#disk.uncommitted.length = 0;
      this.#writing = false;
    }
  }
  sizeBytes() {
    let bytes = 0;
    for (const { rows } of this.#disk.tables.values()) {
      for (const [key, value] of rows) bytes += key.length + value.length;
    }
    return bytes;
  }
  close() {
    return Promise.resolve();
  }
};
function apply(table, key, value) {
  const had = table.rows.has(key);
  if (value === void 0) table.rows.delete(key);
  else table.rows.set(key, value);
  if (had !== (value !== void 0)) table.changed.add(key);
}

// engine/state/table-specs.ts
function describeTable(spec) {
  const { kind, version } = spec;
  const migrates2 = "migrate" in spec && spec.migrate !== void 0;
  return { kind, version, ...migrates2 ? { migrates: migrates2 } : {} };
}
function mapTable(spec) {
  return { kind: "map", ...spec };
}
function rawTable(spec) {
  return { kind: "raw", ...spec };
}

// engine/state/table-checks.ts
var FIRST_ROWS = 100;
var TableChecks = class {
  #id;
  #codec;
  #left_rows;
  /** What was read since the last look, as it was; undefined where that is not looked at. */
  #given;
  #writer = new ByteWriter();
  constructor(id, codec, checks, changesInPlace) {
    this.#id = id;
    this.#codec = codec;
    this.#left_rows = checks === "always" ? Number.POSITIVE_INFINITY : FIRST_ROWS;
    this.#given = checks === "always" && !changesInPlace ? /* @__PURE__ */ new Map() : void 0;
  }
  /** Writes a value; throws `state_not_kept` for one that its codec throws at, or does not give back. */
  write(writer5, row, value) {
    const isWatched = this.#left_rows > 0;
    if (isWatched) this.#left_rows--;
    const from = writer5.length;
    this.#naming(row, () => {
      if (!isWatched) return this.#codec.write(writer5, value);
      const lost = watchingJson(() => this.#codec.write(writer5, value));
      if (lost !== void 0) throw this.#notKept(row, `would not be the same after a restart: ${lost}`);
      const bytes = Buffer.from(writer5.view().subarray(from));
      const reader = new ByteReader(bytes);
      const again = this.#bytesOf(this.#codec.read(reader));
      if (reader.remaining > 0 || !bytes.equals(again)) {
        throw this.#notKept(
          row,
          "would not be the same after a restart: its codec does not read what it writes"
        );
      }
    });
  }
  /** A value is handed out: until the next look it may change only by being set. */
  gave(row, value) {
    if (this.#given === void 0 || typeof value !== "object" || value === null) return;
    if (!this.#given.has(row))
      this.#given.set(row, { value, bytes: this.#naming(row, () => this.#bytesOf(value)) });
  }
  set(row) {
    this.#given?.delete(row);
  }
  /** Throws `state_changed_in_place` where what was handed out since the last look is not what it was. */
  look() {
    if (this.#given === void 0) return;
    const given = [...this.#given];
    this.#given.clear();
    for (const [row, { value, bytes }] of given) {
      const now = this.#naming(row, () => this.#bytesOf(value));
      if (Buffer.compare(bytes, now) === 0) continue;
      throw new MillraceError(
        "state_changed_in_place",
        `The value of ${this.#named(row)} was changed in place and not set: after a restart it would be the former one. Hand what it has become to \`setState\`, or to \`set\` of the table; and change no item that was emitted.`
      );
    }
  }
  #bytesOf(value) {
    this.#writer.reset();
    this.#codec.write(this.#writer, value);
    return this.#writer.copy();
  }
  #naming(row, work) {
    try {
      return work();
    } catch (error) {
      if (error instanceof MillraceError) throw error;
      throw this.#notKept(
        row,
        `cannot be stored (${error instanceof Error ? error.message : String(error)})`,
        error
      );
    }
  }
  #named({ key, scope }) {
    const [operator, table] = this.#id.split("/");
    const whose = scope.name === "" ? "" : ` of "${scope.name}"`;
    return `operator "${operator}", table "${table}", key ${JSON.stringify(key)}${whose}`;
  }
  #notKept(row, what, cause) {
    return new MillraceError(
      "state_not_kept",
      `The value of ${this.#named(row)} ${what}. Without a codec of its own state is kept as JSON: texts, numbers, bigints, booleans, null, lists and plain objects. Keep it as these, or give the operator a codec.`,
      cause === void 0 ? {} : { cause }
    );
  }
};

// engine/state/tables.ts
var DEFAULT_CACHE_ROWS = 1e5;
var MapTable = class {
  #spec;
  #table;
  #writer = new ByteWriter();
  #scopes = /* @__PURE__ */ new Map();
  #dirty = [];
  #dropped = /* @__PURE__ */ new Set();
  #limit_rows;
  /** In one of the generations as long as it is here. */
  #last;
  #young_rows = 0;
  #watermark_ms = 0;
  #sweep;
  #checks;
  /** Rows are of the day on which they are set, and else of that on which they are written. */
  #ordered;
  /** The day of what is set now, and until when it is there. */
  #day = 0;
  #until_ms = Number.POSITIVE_INFINITY;
  constructor(spec, table, { id, checks, ordered = false }) {
    this.#ordered = ordered;
    this.#checks = new TableChecks(id, spec.value, checks, spec.changesInPlace === true);
    this.#spec = spec;
    this.#table = table;
    this.#sweep = spec.ttl === void 0 ? void 0 : new TtlSweep(table, spec.ttl);
    this.#limit_rows = Math.max(1, Math.floor((spec.cacheRows ?? DEFAULT_CACHE_ROWS) / 2));
    this.#turnDay();
  }
  /** In an ordered task how long a row is there must not depend on the commit that writes it. */
  #turnDay() {
    const { ttl } = this.#spec;
    if (!this.#ordered || ttl === void 0) return;
    this.#day = ttlDay(this.#watermark_ms);
    this.#until_ms = expiryOfDay(this.#day, ttl);
  }
  /** The part of the table that belongs to `name`. A handle may be kept: it is good for the table's life. */
  scope(name2) {
    let held = this.#scope(name2);
    const current = () => {
      if (held.gone) held = this.#scope(name2);
      return held;
    };
    return {
      get: (key) => this.#get(current(), key),
      set: (key, value) => this.#set(current(), key, value),
      delete: (key) => this.#set(current(), key, void 0),
      entries: () => this.#entries(current())
    };
  }
  #scope(name2) {
    let scope = this.#scopes.get(name2);
    if (scope === void 0) {
      const prefix3 = new ByteWriter().orderedString(name2).copy();
      scope = { name: name2, prefix: prefix3, gone: false, dropped: false, young: /* @__PURE__ */ new Map(), old: /* @__PURE__ */ new Map() };
      this.#scopes.set(name2, scope);
    }
    return scope;
  }
  /** Deletes every row of a scope, and at the commit lets go of what is cached of it. */
  drop(name2) {
    const scope = this.#scope(name2);
    for (const rows of [scope.old, scope.young]) for (const row of rows.values()) row.dirty = false;
    scope.old = /* @__PURE__ */ new Map();
    scope.young = /* @__PURE__ */ new Map();
    scope.dropped = true;
    this.#last = void 0;
    this.#dropped.add(scope);
  }
  #release(scope) {
    scope.gone = true;
    if (this.#scopes.get(scope.name) === scope) this.#scopes.delete(scope.name);
  }
  #entries(scope) {
    const found = /* @__PURE__ */ new Map();
    const put = (row) => {
      const id = Buffer.from(this.#keyBytes(scope, row.key)).toString("latin1");
      if (row.value === void 0 || row.until_ms < this.#watermark_ms) found.delete(id);
      else found.set(id, [row.key, row.value]);
    };
    for (const entry of scope.dropped ? [] : this.#table.scan(rangeOf(scope, this.#spec.key))) {
      if (this.#until(entry.value) < this.#watermark_ms) continue;
      const key = this.#spec.key.read(new ByteReader(entry.key.subarray(scope.prefix.length)));
      found.set(Buffer.from(entry.key).toString("latin1"), [key, this.#decode(entry.value)]);
    }
    for (const rows of [scope.old, scope.young]) for (const row of rows.values()) put(row);
    return [...found].sort(([a], [b]) => a < b ? -1 : 1).map(([, entry]) => entry);
  }
  get dirtyRows() {
    return this.#dirty.length;
  }
  get cachedScopes() {
    return this.#scopes.size;
  }
  get cachedRows() {
    let rows = 0;
    for (const scope of this.#scopes.values()) rows += scope.young.size + scope.old.size;
    return rows;
  }
  #row(scope, key) {
    const last = this.#last;
    if (last !== void 0 && last.key === key && last.scope === scope) return last;
    const row = this.#find(scope, key);
    this.#last = row;
    return row;
  }
  #find(scope, key) {
    let row = scope.young.get(key);
    if (row !== void 0) return row;
    row = scope.old.get(key);
    if (row === void 0) {
      const bytes = scope.dropped ? void 0 : this.#table.get(this.#keyBytes(scope, key));
      const value = bytes === void 0 ? void 0 : this.#decode(bytes);
      row = {
        scope,
        key,
        value,
        dirty: false,
        stored: bytes !== void 0,
        until_ms: bytes === void 0 ? Number.POSITIVE_INFINITY : this.#until(bytes),
        day: 0
      };
    } else {
      scope.old.delete(key);
    }
    scope.young.set(key, row);
    if (++this.#young_rows > this.#limit_rows) this.#turn();
    return row;
  }
  #get(scope, key) {
    const row = this.#row(scope, key);
    const { value, until_ms } = row;
    if (value === void 0 || until_ms < this.#watermark_ms) return void 0;
    this.#checks.gave(row, value);
    return value;
  }
  #set(scope, key, value) {
    const row = this.#row(scope, key);
    row.value = value;
    this.#checks.set(row);
    row.until_ms = this.#until_ms;
    row.day = this.#day;
    if (!row.dirty) {
      row.dirty = true;
      this.#dirty.push(row);
    }
  }
  #turn() {
    this.#young_rows = 0;
    this.#last = void 0;
    for (const scope of this.#scopes.values()) {
      const young = scope.young;
      for (const [key, row] of scope.old) {
        if (row.dirty) {
          young.set(key, row);
        }
      }
      scope.old = young;
      scope.young = /* @__PURE__ */ new Map();
      if (young.size === 0 && !scope.dropped) this.#release(scope);
    }
  }
  #until(row) {
    return this.#spec.ttl === void 0 ? Number.POSITIVE_INFINITY : expiryOf(row, this.#spec.ttl);
  }
  #keyBytes(scope, key) {
    const writer5 = this.#writer.reset().bytes(scope.prefix);
    this.#spec.key.write(writer5, key);
    return writer5.view();
  }
  #decode(row) {
    return this.#spec.value.read(
      new ByteReader(this.#spec.ttl === void 0 ? row : row.subarray(TTL_PREFIX_BYTES))
    );
  }
  /** Time moves before the operator's next batch, never within one: expiry must not depend on arrival. */
  advance(watermark_ms) {
    this.#watermark_ms = watermark_ms;
    this.#turnDay();
  }
  /** Throws `state_changed_in_place` for what was given out and changed, where that is looked at. */
  check() {
    this.#checks.look();
  }
  /** Writes what changed. In order of change: sorting costs as much as it saves, since each page is written once a commit anyway. */
  flush(watermark_ms) {
    this.#checks.look();
    const dirty = this.#dirty;
    const valueWriter = new ByteWriter();
    const { ttl } = this.#spec;
    this.#watermark_ms = Math.max(this.#watermark_ms, watermark_ms);
    this.#turnDay();
    const today = ttlDay(this.#watermark_ms);
    let oldest = today;
    for (const scope of this.#dropped) this.#table.removeRange(rangeOf(scope, this.#spec.key));
    for (const row of dirty) {
      if (!row.dirty) continue;
      const keyBytes = this.#keyBytes(row.scope, row.key);
      if (row.value === void 0) {
        if (row.stored) this.#table.remove(keyBytes);
        if (!row.scope.young.delete(row.key)) row.scope.old.delete(row.key);
      } else {
        valueWriter.reset();
        if (ttl !== void 0) {
          const day = this.#ordered ? row.day : today;
          if (day < oldest) oldest = day;
          valueWriter.u8(day >> 8).u8(day & 255);
        }
        this.#checks.write(valueWriter, row, row.value);
        const bytes = valueWriter.view();
        row.until_ms = this.#until(bytes);
        this.#table.put(keyBytes, bytes);
        row.stored = true;
      }
      row.dirty = false;
    }
    const written2 = dirty.length;
    dirty.length = 0;
    for (const scope of this.#dropped) this.#release(scope);
    this.#dropped.clear();
    this.#last = void 0;
    if (this.#sweep?.run(watermark_ms, written2, oldest) === true) this.#forgetExpired();
  }
  /** What the sweep removes from the store goes from the cache too. */
  #forgetExpired() {
    for (const { young, old } of this.#scopes.values()) {
      for (const rows of [young, old]) {
        for (const [key, row] of rows) if (row.until_ms < this.#watermark_ms) rows.delete(key);
      }
    }
  }
};
function rangeOf({ prefix: prefix3 }, key) {
  const end = key === stringKey ? Buffer.concat([prefix3, Uint8Array.of(255)]) : prefixEnd(prefix3);
  return end === void 0 ? { start: prefix3 } : { start: prefix3, end };
}
function openTables(store, operator, specs, checks = "first", ordered = false) {
  const tables4 = {};
  for (const [name2, spec] of Object.entries(specs)) {
    const id = `${operator}/${name2}`;
    const table = store.table(id);
    const map3 = spec.kind === "map" ? spec : void 0;
    const canMigrate = map3?.migrate !== void 0;
    const migrate = canMigrate ? (from) => migrateRows(id, table, map3, from) : void 0;
    checkVersion(store, id, spec.version, migrate);
    tables4[name2] = map3 === void 0 ? table : new MapTable(map3, table, { id, checks, ordered });
  }
  return tables4;
}

// engine/edges/letter-allowance.ts
var MIN_MS = 6e4;
var HOUR_MS = 36e5;
var MONTH_MS = 30 * 24 * HOUR_MS;
var MAX_TENANTS = 1e4;
var MAX_RANGES = 1e3;
var RECORD_BYTES = 60;
var PREFIX = "deadletter.";
var prefix = () => new ByteWriter().orderedString("engine").orderedString("letters");
function bytesOf({ id, subject, headers: headers4, payload }) {
  const names = Object.entries(headers4).reduce((sum2, [name2, value]) => sum2 + name2.length + value.length, 0);
  return id.length + subject.length + names + payload.length + RECORD_BYTES;
}
function letterOf(tenant, { first, rejected, reasons, ranges }) {
  return {
    id: `${first}-more`,
    subject: `${PREFIX}${tenant}`,
    headers: {
      Reason: "too_many_letters",
      "Reason-Detail": `${rejected} more were rejected than dead letters are sent of one tenant; the payload says which`,
      "Original-Seq": String(ranges[0]?.[0] ?? 0)
    },
    payload: Buffer.from(JSON.stringify({ rejected, reasons, sequences: ranges })),
    unordered: true
  };
}
var LetterAllowance = class {
  #limits;
  #table;
  #uses = /* @__PURE__ */ new Map();
  #summaries = /* @__PURE__ */ new Map();
  /** Tenants whose rows are not what is known of them. */
  #changed = /* @__PURE__ */ new Set();
  #summed = 0;
  /** `table` has what was used, and what is to be told, from one process to the next. */
  constructor(limits, table) {
    this.#limits = limits;
    this.#table = table;
    const start = prefix().copy();
    const end = prefixEnd(start);
    for (const { value } of table.scan(end === void 0 ? { start } : { start, end })) {
      const { tenant, use, summary } = JSON.parse(Buffer.from(value).toString("utf8"));
      this.#uses.set(tenant, use);
      if (summary !== void 0) this.#summaries.set(tenant, summary);
    }
  }
  /** Dead letters that were put together. */
  get summed() {
    return this.#summed;
  }
  /** Whether a message may be sent; a dead letter that may not is counted for its tenant's summary. */
  takes(message, now_ms) {
    const { subject, headers: headers4, payload } = message;
    if (!subject.startsWith(PREFIX) || headers4["Original-Seq"] === void 0) return true;
    const tenant = subject.slice(PREFIX.length);
    const use = this.#useOf(tenant, now_ms);
    const { per_min, bytes_per_h } = this.#limits;
    this.#changed.add(tenant);
    const isInHour = use.bytes === 0 || use.bytes + payload.length <= bytes_per_h;
    if (use.letters + 1 <= per_min && isInHour && !this.#isUsedUp(use)) {
      use.letters++;
      use.bytes += payload.length;
      use.month_bytes += bytesOf(message);
      return true;
    }
    this.#summed++;
    this.#sum(tenant, message);
    return false;
  }
  #isUsedUp({ month_bytes }) {
    return month_bytes >= this.#limits.bytes_per_30d;
  }
  /** The summaries that are due of what was not taken. */
  summaries(now_ms) {
    const letters = [...this.#summaries].flatMap(([tenant, summary]) => {
      const { told_ms = Number.NEGATIVE_INFINITY, ...seen } = this.#usedAt(tenant, now_ms);
      const isUsedUp = this.#isUsedUp(seen);
      if (isUsedUp && now_ms - told_ms < HOUR_MS) return [];
      const use = this.#useOf(tenant, now_ms);
      if (isUsedUp) use.told_ms = now_ms;
      this.#summaries.delete(tenant);
      this.#changed.add(tenant);
      const letter = letterOf(tenant, summary);
      use.month_bytes += bytesOf(letter);
      return [letter];
    });
    return letters;
  }
  /** Inside the commit, behind the summaries that are part of it. */
  flush() {
    for (const tenant of this.#changed) this.#write(tenant);
    this.#changed.clear();
  }
  #write(tenant) {
    const use = this.#uses.get(tenant);
    const summary = this.#summaries.get(tenant);
    const key = prefix().orderedString(tenant).copy();
    if (use === void 0 && summary === void 0) this.#table.remove(key);
    else this.#table.put(key, Buffer.from(JSON.stringify({ tenant, use, summary })));
  }
  /** What the tenant has used: less and less as time passes. */
  #usedAt(tenant, now_ms) {
    const use = this.#uses.get(tenant) ?? { letters: 0, bytes: 0, month_bytes: 0, at_ms: now_ms };
    const passed_ms = Math.max(0, now_ms - use.at_ms);
    const left = (used, span_ms, limit) => Math.max(0, used - passed_ms / span_ms * limit);
    const { per_min, bytes_per_h, bytes_per_30d } = this.#limits;
    return {
      ...use,
      letters: left(use.letters, MIN_MS, per_min),
      bytes: left(use.bytes, HOUR_MS, bytes_per_h),
      month_bytes: left(use.month_bytes, MONTH_MS, bytes_per_30d),
      at_ms: now_ms
    };
  }
  /** The same, to be added to. */
  #useOf(tenant, now_ms) {
    const use = this.#usedAt(tenant, now_ms);
    this.#uses.delete(tenant);
    this.#uses.set(tenant, use);
    const [oldest] = this.#uses.keys();
    if (this.#uses.size > MAX_TENANTS && oldest !== void 0) {
      this.#uses.delete(oldest);
      this.#changed.add(oldest);
    }
    return use;
  }
  #sum(tenant, { id, headers: headers4 }) {
    const summary = this.#summaries.get(tenant) ?? { first: id, rejected: 0, reasons: {}, ranges: [] };
    this.#summaries.set(tenant, summary);
    const { Reason: reason = "", "Original-Seq": at2 } = headers4;
    const sequence = Number(at2);
    summary.rejected++;
    summary.reasons[reason] = (summary.reasons[reason] ?? 0) + 1;
    const last = summary.ranges.at(-1);
    if (last !== void 0 && (sequence <= last[1] + 1 || summary.ranges.length >= MAX_RANGES)) {
      last[1] = Math.max(last[1], sequence);
    } else summary.ranges.push([sequence, sequence]);
  }
};

// engine/edges/outbox.ts
function wasThere(stored) {
  return typeof stored === "object" && stored !== null && "isDuplicate" in stored && stored.isDuplicate === true;
}
var OUTBOX_TABLE = "outbox";
var DEFAULT_OUTBOX_LIMITS = { max_rows: 2e4, window: 256, retry_ms: 500 };
var RETRY_MAX_MS = 3e4;
var Outbox = class {
  #table;
  #publisher;
  #limits;
  #events;
  #next;
  #staged = [];
  /** Committed rows that have neither a place nor a lane to wait in, in order. */
  #queue = new Fifo();
  /** Of the subjects that have a message in flight or failed. What waits in one is older than what is in the queue. */
  #lanes = /* @__PURE__ */ new Map();
  /** Lanes whose pause is over, in order: they wait for a place. */
  #ready = new Fifo();
  /** Committed and without a final answer, in flight or not. */
  #unsettled = 0;
  #in_flight = 0;
  #acknowledged = [];
  #stopped = false;
  #retries = 0;
  #dropped = 0;
  #roomWaiters = [];
  constructor(table, publisher, next, limits, events) {
    this.#table = table;
    this.#events = events;
    this.#publisher = publisher;
    this.#limits = limits;
    this.#next = next;
    for (const { row, message } of owedMessages(table)) {
      this.#owe({ row, message, sends: 0, isOld: true });
    }
  }
  get next() {
    return this.#next;
  }
  /** Messages that are owed: staged, committed, or in flight. */
  get owed() {
    return this.#staged.length + this.#unsettled;
  }
  get hasChanges() {
    return this.#staged.length > 0 || this.#acknowledged.length > 0;
  }
  get retries() {
    return this.#retries;
  }
  /** Messages whose rows another process has removed. */
  get dropped() {
    return this.#dropped;
  }
  /** Subjects whose sends fail. */
  get failingSubjects() {
    let failing = 0;
    for (const { isFailing } of this.#lanes.values()) if (isFailing) failing++;
    return failing;
  }
  stage(message) {
    this.#staged.push({ ...message, payload: Uint8Array.from(message.payload) });
  }
  /** Inside the commit: writes what is staged, removes what was acknowledged. `sendCommitted` follows it. */
  flush() {
    const rows = this.#staged.map((message) => ({ row: this.#next++, message }));
    const writer5 = new ByteWriter();
    for (const { row, message } of rows) this.#table.put(rowKey(row), encodeMessage(writer5, message));
    for (const row of this.#acknowledged) this.#table.remove(rowKey(row));
    this.#staged = [];
    this.#acknowledged = [];
    return {
      sendCommitted: () => {
        for (const { row, message } of rows) this.#owe({ row, message, sends: 0, isOld: false });
        this.pump();
      }
    };
  }
  #owe(entry) {
    this.#queue.push(entry);
    this.#unsettled++;
  }
  /** Starts as many sends as the window and the order of the subjects allow. */
  pump() {
    while (!this.#stopped && this.#in_flight < this.#limits.window) {
      const lane = this.#ready.shift();
      if (lane !== void 0) {
        this.#startOf(lane);
        continue;
      }
      const entry = this.#queue.shift();
      if (entry === void 0) return;
      this.#admit(entry);
    }
  }
  #admit(entry) {
    const { subject, unordered } = entry.message;
    const lane = this.#laneOf(subject);
    const max = unordered === true ? Number.POSITIVE_INFINITY : this.#maxInFlight(subject);
    if (lane.isPaused || lane.isFailing || lane.in_flight >= max) lane.waiting.push(entry);
    else this.#start(entry, lane);
  }
  #laneOf(subject) {
    let lane = this.#lanes.get(subject);
    if (lane === void 0) {
      const { retry_ms } = this.#limits;
      const waiting = new Fifo();
      lane = {
        ...{ subject, waiting, failed: [], in_flight: 0 },
        ...{ isPaused: false, isFailing: false, pause_ms: retry_ms }
      };
      this.#lanes.set(subject, lane);
    }
    return lane;
  }
  #maxInFlight(subject) {
    return this.#publisher.maxInFlight?.(subject) ?? 1;
  }
  /** Of a lane, those that may begin now: one, while it fails. */
  #startOf(lane) {
    while (!this.#stopped && !lane.isPaused && this.#in_flight < this.#limits.window) {
      if (lane.isFailing && lane.in_flight > 0) return;
      const next = lane.failed[0] ?? lane.waiting.peek();
      if (next === void 0) break;
      const max = next.message.unordered === true ? Number.POSITIVE_INFINITY : this.#maxInFlight(lane.subject);
      if (lane.in_flight >= max) return;
      if (lane.failed.shift() === void 0) lane.waiting.shift();
      if (next.sends === 0 || this.#isStillOwed(next, lane.subject)) this.#start(next, lane);
    }
    const isEmpty = lane.in_flight === 0 && lane.failed.length === 0 && lane.waiting.peek() === void 0;
    if (isEmpty && !lane.isPaused) this.#lanes.delete(lane.subject);
    else if (this.#in_flight >= this.#limits.window && !lane.isPaused) this.#ready.push(lane);
  }
  /** Looks at the row before a repeat. One that has got another subject waits there from now on. */
  #isStillOwed(entry, subject) {
    const bytes = this.#table.get(rowKey(entry.row));
    if (bytes === void 0) {
      this.#dropped++;
      this.#settle(entry);
      return false;
    }
    entry.message = decodeMessage(bytes);
    if (entry.message.subject === subject) return true;
    this.#queue.push(entry);
    return false;
  }
  #start(entry, lane) {
    const isApart = this.#publisher.isApart?.(lane.subject) === true;
    if (!isApart) this.#in_flight++;
    lane.in_flight++;
    this.#send(entry).then((isFinal) => {
      if (!isApart) this.#in_flight--;
      lane.in_flight--;
      if (isFinal) this.#succeeded(entry, lane);
      else this.#failed(entry, lane);
      this.pump();
    }).catch(() => {
    });
  }
  /** The place that has become free is the next one's of the same subject. */
  #succeeded(entry, lane) {
    lane.isFailing = lane.isPaused;
    if (!lane.isPaused) lane.pause_ms = this.#limits.retry_ms;
    this.#settle(entry);
    this.#startOf(lane);
  }
  #settle({ row }) {
    this.#acknowledged.push(row);
    this.#unsettled--;
    if (this.owed < this.#limits.max_rows) {
      for (const wake of this.#roomWaiters.splice(0)) wake();
    }
  }
  #failed(entry, lane) {
    const { retry_max_ms = RETRY_MAX_MS } = this.#limits;
    lane.failed.push(entry);
    lane.failed.sort((a, b) => a.row - b.row);
    lane.isFailing = true;
    if (lane.isPaused || this.#stopped) return;
    lane.isPaused = true;
    const { pause_ms } = lane;
    lane.pause_ms = Math.min(2 * pause_ms, retry_max_ms);
    const wake = () => {
      lane.isPaused = false;
      this.#ready.push(lane);
      this.pump();
    };
    if (pause_ms > 0) setTimeout(wake, pause_ms).unref();
    else setImmediate(wake);
  }
  /** True when the answer is final. */
  async #send(entry) {
    const { message, isOld } = entry;
    const isFirst = entry.sends++ === 0 && !isOld;
    try {
      const stored = await this.#publisher.publish(message, isFirst);
      if (isFirst && wasThere(stored)) this.#events.duplicate?.(message);
      return true;
    } catch (error) {
      if (error instanceof MillraceError && !error.retriable) {
        this.#events.refused(message, error);
        return true;
      }
      this.#retries++;
      return false;
    }
  }
  /** Resolves when less than `max_rows` are owed: the task takes no input before. */
  room() {
    if (this.#stopped || this.owed < this.#limits.max_rows) return Promise.resolve();
    return new Promise((resolve) => this.#roomWaiters.push(resolve));
  }
  stop() {
    this.#stopped = true;
    for (const wake of this.#roomWaiters.splice(0)) wake();
  }
};
function* owedMessages(table) {
  for (const { key, value } of table.scan()) {
    yield { row: new ByteReader(key).u48(), message: decodeMessage(value) };
  }
}
function rowKey(row) {
  return new ByteWriter().u48(row).copy();
}
function encodeMessage(writer5, { id, subject, headers: headers4, payload }) {
  const entries = Object.entries(headers4);
  writer5.reset().string(id).string(subject).varint(entries.length);
  for (const [name2, value] of entries) writer5.string(name2).string(value);
  return writer5.bytes(payload).view();
}
function decodeMessage(bytes) {
  const reader = new ByteReader(bytes);
  const id = reader.string();
  const subject = reader.string();
  const headers4 = {};
  for (let left = reader.varint(); left > 0; left--) {
    const name2 = reader.string();
    headers4[name2] = reader.string();
  }
  return { id, subject, headers: headers4, payload: Uint8Array.from(reader.bytes(reader.remaining)) };
}

// engine/edges/quarantine.ts
function errorOf({ error, operator, isOfTime }, pushed) {
  const named2 = asMillraceError(error);
  const { code, cause } = named2;
  if (!CODES_OF_RECORDS.includes(code) || operator === void 0) return named2;
  const place = isOfTime || pushed === void 0 ? "" : placeOf(pushed);
  return new MillraceError(code, `${named2.message}${place}`, { cause, operator });
}
function placeOf({ node, records }) {
  const [first, last] = [records[0], records.at(-1)];
  if (first === void 0 || last === void 0) return "";
  if (first === last) return ` (record ${first.sequence} of "${node}", subject "${first.subject}")`;
  return ` (one of the records ${first.sequence} to ${last.sequence} of "${node}", subject "${first.subject}" and on)`;
}
var FailureWatch = class {
  #first;
  #time_depth = 0;
  get first() {
    return this.#first;
  }
  /** Around what an operator does when time moves, whatever it sets off downstream. */
  enterTime() {
    this.#time_depth++;
  }
  leaveTime() {
    this.#time_depth--;
  }
  report(operator, error) {
    this.#first ??= { operator, error, isOfTime: this.#time_depth > 0 };
  }
  /** Of what came out of the graph without an operator's handler. */
  reportUnknown(error) {
    this.#first ??= { operator: void 0, error, isOfTime: false };
  }
};
var CODES_OF_RECORDS = ["internal", "bad_event_time", "bad_text"];

// engine/edges/source.ts
var GAP_CHOICE = 'To go on without them, counted, give the source onGap: "skip" (--on-gap skip); for a stream whose messages replace one another, compacted: true.';

// engine/edges/stream-gap.ts
var StreamGapError = class extends MillraceError {
  gap;
  constructor(code, message, gap2) {
    super(code, message);
    this.gap = gap2;
  }
};

// engine/edges/stream-mark.ts
import { hash } from "node:crypto";
var MARKS_MAX = 8;
var HASH_CHARS = 24;
function markOf({ sequence, stored_ms, subject, data }) {
  if (stored_ms === void 0) return void 0;
  const bytes = Buffer.concat([Buffer.from(`${subject}\0`), data]);
  return { sequence, stored_ms, hash: hash("sha256", bytes, "base64url").slice(0, HASH_CHARS) };
}
function withMark(marks, mark) {
  const all = [...marks, mark];
  if (all.length <= MARKS_MAX) return all;
  const at2 = (index) => all[index]?.sequence ?? 0;
  const density = (index) => (at2(index + 1) - at2(index - 1)) / (mark.sequence - at2(index - 1) + 1);
  let worst = 1;
  for (let index = 2; index < all.length - 1; index++) if (density(index) < density(worst)) worst = index;
  return all.filter((_, index) => index !== worst);
}
function compareMarks(stream, read4, marks, found) {
  const isSame4 = (mark) => {
    const now = found.get(mark.sequence);
    return now === void 0 ? void 0 : now.stored_ms === mark.stored_ms && now.hash === mark.hash;
  };
  const other = marks.find((mark) => isSame4(mark) === false);
  if (other === void 0) return;
  const common = marks.filter((mark) => mark.sequence < other.sequence && isSame4(mark) === true).at(-1);
  const first = (common?.sequence ?? 0) + 1;
  throw new StreamGapError(
    "stream_replaced",
    `Message ${other.sequence} of stream "${stream}" is another one than was read: an older copy of the stream was restored, and messages were published since. Up to ${first - 1} it is the same. What was read from ${first} to ${read4} is counted and is not in the stream any more; what the stream has there now is not counted. Restore the newer copy, or publish what is missing again and rebuild the state: "millrace replay --make-current --force".`,
    { first, last: read4 }
  );
}

// engine/columns/local-ids.ts
var DIRECT_LIMIT = 1 << 21;
var MAX_BASE = 2 ** 30;
var GOLDEN = 2654435761;
var INITIAL_ROWS = 4096;
var NUMBER_SLOTS = 1024;
var TWO_322 = 2 ** 32;
var LocalIds = class {
  ids = new Int32Array(INITIAL_ROWS);
  distinct = new Int32Array(INITIAL_ROWS);
  numbers = new Float64Array(NUMBER_SLOTS);
  /** By value: base + id of values of this column, less for all others. */
  #direct = new Int32Array(INITIAL_ROWS);
  #base = 1;
  #slots = new Int32Array(INITIAL_ROWS);
  #numberSlots = new Int32Array(NUMBER_SLOTS);
  /** Distinct values, or 0 when there are so many that listing them saves nothing. Values are not negative. */
  of(values, rows) {
    if (this.ids.length < rows) {
      this.ids = new Int32Array(rows);
      this.distinct = new Int32Array(rows);
    }
    let max = 0;
    for (let row = 0; row < rows; row++) if (values[row] > max) max = values[row];
    return max < DIRECT_LIMIT ? this.#byValue(values, rows, max) : this.#byHash(values, rows);
  }
  #byValue(values, rows, max) {
    if (this.#base + rows > MAX_BASE) {
      this.#direct.fill(0);
      this.#base = 1;
    }
    if (max >= this.#direct.length) {
      let size = this.#direct.length;
      while (size <= max) size *= 2;
      this.#direct = new Int32Array(size);
      this.#base = 1;
    }
    const { ids, distinct } = this;
    const direct = this.#direct;
    const base = this.#base;
    let count2 = 0;
    for (let row = 0; row < rows; row++) {
      const value = values[row];
      let id = direct[value] - base;
      if (id < 0) {
        id = count2++;
        direct[value] = base + id;
        distinct[id] = value;
      }
      ids[row] = id;
    }
    this.#base = base + count2;
    return count2;
  }
  #byHash(values, rows) {
    const limit = Math.max(2, rows >> 1);
    let size = INITIAL_ROWS;
    while (size < limit * 2) size *= 2;
    if (this.#slots.length < size) this.#slots = new Int32Array(size);
    const slots = this.#slots;
    slots.fill(0, 0, size);
    const mask = size - 1;
    const { ids, distinct } = this;
    let count2 = 0;
    for (let row = 0; row < rows; row++) {
      const value = values[row];
      let slot = Math.imul(value, GOLDEN) >>> 11 & mask;
      while (slots[slot] !== 0 && distinct[slots[slot] - 1] !== value) slot = slot + 1 & mask;
      if (slots[slot] === 0) {
        if (count2 === limit) return 0;
        distinct[count2++] = value;
        slots[slot] = count2;
      }
      ids[row] = slots[slot] - 1;
    }
    return count2;
  }
  /** Distinct numbers, NaN among them, or 0 when there are more than `limit` (at most half the slots). */
  ofNumbers(values, rows, limit) {
    if (this.ids.length < rows) {
      this.ids = new Int32Array(rows);
      this.distinct = new Int32Array(rows);
    }
    const { ids, numbers } = this;
    const slots = this.#numberSlots;
    slots.fill(0);
    let count2 = 0;
    let none = -1;
    for (let row = 0; row < rows; row++) {
      const value = values[row];
      if (Number.isNaN(value) && none >= 0) {
        ids[row] = none;
        continue;
      }
      let slot = Math.imul((value | 0) ^ (value / TWO_322 | 0), GOLDEN) >>> 22;
      while (slots[slot] !== 0 && numbers[slots[slot] - 1] !== value)
        slot = slot + 1 & NUMBER_SLOTS - 1;
      if (slots[slot] === 0) {
        if (count2 === limit) return 0;
        if (Number.isNaN(value)) none = count2;
        numbers[count2++] = value;
        slots[slot] = count2;
      }
      ids[row] = slots[slot] - 1;
    }
    return count2;
  }
};

// engine/columns/packed.ts
var WIDTHS = [1, 2, 4, 8, 16, 24, 32];
var TWO_323 = 2 ** 32;
function widthOf(max) {
  if (max >= TWO_323) return 0;
  for (const width of WIDTHS) if (max < 2 ** width) return width;
  return 0;
}
function packedBytes(count2, width) {
  return Math.ceil(count2 * width / 64) * 8;
}
function pack(values, count2, width, target, at2) {
  const { buffer, byteOffset } = target;
  if (width === 8) for (let i = 0; i < count2; i++) target[at2 + i] = values[i];
  else if (width === 16) {
    const words4 = new Uint16Array(buffer, byteOffset + at2, count2);
    for (let i = 0; i < count2; i++) words4[i] = values[i];
  } else if (width === 32) {
    const words4 = new Int32Array(buffer, byteOffset + at2, count2);
    for (let i = 0; i < count2; i++) words4[i] = values[i];
  } else if (width === 24) {
    for (let i = 0, to = at2; i < count2; i++, to += 3) {
      const value = values[i];
      target[to] = value;
      target[to + 1] = value >>> 8;
      target[to + 2] = value >>> 16;
    }
  } else packBits(values, count2, width, target, at2);
}
function packBits(values, count2, width, target, at2) {
  const each2 = 8 / width;
  let to = at2;
  for (let i = 0; i < count2; i += each2) {
    let byte = 0;
    const last = Math.min(each2, count2 - i);
    for (let k = 0; k < last; k++) byte |= values[i + k] << k * width;
    target[to++] = byte;
  }
}
var MIN_ROOM = 64;
function roomFor(count2) {
  return count2 <= MIN_ROOM ? MIN_ROOM : 2 ** (32 - Math.clz32(count2 - 1));
}
var Unpacked = class {
  #bytes = new Uint8Array(0);
  #words = new Uint32Array(0);
  bytes(count2) {
    if (this.#bytes.length < count2 + 7) this.#bytes = new Uint8Array(roomFor(count2 + 7));
    return this.#bytes;
  }
  words(count2) {
    if (this.#words.length < count2) this.#words = new Uint32Array(roomFor(count2));
    return this.#words;
  }
};
function unpack(source, at2, count2, width, scratch) {
  invariant(at2 + Math.ceil(count2 * width / 8) <= source.length, "a stored column has all its numbers");
  const { buffer, byteOffset } = source;
  switch (width) {
    case 8:
      return new Uint8Array(buffer, byteOffset + at2, count2);
    case 16:
      return new Uint16Array(buffer, byteOffset + at2, count2);
    case 32:
      return new Uint32Array(buffer, byteOffset + at2, count2);
    case 24:
      return unpack24(source, at2, count2, scratch.words(count2));
    case 4:
      return unpack4(source, at2, count2, scratch.bytes(count2));
    case 2:
      return unpack2(source, at2, count2, scratch.bytes(count2));
    case 1:
      return unpack1(source, at2, count2, scratch.bytes(count2));
    default:
      invariant(false, `a stored column has numbers of ${width} bits`);
  }
}
function unpack24(source, at2, count2, target) {
  for (let i = 0, from = at2; i < count2; i++, from += 3)
    target[i] = source[from] | source[from + 1] << 8 | source[from + 2] << 16;
  return target.subarray(0, count2);
}
function unpack4(source, at2, count2, target) {
  for (let to = 0, from = at2; to < count2; from++) {
    const byte = source[from];
    target[to++] = byte & 15;
    target[to++] = byte >> 4;
  }
  return target.subarray(0, count2);
}
function unpack2(source, at2, count2, target) {
  for (let to = 0, from = at2; to < count2; from++) {
    const byte = source[from];
    target[to++] = byte & 3;
    target[to++] = byte >> 2 & 3;
    target[to++] = byte >> 4 & 3;
    target[to++] = byte >> 6;
  }
  return target.subarray(0, count2);
}
function unpack1(source, at2, count2, target) {
  for (let to = 0, from = at2; to < count2; from++) {
    const byte = source[from];
    for (let bit = 0; bit < 8; bit++) target[to++] = byte >> bit & 1;
  }
  return target.subarray(0, count2);
}

// engine/columns/places.ts
import { endianness } from "node:os";
invariant(endianness() === "LE", "the log is read and written on little-endian machines");
var CHUNK_MAX_ROWS = 65536;
var TIME = 0;
var SEQUENCE = 1;
var PART = 2;
var LIST = 3;
var LIST_SIZE = 4;
var FIRST_COLUMN = 5;

// engine/columns/column-encoder.ts
var CONSTANT = 1;
var DICTIONARY = 2;
var RAW = 3;
var INTEGER = 4;
var SPARSE = 5;
var PACKED = 6;
var HEADER_BYTES = 8;
var INTEGER_HEADER_BYTES = 24;
var NOTHING = new Uint8Array(0);
var INITIAL_BYTES2 = 1 << 16;
var MAX_NUMBERS = 256;
var SECOND_MS = 1e3;
function placeWidth(rows) {
  return rows <= CHUNK_MAX_ROWS ? 16 : 32;
}
function padded(bytes) {
  return bytes + 7 & ~7;
}
var ColumnEncoder = class {
  #bytes = new Uint8Array(INITIAL_BYTES2);
  #ids = new LocalIds();
  #places = new Int32Array(0);
  #integers = new Int32Array(0);
  #start(kind, width, count2, size) {
    if (size > this.#bytes.length) this.#bytes = new Uint8Array(Math.max(size, this.#bytes.length * 2));
    const bytes = this.#bytes;
    bytes[0] = kind;
    bytes[1] = width;
    bytes[2] = 0;
    bytes[3] = 0;
    new Uint32Array(bytes.buffer, 4, 1)[0] = count2;
    return bytes;
  }
  /** Codes 0..2^31-1. */
  codes(values, rows) {
    const ids = this.#ids;
    const count2 = ids.of(values, rows);
    if (count2 === 1) return this.#constantCode(values[0]);
    const width = widthOf(count2 - 1);
    const listed = HEADER_BYTES + padded(count2 * 4) + packedBytes(rows, width);
    const raw = HEADER_BYTES + padded(rows * 4);
    if (count2 === 0 || raw <= listed) {
      const bytes2 = this.#start(RAW, 0, rows, raw);
      new Int32Array(bytes2.buffer, HEADER_BYTES, rows).set(values.subarray(0, rows));
      return bytes2.subarray(0, raw);
    }
    const bytes = this.#start(DICTIONARY, width, count2, listed);
    new Int32Array(bytes.buffer, HEADER_BYTES, count2).set(ids.distinct.subarray(0, count2));
    pack(ids.ids, rows, width, bytes, HEADER_BYTES + padded(count2 * 4));
    return bytes.subarray(0, listed);
  }
  #constantCode(value) {
    return value === 0 ? NOTHING : this.#start(CONSTANT, 0, value, HEADER_BYTES).subarray(0, HEADER_BYTES);
  }
  /** Numbers of hashes whose words are `hi` and `lo`; number 0 is none. */
  hashes(values, rows, hi, lo) {
    const ids = this.#ids;
    const count2 = ids.of(values, rows);
    if (count2 === 1 && values[0] === 0) return NOTHING;
    const width = count2 === 1 ? 0 : widthOf(count2 - 1);
    const raw = HEADER_BYTES + 2 * padded(rows * 4);
    const words4 = padded(count2 * 4);
    const listed = HEADER_BYTES + 2 * words4 + packedBytes(rows, width);
    if (count2 > 1 && raw <= listed) return this.#rawHashes(values, rows, hi, lo, raw);
    const bytes = this.#start(count2 === 1 ? CONSTANT : DICTIONARY, width, count2, listed);
    const his = new Int32Array(bytes.buffer, HEADER_BYTES, count2);
    const los = new Int32Array(bytes.buffer, HEADER_BYTES + words4, count2);
    const { distinct } = ids;
    for (let id = 0; id < count2; id++) {
      his[id] = hi[distinct[id]];
      los[id] = lo[distinct[id]];
    }
    if (count2 > 1) pack(ids.ids, rows, width, bytes, HEADER_BYTES + 2 * words4);
    return bytes.subarray(0, listed);
  }
  #rawHashes(values, rows, hi, lo, size) {
    const bytes = this.#start(RAW, 0, rows, size);
    const his = new Int32Array(bytes.buffer, HEADER_BYTES, rows);
    const los = new Int32Array(bytes.buffer, HEADER_BYTES + padded(rows * 4), rows);
    for (let row = 0; row < rows; row++) {
      his[row] = hi[values[row]];
      los[row] = lo[values[row]];
    }
    return bytes.subarray(0, size);
  }
  /** Integers that are not negative, as they are. */
  integers(values, count2) {
    let max = 0;
    for (let at2 = 0; at2 < count2; at2++) if (values[at2] > max) max = values[at2];
    const width = widthOf(max);
    const size = HEADER_BYTES + packedBytes(count2, width);
    const bytes = this.#start(PACKED, width, count2, size);
    pack(values, count2, width, bytes, HEADER_BYTES);
    return bytes.subarray(0, size);
  }
  /** Numbers, NaN is none; times may be stored in seconds. */
  numbers(values, rows) {
    let none = 0;
    let min = Number.POSITIVE_INFINITY;
    let max = Number.NEGATIVE_INFINITY;
    let isWhole = true;
    for (let row = 0; row < rows; row++) {
      const value = values[row];
      if (value < min) min = value;
      if (value > max) max = value;
      if (Number.isNaN(value)) none++;
      else if (value !== Math.floor(value)) isWhole = false;
    }
    if (none === rows) return NOTHING;
    if (min === max && none === 0) {
      const bytes = this.#start(CONSTANT, 0, 1, HEADER_BYTES + 8);
      new Float64Array(bytes.buffer, HEADER_BYTES, 1)[0] = min;
      return bytes.subarray(0, HEADER_BYTES + 8);
    }
    return this.#manyNumbers(values, rows, none, min, isWhole ? max - min : Number.POSITIVE_INFINITY);
  }
  #manyNumbers(values, rows, none, min, range) {
    const scale = range > 65535 && isScaled(values, rows, min) ? SECOND_MS : 1;
    const width = widthOf(range / scale + (none > 0 ? 1 : 0));
    const raw = HEADER_BYTES + rows * 8;
    const integer2 = width === 0 ? raw : INTEGER_HEADER_BYTES + packedBytes(rows, width);
    const sparseWidth = widthOf(range / scale);
    const held = rows - none;
    const sparse = sparseWidth === 0 || none * 2 < rows ? raw : INTEGER_HEADER_BYTES + packedBytes(held, placeWidth(rows)) + packedBytes(held, sparseWidth);
    const best = Math.min(raw, integer2, sparse);
    const count2 = width === 1 ? 0 : this.#ids.ofNumbers(values, rows, MAX_NUMBERS);
    if (count2 > 0) {
      const indexWidth = widthOf(Math.max(1, count2 - 1));
      const listed = HEADER_BYTES + count2 * 8 + packedBytes(rows, indexWidth);
      if (listed < best) return this.#listedNumbers(count2, indexWidth, rows, listed);
    }
    if (best === raw) {
      const bytes = this.#start(RAW, 0, rows, raw);
      new Float64Array(bytes.buffer, HEADER_BYTES, rows).set(values.subarray(0, rows));
      return bytes.subarray(0, raw);
    }
    if (best === integer2) return this.#small(values, rows, min, scale, width, none > 0 ? 1 : 0);
    return this.#sparse(values, rows, held, min, scale, sparseWidth);
  }
  #listedNumbers(count2, width, rows, size) {
    const bytes = this.#start(DICTIONARY, width, count2, size);
    new Float64Array(bytes.buffer, HEADER_BYTES, count2).set(this.#ids.numbers.subarray(0, count2));
    pack(this.#ids.ids, rows, width, bytes, HEADER_BYTES + count2 * 8);
    return bytes.subarray(0, size);
  }
  #small(values, rows, base, scale, width, first) {
    const size = INTEGER_HEADER_BYTES + packedBytes(rows, width);
    const bytes = this.#start(INTEGER, width, rows, size);
    bytes[2] = first;
    const head = new Float64Array(bytes.buffer, HEADER_BYTES, 2);
    head[0] = base;
    head[1] = scale;
    const integers = this.#room(rows);
    for (let row = 0; row < rows; row++) {
      const value = values[row];
      integers[row] = Number.isNaN(value) ? 0 : (value - base) / scale + first;
    }
    pack(integers, rows, width, bytes, INTEGER_HEADER_BYTES);
    return bytes.subarray(0, size);
  }
  #sparse(values, rows, held, base, scale, width) {
    const placesBytes = packedBytes(held, placeWidth(rows));
    const size = INTEGER_HEADER_BYTES + placesBytes + packedBytes(held, width);
    const bytes = this.#start(SPARSE, width, held, size);
    const head = new Float64Array(bytes.buffer, HEADER_BYTES, 2);
    head[0] = base;
    head[1] = scale;
    const integers = this.#room(rows);
    const places = this.#places;
    let at2 = 0;
    for (let row = 0; row < rows; row++) {
      const value = values[row];
      if (Number.isNaN(value)) continue;
      places[at2] = row;
      integers[at2++] = (value - base) / scale;
    }
    pack(places, held, placeWidth(rows), bytes, INTEGER_HEADER_BYTES);
    pack(integers, held, width, bytes, INTEGER_HEADER_BYTES + placesBytes);
    return bytes.subarray(0, size);
  }
  #room(rows) {
    if (this.#integers.length < rows) {
      this.#integers = new Int32Array(rows);
      this.#places = new Int32Array(rows);
    }
    return this.#integers;
  }
};
function isScaled(values, rows, min) {
  for (let row = 0; row < rows; row++) {
    const value = values[row];
    if (!Number.isNaN(value) && (value - min) % SECOND_MS !== 0) return false;
  }
  return true;
}

// engine/columns/column-decoder.ts
var EACH = Uint16Array.from({ length: CHUNK_MAX_ROWS }, (_unused, row) => row);
var ZERO = new Int32Array(1);
var NO_CODES = { index: null, values: ZERO };
var NO_HASHES = { index: null, hi: ZERO, lo: ZERO };
function each(rows) {
  if (rows <= CHUNK_MAX_ROWS) return EACH.subarray(0, rows);
  return Uint32Array.from({ length: rows }, (_unused, row) => row);
}
function countOf(column) {
  return new Uint32Array(column.buffer, column.byteOffset + 4, 1)[0];
}
function words(column, at2, count2) {
  invariant(at2 + count2 * 4 <= column.length, "a stored column has all its values");
  return new Int32Array(column.buffer, column.byteOffset + at2, count2);
}
function doubles(column, at2, count2) {
  invariant(at2 + count2 * 8 <= column.length, "a stored column has all its values");
  return new Float64Array(column.buffer, column.byteOffset + at2, count2);
}
function padded2(bytes) {
  return bytes + 7 & ~7;
}
function decodeCodes(column, rows, scratch) {
  if (column === void 0) return NO_CODES;
  const count2 = countOf(column);
  switch (column[0]) {
    case CONSTANT:
      return { index: null, values: Int32Array.of(count2) };
    case RAW:
      return { index: each(rows), values: words(column, HEADER_BYTES, rows) };
    case DICTIONARY: {
      const at2 = HEADER_BYTES + padded2(count2 * 4);
      return {
        index: unpack(column, at2, rows, column[1], scratch),
        values: words(column, HEADER_BYTES, count2)
      };
    }
    default:
      invariant(false, `no encoding of codes has the number ${column[0]}`);
  }
}
function decodeHashes(column, rows, scratch) {
  if (column === void 0) return NO_HASHES;
  const count2 = countOf(column);
  const second = HEADER_BYTES + padded2(count2 * 4);
  const hi = words(column, HEADER_BYTES, count2);
  const lo = words(column, second, count2);
  switch (column[0]) {
    case CONSTANT:
      return { index: null, hi, lo };
    case RAW:
      return { index: each(rows), hi, lo };
    case DICTIONARY: {
      const index = unpack(column, second + padded2(count2 * 4), rows, column[1], scratch);
      return { index, hi, lo };
    }
    default:
      invariant(false, `no encoding of hashes has the number ${column[0]}`);
  }
}
function decodeIntegers(column, scratch) {
  if (column === void 0) return new Uint8Array(0);
  invariant(column[0] === PACKED, `no encoding of integers has the number ${column[0]}`);
  return unpack(column, HEADER_BYTES, countOf(column), column[1], scratch);
}
function decodeNumbers(column, rows, scratch, target, at2 = 0) {
  if (column === void 0) {
    target.fill(Number.NaN, at2, at2 + rows);
    return;
  }
  const count2 = countOf(column);
  const width = column[1];
  switch (column[0]) {
    case CONSTANT:
      target.fill(doubles(column, HEADER_BYTES, 1)[0], at2, at2 + rows);
      return;
    case RAW:
      target.set(doubles(column, HEADER_BYTES, rows), at2);
      return;
    case DICTIONARY: {
      const index = unpack(column, HEADER_BYTES + count2 * 8, rows, width, scratch);
      const values = doubles(column, HEADER_BYTES, count2);
      for (let row = 0; row < rows; row++) target[at2 + row] = values[index[row]];
      return;
    }
    case INTEGER: {
      const [base, scale] = doubles(column, HEADER_BYTES, 2);
      const values = unpack(column, INTEGER_HEADER_BYTES, rows, width, scratch);
      if (column[2] === 0) addBase(values, rows, base, scale, target, at2);
      else addBaseOrNone(values, rows, base, scale, target, at2);
      return;
    }
    case SPARSE: {
      const [base, scale] = doubles(column, HEADER_BYTES, 2);
      const placeBits = placeWidth(rows);
      const places = unpack(column, INTEGER_HEADER_BYTES, count2, placeBits, scratch);
      const values = unpack(
        column,
        INTEGER_HEADER_BYTES + packedBytes(count2, placeBits),
        count2,
        width,
        scratch
      );
      target.fill(Number.NaN, at2, at2 + rows);
      for (let k = 0; k < count2; k++)
        target[at2 + places[k]] = base + values[k] * scale;
      return;
    }
    default:
      invariant(false, `no encoding of numbers has the number ${column[0]}`);
  }
}
function addBase(values, rows, base, scale, target, at2) {
  for (let row = 0; row < rows; row++) target[at2 + row] = base + values[row] * scale;
}
function addBaseOrNone(values, rows, base, scale, target, at2) {
  for (let row = 0; row < rows; row++) {
    const value = values[row];
    target[at2 + row] = value === 0 ? Number.NaN : base + (value - 1) * scale;
  }
}

// engine/columns/dictionary.ts
var NO_TEXT = 0;
var OTHER_TEXT = "__other__";
var DEFAULT_DICTIONARY_TEXTS = 1e6;
var encoder = new TextEncoder();
var FNV_OFFSET = 2166136261 | 0;
var FNV_PRIME = 16777619;
var INITIAL_SLOTS = 1 << 12;
var INITIAL_BYTES3 = 1 << 16;
var Dictionary = class {
  limit;
  #texts = [""];
  /** FNV-1a of each text's UTF-8, and where its bytes lie. */
  #hashes = new Int32Array(INITIAL_SLOTS);
  #starts = new Int32Array(INITIAL_SLOTS + 1);
  #bytes = new Uint8Array(INITIAL_BYTES3);
  /** Codes by hash, open addressing with linear probing, at most half full; 0 is empty. */
  #slots = new Int32Array(INITIAL_SLOTS);
  /** Codes below it are stored; that of OTHER_TEXT is the same in every dictionary. */
  #stored = 2;
  /** Look-ups that got OTHER_TEXT. */
  overflowed = 0;
  constructor(limit = DEFAULT_DICTIONARY_TEXTS) {
    this.limit = limit;
    this.#add(
      OTHER_TEXT,
      encoder.encode(OTHER_TEXT),
      hashOf(encoder.encode(OTHER_TEXT), 0, OTHER_TEXT.length)
    );
  }
  /** Codes given so far; the next one. */
  get size() {
    return this.#texts.length;
  }
  textOf(code) {
    const text2 = this.#texts[code];
    if (text2 === void 0) throw new Error(`no text has the code ${code}`);
    return text2;
  }
  /** Whether new texts get the code of `OTHER_TEXT`. */
  get isFull() {
    return this.#texts.length > this.limit;
  }
  /** The code of a text, or -1 when it has none; gives none. */
  find(text2) {
    if (text2 === "") return NO_TEXT;
    const bytes = encoder.encode(text2);
    const slot = this.#slot(bytes, 0, bytes.length, hashOf(bytes, 0, bytes.length));
    return this.#slots[slot] === 0 ? -1 : this.#slots[slot];
  }
  codeOf(text2) {
    if (text2 === "") return NO_TEXT;
    const bytes = encoder.encode(text2);
    const hash3 = hashOf(bytes, 0, bytes.length);
    const slot = this.#slot(bytes, 0, bytes.length, hash3);
    const code = this.#slots[slot];
    return code !== 0 ? code : this.#add(text2, bytes, hash3);
  }
  /**
   * The code of a text that must not share one: a tenant, a currency. Never that of `OTHER_TEXT`, however full the
   * dictionary is. For texts of which there are few.
   */
  ownCodeOf(text2) {
    const known2 = this.find(text2);
    if (known2 >= 0) return known2;
    const bytes = encoder.encode(text2);
    return this.#give(text2, bytes, hashOf(bytes, 0, bytes.length));
  }
  /** The code of UTF-8 bytes [start, end) whose FNV-1a is `hash`. */
  codeOfBytes(bytes, start, end, hash3) {
    if (start === end) return NO_TEXT;
    const slot = this.#slot(bytes, start, end, hash3);
    const code = this.#slots[slot];
    if (code !== 0) return code;
    const copy = Uint8Array.from(bytes.subarray(start, end));
    return this.#add(new TextDecoder("utf-8", { ignoreBOM: true }).decode(copy), copy, hash3);
  }
  #slot(bytes, start, end, hash3) {
    const mask = this.#slots.length - 1;
    for (let slot = (hash3 ^ hash3 >>> 15) & mask; ; slot = slot + 1 & mask) {
      const code = this.#slots[slot];
      if (code === 0) return slot;
      if (this.#hashes[code] === hash3 && this.#equals(code, bytes, start, end)) return slot;
    }
  }
  #equals(code, bytes, start, end) {
    const from = this.#starts[code];
    if (this.#starts[code + 1] - from !== end - start) return false;
    const own = this.#bytes;
    for (let at2 = start, own_at = from; at2 < end; at2++, own_at++) if (own[own_at] !== bytes[at2]) return false;
    return true;
  }
  #add(text2, bytes, hash3) {
    if (this.isFull && text2 !== OTHER_TEXT) {
      this.overflowed++;
      return this.codeOf(OTHER_TEXT);
    }
    return this.#give(text2, bytes, hash3);
  }
  #give(text2, bytes, hash3) {
    const code = this.#texts.length;
    this.#texts.push(text2);
    if (code + 2 > this.#starts.length) this.#growEntries();
    const from = this.#starts[code];
    if (from + bytes.length > this.#bytes.length) this.#growBytes(from + bytes.length);
    this.#bytes.set(bytes, from);
    this.#starts[code + 1] = from + bytes.length;
    this.#hashes[code] = hash3;
    if ((code + 1) * 2 > this.#slots.length) this.#growSlots();
    else this.#slots[this.#slot(bytes, 0, bytes.length, hash3)] = code;
    return code;
  }
  #growEntries() {
    const size = this.#hashes.length * 2;
    const hashes = new Int32Array(size);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const starts = new Int32Array(size + 1);
    starts.set(this.#starts);
    this.#starts = starts;
  }
  #growBytes(needed) {
    let size = this.#bytes.length;
    while (size < needed) size *= 2;
    const bytes = new Uint8Array(size);
    bytes.set(this.#bytes);
    this.#bytes = bytes;
  }
  #growSlots() {
    const slots = new Int32Array(this.#slots.length * 2);
    const mask = slots.length - 1;
    for (let code = 1; code < this.#texts.length; code++) {
      const hash3 = this.#hashes[code];
      let slot = (hash3 ^ hash3 >>> 15) & mask;
      while (slots[slot] !== 0) slot = slot + 1 & mask;
      slots[slot] = code;
    }
    this.#slots = slots;
  }
  /** Writes what was given since the last time; inside a commit. */
  flush(table) {
    if (this.#stored === this.#texts.length) return;
    const writer5 = new ByteWriter();
    for (let code = this.#stored; code < this.#texts.length; code++)
      writer5.string(this.#texts[code]);
    table.put(new ByteWriter().u48(this.#stored).copy(), writer5.copy());
    this.#stored = this.#texts.length;
  }
  /** Reads what is stored beyond what is known here; so a reader's copy follows the writer's. */
  follow(table) {
    const start = new ByteWriter().u48(this.#texts.length).copy();
    for (const { key, value } of table.scan({ start })) {
      const first = new ByteReader(key).u48();
      if (first > this.#texts.length) throw new Error(`the dictionary lacks codes before ${first}`);
      const reader = new ByteReader(value);
      for (; reader.position < value.length; ) {
        const text2 = reader.string();
        const bytes = encoder.encode(text2);
        this.#give(text2, bytes, hashOf(bytes, 0, bytes.length));
      }
    }
    this.#stored = this.#texts.length;
  }
};
function hashOf(bytes, start, end) {
  let hash3 = FNV_OFFSET;
  for (let at2 = start; at2 < end; at2++) hash3 = Math.imul(hash3 ^ bytes[at2], FNV_PRIME);
  return hash3;
}

// engine/columns/hash-ids.ts
var INITIAL = 128;
var GOLDEN2 = 2654435761;
var HashIds = class {
  hi = new Int32Array(INITIAL);
  lo = new Int32Array(INITIAL);
  count = 1;
  /** Open addressing, at most half full. */
  #slots = new Int32Array(INITIAL * 2);
  clear() {
    if (this.count * 16 < this.#slots.length && this.#slots.length > INITIAL * 2) {
      this.#slots = new Int32Array(INITIAL * 2);
      this.hi = new Int32Array(INITIAL);
      this.lo = new Int32Array(INITIAL);
    } else this.#slots.fill(0);
    this.count = 1;
  }
  idOf(hi, lo) {
    if ((hi | lo) === 0) return 0;
    const slots = this.#slots;
    const mask = slots.length - 1;
    const mixed = Math.imul(lo ^ Math.imul(hi, GOLDEN2), GOLDEN2);
    for (let slot = (mixed ^ mixed >>> 15) & mask; ; slot = slot + 1 & mask) {
      const id = slots[slot];
      if (id === 0) return this.#add(hi, lo, slot);
      if (this.lo[id] === lo && this.hi[id] === hi) return id;
    }
  }
  #add(hi, lo, slot) {
    const id = this.count;
    if (id === this.hi.length) {
      this.#grow();
      return this.idOf(hi, lo);
    }
    this.hi[id] = hi;
    this.lo[id] = lo;
    this.#slots[slot] = id;
    this.count++;
    return id;
  }
  #grow() {
    const { hi, lo, count: count2 } = this;
    this.hi = new Int32Array(count2 * 2);
    this.lo = new Int32Array(count2 * 2);
    this.#slots = new Int32Array(count2 * 4);
    this.count = 1;
    for (let id = 1; id < count2; id++) this.idOf(hi[id], lo[id]);
  }
};

// engine/columns/item-lists.ts
var INITIAL2 = 64;
var PRIME = 16777619;
var TWO_324 = 2 ** 32;
var ItemListTable = class {
  #columns;
  count = 1;
  start = new Int32Array(INITIAL2);
  size = new Int32Array(INITIAL2);
  #slots = new Int32Array(INITIAL2 * 2);
  constructor(columns) {
    this.#columns = columns;
  }
  /** The list with the content of the items [start, start + size). */
  listOf(start, size) {
    if (size === 0) return 0;
    const mask = this.#slots.length - 1;
    for (let slot = this.#hash(start, size) & mask; ; slot = slot + 1 & mask) {
      const list = this.#slots[slot];
      if (list === 0) return this.#add(start, size, slot);
      if (this.#equals(list, start, size)) return list;
    }
  }
  lists(list) {
    const { codes, numbers } = this.#columns;
    return {
      list,
      count: this.count,
      start: this.start,
      size: this.size,
      codes: (column) => codes[column],
      numbers: (column) => numbers[column]
    };
  }
  #add(start, size, slot) {
    const list = this.count;
    if (list === this.start.length) {
      this.#grow();
      return this.listOf(start, size);
    }
    this.start[list] = start;
    this.size[list] = size;
    this.#slots[slot] = list;
    this.count++;
    return list;
  }
  #grow() {
    const { start, size, count: count2 } = this;
    this.start = new Int32Array(count2 * 2);
    this.size = new Int32Array(count2 * 2);
    this.#slots = new Int32Array(count2 * 4);
    this.count = 1;
    for (let list = 1; list < count2; list++) this.listOf(start[list], size[list]);
  }
  #hash(start, size) {
    const { codes, numbers } = this.#columns;
    const end = start + size;
    let hash3 = size;
    for (const column of codes)
      for (let item = start; item < end; item++) hash3 = Math.imul(hash3 ^ column[item], PRIME);
    for (const column of numbers) {
      for (let item = start; item < end; item++) {
        const value = column[item];
        hash3 = Math.imul(hash3 ^ value ^ value / TWO_324, PRIME);
      }
    }
    return hash3 ^ hash3 >>> 15;
  }
  #equals(list, start, size) {
    const from = this.start[list];
    if (this.size[list] !== size) return false;
    if (from === start) return true;
    const { codes, numbers } = this.#columns;
    for (const column of codes)
      for (let k = 0; k < size; k++) if (column[from + k] !== column[start + k]) return false;
    for (const column of numbers)
      for (let k = 0; k < size; k++)
        if (!Object.is(column[from + k], column[start + k])) return false;
    return true;
  }
};

// engine/columns/row-batch.ts
var Columns = class {
  capacity;
  codes;
  hashes;
  numbers;
  constructor(specs, capacity) {
    this.capacity = capacity;
    const of = (kind) => specs.filter((spec) => spec.kind === kind);
    this.codes = of("code").map(() => new Int32Array(capacity));
    this.hashes = of("hash").map(() => ({ hi: new Int32Array(capacity), lo: new Int32Array(capacity) }));
    this.numbers = of("number").map(() => new Float64Array(capacity).fill(Number.NaN));
  }
  grow(capacity) {
    const { codes, hashes, numbers } = this;
    for (let index = 0; index < codes.length; index++)
      codes[index] = ints(codes[index], capacity);
    for (const hash3 of hashes) {
      hash3.hi = ints(hash3.hi, capacity);
      hash3.lo = ints(hash3.lo, capacity);
    }
    for (let index = 0; index < numbers.length; index++)
      numbers[index] = doubles2(numbers[index], capacity);
    this.capacity = capacity;
  }
};
function ints(from, capacity) {
  const to = new Int32Array(capacity);
  to.set(from);
  return to;
}
function doubles2(from, capacity) {
  const to = new Float64Array(capacity);
  to.set(from);
  return to;
}
function columnIndex(specs, name2) {
  const spec = specs.find((each2) => each2.name === name2);
  if (spec === void 0) throw new Error(`there is no column ${name2}`);
  return specs.filter(({ kind }) => kind === spec.kind).indexOf(spec);
}

// engine/columns/row-buffer.ts
var INITIAL_ROWS2 = 4096;
var KEPT_ROWS = 262144;
var DOUBLED_MAX_ROWS = 65536;
var RowBuffer = class {
  #schema;
  rows = 0;
  time_ms = new Float64Array(INITIAL_ROWS2);
  /** Dictionary codes of the tenants. */
  scope = new Int32Array(INITIAL_ROWS2);
  #sequence = new Float64Array(INITIAL_ROWS2);
  #part = new Int32Array(INITIAL_ROWS2);
  #itemStart = new Int32Array(INITIAL_ROWS2);
  #itemCount = new Int32Array(INITIAL_ROWS2);
  #columns;
  #items;
  #itemLength = 0;
  #hashIds = new HashIds();
  #ids = new Int32Array(0);
  constructor(schema) {
    this.#schema = schema;
    this.#columns = new Columns(schema.columns, INITIAL_ROWS2);
    this.#items = new Columns(schema.items, INITIAL_ROWS2);
  }
  append(batch2) {
    const count2 = batch2.length;
    const at2 = this.rows;
    if (count2 === 0) return;
    if (at2 + count2 > this.#columns.capacity) this.#grow(at2 + count2);
    this.time_ms.set(batch2.time_ms.subarray(0, count2), at2);
    this.scope.set(batch2.scope.subarray(0, count2), at2);
    this.#sequence.set(batch2.sequence.subarray(0, count2), at2);
    this.#part.set(batch2.part.subarray(0, count2), at2);
    this.#itemCount.set(batch2.itemCount.subarray(0, count2), at2);
    copyColumns(batch2.columns, count2, this.#columns, at2);
    const firstItem = this.#itemLength;
    for (let row = 0; row < count2; row++)
      this.#itemStart[at2 + row] = batch2.itemStart[row] + firstItem;
    const items2 = batch2.itemLength;
    if (firstItem + items2 > this.#items.capacity) this.#growItems(firstItem + items2);
    copyColumns(batch2.items, items2, this.#items, firstItem);
    this.#itemLength = firstItem + items2;
    this.rows = at2 + count2;
  }
  #grow(needed) {
    const capacity = grownCapacity(this.#columns.capacity, needed);
    this.#columns.grow(capacity);
    this.time_ms = grownDoubles(this.time_ms, capacity);
    this.#sequence = grownDoubles(this.#sequence, capacity);
    this.scope = grownInts(this.scope, capacity);
    this.#part = grownInts(this.#part, capacity);
    this.#itemStart = grownInts(this.#itemStart, capacity);
    this.#itemCount = grownInts(this.#itemCount, capacity);
  }
  #growItems(needed) {
    this.#items.grow(grownCapacity(this.#items.capacity, needed));
  }
  clear() {
    this.rows = 0;
    this.#itemLength = 0;
    if (this.#items.capacity > KEPT_ROWS) this.#items = new Columns(this.#schema.items, INITIAL_ROWS2);
    if (this.#columns.capacity <= KEPT_ROWS) return;
    this.#columns = new Columns(this.#schema.columns, INITIAL_ROWS2);
    this.time_ms = new Float64Array(INITIAL_ROWS2);
    this.#sequence = new Float64Array(INITIAL_ROWS2);
    this.scope = new Int32Array(INITIAL_ROWS2);
    this.#part = new Int32Array(INITIAL_ROWS2);
    this.#itemStart = new Int32Array(INITIAL_ROWS2);
    this.#itemCount = new Int32Array(INITIAL_ROWS2);
    this.#ids = new Int32Array(0);
  }
  /** What it holds, to be read row by row until the next `append` or `clear`. */
  get view() {
    return {
      length: this.rows,
      time_ms: this.time_ms,
      scope: this.scope,
      sequence: this.#sequence,
      part: this.#part,
      itemStart: this.#itemStart,
      itemCount: this.#itemCount,
      columns: this.#columns,
      items: this.#items
    };
  }
  sequence() {
    return this.#sequence;
  }
  part() {
    return orNull(this.#part, this.rows);
  }
  codes(column) {
    return orNull(this.#columns.codes[column], this.rows);
  }
  hashes(column) {
    const { hi, lo } = this.#columns.hashes[column];
    const { rows } = this;
    if (this.#ids.length < rows) this.#ids = new Int32Array(this.#columns.capacity);
    const hashIds = this.#hashIds;
    hashIds.clear();
    const ids = this.#ids;
    for (let row = 0; row < rows; row++) ids[row] = hashIds.idOf(hi[row], lo[row]);
    const { count: count2 } = hashIds;
    return count2 === 1 ? null : { ids, hi: hashIds.hi, lo: hashIds.lo, count: count2 };
  }
  numbers(column) {
    const values = this.#columns.numbers[column];
    for (let row = 0; row < this.rows; row++) if (!Number.isNaN(values[row])) return values;
    return null;
  }
  items() {
    const table = new ItemListTable(this.#items);
    const list = new Int32Array(this.rows);
    let lastStart = -1;
    let lastSize = -1;
    let last = 0;
    for (let row = 0; row < this.rows; row++) {
      const size = this.#itemCount[row];
      if (size === 0) continue;
      const start = this.#itemStart[row];
      if (start !== lastStart || size !== lastSize) {
        invariant(start + size <= this.#itemLength, "a row's items are in its batch");
        last = table.listOf(start, size);
        lastStart = start;
        lastSize = size;
      }
      list[row] = last;
    }
    return table.count === 1 ? null : table.lists(list);
  }
};
function grownCapacity(capacity, needed) {
  return Math.max(needed, capacity < DOUBLED_MAX_ROWS ? capacity * 2 : Math.ceil(capacity * 1.25));
}
function orNull(values, rows) {
  for (let row = 0; row < rows; row++) if (values[row] !== 0) return values;
  return null;
}
function copyColumns(from, count2, to, at2) {
  for (let index = 0; index < from.codes.length; index++)
    to.codes[index].set(from.codes[index].subarray(0, count2), at2);
  for (let index = 0; index < from.numbers.length; index++)
    to.numbers[index].set(from.numbers[index].subarray(0, count2), at2);
  for (let index = 0; index < from.hashes.length; index++) {
    const source = from.hashes[index];
    const target = to.hashes[index];
    target.hi.set(source.hi.subarray(0, count2), at2);
    target.lo.set(source.lo.subarray(0, count2), at2);
  }
}
function grownInts(from, capacity) {
  const to = new Int32Array(capacity);
  to.set(from);
  return to;
}
function grownDoubles(from, capacity) {
  const to = new Float64Array(capacity);
  to.set(from);
  return to;
}

// engine/columns/row-source.ts
function visitColumns(source, { columns, items: items2 }, visitors) {
  for (const visitor of visitors) visitor.numbers(TIME, source.time_ms);
  const sequence = source.sequence();
  for (const visitor of visitors) visitor.numbers(SEQUENCE, sequence);
  const part = source.part();
  if (part !== null) for (const visitor of visitors) visitor.codes(PART, part);
  const next = { code: 0, hash: 0, number: 0 };
  for (const [index, spec] of columns.entries()) {
    visitColumn(source, FIRST_COLUMN + index, spec, next[spec.kind]++, visitors);
  }
  const lists = source.items();
  if (lists === null) return;
  for (const visitor of visitors) visitor.items(FIRST_COLUMN + columns.length, items2, lists);
}
function visitColumn(source, place, spec, column, visitors) {
  if (spec.kind === "code") {
    const values = source.codes(column);
    if (values !== null) for (const visitor of visitors) visitor.codes(place, values, spec);
  } else if (spec.kind === "hash") {
    const values = source.hashes(column);
    if (values !== null) for (const visitor of visitors) visitor.hashes(place, values, spec);
  } else {
    const values = source.numbers(column);
    if (values !== null) for (const visitor of visitors) visitor.numbers(place, values, spec);
  }
}

// engine/columns/stored-schema.ts
function physicalColumns({ columns, items: items2 }) {
  return FIRST_COLUMN + columns.length + items2.length;
}
function unionOf(schema, older) {
  const columns = [...schema.columns];
  const items2 = [...schema.items];
  for (const stored of older) {
    addMissing(columns, stored.columns);
    addMissing(items2, stored.items);
  }
  return { columns, items: items2 };
}
function addMissing(to, from) {
  for (const spec of from) {
    const known2 = to.find(({ name: name2 }) => name2 === spec.name);
    if (known2 === void 0) to.push(spec);
    else checkKind(known2, spec);
  }
}
function checkKind({ name: name2, kind }, stored) {
  if (kind === stored.kind) return;
  throw new MillraceError(
    "log_column_changed",
    `The column "${name2}" of the event log holds values of kind ${stored.kind}, and is declared as ${kind}. Give the new column another name.`
  );
}
function placesOf(schema, stored) {
  const places = (specs, from, first, wanted) => specs.filter(({ kind }) => kind === wanted).map((spec) => {
    const at2 = from.findIndex(({ name: name2 }) => name2 === spec.name);
    if (at2 >= 0) checkKind(spec, from[at2]);
    return at2 < 0 ? -1 : first + at2;
  });
  const firstItem = FIRST_COLUMN + stored.columns.length;
  return {
    codes: places(schema.columns, stored.columns, FIRST_COLUMN, "code"),
    hashes: places(schema.columns, stored.columns, FIRST_COLUMN, "hash"),
    numbers: places(schema.columns, stored.columns, FIRST_COLUMN, "number"),
    itemCodes: places(schema.items, stored.items, firstItem, "code"),
    itemNumbers: places(schema.items, stored.items, firstItem, "number")
  };
}

// engine/control/applied.ts
var CONTROL_TABLE = "control";
function keyOf2({ kind, scope, id }) {
  return new ByteWriter().orderedString(kind).orderedString(scope).orderedString(id).copy();
}
function read2(key, value) {
  const reader = new ByteReader(key);
  const [kind, scope, id] = [reader.orderedString(), reader.orderedString(), reader.orderedString()];
  const stored = JSON.parse(Buffer.from(value).toString());
  return { kind, scope, id, ...stored };
}
function listApplied(control, kind) {
  if (kind === void 0) return Array.from(control.scan(), ({ key, value }) => read2(key, value));
  const start = new ByteWriter().orderedString(kind).copy();
  const end = prefixEnd(start);
  const range = end === void 0 ? { start } : { start, end };
  return Array.from(control.scan(range), ({ key, value }) => read2(key, value));
}
function writeApplied(control, { kind, scope, id, ...stored }) {
  control.put(keyOf2({ kind, scope, id }), Buffer.from(JSON.stringify(stored)));
}
function removeApplied(control, name2) {
  control.remove(keyOf2(name2));
}
function canonicalText(value) {
  return JSON.stringify(value, (_, member) => {
    if (typeof member !== "object" || member === null || Array.isArray(member)) return member;
    return Object.fromEntries(Object.entries(member).sort(([a], [b]) => a < b ? -1 : 1));
  });
}

// engine/control/control-input.ts
function controlKey({ kind, scope, id }) {
  return `${kind}/${scope}/${id}`;
}

// engine/query/run-error.ts
var PASSING = [
  "too_many_queries",
  "query_timeout",
  "query_thread_failed",
  "queries_stopped"
];
var QueryRunError = class extends MillraceError {
  details;
  retryAfter_ms;
  constructor(code, message, options = {}) {
    const { cause, details, retryAfter_ms } = options;
    super(code, message, { ...cause === void 0 ? {} : { cause }, retriable: PASSING.includes(code) });
    this.name = "QueryRunError";
    this.details = details;
    this.retryAfter_ms = retryAfter_ms;
  }
};

// engine/task/control-state.ts
var DEFAULT_CONTROL_LIMITS = {
  kind_max_definitions: 2e4,
  kind_max_bytes: 64 * 1048576,
  body_max_bytes: 65536
};
var ControlState = class {
  #store;
  #input;
  #limits;
  #takers = [];
  #entries = /* @__PURE__ */ new Map();
  /** Of entries that have to be written or removed although the set is the old one. */
  #restored = {
    changed: [],
    gone: []
  };
  #seen;
  #position;
  constructor(store, input, position, limits) {
    this.#store = store;
    this.#input = input;
    this.#position = position;
    this.#limits = limits;
  }
  /** Of operators, while the graph is built. */
  register(operator, handlers) {
    this.#takers.push({ operator, handlers });
    this.#takers.sort((a, b) => a.operator < b.operator ? -1 : 1);
  }
  get position() {
    return this.#position;
  }
  get count() {
    return this.#entries.size;
  }
  get refused() {
    let refused3 = 0;
    for (const { applied } of this.#entries.values()) if (applied.refusals.length > 0) refused3++;
    return refused3;
  }
  /** There is a set that is not applied yet. */
  get hasNews() {
    const current = this.#input?.current();
    return current !== void 0 && current !== this.#seen;
  }
  /** Before the first batch: operators get what the last commit had. */
  restore() {
    if (!this.#store.tableNames().includes(CONTROL_TABLE)) return;
    const changed = [];
    const gone = [];
    for (const stored of listApplied(this.#store.table(CONTROL_TABLE))) {
      if (!this.#isTaken(stored.kind)) {
        gone.push(stored);
        continue;
      }
      const own = stored.refusals.find(({ operator }) => operator === void 0);
      const given = {
        ...{ kind: stored.kind, scope: stored.scope, id: stored.id, revision: stored.revision },
        body: stored.text === "" ? null : JSON.parse(stored.text)
      };
      const entry = this.#give(given, stored.text, own, void 0);
      this.#entries.set(controlKey(stored), entry);
      if (JSON.stringify(entry.applied.refusals) !== JSON.stringify(stored.refusals))
        changed.push(entry.applied);
    }
    this.#restored = { changed, gone };
  }
  /** Inside a commit, before the barrier. */
  apply() {
    this.#settleRestored();
    const set = this.#input?.current();
    if (set === void 0 || set === this.#seen) return;
    this.#seen = set;
    const table = this.#store.table(CONTROL_TABLE);
    const wanted = this.#admitted(set);
    const entries = /* @__PURE__ */ new Map();
    const fresh = [];
    for (const [key, entry] of this.#entries) {
      const want = wanted.get(key);
      if (want !== void 0 && isSame(entry, want)) {
        entries.set(key, this.#kept(entry, want));
        continue;
      }
      for (const { handlers } of entry.takenBy) handlers.forget(entry.given);
      if (want === void 0) removeApplied(table, entry.applied);
    }
    for (const each2 of wanted) if (!entries.has(each2[0])) fresh.push(each2);
    fresh.sort(([, a], [, b]) => a.definition.revision - b.definition.revision);
    for (const [key, { definition, text: text2, refusal: refusal2 }] of fresh) {
      const entry = this.#give(definition, text2, refusal2, definition);
      entries.set(key, entry);
      writeApplied(table, entry.applied);
    }
    this.#entries = entries;
    this.#position = { bucket: set.bucket, revision: set.revision };
  }
  #settleRestored() {
    const { changed, gone } = this.#restored;
    if (changed.length === 0 && gone.length === 0) return;
    const table = this.#store.table(CONTROL_TABLE);
    for (const applied of changed) writeApplied(table, applied);
    for (const applied of gone) removeApplied(table, applied);
    this.#restored = { changed: [], gone: [] };
  }
  #isTaken(kind) {
    return this.#takers.some(({ handlers }) => handlers.kinds.includes(kind));
  }
  /** The same body under a newer revision: nothing to do but to say so. */
  #kept(entry, { definition }) {
    const { revision } = definition;
    if (entry.applied.revision === revision) return { ...entry, from: definition };
    const applied = { ...entry.applied, revision };
    writeApplied(this.#store.table(CONTROL_TABLE), applied);
    return { ...entry, applied, from: definition };
  }
  #give(given, text2, own, from) {
    const refusals = own === void 0 ? [] : [own];
    const takenBy = [];
    const takers = own === void 0 ? this.#takers : [];
    for (const taker of takers) {
      if (!taker.handlers.kinds.includes(given.kind)) continue;
      try {
        taker.handlers.define(given);
        takenBy.push(taker);
      } catch (thrown) {
        const { code, message } = asMillraceError(thrown);
        const named2 = code === "internal" ? "definition_failed" : code;
        refusals.push({ operator: taker.operator, code: named2, message });
      }
    }
    const { kind, scope, id, revision } = given;
    return { applied: { kind, scope, id, revision, text: text2, refusals }, from, given, takenBy };
  }
  /** What of a set is taken, by key: where there are too many of a kind, those whose names sort first. */
  #admitted(set) {
    const { kind_max_definitions, kind_max_bytes, body_max_bytes } = this.#limits;
    const wanted = /* @__PURE__ */ new Map();
    const used = /* @__PURE__ */ new Map();
    const all = set.definitions.filter(({ kind }) => this.#isTaken(kind)).map((definition) => [controlKey(definition), definition]).sort(([a], [b]) => a < b ? -1 : 1);
    for (const [key, definition] of all) {
      const text2 = this.#textOf(key, definition);
      const size_bytes = Buffer.byteLength(text2);
      if (size_bytes > body_max_bytes) {
        const message2 = `It has ${size_bytes} bytes; ${body_max_bytes} are possible.`;
        wanted.set(key, { definition, text: "", refusal: { code: "definition_too_large", message: message2 } });
        continue;
      }
      const { kind } = definition;
      const of = used.get(kind) ?? { definitions: 0, bytes: 0 };
      used.set(kind, of);
      const fits = of.definitions < kind_max_definitions && of.bytes + size_bytes <= kind_max_bytes;
      if (fits) {
        of.definitions++;
        of.bytes += size_bytes;
      }
      const message = `${kind_max_definitions} definitions and ${kind_max_bytes} bytes of the kind "${kind}" are possible.`;
      wanted.set(key, {
        definition,
        text: text2,
        refusal: fits ? void 0 : { code: "definitions_full", message }
      });
    }
    return wanted;
  }
  #textOf(key, definition) {
    const known2 = this.#entries.get(key);
    if (known2 !== void 0 && known2.from === definition && known2.applied.text !== "")
      return known2.applied.text;
    return canonicalText(definition.body);
  }
};
function isSame({ applied }, { text: text2, refusal: refusal2 }) {
  const own = applied.refusals.find(({ operator }) => operator === void 0);
  return applied.text === text2 && own?.code === refusal2?.code;
}
function describeControl(metrics, control) {
  metrics.gauge("millrace.control.definitions", "Definitions of the last commit", () => control.count);
  metrics.gauge(
    "millrace.control.refused",
    "Definitions that an operator or a limit refuses",
    () => control.refused
  );
  metrics.gauge(
    "millrace.control.revision",
    "The newest revision seen of the bucket of definitions",
    () => control.position?.revision ?? 0
  );
}

// engine/task/meta.ts
var META_TABLE = "meta";
var encode = (name2) => new ByteWriter().orderedString("engine").orderedString(name2).copy();
var PROGRESS_KEY = encode("progress");
function readJson(view, key) {
  const bytes = view.get(key);
  return bytes === void 0 ? void 0 : JSON.parse(Buffer.from(bytes).toString("utf8"));
}
function writeJson(table, key, value) {
  table.put(key, Buffer.from(JSON.stringify(value)));
}
function readProgress(meta) {
  return readJson(meta, PROGRESS_KEY);
}
function writeProgress(meta, progress) {
  writeJson(meta, PROGRESS_KEY, progress);
}
function requireSoleWriter(store, commit) {
  const committed = readProgress(store.table(META_TABLE))?.commit ?? 0;
  if (committed === commit) return;
  throw new MillraceError(
    "state_has_another_writer",
    `The state is at commit ${committed}, this task at ${commit}: another process writes to the same state folder. Stop one of them, or give each its own DATA_DIR.`
  );
}
var NOTICES_PER_KIND = 1e3;
var THIN_AT = 8 * NOTICES_PER_KIND;
var NoticeBoard = class {
  #counts = /* @__PURE__ */ new Map();
  #fresh = [];
  #thinAt = THIN_AT;
  constructor(stored) {
    for (const [scope, kinds] of Object.entries(stored)) {
      this.#counts.set(scope, new Map(Object.entries(kinds)));
    }
  }
  add(notice) {
    let kinds = this.#counts.get(notice.scope);
    if (kinds === void 0) {
      kinds = /* @__PURE__ */ new Map();
      this.#counts.set(notice.scope, kinds);
    }
    const count2 = kinds.get(notice.kind) ?? 0;
    kinds.set(notice.kind, count2 + 1);
    this.#fresh.push({ slot: count2 % NOTICES_PER_KIND, notice });
    if (this.#fresh.length >= this.#thinAt) {
      this.#fresh = this.#newest();
      this.#thinAt = Math.max(THIN_AT, 2 * this.#fresh.length);
    }
  }
  #newest() {
    const bySlot = new Map(
      this.#fresh.map((entry) => [`${entry.notice.scope}\0${entry.notice.kind}\0${entry.slot}`, entry])
    );
    return [...bySlot.values()];
  }
  counts() {
    return Object.fromEntries([...this.#counts].map(([scope, kinds]) => [scope, Object.fromEntries(kinds)]));
  }
  flush(meta) {
    if (this.#fresh.length === 0) return;
    for (const { slot, notice } of this.#newest()) {
      const key = new ByteWriter().bytes(noticePrefix(notice.scope, notice.kind)).u32(slot).copy();
      writeJson(meta, key, notice);
    }
    this.#fresh = [];
    this.#thinAt = THIN_AT;
  }
};
function noticePrefix(scope, kind) {
  return new ByteWriter().orderedString("notice").orderedString(scope).orderedString(kind).copy();
}
function gapOf(progress, { firstSequence }) {
  if (progress === void 0 || progress.isUnread === true) return 0;
  return Math.max(0, firstSequence - progress.sequence - 1);
}
function checkPosition(progress, facts) {
  if (progress === void 0) return;
  const { stream, firstSequence, lastSequence } = facts;
  const rebuild = "To rebuild the state from what the stream holds now, move the state folder away and start again.";
  if (progress.stream !== stream) {
    throw new MillraceError(
      "stream_mismatch",
      `The state was built from stream "${progress.stream}", the source reads "${stream}". Point the task at its stream, or use another state folder.`
    );
  }
  if (progress.incarnation !== facts.incarnation) {
    throw new MillraceError(
      "stream_recreated",
      `Stream "${stream}" was deleted and created again (now ${facts.incarnation}, the state knows ${progress.incarnation}): its sequence numbers mean other events. Restore the stream from its backup, or keep the state as it is for reading. ${rebuild}`
    );
  }
  if (lastSequence < progress.sequence) {
    throw new StreamGapError(
      "position_ahead_of_stream",
      `The state has applied stream "${stream}" up to sequence ${progress.sequence}, but the stream ends at ${lastSequence}: the server lost acknowledged messages (a power cut, a restored backup). Publish the missing events again after restoring the stream. ${rebuild}`,
      { first: lastSequence + 1, last: progress.sequence }
    );
  }
  if (gapOf(progress, facts) > 0 && facts.gaps === void 0) {
    throw new StreamGapError(
      "position_before_stream",
      `The state has applied stream "${stream}" up to sequence ${progress.sequence}, but its oldest message is now ${firstSequence}: ${gapOf(progress, facts)} messages were removed before they were read (retention, a purge). Raise the stream's limits, and restore the messages from a backup. ${GAP_CHOICE} ${rebuild}`,
      { first: progress.sequence + 1, last: firstSequence - 1 }
    );
  }
}

// engine/task/gaps.ts
var GAPS_MAX = 1e3;
var prefix2 = () => new ByteWriter().orderedString("engine").orderedString("gap");
var keyOf3 = ({ node, kind, first }) => prefix2().orderedString(node).orderedString(kind).u48(first).copy();
function readGaps(meta) {
  const start = prefix2().copy();
  const end = prefixEnd(start);
  const rows = [...meta.scan(end === void 0 ? { start } : { start, end })];
  return rows.map(({ value }) => JSON.parse(Buffer.from(value).toString("utf8")));
}
var RESENDS_HEADER = "Millrace-Resends";
var RANGES = /^\d{1,15}(-\d{1,15})?(, ?\d{1,15}(-\d{1,15})?)*$/;
var RESENT_MAX_RANGES = 100;
function resentRanges(header) {
  if (header === void 0 || !RANGES.test(header)) return [];
  return header.split(",").slice(0, RESENT_MAX_RANGES).map((text2) => {
    const [first = 0, last = first] = text2.split("-").map(Number);
    return { first, last };
  });
}
var GapBoard = class {
  #gaps;
  #changed = /* @__PURE__ */ new Map();
  constructor(stored) {
    this.#gaps = new Map(stored.map((gap2) => [nameOf3(gap2), gap2]));
  }
  /** Messages in all gaps. */
  get messages() {
    return [...this.#gaps.values()].reduce((sum2, gap2) => sum2 + gap2.messages, 0);
  }
  /**
   * Takes in a gap. One that touches known ones of its kind becomes one with them. `lost` and `replaced` say how the
   * stream and the position differ now: they take the place of what was said of that before.
   */
  add(gap2) {
    if (gap2.kind !== "removed") this.settle(gap2.node);
    const before = [...this.#gaps.values()].filter(
      ({ node, kind, incarnation }) => node === gap2.node && kind === gap2.kind && incarnation === gap2.incarnation
    );
    const touched = before.filter(
      (known2) => isExact(known2) && known2.first <= gap2.last + 1 && gap2.first <= known2.last + 1
    );
    const last = before.at(-1);
    if (touched.length > 0) {
      for (const known2 of touched) this.#remove(known2);
      this.#set(joined(gap2, touched));
    } else if (last !== void 0 && (last.last + 1 === gap2.first || before.length >= GAPS_MAX)) {
      this.#set({ ...last, last: Math.max(last.last, gap2.last), messages: last.messages + gap2.messages });
    } else this.#set(gap2);
  }
  /** Messages of an input's stream were removed before they were read. */
  removed({ node, facts }, range, noticed_at_ms) {
    const { stream, incarnation } = facts;
    const messages = range.last - range.first + 1;
    this.add({ ...range, stream, incarnation, noticed_at_ms, kind: "removed", node, messages });
  }
  /**
   * Looks for messages that have the events of removed ones again; gives a notice of each. Where a topology names a
   * subject for that only its messages are believed: who may publish to it decides who may say so.
   */
  noteResent(source, records, topology2) {
    if (!this.#hasRemoved) return [];
    const subject = topology2?.resendsOn(source);
    return records.filter((record) => record.hasHeaders && (subject === void 0 || record.subject === subject)).flatMap((record) => resentRanges(record.header(RESENDS_HEADER)).map((range) => ({ record, range }))).flatMap(({ record: { subject: scope, sequence }, range }) => {
      const messages = this.resent(source, range);
      const detail = { source, ...range, messages };
      return messages === 0 ? [] : [{ kind: "gap_resent", scope, sequence, detail }];
    });
  }
  /** Something is missing that was never read. */
  get #hasRemoved() {
    for (const { kind } of this.#gaps.values()) if (kind === "removed") return true;
    return false;
  }
  /**
   * A message says that it has the events of removed ones again: these are missing no more. Of a gap that stands for
   * several nobody knows which they were, so it goes as a whole or stays. Gives how many messages that were.
   */
  resent(node, { first, last }) {
    let messages = 0;
    for (const gap2 of [...this.#gaps.values()]) {
      if (gap2.kind !== "removed" || gap2.node !== node || gap2.last < first || gap2.first > last) continue;
      const isWhole = first <= gap2.first && last >= gap2.last;
      if (!isWhole && !isExact(gap2)) continue;
      this.#remove(gap2);
      messages += gap2.messages;
      const left = [
        { first: gap2.first, last: first - 1 },
        { first: last + 1, last: gap2.last }
      ].filter((piece) => !isWhole && piece.first <= piece.last);
      for (const piece of left) {
        const missing = piece.last - piece.first + 1;
        messages -= missing;
        this.#set({ ...gap2, ...piece, messages: missing });
      }
    }
    return messages;
  }
  /** The stream fits the position again: what was said of it does not hold any more. */
  settle(node) {
    for (const gap2 of this.#gaps.values()) {
      if (gap2.node === node && gap2.kind !== "removed") this.#remove(gap2);
    }
  }
  #remove(gap2) {
    this.#gaps.delete(nameOf3(gap2));
    this.#changed.set(nameOf3(gap2), void 0);
  }
  #set(gap2) {
    this.#gaps.set(nameOf3(gap2), gap2);
    this.#changed.set(nameOf3(gap2), gap2);
  }
  get hasChanges() {
    return this.#changed.size > 0;
  }
  flush(meta) {
    for (const [name2, gap2] of this.#changed) {
      if (gap2 === void 0) meta.remove(Buffer.from(name2, "latin1"));
      else meta.put(keyOf3(gap2), Buffer.from(JSON.stringify(gap2)));
    }
    this.#changed.clear();
  }
};
var nameOf3 = (gap2) => Buffer.from(keyOf3(gap2)).toString("latin1");
var isExact = ({ first, last, messages }) => messages === last - first + 1;
function joined(gap2, touched) {
  const all = [gap2, ...touched];
  const first = Math.min(...all.map((one) => one.first));
  const last = Math.max(...all.map((one) => one.last));
  const noticed_at_ms = Math.min(...all.map((one) => one.noticed_at_ms));
  return { ...gap2, first, last, messages: last - first + 1, noticed_at_ms };
}

// engine/task/inputs.ts
var Input = class {
  node;
  source;
  /** Last applied sequence; where nothing was ever read, that before the first one of the stream. */
  #sequence = 0;
  #isUnread = false;
  /** Messages that were gone before this start, in a stream whose gaps are counted. */
  gap;
  /** Since when it has had nothing to give, with nothing pending and nothing in flight. */
  idle_since_ms;
  /** Taken and not pushed yet. */
  ready;
  failure;
  /** The position has moved without a record since it was committed. */
  hasMoved = false;
  #passed = [];
  #facts;
  #marks = [];
  /** Of the last record, not in a commit yet. */
  #mark;
  #taking;
  constructor(node, source) {
    this.node = node;
    this.source = source;
  }
  get facts() {
    if (this.#facts === void 0)
      throw new MillraceError("task_not_open", "Call open() before anything else.");
    return this.#facts;
  }
  /** Throws what `checkPosition` throws where the stored position and the stream do not fit together. */
  async open(stored) {
    const facts = await this.source.facts();
    checkPosition(stored, facts);
    await this.#compare(stored);
    this.#facts = facts;
    this.#marks = stored?.marks ?? [];
    this.#isUnread = stored === void 0 || stored.isUnread === true;
    this.#sequence = Math.max(stored?.sequence ?? 0, this.#isUnread ? facts.firstSequence - 1 : 0);
    const messages = facts.gaps === "count" ? gapOf(stored, facts) : 0;
    if (messages > 0) this.gap = { from: this.#sequence + 1, through: facts.firstSequence - 1, messages };
  }
  get sequence() {
    return this.#sequence;
  }
  set sequence(applied) {
    this.#sequence = applied;
    this.#isUnread = false;
  }
  start() {
    return this.source.start(this.#sequence, this.#isUnread);
  }
  /** Whether what was read last is still what the stream has there. */
  async #compare(stored) {
    const { marks = [], stream, sequence } = stored ?? {};
    if (marks.length === 0 || stream === void 0 || sequence === void 0) return;
    const found = await this.source.marksAt?.(marks.map((mark) => mark.sequence));
    if (found !== void 0) compareMarks(stream, sequence, marks, found);
  }
  /** Takes note of records that are about to be pushed; calls with each range that the stream has not given. */
  note(records, missing) {
    const last = records.at(-1);
    if (last === void 0) return;
    if (this.source.marksAt !== void 0) this.#mark = markOf(last);
    if (this.source.isWhole !== true || last.sequence - this.sequence === records.length) return;
    let before = this.#isUnread ? (records[0]?.sequence ?? 1) - 1 : this.sequence;
    for (const { sequence } of records) {
      if (sequence > before + 1) missing({ first: before + 1, last: sequence - 1 });
      before = sequence;
    }
  }
  /** Ranges that were passed over since the last call, which the stream should have given. */
  takePassed() {
    return this.#passed.splice(0);
  }
  /** A commit holds what was taken. */
  committed() {
    this.hasMoved = false;
    this.#marks = this.#newMarks;
    this.#mark = void 0;
  }
  get #newMarks() {
    return this.#mark === void 0 ? this.#marks : withMark(this.#marks, this.#mark);
  }
  get position() {
    const { stream, incarnation } = this.facts;
    const { partition } = this.source;
    const head = Math.max(this.sequence, this.source.state().headSequence);
    const marks = this.#newMarks;
    const position = { stream, incarnation, partition, sequence: this.sequence, head };
    return {
      ...position,
      ...marks.length === 0 ? {} : { marks },
      ...this.#isUnread ? { isUnread: true } : {}
    };
  }
  get lag() {
    return Math.max(0, this.source.state().headSequence - this.sequence);
  }
  /** Takes in the background, once at a time; records are valid until the next take. */
  fetch(request) {
    this.#taking ??= this.#fetch(request).finally(() => {
      this.#taking = void 0;
    });
    return this.#taking;
  }
  async #fetch(request) {
    try {
      const records = await this.source.take(request);
      if (records.length > 0) this.ready = records;
      else this.pass();
    } catch (error) {
      this.failure = error;
    }
  }
  /**
   * To be called after a take that gave nothing, before the next: moves the position over what will never come, so
   * that nobody waits for it. `hasMoved` says that this is to be committed.
   */
  pass() {
    const passed = this.source.passed?.() ?? 0;
    if (passed <= this.sequence) return;
    if (this.source.isWhole === true && !this.#isUnread)
      this.#passed.push({ first: this.sequence + 1, last: passed });
    this.sequence = passed;
    this.hasMoved = true;
  }
  /** To be called after each look at the source. */
  observe(tookNothing, now_ms) {
    const { caughtUp, connected } = this.source.state();
    if (!tookNothing || !caughtUp || !connected) this.idle_since_ms = void 0;
    else this.idle_since_ms ??= now_ms;
  }
  idle_ms(now_ms) {
    return this.idle_since_ms === void 0 ? 0 : now_ms - this.idle_since_ms;
  }
};
var Inputs = class {
  all;
  /** Throws `sources_mismatch` when the sources are not those of the topology. */
  constructor(given, { name: name2, nodes }) {
    const names = nodes.filter(({ kind }) => kind === "source").map((node) => node.name);
    const sources = isSource(given) ? { [names[0] ?? ""]: given } : given;
    const unknown = Object.keys(sources).filter((node) => !names.includes(node));
    const missing = names.filter((node) => sources[node] === void 0);
    if (unknown.length > 0 || missing.length > 0) {
      throw new MillraceError(
        "sources_mismatch",
        `The topology "${name2}" reads from ${names.join(", ")}; the task was given ${Object.keys(sources).join(", ")}. Give it one source for each.`
      );
    }
    this.all = names.map((node) => new Input(node, sources[node]));
  }
  /** The one whose position comes first in the progress record. */
  get first() {
    return this.all[0];
  }
  /**
   * `stored` is the topology that wrote `progress`: it says whose position comes first. A name keys a position as
   * it keys state: throws `source_renamed` where a source would begin anew although one of another name has read
   * its stream, unless `allow`.
   */
  async open(progress, stored, allow = false) {
    const nodes = this.all.map(({ node }) => node);
    const positions = inputPositions(progress, stored, nodes);
    const gone = [...positions].filter(([node]) => this.all.every((input) => input.node !== node));
    for (const input of this.all) {
      const position = positions.get(input.node);
      await input.open(position);
      const { stream } = input.facts;
      const { partition } = input.source;
      const [other] = gone.find(([, of]) => of.stream === stream && of.partition === partition) ?? [];
      if (position !== void 0 || other === void 0 || allow) continue;
      throw new MillraceError(
        "source_renamed",
        `The source "${input.node}" is new and reads the stream "${stream}", which "${other}" has read up to now: under another name it would read all of it again. Give it its old name; or, to begin anew, start once with ALLOW_TOPOLOGY_CHANGE=1 (the task option allowTopologyChange).`
      );
    }
  }
  /** What ids of outputs are made of. */
  origins(definitionOf) {
    return this.all.map(({ node, source, facts: { stream, incarnation } }) => {
      const definition = definitionOf(node);
      const input = { node, stream, incarnation, partition: source.partition };
      return definition === void 0 ? input : { ...input, definition };
    });
  }
  async start() {
    for (const input of this.all) await input.start();
  }
  stop() {
    for (const { source } of this.all) void source.stop();
  }
  /** A position has moved without a record. */
  get haveMoved() {
    return this.all.some(({ hasMoved }) => hasMoved);
  }
  get lag() {
    return this.all.reduce((sum2, input) => sum2 + input.lag, 0);
  }
  /** Positions of all but the first, by node. */
  get others() {
    return Object.fromEntries(this.all.slice(1).map((input) => [input.node, input.position]));
  }
  /** Inputs too far ahead of the slowest to be read now. */
  held({ watermarkOf, max_drift_ms }) {
    if (this.all.length < 2) return [];
    const times = this.all.map(({ node }) => watermarkOf(node) ?? Number.POSITIVE_INFINITY);
    const slowest_ms = Math.min(...times);
    return this.all.filter(
      (_, at2) => Number.isFinite(times[at2]) && times[at2] > slowest_ms + max_drift_ms
    );
  }
  /** Records of one input, or none when `wait_ms` passed. */
  async take(request, options) {
    const { first } = this;
    if (this.all.length === 1) {
      const records2 = await first.source.take(request);
      if (records2.length === 0) first.pass();
      return { input: first, records: records2 };
    }
    const held = this.held(options);
    const open3 = this.all.filter((input2) => !held.includes(input2));
    const fetches = open3.filter(({ ready: ready2 }) => ready2 === void 0).map((input2) => input2.fetch(request));
    if (fetches.length === open3.length) await raceFor(fetches, request.wait_ms);
    for (const { failure } of this.all) if (failure !== void 0) throw failure;
    const behind3 = (input2) => options.watermarkOf(input2.node) ?? Number.NEGATIVE_INFINITY;
    const ready = open3.filter((input2) => input2.ready !== void 0).sort((a, b) => compare2(behind3(a), behind3(b)));
    const [input] = ready;
    if (input?.ready === void 0) return { input: first, records: [] };
    const records = input.ready.slice(0, request.max);
    input.ready = records.length < input.ready.length ? input.ready.slice(request.max) : void 0;
    return { input, records };
  }
};
function inputPositions(progress, stored, nodes) {
  if (progress === void 0) return /* @__PURE__ */ new Map();
  const others = Object.entries(progress.others ?? {});
  const [only = ""] = nodes;
  const first = stored?.nodes.find(({ kind }) => kind === "source")?.name ?? only;
  const isAlone = nodes.length === 1 && others.length === 0;
  return new Map([[isAlone ? only : first, progress], ...others]);
}
function compare2(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
function isSource(given) {
  return typeof given.take === "function";
}
async function raceFor(work, wait_ms) {
  let timer;
  const timeout = new Promise((resolve) => {
    timer = setTimeout(resolve, Math.min(wait_ms, TIMER_MAX_MS));
  });
  await Promise.race([...work, timeout]);
  clearTimeout(timer);
}
function watermarkOwners({ nodes }, source, isOwner) {
  const owners = /* @__PURE__ */ new Set();
  const seen = /* @__PURE__ */ new Set([source]);
  const next = [source];
  for (let at2 = next.shift(); at2 !== void 0; at2 = next.shift()) {
    for (const { name: name2, inputs } of nodes) {
      if (!inputs.includes(at2) || seen.has(name2)) continue;
      seen.add(name2);
      if (isOwner(name2)) owners.add(name2);
      else next.push(name2);
    }
  }
  return [...owners];
}

// engine/task/log-order.ts
var TICK = "tick";
var MIN_MS2 = 6e4;
var TICK_END = `.${TICK}`;
function isTick({ subject, data }) {
  return data.length === 0 && subject.endsWith(TICK_END);
}
var LogOrder = class {
  /** Where the task is at work. */
  cursor;
  /** The newest time of storing so far; 0 before the first. Servers that take over may be behind: it never moves back. */
  clock = { now: () => this.#now_ms };
  #at;
  #hearers = [];
  #now_ms;
  #record_ms;
  constructor({ now_ms, record_ms } = { now_ms: 0, record_ms: 0 }, sequence = 0) {
    this.#at = { sequence };
    this.cursor = this.#at;
    this.#now_ms = now_ms;
    this.#record_ms = record_ms;
  }
  /** Of the log's time. */
  get minute() {
    return Math.floor(this.#now_ms / MIN_MS2);
  }
  /** For the commit. */
  get time() {
    return { now_ms: this.#now_ms, record_ms: this.#record_ms };
  }
  onTick(hear2) {
    this.#hearers.push(hear2);
  }
  /** Goes to a record. A tick is told to who follows time, and is nothing for the graph: then it gives false. */
  begin(record) {
    this.#at.sequence = record.sequence;
    this.#now_ms = Math.max(this.#now_ms, record.stored_ms ?? this.#now_ms);
    if (!isTick(record)) {
      this.#record_ms = this.#now_ms;
      return true;
    }
    const tick = { now_ms: this.#now_ms, idle_ms: this.#now_ms - this.#record_ms };
    for (const hear2 of this.#hearers) hear2(tick);
    return false;
  }
};

// engine/graph/define-operator.ts
import { Observable } from "rxjs";

// engine/graph/observe-due.ts
var MS_PER_SECOND = 1e3;
function observeDue(metrics, operator, read_ms) {
  const help = "Watermark at which a timer or a window of the operator is due next, since 1970";
  const read_s = () => {
    const due_ms = read_ms();
    return due_ms === void 0 || !Number.isFinite(due_ms) ? void 0 : due_ms / MS_PER_SECOND;
  };
  metrics.gauge("millrace.operator.due.timestamp", help, read_s, { operator });
}

// engine/graph/order.ts
var CUTS = /* @__PURE__ */ new Set(["repartition", "channel-out"]);
function requireOrder(topology2, nodes, sources) {
  for (const { name: name2, kind, unordered } of nodes) {
    if (unordered !== void 0)
      throw notOrdered(topology2, `"${name2}" (${kind}) cannot be in it: ${unordered}`);
  }
  for (const { name: name2, through } of sources) {
    if (through === void 0) continue;
    const why = "what is looked up for a record is no part of the log, and may be another answer in the next reading";
    throw notOrdered(
      topology2,
      `the source "${name2}" has something between stream and graph (through): ${why}. Bring it in as a stream, and join it`
    );
  }
  const leading = leadingToCuts(nodes);
  for (const { name: name2, kind, takesDefinitions } of nodes) {
    if (takesDefinitions === true && leading.has(name2)) throw definitionsBeforeCut(topology2, name2, kind);
  }
}
function requireBehindCuts({ name: name2, nodes }, operator) {
  const node = nodes.find((each2) => each2.name === operator);
  if (leadingToCuts(nodes).has(operator)) throw definitionsBeforeCut(name2, operator, node?.kind ?? "");
}
function leadingToCuts(nodes) {
  const leading = /* @__PURE__ */ new Set();
  for (const { name: name2, kind, inputs } of nodes.toReversed()) {
    if (CUTS.has(kind) || leading.has(name2)) for (const input of inputs) leading.add(input);
  }
  return leading;
}
function notOrdered(topology2, why) {
  return new MillraceError(
    "not_ordered",
    `What the partitions of "${topology2}" give must follow from their logs alone, so that two hosts which work on one give the same. ${why.charAt(0).toUpperCase()}${why.slice(1)}.`
  );
}
function definitionsBeforeCut(topology2, node, kind) {
  return new MillraceError(
    "definitions_before_cut",
    `"${node}" (${kind}) in "${topology2}" takes definitions that users make while it runs, and stands before a cut: between which records one begins would differ from host to host. Put it behind the last cut.`
  );
}
function commitBound(node, kind) {
  return new MillraceError(
    "commit_bound_output",
    `"${node}" (${kind}) gives something while a commit passes. In a partitioned topology that would come after another record on each host. Give it when a record comes, when a timer is due or when the watermark rises.`
  );
}
function requireOneLog(topology2, sources) {
  if (sources.length === 1) return;
  throw notOrdered(
    topology2,
    `It reads ${sources.length} streams (${sources.join(", ")}), whose records have no order between them: bring them into one stream`
  );
}

// engine/graph/origins.ts
import { hash as hash2 } from "node:crypto";
var HASH_CHARS2 = 22;
var SCOPE_CHARS = 11;
var OutputIds = class {
  #topology;
  #inputs;
  /** What the task reads, as text. */
  #scope;
  /** How often an id was made since the last push: results that are the same in everything are several. */
  #made = /* @__PURE__ */ new Map();
  /** By source and operator. */
  #places = /* @__PURE__ */ new Map();
  #input;
  #tracked = /* @__PURE__ */ new Set();
  /** Of the state when the task began: restarts are told apart by it. */
  commits;
  constructor(topology2, inputs, commits) {
    const [first] = inputs;
    invariant(first !== void 0, "a task has a source");
    this.#topology = topology2;
    this.#inputs = inputs;
    this.#scope = JSON.stringify([topology2, inputs]);
    this.#input = first;
    this.commits = commits;
  }
  /** Says whose batches have to say what their items come from. */
  track(operators) {
    this.#tracked = operators;
  }
  isTracked(operator) {
    return this.#tracked.has(operator);
  }
  /** To be called before each push into the graph. */
  begin(node) {
    this.#made.clear();
    this.#input = this.#inputs.find((input) => input.node === node) ?? this.#input;
  }
  /** The id of an operator's message: of its origin, and of the content as text and bytes. */
  make(operator, origin, text2, bytes) {
    const isRecord2 = "sequence" in origin;
    const { stream } = this.#input;
    const scope = isRecord2 ? this.#placeOf(operator) : this.#scope;
    const name2 = isRecord2 ? String(origin.sequence) : JSON.stringify([operator, origin.operator, origin.name]);
    const head = `${scope}
${name2}
${text2}
`;
    const content = typeof bytes === "string" ? head + bytes : Buffer.concat([Buffer.from(head), bytes]);
    const digest = hash2("sha256", content, "base64url").slice(0, HASH_CHARS2);
    const place = isRecord2 ? `${stream}.${origin.sequence}` : origin.operator;
    const id = `${this.#topology}-${operator}-${place}-${digest}`;
    const before = this.#made.get(id) ?? 0;
    this.#made.set(id, before + 1);
    return before === 0 ? id : `${id}-${before}`;
  }
  /** Where a record's results come from, but for its sequence. */
  #placeOf(operator) {
    const { node, stream, incarnation } = this.#input;
    const key = `${node} ${operator}`;
    const place = this.#places.get(key) ?? JSON.stringify([this.#topology, operator, stream, incarnation]);
    this.#places.set(key, place);
    return place;
  }
  /** A message whose id says only the place in its stream gets what tells streams, topologies and operators apart. */
  place({ isLocalId, ...message }, operator) {
    if (isLocalId !== true) return message;
    const { stream } = this.#input;
    const scope = hash2("sha256", this.#placeOf(operator), "base64url").slice(0, SCOPE_CHARS);
    return {
      ...message,
      id: `${message.id}-${scope}`,
      headers: { ...message.headers, "Original-Stream": stream }
    };
  }
};
var OriginTrail = class {
  #operator;
  #keepsItems;
  #pass;
  #current;
  /** Of the batch that is handled as it is. */
  #whole;
  /** While a batch goes in item by item: what came out of it, by output. */
  #gathered;
  #commit;
  constructor(operator, commits, options, pass) {
    this.#operator = operator;
    this.#keepsItems = options.keepsItems;
    this.#pass = pass;
    this.#commit = commits;
  }
  /** What the operator works on now. */
  get current() {
    return this.#current ?? { operator: this.#operator, name: `commit ${this.#commit + 1}` };
  }
  handle(items2, origins, take) {
    if (origins === void 0 || this.#keepsItems) {
      this.#whole = origins;
      take(items2);
      this.#whole = void 0;
      return;
    }
    this.#gathered = /* @__PURE__ */ new Map();
    for (const [at2, item] of items2.entries()) {
      this.#current = origins[at2];
      take([item]);
    }
    this.#current = void 0;
    this.flush();
    this.#gathered = void 0;
  }
  /** What comes out meanwhile is of this. */
  during(name2, work) {
    const before = this.#current;
    this.#current = { operator: this.#operator, name: name2 };
    work();
    this.#current = before;
  }
  committing(commit) {
    this.#commit = commit - 1;
  }
  give(items2, side, nameOf6) {
    const origins = this.#originsOf(items2, nameOf6);
    if (this.#gathered === void 0) {
      this.#next(items2, origins, side);
      return;
    }
    const gathered = this.#gathered.get(side) ?? { items: [], origins: [] };
    this.#gathered.set(side, gathered);
    for (const [at2, item] of items2.entries()) {
      gathered.items.push(item);
      gathered.origins.push(origins[at2]);
    }
  }
  #originsOf(items2, nameOf6) {
    const operator = this.#operator;
    if (nameOf6 !== void 0) {
      return items2.map((item, at2) => {
        const name2 = nameOf6(item, at2);
        return name2 === void 0 ? this.current : { operator, name: name2 };
      });
    }
    if (this.#whole?.length === items2.length) return this.#whole;
    const { current } = this;
    return items2.map(() => current);
  }
  /** What was gathered goes on: before anything that may not overtake it. */
  flush() {
    const gathered = this.#gathered;
    if (gathered === void 0 || gathered.size === 0) return;
    this.#gathered = /* @__PURE__ */ new Map();
    for (const [side, { items: items2, origins }] of gathered) this.#next(items2, origins, side);
  }
  #next(items2, origins, side) {
    this.#pass({
      kind: "batch",
      items: items2,
      origins,
      ...side === void 0 ? {} : { side }
    });
  }
};
function trackedNodes(nodes) {
  const tracked = /* @__PURE__ */ new Set();
  const bySide = /* @__PURE__ */ new Set();
  for (const { name: name2, inputs, makesIds, namesResults, isSide } of nodes.toReversed()) {
    if (makesIds === true) tracked.add(name2);
    if (!tracked.has(name2)) continue;
    if (namesResults === true && !bySide.has(name2)) continue;
    for (const input of inputs) {
      tracked.add(input);
      if (isSide) bySide.add(input);
    }
  }
  return tracked;
}

// engine/graph/task-parts.ts
var partsByStore = /* @__PURE__ */ new WeakMap();
function partsOf(store) {
  const parts = partsByStore.get(store) ?? /* @__PURE__ */ new Map();
  partsByStore.set(store, parts);
  return parts;
}

// engine/graph/define-operator.ts
var MAIN_OUTPUT = "main";
function emittedBy(metrics, operator, output = MAIN_OUTPUT) {
  const help = "Items that an operator or a source gave; of columns, batches";
  return metrics.counter("millrace.operator.emitted", help, { operator, output });
}
var NAME = /^[a-z][a-z0-9-]{0,62}$/;
function defineOperator(spec) {
  return (name2, given) => {
    if (!NAME.test(name2)) {
      throw new MillraceError(
        "bad_operator_name",
        `"${name2}" is no operator name: use a-z, 0-9 and "-", at most 63 characters, a letter first.`
      );
    }
    refuseAsync(given, `${spec.kind} "${name2}"`);
    const config = spec.config === void 0 ? given : spec.config.parse(given);
    const specs = spec.state?.(config) ?? {};
    const unordered = spec.unordered?.(config);
    return {
      name: name2,
      kind: spec.kind,
      summary: spec.summary,
      state: specs,
      config,
      ...spec.definition === void 0 ? {} : { definition: spec.definition(config) },
      ...spec.definedTables === void 0 ? {} : { definedTables: spec.definedTables },
      sides: spec.sides ?? [],
      ...spec.sendsTo === void 0 ? {} : { sendsTo: spec.sendsTo(config) },
      ...spec.makesIds?.(config) === true ? { makesIds: true } : {},
      ...spec.namesResults === void 0 ? {} : { namesResults: spec.namesResults },
      ...spec.ownsWatermark === void 0 ? {} : { ownsWatermark: spec.ownsWatermark },
      ...spec.needsWatermark?.(config) === true ? { needsWatermark: true } : {},
      ...unordered === void 0 ? {} : { unordered },
      ...spec.takesDefinitions?.(config) === true ? { takesDefinitions: true } : {},
      ...spec.retractions === void 0 ? {} : { retractions: spec.retractions(config) },
      ...spec.changes === void 0 ? {} : { changes: spec.changes(config) },
      bind: (runtime) => bind(spec, name2, config, specs, runtime)
    };
  };
}
function bind(spec, name2, config, specs, runtime) {
  return (input) => new Observable((output) => {
    const { ordered } = runtime;
    const state = openTables(runtime.store, name2, specs, runtime.stateChecks, ordered);
    const said = `${spec.kind} "${name2}"`;
    const maps = [];
    const isBehindOwner = runtime.eventTime.isBehindOwner(name2);
    const isTimeless = ordered && !isBehindOwner && spec.ownsWatermark !== true;
    const initial_ms = isTimeless ? null : runtime.eventTime.initialOf(name2);
    let reached_ms = (isBehindOwner ? initial_ms : null) ?? Number.POSITIVE_INFINITY;
    for (const table of Object.values(state)) {
      if (table instanceof MapTable) {
        maps.push(table);
        runtime.register(name2, {
          flush: (task_ms) => table.flush(Math.min(task_ms, reached_ms)),
          check: () => table.check()
        });
      }
    }
    const timers = runtime.timers(name2);
    const { eventTime, outputs, failures } = runtime;
    const received = runtime.metrics.counter(
      "millrace.operator.received",
      "Items that came to an operator; of columns, batches",
      { operator: name2 }
    );
    const emitted = emittedBy(runtime.metrics, name2);
    const aside = /* @__PURE__ */ new Map();
    const asideBy = (side) => {
      const counter = aside.get(side) ?? emittedBy(runtime.metrics, name2, side);
      aside.set(side, counter);
      return counter;
    };
    const trail = outputs.isTracked(name2) ? new OriginTrail(
      name2,
      outputs.commits,
      { keepsItems: spec.keepsItems === true },
      (signal) => output.next(signal)
    ) : void 0;
    let isCommitting = false;
    const context = {
      name: name2,
      config,
      state,
      view: (table) => runtime.store.table(table),
      parts: partsOf(runtime.store),
      clock: runtime.clock,
      metrics: runtime.metrics,
      ordered,
      cursor: runtime.cursor,
      topology: runtime.topology,
      partition: runtime.partition,
      timers,
      emit: (items2, nameOf6) => {
        if (items2.length === 0) return;
        emitted.add(items2.length);
        refusePromises(items2, said);
        if (trail === void 0) output.next({ kind: "batch", items: items2 });
        else trail.give(items2, void 0, nameOf6);
      },
      emitTo: (side, items2, nameOf6) => {
        if (items2.length === 0) return;
        asideBy(side).add(items2.length);
        refusePromises(items2, said);
        if (trail !== void 0) return trail.give(items2, side, nameOf6);
        output.next({ kind: "batch", items: items2, side });
      },
      isFollowed: trail !== void 0,
      outputId: (text2, bytes) => {
        invariant(trail !== void 0, `operator ${name2} says that it makes ids`);
        return outputs.make(name2, trail.current, text2, bytes);
      },
      emitWatermark: (time_ms) => {
        trail?.flush();
        eventTime.move(name2, time_ms);
        output.next({ kind: "watermark", time_ms });
      },
      initialWatermark_ms: initial_ms,
      send: (message) => runtime.send(outputs.place(message, name2)),
      notice: runtime.notice,
      requestBarrier: runtime.requestBarrier
    };
    const handlers = spec.start(
      ordered ? outsideCommits(context, () => {
        if (isCommitting) throw commitBound(name2, spec.kind);
      }) : context
    );
    const onTimer = handlers.onTimer?.bind(handlers);
    if (onTimer !== void 0 || handlers.nextDue_ms !== void 0) {
      const read_ms = () => handlers.nextDue_ms?.() ?? timers.next();
      observeDue(runtime.metrics, name2, read_ms);
    }
    const onBatch = (items2) => refusePromise(handlers.onBatch(items2), said);
    const owns = spec.ownsWatermark === true;
    if (owns) eventTime.expect(name2);
    if (handlers.definitions !== void 0) runtime.control(name2, handlers.definitions);
    let timed_ms = initial_ms ?? Number.NEGATIVE_INFINITY;
    const again = (watermark_ms) => (
      // The committed watermark comes once more after a restart.
      watermark_ms > timed_ms ? "" : ` after commit ${outputs.commits}`
    );
    const timerName = (time_ms, key, before_ms, watermark_ms) => (
      // One that was set for a time which had passed may fire for that time once more.
      time_ms > before_ms ? `timer ${time_ms} ${key}` : `timer ${time_ms} at ${watermark_ms}${again(watermark_ms)} ${key}`
    );
    const during = (nameOf6, work) => {
      if (trail === void 0) work();
      else trail.during(nameOf6(), work);
    };
    const pass = (watermark_ms) => {
      if (isBehindOwner) reached_ms = watermark_ms;
      for (const map3 of maps) map3.advance(watermark_ms);
      const isRepeated = ordered && watermark_ms <= timed_ms;
      if (isRepeated && !owns) return;
      if (onTimer !== void 0 && !isRepeated) {
        for (const { time_ms, key } of timers.due(watermark_ms)) {
          during(
            () => timerName(time_ms, key, timed_ms, watermark_ms),
            () => refusePromise(onTimer(time_ms, key), said)
          );
        }
      }
      during(
        () => `watermark ${watermark_ms}${again(watermark_ms)}`,
        () => refusePromise(handlers.onWatermark?.(watermark_ms), said)
      );
      timed_ms = Math.max(timed_ms, watermark_ms);
    };
    const atTime = (work) => {
      failures.enterTime();
      try {
        work();
      } catch (error) {
        failures.report(name2, error);
        throw error;
      } finally {
        failures.leaveTime();
      }
    };
    const onWatermark2 = (time_ms) => atTime(() => pass(time_ms));
    if (ordered && handlers.onTick !== void 0) {
      const onTick = handlers.onTick.bind(handlers);
      runtime.onTick((tick) => {
        try {
          atTime(() => refusePromise(onTick(tick), said));
        } catch (error) {
          output.error(error);
        }
      });
    }
    const { delayWatermark_ms: delay_ms = 0 } = handlers;
    if (!owns && delay_ms > 0) eventTime.expectDelay(name2);
    let passed_ms = Number.NEGATIVE_INFINITY;
    const passOn = (time_ms) => {
      const next_ms = eventTime.delay(name2, time_ms - delay_ms);
      if (next_ms <= passed_ms) return;
      passed_ms = next_ms;
      output.next({ kind: "watermark", time_ms: next_ms });
    };
    const handle = (signal) => {
      switch (signal.kind) {
        case "batch":
          received.add(signal.items.length);
          if (ordered && !isBehindOwner) advanceTo(maps, eventTime.watermark_ms);
          if (trail === void 0) onBatch(signal.items);
          else trail.handle(signal.items, signal.origins, onBatch);
          break;
        case "watermark":
          if (signal.time_ms === Number.NEGATIVE_INFINITY) {
            if (!owns) output.next(signal);
            else if (initial_ms !== null) onWatermark2(initial_ms);
            break;
          }
          if (isTimeless) {
            output.next(signal);
            break;
          }
          onWatermark2(owns ? Math.max(signal.time_ms, initial_ms ?? signal.time_ms) : signal.time_ms);
          if (!owns && delay_ms > 0) passOn(signal.time_ms);
          else if (!owns) output.next(signal);
          break;
        case "barrier":
          trail?.committing(signal.commit);
          isCommitting = true;
          refusePromise(handlers.onBarrier?.(signal), said);
          isCommitting = false;
          output.next(signal);
          break;
      }
    };
    return input.subscribe({
      next: (signal) => {
        try {
          handle(signal);
        } catch (error) {
          failures.report(name2, error);
          output.error(error);
        }
      },
      error: (error) => output.error(error),
      complete: () => output.complete()
    });
  });
}
function advanceTo(maps, watermark_ms) {
  if (watermark_ms === null) return;
  for (const map3 of maps) map3.advance(watermark_ms);
}
function outsideCommits(context, check) {
  return {
    ...context,
    emit: (items2, nameOf6) => {
      if (items2.length > 0) check();
      context.emit(items2, nameOf6);
    },
    emitTo: (side, items2, nameOf6) => {
      if (items2.length > 0) check();
      context.emitTo(side, items2, nameOf6);
    },
    emitWatermark: (time_ms) => {
      check();
      context.emitWatermark(time_ms);
    },
    outputId: (text2, bytes) => {
      check();
      return context.outputId(text2, bytes);
    }
  };
}

// engine/graph/merge.ts
import { filter, map, Observable as Observable2 } from "rxjs";
function mergeSignals(inputs) {
  return new Observable2((output) => {
    const watermarks = inputs.map(() => Number.NEGATIVE_INFINITY);
    let emitted_ms = Number.NEGATIVE_INFINITY;
    let waiting = inputs.length;
    const subscriptions = inputs.map(
      (input, index) => input.subscribe({
        next: (signal) => {
          if (signal.kind === "batch") output.next(signal);
          else if (signal.kind === "watermark") {
            watermarks[index] = signal.time_ms;
            const time_ms = Math.min(...watermarks);
            if (time_ms > emitted_ms) {
              emitted_ms = time_ms;
              output.next({ kind: "watermark", time_ms });
            }
          } else if (--waiting === 0) {
            waiting = inputs.length;
            output.next(signal);
          }
        },
        error: (error) => output.error(error)
      })
    );
    return () => {
      for (const subscription of subscriptions) subscription.unsubscribe();
    };
  });
}
function mainBatch({ origins }, items2) {
  return { kind: "batch", items: items2, ...origins === void 0 ? {} : { origins } };
}
function outputOf(input, side) {
  return input.pipe(
    filter((signal) => signal.kind !== "batch" || signal.side === side),
    map(
      (signal) => signal.kind === "batch" && side !== void 0 ? mainBatch(signal, signal.items) : signal
    )
  );
}
function tagged(stream, input) {
  return stream.pipe(
    map(
      (signal) => signal.kind === "batch" ? mainBatch(
        signal,
        signal.items.map((value) => ({ input, value }))
      ) : signal
    )
  );
}

// engine/graph/topology.ts
import { Subject as Subject2, tap } from "rxjs";

// engine/graph/pipe.ts
var Piped = class {
  pipe(...operators) {
    return this.through(operators);
  }
};

// engine/graph/retractions.ts
function mergedRetractions(inputs) {
  const weightOf = ({ lostIn, givesAgain }) => (givesAgain ? 2 : 0) + (lostIn === void 0 ? 0 : 1);
  let worst;
  for (const input of inputs) {
    if (input === void 0) continue;
    if (worst === void 0 || weightOf(input) > weightOf(worst)) worst = input;
  }
  return worst;
}
function retractionsOf({ name: name2, retractions, changes = [] }, coming, output, isAside) {
  const own = changes.find((change) => change.output === output);
  if (own !== void 0 && (own.takesBack || own.givesAgain)) {
    return { from: name2, takesBack: own.takesBack, givesAgain: own.givesAgain };
  }
  if (coming === void 0 || retractions === "passes") return coming;
  if (retractions === void 0) return { lostIn: name2, ...coming };
  return isAside ? coming : void 0;
}
function checkRetractions(reader, coming) {
  const { name: name2, kind, retractions } = reader;
  if (coming === void 0 || retractions === void 0) return;
  const { from, lostIn, takesBack, givesAgain } = coming;
  const isSum = retractions === "subtracts" || retractions === "adds";
  if (isSum && givesAgain) {
    throw refused(
      `"${from}" gives results again that take the place of earlier ones, and "${name2}" (${kind}) would add them up. Give "${from}" the mode "retract", or let it give each result once: without early results and allowed lateness.`
    );
  }
  if (takesBack && (retractions === "adds" || retractions === "refuses")) {
    throw refused(
      `"${from}" takes results back (kind: 'retract'), and "${name2}" (${kind}) would take those for further items. Put a toTable or toWindowTable behind "${from}", or let it give each result once: without early results and allowed lateness.`
    );
  }
  if (retractions === "subtracts" && lostIn !== void 0) {
    throw refused(
      `"${from}" takes results back (kind: 'retract'), and behind "${lostIn}" "${name2}" cannot see which those are. Say it with isRetraction, of something that "${lostIn}" hands on.`
    );
  }
}
function refused(message) {
  return new MillraceError("retractions_refused", message);
}

// engine/graph/sent-subjects.ts
function sentSubjects(nodes) {
  const sourcesOf = /* @__PURE__ */ new Map();
  return nodes.flatMap(({ name: name2, kind, inputs, sendsTo = [] }) => {
    const from = inputs.length === 0 ? [name2] : inputs.flatMap((input) => sourcesOf.get(input) ?? []);
    const sources = [...new Set(from)];
    sourcesOf.set(name2, sources);
    return sendsTo.map((sent) => ({ ...sent, node: name2, kind, sources }));
  });
}

// engine/graph/topology-drawing.ts
var RISKY = /^(end|click|class|style|subgraph|graph|flowchart|href|call|interpolate)(-|$)|--/;
function drawnAs(name2) {
  return RISKY.test(name2) ? `op_${name2.replaceAll("-", "_")}` : name2;
}
function drawTopology({ nodes }) {
  const lines = ["flowchart LR"];
  for (const { name: name2, kind, inputs, state } of nodes) {
    const tables4 = Object.keys(state);
    const label = `${name2}<br/><i>${kind}</i>${tables4.length > 0 ? `<br/>${tables4.join(", ")}` : ""}`;
    lines.push(`  ${drawnAs(name2)}${kind === "source" ? `(["${label}"])` : `["${label}"]`}`);
    for (const input of inputs) lines.push(`  ${drawnAs(input)} --> ${drawnAs(name2)}`);
  }
  return lines.join("\n");
}

// engine/graph/topology-errors.ts
function otherTopology(reader, stream) {
  return new MillraceError(
    "bad_config",
    `"${reader}" reads "${stream}", which is a stream of another topology. Make both in one topology(\u2026), or send it there through a JetStream subject.`
  );
}
function duplicateName(name2, a, b) {
  const kinds = a === b ? `both ${a}` : `${a} and ${b}`;
  const hint = a === "source" || b === "source" ? " A source can be given another with `name`." : "";
  return new MillraceError(
    "duplicate_operator_name",
    `Two nodes are named "${name2}" (${kinds}): names key the state, so each needs its own.${hint}`
  );
}

// engine/graph/watermark-reach.ts
function requireWatermarks(nodes) {
  const without = /* @__PURE__ */ new Map();
  for (const { name: name2, kind, inputs, ownsWatermark = false, needsWatermark = false } of nodes) {
    const sources = inputs.length === 0 ? [name2] : inputs.flatMap((input) => without.get(input) ?? []);
    if (needsWatermark && sources.length > 0) throw noWatermark(name2, kind, sources);
    without.set(name2, ownsWatermark ? [] : [...new Set(sources)]);
  }
}
function noWatermark(name2, kind, sources) {
  const from = [...new Set(sources)].map((source) => `"${source}"`).join(" and ");
  return new MillraceError(
    "no_watermark",
    `"${name2}" (${kind}) gives nothing until event time moves, and nothing between the source ${from} and it moves it. Put \`watermark(\u2026)\` there, before streams are merged or joined: \`watermark("time", { timeOf, outOfOrderness_ms })\`. An operator of your own that moves event time says \`ownsWatermark: true\`.`
  );
}

// engine/graph/topology.ts
var SIDE_OUTPUT = "side-output";
var Stream = class _Stream extends Piped {
  #builder;
  name;
  #sides;
  constructor(builder, name2, sides = []) {
    super();
    this.#builder = builder;
    this.name = name2;
    this.#sides = sides;
  }
  through(operators) {
    let at2 = this.name;
    for (const operator of operators) {
      this.#builder.addOperator(operator, [at2], ([input]) => {
        invariant(input !== void 0, `operator ${operator.name} has an input`);
        return input;
      });
      at2 = operator.name;
    }
    return new _Stream(this.#builder, at2, operators.at(-1)?.sides ?? this.#sides);
  }
  /** A side output of the operator that this stream comes from, e.g. its late events. */
  side(side) {
    if (!this.#sides.includes(side)) {
      throw new MillraceError(
        "unknown_side_output",
        `"${this.name}" has no side output "${side}"; it has: ${this.#sides.join(", ") || "none"}.`
      );
    }
    const name2 = `${this.name}-${side}`;
    const made = new _Stream(this.#builder, name2);
    if (this.#builder.nodes.some((node) => node.name === name2 && node.kind === SIDE_OUTPUT)) return made;
    this.#builder.add({
      name: name2,
      kind: SIDE_OUTPUT,
      summary: `What ${this.name} puts aside as ${side}`,
      inputs: [this.name],
      state: {},
      hasSides: false,
      retractionsOf: () => this.#builder.retractionsOf(this.name, side),
      connect: (_, [input]) => {
        invariant(input !== void 0, `side output ${name2} has an input`);
        return outputOf(input, side);
      }
    });
    return made;
  }
  /** Throws `bad_config` for a stream of another topology: its items would never come. */
  requireIn(builder, reader) {
    if (this.#builder !== builder) throw otherTopology(reader, this.name);
  }
  /** An operator of two inputs: a join. Barriers wait for both, the watermark is the smaller one. */
  connect(right, operator) {
    right.requireIn(this.#builder, operator.name);
    this.#builder.addOperator(
      operator,
      [this.name, right.name],
      (inputs) => {
        const [a, b] = inputs;
        invariant(a !== void 0 && b !== void 0, `operator ${operator.name} has two inputs`);
        return mergeSignals([tagged(a, "left"), tagged(b, "right")]);
      }
    );
    return new _Stream(this.#builder, operator.name, operator.sides);
  }
};
var Builder = class {
  nodes = [];
  sources = [];
  /** By the name of the source. */
  resendSubjects = /* @__PURE__ */ new Map();
  add(node) {
    const other = this.nodes.find(({ name: name2 }) => name2 === node.name);
    if (other !== void 0) throw duplicateName(node.name, other.kind, node.kind);
    this.nodes.push(node);
  }
  /** Whether items of an output of a node may take earlier ones back. */
  retractionsOf(node, output = MAIN_OUTPUT) {
    return this.nodes.find(({ name: name2 }) => name2 === node)?.retractionsOf?.(output);
  }
  #retractionsIn(inputs) {
    return mergedRetractions(inputs.map((input) => this.retractionsOf(input)));
  }
  /** `join` makes one input of the streams named. */
  addOperator(operator, inputs, join4) {
    const { name: name2, kind, summary, state, definition, definedTables, sides, sendsTo } = operator;
    const { makesIds, namesResults } = operator;
    const { ownsWatermark = false, needsWatermark = false, unordered, takesDefinitions } = operator;
    const coming = this.#retractionsIn(inputs);
    checkRetractions(operator, coming);
    this.add({
      name: name2,
      kind,
      summary,
      state,
      ...definition === void 0 ? {} : { definition },
      ...definedTables === void 0 ? {} : { definedTables },
      ...sendsTo === void 0 ? {} : { sendsTo },
      ...makesIds === void 0 ? {} : { makesIds },
      ...namesResults === void 0 ? {} : { namesResults },
      ownsWatermark,
      needsWatermark,
      ...unordered === void 0 ? {} : { unordered },
      ...takesDefinitions === void 0 ? {} : { takesDefinitions },
      inputs,
      hasSides: sides.length > 0,
      retractionsOf: (output) => retractionsOf(operator, coming, output, output !== MAIN_OUTPUT),
      connect: (runtime, all) => {
        const bound = operator.bind(runtime);
        return join4(all).pipe(bound);
      }
    });
  }
  /**
   * Where records of one stream enter. A topology may have several sources. `resendsOn` is the only subject whose
   * messages may say which removed ones were sent again; without it those of all subjects may.
   */
  source(input, { resendsOn } = {}) {
    const { name: name2, ...spec } = typeof input === "string" ? { name: input } : input;
    if (resendsOn !== void 0) this.resendSubjects.set(name2, resendsOn);
    if ("kind" in spec) this.sources.push({ name: name2, ...spec });
    this.add({
      name: name2,
      kind: "source",
      summary: "Records of a stream",
      inputs: [],
      state: {},
      ..."definition" in spec && spec.definition !== void 0 ? { definition: spec.definition } : {},
      hasSides: false,
      connect: unreachable
    });
    return new Stream(this, name2);
  }
  /** Several streams of one type as one: barriers wait for all inputs, the watermark is their minimum. */
  merge(name2, ...streams) {
    if (streams.length === 0) {
      throw new MillraceError(
        "bad_config",
        `"${name2}" merges no streams: nothing would ever come out of it.`
      );
    }
    for (const stream of streams) stream.requireIn(this, name2);
    const inputs = streams.map((stream) => stream.name);
    this.add({
      name: name2,
      kind: "merge",
      summary: "Inputs as one stream",
      inputs,
      state: {},
      hasSides: false,
      retractionsOf: () => this.#retractionsIn(inputs),
      connect: (_, all) => mergeSignals(all)
    });
    return new Stream(this, name2);
  }
};
function unreachable() {
  throw new MillraceError("invariant_broken", "A source has no inputs to connect.");
}
function hear(node, signal, listen) {
  if (signal.kind === "batch" && signal.side === void 0) listen(node, signal.items);
}
var Topology = class {
  name;
  /** Those that say where their records come from. */
  sources;
  #nodes;
  #resendSubjects;
  constructor(name2, nodes, sources = [], resendSubjects = /* @__PURE__ */ new Map()) {
    this.name = name2;
    this.#nodes = nodes;
    this.sources = sources;
    this.#resendSubjects = resendSubjects;
  }
  /** The only subject of a source whose messages may say which removed ones were sent again; undefined: all may. */
  resendsOn(source) {
    return this.#resendSubjects.get(source);
  }
  describe() {
    return {
      name: this.name,
      nodes: this.#nodes.map(({ name: name2, kind, summary, inputs, state, definition, definedTables }) => ({
        name: name2,
        kind,
        summary,
        inputs,
        state: Object.fromEntries(Object.entries(state).map(([table, spec]) => [table, describeTable(spec)])),
        ...definition === void 0 ? {} : { definition },
        ...definedTables === void 0 ? {} : { definedTables }
      }))
    };
  }
  /** Throws for what an ordered task cannot have: see `TaskOptions.ordered`. */
  requireOrder() {
    const sources = this.#nodes.filter(({ kind }) => kind === "source").map(({ name: name2 }) => name2);
    requireOneLog(this.name, sources);
    requireOrder(this.name, this.#nodes, this.sources);
  }
  /** Every state table with its id in the store, for the digest and other readers of state. */
  tables() {
    return this.#nodes.flatMap(
      ({ name: name2, state }) => Object.entries(state).map(([table, spec]) => ({ id: `${name2}/${table}`, spec }))
    );
  }
  /** Where its messages go, as far as its operators say it. */
  sends() {
    return sentSubjects(this.#nodes);
  }
  /** A Mermaid flowchart. */
  draw() {
    return drawTopology(this.describe());
  }
  /**
   * Builds the RxJS graph and subscribes to its ends. `failed` hears the first error of an operator,
   * `listen` every batch that leaves a node's main output.
   */
  start(runtime, failed2, listen) {
    const entries = /* @__PURE__ */ new Map();
    const outputs = /* @__PURE__ */ new Map();
    const used = new Set(this.#nodes.flatMap(({ inputs }) => inputs));
    const byName = new Map(this.#nodes.map((node) => [node.name, node]));
    const subscriptions = [];
    let arrived = 0;
    let ends = 0;
    runtime.eventTime.follow(this.#nodes);
    const nodes = this.#nodes.map((node) => ({ ...node, isSide: node.kind === SIDE_OUTPUT }));
    runtime.outputs.track(trackedNodes(nodes));
    const joints = [];
    for (const node of this.#nodes) {
      const inputs = node.inputs.map((input) => {
        const output2 = outputs.get(input);
        invariant(output2 !== void 0, `node ${node.name} reads from ${input}, which comes before it`);
        const isWhole = node.kind === SIDE_OUTPUT || byName.get(input)?.hasSides !== true;
        return isWhole ? output2 : outputOf(output2, void 0);
      });
      const made = node.kind === "source" ? entryOf(entries, node.name) : node.connect(runtime, inputs);
      const output = listen === void 0 ? made : made.pipe(tap((signal) => hear(node.name, signal, listen)));
      const readers = this.#nodes.flatMap(({ inputs: from }) => from).filter((from) => from === node.name).length;
      if (readers > 1 && (node.kind !== "source" || listen !== void 0)) {
        const subject = new Subject2();
        joints.push({ subject, from: output });
        outputs.set(node.name, subject);
      } else {
        outputs.set(node.name, output);
      }
      if (!used.has(node.name)) {
        ends++;
        subscriptions.push(
          output.subscribe({
            next: (signal) => {
              if (signal.kind === "barrier") arrived++;
            },
            error: failed2
          })
        );
      }
    }
    for (const { subject, from } of joints.reverse()) subscriptions.push(from.subscribe(subject));
    return {
      push: (signal, source) => {
        if (source === void 0) for (const entry of entries.values()) entry.next(signal);
        else entryOf(entries, source).next(signal);
      },
      ends,
      arrivals: () => arrived,
      stop: () => {
        for (const subscription of subscriptions) subscription.unsubscribe();
      }
    };
  }
};
function entryOf(entries, source) {
  const entry = entries.get(source) ?? new Subject2();
  entries.set(source, entry);
  return entry;
}
function topology(name2, build) {
  const builder = new Builder();
  build(builder);
  requireWatermarks(builder.nodes);
  return new Topology(name2, builder.nodes, builder.sources, builder.resendSubjects);
}

// engine/graph/topology-diff.ts
var SOURCE = "source";
var NOTHING_LOST = { losesState: false, orphans: [] };
function diffTopology(stored, running, isEmpty = () => false) {
  const before = new Map(stored.nodes.map((node) => [node.name, node]));
  const after = new Map(running.nodes.map((node) => [node.name, node]));
  const added = running.nodes.filter(({ name: name2 }) => !before.has(name2));
  const removed = stored.nodes.filter(({ name: name2 }) => !after.has(name2));
  const renamed = renames(removed, added);
  return [
    ...renamedTopology(stored.name, running.name),
    ...running.nodes.flatMap((node) => {
      const old = before.get(node.name);
      return old === void 0 ? [] : changesOf(old, node, isEmpty);
    }),
    ...added.filter(({ name: name2 }) => ![...renamed.values()].includes(name2)).map(addition),
    ...removed.map((node) => removal(node, renamed.get(node.name)))
  ];
}
function renamedTopology(stored, running) {
  if (stored === running) return [];
  const text2 = `The state was written by topology "${stored}", this one is "${running}".`;
  return [{ kind: "topology_renamed", name: running, losesState: true, orphans: [], text: text2 }];
}
function tablesOf({ name: name2, state }) {
  return Object.keys(state).map((table) => `${name2}/${table}`);
}
function addition({ name: name2, kind }) {
  const text2 = `Operator "${name2}" (${kind}) is new: it begins with what comes from now on.`;
  return { kind: "operator_added", name: name2, ...NOTHING_LOST, text: text2 };
}
function removal(node, newName) {
  const { name: name2, kind } = node;
  const orphans = tablesOf(node);
  const losesState = orphans.length > 0;
  if (newName !== void 0 && losesState) {
    const text3 = `Operator "${name2}" (${kind}) is now called "${newName}", it seems: the name keys its state (${orphans.join(", ")}), which the new name does not find. Give it its old name back to keep it.`;
    return { kind: "operator_renamed", name: name2, losesState, orphans, text: text3 };
  }
  const lost = losesState ? `, and its state (${orphans.join(", ")}) has no reader` : "; it had no state";
  const text2 = `Operator "${name2}" (${kind}) is gone${lost}.`;
  return { kind: "operator_removed", name: name2, losesState, orphans, text: text2 };
}
function renames(removed, added) {
  const shape = ({ kind, state }) => JSON.stringify([kind, Object.keys(state).toSorted()]);
  const found = /* @__PURE__ */ new Map();
  for (const node of removed) {
    const alike = added.filter((other) => shape(other) === shape(node));
    const rivals = removed.filter((other) => shape(other) === shape(node));
    const [only] = alike;
    if (only !== void 0 && alike.length === 1 && rivals.length === 1) found.set(node.name, only.name);
  }
  return found;
}
function changesOf(old, node, isEmpty) {
  const { name: name2 } = node;
  if (old.kind === SOURCE && node.kind === SOURCE) return sourceChanges(old, node);
  if (old.kind !== node.kind) {
    const text2 = `Operator "${name2}" was of kind "${old.kind}" and is of kind "${node.kind}": what the one kept means nothing to the other. Give the new one a name of its own.`;
    return [{ kind: "kind_changed", name: name2, losesState: true, orphans: tablesOf(old), text: text2 }];
  }
  const redefined = redefinition(old, node, isEmpty);
  if (redefined?.losesState === true) return [redefined];
  const changes = redefined === void 0 ? [] : [redefined];
  if (old.inputs.join() !== node.inputs.join()) {
    const text2 = `Operator "${name2}" now reads from ${node.inputs.join(", ")}, not from ${old.inputs.join(", ")}.`;
    changes.push({ kind: "inputs_changed", name: name2, ...NOTHING_LOST, text: text2 });
  }
  for (const [table, description] of Object.entries(node.state)) {
    changes.push(...tableChanges(name2, table, old.state[table], description));
  }
  for (const id of tablesOf(old).filter((table) => !tablesOf(node).includes(table))) {
    const text2 = `Operator "${name2}" has no table "${id}" any more, and its rows have no reader.`;
    changes.push({ kind: "table_removed", name: name2, losesState: true, orphans: [id], text: text2 });
  }
  return changes;
}
function sourceChanges({ definition: before = {} }, node) {
  const { name: name2, definition: after = {} } = node;
  const said = (of) => {
    const parts = Object.entries(of).map(([key, value]) => `${key} ${JSON.stringify(value)}`);
    return parts.length === 0 ? "all of its stream" : parts.join(", ");
  };
  if (said(before) === said(after)) return [];
  const text2 = `Source "${name2}" read ${said(before)} and now reads ${said(after)}: what lies before its position in the stream is not read again. Give it a name of its own to read from the beginning.`;
  return [{ kind: "definition_changed", name: name2, losesState: true, orphans: [], text: text2 }];
}
function redefinition(old, { name: name2, kind, definition, definedTables }, isEmpty) {
  const before = old.definition;
  if (before === void 0 || definition === void 0) return void 0;
  const names = [.../* @__PURE__ */ new Set([...Object.keys(before), ...Object.keys(definition)])];
  const quoted = (value) => value === void 0 ? "not there" : JSON.stringify(value);
  const differences = names.filter((each2) => before[each2] !== definition[each2]).map((each2) => `${each2} was ${quoted(before[each2])} and is ${quoted(definition[each2])}`);
  if (differences.length === 0) return void 0;
  const said = `Operator "${name2}" (${kind}) is defined otherwise: ${differences.join("; ")}.`;
  if (definedTables?.every((table) => isEmpty(`${name2}/${table}`)) === true) {
    const text3 = `${said} It holds no rows of the old definition.`;
    return { kind: "definition_changed", name: name2, ...NOTHING_LOST, text: text3 };
  }
  const orphans = tablesOf(old);
  const text2 = `${said} What it kept (${orphans.join(", ")}) was made by the old definition. Give the new one a name of its own, or rebuild the state from the stream.`;
  return { kind: "definition_changed", name: name2, losesState: true, orphans, text: text2 };
}
function tableChanges(name2, table, old, { kind, version, migrates: migrates2 = false }) {
  const id = `${name2}/${table}`;
  if (old === void 0) {
    const text3 = `Table "${id}" is new: it begins empty.`;
    return [{ kind: "table_added", name: name2, ...NOTHING_LOST, text: text3 }];
  }
  if (old.kind !== kind) {
    const text3 = `Table "${id}" was a ${old.kind} table and is a ${kind} table: its rows cannot be read as such. Give the new table a name of its own.`;
    return [{ kind: "table_kind_changed", name: name2, losesState: true, orphans: [id], text: text3 }];
  }
  if (old.version === version) return [];
  if (old.version > version || !migrates2) {
    const why = old.version > version ? "is older than that" : "has no migration from it";
    const text3 = `Table "${id}" was written with schema version ${old.version}; this program reads version ${version} and ${why}.`;
    return [{ kind: "version_changed", name: name2, losesState: false, orphans: [id], isUnreadable: true, text: text3 }];
  }
  const text2 = `Table "${id}" changes from schema version ${old.version} to ${version}.`;
  return [{ kind: "version_changed", name: name2, ...NOTHING_LOST, text: text2 }];
}

// engine/task/naming-gaps.ts
var GAP_KINDS = {
  position_ahead_of_stream: "lost",
  position_before_stream: "removed",
  stream_replaced: "replaced"
};
async function namingGaps(place, work) {
  try {
    await work();
  } catch (error) {
    if (error instanceof StreamGapError) writeGap(place, error);
    throw error;
  }
}
function writeGap({ store, clock, node }, { code, gap: gap2 }) {
  const meta = store.table(META_TABLE);
  const progress = readProgress(meta);
  const board = new GapBoard(readGaps(meta));
  board.add({
    ...{ ...gap2, kind: GAP_KINDS[code] ?? "lost", node, messages: gap2.last - gap2.first + 1 },
    ...{ stream: progress?.stream ?? "", incarnation: progress?.incarnation ?? "" },
    noticed_at_ms: clock.now()
  });
  store.transaction(() => board.flush(store.table(META_TABLE)));
}
function gapNotices(inputs) {
  return inputs.all.flatMap(({ node, facts, gap: gap2 }) => {
    if (gap2 === void 0) return [];
    const { from, through, messages } = gap2;
    const detail = { source: node, from, through, messages };
    return [{ kind: "gap_skipped", scope: facts.stream, sequence: through, detail }];
  });
}

// engine/task/outbox-events.ts
function outboxEvents(counts, inputs, notices) {
  const note = (kind, scope, detail) => notices.add({ kind, scope, sequence: inputs.first.sequence, detail });
  return {
    refused: ({ id, subject }, { code }) => {
      counts.refused.add();
      note("outbox_refused", subject, { id, code });
    },
    duplicate: ({ id, subject }) => {
      counts.duplicates.add();
      note("outbox_duplicate", subject, { id });
    }
  };
}

// engine/task/task-limits.ts
var DEFAULT_TASK_LIMITS = {
  batch_max_events: 4096,
  batch_target_ms: 50,
  barrier_interval_ms: 250,
  barrier_max_events: 5e4,
  backlog_barrier_interval_ms: 2e3,
  backlog_barrier_max_events: 15e4,
  idle_barrier_interval_ms: 5e3,
  max_drift_ms: 3e5,
  outbox: DEFAULT_OUTBOX_LIMITS,
  control_poll_ms: 100,
  control: DEFAULT_CONTROL_LIMITS
};
var BATCH_MIN_EVENTS = 64;
function adaptedBatch({ batch_max_events, batch_target_ms }, current, records, took_ms) {
  if (took_ms > batch_target_ms) return Math.max(BATCH_MIN_EVENTS, Math.floor(records / 2));
  return took_ms * 4 < batch_target_ms ? Math.min(batch_max_events, current * 2) : current;
}

// engine/task/task-metrics.ts
var MS_PER_SECOND2 = 1e3;
var TaskMetrics = class {
  #metrics;
  records;
  commits;
  /** Seconds. */
  commit_s;
  refused;
  duplicates;
  failingRecords;
  constructor(metrics) {
    this.#metrics = metrics;
    const counter = (name2, help) => metrics.counter(name2, help);
    this.records = counter("millrace.task.records", "Records of the stream applied and committed");
    this.commits = counter("millrace.task.commits", "Commits");
    this.commit_s = counter("millrace.task.commit.time", "Time spent in commits");
    this.refused = counter("millrace.outbox.refused", "Messages that the receiver will never take");
    this.duplicates = counter(
      "millrace.outbox.duplicates",
      "Messages sent for the first time whose id the receiver had already: they are not stored"
    );
    this.failingRecords = counter("millrace.task.failing_records", "Records put aside, for they fail");
  }
  observe({ store, inputs, outbox, eventTime, held, uncommitted }) {
    const metrics = this.#metrics;
    const gauge = (name2, help, read4) => metrics.gauge(name2, help, read4);
    for (const [at2, input] of inputs.all.entries()) {
      const labels = at2 === 0 ? {} : { source: input.node };
      metrics.gauge("millrace.task.position", "Last applied stream sequence", () => input.sequence, labels);
    }
    gauge("millrace.task.lag", "Records in the streams that are not applied yet", () => inputs.lag);
    gauge(
      "millrace.task.sources_held",
      "Sources that wait because they are ahead of others in event time",
      held
    );
    gauge(
      "millrace.task.sources_degraded",
      "Sources that cannot read in their usual way, and take more CPU",
      () => inputs.all.filter(({ source }) => source.state().isDegraded === true).length
    );
    gauge("millrace.task.uncommitted", "Records applied since the last commit", uncommitted);
    metrics.observedCounter(
      "millrace.task.skipped",
      "Records the stream dropped before they were read",
      () => inputs.all.reduce((sum2, { source }) => sum2 + source.state().skipped, 0)
    );
    eventTime.eachOwner((operator, read_ms) => {
      const read_s = () => secondsOf(read_ms());
      metrics.gauge("millrace.watermark.timestamp", "Watermark, since 1970", read_s, { operator });
    });
    gauge("millrace.outbox.owed", "Messages that are owed to the outside", () => outbox.owed);
    gauge("millrace.outbox.failing", "Subjects whose messages cannot be sent", () => outbox.failingSubjects);
    metrics.observedCounter(
      "millrace.outbox.dropped",
      'Messages that were removed by "millrace outbox drop"',
      () => outbox.dropped
    );
    metrics.observedCounter("millrace.outbox.retries", "Sends that had to be repeated", () => outbox.retries);
    gauge("millrace.state.size", "Size of the state file", () => store.sizeBytes());
  }
};
var secondsOf = (time_ms) => Number.isFinite(time_ms) ? time_ms / MS_PER_SECOND2 : void 0;

// engine/task/timers.ts
function byId(a, b) {
  return a.id < b.id ? -1 : 1;
}
var TimerService = class {
  #open;
  #opened;
  /** Since the last commit, by encoded (time, key), which sorts as the timers do. */
  #changed = /* @__PURE__ */ new Map();
  /** Ids of set timers that a scan of the store would not find, or not any more. */
  #waiting = new MinHeap();
  /** A timer was set: the table is there from then on, whether or not one waits at a commit. */
  #isUsed = false;
  /** Stored timers up to here have fired. */
  #scanned_ms = -1;
  /** `exists`: the operator had timers before; without it the table is made with the first one. */
  constructor(open3, exists) {
    this.#open = open3;
    if (exists) this.#opened = open3();
  }
  set(time_ms, key) {
    const timer = { time_ms, key };
    const id = idOf(timer);
    if (this.#changed.get(id)?.set === true) return;
    this.#isUsed = true;
    this.#changed.set(id, { timer, set: true });
    this.#waiting.push(id);
  }
  clear(time_ms, key) {
    const timer = { time_ms, key };
    this.#changed.set(idOf(timer), { timer, set: false });
  }
  due(watermark_ms) {
    if (watermark_ms < 0) return [];
    const scanned_ms = this.#scanned_ms;
    const to_ms = Math.min(MAX_TIME_MS, Math.floor(watermark_ms));
    const stored = this.#scan(to_ms);
    for (const { id, timer } of stored) this.#changed.set(id, { timer, set: false });
    const fresh = [];
    const end = Buffer.from(endOf(to_ms)).toString("latin1");
    let last;
    for (let id = this.#waiting.peek(); id !== void 0 && id < end; id = this.#waiting.peek()) {
      this.#waiting.pop();
      if (id === last) continue;
      last = id;
      const change = this.#changed.get(id);
      if (change?.set === false) continue;
      const timer = change?.timer ?? timerOf(Buffer.from(id, "latin1"));
      fresh.push({ id, timer });
      if (change !== void 0 && timer.time_ms > scanned_ms) this.#changed.delete(id);
      else this.#changed.set(id, { timer, set: false });
    }
    const due = stored.length === 0 ? fresh : fresh.length === 0 ? stored : [...stored, ...fresh].sort(byId);
    return due.map(({ timer }) => timer);
  }
  /** Stored timers between the last watermark and this one, but for those that were cleared since the commit. */
  #scan(to_ms) {
    const found = [];
    if (to_ms <= this.#scanned_ms) return found;
    const start = new ByteWriter().u48(this.#scanned_ms + 1).copy();
    const end = endOf(to_ms);
    for (const { key } of this.#opened?.scan({ start, end }) ?? []) {
      const id = Buffer.from(key).toString("latin1");
      if (this.#changed.get(id)?.set !== false) found.push({ id, timer: timerOf(key) });
    }
    this.#scanned_ms = to_ms;
    return found;
  }
  next() {
    const waiting_ms = this.#firstWaiting();
    if (this.#scanned_ms >= MAX_TIME_MS) return waiting_ms;
    const start = new ByteWriter().u48(this.#scanned_ms + 1).copy();
    for (const { key } of this.#opened?.scan({ start }) ?? []) {
      if (this.#changed.get(Buffer.from(key).toString("latin1"))?.set === false) continue;
      return Math.min(waiting_ms ?? MAX_TIME_MS, timerOf(key).time_ms);
    }
    return waiting_ms;
  }
  /** The earliest that a scan of the store would not find. */
  #firstWaiting() {
    const top = this.#waiting.peek();
    if (top === void 0 || this.#changed.get(top)?.set !== false) {
      return top === void 0 ? void 0 : timerOf(Buffer.from(top, "latin1")).time_ms;
    }
    const set = this.#waiting.ids.filter((id) => this.#changed.get(id)?.set !== false);
    const first = set.reduce(
      (least, id) => least === void 0 || id < least ? id : least,
      void 0
    );
    return first === void 0 ? void 0 : timerOf(Buffer.from(first, "latin1")).time_ms;
  }
  flush() {
    if (this.#isUsed) this.#opened ??= this.#open();
    if (this.#changed.size === 0) return;
    const waiting = new MinHeap();
    for (const [id, { timer, set }] of this.#changed) {
      const key = Buffer.from(id, "latin1");
      if (set) this.#opened?.put(key, NOTHING2);
      else this.#opened?.remove(key);
      if (set && timer.time_ms <= this.#scanned_ms) waiting.push(id);
    }
    for (const id of this.#waiting.ids) {
      if (!this.#changed.has(id)) waiting.push(id);
    }
    this.#waiting = waiting;
    this.#changed = /* @__PURE__ */ new Map();
  }
};
var MinHeap = class {
  ids = [];
  peek() {
    return this.ids[0];
  }
  push(id) {
    const { ids } = this;
    let at2 = ids.push(id) - 1;
    while (at2 > 0) {
      const parent = at2 - 1 >> 1;
      const above = ids[parent];
      if (above <= id) break;
      ids[at2] = above;
      at2 = parent;
    }
    ids[at2] = id;
  }
  pop() {
    const { ids } = this;
    const last = ids.pop();
    if (last === void 0 || ids.length === 0) return;
    let at2 = 0;
    for (; ; ) {
      let child = 2 * at2 + 1;
      if (child >= ids.length) break;
      if (child + 1 < ids.length && ids[child + 1] < ids[child]) child++;
      if (ids[child] >= last) break;
      ids[at2] = ids[child];
      at2 = child;
    }
    ids[at2] = last;
  }
};
var MAX_TIME_MS = 2 ** 48 - 1;
var AFTER_ALL = new Uint8Array(7).fill(255);
function endOf(time_ms) {
  return time_ms < MAX_TIME_MS ? new ByteWriter().u48(time_ms + 1).copy() : AFTER_ALL;
}
var writer2 = new ByteWriter();
var NOTHING2 = new Uint8Array(0);
function idOf({ time_ms, key }) {
  return textOf2(writer2.reset().u48(time_ms).orderedString(key));
}
function textOf2(bytes) {
  return bytes.view().toString("latin1");
}
function timerOf(key) {
  const reader = new ByteReader(key);
  return { time_ms: reader.u48(), key: reader.orderedString() };
}

// engine/task/upgrade.ts
var KEY = new ByteWriter().orderedString("engine").orderedString("topology").copy();
var BY_WORD = "start once with ALLOW_TOPOLOGY_CHANGE=1 (the task option allowTopologyChange)";
var ROWS_PER_TRANSACTION = 1e4;
function readTopology(meta) {
  const bytes = meta.get(KEY);
  return bytes === void 0 ? void 0 : JSON.parse(Buffer.from(bytes).toString("utf8"));
}
function writeTopology(meta, description) {
  meta.put(KEY, Buffer.from(JSON.stringify(description)));
}
function changesFrom(table, running) {
  const stored = readTopology(table(META_TABLE));
  if (stored === void 0) return void 0;
  return diffTopology(stored, running, (id) => [...table(id).scan({ limit: 1 })].length === 0);
}
function upgradeTopology(store, running, allow) {
  const changes = changesFrom((name2) => store.table(name2), running) ?? [];
  const unreadable3 = changes.filter(({ isUnreadable }) => isUnreadable === true);
  if (unreadable3.length > 0 && !allow) {
    const tables4 = unreadable3.flatMap(({ orphans }) => orphans).join(", ");
    throw new MillraceError(
      "state_schema_mismatch",
      `${unreadable3.map(({ text: text2 }) => text2).join(" ")} Rebuild the state from the stream with "millrace replay --make-current --force", give the table a migrate, give its operator a new name, or run the version that wrote it. To go on without the rows of ${tables4}, which deletes them and nothing else for that reason, ${BY_WORD}.`
    );
  }
  const losses = changes.filter(({ losesState }) => losesState);
  if (losses.length > 0 && !allow) {
    throw new MillraceError(
      "topology_changed",
      `${losses.map(({ text: text2 }) => text2).join(" ")} To go on without that state, which deletes it, ${BY_WORD}; to keep it, run the topology that wrote it; to make all of it anew from the stream, run "millrace replay --make-current --force".`
    );
  }
  for (const id of orphansOf(losses, store.tableNames())) deleteRows(store, id);
  for (const id of unreadable3.flatMap(({ orphans }) => orphans)) deleteRows(store, id);
  return changes.map((change) => change.isUnreadable === true ? givenUp(change) : change);
}
function givenUp(change) {
  return { ...change, text: `${change.text} Its rows were deleted, as ALLOW_TOPOLOGY_CHANGE=1 says.` };
}
function orphansOf(losses, names) {
  const whole = losses.filter(({ kind }) => kind !== "table_removed" && kind !== "table_kind_changed");
  const timers = whole.map(({ name: name2 }) => `${name2}/timers`).filter((id) => names.includes(id));
  return [...losses.flatMap(({ orphans }) => orphans), ...timers];
}
function deleteRows(store, id) {
  const table = store.table(id);
  for (; ; ) {
    const keys = [...table.scan({ limit: ROWS_PER_TRANSACTION })].map(({ key }) => Uint8Array.from(key));
    store.transaction(() => {
      for (const key of keys) table.remove(key);
      if (keys.length < ROWS_PER_TRANSACTION) store.table(META_TABLE).remove(schemaKey(id));
    });
    if (keys.length < ROWS_PER_TRANSACTION) return;
  }
}

// engine/task/task.ts
var NOWHERE = { sequence: 0 };
var QUARANTINE = ".quarantine";
var MS_PER_SECOND3 = 1e3;
var Task = class {
  metrics = new Metrics();
  #counts = new TaskMetrics(this.metrics);
  #options;
  #limits;
  #flushables = [];
  #timers = [];
  #graph;
  #outbox;
  #outputs;
  #control;
  #notices = new NoticeBoard({});
  #gaps = new GapBoard([]);
  #inputs;
  #watermarkOf = /* @__PURE__ */ new Map();
  #failures = new FailureWatch();
  #traces = new TraceFollower();
  #letters;
  #order;
  #commit = 0;
  #eventTime = new EventTime();
  #uncommitted = 0;
  #barrier_at_ms = 0;
  #barrierRequested = false;
  #batch_max;
  /** The topology is part of a commit of this task. */
  #isDescribed = false;
  constructor(options) {
    this.#options = options;
    this.#limits = { ...DEFAULT_TASK_LIMITS, ...options.limits };
    this.#batch_max = this.#limits.batch_max_events;
    const { letters } = this.#limits;
    this.#letters = letters === void 0 ? void 0 : new LetterAllowance(letters, options.store.table(META_TABLE));
    const summed = "Dead letters put together, for their tenant had too many";
    const countSummed = () => this.#letters?.summed ?? 0;
    this.metrics.observedCounter("millrace.deadletters.summed", summed, countSummed, {});
    this.#alignment = {
      watermarkOf: (node) => this.#eventTimeOf(node),
      max_drift_ms: this.#limits.max_drift_ms
    };
  }
  /** Opens state and source and checks that they fit together. Must be called once, before `run`. */
  async open() {
    const { store, source, topology: topology2, publisher, clock } = this.#options;
    const allow = this.#options.allowTopologyChange === true;
    const described = topology2.describe();
    if (this.#options.ordered === true) topology2.requireOrder();
    const inputs = new Inputs(source, described);
    const meta = store.table(META_TABLE);
    const progress = readProgress(meta);
    this.#gaps = new GapBoard(readGaps(meta));
    this.#inputs = inputs;
    await this.#naming(() => inputs.open(progress, readTopology(meta), allow));
    for (const { node } of inputs.all) this.#gaps.settle(node);
    const changes = upgradeTopology(store, described, allow);
    if (changes.length > 0) this.#options.onTopologyChange?.(changes);
    this.#commit = progress?.commit ?? 0;
    if (this.#options.ordered === true) this.#order = new LogOrder(progress?.log, progress?.sequence);
    this.#eventTime = new EventTime(progress);
    this.#notices = new NoticeBoard(progress?.notices ?? {});
    this.#outbox = new Outbox(
      store.table(OUTBOX_TABLE),
      publisher,
      progress?.outbox_next ?? 0,
      this.#limits.outbox,
      outboxEvents(this.#counts, inputs, this.#notices)
    );
    this.#control = new ControlState(store, this.#options.control, progress?.control, this.#limits.control);
    const failed2 = (error) => this.#failures.reportUnknown(error);
    const definitionOf = (node) => described.nodes.find(({ name: name2 }) => name2 === node)?.definition;
    this.#outputs = new OutputIds(topology2.name, inputs.origins(definitionOf), this.#commit);
    this.#graph = topology2.start(
      this.#runtime(inputs.first.source.partition, this.#outputs),
      failed2,
      this.#options.listen
    );
    this.#control.restore();
    const { watermark_ms } = this.#eventTime;
    this.#graph.push({ kind: "watermark", time_ms: watermark_ms ?? Number.NEGATIVE_INFINITY });
    this.#raise();
    for (const { node } of inputs.all) {
      emittedBy(this.metrics, node);
      this.#watermarkOf.set(
        node,
        watermarkOwners(described, node, (name2) => this.#eventTime.isOwner(name2))
      );
    }
    describeControl(this.metrics, this.#control);
    for (const notice of gapNotices(inputs)) this.#notices.add(notice);
    this.#counts.observe({
      store,
      inputs,
      outbox: this.#outbox,
      eventTime: this.#eventTime,
      held: () => inputs.held(this.#alignment).length,
      uncommitted: () => this.#uncommitted
    });
    await inputs.start();
    this.#barrier_at_ms = clock.now();
    this.#outbox.pump();
  }
  #runtime(partition, outputs) {
    const { store, stateChecks = "first" } = this.#options;
    const order = this.#order;
    const clock = this.#clock;
    return {
      store,
      stateChecks,
      clock,
      ordered: order !== void 0,
      cursor: order?.cursor ?? NOWHERE,
      onTick: (hear2) => order?.onTick(hear2),
      metrics: this.metrics,
      topology: this.#options.topology.name,
      partition,
      outputs,
      send: (message) => {
        if (this.#letters?.takes(message, clock.now()) === false) return;
        this.#opened().outbox.stage(this.#traces.mark(message));
      },
      notice: (notice) => this.#notices.add(notice),
      requestBarrier: () => {
        this.#barrierRequested = true;
      },
      eventTime: this.#eventTime,
      failures: this.#failures,
      control: (operator, handlers) => {
        if (order !== void 0) requireBehindCuts(this.#options.topology.describe(), operator);
        this.#control?.register(operator, handlers);
      },
      register: (_, flushable) => this.#flushables.push(flushable),
      timers: (operator) => {
        const id = `${operator}/timers`;
        const timers = new TimerService(() => store.table(id), store.tableNames().includes(id));
        this.#timers.push(timers);
        return timers;
      }
    };
  }
  /** The time by which results may be decided. */
  get #clock() {
    return this.#order?.clock ?? this.#options.clock;
  }
  /** Of an ordered task: where it is at work. */
  get cursor() {
    return this.#order?.cursor ?? NOWHERE;
  }
  #opened() {
    const [graph, outbox, inputs] = [this.#graph, this.#outbox, this.#inputs];
    const [control, outputs] = [this.#control, this.#outputs];
    const isOpen = graph !== void 0 && outbox !== void 0 && inputs !== void 0;
    if (!isOpen || control === void 0 || outputs === void 0) {
      throw new MillraceError("task_not_open", "Call open() before anything else of a task.");
    }
    return { graph, outbox, inputs, control, outputs };
  }
  /** An operator has more to do, or there are definitions that are not applied yet: a commit is due. */
  get wantsBarrier() {
    return this.#barrierRequested || this.#control?.hasNews === true;
  }
  /** The event time that a source has reached: the least of what is made of its records. */
  #eventTimeOf(node) {
    const owners = this.#watermarkOf.get(node) ?? [];
    return owners.length === 0 ? void 0 : Math.min(...owners.map((name2) => this.#eventTime.ownOf(name2)));
  }
  #raise() {
    const { first } = this.#failures;
    if (first !== void 0) throw errorOf(first);
  }
  /** Processes until `stop` is aborted, then commits what it has taken. Throws what broke it, uncommitted work undone. */
  async run(stop) {
    const { clock } = this.#options;
    const { control_poll_ms } = this.#limits;
    const { outbox, inputs } = this.#opened();
    const wake = () => {
      outbox.stop();
      inputs.stop();
    };
    stop.addEventListener("abort", wake, { once: true });
    try {
      await this.#naming(async () => {
        while (!stop.aborted) {
          await outbox.room();
          const wait_ms = Math.max(0, this.#nextBarrier_ms() - clock.now());
          await this.step(this.#options.control === void 0 ? wait_ms : Math.min(wait_ms, control_poll_ms));
        }
      });
      if (this.#uncommitted > 0) this.commit();
    } finally {
      stop.removeEventListener("abort", wake);
      this.close();
    }
  }
  /** Some work; what it says the stream has lost is written down before it fails. */
  #naming(work) {
    const { store, clock } = this.#options;
    return namingGaps({ store, clock, node: this.#inputs?.first.node ?? "" }, work);
  }
  /** One take, one push through the graph, and the commit that is due. Exposed for the simulation. */
  async step(wait_ms) {
    const { clock } = this.#options;
    const { inputs } = this.#opened();
    const max = this.#options.quarantine?.maxRecords(this.#batch_max, inputs.all) ?? this.#batch_max;
    const { input, records } = await inputs.take({ max, wait_ms }, this.#alignment);
    const last = records.at(-1);
    if (last !== void 0) this.#push(input, records, last.sequence);
    const now_ms = clock.now();
    for (const each2 of inputs.all) {
      for (const range of each2.takePassed()) this.#gaps.removed(each2, range, now_ms);
      each2.observe(each2.ready === void 0 && (last === void 0 || each2 !== input), now_ms);
    }
    const { barrier_max_events, backlog_barrier_max_events } = this.#limits;
    const max_events = this.#isBehind ? backlog_barrier_max_events : barrier_max_events;
    const isFull = this.#barrierRequested || this.#uncommitted >= max_events;
    if (isFull || now_ms >= this.#nextBarrier_ms()) this.commit();
    return records.length;
  }
  #push(input, records, last) {
    const { graph, outputs } = this.#opened();
    const { quarantine, topology: topology2, clock } = this.#options;
    input.note(records, (range) => this.#gaps.removed(input, range, clock.now()));
    for (const notice of this.#gaps.noteResent(input.node, records, topology2)) this.#notices.add(notice);
    invariant((records[0]?.sequence ?? 0) > input.sequence, "the source never repeats what was taken");
    input.sequence = last;
    this.#uncommitted += records.length;
    outputs.begin(input.node);
    const admitted = quarantine?.admit(input.node, records, (letter, { sequence }, { operator, message }) => {
      this.#opened().outbox.stage(outputs.place(letter, QUARANTINE));
      this.#counts.failingRecords.add();
      const detail = { operator, message, source: input.node };
      this.#notices.add({ kind: "record_failed", scope: letter.subject, sequence, detail });
    }) ?? records;
    const pushed_ms = performance.now();
    emittedBy(this.metrics, input.node).add(records.length);
    if (admitted.length > 0) {
      for (const run of this.#traces.runs(admitted)) {
        if (this.#order === void 0) {
          outputs.begin(input.node);
          graph.push({ ...batch(run), origins: run }, input.node);
        } else this.#pushInOrder(this.#order, input.node, run);
        if (this.#failures.first !== void 0) break;
      }
    }
    const failure = this.#failures.first;
    if (failure !== void 0) requireSoleWriter(this.#options.store, this.#commit);
    if (failure !== void 0 && quarantine !== void 0) {
      throw asMillraceError(quarantine.blame(input.node, admitted, failure));
    }
    if (failure !== void 0) throw errorOf(failure, { node: input.node, records: admitted });
    if (this.#options.stateChecks === "always") for (const flushable of this.#flushables) flushable.check?.();
    const took_ms = performance.now() - pushed_ms;
    this.#batch_max = adaptedBatch(this.#limits, this.#batch_max, records.length, took_ms);
  }
  #pushInOrder(order, node, records) {
    const { graph, outputs } = this.#opened();
    for (const record of records) {
      outputs.begin(node);
      const { minute } = order;
      if (order.begin(record)) graph.push({ kind: "batch", items: [record], origins: [record] }, node);
      if (this.#failures.first !== void 0) return;
      if (order.minute > minute) this.#sumLetters(order.clock.now());
    }
  }
  /** What was too much for letters of its own. */
  #sumLetters(now_ms) {
    for (const summary of this.#letters?.summaries(now_ms) ?? []) this.#opened().outbox.stage(summary);
  }
  #alignment;
  get #isBehind() {
    return this.#opened().inputs.lag > this.#limits.barrier_max_events;
  }
  #nextBarrier_ms() {
    const { barrier_interval_ms, backlog_barrier_interval_ms, idle_barrier_interval_ms } = this.#limits;
    const { outbox, inputs, control } = this.#opened();
    if (this.#barrierRequested) return this.#barrier_at_ms;
    const isBusy = this.#uncommitted > 0 || outbox.hasChanges || inputs.haveMoved || control.hasNews;
    if (!isBusy) return this.#barrier_at_ms + idle_barrier_interval_ms;
    return this.#barrier_at_ms + (this.#isBehind ? backlog_barrier_interval_ms : barrier_interval_ms);
  }
  /** Sends a barrier through the graph inside one transaction that writes everything, or nothing. */
  commit() {
    const { store, clock, topology: topology2, onCommit } = this.#options;
    const { graph, outbox, inputs, control, outputs } = this.#opened();
    const started_ms = performance.now();
    const now_ms = clock.now();
    const order = this.#order;
    const commit = this.#commit + 1;
    const before = graph.arrivals();
    this.#barrierRequested = false;
    const { progress, sending } = store.transaction(() => {
      const meta = store.table(META_TABLE);
      requireSoleWriter(this.#options.store, this.#commit);
      const { watermark_ms } = this.#eventTime.committed;
      control.apply();
      for (const input of inputs.all) {
        const time = order === void 0 ? { now_ms, idle_ms: input.idle_ms(now_ms) } : { now_ms: order.clock.now(), idle_ms: 0 };
        outputs.begin(input.node);
        graph.push({ kind: "barrier", commit, ...time, watermark_ms }, input.node);
      }
      this.#raise();
      invariant(graph.arrivals() - before === graph.ends, "a barrier reaches every end of the graph");
      const eventTime = this.#eventTime.committed;
      for (const flushable of this.#flushables) flushable.flush(eventTime.watermark_ms ?? 0);
      for (const timers of this.#timers) timers.flush();
      if (order === void 0) this.#sumLetters(now_ms);
      this.#letters?.flush();
      const flushed = outbox.flush();
      this.#notices.flush(meta);
      this.#gaps.flush(meta);
      const written2 = {
        commit,
        ...inputs.first.position,
        ...inputs.all.length > 1 ? { others: inputs.others } : {},
        ...eventTime,
        ...control.position === void 0 ? {} : { control: control.position },
        ...order === void 0 ? {} : { log: order.time },
        committed_at_ms: now_ms,
        outbox_next: outbox.next,
        notices: this.#notices.counts()
      };
      writeProgress(meta, written2);
      if (!this.#isDescribed) writeTopology(meta, topology2.describe());
      return { progress: written2, sending: flushed };
    });
    this.#commit = commit;
    for (const input of inputs.all) {
      input.committed();
      this.#options.quarantine?.committed(input.node, input.sequence);
    }
    this.#isDescribed = true;
    this.#barrier_at_ms = clock.now();
    this.#counts.records.add(this.#uncommitted);
    this.#uncommitted = 0;
    this.#counts.commits.add();
    this.#counts.commit_s.add((performance.now() - started_ms) / MS_PER_SECOND3);
    sending.sendCommitted();
    onCommit?.(progress);
  }
  /** Lets go of the graph; the store stays open, it is the caller's. */
  close() {
    this.#graph?.stop();
    this.#outbox?.stop();
    this.#graph = void 0;
  }
};

// engine/query/cancel.ts
var CancelFlag = class {
  shared;
  #cell;
  constructor(shared = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.shared = shared;
    this.#cell = new Int32Array(shared);
  }
  raise() {
    Atomics.store(this.#cell, 0, 1);
  }
  isCancelled() {
    return Atomics.load(this.#cell, 0) !== 0;
  }
  check() {
    if (this.isCancelled()) throw cancelled();
  }
};
function cancelled() {
  return new QueryRunError("query_cancelled", "The query was cancelled.");
}

// engine/query/limits.ts
var MIB = 1048576;
var DEFAULT_QUERY_LIMITS = {
  rows_max: 2e8,
  bytes_max: 16384 * MIB,
  cells_max: 5e7,
  partial_bytes_max: 64 * MIB
};

// engine/query/module-thread.ts
var ROOT = new URL("../../", import.meta.url).href;
function builtModule(url) {
  if (!url.endsWith(".ts") || !url.startsWith(ROOT)) return url;
  return `${ROOT}dist/${url.slice(ROOT.length, -".ts".length)}.js`;
}

// engine/query/scan-pool.ts
var THREAD = new URL(
  import.meta.url.endsWith(".ts") ? "./scan-thread.ts" : "./scan-thread.js",
  import.meta.url
);

// engine/query/executor.ts
var NEVER = new CancelFlag();

// engine/query/interactive-check.ts
var NONE = { texts: [], mayTexts: [], times: [], mayTimes: [], mayWindows: [], limit: "must" };
var MEMBERS = {
  key: { ...NONE, texts: ["key"], limit: "none" },
  range: { ...NONE, mayTexts: ["from", "to"] },
  prefix: { ...NONE, texts: ["prefix"], mayTexts: ["from", "to"] },
  window: {
    ...NONE,
    texts: ["key"],
    times: ["start_ms", "end_ms"],
    mayTimes: ["first_end_ms", "before_end_ms"],
    limit: "may"
  },
  windows: { ...NONE, times: ["start_ms", "end_ms"], mayWindows: ["from", "to"] }
};
var LAST_TIME_MS = 2 ** 48 - 1;
var TIME_RULE = `whole ms since 1970, up to ${LAST_TIME_MS}`;

// engine/query/interactive-layout.ts
var ROWS_TABLE = "rows";
var WINDOWS_TABLE = "windows";
var QUERYABLE_KINDS = { [ROWS_TABLE]: "to-table", [WINDOWS_TABLE]: "to-window-table" };
var WINDOW_START_END_MS = 255 * 2 ** 40;
var HAS_TIME = 1;
var HAS_VALUE = 2;
var HAS_TIE = 4;
function tableRowCodec(value) {
  return {
    content: value,
    write: (writer5, row) => {
      const { time_ms, value: content, tie } = row;
      const flag = (member, bit) => member === void 0 ? 0 : bit;
      writer5.u8(flag(time_ms, HAS_TIME) | flag(content, HAS_VALUE) | flag(tie, HAS_TIE));
      if (time_ms !== void 0) writer5.f64(time_ms);
      if (tie !== void 0) writer5.f64(tie);
      if (row.value !== void 0) value.write(writer5, row.value);
    },
    read: (reader) => {
      const flags = reader.u8();
      const time_ms = (flags & HAS_TIME) === 0 ? void 0 : reader.f64();
      const tie = (flags & HAS_TIE) === 0 ? {} : { tie: reader.f64() };
      return { time_ms, value: (flags & HAS_VALUE) === 0 ? void 0 : value.read(reader), ...tie };
    }
  };
}

// engine/log/layout.ts
var PACKED_MAX_ROWS = 1024;
var INLINE_MAX_BYTES = 2048;
var DAY_MS = 864e5;
var NONE2 = 0;
var EXTERNAL = 1;
var SCHEMA_KEY = 0;
var SCOPE_KEY = 1;
var FIRST_ORDER = 1;
function schemaKey2(id) {
  return new ByteWriter().u8(SCHEMA_KEY).u32(id).copy();
}
var SCHEMA_RANGE = { start: schemaKey2(0), end: Uint8Array.of(SCOPE_KEY) };
var SCOPES_RANGE = { start: Uint8Array.of(SCOPE_KEY) };
function scopePrefix(scope) {
  return new ByteWriter().u8(SCOPE_KEY).orderedString(scope).copy();
}
function scopeKey(scope) {
  return new ByteWriter().bytes(scopePrefix(scope)).u48(0).copy();
}
function segmentKey(scope, order, id) {
  return new ByteWriter().bytes(scopePrefix(scope)).u48(order).u48(id).copy();
}
function parseKey(key) {
  const reader = new ByteReader(key);
  reader.u8();
  const scope = reader.orderedString();
  const order = reader.u48();
  return reader.remaining === 0 ? { scope } : { scope, order, id: reader.u48() };
}
var ChunkKeys = class {
  #writer = new ByteWriter();
  head(segment, chunk) {
    return this.#chunk(segment, chunk).view();
  }
  column(segment, chunk, column) {
    return this.#chunk(segment, chunk).u8(column >> 8).u8(column & 255).view();
  }
  #chunk(segment, chunk) {
    return this.#writer.reset().bytes(segment).u8(chunk >> 8).u8(chunk & 255);
  }
};

// engine/log/manifest.ts
function rowsOf({ days }) {
  let rows = 0;
  for (const day of days) rows += day.rows;
  return rows;
}
function encodeManifest({ schema, chunks, days }) {
  const writer5 = new ByteWriter().varint(schema).varint(chunks.length);
  for (const { rows, min_ms, max_ms, min_sequence, max_sequence, bytes } of chunks) {
    writer5.varint(rows).zigzag(min_ms).varint(max_ms - min_ms);
    writer5.varint(min_sequence).varint(max_sequence - min_sequence).varint(bytes);
  }
  writer5.varint(days.length);
  let before = 0;
  for (const { day, rows, net, first, second } of days) {
    writer5.zigzag(day - before).varint(rows).zigzag(net).u32(first).u32(second);
    before = day;
  }
  return writer5.copy();
}
function decodeManifest(bytes) {
  const reader = new ByteReader(bytes);
  const schema = reader.varint();
  const chunks = [];
  for (let left = reader.varint(); left > 0; left--) {
    const rows = reader.varint();
    const min_ms = reader.zigzag();
    const max_ms = min_ms + reader.varint();
    const min_sequence = reader.varint();
    const max_sequence = min_sequence + reader.varint();
    chunks.push({ rows, min_ms, max_ms, min_sequence, max_sequence, bytes: reader.varint() });
  }
  const days = [];
  let day = 0;
  for (let left = reader.varint(); left > 0; left--) {
    day += reader.zigzag();
    const rows = reader.varint();
    const net = reader.zigzag();
    days.push({ day, rows, net, first: reader.u32() | 0, second: reader.u32() | 0 });
  }
  return { schema, chunks, days };
}
var DaySums = class {
  #days = /* @__PURE__ */ new Map();
  add({ day, rows, net, first, second }) {
    const known2 = this.#days.get(day);
    if (known2 === void 0) {
      this.#days.set(day, { day, rows, net, first, second });
      return;
    }
    known2.rows += rows;
    known2.net += net;
    known2.first = known2.first + first | 0;
    known2.second = known2.second + second | 0;
  }
  entry(day) {
    let entry = this.#days.get(day);
    if (entry === void 0) {
      entry = { day, rows: 0, net: 0, first: 0, second: 0 };
      this.#days.set(day, entry);
    }
    return entry;
  }
  sorted() {
    return [...this.#days.values()].sort((a, b) => a.day - b.day);
  }
};
var NO_CUT = Number.NEGATIVE_INFINITY;
function encodeScope({ firstDay, nextId }) {
  return new ByteWriter().zigzag(firstDay).varint(nextId).copy();
}
function decodeScope(bytes) {
  const reader = new ByteReader(bytes);
  return { firstDay: reader.zigzag(), nextId: reader.varint() };
}

// engine/log/describe-log.ts
function dayName(day) {
  return new Date(day * 864e5).toISOString().slice(0, 10);
}
function describeLogSegment({ key, value }) {
  if (key[0] !== SCOPE_KEY) return { key: "schema", value: { bytes: value.length } };
  const { scope, order, id } = parseKey(key);
  if (order === void 0) return { scope, key: "cut", value: dayName(decodeScope(value).firstDay) };
  const manifest = decodeManifest(value);
  const { chunks, days } = manifest;
  return {
    scope,
    key: `segment ${id}`,
    value: {
      rows: rowsOf(manifest),
      chunks: chunks.length,
      bytes: chunks.reduce((sum2, { bytes }) => sum2 + bytes, 0),
      first_day: dayName(days[0]?.day ?? 0),
      last_day: dayName(days.at(-1)?.day ?? 0)
    }
  };
}
function describeLogChunk({ key, value }) {
  const { scope, id } = parseKey(key);
  return {
    scope,
    key: `segment ${id}, ${Buffer.from(key.slice(-4)).toString("hex")}`,
    value: { bytes: value.length }
  };
}

// engine/log/log-digest.ts
function* logDigest(segments) {
  let scope;
  let firstDay = NO_CUT;
  let [net, first, second] = [0, 0, 0];
  const finished2 = function* () {
    if (scope === void 0 || net === 0 && first === 0 && second === 0) return;
    yield { scope, firstDay, net, digest: hex(first) + hex(second) };
  };
  for (const { key, value } of segments.scan(SCOPES_RANGE)) {
    const parsed = parseKey(key);
    if (parsed.scope !== scope) {
      yield* finished2();
      scope = parsed.scope;
      firstDay = NO_CUT;
      [net, first, second] = [0, 0, 0];
    }
    if (parsed.order === void 0) {
      firstDay = decodeScope(value).firstDay;
      continue;
    }
    for (const day of decodeManifest(value).days) {
      if (day.day < firstDay) continue;
      net += day.net;
      first = first + day.first | 0;
      second = second + day.second | 0;
    }
  }
  yield* finished2();
}
function hex(word) {
  return (word >>> 0).toString(16).padStart(8, "0");
}
function* logDigestRows(segments) {
  for (const { scope, net, digest } of logDigest(segments))
    yield new ByteWriter().orderedString(scope).zigzag(net).string(digest).copy();
}

// engine/log/chunk-store.ts
var Reusable = class {
  #bytes = new Uint8Array(0);
  copyOf(value) {
    const { length } = value;
    if (this.#bytes.length < length) this.#bytes = new Uint8Array(Math.max(length, this.#bytes.length * 2));
    this.#bytes.set(value);
    return this.#bytes.subarray(0, length);
  }
};
function large(chunks, key) {
  return chunks.getShared === void 0 ? chunks.get(key) : chunks.getShared(key);
}
function segmentGone() {
  return new MillraceError(
    "log_segment_gone",
    "A segment of the event log that was to be read is no longer there: it was merged or dropped after the plan was made. Plan and read in one snapshot, or plan again.",
    { retriable: true }
  );
}
var StoredChunkBytes = class {
  #chunks;
  #keys = new ChunkKeys();
  #segment;
  #chunk;
  #head;
  #directory;
  constructor(chunks, segment, chunk, memory) {
    this.#chunks = chunks;
    this.#segment = segment;
    this.#chunk = chunk;
    const value = large(chunks, this.#keys.head(segment, chunk));
    if (value === void 0) throw segmentGone();
    this.#head = memory.copyOf(value);
    invariant(value.length >= 8, "the head of a chunk has a directory");
    const { buffer, byteOffset } = this.#head;
    const columns = new Uint32Array(buffer, byteOffset, 1)[0];
    invariant(4 + columns * 4 <= value.length, "a chunk's directory has all its columns");
    this.#directory = new Uint32Array(buffer, byteOffset + 4, columns);
  }
  /** The bytes of a column, or undefined when all its values are none; a large one is copied into `memory`. */
  column(place, memory) {
    const at2 = this.#directory[place] ?? NONE2;
    if (at2 === NONE2) return void 0;
    if (at2 !== EXTERNAL) return this.#head.subarray(at2);
    const value = large(this.#chunks, this.#keys.column(this.#segment, this.#chunk, place));
    if (value === void 0) throw segmentGone();
    return memory.copyOf(value);
  }
  has(place) {
    return (this.#directory[place] ?? NONE2) !== NONE2;
  }
  /** Places of the columns with rows of their own. */
  externals() {
    return [...this.#directory.keys()].filter((place) => this.#directory[place] === EXTERNAL);
  }
  /** Removes the chunk; inside a commit. */
  remove(chunks) {
    for (const place of this.externals()) chunks.remove(this.#keys.column(this.#segment, this.#chunk, place));
    chunks.remove(this.#keys.head(this.#segment, this.#chunk));
  }
};
var INITIAL_COLUMN_BYTES = 16;
var ChunkBuilder = class {
  #chunks;
  #keys = new ChunkKeys();
  #segment;
  #chunk;
  #columns;
  #inlineMax;
  /** Number of columns, their directory, then the small ones. */
  #head;
  #directory;
  #headBytes;
  #bytes = 0;
  constructor(chunks, segment, chunk, columns, rows) {
    this.#chunks = chunks;
    this.#segment = segment;
    this.#chunk = chunk;
    this.#columns = columns;
    this.#inlineMax = rows <= PACKED_MAX_ROWS ? Number.POSITIVE_INFINITY : INLINE_MAX_BYTES;
    this.#headBytes = 4 + columns * 4 + 7 & ~7;
    this.#head = new Uint8Array(this.#headBytes + columns * INITIAL_COLUMN_BYTES);
    this.#directory = new Uint32Array(this.#head.buffer, 0, columns + 1);
    this.#directory[0] = columns;
  }
  /** `encoded` has a multiple of 8 bytes, none when all values are none; it is copied. */
  add(place, encoded2) {
    const { length } = encoded2;
    if (length === 0) return;
    if (length > this.#inlineMax) {
      this.#chunks.put(this.#keys.column(this.#segment, this.#chunk, place), encoded2);
      this.#directory[place + 1] = EXTERNAL;
      this.#bytes += length;
      return;
    }
    const at2 = this.#headBytes;
    if (at2 + length > this.#head.length) this.#grow(at2 + length);
    this.#head.set(encoded2, at2);
    this.#directory[place + 1] = at2;
    this.#headBytes = at2 + length;
  }
  #grow(needed) {
    const head = new Uint8Array(Math.max(needed, this.#head.length * 2));
    head.set(this.#head);
    this.#head = head;
    this.#directory = new Uint32Array(head.buffer, 0, this.#columns + 1);
  }
  /** Writes the head; the chunk's bytes. */
  finish() {
    const head = this.#head.subarray(0, this.#headBytes);
    this.#chunks.put(this.#keys.head(this.#segment, this.#chunk), head);
    return this.#bytes + head.length;
  }
};

// engine/log/row-order.ts
var DIGIT_BITS = 11;
var DIGITS = 1 << DIGIT_BITS;
var DAY_CHUNK_MIN_ROWS = CHUNK_MAX_ROWS / 2;
var RadixSort = class {
  order;
  #other;
  #counts = new Uint32Array(DIGITS);
  constructor(order) {
    this.order = order;
    this.#other = new Uint32Array(order.length);
  }
  /** `bits` of the keys matter, from the lowest. */
  by(keys, bits) {
    for (let shift = 0; shift < bits; shift += DIGIT_BITS) this.#pass(keys, shift);
  }
  #pass(keys, shift) {
    const counts = this.#counts.fill(0);
    const from = this.order;
    const { length } = from;
    const mask = DIGITS - 1;
    for (let at2 = 0; at2 < length; at2++) {
      const digit = keys[from[at2]] >>> shift & mask;
      counts[digit] = counts[digit] + 1;
    }
    let sum2 = 0;
    for (let digit = 0; digit < DIGITS; digit++) {
      const count2 = counts[digit];
      if (count2 === length) return;
      counts[digit] = sum2;
      sum2 += count2;
    }
    const to = this.#other;
    for (let at2 = 0; at2 < length; at2++) {
      const row = from[at2];
      const digit = keys[row] >>> shift & mask;
      const place = counts[digit];
      counts[digit] = place + 1;
      to[place] = row;
    }
    this.order = to;
    this.#other = from;
  }
};
function bitsOf(max) {
  return 32 - Math.clz32(max);
}
function ranksOf({ hi, lo, count: count2 }) {
  const sort = new RadixSort(Uint32Array.from({ length: count2 }, (_unused, id) => id));
  sort.by(lo, 32);
  sort.by(hi, 32);
  const ranks = new Int32Array(count2);
  for (let place = 0; place < count2; place++) ranks[sort.order[place]] = place;
  return ranks;
}
function daysOf(time_ms, rows, firstDay) {
  const days = new Int32Array(rows);
  const rest_ms = new Int32Array(rows);
  let last = 0;
  for (let row = 0; row < rows; row++) {
    const time = time_ms[row];
    const day = Math.floor(time / DAY_MS);
    days[row] = day - firstDay;
    rest_ms[row] = time - day * DAY_MS;
    if (day - firstDay > last) last = day - firstDay;
  }
  return { days, count: last + 1, rest_ms };
}
function sortRows(order, time_ms, firstDay, hashes) {
  const { days, count: count2, rest_ms } = daysOf(time_ms, time_ms.length, firstDay);
  const sort = new RadixSort(order);
  sort.by(rest_ms, bitsOf(DAY_MS - 1));
  if (hashes !== null) {
    const { ids } = hashes;
    const ranks = ranksOf(hashes);
    const keys = new Int32Array(time_ms.length);
    for (let row = 0; row < keys.length; row++) keys[row] = ranks[ids[row]];
    sort.by(keys, bitsOf(hashes.count - 1));
  }
  sort.by(days, bitsOf(count2 - 1));
  return cutAtDays(sort.order, days);
}
function cutAtDays(order, days) {
  const chunks = [];
  let from = 0;
  for (let at2 = 1; at2 < order.length; at2++) {
    const isFull = at2 - from === CHUNK_MAX_ROWS;
    const isDay = days[order[at2]] !== days[order[at2 - 1]];
    if (!isFull && !(isDay && at2 - from >= DAY_CHUNK_MIN_ROWS)) continue;
    chunks.push({ order, from, to: at2 });
    from = at2;
  }
  chunks.push({ order, from, to: order.length });
  return chunks;
}
function cutEvenly(order, from, to) {
  const chunks = [];
  for (let at2 = from; at2 < to; at2 += CHUNK_MAX_ROWS)
    chunks.push({ order, from: at2, to: Math.min(to, at2 + CHUNK_MAX_ROWS) });
  return chunks;
}

// engine/log/segment-encoder.ts
var SegmentEncoder = class {
  #encoder;
  #table;
  #columns;
  #chunks = [];
  /** Room for the rows of the largest chunk. */
  #ints = new Int32Array(0);
  #doubles = new Float64Array(0);
  /** Number of a list within its chunk, from 1, where #listChunk says that it is of this chunk. */
  #listNumber = new Int32Array(0);
  #listChunk = new Int32Array(0);
  /** `columns` is the number of places in a chunk. */
  constructor(encoder4, table, columns) {
    this.#encoder = encoder4;
    this.#table = table;
    this.#columns = columns;
  }
  /** Before the first column. */
  add(segment, chunk, rows) {
    const builder = new ChunkBuilder(this.#table, segment, chunk, this.#columns, rows.to - rows.from);
    if (this.#ints.length < rows.to - rows.from) {
      this.#ints = new Int32Array(rows.to - rows.from);
      this.#doubles = new Float64Array(rows.to - rows.from);
    }
    const nothing = { min_ms: 0, max_ms: 0, min_sequence: 0, max_sequence: 0 };
    this.#chunks.push({ ...rows, builder, isRange: isRange(rows), ...nothing });
  }
  /** After the last column: the chunks in the order of `add`. */
  finish() {
    return this.#chunks.map(({ builder, from, to, min_ms, max_ms, min_sequence, max_sequence }) => ({
      ...{ rows: to - from, min_ms, max_ms, min_sequence, max_sequence },
      bytes: builder.finish()
    }));
  }
  codes(place, values) {
    for (const chunk of this.#chunks) {
      const own = this.#gatherInts(values, chunk);
      chunk.builder.add(place, this.#encoder.codes(own, chunk.to - chunk.from));
    }
  }
  hashes(place, { ids, hi, lo }) {
    for (const chunk of this.#chunks) {
      const own = this.#gatherInts(ids, chunk);
      chunk.builder.add(place, this.#encoder.hashes(own, chunk.to - chunk.from, hi, lo));
    }
  }
  numbers(place, values) {
    for (const chunk of this.#chunks) {
      const own = this.#gatherDoubles(values, chunk);
      if (place === TIME || place === SEQUENCE) measure(chunk, place, own);
      chunk.builder.add(place, this.#encoder.numbers(own, chunk.to - chunk.from));
    }
  }
  #gatherInts(values, { order, from, to, isRange: isRange2 }) {
    const first = order[from];
    if (isRange2) return values.subarray(first, first + to - from);
    const gathered = this.#ints;
    for (let at2 = from; at2 < to; at2++) gathered[at2 - from] = values[order[at2]];
    return gathered;
  }
  #gatherDoubles(values, { order, from, to, isRange: isRange2 }) {
    const first = order[from];
    if (isRange2) return values.subarray(first, first + to - from);
    const gathered = this.#doubles;
    for (let at2 = from; at2 < to; at2++) gathered[at2 - from] = values[order[at2]];
    return gathered;
  }
  items(first, specs, lists) {
    this.#listNumber = new Int32Array(lists.count);
    this.#listChunk = new Int32Array(lists.count).fill(-1);
    for (const [index, chunk] of this.#chunks.entries()) this.#itemsOf(index, chunk, first, specs, lists);
  }
  #itemsOf(index, { order, from, to, builder }, first, specs, lists) {
    const used = [];
    const rows = this.#ints;
    for (let at2 = from; at2 < to; at2++) {
      const list = lists.list[order[at2]];
      if (list !== 0 && this.#listChunk[list] !== index) {
        this.#listChunk[list] = index;
        this.#listNumber[list] = used.push(list);
      }
      rows[at2 - from] = list === 0 ? 0 : this.#listNumber[list];
    }
    if (used.length === 0) return;
    builder.add(LIST, this.#encoder.integers(rows, to - from));
    const sizes = Int32Array.from(used, (list) => lists.size[list]);
    builder.add(LIST_SIZE, this.#encoder.integers(sizes, used.length));
    let total = 0;
    for (const size of sizes) total += size;
    const places = new Int32Array(total);
    let item = 0;
    for (const list of used) {
      const start = lists.start[list];
      const size = lists.size[list];
      for (let k = 0; k < size; k++) places[item++] = start + k;
    }
    this.#itemColumns(builder, first, specs, lists, places);
  }
  #itemColumns(builder, first, specs, lists, places) {
    const next = { code: 0, number: 0 };
    for (const [index, { kind }] of specs.entries()) {
      if (kind === "code") {
        const values = lists.codes(next.code++);
        const gathered = Int32Array.from(places, (place) => values[place]);
        builder.add(first + index, this.#encoder.codes(gathered, places.length));
      } else {
        const values = lists.numbers(next.number++);
        const gathered = Float64Array.from(places, (place) => values[place]);
        builder.add(first + index, this.#encoder.numbers(gathered, places.length));
      }
    }
  }
};
function isRange({ order, from, to }) {
  for (let at2 = from + 1; at2 < to; at2++) if (order[at2] !== order[at2 - 1] + 1) return false;
  return true;
}
function measure(chunk, place, values) {
  const rows = chunk.to - chunk.from;
  let min = values[0];
  let max = min;
  for (let row = 1; row < rows; row++) {
    const value = values[row];
    if (value < min) min = value;
    if (value > max) max = value;
  }
  if (place === TIME) {
    chunk.min_ms = Math.floor(min);
    chunk.max_ms = Math.ceil(max);
  } else {
    chunk.min_sequence = Math.floor(min);
    chunk.max_sequence = Math.ceil(max);
  }
}

// engine/log/segment-rows.ts
var SegmentRows = class {
  rows;
  time_ms;
  #chunks = [];
  #schema;
  #memory = new Reusable();
  #unpacked = new Unpacked();
  #hashIds = new HashIds();
  #ints;
  #doubles;
  constructor(chunks, segments, schema, schemas) {
    this.#schema = schema;
    let rows = 0;
    const known2 = /* @__PURE__ */ new Map();
    for (const { key, manifest } of segments) {
      const places = known2.get(manifest.schema) ?? placesOf(schema, schemas.get(manifest.schema));
      known2.set(manifest.schema, places);
      for (const [chunk, entry] of manifest.chunks.entries()) {
        const bytes = new StoredChunkBytes(chunks, key, chunk, new Reusable());
        this.#chunks.push({ bytes, places, start: rows, rows: entry.rows });
        rows += entry.rows;
      }
    }
    this.rows = rows;
    this.#ints = new Int32Array(rows);
    this.time_ms = this.#fill(() => TIME, new Float64Array(rows)) ?? new Float64Array(rows).fill(Number.NaN);
  }
  /** Removes the chunks that were read; inside a commit. */
  remove(chunks) {
    for (const { bytes } of this.#chunks) bytes.remove(chunks);
  }
  #column({ bytes }, place) {
    return place < 0 ? void 0 : bytes.column(place, this.#memory);
  }
  sequence() {
    const { rows } = this;
    return this.#fill(() => SEQUENCE, new Float64Array(rows)) ?? new Float64Array(rows).fill(Number.NaN);
  }
  part() {
    return this.#codes(() => PART);
  }
  codes(column) {
    return this.#codes(({ codes }) => codes[column]);
  }
  #codes(placeOf6) {
    const target = this.#ints;
    let hasValues = false;
    for (const chunk of this.#chunks) {
      const { start, rows } = chunk;
      const stored = this.#column(chunk, placeOf6(chunk.places));
      if (stored !== void 0) hasValues = true;
      const { index, values } = decodeCodes(stored, rows, this.#unpacked);
      if (index === null) target.fill(values[0], start, start + rows);
      else fillInts(index, values, target, start, rows);
    }
    return hasValues ? target : null;
  }
  hashes(column) {
    const hashIds = this.#hashIds;
    hashIds.clear();
    const ids = this.#ints;
    for (const chunk of this.#chunks) {
      const { start, rows } = chunk;
      const stored = this.#column(chunk, chunk.places.hashes[column]);
      const { index, hi, lo } = decodeHashes(stored, rows, this.#unpacked);
      const own = new Int32Array(hi.length);
      for (let id = 0; id < own.length; id++) own[id] = hashIds.idOf(hi[id], lo[id]);
      if (index === null) ids.fill(own[0], start, start + rows);
      else fillInts(index, own, ids, start, rows);
    }
    const { count: count2 } = hashIds;
    return count2 === 1 ? null : { ids, hi: hashIds.hi, lo: hashIds.lo, count: count2 };
  }
  numbers(column) {
    this.#doubles ??= new Float64Array(this.rows);
    return this.#fill(({ numbers }) => numbers[column], this.#doubles);
  }
  #fill(placeOf6, target) {
    let hasValues = false;
    for (const chunk of this.#chunks) {
      const stored = this.#column(chunk, placeOf6(chunk.places));
      if (stored !== void 0) hasValues = true;
      decodeNumbers(stored, chunk.rows, this.#unpacked, target, chunk.start);
    }
    return hasValues ? target : null;
  }
  items() {
    const sizes = this.#chunks.map((chunk) => this.#listSizes(chunk));
    let total = 0;
    for (const chunk of sizes) for (const size of chunk) total += size;
    if (sizes.every(({ length }) => length === 0)) return null;
    const of = (wanted) => this.#schema.items.filter(({ kind }) => kind === wanted);
    const codes = of("code").map(() => new Int32Array(total));
    const numbers = of("number").map(() => new Float64Array(total));
    const table = new ItemListTable({ codes, numbers });
    const list = new Int32Array(this.rows);
    let first = 0;
    for (const [at2, chunk] of this.#chunks.entries()) {
      const chunkSizes = sizes[at2];
      if (chunkSizes.length === 0) continue;
      const length = chunkSizes.reduce((sum2, size) => sum2 + size, 0);
      this.#itemColumns(chunk, first, length, codes, numbers);
      const lists = new Int32Array(chunkSizes.length + 1);
      for (let own = 0; own < chunkSizes.length; own++) {
        const size = chunkSizes[own];
        lists[own + 1] = table.listOf(first, size);
        first += size;
      }
      const rowLists = decodeIntegers(this.#column(chunk, LIST), this.#unpacked);
      fillInts(rowLists, lists, list, chunk.start, chunk.rows);
    }
    return table.lists(list);
  }
  #listSizes(chunk) {
    return Int32Array.from(decodeIntegers(this.#column(chunk, LIST_SIZE), this.#unpacked));
  }
  #itemColumns(chunk, first, length, codes, numbers) {
    for (const [column, target] of codes.entries()) {
      const stored = this.#column(chunk, chunk.places.itemCodes[column]);
      const { index, values } = decodeCodes(stored, length, this.#unpacked);
      if (index === null) target.fill(values[0], first, first + length);
      else fillInts(index, values, target, first, length);
    }
    for (const [column, target] of numbers.entries()) {
      const stored = this.#column(chunk, chunk.places.itemNumbers[column]);
      decodeNumbers(stored, length, this.#unpacked, target, first);
    }
  }
};
function fillInts(index, values, target, start, rows) {
  for (let row = 0; row < rows; row++) target[start + row] = values[index[row]];
}

// engine/log/segment-merge.ts
function readManifest(segments, key) {
  const value = segments.get(key);
  invariant(value !== void 0, "a segment that the writer knows has a manifest");
  return decodeManifest(value);
}
function mergeSegments(context, scope, from, to) {
  const { tables: tables4, schemas } = context;
  const old = scope.entries.slice(from, to);
  const segments = old.map(({ key }) => ({ key, manifest: readManifest(tables4.segments, key) }));
  const stored = columnsOf(context, segments);
  const source = new SegmentRows(tables4.chunks, segments, stored, schemas);
  const order = liveRows(source, scope.firstDay);
  const sums = new DaySums();
  for (const { manifest } of segments)
    for (const day of manifest.days) if (day.day >= scope.firstDay) sums.add(day);
  const days = sums.sorted();
  const merged = [];
  if (order.length > 0) {
    const { key, order: place, id } = scope.newKey(old[0]?.order);
    const encoder4 = new SegmentEncoder(context.encoder, tables4.chunks, physicalColumns(stored));
    for (const [chunk, rows] of divide(context, source, order, days[0]?.day ?? 0, stored).entries())
      encoder4.add(key, chunk, rows);
    visitColumns(source, stored, [encoder4]);
    const manifest = { schema: stored.id, chunks: encoder4.finish(), days };
    tables4.segments.put(key, encodeManifest(manifest));
    merged.push(scope.entryOf(key, place, id, manifest));
  }
  source.remove(tables4.chunks);
  for (const { key } of old) tables4.segments.remove(key);
  scope.entries.splice(from, to - from, ...merged);
}
function columnsOf({ tables: tables4, schema, schemas, own }, segments) {
  const others = new Set(segments.map(({ manifest }) => manifest.schema).filter((id) => id !== own.id));
  if (others.size === 0) return own;
  return schemas.store(
    tables4.segments,
    unionOf(
      schema,
      [...others].map((id) => schemas.get(id))
    )
  );
}
function removeSegment(tables4, { key, manifest }) {
  const memory = new Reusable();
  for (let chunk = 0; chunk < manifest.chunks.length; chunk++)
    new StoredChunkBytes(tables4.chunks, key, chunk, memory).remove(tables4.chunks);
  tables4.segments.remove(key);
}
function liveRows({ rows, time_ms }, firstDay) {
  const order = new Uint32Array(rows);
  if (firstDay === NO_CUT) {
    for (let row = 0; row < rows; row++) order[row] = row;
    return order;
  }
  const cut_ms = firstDay * DAY_MS;
  let live = 0;
  for (let row = 0; row < rows; row++) if (time_ms[row] >= cut_ms) order[live++] = row;
  return order.subarray(0, live);
}
function divide({ schema, sort_min_rows }, source, order, firstDay, { columns }) {
  if (order.length < sort_min_rows) return cutEvenly(order, 0, order.length);
  const hashes = source.hashes(columnIndex(columns, schema.sortBy));
  return sortRows(order, source.time_ms, firstDay, hashes);
}

// engine/log/log-retention.ts
function cutScope(tables4, scope, firstDay) {
  if (firstDay <= scope.firstDay) return 0;
  scope.firstDay = firstDay;
  let hidden = 0;
  const kept = scope.entries.filter((entry) => {
    if (entry.firstDay >= firstDay) return true;
    const manifest = readManifest(tables4.segments, entry.key);
    const live = scope.liveRows(manifest);
    hidden += entry.liveRows - live;
    entry.liveRows = live;
    if (live === 0) removeSegment(tables4, { key: entry.key, manifest });
    return live > 0;
  });
  scope.entries.splice(0, scope.entries.length, ...kept);
  scope.store(tables4.segments);
  return hidden;
}
function dayBySize(tables4, scope, max_bytes) {
  const total = scope.liveBytes;
  if (total <= max_bytes) return NO_CUT;
  const bytesOf4 = /* @__PURE__ */ new Map();
  for (const { key, bytes, rows } of scope.entries) {
    for (const day of readManifest(tables4.segments, key).days) {
      if (day.day < scope.firstDay) continue;
      bytesOf4.set(day.day, (bytesOf4.get(day.day) ?? 0) + bytes * day.rows / rows);
    }
  }
  const days = [...bytesOf4.keys()].sort((a, b) => a - b);
  let left = total;
  let at2 = 0;
  for (; at2 < days.length - 1 && left > max_bytes; at2++) left -= bytesOf4.get(days[at2]) ?? 0;
  return days[at2] ?? NO_CUT;
}

// engine/log/row-hasher.ts
var TWO_325 = 2 ** 32;
var GOLDEN3 = 2654435761;
var double = new Float64Array(1);
var doubleWords = new Int32Array(double.buffer);
function mix(value) {
  let h = value;
  h = Math.imul(h ^ h >>> 16, 2246822507);
  h = Math.imul(h ^ h >>> 13, 3266489909);
  return h ^ h >>> 16;
}
function hashText(text2, out) {
  let first = 2166136261 | 0;
  let second = GOLDEN3 | 0;
  for (let index = 0; index < text2.length; index++) {
    const unit = text2.charCodeAt(index);
    first = Math.imul(first ^ unit, 16777619);
    second = Math.imul(second << 13 | second >>> 19, 5) + Math.imul(unit + 1, 3432918353);
  }
  out[0] = mix(first ^ text2.length);
  out[1] = mix(second);
}
var TextHashes = class {
  #dictionary;
  first = new Int32Array(1024);
  second = new Int32Array(1024);
  #count = 0;
  constructor(dictionary) {
    this.#dictionary = dictionary;
  }
  follow() {
    const { size } = this.#dictionary;
    if (size > this.first.length) {
      let length = this.first.length;
      while (length < size) length *= 2;
      const { first, second } = this;
      this.first = new Int32Array(length);
      this.second = new Int32Array(length);
      this.first.set(first);
      this.second.set(second);
    }
    const out = new Int32Array(2);
    for (; this.#count < size; this.#count++) {
      hashText(this.#dictionary.textOf(this.#count), out);
      this.first[this.#count] = out[0];
      this.second[this.#count] = out[1];
    }
  }
};
var RowHasher = class {
  #texts;
  #retraction;
  #first = new Int32Array(0);
  #second = new Int32Array(0);
  #isRetraction = new Uint8Array(0);
  #rows = 0;
  #salt = new Int32Array(2);
  /** `retraction` is the name of the column that gives a row its sign. */
  constructor(dictionary, retraction) {
    this.#texts = new TextHashes(dictionary);
    this.#retraction = retraction;
  }
  start(rows) {
    this.#rows = rows;
    this.#texts.follow();
    if (this.#first.length < rows) {
      this.#first = new Int32Array(rows);
      this.#second = new Int32Array(rows);
      this.#isRetraction = new Uint8Array(rows);
    } else {
      this.#first.fill(0, 0, rows);
      this.#second.fill(0, 0, rows);
      this.#isRetraction.fill(0, 0, rows);
    }
  }
  codes(_place, values, spec) {
    if (spec === void 0 || spec.provenance === true) return;
    if (spec.name === this.#retraction) {
      for (let row = 0; row < this.#rows; row++) this.#isRetraction[row] = values[row] === 0 ? 0 : 1;
      return;
    }
    this.#addCodes(this.#first, this.#second, values, this.#rows, spec);
  }
  #addCodes(first, second, values, count2, { name: name2, text: text2 }) {
    hashText(name2, this.#salt);
    const [a, b] = this.#salt;
    if (text2 !== true) {
      for (let at2 = 0; at2 < count2; at2++) {
        const code = values[at2];
        if (code === 0) continue;
        first[at2] = first[at2] + mix(code ^ a);
        second[at2] = second[at2] + mix(Math.imul(code, GOLDEN3) + b);
      }
      return;
    }
    const { first: firsts, second: seconds } = this.#texts;
    for (let at2 = 0; at2 < count2; at2++) {
      const code = values[at2];
      if (code === 0) continue;
      first[at2] = first[at2] + mix(firsts[code] ^ a);
      second[at2] = second[at2] + mix(seconds[code] + b);
    }
  }
  hashes(_place, { ids, hi, lo, count: count2 }, { name: name2, provenance }) {
    if (provenance === true) return;
    hashText(name2, this.#salt);
    const [a, b] = this.#salt;
    const firsts = new Int32Array(count2);
    const seconds = new Int32Array(count2);
    for (let id = 1; id < count2; id++) {
      firsts[id] = mix(hi[id] ^ mix(lo[id] ^ a));
      seconds[id] = mix(lo[id] + mix(hi[id] + b));
    }
    const first = this.#first;
    const second = this.#second;
    for (let row = 0; row < this.#rows; row++) {
      first[row] = first[row] + firsts[ids[row]];
      second[row] = second[row] + seconds[ids[row]];
    }
  }
  numbers(place, values, spec) {
    if (spec === void 0 ? place !== TIME : spec.provenance === true) return;
    this.#addNumbers(this.#first, this.#second, values, this.#rows, spec?.name ?? " time");
  }
  #addNumbers(first, second, values, count2, name2) {
    hashText(name2, this.#salt);
    const [a, b] = this.#salt;
    for (let at2 = 0; at2 < count2; at2++) {
      const value = values[at2];
      if (Number.isNaN(value)) continue;
      let low = value | 0;
      let high = Math.floor(value / TWO_325) | 0;
      if (low + (high + (low < 0 ? 1 : 0)) * TWO_325 !== value) {
        double[0] = value;
        low = ~doubleWords[0];
        high = doubleWords[1];
      }
      first[at2] = first[at2] + mix(low ^ mix(high ^ a));
      second[at2] = second[at2] + mix(high + mix(low + b));
    }
  }
  items(_first, specs, lists) {
    let length = 0;
    for (let list = 1; list < lists.count; list++)
      length = Math.max(length, lists.start[list] + lists.size[list]);
    const first = new Int32Array(length);
    const second = new Int32Array(length);
    const next = { code: 0, number: 0 };
    for (const spec of specs) {
      if (spec.kind === "code") this.#addCodes(first, second, lists.codes(next.code++), length, spec);
      else this.#addNumbers(first, second, lists.numbers(next.number++), length, spec.name);
    }
    const firsts = new Int32Array(lists.count);
    const seconds = new Int32Array(lists.count);
    for (let list = 1; list < lists.count; list++) {
      const start = lists.start[list];
      const end = start + lists.size[list];
      let [a, b] = [end - start, start - end];
      for (let item = start; item < end; item++) {
        a = mix(Math.imul(a, 31) + first[item]);
        b = mix(Math.imul(b, 37) + second[item]);
      }
      firsts[list] = a;
      seconds[list] = b;
    }
    for (let row = 0; row < this.#rows; row++) {
      const list = lists.list[row];
      if (list === 0) continue;
      this.#first[row] = this.#first[row] + firsts[list];
      this.#second[row] = this.#second[row] + seconds[list];
    }
  }
  /** Sums by day of the rows order[from..to), after all their columns. */
  sums(time_ms, order, from, to) {
    const sums = new DaySums();
    let day = Number.NaN;
    let entry = { day, rows: 0, net: 0, first: 0, second: 0 };
    for (let at2 = from; at2 < to; at2++) {
      const row = order[at2];
      const rowDay = Math.floor(time_ms[row] / DAY_MS);
      if (rowDay !== day) {
        day = rowDay;
        entry = sums.entry(day);
      }
      const first = this.#first[row];
      const second = this.#second[row];
      const sign = this.#isRetraction[row] === 0 ? 1 : -1;
      entry.rows++;
      entry.net += sign;
      entry.first = entry.first + sign * mix(first ^ Math.imul(second, GOLDEN3)) | 0;
      entry.second = entry.second + sign * mix(second + Math.imul(first, 2246822507)) | 0;
    }
    return sums;
  }
};

// engine/log/scope-segments.ts
var ScopeSegments = class {
  scope;
  entries = [];
  /** UTC day of the cut. */
  firstDay = NO_CUT;
  #nextId = FIRST_ORDER;
  constructor(scope) {
    this.scope = scope;
  }
  restore({ firstDay, nextId }) {
    this.firstDay = firstDay;
    this.#nextId = Math.max(this.#nextId, nextId);
  }
  /** Key of a segment that is written now; at the end of the list unless it takes the place `order`. */
  newKey(order) {
    const id = this.#nextId++;
    const place = order ?? id;
    return { key: segmentKey(this.scope, place, id), order: place, id };
  }
  entryOf(key, order, id, manifest) {
    this.#nextId = Math.max(this.#nextId, id + 1);
    let bytes = 0;
    let firstDay = Number.POSITIVE_INFINITY;
    let lastDay = Number.NEGATIVE_INFINITY;
    for (const chunk of manifest.chunks) bytes += chunk.bytes;
    for (const { day } of manifest.days) {
      firstDay = Math.min(firstDay, day);
      lastDay = Math.max(lastDay, day);
    }
    const rows = rowsOf(manifest);
    return { key, order, id, rows, bytes, firstDay, lastDay, liveRows: this.liveRows(manifest) };
  }
  liveRows({ days }) {
    let rows = 0;
    for (const day of days) if (day.day >= this.firstDay) rows += day.rows;
    return rows;
  }
  /** UTC day of the newest row; -Infinity where there is none. */
  get lastDay() {
    let last = Number.NEGATIVE_INFINITY;
    for (const entry of this.entries) last = Math.max(last, entry.lastDay);
    return last;
  }
  /** Bytes of the rows that are behind no cut, in proportion. */
  get liveBytes() {
    let bytes = 0;
    for (const entry of this.entries) bytes += entry.bytes * entry.liveRows / entry.rows;
    return bytes;
  }
  /** Writes the cut; inside a commit. */
  store(segments) {
    if (this.firstDay === NO_CUT) return;
    segments.put(scopeKey(this.scope), encodeScope({ firstDay: this.firstDay, nextId: this.#nextId }));
  }
};

// engine/log/stored-schemas.ts
var KINDS = ["code", "hash", "number"];
var TEXT = 1;
var PROVENANCE = 2;
function writeSpecs(writer5, specs) {
  writer5.varint(specs.length);
  for (const { name: name2, kind, text: text2, provenance } of specs) {
    const flags = (text2 === true ? TEXT : 0) | (provenance === true ? PROVENANCE : 0);
    writer5.string(name2).u8(KINDS.indexOf(kind)).u8(flags);
  }
}
function readSpecs(reader) {
  return Array.from({ length: reader.varint() }, () => {
    const name2 = reader.string();
    const kind = KINDS[reader.u8()];
    invariant(kind !== void 0, "the kind of a stored column is known");
    const flags = reader.u8();
    return {
      name: name2,
      kind,
      ...(flags & TEXT) !== 0 ? { text: true } : {},
      ...(flags & PROVENANCE) !== 0 ? { provenance: true } : {}
    };
  });
}
function bytesOf2({ columns, items: items2 }) {
  const writer5 = new ByteWriter();
  writeSpecs(writer5, columns);
  writeSpecs(writer5, items2);
  return writer5.copy();
}
var StoredSchemas = class {
  #byId = [];
  constructor(segments) {
    for (const { value } of segments.scan(SCHEMA_RANGE)) {
      const reader = new ByteReader(value);
      const columns = readSpecs(reader);
      this.#byId.push({ id: this.#byId.length, columns, items: readSpecs(reader) });
    }
  }
  get all() {
    return this.#byId;
  }
  get(id) {
    const schema = this.#byId[id];
    invariant(schema !== void 0, `the log has the schema ${id} of a segment`);
    return schema;
  }
  /** The stored form of these columns, written where it is new; inside a commit. */
  store(segments, schema) {
    const bytes = bytesOf2(schema);
    const known2 = this.#byId.find((stored2) => bytesOf2(stored2).equals(bytes));
    if (known2 !== void 0) return known2;
    const stored = { id: this.#byId.length, columns: schema.columns, items: schema.items };
    segments.put(schemaKey2(stored.id), bytes);
    this.#byId.push(stored);
    return stored;
  }
};

// engine/log/tiers.ts
function dueMerge(segments, limits) {
  const { fanout, sealed_min_rows } = limits;
  let to = segments.length;
  while (to > 0) {
    const last = segments[to - 1];
    if (isWorn(last)) return { from: to - 1, to, rows: last.rows };
    if (last.rows >= sealed_min_rows) {
      to--;
      continue;
    }
    const tier = tierOf(last.rows, fanout);
    let from = to - 1;
    let rows = last.rows;
    for (; from > 0; from--) {
      const before = segments[from - 1];
      if (before.rows >= sealed_min_rows) break;
      if (tierOf(before.rows, fanout) > tier) break;
      rows += before.rows;
    }
    if (to - from >= fanout || to - from > 1 && rows >= sealed_min_rows)
      return bounded(segments, from, to, limits);
    to = from;
  }
  return void 0;
}
function isWorn({ rows, liveRows: liveRows2 }) {
  return liveRows2 * 2 < rows;
}
function tierOf(rows, fanout) {
  let tier = 0;
  for (let left = rows; left >= fanout; left /= fanout) tier++;
  return tier;
}
function bounded(segments, from, to, { segment_max_rows }) {
  let rows = 0;
  let end = from;
  for (; end < to; end++) {
    const next = segments[end].rows;
    if (end - from >= 2 && rows + next > segment_max_rows) break;
    rows += next;
  }
  return { from, to: end, rows };
}

// engine/log/log-writer.ts
var DEFAULT_LOG_LIMITS = {
  fanout: 8,
  sealed_min_rows: 131072,
  segment_max_rows: 524288,
  sort_min_rows: 65536,
  merge_max_rows: 262144
};
var SEGMENT_COST_ROWS = 100;
var LogWriter = class {
  #schema;
  #limits;
  #buffer;
  #schemas;
  #own;
  #encoder = new ColumnEncoder();
  #scopes = /* @__PURE__ */ new Map();
  #byCode = [];
  #source;
  #hasher;
  /** Scopes whose segments may have to be merged. */
  #due = /* @__PURE__ */ new Set();
  /** Cuts that wait for the commit, by scope; that of all scopes. */
  #cuts = /* @__PURE__ */ new Map();
  /** Days that scopes keep behind their newest one. */
  #keptDays = /* @__PURE__ */ new Map();
  #firstDay = NO_CUT;
  #isCut = false;
  /** Reads the manifests that are there. Throws `log_column_changed`. */
  constructor(view, schema, limits = {}) {
    this.#schema = schema;
    this.#limits = { ...DEFAULT_LOG_LIMITS, ...limits };
    const hasHashes = schema.items.some(({ kind }) => kind === "hash");
    invariant(!hasHashes, "items have no hash columns");
    this.#buffer = new RowBuffer(schema);
    this.#schemas = new StoredSchemas(view.segments);
    unionOf(schema, this.#schemas.all);
    for (const { key, value } of view.segments.scan(SCOPES_RANGE)) {
      const { scope: name2, order, id } = parseKey(key);
      const scope = this.#scope(name2);
      if (order === void 0 || id === void 0) scope.restore(decodeScope(value));
      else scope.entries.push(scope.entryOf(Uint8Array.from(key), order, id, decodeManifest(value)));
      this.#due.add(scope);
    }
  }
  /** Rows that wait for the commit. */
  get pendingRows() {
    return this.#buffer.rows;
  }
  /** These rows, until the next `append` or `commit`. */
  get pending() {
    return this.#buffer.view;
  }
  /** Segments, their rows and bytes. */
  totals() {
    let [segments, rows, bytes] = [0, 0, 0];
    for (const { entries } of this.#scopes.values()) {
      segments += entries.length;
      for (const entry of entries) {
        rows += entry.liveRows;
        bytes += entry.bytes;
      }
    }
    return { segments, rows, bytes };
  }
  #scope(name2) {
    let scope = this.#scopes.get(name2);
    if (scope === void 0) {
      scope = new ScopeSegments(name2);
      this.#scopes.set(name2, scope);
    }
    return scope;
  }
  /** Copies the rows of a batch. All batches have one dictionary. */
  append(batch2) {
    this.#source ??= batch2.dictionary;
    invariant(batch2.dictionary === this.#source, "all batches of a log have one dictionary");
    this.#buffer.append(batch2);
  }
  /** Drops a tenant's rows before the UTC day that begins at `day_ms`, with the next commit. */
  dropBefore(scope, day_ms) {
    this.#cuts.set(scope, Math.max(this.#cuts.get(scope) ?? NO_CUT, dayOf2(day_ms)));
  }
  /** Likewise for every tenant, also those that come later. */
  dropAllBefore(day_ms) {
    const day = dayOf2(day_ms);
    if (day <= this.#firstDay) return;
    this.#firstDay = day;
    this.#isCut = true;
  }
  /**
   * From the next commit on a scope keeps so many whole UTC days before the day of its newest row; undefined: it
   * loses no more. What is gone stays gone.
   */
  keepDays(scope, days) {
    if (days === void 0) this.#keptDays.delete(scope);
    else this.#keptDays.set(scope, days);
  }
  /**
   * Inside the transaction of the commit. `now_ms` is the event time that was reached: a row that is ahead of it
   * makes no day of `keepDays` go.
   */
  commit(tables4, now_ms = Number.POSITIVE_INFINITY) {
    let dropped = this.#cut(tables4);
    const appended = this.#buffer.rows;
    const tails = appended === 0 ? { count: 0, dropped: 0 } : this.#writeTails(tables4);
    this.#buffer.clear();
    dropped += tails.dropped;
    for (const [name2, days] of this.#keptDays) {
      const scope = this.#scope(name2);
      dropped += this.#cutOne(tables4, scope, Math.min(scope.lastDay, dayOf2(now_ms)) - days);
    }
    const { scope_max_bytes } = this.#limits;
    if (scope_max_bytes !== void 0) {
      for (const scope of this.#due)
        dropped += cutScope(tables4, scope, dayBySize(tables4, scope, scope_max_bytes));
    }
    return { appended, dropped, tails: tails.count, ...this.#merge(tables4) };
  }
  #cut(tables4) {
    let hidden = 0;
    for (const [name2, day] of this.#cuts) hidden += this.#cutOne(tables4, this.#scope(name2), day);
    this.#cuts.clear();
    if (this.#isCut) {
      for (const scope of this.#scopes.values()) hidden += this.#cutOne(tables4, scope, this.#firstDay);
      this.#isCut = false;
    }
    return hidden;
  }
  #cutOne(tables4, scope, day) {
    if (day <= scope.firstDay) return 0;
    this.#due.add(scope);
    return cutScope(tables4, scope, day);
  }
  #writeTails(tables4) {
    const source = this.#buffer;
    const dictionary = this.#source;
    invariant(dictionary !== void 0, "rows have a dictionary");
    this.#hasher ??= new RowHasher(dictionary, this.#schema.retraction);
    const groups = this.#group(tables4);
    const stored = this.#ownSchema(tables4);
    const encoder4 = new SegmentEncoder(this.#encoder, tables4.chunks, physicalColumns(stored));
    let kept = 0;
    const tails = groups.map(({ scope, order, from, to }) => {
      const place = scope.newKey();
      const chunks = this.#divide(order, from, to);
      for (const [chunk, rows] of chunks.entries()) encoder4.add(place.key, chunk, rows);
      kept += to - from;
      return { scope, place, order, from, to, chunks: chunks.length };
    });
    this.#hasher.start(source.rows);
    visitColumns(source, stored, [this.#hasher, encoder4]);
    const entries = encoder4.finish();
    let at2 = 0;
    for (const { scope, place, order, from, to, chunks } of tails) {
      const days = this.#hasher.sums(source.time_ms, order, from, to).sorted();
      const manifest = { schema: stored.id, chunks: entries.slice(at2, at2 + chunks), days };
      at2 += chunks;
      tables4.segments.put(place.key, encodeManifest(manifest));
      scope.entries.push(scope.entryOf(place.key, place.order, place.id, manifest));
      this.#due.add(scope);
    }
    return { count: tails.length, dropped: source.rows - kept };
  }
  /** A backlog's commit is as large as a sealed segment: it is sorted at once, and not merged again. */
  #divide(order, from, to) {
    const { sort_min_rows } = this.#limits;
    if (to - from < sort_min_rows) return cutEvenly(order, from, to);
    const source = this.#buffer;
    const time_ms = source.time_ms.subarray(0, source.rows);
    const firstDay = Math.floor(time_ms.reduce((least, time) => Math.min(least, time)) / DAY_MS);
    const hashes = source.hashes(columnIndex(this.#schema.columns, this.#schema.sortBy));
    return sortRows(order.slice(from, to), time_ms, firstDay, hashes);
  }
  #ownSchema({ segments }) {
    this.#own ??= this.#schemas.store(segments, this.#schema);
    return this.#own;
  }
  /** The rows of each tenant, in order of arrival, without those behind its cut. */
  #group(tables4) {
    const { rows, scope: codes, time_ms } = this.#buffer;
    const counts = /* @__PURE__ */ new Map();
    for (let row = 0; row < rows; ) {
      const code = codes[row];
      const first = row;
      while (row < rows && codes[row] === code) row++;
      counts.set(code, (counts.get(code) ?? 0) + row - first);
    }
    const order = new Uint32Array(rows);
    const groups = /* @__PURE__ */ new Map();
    let start = 0;
    for (const [code, count2] of counts) {
      groups.set(code, { scope: this.#scopeOf(tables4, code), order, from: start, to: start });
      start += count2;
    }
    for (let row = 0; row < rows; ) {
      const code = codes[row];
      const group = groups.get(code);
      const cut_ms = group.scope.firstDay * DAY_MS;
      for (; row < rows && codes[row] === code; row++)
        if (time_ms[row] >= cut_ms) order[group.to++] = row;
    }
    return [...groups.values()].filter(({ from, to }) => to > from);
  }
  #scopeOf(tables4, code) {
    let scope = this.#byCode[code];
    if (scope === void 0) {
      scope = this.#scope(this.#source?.textOf(code) ?? "");
      this.#byCode[code] = scope;
      if (this.#firstDay > scope.firstDay) cutScope(tables4, scope, this.#firstDay);
    }
    return scope;
  }
  #merge(tables4) {
    if (this.#due.size === 0) return { merges: 0, merged: 0 };
    const { merge_max_rows, sort_min_rows } = this.#limits;
    const context = {
      ...{ tables: tables4, schema: this.#schema, schemas: this.#schemas },
      ...{ own: this.#ownSchema(tables4), encoder: this.#encoder, sort_min_rows }
    };
    let merges = 0;
    let merged = 0;
    let cost_rows = 0;
    for (const scope of this.#due) {
      for (; ; ) {
        const due = dueMerge(scope.entries, this.#limits);
        if (due === void 0) break;
        cost_rows += due.rows + (due.to - due.from) * SEGMENT_COST_ROWS;
        if (merges > 0 && cost_rows > merge_max_rows) return { merges, merged };
        mergeSegments(context, scope, due.from, due.to);
        merges++;
        merged += due.rows;
      }
      this.#due.delete(scope);
    }
    return { merges, merged };
  }
};
function dayOf2(day_ms) {
  return Math.floor(day_ms / DAY_MS);
}

// engine/log/verify-log.ts
function verifyLog(view, { retraction }, dictionary) {
  const schemas = new StoredSchemas(view.segments);
  const hasher = new RowHasher(dictionary, retraction);
  const expected = /* @__PURE__ */ new Set();
  let [segments, rows] = [0, 0];
  for (const entry of view.segments.scan(SCOPES_RANGE)) {
    const { scope, order, id } = parseKey(entry.key);
    if (order === void 0) continue;
    const key = Uint8Array.from(entry.key);
    const manifest = decodeManifest(entry.value);
    const fail = corrupt(`Segment ${id} of "${scope}"`);
    collectKeys(view, key, manifest, expected);
    const stored = schemas.get(manifest.schema);
    const source = new SegmentRows(view.chunks, [{ key, manifest }], stored, schemas);
    checkChunks(source, manifest, fail);
    hasher.start(source.rows);
    visitColumns(source, stored, [hasher]);
    const all = Uint32Array.from({ length: source.rows }, (_unused, row) => row);
    checkDays(hasher.sums(source.time_ms, all, 0, source.rows).sorted(), manifest.days, fail);
    segments++;
    rows += source.rows;
  }
  for (const { key } of view.chunks.scan()) {
    if (!expected.has(Buffer.from(key).toString("latin1")))
      corrupt("The table of chunks")(`the row ${Buffer.from(key).toString("hex")} belongs to no segment`);
  }
  return { segments, rows };
}
function corrupt(where) {
  return (what) => {
    throw new MillraceError(
      "log_corrupt",
      `${where} of the event log is not what its manifest says: ${what}. Rebuild the state from the stream.`
    );
  };
}
function collectKeys(view, key, { chunks }, into) {
  const keys = new ChunkKeys();
  const add = (bytes) => void into.add(Buffer.from(bytes).toString("latin1"));
  for (let chunk = 0; chunk < chunks.length; chunk++) {
    add(keys.head(key, chunk));
    const stored = new StoredChunkBytes(view.chunks, key, chunk, new Reusable());
    for (const place of stored.externals()) add(keys.column(key, chunk, place));
  }
}
function checkChunks(source, manifest, fail) {
  const { time_ms, rows } = source;
  const sequence = source.sequence();
  if (rows !== rowsOf(manifest)) fail(`it has ${rows} rows, not ${rowsOf(manifest)}`);
  let start = 0;
  for (const [index, chunk] of manifest.chunks.entries()) {
    const end = start + chunk.rows;
    for (let row = start; row < end; row++) {
      const time = time_ms[row];
      const position = sequence[row];
      if (!(time >= chunk.min_ms && time <= chunk.max_ms)) fail(`chunk ${index} has a row at ${time}`);
      if (!(position >= chunk.min_sequence && position <= chunk.max_sequence))
        fail(`chunk ${index} has a row of sequence ${position}`);
    }
    start = end;
  }
}
function checkDays(found, said, fail) {
  if (found.length !== said.length) fail(`its rows are of ${found.length} days, not ${said.length}`);
  for (const [at2, day] of found.entries()) {
    const other = said[at2];
    if (day.day !== other.day || day.rows !== other.rows || day.net !== other.net)
      fail(`day ${day.day} has ${day.rows} rows (net ${day.net}), not ${other.rows} (${other.net})`);
    if (day.first !== other.first || day.second !== other.second) fail(`day ${day.day} has another digest`);
  }
}

// engine/runs/limits.ts
var DEFAULT_RUN_LIMITS = {
  fanout_runs: 8,
  small_run_bytes: 65536,
  merge_bytes: 4 * 1048576,
  merge_ratio: 8,
  superseded_bytes: 4 * 1048576,
  removed_rows: 1024,
  record_bytes: 1048576
};

// engine/runs/paged-area.ts
var PAGE_BITS = 20;
var PAGE_BYTES2 = 1 << PAGE_BITS;
var WITHIN = PAGE_BYTES2 - 1;

// engine/runs/record-arena.ts
var DIGIT_BITS2 = 11;
var DIGITS2 = 1 << DIGIT_BITS2;

// engine/runs/block.ts
var BLOCK_BYTES = longValueBytes(4);
var SHORT_ENDS = 1 << 15;
var MAX_RECORDS = Math.ceil(BLOCK_BYTES / 8);

// engine/runs/layout.ts
var FILTER_PAGE_BYTES = 1 << 20;
var MANIFEST_KEY = Uint8Array.of(0);
var writer3 = new ByteWriter();

// engine/runs/filter.ts
var MAX_BLOCKS = 1 << 22;
var BITS_A_KEY = [
  { keys: 1 << 16, bits: 20 },
  { keys: 1 << 20, bits: 14 },
  { keys: Number.POSITIVE_INFINITY, bits: 10 }
];

// engine/runs/run-set.ts
var ABOVE_ALL = 2 ** 32;

// engine/scan/entity-slice.ts
var LABEL_BITS = 8;

// engine/scan/entity-events.ts
var EVENT_LABELS = 1 << LABEL_BITS;
var SLICE_BITS = 8;
var SLICES = 1 << SLICE_BITS;
var RUN_BITS = SLICE_BITS + 1;

// engine/scan/entity-masks.ts
var SLICE_BITS2 = 8;
var SLICES2 = 1 << SLICE_BITS2;

// engine/testing/simulation.ts
var DRIFTS_MS = [0, 2e3, 3e5, Number.POSITIVE_INFINITY];

// engine/testing/simulate-seeds.ts
var START_MS = Date.UTC(2025, 0, 1);

// operators/core/decode.ts
function decode(name2, config) {
  return make()(name2, config);
}
var make = () => defineOperator({
  kind: "decode",
  summary: "Records to events; what is malformed to the dead letters",
  // The decoder says whose they are.
  sendsTo: () => [{ subject: "deadletter.>" }],
  start: ({ name: name2, config, clock, metrics, emit, send, notice }) => {
    const run = config.decoder();
    const accepted = metrics.counter("millrace.decode.accepted", "Events decoded", { operator: name2 });
    let events = [];
    const out = {
      accept: (event) => {
        events.push(event);
      },
      reject: (place, why, bytes) => {
        metrics.counter("millrace.decode.rejected", "Dead letters", { operator: name2, reason: why.code }).add();
        send(deadLetter(place, why, bytes));
        notice({
          kind: "dead_letter",
          scope: place.tenant,
          sequence: place.record.sequence,
          detail: { reason: why.code, detail: why.detail, part: place.part }
        });
      }
    };
    return {
      onBatch: (records) => {
        const now_ms = clock.now();
        for (const record of records) run(record, now_ms, out);
        const decoded = events;
        events = [];
        accepted.add(decoded.length);
        emit(decoded);
      }
    };
  }
});

// operators/core/hash.ts
var FNV_OFFSET2 = 2166136261 | 0;
var encoder2 = new TextEncoder();

// operators/core/json-numbers.ts
var CHOICES = ["round", "text", "bigint", "refuse"];
var TOKENS = /("[^"\\]*(?:\\.[^"\\]*)*")(\s*:)?|-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?/gs;
var LONG = /\d{16}/;
var MARK_TEXT2 = "\\u0000";
var MARK2 = "\0";
function jsonParser(name2, bigints) {
  if (!CHOICES.includes(bigints)) {
    throw new MillraceError(
      "bad_config",
      `"${name2}" has bigints ${bigints}: give one of ${CHOICES.join(", ")}.`
    );
  }
  if (bigints === "round") return (text2) => JSON.parse(text2);
  const revive = (_, value) => {
    if (typeof value !== "string" || !value.startsWith(MARK2)) return value;
    if (value.startsWith(MARK2 + MARK2)) return value.slice(MARK2.length);
    const digits = value.slice(MARK2.length);
    if (bigints === "refuse") {
      throw new RangeError(`${digits} is beyond 2^53 - 1: its last digits would be lost. Send it as a text.`);
    }
    return bigints === "bigint" ? BigInt(digits) : digits;
  };
  return (text2) => LONG.test(text2) ? JSON.parse(marked2(text2), revive) : JSON.parse(text2);
}
function marked2(text2) {
  return text2.replace(TOKENS, (token, quoted, colon) => {
    if (colon !== void 0) return token;
    if (quoted !== void 0) {
      return token.startsWith(`"${MARK_TEXT2}`) ? `"${MARK_TEXT2}${token.slice(1)}` : token;
    }
    const isWhole = /^-?\d+$/.test(token);
    return isWhole && !Number.isSafeInteger(Number(token)) ? `"${MARK_TEXT2}${token}"` : token;
  });
}

// operators/core/json.ts
var DEFAULT_TENANT = "default";
var jsonDoc = {
  kind: "json",
  summary: "Records of JSON to checked, typed events"
};
function json(name2, config) {
  const { parse: parse4, tenantOf = () => DEFAULT_TENANT, bigints = "round", tombstone } = config;
  if (typeof parse4 === "function") refuseAsync(parse4, `json "${name2}"`);
  const read4 = jsonParser(name2, bigints);
  const check = typeof parse4 === "function" ? parse4 : (value) => parse4.parse(value);
  const operator = decode(name2, {
    decoder: () => {
      const utf82 = new TextDecoder("utf-8", { fatal: true });
      return (record, _, out) => {
        let code = "invalid_utf8";
        let event;
        try {
          if (tombstone !== void 0 && record.data.length === 0) {
            code = "invalid_value";
            event = tombstone(record);
          } else {
            const text2 = utf82.decode(record.data);
            code = "invalid_json";
            const value = read4(text2);
            code = "invalid_value";
            event = check(value, record);
          }
        } catch (error) {
          const why = { code, detail: messageOf(error) };
          out.reject({ tenant: tenantOf(record), record, part: 0 }, why, record.data);
          return;
        }
        out.accept(event);
      };
    }
  });
  const letters = `deadletter.${config.tenantOf === void 0 ? DEFAULT_TENANT : ">"}`;
  return { ...operator, kind: jsonDoc.kind, summary: jsonDoc.summary, sendsTo: [{ subject: letters }] };
}

// operators/core/map.ts
var mapDoc = {
  kind: "map",
  summary: "Each item to another one"
};
function map2(name2, config, ..._) {
  return make2()(name2, typeof config === "function" ? { each: config } : config);
}
var make2 = () => defineOperator({
  kind: "map",
  summary: mapDoc.summary,
  start: ({ config: { each: each2 }, emit }) => ({
    onBatch: (items2) => emit(items2.map((item) => each2(item)))
  })
});

// operators/core/retraction.ts
function isRetraction(item) {
  return typeof item === "object" && item !== null && "kind" in item && item.kind === "retract";
}
function isTombstone(item) {
  return typeof item === "object" && item !== null && "kind" in item && item.kind === "tombstone";
}

// operators/core/valid-time.ts
var TIME_END_MS = 2 ** 48 - 1;
function wholeTime(time_ms, operator) {
  if (Number.isInteger(time_ms)) return time_ms;
  throw bad(time_ms, operator, "event times are whole ms since 1970, or before it");
}
function checkedTime(time_ms, operator) {
  if (Number.isInteger(time_ms) && time_ms >= 0 && time_ms < TIME_END_MS) return time_ms;
  throw bad(time_ms, operator, "event times and timers are whole ms since 1970");
}
function isTime(time_ms) {
  return Math.abs(time_ms) < TIME_END_MS;
}
function checkedTie(tie, operator) {
  if (typeof tie === "number" && !Number.isNaN(tie)) return tie;
  throw new MillraceError(
    "bad_event_time",
    `"${operator}" was given ${String(tie)} by tieOf: it orders items of one time, and has to be a number. Refuse such items where they are decoded.`
  );
}
function checkedKey(key) {
  requireText(key);
  return key;
}
function bad(time, operator, rule) {
  const given = typeof time === "number" ? String(time) : inWords(time);
  return new MillraceError(
    "bad_event_time",
    `"${operator}" was given the time ${given}: ${rule}. Refuse such events where they are decoded.`
  );
}
function inWords(time) {
  if (typeof time === "string") return `${JSON.stringify(time.slice(0, 40))}, a text (Date.parse reads it)`;
  if (time instanceof Date) return "of a Date (getTime gives its ms)";
  return time === null ? "null" : `of type ${typeof time}`;
}

// operators/core/sample.ts
var HASHES = 2 ** 32;

// operators/core/value-migration.ts
function codecFrom({ codec = trustedJsonCodec(), migrate, formerCodec }, fromVersion) {
  const former = formerCodec?.(fromVersion) ?? codec;
  const read4 = (reader) => {
    const old = former.read(reader);
    const value = migrate === void 0 ? old : migrate(old, fromVersion);
    if (value === void 0) throw new TypeError("migrate gave undefined; it has to give a value.");
    return value;
  };
  return { write: codec.write, read: read4 };
}
function migrationOf(values, rowCodec) {
  if (values.migrate === void 0 && values.formerCodec === void 0) return {};
  return { migrate: (bytes, fromVersion) => decodeRow(rowCodec(codecFrom(values, fromVersion)), bytes) };
}

// operators/core/watermark.ts
var DEFAULT_IDLE_MS = 6e4;
var DEFAULT_STEP_MS = 1e3;
function watermark(name2, config) {
  const { outOfOrderness_ms, idle_ms = DEFAULT_IDLE_MS, max_ahead_ms = 0, step_ms = 1 } = config;
  const isBounded = outOfOrderness_ms < Number.POSITIVE_INFINITY;
  if (!isBounded || !(outOfOrderness_ms >= 0) || !(idle_ms >= 0) || !(max_ahead_ms >= 0)) {
    throw new MillraceError(
      "bad_config",
      `"${name2}" needs ms from 0 on as outOfOrderness_ms, idle_ms and max_ahead_ms, the first of them finite.`
    );
  }
  if (!(step_ms > 0) || step_ms === Number.POSITIVE_INFINITY) {
    throw new MillraceError("bad_config", `"${name2}" needs ms above 0 as step_ms, not ${step_ms}.`);
  }
  return make3()(name2, config);
}
var make3 = () => defineOperator({
  kind: "watermark",
  summary: "Event time from the events themselves; follows the clock while the source is idle",
  ownsWatermark: true,
  keepsItems: true,
  retractions: () => "passes",
  start: ({ name: name2, config, clock, ordered, metrics, emit, emitWatermark, initialWatermark_ms, notice }) => {
    const { timeOf, outOfOrderness_ms, idle_ms = DEFAULT_IDLE_MS, max_ahead_ms, late } = config;
    const { step_ms = DEFAULT_STEP_MS } = config;
    const levelOf = (time_ms) => ordered ? Math.floor(time_ms / step_ms) * step_ms : time_ms;
    let current_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    const labels = { operator: name2 };
    const lateEvents = metrics.counter(
      "millrace.watermark.late",
      "Events older than the watermark",
      labels
    );
    const lateByIdle = metrics.counter(
      "millrace.watermark.late_by_idle",
      "Events that are late only because the watermark followed the clock while the source was quiet",
      labels
    );
    let byEvents_ms = current_ms;
    let isIdle = false;
    const ahead = metrics.counter(
      "millrace.watermark.ahead",
      "Events whose time is not believed: after the year 10889, or too far ahead of the clock",
      labels
    );
    const moveTo = (time_ms) => {
      if (time_ms > current_ms) {
        current_ms = time_ms;
        emitWatermark(time_ms);
      }
    };
    const judge = (events, from_ms) => {
      let reached_ms = from_ms;
      const ahead_ms = max_ahead_ms === void 0 ? TIME_END_MS : clock.now() + max_ahead_ms;
      const believed_ms = Math.min(ahead_ms, TIME_END_MS);
      for (const event of events) {
        const time_ms = wholeTime(timeOf(event), name2);
        if (time_ms < reached_ms) {
          lateEvents.add();
          if (isIdle && time_ms >= byEvents_ms) lateByIdle.add();
          if (late !== void 0) notice({ kind: "late", ...late(event) });
        } else if (time_ms > believed_ms) ahead.add();
        else if (time_ms - outOfOrderness_ms > reached_ms) reached_ms = time_ms - outOfOrderness_ms;
      }
      return reached_ms;
    };
    const passIdle = (time) => {
      if (time.idle_ms < idle_ms) return;
      const to_ms = levelOf(time.now_ms - outOfOrderness_ms);
      isIdle ||= to_ms > current_ms;
      moveTo(to_ms);
    };
    return {
      // The committed watermark at start: tables and timers downstream go on from it.
      onWatermark: (time_ms) => {
        if (time_ms < current_ms) return;
        current_ms = time_ms;
        emitWatermark(time_ms);
      },
      onBatch: (events) => {
        let reached_ms = current_ms;
        if (!ordered) reached_ms = judge(events, reached_ms);
        else
          for (const event of events)
            reached_ms = Math.max(reached_ms, levelOf(judge([event], reached_ms)));
        emit(events);
        if (reached_ms > current_ms) {
          byEvents_ms = reached_ms;
          isIdle = false;
        }
        moveTo(reached_ms);
      },
      onBarrier: (barrier) => {
        if (!ordered) passIdle(barrier);
      },
      onTick: (tick) => passIdle(tick)
    };
  }
});

// operators/aggregates/aggregates.ts
function resolveAggregate(spec) {
  const resolved = isAggregate(spec) ? withCodec(spec) : compose(spec);
  return resolved;
}
function isAggregate(spec) {
  return typeof spec.init === "function";
}
function withCodec(aggregate) {
  return {
    init: () => aggregate.init(),
    add: (acc, event, time_ms) => aggregate.add(acc, event, time_ms),
    merge: (a, b) => aggregate.merge(a, b),
    result: (acc) => aggregate.result(acc),
    ...aggregate.retract === void 0 ? {} : { retract: (acc, event, time_ms) => aggregate.retract?.(acc, event, time_ms) },
    codec: aggregate.codec ?? trustedJsonCodec(),
    kind: aggregate.kind ?? "custom",
    shape: "",
    ...migrates(aggregate) ? {
      codecOf: (fromVersion) => codecFrom({ ...codecIn(aggregate), ...migrationIn(aggregate) }, fromVersion)
    } : {}
  };
}
function migrates({ migrate, formerCodec }) {
  return migrate !== void 0 || formerCodec !== void 0;
}
function codecIn({ codec }) {
  return codec === void 0 ? {} : { codec };
}
function migrationIn(aggregate) {
  const { migrate, formerCodec } = aggregate;
  return {
    ...migrate === void 0 ? {} : { migrate: migrate.bind(aggregate) },
    ...formerCodec === void 0 ? {} : { formerCodec: formerCodec.bind(aggregate) }
  };
}
function compose(spec) {
  const names = Object.keys(spec);
  const parts = names.map((name2) => resolveAggregate(spec[name2]));
  const retractable = parts.every(({ retract }) => retract !== void 0);
  return {
    init: () => parts.map((part) => part.init()),
    add: (acc, event, time_ms) => {
      for (let index = 0; index < parts.length; index++) {
        acc[index] = parts[index]?.add(acc[index], event, time_ms);
      }
      return acc;
    },
    merge: (a, b) => {
      for (let index = 0; index < parts.length; index++) a[index] = parts[index]?.merge(a[index], b[index]);
      return a;
    },
    ...retractable ? {
      retract: (acc, event, time_ms) => acc.map((held, index) => parts[index]?.retract?.(held, event, time_ms))
    } : {},
    result: (acc) => {
      const results = {};
      for (let index = 0; index < parts.length; index++) {
        results[names[index]] = parts[index]?.result(acc[index]);
      }
      return results;
    },
    codec: codecOfParts(parts.map(({ codec }) => codec)),
    ...parts.some(({ codecOf: codecOf2 }) => codecOf2 !== void 0) ? {
      codecOf: (fromVersion) => codecOfParts(parts.map((part) => part.codecOf?.(fromVersion) ?? part.codec))
    } : {},
    kind: `{${parts.map(({ kind }, index) => `${names[index]}: ${kind}`).join(", ")}}`,
    shape: `{${parts.map(({ shape }, index) => `${names[index]}${shape}`).join(",")}}`
  };
}
function codecOfParts(codecs) {
  return {
    write: (writer5, acc) => {
      for (let index = 0; index < codecs.length; index++) codecs[index]?.write(writer5, acc[index]);
    },
    read: (reader) => codecs.map((codec) => codec.read(reader))
  };
}

// operators/aggregates/exact-sum.ts
function addExact(a, b) {
  if (typeof a === "number" && typeof b === "number") {
    const sum2 = a + b;
    if (Number.isSafeInteger(sum2)) return sum2;
  }
  return narrow(BigInt(a) + BigInt(b));
}
function narrow(value) {
  const asNumber = Number(value);
  return Number.isSafeInteger(asNumber) ? asNumber : value;
}

// operators/aggregates/aggregates-real.ts
var HUGE = 2 ** 970;
var TINY_EXPONENT = -2148;
function newRealSum() {
  return { integers: 0, partials: [], tiny: 0n, special: void 0 };
}
function addReal(sum2, value) {
  if (Number.isSafeInteger(value)) {
    const { integers } = sum2;
    const next = typeof integers === "number" ? integers + value : Number.NaN;
    sum2.integers = Number.isSafeInteger(next) ? next : addExact(integers, value);
  } else if (!Number.isFinite(value)) sum2.special = addSpecials(sum2.special, specialOf(value, 1));
  else if (Math.abs(value) < HUGE) addPartial(sum2.partials, value);
  else addInteger(sum2, BigInt(value));
}
function takeReal(sum2, value) {
  if (Number.isFinite(value)) addReal(sum2, -value);
  else sum2.special = addSpecials(sum2.special, specialOf(value, -1));
}
var MIN_EXACT_ROOT = 2 ** -480;
var MAX_EXACT_ROOT = 2 ** 485;
function mergeReal(a, b) {
  a.integers = addExact(a.integers, b.integers);
  for (const partial of b.partials) addPartial(a.partials, partial);
  a.tiny += b.tiny;
  if (b.special !== void 0) a.special = addSpecials(a.special, b.special);
}
function addInteger(sum2, value) {
  sum2.integers = addExact(sum2.integers, value);
}
function specialOf(value, sign) {
  return {
    positive: value === Number.POSITIVE_INFINITY ? sign : 0,
    negative: value === Number.NEGATIVE_INFINITY ? sign : 0,
    nan: Math.abs(value) === Number.POSITIVE_INFINITY ? 0 : sign
  };
}
function addSpecials(a, b) {
  if (a === void 0) return b;
  const positive2 = a.positive + b.positive;
  const negative = a.negative + b.negative;
  const nan = a.nan + b.nan;
  return positive2 === 0 && negative === 0 && nan === 0 ? void 0 : { positive: positive2, negative, nan };
}
function specialValue({ positive: positive2, negative, nan }) {
  if (nan !== 0 || positive2 !== 0 && negative !== 0) return Number.NaN;
  return positive2 !== 0 ? Number.POSITIVE_INFINITY : Number.NEGATIVE_INFINITY;
}
function addPartial(partials, value) {
  const { length } = partials;
  let carry = value;
  let kept = 0;
  for (let index = 0; index < length; index++) {
    const partial = partials[index];
    const large2 = Math.abs(carry) < Math.abs(partial) ? partial : carry;
    const small = large2 === carry ? partial : carry;
    const high = large2 + small;
    const low = small - (high - large2);
    if (low !== 0) partials[kept++] = low;
    carry = high;
  }
  if (carry !== 0) partials[kept++] = carry;
  if (kept < length) partials.length = kept;
}
function realValue(sum2) {
  const { integers, partials, tiny, special } = sum2;
  if (special !== void 0) return specialValue(special);
  if (tiny !== 0n || typeof integers === "bigint" && partials.length > 0) return ratio(dyadicOf(sum2), 1n);
  if (partials.length === 0) return Number(integers);
  const all = partials.slice();
  addPartial(all, Number(integers));
  return roundPartials(all);
}
function roundPartials(partials) {
  let index = partials.length - 1;
  if (index < 0) return 0;
  let high = partials[index];
  let low = 0;
  while (index > 0 && low === 0) {
    const next = partials[--index];
    const sum2 = high + next;
    low = next - (sum2 - high);
    high = sum2;
  }
  const below = index > 0 ? partials[index - 1] : 0;
  if (low < 0 && below < 0 || low > 0 && below > 0) {
    const doubled = low * 2;
    const rounded = high + doubled;
    if (doubled === rounded - high) return rounded;
  }
  return high;
}
function canonical(partials) {
  if (partials.length < 2) return partials.slice();
  const rest = partials.slice();
  const found = [];
  while (rest.length > 0) {
    const rounded = roundPartials(rest);
    found.push(rounded);
    addPartial(rest, -rounded);
  }
  return found.reverse();
}
var HAS_BIG = 1;
var HAS_PARTIALS = 2;
var HAS_SPECIAL_SUM = 4;
var HAS_SPECIALS = 8;
var HAS_TINY = 16;
var realSumCodec = {
  write: (writer5, { integers, partials, tiny, special }) => {
    const isBig = typeof integers === "bigint";
    writer5.u8(
      (isBig ? HAS_BIG : 0) | (partials.length > 0 ? HAS_PARTIALS : 0) | (special === void 0 ? 0 : HAS_SPECIALS) | (tiny === 0n ? 0 : HAS_TINY)
    );
    if (isBig) writer5.string(integers.toString());
    else writer5.zigzag(integers);
    if (partials.length > 0) {
      const written2 = canonical(partials);
      writer5.varint(written2.length);
      for (const partial of written2) writer5.f64(partial);
    }
    if (special !== void 0) writer5.zigzag(special.positive).zigzag(special.negative).zigzag(special.nan);
    if (tiny !== 0n) writer5.string(tiny.toString());
  },
  read: (reader) => {
    const flags = reader.u8();
    const sum2 = newRealSum();
    sum2.integers = (flags & HAS_BIG) !== 0 ? BigInt(reader.string()) : reader.zigzag();
    if ((flags & HAS_PARTIALS) !== 0) {
      for (let left = reader.varint(); left > 0; left--) sum2.partials.push(reader.f64());
    }
    if ((flags & HAS_SPECIAL_SUM) !== 0) addReal(sum2, reader.f64());
    if ((flags & HAS_SPECIALS) !== 0) {
      sum2.special = { positive: reader.zigzag(), negative: reader.zigzag(), nan: reader.zigzag() };
    }
    if ((flags & HAS_TINY) !== 0) sum2.tiny = BigInt(reader.string());
    return sum2;
  }
};
function dyadicOf({ integers, partials, tiny }) {
  const parts = partials.map(decompose);
  if (tiny !== 0n) parts.push({ digits: tiny, exponent: TINY_EXPONENT });
  const exponent = Math.min(0, ...parts.map((part) => part.exponent));
  let digits = BigInt(integers) << BigInt(-exponent);
  for (const part of parts) digits += part.digits << BigInt(part.exponent - exponent);
  return { digits, exponent };
}
var FRACTION_BITS = 52;
var EXPONENT_BIAS = 1075;
function decompose(value) {
  const view = new DataView(new ArrayBuffer(8));
  view.setFloat64(0, value);
  const bits = view.getBigUint64(0);
  const biased = Number(bits >> BigInt(FRACTION_BITS) & 0x7ffn);
  const fraction = bits & (1n << BigInt(FRACTION_BITS)) - 1n;
  const digits = biased === 0 ? fraction : fraction | 1n << BigInt(FRACTION_BITS);
  return { digits: value < 0 ? -digits : digits, exponent: Math.max(biased, 1) - EXPONENT_BIAS };
}
var DOUBLE_BITS = 53;
var MIN_EXPONENT = -1074;
function ratio({ digits, exponent }, denominator) {
  if (digits === 0n) return 0;
  const magnitude = digits < 0n ? -digits : digits;
  const shift = DOUBLE_BITS + 2 - (bitLength(magnitude) - bitLength(denominator));
  const dividend = shift > 0 ? magnitude << BigInt(shift) : magnitude;
  const divisor = shift < 0 ? denominator << BigInt(-shift) : denominator;
  const quotient = dividend / divisor;
  const odd = dividend % divisor === 0n ? quotient : quotient | 1n;
  const lowest = Math.max(bitLength(odd) - DOUBLE_BITS + exponent - shift, MIN_EXPONENT);
  const rounded = Number(roundedShift(odd, BigInt(lowest - (exponent - shift))));
  const half = Math.trunc(lowest / 2);
  const value = rounded * 2 ** half * 2 ** (lowest - half);
  return digits < 0n ? -value : value;
}
function roundedShift(value, bits) {
  const kept = value >> bits;
  const below = value - (kept << bits);
  const half = 1n << bits - 1n;
  return below > half || below === half && (kept & 1n) === 1n ? kept + 1n : kept;
}
function bitLength(value) {
  const hex2 = value.toString(16);
  return hex2.length * 4 - (Math.clz32(Number.parseInt(hex2.charAt(0), 16)) - 28);
}

// operators/aggregates/aggregates-numeric.ts
var BELOW_ZERO = 2 ** 53;
var countCodec = {
  write: (writer5, value) => void writer5.varint(value < 0 ? BELOW_ZERO - 2 * value : value),
  read: (reader) => {
    const value = reader.varint();
    return value < BELOW_ZERO ? value : (BELOW_ZERO - value) / 2;
  }
};
var COUNT = {
  kind: "count",
  init: () => 0,
  add: (acc) => acc + 1,
  merge: (a, b) => a + b,
  retract: (acc) => acc - 1,
  result: (acc) => acc,
  codec: countCodec
};
function count() {
  return COUNT;
}
function sum(numberOf) {
  refuseAsync(numberOf, "sum");
  return { ...realAggregate(numberOf), kind: "sum", result: realValue };
}
function mergeInto(a, b) {
  mergeReal(a, b);
  return a;
}
function realAggregate(numberOf) {
  return {
    init: newRealSum,
    add: (acc, event) => {
      addReal(acc, numberOf(event));
      return acc;
    },
    retract: (acc, event) => {
      takeReal(acc, numberOf(event));
      return acc;
    },
    merge: mergeInto,
    codec: realSumCodec
  };
}

// operators/aggregates/distinct.ts
var PRECISION = 14;
var REGISTERS = 1 << PRECISION;
var REST_BITS = 53 - PRECISION;
var REST_SIZE = 2 ** REST_BITS;
var HLL_RELATIVE_ERROR = 1.04 / Math.sqrt(REGISTERS);
var EMPTY_DISTINCT = { kind: "exact", members: new Float64Array(0) };

// operators/aggregates/sketch.ts
var SKETCH_RELATIVE_ERROR = 0.01;
var GAMMA = (1 + SKETCH_RELATIVE_ERROR) / (1 - SKETCH_RELATIVE_ERROR);
var INVERSE_LOG_GAMMA = 1 / Math.log(GAMMA);

// operators/aggregates/aggregates-sets.ts
var words2 = new Uint32Array(4);
var writer4 = new ByteWriter();

// operators/views/cubes/cell-block.ts
var BLOCK_MAX_BYTES = 4064;
var CELL_WORDS = 2;
var INITIAL_BYTES4 = 8192;
var VARINT_BYTES = 8;
var BlockReader2 = class {
  measures;
  /** Bucket, currency, dimension codes. */
  key;
  sums;
  /** The sums that are no safe integers, by measure; `sums` has them rounded. */
  wide = /* @__PURE__ */ new Map();
  /** Measures that are not 0. */
  present;
  presentCount = 0;
  #bytes = new Uint8Array(0);
  #at = 0;
  constructor(dimensions, measures) {
    this.measures = measures;
    this.key = new Int32Array(CELL_WORDS + dimensions);
    this.sums = new Float64Array(measures);
    this.present = new Int32Array(measures);
  }
  /** The bytes must stay as they are until the last `next`. */
  open(bytes) {
    this.#bytes = bytes;
    this.#at = 0;
    this.key[0] = 0;
  }
  /** False at the end. */
  next() {
    const bytes = this.#bytes;
    if (this.#at >= bytes.length) return false;
    const { key, sums, present } = this;
    if (this.wide.size > 0) this.wide.clear();
    for (let at2 = 0; at2 < this.presentCount; at2++) sums[present[at2]] = 0;
    key[0] = key[0] + this.#zigzag();
    for (let word = 1; word < key.length; word++) key[word] = this.#varint();
    let count2 = 0;
    for (let base = 0; base < this.measures; base += 8) {
      for (let bits = bytes[this.#at++]; bits !== 0; bits &= bits - 1)
        present[count2++] = base + 31 - Math.clz32(bits & -bits);
    }
    this.presentCount = count2;
    for (let at2 = 0; at2 < count2; at2++) {
      const measure2 = present[at2];
      const start = this.#at;
      const sum2 = this.#zigzag();
      sums[measure2] = sum2;
      if (sum2 > Number.MAX_SAFE_INTEGER || sum2 < -Number.MAX_SAFE_INTEGER) this.#readWide(measure2, start);
    }
    invariant(this.#at <= bytes.length, "a block of cells ends with a cell");
    return true;
  }
  #varint() {
    const bytes = this.#bytes;
    let byte = bytes[this.#at++];
    if (byte < 128) return byte;
    let value = byte & 127;
    for (let scale = 128; byte >= 128; scale *= 128) {
      byte = bytes[this.#at++];
      value += (byte & 127) * scale;
    }
    return value;
  }
  /** Rounded where it is no safe integer. */
  #zigzag() {
    const bytes = this.#bytes;
    const first = bytes[this.#at++];
    let magnitude = (first & 127) >>> 1;
    if (first >= 128) {
      let byte = bytes[this.#at++];
      magnitude |= (byte & 127) << 6;
      if (byte >= 128) {
        byte = bytes[this.#at++];
        magnitude |= (byte & 127) << 13;
        for (let scale = 2 ** 20; byte >= 128; scale *= 128) {
          byte = bytes[this.#at++];
          magnitude += (byte & 127) * scale;
        }
      }
    }
    return (first & 1) === 1 ? -magnitude : magnitude;
  }
  #readWide(measure2, start) {
    const bytes = this.#bytes;
    const first = bytes[start];
    let magnitude = BigInt((first & 127) >>> 1);
    let at2 = start + 1;
    let shift = 6n;
    for (let byte = first; byte >= 128; shift += 7n) {
      byte = bytes[at2++];
      magnitude |= BigInt(byte & 127) << shift;
    }
    this.wide.set(measure2, (first & 1) === 1 ? -magnitude : magnitude);
  }
};
var BlockWriter = class {
  #measures;
  #bytes = new Uint8Array(INITIAL_BYTES4);
  #length = 0;
  #bucket = 0;
  constructor(measures) {
    this.#measures = measures;
  }
  get length() {
    return this.#length;
  }
  reset() {
    this.#length = 0;
    this.#bucket = 0;
  }
  /** Valid until the next `reset`. */
  view() {
    return this.#bytes.subarray(0, this.#length);
  }
  /**
   * The cell with the key words [keyAt, keyAt + words) and the sums from `sumsAt`; `wide` has those that are no safe
   * integers, by their index. A cell that is too large alone is taken.
   */
  add(cells, cell, max_bytes) {
    const { keys, words: words4, sums, wide } = cells;
    const start = this.#length;
    const keyAt = cell * words4;
    this.#reserve((words4 + this.#measures) * VARINT_BYTES + this.#measures);
    this.#zigzag(keys[keyAt] - this.#bucket);
    for (let word = 1; word < words4; word++) this.#varint(keys[keyAt + word]);
    const sumsAt = cell * this.#measures;
    for (let base = 0; base < this.#measures; base += 8) {
      let bits = 0;
      for (let bit = 0; bit < 8 && base + bit < this.#measures; bit++)
        if (sums[sumsAt + base + bit] !== 0) bits |= 1 << bit;
      this.#bytes[this.#length++] = bits;
    }
    for (let measure2 = 0; measure2 < this.#measures; measure2++) {
      const sum2 = sums[sumsAt + measure2];
      if (sum2 === 0) continue;
      const exact = wide.size === 0 ? void 0 : wide.get(sumsAt + measure2);
      if (exact === void 0) this.#zigzag(sum2);
      else this.#wide(exact);
    }
    if (this.#length > max_bytes && start > 0) {
      this.#length = start;
      return false;
    }
    this.#bucket = keys[keyAt];
    return true;
  }
  #reserve(bytes) {
    if (this.#length + bytes <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + bytes));
    grown.set(this.#bytes);
    this.#bytes = grown;
  }
  #varint(value) {
    const bytes = this.#bytes;
    let rest = value;
    for (; rest >= 128; rest = Math.floor(rest / 128)) bytes[this.#length++] = rest % 128 | 128;
    bytes[this.#length++] = rest;
  }
  #zigzag(value) {
    const magnitude = Math.abs(value);
    const sign = value < 0 ? 1 : 0;
    const low = magnitude % 64 << 1 | sign;
    if (magnitude < 64) {
      this.#bytes[this.#length++] = low;
      return;
    }
    this.#bytes[this.#length++] = low | 128;
    this.#varint(Math.floor(magnitude / 64));
  }
  #wide(value) {
    let rest = value < 0n ? -value : value;
    this.#reserve(value.toString(16).length + VARINT_BYTES * this.#measures);
    this.#bytes[this.#length++] = Number(rest % 64n) << 1 | (value < 0n ? 1 : 0) | 128;
    for (rest /= 64n; rest >= 128n; rest /= 128n) this.#bytes[this.#length++] = Number(rest % 128n) | 128;
    this.#bytes[this.#length++] = Number(rest);
  }
};

// operators/views/backfill/history.ts
var DAY_MS2 = 864e5;
var ALL_TIME_MS = -864e13;
var NEVER_MS = 864e13;
var MAX_SLICES = 1024;
function nextSlice(history, scope, from_ms, max_rows) {
  const newest_ms = history.newestBefore(from_ms, scope);
  if (newest_ms === void 0) return void 0;
  const last_ms = Math.min(newest_ms, from_ms === NEVER_MS ? newest_ms : from_ms - 1);
  const day_ms = Math.floor(last_ms / DAY_MS2) * DAY_MS2;
  const rows = history.rows({ scope, start_ms: day_ms, end_ms: day_ms + DAY_MS2 });
  let slices = 1;
  while (slices < MAX_SLICES && rows > max_rows * slices) slices *= 2;
  const width_ms = DAY_MS2 / slices;
  const start_ms = day_ms + Math.floor((last_ms - day_ms) / width_ms) * width_ms;
  return { scope, start_ms: Math.max(start_ms, history.start_ms(scope), ALL_TIME_MS), end_ms: from_ms };
}

// operators/views/backfill/backfill.ts
var Backfill = class {
  #history;
  #max_rows;
  /** Adds the rows of a range to what is being built; gives the rows that were read. */
  #read;
  /** Those that do not have all rows that there are. */
  #building = [];
  constructor(history, max_rows, read4) {
    this.#history = history;
    this.#max_rows = max_rows;
    this.#read = read4;
  }
  get incomplete() {
    return this.#building.length;
  }
  /** From here on it looks after these. Not within a step. */
  follow(slots) {
    this.#building = slots;
    this.#history.refresh();
    this.#forgetComplete();
  }
  /** The log's start only moves on: what has reached it once is not asked again. */
  #forgetComplete() {
    const starts = /* @__PURE__ */ new Map();
    this.#building = this.#building.filter((each2) => {
      const { from_ms, scope } = each2.slot;
      if (from_ms <= ALL_TIME_MS) return false;
      let start_ms = starts.get(scope);
      if (start_ms === void 0) {
        start_ms = this.#history.start_ms(scope);
        starts.set(scope, start_ms);
      }
      if (from_ms > start_ms) return true;
      each2.slot = withoutShare(each2.slot);
      return false;
    });
    if (this.#building.length === 0) this.#history.release();
  }
  /** Inside a commit. Reads about `max_rows` rows, at least one slice. */
  step() {
    if (this.#building.length === 0) return;
    this.#history.refresh();
    let budget = this.#max_rows;
    while (budget > 0) {
      this.#forgetComplete();
      const [first] = this.#building.toSorted((a, b) => b.slot.from_ms - a.slot.from_ms);
      if (first === void 0) return;
      const { from_ms, scope } = first.slot;
      const group = this.#building.filter(({ slot }) => slot.from_ms === from_ms && slot.scope === scope);
      budget -= this.#buildSlice(group, from_ms, scope);
    }
    this.#forgetComplete();
  }
  /** Gives the rows that were read. */
  #buildSlice(group, from_ms, scope) {
    const slice = nextSlice(this.#history, scope, from_ms, this.#max_rows);
    const rows = slice === void 0 ? 0 : this.#read(group, slice);
    const reached_ms = slice?.start_ms ?? this.#history.start_ms(scope);
    const share = slice === void 0 ? 1 : this.#shareFrom(reached_ms, scope);
    for (const each2 of group) {
      each2.slot = { ...withoutShare(each2.slot), from_ms: reached_ms, ...share < 1 ? { share } : {} };
    }
    return Math.max(1, rows);
  }
  /** Of all rows there are, about. */
  #shareFrom(start_ms, scope) {
    const before = this.#history.rows({ scope, start_ms: ALL_TIME_MS, end_ms: start_ms });
    const after = this.#history.rows({ scope, start_ms, end_ms: -ALL_TIME_MS });
    return after / Math.max(1, before + after);
  }
};
function withoutShare({ share: _, ...slot }) {
  return slot;
}

// operators/views/backfill/slot.ts
var idKey = (id) => new ByteWriter().u32(id).copy();
function readSlots(slots) {
  return Array.from(
    slots.scan(),
    ({ key, value }) => ({ id: new ByteReader(key).u32(), ...JSON.parse(Buffer.from(value).toString()) })
  );
}
function writeSlot(slots, { id, ...rest }) {
  slots.put(idKey(id), Buffer.from(JSON.stringify(rest)));
}
function removeSlotRows(slots, tables4, id, max_rows) {
  let left = max_rows;
  for (const table of tables4) {
    const range = { start: idKey(id), end: idKey(id + 1), limit: left };
    const keys = Array.from(table.scan(range), ({ key }) => Uint8Array.from(key));
    for (const key of keys) table.remove(key);
    left -= keys.length;
    if (left === 0) return false;
  }
  slots.remove(idKey(id));
  return true;
}

// operators/views/backfill/slots.ts
var Slots = class {
  #config;
  #live = [];
  #dropped = [];
  #written;
  constructor(config) {
    this.#config = config;
    const stored = readSlots(config.slots);
    this.#written = new Map(stored.map((slot) => [slot.id, slot]));
    this.#dropped = stored.filter(({ isDropped }) => isDropped);
    this.#live = stored.filter(({ isDropped }) => !isDropped).map(config.open);
  }
  get live() {
    return this.#live;
  }
  /** No slot was ever stored. */
  get isEmpty() {
    return this.#written.size === 0;
  }
  /**
   * From here on these are wanted; `isSame` says whether a slot is already what is wanted. `newFrom_ms` is where a
   * new one begins.
   */
  want(wanted, isSame4, newFrom_ms) {
    const byName = new Map(wanted.map((each2) => [each2.name, each2]));
    const isKept = ({ slot }) => {
      const want = byName.get(slot.name);
      return want !== void 0 && isSame4(slot, want);
    };
    const kept = this.#live.filter(isKept);
    const stays = new Set(kept);
    const gone = this.#live.filter((each2) => !stays.has(each2));
    this.#dropped = [...this.#dropped, ...gone.map(({ slot }) => ({ ...slot, isDropped: true }))];
    const names = new Set(kept.map(({ slot }) => slot.name));
    const slots = [...this.#dropped, ...kept.map(({ slot }) => slot)];
    let id = slots.reduce((last, slot) => Math.max(last, slot.id), 0);
    const added = wanted.filter(({ name: name2 }) => !names.has(name2)).map((want) => ({ ...want, id: ++id, from_ms: newFrom_ms(want), isDropped: false }));
    this.#live = [...kept, ...added.map(this.#config.open)];
  }
  /** Inside a commit: stores what changed, and removes a piece of what was dropped. */
  flush() {
    const { slots, rows, drop_max_rows } = this.#config;
    this.#dropped = this.#dropped.filter(({ id }) => !removeSlotRows(slots, rows, id, drop_max_rows));
    const now = [...this.#dropped, ...this.#live.map(({ slot }) => slot)];
    for (const slot of now) if (this.#written.get(slot.id) !== slot) writeSlot(slots, slot);
    this.#written = new Map(now.map((slot) => [slot.id, slot]));
  }
};
function newFrom(history, scope) {
  return history.newestBefore(NEVER_MS, scope) === void 0 ? history.start_ms(scope) : NEVER_MS;
}

// operators/views/cubes/touched-cells.ts
var INITIAL_CELLS = 16;
var KEY_WORDS = 3;
var TouchedCells = class {
  words;
  measures;
  count = 0;
  /** Keys, `words` each, in the order of their first addition. */
  keys;
  /** `measures` each. */
  sums;
  /** What does not fit into a sum, by its index. */
  beyond = /* @__PURE__ */ new Map();
  /** Where the key of the next `add` is put. */
  key;
  #hashes = new Int32Array(INITIAL_CELLS);
  #slots = new Int32Array(INITIAL_CELLS * 2);
  constructor(dimensions, measures) {
    this.words = KEY_WORDS + dimensions;
    this.measures = measures;
    this.key = new Int32Array(this.words);
    this.keys = new Int32Array(INITIAL_CELLS * this.words);
    this.sums = new Float64Array(INITIAL_CELLS * measures);
  }
  /** Adds `value[i]` to the sum `measure[i]`, i < additions, of the cell with the key in `key`. */
  add(additions, measure2, value) {
    const base = this.#cell() * this.measures;
    const sums = this.sums;
    for (let index = 0; index < additions; index++) {
      const at2 = base + measure2[index];
      const added = value[index];
      const sum2 = sums[at2] + added;
      if (sum2 <= Number.MAX_SAFE_INTEGER && sum2 >= -Number.MAX_SAFE_INTEGER) sums[at2] = sum2;
      else this.#addBeyond(at2, added);
    }
  }
  /** Adds another table's cell to the cell with the key in `key`. */
  addCell(from, cell) {
    const [to, base] = [this.#cell() * this.measures, cell * this.measures];
    for (let measure2 = 0; measure2 < this.measures; measure2++) {
      const sum2 = this.sums[to + measure2] + from.sums[base + measure2];
      if (Number.isSafeInteger(sum2)) this.sums[to + measure2] = sum2;
      else this.#addBeyond(to + measure2, from.sums[base + measure2]);
      const beyond = from.beyond.get(base + measure2);
      if (beyond !== void 0) this.beyond.set(to + measure2, (this.beyond.get(to + measure2) ?? 0n) + beyond);
    }
  }
  #addBeyond(at2, added) {
    invariant(Number.isSafeInteger(added), "a cell adds up safe integers");
    this.beyond.set(at2, (this.beyond.get(at2) ?? 0n) + BigInt(added));
  }
  /** The index of the cell of `key`, a new one if there is none. */
  #cell() {
    const { key, words: words4 } = this;
    let hash3 = 0;
    for (let word = 0; word < words4; word++) {
      hash3 = Math.imul(hash3 ^ key[word], 2654435761);
      hash3 ^= hash3 >>> 15;
    }
    const mask = this.#slots.length - 1;
    for (let slot = hash3 & mask; ; slot = slot + 1 & mask) {
      const cell = this.#slots[slot] - 1;
      if (cell < 0) return this.#append(slot, hash3);
      if (this.#hashes[cell] === hash3 && this.#has(cell)) return cell;
    }
  }
  #has(cell) {
    const { key, keys, words: words4 } = this;
    const base = cell * words4;
    for (let word = 0; word < words4; word++) if (keys[base + word] !== key[word]) return false;
    return true;
  }
  #append(slot, hash3) {
    let free = slot;
    if (this.count === this.#hashes.length) {
      this.#grow();
      free = this.#freeSlot(hash3);
    }
    const cell = this.count++;
    this.#slots[free] = cell + 1;
    this.#hashes[cell] = hash3;
    this.keys.set(this.key, cell * this.words);
    this.sums.fill(0, cell * this.measures, (cell + 1) * this.measures);
    return cell;
  }
  #freeSlot(hash3) {
    const mask = this.#slots.length - 1;
    let slot = hash3 & mask;
    while (this.#slots[slot] !== 0) slot = slot + 1 & mask;
    return slot;
  }
  #grow() {
    const size = this.#hashes.length * 2;
    const hashes = new Int32Array(size);
    hashes.set(this.#hashes);
    this.#hashes = hashes;
    const keys = new Int32Array(size * this.words);
    keys.set(this.keys);
    this.keys = keys;
    const sums = new Float64Array(size * this.measures);
    sums.set(this.sums);
    this.sums = sums;
    this.#slots = new Int32Array(size * 2);
    for (let cell = 0; cell < this.count; cell++)
      this.#slots[this.#freeSlot(hashes[cell])] = cell + 1;
  }
  clear() {
    this.count = 0;
    this.#slots.fill(0);
    this.beyond.clear();
  }
  /** Indices of the cells, sorted by key word by word. */
  sorted() {
    const { keys, words: words4 } = this;
    const order = new Uint32Array(this.count);
    for (let cell = 0; cell < order.length; cell++) order[cell] = cell;
    return order.sort((a, b) => {
      for (let word = 0; word < words4; word++) {
        const less = keys[a * words4 + word] - keys[b * words4 + word];
        if (less !== 0) return less;
      }
      return 0;
    });
  }
};

// operators/views/cubes/cube.ts
var placeOf3 = (specs, name2) => specs.filter(({ kind }) => kind === "code").findIndex((spec) => spec.name === name2);
var Cube = class {
  slot;
  touched;
  /** What a row adds to it, where that is not what it adds to all others. */
  reader;
  /** Some of its dimensions are columns of items. */
  #isByItems = false;
  #dimensions;
  #bucket_ms;
  /** The dimensions' columns of the open batch. */
  #codes = [];
  /** Code columns of items by which to group, and of each dimension its place among them, or -1. */
  #itemColumns = new Int32Array(0);
  #itemPlace = new Int32Array(0);
  #schema;
  #columns = [];
  constructor(info, reader = void 0) {
    this.slot = info;
    this.reader = reader;
    this.#dimensions = info.dimensions.length;
    this.#bucket_ms = info.bucket_ms;
    this.touched = new TouchedCells(info.dimensions.length, info.measures);
  }
  get isByItems() {
    return this.#isByItems;
  }
  /** Text columns that it looks at. */
  get texts() {
    return [...this.slot.dimensions, ...this.reader?.texts ?? []];
  }
  open(batch2) {
    if (this.#schema !== batch2.schema) this.#learn(batch2);
    this.reader?.open(batch2);
    this.#codes = this.#columns.map((column) => batch2.columns.codes[column]);
  }
  #learn({ schema }) {
    const { dimensions } = this.slot;
    this.#schema = schema;
    this.#columns = dimensions.map((name2) => placeOf3(schema.columns, name2));
    const itemColumns = dimensions.map((name2) => placeOf3(schema.items, name2));
    this.#itemColumns = Int32Array.from(itemColumns.filter((column) => column >= 0));
    this.#itemPlace = Int32Array.from(itemColumns, (column) => this.#itemColumns.indexOf(column));
    this.#isByItems = this.#itemColumns.length > 0;
  }
  /** A row as a whole, with the additions that the reader holds. */
  add(batch2, row, reader, currency, additions) {
    const { touched } = this;
    const { key } = touched;
    key[0] = batch2.scope[row];
    key[1] = Math.floor(batch2.time_ms[row] / this.#bucket_ms);
    key[2] = currency;
    const codes = this.#codes;
    for (let at2 = 0; at2 < this.#dimensions; at2++)
      key[KEY_WORDS + at2] = codes[at2][row];
    touched.add(additions, reader.measure, reader.value);
  }
  /** A row once for each group of its items; the reader's additions are others afterwards. */
  addGroups(batch2, row, reader, currency) {
    const { touched } = this;
    const { key } = touched;
    const width = this.#itemColumns.length;
    const groups = reader.group(row, this.#itemColumns);
    key[0] = batch2.scope[row];
    key[1] = Math.floor(batch2.time_ms[row] / this.#bucket_ms);
    key[2] = currency;
    for (let group = 0; group < groups; group++) {
      for (let at2 = 0; at2 < this.#dimensions; at2++) {
        const place = this.#itemPlace[at2];
        key[KEY_WORDS + at2] = place < 0 ? this.#codes[at2][row] : reader.groupCodes[group * width + place];
      }
      touched.add(reader.readGroup(group), reader.measure, reader.value);
    }
  }
};
var CubeIndex = class {
  #shared;
  #own = /* @__PURE__ */ new Map();
  /** By the code of the scope. */
  #scopes = /* @__PURE__ */ new Map();
  #batches = 0;
  constructor(cubes2) {
    this.#shared = cubes2.filter(({ slot }) => slot.scope === void 0);
    for (const cube of cubes2) {
      const { scope } = cube.slot;
      if (scope === void 0) continue;
      const own = this.#own.get(scope);
      if (own === void 0) this.#own.set(scope, [cube]);
      else own.push(cube);
    }
  }
  get isEmpty() {
    return this.#shared.length === 0 && this.#own.size === 0;
  }
  /** Another batch begins. */
  next() {
    this.#batches++;
  }
  /** The cubes of a scope, open for the batch. */
  open(batch2, scope) {
    let found = this.#scopes.get(scope);
    if (found === void 0) {
      const own = this.#own.get(batch2.dictionary.textOf(scope)) ?? [];
      found = { cubes: [...this.#shared, ...own], whole: [], byItems: [], own: [], batch: 0 };
      this.#scopes.set(scope, found);
    }
    if (found.batch !== this.#batches) {
      const { cubes: cubes2 } = found;
      for (let at2 = 0; at2 < cubes2.length; at2++) cubes2[at2].open(batch2);
      if (found.batch === 0) {
        const shared = cubes2.filter((cube) => cube.reader === void 0);
        found.whole = shared.filter((cube) => !cube.isByItems);
        found.byItems = shared.filter((cube) => cube.isByItems);
        found.own = cubes2.filter((cube) => cube.reader !== void 0);
      }
      found.batch = this.#batches;
    }
    return found;
  }
};
function addRows(index, reader, batch2, left) {
  if (index.isEmpty) return;
  reader.open(batch2);
  index.next();
  const currencies = batch2.columns.codes[reader.currency];
  let scope = -1;
  let whole = [];
  let byItems = [];
  let own = [];
  for (let row = 0; row < batch2.length; row++) {
    if (batch2.scope[row] !== scope) {
      scope = batch2.scope[row];
      ({ whole, byItems, own } = index.open(batch2, scope));
    }
    const time_ms = batch2.time_ms[row];
    const currency = currencies[row];
    for (let at2 = 0; at2 < own.length; at2++) addOwn(own[at2], batch2, row, currency, left);
    if (whole.length + byItems.length === 0) continue;
    const additions = reader.read(row);
    if (additions === 0) continue;
    for (let at2 = 0; at2 < whole.length; at2++) {
      const cube = whole[at2];
      if (left === void 0 || time_ms >= cube.slot.from_ms)
        cube.add(batch2, row, reader, currency, additions);
      else leave(left, batch2, row);
    }
    const hasItems = byItems.length > 0 && batch2.itemCount[row] > 0;
    for (let at2 = 0; at2 < byItems.length; at2++) {
      const cube = byItems[at2];
      if (left !== void 0 && time_ms < cube.slot.from_ms) leave(left, batch2, row);
      else if (hasItems) cube.addGroups(batch2, row, reader, currency);
      else cube.add(batch2, row, reader, currency, additions);
    }
  }
}
function addOwn(cube, batch2, row, currency, left) {
  const { reader } = cube;
  if (reader === void 0) return;
  const additions = reader.read(row);
  if (additions === 0) return;
  if (left !== void 0 && batch2.time_ms[row] < cube.slot.from_ms) leave(left, batch2, row);
  else if (cube.isByItems && batch2.itemCount[row] > 0)
    cube.addGroups(batch2, row, reader, currency);
  else cube.add(batch2, row, reader, currency, additions);
}
function leave(left, batch2, row) {
  const time_ms = batch2.time_ms[row];
  if (time_ms <= left.time_ms) return;
  left.time_ms = time_ms;
  left.sequence = batch2.sequence[row];
  left.scope = batch2.scope[row];
}

// operators/views/cubes/cell-keys.ts
var BIAS = 2 ** 31;
var ABOVE = Uint8Array.of(255);
function scopePrefix2(cube, scope) {
  return Uint8Array.from(new ByteWriter().u32(cube).orderedString(scope).view());
}
function prefixRange(prefix3) {
  return { start: prefix3, end: Buffer.concat([prefix3, ABOVE]) };
}
function blockKey2(prefix3, words4, at2, count2) {
  const writer5 = new ByteWriter().bytes(prefix3);
  writer5.u32(words4[at2] + BIAS);
  for (let word = 1; word < count2; word++) writer5.u32(words4[at2 + word]);
  return writer5.copy();
}
function bucketKey(prefix3, bucket) {
  return new ByteWriter().bytes(prefix3).u32(bucket + BIAS).copy();
}
function wordsOfKey(key, prefix3, count2) {
  if (key.length === prefix3.length) return void 0;
  const view = new DataView(key.buffer, key.byteOffset + prefix3.length, key.length - prefix3.length);
  const words4 = new Int32Array(count2);
  words4[0] = view.getUint32(0) - BIAS;
  for (let word = 1; word < count2; word++) words4[word] = view.getInt32(word * 4);
  return words4;
}

// operators/views/cubes/cell-store.ts
var NO_LIMIT = { admit: () => true, removed: () => void 0 };
var INITIAL_CELLS2 = 256;
var AFTER = Uint8Array.of(0);
var CellStore = class {
  blocksWritten = 0;
  #table;
  #words;
  #measures;
  #reader;
  #writer;
  // The cells of the blocks that are being written.
  #keys;
  #sums;
  #wide = /* @__PURE__ */ new Map();
  #count = 0;
  /** Cells of the last merge that were not admitted. */
  refused = [];
  constructor(table, dimensions, measures) {
    this.#table = table;
    this.#words = CELL_WORDS + dimensions;
    this.#measures = measures;
    this.#reader = new BlockReader2(dimensions, measures);
    this.#writer = new BlockWriter(measures);
    this.#keys = new Int32Array(INITIAL_CELLS2 * this.#words);
    this.#sums = new Float64Array(INITIAL_CELLS2 * measures);
  }
  /** Adds the touched cells order[from..to), all of one scope and sorted, to those under the prefix. */
  merge(prefix3, touched, order, range, limit) {
    this.refused.length = 0;
    const all = prefixRange(prefix3);
    for (let at2 = range.from; at2 < range.to; ) {
      const key = this.#keyOf(prefix3, touched, order[at2]);
      const past = Buffer.concat([key, AFTER]);
      let found;
      for (const row of this.#table.scan({ start: all.start, end: past, reverse: true, limit: 1 }))
        found = { key: Uint8Array.from(row.key), value: Uint8Array.from(row.value) };
      let next;
      for (const row of this.#table.scan({ start: past, end: all.end, limit: 1 }))
        next = wordsOfKey(row.key, prefix3, this.#words);
      let to = at2 + 1;
      while (to < range.to && (next === void 0 || this.#isBefore(touched, order[to], next)))
        to++;
      this.#mergeBlock(found?.value, touched, order, { from: at2, to }, limit);
      this.#write(prefix3, found?.key, next === void 0);
      at2 = to;
    }
  }
  #keyOf(prefix3, touched, cell) {
    return blockKey2(prefix3, touched.keys, cell * touched.words + 1, this.#words);
  }
  #isBefore(touched, cell, words4) {
    return compare3(touched.keys, cell * touched.words + 1, words4, 0, this.#words) < 0;
  }
  /** Puts the block's cells with those of the range added into `#keys` and `#sums`. */
  #mergeBlock(block, touched, order, range, limit) {
    this.#count = 0;
    this.#wide.clear();
    const reader = this.#reader;
    reader.open(block ?? new Uint8Array(0));
    let hasStored = reader.next();
    let at2 = range.from;
    while (hasStored || at2 < range.to) {
      const cell = at2 < range.to ? order[at2] : -1;
      const side = !hasStored ? 1 : cell < 0 ? -1 : compare3(reader.key, 0, touched.keys, cell * touched.words + 1, this.#words);
      if (side > 0) {
        this.#takeNew(touched, cell, limit);
        at2++;
        continue;
      }
      const into = this.#append(reader.key, 0);
      this.#sums.set(reader.sums, into * this.#measures);
      for (const [measure2, exact] of reader.wide) this.#wide.set(into * this.#measures + measure2, exact);
      if (side === 0) {
        this.#add(into, touched, cell);
        if (this.#dropZero(into)) limit.removed(reader.key[0]);
        at2++;
      }
      hasStored = reader.next();
    }
  }
  #takeNew(touched, cell, limit) {
    const keyAt = cell * touched.words + 1;
    const into = this.#append(touched.keys, keyAt);
    this.#sums.fill(0, into * this.#measures, (into + 1) * this.#measures);
    this.#add(into, touched, cell);
    if (this.#dropZero(into) || limit.admit(touched.keys[keyAt])) return;
    this.#drop(into);
    this.refused.push(cell);
  }
  #append(key, keyAt) {
    const into = this.#count++;
    if ((into + 1) * this.#words > this.#keys.length) this.#grow();
    const base = into * this.#words;
    for (let word = 0; word < this.#words; word++) this.#keys[base + word] = key[keyAt + word];
    return into;
  }
  #grow() {
    const keys = new Int32Array(this.#keys.length * 2);
    keys.set(this.#keys);
    this.#keys = keys;
    const sums = new Float64Array(this.#sums.length * 2);
    sums.set(this.#sums);
    this.#sums = sums;
  }
  #add(into, touched, cell) {
    const [to, from] = [into * this.#measures, cell * this.#measures];
    const isPlain2 = this.#wide.size === 0 && touched.beyond.size === 0;
    for (let measure2 = 0; measure2 < this.#measures; measure2++) {
      const added = touched.sums[from + measure2];
      const sum2 = this.#sums[to + measure2] + added;
      if (isPlain2 && sum2 <= Number.MAX_SAFE_INTEGER && sum2 >= -Number.MAX_SAFE_INTEGER)
        this.#sums[to + measure2] = sum2;
      else this.#addExactly(to + measure2, BigInt(added) + (touched.beyond.get(from + measure2) ?? 0n));
    }
  }
  #addExactly(at2, added) {
    const sum2 = (this.#wide.get(at2) ?? BigInt(this.#sums[at2])) + added;
    this.#sums[at2] = Number(sum2);
    if (sum2 <= BigInt(Number.MAX_SAFE_INTEGER) && sum2 >= -BigInt(Number.MAX_SAFE_INTEGER))
      this.#wide.delete(at2);
    else this.#wide.set(at2, sum2);
  }
  #dropZero(cell) {
    const base = cell * this.#measures;
    for (let measure2 = 0; measure2 < this.#measures; measure2++)
      if (this.#sums[base + measure2] !== 0) return false;
    this.#drop(cell);
    return true;
  }
  /** The last one. */
  #drop(cell) {
    invariant(cell === this.#count - 1, "only the cell that is being merged goes");
    this.#count--;
    if (this.#wide.size === 0) return;
    for (let measure2 = 0; measure2 < this.#measures; measure2++)
      this.#wide.delete(cell * this.#measures + measure2);
  }
  /** Writes the merged cells in the place of the block `key`. */
  #write(prefix3, key, isLast) {
    const first = key ?? prefix3;
    if (this.#count === 0) {
      if (key !== void 0) this.#table.remove(key);
      return;
    }
    const cells = { keys: this.#keys, words: this.#words, sums: this.#sums, wide: this.#wide };
    const max_bytes = isLast ? BLOCK_MAX_BYTES : this.#evenBytes();
    const writer5 = this.#writer;
    writer5.reset();
    let blockStart = 0;
    for (let cell = 0; cell < this.#count; cell++) {
      if (writer5.add(cells, cell, max_bytes)) continue;
      this.#put(prefix3, first, blockStart);
      writer5.reset();
      blockStart = cell;
      writer5.add(cells, cell, max_bytes);
    }
    this.#put(prefix3, first, blockStart);
  }
  #put(prefix3, first, cell) {
    const key = cell === 0 ? first : blockKey2(prefix3, this.#keys, cell * this.#words, this.#words);
    this.#table.put(key, this.#writer.view());
    this.blocksWritten++;
  }
  /** The largest a block may get so that all are about as large. */
  #evenBytes() {
    const cells = { keys: this.#keys, words: this.#words, sums: this.#sums, wide: this.#wide };
    const writer5 = this.#writer;
    writer5.reset();
    for (let cell = 0; cell < this.#count; cell++) writer5.add(cells, cell, Number.POSITIVE_INFINITY);
    const blocks2 = Math.ceil(writer5.length / BLOCK_MAX_BYTES);
    const largest = writer5.length / blocks2 + writer5.length / this.#count;
    return Math.min(BLOCK_MAX_BYTES, Math.ceil(largest));
  }
};
function compare3(a, aAt, b, bAt, words4) {
  for (let word = 0; word < words4; word++) {
    const less = a[aAt + word] - b[bAt + word];
    if (less !== 0) return less;
  }
  return 0;
}

// operators/views/cubes/day-cells.ts
var DayCells = class {
  #table;
  #bucket_ms;
  #max_cells;
  #prefix = new Uint8Array(0);
  #days = /* @__PURE__ */ new Map();
  #day;
  /** Days that became full since `open`. */
  filled = [];
  constructor(table, bucket_ms, max_cells) {
    this.#table = table;
    this.#bucket_ms = bucket_ms;
    this.#max_cells = max_cells;
  }
  open(prefix3) {
    this.#prefix = prefix3;
    this.#days.clear();
    this.#day = void 0;
    this.filled.length = 0;
  }
  admit(bucket) {
    const day = this.#of(bucket);
    if (day.refused === 0 && day.cells < this.#max_cells) {
      day.cells++;
      return true;
    }
    if (day.refused++ === 0) this.filled.push(day.day * DAY_MS2);
    return false;
  }
  removed(bucket) {
    const day = this.#of(bucket);
    day.cells = Math.max(0, day.cells - 1);
  }
  #of(bucket) {
    const day = Math.floor(bucket * this.#bucket_ms / DAY_MS2);
    if (this.#day?.day === day) return this.#day;
    let found = this.#days.get(day);
    if (found === void 0) {
      const stored = this.#table.get(bucketKey(this.#prefix, day));
      found = { day, ...stored === void 0 ? { cells: 0, refused: 0 } : read3(stored) };
      this.#days.set(day, found);
    }
    this.#day = found;
    return found;
  }
  close() {
    for (const { day, cells, refused: refused3 } of this.#days.values()) {
      const key = bucketKey(this.#prefix, day);
      if (cells === 0 && refused3 === 0) this.#table.remove(key);
      else this.#table.put(key, new ByteWriter().varint(cells).varint(refused3).view());
    }
  }
};
function read3(value) {
  const reader = new ByteReader(value);
  return { cells: reader.varint(), refused: reader.varint() };
}
function fullDays(days, prefix3) {
  const full = /* @__PURE__ */ new Set();
  for (const { key, value } of days.scan(prefixRange(prefix3)))
    if (read3(value).refused > 0) full.add((wordsOfKey(key, prefix3, 1) ?? [0])[0]);
  return full;
}

// operators/views/cubes/cube-writer.ts
var CubeWriter = class {
  #cube;
  #store;
  #days;
  #others;
  #filled;
  constructor(cube, { cells, days }, cells_per_day, filled) {
    const { dimensions, measures, bucket_ms } = cube.slot;
    this.#cube = cube;
    this.#store = new CellStore(cells, dimensions.length, measures);
    this.#days = dimensions.length === 0 ? void 0 : new DayCells(days, bucket_ms, cells_per_day);
    this.#others = new TouchedCells(dimensions.length, measures);
    this.#filled = filled;
  }
  get blocksWritten() {
    return this.#store.blocksWritten;
  }
  /** Inside a commit. */
  drain(dictionary) {
    const { touched } = this.#cube;
    if (touched.count === 0) return;
    const order = touched.sorted();
    const { keys, words: words4 } = touched;
    for (let from = 0; from < order.length; ) {
      const scope = keys[order[from] * words4];
      let to = from + 1;
      while (to < order.length && keys[order[to] * words4] === scope) to++;
      this.#drainScope(dictionary, scope, order, { from, to });
      from = to;
    }
    touched.clear();
  }
  #drainScope(dictionary, scopeCode, order, range) {
    const { slot: info, touched } = this.#cube;
    const scope = dictionary.textOf(scopeCode);
    const prefix3 = scopePrefix2(info.id, scope);
    const days = this.#days;
    days?.open(prefix3);
    this.#store.merge(prefix3, touched, order, range, days ?? NO_LIMIT);
    if (days === void 0) return;
    days.close();
    for (const day_ms of days.filled) this.#filled({ scope, cube: info.name, day_ms });
    if (this.#store.refused.length > 0) this.#mergeOthers(prefix3, dictionary.find(OTHER_TEXT));
  }
  /** Cells that were not admitted are one cell, for each bucket and currency. */
  #mergeOthers(prefix3, other) {
    const others = this.#others;
    const { touched } = this.#cube;
    for (const cell of this.#store.refused) {
      const keyAt = cell * touched.words;
      others.key.fill(other);
      for (let word = 0; word < KEY_WORDS; word++) others.key[word] = touched.keys[keyAt + word];
      others.addCell(touched, cell);
    }
    const order = others.sorted();
    this.#store.merge(prefix3, others, order, { from: 0, to: order.length }, NO_LIMIT);
    others.clear();
  }
};

// operators/views/cubes/cube-set.ts
var CubeSet = class {
  #tables;
  #limit;
  #writers = /* @__PURE__ */ new Map();
  #index = new CubeIndex([]);
  #reader;
  /** Of the last batch: codes are the same in all. */
  #dictionary;
  #left = { time_ms: Number.NEGATIVE_INFINITY, sequence: 0, scope: 0 };
  /** Of cubes that are gone. */
  #blocksBefore = 0;
  /** Of the last row that came in. */
  sequence = 0;
  constructor(reader, tables4, limit) {
    this.#reader = reader;
    this.#tables = tables4;
    this.#limit = limit;
  }
  /** From here on these count rows; what was added to others is gone. */
  follow(cubes2) {
    const { cells_per_day, filled } = this.#limit;
    const before = this.#writers;
    const writers = new Map(
      cubes2.map((cube) => [
        cube,
        before.get(cube) ?? new CubeWriter(cube, this.#tables, cells_per_day, filled)
      ])
    );
    for (const [cube, { blocksWritten }] of before)
      if (!writers.has(cube)) this.#blocksBefore += blocksWritten;
    this.#writers = writers;
    this.#index = new CubeIndex(cubes2);
  }
  /** Whether a row of this commit was left to the log that is in what was read of a scope; of all: undefined. */
  leftIn(scope, start_ms, end_ms) {
    const left = this.#left;
    if (left.time_ms < start_ms || left.time_ms >= end_ms) return void 0;
    return scope === void 0 || this.#dictionary?.textOf(left.scope) === scope ? left : void 0;
  }
  get touchedCells() {
    let touched = 0;
    for (const cube of this.#writers.keys()) touched += cube.touched.count;
    return touched;
  }
  get blocksWritten() {
    let written2 = this.#blocksBefore;
    for (const { blocksWritten } of this.#writers.values()) written2 += blocksWritten;
    return written2;
  }
  /** Rows that come in. */
  add(rows) {
    addRows(this.#index, this.#reader, rows, this.#left);
    this.#dictionary = rows.dictionary;
    if (rows.length > 0) this.sequence = rows.sequence[rows.length - 1];
  }
  /** Rows of the log, for the cubes that are being built. */
  addHistory(building, rows) {
    addRows(building, this.#reader, rows, void 0);
    this.#dictionary = rows.dictionary;
  }
  /** Brings what was added into the cells. Inside a commit. */
  drain() {
    if (this.#dictionary === void 0) return;
    for (const [cube, writer5] of this.#writers) {
      if (cube.touched.count > 0) this.#limit.drained?.(cube);
      writer5.drain(this.#dictionary);
    }
  }
  /** Of the last batch; undefined before the first one. */
  get dictionary() {
    return this.#dictionary;
  }
  /** The commit is complete. */
  next() {
    this.#left.time_ms = Number.NEGATIVE_INFINITY;
  }
};

// operators/views/cubes/cubes-config.ts
var DEFAULT_CELLS_PER_DAY = 1e5;
var DEFAULT_TOUCHED_CELLS = 1e5;

// operators/views/cubes/definition.ts
var MIN_BUCKET_MS = 6e4;
var MAX_CUBE_DIMENSIONS = 4;
function checkCube({ name: name2, dimensions, bucket_ms }, schema) {
  const refuse = (what) => {
    throw new MillraceError("bad_config", `The cube "${name2}" ${what}.`);
  };
  if (dimensions.length > MAX_CUBE_DIMENSIONS)
    refuse(`has ${dimensions.length} dimensions; ${MAX_CUBE_DIMENSIONS} are possible`);
  if (new Set(dimensions).size < dimensions.length) refuse("has a dimension twice");
  if (!Number.isSafeInteger(bucket_ms) || bucket_ms < MIN_BUCKET_MS || DAY_MS2 % bucket_ms !== 0)
    refuse(`has buckets of ${bucket_ms} ms; a day has to be a whole number of them, each at least a minute`);
  for (const dimension of dimensions) {
    const column = schema.columns.find((each2) => each2.name === dimension);
    if (column?.kind !== "code" || column.text !== true)
      refuse(`has the dimension "${dimension}", which is no text column`);
  }
}
var readCubeInfo = (definitions) => readSlots(definitions);
function isSameCube(cube, wanted) {
  return cube.name === wanted.name && cube.scope === wanted.scope && cube.bucket_ms === wanted.bucket_ms && cube.version === wanted.version && cube.measures === wanted.measures && cube.dimensions.join("\0") === wanted.dimensions.join("\0");
}

// operators/views/cubes/counted-cubes.ts
var DEFAULT_BUILD_ROWS = 5e4;
var DEFAULT_DROP_ROWS = 1e3;
var CountedCubes = class {
  set;
  #config;
  #reader;
  #slots;
  #history;
  #backfill;
  #built;
  #defined = /* @__PURE__ */ new Map();
  /** What is wanted has changed since the last `settle`. */
  #isStale = true;
  #hasBegun = false;
  constructor({ name: name2, config, state, view, metrics, notice, beside = [], drained }) {
    const { cells_per_day = DEFAULT_CELLS_PER_DAY } = config;
    const { build_max_rows = DEFAULT_BUILD_ROWS, drop_max_rows = DEFAULT_DROP_ROWS } = config;
    const { cells, days, definitions } = state;
    const labels = { operator: name2 };
    this.#config = config;
    this.#reader = config.reader();
    this.#history = config.history?.(view);
    this.#built = metrics.counter("millrace.cubes.rows_built", "Rows of the log read to build cubes", labels);
    const fullDays2 = metrics.counter(
      "millrace.cubes.full_days",
      "Days of a cube on which its cells were used up",
      labels
    );
    this.set = new CubeSet(this.#reader, state, {
      cells_per_day,
      filled: ({ scope, cube, day_ms }) => {
        fullDays2.add();
        const detail = { cube, day_ms, cells_per_day };
        notice({ kind: "cube_full", scope, sequence: this.set.sequence, detail });
      },
      drained
    });
    this.#slots = new Slots({
      slots: definitions,
      rows: [cells, days, ...beside],
      drop_max_rows,
      open: (info) => new Cube(info, this.#defined.get(info.name)?.reader)
    });
    if (this.#history === void 0) return;
    const history = this.#history;
    this.#backfill = new Backfill(
      history,
      build_max_rows,
      (building, range) => this.#read(history, building, range)
    );
  }
  get incomplete() {
    return this.#backfill?.incomplete ?? 0;
  }
  define(definition, read4) {
    const { scope } = definition;
    const cube = { ...read4(definition.body), name: controlKey(definition), scope };
    this.want(cube);
  }
  /** Counts a cube from the next `settle` on, in place of one of its name. Throws `bad_config`. */
  want(cube) {
    checkCube(cube, this.#config.schema);
    this.#defined.set(cube.name, cube);
    this.#isStale = true;
  }
  /** Counts the cube of a name no longer. */
  unwant(name2) {
    if (this.#defined.delete(name2)) this.#isStale = true;
  }
  /** Those that are counted, built or being built. */
  get live() {
    return this.#slots.live;
  }
  forget(definition) {
    this.unwant(controlKey(definition));
  }
  /**
   * Before the first rows: those cubes that are there. Later ones count from a barrier on: rows that come through
   * while a commit goes on, before the log has written its own, are in the log when they are built.
   */
  begin() {
    if (!this.#hasBegun) this.settle();
  }
  /** Inside a commit, when the log has its rows: makes the cubes those that are wanted. */
  settle() {
    if (!this.#isStale) return;
    this.#isStale = false;
    this.#hasBegun = true;
    const history = this.#history;
    history?.refresh();
    const { version, measures } = this.#reader;
    const wanted = [...this.#config.cubes, ...this.#defined.values()].map(
      ({ reader, ...cube }) => ({
        ...cube,
        ...{ version: reader?.version ?? version, measures: reader?.measures ?? measures }
      })
    );
    const unknown_ms = this.#slots.isEmpty ? ALL_TIME_MS : NEVER_MS;
    this.#slots.want(
      wanted,
      isSameCube,
      ({ scope }) => history === void 0 ? unknown_ms : newFrom(history, scope)
    );
    for (const cube of this.#slots.live) cube.reader = this.#defined.get(cube.slot.name)?.reader;
    this.set.follow(this.#slots.live);
    this.#backfill?.follow(this.#slots.live);
  }
  /** Inside a commit, when the log has its rows. */
  build() {
    this.#backfill?.step();
  }
  /** Inside a commit: stores which cubes there are. */
  flush() {
    this.#slots.flush();
  }
  #read(history, building, range) {
    const { touched_max_cells = DEFAULT_TOUCHED_CELLS } = this.#config;
    const left = this.set.leftIn(range.scope, range.start_ms, range.end_ms);
    const index = new CubeIndex(building);
    const texts = [...new Set(building.flatMap(({ texts: named2 }) => named2))];
    let rows = 0;
    let isThere = left === void 0;
    history.read(range, texts, (batch2) => {
      rows += batch2.length;
      isThere ||= batch2.sequence.subarray(0, batch2.length).includes(left?.sequence ?? 0);
      this.set.addHistory(index, batch2);
      if (this.set.touchedCells >= touched_max_cells) this.set.drain();
    });
    invariant(isThere, "the log has the rows of the commit under way: it stands before the cubes");
    this.#built.add(rows);
    return rows;
  }
};

// operators/views/cubes/describe.ts
function placeOf4(key) {
  const reader = new ByteReader(key);
  const cube = reader.u32();
  const scope = reader.orderedString();
  return { scope, cube, rest: wordsOfKey(key, key.subarray(0, reader.position), 1)?.[0] };
}
function describeBlock({ key, value }) {
  const { scope, cube, rest } = placeOf4(key);
  return {
    scope,
    key: rest === void 0 ? `cube ${cube}` : `cube ${cube} from bucket ${rest}`,
    value: { size_bytes: value.length }
  };
}
function describeDay({ key, value }) {
  const { scope, cube, rest = 0 } = placeOf4(key);
  const reader = new ByteReader(value);
  return {
    scope,
    key: `cube ${cube} on day ${rest}`,
    value: { cells: reader.varint(), refused: reader.varint() }
  };
}

// operators/views/cubes/scan-cells.ts
function scanCells(cells, scan, visit) {
  const { cube } = scan;
  const { bucket_ms } = cube;
  const first = Math.floor(scan.start_ms / bucket_ms);
  const end = Math.ceil(scan.end_ms / bucket_ms);
  invariant(
    first * bucket_ms === scan.start_ms && end * bucket_ms === scan.end_ms,
    `a scan of the cube ${cube.name} is of whole buckets`
  );
  const reader = new BlockReader2(cube.dimensions.length, cube.measures);
  const { key } = reader;
  const codes = key.subarray(CELL_WORDS);
  for (const { value } of blocks(cells, scan)) {
    reader.open(value);
    while (reader.next()) {
      const bucket = key[0];
      if (bucket < first) continue;
      if (bucket >= end) return;
      visit(bucket * bucket_ms, codes, key[1], reader);
    }
  }
}
function* blocks(cells, { scope, cube, start_ms, end_ms }) {
  const prefix3 = scopePrefix2(cube.id, scope);
  const all = prefixRange(prefix3);
  const start = bucketKey(prefix3, Math.floor(start_ms / cube.bucket_ms));
  let from = start;
  for (const row of cells.scan({ start: all.start, end: start, reverse: true, limit: 1 }))
    from = Uint8Array.from(row.key);
  yield* cells.scan({ start: from, end: bucketKey(prefix3, Math.ceil(end_ms / cube.bucket_ms)) });
}

// operators/views/cubes/digest.ts
function* logicalCells(views, dictionaryTable) {
  const dictionary = new Dictionary(Number.MAX_SAFE_INTEGER);
  dictionary.follow(dictionaryTable);
  const cubes2 = readCubeInfo(views.definitions).filter(({ isDropped }) => !isDropped);
  for (const cube of cubes2.sort((a, b) => a.name < b.name ? -1 : 1)) {
    yield new ByteWriter().string(cube.name).string(cube.version).string(String(cube.from_ms)).copy();
    for (const scope of scopesOf(views.cells, cube)) {
      const full = fullDays(views.days, scopePrefix2(cube.id, scope));
      yield* cellsOf(views.cells, cube, scope, full, dictionary);
    }
  }
}
function scopesOf(cells, { id }) {
  const scopes = [];
  let start = new ByteWriter().u32(id).copy();
  const end = new ByteWriter().u32(id + 1).copy();
  for (; ; ) {
    const [found] = [...cells.scan({ start, end, limit: 1 })];
    if (found === void 0) return scopes;
    const reader = new ByteReader(found.key);
    reader.u32();
    const scope = reader.orderedString();
    scopes.push(scope);
    start = Buffer.concat([scopePrefix2(id, scope), Uint8Array.of(255)]);
  }
}
function* cellsOf(cells, cube, scope, full, dictionary) {
  const days = /* @__PURE__ */ new Map();
  const range = { start_ms: -WIDEST_DAYS * DAY_MS2, end_ms: WIDEST_DAYS * DAY_MS2 };
  scanCells(cells, { scope, cube, ...range }, (bucket_ms, codes, currency, { sums, wide }) => {
    const isFull = full.has(Math.floor(bucket_ms / DAY_MS2));
    const texts = Array.from(codes, (code) => isFull ? OTHER_TEXT : dictionary.textOf(code));
    const key = JSON.stringify([bucket_ms, dictionary.textOf(currency), ...texts]);
    const total = days.get(key) ?? Array.from({ length: cube.measures }, () => 0n);
    days.set(key, total);
    for (const [measure2, sum2] of sums.entries())
      total[measure2] = total[measure2] + (wide.get(measure2) ?? BigInt(sum2));
  });
  const writer5 = new ByteWriter();
  for (const [key, total] of [...days].sort(([a], [b]) => a < b ? -1 : 1)) {
    if (total.every((sum2) => sum2 === 0n)) continue;
    writer5.reset().string(cube.name).string(scope).string(key).string(total.join(","));
    yield writer5.copy();
  }
}
var WIDEST_DAYS = Math.floor(2 ** 30 * 6e4 / DAY_MS2);

// operators/views/cubes/cubes.ts
function tables({ dictionaryTable }) {
  const none = () => [];
  return {
    cells: rawTable({
      version: 3,
      describeRow: describeBlock,
      logicalRows: (cells, _, table) => logicalCells(
        { cells, definitions: table("definitions"), days: table("days") },
        table(dictionaryTable)
      )
    }),
    definitions: rawTable({ version: 1, logicalRows: none }),
    days: rawTable({ version: 1, logicalRows: none, describeRow: describeDay })
  };
}
var cubesDoc = {
  kind: "cubes",
  summary: "Sums by time and dimensions, kept to be read"
};
var cubes = defineOperator({
  kind: cubesDoc.kind,
  summary: cubesDoc.summary,
  config: {
    parse: (input) => {
      const config = input;
      for (const cube of config.cubes) checkCube(cube, config.schema);
      if (config.defined !== void 0 && config.history === void 0) {
        throw new MillraceError(
          "bad_config",
          "Cubes that are defined while it runs are built from history: say `history`."
        );
      }
      return config;
    }
  },
  state: tables,
  takesDefinitions: ({ defined }) => defined !== void 0,
  start: (context) => {
    const { config, emit, requestBarrier } = context;
    const { touched_max_cells = DEFAULT_TOUCHED_CELLS } = config;
    const counted = new CountedCubes(context);
    const { set } = counted;
    describeMetrics(context, counted);
    const { defined } = config;
    return {
      onBatch: (batches2) => {
        counted.begin();
        for (const rows of batches2) set.add(rows);
        if (set.touchedCells >= touched_max_cells) requestBarrier();
        emit(batches2);
      },
      onBarrier: () => {
        counted.settle();
        counted.build();
        if (counted.incomplete > 0) requestBarrier();
        set.drain();
        set.next();
        counted.flush();
      },
      ...defined === void 0 ? {} : {
        definitions: {
          kinds: [defined.kind],
          define: (definition) => counted.define(definition, defined.read),
          forget: (definition) => counted.forget(definition)
        }
      }
    };
  }
});
function describeMetrics({ name: name2, metrics }, counted) {
  const { set } = counted;
  const labels = { operator: name2 };
  metrics.gauge(
    "millrace.cubes.touched_cells",
    "Cells added to since the last commit",
    () => set.touchedCells,
    labels
  );
  metrics.observedCounter(
    "millrace.cubes.blocks_written",
    "Blocks of cells written",
    () => set.blocksWritten,
    labels
  );
  metrics.gauge(
    "millrace.cubes.incomplete",
    "Cubes that are being built from the log",
    () => counted.incomplete,
    labels
  );
}

// operators/views/cubes/recount.ts
var PART2 = BigInt(Number.MAX_SAFE_INTEGER);

// operators/anomalies/fold.ts
var CALM_WINDOWS = 3;
var STAYING_SHARE = 0.5;
var Fold = class {
  #rule;
  #marks;
  #first;
  #state;
  #episode;
  #ended = [];
  /** `group` is its `groupKey`; `series` what is known before the next window. */
  constructor(rule, group, series) {
    this.#rule = rule;
    this.#marks = rule.marks.filter((mark) => mark.group === group);
    this.#first = series.first;
    this.#state = series.state;
    this.#episode = series.episode;
  }
  /** As it is before the next window. */
  get series() {
    return { first: this.#first, state: this.#state, episode: this.#episode };
  }
  /** Judges a window; `value` null: nothing is known of it. */
  next(index, value) {
    const { detector, grid, calm_windows = CALM_WINDOWS } = this.#rule;
    const verdict = detector.update(this.#state, { start_ms: grid.startOf(index), value });
    const open3 = this.#episode;
    if (open3 !== void 0 && calm_windows > 0 && index - open3.last > calm_windows) this.#end(open3);
    if (value !== null && verdict.expected !== null) this.#take({ index, value, verdict }, verdict.expected);
    const running = this.#episode;
    const isOver = calm_windows === 0 && value !== null && running !== void 0 && running.last < index;
    if (isOver) this.#end(running);
    return verdict;
  }
  #take(window2, expected) {
    const { index, value, verdict } = window2;
    const { detector } = this.#rule;
    const direction = value < expected ? "low" : "high";
    const running = this.#episode;
    const goesOn = running !== void 0 && running.direction === direction;
    const least = goesOn ? detector.threshold * STAYING_SHARE : detector.threshold;
    if (verdict.score < least || this.#isMarkedNormal(index, direction, verdict.score)) return;
    const severity = this.#rule.severityOf(window2, direction);
    if (severity === void 0) return;
    if (goesOn) {
      this.#episode = { ...running, last: index, severity: worse(running.severity, severity) };
      return;
    }
    if (!verdict.is_anomaly) return;
    if (running !== void 0) this.#end(running);
    const { score } = verdict;
    const [lower, upper] = [verdict.lower ?? expected, verdict.upper ?? expected];
    this.#episode = { start: index, last: index, direction, value, expected, lower, upper, score, severity };
  }
  #isMarkedNormal(index, direction, score) {
    return this.#marks.some(
      (mark) => mark.direction === direction && index >= mark.index && index < mark.until && score <= mark.score
    );
  }
  #end(episode) {
    this.#ended.push(episode);
    this.#episode = void 0;
  }
  get folded() {
    const open3 = this.#episode;
    const ended = this.#ended.map((episode) => ({ episode, isEnded: true }));
    return {
      series: this.series,
      episodes: open3 === void 0 ? ended : [...ended, { episode: open3, isEnded: false }]
    };
  }
};
var RANK = { low: 0, medium: 1, high: 2 };
function worse(a, b) {
  return RANK[a] >= RANK[b] ? a : b;
}

// operators/anomalies/series-rows.ts
var SEVERITIES = ["low", "medium", "high"];
var INDEX_BIAS = 2 ** 40;
var SNAPSHOT_WINDOWS = 24;
var DEEP_WINDOWS = SNAPSHOT_WINDOWS * 256;
function encodeSeries(writer5, { first, state, episode }) {
  writer5.reset().zigzag(first);
  if (episode === void 0) writer5.u8(0);
  else {
    const { start, direction, last, severity } = episode;
    writer5.u8(direction === "low" ? 1 : 2).zigzag(start).zigzag(last).u8(SEVERITIES.indexOf(severity));
    writer5.f64(episode.value).f64(episode.expected).f64(episode.lower).f64(episode.upper).f64(episode.score);
  }
  return writer5.bytes(state).view();
}
function decodeSeries(bytes) {
  const reader = new ByteReader(bytes);
  const first = reader.zigzag();
  const side = reader.u8();
  const episode = side === 0 ? void 0 : decodeEpisode(reader, side);
  return { first, episode, state: Uint8Array.from(reader.bytes(reader.remaining)) };
}
function decodeEpisode(reader, side) {
  const [start, last] = [reader.zigzag(), reader.zigzag()];
  const severity = SEVERITIES[reader.u8()] ?? "low";
  const [value, expected, lower, upper, score] = [
    reader.f64(),
    reader.f64(),
    reader.f64(),
    reader.f64(),
    reader.f64()
  ];
  const direction = side === 1 ? "low" : "high";
  return { start, last, direction, value, expected, lower, upper, score, severity };
}
var SeriesRows = class {
  #series;
  #snapshots;
  #slot;
  #writer = new ByteWriter();
  /** `slot` is the id of the rule's cube; all keys begin with it. */
  constructor(tables4, slot) {
    this.#series = tables4.series;
    this.#snapshots = tables4.snapshots;
    this.#slot = slot;
  }
  #prefix(key) {
    const writer5 = new ByteWriter().u32(this.#slot);
    for (const code of key.split(",")) writer5.u32(Number(code));
    return writer5;
  }
  /** All series, by the key of their group: its codes, joined by commas. */
  *all() {
    const start = new ByteWriter().u32(this.#slot).copy();
    const end = new ByteWriter().u32(this.#slot + 1).copy();
    for (const { key, value } of this.#series.scan({ start, end })) {
      const reader = new ByteReader(key);
      reader.u32();
      const codes = [];
      while (reader.remaining > 0) codes.push(reader.u32());
      yield [codes.join(","), decodeSeries(value)];
    }
  }
  get(key) {
    const value = this.#series.get(this.#prefix(key).view());
    return value === void 0 ? void 0 : decodeSeries(value);
  }
  put(key, series) {
    this.#series.put(this.#prefix(key).copy(), encodeSeries(this.#writer, series));
  }
  remove(key) {
    this.#series.remove(this.#prefix(key).view());
  }
  #snapshotKey(key, index) {
    return this.#prefix(key).u48(index + INDEX_BIAS).copy();
  }
  /** Keeps a series as it is before window `index`, where that is one to be kept; older ones go. */
  snapshot(key, index, end, series) {
    if (index % SNAPSHOT_WINDOWS !== 0) return;
    const isDeep = index % DEEP_WINDOWS === 0;
    if (!isDeep && index <= end - 2 * SNAPSHOT_WINDOWS) return;
    this.#snapshots.put(this.#snapshotKey(key, index), encodeSeries(this.#writer, series));
    const old = index - 2 * SNAPSHOT_WINDOWS;
    if (old % DEEP_WINDOWS !== 0) this.#snapshots.remove(this.#snapshotKey(key, old));
    if (isDeep) this.#snapshots.remove(this.#snapshotKey(key, index - 2 * DEEP_WINDOWS));
  }
  /**
   * The newest snapshot before or at window `index`, and later ones forgotten: they are to be made anew. undefined:
   * there is none, and nothing was forgotten unless `canBegin`.
   */
  rewind(key, index, canBegin) {
    const start = this.#prefix(key).copy();
    const at2 = this.#snapshotKey(key, index + 1);
    let found;
    for (const row of this.#snapshots.scan({ start, end: at2, reverse: true, limit: 1 })) {
      const place = new ByteReader(row.key.subarray(row.key.length - 6)).u48();
      found = { index: place - INDEX_BIAS, series: decodeSeries(row.value) };
    }
    if (found !== void 0 || canBegin)
      this.#snapshots.removeRange({ start: at2, end: this.#snapshotKey(key, INDEX_BIAS) });
    return found;
  }
  /** Forgets everything of the rule. */
  clear() {
    const range = {
      start: new ByteWriter().u32(this.#slot).copy(),
      end: new ByteWriter().u32(this.#slot + 1).copy()
    };
    for (const table of [this.#series, this.#snapshots]) table.removeRange(range);
  }
};

// operators/anomalies/silence.ts
var HOUR_MS2 = 36e5;
var DAY_MS3 = 24 * HOUR_MS2;
var DAYS_BACK = 7;
var DAYS_KNOWN = 3;
var MOVED_MS = HOUR_MS2;
var STRETCH_MAX_MS = 5 * DAY_MS3;
var WINDOWS_KNOWN = 24;
var SILENT_EVENTS = 7;
var LONGER = 1.5;
var ALIKE = 0.8;
var SILENCE_REACH_MS = STRETCH_MAX_MS + (DAYS_BACK + 1) * DAY_MS3;
var Silence = class {
  #grid;
  #own;
  #read;
  #all;
  #pauses;
  /** Of the windows [from, to). */
  constructor(pulse, grid, from, to) {
    const [start_ms, end_ms] = [grid.startOf(from), grid.startOf(to)];
    this.#grid = grid;
    this.#own = new PulseCounts(pulse, start_ms, end_ms);
    this.#read = () => new PulseCounts(pulse, start_ms - SILENCE_REACH_MS, end_ms);
  }
  /** Events that should have come in a silent window's stretch, at least; undefined: the window is not silent. */
  expectedOf(index) {
    const [start_ms, end_ms] = [this.#grid.startOf(index), this.#grid.startOf(index + 1)];
    if (!this.#own.hasPause(start_ms, end_ms)) return void 0;
    this.#all ??= this.#read();
    const counts = this.#all;
    const start = counts.placeOf(start_ms);
    const end = Math.max(start + 1, counts.placeOf(end_ms));
    for (const stretch of counts.pauses(start, end, counts.places(STRETCH_MAX_MS))) {
      const inside = { start: Math.max(start, stretch.start), end: stretch.end };
      const isMost = 2 * (inside.end - inside.start) >= end - start;
      if (!isMost && fewest(counts, inside, end - start) < SILENT_EVENTS) continue;
      const expected = fewest(counts, stretch, end - start);
      if (expected >= SILENT_EVENTS && !this.#isUsual(counts, stretch)) return expected;
    }
    return void 0;
  }
  #isUsual(counts, stretch) {
    if (this.#pauses?.before !== stretch.start) this.#pauses = new Pauses(counts, stretch.start);
    return this.#pauses.isUsual(stretch);
  }
};
var PulseCounts = class {
  #from_ms;
  #bucket_ms;
  length;
  /** Events before each bucket. */
  #before;
  /** The first bucket with an event, at or behind each. */
  #next;
  /** The first bucket of the pause that each is in; itself where it has an event. */
  #begin;
  constructor(pulse, start_ms, end_ms) {
    const { bucket_ms } = pulse;
    this.#bucket_ms = bucket_ms;
    this.#from_ms = Math.floor(start_ms / bucket_ms) * bucket_ms;
    const until_ms = Math.ceil(end_ms / bucket_ms) * bucket_ms;
    const length = (until_ms - this.#from_ms) / bucket_ms;
    this.length = length;
    const counts = new Float64Array(length);
    pulse.read(this.#from_ms, until_ms, (at_ms, events) => {
      counts[(at_ms - this.#from_ms) / bucket_ms] += events;
    });
    this.#before = new Float64Array(length + 1);
    this.#next = new Int32Array(length + 1).fill(length);
    this.#begin = new Int32Array(length);
    for (let at2 = 0; at2 < length; at2++) {
      const events = counts[at2];
      this.#before[at2 + 1] = this.#before[at2] + events;
      const isPause = events <= 0 && at2 > 0 && counts[at2 - 1] <= 0;
      this.#begin[at2] = isPause ? this.#begin[at2 - 1] : at2;
    }
    for (let at2 = length - 1; at2 >= 0; at2--)
      this.#next[at2] = counts[at2] > 0 ? at2 : this.#next[at2 + 1];
  }
  places(span_ms) {
    return Math.ceil(span_ms / this.#bucket_ms);
  }
  placeOf(time_ms) {
    return Math.floor((time_ms - this.#from_ms) / this.#bucket_ms);
  }
  /** The bucket's place in a day. */
  placeInDay(place) {
    const day = this.places(DAY_MS3);
    const at2 = this.#from_ms / this.#bucket_ms + place;
    return (at2 % day + day) % day;
  }
  /** The first bucket with an event. */
  get first() {
    return this.#next[0] ?? this.length;
  }
  sum({ start, end }) {
    return this.#before[Math.max(0, end)] - this.#before[Math.max(0, start)];
  }
  hasPause(start_ms, end_ms) {
    const [start, end] = [this.placeOf(start_ms), this.placeOf(end_ms)];
    for (let at2 = start; at2 < end; at2++) if (this.#next[at2] !== at2) return true;
    return false;
  }
  /** Stretches without an event that reach into [start, end), each followed back for `most` buckets. */
  *pauses(start, end, most) {
    for (let at2 = start; at2 < end; ) {
      const next = Math.min(end, this.#next[at2]);
      if (next > at2) yield { start: Math.max(this.#begin[at2], next - most, 0), end: next };
      at2 = next + 1;
    }
  }
};
function fewest(counts, { start, end }, window2) {
  const [day, moved] = [counts.places(DAY_MS3), counts.places(MOVED_MS)];
  const nearest = Math.ceil((end - start + moved) / day);
  let [least, known2] = [Number.POSITIVE_INFINITY, 0];
  for (let back = nearest; back <= DAYS_BACK; back++) {
    const shift = back * day;
    if (start - shift - moved < counts.first) break;
    known2++;
    for (const by of [-moved, 0, moved])
      least = Math.min(least, counts.sum({ start: start - shift + by, end: end - shift + by }));
  }
  if (known2 >= DAYS_KNOWN) return least;
  const from = Math.max(counts.first, start - day);
  if (start - from < Math.min(day, WINDOWS_KNOWN * window2)) return 0;
  const length = Math.ceil((end - start) * ALIKE);
  if (length >= start - from) return counts.sum({ start: from, end: start });
  least = Number.POSITIVE_INFINITY;
  for (let at2 = from; at2 + length <= start; at2++)
    least = Math.min(least, counts.sum({ start: at2, end: at2 + length }));
  return least;
}
var Pauses = class {
  before;
  #counts;
  #day;
  /** Events that a day has on average before each of its buckets. */
  #profile;
  /** The longest pause of the third day, by the longest of each, in events of the profile. */
  #regular;
  constructor(counts, before) {
    this.before = before;
    this.#counts = counts;
    this.#day = counts.places(DAY_MS3);
    const days = Math.min(DAYS_BACK, Math.floor((before - counts.first) / this.#day));
    this.#profile = this.#profileOf(days);
    const longest = Array.from({ length: Math.max(0, days) }, (_, at2) => {
      const start = before - (at2 + 1) * this.#day;
      const pauses = [...counts.pauses(start, start + this.#day, this.#day)];
      return Math.max(
        0,
        ...pauses.map((pause) => this.#eventsOf({ ...pause, start: Math.max(start, pause.start) }))
      );
    });
    this.#regular = longest.sort((a, b) => b - a)[DAYS_KNOWN - 1] ?? 0;
  }
  isUsual(stretch) {
    return this.#regular > 0 && this.#eventsOf(stretch) <= LONGER * this.#regular;
  }
  /** Smoothed by an hour, so that pauses which come at no fixed time are not seen in it. */
  #profileOf(days) {
    const [counts, day] = [this.#counts, this.#day];
    const half = counts.places(HOUR_MS2 / 2);
    const sums = new Float64Array(day + 1);
    const smooth = new Float64Array(day);
    for (let back = 1; back <= days; back++) {
      const start = this.before - back * day;
      for (let at2 = 0; at2 < day; at2++) {
        const around = {
          start: Math.max(0, start + at2 - half),
          end: Math.min(this.before, start + at2 + half)
        };
        smooth[counts.placeInDay(start + at2)] += counts.sum(around) / Math.max(1, around.end - around.start) / days;
      }
    }
    for (let at2 = 0; at2 < day; at2++) sums[at2 + 1] = sums[at2] + smooth[at2];
    return sums;
  }
  #eventsOf({ start, end }) {
    const [profile, day] = [this.#profile, this.#day];
    const whole = Math.floor((end - start) / day);
    const [from, to] = [this.#counts.placeInDay(start), this.#counts.placeInDay(end)];
    const total = profile[day];
    const rest = profile[to] - profile[from] + (to < from ? total : 0);
    return whole * total + rest;
  }
};

// operators/anomalies/anomaly-rows.ts
import { createHash } from "node:crypto";
var MAX_ANOMALIES_OF_SCOPE = 1e5;
var ID = /^anomaly_([0-9a-z]{1,11})_[0-9a-f]{20}$/;
function anomalyId(of) {
  const { scope, rule_id, group, start_ms } = of;
  const hash3 = createHash("sha256").update(JSON.stringify([scope, rule_id, group, start_ms])).digest("hex");
  return `anomaly_${start_ms.toString(36)}_${hash3.slice(0, 20)}`;
}
function keyOf4(scope, start_ms, id) {
  return new ByteWriter().orderedString(scope).u48(start_ms).string(id).copy();
}
var parse = (value) => JSON.parse(Buffer.from(value).toString());
function readAnomaly(anomalies2, scope, id) {
  const start = ID.exec(id)?.[1];
  if (start === void 0) return void 0;
  const start_ms = Number.parseInt(start, 36);
  if (!Number.isSafeInteger(start_ms) || start_ms >= 2 ** 48) return void 0;
  const value = anomalies2.get(keyOf4(scope, start_ms, id));
  return value === void 0 ? void 0 : parse(value);
}
function* scanAnomalies(anomalies2, range) {
  const { scope, start_ms, end_ms, reverse = false } = range;
  const prefix3 = new ByteWriter().orderedString(scope).copy();
  const at2 = (time_ms) => new ByteWriter().bytes(prefix3).u48(Math.min(Math.max(0, time_ms), 2 ** 48 - 1)).copy();
  const end = end_ms === void 0 ? prefixEnd(prefix3) : at2(end_ms);
  const start = start_ms === void 0 ? prefix3 : at2(start_ms);
  for (const { value } of anomalies2.scan({ start, ...end === void 0 ? {} : { end }, reverse }))
    yield parse(value);
}
function writeAnomaly(anomalies2, scope, record) {
  anomalies2.put(keyOf4(scope, record.start_ms, record.id), Buffer.from(JSON.stringify(record)));
}
function pruneAnomalies(anomalies2, scope, count2) {
  const prefix3 = new ByteWriter().orderedString(scope).copy();
  const end = prefixEnd(prefix3);
  const range = { start: prefix3, ...end === void 0 ? {} : { end }, limit: count2 };
  const keys = Array.from(anomalies2.scan(range), ({ key }) => Uint8Array.from(key));
  for (const key of keys) anomalies2.remove(key);
}

// operators/anomalies/silent-windows.ts
var SILENCE_METRIC = "events";
var INDEX_BIAS2 = 2 ** 40;
var SilentWindows = class {
  #table;
  #told;
  #rule;
  #slot;
  isTold = false;
  constructor(table, told, rule, slot) {
    this.#table = table;
    this.#told = told;
    this.#rule = rule;
    this.#slot = slot;
  }
  #key(index) {
    return new ByteWriter().u32(this.#slot).u48(index + INDEX_BIAS2).copy();
  }
  /** Those of [from, to). */
  between(from, to) {
    const found = /* @__PURE__ */ new Set();
    for (const { key } of this.#table.scan({ start: this.#key(from), end: this.#key(to) }))
      found.add(new ByteReader(key.subarray(4)).u48() - INDEX_BIAS2);
    return found;
  }
  /** Inside a commit. Gives the first window of [from, to) that is otherwise than it was; `next` is the first open one. */
  learn(silence, from, to, next, now_ms) {
    const before = this.between(from, to);
    let changed;
    for (let index = from; index < to; index++) {
      const expected = silence.expectedOf(index);
      if (expected !== void 0 === before.has(index)) continue;
      changed ??= index;
      if (expected === void 0) this.#table.remove(this.#key(index));
      else this.#table.put(this.#key(index), new ByteWriter().f64(expected).view());
    }
    if (this.isTold) this.#tell(from, to, next, now_ms);
    return changed;
  }
  #expectedOf(index) {
    const value = this.#table.get(this.#key(index));
    return value === void 0 ? void 0 : new ByteReader(value).f64();
  }
  /** Each stretch of silent windows that touches [from, to) is one anomaly; those that are none are taken back. */
  #tell(from, to, next, now_ms) {
    const { grid, scope, alertFrom_ms } = this.#rule;
    let start = from;
    while (this.#expectedOf(start - 1) !== void 0) start--;
    const found = /* @__PURE__ */ new Set();
    const closed_ms = grid.startOf(next);
    let end = to;
    for (let index = start; index < end || index < next && this.#expectedOf(index - 1) !== void 0; index++) {
      if (this.#expectedOf(index) === void 0) continue;
      let last = index;
      while (last + 1 < next && this.#expectedOf(last + 1) !== void 0) last++;
      const anomaly = this.#anomaly(index, last, last + 1 === next);
      found.add(anomaly.id);
      if (anomaly.end_ms > alertFrom_ms) this.#told.settle(scope, anomaly, closed_ms, now_ms);
      index = last;
      end = Math.max(end, last + 1);
    }
    for (const record of this.#told.between(scope, grid.startOf(start), grid.startOf(end)))
      if (record.kind === "silence" && !found.has(record.id))
        this.#told.retract(scope, record, closed_ms, now_ms);
    if (from > this.#rule.first && start === from) this.#endBefore(from, closed_ms, now_ms);
  }
  /** A silence that lasted to the last judged window is over. */
  #endBefore(from, closed_ms, now_ms) {
    if (this.#expectedOf(from) !== void 0) return;
    let first = from - 1;
    while (this.#expectedOf(first - 1) !== void 0) first--;
    if (this.#expectedOf(first) === void 0) return;
    this.#told.settle(this.#rule.scope, this.#anomaly(first, from - 1, false), closed_ms, now_ms);
  }
  #anomaly(first, last, isOpen) {
    const { grid, scope } = this.#rule;
    const [start_ms, end_ms] = [grid.startOf(first), grid.startOf(first + 1)];
    const expected = this.#expectedOf(first) ?? 0;
    const group = JSON.stringify([]);
    const since = new Date(start_ms).toISOString().replace(".000Z", "Z");
    return {
      id: anomalyId({ scope, rule_id: SILENCE_METRIC, group, start_ms }),
      ...{ kind: "silence", rule_id: SILENCE_METRIC, metric: SILENCE_METRIC, direction: "low" },
      state: isOpen ? "open" : "ended",
      ...{ start_ms, end_ms, until_ms: grid.startOf(last + 1) },
      ...{ group: {}, currency: null, severity: "high" },
      ...{ value: 0, expected, lower: expected, upper: expected, score: 0 },
      text: `Events are missing in the window from ${since} (usually at least ${Math.round(expected)}): they are late, lost, or their source stands. No metric is judged meanwhile.`
    };
  }
};

// operators/anomalies/watched-rule.ts
var groupKey = ({ values, currency }) => JSON.stringify(currency === void 0 ? values : [...values, currency]);

// operators/anomalies/told-anomalies.ts
function foundAnomaly(rule, texts, episode, isEnded) {
  const { grid, scope, id: rule_id, metric, cube } = rule;
  const [start_ms, end_ms] = [grid.startOf(episode.start), grid.startOf(episode.start + 1)];
  const { direction, value, expected, lower, upper, score, severity } = episode;
  const textAt = (at2) => texts.values[at2] === "" ? null : texts.values[at2] ?? null;
  return {
    id: anomalyId({ scope, rule_id, group: groupKey(texts), start_ms }),
    ...{ kind: "metric", rule_id, metric, state: isEnded ? "ended" : "open" },
    ...{ start_ms, end_ms, until_ms: grid.startOf(episode.last + 1) },
    group: Object.fromEntries(cube.dimensions.map((name2, at2) => [name2, textAt(at2)])),
    currency: texts.currency ?? null,
    ...{ direction, value, expected, lower, upper, score, severity },
    text: rule.textOf(texts, episode)
  };
}
var TOLD_MS = 2 * 864e5;
var TOLD_WINDOWS = 48;
var isSaidAnew = (a, b) => a.value !== b.value || a.severity !== b.severity || a.direction !== b.direction;
var ToldAnomalies = class {
  #table;
  #tell;
  /** Records by scope. */
  #counts = /* @__PURE__ */ new Map();
  constructor(table, tell) {
    this.#table = table;
    this.#tell = tell;
  }
  /** Of the range of first windows. */
  between(scope, start_ms, end_ms) {
    return [...scanAnomalies(this.#table, { scope, start_ms, end_ms })];
  }
  get(scope, id) {
    return readAnomaly(this.#table, scope, id);
  }
  /** Inside a commit. `closed_ms`: the end of the newest window that is closed. */
  settle(scope, found, closed_ms, now_ms) {
    const before = this.get(scope, found.id);
    const width_ms = found.end_ms - found.start_ms;
    const isOld = closed_ms - found.until_ms > Math.max(TOLD_MS, TOLD_WINDOWS * width_ms);
    if (before === void 0) {
      if (found.state === "retracted") return;
      const times2 = { detected_at_ms: now_ms, updated_at_ms: now_ms };
      this.#write(scope, { ...found, revision: 1, late: isOld, ...times2 });
      this.#say(isOld, "detected", scope, found.id);
      return;
    }
    if (isSame2(before, found)) return;
    const event = eventOf(before, found);
    const { late, detected_at_ms, revision } = before;
    const times = { late, detected_at_ms, updated_at_ms: now_ms };
    this.#write(scope, { ...found, ...times, revision: event === void 0 ? revision : revision + 1 });
    if (event !== void 0) this.#say(isOld, event, scope, found.id);
  }
  /** Inside a commit: it is none, by what is known now. */
  retract(scope, record, closed_ms, now_ms) {
    if (record.state === "retracted") return;
    this.settle(scope, { ...record, state: "retracted" }, closed_ms, now_ms);
  }
  #say(isOld, event, scope, id) {
    const record = this.get(scope, id);
    if (record !== void 0 && !isOld) this.#tell(event, scope, record);
  }
  #write(scope, record) {
    const isNew = this.get(scope, record.id) === void 0;
    writeAnomaly(this.#table, scope, record);
    if (!isNew) return;
    const count2 = this.#counts.get(scope) ?? this.#count(scope);
    const excess = Math.max(0, count2 + 1 - MAX_ANOMALIES_OF_SCOPE);
    if (excess > 0) pruneAnomalies(this.#table, scope, excess);
    this.#counts.set(scope, count2 + 1 - excess);
  }
  #count(scope) {
    let count2 = -1;
    for (const _ of scanAnomalies(this.#table, { scope })) count2++;
    return count2;
  }
};
function isSame2(before, found) {
  const { revision: _, late: __, detected_at_ms: ___, updated_at_ms: ____, ...rest } = before;
  return JSON.stringify(rest) === JSON.stringify({ ...rest, ...found });
}
function eventOf(before, found) {
  if (found.state === "retracted") return "retracted";
  if (before.state === "retracted" || isSaidAnew(before, found)) return "revised";
  if (before.state === "open" && found.state === "ended") return "ended";
  return before.state === "ended" && found.state === "open" ? "revised" : void 0;
}

// operators/anomalies/window-sums.ts
var WHOLE = "0";
function seriesKey(rule, codes, currency) {
  if (!rule.byCurrency) return codes.length === 0 ? WHOLE : codes.join(",");
  return codes.length === 0 ? String(currency) : `${codes.join(",")},${currency}`;
}
var WindowSums = class {
  #measures;
  #from;
  #sums = /* @__PURE__ */ new Map();
  #zeros;
  /** `only`: of these groups alone. */
  constructor(cells, rule, cube, range, only) {
    const { from, to } = range;
    const { grid, scope } = rule;
    const { measures } = cube;
    this.#measures = measures;
    this.#from = from;
    this.#zeros = new Float64Array(measures);
    const scan = { scope, cube, start_ms: grid.startOf(from), end_ms: grid.startOf(to) };
    scanCells(cells, scan, (bucket_ms, codes, currency, { sums }) => {
      const key = seriesKey(rule, codes, currency);
      if (only !== void 0 && !only.has(key)) return;
      let found = this.#sums.get(key);
      if (found === void 0) {
        found = new Float64Array((to - from) * measures);
        this.#sums.set(key, found);
      }
      const base = (grid.indexOf(bucket_ms) - from) * measures;
      for (let measure2 = 0; measure2 < measures; measure2++)
        found[base + measure2] += sums[measure2];
    });
  }
  keys() {
    return this.#sums.keys();
  }
  /** Of a window: zeros where nothing came. */
  of(key, index) {
    const sums = this.#sums.get(key);
    if (sums === void 0) return this.#zeros;
    const base = (index - this.#from) * this.#measures;
    return sums.subarray(base, base + this.#measures);
  }
  /** The first window in which the group has something; undefined: none of them. */
  firstOf(key) {
    const at2 = this.#sums.get(key)?.findIndex((sum2) => sum2 !== 0) ?? -1;
    return at2 < 0 ? void 0 : this.#from + Math.floor(at2 / this.#measures);
  }
};

// operators/anomalies/rule-run.ts
var MAX_CHUNK_WINDOWS = 512;
var MAX_AGAIN_WINDOWS = 16384;
var progressKey = (slot) => new ByteWriter().u32(slot).copy();
function readRunProgress(progress, slot) {
  const stored = progress.get(progressKey(slot));
  return stored === void 0 ? void 0 : JSON.parse(Buffer.from(stored).toString());
}
var RuleRun = class {
  rule;
  slot;
  /** The first window that is not judged; undefined: its history is not there yet. */
  next;
  #context;
  #rows;
  #silent;
  /** The first window that was corrected, by group. */
  #corrected = /* @__PURE__ */ new Map();
  #groups = 0;
  constructor(context, rule, slot) {
    this.rule = rule;
    this.slot = slot;
    this.#context = context;
    const { tables: tables4 } = context;
    this.#rows = new SeriesRows(tables4, slot);
    this.#silent = new SilentWindows(tables4.silent, context.told, rule, slot);
    const stored = readRunProgress(tables4.progress, slot);
    if (stored === void 0 || stored.version !== rule.version) return;
    this.next = stored.next;
    for (const [key] of this.#rows.all()) {
      this.#groups++;
      this.#followMarks(key, stored.marks);
    }
    context.take(rule, this.#groups);
  }
  /** Of the rules of a scope, one says when its events stop. */
  tellSilence() {
    this.#silent.isTold = true;
  }
  get groups() {
    return this.#groups;
  }
  get hasCorrections() {
    return this.#corrected.size > 0;
  }
  /** The end of the first window that is not judged, ms. */
  get due_ms() {
    return this.next === void 0 ? Number.POSITIVE_INFINITY : this.rule.grid.startOf(this.next + 1);
  }
  /** Marks that came or went since the last commit change the windows behind them. */
  #followMarks(key, before) {
    const texts = (marks) => new Map(marks.map((mark) => [JSON.stringify(mark), mark]));
    const [old, now] = [texts(before), texts(this.rule.marks)];
    const changed = [...old, ...now].filter(([text2]) => !(old.has(text2) && now.has(text2)));
    if (changed.length === 0) return;
    const group = groupKey(this.#textsOf(key));
    for (const [, mark] of changed) if (mark.group === group) this.correct(key, mark.index);
  }
  /** A cell of a judged window has changed. */
  correct(key, index) {
    if (this.next === void 0 || index >= this.next) return;
    const from = Math.max(index, this.rule.first);
    if (index < this.rule.first) return;
    const before = this.#corrected.get(key);
    if (before === void 0 || from < before) this.#corrected.set(key, from);
  }
  /** All groups, from a window on: what is silent has changed. */
  correctAll(index) {
    if (this.next === void 0 || index >= this.next) return;
    for (const [key] of this.#rows.all()) this.correct(key, Math.max(index, this.rule.first));
  }
  /** Inside a commit, when the cube has the rows from the first window on. */
  begin(cube) {
    if (this.next !== void 0 || !isKnownFrom(cube, this.rule.grid.startOf(this.rule.first))) return;
    this.#rows.clear();
    this.#groups = 0;
    this.next = this.rule.first;
  }
  /** Inside a commit: judges closed windows, about `budget` of them; gives what it took. */
  advance(cube, watermark_ms, budget, now_ms) {
    let taken = 0;
    const { grid } = this.rule;
    while (this.next !== void 0 && taken < budget) {
      const closed = Math.min(grid.indexOf(watermark_ms), this.next + this.#chunk(budget - taken));
      if (closed <= this.next) break;
      taken += this.#judge(cube, this.next, closed, now_ms);
      this.next = closed;
    }
    return taken;
  }
  #chunk(budget) {
    return Math.max(1, Math.min(MAX_CHUNK_WINDOWS, Math.floor(budget / Math.max(1, this.#groups))));
  }
  #judge(cube, from, to, now_ms) {
    const { rule } = this;
    const { tables: tables4, told } = this.#context;
    const sums = new WindowSums(tables4.cells, rule, cube, { from, to });
    const silent = this.#learnSilence(from, to, now_ms);
    const { grid, scope } = rule;
    const before = recordsOf(rule, told.between(scope, grid.startOf(from), grid.startOf(to)));
    const known2 = [...this.#rows.all()];
    const isKnown = new Set(known2.map(([key]) => key));
    const fresh = [...sums.keys()].filter((key) => !isKnown.has(key));
    const room = Math.min(this.#context.take(rule, fresh.length), rule.max_groups - known2.length);
    const admitted = fresh.slice(0, Math.max(0, room)).flatMap((key) => {
      const first = sums.firstOf(key);
      return first === void 0 ? [] : [[key, this.#freshSeries(key, first)]];
    });
    for (const [key, series] of [...known2, ...admitted]) {
      const start = Math.max(from, series.first);
      const folded = this.#fold(key, series, { from: start, to }, sums, silent);
      this.#settle(key, folded, before, to, now_ms);
    }
    this.#groups = known2.length + admitted.length;
    const windows = Math.max(1, this.#groups) * (to - from);
    this.#context.judged(windows);
    return windows;
  }
  /** Finds the silent ones of windows that are judged for the first time. */
  #learnSilence(from, to, now_ms) {
    const silence = this.#context.silenceOf(this.rule, from, to);
    if (silence !== void 0) this.#silent.learn(silence, from, to, to, now_ms);
    return this.#silent.between(from, to);
  }
  /** Inside a commit: events of the scope came in judged windows [from, to), so that others may be silent, or no longer. */
  recheckSilence(from_ms, to_ms, now_ms) {
    const { next, rule } = this;
    if (next === void 0) return;
    const from = Math.max(rule.first, rule.grid.indexOf(from_ms));
    const to = Math.min(next, rule.grid.indexOf(to_ms + SILENCE_REACH_MS) + 1);
    if (from >= to) return;
    const silence = this.#context.silenceOf(rule, from, to);
    if (silence === void 0) return;
    const changed = this.#silent.learn(silence, from, to, next, now_ms);
    if (changed !== void 0) this.correctAll(changed);
  }
  #freshSeries(key, first) {
    const group = groupKey(this.#textsOf(key));
    return { first, state: this.rule.detector.start(group), episode: void 0 };
  }
  #fold(key, series, { from, to }, sums, silent) {
    const { rule } = this;
    const group = rule.marks.length === 0 ? "" : groupKey(this.#textsOf(key));
    const fold = new Fold(rule, group, series);
    for (let index = from; index < to; index++) {
      this.#rows.snapshot(key, index, to, fold.series);
      fold.next(index, silent.has(index) ? null : rule.valueOf(sums.of(key, index)));
    }
    const folded = fold.folded;
    this.#rows.put(key, folded.series);
    return folded;
  }
  /** Inside a commit: judges again what was corrected, from the newest snapshots before it. */
  recorrect(cube, now_ms) {
    const { next } = this;
    if (next === void 0 || this.#corrected.size === 0) return 0;
    const { rule } = this;
    const starts = /* @__PURE__ */ new Map();
    const canBegin = next - rule.first <= MAX_AGAIN_WINDOWS;
    let from = next;
    for (const [key, index] of this.#corrected) {
      const snapshot = this.#rows.rewind(key, index, canBegin);
      if (snapshot === void 0 && !canBegin) {
        this.#context.frozen();
        continue;
      }
      starts.set(key, snapshot);
      from = Math.min(from, snapshot?.index ?? rule.first);
    }
    this.#corrected.clear();
    if (starts.size === 0) return 0;
    const { tables: tables4, told } = this.#context;
    const { grid, scope } = rule;
    const sums = new WindowSums(tables4.cells, rule, cube, { from, to: next }, starts);
    const silent = this.#silent.between(from, next);
    const before = recordsOf(rule, told.between(scope, grid.startOf(from), grid.startOf(next)));
    let windows = 0;
    for (const [key, snapshot] of starts) {
      const series = snapshot?.series ?? this.#again(key, sums);
      if (series === void 0) {
        this.#retractAll(before.get(groupKey(this.#textsOf(key))) ?? [], next, now_ms);
        continue;
      }
      const start = snapshot?.index ?? series.first;
      const folded = this.#fold(key, series, { from: start, to: next }, sums, silent);
      this.#settle(key, folded, before, next, now_ms, start);
      windows += next - start;
    }
    this.#context.judged(windows);
    return windows;
  }
  /** A series from its beginning; undefined where nothing is in it, or there is no place for another one. */
  #again(key, sums) {
    const isNew = this.#rows.get(key) === void 0;
    const first = sums.firstOf(key);
    if (first === void 0) {
      if (!isNew) this.#groups--;
      this.#rows.remove(key);
      return void 0;
    }
    if (isNew && (this.#groups >= this.rule.max_groups || this.#context.take(this.rule, 1) < 1))
      return void 0;
    if (isNew) this.#groups++;
    return this.#freshSeries(key, first);
  }
  /** Inside a commit. */
  flush() {
    if (this.next === void 0) return;
    const { version, marks } = this.rule;
    const judged_until_ms = this.rule.grid.startOf(this.next);
    const progress = { version, next: this.next, judged_until_ms, marks };
    this.#context.tables.progress.put(progressKey(this.slot), Buffer.from(JSON.stringify(progress)));
  }
  #settle(key, { episodes }, before, to, now_ms, from = Number.NEGATIVE_INFINITY) {
    if (episodes.length === 0 && before.size === 0) return;
    const { rule } = this;
    const { told } = this.#context;
    const texts = this.#textsOf(key);
    const group = groupKey(texts);
    const closed_ms = rule.grid.startOf(to);
    const found = episodes.map(({ episode, isEnded }) => foundAnomaly(rule, texts, episode, isEnded)).filter(({ end_ms }) => end_ms > rule.alertFrom_ms);
    const ids = new Set(found.map(({ id }) => id));
    for (const each2 of found) told.settle(rule.scope, each2, closed_ms, now_ms);
    const start_ms = from === Number.NEGATIVE_INFINITY ? from : rule.grid.startOf(from);
    const gone = (before.get(group) ?? []).filter(
      (record) => !ids.has(record.id) && record.start_ms >= start_ms
    );
    this.#retractAll(gone, to, now_ms);
  }
  #retractAll(records, to, now_ms) {
    const closed_ms = this.rule.grid.startOf(to);
    for (const record of records) this.#context.told.retract(this.rule.scope, record, closed_ms, now_ms);
  }
  #textsOf(key) {
    return textsOf(this.rule, key, this.#context.dictionary());
  }
};
function textsOf(rule, key, dictionary) {
  const texts = key.split(",").map((code) => dictionary.textOf(Number(code)));
  const count2 = rule.cube.dimensions.length;
  return { values: texts.slice(0, count2), currency: rule.byCurrency ? texts[count2] : void 0 };
}
function recordsOf(rule, records) {
  const found = /* @__PURE__ */ new Map();
  for (const record of records) {
    if (record.kind !== "metric" || record.rule_id !== rule.id) continue;
    const values = rule.cube.dimensions.map((name2) => record.group[name2] ?? "");
    const key = groupKey({ values, currency: rule.byCurrency ? record.currency ?? "" : void 0 });
    const list = found.get(key);
    if (list === void 0) found.set(key, [record]);
    else list.push(record);
  }
  return found;
}
function isKnownFrom({ from_ms, share }, time_ms) {
  return from_ms <= time_ms || from_ms !== NEVER_MS && share === void 0;
}

// operators/anomalies/rule-set.ts
var DEFAULT_MAX_GROUPS = 1e5;
var DEFAULT_COMMIT_WINDOWS = 2e4;
var DEFAULT_CELLS_PER_DAY2 = 1e6;
var CORRECTION_PARTS = 5;
var RuleSet = class {
  #context;
  #counted;
  #book;
  #told;
  #runs = [];
  #runOf = /* @__PURE__ */ new Map();
  /** Of the counts of scopes' events, what was added to since the last commit, by the name of the cube. */
  #pulses = /* @__PURE__ */ new Map();
  #wanted = /* @__PURE__ */ new Map();
  #dictionary;
  #isStale = true;
  #hasBegun = false;
  #taken = 0;
  #due_ms = Number.POSITIVE_INFINITY;
  /** No corrections before it, of the clock. */
  #correctAt_ms = Number.NEGATIVE_INFINITY;
  #counters;
  constructor(context) {
    const { name: name2, config, state, view, metrics } = context;
    this.#context = context;
    this.#book = config.book();
    const { schema, dictionaryTable, history, cells_per_day = DEFAULT_CELLS_PER_DAY2 } = config;
    this.#counted = new CountedCubes({
      ...{ name: name2, state, view, metrics },
      config: { schema, dictionaryTable, history, cells_per_day, cubes: [], reader: config.pulse },
      notice: (notice) => context.notice({ ...notice, kind: "rule_full" }),
      beside: [state.series, state.snapshots, state.progress, state.silent],
      drained: (cube) => this.#drained(cube)
    });
    this.#told = new ToldAnomalies(state.anomalies, (...told) => this.#tell(...told));
    const labels = { operator: name2 };
    const counter = (what, help) => metrics.counter(`millrace.anomalies.${what}`, help, labels);
    this.#counters = {
      judged: counter("judged", "Windows of groups that were judged, or judged again"),
      told: counter("told", "Messages on anomalies"),
      left: counter("groups_left_out", "Groups that were not judged because a limit was reached"),
      frozen: counter("frozen", "Corrections of groups whose windows closed too long ago to be judged again")
    };
    metrics.gauge("millrace.anomalies.rules", "Rules at work", () => this.#runs.length, labels);
    metrics.gauge("millrace.anomalies.groups", "Groups that are judged", () => this.#taken, labels);
  }
  /** The event time at which the next window closes. */
  get due_ms() {
    return this.#due_ms;
  }
  define(definition) {
    this.#book.define(definition);
    this.#isStale = true;
  }
  forget(definition) {
    this.#book.forget(definition);
    this.#isStale = true;
  }
  /** Rows that come in; true: there is so much to be written that a commit is due. */
  add(batches2) {
    if (!this.#hasBegun) this.#settle();
    if (this.#wanted.size === 0) return false;
    for (const rows of batches2) this.#counted.set.add(rows);
    return this.#counted.set.touchedCells >= DEFAULT_CELLS_TOUCHED;
  }
  /** Inside a commit; true: there is more to do at once. */
  commit(watermark_ms, now_ms) {
    this.#settle();
    const counted = this.#counted;
    counted.build();
    counted.set.drain();
    counted.set.next();
    const hasMore = this.#runs.length > 0 && this.#judge(watermark_ms, now_ms);
    for (const run of this.#runs) run.flush();
    counted.flush();
    return hasMore || counted.incomplete > 0;
  }
  /** Makes cubes and runs those of the rules that there are. */
  #settle() {
    if (!this.#isStale) return;
    this.#isStale = false;
    this.#hasBegun = true;
    const rules = this.#book.rules();
    const wanted = /* @__PURE__ */ new Map();
    for (const rule of rules) {
      wanted.set(rule.cube.name, rule.cube);
      const pulse = this.#pulseOf(rule);
      wanted.set(pulse.name, this.#wanted.get(pulse.name) ?? pulse);
    }
    for (const name2 of this.#wanted.keys()) if (!wanted.has(name2)) this.#counted.unwant(name2);
    for (const [name2, cube] of wanted) if (this.#wanted.get(name2) !== cube) this.#counted.want(cube);
    this.#wanted = wanted;
    this.#counted.settle();
    this.#restart(rules);
  }
  #pulseOf({ scope, pulse_ms }) {
    const name2 = `${PULSE}/${scope}/${pulse_ms}`;
    return { name: name2, scope, dimensions: [], bucket_ms: pulse_ms, reader: this.#context.config.pulse() };
  }
  #restart(rules) {
    const before = new Map(this.#runs.map((run) => [run.rule, run]));
    const cubes2 = new Map(this.#counted.live.map((cube) => [cube.slot.name, cube]));
    this.#taken = 0;
    const { state } = this.#context;
    this.#runs = rules.flatMap((rule) => {
      const cube = cubes2.get(rule.cube.name);
      if (cube === void 0) return [];
      const former = before.get(rule);
      if (former !== void 0 && former.slot === cube.slot.id) {
        this.#taken += former.groups;
        return [former];
      }
      const context = {
        tables: state,
        told: this.#told,
        dictionary: () => this.#texts(),
        silenceOf: (of, from, to) => this.#silenceOf(of, from, to),
        take: (of, groups) => this.#take(of, groups),
        judged: (windows) => this.#counters.judged.add(windows),
        frozen: () => this.#counters.frozen.add()
      };
      return [new RuleRun(context, rule, cube.slot.id)];
    });
    this.#runOf.clear();
    const teller = /* @__PURE__ */ new Map();
    for (const run of this.#runs) {
      this.#runOf.set(run.rule.cube.name, run);
      const told = teller.get(run.rule.scope);
      if (told === void 0 || run.rule.pulse_ms < told.rule.pulse_ms) teller.set(run.rule.scope, run);
    }
    for (const run of teller.values()) run.tellSilence();
    this.#plan();
  }
  #plan() {
    this.#due_ms = this.#runs.reduce((due_ms, run) => Math.min(due_ms, run.due_ms), Number.POSITIVE_INFINITY);
  }
  #take(rule, wanted) {
    const { max_groups = DEFAULT_MAX_GROUPS } = this.#context.config;
    const given = Math.max(0, Math.min(wanted, max_groups - this.#taken));
    this.#taken += given;
    if (given < wanted) this.#leaveOut(rule, wanted - given);
    return given;
  }
  #leaveOut({ scope, id, max_groups }, groups) {
    this.#counters.left.add(groups);
    const detail = { rule: id, max_groups };
    this.#context.notice({ kind: "rule_full", scope, sequence: this.#counted.set.sequence, detail });
  }
  #texts() {
    const { config, view } = this.#context;
    const live = this.#counted.set.dictionary;
    if (live !== void 0) return live;
    this.#dictionary ??= config.dictionary(view, void 0);
    return this.#dictionary;
  }
  /** Cells of a cube that are about to be written: those of judged windows are corrections. */
  #drained({ slot, touched }) {
    const { keys, words: words4, count: count2 } = touched;
    if (slot.name.startsWith(`${PULSE}/`)) {
      const stretch = this.#pulses.get(slot.name) ?? { from_ms: Number.POSITIVE_INFINITY, to_ms: 0 };
      for (let cell = 0; cell < count2; cell++) {
        const at_ms = keys[cell * words4 + 1] * slot.bucket_ms;
        stretch.from_ms = Math.min(stretch.from_ms, at_ms);
        stretch.to_ms = Math.max(stretch.to_ms, at_ms + slot.bucket_ms);
      }
      this.#pulses.set(slot.name, stretch);
      return;
    }
    const run = this.#runOf.get(slot.name);
    if (run?.next === void 0) return;
    const { grid } = run.rule;
    const judged_ms = grid.startOf(run.next);
    for (let cell = 0; cell < count2; cell++) {
      const at_ms = keys[cell * words4 + 1] * slot.bucket_ms;
      if (at_ms >= judged_ms) continue;
      const codes = keys.subarray(cell * words4 + KEY_WORDS2, (cell + 1) * words4);
      run.correct(seriesKey(run.rule, codes, keys[cell * words4 + 2]), grid.indexOf(at_ms));
    }
  }
  #silenceOf(rule, from, to) {
    const { name: name2 } = this.#pulseOf(rule);
    const pulse = this.#counted.live.find(({ slot }) => slot.name === name2)?.slot;
    if (pulse === void 0 || !isKnownFrom(pulse, rule.grid.startOf(from) - SILENCE_REACH_MS))
      return void 0;
    const { cells } = this.#context.state;
    const { scope, grid } = rule;
    const counts = {
      bucket_ms: pulse.bucket_ms,
      read: (start_ms, end_ms, add) => scanCells(
        cells,
        { scope, cube: pulse, start_ms, end_ms },
        (at_ms, _, __, { sums }) => add(at_ms, sums[0])
      )
    };
    return new Silence(counts, grid, from, to);
  }
  #judge(watermark_ms, now_ms) {
    const { commit_max_windows: budget = DEFAULT_COMMIT_WINDOWS } = this.#context.config;
    const cubes2 = new Map(this.#counted.live.map((cube) => [cube.slot.id, cube.slot]));
    let left = budget;
    if (now_ms >= this.#correctAt_ms) left -= this.#correct(cubes2, now_ms);
    for (const run of this.#runs) {
      const cube = cubes2.get(run.slot);
      if (cube === void 0) continue;
      run.begin(cube);
      if (left > 0) left -= run.advance(cube, watermark_ms, left, now_ms);
    }
    this.#plan();
    return watermark_ms >= this.#due_ms;
  }
  /** Judges again what late events have changed. */
  #correct(cubes2, now_ms) {
    const { clock } = this.#context;
    const began_ms = clock.now();
    let windows = 0;
    for (const run of this.#runs) {
      const stretch = this.#pulses.get(this.#pulseOf(run.rule).name);
      if (stretch !== void 0) run.recheckSilence(stretch.from_ms, stretch.to_ms, now_ms);
      const cube = cubes2.get(run.slot);
      if (cube !== void 0 && run.hasCorrections) windows += run.recorrect(cube, now_ms);
    }
    this.#pulses.clear();
    this.#correctAt_ms = now_ms + (clock.now() - began_ms) * (CORRECTION_PARTS - 1);
    return windows;
  }
  #tell(event, scope, record) {
    const rule = this.#runs.find((run) => run.rule.scope === scope && run.rule.id === record.rule_id)?.rule;
    const { subject, payload } = this.#context.config.message(event, scope, record, rule);
    this.#counters.told.add();
    const { id, revision } = record;
    const headers4 = { "Content-Type": "application/json" };
    this.#context.send({ id: `${id}-${revision}`, subject, headers: headers4, payload });
  }
};
var KEY_WORDS2 = 3;
var DEFAULT_CELLS_TOUCHED = 1e5;
var PULSE = "pulse";

// operators/anomalies/anomalies.ts
function tables2({ dictionaryTable }) {
  const none = () => [];
  return {
    cells: rawTable({
      version: 1,
      describeRow: describeBlock,
      logicalRows: (cells, _, table) => logicalCells(
        { cells, definitions: table("definitions"), days: table("days") },
        table(dictionaryTable)
      )
    }),
    definitions: rawTable({ version: 1, logicalRows: none }),
    days: rawTable({ version: 1, logicalRows: none, describeRow: describeDay }),
    // Which windows are closed goes by the clock, too, while the source is idle: verdicts are no logical content.
    series: rawTable({ version: 1, logicalRows: none }),
    snapshots: rawTable({ version: 1, logicalRows: none }),
    progress: rawTable({ version: 1, logicalRows: none }),
    silent: rawTable({ version: 1, logicalRows: none }),
    anomalies: rawTable({ version: 1, logicalRows: none })
  };
}
var anomalies = defineOperator({
  kind: "anomalies",
  summary: "Windows of sums judged as they close, and again when they are corrected",
  state: tables2,
  unordered: () => "windows are judged while commits pass, so what is told of them, and how often, goes by commits",
  takesDefinitions: () => true,
  start: (context) => {
    const { config, emit, requestBarrier, initialWatermark_ms } = context;
    const set = new RuleSet(context);
    let watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    return {
      onBatch: (batches2) => {
        if (set.add(batches2)) requestBarrier();
        emit(batches2);
      },
      onWatermark: (time_ms) => {
        watermark_ms = time_ms;
        if (time_ms >= set.due_ms) requestBarrier();
      },
      nextDue_ms: () => Number.isFinite(set.due_ms) ? set.due_ms : void 0,
      onBarrier: ({ now_ms }) => {
        if (set.commit(watermark_ms, now_ms)) requestBarrier();
      },
      definitions: {
        kinds: config.kinds,
        define: (definition) => set.define(definition),
        forget: (definition) => set.forget(definition)
      }
    };
  }
});

// operators/dedup/recent-ids.ts
var PART_BITS = 6;
var PARTS = 1 << PART_BITS;

// operators/dedup/id-rows.ts
var ROW_BYTES = longValueBytes(4);
var HEAD_BYTES3 = 8;
var COLUMNS = 4;
var MAX_ROW_BYTES = 4 * 4096;
var MAX_ROW_IDS = Math.floor((MAX_ROW_BYTES - HEAD_BYTES3) / (COLUMNS * 4));

// operators/dedup/old-ids.ts
var SORTED_IDS = 2 ** 21;

// operators/dedup/known-ids.ts
var STORED_IDS = 1 << 20;

// operators/dedup/awaited-ids.ts
var SUMMARY = Uint8Array.of(0);

// operators/dedup/identify.ts
var words3 = new Uint32Array(4);
var encoder3 = new TextEncoder();

// operators/dedup/dedup.ts
var DEFAULT_RETAIN_MS = 7 * 864e5;

// operators/detect/smoothed.ts
var VALUES = 5;
var SMOOTHED_FLOATS = VALUES + 1;

// operators/detect/auto-profile.ts
var BINS = 48;
var MEMORY_MS = 80 * 3e5;
var MEANS = 1;
var COUNTS = MEANS + BINS;
var SMOOTHED = COUNTS + BINS / 4;
var PROFILE_FLOATS = SMOOTHED + SMOOTHED_FLOATS;
var HOUR_MS3 = 36e5;
var DAY_MS4 = 24 * HOUR_MS3;

// operators/detect/auto-rhythm.ts
var HOUR_MS4 = 36e5;
var DAY_MS5 = 24 * HOUR_MS4;
var BINS2 = 48;
var LEVEL_GAIN = 1 / 7;
var MEANS2 = 13;
var COUNTS2 = MEANS2 + BINS2;
var WEEKDAYS = COUNTS2 + BINS2;
var WEEKDAY_COUNTS = WEEKDAYS + 7;
var RHYTHM_FLOATS = WEEKDAY_COUNTS + 7;

// operators/detect/auto-shape.ts
var LENGTH = 6;
var STRIDE = 3;
var RECENT = (LENGTH - 1) * STRIDE + 1;
var SHAPES = 32;
var RING = 1;
var KEPT = RING + RECENT;
var SMOOTHED2 = KEPT + SHAPES * LENGTH;
var SHAPE_FLOATS = SMOOTHED2 + SMOOTHED_FLOATS;

// operators/detect/series-state.ts
var HEAD_CELLS = 6;

// operators/detect/tail-score.ts
var BINS3 = 20;
var TAIL_FLOATS = 4 + BINS3;

// operators/detect/auto.ts
var TWO_LOOKS = Math.log10(2);
var SEED = HEAD_CELLS;
var CELLS = SEED + 1;
var SHAPE = 0;
var PROFILE = SHAPE + SHAPE_FLOATS;
var RHYTHM = PROFILE + PROFILE_FLOATS;
var SHAPE_TAIL = RHYTHM + RHYTHM_FLOATS;
var PROFILE_TAIL = SHAPE_TAIL + TAIL_FLOATS;
var RHYTHM_TAIL = PROFILE_TAIL + TAIL_FLOATS;
var RHYTHM_ERROR = RHYTHM_TAIL + TAIL_FLOATS;
var RECENT_ERROR = RHYTHM_ERROR + 1;
var LAST_ERROR = RECENT_ERROR + 1;
var LAST = LAST_ERROR + 1;
var COMPARED = LAST + 1;
var FLOATS = COMPARED + 1;
var OF_ANY_UNIT = {
  quantile: 0.97,
  leastLevel: 0,
  level: 0,
  excess: 0,
  exceedances: 5,
  widening: 0,
  restTeaches: true,
  maxExcess: 10
};
var PROFILE_BELIEFS = { ...OF_ANY_UNIT, quantile: 0.98 };

// operators/detect/sorted-window.ts
var RING2 = 2;
function windowCells(capacity) {
  return RING2 + 2 * capacity;
}

// operators/detect/esd-online.ts
var DAY_MS6 = 864e5;
var WEEK_MS = 7 * DAY_MS6;
var LAST2 = HEAD_CELLS;
var CELLS2 = LAST2 + 1;

// operators/detect/prophet-fit.ts
var CHANGEPOINTS = 25;
var TREND_PRECISION = 1 / 5 ** 2;
var SEASON_PRECISION = 1 / 10 ** 2;
var SEASONS = [
  { period_days: 365.25, order: 10 },
  { period_days: 7, order: 3 },
  { period_days: 1, order: 4 }
];
var SEASON_TERMS = SEASONS.reduce((sum2, { order }) => sum2 + 2 * order, 0);
var SMOOTH = 2 + SEASON_TERMS;
var HORIZONS = 8;
var SPREADS = 6;
var WEIGHTS = SPREADS + HORIZONS;
var MODEL_CELLS = WEIGHTS + SMOOTH + CHANGEPOINTS;
var COLUMNS2 = SMOOTH + CHANGEPOINTS;

// operators/detect/prophet.ts
var DAY_MS7 = 864e5;
var HISTORY_VALUES = 2016;
var HISTORY_MS = 14 * DAY_MS7;
var WARM_MS = 2 * DAY_MS7;
var RESIDUALS = 32;
var SEED2 = HEAD_CELLS;
var SLOT = SEED2 + 1;
var SLOT_SUM = SLOT + 1;
var SLOT_COUNT = SLOT_SUM + 1;
var NEXT_FIT = SLOT_COUNT + 1;
var DUE = NEXT_FIT + 1;
var FITTED = DUE + 1;
var MODEL = FITTED + 1;
var CELLS3 = MODEL + MODEL_CELLS;
var HISTORY = TAIL_FLOATS;
var LEVEL = HISTORY + HISTORY_VALUES;
var FLOATS2 = LEVEL + windowCells(RESIDUALS);

// operators/detect/threshold.ts
var DAY_MS8 = 864e5;
var SPAN_MS = { window: 0, day: DAY_MS8, week: 7 * DAY_MS8 };

// operators/detect/zscore.ts
var WINDOW_VALUES = 64;
var RUN = HEAD_CELLS;
var WINDOW = RUN + 1;
var CELLS4 = WINDOW + windowCells(WINDOW_VALUES);

// operators/process/process-run.ts
var WATERMARK = Uint8Array.of(0);

// operators/windows/trigger.ts
function onWatermark() {
  return { kind: "watermark" };
}

// operators/windows/window-control.ts
var AMENDED = "amended";
var CLOSED = "closed";
var DEFINITION = "definition";
function controlTable() {
  return mapTable({
    key: stringKey,
    value: floatCodec,
    version: 1,
    logicalRows: function* (view) {
      for (const { key, value } of view.scan()) {
        const scope = new ByteReader(key).orderedString();
        if (scope.startsWith(AMENDED) || scope === CLOSED) continue;
        yield scope === DEFINITION ? key : Buffer.concat([key, value]);
      }
    }
  });
}
var WindowControl = class {
  #table;
  #reached;
  #lateness_ms;
  #watermark_ms;
  /** Windows that end until here were closed by a run with less allowed lateness. */
  #closedBefore_ms;
  /** Throws `window_changed` when the stored state belongs to another definition. */
  constructor(table, operator, definition, lateness_ms) {
    this.#table = table;
    this.#lateness_ms = lateness_ms;
    const [stored, said] = table.scope(DEFINITION).entries()[0] ?? [];
    if (stored !== void 0 && stored !== definition) {
      throw new MillraceError(
        "window_changed",
        `The state of "${operator}" belongs to ${stored}, the program says ${definition}. Give the operator a new name (its windows then begin anew), or rebuild its state from the stream.`
      );
    }
    this.#reached = table.scope("watermark");
    this.#watermark_ms = this.#reached.get("") ?? Number.NEGATIVE_INFINITY;
    this.#closedBefore_ms = table.scope(CLOSED).get("") ?? Number.NEGATIVE_INFINITY;
    const formerLateness_ms = saidLateness(said);
    if (formerLateness_ms === lateness_ms) return;
    table.scope(DEFINITION).set(definition, sayLateness(lateness_ms));
    if (formerLateness_ms === void 0 || formerLateness_ms > lateness_ms) return;
    this.#closedBefore_ms = Math.max(this.#closedBefore_ms, this.#watermark_ms - formerLateness_ms);
    if (this.#closedBefore_ms > Number.NEGATIVE_INFINITY) table.scope(CLOSED).set("", this.#closedBefore_ms);
  }
  /** Everything that is due until here has fired. */
  get watermark_ms() {
    return this.#watermark_ms;
  }
  /**
   * Windows that end until here are closed, and stay so: with more allowed lateness than before none is opened
   * again whose events have been forgotten.
   */
  get closed_ms() {
    return Math.max(this.#closedBefore_ms, this.#watermark_ms - this.#lateness_ms);
  }
  /** Moves on. Infinity, which says that nothing more comes, is taken as a number: sums with it are some then. */
  advance(time_ms) {
    this.#watermark_ms = Math.min(time_ms, Number.MAX_VALUE);
    this.#reached.set("", this.#watermark_ms);
    if (this.#closedBefore_ms > Number.NEGATIVE_INFINITY && this.closed_ms > this.#closedBefore_ms) {
      this.#closedBefore_ms = Number.NEGATIVE_INFINITY;
      this.#table.scope(CLOSED).delete("");
    }
    return this.#watermark_ms;
  }
  /** Numbers by key, under a name. */
  scope(name2) {
    return this.#table.scope(name2);
  }
  drop(name2) {
    this.#table.drop(name2);
  }
  /** Times kept under a name, in no order. */
  times(name2) {
    return this.#table.scope(name2).entries().map(([time]) => Number(time));
  }
  add(name2, time_ms) {
    this.#table.scope(name2).set(String(time_ms), 1);
  }
  remove(name2, time_ms) {
    this.#table.scope(name2).delete(String(time_ms));
  }
};
function sayLateness(lateness_ms) {
  return -1 - lateness_ms;
}
function saidLateness(said) {
  return said === void 0 || said > 0 ? void 0 : -1 - said;
}

// operators/windows/window-wakes.ts
var KeyWakes = class {
  #rows;
  #timers;
  #due = [];
  constructor(rows, timers) {
    this.#rows = rows;
    this.#timers = timers;
  }
  /** A timer has fired. */
  onTimer(key) {
    this.#due.push(key);
  }
  /** The row is to be looked at when the watermark is here; the caller stores it. */
  at(wake_ms, key, row) {
    if (wake_ms >= row.wake_ms) return;
    if (row.wake_ms !== Number.POSITIVE_INFINITY) this.#timers.clear(timerOf2(row.wake_ms), key);
    this.#timers.set(timerOf2(wake_ms), key);
    row.wake_ms = wake_ms;
  }
  /** Sets the timers again that have fired for a watermark that is not new. */
  putBack() {
    for (const key of this.#due) {
      const row = this.#rows.get(key);
      if (row !== void 0) this.#timers.set(timerOf2(row.wake_ms), key);
    }
    this.#due = [];
  }
  /** Takes the rows to look at now; their timers are gone. */
  take(watermark_ms) {
    const rows = [];
    if (watermark_ms < 0) rows.push(...this.#rows.entries());
    else {
      for (const key of new Set(this.#due)) {
        const row = this.#rows.get(key);
        if (row !== void 0) rows.push([key, row]);
      }
    }
    this.#due = [];
    for (const [, row] of rows) row.wake_ms = Number.POSITIVE_INFINITY;
    return rows;
  }
};
function timerOf2(time_ms) {
  return Math.min(TIME_END_MS, Math.max(0, Math.ceil(time_ms)));
}

// operators/windows/window-keyed.ts
var KeyedWindows = class {
  plan;
  rows;
  control;
  wakes;
  constructor(plan, table, control, timers) {
    this.plan = plan;
    this.rows = table.scope("");
    this.control = control;
    this.wakes = new KeyWakes(this.rows, timers);
  }
  onTimer(key) {
    this.wakes.onTimer(key);
  }
  putBack() {
    this.wakes.putBack();
  }
};

// operators/windows/window-types.ts
function resultOf(key, window2, value, pane, kind) {
  return kind === void 0 ? { key, window: window2, value, pane } : { key, window: window2, value, pane, kind };
}
function isClosed(end_ms, openAfter_ms) {
  return !(end_ms > openAfter_ms);
}
function byKey(a, b) {
  return a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0;
}
var PANE_KINDS = ["early", "onTime", "late"];
var paneCodec = {
  write: (writer5, { kind, index }) => {
    writer5.u8(PANE_KINDS.indexOf(kind)).varint(index);
  },
  read: (reader) => ({ kind: PANE_KINDS[reader.u8()], index: reader.varint() })
};

// operators/windows/window-count.ts
function countRowCodec(accumulator) {
  return {
    write: (writer5, { waiting, filling, wake_ms }) => {
      writer5.f64(wake_ms).varint(waiting.length).u8(filling === void 0 ? 0 : 1);
      for (const { time_ms, bytes } of [...waiting].sort(byPlace)) {
        writer5.f64(time_ms).varint(bytes.length).bytes(bytes);
      }
      if (filling === void 0) return;
      writer5.varint(filling.events).f64(filling.first_ms).f64(filling.last_ms);
      accumulator.write(writer5, filling.acc);
    },
    read: (reader) => {
      const wake_ms = reader.f64();
      const events = reader.varint();
      const isFilling = reader.u8() === 1;
      const row = { wake_ms, waiting: [], filling: void 0 };
      for (let left = events; left > 0; left--) {
        const time_ms = reader.f64();
        row.waiting.push({ time_ms, bytes: Uint8Array.from(reader.bytes(reader.varint())) });
      }
      if (isFilling) {
        const [filled, first_ms, last_ms] = [reader.varint(), reader.f64(), reader.f64()];
        row.filling = { events: filled, first_ms, last_ms, acc: accumulator.read(reader) };
      }
      return row;
    }
  };
}
function byPlace(a, b) {
  return a.time_ms - b.time_ms || Buffer.compare(a.bytes, b.bytes);
}
var CountWindows = class extends KeyedWindows {
  add(event, time_ms) {
    const { keyOf: keyOf5, codec, allowedLateness_ms, max_open_per_key } = this.plan;
    const key = keyOf5(event);
    if (time_ms < this.control.closed_ms) return "late";
    const row = this.rows.get(key) ?? {
      waiting: [],
      filling: void 0,
      wake_ms: Number.POSITIVE_INFINITY
    };
    if (row.waiting.length >= max_open_per_key) return "overflow";
    const writer5 = new ByteWriter();
    codec.write(writer5, event);
    row.waiting.push({ time_ms, bytes: writer5.copy() });
    this.wakes.at(time_ms + allowedLateness_ms + 1, key, row);
    this.rows.set(key, row);
    return "taken";
  }
  advance(_, time_ms, emit) {
    const { allowedLateness_ms } = this.plan;
    const { idle_ms } = this.plan.window;
    const final_ms = this.control.closed_ms;
    const results = [];
    for (const [key, row] of this.wakes.take(time_ms)) {
      const final = row.waiting.filter((event) => event.time_ms < final_ms).sort(byPlace);
      row.waiting = row.waiting.filter((event) => event.time_ms >= final_ms);
      for (const event of final) this.#fill(key, row, event, results);
      if (row.filling !== void 0 && row.filling.last_ms + idle_ms <= final_ms)
        this.#close(key, row, results);
      for (const event of row.waiting) this.wakes.at(event.time_ms + allowedLateness_ms + 1, key, row);
      if (row.filling !== void 0) {
        this.wakes.at(row.filling.last_ms + idle_ms + allowedLateness_ms, key, row);
      }
      if (row.waiting.length === 0 && row.filling === void 0) this.rows.delete(key);
      else this.rows.set(key, row);
    }
    results.sort((a, b) => a.window.end_ms - b.window.end_ms || byKey([a.key, a], [b.key, b]));
    emit(results);
  }
  #fill(key, row, { time_ms, bytes }, results) {
    const { aggregate, codec } = this.plan;
    const { count: count2, idle_ms } = this.plan.window;
    if (row.filling !== void 0 && row.filling.last_ms + idle_ms <= time_ms) this.#close(key, row, results);
    row.filling ??= { acc: aggregate.init(), events: 0, first_ms: time_ms, last_ms: time_ms };
    const { filling } = row;
    filling.acc = aggregate.add(filling.acc, codec.read(new ByteReader(bytes)), time_ms);
    filling.last_ms = time_ms;
    if (++filling.events === count2) this.#close(key, row, results);
  }
  #close(key, row, results) {
    const { filling } = row;
    if (filling === void 0) return;
    const { aggregate, mode } = this.plan;
    const window2 = { start_ms: filling.first_ms, end_ms: filling.last_ms + 1 };
    const change = mode === "retract" ? "insert" : void 0;
    const value = aggregate.result(filling.acc);
    results.push(resultOf(key, window2, value, { kind: "onTime", index: 0 }, change));
    row.filling = void 0;
  }
};

// operators/windows/window-pane.ts
function panedRowCodec(accumulator, renew = (bytes) => Uint8Array.from(bytes)) {
  return {
    write: (writer5, { acc, given, fresh, standing }) => {
      writer5.u8(acc === void 0 ? 0 : 1).varint(given).varint(fresh).varint(standing.length);
      if (acc !== void 0) accumulator.write(writer5, acc);
      for (const { window: window2, pane, bytes } of standing) {
        writer5.f64(window2.start_ms).f64(window2.end_ms);
        paneCodec.write(writer5, pane);
        writer5.varint(bytes.length).bytes(bytes);
      }
    },
    read: (reader) => {
      const hasAcc = reader.u8() === 1;
      const given = reader.varint();
      const fresh = reader.varint();
      const results = reader.varint();
      const acc = hasAcc ? accumulator.read(reader) : void 0;
      const standing = [];
      for (let left = results; left > 0; left--) {
        const window2 = { start_ms: reader.f64(), end_ms: reader.f64() };
        const pane = paneCodec.read(reader);
        standing.push({ window: window2, pane, bytes: renew(reader.bytes(reader.varint())) });
      }
      return { acc, given, fresh, standing };
    }
  };
}
function logicalPane(row, mode) {
  return { ...row, acc: mode === "discard" ? void 0 : row.acc, given: 0, fresh: 0, standing: [] };
}
function newPanedRow() {
  return { acc: void 0, given: 0, fresh: 0, standing: [] };
}
function firePane({ aggregate, mode }, { key, window: window2, row, mayMove = false }, kind, results) {
  if (row.fresh === 0 && (mode !== "accumulate" || kind !== "onTime")) return false;
  const pane = { kind, index: row.given };
  row.given++;
  row.fresh = 0;
  for (const given of row.standing) {
    if (mode === "accumulate" && isSame3(given.window, window2)) continue;
    const before = aggregate.codec.read(new ByteReader(given.bytes));
    results.push(resultOf(key, given.window, aggregate.result(before), given.pane, "retract"));
  }
  if (mode === "retract" || mode === "accumulate" && mayMove) {
    const writer5 = new ByteWriter();
    aggregate.codec.write(writer5, row.acc);
    row.standing = [{ window: window2, pane, bytes: writer5.copy() }];
  } else if (row.standing.length > 0) row.standing = [];
  const change = mode === "retract" ? "insert" : void 0;
  results.push(resultOf(key, window2, aggregate.result(row.acc), pane, change));
  if (mode === "discard") row.acc = void 0;
  return true;
}
function isSame3(a, b) {
  return a.start_ms === b.start_ms && a.end_ms === b.end_ms;
}

// operators/windows/windows.ts
function tumbling(of) {
  const { size_ms, offset_ms = 0 } = of;
  positive({ size_ms });
  integer({ offset_ms });
  return { kind: "tumbling", size_ms, offset_ms };
}
var ALL_TIME = { start_ms: -864e13, end_ms: 864e13 };
var DEFAULT_IDLE_MS2 = 24 * 36e5;
function positive(values) {
  for (const [name2, value] of Object.entries(values)) {
    if (!Number.isSafeInteger(value) || value <= 0) {
      throw bad2(`${name2} must be a positive integer, got ${value}.`);
    }
  }
}
function integer(values) {
  for (const [name2, value] of Object.entries(values)) {
    if (!Number.isSafeInteger(value)) throw bad2(`${name2} must be an integer, got ${value}.`);
  }
}
function bad2(message) {
  return new MillraceError("bad_window", message);
}
function alignedWindows(spec) {
  switch (spec.kind) {
    case "tumbling": {
      const { size_ms, offset_ms } = spec;
      return {
        slice_ms: size_ms,
        offset_ms,
        every_ms: size_ms,
        firstEnd: (slice) => slice + size_ms,
        lastEnd: (slice) => slice + size_ms,
        startOf: (end) => end - size_ms
      };
    }
    case "hopping": {
      const { size_ms, hop_ms, offset_ms } = spec;
      const slice_ms = gcd(size_ms, hop_ms);
      return {
        slice_ms,
        offset_ms,
        every_ms: hop_ms,
        firstEnd: (slice) => ceilTo(slice + slice_ms - size_ms, hop_ms, offset_ms) + size_ms,
        lastEnd: (slice) => floorTo(slice, hop_ms, offset_ms) + size_ms,
        startOf: (end) => end - size_ms
      };
    }
    case "cumulate": {
      const { size_ms, step_ms, offset_ms } = spec;
      return {
        slice_ms: step_ms,
        offset_ms,
        every_ms: step_ms,
        firstEnd: (slice) => slice + step_ms,
        lastEnd: (slice) => floorTo(slice, size_ms, offset_ms) + size_ms,
        startOf: (end) => floorTo(end - step_ms, size_ms, offset_ms)
      };
    }
    case "global": {
      const { start_ms, end_ms } = ALL_TIME;
      return {
        slice_ms: Number.POSITIVE_INFINITY,
        offset_ms: start_ms,
        every_ms: end_ms,
        firstEnd: () => end_ms,
        lastEnd: () => end_ms,
        startOf: () => start_ms
      };
    }
  }
}
function sliceOf({ slice_ms, offset_ms }, time_ms) {
  if (slice_ms === Number.POSITIVE_INFINITY) return offset_ms;
  return floorTo(time_ms, slice_ms, offset_ms);
}
function floorTo(time_ms, step_ms, offset_ms) {
  return Math.floor((time_ms - offset_ms) / step_ms) * step_ms + offset_ms;
}
function ceilTo(time_ms, step_ms, offset_ms) {
  return Math.ceil((time_ms - offset_ms) / step_ms) * step_ms + offset_ms;
}
function gcd(a, b) {
  return b === 0 ? a : gcd(b, a % b);
}

// operators/windows/window-paned.ts
var WINDOWS = "windows";
var PanedWindows = class {
  #plan;
  #windows;
  #rows;
  #control;
  /** By end. */
  #open = /* @__PURE__ */ new Map();
  constructor(plan, rows, control) {
    this.#plan = plan;
    this.#windows = alignedWindows(plan.window);
    this.#rows = rows;
    this.#control = control;
    for (const end_ms of control.times(WINDOWS)) this.#opened(end_ms, void 0);
  }
  add(event, time_ms, results) {
    const openAfter_ms = this.#control.closed_ms;
    const slice_ms = sliceOf(this.#windows, time_ms);
    const last_ms = this.#windows.lastEnd(slice_ms);
    if (isClosed(last_ms, openAfter_ms)) return "late";
    const ends = [];
    for (let end = this.#windows.firstEnd(slice_ms); end <= last_ms; end += this.#windows.every_ms) {
      if (end > openAfter_ms) ends.push(end);
    }
    const created = ends.filter((end) => !this.#open.has(end));
    if (this.#open.size + created.length > this.#plan.max_open_windows) return "overflow";
    for (const end of created) {
      this.#control.add(WINDOWS, end);
      this.#opened(end, /* @__PURE__ */ new Set());
    }
    const key = this.#plan.keyOf(event);
    for (const end of ends) this.#add(end, key, event, time_ms, results);
    return "taken";
  }
  advance(before_ms, time_ms, emit) {
    const firings = [];
    for (const open3 of this.#open.values()) {
      const firing = this.#firingOf(open3, before_ms, time_ms);
      if (firing !== void 0) firings.push(firing);
    }
    firings.sort((a, b) => a.time_ms - b.time_ms || a.open.window.end_ms - b.open.window.end_ms);
    for (const { open: open3, kind } of firings) {
      const { window: window2, rows } = open3;
      const results = [];
      for (const [key, row] of this.#rowsToFire(open3, kind)) {
        if (firePane(this.#plan, { key, window: window2, row }, kind, results)) rows.set(key, row);
      }
      open3.fresh = /* @__PURE__ */ new Set();
      emit(results);
    }
    this.#expire(time_ms);
  }
  nextDue_ms() {
    const { watermark_ms } = this.#control;
    return Math.min(...[...this.#open.keys()].filter((end_ms) => end_ms > watermark_ms));
  }
  #opened(end_ms, fresh) {
    const window2 = { start_ms: this.#windows.startOf(end_ms), end_ms };
    this.#open.set(end_ms, { window: window2, rows: this.#rows.scope(String(end_ms)), fresh });
  }
  /** A window may have far more keys than have events between two results. */
  #rowsToFire({ rows, fresh }, kind) {
    if (fresh === void 0 || kind === "onTime" && this.#plan.mode === "accumulate") {
      return rows.entries().toSorted(byKey);
    }
    return [...fresh].sort().flatMap((key) => {
      const row = rows.get(key);
      return row === void 0 ? [] : [[key, row]];
    });
  }
  #add(end_ms, key, event, time_ms, results) {
    const { aggregate, trigger } = this.#plan;
    const open3 = this.#open.get(end_ms);
    if (open3 === void 0) return;
    const { window: window2, rows, fresh } = open3;
    const row = rows.get(key) ?? newPanedRow();
    fresh?.add(key);
    if (fresh !== void 0 && fresh.size > this.#plan.max_cached_rows) open3.fresh = void 0;
    row.acc = aggregate.add(row.acc === void 0 ? aggregate.init() : row.acc, event, time_ms);
    row.fresh++;
    if (end_ms <= this.#control.watermark_ms) firePane(this.#plan, { key, window: window2, row }, "late", results);
    else if (trigger.kind === "events" && row.fresh >= trigger.every_events) {
      firePane(this.#plan, { key, window: window2, row }, "early", results);
    }
    rows.set(key, row);
  }
  #firingOf(open3, before_ms, time_ms) {
    const { start_ms, end_ms } = open3.window;
    if (end_ms <= before_ms) return void 0;
    if (end_ms <= time_ms) return { time_ms: end_ms, kind: "onTime", open: open3 };
    const { trigger } = this.#plan;
    if (trigger.kind !== "interval" || time_ms <= start_ms) return void 0;
    const { every_ms } = trigger;
    const turn = Math.floor((time_ms - start_ms) / every_ms);
    const turnBefore = Math.floor((Math.max(before_ms, start_ms) - start_ms) / every_ms);
    return turn > turnBefore ? { time_ms: start_ms + turn * every_ms, kind: "early", open: open3 } : void 0;
  }
  #expire(watermark_ms) {
    for (const end_ms of this.#open.keys()) {
      if (end_ms + this.#plan.allowedLateness_ms > watermark_ms) continue;
      this.#open.delete(end_ms);
      this.#rows.drop(String(end_ms));
      this.#control.remove(WINDOWS, end_ms);
    }
  }
};

// operators/windows/window-retractions.ts
function takingBack(name2, config) {
  const { window: window2, timeOf, isRetraction: isRetraction2 = isRetraction } = config;
  const aggregate = resolveAggregate(config.aggregate);
  const { retract } = aggregate;
  const isSaid = config.isRetraction !== void 0;
  if (retract === void 0 || !hasBounds(window2)) {
    return {
      aggregate,
      timeOf: (event) => {
        if (isRetraction2(event)) throw refused2(name2);
        return wholeTime(timeOf(event), name2);
      },
      retractions: isSaid ? "takes" : "adds"
    };
  }
  return {
    aggregate: {
      ...aggregate,
      add: (acc, event, time_ms) => isRetraction2(event) ? retract(acc, event, time_ms) : aggregate.add(acc, event, time_ms)
    },
    timeOf: (event) => wholeTime(timeOf(event), name2),
    retractions: isSaid ? "takes" : "subtracts"
  };
}
function hasBounds({ kind }) {
  return kind === "tumbling" || kind === "hopping" || kind === "cumulate" || kind === "global";
}
function refused2(name2) {
  return new MillraceError(
    "retractions_refused",
    `"${name2}" was given an item that takes an earlier one back (kind: 'retract'), and cannot subtract it: windows with bounds of their own can, of aggregates with retract (count, sum, sumExact, avg, variance). Filter them out where that is right, or say with isRetraction that it is something else.`
  );
}
function changesOf2(plan) {
  const { mode, window: window2, trigger, allowedLateness_ms } = plan;
  const givesMore = window2.kind !== "count" && (trigger.kind !== "watermark" || allowedLateness_ms > 0);
  const givesAgain = mode === "accumulate" && givesMore;
  const takesBack = givesMore && (mode === "retract" || givesAgain && window2.kind === "session");
  return { output: MAIN_OUTPUT, takesBack, givesAgain };
}

// operators/windows/window-session.ts
function sessionRowCodec(accumulator, renew) {
  const paned = panedRowCodec(accumulator, renew);
  return {
    write: (writer5, { sessions, wake_ms, closed_ms }) => {
      writer5.f64(wake_ms).varint(sessions.length);
      for (const session of sessions) {
        writer5.f64(session.start_ms).f64(session.end_ms);
        paned.write(writer5, session);
      }
      writer5.f64(closed_ms);
    },
    read: (reader) => {
      const row = { ...newRow(), wake_ms: reader.f64() };
      for (let left = reader.varint(); left > 0; left--) {
        const start_ms = reader.f64();
        const end_ms = reader.f64();
        row.sessions.push({ start_ms, end_ms, ...paned.read(reader) });
      }
      if (reader.remaining > 0) row.closed_ms = reader.f64();
      return row;
    }
  };
}
function newRow() {
  return { wake_ms: Number.POSITIVE_INFINITY, sessions: [], closed_ms: Number.NEGATIVE_INFINITY };
}
function logicalSessions({ sessions }, mode) {
  return { ...newRow(), sessions: sessions.map((session) => logicalPane(session, mode)) };
}
var SessionWindows = class extends KeyedWindows {
  add(event, time_ms, results) {
    const { keyOf: keyOf5, max_open_per_key } = this.plan;
    const { gap_ms } = this.plan.window;
    const openAfter_ms = this.control.closed_ms;
    const key = keyOf5(event);
    const row = this.rows.get(key) ?? newRow();
    if (row.sessions.length === 0) row.closed_ms = Math.max(row.closed_ms, openAfter_ms - gap_ms);
    const touched = touchedBy(row.sessions, time_ms, gap_ms);
    const isNew = touched.length === 0;
    if (time_ms < row.closed_ms || isNew && isClosed(time_ms + gap_ms, openAfter_ms)) return "late";
    if (isNew && row.sessions.length >= max_open_per_key) return "overflow";
    const session = this.#sessionOf(row, touched, time_ms);
    this.#add(key, session, event, time_ms, results);
    this.wakes.at(this.#wakeOf(session), key, row);
    this.rows.set(key, row);
    return "taken";
  }
  advance(before_ms, time_ms, emit) {
    const fired = [];
    for (const [key, row] of this.wakes.take(time_ms)) {
      for (const session of row.sessions) {
        const firing = this.#firingOf(session, before_ms, time_ms);
        if (firing === void 0) continue;
        const results = [];
        this.#fire(key, session, firing.kind, results);
        fired.push({ at_ms: firing.at_ms, key, results });
      }
      this.#close(row, time_ms);
      const until_ms = row.closed_ms + this.plan.window.gap_ms + this.plan.allowedLateness_ms;
      if (row.sessions.length === 0 && until_ms <= time_ms) {
        this.rows.delete(key);
        continue;
      }
      for (const session of row.sessions) this.wakes.at(this.#wakeOf(session), key, row);
      if (row.sessions.length === 0) this.wakes.at(until_ms, key, row);
      this.rows.set(key, row);
    }
    fired.sort((a, b) => a.at_ms - b.at_ms || byKey([a.key, a], [b.key, b]));
    emit(fired.flatMap(({ results }) => results));
  }
  /** Lets go of the sessions that take no more events. */
  #close(row, time_ms) {
    const { allowedLateness_ms } = this.plan;
    const open3 = [];
    for (const session of row.sessions) {
      if (session.end_ms + allowedLateness_ms > time_ms) open3.push(session);
      else row.closed_ms = Math.max(row.closed_ms, session.end_ms);
    }
    row.sessions = open3;
  }
  /** The session that an event belongs to: a new one, one that grows, or one merged from several. */
  #sessionOf(row, touched, time_ms) {
    const end_ms = time_ms + this.plan.window.gap_ms;
    const [first, ...others] = touched;
    if (first === void 0) {
      const session = { start_ms: time_ms, end_ms, ...newPanedRow() };
      const at2 = row.sessions.findIndex(({ start_ms }) => start_ms > time_ms);
      row.sessions.splice(at2 < 0 ? row.sessions.length : at2, 0, session);
      return session;
    }
    for (const other of others) this.#merge(first, other);
    if (others.length > 0) row.sessions = row.sessions.filter((session) => !others.includes(session));
    first.start_ms = Math.min(first.start_ms, time_ms);
    first.end_ms = Math.max(first.end_ms, end_ms);
    return first;
  }
  #merge(into, other) {
    const { aggregate } = this.plan;
    into.end_ms = Math.max(into.end_ms, other.end_ms);
    if (into.acc === void 0) into.acc = other.acc;
    else if (other.acc !== void 0) into.acc = aggregate.merge(into.acc, other.acc);
    into.given = Math.max(into.given, other.given);
    into.fresh += other.fresh;
    into.standing = [...into.standing, ...other.standing].sort(
      (a, b) => a.window.start_ms - b.window.start_ms || a.pane.index - b.pane.index
    );
  }
  #add(key, session, event, time_ms, results) {
    const { aggregate, trigger } = this.plan;
    const acc = session.acc === void 0 ? aggregate.init() : session.acc;
    session.acc = aggregate.add(acc, event, time_ms);
    session.fresh++;
    const isLate = session.end_ms <= this.control.watermark_ms;
    if (isLate || trigger.kind === "events" && session.fresh >= trigger.every_events) {
      this.#fire(key, session, isLate ? "late" : "early", results);
    }
  }
  #fire(key, session, kind, results) {
    const isLast = session.end_ms + this.plan.allowedLateness_ms <= this.control.watermark_ms;
    const mayMove = kind !== "onTime" || !isLast;
    firePane(this.plan, { key, window: windowOf(session), row: session, mayMove }, kind, results);
  }
  #firingOf({ start_ms, end_ms }, before_ms, time_ms) {
    if (end_ms <= before_ms) return void 0;
    if (end_ms <= time_ms) return { at_ms: end_ms, kind: "onTime" };
    const { trigger } = this.plan;
    if (trigger.kind !== "interval" || time_ms <= start_ms) return void 0;
    const { every_ms } = trigger;
    const turn = Math.floor((time_ms - start_ms) / every_ms);
    const turnBefore = Math.floor((Math.max(before_ms, start_ms) - start_ms) / every_ms);
    return turn > turnBefore ? { at_ms: start_ms + turn * every_ms, kind: "early" } : void 0;
  }
  /** When the watermark next matters to the session. */
  #wakeOf({ start_ms, end_ms }) {
    const watermark_ms = this.control.watermark_ms;
    if (end_ms <= watermark_ms) return end_ms + this.plan.allowedLateness_ms;
    const { trigger } = this.plan;
    if (trigger.kind !== "interval") return end_ms;
    const turn = Math.floor((Math.max(watermark_ms, start_ms) - start_ms) / trigger.every_ms) + 1;
    return Math.min(end_ms, start_ms + turn * trigger.every_ms);
  }
};
function touchedBy(sessions, time_ms, gap_ms) {
  const isTouched = ({ start_ms, end_ms }) => end_ms > time_ms && start_ms < time_ms + gap_ms;
  const [only] = sessions;
  return sessions.length === 1 && only !== void 0 && isTouched(only) ? sessions : sessions.filter(isTouched);
}
function windowOf({ start_ms, end_ms }) {
  return { start_ms, end_ms };
}

// operators/windows/window-sliced.ts
var SLICES3 = "slices";
function amendedOf(end_ms) {
  return `${AMENDED} ${end_ms}`;
}
var SlicedWindows = class {
  #plan;
  #windows;
  #rows;
  #control;
  #slices = /* @__PURE__ */ new Map();
  #amendedEnds;
  #current;
  #readRows = 0;
  /** Nothing fires and nothing expires before the watermark is here. */
  #next_ms = Number.POSITIVE_INFINITY;
  constructor(plan, rows, control) {
    this.#plan = plan;
    this.#windows = alignedWindows(plan.window);
    this.#rows = rows;
    this.#control = control;
    this.#amendedEnds = new Set(control.times(AMENDED));
    for (const start_ms of control.times(SLICES3)) this.#open(start_ms);
    this.#expire(control.watermark_ms);
  }
  add(event, time_ms, results) {
    const { keyOf: keyOf5, aggregate, allowedLateness_ms } = this.#plan;
    const start_ms = sliceOf(this.#windows, time_ms);
    const slice = this.#current?.start_ms === start_ms ? this.#current : this.#sliceAt(start_ms);
    if (typeof slice === "string") return slice;
    this.#current = slice;
    const key = keyOf5(event);
    if (slice.firstEnd_ms <= this.#control.watermark_ms && allowedLateness_ms > 0) {
      this.#amend(slice, key, event, time_ms, results);
    } else {
      const acc = slice.rows.get(key);
      slice.rows.set(key, aggregate.add(acc === void 0 ? aggregate.init() : acc, event, time_ms));
      if (slice.read !== void 0) this.#forget(slice);
    }
    return "taken";
  }
  /** The slice that begins there, a new one if need be; or why it takes no events. */
  #sliceAt(start_ms) {
    const open3 = this.#slices.get(start_ms);
    if (open3 !== void 0) return open3;
    const last_ms = this.#windows.lastEnd(start_ms);
    if (!isTime(start_ms) || isClosed(last_ms, this.#control.closed_ms)) return "late";
    if (this.#slices.size >= this.#plan.max_open_windows) return "overflow";
    this.#control.add(SLICES3, start_ms);
    return this.#open(start_ms);
  }
  advance(before_ms, time_ms, emit) {
    if (time_ms < this.#next_ms) return;
    for (let end = this.#endAfter(before_ms); end <= time_ms; end = this.#endAfter(end))
      this.#fire(end, emit);
    this.#expire(time_ms);
  }
  nextDue_ms() {
    return this.#endAfter(this.#control.watermark_ms);
  }
  #open(start_ms) {
    const slice = {
      start_ms,
      firstEnd_ms: this.#windows.firstEnd(start_ms),
      lastEnd_ms: this.#windows.lastEnd(start_ms),
      rows: this.#rows.scope(String(start_ms)),
      read: void 0
    };
    this.#slices.set(start_ms, slice);
    const wake_ms = Math.min(
      this.#endOf(slice, this.#control.watermark_ms),
      slice.lastEnd_ms + this.#plan.allowedLateness_ms
    );
    if (wake_ms < this.#next_ms) this.#next_ms = wake_ms;
    return slice;
  }
  /** The first end after a time of a window that the slice is in. */
  #endOf({ firstEnd_ms, lastEnd_ms }, after_ms) {
    if (after_ms < firstEnd_ms) return firstEnd_ms;
    const { every_ms } = this.#windows;
    const end = firstEnd_ms + (Math.floor((after_ms - firstEnd_ms) / every_ms) + 1) * every_ms;
    return end <= lastEnd_ms ? end : Number.POSITIVE_INFINITY;
  }
  #endAfter(after_ms) {
    let first_ms = Number.POSITIVE_INFINITY;
    for (const slice of this.#slices.values()) first_ms = Math.min(first_ms, this.#endOf(slice, after_ms));
    return first_ms;
  }
  #slicesOf({ start_ms, end_ms }) {
    const { slice_ms } = this.#windows;
    const found = [];
    if ((end_ms - start_ms) / slice_ms <= this.#slices.size) {
      for (let at2 = start_ms; at2 < end_ms; at2 += slice_ms) {
        const slice = this.#slices.get(at2);
        if (slice !== void 0) found.push(slice);
      }
      return found;
    }
    for (const slice of this.#slices.values()) {
      if (slice.start_ms >= start_ms && slice.start_ms < end_ms) found.push(slice);
    }
    return found.sort((a, b) => a.start_ms - b.start_ms);
  }
  #fire(end_ms, emit) {
    const window2 = { start_ms: this.#windows.startOf(end_ms), end_ms };
    const { aggregate, mode } = this.#plan;
    const kind = mode === "retract" ? "insert" : void 0;
    const pane = { kind: "onTime", index: 0 };
    const merged = this.#merged(this.#slicesOf(window2), end_ms);
    emit(merged.map(([key, acc]) => resultOf(key, window2, aggregate.result(acc), pane, kind)));
  }
  /** The accumulators of some slices by key, sorted. */
  #merged(slices, end_ms) {
    const [only] = slices;
    if (slices.length === 1 && only !== void 0) return this.#read(only, end_ms).toSorted(byKey);
    const { aggregate } = this.#plan;
    const found = /* @__PURE__ */ new Map();
    for (const slice of slices) {
      for (const [key, acc] of this.#read(slice, end_ms)) {
        const known2 = found.get(key);
        if (known2 === void 0) found.set(key, { acc, isOwn: false });
        else {
          if (!known2.isOwn) known2.acc = aggregate.merge(aggregate.init(), known2.acc);
          known2.acc = aggregate.merge(known2.acc, acc);
          known2.isOwn = true;
        }
      }
    }
    return Array.from(found, ([key, { acc }]) => [key, acc]).sort(byKey);
  }
  #read(slice, end_ms) {
    if (slice.read !== void 0) return slice.read;
    const rows = slice.rows.entries();
    const isWanted = slice.lastEnd_ms > end_ms && slice.start_ms + this.#windows.slice_ms <= end_ms;
    if (isWanted && this.#readRows + rows.length <= this.#plan.max_cached_rows) {
      slice.read = rows;
      this.#readRows += rows.length;
    }
    return rows;
  }
  #forget(slice) {
    this.#readRows -= slice.read?.length ?? 0;
    slice.read = void 0;
  }
  /** Adds an event of which at least one window has fired, and fires those again. */
  #amend(slice, key, event, time_ms, results) {
    const { aggregate, mode } = this.#plan;
    const watermark_ms = this.#control.watermark_ms;
    const fired = [];
    for (let end_ms = this.#endOf(slice, this.#control.closed_ms); end_ms <= watermark_ms; end_ms = this.#endOf(slice, end_ms)) {
      const window2 = { start_ms: this.#windows.startOf(end_ms), end_ms };
      const before = this.#valueOf(window2, key);
      const given = this.#control.scope(amendedOf(end_ms)).get(key) ?? (before === void 0 ? 0 : 3);
      fired.push({
        window: window2,
        given,
        before: mode === "retract" && before !== void 0 ? aggregate.result(before) : void 0
      });
    }
    const held = slice.rows.get(key);
    slice.rows.set(key, aggregate.add(held === void 0 ? aggregate.init() : held, event, time_ms));
    this.#forget(slice);
    for (const { window: window2, given, before } of fired) {
      const index = given >> 1;
      if (mode === "retract" && index > 0) {
        const wasOnTime = index === 1 && (given & 1) === 1;
        const pane2 = { kind: wasOnTime ? "onTime" : "late", index: index - 1 };
        results.push(resultOf(key, window2, before, pane2, "retract"));
      }
      const acc = mode === "discard" ? aggregate.add(aggregate.init(), event, time_ms) : this.#valueOf(window2, key);
      const pane = { kind: "late", index };
      const kind = mode === "retract" ? "insert" : void 0;
      results.push(resultOf(key, window2, aggregate.result(acc), pane, kind));
      this.#note(window2.end_ms, key, given + 2);
    }
  }
  #note(end_ms, key, given) {
    this.#control.scope(amendedOf(end_ms)).set(key, given);
    if (this.#amendedEnds.has(end_ms)) return;
    this.#amendedEnds.add(end_ms);
    this.#control.add(AMENDED, end_ms);
  }
  /** The accumulator of a window for a key; undefined when the key has no events in it. */
  #valueOf(window2, key) {
    const { aggregate } = this.#plan;
    const accs = this.#slicesOf(window2).map(({ rows }) => rows.get(key)).filter((acc) => acc !== void 0);
    if (accs.length < 2) return accs[0];
    return accs.reduce((merged, acc) => aggregate.merge(merged, acc), aggregate.init());
  }
  #expire(watermark_ms) {
    const { allowedLateness_ms } = this.#plan;
    this.#next_ms = Number.POSITIVE_INFINITY;
    for (const slice of this.#slices.values()) {
      const until_ms = slice.lastEnd_ms + allowedLateness_ms;
      if (until_ms > watermark_ms) {
        this.#next_ms = Math.min(this.#next_ms, until_ms, this.#endOf(slice, watermark_ms));
        continue;
      }
      this.#forget(slice);
      if (this.#current === slice) this.#current = void 0;
      this.#slices.delete(slice.start_ms);
      this.#rows.drop(String(slice.start_ms));
      this.#control.remove(SLICES3, slice.start_ms);
    }
    for (const end_ms of this.#amendedEnds) {
      if (end_ms + allowedLateness_ms > watermark_ms) continue;
      this.#amendedEnds.delete(end_ms);
      this.#control.drop(amendedOf(end_ms));
      this.#control.remove(AMENDED, end_ms);
    }
  }
};

// operators/windows/window-sliding.ts
function slidingRowCodec(accumulator) {
  return {
    write: (writer5, { instants, wake_ms }) => {
      writer5.f64(wake_ms).varint(instants.length);
      for (const { time_ms, acc, given, isOnTime } of instants) {
        writer5.f64(time_ms).varint(given * 2 + (isOnTime ? 1 : 0));
        accumulator.write(writer5, acc);
      }
    },
    read: (reader) => {
      const row = { wake_ms: reader.f64(), instants: [] };
      for (let left = reader.varint(); left > 0; left--) {
        const time_ms = reader.f64();
        const state = reader.varint();
        const acc = accumulator.read(reader);
        row.instants.push({ time_ms, acc, given: Math.floor(state / 2), isOnTime: state % 2 === 1 });
      }
      return row;
    }
  };
}
function logicalInstants({ instants }) {
  const wake_ms = Number.POSITIVE_INFINITY;
  return { wake_ms, instants: instants.map((instant) => ({ ...instant, given: 0, isOnTime: false })) };
}
var SlidingWindows = class extends KeyedWindows {
  add(event, time_ms, results) {
    const key = this.plan.keyOf(event);
    if (isClosed(this.#windowOf(time_ms).end_ms, this.control.closed_ms)) return "late";
    const row = this.rows.get(key) ?? { instants: [], wake_ms: Number.POSITIVE_INFINITY };
    const at2 = lowerBound2(row.instants, time_ms);
    const isNew = row.instants[at2]?.time_ms !== time_ms;
    if (isNew && row.instants.length >= this.plan.max_open_per_key) return "overflow";
    this.#add(key, row, { at: at2, isNew, event, time_ms }, results);
    this.wakes.at(this.#wakeOf(row.instants[at2]), key, row);
    this.rows.set(key, row);
    return "taken";
  }
  advance(before_ms, time_ms, emit) {
    const results = [];
    for (const [key, row] of this.wakes.take(time_ms)) {
      for (const instant of row.instants) {
        const window2 = this.#windowOf(instant.time_ms);
        if (window2.end_ms > time_ms) break;
        if (window2.end_ms <= before_ms) continue;
        instant.isOnTime = true;
        this.#give(key, row, instant, "onTime", results);
      }
      row.instants = row.instants.filter((instant) => this.#goneAt(instant) > time_ms);
      for (const instant of row.instants) this.wakes.at(this.#wakeOf(instant), key, row);
      if (row.instants.length === 0) this.rows.delete(key);
      else this.rows.set(key, row);
    }
    results.sort((a, b) => a.window.end_ms - b.window.end_ms || byKey([a.key, a], [b.key, b]));
    emit(results);
  }
  /** Both bounds belong to the window: it ends just after the last of its times. */
  #windowOf(time_ms) {
    const { before_ms, after_ms } = this.plan.window;
    return { start_ms: time_ms - before_ms, end_ms: time_ms + after_ms + 1 };
  }
  /** When no window that may still be given or amended has the instant in it. */
  #goneAt({ time_ms }) {
    return this.#windowOf(time_ms).end_ms + this.plan.window.before_ms + this.plan.allowedLateness_ms;
  }
  #wakeOf(instant) {
    const { end_ms } = this.#windowOf(instant.time_ms);
    return end_ms > this.control.watermark_ms ? end_ms : this.#goneAt(instant);
  }
  #add(key, row, input, results) {
    const { aggregate, mode } = this.plan;
    const { at: at2, isNew, event, time_ms } = input;
    const watermark_ms = this.control.watermark_ms;
    if (isNew) {
      row.instants.splice(at2, 0, { time_ms, acc: aggregate.init(), given: 0, isOnTime: false });
    }
    const fired = this.#around(row, time_ms).filter((instant2) => {
      const { end_ms } = this.#windowOf(instant2.time_ms);
      return end_ms <= watermark_ms && !isClosed(end_ms, this.control.closed_ms);
    });
    const before = fired.map(
      (instant2) => mode === "retract" && instant2.given > 0 ? aggregate.result(this.#accOf(row, instant2)) : void 0
    );
    const instant = row.instants[at2];
    instant.acc = aggregate.add(instant.acc, event, time_ms);
    for (const [index, other] of fired.entries()) {
      if (mode === "retract" && other.given > 0) {
        const wasOnTime = other.given === 1 && other.isOnTime;
        const pane = { kind: wasOnTime ? "onTime" : "late", index: other.given - 1 };
        results.push(resultOf(key, this.#windowOf(other.time_ms), before[index], pane, "retract"));
      }
      const fresh = mode === "discard" && other.given > 0 ? aggregate.add(aggregate.init(), event, time_ms) : void 0;
      this.#give(key, row, other, "late", results, fresh);
    }
  }
  #give(key, row, instant, kind, results, acc = this.#accOf(row, instant)) {
    const { aggregate, mode } = this.plan;
    const pane = { kind, index: instant.given++ };
    const change = mode === "retract" ? "insert" : void 0;
    results.push(resultOf(key, this.#windowOf(instant.time_ms), aggregate.result(acc), pane, change));
  }
  /** The instants whose windows a time is in. */
  #around({ instants }, time_ms) {
    const { before_ms, after_ms } = this.plan.window;
    return instants.slice(
      lowerBound2(instants, time_ms - after_ms),
      upperBound(instants, time_ms + before_ms)
    );
  }
  #accOf({ instants }, { time_ms }) {
    const { aggregate } = this.plan;
    const { before_ms, after_ms } = this.plan.window;
    return instants.slice(lowerBound2(instants, time_ms - before_ms), upperBound(instants, time_ms + after_ms)).reduce((into, { acc }) => aggregate.merge(into, acc), aggregate.init());
  }
};
function lowerBound2(instants, time_ms) {
  return firstOf(instants, (instant) => instant.time_ms >= time_ms);
}
function upperBound(instants, time_ms) {
  return firstOf(instants, (instant) => instant.time_ms > time_ms);
}
function firstOf(instants, holds) {
  let low = 0;
  let high = instants.length;
  while (low < high) {
    const middle = low + high >> 1;
    if (holds(instants[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}

// operators/windows/windower.ts
var Windowing = class {
  #plan;
  #rows;
  #control;
  #windower;
  #output;
  constructor(plan, rows, control, windower, output) {
    this.#plan = plan;
    this.#rows = rows;
    this.#control = control;
    this.#windower = windower;
    this.#output = output;
  }
  onBatch(events) {
    const { timeOf, max_uncommitted_rows } = this.#plan;
    const late = [];
    const overflow = [];
    const results = [];
    for (const event of events) {
      const time_ms = timeOf(event);
      const taken = isTime(time_ms) ? this.#windower.add(event, time_ms, results) : "late";
      if (taken === "late") late.push(event);
      else if (taken === "overflow") overflow.push(event);
    }
    this.#output.emit(results);
    this.#output.late(late);
    this.#output.overflow(overflow);
    if (this.#rows.dirtyRows > max_uncommitted_rows) this.#output.requestBarrier();
  }
  onWatermark(reached_ms) {
    const before_ms = this.#control.watermark_ms;
    if (reached_ms <= before_ms) this.#windower.putBack?.();
    else this.#windower.advance(before_ms, this.#control.advance(reached_ms), this.#output.emit);
  }
  onTimer(_, key) {
    this.#windower.onTimer?.(key);
  }
  nextDue_ms() {
    return this.#windower.nextDue_ms?.();
  }
};

// operators/windows/window.ts
var windowDoc = {
  kind: "window",
  summary: "An aggregate of the events of each key and window of event time"
};
function window(name2, config) {
  refuseAsync(config, `window "${name2}"`);
  const plan = planOf(name2, config);
  return operatorOf(name2, plan);
}
function planOf(name2, config) {
  const { keyOf: keyOf5 } = config;
  const plan = {
    keyOf: (event) => checkedKey(keyOf5(event)),
    ...takingBack(name2, config),
    window: config.window,
    allowedLateness_ms: config.allowedLateness_ms ?? 0,
    trigger: config.trigger ?? onWatermark(),
    mode: config.mode ?? "accumulate",
    codec: config.codec ?? trustedJsonCodec(),
    version: config.version ?? 1,
    max_open_windows: config.max_open_windows ?? 1e4,
    max_open_per_key: config.max_open_per_key ?? 1e4,
    max_cached_rows: config.max_cached_rows ?? 1e5,
    max_uncommitted_rows: config.max_uncommitted_rows ?? 5e4
  };
  if (!(plan.allowedLateness_ms >= 0)) throw bad3("allowedLateness_ms must not be negative.");
  if (plan.window.kind === "global" && plan.trigger.kind === "watermark") {
    throw bad3("A global window never ends: give it an early trigger.");
  }
  if ((plan.window.kind === "sliding" || plan.window.kind === "count") && plan.trigger.kind !== "watermark") {
    throw bad3(`${plan.window.kind} windows have no early results.`);
  }
  return plan;
}
function bad3(message) {
  return new MillraceError("bad_window", message);
}
function operatorOf(name2, plan) {
  const { window: spec, trigger } = plan;
  switch (spec.kind) {
    case "tumbling":
    case "hopping":
    case "cumulate":
    case "global": {
      const aligned = { ...plan, window: spec };
      if (trigger.kind === "watermark") {
        return make4(
          "sliced",
          (accumulator) => accumulator,
          SlicedWindows
        )(name2, aligned);
      }
      return make4(
        "paned",
        panedRowCodec,
        PanedWindows,
        logicalPane
      )(name2, aligned);
    }
    case "session":
      return make4(
        "session",
        sessionRowCodec,
        SessionWindows,
        logicalSessions
      )(name2, { ...plan, window: spec });
    case "sliding":
      return make4(
        "sliding",
        slidingRowCodec,
        SlidingWindows,
        logicalInstants
      )(name2, { ...plan, window: spec });
    case "count":
      return make4("count", countRowCodec, CountWindows, (row) => ({
        ...row,
        wake_ms: Number.POSITIVE_INFINITY
      }))(name2, {
        ...plan,
        window: spec
      });
  }
}
function inWords2({ kind, ...parts }) {
  return [kind, ...Object.entries(parts).map(([name2, value]) => `${name2} ${value}`)].join(", ");
}
var LAYOUTS = { sliced: 1, paned: 2, session: 3, sliding: 4, count: 5 };
var LAYOUT_ROOM = 8;
function rowMigration(layout, rowCodec, { codec, codecOf: codecOf2 }) {
  if (codecOf2 === void 0) return {};
  return {
    migrate: (bytes, from) => {
      if (from % LAYOUT_ROOM !== LAYOUTS[layout]) throw bad3("The rows are of another kind of windows.");
      const former = codecOf2(Math.floor(from / LAYOUT_ROOM));
      const renew = (given) => {
        const writer5 = new ByteWriter();
        codec.write(writer5, decodeRow(former, given));
        return writer5.copy();
      };
      return decodeRow(rowCodec(former, renew), bytes);
    }
  };
}
var revisionOf = ({ key, window: window2, pane, kind }) => `${window2.start_ms} ${window2.end_ms} ${pane.index} ${kind ?? ""} ${key}`;
function make4(layout, rowCodec, Windows, logical) {
  return defineOperator({
    kind: windowDoc.kind,
    summary: windowDoc.summary,
    sides: ["late", "overflow"],
    retractions: ({ retractions }) => retractions,
    changes: (plan) => [changesOf2(plan)],
    namesResults: true,
    // A global one never ends: where events are counted it gives results without time.
    needsWatermark: ({ window: spec, trigger }) => spec.kind !== "global" || trigger.kind !== "events",
    definition: ({ window: spec, mode, trigger, aggregate }) => ({
      window: inWords2(spec),
      mode,
      trigger: inWords2(trigger),
      aggregate: aggregate.kind
    }),
    state: ({ version, max_cached_rows, mode, aggregate }) => ({
      rows: mapTable({
        changesInPlace: true,
        key: stringKey,
        value: rowCodec(aggregate.codec),
        version: version * LAYOUT_ROOM + LAYOUTS[layout],
        ...rowMigration(layout, rowCodec, aggregate),
        cacheRows: max_cached_rows,
        ...logical === void 0 ? {} : { logical: (row) => logical(row, mode) }
      }),
      control: controlTable()
    }),
    start: ({ name: name2, config, state, metrics, timers, emit, emitTo, requestBarrier }) => {
      const labels = { operator: name2 };
      const given = metrics.counter("millrace.window.results", "Results of windows", labels);
      const late = metrics.counter("millrace.window.late", "Events whose windows were all closed", labels);
      const overflow = metrics.counter(
        "millrace.window.overflow",
        "Events past a limit on open windows",
        labels
      );
      metrics.gauge("millrace.window.cached", "Accumulators in memory", () => state.rows.cachedRows, labels);
      const { window: spec, mode, trigger, aggregate } = config;
      const definition = JSON.stringify({ window: spec, mode, trigger, aggregate: aggregate.shape });
      const output = {
        emit: (results) => {
          given.add(results.length);
          emit(results, revisionOf);
        },
        late: (events) => {
          late.add(events.length);
          emitTo("late", events);
        },
        overflow: (events) => {
          overflow.add(events.length);
          emitTo("overflow", events);
        },
        requestBarrier
      };
      const control = new WindowControl(state.control, name2, definition, config.allowedLateness_ms);
      const windower = new Windows(config, state.rows, control, timers);
      return new Windowing(config, state.rows, control, windower, output);
    }
  });
}

// operators/views/facts/fact-rows.ts
var MAX_BYTES = 2 ** 31 - 1;

// operators/views/facts/fact-table.ts
var TWO_326 = 2 ** 32;
var END_MS = 2 ** 48;
var GENERATION_MAX_BYTES = 32 * 1048576;

// operators/views/facts/keyed-facts.ts
var CHANGED_MAX_BYTES = 64 * 1048576;

// operators/views/deletions.ts
function forgottenTable() {
  return mapTable({ key: stringKey, value: floatCodec, version: 1, logicalRows: () => [] });
}
var NEWEST = "";
var Deletions = class {
  #world;
  #remember_ms;
  #watermark_ms;
  #forgotten_ms = Number.NEGATIVE_INFINITY;
  constructor(world, remember_ms, watermark_ms) {
    this.#world = world;
    this.#remember_ms = remember_ms;
    this.#watermark_ms = watermark_ms;
  }
  /** `isNew`: the table has no rows, so nothing is known to have been deleted. */
  begin(isNew) {
    const stored_ms = this.#world.forgotten.get(NEWEST);
    if (stored_ms !== void 0) this.#forgotten_ms = stored_ms;
    else this.#forgetUntil(isNew() ? Number.NEGATIVE_INFINITY : this.#watermark_ms);
  }
  /** Whether a deletion that would win over the item may have been there. */
  mayHaveForgotten({ time_ms }) {
    return time_ms !== void 0 && time_ms <= this.#forgotten_ms;
  }
  /** The row of a key is deleted. */
  remember(key, row) {
    const { rows, timers } = this.#world;
    if (row.time_ms === void 0) {
      rows.delete(key);
      return;
    }
    const until_ms = this.#until(row.time_ms);
    if (until_ms <= this.#watermark_ms) {
      rows.delete(key);
      this.#forgetUntil(Math.max(this.#forgotten_ms, row.time_ms));
      return;
    }
    rows.set(key, row);
    if (until_ms < TIME_END_MS) timers.set(until_ms, key);
  }
  onTimer(time_ms, key) {
    const { rows, timers } = this.#world;
    const row = rows.get(key);
    if (row === void 0 || row.value !== void 0 || row.time_ms === void 0) return;
    const until_ms = this.#until(row.time_ms);
    if (until_ms <= time_ms) {
      rows.delete(key);
      this.#forgetUntil(Math.max(this.#forgotten_ms, row.time_ms));
    } else if (until_ms < TIME_END_MS) timers.set(until_ms, key);
  }
  onWatermark(time_ms) {
    this.#watermark_ms = Math.max(this.#watermark_ms, time_ms);
  }
  /** While the watermark is at the deletion's own time, an item of that time may come. */
  #until(time_ms) {
    return time_ms + 1 + this.#remember_ms;
  }
  #forgetUntil(time_ms) {
    if (time_ms === this.#forgotten_ms && this.#world.forgotten.get(NEWEST) !== void 0) return;
    this.#forgotten_ms = time_ms;
    this.#world.forgotten.set(NEWEST, time_ms);
  }
};

// operators/views/to-table.ts
var toTableDoc = {
  kind: "to-table",
  summary: "A table by key that other threads and processes can query"
};
function toTable(name2, config) {
  const { timeOf, tieOf, rememberDeletions_ms = 0 } = config;
  if (timeOf === void 0 && (tieOf !== void 0 || rememberDeletions_ms !== 0)) {
    throw bad4(name2, "has tieOf or rememberDeletions_ms, which say something of times: give it timeOf.");
  }
  if (!(rememberDeletions_ms >= 0)) throw bad4(name2, "needs ms, 0 or more, as rememberDeletions_ms.");
  return make5()(name2, config);
}
function bad4(name2, what) {
  return new MillraceError("bad_config", `"${name2}" ${what}`);
}
function specOf(options) {
  const { codec, version = 1, cacheRows } = options;
  return mapTable({
    key: stringKey,
    value: tableRowCodec(codec ?? trustedJsonCodec()),
    version,
    ...migrationOf(options, tableRowCodec),
    ...cacheRows === void 0 ? {} : { cacheRows }
  });
}
var make5 = () => defineOperator({
  kind: toTableDoc.kind,
  summary: toTableDoc.summary,
  state: (config) => ({ [ROWS_TABLE]: specOf(config), forgotten: forgottenTable() }),
  sides: ["late"],
  // By time a retraction and what follows it would have no order.
  retractions: ({ value, timeOf }) => value === void 0 && timeOf !== void 0 ? "refuses" : "takes",
  start: ({ name: name2, config, state, view, metrics, timers, initialWatermark_ms, emit, emitTo }) => {
    const { keyOf: keyOf5, value: valueFrom, timeOf, tieOf } = config;
    const rows = state[ROWS_TABLE].scope("");
    const toValue = valueFrom ?? itself(timeOf === void 0);
    const isNewer = newerBy(config.codec ?? trustedJsonCodec());
    const lateItems = metrics.counter(
      "millrace.to_table.late",
      "Items that may be older than a forgotten deletion",
      { operator: name2 }
    );
    const deletions = new Deletions(
      { rows, forgotten: state.forgotten.scope(""), timers },
      config.rememberDeletions_ms ?? 0,
      initialWatermark_ms ?? Number.NEGATIVE_INFINITY
    );
    if (timeOf !== void 0) deletions.begin(() => !hasRows(view(`${name2}/${ROWS_TABLE}`)));
    const rowOf2 = (item) => {
      const time_ms = timeOf === void 0 ? void 0 : checkedTime(timeOf(item), name2);
      const value = toValue(item);
      return tieOf === void 0 ? { time_ms, value } : { time_ms, value, tie: checkedTie(tieOf(item), name2) };
    };
    return {
      onBatch: (items2) => {
        const changes = [];
        const late = [];
        for (const item of items2) {
          const key = checkedKey(keyOf5(item));
          const row = rowOf2(item);
          const known2 = rows.get(key);
          if (known2 === void 0 && deletions.mayHaveForgotten(row)) {
            late.push(item);
            continue;
          }
          if (known2 !== void 0 && !isNewer(row, known2)) continue;
          if (row.value === void 0) deletions.remember(key, row);
          else rows.set(key, row);
          if (known2?.value !== void 0 || row.value !== void 0) {
            changes.push({ key, before: known2?.value, after: row.value });
          }
        }
        lateItems.add(late.length);
        emitTo("late", late);
        emit(changes);
      },
      onTimer: (time_ms, key) => deletions.onTimer(time_ms, key),
      onWatermark: (time_ms) => deletions.onWatermark(time_ms)
    };
  }
});
function hasRows(rows) {
  for (const _ of rows.scan()) return true;
  return false;
}
function itself(deletesRetracted) {
  const isDeletion = (item) => isTombstone(item) || deletesRetracted && isRetraction(item);
  return (item) => isDeletion(item) ? void 0 : item;
}
function newerBy(codec) {
  const bytesOf4 = (value) => {
    const writer5 = new ByteWriter();
    codec.write(writer5, value);
    return writer5.view();
  };
  return (row, known2) => {
    const isSameTime = row.time_ms === void 0 || row.time_ms === known2.time_ms;
    if (!isSameTime) return known2.time_ms === void 0 || row.time_ms > known2.time_ms;
    if (row.tie !== void 0 && row.tie !== known2.tie) return row.tie > (known2.tie ?? -Number.MAX_VALUE);
    if (known2.value === void 0) return row.time_ms === void 0 && row.value !== void 0;
    if (row.value === void 0) return true;
    const order = Buffer.compare(bytesOf4(row.value), bytesOf4(known2.value));
    return row.time_ms === void 0 ? order !== 0 : order > 0;
  };
}

// operators/views/log/event-log.ts
var DAY_MS9 = 864e5;
var DEFAULT_PENDING_MAX_ROWS = 25e4;
var eventLogDoc = {
  kind: "event-log",
  summary: "Every row in columns, kept to be scanned"
};
function tables3({ schema, dictionaryTable }) {
  const verify = (segments, sibling, texts) => {
    const dictionary = new Dictionary(Number.POSITIVE_INFINITY);
    dictionary.follow(sibling(texts));
    verifyLog({ segments, chunks: sibling("chunks") }, schema, dictionary);
  };
  return {
    segments: rawTable({
      version: 1,
      logicalRows: (segments) => logDigestRows(segments),
      ...dictionaryTable === void 0 ? {} : { verify: (view, sibling) => verify(view, sibling, dictionaryTable) },
      describeRow: describeLogSegment
    }),
    chunks: rawTable({ version: 1, logicalRows: () => [], describeRow: describeLogChunk })
  };
}
function pendingRowsOf(name2) {
  return `${name2}/pending`;
}
var eventLog = defineOperator({
  kind: eventLogDoc.kind,
  summary: eventLogDoc.summary,
  state: tables3,
  takesDefinitions: ({ scopeRetention }) => scopeRetention !== void 0,
  start: ({ name: operator, config, state, parts, metrics, requestBarrier, initialWatermark_ms }) => {
    const { schema, limits, retention_days, scopeRetention } = config;
    const { pending_max_rows = DEFAULT_PENDING_MAX_ROWS } = config;
    const writer5 = new LogWriter(state, schema, limits);
    parts.set(pendingRowsOf(operator), () => writer5.pending);
    let cut_ms = 0;
    let watermark_ms = initialWatermark_ms ?? Number.NEGATIVE_INFINITY;
    const labels = { operator };
    const counter = (name2, help) => metrics.counter(`millrace.event_log.${name2}`, help, labels);
    const appended = counter("rows_appended", "Rows written");
    const dropped = counter("rows_dropped", "Rows behind a cut");
    const merges = counter("merges", "Merges of segments");
    const merged = counter("rows_merged", "Rows written again by merges");
    metrics.gauge("millrace.event_log.segments", "Segments", () => writer5.totals().segments, labels);
    metrics.gauge("millrace.event_log.rows", "Rows kept", () => writer5.totals().rows, labels);
    metrics.gauge("millrace.event_log.size", "Size of the segments", () => writer5.totals().bytes, labels);
    return {
      onBatch: (items2) => {
        for (const batch2 of items2) {
          cut_ms = Math.max(cut_ms, batch2.cut_ms);
          writer5.append(batch2);
        }
        if (writer5.pendingRows >= pending_max_rows) requestBarrier();
      },
      onWatermark: (time_ms) => {
        watermark_ms = time_ms;
      },
      onBarrier: () => {
        if (retention_days !== void 0 && watermark_ms !== Number.NEGATIVE_INFINITY)
          writer5.dropAllBefore(watermark_ms - retention_days * DAY_MS9);
        if (cut_ms > 0) writer5.dropAllBefore(cut_ms);
        const done = writer5.commit(state, watermark_ms);
        appended.add(done.appended);
        dropped.add(done.dropped);
        merges.add(done.merges);
        merged.add(done.merged);
      },
      ...scopeRetention === void 0 ? {} : {
        definitions: {
          kinds: [scopeRetention.kind],
          define: ({ scope, body }) => writer5.keepDays(scope, scopeRetention.daysOf(body)),
          forget: ({ scope }) => writer5.keepDays(scope, void 0)
        }
      }
    };
  }
});

// bench/rig.ts
import { cpus, tmpdir as tmpdir2, totalmem } from "node:os";
import { jetstream as jetstream3 } from "@nats-io/jetstream";

// connectors/files/csv-lines.ts
import { CsvError, parse as parse2 } from "csv-parse";

// connectors/files/file-records.ts
import { Readable } from "node:stream";
import { createGunzip } from "node:zlib";
import { z } from "zod";

// connectors/files/csv-rows.ts
import { finished } from "node:stream/promises";
import { CsvError as CsvError2, parse as parse3 } from "csv-parse";

// connectors/files/lines.ts
var NEWLINE = 10;
var RETURN = 13;
var MARK3 = [239, 187, 191];
var LINE_MAX_BYTES = 1e6;
async function* linesOf(chunks) {
  let [number, size_bytes, isFirst] = [0, 0, true];
  let parts = [];
  const add = (part) => {
    const room = LINE_MAX_BYTES - Math.min(size_bytes, LINE_MAX_BYTES);
    if (room > 0) parts.push(part.subarray(0, room));
    size_bytes += part.length;
  };
  const end = () => {
    let bytes = parts.length === 1 ? parts[0] : Buffer.concat(parts);
    if (bytes.at(-1) === RETURN) bytes = bytes.subarray(0, -1);
    const line = { bytes, number: ++number, isCut: size_bytes > LINE_MAX_BYTES };
    [parts, size_bytes] = [[], 0];
    return line;
  };
  for await (const whole of chunks) {
    let chunk = whole;
    if (isFirst && chunk.length > 0) {
      isFirst = false;
      if (MARK3.every((byte, at2) => chunk[at2] === byte)) chunk = chunk.subarray(MARK3.length);
    }
    for (let at2 = 0; at2 < chunk.length; ) {
      const newline = chunk.indexOf(NEWLINE, at2);
      add(chunk.subarray(at2, newline < 0 ? chunk.length : newline));
      at2 = newline < 0 ? chunk.length : newline + 1;
      if (newline >= 0) yield end();
    }
  }
  if (size_bytes > 0) yield end();
}

// connectors/files/csv-rows.ts
async function* csvRows(chunks, delimiter) {
  const queue = [];
  const parser = parse3({
    ...{ delimiter, bom: true, raw: true, relax_column_count: true, skip_empty_lines: true },
    max_record_size: LINE_MAX_BYTES,
    // Taken here: what the stream holds is lost with its error.
    on_record: (row) => {
      queue.push(row);
      return null;
    }
  });
  let names;
  let number = 0;
  function* taken() {
    for (const { record, raw } of queue.splice(0)) {
      if (names === void 0) names = record;
      else yield rowOf(names, record, raw, ++number);
    }
  }
  const done = finished(parser.resume());
  done.catch(() => void 0);
  let failure;
  try {
    for await (const chunk of chunks) {
      failure = await written(parser, chunk);
      yield* taken();
      if (failure !== void 0) break;
    }
    if (failure === void 0) {
      parser.end();
      failure = await done.then(() => void 0).catch((error) => error);
      yield* taken();
    }
  } finally {
    parser.destroy();
  }
  if (failure === void 0) return;
  if (!(failure instanceof CsvError2)) throw failure;
  const detail = `The rows from here on cannot be read: ${failure.message}`;
  yield { value: Buffer.from(""), number: number + 1, problem: { code: "malformed_csv", detail } };
}
var written = (parser, chunk) => new Promise((resolve) => parser.write(chunk, (error) => resolve(error ?? void 0)));
function rowOf(names, cells, raw, number) {
  if (cells.length !== names.length) {
    const detail = `The row has ${cells.length} cells, and the first row ${names.length} names.`;
    return { value: Buffer.from(raw), number, problem: { code: "malformed_csv", detail } };
  }
  const members = names.flatMap((name2, at2) => cells[at2] === "" ? [] : [[name2, cells[at2]]]);
  return { value: Buffer.from(JSON.stringify(Object.fromEntries(members))), number };
}

// connectors/files/json-values.ts
var QUOTE = 34;
var COMMA = 44;
var OPEN_LIST = 91;
var BACKSLASH = 92;
var CLOSE_LIST = 93;
var OPEN_OBJECT = 123;
var CLOSE_OBJECT = 125;
var isSpace = (byte) => byte === 32 || byte === 10 || byte === 13 || byte === 9;
var HEAD_MAX_BYTES = 65536;
var DOCUMENT = /^\uFEFF?\s*(?:\[|\{[ \t]*\r?\n)/;
async function documentOf(chunks) {
  const iterator = chunks[Symbol.asyncIterator]();
  let head = new Uint8Array(0);
  let isOver = false;
  while (!isOver && head.length < HEAD_MAX_BYTES && !/\S[^\n]*\n/.test(textOf3(head))) {
    const { done, value } = await iterator.next();
    if (done === true) isOver = true;
    else head = Uint8Array.from(Buffer.concat([head, value]));
  }
  const all = async function* () {
    try {
      yield head;
      for (let next = await iterator.next(); next.done !== true; next = await iterator.next())
        yield next.value;
    } finally {
      await iterator.return?.();
    }
  };
  return { isDocument: DOCUMENT.test(textOf3(head)), chunks: all() };
}
var textOf3 = (bytes) => Buffer.from(bytes).toString("utf8");
async function* jsonValuesOf(chunks) {
  let [number, size_bytes, depth] = [0, 0, 0];
  let [isBegun, isText, isEscaped, isList] = [false, false, false, false];
  let parts = [];
  const add = (part) => {
    const room = LINE_MAX_BYTES - Math.min(size_bytes, LINE_MAX_BYTES);
    if (room > 0) parts.push(part.subarray(0, room));
    size_bytes += part.length;
  };
  const end = () => {
    const line = { bytes: Buffer.concat(parts), number: ++number, isCut: size_bytes > LINE_MAX_BYTES };
    [parts, size_bytes, depth, isBegun] = [[], 0, 0, false];
    return line;
  };
  for await (const chunk of chunks) {
    let from = 0;
    for (let at2 = 0; at2 < chunk.length; at2++) {
      const byte = chunk[at2];
      if (isText) {
        if (isEscaped) isEscaped = false;
        else if (byte === BACKSLASH) isEscaped = true;
        else if (byte === QUOTE) isText = false;
        continue;
      }
      const isOpening2 = byte === OPEN_OBJECT || byte === OPEN_LIST;
      const isClosing2 = byte === CLOSE_OBJECT || byte === CLOSE_LIST;
      if (!isBegun) {
        if (byte === OPEN_LIST && !isList && number === 0) {
          isList = true;
          continue;
        }
        if (isSpace(byte) || byte === COMMA || isClosing2 || number === 0 && byte >= 128) continue;
        [isBegun, from] = [true, at2];
      }
      if (byte === QUOTE) isText = true;
      else if (isOpening2) depth++;
      else if (depth === 0 && (isSpace(byte) || byte === COMMA || isClosing2)) {
        add(chunk.subarray(from, at2));
        yield end();
      } else if (isClosing2 && --depth === 0) {
        add(chunk.subarray(from, at2 + 1));
        yield end();
      }
    }
    if (isBegun) add(chunk.subarray(from));
  }
  if (isBegun) yield end();
}

// connectors/files/parquet-rows.ts
import { randomUUID } from "node:crypto";
import { open as open2, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
var PARQUET_MAX_BYTES = 2147483648;
var SLICE_MAX_ROWS = 1e4;
async function* parquetRows(name2, chunks) {
  const path2 = join(tmpdir(), `millrace-parquet-${randomUUID()}`);
  try {
    await copied(name2, chunks, path2);
    yield* rowsOf3(name2, path2);
  } finally {
    await rm(path2, { force: true });
  }
}
async function copied(name2, chunks, path2) {
  const file = await open2(path2, "wx", 384);
  let size_bytes = 0;
  try {
    for await (const chunk of chunks) {
      size_bytes += chunk.length;
      if (size_bytes > PARQUET_MAX_BYTES)
        throw unreadable(name2, `it has more than ${PARQUET_MAX_BYTES} bytes`);
      await file.write(chunk);
    }
  } finally {
    await file.close();
  }
}
async function* rowsOf3(name2, path2) {
  const { asyncBufferFromFile, parquetMetadataAsync, parquetReadObjects } = await import("hyparquet");
  const reading = async (work) => {
    try {
      return await work();
    } catch (error) {
      throw unreadable(name2, error instanceof Error ? error.message : asMillraceError(error).message, error);
    }
  };
  const file = await reading(() => asyncBufferFromFile(path2));
  const metadata = await reading(() => parquetMetadataAsync(file));
  const scales = scalesOf(metadata);
  const rows = Number(metadata.num_rows);
  for (let rowStart = 0; rowStart < rows; rowStart += SLICE_MAX_ROWS) {
    const rowEnd = Math.min(rows, rowStart + SLICE_MAX_ROWS);
    const some = await reading(
      () => parquetReadObjects({ file, metadata, rowStart, rowEnd, useOffsetIndex: true })
    );
    for (const [at2, row] of some.entries()) {
      yield { value: Buffer.from(jsonOf(row, scales)), number: rowStart + at2 + 1 };
    }
  }
}
function scalesOf({ schema }) {
  return new Map(
    schema.flatMap(
      ({ name: name2, converted_type, scale, num_children }) => converted_type === "DECIMAL" && num_children === void 0 ? [[name2, scale ?? 0]] : []
    )
  );
}
function jsonOf(row, scales) {
  return JSON.stringify(row, (name2, value) => {
    if (typeof value === "bigint") {
      const number = Number(value);
      return Number.isSafeInteger(number) ? number : String(value);
    }
    const scale = typeof value === "number" ? scales.get(name2) : void 0;
    return scale === void 0 ? value : value.toFixed(scale);
  });
}
var unreadable = (name2, why, cause) => new MillraceError("file_unreadable", `${name2} cannot be read as Parquet: ${why}.`, { cause });

// connectors/files/file-records.ts
var FORMATS = ["ndjson", "csv", "parquet"];
var formatMembers = {
  format: z.enum(["auto", ...FORMATS]).default("auto").describe(
    "`auto`: by the end of the name, `.csv`, `.parquet` or `.ndjson`, `.jsonl`, `.json`; `.gz` behind it is unpacked"
  ),
  delimiter: z.string().length(1).default(",").describe("Between the cells of a CSV file")
};
var BY_ENDING = {
  csv: "csv",
  parquet: "parquet",
  ndjson: "ndjson",
  jsonl: "ndjson",
  json: "ndjson"
};
function formatOf(name2, { format }) {
  if (format !== "auto") return format;
  const ending = /\.([a-z0-9]+)(?:\.gz)?$/i.exec(name2)?.[1]?.toLowerCase() ?? "";
  return Object.hasOwn(BY_ENDING, ending) ? BY_ENDING[ending] : void 0;
}
async function* fileRecords(name2, bytes, choice) {
  const chunks = /\.gz$/i.test(name2) ? unpacked(name2, bytes) : bytes;
  if (formatOf(name2, choice) === "csv") {
    yield* csvRows(chunks, choice.delimiter);
    return;
  }
  if (formatOf(name2, choice) === "parquet") {
    yield* parquetRows(name2, chunks);
    return;
  }
  for await (const { bytes: value, number, isCut } of valuesIn(name2, chunks)) {
    if (isBlank(value)) continue;
    if (!isCut) yield { value, number };
    else
      yield {
        value,
        number,
        problem: { code: "too_large", detail: `The record has more than ${LINE_MAX_BYTES} bytes.` }
      };
  }
}
async function* valuesIn(name2, bytes) {
  if (!/\.json(?:\.gz)?$/i.test(name2)) {
    yield* linesOf(bytes);
    return;
  }
  const { isDocument, chunks } = await documentOf(bytes);
  yield* isDocument ? jsonValuesOf(chunks) : linesOf(chunks);
}
var isBlank = (bytes) => bytes.every((byte) => byte === 32 || byte === 9);
async function* unpacked(name2, bytes) {
  let failure;
  const source = Readable.from(bytes, { objectMode: false });
  const gunzip = createGunzip();
  source.on("error", (error) => {
    failure = error;
    gunzip.destroy(error);
  });
  try {
    for await (const chunk of source.pipe(gunzip)) yield chunk;
  } catch (error) {
    if (failure !== void 0) throw failure;
    throw new MillraceError("file_unreadable", `${name2} does not unpack as gzip.`, { cause: error });
  } finally {
    source.destroy();
    gunzip.destroy();
  }
}

// connectors/files/object-source.ts
import { setTimeout as sleep } from "node:timers/promises";

// connectors/intake/connector-type.ts
function connectorType(spec) {
  return {
    ...spec,
    open: async (config, identity, surroundings) => spec.open(spec.configSchema.parse(config), identity, surroundings)
  };
}

// connectors/intake/record-source.ts
var BATCH_MAX_RECORDS = 500;
var BATCH_MAX_BYTES = 1048576;

// connectors/files/seen-objects.ts
import { createHash as createHash2 } from "node:crypto";
var SEEN_MAX_OBJECTS = 6e3;
var LATE_MAX_MS = 864e5;
var FORGET_EVERY_S = 600;
var SeenObjects = class {
  #hasTrueTimes;
  /** By its hash the time of a version, s. */
  #times;
  /** What is older was read, s. */
  #before_s;
  #newest_s = 0;
  constructor(json2, hasTrueTimes) {
    this.#hasTrueTimes = hasTrueTimes;
    const { before_s, versions } = isSeen(json2) ? json2 : { before_s: 0, versions: [] };
    this.#before_s = before_s;
    this.#times = new Map(
      versions.map((text2) => {
        const [hash3 = "", time = "0"] = text2.split(" ");
        return [hash3, Number.parseInt(time, 36)];
      })
    );
    for (const time_s of this.#times.values()) this.#newest_s = Math.max(this.#newest_s, time_s);
  }
  has(object) {
    return secondOf(object) < this.#before_s || this.#times.has(hashOf2(object));
  }
  /** Throws `too_many_files`. */
  add(object) {
    this.#times.set(hashOf2(object), secondOf(object));
    this.#newest_s = Math.max(this.#newest_s, secondOf(object));
    const late_s = this.#newest_s - LATE_MAX_MS / 1e3;
    if (this.#hasTrueTimes && late_s > this.#before_s + FORGET_EVERY_S) this.#forget(late_s);
    if (this.#times.size <= SEEN_MAX_OBJECTS) return;
    if (!this.#hasTrueTimes) {
      throw new MillraceError(
        "too_many_files",
        `More than ${SEEN_MAX_OBJECTS} files of the folder were read, which is as many as are remembered. Move away those that are done, or divide them among several folders.`
      );
    }
    const times = [...this.#times.values()].sort((a, b) => a - b);
    const tenth = times[Math.floor(times.length / 10)] ?? 0;
    this.#forget(times.find((time) => time > (times[0] ?? 0) && time >= tenth) ?? 0);
  }
  /** Forgets what is there no more. */
  keepOnly(objects) {
    const hashes = new Set(objects.map(hashOf2));
    for (const hash3 of [...this.#times.keys()]) if (!hashes.has(hash3)) this.#times.delete(hash3);
  }
  toJson() {
    const versions = [...this.#times].map(([hash3, time]) => `${hash3} ${time.toString(36)}`);
    return { before_s: this.#before_s, versions };
  }
  #forget(before_s) {
    if (before_s <= this.#before_s) return;
    this.#before_s = before_s;
    for (const [hash3, time] of [...this.#times]) if (time < before_s) this.#times.delete(hash3);
  }
};
var secondOf = ({ modified_ms }) => Math.floor(modified_ms / 1e3);
var hashOf2 = ({ key, version }) => createHash2("sha256").update(`${key}\0${version}`).digest("base64url").slice(0, 11);
function isSeen(json2) {
  if (typeof json2 !== "object" || json2 === null || !("before_s" in json2) || !("versions" in json2))
    return false;
  return typeof json2.before_s === "number" && Array.isArray(json2.versions);
}

// connectors/files/object-source.ts
var WAITING_MAX_OBJECTS = 1e4;
var ObjectSource = class {
  #options;
  #wake = new AbortController();
  #waiting = null;
  constructor(options) {
    this.#options = options;
  }
  async *read(position, signal) {
    const { folder, interval_ms } = this.#options;
    const given = isRecord(position) ? position : {};
    const seen = new SeenObjects(given.seen, folder.hasTrueTimes);
    let current = currentOf(given.current);
    for (let isFirst = true; !signal.aborted; isFirst = false) {
      this.#wake = new AbortController();
      const found = await this.#found(seen, current, signal);
      if (isFirst && found.length === 0) yield { records: [], position: positionOf(seen, current) };
      for (const [at2, object] of found.entries()) {
        this.#waiting = found.length - at2;
        if (signal.aborted) return;
        const from = current?.key === object.key && current.version === object.version ? current.done : 0;
        for await (const { records, done } of this.#batches(object, from, signal)) {
          current = { key: object.key, version: object.version, done };
          yield { records, position: positionOf(seen, current) };
        }
        if (signal.aborted) return;
        seen.add(object);
        current = void 0;
        yield { records: [], position: positionOf(seen, current) };
      }
      this.#waiting = 0;
      const ending = AbortSignal.any([signal, this.#wake.signal]);
      await sleep(interval_ms, void 0, { signal: ending, ref: false }).catch(() => void 0);
    }
  }
  /** Of the last look: files, of which nobody knows the records. */
  lag() {
    return Promise.resolve(this.#waiting === 0 ? 0 : null);
  }
  wake() {
    this.#wake.abort();
  }
  close() {
    return this.#options.folder.close();
  }
  /** What was not read yet; the one that was begun is first. */
  async #found(seen, current, signal) {
    const { folder, choice } = this.#options;
    const found = [];
    const listed = [];
    for await (const object of folder.list(signal)) {
      if (!folder.hasTrueTimes) listed.push(object);
      if (formatOf(object.key, choice) === void 0 || seen.has(object)) continue;
      found.push(object);
      if (found.length >= 2 * WAITING_MAX_OBJECTS) found.sort(oldestFirst).splice(WAITING_MAX_OBJECTS);
    }
    if (!folder.hasTrueTimes) seen.keepOnly(listed);
    const isCurrent = ({ key, version }) => key === current?.key && version === current.version;
    return found.sort((a, b) => Number(isCurrent(b)) - Number(isCurrent(a)) || oldestFirst(a, b));
  }
  async *#batches(object, from, signal) {
    const { folder, choice } = this.#options;
    const bytes = await folder.open(object, signal);
    if (bytes === void 0) return;
    const place = `${folder.name}/${object.key}@${object.version}`;
    let [done, size_bytes] = [0, 0];
    let records = [];
    try {
      for await (const { number, ...record } of fileRecords(object.key, bytes, choice)) {
        if (++done <= from) continue;
        records.push({ ...record, place: `${place}#${number}` });
        size_bytes += record.value.length;
        if (records.length < BATCH_MAX_RECORDS && size_bytes < BATCH_MAX_BYTES) continue;
        yield { records, done };
        [records, size_bytes] = [[], 0];
      }
    } catch (error) {
      signal.throwIfAborted();
      const { code, message } = asMillraceError(error);
      if (code !== "file_unreadable") throw error;
      if (++done > from)
        records.push({ value: Buffer.from(object.key), place, problem: { code, detail: message } });
    }
    if (records.length > 0) yield { records, done };
  }
};
var oldestFirst = (a, b) => a.modified_ms - b.modified_ms || (a.key < b.key ? -1 : 1);
var isRecord = (value) => typeof value === "object" && value !== null && !Array.isArray(value);
function currentOf(value) {
  if (!isRecord(value)) return void 0;
  const { key, version, done } = value;
  if (typeof key !== "string" || typeof version !== "string" || typeof done !== "number") return void 0;
  return { key, version, done };
}
var positionOf = (seen, current) => ({
  ...current === void 0 ? {} : { current: { ...current } },
  seen: seen.toJson()
});

// connectors/s3/s3-config.ts
import { z as z2 } from "zod";
var SECRET_MAX_CHARS = 8192;
var s3Config = z2.strictObject({
  bucket: z2.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, "must be the name of a bucket"),
  prefix: z2.string().max(512).default("").describe("Of the keys that are read; it says folders with their slash"),
  region: z2.string().regex(/^[a-z0-9-]{1,32}$/, "must be a region, such as eu-central-1").default("us-east-1"),
  access_key_id: z2.string().min(1).max(128),
  secret_access_key: z2.string().min(1).max(SECRET_MAX_CHARS),
  endpoint: z2.url({ protocol: /^https?$/ }).max(1024).optional().describe("Of a compatible server; default: AWS"),
  ...formatMembers,
  interval_s: z2.int().min(1).max(86400).default(60).describe("Seconds between two looks")
});

// connectors/s3/s3-folder.ts
import { Agent as HttpAgent } from "node:http";
import { Agent as HttpsAgent } from "node:https";

// connectors/http/address.ts
import { BlockList, isIP, isIPv4 } from "node:net";
var FORBIDDEN = [
  // "This network", private, shared (CGNAT), loopback, link-local.
  ...[
    ["0.0.0.0", 8],
    ["10.0.0.0", 8],
    ["100.64.0.0", 10],
    ["127.0.0.0", 8],
    ["169.254.0.0", 16],
    ["172.16.0.0", 12],
    ["192.168.0.0", 16]
  ],
  // Protocol assignments, documentation, 6to4 relays, benchmarks, multicast, reserved and broadcast.
  ...[
    ["192.0.0.0", 24],
    ["192.0.2.0", 24],
    ["192.88.99.0", 24],
    ["198.18.0.0", 15],
    ["198.51.100.0", 24],
    ["203.0.113.0", 24],
    ["224.0.0.0", 4],
    ["240.0.0.0", 4]
  ],
  // Local translation, discard, protocol assignments (Teredo, ORCHID), documentation, segment routing.
  ...[
    ["64:ff9b:1::", 48],
    ["100::", 63],
    ["2001::", 23],
    ["2001:db8::", 32],
    ["3fff::", 20],
    ["5f00::", 16]
  ],
  // Unique local, link-local, site-local, multicast.
  ...[
    ["fc00::", 7],
    ["fe80::", 10],
    ["fec0::", 10],
    ["ff00::", 8]
  ]
];
var forbidden = new BlockList();
for (const [network, prefix3] of FORBIDDEN) {
  forbidden.addSubnet(network, prefix3, isIPv4(network) ? "ipv4" : "ipv6");
}
function bytesOf3(address) {
  const [head = "", tail] = address.split("::");
  const words4 = (text2) => text2 === "" ? [] : text2.split(":").map((word) => Number.parseInt(word, 16));
  const [before, after] = [words4(head), words4(tail ?? "")];
  const zeros = new Array(8 - before.length - after.length).fill(0);
  return [...before, ...zeros, ...after].flatMap((word) => [word >> 8, word & 255]);
}
var CARRIERS = [
  // Compatible (also `::` and `::1`), mapped, translated (RFC 2765), NAT64, 6to4.
  [new Array(12).fill(0), 12],
  [[...new Array(10).fill(0), 255, 255], 12],
  [[...new Array(8).fill(0), 255, 255, 0, 0], 12],
  [[0, 100, 255, 155, ...new Array(8).fill(0)], 12],
  [[32, 2], 2]
];
function isPublicAddress(address) {
  if (isIP(address) === 0 || address.includes("%")) return false;
  if (isIPv4(address)) return !forbidden.check(address, "ipv4");
  const [, full = ""] = /^\[(.*)\]$/.exec(new URL(`http://[${address}]/`).hostname) ?? [];
  const bytes = bytesOf3(full);
  const carrier = CARRIERS.find(([prefix3]) => prefix3.every((byte, at2) => bytes[at2] === byte));
  if (carrier !== void 0) return isPublicAddress(bytes.slice(carrier[1], carrier[1] + 4).join("."));
  return !forbidden.check(full, "ipv6");
}

// connectors/http/http-sender.ts
var TargetError = class extends MillraceError {
  constructor(code, message, cause) {
    super(code, message, { cause, retriable: code !== "target_forbidden" && code !== "target_invalid" });
    this.name = "TargetError";
  }
};

// connectors/http/public-lookup.ts
import { lookup as systemLookup } from "node:dns";
var publicLookup = (hostname, options, callback) => {
  systemLookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error !== null) {
      callback(error, "");
      return;
    }
    const [first] = addresses;
    if (first === void 0 || !addresses.every(({ address }) => isPublicAddress(address))) {
      callback(new TargetError("target_forbidden", `${hostname} is no address of the public internet.`), "");
    } else if (options.all === true) callback(null, addresses);
    else callback(null, first.address, first.family);
  });
};

// connectors/s3/s3-folder.ts
var CONNECT_TIMEOUT_MS = 5e3;
var SILENCE_TIMEOUT_MS = 3e4;
var ATTEMPTS = 2;
var S3Folder = class {
  name;
  hasTrueTimes = true;
  #config;
  #allowPrivate;
  #client;
  constructor(config, allowPrivate) {
    this.#config = config;
    this.#allowPrivate = allowPrivate;
    this.name = config.bucket;
  }
  async *list(signal) {
    const { bucket, prefix: prefix3 } = this.#config;
    let next;
    do {
      const page = await this.#asked(
        async (client, sdk) => client.send(
          new sdk.ListObjectsV2Command({ Bucket: bucket, Prefix: prefix3, ContinuationToken: next }),
          { abortSignal: signal }
        )
      );
      for (const { Key: key, ETag: etag, LastModified: modified } of page.Contents ?? []) {
        if (key === void 0 || etag === void 0 || key.endsWith("/")) continue;
        yield { key, version: etag.replaceAll('"', ""), modified_ms: modified?.getTime() ?? 0 };
      }
      next = page.IsTruncated === true ? page.NextContinuationToken : void 0;
    } while (next !== void 0);
  }
  async open({ key, version }, signal) {
    const object = await this.#asked(async (client, sdk) => {
      const command = new sdk.GetObjectCommand({
        Bucket: this.#config.bucket,
        Key: key,
        IfMatch: `"${version}"`
      });
      try {
        return await client.send(command, { abortSignal: signal });
      } catch (error) {
        if (["NoSuchKey", "PreconditionFailed"].includes(nameOf4(error))) return void 0;
        throw error;
      }
    });
    return object === void 0 ? void 0 : this.#bytesOf(object);
  }
  async close() {
    const client = this.#client;
    this.#client = void 0;
    await client?.then((open3) => open3.destroy()).catch(() => void 0);
  }
  async *#bytesOf({ Body }) {
    try {
      for await (const chunk of Body) yield chunk;
    } catch (error) {
      throw s3Error(error, this.#config);
    }
  }
  async #asked(work) {
    const sdk = await import("@aws-sdk/client-s3");
    this.#client ??= this.#open(sdk);
    try {
      return await work(await this.#client, sdk);
    } catch (error) {
      throw s3Error(error, this.#config);
    }
  }
  async #open(sdk) {
    const { region, access_key_id, secret_access_key, endpoint } = this.#config;
    const { NodeHttpHandler } = await import("@smithy/node-http-handler");
    const agent = this.#allowPrivate ? {} : { lookup: publicLookup };
    return new sdk.S3Client({
      region,
      credentials: { accessKeyId: access_key_id, secretAccessKey: secret_access_key },
      // Compatible servers know no buckets as host names, and not every checksum.
      ...endpoint === void 0 ? {} : { endpoint, forcePathStyle: true },
      ...{ requestChecksumCalculation: "WHEN_REQUIRED", responseChecksumValidation: "WHEN_REQUIRED" },
      maxAttempts: ATTEMPTS,
      requestHandler: new NodeHttpHandler({
        ...{ connectionTimeout: CONNECT_TIMEOUT_MS, socketTimeout: SILENCE_TIMEOUT_MS },
        httpAgent: new HttpAgent({ keepAlive: true, ...agent }),
        httpsAgent: new HttpsAgent({ keepAlive: true, ...agent })
      })
    });
  }
};
var nameOf4 = (error) => error instanceof Error ? error.name : "";
var REFUSED = [
  "AccessDenied",
  "InvalidAccessKeyId",
  "SignatureDoesNotMatch",
  "AuthorizationHeaderMalformed",
  "Forbidden"
];
function s3Error(error, { bucket, prefix: prefix3 }) {
  if (error instanceof MillraceError) return error;
  const name2 = nameOf4(error);
  const { message } = error instanceof Error ? error : asMillraceError(error);
  const where = `s3://${bucket}/${prefix3}`;
  const options = { cause: error, retriable: true };
  if (name2 === "NoSuchBucket")
    return new MillraceError(
      "s3_bucket_missing",
      `There is no bucket "${bucket}". Make it, or name another one.`,
      options
    );
  if (REFUSED.includes(name2)) {
    const what = `${where} is refused to the credentials (${name2}: ${message}). Correct them, or allow s3:ListBucket and s3:GetObject`;
    return new MillraceError("s3_refused", `${what}.`, options);
  }
  return new MillraceError("s3_unavailable", `${where} cannot be read: ${name2}: ${message}.`, options);
}

// connectors/s3/s3-type.ts
var S3 = connectorType({
  type: "s3",
  configSchema: s3Config,
  secrets: ["secret_access_key"],
  tuning: ["interval_s", "access_key_id", "secret_access_key", "region"],
  open: async (config, _, { allowPrivate, http }) => {
    if (config.endpoint !== void 0) await http.check(config.endpoint);
    const folder = new S3Folder(config, allowPrivate);
    return new ObjectSource({ folder, choice: config, interval_ms: config.interval_s * 1e3 });
  }
});

// connectors/drop/drop-type.ts
import { join as join3 } from "node:path";
import { z as z3 } from "zod";

// connectors/drop/drop-folder.ts
import { createHash as createHash3 } from "node:crypto";
import { createReadStream } from "node:fs";
import { lstat, readdir, realpath } from "node:fs/promises";
import { join as join2, sep } from "node:path";
import { setTimeout as sleep2 } from "node:timers/promises";
var FILES_MAX = 2e4;
var HASH_CHARS3 = 24;
var DropFolder = class {
  name;
  /** A copy may keep the time of its original. */
  hasTrueTimes = false;
  #root;
  #path;
  #stable_ms;
  /** Contents that were read for their hash, by name. */
  #known = /* @__PURE__ */ new Map();
  /** `root` is all that may be read; `path` lies in it. */
  constructor(root, path2, stable_ms) {
    this.#root = root;
    this.#path = join2(root, path2);
    this.#stable_ms = stable_ms;
    this.name = path2 === "" ? "drop" : path2;
  }
  async *list(signal) {
    const before = await this.#looks();
    await sleep2(this.#stable_ms, void 0, { signal, ref: false });
    const after = await this.#looks();
    for (const name2 of this.#known.keys()) if (!after.has(name2)) this.#known.delete(name2);
    for (const [name2, look] of after) {
      const first = before.get(name2);
      if (first?.size_bytes !== look.size_bytes || first.modified_ms !== look.modified_ms) continue;
      const version = await this.#versionOf(name2, look, signal);
      if (version !== void 0) yield { key: name2, version, modified_ms: look.modified_ms };
    }
  }
  async open({ key, version }, signal) {
    const look = await this.#lookAt(key);
    if (look === void 0 || await this.#versionOf(key, look, signal) !== version) return void 0;
    return createReadStream(join2(this.#path, key), { signal });
  }
  close() {
    this.#known.clear();
    return Promise.resolve();
  }
  /** The plain files of the folder. Links lead elsewhere, and are none. */
  async #looks() {
    await this.#requireInside();
    const found = /* @__PURE__ */ new Map();
    for (const name2 of await readdir(this.#path)) {
      if (name2.startsWith(".")) continue;
      const look = await this.#lookAt(name2);
      if (look !== void 0) found.set(name2, look);
      if (found.size <= FILES_MAX) continue;
      throw new MillraceError(
        "too_many_files",
        `The folder has more than ${FILES_MAX} files. Move away those that are done.`,
        { retriable: true }
      );
    }
    return found;
  }
  async #lookAt(name2) {
    try {
      const stat = await lstat(join2(this.#path, name2));
      return stat.isFile() ? { size_bytes: stat.size, modified_ms: stat.mtimeMs } : void 0;
    } catch {
      return void 0;
    }
  }
  async #requireInside() {
    let [root, path2] = [this.#root, this.#path];
    try {
      [root, path2] = await Promise.all([realpath(root), realpath(path2)]);
    } catch (error) {
      throw new MillraceError(
        "folder_missing",
        "The folder is not there. Make it below the folder that CONNECTOR_DROP_FOLDER has for the tenant.",
        { cause: error, retriable: true }
      );
    }
    if (path2 === root || path2.startsWith(root + sep)) return;
    throw new MillraceError(
      "folder_forbidden",
      "The folder is a link that leads out of the folder of the tenant."
    );
  }
  async #versionOf(name2, look, signal) {
    const known2 = this.#known.get(name2);
    if (known2?.size_bytes === look.size_bytes && known2.modified_ms === look.modified_ms) return known2.version;
    const hash3 = createHash3("sha256");
    try {
      for await (const chunk of createReadStream(join2(this.#path, name2), { signal }))
        hash3.update(chunk);
    } catch (error) {
      signal.throwIfAborted();
      throw new MillraceError("file_unreadable_now", `The file ${name2} cannot be read by the service.`, {
        cause: error,
        retriable: true
      });
    }
    const version = `${look.size_bytes}-${hash3.digest("hex").slice(0, HASH_CHARS3)}`;
    this.#known.set(name2, { ...look, version });
    return version;
  }
};

// connectors/drop/drop-type.ts
var dropConfig = z3.strictObject({
  folder: z3.string().max(256).regex(
    /^(?:[A-Za-z0-9_-][A-Za-z0-9._ -]*(?:\/[A-Za-z0-9_-][A-Za-z0-9._ -]*)*)?$/,
    "must be a path below the tenant\u2019s folder, without dots at the beginning of its names"
  ).default("").describe("Below `CONNECTOR_DROP_FOLDER/<tenant>`; empty: that one itself"),
  ...formatMembers,
  interval_s: z3.int().min(1).max(86400).default(10).describe("Seconds between two looks"),
  stable_ms: z3.int().min(100).max(6e5).default(2e3).describe("A file is taken when its size and time have not changed for so long")
});
var lacks = "needs the setting CONNECTOR_DROP_FOLDER, which this installation does not have";
var DROP = connectorType({
  type: "file_drop",
  configSchema: dropConfig,
  secrets: [],
  tuning: ["interval_s", "stable_ms"],
  unavailable: ({ dropFolder }) => dropFolder === void 0 ? lacks : void 0,
  open: ({ folder: path2, stable_ms, interval_s, ...choice }, { tenant }, { dropFolder }) => {
    if (dropFolder === void 0) throw new MillraceError("not_supported", `A file drop ${lacks}.`);
    const folder = new DropFolder(join3(dropFolder, tenant), path2, stable_ms);
    return new ObjectSource({ folder, choice, interval_ms: interval_s * 1e3 });
  }
});

// connectors/http-poll/http-poll-config.ts
import { z as z4 } from "zod";
var SECRET_MAX_CHARS2 = 8192;
var SECRET_NAME = /auth|cookie|key|secret|token/i;
var name = z4.string().min(1).max(128);
var path = z4.string().max(256).describe("Members joined by dots");
var httpPollConfig = z4.strictObject({
  url: z4.url({ protocol: /^https?$/ }).max(2048).describe("What is read: an address of the public internet"),
  headers: z4.record(
    name.refine((one) => !SECRET_NAME.test(one), "is the name of a secret: say it as `auth`"),
    z4.string().max(1024)
  ).default({}).describe("Sent with each request; no secrets"),
  auth: z4.strictObject({
    header: name.default("Authorization"),
    value: z4.string().min(1).max(SECRET_MAX_CHARS2).describe("Such as `Bearer \u2026`; it is stored encrypted")
  }).optional().describe("The header that says who asks"),
  interval_s: z4.int().min(1).max(86400).default(60).describe("Seconds between two looks"),
  records: path.default("").describe("Where the list of records is in the answer; empty: the answer is the list"),
  cursor: z4.strictObject({
    path: path.min(1).describe("Where the answer says the cursor of the next page"),
    param: name.describe("Query parameter that it is sent as")
  }).optional(),
  since: z4.strictObject({
    path: path.min(1).describe("Member of a record that grows, such as `updated_at`"),
    param: name.describe("Query parameter that the greatest one so far is sent as"),
    start: z4.string().max(128).optional().describe("At first")
  }).optional()
});
var httpPollPosition = z4.object({
  cursor: z4.string().exactOptional(),
  since: z4.string().exactOptional(),
  /** The greatest of the pages that are being read. */
  reached: z4.string().exactOptional()
});

// connectors/http-poll/http-poll-source.ts
import { createHash as createHash4 } from "node:crypto";
import { setTimeout as sleep3 } from "node:timers/promises";

// connectors/http-poll/json-slices.ts
var QUOTE2 = 34;
var BACKSLASH2 = 92;
var OPEN_OBJECT2 = 123;
var CLOSE_OBJECT2 = 125;
var OPEN_LIST2 = 91;
var CLOSE_LIST2 = 93;
var isSpace2 = (byte) => byte === 32 || byte === 10 || byte === 13 || byte === 9;
var isOpening = (byte) => byte === OPEN_OBJECT2 || byte === OPEN_LIST2;
var isClosing = (byte) => byte === CLOSE_OBJECT2 || byte === CLOSE_LIST2;
function skip(bytes, from) {
  let at2 = from;
  while (isSpace2(bytes[at2]) || bytes[at2] === 44 || bytes[at2] === 58) at2++;
  return at2;
}
function endOfString(bytes, from) {
  let at2 = from + 1;
  while (at2 < bytes.length && bytes[at2] !== QUOTE2) at2 += bytes[at2] === BACKSLASH2 ? 2 : 1;
  return at2 + 1;
}
function endOfValue(bytes, from) {
  if (bytes[from] === QUOTE2) return endOfString(bytes, from);
  let [at2, depth] = [from, 0];
  while (at2 < bytes.length) {
    const byte = bytes[at2];
    if (byte === QUOTE2) {
      at2 = endOfString(bytes, at2);
      continue;
    }
    if (depth === 0 && (byte === 44 || isClosing(byte) || isSpace2(byte))) return at2;
    if (isOpening(byte)) depth++;
    if (isClosing(byte) && --depth === 0) return at2 + 1;
    at2++;
  }
  return at2;
}
var textOf4 = (bytes, [start, end]) => Buffer.from(bytes.buffer, bytes.byteOffset + start, end - start).toString("utf8");
function valueAt(bytes, path2, whole = [0, bytes.length]) {
  const start = skip(bytes, whole[0]);
  let found = [start, endOfValue(bytes, start)];
  for (const name2 of path2 === "" ? [] : path2.split(".")) {
    found = found === void 0 ? void 0 : memberOf(bytes, found, name2);
  }
  return found;
}
function memberOf(bytes, [start, end], name2) {
  if (bytes[start] !== OPEN_OBJECT2) return void 0;
  let found;
  for (let at2 = skip(bytes, start + 1); at2 < end && bytes[at2] === QUOTE2; ) {
    const endOfName = endOfString(bytes, at2);
    const key = JSON.parse(textOf4(bytes, [at2, endOfName]));
    const value = skip(bytes, endOfName);
    const endOfMember = endOfValue(bytes, value);
    if (key === name2) found = [value, endOfMember];
    at2 = skip(bytes, endOfMember);
  }
  return found;
}
function elementsOf(bytes, [start, end]) {
  if (bytes[start] !== OPEN_LIST2) return void 0;
  const found = [];
  for (let at2 = skip(bytes, start + 1); at2 < end && bytes[at2] !== CLOSE_LIST2; ) {
    const to = endOfValue(bytes, at2);
    found.push([at2, to]);
    at2 = skip(bytes, to);
  }
  return found;
}
function scalarAt(bytes, path2, whole) {
  const range = valueAt(bytes, path2, whole);
  if (range === void 0) return void 0;
  const text2 = textOf4(bytes, range);
  if (text2.startsWith('"')) return JSON.parse(text2) || void 0;
  return /^-?\d/.test(text2) ? text2 : void 0;
}

// connectors/http-poll/http-poll-source.ts
var ANSWER_MAX_BYTES = 8388608;
var HASH_CHARS4 = 32;
var KNOWN_MAX_RECORDS = 1e5;
var HttpPollSource = class {
  #config;
  #http;
  #wake = new AbortController();
  constructor(config, http) {
    this.#config = config;
    this.#http = http;
  }
  async *read(position, signal) {
    let at2 = httpPollPosition.safeParse(position).data ?? {};
    let kept = "none";
    let known2 = /* @__PURE__ */ new Set();
    while (!signal.aborted) {
      this.#wake = new AbortController();
      const page = await this.#page(at2, signal);
      const isLast = page.cursor === void 0 || page.cursor === at2.cursor || page.records.length === 0;
      const news = page.records.filter(({ place }) => !known2.has(place));
      for (const records of batches(news)) yield { records, position: { ...at2 } };
      if (isLast) known2 = new Set(page.records.slice(0, KNOWN_MAX_RECORDS).map(({ place }) => place));
      at2 = behind2(at2, page, isLast, this.#config.since !== void 0);
      if (JSON.stringify(at2) !== kept) yield { records: [], position: { ...at2 } };
      kept = JSON.stringify(at2);
      if (!isLast) continue;
      const ending = AbortSignal.any([signal, this.#wake.signal]);
      await sleep3(this.#config.interval_s * 1e3, void 0, { signal: ending, ref: false }).catch(
        () => void 0
      );
    }
  }
  lag() {
    return Promise.resolve(null);
  }
  wake() {
    this.#wake.abort();
  }
  close() {
    return Promise.resolve();
  }
  async #page(at2, signal) {
    const { url, headers: headers4, auth, cursor, since, records: path2 } = this.#config;
    const target = new URL(url);
    if (cursor !== void 0 && at2.cursor !== void 0) target.searchParams.set(cursor.param, at2.cursor);
    const from = at2.since ?? since?.start;
    if (since !== void 0 && from !== void 0) target.searchParams.set(since.param, from);
    const answer = await this.#http.get({
      url: target.href,
      headers: {
        Accept: "application/json",
        ...headers4,
        ...auth === void 0 ? {} : { [auth.header]: auth.value }
      },
      max_bytes: ANSWER_MAX_BYTES,
      signal
    });
    requireGood(answer, target);
    const { body } = answer;
    const list = listOf(body, path2);
    const place = `${target.host}${target.pathname}`;
    const records = list.map(([start, end]) => {
      const value = body.subarray(start, end);
      const hash3 = createHash4("sha256").update(value).digest("hex").slice(0, HASH_CHARS4);
      return { value, place: `${place}@${hash3}` };
    });
    const marks = since === void 0 ? [] : list.map((range) => scalarAt(body, since.path, range));
    return {
      records,
      cursor: cursor === void 0 ? void 0 : scalarAt(body, cursor.path),
      greatest: marks.reduce((a, b) => greater(a, b), void 0)
    };
  }
};
function* batches(records) {
  let some = [];
  let size_bytes = 0;
  for (const record of records) {
    some.push(record);
    size_bytes += record.value.length;
    if (some.length < BATCH_MAX_RECORDS && size_bytes < BATCH_MAX_BYTES) continue;
    yield some;
    [some, size_bytes] = [[], 0];
  }
  if (some.length > 0) yield some;
}
function behind2(at2, page, isLast, hasSince) {
  const reached = greater(at2.reached, page.greatest);
  const cursor = page.cursor ?? at2.cursor;
  if (!hasSince) return cursor === void 0 ? {} : { cursor };
  if (!isLast) {
    return {
      ...at2.since === void 0 ? {} : { since: at2.since },
      ...cursor === void 0 ? {} : { cursor },
      ...reached === void 0 ? {} : { reached }
    };
  }
  const since = greater(at2.since, reached);
  return since === void 0 ? {} : { since };
}
var NUMBER = /^-?\d+(?:\.\d+)?$/;
function greater(a, b) {
  if (a === void 0 || b === void 0) return a ?? b;
  if (NUMBER.test(a) && NUMBER.test(b) && Number(a) !== Number(b)) return Number(a) > Number(b) ? a : b;
  if (NUMBER.test(a) && NUMBER.test(b) && a.length !== b.length) return a.length > b.length ? a : b;
  return a > b ? a : b;
}
function listOf(body, path2) {
  try {
    JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch (error) {
    throw unreadable2("is not JSON", error);
  }
  const range = valueAt(body, path2);
  const list = range === void 0 ? void 0 : elementsOf(body, range);
  if (list === void 0) throw unreadable2(path2 === "" ? "is no list" : `has no list at ${path2}`);
  return list;
}
var unreadable2 = (what, cause) => new MillraceError("http_answer_unreadable", `The answer ${what}. Correct the config, or what answers.`, {
  cause,
  retriable: true
});
function requireGood({ status }, { host, pathname }) {
  if (status >= 200 && status < 300) return;
  const isRefused = status === 401 || status === 403;
  const what = isRefused ? "refuses the credentials" : "does not answer as it should";
  throw new MillraceError(
    isRefused ? "http_refused" : "http_unavailable",
    `${host}${pathname} ${what}: status ${status}.`,
    { retriable: true }
  );
}

// connectors/http-poll/index.ts
var HTTP_POLL = connectorType({
  type: "http_poll",
  configSchema: httpPollConfig,
  secrets: ["auth.value"],
  tuning: ["interval_s", "headers", "auth"],
  open: (config, _, { http }) => new HttpPollSource(config, http)
});

// connectors/kafka/kafka-client.ts
import { createRequire } from "node:module";
import { connect, isIP as isIP2 } from "node:net";
import { connect as connectTls } from "node:tls";
var CONNECT_TIMEOUT_MS2 = 5e3;
var REQUEST_TIMEOUT_MS = 1e4;
var METADATA_MAX_AGE_MS = 6e4;
var RETRIES = 2;
function kafkaCluster(config, allowPrivate, refused3) {
  const { Cluster, createLogger, silent } = loaded();
  return new Cluster({
    ...clientOptions(config, allowPrivate, refused3),
    // Errors come as what calls throw.
    logger: createLogger(silent),
    ...{ metadataMaxAge: METADATA_MAX_AGE_MS, maxInFlightRequests: null },
    allowAutoTopicCreation: false,
    isolationLevel: READ_COMMITTED
  });
}
function clientOptions({ sasl, tls, brokers, client_id }, allowPrivate, refused3) {
  return {
    clientId: client_id,
    brokers: [...brokers],
    ...{ connectionTimeout: CONNECT_TIMEOUT_MS2, authenticationTimeout: REQUEST_TIMEOUT_MS },
    ...{ reauthenticationThreshold: REQUEST_TIMEOUT_MS, requestTimeout: REQUEST_TIMEOUT_MS },
    enforceRequestTimeout: true,
    // What stays away is the connector's to tell and to try again.
    retry: { retries: RETRIES },
    ssl: tls ? {} : void 0,
    ...sasl === void 0 ? {} : { sasl },
    socketFactory: (asked) => openSocket(asked, allowPrivate, refused3)
  };
}
var READ_COMMITTED = 1;
function batchOf(topic, offset, data) {
  const { Batch } = loaded();
  return new Batch(topic, offset, data);
}
var known;
function loaded() {
  known ??= load();
  return known;
}
function load() {
  const require2 = createRequire(import.meta.url);
  try {
    const { createLogger } = require2("kafkajs/src/loggers");
    const logCreator = () => () => void 0;
    return {
      Cluster: require2("kafkajs/src/cluster"),
      Batch: require2("kafkajs/src/consumer/batch"),
      createLogger,
      silent: { level: 0, logCreator }
    };
  } catch (cause) {
    const message = "The package kafkajs is not installed: run `npm ci`.";
    throw new MillraceError("connector_unavailable", message, { cause });
  }
}
function openSocket({ host, port, ssl, onConnect }, allowPrivate, refused3) {
  const isName = isIP2(host) === 0;
  if (!allowPrivate && (isName ? OWN_NAME.test(host) : !isPublicAddress(host))) {
    const why = forbidden2(host);
    refused3(why);
    throw why;
  }
  const lookup = (name2, options2, callback) => publicLookup(name2, options2, (error, ...found) => {
    if (error instanceof MillraceError) refused3(error);
    callback(error, ...found);
  });
  const options = allowPrivate ? { host, port } : { host, port, lookup };
  const secure = { ...options, ...isName ? { servername: host } : {}, ...ssl };
  const socket = ssl === void 0 || ssl === null ? connect(options, onConnect) : connectTls(secure, onConnect);
  socket.setKeepAlive(true, KEEP_ALIVE_MS);
  return socket;
}
var KEEP_ALIVE_MS = 6e4;
var OWN_NAME = /(?:^|\.)localhost\.?$/i;
var forbidden2 = (host) => new MillraceError("target_forbidden", `"${host}" is a private address, which connectors may not reach.`);

// connectors/kafka/kafka-config.ts
import { z as z5 } from "zod";
var BROKER = /^(?:\[[0-9a-fA-F:]+\]|[A-Za-z0-9._-]{1,253}):\d{1,5}$/;
var MAX_BROKERS = 20;
var MAX_TOPICS = 50;
var SECRET_MAX_CHARS3 = 8192;
var kafkaConfig = z5.strictObject({
  brokers: z5.array(z5.string().regex(BROKER, "must be host:port")).min(1).max(MAX_BROKERS).describe("Where the cluster is asked for first, as `host:port`"),
  topics: z5.array(z5.string().regex(/^[A-Za-z0-9._-]{1,249}$/, "must be the name of a topic")).min(1).max(MAX_TOPICS),
  group_id: z5.string().min(1).max(255).optional().describe(
    "The consumer group whose offsets are committed, for tools that show lag; default: one of its own. Nobody else may be in it"
  ),
  client_id: z5.string().min(1).max(255).default("millrace"),
  start: z5.enum(["earliest", "latest"]).default("earliest").describe("Where the first run begins; partitions that are added later are read from their beginning"),
  on_gap: z5.enum(["stop", "skip"]).default("stop").describe("Records that the topic has removed before they were read, or a topic that was made again"),
  tls: z5.boolean().default(false),
  sasl: z5.strictObject({
    mechanism: z5.enum(["plain", "scram-sha-256", "scram-sha-512"]),
    username: z5.string().min(1).max(255),
    password: z5.string().min(1).max(SECRET_MAX_CHARS3)
  }).optional()
});
var kafkaPosition = z5.record(
  z5.string(),
  z5.record(z5.string(), z5.string().regex(/^\d+$/))
);

// connectors/kafka/kafka-errors.ts
var messageOf2 = (error) => error instanceof Error ? error.message : String(error);
function kafkaError(error) {
  if (error instanceof MillraceError) return error;
  const { name: name2, type, cause } = Object(error);
  const message = messageOf2(error);
  if (cause instanceof MillraceError) return cause;
  if (name2 === "KafkaJSNumberOfRetriesExceeded" && cause !== void 0) return kafkaError(cause);
  if (name2?.startsWith("KafkaJSSASL") === true || type?.includes("AUTHORIZATION") === true) {
    return new MillraceError("kafka_refused", `Kafka refuses the credentials: ${message}.`, { cause: error });
  }
  if (name2 === "KafkaJSNotImplemented") {
    return new MillraceError(
      "kafka_codec_missing",
      `Records are compressed in a way that cannot be read (${message}). Produce them with gzip, or uncompressed.`,
      { cause: error }
    );
  }
  return new MillraceError("kafka_unavailable", `Kafka cannot be reached: ${message}.`, {
    ...{ cause: error, retriable: true }
  });
}

// connectors/kafka/kafka-source.ts
var FETCH_WAIT_MS = 1e3;
var FETCH_MAX_BYTES = 4 * BATCH_MAX_BYTES;
var KafkaSource = class {
  #config;
  #group;
  #allowPrivate;
  #offsets = /* @__PURE__ */ new Map();
  #cluster;
  #refused;
  constructor(config, { connector_id }, allowPrivate) {
    this.#config = config;
    this.#group = config.group_id ?? `millrace-${connector_id}`;
    this.#allowPrivate = allowPrivate;
  }
  async *read(position, signal) {
    try {
      const kept = position === void 0 ? void 0 : kafkaPosition.parse(position);
      const cluster = await within(signal, this.#open());
      await within(signal, this.#begin(cluster, kept));
      yield { records: [], position: this.#position() };
      while (!signal.aborted) yield* this.#fetch(cluster, signal);
    } catch (error) {
      await this.close();
      if (signal.aborted) return;
      throw this.#refused ?? kafkaError(error);
    }
  }
  /** Sets where each partition is read from. */
  async #begin(cluster, kept) {
    this.#offsets.clear();
    for (const topic of this.#config.topics) {
      for (const [partition, range] of await rangesOf(cluster, topic)) {
        const at2 = kept?.[topic]?.[String(partition)];
        this.#set(topic, partition, this.#startOf(`${topic}/${partition}`, range, at2, kept !== void 0));
      }
    }
  }
  #startOf(place, { low, high }, at2, isLater) {
    if (at2 === void 0) return !isLater && this.#config.start === "latest" ? high : low;
    const offset = BigInt(at2);
    if (offset >= low && offset <= high) return offset;
    if (this.#config.on_gap === "skip") return low;
    const why = offset < low ? `Kafka has removed records ${offset} to ${low - 1n} of ${place} before they were read` : `${place} ends at ${high}, and was read up to ${offset}: the topic was made again`;
    const message = `${why}. Set \`on_gap\` to "skip" to go on with what there is.`;
    throw new MillraceError(offset < low ? "kafka_records_gone" : "kafka_topic_replaced", message);
  }
  /** Asks every leader once. */
  async *#fetch(cluster, signal) {
    await within(signal, cluster.refreshMetadataIfNecessary());
    await within(signal, this.#takeNewPartitions(cluster));
    const fetches = [...this.#byLeader(cluster)].map(([node, topics]) => this.#ask(cluster, node, topics));
    for (const batches2 of await within(signal, Promise.all(fetches))) {
      for (const batch2 of batches2) yield* this.#pieces(batch2);
    }
  }
  /** Partitions that came since are read from their beginning. */
  async #takeNewPartitions(cluster) {
    for (const topic of this.#config.topics) {
      const before = this.#offsets.get(topic);
      const count2 = cluster.findTopicPartitionMetadata(topic).length;
      if (count2 === (before?.size ?? 0)) continue;
      for (const [partition, { low }] of await rangesOf(cluster, topic)) {
        if (before?.has(partition) !== true) this.#set(topic, partition, low);
      }
    }
  }
  #byLeader(cluster) {
    const leaders = /* @__PURE__ */ new Map();
    for (const [topic, partitions] of this.#offsets) {
      const found = cluster.findLeaderForPartitions(topic, [...partitions.keys()]);
      for (const [node, led] of Object.entries(found)) {
        const list = leaders.get(node) ?? [];
        list.push(...led.map((partition) => [topic, partition]));
        leaders.set(node, list);
      }
    }
    return leaders;
  }
  async #ask(cluster, nodeId, partitions) {
    const broker = await cluster.findBroker({ nodeId });
    const topics = partitions.map(([topic, partition]) => ({
      topic,
      partitions: [
        { partition, fetchOffset: String(this.#next(topic, partition)), maxBytes: BATCH_MAX_BYTES }
      ]
    }));
    const { responses } = await broker.fetch({
      ...{ maxWaitTime: FETCH_WAIT_MS, minBytes: 1, maxBytes: FETCH_MAX_BYTES },
      ...{ isolationLevel: READ_COMMITTED, topics }
    });
    return responses.flatMap(
      ({ topicName, partitions: data }) => data.map((one) => batchOf(topicName, String(this.#next(topicName, one.partition)), one))
    );
  }
  /** What was fetched of one partition in batches, each with the position behind it. */
  *#pieces(batch2) {
    const { topic, partition, messages, messagesWithinOffset: wanted, rawMessages } = batch2;
    if (rawMessages.length === 0) return;
    const next = this.#next(topic, partition);
    const end = wanted.length === 0 ? next + 1n : BigInt(wanted.at(-1)?.offset ?? 0) + 1n;
    for (const piece of piecesOf(messages)) {
      const isLast = piece.at(-1) === messages.at(-1);
      this.#set(topic, partition, isLast ? end : BigInt(piece.at(-1)?.offset ?? 0) + 1n);
      const records = piece.flatMap((message) => recordOf(batch2, message));
      yield { records, position: this.#position() };
    }
  }
  async committed(position) {
    const kept = kafkaPosition.parse(position);
    const topics = Object.entries(kept).map(([topic, offsets]) => ({
      topic,
      partitions: Object.entries(offsets).map(([partition, offset]) => ({
        ...{ partition: Number(partition), offset }
      }))
    }));
    try {
      const cluster = await this.#open();
      const coordinator = await cluster.findGroupCoordinator({ groupId: this.#group });
      const member = { groupId: this.#group, groupGenerationId: -1, memberId: "" };
      await coordinator.offsetCommit({ ...member, topics });
    } catch {
    }
  }
  async lag() {
    if (this.#offsets.size === 0) return null;
    try {
      const cluster = await this.#open();
      let behind3 = 0n;
      for (const topic of this.#config.topics) {
        for (const [partition, { low, high }] of await rangesOf(cluster, topic)) {
          const next = this.#offsets.get(topic)?.get(partition) ?? low;
          if (high > next) behind3 += high - next;
        }
      }
      return Number(behind3);
    } catch {
      return null;
    }
  }
  async close() {
    const open3 = this.#cluster;
    this.#cluster = void 0;
    await open3?.then((cluster) => cluster.disconnect()).catch(() => void 0);
  }
  #open() {
    this.#cluster ??= this.#connect();
    return this.#cluster;
  }
  async #connect() {
    const cluster = kafkaCluster(this.#config, this.#allowPrivate, (why) => {
      this.#refused = why;
    });
    await cluster.connect();
    await cluster.addMultipleTargetTopics(this.#config.topics);
    return cluster;
  }
  #set(topic, partition, offset) {
    const partitions = this.#offsets.get(topic) ?? /* @__PURE__ */ new Map();
    this.#offsets.set(topic, partitions.set(partition, offset));
  }
  #next(topic, partition) {
    return this.#offsets.get(topic)?.get(partition) ?? 0n;
  }
  #position() {
    const text2 = (partitions) => Object.fromEntries([...partitions].map(([partition, offset]) => [String(partition), String(offset)]));
    return Object.fromEntries([...this.#offsets].map(([topic, partitions]) => [topic, text2(partitions)]));
  }
};
async function rangesOf(cluster, topic) {
  const partitions = cluster.findTopicPartitionMetadata(topic).map(({ partitionId }) => ({ partition: partitionId }));
  if (partitions.length === 0) {
    const message = `Kafka has no topic "${topic}", or these credentials may not see it.`;
    throw new MillraceError("kafka_topic_missing", message, { retriable: true });
  }
  const ask = async (fromBeginning) => (await cluster.fetchTopicsOffset([{ topic, partitions, fromBeginning }]))[0]?.partitions ?? [];
  const lows = new Map((await ask(true)).map(({ partition, offset }) => [partition, BigInt(offset)]));
  const highs = await ask(false);
  return new Map(
    highs.map(({ partition, offset }) => [
      partition,
      { low: lows.get(partition) ?? 0n, high: BigInt(offset) }
    ])
  );
}
async function within(signal, work) {
  let leave2 = () => void 0;
  const left = new Promise((_, reject) => {
    leave2 = () => reject(signal.reason);
    signal.addEventListener("abort", leave2, { once: true });
  });
  work.catch(() => void 0);
  try {
    signal.throwIfAborted();
    return await Promise.race([work, left]);
  } finally {
    signal.removeEventListener("abort", leave2);
  }
}
function piecesOf(messages) {
  const pieces = [[]];
  let bytes = 0;
  for (const message of messages) {
    const size = message.value?.length ?? 0;
    const piece = pieces.at(-1) ?? [];
    if (piece.length >= BATCH_MAX_RECORDS || piece.length > 0 && bytes + size > BATCH_MAX_BYTES) {
      pieces.push([message]);
      bytes = size;
    } else {
      piece.push(message);
      bytes += size;
    }
  }
  return pieces;
}
function recordOf({ topic, partition }, message) {
  const { key, value, offset, timestamp, headers: headers4 = {} } = message;
  if (value === null) return [];
  const own = Object.entries(headers4).flatMap(([name2, given]) => {
    const [first] = [given].flat();
    return first === void 0 ? [] : [[name2.toLowerCase(), first.toString("utf8")]];
  });
  return [
    {
      value,
      place: `${topic}/${partition}@${offset}`,
      headers: {
        ...Object.fromEntries(own),
        ...key === null ? {} : { "kafka-key": key.toString("utf8") },
        ...{ "kafka-topic": topic, "kafka-timestamp": timestamp }
      }
    }
  ];
}

// connectors/kafka/kafka-type.ts
var KAFKA = connectorType({
  type: "kafka",
  configSchema: kafkaConfig,
  secrets: ["sasl.password"],
  open: (config, identity, { allowPrivate }) => new KafkaSource(config, identity, allowPrivate)
});

// connectors/kinesis/kinesis-config.ts
import { z as z6 } from "zod";
var SECRET_MAX_CHARS4 = 8192;
var kinesisConfig = z6.strictObject({
  stream: z6.string().regex(/^[A-Za-z0-9_.-]{1,128}$/, "must be the name of a stream"),
  region: z6.string().regex(/^[a-z0-9-]{1,32}$/, "must be a region, such as eu-central-1"),
  access_key_id: z6.string().min(1).max(128),
  secret_access_key: z6.string().min(1).max(SECRET_MAX_CHARS4),
  endpoint: z6.url().max(1024).optional().describe("Of a compatible server; default: AWS"),
  start: z6.enum(["earliest", "latest"]).default("earliest").describe("Where the first run begins"),
  poll_ms: z6.int().min(200).max(6e4).default(1e3).describe(
    "How often a shard is asked that has nothing new; Kinesis takes five requests a second of all readers"
  ),
  on_gap: z6.enum(["stop", "skip"]).default("stop").describe("Records that may have expired before they were read, or a stream that was made again")
});
var shardPosition = z6.strictObject({
  /** Sequence number of the last record that was read. */
  after: z6.string().exactOptional(),
  /** Where it begins before one was read, ms; without both: at its oldest record. */
  from_ms: z6.number().exactOptional(),
  /** Read to its end: it was split or merged. */
  done: z6.literal(true).exactOptional(),
  /** Arrival time up to which it is read, ms. */
  read_until_ms: z6.number().exactOptional()
});
var kinesisPosition = z6.strictObject({
  /** When the stream was made, ms: another one of the name has other records. */
  created_ms: z6.number(),
  shards: z6.record(z6.string(), shardPosition)
});

// connectors/kinesis/kinesis-source.ts
import { setTimeout as sleep4 } from "node:timers/promises";

// connectors/kinesis/kinesis-client.ts
var CONNECT_TIMEOUT_MS3 = 5e3;
var REQUEST_TIMEOUT_MS2 = 15e3;
var ATTEMPTS2 = 2;
var KinesisStream = class {
  #config;
  #client;
  constructor(config) {
    this.#config = config;
  }
  async summary(signal) {
    return this.#asked(async (client, sdk) => {
      const { StreamDescriptionSummary: of } = await client.send(
        new sdk.DescribeStreamSummaryCommand({ StreamName: this.#config.stream }),
        { abortSignal: signal }
      );
      const { StreamCreationTimestamp: made, RetentionPeriodHours: hours = 24 } = of ?? {};
      return { created_ms: made?.getTime() ?? 0, retention_ms: hours * 36e5 };
    });
  }
  async shards(signal) {
    return this.#asked(async (client, sdk) => {
      const shards = [];
      let next;
      do {
        const from = next === void 0 ? { StreamName: this.#config.stream } : { NextToken: next };
        const page = await client.send(new sdk.ListShardsCommand(from), { abortSignal: signal });
        for (const { ShardId: id = "", SequenceNumberRange: range, ...shard } of page.Shards ?? []) {
          const parents = [shard.ParentShardId, shard.AdjacentParentShardId];
          shards.push({
            id,
            parents: parents.filter((parent) => parent !== void 0),
            isClosed: range?.EndingSequenceNumber !== void 0
          });
        }
        next = page.NextToken;
      } while (next !== void 0);
      return shards;
    });
  }
  async iterator(shard, place, signal) {
    return this.#asked(async (client, sdk) => {
      const { ShardIterator: iterator = "" } = await client.send(
        new sdk.GetShardIteratorCommand({
          StreamName: this.#config.stream,
          ShardId: shard,
          ...place.kind === "oldest" ? { ShardIteratorType: "TRIM_HORIZON" } : place.kind === "time" ? { ShardIteratorType: "AT_TIMESTAMP", Timestamp: new Date(place.at_ms) } : { ShardIteratorType: "AFTER_SEQUENCE_NUMBER", StartingSequenceNumber: place.sequence }
        }),
        { abortSignal: signal }
      );
      return iterator;
    });
  }
  /** Undefined where the iterator is too old: take another one. */
  async records(iterator, limit, signal) {
    return this.#asked(async (client, sdk) => {
      try {
        const command = new sdk.GetRecordsCommand({ ShardIterator: iterator, Limit: limit });
        const { Records: Records2, NextShardIterator, MillisBehindLatest } = await client.send(command, {
          abortSignal: signal
        });
        return {
          records: (Records2 ?? []).map((record) => ({
            data: record.Data ?? new Uint8Array(0),
            sequence: record.SequenceNumber ?? "",
            key: record.PartitionKey ?? "",
            arrived_ms: record.ApproximateArrivalTimestamp?.getTime() ?? 0
          })),
          next: NextShardIterator ?? null,
          behind_ms: MillisBehindLatest ?? 0
        };
      } catch (error) {
        if (nameOf5(error) === "ExpiredIteratorException") return void 0;
        throw error;
      }
    });
  }
  async close() {
    const client = this.#client;
    this.#client = void 0;
    await client?.then((open3) => open3.destroy()).catch(() => void 0);
  }
  async #asked(work) {
    const sdk = await import("@aws-sdk/client-kinesis");
    this.#client ??= this.#open(sdk);
    try {
      return await work(await this.#client, sdk);
    } catch (error) {
      throw kinesisError(error);
    }
  }
  async #open(sdk) {
    const { region, access_key_id, secret_access_key, endpoint } = this.#config;
    const { NodeHttpHandler } = await import("@smithy/node-http-handler");
    return new sdk.KinesisClient({
      region,
      credentials: { accessKeyId: access_key_id, secretAccessKey: secret_access_key },
      ...endpoint === void 0 ? {} : { endpoint },
      maxAttempts: ATTEMPTS2,
      // Compatible servers speak HTTP/1.
      requestHandler: new NodeHttpHandler({
        ...{ connectionTimeout: CONNECT_TIMEOUT_MS3, requestTimeout: REQUEST_TIMEOUT_MS2 },
        throwOnRequestTimeout: true
      })
    });
  }
};
var nameOf5 = (error) => error instanceof Error ? error.name : "";
var REFUSED2 = [
  "AccessDeniedException",
  "UnrecognizedClientException",
  "InvalidSignatureException",
  "MissingAuthenticationTokenException",
  "IncompleteSignatureException"
];
function kinesisError(error) {
  if (error instanceof MillraceError) return error;
  const [name2, { message }] = [nameOf5(error), asMillraceError(error)];
  const why = error instanceof Error ? error.message : message;
  if (REFUSED2.includes(name2))
    return new MillraceError("kinesis_refused", `Kinesis refuses the credentials: ${why}`, { cause: error });
  const code = name2 === "ResourceNotFoundException" ? "kinesis_stream_missing" : "kinesis_unavailable";
  const text2 = code === "kinesis_unavailable" ? `Kinesis cannot be reached: ${why}` : why;
  return new MillraceError(code, text2, { cause: error, retriable: true });
}

// connectors/kinesis/shard-plan.ts
function firstPosition({ start }, { created_ms }, shards, now_ms) {
  if (start === "earliest") return { created_ms, shards: {} };
  const positions = shards.map(({ id, isClosed: isClosed2 }) => [
    id,
    isClosed2 ? { done: true } : { from_ms: now_ms }
  ]);
  return { created_ms, shards: Object.fromEntries(positions) };
}
function laterPosition({ on_gap, stream }, { created_ms, retention_ms }, shards, kept, now_ms) {
  if (kept.created_ms !== created_ms) {
    if (on_gap === "skip") return { created_ms, shards: {} };
    throw gap(
      "kinesis_stream_replaced",
      `The stream ${stream} is another one than was read: it was made again`
    );
  }
  const there = new Set(shards.map(({ id }) => id));
  const gone = Object.entries(kept.shards).find(
    ([id, { done, read_until_ms }]) => done === void 0 && (!there.has(id) || read_until_ms !== void 0 && read_until_ms < now_ms - retention_ms)
  );
  if (gone !== void 0 && on_gap === "stop") {
    throw gap("kinesis_records_gone", `Records of ${gone[0]} may have expired before they were read`);
  }
  return pruned(kept, shards);
}
function pruned(position, shards) {
  const there = new Set(shards.map(({ id }) => id));
  const left = Object.entries(position.shards).filter(([id]) => there.has(id));
  return { ...position, shards: Object.fromEntries(left) };
}
function readable(shards, { shards: positions }) {
  const there = new Set(shards.map(({ id }) => id));
  const isDone = (id) => positions[id]?.done === true;
  return shards.filter(
    ({ id, parents }) => !isDone(id) && parents.every((parent) => !there.has(parent) || isDone(parent))
  );
}
function placeOf5(position) {
  if (position?.after !== void 0) return { kind: "after", sequence: position.after };
  if (position?.from_ms !== void 0) return { kind: "time", at_ms: position.from_ms };
  return { kind: "oldest" };
}
var gap = (code, why) => new MillraceError(code, `${why}. Set \`on_gap\` to "skip" to go on with what there is.`);

// connectors/kinesis/kinesis-source.ts
var SHARDS_KNOWN_MS = 3e4;
var QUIET_TOLD_MS = 6e5;
var THROTTLED_MS = 1e3;
var KinesisSource = class {
  #config;
  #surroundings;
  #stream;
  #clock;
  #iterators = /* @__PURE__ */ new Map();
  /** How far each shard is behind, ms. */
  #behind = /* @__PURE__ */ new Map();
  #shards = [];
  #listed_ms = 0;
  #position = { created_ms: 0, shards: {} };
  constructor(config, surroundings, clock = systemClock) {
    this.#config = config;
    this.#surroundings = surroundings;
    this.#stream = new KinesisStream(config);
    this.#clock = clock;
  }
  async *read(position, signal) {
    try {
      await this.#begin(position, signal);
      yield { records: [], position: this.#position };
      let told_ms = this.#clock.now();
      while (!signal.aborted) {
        let hadAny = false;
        for (const { id } of readable(this.#shards, this.#position)) {
          const batch2 = await this.#ask(id, signal);
          hadAny ||= batch2 !== void 0;
          if (batch2 !== void 0) yield batch2;
        }
        if (this.#clock.now() - this.#listed_ms > SHARDS_KNOWN_MS) await this.#list(signal);
        if (hadAny) told_ms = this.#clock.now();
        else if (this.#clock.now() - told_ms > QUIET_TOLD_MS) {
          told_ms = this.#clock.now();
          yield { records: [], position: this.#position };
        }
        if (!hadAny) await sleep4(this.#config.poll_ms, void 0, { signal });
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    } finally {
      this.#iterators.clear();
    }
  }
  async #begin(position, signal) {
    const { endpoint } = this.#config;
    if (endpoint !== void 0) await this.#surroundings.http.check(endpoint);
    this.#iterators.clear();
    this.#behind.clear();
    const summary = await this.#stream.summary(signal);
    await this.#list(signal);
    const now_ms = this.#clock.now();
    this.#position = position === void 0 ? firstPosition(this.#config, summary, this.#shards, now_ms) : laterPosition(this.#config, summary, this.#shards, kinesisPosition.parse(position), now_ms);
  }
  async #list(signal) {
    this.#shards = await this.#stream.shards(signal);
    this.#listed_ms = this.#clock.now();
    this.#position = pruned(this.#position, this.#shards);
  }
  /** One request to a shard; undefined where it has nothing new. */
  async #ask(shard, signal) {
    const at2 = this.#position.shards[shard];
    const iterator = this.#iterators.get(shard) ?? await this.#stream.iterator(shard, placeOf5(at2), signal);
    const found = await this.#recordsOf(iterator, signal);
    this.#iterators.delete(shard);
    if (found === void 0) return void 0;
    const { records, next, behind_ms } = found;
    if (next !== null) this.#iterators.set(shard, next);
    this.#behind.set(shard, next === null ? 0 : behind_ms);
    const last = records.at(-1)?.sequence;
    const moved = {
      ...at2,
      ...last === void 0 ? {} : { after: last },
      read_until_ms: this.#clock.now() - behind_ms,
      ...next === null ? { done: true } : {}
    };
    this.#position = { ...this.#position, shards: { ...this.#position.shards, [shard]: moved } };
    if (records.length === 0 && next !== null) return void 0;
    if (next === null) await this.#list(signal);
    return { records: records.map((record) => this.#recordOf(shard, record)), position: this.#position };
  }
  async #recordsOf(iterator, signal) {
    try {
      return await this.#stream.records(iterator, BATCH_MAX_RECORDS, signal);
    } catch (error) {
      const { name: name2 } = Object(error instanceof MillraceError ? error.cause : void 0);
      if (name2 !== "ProvisionedThroughputExceededException") throw error;
      await sleep4(THROTTLED_MS, void 0, { signal });
      return void 0;
    }
  }
  #recordOf(shard, record) {
    return {
      value: record.data,
      place: `${this.#config.stream}/${shard}@${record.sequence}`,
      headers: {
        "kinesis-partition-key": record.key,
        "kinesis-arrival": new Date(record.arrived_ms).toISOString()
      }
    };
  }
  /** Kinesis says how old what waits is, not how much it is: 0 or not known. */
  lag() {
    const behind3 = [...this.#behind.values()];
    return Promise.resolve(behind3.length > 0 && behind3.every((ms) => ms === 0) ? 0 : null);
  }
  close() {
    return this.#stream.close();
  }
};

// connectors/kinesis/kinesis-type.ts
var KINESIS = connectorType({
  type: "kinesis",
  configSchema: kinesisConfig,
  secrets: ["secret_access_key"],
  open: (config, _identity, surroundings) => new KinesisSource(config, surroundings)
});

// connectors/nats/client/access.ts
import { jetstream } from "@nats-io/jetstream";
import { createInbox, credsAuthenticator, nkeyAuthenticator } from "nats";

// connectors/nats/client/connection.ts
import { connect as connect2, errors as errors2 } from "nats";

// connectors/nats/client/nats-errors.ts
import { JetStreamApiError } from "@nats-io/jetstream";
import { errors } from "nats";

// connectors/nats/client/permissions.ts
import { errors as errors3, headers, nuid } from "nats";

// connectors/nats/client/streams.ts
import {
  DiscardPolicy,
  jetstreamManager,
  RetentionPolicy,
  StorageType
} from "@nats-io/jetstream";
import { nanos } from "nats";
var DAY_MS10 = 864e5;
var EVENTS_STREAM = {
  name: "EVENTS",
  subjects: ["events.>"],
  max_age_ms: 400 * DAY_MS10,
  max_bytes: -1,
  duplicate_window_ms: 12e4,
  replicas: 1
};
var DEADLETTER_STREAM = {
  name: "DEADLETTER",
  subjects: ["deadletter.>"],
  max_age_ms: 90 * DAY_MS10,
  max_bytes: 1024 ** 3,
  duplicate_window_ms: 12e4,
  replicas: 1
};
var ANOMALIES_STREAM = {
  name: "ANOMALIES",
  subjects: ["anomalies.>"],
  max_age_ms: 400 * DAY_MS10,
  max_bytes: 1024 ** 3,
  // Ids are deterministic: a state that is built anew tells nobody twice of the last day.
  duplicate_window_ms: DAY_MS10,
  replicas: 1
};
var MIN_STREAM_BYTES = 1024 ** 2;

// connectors/nats/embedded/child-command.ts
var OUTPUT_LIMIT_BYTES = 256 * 1024;

// connectors/nats/embedded/download.ts
var MEBIBYTE = 1024 * 1024;
var DEFAULT_DOWNLOAD_LIMITS = {
  // Short, because a machine without internet has to get to the next step in seconds.
  connectTimeoutMs: 8e3,
  idleTimeoutMs: 15e3,
  totalTimeoutMs: 10 * 6e4,
  sizeLimitBytes: 64 * MEBIBYTE
};

// connectors/nats/embedded/archive.ts
var UNPACKED_LIMIT_BYTES = 256 * 1024 * 1024;

// connectors/nats/embedded/config.ts
var LOG_LIMIT_BYTES = 10 * 1024 * 1024;

// connectors/nats/embedded/users.ts
import { nkeys } from "nats";

// connectors/nats/embedded/server.ts
var MEBIBYTE2 = 1024 * 1024;
var INFO_LIMIT_BYTES = 64 * 1024;
var LOG_TAIL_BYTES = 4 * 1024;

// connectors/nats/kv/key-value-store.ts
import { DiscardPolicy as DiscardPolicy2, RetentionPolicy as RetentionPolicy2, StorageType as StorageType2 } from "@nats-io/jetstream";
import { Kvm } from "@nats-io/kv";
import { nanos as nanos4 } from "nats";

// connectors/nats/source/consumer.ts
import {
  AckPolicy,
  DeliverPolicy,
  ReplayPolicy
} from "@nats-io/jetstream";
import { nanos as nanos2 } from "nats";

// connectors/nats/source/pull-limits.ts
var MEBIBYTE3 = 1024 * 1024;
var DEFAULT_PULL_LIMITS = {
  buffer_max_messages: 8192,
  buffer_max_bytes: 32 * MEBIBYTE3,
  pull_max_messages: 4096,
  pull_max_bytes: 16 * MEBIBYTE3,
  pull_expires_ms: 3e4,
  idle_heartbeat_ms: 5e3
};

// connectors/nats/source/pull-session.ts
import { nanos as nanos3 } from "nats";

// connectors/nats/source/record.ts
var EMPTY = new Uint8Array(0);

// connectors/nats/source/frame-parser.ts
var LINES = new Set([..."P+-I"].map((letter) => letter.charCodeAt(0)));
var PAYLOAD_MAX_BYTES2 = 64 * 1024 * 1024;
var LINE_MAX_BYTES2 = 1024 * 1024;

// connectors/nats/source/pull-session.ts
var ENVELOPE_BYTES = 64 * 1024;

// connectors/nats/source/source-errors.ts
import { JetStreamApiError as JetStreamApiError2 } from "@nats-io/jetstream";

// connectors/nats/source/record-ring.ts
var RING_BYTES = 2 ** 24;
var EMPTY2 = new Uint8Array(0);

// connectors/nats/source/threaded-source.ts
var NAME2 = import.meta.url.endsWith(".ts") ? "./source-thread.ts" : "./source-thread.js";
var THREAD2 = new URL(builtModule(new URL(NAME2, import.meta.url).href));

// connectors/nats/objects/object-store.ts
import { DiscardPolicy as DiscardPolicy3, RetentionPolicy as RetentionPolicy3, StorageType as StorageType3 } from "@nats-io/jetstream";
import { headers as headers2, nuid as nuid2 } from "nats";
var CHUNK_BYTES = 128 * 1024;

// connectors/nats/publish/publisher.ts
import { headers as headers3, nuid as nuid3 } from "nats";

// connectors/nats/queue/nats-queue.ts
import { JetStreamApiError as JetStreamApiError3 } from "@nats-io/jetstream";

// connectors/nats/queue/backward-scan.ts
import { AckPolicy as AckPolicy2, DeliverPolicy as DeliverPolicy2 } from "@nats-io/jetstream";

// connectors/nats/queue/queue-streams.ts
import { DiscardPolicy as DiscardPolicy4, RetentionPolicy as RetentionPolicy4, StorageType as StorageType4 } from "@nats-io/jetstream";
import { nanos as nanos5 } from "nats";
var DAY_MS11 = 864e5;
var NOTICES_STREAM = {
  name: "NOTICES",
  subjects: ["notices.>"],
  max_age_ms: 7 * DAY_MS11,
  max_bytes: 2 * 1024 ** 3,
  subject_max_messages: 1e5
};
var DELIVERIES_STREAM = {
  name: "DELIVERIES",
  subjects: ["deliveries.>"],
  max_age_ms: 30 * DAY_MS11,
  max_bytes: 1024 ** 3,
  subject_max_messages: 1e3
};
var AUDIT_STREAM = {
  name: "AUDIT",
  subjects: ["audit.>"],
  max_age_ms: 400 * DAY_MS11,
  max_bytes: 2 * 1024 ** 3,
  isAppendOnly: true
};
var SINKS_STREAM = {
  name: "SINKS",
  subjects: ["sinks.>"],
  max_age_ms: 7 * DAY_MS11,
  max_bytes: 1024 ** 3
};

// connectors/nats/queue/shared-work.ts
import {
  AckPolicy as AckPolicy3,
  DeliverPolicy as DeliverPolicy3
} from "@nats-io/jetstream";
import { nanos as nanos6 } from "nats";

// connectors/nats/requests/nats-requests.ts
import { headers as natsHeaders } from "nats";

// bench/rig.ts
function machine() {
  const { length } = cpus();
  return `${length} cores, ${cpus()[0]?.model ?? "unknown CPU"}, ${Math.round(totalmem() / 2 ** 30)} GiB, Node ${process.version}`;
}
function median(values) {
  return quantileOf(values, 0.5);
}
function quantileOf(values, q) {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))] ?? Number.NaN;
}
var MONTH_MS2 = 30 * 864e5;

// bench/ordered.ts
var EVENTS = Number(process.env.BENCH_EVENTS ?? 3e5);
var REPETITIONS = Number(process.env.BENCH_REPETITIONS ?? 5);
var TAKE_EVENTS = 4096;
var KEYS = 5e3;
var STEP_MS = 20;
var START_MS2 = 175e10;
var Records = class {
  partition = "0";
  #next = 0;
  facts() {
    return Promise.resolve({ stream: "S", incarnation: "i", firstSequence: 1, lastSequence: EVENTS });
  }
  start(after) {
    this.#next = after;
    return Promise.resolve();
  }
  take({ max }) {
    const records = [];
    for (let left = Math.min(max, TAKE_EVENTS, EVENTS - this.#next); left > 0; left--) {
      const at2 = this.#next++;
      const time_ms = START_MS2 + at2 * STEP_MS;
      const event = { key: `key-${at2 * 7919 % KEYS}`, time_ms, amount: at2 % 1e3 };
      records.push({
        ...{ sequence: at2 + 1, stored_ms: time_ms, subject: "p.0.event", data: Buffer.from(JSON.stringify(event)) },
        ...{ hasHeaders: false, header: () => void 0 }
      });
    }
    return Promise.resolve(records);
  }
  state() {
    return { headSequence: EVENTS, caughtUp: this.#next === EVENTS, connected: true, skipped: 0 };
  }
  stop() {
    return Promise.resolve();
  }
};
var items = (t) => t.source("source").pipe(
  json("events", { parse: (value) => value }),
  watermark("time", { timeOf: ({ time_ms }) => time_ms, outOfOrderness_ms: 1e3 })
);
var TOPOLOGIES = {
  "five maps": () => topology("maps", (t) => {
    const one = (name2) => map2(name2, (event) => ({ ...event, amount: event.amount + 1 }));
    items(t).pipe(one("a"), one("b"), one("c"), one("d"), one("e"));
  }),
  "windows of a minute": () => topology("windows", (t) => {
    items(t).pipe(
      window("w", {
        ...{ keyOf: ({ key }) => key, timeOf: ({ time_ms }) => time_ms },
        ...{ window: tumbling({ size_ms: 6e4 }), aggregate: { n: count(), sum: sum(({ amount }) => amount) } }
      })
    ).pipe(map2("results", ({ value }) => value));
  }),
  "a table": () => topology("table", (t) => {
    items(t).pipe(toTable("table", { keyOf: ({ key }) => key }));
  })
};
async function cpu_us(build, ordered) {
  const source = new Records();
  const task = new Task({
    ...{ topology: build(), source, store: new MemoryDisk().open(), clock: systemClock, ordered },
    publisher: { publish: () => Promise.resolve() },
    limits: { barrier_interval_ms: Number.POSITIVE_INFINITY }
  });
  await task.open();
  const before = process.cpuUsage();
  for (let taken = 0; taken < EVENTS; ) taken += await task.step(0);
  task.commit();
  const { user, system } = process.cpuUsage(before);
  task.close();
  return (user + system) / EVENTS;
}
async function makingOf() {
  const source = new Records();
  const before = process.cpuUsage();
  for (let taken = 0; taken < EVENTS; ) taken += (await source.take({ max: TAKE_EVENTS })).length;
  const { user, system } = process.cpuUsage(before);
  return (user + system) / EVENTS;
}
async function orderedBench() {
  process.stdout.write(`${machine()}
`);
  const making = [];
  for (let run = 0; run < REPETITIONS; run++) making.push(await makingOf());
  const result = {};
  for (const [name2, build] of Object.entries(TOPOLOGIES)) {
    const [loose, ordered] = [[], []];
    for (let run = 0; run <= REPETITIONS; run++) {
      loose.push(await cpu_us(build, false) - median(making));
      ordered.push(await cpu_us(build, true) - median(making));
    }
    const [a, b] = [median(loose.slice(1)), median(ordered.slice(1))];
    result[name2] = { cpu_us: round(a), ordered_cpu_us: round(b), more: `${Math.round((b / a - 1) * 100)} %` };
  }
  return result;
}
var round = (value) => Math.round(value * 100) / 100;

// ../bo.ts
console.log(JSON.stringify(await orderedBench(), null, 1));
