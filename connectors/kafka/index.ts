export { KAFKA } from './kafka-type.ts';
