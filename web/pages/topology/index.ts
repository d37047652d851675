export { TopologyPage as default } from './topology-page.tsx';
