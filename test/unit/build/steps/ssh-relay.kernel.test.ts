// The socket of a client's agent: what a step can make of it that asks again and again, and what becomes of errors of the socket itself.
import { mkdtempSync, rmSync } from 'node:fs';
import { connect, Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Duplex, PassThrough } from 'node:stream';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import { openAgentSocket } from '../../../../daemon/build/sources/ssh-agent-socket.ts';
import { openSshRelay } from '../../../../daemon/build/steps/exec/ssh-relay.ts';

const mount = { type: 'ssh', target: '/s', id: 'default', isOptional: false, mode: 0o600, uid: 0, gid: 0 } as const;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'tsd-relay-'));
});
afterEach(() => {
  vi.restoreAllMocks();
  rmSync(directory, { recursive: true, force: true });
});

/** It ends when its caller does. */
const agent = (): Duplex => new PassThrough();

/** Resolves when the other side has ended it, or it was made and given up. */
function come(path: string, work: (socket: Socket) => void): Promise<void> {
  return new Promise((resolve) => {
    const socket = connect(path, () => work(socket));
    socket.on('error', () => undefined).once('close', () => resolve());
    socket.resume();
  });
}

it('asks the client a limited number of questions at once, whoever still waits for the answers', async () => {
  const answers: ((agent: Duplex) => void)[] = [];
  let isFirst = true;
  const sshAgent = (): Promise<Duplex> => {
    if (!isFirst) return new Promise((resolve) => answers.push(resolve));
    isFirst = false;
    return Promise.resolve(agent());
  };
  const relay = await openSshRelay({ sshAgent }, directory, mount, 0);
  const path = join(directory, 'ssh.0');
  const leave = [(socket: Socket) => socket.destroy(), (socket: Socket) => socket.write('x', () => socket.destroy())];
  for (const how of leave)
    await Promise.all(Array.from({ length: 64 }, () => come(path, (socket) => void how(socket))));
  // It is refused, so that all before it were seen.
  await come(path, () => undefined);
  expect(answers).toHaveLength(64);
  for (const answer of answers.splice(0)) answer(agent());
  await vi.waitFor(async () => {
    await come(path, (socket) => setTimeout(() => socket.destroy(), 10));
    expect(answers).not.toEqual([]);
  });
  relay?.close();
});

it('outlives connections that cannot be accepted', async () => {
  const listening = vi.spyOn(Server.prototype, 'listen');
  const relay = await openSshRelay({ sshAgent: async () => agent() }, directory, mount, 0);
  using _socket = await openAgentSocket(join(directory, 'agent'), async () => agent());
  const servers = listening.mock.contexts as Server[];
  expect(servers).toHaveLength(2);
  for (const server of servers) for (let n = 0; n < 2; n++) server.emit('error', new Error('accept EMFILE'));
  relay?.close();
});
