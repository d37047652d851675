import { appendFile, mkdir, mkdtemp, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { FoundObject } from '../files/index.ts';
import { DropFolder } from './drop-folder.ts';
import { DROP } from './index.ts';

let base: string;
let root: string;
const { signal } = new AbortController();

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'millrace-drop-'));
  root = join(base, 'tenant');
  await mkdir(join(root, 'in'), { recursive: true });
});
afterEach(() => rm(base, { recursive: true }));

async function listed(folder: DropFolder): Promise<FoundObject[]> {
  const found: FoundObject[] = [];
  for await (const object of folder.list(signal)) found.push(object);
  return found;
}

describe('a folder that files are put into', () => {
  it('shows plain files that are whole, by size and content', async () => {
    const folder = new DropFolder(root, 'in', 1);
    await writeFile(join(root, 'in', 'a.ndjson'), 'one');
    await writeFile(join(root, 'in', '.b.ndjson'), 'hidden');
    await mkdir(join(root, 'in', 'c.ndjson'));
    const [first, ...others] = await listed(folder);
    expect([first?.key, others]).toEqual(['a.ndjson', []]);
    // The same content is the same version, another one is another.
    await writeFile(join(root, 'in', 'a.ndjson'), 'one');
    expect((await listed(folder))[0]?.version).toBe(first?.version);
    await writeFile(join(root, 'in', 'a.ndjson'), 'two');
    expect((await listed(folder))[0]?.version).not.toBe(first?.version);
    expect(await folder.open(first as FoundObject, signal)).toBeUndefined();
  });

  it('leaves out a file that is still written', async () => {
    const path = join(root, 'in', 'a.ndjson');
    await writeFile(path, 'one');
    const folder = new DropFolder(root, 'in', 300);
    const looking = listed(folder);
    const writing = setInterval(() => void appendFile(path, 'more'), 10);
    expect(await looking).toEqual([]);
    clearInterval(writing);
  });

  it('shows nothing that lies elsewhere', async () => {
    await writeFile(join(base, 'secret.ndjson'), 'secret');
    await symlink(join(base, 'secret.ndjson'), join(root, 'in', 'link.ndjson'));
    expect(await listed(new DropFolder(root, 'in', 1))).toEqual([]);
    await symlink(base, join(root, 'out'));
    await expect(listed(new DropFolder(root, 'out', 1))).rejects.toMatchObject({ code: 'folder_forbidden' });
    await expect(listed(new DropFolder(root, 'none', 1))).rejects.toMatchObject({ code: 'folder_missing' });
    for (const folder of ['..', '../x', '/etc', 'a/../..', '.ssh', 'a//b']) {
      expect(DROP.configSchema.safeParse({ folder }).success, folder).toBe(false);
    }
  });
});
