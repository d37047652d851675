export {
  holdsOver,
  memberOf,
  namedStatus,
  normalStatus,
  ORDER_MEMBERS,
  ORDER_STEPS,
  STATUS_MEMBERS,
  STATUS_PATTERN,
  stepOf,
} from './order-names.ts';
