export { Restatements as default } from './restatements.tsx';
