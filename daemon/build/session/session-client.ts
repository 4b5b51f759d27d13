// What one client offers in its session: its secrets, agents, credentials and directories, asked for with BuildKit's own calls.
import { Duplex, pipeline, Transform } from 'node:stream';
import { EngineError } from '../../errors/engine-error.ts';
import { GRPC_STATUS } from '../../protocols/grpc/grpc-messages.ts';
import {
  bytesMessage,
  credentialsMessage,
  idMessage,
  MAX_SECRET_BYTES,
  sessionMethods,
  sshIdHeader,
  type TokenAnswer,
  type TokenQuestion,
  tokenAnswerMessage,
  tokenQuestionMessage,
} from '../../protocols/grpc/session-messages.ts';
import { type Credentials, noCredentials } from '../../registry/registry-session.ts';
import type { SessionFacts } from '../build-service.ts';
import type { ClientServices } from '../steps/step.ts';
import { type DirectoryReceiver, syncDirectory } from './file-sync.ts';
import { type GrpcConnection, GrpcFailed } from './grpc-connection.ts';

const CALL_MS = 60_000;

export class SessionClient implements ClientServices {
  readonly facts: SessionFacts;
  readonly #connection: GrpcConnection;
  readonly #directories: DirectoryReceiver;

  constructor(facts: SessionFacts, connection: GrpcConnection, directories: DirectoryReceiver) {
    this.facts = facts;
    this.#connection = connection;
    this.#directories = directories;
  }

  async secret(id: string): Promise<Uint8Array | undefined> {
    const answer = await this.#ask('getSecret', idMessage.encode(id));
    if (answer === undefined) return undefined;
    const data = bytesMessage.decode(answer);
    if (data.length > MAX_SECRET_BYTES)
      throw new EngineError(
        'invalid',
        `secret ${JSON.stringify(id.slice(0, 200))}: it has more than ${MAX_SECRET_BYTES} bytes`,
      );
    return data;
  }

  async sshAgent(id: string): Promise<Duplex | undefined> {
    if (!this.#offers('forwardAgent')) return undefined;
    // BuildKit's clients say "unknown" for one that they do not forward.
    const found = await this.#ask('checkAgent', idMessage.encode(id), [GRPC_STATUS.UNKNOWN]);
    if (found === undefined) return undefined;
    const call = this.#connection.open(sessionMethods.forwardAgent, { metadata: { [sshIdHeader]: id } });
    return agentOf(call);
  }

  async directory(
    ...[name, wanted, signal]: Parameters<ClientServices['directory']>
  ): ReturnType<ClientServices['directory']> {
    if (!this.#offers('diffCopy')) return undefined;
    try {
      return await syncDirectory(
        this.#connection,
        this.#directories,
        this.facts.sharedKey,
        { name, ...wanted },
        signal,
      );
    } catch (error) {
      if (error instanceof GrpcFailed && error.status === GRPC_STATUS.NOT_FOUND) return undefined;
      throw told(error);
    }
  }

  /** For a registry's host; noCredentials where the client has none. */
  async credentials(host: string): Promise<Credentials> {
    // Docker's clients know Docker Hub by the address of its first registry.
    const name = host === 'docker.io' ? 'https://index.docker.io/v1/' : host;
    const answer = await this.#ask('credentials', idMessage.encode(name));
    if (answer === undefined) return noCredentials;
    const { username, secret } = credentialsMessage.decode(answer);
    if (username === '') return { ...noCredentials, identityToken: secret };
    return { ...noCredentials, username, password: secret };
  }

  /** undefined: the client does not do that; its credentials have to be asked for. */
  async fetchToken(question: TokenQuestion): Promise<TokenAnswer | undefined> {
    const answer = await this.#ask('fetchToken', tokenQuestionMessage.encode(question));
    return answer === undefined ? undefined : tokenAnswerMessage.decode(answer);
  }

  #offers(method: keyof typeof sessionMethods): boolean {
    return this.facts.methods.has(sessionMethods[method]);
  }

  /** undefined: it does not offer that, or has not what was asked for (also said by one of `missing`). */
  async #ask(
    method: keyof typeof sessionMethods,
    message: Buffer,
    missing: readonly number[] = [],
  ): Promise<Buffer | undefined> {
    if (!this.#offers(method)) return undefined;
    try {
      return await this.#connection.call(sessionMethods[method], message, { signal: AbortSignal.timeout(CALL_MS) });
    } catch (error) {
      const none: number[] = [GRPC_STATUS.NOT_FOUND, GRPC_STATUS.UNIMPLEMENTED, ...missing];
      if (error instanceof GrpcFailed && none.includes(error.status)) return undefined;
      throw told(error);
    }
  }
}

/** What a client answered is the user's to know. */
function told(error: unknown): unknown {
  return error instanceof GrpcFailed
    ? new EngineError('invalid', `ask the client: ${error.message}`, { cause: error })
    : error;
}

/** An agent's bytes, out of and into the messages of a call. */
function agentOf(call: Duplex): Duplex {
  const wrap = new Transform({
    writableObjectMode: false,
    readableObjectMode: true,
    transform: (bytes: Buffer, _, done) => done(null, bytesMessage.encode(bytes)),
  });
  const unwrap = new Transform({
    writableObjectMode: true,
    readableObjectMode: false,
    transform: (message: Buffer, _, done) => {
      try {
        done(null, bytesMessage.decode(message));
      } catch (error) {
        done(error as Error);
      }
    },
  });
  pipeline(wrap, call, unwrap, () => undefined);
  const agent = Duplex.from({ readable: unwrap, writable: wrap });
  // Whoever reads or writes is told; when nobody does any more, it is nobody's concern.
  agent.on('error', () => undefined);
  agent.once('close', () => call.destroy());
  return agent;
}
