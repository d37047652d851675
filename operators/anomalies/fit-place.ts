/** A fit that was begun. */
export interface FitTicket {
  /** Nobody wants it any more: `made` is not called. */
  cancel(): void;
}

/** Where fits of models are made beside a task, whatever they are. */
export interface FitPlace {
  /**
   * Begins the fit of a request of `BackgroundFit`; undefined: as many wait as may. `made` is called once, later,
   * between two steps of the task, with the model, or with undefined where it could not be made: then the task makes it.
   */
  begin(request: Uint8Array, made: (model: Uint8Array | undefined) => void): FitTicket | undefined;
}
