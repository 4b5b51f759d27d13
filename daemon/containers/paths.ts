// Where a container's files are. Ids in paths are the engine's own 64 hex digits, never what a client sent.
import { join } from 'node:path';

export type ManagedFileName = 'hosts' | 'hostname' | 'resolv.conf';

/** Docker's names: `dataRoot` survives a reboot, `execRoot` does not. */
export class EnginePaths {
  readonly dataRoot: string;
  readonly execRoot: string;

  constructor(dataRoot: string, execRoot: string) {
    this.dataRoot = dataRoot;
    this.execRoot = execRoot;
  }

  get containers(): string {
    return join(this.dataRoot, 'containers');
  }

  container(id: string): string {
    return join(this.dataRoot, 'containers', id);
  }

  /** The directory of log.<n>: the container's own, since every further directory costs a create a millisecond on some disks. */
  logs(id: string): string {
    return this.container(id);
  }

  /** Written anew at each start. A container can fill them: on the disk of its layers that is no more than it could do anyway. */
  managedFile(id: string, name: ManagedFileName): string {
    return join(this.container(id), name);
  }

  execLogs(id: string, execId: string): string {
    return join(this.dataRoot, 'containers', id, 'exec', execId);
  }

  get runs(): string {
    return join(this.execRoot, 'containers');
  }

  /** Concluded runs whose files are being deleted. */
  get runTrash(): string {
    return join(this.execRoot, 'trash');
  }

  /** The monitor's socket and records. */
  run(id: string): string {
    return join(this.execRoot, 'containers', id);
  }

  execRun(id: string, execId: string): string {
    return join(this.execRoot, 'containers', id, 'exec', execId);
  }

  /** An empty directory on which each launcher attaches the root inside its own mount namespace. */
  get staging(): string {
    return join(this.execRoot, 'staging');
  }
}
