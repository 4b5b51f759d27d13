// Images of real packages and between engines: a Debian root file system through import, commit, push and pull; archives between this engine
// and a dockerd, both ways; and what pulling looks like on a terminal.
import { randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, describe, expect } from 'vitest';
import { cli, cliEnv, cliPath } from '../harness/clis.ts';
import { debianNeeds, debianTar } from '../harness/debian-image.ts';
import { DockerRegistry } from '../harness/docker-registry.ts';
import { EvilRegistry, type Reply, when } from '../harness/evil-registry.ts';
import { testNeeding } from '../harness/needs.ts';
import { findCommand } from '../harness/paths.ts';
import { Pty } from '../harness/pty.ts';
import { busyboxEntries, dockerArchive, rawImage, rawLayer } from '../harness/raw-image.ts';
import { ReferenceDockerd } from '../harness/reference-dockerd.ts';
import { readTar } from '../harness/tars.ts';
import { useDaemon } from '../harness/use-daemon.ts';

const fixture = useDaemon();
const dir = mkdtempSync('/tmp/tsdt-exchange-');
let registry: DockerRegistry | undefined;
beforeAll(async () => {
  if (findCommand('docker-registry') === undefined) return;
  registry = await DockerRegistry.start(fixture.daemon.network, { port: 5000 });
});
afterAll(async () => {
  await registry?.stop();
  rmSync(dir, { recursive: true, force: true });
});

const ok = async (...args: string[]) => {
  const result = await cli(fixture.daemon, 'tsdocker', args, { timeoutMs: 120_000 });
  expect(result, args.join(' ')).toMatchObject({ code: 0 });
  return result.stdout;
};

describe('with a real dockerd', () => {
  testNeeding('dockerd')(
    'save there and load here, and the other way round: the same image ID, the same files',
    async () => {
      const dockerd = await ReferenceDockerd.start(fixture.daemon.network);
      try {
        const layers = [
          await rawLayer(busyboxEntries('both')),
          await rawLayer([
            { name: '.wh.gone', data: '' },
            { name: 'dir/x', data: 'x' },
          ]),
        ];
        writeFileSync(`${dir}/made.tar`, dockerArchive(rawImage({ layers }), 'both:1'));
        expect(await dockerd.docker('load', '-i', `${dir}/made.tar`)).toBe('Loaded image: both:1\n');
        const id = await dockerd.docker('images', '-q', '--no-trunc', 'both:1');
        await dockerd.docker('save', '-o', `${dir}/there.tar`, 'both:1');
        expect(await ok('load', '-i', `${dir}/there.tar`)).toBe('Loaded image: both:1\n');
        expect(await ok('images', '-q', '--no-trunc', 'both:1')).toBe(id);
        expect(await ok('run', '--rm', '--network', 'none', 'both:1')).toBe('hello both\n');
        await ok('run', '--network', 'none', '--name', 'grown', 'both:1', '/bin/busybox', 'touch', '/new');
        await ok('commit', 'grown', 'both:2');
        await ok('save', '-o', `${dir}/here.tar`, 'both:1', 'both:2');
        await dockerd.docker('rmi', 'both:1');
        expect(await dockerd.docker('load', '-i', `${dir}/here.tar`)).toMatch(
          /Loaded image: both:1\nLoaded image: both:2\n/,
        );
        for (const name of ['both:1', 'both:2']) {
          expect(await dockerd.docker('images', '-q', '--no-trunc', name)).toBe(
            await ok('images', '-q', '--no-trunc', name),
          );
        }
        await dockerd.docker('create', '--name', 'look', '--network', 'none', 'both:2', '/x');
        await dockerd.docker('export', '-o', `${dir}/files.tar`, 'look');
        const files = readTar(readFileSync(`${dir}/files.tar`));
        expect(files.find(({ name }) => name === 'new')).toMatchObject({ flag: '0', size: 0 });
        expect(files.find(({ name }) => name === 'hello')?.data.toString()).toBe('hello both\n');
      } finally {
        await dockerd.stop();
      }
    },
    120_000,
  );
});

describe('a Debian image', () => {
  const testDebian = testNeeding('docker-registry', ...debianNeeds());
  testDebian(
    'is imported, committed in layers, pushed, removed, pulled and run',
    async () => {
      const tar = debianTar();
      await ok('import', '-c', 'CMD ["bash"]', tar, 'debian:base');
      await ok(
        'run',
        '--network',
        'none',
        '--name',
        'one',
        'debian:base',
        'sh',
        '-c',
        'rm -rf /usr/share/doc && echo one >/one',
      );
      await ok('commit', 'one', 'debian:one');
      await ok(
        'run',
        '--network',
        'none',
        '--name',
        'two',
        'debian:one',
        'sh',
        '-c',
        'dpkg -l | wc -l >/packages; ln /one /linked',
      );
      const name = `${registry?.host}/debian:two`;
      await ok('commit', 'two', name);
      const id = await ok('images', '-q', '--no-trunc', name);
      const digest = /digest: (\S+)/.exec(await ok('push', name))?.[1];
      await ok('rm', 'one', 'two');
      await ok('rmi', '-f', name, 'debian:one', 'debian:base');
      expect(await ok('pull', name)).toContain(`Digest: ${digest}\n`);
      expect(await ok('images', '-q', '--no-trunc', name)).toBe(id);
      const script =
        'cat /one /linked; stat -c %h /one; ls /usr/share/doc 2>/dev/null | wc -l; dpkg -s bash | grep ^Status';
      expect(await ok('run', '--rm', '--network', 'none', name, 'bash', '-c', script)).toBe(
        'one\none\n2\n0\nStatus: install ok installed\n',
      );
      expect(Number(await ok('run', '--rm', '--network', 'none', name, 'cat', '/packages'))).toBeGreaterThan(50);
      expect(statSync(tar).size).toBeGreaterThan(50 << 20);
    },
    300_000,
  );
});

describe('on a terminal of 80 columns', () => {
  /** In pieces with pauses, so that there is something to see. */
  const slowly =
    (bytes: Buffer): Reply =>
    (response) => {
      response.writeHead(200, { 'Content-Length': bytes.length });
      const send = (at: number): void => {
        if (at >= bytes.length || response.destroyed) return void response.end();
        response.write(bytes.subarray(at, at + 150_000));
        setTimeout(() => send(at + 150_000), 120);
      };
      send(0);
    };

  testNeeding()('one bar for each layer, no line too long, and the end of every layer stays', async () => {
    const evil = await EvilRegistry.start(fixture.daemon.network);
    try {
      const layers = [await rawLayer(busyboxEntries())];
      for (let n = 0; n < 4; n++) layers.push(await rawLayer([{ name: `file${n}`, data: randomBytes(1_500_000) }]));
      const reference = evil.hold(rawImage({ layers }), 'slow');
      evil.rules = layers.map(({ bytes, descriptor }) => when(descriptor.digest, slowly(bytes)));
      const pty = new Pty([cliPath('tsdocker'), 'pull', reference], {
        rows: 24,
        cols: 80,
        env: cliEnv(fixture.daemon),
      });
      await pty.shows(/Downloading +\[=*> *\] +[\d.]+[kM]B\/[\d.]+MB/);
      await pty.shows(/[\d.]+[kM]B\/s/);
      pty.resize(24, 60);
      expect((await pty.ended(60_000)).code).toBe(0);
      const ids = layers.map(({ descriptor }) => descriptor.digest.slice(7, 19));
      const lines = pty.screen.replace(/\x1b\[\d*[A-Z]/g, '').split(/[\r\n]+/);
      expect(Math.max(...lines.map((line) => line.length))).toBeLessThan(80);
      for (const id of ids) expect(lines.filter((line) => line.startsWith(id)).at(-1)).toMatch(/^\S+: Pull complete$/);
      expect(lines.slice(-3)).toEqual([expect.stringMatching(/^Status: Downloaded newer image/), reference, '']);
    } finally {
      await evil.close();
    }
  });
});
