export { type Answered, type AnswerMeta, asProblem, forgetAnswers, useAnswer } from './answers.ts';
export { eventsIn, type LiveEvent, useLive } from './live.ts';
export { ApiProblem, type FieldProblem, problemOf } from './problem.ts';
export {
  type ApiRequest,
  asCurl,
  ask,
  BASE,
  isOfTopology,
  type Method,
  send,
  signIn,
  signInToTopology,
  urlOf,
} from './request.ts';
export { keepSession, may, type Session, session } from './session.ts';
