// Why a process was not started, whatever kept it: what the user is told, and the exit code that is recorded with it.
import { EngineError, isEngineError } from '../../errors/engine-error.ts';
import { FailedLaunch, type LaunchFailure } from '../../tasks/launch-program.ts';

export function launchFailure(error: unknown): LaunchFailure {
  if (error instanceof FailedLaunch) return error;
  if (isEngineError(error)) return { error, exitCode: 128 };
  const message = `start the container: ${error instanceof Error ? error.message : String(error)}`;
  return { error: new EngineError('system', message, { cause: error }), exitCode: 128 };
}
