/** Where messages of an operator go, as far as its configuration says it. */
export interface SentTo {
  /** `*` and `>`, as in NATS, for what items decide. */
  readonly subject: string;
  /** What it sends may come back to it: it sees to it that this has an end. */
  readonly isFeedback?: boolean;
}

/** Where messages of a node go. */
export interface SentSubject extends SentTo {
  readonly node: string;
  readonly kind: string;
  /** The sources whose records can lead to such a message. */
  readonly sources: readonly string[];
}

interface SendingNode {
  readonly name: string;
  readonly kind: string;
  readonly inputs: readonly string[];
  readonly sendsTo?: readonly SentTo[];
}

/** Where the messages of a topology go, as far as its operators say it. Nodes come behind their inputs. */
export function sentSubjects(nodes: readonly SendingNode[]): readonly SentSubject[] {
  const sourcesOf = new Map<string, readonly string[]>();
  return nodes.flatMap(({ name, kind, inputs, sendsTo = [] }) => {
    const from = inputs.length === 0 ? [name] : inputs.flatMap((input) => sourcesOf.get(input) ?? []);
    const sources = [...new Set(from)];
    sourcesOf.set(name, sources);
    return sendsTo.map((sent) => ({ ...sent, node: name, kind, sources }));
  });
}
