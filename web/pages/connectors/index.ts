export { Connectors as default } from './connectors.tsx';
