// Credentials in a helper program, docker-credential-NAME in PATH: one action as argument, its input on stdin, JSON on stdout.
// Protocol: https://github.com/docker/docker-credential-helpers
import { spawn } from 'node:child_process';
import { CliError } from '../errors.ts';
import { type CredentialStore, type Credentials, noCredentials } from './credentials.ts';

const limitBytes = 1 << 20;
/** A helper may ask the user something on a screen. */
const timeoutMs = 120_000;
/** With this as user name the secret is an identity token. */
const tokenUser = '<token>';
const notFound = /credentials not found in native keychain/;

type Action = 'get' | 'store' | 'erase';

/** Fails when the name is no plain word: it becomes part of a program's name. */
export function helperStore(name: string): CredentialStore {
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$/.test(name)) {
    throw new CliError(
      `invalid credential helper ${JSON.stringify(name)}: its name may hold letters, digits, "_", "." and "-"`,
    );
  }
  const call = (action: Action, input: string) => callHelper(`docker-credential-${name}`, action, input);
  return {
    async get(server) {
      const result = await call('get', server);
      if (result.status !== 0) {
        if (notFound.test(result.output)) return noCredentials;
        throw failure(name, 'get', result.output);
      }
      return parseAnswer(name, result.output);
    },
    async store(server, { username, password, identityToken }) {
      const isToken = identityToken !== '';
      const input = {
        ServerURL: server,
        Username: isToken ? tokenUser : username,
        Secret: isToken ? identityToken : password,
      };
      const result = await call('store', JSON.stringify(input));
      if (result.status !== 0) throw failure(name, 'store', result.output);
    },
    async erase(server) {
      const result = await call('erase', server);
      if (result.status !== 0 && !notFound.test(result.output)) throw failure(name, 'erase', result.output);
    },
  };
}

function failure(name: string, action: Action, output: string): CliError {
  return new CliError(
    `error ${action === 'get' ? 'getting' : `at ${action} of`} credentials - docker-credential-${name}: ${output}`,
  );
}

function parseAnswer(name: string, text: string): Credentials {
  // Never with the text: it may hold a secret.
  const fail = () => new CliError(`docker-credential-${name}: its answer is no JSON object with Username and Secret`);
  let answer: { Username?: unknown; Secret?: unknown } | null;
  try {
    answer = JSON.parse(text) as typeof answer;
  } catch {
    throw fail();
  }
  const { Username: username, Secret: secret } = answer ?? {};
  if (typeof username !== 'string' || typeof secret !== 'string') throw fail();
  if (username === tokenUser) return { ...noCredentials, identityToken: secret };
  return { ...noCredentials, username, password: secret };
}

function callHelper(
  program: string,
  action: Action,
  input: string,
): Promise<{ status: number | null; output: string }> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, [action], { stdio: ['pipe', 'pipe', 'inherit'], timeout: timeoutMs });
    let output = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      output += text;
      if (output.length > limitBytes) child.kill('SIGKILL');
    });
    child.on('error', (error) => {
      const isAbsent = 'code' in error && error.code === 'ENOENT';
      reject(new CliError(isAbsent ? `exec: "${program}": executable file not found in $PATH` : error.message));
    });
    child.on('close', (status) => resolve({ status, output: output.trim() }));
    // A helper that does not read its input closes the pipe: its status tells.
    child.stdin.on('error', () => {});
    child.stdin.end(input);
  });
}
