// Runs a command to its end, with its input, its output and a limit on its time.
import { type ChildProcess, spawn } from 'node:child_process';
import { timeFactor } from './eventually.ts';

export interface CommandResult {
  /** Exit status; 128 + signal number is not used: a killed command has `signal`. */
  code: number | null;
  signal: NodeJS.Signals | null;
  stdout: string;
  stderr: string;
}

export interface CommandOptions {
  input?: string | Uint8Array;
  env?: Record<string, string>;
  cwd?: string;
  /** After this the command is killed and its call rejects. */
  timeoutMs?: number;
  onSpawn?: (child: ChildProcess) => void;
}

export interface BinaryResult extends Omit<CommandResult, 'stdout'> {
  stdout: Buffer;
}

export function runBinary(file: string, args: readonly string[], options: CommandOptions = {}): Promise<BinaryResult> {
  const timeoutMs = (options.timeoutMs ?? 30_000) * timeFactor;
  return new Promise((resolve, reject) => {
    const child = spawn(file, args, {
      cwd: options.cwd,
      env: { ...process.env, ...options.env },
      stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    });
    const out: Buffer[] = [];
    const err: Buffer[] = [];
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      child.kill('SIGKILL');
    }, timeoutMs);
    child.stdout?.on('data', (chunk: Buffer) => out.push(chunk));
    child.stderr?.on('data', (chunk: Buffer) => err.push(chunk));
    child.on('error', (error) => {
      clearTimeout(timer);
      reject(error);
    });
    child.on('close', (code, signal) => {
      clearTimeout(timer);
      const stderr = Buffer.concat(err).toString();
      const stdout = Buffer.concat(out);
      if (isLate) {
        const shown = `${stdout.toString().slice(-2000)}\n${stderr.slice(-2000)}`;
        reject(new Error(`${file} ${args.join(' ')}: still running after ${timeoutMs} ms\n${shown}`));
      } else {
        resolve({ code, signal, stdout, stderr });
      }
    });
    if (options.input !== undefined) {
      // The command may end without reading everything.
      child.stdin?.on('error', () => {});
      child.stdin?.end(options.input);
    }
    options.onSpawn?.(child);
  });
}

export async function runCommand(
  file: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const result = await runBinary(file, args, options);
  return { ...result, stdout: result.stdout.toString() };
}

/** As runCommand; rejects with the command's own words when its status is not 0. */
export async function mustRun(file: string, args: readonly string[], options: CommandOptions = {}): Promise<string> {
  const result = await runCommand(file, args, options);
  if (result.code !== 0) {
    throw new Error(
      `${file} ${args.join(' ')}: status ${result.code ?? result.signal}\n${result.stderr}${result.stdout}`,
    );
  }
  return result.stdout;
}
