import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { operatorPages } from './operator-pages.ts';

/** Writes the generated pages. From `dist/scripts`, so the root is two folders up. */
const root = resolve(import.meta.dirname, '..', '..');
for (const { path, text } of operatorPages(root)) {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
  process.stdout.write(`${path}\n`);
}
