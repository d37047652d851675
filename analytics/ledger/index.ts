export { contributionsOf } from './contributions.ts';
export { ENTITIES, factPlaceCodec, kindOf, placeOf } from './facts.ts';
export * from './fx-rates.ts';
export * from './ledger.ts';
export { LINE_GROUPS } from './lines.ts';
export * from './record-heap.ts';
