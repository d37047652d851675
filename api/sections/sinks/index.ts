export { SinkSection } from './sink-section.ts';
