import { NatsRecord, utf8 } from './record.ts';

/** A message of a subscription where it lies in what the socket gave. Valid only while it is handed over. */
export class Frame {
  bytes: Uint8Array = new Uint8Array(0);
  subjectStart = 0;
  subjectEnd = 0;
  /** As long as the next where it has no reply subject. */
  replyStart = 0;
  replyEnd = 0;
  /** Of the headers; where the payload starts when there are none. */
  blockStart = 0;
  dataStart = 0;
  dataEnd = 0;

  get subject(): string {
    return utf8(this.bytes.subarray(this.subjectStart, this.subjectEnd));
  }

  /** Of headers and payload, bytes. */
  get size_bytes(): number {
    return this.dataEnd - this.blockStart;
  }

  /** For who keeps it: what the socket gave stays in memory with it. */
  toRecord(sequence: number, stored_ms: number): NatsRecord {
    const { bytes, dataStart } = this;
    const name = bytes.subarray(this.subjectStart, this.subjectEnd);
    return new NatsRecord(
      sequence,
      name,
      bytes.subarray(dataStart, this.dataEnd),
      dataStart - this.blockStart,
      stored_ms,
    );
  }
}

/** Who reads the messages of one subscription. Must not throw: an exception would stop the client for good. */
export interface FrameReader {
  /** In the order of the server. False: the client shall hand it to the subscription as usual. */
  frame(frame: Frame): boolean;
  /** What the socket gave is read, and some of it was this reader's. */
  settled(): void;
}
