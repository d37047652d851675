import { describe, expect, it } from 'vitest';
import { ENTITIES } from './ledger/index.ts';
import { cubeOf, DEFAULT_CUBES, DIMENSIONS, maskOf } from './model/index.ts';
import { orderAnalytics } from './topology.ts';

describe('the default topology', () => {
  it('is this pipeline; names and tables key the state', () => {
    const { name, nodes } = orderAnalytics().describe();
    expect(name).toBe('order-analytics');
    expect(nodes.map((node) => `${node.inputs.join()}>${node.name}:${node.kind}`)).toEqual([
      '>events:source',
      'events>decode:decode',
      'decode>dedup:dedup',
      'dedup>watermark:watermark',
      'watermark>facts:keyed-facts',
      'facts>fx-rates:fx-rates',
      'fx-rates>contributions:flat-map',
      'contributions>cubes:cubes',
    ]);
    const facts = nodes.find((node) => node.name === 'facts');
    expect(Object.keys(facts?.state ?? {})).toEqual(ENTITIES.map((entity) => entity.name));
  });

  it('is the same each time it is made, and can be drawn', () => {
    expect(orderAnalytics().describe()).toEqual(orderAnalytics().describe());
    expect(orderAnalytics().draw()).toContain('contributions --> cubes');
  });
});

describe('cubes', () => {
  it('are named by their dimensions in one order, whatever the order asked for', () => {
    expect(cubeOf(['country', 'channel'])).toEqual(cubeOf(['channel', 'country']));
    expect(cubeOf(['country', 'channel']).name).toBe('channel+country');
    expect(cubeOf([]).name).toBe('total');
  });

  it('the default ones have names of their own, one for each dimension', () => {
    const names = DEFAULT_CUBES.map((cube) => cube.name);
    expect(new Set(names).size).toBe(names.length);
    for (const dimension of DIMENSIONS) expect(names).toContain(dimension);
  });

  it('take rows of whole orders, or of the items they tell apart', () => {
    const masks = [[], ['country'], ['sku'], ['country', 'category'], ['category', 'sku']].map(maskOf);
    expect(masks).toEqual([1, 1, 2, 4, 8]);
  });
});
