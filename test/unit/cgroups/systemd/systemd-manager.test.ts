// The client against a server that answers with bytes which GLib has made.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { SystemdManager } from '../../../../daemon/cgroups/systemd/systemd-manager.ts';
import { messageLength } from '../../../../daemon/protocols/dbus/dbus-message.ts';
import { jobRemoved, stopping, unitExists } from '../../protocols/dbus/golden-messages.ts';

let dir: string;
let server: Server;
let connections: Socket[];
/** What is done with a call, given its serial. */
let answer: (socket: Socket, serial: number) => void;

function replyTo(serial: number): Buffer {
  // A method return without a body: the header's only field says which call it answers.
  const reply = Buffer.from('6c02010100000000050000000800000005017500', 'hex');
  const number = Buffer.alloc(4);
  number.writeUInt32LE(serial);
  return Buffer.concat([reply, number]);
}

beforeEach(async () => {
  dir = mkdtempSync(join(tmpdir(), 'tsdocker-systemd-'));
  connections = [];
  server = createServer((socket) => {
    connections.push(socket);
    let greeted = false;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      if (!greeted) {
        expect(chunk.toString('latin1')).toMatch(/^\0AUTH EXTERNAL [0-9a-f]+\r\n$/);
        greeted = true;
        socket.write('OK 0123456789abcdef0123456789abcdef\r\n');
        return;
      }
      let bytes = chunk.subarray(0, 7).toString() === 'BEGIN\r\n' ? chunk.subarray(7) : chunk;
      for (let length = messageLength(bytes); length !== undefined; length = messageLength(bytes)) {
        answer(socket, bytes.readUInt32LE(8));
        bytes = bytes.subarray(length);
      }
    });
  });
  await new Promise<void>((resolve) => server.listen(join(dir, 'private'), resolve));
});

afterEach(() => {
  for (const socket of connections) socket.destroy();
  server.close();
  rmSync(dir, { recursive: true });
});

/** A golden answer to serial 7, to another one. */
function answering(golden: Buffer, serial: number): Buffer {
  const bytes = Buffer.from(golden);
  bytes.writeUInt32LE(serial, bytes.indexOf(Buffer.from('0501750007000000', 'hex')) + 4);
  return bytes;
}

const open = () => new SystemdManager(join(dir, 'private'));

test('a start is over when its job is, though the signal comes with the answer or byte by byte', async () => {
  using manager = open();
  answer = (socket, serial) => socket.write(Buffer.concat([replyTo(serial), jobRemoved]));
  await manager.startTransientUnit('x.scope', []);
  answer = (socket, serial) => {
    for (const byte of Buffer.concat([jobRemoved, replyTo(serial)])) socket.write(Buffer.of(byte));
  };
  await manager.startTransientUnit('x.scope', []);
  expect(connections).toHaveLength(1);
});

test('the end of another unit’s job is not taken for it', async () => {
  using manager = open();
  answer = (socket, serial) => socket.write(Buffer.concat([replyTo(serial), jobRemoved]));
  let isOver = false;
  const waiting = manager.startTransientUnit('y.scope', []).finally(() => {
    isOver = true;
  });
  await manager.startTransientUnit('x.scope', []);
  expect(isOver).toBe(false);
  connections[0]?.destroy();
  await expect(waiting).rejects.toThrow(/closed the connection/);
});

test('systemd’s errors keep their name and words', async () => {
  using manager = open();
  answer = (socket, serial) => socket.write(answering(unitExists, serial));
  await expect(manager.startTransientUnit('x.scope', [])).rejects.toMatchObject({
    systemdName: 'org.freedesktop.systemd1.UnitExists',
    message: 'systemd: StartTransientUnit: Unit x.scope already exists.',
  });
});

test('after systemd has closed the connection the next call makes a new one; rubbish ends it', async () => {
  using manager = open();
  answer = (socket, serial) => socket.write(Buffer.concat([replyTo(serial), jobRemoved]));
  await manager.startTransientUnit('x.scope', []);
  connections[0]?.end();
  await new Promise((resolve) => connections[0]?.once('close', resolve));
  await manager.startTransientUnit('x.scope', []);
  expect(connections).toHaveLength(2);
  answer = (socket) => socket.write(Buffer.alloc(64, 0x41));
  await expect(manager.startTransientUnit('x.scope', [])).rejects.toThrow(/byte order or version/);
});

test('whether the host is going down is a property of systemd’s', async () => {
  using manager = open();
  answer = (socket, serial) => socket.write(answering(stopping, serial));
  expect(await manager.isStopping()).toBe(true);
  answer = (socket, serial) =>
    socket.write(answering(Buffer.from(stopping.toString('latin1').replace('stopping', 'degraded'), 'latin1'), serial));
  expect(await manager.isStopping()).toBe(false);
});

test('nobody listening is told with the path', async () => {
  using manager = new SystemdManager(join(dir, 'nobody'));
  await expect(manager.check()).rejects.toThrow(/^connect to systemd at .*nobody: .*ENOENT/);
});
