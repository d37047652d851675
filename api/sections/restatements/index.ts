export { restatementsRoute } from './restatements-route.ts';
