export { Forecast as default } from './forecast.tsx';
