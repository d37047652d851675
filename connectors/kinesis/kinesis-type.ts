import { connectorType } from '../intake/index.ts';
import { kinesisConfig } from './kinesis-config.ts';
import { KinesisSource } from './kinesis-source.ts';

/** A stream of Amazon Kinesis, or of a compatible server. */
export const KINESIS = connectorType({
  type: 'kinesis',
  configSchema: kinesisConfig,
  secrets: ['secret_access_key'],
  open: (config, _identity, surroundings) => new KinesisSource(config, surroundings),
});
