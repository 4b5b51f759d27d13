// Containers over the API, as short calls for tests: made, started, waited for, read.
import { readFileSync, readlinkSync } from 'node:fs';
import type { ApiClient } from './api-client.ts';
import { readFrames } from './frames.ts';

/** A test's daemon, or that of the machine. */
export interface Served {
  readonly api: ApiClient;
}

/** Docker's create body; fields as on the wire. */
export interface Body {
  Image?: string;
  Cmd?: readonly string[] | null;
  Entrypoint?: readonly string[] | null;
  Tty?: boolean;
  OpenStdin?: boolean;
  StdinOnce?: boolean;
  HostConfig?: Record<string, unknown>;
  [field: string]: unknown;
}

export interface Inspect {
  Id: string;
  Name: string;
  Image: string;
  RestartCount: number;
  ExecIDs: string[] | null;
  HostnamePath: string;
  HostsPath: string;
  ResolvConfPath: string;
  LogPath: string;
  State: {
    Status: string;
    Running: boolean;
    Paused: boolean;
    Pid: number;
    ExitCode: number;
    OOMKilled: boolean;
    Error: string;
    StartedAt: string;
    FinishedAt: string;
  };
  Config: Record<string, unknown> & { Env: string[]; Cmd: string[] | null; Labels: Record<string, string> };
  HostConfig: Record<string, unknown>;
  Mounts: Record<string, unknown>[];
  NetworkSettings: Record<string, unknown>;
}

export interface RunResult {
  id: string;
  code: number;
  stdout: string;
  stderr: string;
}

function command(cmd: string | readonly string[]): readonly string[] {
  return typeof cmd === 'string' ? ['sh', '-c', cmd] : cmd;
}

/** A string runs in `sh -c`. */
export async function create(
  daemon: Served,
  cmd: string | readonly string[],
  body: Body = {},
  name?: string,
): Promise<string> {
  const query = name === undefined ? '' : `?name=${encodeURIComponent(name)}`;
  const made = await daemon.api.post<{ Id: string }>(`/containers/create${query}`, {
    Image: 'busybox',
    Cmd: command(cmd),
    ...body,
  });
  return made.Id;
}

export async function start(daemon: Served, ref: string): Promise<void> {
  await daemon.api.post(`/containers/${ref}/start`);
}

/** Created and started; the id. */
export async function runDetached(
  daemon: Served,
  cmd: string | readonly string[],
  body: Body = {},
  name?: string,
): Promise<string> {
  const id = await create(daemon, cmd, body, name);
  await start(daemon, id);
  return id;
}

export async function wait(daemon: Served, ref: string, condition = 'not-running'): Promise<number> {
  const answer = await daemon.api.post<{ StatusCode: number }>(`/containers/${ref}/wait?condition=${condition}`);
  return answer.StatusCode;
}

export async function logs(daemon: Served, ref: string, query = ''): Promise<{ stdout: string; stderr: string }> {
  const answer = await daemon.api.send('GET', `/containers/${ref}/logs?stdout=1&stderr=1${query}`);
  if (answer.status !== 200) throw new Error(`logs: ${answer.status} ${answer.text}`);
  return readFrames(answer.body);
}

export async function remove(daemon: Served, ref: string): Promise<void> {
  await daemon.api.delete(`/containers/${ref}?force=1&v=1`);
}

/** create, start, wait, logs, rm. */
export async function run(daemon: Served, cmd: string | readonly string[], body: Body = {}): Promise<RunResult> {
  const id = await create(daemon, cmd, body);
  try {
    await start(daemon, id);
    const code = await wait(daemon, id);
    const output =
      body.Tty === true
        ? { stdout: (await daemon.api.send('GET', `/containers/${id}/logs?stdout=1`)).text, stderr: '' }
        : await logs(daemon, id);
    return { id, code, ...output };
  } finally {
    await remove(daemon, id);
  }
}

export function inspect(daemon: Served, ref: string): Promise<Inspect> {
  return daemon.api.get<Inspect>(`/containers/${ref}/json`);
}

export interface ExecResult {
  code: number | null;
  stdout: string;
  stderr: string;
}

export async function exec(
  daemon: Served,
  ref: string,
  cmd: string | readonly string[],
  body: Record<string, unknown> = {},
): Promise<ExecResult> {
  const { Id } = await daemon.api.post<{ Id: string }>(`/containers/${ref}/exec`, {
    AttachStdout: true,
    AttachStderr: true,
    Cmd: command(cmd),
    ...body,
  });
  const answer = await daemon.api.send('POST', `/exec/${Id}/start`, {
    body: { Detach: false, Tty: body.Tty === true },
  });
  if (answer.status >= 400) throw new Error(`exec start: ${answer.status} ${answer.text}`);
  const output = body.Tty === true ? { stdout: answer.text, stderr: '' } : readFrames(answer.body);
  const state = await daemon.api.get<{ ExitCode: number | null }>(`/exec/${Id}/json`);
  return { code: state.ExitCode, ...output };
}

/** The probe's lines `name=value`; names that come several times are joined by commas. */
export function facts(stdout: string): Map<string, string> {
  const found = new Map<string, string>();
  for (const line of stdout.split('\n')) {
    const at = line.indexOf('=');
    if (at < 1) continue;
    const name = line.slice(0, at);
    const value = line.slice(at + 1);
    const before = found.get(name);
    found.set(name, before === undefined ? value : `${before},${value}`);
  }
  return found;
}

/** The inode name of a namespace of a process, e.g. `net:[4026531840]`. */
export function namespaceOf(pid: number | 'self', kind: string): string {
  return readlinkSync(`/proc/${pid}/ns/${kind}`);
}

/** The process that watches over the first process `pid` of a container. */
export function monitorOf(pid: number): number {
  const parent = Number(/^PPid:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
  const title = readFileSync(`/proc/${parent}/cmdline`, 'utf8');
  if (!title.includes('tsdocker-monitor')) throw new Error(`the parent of ${pid} is no monitor but ${title}`);
  return parent;
}
