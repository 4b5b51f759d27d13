// Earlier versions of the engine, built from the repository's history below build/engines: what they leave running has to be taken over.
import { spawnSync } from 'node:child_process';
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, symlinkSync } from 'node:fs';
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
  if (wantsFfiPackages(making)) linkModulesWithFfi(`${making}/node_modules`);
  else symlinkSync(`${projectRoot}node_modules`, `${making}/node_modules`);
  must(`${making}/scripts/build`, []);
  rmSync(place, { recursive: true, force: true });
  renameSync(making, place);
  return `${place}/`;
}

/** Versions before the compiled parts were ours to load take the FFI's packages, which are no modules of this project any more. */
function wantsFfiPackages(root: string): boolean {
  const { dependencies = {} } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8')) as { dependencies?: object };
  return 'ffi-napi' in dependencies;
}

/** This project's modules, and the FFI's packages with what make compiled of them as their prebuilt binaries. */
function linkModulesWithFfi(target: string): void {
  mkdirSync(`${target}/@2060.io`, { recursive: true });
  const sources = `${projectRoot}native-bindings/addons/node_modules`;
  for (const [name, compiled] of [
    ['ffi-napi', 'ffi.node'],
    ['ref-napi', 'ref.node'],
    ['@2060.io/ref-napi', 'ref.node'],
  ] as const) {
    cpSync(`${sources}/@2060.io/${name.replace('@2060.io/', '')}`, `${target}/${name}`, { recursive: true });
    const prebuilds = `${target}/${name}/prebuilds/linux-${process.arch}`;
    mkdirSync(prebuilds, { recursive: true });
    cpSync(`${projectRoot}build/native/linux-${process.arch}/${compiled}`, `${prebuilds}/node.napi.node`);
  }
  for (const directory of [sources, `${projectRoot}node_modules`])
    for (const name of readdirSync(directory))
      if (!existsSync(`${target}/${name}`)) symlinkSync(`${directory}/${name}`, `${target}/${name}`);
}

function must(command: string, args: readonly string[]): void {
  const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${status}\n${stdout}${stderr}`);
}
