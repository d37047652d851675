export {
  memberOf,
  namedStatus,
  normalStatus,
  ORDER_MEMBERS,
  ORDER_STEPS,
  STATUS_MEMBERS,
  stepOf,
} from './order-names.ts';
