/** What became of an append. */
export type Appended =
  | { readonly kind: 'stored'; readonly sequence: number }
  /** The subject's last message is another one than was expected. */
  | { readonly kind: 'refused' }
  /** The channel holds as many messages as it may: nothing was stored. */
  | { readonly kind: 'full' };

/** The last message of a channel. */
export interface ChainEnd {
  readonly sequence: number;
  readonly bytes: Uint8Array;
}

/** Where channels lie: a stream of a cut, with a subject for each channel. */
export interface ChainLog {
  /**
   * Appends where the last message of the subject has the sequence `last` (0: it has none). Rejects when it is not known
   * whether it was stored (retriable), and for what is never stored.
   */
  append(subject: string, bytes: Uint8Array, last: number): Promise<Appended>;
  /** The last message of a subject, as the leader of the stream has it; undefined: it has none. */
  last(subject: string): Promise<ChainEnd | undefined>;
}

/**
 * Whether a task sends. Both process the same log to the same state. A standby holds its outputs back, until it is the
 * active one or sees that another has sent them.
 */
export type TaskRole = 'active' | 'standby';

/** The last token of a channel's subject. */
export function producerName(stage: number, partition: number): string {
  return `${stage}_${partition}`;
}

/** The subject of a channel: of one producer to one target. */
export function channelSubject(topology: string, cut: string, target: number, producer: string): string {
  return `millrace.${topology}.${cut}.${target}.${producer}`;
}

/** The channels of all producers to one target. */
export function targetSubjects(topology: string, cut: string, target: number): string {
  return channelSubject(topology, cut, target, '*');
}

/** All channels of a cut. */
export function cutSubjects(topology: string, cut: string): string {
  return `millrace.${topology}.${cut}.*.*`;
}

/** The stream of a cut. No name of a cut has an underscore, so no two cuts share one. */
export function cutStream(topology: string, cut: string): string {
  return `MILLRACE_${topology}_${cut}`;
}

/** The producer of a message in the stream of a cut, as its subject says. */
export function producerOf(subject: string): string {
  return subject.slice(subject.lastIndexOf('.') + 1);
}
