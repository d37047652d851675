export { Funnels as default } from './funnels.tsx';
