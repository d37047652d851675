import {
  type Codec,
  type MapSpec,
  ROWS_TABLE,
  rowContent,
  type Stage,
  WINDOWS_TABLE,
} from '../../engine/index.ts';
import type { TablePlaces } from '../asks/index.ts';

interface PlacedTable {
  readonly stage: string;
  readonly codec: Codec<unknown>;
}

/** Which stage has a table, and how its values are stored. */
export class StageTables implements TablePlaces {
  readonly #tables = new Map<string, PlacedTable>();
  readonly #partitions: readonly string[];

  constructor(stages: readonly Stage[], partitions: number) {
    this.#partitions = Array.from({ length: partitions }, (_, partition) => String(partition));
    for (const { index, topology } of stages) {
      const kinds = new Map(topology.describe().nodes.map(({ name, kind }) => [name, kind]));
      for (const { id, spec } of topology.tables()) {
        const [name = '', table] = id.split('/');
        if (spec.kind !== 'map') continue;
        const { value } = spec as MapSpec<string, unknown>;
        const isRows = kinds.get(name) === 'to-table' && table === ROWS_TABLE;
        const isWindows = kinds.get(name) === 'to-window-table' && table === WINDOWS_TABLE;
        if (!isRows && !isWindows) continue;
        const placed = { stage: String(index), codec: isRows ? rowContent(value) : value };
        this.#tables.set(id, placed);
        this.#tables.set(name, placed);
      }
    }
  }

  stageOf(table: string): string | undefined {
    return this.#tables.get(table)?.stage;
  }

  partitionsOf(): readonly string[] {
    return this.#partitions;
  }

  codecOf(table: string): Codec<unknown> | undefined {
    return this.#tables.get(table)?.codec;
  }
}
