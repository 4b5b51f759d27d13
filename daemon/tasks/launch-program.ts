// Launches a program, and says in words why it was not: what the user is told, and the exit code that is recorded with it.
import type { EngineError } from '../errors/engine-error.ts';
import { LaunchError } from '../runtime/launch-error.ts';
import type { Launcher, LaunchOptions } from '../runtime/launcher.ts';
import type { MonitorClient } from '../runtime/monitor-client.ts';
import type { OciProcess } from '../runtime/oci-spec.ts';
import type { Program } from '../runtime/program/program.ts';
import { describeStartFailure } from '../runtime/start-error.ts';

export interface LaunchFailure {
  error: EngineError;
  /** 127 not found, 126 not executable, 128 anything else: as Docker records it. */
  exitCode: number;
}

/** The launcher's report in words; `failure` is what the API answers. */
export class FailedLaunch extends Error implements LaunchFailure {
  readonly error: EngineError;
  readonly exitCode: number;
  /** Of the operation that failed, like 'ENOENT'. */
  readonly errnoName: string;

  constructor(failure: LaunchFailure, cause: LaunchError) {
    super(failure.error.message, { cause });
    this.error = failure.error;
    this.exitCode = failure.exitCode;
    this.errnoName = cause.errnoName;
  }
}

/** Launches; throws FailedLaunch when the program fails before execve has succeeded. */
export async function launchProgram(
  launcher: Launcher,
  open: { process: OciProcess; program: Program; fds: readonly number[] },
  options: Omit<LaunchOptions, 'program' | 'fds'>,
  kind: 'create' | 'exec',
  platformHint?: string,
): Promise<MonitorClient> {
  try {
    return await launcher.launch({ ...options, program: open.program, fds: open.fds });
  } catch (error) {
    if (error instanceof LaunchError)
      throw new FailedLaunch(describeStartFailure(error, open, kind, platformHint), error);
    throw error;
  }
}
