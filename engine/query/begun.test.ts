import { expect, it } from 'vitest';
import { BegunQueries } from './begun.ts';

it('counts by key, tenant and all, and forgets who has none', () => {
  const begun = new BegunQueries({ all: 4, tenant: 3, key: 2 });
  const refused = (of: string) =>
    expect.objectContaining({
      code: 'too_many_queries',
      retryAfter_ms: 1_000,
      details: expect.objectContaining({ of }),
    });
  const leave = [begun.enter('a', 'a1'), begun.enter('a', 'a1')];
  expect(() => begun.enter('a', 'a1')).toThrow(refused('key'));
  leave.push(begun.enter('a', 'a2'));
  expect(() => begun.enter('a', 'a3')).toThrow(refused('tenant'));
  leave.push(begun.enter('b', undefined));
  expect(() => begun.enter('c', 'c1')).toThrow(refused('all'));
  expect(begun.count).toBe(4);
  for (const end of leave) end();
  expect(begun.count).toBe(0);
  begun.enter('a', 'a1');
});
