export { funnelDefinitionKind, funnelRoutes } from './funnel-routes.ts';
