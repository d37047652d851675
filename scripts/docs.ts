import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { metricsPage } from '../runtime/index.ts';
import { apiReference } from './api-reference.ts';
import { operatorPages } from './operator-pages.ts';

/** Writes the generated pages. From `dist/scripts`, so the root is two folders up. */
const root = resolve(import.meta.dirname, '..', '..');
const write = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  process.stdout.write(`${path}\n`);
};
for (const { path, text } of [...operatorPages(root), { path: 'docs/metrics.md', text: metricsPage() }]) {
  write(path, text);
}
// It leads to the pages before it.
for (const { path, text } of apiReference(root)) write(path, text);
