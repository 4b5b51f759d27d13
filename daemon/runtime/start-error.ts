// What a user reads when a container or an exec does not start: the failed operation in Docker's words where Docker has words for it
// (its CLI makes the exit status 125, 126 or 127 out of them), otherwise the system call, its operand and its errno.
import { describeErrno } from '../../native-bindings/errno.ts';
import { EngineError } from '../errors/engine-error.ts';
import type { LaunchError } from './launch-error.ts';
import type { OciProcess } from './oci-spec.ts';
import type { Op, Program } from './program/program.ts';

export interface StartFailure {
  error: EngineError;
  /** What Docker records as the container's exit status: 126 not executable, 127 not found, 128 anything else. */
  exitCode: 126 | 127 | 128;
}

/** `started` is the OpenProgram that was launched; `platformHint` what may be wrong with an image's programs. */
export function describeStartFailure(
  failure: Pick<LaunchError, 'opIndex' | 'errno' | 'errnoName' | 'detail'>,
  started: { process: OciProcess; program: Program },
  kind: 'create' | 'exec',
  platformHint?: string,
): StartFailure {
  const { process, program } = started;
  const command = process.args[0] ?? '';
  const prefix =
    kind === 'create'
      ? 'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: '
      : 'OCI runtime exec failed: exec failed: unable to start container process: ';
  const result = (what: string, exitCode: StartFailure['exitCode'], code: 'invalid' | 'system'): StartFailure => ({
    error: new EngineError(code, `${prefix}${what}: unknown`),
    exitCode,
  });
  const { errnoName, detail } = failure;
  const op = program.ops[failure.opIndex];
  const description = describeErrno(failure.errno);
  const words = description ?? errnoName;
  if (op?.op === 'execve') {
    const quoted = JSON.stringify(command);
    if (errnoName === 'ENOENT' || errnoName === 'ENOTDIR') {
      return command.includes('/')
        ? result(`exec: ${quoted}: stat ${command}: no such file or directory`, 127, 'invalid')
        : result(`exec: ${quoted}: executable file not found in $PATH`, 127, 'invalid');
    }
    if (errnoName === 'EACCES') return result(`exec: ${quoted}: permission denied`, 126, 'invalid');
    if (errnoName === 'EISDIR') return result(`exec: ${quoted}: is a directory`, 126, 'invalid');
    if (errnoName === 'ENOEXEC') {
      const hint = platformHint === undefined ? '' : `: ${platformHint}`;
      return result(`exec ${detail || command}: exec format error${hint}`, 126, 'invalid');
    }
    if (errnoName === 'ELIBACC') {
      const [path = '', interpreter = ''] = detail.split('\n');
      const what =
        interpreter === '' ? 'its interpreter or dynamic loader' : `its interpreter ${JSON.stringify(interpreter)}`;
      return result(`exec ${path}: no such file or directory: ${what} is not in the container`, 127, 'invalid');
    }
    return result(`exec ${detail || command}: ${words}`, 126, 'invalid');
  }
  if (op?.op === 'chdir') {
    const exitCode = errnoName === 'ENOENT' || errnoName === 'ENOTDIR' ? 127 : 126;
    const where = JSON.stringify(process.cwd);
    return result(`chdir to cwd (${where}) set in config.json failed: ${words}`, exitCode, 'invalid');
  }
  if (op?.op === 'setrlimit') {
    return result(
      `error setting rlimit ${op.why ?? ''}: ${words}: the limit is above what this host allows`,
      128,
      'invalid',
    );
  }
  if (op?.op === 'dup_stdio' && detail === '/dev/null') {
    return result(`invalid /dev/null of the container: it is not the null device (${errnoName})`, 128, 'invalid');
  }
  // The kernel attaches only like to like. EINVAL has other reasons too, but none that a bind of the user's could have.
  if (op?.op === 'move_mount' && op.from !== undefined && ['EINVAL', 'ENOTDIR'].includes(errnoName)) {
    const [from, to] = [op.from, op.args[1]].map((path) => JSON.stringify(path));
    return result(
      `error mounting ${from} to rootfs at ${to}: not a directory: Are you trying to mount a directory onto a file (or vice-versa)? ` +
        'Check if the specified host path exists and is the expected type',
      127,
      'invalid',
    );
  }
  if (op?.op === 'move_mount' && errnoName === 'ENOTSUP') {
    const where = JSON.stringify(op.args[1]);
    return result(
      `${where} cannot be mounted because it is inside /proc or /sys: a link of the image leads there`,
      128,
      'invalid',
    );
  }
  const what = op === undefined ? detail : `${op.op}${detail === '' ? '' : ` ${JSON.stringify(detail)}`}`;
  const why = op?.why === undefined ? '' : ` (${op.why})`;
  const hint = isLinkInTheWay(op, errnoName) ? ': /proc, /sys and /dev of the image must not be symbolic links' : '';
  return result(`${what}${why}: ${errnoName}${description ? ` (${description})` : ''}${hint}`, 128, 'system');
}

function isLinkInTheWay(op: Op | undefined, errnoName: string): boolean {
  return op?.op === 'move_mount' && errnoName === 'ELOOP' && /^\/(proc|sys|dev)(\/|$)/.test(String(op.args[1]));
}
