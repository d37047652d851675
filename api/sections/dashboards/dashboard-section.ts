import type { Definitions, KindDefinitions } from '../../../runtime/index.ts';
import { DefinitionError } from '../../../runtime/index.ts';
import type { AnswerParts } from '../../answers/index.ts';
import type { Cursors, Route } from '../../http/index.ts';
import {
  AnswerCache,
  type QueryDefinition,
  QueryFamilies,
  SavedRuns,
  savedQueryKind,
  savedQueryRoutes,
} from '../queries/index.ts';
import { dashboardKind, dashboardRoutes, dashboardsOf } from './dashboard-routes.ts';
import type { Dashboard } from './dashboard-schema.ts';
import { LINKS, linkRoutes } from './link-routes.ts';
import { previewRoute } from './preview-route.ts';

/** Saved queries, dashboards of them, and the links to these: section 9. */
export class DashboardSection {
  readonly saved: KindDefinitions<QueryDefinition>;
  readonly runs: SavedRuns;
  readonly dashboards: KindDefinitions<Dashboard>;
  readonly #links;
  readonly #answers: AnswerParts;

  /** Registers the kinds. `routes` are those of the service, as they are when a query is asked. */
  constructor(definitions: Definitions, answers: AnswerParts, routes: () => readonly Route[]) {
    const { tenants } = answers;
    const families = new QueryFamilies({
      routes,
      defaultsOf: (tenant) => tenants?.defaultsOf(tenant),
      metricsOf: (tenant, names) => tenants?.metricsOf(tenant, names) ?? [],
    });
    const check = families.check.bind(families);
    const usersOf = (tenant: string, id: string): readonly string[] =>
      dashboardsOf(this.dashboards, tenant, id);
    const inUse = (users: readonly string[]): Error =>
      new DefinitionError(
        'definition_in_use',
        `Dashboards show it: ${users.slice(0, 3).join(', ')}. Take it out of them first.`,
      );
    this.saved = definitions.kind(savedQueryKind(check, usersOf, inUse));
    this.dashboards = definitions.kind(dashboardKind(check, () => this.saved));
    this.#links = definitions.kind(LINKS);
    this.#answers = answers;
    this.runs = new SavedRuns({
      ...{ answers, families, cache: new AnswerCache() },
      definitionChanges: () => definitions.changes,
    });
  }

  routes(cursors: Cursors): readonly Route[] {
    const { saved, runs, dashboards } = this;
    const parts = { answers: this.#answers, runs, saved };
    return [
      ...savedQueryRoutes(saved, runs, cursors),
      previewRoute(parts),
      ...dashboardRoutes(parts, dashboards, cursors),
      ...linkRoutes({ ...parts, dashboards, links: this.#links, cursors }),
    ];
  }
}
