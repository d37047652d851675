export { type ConnectorBody, connectorMapping, type MappingChoice, rulesOf } from './connector-kind.ts';
export { type ConnectorState, HEALTHS } from './connector-state.ts';
export { type ConnectorPorts, Connectors } from './connectors.ts';
export type { DoorCheck, DoorMessage, EventDoor } from './event-door.ts';
export { recordMapper } from './record-mapper.ts';
export { signatureOf, WEBHOOK_TYPE } from './webhook-type.ts';
