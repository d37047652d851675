/** How a source reads: what it holds, how often its consumer had to be made anew, and its last problem. */
export interface SourceDiagnostics {
  readonly buffered_messages: number;
  readonly buffered_bytes: number;
  /** How often the consumer had to be made anew, and why the last time. */
  readonly recreations: number;
  /** Messages are read from the socket's bytes, not through the client's objects. */
  readonly isDirect: boolean;
  readonly lastProblem: string | undefined;
}
