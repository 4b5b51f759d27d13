// RUN --mount against the kernel: what a step finds at its mounts, what becomes of what it writes there, and that nothing of them is in the layer.
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { connect, createServer } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { BindMount, CacheMount, SecretMount, SshMount } from '../../../../daemon/build/graph/operation.ts';
import type { LayersResult } from '../../../../daemon/build/steps/step.ts';
import { ExecRig } from './exec-rig.ts';

let rig: ExecRig;
beforeAll(async () => {
  rig = await ExecRig.open();
});
afterEach(async () => {
  await rig.step.settled();
  await rig.cacheMounts.settled();
  expect(rig.leftovers()).toEqual([]);
  expect(rig.warnings).toEqual([]);
});
afterAll(async () => {
  expect(await rig.close()).toEqual([]);
});

const bind = (target: string, more: Partial<BindMount> = {}): BindMount => ({
  type: 'bind',
  target,
  input: 1,
  selector: '',
  isReadonly: true,
  output: -1,
  ...more,
});
const cache = (target: string, more: Partial<CacheMount> = {}): CacheMount => ({
  type: 'cache',
  target,
  id: target,
  sharing: 'shared',
  isReadonly: false,
  input: -1,
  selector: '',
  mode: 0o755,
  uid: 0,
  gid: 0,
  ...more,
});
const secret = (target: string, more: Partial<SecretMount> = {}): SecretMount => ({
  type: 'secret',
  target,
  id: 'token',
  isOptional: false,
  mode: 0o400,
  uid: 0,
  gid: 0,
  ...more,
});

async function one(made: Promise<LayersResult[]>): Promise<LayersResult> {
  const [result, ...others] = await made;
  if (result === undefined || others.length > 0) throw new Error('not one result');
  return result;
}

/** What each ssh socket of a step that runs answers. */
function askAll(runs: string): Promise<string[]> {
  const sockets = readdirSync(runs).map((id) => join(runs, id, 'ssh.0'));
  return Promise.all(
    sockets
      .filter((path) => existsSync(path))
      .map(
        (path) =>
          new Promise<string>((resolve, reject) => {
            const socket = connect(path, () => socket.write('one'));
            socket.on('data', (bytes) => resolve(bytes.toString())).on('error', reject);
          }),
      ),
  );
}

function sources(): Promise<LayersResult> {
  return rig.layer((directory) => {
    mkdirSync(join(directory, 'src/deep'), { recursive: true });
    writeFileSync(join(directory, 'src/a'), 'a\n');
    writeFileSync(join(directory, 'src/deep/b'), 'b\n');
    symlinkSync('/src/deep', join(directory, 'link'));
    symlinkSync('../../../../etc', join(directory, 'out'));
  });
}

describe('bind', () => {
  it('shows layers and directories, whole or in part, and lets nobody write', async () => {
    using layers = await sources();
    const directory = rig.directory((path) => writeFileSync(join(path, 'c'), 'c\n'));
    const told = { stdout: '', stderr: '', both: '' };
    using result = await one(
      rig
        .run(
          'cat /m/all/src/a /m/part/b /m/file /m/dir/c /m/empty; (echo x > /m/all/x; echo x > /m/dir/x) 2>&1; ls -A /m/empty',
          {
            inputs: [layers, directory],
            mounts: [
              bind('/m/all'),
              bind('/m/part', { selector: '/link' }),
              bind('/m/file', { selector: 'src/a' }),
              bind('/m/dir', { input: 2 }),
              bind('/m/empty', { input: -1 }),
            ],
            told,
          },
        )
        .catch((error: unknown) => {
          throw new Error(told.both, { cause: error });
        }),
    );
    expect(told.stdout.split('\n').slice(0, 4)).toEqual(['a', 'b', 'a', 'c']);
    expect(told.stdout.match(/Read-only file system/g)).toHaveLength(2);
    // /m and all below it were made for the mounts.
    expect(rig.ownFiles(result)).toEqual([]);
    expect(readdirSync(directory.path)).toEqual(['c']);
  });

  it('throws away what is written to one that may be written to', async () => {
    using layers = await sources();
    const directory = rig.directory((path) => {
      chmodSync(path, 0o750);
      writeFileSync(join(path, 'c'), 'c\n');
    });
    const text = await rig.output(
      'echo x > /m/src/x; rm /m/src/a; ls /m/src; echo y > /d/c; cat /d/c; stat -c %a /d; echo z > /e/z; ls /e',
      {
        inputs: [layers, directory],
        mounts: [
          bind('/m', { isReadonly: false }),
          bind('/d', { input: 2, isReadonly: false }),
          bind('/e', { input: -1, isReadonly: false }),
        ],
      },
    );
    expect(text).toBe('deep\nx\ny\n750\nz\n');
    expect(readFileSync(join(directory.path, 'c'), 'utf8')).toBe('c\n');
    expect(rig.ownFiles(layers)).not.toContain('/src/x');
  });

  it('may be written to wherever it lies: a part of a checkout has a long path', async () => {
    const directory = rig.directory(() => undefined);
    const path = join(directory.path, ...Array.from({ length: 3 }, () => 'x'.repeat(120)));
    mkdirSync(path, { recursive: true });
    writeFileSync(join(path, 'c'), 'c\n');
    const text = await rig.output('cat /m/c; echo x > /m/c; cat /m/c', {
      inputs: [{ ...directory, path }],
      mounts: [bind('/m', { isReadonly: false })],
    });
    expect(text).toBe('c\nx\n');
    expect(readFileSync(join(path, 'c'), 'utf8')).toBe('c\n');
  });

  it('makes results of those that have an output', async () => {
    using layers = await sources();
    const made = await rig.run('echo r > /r; echo x > /m/x; echo y > /n/y', {
      inputs: [layers],
      mounts: [
        bind('/m', { isReadonly: false, output: 1, selector: 'src' }),
        bind('/n', { input: -1, isReadonly: false, output: 2 }),
        bind('/o', { output: 3 }),
      ],
    });
    const [root, first, second, third] = made as [LayersResult, LayersResult, LayersResult, LayersResult];
    expect(rig.ownFiles(root)).toEqual(['/r']);
    expect(rig.ownFiles(first)).toEqual(['/src', '/src/x']);
    rig.within(first, (path) => expect(readdirSync(join(path, 'src')).sort()).toEqual(['a', 'deep', 'x']));
    rig.within(second, (path) => expect(readdirSync(path)).toEqual(['y']));
    expect(third.top).toBe(layers.top);
    for (const result of made) result[Symbol.dispose]();
  });

  it('says what is not there, and stays inside its source', async () => {
    using layers = await sources();
    const run = (selector: string) => rig.run('cat /m/hosts', { inputs: [layers], mounts: [bind('/m', { selector })] });
    await expect(run('nothing')).rejects.toMatchObject({ code: 'not-found', message: '"/nothing": not found' });
    await expect(run('../../../etc')).rejects.toMatchObject({ code: 'not-found', message: '"/etc": not found' });
    await expect(run('out')).rejects.toMatchObject({ code: 'not-found' });
  });

  it('takes its places away again, and nothing that was there or came to be used', async () => {
    using layers = await sources();
    using base = await rig.layer((directory) => {
      mkdirSync(join(directory, 'there'));
      mkdirSync(join(directory, 'keep'));
      chmodSync(join(directory, 'keep'), 0o711);
      symlinkSync('/keep', join(directory, 'via'));
    }, rig.base.top);
    using result = await one(
      rig.runOn(base, 'echo x > /used/x; mkdir /tmp/new', {
        inputs: [layers],
        mounts: ['/there', '/via/a/b', '/used/m', '/tmp/gone/m', '/etc/passwd', '/root/.deep'].map((target) =>
          target === '/etc/passwd' ? bind(target, { selector: 'src/a' }) : bind(target),
        ),
      }),
    );
    expect(rig.ownFiles(result)).toEqual(['/tmp', '/tmp/new', '/used', '/used/x']);
    rig.within(result, (path) => {
      expect(lstatSync(join(path, 'keep')).mode & 0o7777).toBe(0o711);
      expect(readdirSync(join(path, 'keep'))).toEqual([]);
      expect(lstatSync(join(path, 'via')).isSymbolicLink()).toBe(true);
      expect(existsSync(join(path, 'there'))).toBe(true);
    });
  });

  it('takes what it made behind links that lead nowhere, and through strange roots', async () => {
    using layers = await sources();
    using base = await rig.layer((directory) => {
      mkdirSync(join(directory, 'etc'));
      symlinkSync('../run/systemd/resolve/stub-resolv.conf', join(directory, 'etc/resolv.conf'));
      symlinkSync('/nowhere/at/all', join(directory, 'dangling'));
      symlinkSync('loop', join(directory, 'loop'));
      symlinkSync('../../../../../../root/x', join(directory, 'out'));
    }, rig.base.top);
    const told = { stdout: '', stderr: '', both: '' };
    using result = await one(
      rig.runOn(base, 'grep -c nameserver /etc/resolv.conf; ls /dangling/in; ls /root/x', {
        inputs: [layers],
        mounts: [bind('/dangling/in', { selector: 'src' }), bind('/out', { selector: 'src/deep' })],
        told,
      }),
    );
    expect(told.both).toMatch(/^[1-9]\d*\na\ndeep\nb\n$/);
    expect(rig.ownFiles(result)).toEqual([]);
    await expect(rig.runOn(base, 'true', { inputs: [layers], mounts: [bind('/loop/in')] })).rejects.toThrow(/ELOOP/);
  });

  it('refuses places that no container may have, and more than can be', async () => {
    const run = (...targets: string[]) =>
      rig.run('true', { mounts: targets.map((target) => bind(target, { input: -1 })) });
    await expect(run('/proc/self')).rejects.toThrow('"/proc/self" cannot be mounted because it is inside /proc');
    await expect(run('/m/../..')).rejects.toThrow("destination can't be '/'");
    await expect(run('relative')).rejects.toThrow('must be absolute');
    await expect(run('/a'.repeat(200))).rejects.toMatchObject({ code: 'invalid' });
    await expect(run(`/${'a'.repeat(5000)}`)).rejects.toMatchObject({ code: 'invalid' });
    await expect(run(...Array.from({ length: 200 }, (_, n) => `/m${n}`))).rejects.toThrow('more than 128 mounts');
    using result = await one(run(...Array.from({ length: 100 }, (_, n) => `/m/${n}`)));
    expect(rig.ownFiles(result)).toEqual([]);
  });

  it('the last of several on one place is seen', async () => {
    using layers = await sources();
    expect(
      await rig.output('ls /m', { inputs: [layers], mounts: [bind('/m'), bind('/m/', { selector: 'src/deep' })] }),
    ).toBe('b\n');
  });
});

describe('cache', () => {
  it('keeps what is written, between steps and daemons', async () => {
    await rig.output('echo 1 >> /c/n', { mounts: [cache('/c', { id: 'kept' })] });
    await rig.output('echo 2 >> /c/n', { mounts: [cache('/c', { id: 'kept' })] });
    await rig.step.settled();
    await rig.cacheMounts.settled();
    const [seen] = rig.cacheMounts.list().filter(({ id }) => id === 'kept');
    expect(seen).toMatchObject({ useCount: 2, isInUse: false });
    expect(seen?.sizeBytes).toBeGreaterThan(0);
    await rig.step.close();
    await rig.openStep();
    expect(rig.cacheMounts.list().find(({ id }) => id === 'kept')).toEqual(seen);
    expect(await rig.output('cat /c/n', { mounts: [cache('/c', { id: 'kept', isReadonly: true })] })).toBe('1\n2\n');
    expect(rig.cacheMounts.prune(({ id }) => id === 'kept')).toHaveLength(1);
    expect(await rig.output('ls -A /c', { mounts: [cache('/c', { id: 'kept' })] })).toBe('');
  });

  it('begins with what it is given, or with an owner and a mode', async () => {
    using layers = await sources();
    const mounts = [
      cache('/c', { id: 'from', input: 1, selector: 'src' }),
      cache('/d', { mode: 0o1770, uid: 7, gid: 8 }),
    ];
    expect(await rig.output('cat /c/deep/b; rm /c/a; stat -c "%a %u %g" /d', { inputs: [layers], mounts })).toBe(
      'b\n1770 7 8\n',
    );
    expect(await rig.output('ls /c', { inputs: [layers], mounts })).toBe('deep\n');
    rig.within(layers, (path) => expect(existsSync(join(path, 'src/a'))).toBe(true));
  });

  it('is not in the layer, however its name looks', async () => {
    using result = await one(rig.run('echo x > /root/.npm/x', { mounts: [cache('/root/.npm', { id: '../../x' })] }));
    expect(rig.ownFiles(result)).toEqual([]);
  });

  it('is one for a step that has it twice, and steps that lock the same ones do not wait for each other', async () => {
    const locked = (target: string, id: string) => cache(target, { id, sharing: 'locked' });
    expect(await rig.output('echo x > /a/x; cat /b/x', { mounts: [locked('/a', 'l1'), locked('/b', 'l1')] })).toBe(
      'x\n',
    );
    const several = [0, 1, 2, 3].map((n) => {
      const pair = [locked('/a', 'l1'), locked('/b', 'l2')];
      return rig.output('[ -e /a/busy ] && exit 3; touch /a/busy; sleep 0.1; rm /a/busy; echo ok', {
        mounts: n % 2 === 0 ? pair : [locked('/b', 'l2'), locked('/a', 'l1')],
      });
    });
    expect(await Promise.all(several)).toEqual(['ok\n', 'ok\n', 'ok\n', 'ok\n']);
    const abort = new AbortController();
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const first = rig.run('echo begun; sleep 1000', {
      mounts: [locked('/a', 'l1')],
      signal: abort.signal,
      onLog: () => resolve(),
    });
    await begun;
    const waiting = new AbortController();
    // Whoever waits says so, and others run meanwhile.
    const { promise: waits, resolve: say } = Promise.withResolvers<void>();
    const second = rig.run('true', {
      mounts: [locked('/a', 'l1')],
      signal: waiting.signal,
      whileWaiting: (work) => {
        say();
        return work();
      },
    });
    await waits;
    waiting.abort(new Error('left'));
    await expect(second).rejects.toThrow('left');
    abort.abort(new Error('gone'));
    await expect(first).rejects.toThrow('gone');
  });

  it('copies the files of a step that had one at the same time as another, for then a descriptor may have left it', async () => {
    const shared = { mounts: [cache('/c', { id: 'both' })] };
    const { promise: begun, resolve } = Promise.withResolvers<void>();
    const slow = rig.run('echo a > /a; echo begun; while ! [ -e /c/go ]; do sleep 0.05; done', {
      ...shared,
      onLog: () => resolve(),
    });
    await begun;
    using other = await one(rig.run('echo b > /b; echo x > /c/go', shared));
    using first = await one(slow);
    for (const [result, name] of [
      [other, '/b'],
      [first, '/a'],
    ] as const) {
      expect(rig.ownFiles(result)).toEqual([name]);
      // One that changed its name only has no digest yet.
      expect(rig.storage.layers.get(result.top as number).diffId).not.toBe('');
    }
    using alone = await one(rig.run('echo c > /c/c', shared));
    expect(rig.storage.layers.get(alone.top as number).diffId).toBe('');
  });
});

describe('tmpfs, secret and ssh', () => {
  it('tmpfs: files that nobody keeps, in so much room', async () => {
    const text = await rig.output(
      'grep " /t " /proc/mounts; stat -c %a /t; dd if=/dev/zero of=/t/x bs=1M count=2 2>&1 | grep -c "No space"',
      { mounts: [{ type: 'tmpfs', target: '/t', sizeBytes: 1024 * 1024 }] },
    );
    expect(text).toMatch(/^tmpfs \/t tmpfs rw,nosuid,relatime,size=1024k.*\n1777\n1\n$/);
  });

  it('secret: a file of the client that is in no layer and on no disk', async () => {
    const client = { secret: (id: string) => Promise.resolve(id === 'token' ? Buffer.from('hush\n') : undefined) };
    const told = { stdout: '', stderr: '', both: '' };
    using result = await one(
      rig.run(
        'cat /run/secrets/token /s; stat -c "%a %u %g" /run/secrets/token /s; grep -c "tmpfs.* ro" /proc/mounts; echo $T',
        {
          client,
          mounts: [
            secret('/run/secrets/token'),
            secret('/s', { mode: 0o440, uid: 1000, gid: 10 }),
            secret('/none', { id: 'other', isOptional: true }),
          ],
          secretEnv: [{ name: 'T', id: 'token', isOptional: false }],
          told,
        },
      ),
    );
    expect(told.stdout).toMatch(/^hush\nhush\n400 0 0\n440 1000 10\n\d+\nhush\n/);
    expect(rig.ownFiles(result)).toEqual([]);
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain(rig.path);
  });

  it('secret: what is missing or too long is told', async () => {
    await expect(rig.run('true', { mounts: [secret('/s')] })).rejects.toMatchObject({
      message: 'secret token: not found',
    });
    const client = { secret: () => Promise.resolve(Buffer.alloc(512_001)) };
    await expect(rig.run('true', { client, mounts: [secret('/s')] })).rejects.toMatchObject({ code: 'too-large' });
    const missing = { name: 'T', id: 'none', isOptional: false };
    await expect(rig.run('true', { secretEnv: [missing] })).rejects.toThrow('secret none: not found');
    expect(await rig.output('echo "[$T]"', { secretEnv: [{ ...missing, isOptional: true }] })).toBe('[]\n');
  });

  it('ssh: each connection is one to the client', async () => {
    const path = join(rig.path, 'agent');
    let connections = 0;
    const agent = createServer((socket) => {
      socket.on('data', (bytes) => {
        connections++;
        socket.end(`agent got ${bytes.toString()}`);
      });
    });
    await new Promise<void>((resolve) => agent.listen(path, resolve));
    const sshAgent = (id: string): Promise<Duplex | undefined> =>
      Promise.resolve(id === 'default' ? connect(path) : undefined);
    const ssh: SshMount = {
      type: 'ssh',
      target: '/run/buildkit/ssh_agent.0',
      id: 'default',
      isOptional: false,
      mode: 0o600,
      uid: 1000,
      gid: 1000,
    };
    const client = { sshAgent };
    using result = await one(
      rig.run('stat -c "%a %u %F" $SSH_AUTH_SOCK; ls /run/buildkit', { client, mounts: [ssh], user: 'alice' }),
    );
    expect(rig.ownFiles(result)).toEqual([]);
    // With the socket of that step.
    await rig.step.settled();
    const { promise: begun, resolve } = Promise.withResolvers<string>();
    const running = rig.run(
      'stat -c "%a %u %F" $SSH_AUTH_SOCK; while [ ! -e /tmp/go ]; do sleep 0.05; ls /proc/1/fd >/dev/null; done',
      {
        client,
        mounts: [ssh, cache('/tmp', { id: 'signal', mode: 0o1777 })],
        user: 'alice',
        onLog: resolve,
      },
    );
    expect(await begun).toBe('600 1000 socket\n');
    expect(await askAll(rig.runs)).toEqual(['agent got one']);
    await rig.output('touch /tmp/go', { mounts: [cache('/tmp', { id: 'signal', mode: 0o1777 })] });
    for (const made of await running) made[Symbol.dispose]();
    await rig.step.settled();
    expect(await askAll(rig.runs)).toEqual([]);
    expect(connections).toBe(1);
    const other = { ...ssh, id: 'other' };
    await expect(rig.run('true', { client, mounts: [other] })).rejects.toThrow('unset ssh forward key other');
    expect(await rig.output('echo "[$SSH_AUTH_SOCK]"', { client, mounts: [{ ...other, isOptional: true }] })).toBe(
      '[]\n',
    );
    await new Promise((resolve) => agent.close(resolve));
  });
});
