import { DROP } from './drop/index.ts';
import { HTTP_POLL } from './http-poll/index.ts';
import type { ConnectorType } from './intake/index.ts';
import { KAFKA } from './kafka/index.ts';
import { KINESIS } from './kinesis/index.ts';
import { S3 } from './s3/index.ts';

/** Every type of connector that pulls. A new one is a folder of its own and an entry here. */
export const CONNECTOR_TYPES: readonly ConnectorType[] = [DROP, S3, HTTP_POLL, KAFKA, KINESIS];
