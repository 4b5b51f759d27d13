// Runs a process tree with its own monitor: from "root, control group and network are there" to a handle on what runs.

import type { ContainerProgramInput, ExecProgramInput } from '../runtime/container-input.ts';
import type { Launcher } from '../runtime/launcher.ts';
import { openContainerProgram } from '../runtime/program/container-program.ts';
import { openExecProgram } from '../runtime/program/exec-program.ts';
import type { OpenProgram } from '../runtime/program/open-program.ts';
import { launchProgram } from './launch-program.ts';
import { Task, type TaskPlace } from './task.ts';

/** Given with the request, not with the process. */
type Common = 'logDir' | 'logOptions' | 'nextLogSeq' | 'runDir';

/** In a root and namespaces of its own, or in those of a task that runs. */
export type TaskProcess =
  | { readonly kind: 'own root'; readonly input: Omit<ContainerProgramInput, Common> }
  | { readonly kind: 'joining'; readonly input: Omit<ExecProgramInput, Common> };

export interface TaskRequest extends TaskPlace {
  /** Shown as the monitor's process title. */
  readonly id: string;
  readonly process: TaskProcess;
  /** The log's size and number of files, and the first file of this task. */
  readonly log: { readonly maxBytes: number; readonly maxFiles: number; readonly firstSeq: number };
  /** Keep the log from the first byte until `initialHold` is released: somebody is to read all of it. */
  readonly holdLog: boolean;
  /** Docker's [rows, columns] of the terminal; zeros and nothing mean that it is told later. */
  readonly terminalSize?: readonly number[] | null | undefined;
  /** Told when the program is of another kind of machine. */
  readonly platformHint?: string | undefined;
}

/**
 * Both directories are there already. Throws at once when something that the program needs cannot be opened: nothing was started then. Resolves
 * when execve has succeeded; rejects with FailedLaunch when it or a step before has failed.
 */
export function runTask(launcher: Launcher, request: TaskRequest): Promise<Task> {
  return launch(launcher, request, openProgram(request));
}

function openProgram({ process, log, runDir, logDir }: TaskRequest): OpenProgram {
  const { maxBytes, maxFiles, firstSeq } = log;
  const common = { runDir, logDir, logOptions: { maxBytes, maxFiles }, nextLogSeq: firstSeq };
  if (process.kind === 'joining') return openExecProgram({ ...process.input, ...common });
  return openContainerProgram({ ...process.input, ...common });
}

async function launch(launcher: Launcher, request: TaskRequest, opened: OpenProgram): Promise<Task> {
  using open = opened;
  const { id, runDir, logDir, process, log, holdLog } = request;
  const monitor = await launchProgram(
    launcher,
    open,
    { id, runDir, ...(holdLog ? { holdLogFrom: log.firstSeq } : {}), ...terminalSize(request.terminalSize) },
    process.kind === 'joining' ? 'exec' : 'create',
    request.platformHint,
  );
  return new Task(monitor, { runDir, logDir });
}

function terminalSize(size: TaskRequest['terminalSize']) {
  const [rows, columns] = size ?? [];
  return rows && columns ? { terminalSize: { rows: Math.min(rows, 0xffff), columns: Math.min(columns, 0xffff) } } : {};
}
