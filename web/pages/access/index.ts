export { Access as default } from './access.tsx';
