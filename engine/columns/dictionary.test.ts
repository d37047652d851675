import { describe, expect, it } from 'vitest';
import { MemoryDisk } from '../state/index.ts';
import { Dictionary, OTHER_TEXT } from './dictionary.ts';

const codeOfBytes = (dictionary: Dictionary, text: string): number => {
  const bytes = new TextEncoder().encode(text);
  let hash = 0x811c9dc5 | 0;
  for (const byte of bytes) hash = Math.imul(hash ^ byte, 0x01000193);
  return dictionary.codeOfBytes(bytes, 0, bytes.length, hash);
};

describe('a dictionary', () => {
  it('tells texts apart that differ in a byte order mark, by text, by bytes and when it is read again', () => {
    const texts = ['\uFEFFA', 'A', '\uFEFF', '\uFEFF\uFEFFA', 'A\uFEFF'];
    const dictionary = new Dictionary();
    const codes = texts.map((text) => codeOfBytes(dictionary, text));
    expect(new Set(codes).size).toBe(texts.length);
    expect(codes.map((code) => dictionary.textOf(code))).toEqual(texts);
    expect(texts.map((text) => dictionary.codeOf(text))).toEqual(codes);
    const store = new MemoryDisk().open();
    const table = store.table('texts');
    store.transaction(() => dictionary.flush(table));
    const again = new Dictionary();
    again.follow(table);
    expect(texts.map((text) => again.find(text))).toEqual(codes);
    expect(codes.map((code) => again.textOf(code))).toEqual(texts);
  });

  it('gives texts that must not share one their own code when it is full', () => {
    const dictionary = new Dictionary(3);
    const [first, second, third] = ['a', 'b', 'c'].map((text) => dictionary.codeOf(text));
    expect(dictionary.isFull).toBe(true);
    expect([first === second, third, dictionary.overflowed]).toEqual([false, dictionary.find(OTHER_TEXT), 1]);
    const own = dictionary.ownCodeOf('EUR');
    expect([dictionary.textOf(own), dictionary.codeOf('EUR'), dictionary.ownCodeOf('EUR')]).toEqual([
      'EUR',
      own,
      own,
    ]);
  });
});
