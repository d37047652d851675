import type { Observable } from 'rxjs';
import type { Signal } from '../base/index.ts';
import type { SourceRecord } from '../edges/index.ts';
import type { TableDescription, TableSpecs } from '../state/index.ts';
import type { CutSpec } from './cut.ts';
import type { Definition, Runtime } from './operator.ts';
import type { Retractions } from './retractions.ts';
import type { SentTo } from './sent-subjects.ts';

/** An operator or a source of a topology as data: where it stands, and which tables it keeps. */
export interface NodeDescription {
  readonly name: string;
  readonly kind: string;
  readonly summary: string;
  readonly inputs: readonly string[];
  readonly state: Readonly<Record<string, TableDescription>>;
  /** What the rows of its state depend on, besides their schema. */
  readonly definition?: Definition;
  /** The tables of the rows that do; absent: its state as a whole. */
  readonly definedTables?: readonly string[];
}

/** A topology as data, to be drawn and compared. A node stands behind those that it reads. */
export interface TopologyDescription {
  readonly name: string;
  readonly nodes: readonly NodeDescription[];
}

export interface Node extends Omit<NodeDescription, 'state'> {
  readonly state: TableSpecs;
  /** Its output carries batches of side outputs too. */
  readonly hasSides: boolean;
  readonly sendsTo?: readonly SentTo[];
  readonly makesIds?: boolean;
  readonly namesResults?: boolean;
  readonly ownsWatermark?: boolean;
  readonly needsWatermark?: boolean;
  readonly unordered?: string;
  readonly takesDefinitions?: boolean;
  /** It divides the stream anew: in a partitioned topology a stage ends here. */
  readonly cut?: CutSpec;
  /** By output: whether items of it may take earlier ones back. */
  retractionsOf?(output: string): Retractions | undefined;
  /** How the node's inputs become its output, once bound to a runtime. */
  connect(runtime: Runtime, inputs: readonly Observable<Signal<unknown>>[]): Observable<Signal<unknown>>;
}

/** A running graph: push signals in at the sources; `arrivals` counts the ends that a barrier reached. */
export interface Graph {
  /** Into one source, or all of them. */
  push(signal: Signal<SourceRecord>, source?: string): void;
  /** How many ends a barrier has to reach. */
  readonly ends: number;
  arrivals(): number;
  stop(): void;
}
