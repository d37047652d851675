export { Customers as default } from './customers.tsx';
