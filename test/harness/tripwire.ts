// A directory on the host that no container may reach, and a few of the host's own facts: compared after every attack.
import { createHash, randomBytes } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';

const hostFiles = ['/etc/passwd', '/etc/shadow', '/proc/sys/kernel/core_pattern', '/proc/sys/vm/stat_interval'];
const hostModes = ['/tmp', '/etc', '/root', '/dev/null', '/usr/bin', '/dev'];

export class Tripwire {
  readonly dir: string;
  readonly secret: string;
  private readonly before: string;

  constructor() {
    this.dir = mkdtempSync('/tmp/tsdt-tw-');
    this.secret = randomBytes(24).toString('hex');
    chmodSync(this.dir, 0o755);
    writeFileSync(`${this.dir}/SENTINEL`, this.secret, { mode: 0o644 });
    mkdirSync(`${this.dir}/dir`, { mode: 0o755 });
    writeFileSync(`${this.dir}/dir/file`, this.secret, { mode: 0o600 });
    writeFileSync(`${this.dir}/suid`, 'x', { mode: 0o644 });
    this.before = this.state();
  }

  /** Everything that an attack could have changed, as text to compare. */
  state(): string {
    const lines: string[] = [];
    const walk = (path: string) => {
      const stat = lstatSync(path);
      const content = stat.isFile()
        ? createHash('sha256').update(readFileSync(path)).digest('hex')
        : stat.isSymbolicLink()
          ? readlinkSync(path)
          : '';
      lines.push(
        `${path} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} links=${stat.isDirectory() ? '' : stat.nlink} ${content}`,
      );
      if (stat.isDirectory()) for (const name of readdirSync(path).sort()) walk(`${path}/${name}`);
    };
    walk(this.dir);
    for (const path of hostFiles)
      lines.push(`${path} ${createHash('sha256').update(readFileSync(path)).digest('hex')}`);
    for (const path of hostModes) {
      const stat = lstatSync(path);
      lines.push(`${path} ${stat.mode.toString(8)} ${stat.uid}:${stat.gid} ${stat.rdev}`);
    }
    return lines.join('\n');
  }

  /** Throws when anything was touched. */
  check(): void {
    const now = this.state();
    if (now !== this.before) {
      const before = new Set(this.before.split('\n'));
      throw new Error(
        `the host was touched:\n${now
          .split('\n')
          .filter((line) => !before.has(line))
          .join('\n')}`,
      );
    }
  }

  remove(): void {
    rmSync(this.dir, { recursive: true, force: true });
  }
}
