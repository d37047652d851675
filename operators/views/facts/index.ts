export * from './keyed-facts.ts';
