export { Jobs as default } from './jobs.tsx';
