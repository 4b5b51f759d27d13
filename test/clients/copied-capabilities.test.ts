// File capabilities through `cp`, by our own command line and by the unmodified docker.
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { lgetxattr, lsetxattr } from '../../native-bindings/xattrs.ts';
import { type CliName, cli, cliBinary, cliEnv, cliNames, cliPath } from '../harness/clis.ts';
import { projectRoot } from '../harness/paths.ts';
import { runCommand } from '../harness/run-command.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const attribute = 'security.capability';
/** cap_net_raw, permitted and effective. */
const capability = Buffer.from([1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
let dir = '';
beforeAll(() => {
  dir = mkdtempSync('/tmp/tsdt-host-');
  mkdirSync(`${dir}/in`);
  for (const file of ['ping', 'plain']) writeFileSync(`${dir}/in/${file}`, file, { mode: 0o755 });
  lsetxattr(`${dir}/in/ping`, attribute, capability);
  symlinkSync('ping', `${dir}/in/link`);
});
afterAll(() => rmSync(dir, { recursive: true, force: true }));
beforeEach(async () => {
  const created = await cli(fixture.daemon, 'tsdocker', ['create', '--name', 'c', 'busybox', 'true']);
  expect(created).toMatchObject({ code: 0 });
});

describe.each(cliNames)('%s', (name: CliName) => {
  const cp = (...args: string[]) => cli(fixture.daemon, name, ['cp', ...args]);

  test.each(['--archive=false', '--archive'])(
    'a file keeps them on its way in and out, in a tree, %s',
    async (flag) => {
      expect(await cp(flag, `${dir}/in`, `c:/tree`)).toMatchObject({ code: 0 });
      const tar = await cliBinary(fixture.daemon, name, ['cp', `c:/tree/ping`, '-']);
      expect(tar.stdout.includes(Buffer.concat([Buffer.from(`SCHILY.xattr.${attribute}=`), capability]))).toBe(true);
      const out = `${dir}/${name}-out${flag}`;
      expect(await cp(flag, `c:/tree`, out)).toMatchObject({ code: 0 });
      expect(lgetxattr(`${out}/ping`, attribute)).toEqual(capability);
      expect(readFileSync(`${out}/ping`, 'utf8')).toBe('ping');
      for (const other of ['plain', 'link']) expect(lgetxattr(`${out}/${other}`, attribute), other).toBeUndefined();
    },
  );

  test('a user who may not give them has the file without, and a warning', async () => {
    expect(await cp(`${dir}/in/ping`, `c:/file`)).toMatchObject({ code: 0 });
    const out = `${dir}/${name}-unprivileged`;
    const command = [cliPath(name), 'cp', '-q', `c:/file`, out];
    const result = await runCommand('setpriv', ['--bounding-set', '-setfcap', '--inh-caps', '-setfcap', ...command], {
      env: cliEnv(fixture.daemon),
    });
    expect(result.code, result.stderr).toBe(0);
    if (name === 'tsdocker') expect(result.stderr).toBe(`WARNING: capabilities of ${out} are lost: not permitted\n`);
    else expect(result.stderr).toContain('ignored xattrs in archive');
    expect(lgetxattr(out, attribute)).toBeUndefined();
    expect(readFileSync(out, 'utf8')).toBe('ping');
  });
});

/** The command line as on a machine that there are no binaries for; the bundle of the FFI leaves a mark when it is loaded. */
function clientAlone(): (...args: string[]) => ReturnType<typeof runCommand> {
  const alone = `${dir}/alone`;
  mkdirSync(`${alone}/dist`, { recursive: true });
  cpSync(`${projectRoot}bin`, `${alone}/bin`, { recursive: true });
  symlinkSync(`${projectRoot}node_modules`, `${alone}/node_modules`);
  cpSync(`${projectRoot}dist/cli`, `${alone}/dist/cli`, { recursive: true });
  const bundle = readFileSync(`${projectRoot}dist/xattrs.mjs`, 'utf8');
  const mark = "import { writeFileSync } from 'node:fs';\nwriteFileSync(new URL('../loaded', import.meta.url), '');\n";
  writeFileSync(`${alone}/dist/mark.mjs`, mark);
  writeFileSync(`${alone}/dist/xattrs.mjs`, `import './mark.mjs';\n${bundle}`);
  return (...args) => runCommand(`${alone}/bin/tsdocker`, args, { env: cliEnv(fixture.daemon) });
}

test('no command loads the FFI but a copy, which goes on without it and names what it knows to be lost', async () => {
  const alone = clientAlone();
  const isLoaded = () => existsSync(`${dir}/alone/loaded`);
  for (const args of [
    ['ps', '-a'],
    ['inspect', 'c'],
    ['cp', 'c:/etc/passwd', `${dir}/passwd`],
    ['cp', '--help'],
  ]) {
    expect(await alone(...args), args.join(' ')).toMatchObject({ code: 0 });
  }
  expect(isLoaded()).toBe(false);
  expect(await alone('cp', '-q', `${dir}/in`, 'c:/alone')).toMatchObject({ code: 0, stderr: '' });
  expect(isLoaded()).toBe(true);
  expect(await alone('cp', '-q', 'c:/alone', `${dir}/alone-out`)).toMatchObject({ code: 0, stderr: '' });
  expect(readFileSync(`${dir}/alone-out/ping`, 'utf8')).toBe('ping');
  await cli(fixture.daemon, 'tsdocker', ['cp', `${dir}/in/ping`, 'c:/kept']);
  const out = `${dir}/alone-kept`;
  expect(await alone('cp', '-q', 'c:/kept', out)).toMatchObject({
    code: 0,
    stderr: `WARNING: capabilities of ${out} are lost: what reads and sets them is not installed\n`,
  });
  expect(readFileSync(out, 'utf8')).toBe('ping');
});
