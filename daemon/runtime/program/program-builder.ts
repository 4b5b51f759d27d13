// A program under construction: appends operations and hands out the numbers of the descriptors that operations make.

import type { OpName } from './opcodes.ts';
import type { Op, OpArgument, Program } from './program.ts';

export class ProgramBuilder {
  readonly #ops: Op[] = [];
  #nextFd: number;

  /** `firstFree` is the first number after the inherited descriptors. */
  constructor(firstFree: number) {
    this.#nextFd = firstFree;
  }

  add(op: OpName, args: readonly OpArgument[], why?: string): this {
    this.#ops.push(why === undefined ? { op, args } : { op, args, why });
    return this;
  }

  /** The attachment of a bind mount. */
  addBind(args: readonly OpArgument[], from: string): this {
    this.#ops.push({ op: 'move_mount', args, from });
    return this;
  }

  /** As add; ENOENT and ENOTDIR are no errors. */
  addOptional(op: OpName, args: readonly OpArgument[], why?: string): this {
    this.#ops.push({ op, args, ignoreMissing: true, ...(why === undefined ? {} : { why }) });
    return this;
  }

  /** A number for a descriptor that the next operation makes. All of them close at execve. */
  newFd(): number {
    return this.#nextFd++;
  }

  get program(): Program {
    return { ops: this.#ops };
  }
}
