import type { Definition } from '../../../runtime/index.ts';
import { type ApiPorts, ROLE_RULES } from '../../http/index.ts';
import type { FamilyAsker } from '../queries/index.ts';

const ASK_MAX_MS = 60_000;

/** Who asks for a definition that runs by itself. Nobody is there to be asked: it sees what an analyst sees. */
export function analystFor(
  tenant: string,
  { id, name, created_by }: Pick<Definition<unknown>, 'id' | 'name' | 'created_by'>,
  { log }: Pick<ApiPorts, 'log'>,
): FamilyAsker {
  return {
    ...{ request_id: id, tenant, base: '/v1/order-analytics', log },
    principal: {
      ...{ kind: 'api_key', key_id: created_by, name, role: 'analyst', tenant, tenants: 'own' },
      permissions: ROLE_RULES.analyst.permissions,
      ...{ scopes: null, rate_limit: null, expires_at_ms: null },
    },
    signal: AbortSignal.timeout(ASK_MAX_MS),
  };
}
