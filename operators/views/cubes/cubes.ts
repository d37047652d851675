import {
  type ControlDefinition,
  defineOperator,
  type Metrics,
  MillraceError,
  type OperatorDoc,
  type RowBatch,
  rawTable,
} from '../../../engine/index.ts';
import { CountedCubes } from './counted-cubes.ts';
import { type CubesConfig, DEFAULT_TOUCHED_CELLS } from './cubes-config.ts';
import { checkCube } from './definition.ts';
import { describeBlock, describeDay } from './describe.ts';
import { logicalCells } from './digest.ts';

function tables({ dictionaryTable }: CubesConfig) {
  const none = (): Iterable<Uint8Array> => [];
  return {
    cells: rawTable({
      version: 3,
      describeRow: describeBlock,
      logicalRows: (cells, _, table) =>
        logicalCells(
          { cells, definitions: table('definitions'), days: table('days') },
          table(dictionaryTable),
        ),
    }),
    definitions: rawTable({ version: 1, logicalRows: none }),
    days: rawTable({ version: 1, logicalRows: none, describeRow: describeDay }),
  };
}

export const cubesDoc: OperatorDoc = {
  kind: 'cubes',
  summary: 'Sums by time and dimensions, kept to be read',
};

/** See `cubesDoc`. Throws `bad_config` for a cube that the schema's rows cannot have. */
export const cubes = defineOperator<RowBatch, RowBatch, CubesConfig, ReturnType<typeof tables>>({
  kind: cubesDoc.kind,
  summary: cubesDoc.summary,
  config: {
    parse: (input) => {
      const config = input as CubesConfig;
      for (const cube of config.cubes) checkCube(cube, config.schema);
      if (config.defined !== undefined && config.history === undefined) {
        throw new MillraceError(
          'bad_config',
          'Cubes that are defined while it runs are built from history: say `history`.',
        );
      }
      return config;
    },
  },
  state: tables,
  takesDefinitions: ({ defined }) => defined !== undefined,
  start: (context) => {
    const { config, emit, requestBarrier } = context;
    const { touched_max_cells = DEFAULT_TOUCHED_CELLS } = config;
    const counted = new CountedCubes(context);
    const { set } = counted;
    describeMetrics(context, counted);
    const { defined } = config;
    return {
      onBatch: (batches) => {
        counted.begin();
        for (const rows of batches) set.add(rows);
        if (set.touchedCells >= touched_max_cells) requestBarrier();
        emit(batches);
      },
      onBarrier: () => {
        counted.settle();
        counted.build();
        // The rest follows at once, also while no rows come.
        if (counted.incomplete > 0) requestBarrier();
        set.drain();
        set.next();
        counted.flush();
      },
      ...(defined === undefined
        ? {}
        : {
            definitions: {
              kinds: [defined.kind],
              define: (definition: ControlDefinition) => counted.define(definition, defined.read),
              forget: (definition: ControlDefinition) => counted.forget(definition),
            },
          }),
    };
  },
});

function describeMetrics({ name, metrics }: { name: string; metrics: Metrics }, counted: CountedCubes): void {
  const { set } = counted;
  const labels = { operator: name };
  metrics.gauge(
    'millrace.cubes.touched_cells',
    'Cells added to since the last commit',
    () => set.touchedCells,
    labels,
  );
  metrics.observedCounter(
    'millrace.cubes.blocks_written',
    'Blocks of cells written',
    () => set.blocksWritten,
    labels,
  );
  metrics.gauge(
    'millrace.cubes.incomplete',
    'Cubes that are being built from the log',
    () => counted.incomplete,
    labels,
  );
}
