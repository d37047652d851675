import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { OperatorDoc } from '../engine/index.ts';
import * as operators from '../operators/index.ts';

/** A page of the documentation, by its path from the root. */
export interface Page {
  readonly path: string;
  readonly text: string;
}

interface Example {
  readonly code: string;
  readonly output: string;
}

function isDoc(value: unknown): value is OperatorDoc {
  return typeof value === 'object' && value !== null && 'kind' in value && 'duplicates' in value;
}

/** What the operators say of themselves, by kind. */
export function operatorDocs(): readonly OperatorDoc[] {
  const exported: readonly unknown[] = Object.values(operators);
  return exported.filter(isDoc).sort((a, b) => (a.kind < b.kind ? -1 : 1));
}

/** The example as a reader would write it, and what it gives. */
function exampleOf(root: string, kind: string): Example {
  const text = readFileSync(join(root, 'examples', 'operators', `${kind}.ts`), 'utf8');
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

/** The exported configuration interfaces of an operator's file, as they stand there. */
function configOf(root: string, file: string): readonly string[] {
  const text = readFileSync(join(root, 'operators', file), 'utf8');
  return [
    ...text.matchAll(/^export (?:interface|type) \w*(?:Config|Options|Side|Input)\b[\s\S]*?^(?:\}|.*;)$/gm),
  ].map(([block]) => block);
}

/** The file that documents a kind. */
function fileOf(root: string, kind: string): string {
  const marker = new RegExp(`Doc: OperatorDoc = \\{\\s*kind: '${kind}'`);
  const found = readdirSync(join(root, 'operators'))
    .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
    .find((name) => marker.test(readFileSync(join(root, 'operators', name), 'utf8')));
  if (found === undefined) throw new Error(`no file in operators/ documents "${kind}"`);
  return found;
}

function pageOf(root: string, doc: OperatorDoc): Page {
  const file = fileOf(root, doc.kind);
  const { code, output } = exampleOf(root, doc.kind);
  const config = configOf(root, file);
  const parts = [
    `# ${doc.kind}`,
    `${doc.summary}.`,
    doc.does,
    '## Example',
    `\`\`\`ts\n${code}\n\`\`\``,
    ...(output === '' ? [] : ['It gives:', `\`\`\`ts\n${output}\n\`\`\``]),
    ...(config.length === 0 ? [] : ['## Configuration', `\`\`\`ts\n${config.join('\n\n')}\n\`\`\``]),
    '## State',
    doc.state,
    '## Guarantees',
    `- **Late input.** ${doc.late}\n- **Duplicates.** ${doc.duplicates}\n- **Failure.** ${doc.failure}`,
    `Source: [\`operators/${file}\`](../../operators/${file}), example: [\`examples/operators/${doc.kind}.ts\`](../../examples/operators/${doc.kind}.ts).`,
  ];
  return { path: `docs/operators/${doc.kind}.md`, text: `${parts.join('\n\n')}\n` };
}

/** A page for each operator and one that lists them: generated, so that they say what the code says. */
export function operatorPages(root: string): readonly Page[] {
  const docs = operatorDocs();
  const list = docs.map(({ kind, summary }) => `| [${kind}](${kind}.md) | ${summary} |`);
  const index = [
    '# Operators',
    'Every operator of the library, each with an example that the tests run. The pages are made by `npm run docs` from what the operators say of themselves.',
    `| operator | what it does |\n|---|---|\n${list.join('\n')}`,
  ];
  return [
    { path: 'docs/operators/README.md', text: `${index.join('\n\n')}\n` },
    ...docs.map((doc) => pageOf(root, doc)),
  ];
}
