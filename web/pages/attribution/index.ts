export { Attribution as default } from './attribution.tsx';
