import { covers } from '../client/index.ts';

/** Subjects whose answer is remembered. */
const MAX_KNOWN = 4_096;

/**
 * Some subjects of a stream (`*` and `>` as in NATS), read through one pattern: the server is given the narrowest
 * that covers them all, and what it sends beyond them is left out here.
 *
 * A consumer of several subjects would be sent less, but it loses messages: when one of its subjects is purged
 * (`nats stream purge --subject`), the server moves the whole consumer to the first message that is left of that
 * subject, over those of the others that it has not sent yet. With one pattern, everything that it is moved over
 * has been purged.
 */
export class SubjectFilter {
  /** What the server is asked for; undefined: all of the stream. */
  readonly pattern: string | undefined;
  readonly #subjects: readonly string[];
  readonly #isExact: boolean;
  readonly #known = new Map<string, boolean>();

  /** None: all of the stream. */
  constructor(subjects: readonly string[]) {
    this.#subjects = subjects;
    const pattern = subjects.length === 0 ? '>' : patternOver(subjects);
    this.pattern = pattern === '>' ? undefined : pattern;
    this.#isExact = subjects.length === 0 || subjects.includes(pattern);
  }

  /** Whether it takes all of the stream. */
  get isWhole(): boolean {
    return this.#isExact && this.pattern === undefined;
  }

  /** Whether a record that the server has sent is one of those asked for. */
  matches(record: { readonly subject: string }): boolean {
    if (this.#isExact) return true;
    const { subject } = record;
    let matches = this.#known.get(subject);
    if (matches === undefined) {
      matches = this.#subjects.some((each) => covers(each, subject));
      if (this.#known.size >= MAX_KNOWN) this.#known.clear();
      this.#known.set(subject, matches);
    }
    return matches;
  }
}

/** The narrowest pattern that matches whatever one of `subjects` does; one at least. */
export function patternOver(subjects: readonly string[]): string {
  const all = subjects.map((subject) => subject.split('.'));
  const pattern: string[] = [];
  for (let at = 0; ; at++) {
    const tokens = new Set(all.map((each) => each[at] ?? ''));
    const ends = all.filter((each) => at === each.length - 1).length;
    const [token = ''] = tokens;
    // Where one ends and another goes on there is still one more token of each, which `>` asks for.
    if (tokens.has('>') || (ends > 0 && ends < all.length)) pattern.push('>');
    else pattern.push(tokens.size === 1 ? token : '*');
    if (ends > 0 || tokens.has('>')) return pattern.join('.');
  }
}
