// The name server in a real network namespace, asked by c-ares; its upstream servers are in the same namespace.
import { closeSync, openSync, readdirSync } from 'node:fs';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { NameServer } from '../../../../daemon/networks/dns/name-server.ts';
import type { NameDirectory, ResolverSettings } from '../../../../daemon/networks/name-directory.ts';
import { inNetworkNamespace } from '../../../../native-bindings/namespaces.ts';
import { AF, connectSocket, IPPROTO, openSocket, SOCK, sendBytes } from '../../../../native-bindings/sockets.ts';
import { question } from '../../../harness/dns-messages.ts';
import { lookup, UpstreamDns } from '../../../harness/dns-servers.ts';
import { eventually } from '../../../harness/eventually.ts';
import { NetNamespace } from '../../../harness/net-namespace.ts';

const isRoot = process.getuid?.() === 0;
const directory: NameDirectory = {
  addressesOf: (id, name) => {
    if (name === 'me') return { ipv4: [id === 'one' ? '10.0.0.1' : '10.0.0.2'], ipv6: [] };
    if (name === 'six') return { ipv4: [], ipv6: ['fd00::6'] };
    if (name === 'huge') {
      hugeAnswers++;
      return { ipv4: Array.from({ length: 4000 }, (_, i) => `10.1.${i >> 8}.${i & 255}`), ipv6: [] };
    }
    if (name === 'many') return { ipv4: Array.from({ length: 300 }, (_, i) => `10.1.${i >> 8}.${i & 255}`), ipv6: [] };
    return undefined;
  },
  nameOf: (_, address) => (address === '10.0.0.1' ? 'one.net' : undefined),
  isOwnSubnet: (_, address) => address.startsWith('10.0.0.'),
};
const inside = (...servers: string[]): ResolverSettings => ({ servers, isFromHost: false, hasWayOut: true });

let hugeAnswers = 0;
let errors: unknown[];
let server: NameServer;
let namespace: NetNamespace;
let fd: number;
const upstreams: UpstreamDns[] = [];

beforeEach(() => {
  errors = [];
  server = new NameServer({ directory, onError: (error) => errors.push(error) });
  namespace = NetNamespace.make();
  fd = openSync(namespace.path, 'r');
});

afterEach(async () => {
  for (const upstream of upstreams.splice(0)) await upstream.stop();
  server[Symbol.dispose]();
  closeSync(fd);
  namespace.close();
  expect(errors).toEqual([]);
});

async function upstream(address: string, tag?: string): Promise<UpstreamDns> {
  const made = await UpstreamDns.start(namespace, address, tag);
  upstreams.push(made);
  return made;
}

const ask = (...questions: string[]) => lookup(namespace.path, questions);
const openFiles = () => readdirSync('/proc/self/fd').length;

describe.skipIf(!isRoot)('neighbours', () => {
  it('have addresses and names, over UDP and, when there are many, TCP', async () => {
    server.start('one', { fd }, inside());
    const [me, six, none, many, reverse, unknown] = await ask(
      ...['A:me', 'AAAA:six', 'A:six', 'A:many', 'PTR:10.0.0.1', 'PTR:10.0.0.9'],
    );
    expect(me).toEqual(['10.0.0.1']);
    expect(six).toEqual(['fd00::6']);
    expect(none).toBe('ENODATA');
    expect(many).toHaveLength(300);
    expect(reverse).toEqual(['one.net']);
    expect(unknown).toBe('ENOTFOUND');
  });

  it("are each container's own", async () => {
    const other = NetNamespace.make();
    const otherFd = openSync(other.path, 'r');
    try {
      server.start('one', { fd }, inside());
      server.start('two', { fd: otherFd }, inside());
      expect(await ask('A:me')).toEqual([['10.0.0.1']]);
      expect(await lookup(other.path, ['A:me'])).toEqual([['10.0.0.2']]);
    } finally {
      closeSync(otherFd);
      other.close();
    }
  });
});

describe.skipIf(!isRoot)('other names', () => {
  it('are asked of the servers in their order, over the transport of the client', async () => {
    const first = await upstream('127.0.0.2');
    server.start('one', { fd }, inside('127.0.0.2', '127.0.0.3'));
    expect(await ask('A:x.1.2.3.4', 'A:big', 'A:nxdomain.x')).toEqual([['1.2.3.4'], expect.any(Array), 'ENOTFOUND']);
    expect(first.questions).toEqual([...['up udp x.1.2.3.4 1', 'up udp big 1', 'up tcp big 1', 'up udp nxdomain.x 1']]);
  });

  it('go to the next server when one is silent, refuses, or is not there', async () => {
    await upstream('127.0.0.2');
    const second = await upstream('127.0.0.3', 'second');
    server.start('one', { fd }, inside('127.0.0.4', '127.0.0.3'));
    expect(await ask('A:x.1.2.3.4')).toEqual([['1.2.3.4']]);
    server.update('one', inside('127.0.0.2', '127.0.0.3'));
    expect(await ask('A:silent.x', 'A:refused.x')).toEqual(['ESERVFAIL', 'EREFUSED']);
    expect(second.questions).toEqual(['second udp x.1.2.3.4 1', 'second udp silent.x 1', 'second udp refused.x 1']);
  }, 30_000);

  it('are SERVFAIL when nobody can be asked, and when the networks have no way out', async () => {
    server.start('one', { fd }, inside());
    expect(await ask('A:example.org')).toEqual(['ESERVFAIL']);
    server.update('one', { servers: ['127.0.0.1'], isFromHost: true, hasWayOut: false });
    expect(await ask('A:example.org')).toEqual(['ESERVFAIL']);
  });

  it('are not answered by answers with another number or question', async () => {
    await upstream('127.0.0.2');
    server.start('one', { fd }, inside('127.0.0.2'));
    expect(await ask('A:spoof.10.0.0.5')).toEqual([['10.0.0.5']]);
  });
});

describe.skipIf(!isRoot)('the sockets', () => {
  it('leave port 53 of every address to the container, over UDP and TCP', async () => {
    server.start('one', { fd }, inside('0.0.0.0'));
    const own = await upstream('0.0.0.0', 'own');
    expect(await lookup(namespace.path, ['A:x.9.9.9.9'], '127.0.0.1')).toEqual([['9.9.9.9']]);
    expect(await ask('A:me')).toEqual([['10.0.0.1']]);
    expect(own.questions).toEqual(['own udp x.9.9.9.9 1']);
  });

  it('are taken over by the next daemon: its rules replace the old ones', async () => {
    server.start('one', { fd }, inside());
    const next = new NameServer({ directory, onError: (error) => errors.push(error) });
    try {
      next.start('two', { fd }, inside());
      server.stop('one');
      expect(await ask('A:me')).toEqual([['10.0.0.2']]);
    } finally {
      next[Symbol.dispose]();
    }
  });

  it('stay when settings change, and move with the container to another namespace', async () => {
    const other = NetNamespace.make();
    const otherFd = openSync(other.path, 'r');
    try {
      server.start('one', { fd }, inside());
      const before = openFiles();
      server.start('one', { fd }, inside('127.0.0.2'));
      expect(openFiles()).toBe(before);
      server.start('one', { fd: otherFd }, inside());
      expect(await lookup(other.path, ['A:me'])).toEqual([['10.0.0.1']]);
    } finally {
      closeSync(otherFd);
      other.close();
    }
  });

  it('are closed in many starts, read or not', async () => {
    const before = openFiles();
    for (let n = 0; n < 100; n++) {
      server.start('one', { fd }, inside());
      if (n % 2 === 0) await new Promise((resolve) => setImmediate(resolve));
      server.stop('one');
    }
    await eventually('the descriptors are closed', () => openFiles() <= before + 2);
  }, 60_000);
});

describe.skipIf(!isRoot)('hostile clients', () => {
  it('may say that they have no port: such a question is answered to nobody', async () => {
    server.start('one', { fd }, inside());
    const raw = inNetworkNamespace(fd, () => openSocket(AF.INET, SOCK.RAW, IPPROTO.UDP));
    try {
      connectSocket(raw, { address: '127.0.0.11', port: 0 });
      sendBytes(raw, datagram({ from: 0, to: 53 }, question({ name: 'me' })));
    } finally {
      closeSync(raw);
    }
    expect(await ask('A:me')).toEqual([['10.0.0.1']]);
  });

  it('that never read their answers are asked no more questions than the kernel keeps answers for', async () => {
    const questions = 1500;
    server.start('one', { fd }, inside());
    await new Promise((resolve) => setImmediate(resolve));
    const client = inNetworkNamespace(fd, () => openSocket(AF.INET, SOCK.STREAM, IPPROTO.TCP));
    try {
      connectSocket(client, { address: '127.0.0.11', port: 53 });
      const one = question({ name: 'huge' });
      sendBytes(
        client,
        Buffer.concat(new Array<Buffer>(questions).fill(Buffer.concat([Buffer.of(0, one.length), one]))),
      );
      await eventually('the first is answered', () => hugeAnswers > 0);
      expect(await ask('A:me', 'A:me')).toEqual([['10.0.0.1'], ['10.0.0.1']]);
      expect(hugeAnswers).toBeLessThan(questions / 2);
    } finally {
      closeSync(client);
    }
  });
});

/** UDP (RFC 768) over IPv4 from 127.0.0.1 to 127.0.0.11; the payload's length must be even. */
function datagram({ from, to }: { from: number; to: number }, payload: Buffer): Buffer {
  const length = 8 + payload.length;
  const bytes = Buffer.concat([Buffer.of(from >> 8, from & 255, to >> 8, to & 255, 0, length, 0, 0), payload]);
  const pseudoHeader = Buffer.of(127, 0, 0, 1, 127, 0, 0, 11, 0, 17, 0, length);
  const summed = Buffer.concat([pseudoHeader, bytes]);
  let sum = 0;
  for (let at = 0; at < summed.length; at += 2) sum += summed.readUInt16BE(at);
  while (sum > 0xffff) sum = (sum & 0xffff) + (sum >> 16);
  bytes.writeUInt16BE(~sum & 0xffff, 6);
  return bytes;
}
