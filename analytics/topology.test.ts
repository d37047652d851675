import { describe, expect, it } from 'vitest';
import { cubeOf, DEFAULT_ROW_CUBES, ROW_DIMENSIONS } from './rows/index.ts';
import { DICTIONARY_TABLE, OPERATORS, orderAnalytics, RATES_TABLE, TOPOLOGY_NAME } from './topology.ts';

describe('the default topology', () => {
  it('is this pipeline; names and tables key the state', () => {
    const { name, nodes } = orderAnalytics().describe();
    expect(name).toBe(TOPOLOGY_NAME);
    expect(nodes.map((node) => `${node.inputs.join()}>${node.name}:${node.kind}`)).toEqual([
      '>events:source',
      'events>decode:decode-events',
      'decode>dedup:dedup-events',
      'dedup>watermark:event-watermark',
      'watermark>fx-rates:event-rates',
      'fx-rates>ledger:ledger',
      'ledger>log:event-log',
      'ledger>cubes:cubes',
      'ledger>anomalies:anomalies',
      'ledger>funnels:kept-events',
    ]);
    expect(Object.fromEntries(nodes.map((node) => [node.name, Object.keys(node.state)]))).toEqual({
      events: [],
      decode: ['dictionary', 'retention'],
      dedup: ['log', 'blocks', 'directory', 'awaited'],
      watermark: ['tenants'],
      'fx-rates': ['rates', 'events', 'sources'],
      ledger: ['cut', 'orders', 'customers', 'sessions', 'tickets', 'amended'],
      log: ['segments', 'chunks'],
      cubes: ['cells', 'definitions', 'days'],
      anomalies: [
        ...['cells', 'definitions', 'days', 'series', 'snapshots', 'progress', 'silent', 'anomalies'],
      ],
      funnels: ['attempts', 'definitions', 'entities'],
    });
  });

  it('has the tables that queries read under their names', () => {
    const tables = orderAnalytics()
      .tables()
      .map(({ id }) => id);
    expect(tables).toEqual(expect.arrayContaining([DICTIONARY_TABLE, RATES_TABLE]));
    for (const table of ['segments', 'chunks']) expect(tables).toContain(`${OPERATORS.log}/${table}`);
    for (const table of ['cells', 'days', 'definitions'])
      expect(tables).toContain(`${OPERATORS.cubes}/${table}`);
  });

  it('is the same each time it is made, and can be drawn', () => {
    expect(orderAnalytics().describe()).toEqual(orderAnalytics().describe());
    expect(orderAnalytics().draw()).toContain('ledger --> cubes');
  });
});

describe('cubes', () => {
  it('are named by their dimensions and their bucket', () => {
    expect(cubeOf(['channel', 'country'], '1d')).toEqual({
      name: 'channel+country@1d',
      dimensions: ['channel', 'country'],
      bucket_ms: 86_400_000,
    });
    expect(cubeOf([], '1h')).toEqual({ name: 'total@1h', dimensions: [], bucket_ms: 3_600_000 });
  });

  it('the default ones have names of their own, and dimensions of rows', () => {
    const names = DEFAULT_ROW_CUBES.map((cube) => cube.name);
    expect(new Set(names).size).toBe(names.length);
    for (const dimension of DEFAULT_ROW_CUBES.flatMap(({ dimensions }) => dimensions))
      expect(ROW_DIMENSIONS).toContain(dimension);
  });
});
