/** Why a record gives no event. The record is a dead letter; those beside it go on. */
export class MappingError extends Error {
  override readonly name = 'MappingError';
  readonly code = 'mapping_failed';
  /** The field of the event that could not be made; '' for the whole record. */
  readonly field: string;

  constructor(field: string, message: string) {
    super(field === '' ? message : `${field}: ${message}`);
    this.field = field;
  }
}
