import { Observable, type OperatorFunction } from 'rxjs';
import {
  type Counter,
  invariant,
  type Metrics,
  MillraceError,
  refuseAsync,
  refusePromise,
  refusePromises,
  rowsOf,
  type Signal,
} from '../base/index.ts';
import { MapTable, openTables, type TableSpecs } from '../state/index.ts';
import { observeDue } from './observe-due.ts';
import type { NoSides, Operator, OperatorContext, OperatorSpec, Runtime, Sides } from './operator.ts';
import { commitBound } from './order.ts';
import { OriginTrail } from './origins.ts';
import { partsOf } from './task-parts.ts';

/** The output of an operator that is no side output, in `millrace.operator.emitted`. */
export const MAIN_OUTPUT = 'main';

/** What an operator or a source has given to one of its outputs. */
export function emittedBy(metrics: Metrics, operator: string, output: string = MAIN_OUTPUT): Counter {
  const help = 'Items that an operator or a source gave; of columns, rows';
  return metrics.counter('millrace.operator.emitted', help, { operator, output });
}

const NAME = /^[a-z][a-z0-9-]{0,62}$/;

/**
 * Makes an operator constructor. The name is mandatory because it keys the operator's state: a
 * generated one would orphan the state when the topology changes.
 */
export function defineOperator<
  A,
  B,
  C = undefined,
  S extends TableSpecs = Record<never, never>,
  O extends Sides = NoSides,
>(spec: OperatorSpec<A, B, C, S, O>): (name: string, config: C) => Operator<A, B, O> {
  return (name, given) => {
    if (!NAME.test(name)) {
      throw new MillraceError(
        'bad_operator_name',
        `"${name}" is no operator name: use a-z, 0-9 and "-", at most 63 characters, a letter first.`,
      );
    }
    refuseAsync(given, `${spec.kind} "${name}"`);
    const config = spec.config === undefined ? given : spec.config.parse(given);
    const specs = spec.state?.(config) ?? ({} as S);
    const unordered = spec.unordered?.(config);
    return {
      name,
      kind: spec.kind,
      summary: spec.summary,
      state: specs,
      config,
      ...(spec.definition === undefined ? {} : { definition: spec.definition(config) }),
      ...(spec.definedTables === undefined ? {} : { definedTables: spec.definedTables }),
      sides: spec.sides ?? [],
      ...(spec.sendsTo === undefined ? {} : { sendsTo: spec.sendsTo(config) }),
      ...(spec.makesIds?.(config) === true ? { makesIds: true } : {}),
      ...(spec.namesResults === undefined ? {} : { namesResults: spec.namesResults }),
      ...(spec.ownsWatermark === undefined ? {} : { ownsWatermark: spec.ownsWatermark }),
      ...(spec.needsWatermark?.(config) === true ? { needsWatermark: true } : {}),
      ...(unordered === undefined ? {} : { unordered }),
      ...(spec.takesDefinitions?.(config) === true ? { takesDefinitions: true } : {}),
      ...(spec.retractions === undefined ? {} : { retractions: spec.retractions(config) }),
      ...(spec.changes === undefined ? {} : { changes: spec.changes(config) }),
      bind: (runtime) => bind(spec, name, config, specs, runtime),
    };
  };
}

function bind<A, B, C, S extends TableSpecs, O extends Sides>(
  spec: OperatorSpec<A, B, C, S, O>,
  name: string,
  config: C,
  specs: S,
  runtime: Runtime,
): OperatorFunction<Signal<A>, Signal<B>> {
  return (input) =>
    new Observable<Signal<B>>((output) => {
      const { ordered } = runtime;
      const state = openTables(runtime.store, name, specs, runtime.stateChecks, ordered);
      const said = `${spec.kind} "${name}"`;
      const maps: MapTable<string | number, unknown>[] = [];
      // Behind an operator that holds the watermark back the task is further: rows expire by what has come here.
      const isBehindOwner = runtime.eventTime.isBehindOwner(name);
      // Before the operator that makes the watermark there is none: that of the task would come after restarts alone.
      const isTimeless = ordered && !isBehindOwner && spec.ownsWatermark !== true;
      const initial_ms = isTimeless ? null : runtime.eventTime.initialOf(name);
      let reached_ms = (isBehindOwner ? initial_ms : null) ?? Number.POSITIVE_INFINITY;
      for (const table of Object.values(state)) {
        if (table instanceof MapTable) {
          maps.push(table);
          runtime.register(name, {
            flush: (task_ms) => table.flush(Math.min(task_ms, reached_ms)),
            check: () => table.check(),
          });
        }
      }
      const timers = runtime.timers(name);
      const { eventTime, outputs, failures } = runtime;
      const received = runtime.metrics.counter(
        'millrace.operator.received',
        'Items that came to an operator; of columns, rows',
        { operator: name },
      );
      const emitted = emittedBy(runtime.metrics, name);
      const aside = new Map<string, Counter>();
      const asideBy = (side: string): Counter => {
        const counter = aside.get(side) ?? emittedBy(runtime.metrics, name, side);
        aside.set(side, counter);
        return counter;
      };
      const trail = outputs.isTracked(name)
        ? new OriginTrail(name, outputs.commits, { keepsItems: spec.keepsItems === true }, (signal) =>
            output.next(signal),
          )
        : undefined;
      let isCommitting = false;
      const context: OperatorContext<C, S, B, O> = {
        name,
        config,
        state,
        view: (table) => runtime.store.table(table),
        parts: partsOf(runtime.store),
        clock: runtime.clock,
        metrics: runtime.metrics,
        ordered,
        cursor: runtime.cursor,
        topology: runtime.topology,
        partition: runtime.partition,
        timers,
        emit: (items, nameOf) => {
          if (items.length === 0) return;
          emitted.add(rowsOf(items));
          refusePromises(items, said);
          if (trail === undefined) output.next({ kind: 'batch', items });
          else trail.give(items, undefined, nameOf);
        },
        emitTo: (side, items, nameOf) => {
          if (items.length === 0) return;
          asideBy(side).add(rowsOf(items));
          refusePromises(items, said);
          if (trail !== undefined) return trail.give(items, side, nameOf);
          // The readers of a side output take what its type says; the tag keeps it from all others.
          output.next({ kind: 'batch', items: items as readonly never[], side });
        },
        isFollowed: trail !== undefined,
        outputId: (text, bytes) => {
          invariant(trail !== undefined, `operator ${name} says that it makes ids`);
          return outputs.make(name, trail.current, text, bytes);
        },
        emitWatermark: (time_ms) => {
          trail?.flush();
          eventTime.move(name, time_ms);
          output.next({ kind: 'watermark', time_ms });
        },
        initialWatermark_ms: initial_ms,
        send: (message) => runtime.send(outputs.place(message, name)),
        notice: runtime.notice,
        requestBarrier: runtime.requestBarrier,
      };
      const handlers = spec.start(
        ordered
          ? outsideCommits(context, () => {
              if (isCommitting) throw commitBound(name, spec.kind);
            })
          : context,
      );
      const onTimer = handlers.onTimer?.bind(handlers);
      if (onTimer !== undefined || handlers.nextDue_ms !== undefined) {
        const read_ms = (): number | undefined => handlers.nextDue_ms?.() ?? timers.next();
        observeDue(runtime.metrics, name, read_ms);
      }
      const onBatch = (items: readonly A[]): void => refusePromise(handlers.onBatch(items), said);
      const owns = spec.ownsWatermark === true;
      if (owns) eventTime.expect(name);
      if (handlers.definitions !== undefined) runtime.control(name, handlers.definitions);
      /** The watermark whose timers have fired. */
      let timed_ms = initial_ms ?? Number.NEGATIVE_INFINITY;
      const again = (watermark_ms: number): string =>
        // The committed watermark comes once more after a restart.
        watermark_ms > timed_ms ? '' : ` after commit ${outputs.commits}`;
      const timerName = (time_ms: number, key: string, before_ms: number, watermark_ms: number): string =>
        // One that was set for a time which had passed may fire for that time once more.
        time_ms > before_ms
          ? `timer ${time_ms} ${key}`
          : `timer ${time_ms} at ${watermark_ms}${again(watermark_ms)} ${key}`;
      const during = (nameOf: () => string, work: () => void): void => {
        if (trail === undefined) work();
        else trail.during(nameOf(), work);
      };
      const pass = (watermark_ms: number): void => {
        if (isBehindOwner) reached_ms = watermark_ms;
        for (const map of maps) map.advance(watermark_ms);
        // The committed watermark after a restart: without the restart nothing would be due now.
        const isRepeated = ordered && watermark_ms <= timed_ms;
        if (isRepeated && !owns) return;
        if (onTimer !== undefined && !isRepeated) {
          for (const { time_ms, key } of timers.due(watermark_ms)) {
            during(
              () => timerName(time_ms, key, timed_ms, watermark_ms),
              () => refusePromise(onTimer(time_ms, key), said),
            );
          }
        }
        during(
          () => `watermark ${watermark_ms}${again(watermark_ms)}`,
          () => refusePromise(handlers.onWatermark?.(watermark_ms), said),
        );
        timed_ms = Math.max(timed_ms, watermark_ms);
      };
      const atTime = (work: () => void): void => {
        failures.enterTime();
        try {
          work();
        } catch (error) {
          failures.report(name, error);
          throw error;
        } finally {
          failures.leaveTime();
        }
      };
      const onWatermark = (time_ms: number): void => atTime(() => pass(time_ms));
      if (ordered && handlers.onTick !== undefined) {
        const onTick = handlers.onTick.bind(handlers);
        runtime.onTick((tick) => {
          try {
            atTime(() => refusePromise(onTick(tick), said));
          } catch (error) {
            output.error(error);
          }
        });
      }
      const { delayWatermark_ms: delay_ms = 0 } = handlers;
      if (!owns && delay_ms > 0) eventTime.expectDelay(name);
      let passed_ms = Number.NEGATIVE_INFINITY;
      /** What goes on may stand still for a while: it is not told twice. */
      const passOn = (time_ms: number): void => {
        const next_ms = eventTime.delay(name, time_ms - delay_ms);
        if (next_ms <= passed_ms) return;
        passed_ms = next_ms;
        output.next({ kind: 'watermark', time_ms: next_ms });
      };
      const handle = (signal: Signal<A>): void => {
        switch (signal.kind) {
          case 'batch':
            received.add(rowsOf(signal.items));
            // Before the operator that makes the watermark rows expire by the task's.
            if (ordered && !isBehindOwner) advanceTo(maps, eventTime.watermark_ms);
            if (trail === undefined) onBatch(signal.items);
            else trail.handle(signal.items, signal.origins, onBatch);
            break;
          case 'watermark':
            if (signal.time_ms === Number.NEGATIVE_INFINITY) {
              // A task that has none yet begins: who generates one and has one goes on from it.
              if (!owns) output.next(signal);
              else if (initial_ms !== null) onWatermark(initial_ms);
              break;
            }
            if (isTimeless) {
              output.next(signal);
              break;
            }
            // A task begins with the smallest of its watermarks; who generates one goes on from its own.
            onWatermark(owns ? Math.max(signal.time_ms, initial_ms ?? signal.time_ms) : signal.time_ms);
            if (!owns && delay_ms > 0) passOn(signal.time_ms);
            else if (!owns) output.next(signal);
            break;
          case 'barrier':
            trail?.committing(signal.commit);
            isCommitting = true;
            refusePromise(handlers.onBarrier?.(signal), said);
            isCommitting = false;
            output.next(signal);
            break;
        }
      };
      return input.subscribe({
        next: (signal) => {
          // RxJS reports what a subscriber throws later and elsewhere; the runner must know before it commits.
          try {
            handle(signal);
          } catch (error) {
            failures.report(name, error);
            output.error(error);
          }
        },
        error: (error) => output.error(error),
        complete: () => output.complete(),
      });
    });
}

function advanceTo(maps: readonly MapTable<string | number, unknown>[], watermark_ms: number | null): void {
  if (watermark_ms === null) return;
  for (const map of maps) map.advance(watermark_ms);
}

/** The context of an operator that `check` stops from giving anything while a commit passes. */
function outsideCommits<C, S extends TableSpecs, B, O extends Sides>(
  context: OperatorContext<C, S, B, O>,
  check: () => void,
): OperatorContext<C, S, B, O> {
  return {
    ...context,
    emit: (items, nameOf) => {
      if (items.length > 0) check();
      context.emit(items, nameOf);
    },
    emitTo: (side, items, nameOf) => {
      if (items.length > 0) check();
      context.emitTo(side, items, nameOf);
    },
    emitWatermark: (time_ms) => {
      check();
      context.emitWatermark(time_ms);
    },
    outputId: (text, bytes) => {
      check();
      return context.outputId(text, bytes);
    },
    send: (message) => {
      check();
      context.send(message);
    },
  };
}
