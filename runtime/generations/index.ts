export {
  type Goal,
  goalOf,
  type Reached,
  type ReadProgress,
  Rebuild,
  type RebuildOptions,
} from './rebuild.ts';
