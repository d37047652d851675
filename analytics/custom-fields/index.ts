export {
  CUSTOM_FIELD_KIND,
  type CustomField,
  customFieldSchema,
  type FieldRules,
  FieldRulesOfTenants,
  fieldKeySchema,
} from './custom-fields.ts';
