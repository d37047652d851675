import { pino } from 'pino';
import { expect, it } from 'vitest';
import { ManualClock } from '../../engine/index.ts';
import { Definitions, readSettings } from '../../runtime/index.ts';
import { MemoryKeyValueStore } from '../fixture-memory.ts';
import { SETTINGS_NAME } from './settings-kind.ts';
import { Tenants } from './tenants.ts';

it('what is masked hides the dimensions that lie there, of this tenant', async () => {
  const log = pino({ level: 'silent' });
  const definitions = new Definitions({ store: new MemoryKeyValueStore(), clock: new ManualClock(0), log });
  const tenants = new Tenants(definitions, { settings: readSettings({}), log });
  await definitions.open();
  const make = async (tenant: string, name: string, path: string) =>
    tenants.dimensions.definitions.create(tenant, { name, body: { path }, created_by: 'key' });
  await make('a', 'domain', 'data.contact.email.domain');
  await make('a', 'street', 'addresses[0].street');
  await make('a', 'carrier', 'data.delivery.carrier');
  await make('b', 'domain', 'data.delivery.carrier');
  const mask = async (tenant: string, pii_fields: readonly string[]) => {
    const known = tenants.settings.byName(tenant, SETTINGS_NAME);
    if (known !== undefined) await tenants.settings.patch(tenant, known.id, { pii_fields });
    else
      await tenants.settings.create(tenant, { name: SETTINGS_NAME, body: { pii_fields }, created_by: 'key' });
    return tenants.maskedOf(tenant);
  };
  expect(tenants.maskedOf('a')).toBeUndefined();
  const two = await mask('a', ['contact.email', 'data.addresses.street']);
  expect(two?.toSorted()).toEqual(['contact.email', 'data.addresses.street', 'domain', 'street']);
  expect(await mask('a', ['data.contact.phone'])).toEqual(['data.contact.phone']);
  expect((await mask('a', ['data']))?.toSorted()).toEqual(['carrier', 'data', 'domain', 'street']);
  expect(await mask('b', ['contact.email'])).toEqual(['contact.email']);
  await definitions.close();
});
