import type { PipelineStatus } from './ports.ts';
import { PROBLEMS, type ProblemCode } from './problem.ts';

/** Why no answer can be called fresh. */
export interface Doubt {
  /** As the pipeline names it. */
  readonly code: string;
  readonly message: string;
  /** What a demand of freshness is answered with: the code where it has one of its own. */
  readonly problem: ProblemCode;
  /** Demands of freshness are refused; else they wait, or go by the age. */
  readonly isRefused: boolean;
  /** It does not pass by itself, and what was known of the stream's end is void. */
  readonly isFinal: boolean;
}

/** What in the state of the pipeline speaks against calling an answer fresh; undefined: nothing. */
export function doubtOf({ state, error, nats }: PipelineStatus): Doubt | undefined {
  if (state === 'failed') {
    const { code = 'pipeline_failed', message = 'The pipeline has failed.' } = error ?? {};
    const problem = isProblem(code) && PROBLEMS[code][0] === 503 ? code : 'pipeline_failed';
    return { code, message, problem, isRefused: true, isFinal: true };
  }
  if (state === 'restarting' && error !== undefined) {
    const problem = isProblem(error.code) && PROBLEMS[error.code][0] === 503 ? error.code : 'pipeline_failed';
    return { ...error, problem, isRefused: !nats.connected, isFinal: false };
  }
  if (nats.connected) return undefined;
  const message = 'The NATS server does not answer: what is in the stream now is not known. Ask again later.';
  return { ...NATS_AWAY, message, isRefused: true, isFinal: false };
}

const NATS_AWAY = { code: 'nats_disconnected', problem: 'nats_disconnected' } as const;

const isProblem = (code: string): code is ProblemCode => Object.hasOwn(PROBLEMS, code);
