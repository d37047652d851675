export { KINESIS } from './kinesis-type.ts';
