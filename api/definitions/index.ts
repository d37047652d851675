export { builtStates } from './built-states.ts';
export {
  DEFINITION_MEMBERS,
  type DefinitionRoutesSpec,
  definitionAnswer,
  definitionPage,
  definitionRoutes,
  definitionView,
  requireDefinition,
  revisionOf,
  type ShownMembers,
} from './definition-routes.ts';
export { withMembers } from './with-members.ts';
