// Earlier versions of the engine, built from the repository's history below build/engines: what they leave running has to be taken over.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { projectRoot } from './paths.ts';

/** False in a checkout without history, as CI may make it. */
export function hasCommit(commit: string): boolean {
  return spawnSync('git', ['-C', projectRoot, 'cat-file', '-e', `${commit}^{tree}`]).status === 0;
}

/** The directory of a built engine as it was at `commit`, for DaemonOptions.root. Built once. */
export function olderEngine(commit: string): string {
  const place = `${projectRoot}build/engines/${commit}`;
  if (existsSync(`${place}/dist/tsdockerd.mjs`)) return `${place}/`;
  const making = `${place}.${process.pid}`;
  rmSync(making, { recursive: true, force: true });
  mkdirSync(making, { recursive: true });
  must('sh', ['-c', `git -C '${projectRoot}' archive ${commit} | tar -x -C '${making}'`]);
  symlinkSync(`${projectRoot}node_modules`, `${making}/node_modules`);
  must(`${making}/scripts/build`, []);
  rmSync(place, { recursive: true, force: true });
  renameSync(making, place);
  return `${place}/`;
}

function must(command: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
}
