export { Shared as default } from './shared.tsx';
