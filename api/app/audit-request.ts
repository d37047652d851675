import { type AuditAction, type AuditLog, MAX_QUERY_CHARS } from '../../runtime/index.ts';
import { type Answer, auditedAs, type Principal, problemOf, type Route } from '../http/index.ts';

/** A request, as the audit log names it. */
export interface AuditedRequest {
  readonly route: Route;
  readonly request_id: string;
  readonly url: URL;
  /** Of its path, which is left out. */
  readonly base: string;
  /** Address of the connection, where it is known. */
  readonly ip: string | null;
  /** Known when `work` runs. */
  readonly who: () => { readonly principal: Principal; readonly tenant: string };
}

const READS: readonly AuditAction[] = ['read', 'export'];

/**
 * Does the work of a request, and gives the audit log its entry, whatever the outcome. It does nothing while the log
 * takes no entries: throws `audit_unavailable` then.
 */
export async function audited(
  audit: AuditLog,
  about: AuditedRequest,
  work: () => Promise<Answer>,
): Promise<Answer> {
  const action = auditedAs(about.route);
  if (action === undefined) return await work();
  audit.requireRoom();
  const record = async (status: number, code: string | null): Promise<void> => {
    const { principal, tenant } = about.who();
    const { kind, key_id, name, role } = principal;
    const { search, pathname } = about.url;
    // The token of a link is a secret for as long as it works.
    const isShown = READS.includes(action) && about.route.permission !== 'none' && search !== '';
    await audit.record({
      ...{ tenant, action, status, code, ip: about.ip, request_id: about.request_id },
      actor: { kind, key_id, name, role },
      operation: about.route.id,
      resource: pathname.slice(about.base.length),
      query: isShown ? search.slice(1, 1 + MAX_QUERY_CHARS) : null,
    });
  };
  let answer: Answer;
  try {
    answer = await work();
  } catch (error) {
    const { status, code } = problemOf(error, about.request_id).problem;
    await record(status, code);
    throw error;
  }
  await record(answer.status, null);
  return answer;
}
