/**
 * The public face of the package `millrace`: the programming model, the operators, the edges and what tests
 * need. The order analytics (`main.ts`) is one application of it.
 */
export * from './connectors/index.ts';
export * from './engine/index.ts';
export * from './operators/index.ts';
