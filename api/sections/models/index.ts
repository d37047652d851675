export { modelRoutes } from './model-routes.ts';
export { MODELS } from './model-schema.ts';
export { trainingKind } from './train-job.ts';
