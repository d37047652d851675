export { type S3Place, type S3Settings, S3Store, s3Place } from './s3-store.ts';
export { S3 } from './s3-type.ts';
