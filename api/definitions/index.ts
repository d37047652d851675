export { builtStates } from './built-states.ts';
export {
  DEFINITION_MEMBERS,
  definitionAnswer,
  definitionPage,
  definitionView,
  requireDefinition,
  revisionOf,
  type ShownMembers,
} from './definition-answer.ts';
export { type DefinitionRoutesSpec, definitionRoutes } from './definition-routes.ts';
export { withMembers } from './with-members.ts';
