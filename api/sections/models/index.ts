export { ModelSection } from './model-section.ts';
