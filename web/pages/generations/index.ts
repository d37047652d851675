export { Generations as default } from './generations.tsx';
