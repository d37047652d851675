import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { metricsPage } from '../runtime/index.ts';
import { operatorPages } from './operator-pages.ts';

/** Writes the generated pages. From `dist/scripts`, so the root is two folders up. */
const root = resolve(import.meta.dirname, '..', '..');
const pages = [...operatorPages(root), { path: 'docs/metrics.md', text: metricsPage() }];
for (const { path, text } of pages) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  process.stdout.write(`${path}\n`);
}
