import { z } from 'zod';
import { ALERT_KIND, type AlertRules, alertSchemaOf, ruleOfAlert } from '../../../analytics/index.ts';
import { type Channel, channelSchema, type DefinitionKind } from '../../../runtime/index.ts';
import { type ApiPorts, byDimensions } from '../../http/index.ts';
import type { Tenants } from '../../tenants/index.ts';
import { ruleOf } from '../anomalies/index.ts';

const MAX_CHANNELS = 20;

export type AlertBody = AlertRules & { readonly channels: readonly Channel[] };

/** What an alert says, with whom it tells. */
function bodySchemaOf(custom: readonly string[]) {
  return alertSchemaOf(custom).extend({
    channels: z
      .array(channelSchema)
      .max(MAX_CHANNELS)
      .default([])
      .describe('Whom it tells, beside the webhooks that asked for `alert.firing` and `alert.recovered`'),
  });
}

export function alertKind(
  ports: Pick<ApiPorts, 'settings'>,
  tenants: Pick<Tenants, 'metricsOf'>,
  requireChannels: (tenant: string, channels: readonly Channel[]) => void,
  sealed: (tenant: string, channels: readonly Channel[]) => readonly Channel[] = (_, channels) => channels,
): DefinitionKind<AlertBody> {
  const schema = byDimensions(ports, bodySchemaOf);
  return {
    kind: ALERT_KIND,
    get schema() {
      return schema();
    },
    sealed: (tenant, body) => ({ ...body, channels: sealed(tenant, body.channels) }),
    check: ({ tenant, id, body }) => {
      requireThreshold(ports, tenants, tenant, id ?? 'new', body);
      requireChannels(tenant, body.channels);
    },
  };
}

/** Throws `validation_failed` (422) where a threshold cannot be watched. */
export function requireThreshold(
  ports: Pick<ApiPorts, 'settings'>,
  tenants: Pick<Tenants, 'metricsOf'>,
  tenant: string,
  id: string,
  body: AlertRules,
): void {
  const { customDimensions } = ports.settings;
  const rule = ruleOfAlert(body, customDimensions);
  if (rule !== undefined) ruleOf(tenants, customDimensions, tenant, id, rule, [], 'condition.threshold');
}
