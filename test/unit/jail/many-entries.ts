// A tmpfs for trees of very many entries, and the program that makes them.
import { execFileSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { fixtureProgram } from '../../harness/fixtures.ts';

export class SmallDisk {
  readonly path: string;

  /** Mounts it on a directory, which is made. */
  constructor(path: string) {
    this.path = path;
    mkdirSync(path, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2g,nr_inodes=4m,mode=0755', 'tsdt', path]);
  }

  /** See test/fixtures/many.c. */
  grow(shape: 'names' | 'links' | 'dirs' | 'chain', name: string, count: number): string {
    const path = `${this.path}/${name}`;
    execFileSync(fixtureProgram('many'), [shape, path, String(count)]);
    return path;
  }

  [Symbol.dispose](): void {
    execFileSync('umount', [this.path]);
  }
}
