export { DashboardSection } from './dashboard-section.ts';
