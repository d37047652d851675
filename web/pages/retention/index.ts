export { Retention as default } from './retention.tsx';
