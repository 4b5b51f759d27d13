// A session without HTTP/1 before it: the engine's side on one end of a socket, a server of the test's on the other.
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import net, { type Socket } from 'node:net';
import type { SessionClient } from '../../../../daemon/build/session/session-client.ts';
import { Sessions } from '../../../../daemon/build/session/sessions.ts';
import {
  decodeFilePacket,
  encodeFilePacket,
  type FilePacket,
  type FileStat,
} from '../../../../daemon/protocols/grpc/file-sync-messages.ts';
import { frameMessage, GrpcReader } from '../../../../daemon/protocols/grpc/grpc-messages.ts';
import { sessionMethods } from '../../../../daemon/protocols/grpc/session-messages.ts';
import type { ContextFixture } from '../context-fixture.ts';

export class SessionFixture {
  readonly sessions: Sessions;
  readonly server: Http2Server = createServer();
  readonly #sockets: Socket[] = [];
  #next = 0;

  constructor({ kept }: Pick<ContextFixture, 'kept'>, waitMs?: number) {
    this.sessions = new Sessions(kept, waitMs);
    this.server.on('sessionError', () => undefined);
  }

  /** Whoever listens on `server` is the client's side. */
  async open(
    methods: Iterable<string> = Object.values(sessionMethods),
    id = `session${this.#next++}`,
  ): Promise<SessionClient> {
    const [ours, theirs] = await socketPair();
    this.#sockets.push(ours, theirs);
    this.server.emit('connection', theirs);
    void this.sessions.serve({ id, sharedKey: 'key', methods: new Set(methods) }, ours);
    return this.sessions.find(id);
  }

  /** As a client whose process ends. */
  cut(): void {
    for (const socket of this.#sockets) socket.destroy();
  }

  close(): void {
    this.cut();
    this.sessions[Symbol.dispose]();
  }
}

async function socketPair(): Promise<[Socket, Socket]> {
  const server = net.createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as net.AddressInfo;
  const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
  const dialled = net.connect(port, '127.0.0.1');
  const socket = await accepted;
  server.close();
  return [socket, dialled];
}

/** What a client has: texts of files, "->target" of links, undefined for directories. */
export type SentTree = Record<string, string | undefined>;

export function statsOf(tree: SentTree): FileStat[] {
  const key = (path: string): string => path.replaceAll('/', '\0');
  return Object.keys(tree)
    .sort((a, b) => (key(a) < key(b) ? -1 : 1))
    .map((path): FileStat => {
      const text = tree[path];
      const common = { path, uid: 3, gid: 4, mtimeNs: 1_700_000_000_000_000_000n, linkName: '', sizeBytes: 0n };
      if (text === undefined) return { ...common, mode: 2 ** 31 + 0o755 };
      if (text.startsWith('->')) return { ...common, mode: 2 ** 27 + 0o777, linkName: text.slice(2) };
      return { ...common, mode: 0o640, sizeBytes: BigInt(Buffer.byteLength(text)), mtimeNs: BigInt(text.length) };
    });
}

/** FileSync's sender, as BuildKit's clients have it; `asked` gets the names of the files that were sent. */
export function sendTree(stream: ServerHttp2Stream, tree: SentTree, asked: string[], stats = statsOf(tree)): void {
  const send = (packet: FilePacket): void => void stream.write(frameMessage(encodeFilePacket(packet)));
  const reader = new GrpcReader(1024 * 1024);
  stream.on('error', () => undefined);
  stream.respond({ ':status': 200, 'content-type': 'application/grpc' }, { waitForTrailers: true });
  stream.on('wantTrailers', () => stream.sendTrailers({ 'grpc-status': '0' }));
  for (const stat of stats) send({ kind: 'stat', stat });
  send({ kind: 'stat', stat: undefined });
  stream.on('data', (piece: Buffer) => {
    for (const message of reader.read(piece)) {
      const packet = decodeFilePacket(message);
      if (packet?.kind === 'request') {
        const path = stats[packet.id]?.path ?? '';
        asked.push(path);
        const text = Buffer.from(tree[stats[packet.id]?.linkName || path] ?? '');
        // In pieces, after those of other files.
        setImmediate(() => {
          for (let at = 0; at < text.length; at += 32_768)
            send({ kind: 'data', id: packet.id, data: text.subarray(at, at + 32_768) });
          send({ kind: 'data', id: packet.id, data: Buffer.alloc(0) });
        });
      } else if (packet?.kind === 'end') {
        send({ kind: 'end' });
        stream.end();
      }
    }
  });
}
