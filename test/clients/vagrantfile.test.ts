// The Vagrantfile is one that Vagrant takes, with Debian's libvirt plugin and without any, and does nothing but call scripts/provision.
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { testNeeding } from '../harness/needs.ts';
import { projectRoot } from '../harness/paths.ts';
import { runCommand } from '../harness/run-command.ts';

let home = '';
beforeAll(() => {
  home = mkdtempSync('/tmp/tsdt-vagrant-');
});
afterAll(() => rmSync(home, { recursive: true, force: true }));

const validate = (env: Record<string, string>) =>
  runCommand('vagrant', ['validate'], {
    cwd: projectRoot,
    env: { VAGRANT_HOME: home, VAGRANT_CHECKPOINT_DISABLE: '1', VAGRANT_DOTFILE_PATH: `${home}/dotfile`, ...env },
  });

testNeeding('vagrant')('vagrant validate takes it without the libvirt plugin', async () => {
  expect(await validate({ VAGRANT_NO_PLUGINS: '1', VAGRANT_DISABLE_PLUGIN_INIT: '1' })).toMatchObject({
    code: 0,
    stdout: expect.stringContaining('validated successfully'),
  });
});

testNeeding('vagrant', 'vagrant-libvirt')('vagrant validate takes it with the libvirt plugin', async () => {
  expect(await validate({})).toMatchObject({ code: 0, stdout: expect.stringContaining('validated successfully') });
});

test('nothing is provisioned inline', () => {
  const text = readFileSync(`${projectRoot}Vagrantfile`, 'utf8');
  expect(text).not.toContain('inline');
  expect(text.match(/vm\.provision /g)).toHaveLength(1);
  expect(text).toContain("path: 'scripts/provision'");
});
