/** A message as a stream holds it. */
export interface QueuedMessage {
  readonly sequence: number;
  readonly subject: string;
  readonly data: Uint8Array;
  /** When the stream stored it. */
  readonly stored_at_ms: number;
  /** Names are compared without case. */
  header(name: string): string | undefined;
}

/** A message in the hands of a worker. */
export interface WorkItem extends QueuedMessage {
  /** How often it was handed out, this time too: 1 for the first time. */
  readonly attempt: number;
}

/** What became of a message: it is done, or wanted again after a while. */
export type WorkOutcome = 'done' | { readonly again_ms: number };

export interface WorkSpec {
  /** Names the work for all processes that share it; letters, digits, `_` and `-`. */
  readonly name: string;
  /** With wildcards. What several of them match is handed out once. */
  readonly subjects: readonly string[];
  /** Messages stored from then on; 0: all that there are. Holds when the work is begun for the first time. */
  readonly from_ms: number;
  /** Messages in the hands of this process at once. */
  readonly held_max: number;
  /** Messages that are not done, of all processes: those that wait to be handed out again, too. */
  readonly unfinished_max: number;
  /** A message that nobody is heard of for so long is handed out again, ms. */
  readonly lease_ms: number;
  /** Work that nobody does for so long is forgotten, ms; default: never. */
  readonly forgotten_after_ms?: number;
}

export interface Work {
  /** Messages in the hands of this process. */
  readonly held: number;
  /** Why it can not be done now. */
  readonly problem: string | undefined;
  /** From now on it is of these subjects. */
  change(subjects: readonly string[]): void;
  /** Takes no more, and waits for what it holds, a while. What is not done then is handed out again. */
  stop(): Promise<void>;
}

export interface NewMessage {
  readonly subject: string;
  /** A second message of an id within some minutes is not stored. */
  readonly id: string;
  readonly data: Uint8Array;
}

/**
 * Messages that processes work on together: each is handed to one of them, again where that fails, until it is done.
 * So each is worked on at least once, whoever is killed, and twice only where a process or the connection fails.
 * There is no order. Methods throw `queue_unavailable` (retriable) when the stream cannot be reached.
 */
export interface MessageQueue {
  append(message: NewMessage): Promise<{ readonly sequence: number; readonly isRepeat: boolean }>;
  /** The message of a sequence; undefined where it is gone. */
  read(sequence: number): Promise<QueuedMessage | undefined>;
  /** All messages of a subject, oldest first. */
  list(subject: string): Promise<readonly QueuedMessage[]>;
  /**
   * The newest messages that a pattern matches, newest first, of those before a sequence (default: of all). `max`
   * bounds them; fewer mean that there are no more.
   */
  newest(pattern: string, max: number, before?: number): Promise<readonly QueuedMessage[]>;
  /** The oldest message that the stream still has; undefined: it has none. */
  oldest(): Promise<QueuedMessage | undefined>;
  /** The subjects of all messages that a pattern matches. */
  subjects(pattern: string): Promise<readonly string[]>;
  /** Removes all messages of a subject. */
  purge(subject: string): Promise<void>;
  /** Begins to work, or to share the work of its name. `signal` is aborted when the work is stopped. */
  work(spec: WorkSpec, handle: (item: WorkItem, signal: AbortSignal) => Promise<WorkOutcome>): Work;
  /**
   * Whether some process may have a message in its hands, by the work of a name, whose sequence is from `first` to
   * `last`. What is not in the stream any more is handed to nobody again.
   */
  isHeld(name: string, first: number, last: number): Promise<boolean>;
  /** Ends the work of a name for all processes. */
  forget(name: string): Promise<void>;
}
