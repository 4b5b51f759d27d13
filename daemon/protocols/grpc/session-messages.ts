// What BuildKit's sessions say: services, methods and messages that a client offers to the engine that builds for it (moby/buildkit, session/*/*.proto).
import { ProtobufMessage, writeMessage } from './protobuf.ts';

export const sessionMethods = {
  getSecret: '/moby.buildkit.secrets.v1.Secrets/GetSecret',
  checkAgent: '/moby.sshforward.v1.SSH/CheckAgent',
  forwardAgent: '/moby.sshforward.v1.SSH/ForwardAgent',
  credentials: '/moby.filesync.v1.Auth/Credentials',
  fetchToken: '/moby.filesync.v1.Auth/FetchToken',
  diffCopy: '/moby.filesync.v1.FileSync/DiffCopy',
  health: '/grpc.health.v1.Health/Check',
} as const;

/** Which agent: a header of ForwardAgent. */
export const sshIdHeader = 'buildkit.ssh.id';
/** Of one secret; BuildKit's own limit (secrets.MaxSecretSize). */
export const MAX_SECRET_BYTES = 500 * 1024;

/** Of an OAuth 2 token of a registry, asked for by the client, who keeps its password. */
export interface TokenQuestion {
  readonly clientId: string;
  readonly host: string;
  readonly realm: string;
  readonly service: string;
  readonly scopes: readonly string[];
}

export interface TokenAnswer {
  readonly token: string;
  /** 0: not said. */
  readonly expiresInSeconds: number;
  readonly issuedAtSeconds: number;
}

/** Of GetSecret and CheckAgent. */
export const idMessage = {
  encode: (id: string): Buffer => writeMessage({ 1: id }),
  decode: (message: Buffer): string => new ProtobufMessage(message).text(1),
};

/** Of GetSecret's answer, and of each piece of ForwardAgent in both directions. */
export const bytesMessage = {
  encode: (data: Uint8Array): Buffer => writeMessage({ 1: data }),
  decode: (message: Buffer): Buffer => new ProtobufMessage(message).bytes(1),
};

export const credentialsMessage = {
  encode: ({ username, secret }: { username: string; secret: string }): Buffer =>
    writeMessage({ 1: username, 2: secret }),
  /** Without a user the secret is an identity token. */
  decode: (message: Buffer): { username: string; secret: string } => {
    const fields = new ProtobufMessage(message);
    return { username: fields.text(1), secret: fields.text(2) };
  },
};

export const tokenQuestionMessage = {
  encode: ({ clientId, host, realm, service, scopes }: TokenQuestion): Buffer =>
    writeMessage({ 1: clientId, 2: host, 3: realm, 4: service, 5: scopes }),
  decode: (message: Buffer): TokenQuestion => {
    const fields = new ProtobufMessage(message);
    return {
      clientId: fields.text(1),
      host: fields.text(2),
      realm: fields.text(3),
      service: fields.text(4),
      scopes: fields.texts(5),
    };
  },
};

export const tokenAnswerMessage = {
  encode: ({ token, expiresInSeconds, issuedAtSeconds }: TokenAnswer): Buffer =>
    writeMessage({ 1: token, 2: expiresInSeconds, 3: issuedAtSeconds }),
  decode: (message: Buffer): TokenAnswer => {
    const fields = new ProtobufMessage(message);
    return {
      token: fields.text(1),
      expiresInSeconds: Number(fields.integer(2)),
      issuedAtSeconds: Number(fields.integer(3)),
    };
  },
};
