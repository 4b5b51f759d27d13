// One process tree of a build, from a spec to its end: control group, launch, output, and the kill when nobody wants it any more.
import { close, mkdirSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { constants } from 'node:os';
import { join } from 'node:path';
import type { Placement } from '../../../cgroups/cgroup-manager.ts';
import { resolveResources } from '../../../cgroups/resources.ts';
import { hostPlatform, platformMatches } from '../../../images/documents/platform.ts';
import type { NamespacePlan } from '../../../runtime/container-input.ts';
import { resolveDevices } from '../../../runtime/devices.ts';
import type { ExitRecord } from '../../../runtime/exit-record.ts';
import { resolveUser } from '../../../runtime/user-database.ts';
import type { ContainerSpec } from '../../../spec/container-spec.ts';
import { runTask } from '../../../tasks/run-task.ts';
import type { Task } from '../../../tasks/task.ts';
import type { BuildPlatform } from '../../graph/operation.ts';
import type { StepRun } from '../step.ts';
import type { ExecParts } from './exec-parts.ts';
import { findMountStubs, type MountStubs } from './mount-stubs.ts';

const { SIGKILL } = constants.signals;
/** In memory, as a rule: the task waits when they are not read. */
const logLimits = { maxBytes: 1024 * 1024, maxFiles: 3, firstSeq: 0 };
const bothStreams = { stdout: true, stderr: true };
const neverAborted = new AbortController().signal;
/** Where the runtime mounts in every root. */
const enginePlaces = ['/dev', '/proc', '/sys'];
/** In the directory of a run: where its group is, for the next daemon. */
export const groupFile = 'cgroup';

export interface TaskPlan {
  /** 64 hex digits: its group and its monitor have that name. */
  readonly id: string;
  readonly runDir: string;
  readonly spec: ContainerSpec;
  readonly platform: BuildPlatform;
  /** Detached mounts by target; they stay the caller's. */
  readonly sources: ReadonlyMap<string, number>;
  readonly network: NamespacePlan['network'];
}

/** Makes the directory of a run, which the next daemon looks at when this one is killed. Removed by `removeRun`. */
export function makeRun({ cgroups, cgroupParent, paths }: ExecParts, id: string, parent: string): string {
  if (parent !== '') cgroups.checkParent(parent);
  const runDir = join(paths.runs, id);
  mkdirSync(runDir, { mode: 0o700 });
  writeFileSync(join(runDir, groupFile), cgroups.groupOf(parent || cgroupParent, id));
  return runDir;
}

export function removeRun(runDir: string): Promise<void> {
  return rm(runDir, { recursive: true, force: true });
}

/**
 * Resolves when it has ended and all that it wrote was told, with how it ended; undefined: its monitor was killed, and it with it. Rejects with
 * FailedLaunch, and with what keeps it from being started. An abort kills it. `end` is to be called in any case: it takes the group away.
 */
export class ExecTask {
  readonly #parts: ExecParts;
  readonly #plan: TaskPlan;
  readonly #group: string;
  /** Once it was started: what was made in its root to mount on. */
  stubs: MountStubs | undefined;

  constructor(parts: ExecParts, plan: TaskPlan) {
    this.#parts = parts;
    this.#plan = plan;
    this.#group = parts.cgroups.groupOf(plan.spec.cgroupParent || parts.cgroupParent, plan.id);
  }

  async run(log: StepRun['log'], signal: AbortSignal): Promise<ExitRecord | undefined> {
    signal.throwIfAborted();
    const task = await this.#launch();
    const kill = () => {
      task.signal(SIGKILL);
      this.#killGroup();
    };
    signal.addEventListener('abort', kill);
    try {
      if (signal.aborted) kill();
      await pass(task, log);
      const { exit, error } = await task.ended;
      if (error !== undefined) throw error;
      if (exit === undefined) await this.#parts.cgroups.kill(this.#group);
      return exit;
    } finally {
      signal.removeEventListener('abort', kill);
    }
  }

  async end(): Promise<void> {
    const { cgroups } = this.#parts;
    await cgroups.kill(this.#group);
    await cgroups.remove(this.#group);
  }

  #killGroup(): void {
    this.#parts.cgroups
      .kill(this.#group)
      .catch((error: unknown) =>
        this.#parts.log.warn({ err: error, cgroup: this.#group }, 'cannot kill the processes of a build'),
      );
  }

  async #launch(): Promise<Task> {
    const { cgroups, snapshots } = this.#parts;
    const { id, spec, sources } = this.#plan;
    const { resources } = resolveResources(spec, cgroups, resolveDevices(spec.devices.mappings));
    const placement = await cgroups.create(this.#group, resources);
    let rootFd: number | undefined;
    try {
      rootFd = snapshots.mount(id);
      this.stubs = findMountStubs(rootFd, [...enginePlaces, ...spec.mounts.map(({ target }) => target)]);
      return await this.#start(rootFd, placement, sources);
    } finally {
      // Off the main thread: the kernel takes its time over a file that a mount hangs on.
      if (rootFd !== undefined) close(rootFd, () => undefined);
      placement.release?.();
    }
  }

  #start(rootFd: number, cgroup: Placement, sources: ReadonlyMap<string, number>): Promise<Task> {
    const { cgroups, host, launcher, paths } = this.#parts;
    const { id, runDir, spec, network, platform } = this.#plan;
    return runTask(launcher, {
      id,
      runDir,
      logDir: runDir,
      log: logLimits,
      holdLog: true,
      platformHint: hintFor(platform),
      process: {
        kind: 'own root',
        input: {
          id,
          container: spec,
          user: resolveUser(rootFd, spec.process.user, spec.process.groups),
          sources,
          managedFiles: {},
          namespaces: {
            pid: 'private',
            ipc: 'private',
            uts: 'private',
            network,
            cgroup: cgroups.version === 2 ? 'private' : 'host',
          },
          cgroupPath: this.#group,
          cgroupVersion: cgroups.version,
          facts: host.facts,
          host,
          rootFd,
          cgroup,
          stagingDir: paths.staging,
        },
      },
    });
  }
}

/** All that it writes, in order. Who listens never waits; what they keep is theirs. */
async function pass(task: Task, log: StepRun['log']): Promise<void> {
  const hold = task.initialHold;
  for await (const batch of task.output({ streams: bothStreams, from: 'start', signal: neverAborted, hold })) {
    for (const { stream, data } of batch) log(stream === 1 ? 'stdout' : 'stderr', Uint8Array.from(data));
  }
}

/** What to add to "exec format error". */
function hintFor(platform: BuildPlatform): string | undefined {
  const host = hostPlatform();
  if (platformMatches(host, platform)) return undefined;
  const words = [platform, host].map(({ os, architecture }) => `${os}/${architecture}`);
  return `the step is for ${words[0]}, this host is ${words[1]}, and binfmt_misc has no interpreter for it`;
}
