/** Why an event goes to the dead letters. Codes are stable. */
export type RejectCode =
  | 'too_large'
  | 'too_many_rejections'
  | 'bad_subject'
  | 'malformed_json'
  | 'not_an_object'
  | 'missing_field'
  | 'bad_field'
  | 'bad_custom_field'
  | 'bad_time'
  | 'time_in_future'
  | 'time_too_old'
  | 'behind_retention';

export interface Rejection {
  readonly code: RejectCode;
  readonly detail: string;
}
