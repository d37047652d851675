import { describe, expect, it } from 'vitest';
import { filtersText, writtenFilters } from './body.ts';

describe('filters of a form', () => {
  it.each([
    ['country=DE,FR; channel!=email', { country: ['DE', 'FR'], channel: { not: 'email' } }],
    ['country=', { country: [null] }],
    ['channel!=', { channel: { not: [null] } }],
    ['', {}],
  ])('%j are sent, and shown again', (text, filters) => {
    expect(writtenFilters(text)).toEqual(filters);
    expect(filtersText(filters)).toBe(text);
  });

  it.each(['country DE', 'country=DE; channel', '{"country":'])('%j is left to the API to refuse', (text) => {
    expect(writtenFilters(text)).toBe(text);
    expect(filtersText(text)).toBe(text);
  });

  it('with separators in a value are JSON, and stay what they are', () => {
    const filters = { campaign: 'a, b; c', country: ['DE', 'FR'] };
    expect(writtenFilters(filtersText(filters))).toEqual(filters);
  });
});
