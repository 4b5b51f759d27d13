// A network namespace for one engine under test, with loopback up: its bridges, rules and routes are there, and nothing of them in the
// machine's own. Held by a descriptor of this process, so that it outlives the daemon and goes with the test runner at the latest.
import { execFileSync } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { type CommandOptions, type CommandResult, mustRun, runCommand } from './run-command.ts';

/** In a process of its own: this one is in the machine's namespace. */
const fetchScript = `require('node:http').get(process.argv[1], { agent: false }, (answer) => answer.pipe(process.stdout))
  .on('error', () => {}).setTimeout(2000, function () { this.destroy(); })`;

/** stdin and stdout, joined to a port of the namespace's loopback. */
export const connectScript = `const socket = require('node:net').connect(Number(process.argv[1]), '127.0.0.1');
  process.stdin.pipe(socket).pipe(process.stdout); socket.on('error', () => process.exit(1)).on('close', () => process.exit(0))`;

export class NetNamespace {
  readonly #fd: number;

  private constructor(fd: number) {
    this.#fd = fd;
  }

  static make(): NetNamespace {
    // Something has to be in the namespace until it is opened.
    const script = 'ip link set lo up || exit 1; sleep 60 </dev/null >/dev/null 2>&1 & echo $!';
    const pid = Number(execFileSync('unshare', ['--net', 'sh', '-c', script], { encoding: 'utf8' }));
    const fd = openSync(`/proc/${pid}/ns/net`, 'r');
    process.kill(pid, 'SIGKILL');
    return new NetNamespace(fd);
  }

  /** For setns(2) and nsenter(1), as long as this process lives. */
  get path(): string {
    return `/proc/${process.pid}/fd/${this.#fd}`;
  }

  /** Put before a command, it runs inside; the process id stays that of the command. */
  get wrapper(): string[] {
    return ['nsenter', `--net=${this.path}`, '--'];
  }

  run(file: string, args: readonly string[], options: CommandOptions = {}): Promise<CommandResult> {
    return runCommand('nsenter', [...this.wrapper.slice(1), file, ...args], options);
  }

  /** As run; rejects when the command's status is not 0, else what it printed. */
  must(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
    return mustRun('nsenter', [...this.wrapper.slice(1), file, ...args], options);
  }

  /** The body that a web server answers, trimmed; empty when nothing does within two seconds. */
  async fetch(url: string): Promise<string> {
    return (await this.run(process.execPath, ['-e', fetchScript, url])).stdout.trim();
  }

  /** Names of the network devices, loopback left out. */
  async links(): Promise<string[]> {
    const out = await this.must('ip', ['-o', 'link']);
    return [...out.matchAll(/^\d+: ([^:@]+)/gm)].map((match) => match[1] ?? '').filter((name) => name !== 'lo');
  }

  close(): void {
    closeSync(this.#fd);
  }
}
