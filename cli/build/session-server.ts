// The command line's side of a session: over one more connection the daemon asks for the secrets and the agents that the user named, and for nothing else.
import { randomUUID } from 'node:crypto';
import type { Http2Server, IncomingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import { connect } from 'node:net';
import { pipeline, Transform } from 'node:stream';
import { encodeStatusText, frameMessage, GRPC_STATUS, GrpcReader } from '../../daemon/protocols/grpc/grpc-messages.ts';
import {
  bytesMessage,
  idMessage,
  MAX_SECRET_BYTES,
  sessionMethods,
  sshIdHeader,
} from '../../daemon/protocols/grpc/session-messages.ts';
import type { ApiClient } from '../client/api-client.ts';

export interface SessionOffers {
  /** By id: how the bytes are read, when the daemon asks. */
  readonly secrets: ReadonlyMap<string, () => Promise<Uint8Array>>;
  /** By id: the path of an agent's socket. */
  readonly agents: ReadonlyMap<string, string>;
}

/** Ends when it is disposed. */
export interface Session extends Disposable {
  /** For `POST /build?session=`. */
  readonly id: string;
}

const MAX_MESSAGE_BYTES = 1024 * 1024;
const GRPC_HEADERS = { ':status': 200, 'content-type': 'application/grpc' };

/** Throws ApiError when the daemon has no sessions. */
export async function openSession(client: Pick<ApiClient, 'hijack'>, offers: SessionOffers): Promise<Session> {
  const id = randomUUID();
  const { getSecret, checkAgent, forwardAgent } = sessionMethods;
  const methods = [
    ...(offers.secrets.size > 0 ? [getSecret] : []),
    ...(offers.agents.size > 0 ? [checkAgent, forwardAgent] : []),
  ];
  const { socket, rest } = await client.hijack('/session', {
    headers: {
      Upgrade: 'h2c',
      'X-Docker-Expose-Session-Uuid': id,
      'X-Docker-Expose-Session-Name': 'tsdocker',
      'X-Docker-Expose-Session-Grpc-Method': methods.join(','),
    },
  });
  // No other command needs it, and loading it takes its time.
  const { createServer } = await import('node:http2');
  const server = createServer();
  serveOffers(server, offers);
  socket.on('error', () => undefined);
  if (rest.length > 0) socket.unshift(rest);
  server.emit('connection', socket);
  return { id, [Symbol.dispose]: () => void socket.destroy() };
}

/** Answers the calls of one session on the streams of a server. */
export function serveOffers(server: Http2Server, offers: SessionOffers): void {
  // A connection that breaks ends the build, which is told by its own answer.
  server.on('sessionError', () => undefined);
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined);
    const method = headers[':path'];
    if (method === sessionMethods.getSecret)
      answerCall(stream, async (message) => readSecret(offers, idMessage.decode(message)));
    else if (method === sessionMethods.checkAgent)
      answerCall(stream, async (message) => findAgent(offers, idMessage.decode(message)));
    else if (method === sessionMethods.forwardAgent) forwardAgent(stream, headers, offers);
    // An empty question, and "serving" for an answer.
    else if (method === sessionMethods.health) answerCall(stream, async () => Buffer.from([8, 1]));
    else endCall(stream, GRPC_STATUS.UNIMPLEMENTED, `unknown method ${String(method).slice(0, 200)}`);
  });
}

class Refused extends Error {
  readonly status: number;

  constructor(status: number, message: string) {
    super(message);
    this.status = status;
  }
}

async function readSecret({ secrets }: SessionOffers, id: string): Promise<Buffer> {
  const read = secrets.get(id);
  if (read === undefined) throw new Refused(GRPC_STATUS.NOT_FOUND, `secret ${id.slice(0, 200)}: not found`);
  const data = await read();
  if (data.length > MAX_SECRET_BYTES)
    throw new Refused(GRPC_STATUS.INVALID_ARGUMENT, `secret ${id}: it has more than ${MAX_SECRET_BYTES} bytes`);
  return bytesMessage.encode(data);
}

function findAgent({ agents }: SessionOffers, id: string): Buffer {
  if (!agents.has(agentId(id))) throw new Refused(GRPC_STATUS.UNKNOWN, `unset ssh forward key ${id.slice(0, 200)}`);
  return Buffer.alloc(0);
}

function agentId(id: string): string {
  return id === '' ? 'default' : id;
}

function answerCall(stream: ServerHttp2Stream, answer: (message: Buffer) => Promise<Buffer>): void {
  const reader = new GrpcReader(MAX_MESSAGE_BYTES);
  let isAsked = false;
  const refuse = (error: unknown): void => {
    const status = error instanceof Refused ? error.status : GRPC_STATUS.UNKNOWN;
    endCall(stream, status, error instanceof Error ? error.message : String(error));
  };
  stream.on('data', (piece: Buffer) => {
    try {
      for (const message of reader.read(piece)) {
        if (isAsked) return;
        isAsked = true;
        answer(message).then((bytes) => {
          if (stream.destroyed) return;
          beginCall(stream);
          stream.end(frameMessage(bytes));
        }, refuse);
      }
    } catch (error) {
      refuse(error);
    }
  });
}

/** The head of an answer; its status comes behind it. */
function beginCall(stream: ServerHttp2Stream): void {
  stream.respond(GRPC_HEADERS, { waitForTrailers: true });
  stream.once('wantTrailers', () => stream.sendTrailers({ 'grpc-status': String(GRPC_STATUS.OK) }));
}

function endCall(stream: ServerHttp2Stream, status: number, message: string): void {
  if (stream.destroyed || stream.headersSent) {
    stream.close();
    return;
  }
  const headers = { ...GRPC_HEADERS, 'grpc-status': String(status), 'grpc-message': encodeStatusText(message) };
  stream.respond(headers, { endStream: true });
}

function forwardAgent(stream: ServerHttp2Stream, headers: IncomingHttpHeaders, { agents }: SessionOffers): void {
  const path = agents.get(agentId(String(headers[sshIdHeader] ?? '')));
  if (path === undefined) {
    endCall(stream, GRPC_STATUS.UNKNOWN, 'unset ssh forward key');
    return;
  }
  const agent = connect(path);
  agent.once('error', (error) => endCall(stream, GRPC_STATUS.UNKNOWN, error.message));
  agent.once('connect', () => {
    beginCall(stream);
    const reader = new GrpcReader(MAX_MESSAGE_BYTES);
    const unwrap = new Transform({
      transform(piece: Buffer, _, done) {
        try {
          for (const message of reader.read(piece)) this.push(bytesMessage.decode(message));
          done();
        } catch (error) {
          done(error as Error);
        }
      },
    });
    const wrap = new Transform({
      transform: (bytes: Buffer, _, done) => done(null, frameMessage(bytesMessage.encode(bytes))),
    });
    pipeline(stream, unwrap, agent, wrap, stream, () => {
      agent.destroy();
    });
  });
  stream.once('close', () => agent.destroy());
}
