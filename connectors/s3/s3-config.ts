import { z } from 'zod';
import { formatMembers } from '../files/index.ts';

const SECRET_MAX_CHARS = 8_192;

export const s3Config = z.strictObject({
  bucket: z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'must be the name of a bucket'),
  prefix: z
    .string()
    .max(512)
    .default('')
    .describe('Of the keys that are read; it says folders with their slash'),
  region: z
    .string()
    .regex(/^[a-z0-9-]{1,32}$/, 'must be a region, such as eu-central-1')
    .default('us-east-1'),
  access_key_id: z.string().min(1).max(128),
  secret_access_key: z.string().min(1).max(SECRET_MAX_CHARS),
  endpoint: z
    .url({ protocol: /^https?$/ })
    .max(1_024)
    .optional()
    .describe('Of a compatible server; default: AWS'),
  ...formatMembers,
  interval_s: z.int().min(1).max(86_400).default(60).describe('Seconds between two looks'),
});
export type S3Config = z.output<typeof s3Config>;
