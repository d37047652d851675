import { connectorType } from '../intake/index.ts';
import { kafkaConfig } from './kafka-config.ts';
import { KafkaSource } from './kafka-source.ts';

/** Topics of a Kafka cluster. */
export const KAFKA = connectorType({
  type: 'kafka',
  configSchema: kafkaConfig,
  secrets: ['sasl.password'],
  open: (config, identity, { allowPrivate }) => new KafkaSource(config, identity, allowPrivate),
});
