import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ApiEntry, apiEntries } from './api-declarations.ts';
import type { Page } from './operator-pages.ts';

/** Where the pages lie, and nothing else. */
const FOLDER = 'docs/reference';
/** Pages that explain, in the order in which one is looked for that names an export. */
const GUIDES = [
  'concepts',
  'tutorial',
  'testing',
  'nats',
  'why',
  'reliability',
  'operations',
  'architecture',
];

/** A part of the public face, as `index.ts` divides it. */
interface Section {
  readonly title: string;
  readonly about: string;
  /** The page's name without its ending. */
  readonly slug: string;
  readonly names: readonly string[];
}

/** The sections of `index.ts`: a comment at the margin, and the exports behind it. */
function sectionsOf(root: string): readonly Section[] {
  const [, ...parts] = readFileSync(join(root, 'index.ts'), 'utf8').split(/^\/\/ /m);
  return parts.map((part) => {
    const about = part.slice(0, part.indexOf('\n'));
    const names = [...part.matchAll(/^export \{([^}]*)\}/gm)]
      .flatMap(([, list = '']) => list.split(','))
      .map((name) => name.trim().replace(/^type /, ''))
      .filter((name) => name !== '')
      .sort((a, b) => (a.toLowerCase() < b.toLowerCase() ? -1 : 1));
    const title = (/^[^:;.]+/.exec(about)?.[0] ?? about).trim();
    const slug = (/^[^,]+/.exec(title)?.[0] ?? title).toLowerCase().replaceAll(/[^a-z]+/g, '-');
    return { title, about, slug, names };
  });
}

/** Where something is explained: the page, from `docs/`. */
type Guides = (entry: ApiEntry) => string | undefined;

/** The page of an operator for what its files declare; else the first page that names it. */
function guidesOf(root: string): Guides {
  const read = (page: string): string => readFileSync(join(root, 'docs', page), 'utf8');
  const operators = readdirSync(join(root, 'docs', 'operators')).map((name) => `operators/${name}`);
  const texts = new Map(
    [...operators, ...GUIDES.map((name) => `${name}.md`)].map((page) => [page, read(page)]),
  );
  const bySource = new Map(
    operators.flatMap((page) => {
      const source = /^Source: `([^`]+)`/m.exec(texts.get(page) ?? '')?.[1];
      return source === undefined ? [] : [[source, page] as const];
    }),
  );
  const own = operators.filter((page) => !page.endsWith('README.md'));
  const guides = GUIDES.map((name) => `${name}.md`);
  return ({ name, file }) => {
    const page = bySource.get(file);
    if (page !== undefined) return page;
    const find = (pages: readonly string[], pattern: RegExp): string | undefined =>
      pages.find((each) => pattern.test(texts.get(each) ?? ''));
    const said = new RegExp(`\`[^\`\\n]*\\b${name}\\b[^\`\\n]*\``);
    return (
      // As part of a configuration, before it is only named.
      find(own, new RegExp(`^export (?:interface|type) ${name}\\b`, 'm')) ??
      find(guides, said) ??
      find(own, said) ??
      find(guides, new RegExp(`\\b${name}\\b[<(]`))
    );
  };
}

/** By name, the page and the heading's anchor. Of two names that differ in case only the later one has a number. */
function placesOf(sections: readonly Section[]): ReadonlyMap<string, string> {
  const places = new Map<string, string>();
  for (const { slug, names } of sections) {
    const times = new Map<string, number>();
    for (const name of names) {
      const anchor = name.toLowerCase();
      const before = times.get(anchor) ?? 0;
      times.set(anchor, before + 1);
      places.set(name, `${slug}.md#${anchor}${before === 0 ? '' : `-${before}`}`);
    }
  }
  return places;
}

/** Other exports that a signature names; what comments say is prose. */
function namedIn({ name, signature }: ApiEntry, entries: ReadonlyMap<string, ApiEntry>): readonly string[] {
  const code = signature.replaceAll(/\/\*[\s\S]*?\*\//g, '');
  const words = new Set(code.match(/\b[A-Z]\w*/g) ?? []);
  return [...words].filter((word) => word !== name && entries.has(word)).sort();
}

/** By name, what else names it. */
function usersOf(entries: ReadonlyMap<string, ApiEntry>): ReadonlyMap<string, readonly string[]> {
  const users = new Map<string, string[]>();
  for (const entry of entries.values()) {
    for (const named of namedIn(entry, entries)) {
      users.set(named, [...(users.get(named) ?? []), entry.name].sort());
    }
  }
  return users;
}

/** Beyond so many a type is used by everything, and a list of it says nothing. */
const MAX_USERS = 12;

function entryText(entry: ApiEntry, entries: ReadonlyMap<string, ApiEntry>, more: More): string {
  const { guides, places, users } = more;
  const links = (names: readonly string[]): string =>
    names.map((name) => `[${name}](${places.get(name)})`).join(', ');
  const guide = guides(entry);
  const named = namedIn(entry, entries);
  const usedBy = users.get(entry.name) ?? [];
  return [
    `## ${entry.name}`,
    `\`\`\`ts\n${entry.signature}\n\`\`\``,
    ...(entry.doc === '' ? [] : [entry.doc.trim()]),
    ...(named.length === 0 ? [] : [`Types: ${links(named)}.`]),
    ...(usedBy.length === 0 || usedBy.length > MAX_USERS ? [] : [`Used by: ${links(usedBy)}.`]),
    ...(guide === undefined ? [] : [`Guide: [${guide.replace(/\.md$/, '')}](../${guide}).`]),
  ].join('\n\n');
}

/** What is known beside the entries. */
interface More {
  readonly guides: Guides;
  readonly places: ReadonlyMap<string, string>;
  readonly users: ReadonlyMap<string, readonly string[]>;
}

/** The API reference: a page for each section of the public face, and an index of all names. */
export function apiReference(root: string): readonly Page[] {
  const sections = sectionsOf(root);
  const entries = new Map(apiEntries(root).map((entry) => [entry.name, entry]));
  const places = placesOf(sections);
  const left = [...entries.keys()].filter((name) => !places.has(name));
  if (left.length > 0) throw new Error(`no section of index.ts has ${left.join(', ')}`);
  const more: More = { guides: guidesOf(root), places, users: usersOf(entries) };
  const pages = sections.map(({ title, about, slug, names }) => {
    const texts = names.map((name) => {
      const entry = entries.get(name);
      if (entry === undefined) throw new Error(`dist/index.d.ts has no ${name}: npm run build`);
      return entryText(entry, entries, more);
    });
    const head = [`# ${title}`, ...(about === `${title}.` ? [] : [about]), '[All exports](README.md)'];
    return { path: `${FOLDER}/${slug}.md`, text: `${[...head, ...texts].join('\n\n')}\n` };
  });
  return [{ path: `${FOLDER}/README.md`, text: indexText(sections, entries, places) }, ...pages];
}

function indexText(
  sections: readonly Section[],
  entries: ReadonlyMap<string, ApiEntry>,
  places: ReadonlyMap<string, string>,
): string {
  const parts = sections.map(({ title, slug, names }) => {
    const link = (name: string): string => `[${name}](${places.get(name)})`;
    const values = names.filter((name) => entries.get(name)?.isType === false).map(link);
    const types = names.filter((name) => entries.get(name)?.isType === true).map(link);
    return [
      `## [${title}](${slug}.md)`,
      ...(values.length === 0 ? [] : [`${values.join(', ')}.`]),
      ...(types.length === 0 ? [] : [`Types: ${types.join(', ')}.`]),
    ].join('\n\n');
  });
  const head = [
    '# API reference',
    'Every export of the package `millrace`, with its signature as the compiler sees it, what its comment says, and the ' +
      'page that explains it. Made by `npm run docs`. To learn the library begin with the [tutorial](../tutorial.md), ' +
      'the [concepts](../concepts.md) and the pages of the [operators](../operators/README.md).',
  ];
  return `${[...head, ...parts].join('\n\n')}\n`;
}
