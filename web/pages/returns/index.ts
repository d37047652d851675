export { Returns as default } from './returns.tsx';
