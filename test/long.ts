/**
 * Sizes of the tests that are long by nature. `npm test` runs the short form, `npm run test:long` the long one:
 * the same assertions on more.
 */
const SHORT = {
  /** Keys that come and expire in a case of bounded state. */
  bounded_keys: 16_000,
  /** The same for further modes of an operator that has a case with all. */
  bounded_fewer_keys: 12_000,
  /** Of these, live at a time. */
  bounded_live_keys: 4_000,
  /** Keys between two commits there. */
  bounded_commit_keys: 4_000,
  /** Rows while they come, at most: what is live, and what the commits that sweep are behind. */
  bounded_max_rows: 12_000,
  /** Keys that pass through an operator in its own tests, to what each of them names. */
  passing_keys_factor: 0.1,
  /** Random items that each operator with state has one outcome for, however they come. */
  operator_seeds: 2,
  /** Simulated runs of the order analytics. */
  simulation_seeds: 10,
  /** Of these, compared with plain maps over the events as well. */
  oracle_seeds: 2,
  /** Simulated runs of each topology of library operators, to each of its own number. */
  library_seeds_factor: 0.25,
  /** Runs of each property, to what its test asks for. */
  property_runs_factor: 0.1,
  /** Random sets of events that the ledger is compared with a model over, at the end and at each sequence. */
  ledger_runs: 20,
  ledger_prefix_runs: 6,
  /** Simulated runs in which definitions come and go. */
  definition_seeds: 2,
  /** Definitions made while events come in, and how many those are at most. */
  live_definitions: 4,
  /** Of these, dimensions: each costs a build of the state. */
  live_dimensions: 1,
  live_max_events: 8_000,
  live_kills: 1,
  /** Processes killed with SIGKILL while events are published. */
  crash_seeds: [1],
  /** How a process ends in the middle of a backfill, one after the other. */
  backfill_ends: ['kill'] as readonly ('kill' | 'terminate')[],
  /** Simulated runs with corrections, erasures and definitions, with a generation that takes the place of another. */
  erasure_orders: 25,
  erasure_seeds: 2,
  /** Kills of a process that erases a person. */
  erasure_kills: 1,
  /** Where the archive lies that somebody is erased from. */
  erasure_archives: ['bucket'],
  /** Events of a backfill that is interrupted. */
  backfill_events: 6_000,
  /** Kills of a process that builds a generation of its state. */
  generation_kills: 1,
  /** Simulated runs in which a generation takes the place of another. */
  replay_seeds: 2,
  /** Orders of the traffic that SQL is asked about too, and queries of it. */
  contract_orders: 200,
  contract_queries: 50,
  /** Random definitions of metrics, and queries of them. */
  custom_metric_queries: 30,
  /** Events of a log that is asked for all of them. */
  query_events: 150_000,
  /** Random funnels that are compared with every sequence of events. */
  random_funnels: 12,
  /** Events of the jobs that processes are killed in the middle of. */
  job_events: 20_000,
  /** Countries whose orders models are trained on while processes are killed. */
  model_countries: 3,
  /** Events of a stream of which one in a hundred is bad. */
  mended_events: 1_000,
  /** Rows of an import of orders. */
  import_rows: 3_000,
  /** Logs for each ordered task, and disturbed runs of each. */
  ordered_logs: 1,
  ordered_seeds: 2,
};

const LONG: typeof SHORT = {
  bounded_keys: 1_000_000,
  bounded_fewer_keys: 200_000,
  bounded_live_keys: 10_000,
  // As many as the limits of a task allow.
  bounded_commit_keys: 50_000,
  bounded_max_rows: 60_000,
  passing_keys_factor: 1,
  operator_seeds: 12,
  simulation_seeds: 2_000,
  oracle_seeds: 60,
  library_seeds_factor: 20,
  property_runs_factor: 5,
  ledger_runs: 1_000,
  ledger_prefix_runs: 300,
  definition_seeds: 400,
  live_definitions: 50,
  live_dimensions: 4,
  live_max_events: 500_000,
  live_kills: 6,
  crash_seeds: [1, 2, 3, 4, 5, 6, 7],
  backfill_ends: ['kill', 'terminate'],
  erasure_orders: 3_000,
  erasure_seeds: 200,
  erasure_kills: 12,
  erasure_archives: ['bucket', 'folder'],
  backfill_events: 40_000,
  generation_kills: 20,
  replay_seeds: 200,
  contract_orders: 1_000,
  contract_queries: 500,
  custom_metric_queries: 2_000,
  query_events: 10_000_000,
  random_funnels: 600,
  model_countries: 25,
  job_events: 150_000,
  mended_events: 100_000,
  import_rows: 100_000,
  ordered_logs: 6,
  ordered_seeds: 40,
};

/** Whether this is `npm run test:long`. */
export const isLong = process.env.TEST_LONG === '1';

export const sizes = isLong ? LONG : SHORT;

/** Seeds of a comparison with a model or a brute force: `npm test` takes the first. */
export const seedsOf = (...seeds: readonly number[]): readonly number[] =>
  isLong ? seeds : seeds.slice(0, 1);
