import { connectorType } from '../intake/index.ts';
import { httpPollConfig } from './http-poll-config.ts';
import { HttpPollSource } from './http-poll-source.ts';

/** Lists of an HTTP API. */
export const HTTP_POLL = connectorType({
  type: 'http_poll',
  configSchema: httpPollConfig,
  secrets: ['auth.value'],
  tuning: ['interval_s', 'headers', 'auth'],
  open: (config, _, { http }) => new HttpPollSource(config, http),
});
