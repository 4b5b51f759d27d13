// A program with the descriptors that it needs, ready for Launcher.launch. Disposing of it closes what was opened for it; after the
// launch the monitor has its own copies.
import { closeSync, openSync } from 'node:fs';
import { O } from '../../../native-bindings/constants.ts';
import { EngineError } from '../../errors/engine-error.ts';
import type { OciProcess, OciSpec } from '../oci-spec.ts';
import { FIRST_PROGRAM_FD, type Program } from './program.ts';

/** Collects descriptors under the numbers that they will have in the launcher. */
export class DescriptorList implements Disposable {
  readonly #fds: number[] = [];
  readonly #owned: number[] = [];

  /** Returns the number in the launcher. The descriptor stays the caller's. */
  pass(fd: number): number {
    this.#fds.push(fd);
    return FIRST_PROGRAM_FD + this.#fds.length - 1;
  }

  /** As pass; closed with the list. */
  own(fd: number): number {
    this.#owned.push(fd);
    return this.pass(fd);
  }

  openDirectory(path: string): number {
    return this.own(openSync(path, O.RDONLY | O.DIRECTORY));
  }

  /** A namespace file below /proc/PID/ns. Throws EngineError 'conflict' when the process has ended. */
  openNamespace(pid: number, name: string): number {
    try {
      return this.own(openSync(`/proc/${pid}/ns/${name}`, O.RDONLY));
    } catch (error) {
      throw new EngineError('conflict', `join the ${name} namespace of process ${pid}: it has ended`, { cause: error });
    }
  }

  get all(): readonly number[] {
    return this.#fds;
  }

  get firstFree(): number {
    return FIRST_PROGRAM_FD + this.#fds.length;
  }

  [Symbol.dispose](): void {
    for (const fd of this.#owned.splice(0)) closeSync(fd);
  }
}

export class OpenProgram implements Disposable {
  readonly process: OciProcess;
  readonly program: Program;
  /** Become 3, 4, … in the launcher, in this order. */
  readonly fds: readonly number[];
  readonly #descriptors: DescriptorList;

  constructor(process: OciProcess, program: Program, descriptors: DescriptorList) {
    this.process = process;
    this.program = program;
    this.fds = descriptors.all;
    this.#descriptors = descriptors;
  }

  [Symbol.dispose](): void {
    this.#descriptors[Symbol.dispose]();
  }
}

/** Of a container's first process: the whole spec is known. */
export class OpenContainerProgram extends OpenProgram {
  readonly spec: OciSpec;

  constructor(spec: OciSpec, program: Program, descriptors: DescriptorList) {
    super(spec.process, program, descriptors);
    this.spec = spec;
  }
}
