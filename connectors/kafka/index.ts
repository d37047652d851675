export { type KafkaRecord, sendToKafka } from './kafka-producer.ts';
export { KAFKA } from './kafka-type.ts';
