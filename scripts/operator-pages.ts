import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as connectors from '../connectors/index.ts';
import * as engine from '../engine/index.ts';
import * as operators from '../operators/index.ts';
import { type Guide, guideText } from './guide.ts';
import { guides } from './guides.ts';

/** A page of the documentation, by its path from the root. */
export interface Page {
  readonly path: string;
  readonly text: string;
}

interface Example {
  readonly code: string;
  readonly output: string;
}

/** The operators that have a page, and what goes with them, by kind. */
export function operatorDocs(): readonly engine.OperatorDoc[] {
  const docs = [operators, engine, connectors].flatMap((room) =>
    Object.entries(room).filter(([name]) => name.endsWith('Doc')),
  );
  return docs.map(([, doc]) => doc as engine.OperatorDoc).sort((a, b) => (a.kind < b.kind ? -1 : 1));
}

/** Where kinds are documented. */
const ROOMS = ['operators', 'engine', 'connectors'];

/** Names of all examples of operators. */
export function exampleNames(root: string): readonly string[] {
  return readdirSync(join(root, 'examples', 'operators'))
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.slice(0, -'.ts'.length))
    .sort();
}

/** The kind or the guide that an example is of: the longest that its name begins with. */
export function kindOf(example: string): string | undefined {
  return [...operatorDocs().map(({ kind }) => kind), ...guides.map(({ name }) => name)]
    .filter((kind) => example === kind || example.startsWith(`${kind}-`))
    .sort((a, b) => b.length - a.length)[0];
}

/** The example as a reader would write it, and what it gives. */
function exampleOf(root: string, name: string): Example {
  const text = readFileSync(join(root, 'examples', 'operators', `${name}.ts`), 'utf8');
  const at = text.indexOf('export const expected');
  const code = (at < 0 ? text : text.slice(0, at))
    .replaceAll("'../../index.ts'", "'millrace'")
    .replace('export default async function example', 'async function example')
    .trim();
  const output =
    at < 0
      ? ''
      : text
          .slice(text.indexOf('=', at) + 1)
          .trim()
          .replace(/;$/, '');
  return { code, output };
}

function exampleParts(root: string, name: string): readonly string[] {
  const { code, output } = exampleOf(root, name);
  return [
    `\`\`\`ts\n${code}\n\`\`\``,
    ...(output === '' ? [] : ['It gives:', `\`\`\`ts\n${output}\n\`\`\``]),
  ];
}

/** Where configurations are that are not in the file of their documentation. */
const CONFIG_FILES: Readonly<Record<string, readonly string[]>> = {
  window: ['operators/windows/window-types.ts'],
  jetstream: ['connectors/nats/inputs/jetstream.ts', 'runtime/run/run-options.ts'],
};

/** The exported configuration types of an operator's files, as they stand there. */
function configOf(root: string, files: readonly string[]): readonly string[] {
  const text = files.map((file) => readFileSync(join(root, file), 'utf8')).join('\n');
  const interfaces = [
    ...text.matchAll(/^export interface (\w*(?:Config|Options|Definition))\b[\s\S]*?^\}$/gm),
  ];
  const aliases = [...text.matchAll(/^export type \w*(?:Config|Options)\b[\s\S]*?(?=\n\n)/gm)];
  return [...interfaces, ...aliases].map(([block]) => block);
}

/** The file that documents a kind. */
function fileOf(root: string, kind: string): string {
  const marker = new RegExp(`Doc: OperatorDoc = \\{\\s*kind: '${kind}'`);
  const found = ROOMS.flatMap((room) =>
    readdirSync(join(root, room), { recursive: true, encoding: 'utf8' }).map((name) => `${room}/${name}`),
  )
    .filter((path) => path.endsWith('.ts') && !path.endsWith('.test.ts'))
    .find((path) => marker.test(readFileSync(join(root, path), 'utf8')));
  if (found === undefined) throw new Error(`no file in ${ROOMS.join(', ')} documents "${kind}"`);
  return found;
}

/** What an operator does, keeps and guarantees: Markdown beside its file. */
export interface Prose {
  readonly does: string;
  readonly state: string;
  /** Of late input, duplicates and failures, as a list. */
  readonly guarantees: string;
}

const PROSE = /^# (\S+)\n\n([\s\S]+?)\n\n## State\n\n([\s\S]+?)\n\n## Guarantees\n\n([\s\S]+?)\n$/;

/** The prose of a kind; throws where its file does not have the parts. */
export function proseOf(root: string, kind: string): Prose {
  const path = join(dirname(fileOf(root, kind)), `${kind}.md`);
  const [, title, does, state, guarantees] = PROSE.exec(readFileSync(join(root, path), 'utf8')) ?? [];
  if (title !== kind || does === undefined || state === undefined || guarantees === undefined) {
    throw new Error(`${path} must have "# ${kind}", what it does, "## State" and "## Guarantees"`);
  }
  return { does, state, guarantees };
}

function pageOf(root: string, doc: engine.OperatorDoc): Page {
  const file = fileOf(root, doc.kind);
  const prose = proseOf(root, doc.kind);
  const config = configOf(root, CONFIG_FILES[doc.kind] ?? [file]);
  const more = exampleNames(root).filter((name) => name !== doc.kind && kindOf(name) === doc.kind);
  const parts = [
    `# ${doc.kind}`,
    `${doc.summary}.`,
    prose.does,
    '## Example',
    ...exampleParts(root, doc.kind),
    ...(config.length === 0 ? [] : ['## Configuration', `\`\`\`ts\n${config.join('\n\n')}\n\`\`\``]),
    '## State',
    prose.state,
    '## Guarantees',
    prose.guarantees,
    ...(more.length === 0 ? [] : ['## More examples']),
    ...more.flatMap((name) => exampleParts(root, name)),
    `Source: \`${file}\`, example: [\`examples/operators/${doc.kind}.ts\`](../../examples/operators/${doc.kind}.ts).`,
  ];
  return { path: `docs/operators/${doc.kind}.md`, text: `${parts.join('\n\n')}\n` };
}

function guideOf(root: string, guide: Guide): Page {
  const { name } = guide;
  const more = exampleNames(root).filter((example) => example !== name && kindOf(example) === name);
  const text = [
    guideText(root, guide).text,
    '## Example',
    ...[name, ...more].flatMap((example) => exampleParts(root, example)),
    `Example: [\`examples/operators/${name}.ts\`](../../examples/operators/${name}.ts).`,
  ];
  return { path: `docs/operators/${name}.md`, text: `${text.join('\n\n')}\n` };
}

/** A page for each operator and guide, and one that lists them: generated, so that they say what the code says. */
export function operatorPages(root: string): readonly Page[] {
  const docs = operatorDocs();
  const list = docs.map(({ kind, summary }) => `| [${kind}](${kind}.md) | ${summary} |`);
  const overviews = guides.map((guide) => {
    const { title, summary } = guideText(root, guide);
    return `| [${title}](${guide.name}.md) | ${summary} |`;
  });
  const index = [
    '# Operators',
    'Every operator of the library, and what brings streams together and apart, each with an example that the ' +
      'tests run. The pages are made by `npm run docs` from the Markdown beside the operators, their ' +
      'configuration and their examples.',
    `| operator | what it does |\n|---|---|\n${list.join('\n')}`,
    '## Overviews',
    `| page | what it is about |\n|---|---|\n${overviews.join('\n')}`,
  ];
  return [
    { path: 'docs/operators/README.md', text: `${index.join('\n\n')}\n` },
    ...docs.map((doc) => pageOf(root, doc)),
    ...guides.map((guide) => guideOf(root, guide)),
  ];
}
