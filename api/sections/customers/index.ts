export { rfmRoute } from './rfm-route.ts';
