import { MillraceError } from '../../engine/index.ts';
import { isSubject } from './output.ts';

/** A subject of which items decide parts. */
export interface SubjectTemplate<A> {
  /** An empty text, which is no subject, where a part is none of a token. */
  (item: A): string;
  /** Covers all that it gives: `*` for each token that an item decides. */
  readonly pattern: string;
}

/**
 * A subject with parts of items: ``subjectOf`alerts.${({ shop }: Alert) => shop}` ``. A part is one token or part of one:
 * an item whose part is empty or has a dot, a wildcard or white space in it has no subject. What it can give is known
 * before an item comes, so that a start and `doctor` see whether a stream takes it. Throws `bad_subject`.
 */
export function subjectOf<A>(
  fixed: TemplateStringsArray,
  ...parts: readonly ((item: A) => string | number)[]
): SubjectTemplate<A> {
  // A part has no dot in it, so it does not change how many tokens there are.
  const marked = fixed.join('*');
  if (!isSubject(fixed.join('x'))) {
    throw new MillraceError(
      'bad_subject',
      `"${marked}" is no subject to publish to: tokens between dots, no spaces, no wildcards beside the parts of items.`,
    );
  }
  const pattern = marked
    .split('.')
    .map((token) => (token.includes('*') ? '*' : token))
    .join('.');
  const give = (item: A): string => {
    let subject = fixed[0] ?? '';
    for (const [at, partOf] of parts.entries()) {
      const part = String(partOf(item));
      if (!/^[^\s.*>]+$/.test(part)) return '';
      subject += part + (fixed[at + 1] ?? '');
    }
    return subject;
  };
  return Object.assign(give, { pattern });
}
