// The two command lines against a test daemon: our own, and the unmodified docker.
import { mkdirSync } from 'node:fs';
import { findCommand, projectRoot } from './paths.ts';
import { type BinaryResult, type CommandOptions, type CommandResult, runBinary, runCommand } from './run-command.ts';
import type { TestDaemon } from './test-daemon.ts';

export type CliName = 'tsdocker' | 'docker';

/** Where docker is: scripts/test may have unpacked one into build/tools. */
export const dockerPath: string | undefined = findCommand('docker') ?? undefined;

export const cliNames: CliName[] = dockerPath === undefined ? ['tsdocker'] : ['tsdocker', 'docker'];

/** Empty at first: no credentials, no plugins, no context of this machine's user. Goes with the daemon's directory. */
function configDir({ dir }: TestDaemon): string {
  const path = `${dir}/client-config`;
  mkdirSync(path, { recursive: true });
  return path;
}

export function cliPath(name: CliName): string {
  if (name === 'tsdocker') return `${projectRoot}bin/tsdocker`;
  if (dockerPath === undefined) throw new Error('docker is not installed');
  return dockerPath;
}

export function cliEnv(daemon: TestDaemon): Record<string, string> {
  return { DOCKER_HOST: daemon.host, DOCKER_CONFIG: configDir(daemon), LC_ALL: 'C', TZ: 'UTC' };
}

export function cli(
  daemon: TestDaemon,
  name: CliName,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  return runCommand(cliPath(name), args, { ...options, env: { ...cliEnv(daemon), ...options.env } });
}

export function cliBinary(
  daemon: TestDaemon,
  name: CliName,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<BinaryResult> {
  return runBinary(cliPath(name), args, { ...options, env: { ...cliEnv(daemon), ...options.env } });
}
