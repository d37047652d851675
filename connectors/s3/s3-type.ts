import { ObjectSource } from '../files/index.ts';
import { connectorType } from '../intake/index.ts';
import { s3Config } from './s3-config.ts';
import { S3Folder } from './s3-folder.ts';

/** Objects that come to a bucket. */
export const S3 = connectorType({
  type: 's3',
  configSchema: s3Config,
  secrets: ['secret_access_key'],
  tuning: ['interval_s', 'access_key_id', 'secret_access_key', 'region'],
  open: async (config, _, { allowPrivate, http }) => {
    if (config.endpoint !== undefined) await http.check(config.endpoint);
    const folder = new S3Folder(config, allowPrivate);
    return new ObjectSource({ folder, choice: config, interval_ms: config.interval_s * 1_000 });
  },
});
