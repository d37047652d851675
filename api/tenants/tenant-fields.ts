import {
  CUSTOM_FIELD_KIND,
  type CustomField,
  customFieldSchema,
  type FieldRules,
  FieldRulesOfTenants,
  fieldKeySchema,
} from '../../analytics/index.ts';
import {
  type Definition,
  type DefinitionKind,
  type Definitions,
  invalidMember,
  type KindDefinitions,
} from '../../runtime/index.ts';
import type { TenantDimensions } from './tenant-dimensions.ts';

const KIND: DefinitionKind<CustomField> = {
  kind: CUSTOM_FIELD_KIND,
  schema: customFieldSchema,
  name: fieldKeySchema,
  limit: 200,
  check: ({ name, body }) => {
    // Events say it: another key would be another field.
    if (name !== body.field_key) throw invalidMember('field_key', 'cannot be changed: define another field');
  },
};

/** The dimension of a field that orders are filtered by. */
export const dimensionOfField = (field_key: string): string => `cf_${field_key}`;

/** The fields that tenants have given their orders. */
export class TenantFields {
  readonly definitions: KindDefinitions<CustomField>;
  readonly #rules = new FieldRulesOfTenants();
  readonly #dimensions: TenantDimensions;

  /** Registers the kind. */
  constructor(definitions: Definitions, dimensions: TenantDimensions) {
    this.definitions = definitions.kind(KIND);
    this.#dimensions = dimensions;
    this.definitions.onChange(({ type, definition }) => {
      const { tenant, id } = definition;
      if (type === 'put') this.#define(definition);
      else this.#rules.forget(tenant, id);
    });
  }

  /** Once the definitions are loaded. */
  start(): void {
    for (const tenant of this.definitions.tenants())
      for (const definition of this.definitions.list(tenant)) this.#define(definition);
  }

  #define({ tenant, id, body, updated_at_ms }: Definition<CustomField>): void {
    this.#rules.define(tenant, id, { ...body, since_ms: updated_at_ms });
  }

  /** What events of a tenant are checked by; undefined: it has no field of its own. */
  rulesOf(tenant: string): FieldRules | undefined {
    return this.#rules.of(tenant);
  }

  /** Which dimension a field is filtered by; undefined: by none. */
  filterOf(tenant: string, field_key: string): string | undefined {
    const field = this.definitions.byName(tenant, field_key);
    return field?.body.is_filterable === true ? dimensionOfField(field_key) : undefined;
  }

  /** Makes the dimension of a field that needs one. Throws what its kind throws: `limit_reached`, `name_taken`. */
  async makeDimension({ tenant, created_by, body }: Definition<CustomField>): Promise<void> {
    const name = dimensionOfField(body.field_key);
    const { definitions } = this.#dimensions;
    if (!body.is_filterable || definitions.byName(tenant, name) !== undefined) return;
    const path = `data.custom_fields.${body.field_key}`;
    await definitions.create(tenant, { name, body: { path }, created_by });
  }

  /** The state of the dimension of a field. */
  stateOf({ tenant, body }: Definition<CustomField>): 'none' | 'building' | 'ready' | 'failed' {
    if (!body.is_filterable) return 'none';
    const dimension = this.#dimensions.definitions.byName(tenant, dimensionOfField(body.field_key));
    return dimension === undefined ? 'none' : this.#dimensions.stateOf(dimension).status;
  }

  /** Deletes the dimension of a field that is gone or filters no more, unless something else names it. */
  async dropDimension({ tenant, body }: Definition<CustomField>): Promise<void> {
    const dimension = this.#dimensions.definitions.byName(tenant, dimensionOfField(body.field_key));
    if (dimension === undefined) return;
    await this.#dimensions.definitions.delete(tenant, dimension.id);
  }
}
