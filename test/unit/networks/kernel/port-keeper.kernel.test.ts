// The process that holds published ports, with ports of the loopback interface.

import { createHash, randomBytes } from 'node:crypto';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { pipeline } from 'node:stream/promises';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { PortKeeper } from '../../../../daemon/networks/kernel/port-keeper.ts';
import { type BoundPort, bindAgain } from '../../../../daemon/networks/kernel/port-sockets.ts';
import type { PortProtocol } from '../../../../daemon/networks/kernel/published-port.ts';
import { Launcher } from '../../../../daemon/runtime/launcher.ts';

const isRoot = process.getuid?.() === 0;
const launcherPath = new URL('../../../../native-bindings/launcher/tsdocker-launcher', import.meta.url).pathname;

let directory: string;
let launcher: Launcher;
let keeper: PortKeeper;
let losses: number;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsdt-keeper-'));
  launcher = Launcher.open(launcherPath);
  losses = 0;
  const lose = () => {
    losses++;
  };
  keeper = new PortKeeper(directory, (name, fds, end) => launcher.startMode(name, fds, end), lose);
});

afterEach(async () => {
  // With a port it would outlive this process.
  expect(await keeper.list()).toEqual([]);
  keeper.dispose();
  launcher[Symbol.dispose]();
  rmSync(directory, { recursive: true });
});

const bind = (protocol: PortProtocol, containerPort: number): BoundPort =>
  bindAgain({
    ...{ containerId: 'c', protocol, containerPort },
    ...{ hostIp: '127.0.0.1', hostPort: 0, containerIp: '127.0.0.1' },
  });

/** Something comes in on the socket, which nobody takes. */
async function reach({ port }: BoundPort): Promise<void> {
  if (port.protocol === 'tcp') {
    const client = connect(port.hostPort, port.hostIp);
    await once(client, 'connect');
    client.destroy();
    return;
  }
  const client = createSocket('udp4');
  await new Promise((resolve) => client.send('x', port.hostPort, port.hostIp, resolve));
  client.close();
}

describe.skipIf(!isRoot)('the port keeper', () => {
  it('forgets a port that is removed, though its socket is still open elsewhere', async () => {
    for (const protocol of ['tcp', 'udp'] as const) {
      using bound = bind(protocol, 9);
      await keeper.add(bound.port, bound.fd);
      await keeper.remove(bound.port);
      await reach(bound);
      // Before the second answer it has looked for what came in once more.
      for (let n = 0; n < 2; n++) expect(await keeper.list()).toEqual([]);
    }
    expect(losses).toBe(0);
  });

  it('passes many megabytes in both directions, whole, and serves others meanwhile', async () => {
    const server = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket)).listen(0, '127.0.0.1');
    await once(server, 'listening');
    using bound = bind('tcp', (server.address() as AddressInfo).port);
    await keeper.add(bound.port, bound.fd);
    const pieces = Array.from({ length: 64 }, () => randomBytes(1024 * 1024));
    const sent = createHash('sha256');
    const received = createHash('sha256');
    const client = connect({ port: bound.port.hostPort, host: bound.port.hostIp, allowHalfOpen: true });
    let isOver = false;
    const whole = pipeline(client, received).then(() => {
      isOver = true;
    });
    const sending = pipeline(function* () {
      for (const piece of pieces) {
        sent.update(piece);
        yield piece;
      }
    }, client);
    let answers = 0;
    while (!isOver) {
      const other = connect(bound.port.hostPort, bound.port.hostIp);
      other.end(`${answers}`);
      expect(await text(other)).toBe(`${answers++}`);
    }
    await Promise.all([sending, whole]);
    expect(received.digest('hex')).toBe(sent.digest('hex'));
    expect(answers).toBeGreaterThan(1);
    await keeper.remove(bound.port);
    server.close();
  });
});
