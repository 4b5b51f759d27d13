// One exec operation, whole: a task on a root of its own, whose written files become the layer by changing their name.
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { EngineError, isEngineError } from '../../../errors/engine-error.ts';
import type { ExitRecord } from '../../../runtime/exit-record.ts';
import type { ResolvedMount } from '../../../spec/mount.ts';
import { FailedLaunch } from '../../../tasks/launch-program.ts';
import { ExecFailed } from '../exec-failed.ts';
import { layersResult } from '../layers-result.ts';
import type { LayersResult, Result, StepRun } from '../step.ts';
import { hostsOfStep, resolverOfStep } from './exec-files.ts';
import type { ExecParts } from './exec-parts.ts';
import { execEnvironment, type PlannedExec, planExec, withSurroundings } from './exec-spec.ts';
import { ExecTask, makeRun, removeRun } from './exec-task.ts';
import { isLeaky } from './leaks.ts';
import { removeMountStubs } from './mount-stubs.ts';
import { takeFiles, takeResults } from './results.ts';
import { asLayers, openStepMounts, plainMount } from './step-mounts.ts';
import { readResolvConf, type StepNetwork, type StepNetworks } from './step-networks.ts';

export interface StepInput {
  readonly run: StepRun;
  readonly inputs: readonly Result[];
  readonly signal: AbortSignal;
  /** Takes what need not be waited for. */
  clearLater(work: Promise<void>): void;
}

/** See Steps.exec. */
export async function runStep(
  parts: ExecParts,
  networks: StepNetworks,
  { run, inputs, signal, clearLater }: StepInput,
): Promise<LayersResult[]> {
  const { operation } = run.vertex;
  if (operation.kind !== 'exec') throw new TypeError(`not an exec operation: ${operation.kind}`);
  signal.throwIfAborted();
  const plan = planExec(operation, run.exec, parts.defaults);
  const [root, ...others] = operation.mounts;
  const id = randomBytes(32).toString('hex');
  /** Ended when the process has ended, so that the next step may have it. */
  const used = new AsyncDisposableStack();
  const undo = new AsyncDisposableStack();
  undo.use(used);
  try {
    using base = await asLayers(parts, root?.type === 'bind' ? inputs[root.input] : undefined);
    // There before all else and until all else is gone: it tells the next daemon what this one had.
    const runDir = makeRun(parts, id, plan.cgroupParent);
    undo.defer(() => removeRun(runDir));
    undo.defer(() => parts.snapshots.remove(id));
    await parts.snapshots.prepare(id, base.top, { isBare: true });
    const network = await networks.take(plan.network, plan.hostname);
    let isNetworkClean = false;
    used.defer(() => network.release(isNetworkClean));
    const mounts = await openStepMounts(parts, others, { run, inputs, id, runDir, signal });
    used.defer(() => mounts.close());
    undo.defer(() => mounts.discard());
    const files = engineFiles(parts, plan, runDir, network, mounts.mounts);
    const env = execEnvironment(operation, mounts.env);
    const spec = withSurroundings(plan, [...files, ...mounts.mounts], env);
    const task = new ExecTask(parts, {
      id,
      runDir,
      spec,
      platform: operation.platform,
      sources: mounts.sources,
      network: network.namespace,
    });
    undo.defer(() => task.end());
    const command = operation.args.join(' ');
    const end = await endOf(task, command, run, signal);
    isNetworkClean = operation.security === 'sandbox';
    await used.disposeAsync();
    signal.throwIfAborted();
    if (task.stubs !== undefined) removeMountStubs(parts.snapshots.dirs(id).upper, task.stubs);
    const isCopied = isLeaky(operation, plan, mounts);
    if (end !== undefined) {
      const kept = run.keepsFailed ? await takeFiles(parts, id, isCopied) : undefined;
      throw new ExecFailed(command, end.exitCode, kept && layersResult(parts.layers, kept), end.why);
    }
    const results = await takeResults(parts, { id, base, root, outputs: mounts.outputs, isCopied });
    clearLater(undo.disposeAsync());
    return results;
  } catch (error) {
    await undo.disposeAsync().catch((undoError: unknown) => {
      parts.log.warn({ err: undoError }, 'cannot undo a part of a step of a build: it is undone at the next start');
    });
    // What is given up fails in many ways, and they all mean the same.
    throw signal.aborted && !(error instanceof ExecFailed) ? signal.reason : error;
  }
}

/** hosts and resolv.conf, unless the step has something of its own there. */
function engineFiles(
  { defaults }: ExecParts,
  plan: PlannedExec,
  runDir: string,
  { gateways, hasResolver }: StepNetwork,
  others: readonly ResolvedMount[],
): ResolvedMount[] {
  const { kind } = plan.network;
  const texts = {
    hosts: hostsOfStep({ hostname: plan.hostname, extraHosts: plan.extraHosts, gateways }),
    'resolv.conf': resolverOfStep({
      hostFile: readResolvConf(),
      network: kind === 'host' ? 'host' : hasResolver ? 'named' : 'other',
      dns: defaults.dns,
    }),
  };
  const taken = new Set(others.map(({ target }) => target));
  return Object.entries(texts)
    .filter(([name]) => !taken.has(`/etc/${name}`))
    .map(([name, text]) => {
      const source = join(runDir, name);
      writeFileSync(source, text, { mode: 0o644 });
      return { ...plainMount(`/etc/${name}`), source, readonly: true };
    });
}

interface BadEnd {
  readonly exitCode: number;
  /** In place of the exit code, for who reads it. */
  readonly why?: string;
}

/** undefined: it ended well. What kept it from being started is told as BuildKit does: the program as output and exit code 1, the rest as an error. */
async function endOf(
  task: ExecTask,
  command: string,
  { log }: StepRun,
  signal: AbortSignal,
): Promise<BadEnd | undefined> {
  let exit: ExitRecord | undefined;
  try {
    exit = await task.run(log, signal);
  } catch (thrown) {
    const error = thrown instanceof FailedLaunch ? thrown.error : thrown;
    if (!isEngineError(error)) throw error;
    const why = error.message.replace(/^.*?unable to start container process: /, '').replace(/: unknown$/, '');
    if (thrown instanceof FailedLaunch && (thrown.exitCode === 126 || thrown.exitCode === 127)) {
      log('stderr', Buffer.from(`runc run failed: unable to start container process: ${why}\n`));
      return { exitCode: 1 };
    }
    throw new EngineError(error.code, `process ${JSON.stringify(command)} did not complete successfully: ${why}`, {
      cause: thrown,
    });
  }
  if (exit === undefined) return { exitCode: 137, why: 'it was killed together with its monitor' };
  if (exit.code === 0) return undefined;
  return { exitCode: exit.code, ...(exit.oomKilled ? { why: 'cannot allocate memory' } : {}) };
}
