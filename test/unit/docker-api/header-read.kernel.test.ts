import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, onTestFinished, test } from 'vitest';
import { headersRead } from '../../../daemon/docker-api/http/header-read.ts';
import { unreadByPeer } from '../../../native-bindings/sockets.ts';

test('waits for the peer of a unix socket to have read what was written', async () => {
  const path = `${tmpdir()}/tsdt-header-${process.pid}.sock`;
  const server = createServer().listen(path);
  onTestFinished(() => {
    server.close();
    rmSync(path, { force: true });
  });
  const accepted = once(server, 'connection') as Promise<[Socket]>;
  // Paused from the start: node reads nothing that nobody asks for.
  const client = connect(path).pause();
  const [socket] = await accepted;
  onTestFinished(() => void client.destroy());
  onTestFinished(() => void socket.destroy());
  socket.write('HTTP/1.1 101 UPGRADED\r\n\r\n');
  let isRead = false;
  const read = headersRead(socket, unreadByPeer).then(() => {
    isRead = true;
  });
  await sleep(100);
  expect(isRead).toBe(false);
  client.resume();
  await read;
  expect(isRead).toBe(true);
});
