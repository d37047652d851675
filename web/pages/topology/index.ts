export { Operate as default } from './topology-page.tsx';
