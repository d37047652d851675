export { whatifRoute } from './whatif-route.ts';
