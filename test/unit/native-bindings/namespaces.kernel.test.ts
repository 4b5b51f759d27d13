// The bindings against the real kernel. What needs root is skipped without it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  existsSync,
  fstatSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { AT, CLONE, MOUNT_ATTR, MS, OPEN_TREE } from '../../../native-bindings/constants.ts';
import * as files from '../../../native-bindings/files.ts';
import * as mounts from '../../../native-bindings/mount-api.ts';
import * as namespaces from '../../../native-bindings/namespaces.ts';

const isRoot = process.getuid?.() === 0;
let directory: string;
let dirfd: number;

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsdocker-libc-'));
  dirfd = openSync(directory, 'r');
});

afterAll(() => {
  closeSync(dirfd);
  rmSync(directory, { recursive: true, force: true });
});

const errorOf = (run: () => unknown): unknown => {
  try {
    run();
  } catch (error) {
    return error;
  }
  throw new Error('nothing was thrown');
};

describe.skipIf(!isRoot)('mounts', () => {
  it('exist without a place in the file system, and end with their fd', () => {
    const fd = mounts.mountDetached(
      'tmpfs',
      [
        ['size', '1m'],
        ['mode', '751'],
      ],
      MOUNT_ATTR.NODEV,
    );
    files.mkdirat(fd, 'inside', 0o755);
    expect(fstatSync(fd).mode & 0o777).toBe(0o751);
    expect(files.fileSystemName(files.fileSystemType(fd))).toBe('tmpfs');
    expect(readFileSync('/proc/self/mountinfo', 'utf8')).not.toContain('inside');
    const tree = mounts.openTree(fd, 'inside', OPEN_TREE.CLONE | AT.RECURSIVE);
    mounts.mountSetattr(tree, '', AT.EMPTY_PATH | AT.RECURSIVE, { set: MOUNT_ATTR.RDONLY, propagation: MS.PRIVATE });
    expect(errorOf(() => files.mkdirat(tree, 'x', 0o755))).toMatchObject({ code: 'EROFS' });
    closeSync(tree);
    closeSync(fd);
  });

  it('say what the file system says', () => {
    expect(errorOf(() => mounts.mountDetached('tmpfs', [['size', 'much']]))).toMatchObject({
      message: "fsconfig size=much: EINVAL (invalid argument): tmpfs: Bad value for 'size'",
    });
    expect(errorOf(() => mounts.mountDetached('nosuchfs', []))).toMatchObject({
      code: 'ENODEV',
      message: 'fsopen nosuchfs: ENODEV (no such device)',
    });
  });

  it('decode what they were asked for', () => {
    expect(errorOf(() => mounts.mount('a', '/nowhere', 'tmpfs', MS.RDONLY | MS.NODEV, 'size=1m'))).toMatchObject({
      message: 'mount tmpfs on "/nowhere": ENOENT (no such file or directory)',
      args: { source: 'a', target: '/nowhere', type: 'tmpfs', flags: 'MS_RDONLY|MS_NODEV', data: 'size=1m' },
    });
    expect(errorOf(() => mounts.mount('/a', '/nowhere', null, MS.BIND))).toMatchObject({
      message: 'mount MS_BIND on "/nowhere": ENOENT (no such file or directory)',
    });
    expect(errorOf(() => mounts.umount2('/nowhere', 2))).toMatchObject({ args: { flags: 'MNT_DETACH' } });
  });
});

describe.skipIf(!isRoot)('namespaces', () => {
  it('of the network are entered for one call and left whatever happens', () => {
    const own = readlinkSync('/proc/thread-self/ns/net');
    const child = spawn('unshare', ['--net', 'sleep', '60'], { stdio: 'ignore' });
    try {
      const path = `/proc/${child.pid}/ns/net`;
      for (let i = 0; i < 200 && readlinkSync(path) === own; i++)
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      const fd = openSync(path, 'r');
      expect(namespaces.namespaceType(fd)).toBe(CLONE.NEWNET);
      expect(namespaces.inNetworkNamespace(fd, () => readlinkSync('/proc/thread-self/ns/net'))).toBe(
        readlinkSync(path),
      );
      expect(
        errorOf(() =>
          namespaces.inNetworkNamespace(fd, () => {
            throw new Error('inside');
          }),
        ),
      ).toMatchObject({ message: 'inside' });
      expect(errorOf(() => namespaces.inNetworkNamespace(fd, async () => {}))).toBeInstanceOf(TypeError);
      expect(readlinkSync('/proc/thread-self/ns/net')).toBe(own);
      closeSync(fd);
    } finally {
      child.kill('SIGKILL');
    }
  });

  it('of the network end the process when there is no way back', async () => {
    const module = new URL('../../../native-bindings/namespaces.ts', import.meta.url).href;
    const script = `
      import { closeSync, openSync } from 'node:fs';
      import { inNetworkNamespace } from ${JSON.stringify(module)};
      const own = openSync('/proc/self/ns/net');
      inNetworkNamespace(own, () => closeSync(own + 1));
      console.log('it went on');
    `;
    const child = spawn(process.execPath, ['--input-type=module-typescript', '-e', script], {
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    const said = { out: '', err: '' };
    child.stdout.on('data', (chunk) => (said.out += chunk));
    child.stderr.on('data', (chunk) => (said.err += chunk));
    const [, signal] = await once(child, 'close');
    expect(signal).toBe('SIGABRT');
    expect(said).toMatchObject({
      out: '',
      err: expect.stringMatching(/^return from another network namespace: .*EBADF/),
    });
  });

  it('refuse with a decoded message', () => {
    expect(errorOf(() => namespaces.setns(dirfd, CLONE.NEWNET))).toMatchObject({
      message: `setns fd ${dirfd} CLONE_NEWNET: EINVAL (invalid argument)`,
    });
    expect(errorOf(() => namespaces.chroot('/nowhere'))).toMatchObject({ code: 'ENOENT' });
  });

  it('and roots of worker threads are theirs alone', async () => {
    const base = new URL('../../../native-bindings/', import.meta.url).href;
    mkdirSync(join(directory, 'jail'), { recursive: true });
    writeFileSync(join(directory, 'jail', 'proof'), '');
    const code = `
      const { parentPort } = require('node:worker_threads');
      const fs = require('node:fs');
      import(${JSON.stringify(`${base}namespaces.ts`)}).then(({ unshare, chroot }) => {
        unshare(${CLONE.FS | CLONE.NEWNS});
        chroot(${JSON.stringify(join(directory, 'jail'))});
        process.nextTick(() => parentPort.postMessage(fs.readdirSync('/')));
      });`;
    const worker = new Worker(code, { eval: true });
    const seen = await new Promise((resolve, reject) => {
      worker.once('message', resolve).once('error', reject);
    });
    expect(seen).toEqual(['proof']);
    expect(existsSync('/proc/self')).toBe(true);
    await worker.terminate();
  });
});
