import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** A page about what several operators have in common, `scripts/guides/<name>.md`; its example is that of its name. */
export interface Guide {
  readonly name: string;
  /** What the text has as `{{name}}`, since only the code knows it. */
  readonly values?: () => Readonly<Record<string, string>>;
}

/** The page of a guide, before its example. */
export interface GuideText {
  readonly title: string;
  /** Its first paragraph, without the full stop. */
  readonly summary: string;
  readonly text: string;
}

/** Throws where its file does not begin with a title and a summary, or has a name that nothing stands for. */
export function guideText(root: string, { name, values }: Guide): GuideText {
  const path = join('scripts', 'guides', `${name}.md`);
  const known = values?.() ?? {};
  const text = readFileSync(join(root, path), 'utf8')
    .trimEnd()
    .replaceAll(/\{\{(\w+)\}\}/g, (_, word: string) => {
      const value = known[word];
      if (value === undefined) throw new Error(`${path} has {{${word}}}, which nothing stands for`);
      return value;
    });
  const [, title, summary] = /^# (.+)\n\n(.+)\.\n\n/.exec(text) ?? [];
  if (title === undefined || summary === undefined)
    throw new Error(`${path} must begin with "# " and its title, and a sentence that says what it is about`);
  return { title, summary, text };
}
