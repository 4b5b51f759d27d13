// A directory of its own for one test, a jail, and the tripwire: a host directory that nothing under test may change.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ownedSource } from '../../../daemon/jail/decoding/decompress.ts';
import { holdTree } from '../../../daemon/jail/hold-tree.ts';
import { Jail } from '../../../daemon/jail/jail.ts';
import { type RawEntry, rawTarStream } from './raw-tar.ts';

export class JailFixture {
  readonly path = mkdtempSync(join(tmpdir(), 'tsdocker-jail-'));
  readonly jail = new Jail();
  readonly root = join(this.path, 'root');
  readonly tripwire = join(this.path, 'tripwire');
  readonly #before: string;

  constructor() {
    mkdirSync(this.root, { mode: 0o755 });
    mkdirSync(join(this.tripwire, 'dir'), { recursive: true });
    writeFileSync(join(this.tripwire, 'SENTINEL'), 'untouched', { mode: 0o640 });
    this.#before = this.fingerprint();
  }

  /** An empty root again. */
  clear(): void {
    rmSync(this.root, { recursive: true, force: true });
    mkdirSync(this.root, { mode: 0o755 });
  }

  async unpackLayer(entries: readonly RawEntry[], repack = false) {
    const fd = holdTree(this.root);
    const place = { kind: 'tree', rootFd: fd, mounts: [] } as const;
    return this.jail.run<'unpack-layer'>({ do: 'unpack-layer', place, repack }, [fd], {
      input: ownedSource(rawTarStream(entries)),
    });
  }

  /** What is in the tripwire and what the host's most wanted files are. */
  fingerprint(): string {
    const seen = execFileSync('find', [this.tripwire, '-printf', '%p %m %u %g %s %n %y\n']).toString();
    const files = ['/etc/passwd', '/etc/shadow', '/etc/hosts'].map((path) => {
      const { mode, uid, nlink, mtimeMs } = lstatSync(path);
      return `${path} ${mode} ${uid} ${nlink} ${mtimeMs} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`;
    });
    const top = readdirSync('/').sort().join(' ');
    return [seen, readFileSync(join(this.tripwire, 'SENTINEL'), 'utf8'), ...files, top].join('\n');
  }

  get isUntouched(): boolean {
    return this.fingerprint() === this.#before;
  }

  async close(): Promise<void> {
    await this.jail.close();
    rmSync(this.path, { recursive: true, force: true });
  }
}
