// Drives a command on a real pseudo-terminal through the static program of test/fixtures/pty.c.
import { type ChildProcess, spawn } from 'node:child_process';
import type { Writable } from 'node:stream';
import { eventually } from './eventually.ts';
import { fixtureProgram } from './fixtures.ts';

export interface PtyEnd {
  code: number;
  /** How the command left the terminal; all true is the state that a shell expects. */
  canon: boolean;
  echo: boolean;
  isig: boolean;
}

export class Pty {
  private readonly child: ChildProcess;
  private readonly control: Writable;
  private out = '';
  private err = '';

  constructor(
    command: readonly string[],
    options: { rows?: number; cols?: number; env?: Record<string, string> } = {},
  ) {
    const size = [String(options.rows ?? 24), String(options.cols ?? 80)];
    this.child = spawn(fixtureProgram('pty'), [...size, ...command], {
      stdio: ['pipe', 'pipe', 'pipe', 'pipe'],
      env: { ...process.env, TERM: 'xterm', ...options.env },
    });
    this.control = this.child.stdio[3] as Writable;
    this.child.stdout?.on('data', (chunk: Buffer) => {
      this.out += chunk.toString();
    });
    this.child.stderr?.on('data', (chunk: Buffer) => {
      this.err += chunk.toString();
    });
    this.child.stdin?.on('error', () => {});
    this.control.on('error', () => {});
  }

  /** Everything the terminal has shown. */
  get screen(): string {
    return this.out;
  }

  type(text: string): void {
    this.child.stdin?.write(text);
  }

  resize(rows: number, cols: number): void {
    this.control.write(`size ${rows} ${cols}\n`);
  }

  /** The user closes the window. */
  hangUp(): void {
    this.control.write('hup\n');
  }

  async shows(text: string | RegExp, timeoutMs = 10_000): Promise<void> {
    const isThere = () => (typeof text === 'string' ? this.out.includes(text) : text.test(this.out));
    await eventually(`the terminal shows ${text}`, isThere, { timeoutMs }).catch((error: unknown) => {
      throw new Error(
        `the terminal never showed ${text}; it shows ${JSON.stringify(this.out.slice(-1500))} ${this.err}`,
        {
          cause: error,
        },
      );
    });
  }

  async ended(timeoutMs = 15_000): Promise<PtyEnd> {
    try {
      await eventually('the command on the terminal ends', () => this.child.exitCode !== null, { timeoutMs });
    } catch (error) {
      this.child.kill('SIGKILL');
      throw new Error(`still running; the terminal shows ${JSON.stringify(this.out.slice(-1500))}`, { cause: error });
    }
    const line = await eventually(
      'the terminal driver tells the end',
      () => /status (\d+)(.*)/.exec(this.err) ?? undefined,
    );
    const flag = (name: string) => (line[2] ?? '').includes(`${name}=1`);
    return { code: Number(line[1]), canon: flag('canon'), echo: flag('echo'), isig: flag('isig') };
  }

  kill(): void {
    this.child.kill('SIGKILL');
  }
}
