export { contributionsOf } from './contributions.ts';
export { ENTITIES, factPlaceCodec, kindOf, placeOf } from './facts.ts';
export * from './fx-rates.ts';
export { LINE_GROUPS } from './lines.ts';
