export { createTopologyApp, type TopologyPorts } from './topology-app.ts';
