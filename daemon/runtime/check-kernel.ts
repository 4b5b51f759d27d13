// What the engine cannot do without, looked at once before anything is touched. There are no half-working ways around these calls: a path
// that openat2 does not resolve inside a root, or a mount that is visible on the host, would be an engine with other promises.
import { release } from 'node:os';
import { refusedCalls } from '../../native-bindings/probe-calls.ts';
import { seccompVersion } from '../../native-bindings/seccomp.ts';
import { EngineError } from '../errors/engine-error.ts';

/** Throws 'system' with one sentence that names every call that is missing. */
export function checkKernel(refused: readonly string[] = refusedCalls()): void {
  if (refused.length === 0) return;
  throw new EngineError(
    'system',
    `system calls are missing: ${refused.join(', ')}: use Linux 5.15 or later (this is ${release()}), and let the filter around the daemon pass them`,
  );
}

/** Throws 'system' when there is no libseccomp: without it every container with the default profile would fail. */
export function checkLibraries(seccomp: string | undefined = seccompVersion()): void {
  if (seccomp !== undefined) return;
  throw new EngineError(
    'system',
    'libseccomp.so.2 is missing: install libseccomp2 (Debian, Ubuntu) or libseccomp (Fedora, AlmaLinux)',
  );
}
