export { Anomalies as default } from './anomalies.tsx';
