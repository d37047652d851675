export { Events as default } from './events.tsx';
