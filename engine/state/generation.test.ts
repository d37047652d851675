import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { currentGeneration, makeCurrent, nextGeneration } from './generation.ts';

let root = '';
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'millrace-generation-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

describe('currentGeneration', () => {
  it('begins with the first, and finds it again', () => {
    expect(currentGeneration(root, 'orders').generation).toBe(1);
    expect(readFileSync(join(root, 'orders', 'CURRENT'), 'utf8')).toBe('1');
    expect(currentGeneration(root, 'orders').generation).toBe(1);
  });

  it('follows the pointer, and makes the folder of a partition', () => {
    currentGeneration(root, 'orders');
    writeFileSync(join(root, 'orders', 'CURRENT'), '7\n');
    const { generation, partitionPath } = currentGeneration(root, 'orders');
    expect(generation).toBe(7);
    expect(partitionPath('3')).toBe(join(root, 'orders', 'g7', 'p3'));
    expect(existsSync(join(root, 'orders', 'g7', 'p3'))).toBe(true);
  });

  it.each(['', 'seven', '0', '1.5', '-1'])('refuses a pointer of %j, and says what to write', (text) => {
    currentGeneration(root, 'orders');
    writeFileSync(join(root, 'orders', 'CURRENT'), text);
    expect(() => currentGeneration(root, 'orders')).toThrow(
      expect.objectContaining({ code: 'bad_generation_pointer', message: expect.stringContaining('g<n>') }),
    );
  });
});

describe('a rebuild', () => {
  it('gets a folder after all there are, and is current once it is made so', () => {
    currentGeneration(root, 'orders').partitionPath('0');
    const [second, third] = [nextGeneration(root, 'orders'), nextGeneration(root, 'orders')];
    expect([second.generation, third.generation]).toEqual([2, 3]);
    expect(currentGeneration(root, 'orders').generation).toBe(1);
    makeCurrent(root, 'orders', third.generation);
    expect(currentGeneration(root, 'orders').generation).toBe(third.generation);
    expect(() => makeCurrent(root, 'orders', 9)).toThrow(
      expect.objectContaining({ code: 'no_such_generation' }),
    );
  });
});
