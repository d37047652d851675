export { customerPage, pageQuery } from './customer-page.ts';
export { ltvRoute } from './ltv-route.ts';
export { rfmRoute } from './rfm-route.ts';
export { segmentRoutes } from './segment-routes.ts';
