// What a launcher says when a program did not get as far as its process.
import { errnoName } from '../../native-bindings/errno.ts';
import type { OpName } from './program/opcodes.ts';
import type { Program } from './program/program.ts';

/** The launcher's report of the first operation that failed. `opIndex` is -1 for what is not an operation. */
export class LaunchError extends Error {
  readonly opIndex: number;
  readonly op: OpName | undefined;
  readonly errno: number;
  /** Like 'ENOENT'. */
  readonly errnoName: string;
  /** The operand, mostly a path. */
  readonly detail: string;

  constructor(report: { opIndex: number; errno: number; detail: string }, program?: Program) {
    const op = program?.ops[report.opIndex]?.op;
    const name = report.errno > 0 ? errnoName(report.errno) : 'EPROTO';
    const subject = [
      op ?? (report.opIndex >= 0 ? `operation ${report.opIndex}` : 'launcher'),
      report.detail && JSON.stringify(report.detail),
    ];
    super(`${subject.filter(Boolean).join(' ')}: ${name}`);
    this.name = 'LaunchError';
    this.opIndex = report.opIndex;
    this.op = op;
    this.errno = report.errno;
    this.errnoName = name;
    this.detail = report.detail;
  }
}
