// What both command lines say, and end with, when a container cannot start: which source, which interpreter, which platform.
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { cli, cliNames } from '../harness/clis.ts';
import { tarOf } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();

function script(name: string, text: string): string {
  const path = `${fixture.daemon.dir}/${name}`;
  writeFileSync(path, text);
  chmodSync(path, 0o755);
  return path;
}

describe.each(cliNames)('%s', (name) => {
  const call = (...args: string[]) => cli(fixture.daemon, name, args);

  test('a file on a directory, and a directory on a file, name the source', async () => {
    const file = script('file', '');
    const directory = `${fixture.daemon.dir}/directory`;
    mkdirSync(directory, { recursive: true });
    for (const [source, target] of [
      [file, '/tmp'],
      [directory, '/etc/passwd'],
    ]) {
      const result = await call('run', '--rm', '-v', `${source}:${target}`, 'busybox', 'true');
      expect(result.code).toBe(125);
      expect(result.stderr).toContain(`error mounting "${source}" to rootfs at "${target}": not a directory`);
    }
  });

  test('a script names the interpreter that is missing', async () => {
    const path = script('perl-script', '#! /usr/bin/perl -w\n');
    const byPath = await call('run', '--rm', '-v', `${path}:/s`, 'busybox', '/s');
    expect(byPath.code).toBe(127);
    expect(byPath.stderr).toContain('exec /s: no such file or directory: its interpreter "/usr/bin/perl" is not in');
    const byName = await call('run', '--rm', '-v', `${path}:/usr/bin/s`, 'busybox', 's');
    expect(byName.code).toBe(127);
    expect(byName.stderr).toContain('exec /usr/bin/s: no such file or directory: its interpreter "/usr/bin/perl"');
  });

  test('a working directory that is not there ends an exec with 127', async () => {
    const { stdout } = await call('run', '-d', 'busybox', 'sleep', '1000');
    for (const directory of ['/nonexistent', '/etc/passwd']) {
      const result = await call('exec', '-w', directory, stdout.trim(), 'true');
      expect(result.code).toBe(127);
      expect(result.stdout + result.stderr).toContain(`chdir to cwd ("${directory}") set in config.json failed`);
    }
  });

  test('an image of another kind of machine is warned of, and named when its programs cannot run', async () => {
    const foreign = process.arch === 'arm64' ? 'amd64' : 'arm64';
    const header = Buffer.from([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1, ...new Array(9).fill(0), 2, 0, 0x00, 0x7e]);
    const { api } = fixture.daemon;
    const imported = await api.send('POST', `/images/create?fromSrc=-&repo=foreign&platform=linux/${foreign}`, {
      raw: tarOf([{ name: 'program', mode: 0o755, data: header }]),
    });
    expect(imported.status).toBe(200);
    const result = await call('run', '--rm', 'foreign', '/program');
    expect(result.stderr).toMatch(
      new RegExp(
        `^WARNING: The requested image's platform \\(linux/${foreign}\\) does not match the detected host platform`,
      ),
    );
    expect(result.stderr).toContain(
      `exec /program: exec format error: the image is for linux/${foreign}, and this host is`,
    );
    const asked = await call('run', '--rm', '--platform', `linux/${foreign}`, 'foreign', '/program');
    expect(asked.stderr).not.toContain('WARNING');
  });
});
