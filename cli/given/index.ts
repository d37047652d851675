export { loadPublisher, loadTopology } from './load-topology.ts';
export { contextSettings } from './nats-context.ts';
