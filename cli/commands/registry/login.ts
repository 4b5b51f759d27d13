// `login`: the daemon tries the credentials at the registry, then they are kept for pull and push. Words and exit statuses are docker's.
import type { AuthConfig, AuthResponse } from '../../../daemon/docker-types/system.ts';
import { boolFlag, stringFlag } from '../../../daemon/protocols/flags/flag.ts';
import { between, defineCommand } from '../../command.ts';
import type { Cli } from '../../context.ts';
import { type Credentials, hostOfServer, hubServer, noCredentials } from '../../credentials/credentials.ts';
import { openStore } from '../../credentials/open-store.ts';
import { ApiError, CliError, messageOf } from '../../errors.ts';
import { openPrompter, readInput, requireTerminal } from '../../terminal/prompt.ts';

export const login = defineCommand({
  usage: '[OPTIONS] [SERVER]',
  short: 'Authenticate to a registry',
  long: 'Authenticate to a registry.\nDefaults to Docker Hub if no server is specified.',
  flags: {
    password: stringFlag('password,p', 'Password or Personal Access Token (PAT)'),
    passwordStdin: boolFlag('password-stdin', 'Take the Password or Personal Access Token (PAT) from stdin'),
    username: stringFlag('username,u', 'Username'),
  },
  arguments: between(0, 1),
  async run({ cli, flags, args: [given = ''], changed }) {
    if (changed.has('password')) {
      cli.err.line('WARNING! Using --password via the CLI is insecure. Use --password-stdin.');
      if (flags.passwordStdin) {
        throw new CliError('conflicting options: cannot specify both --password and --password-stdin');
      }
    }
    let password = flags.password;
    if (flags.passwordStdin) {
      if (flags.username === '') throw new CliError('the --password-stdin option requires --username to be set');
      password = (await readInput()).replace(/\n$/, '').replace(/\r$/, '');
    }
    const server = serverArgument(given);
    const isOpen = flags.username === '' && password === '';
    const stored = isOpen ? await openStore(cli, server).get(server) : noCredentials;
    const status =
      (stored.username !== '' && stored.password !== '' && (await loginAgain(cli, server, stored))) ||
      (await loginAnew(cli, server, { username: flags.username, password, known: stored.username }));
    cli.out.line(status);
    return 0;
  },
});

function serverArgument(given: string): string {
  if (given === '' || given === 'docker.io' || given === hubServer) return hubServer;
  return hostOfServer(given);
}

/** With what is stored; undefined when the registry no longer takes it. */
async function loginAgain(cli: Cli, server: string, stored: Credentials): Promise<string | undefined> {
  cli.err.line(`Authenticating with existing credentials... [Username: ${stored.username}]\n`);
  cli.err.line(
    ` Info -> To login with a different account, run '${cli.program} logout' followed by '${cli.program} login'\n\n`,
  );
  try {
    return await authenticate(cli, server, stored);
  } catch (error) {
    if (!(error instanceof ApiError)) throw error;
    const isRefused = error.httpStatus === 401;
    cli.err.line(
      isRefused ? 'Stored credentials invalid or expired' : `Login did not succeed, error: ${messageOf(error)}`,
    );
    return undefined;
  }
}

async function loginAnew(cli: Cli, server: string, given: { username: string; password: string; known: string }) {
  const { username, password } =
    given.username !== '' && given.password !== '' ? given : await askFor(cli, server, given);
  return authenticate(cli, server, { ...noCredentials, username, password });
}

async function askFor(cli: Cli, server: string, given: { username: string; password: string; known: string }) {
  requireTerminal();
  const prompter = openPrompter(cli.out);
  try {
    let { username, password } = given;
    if (username === '') {
      if (server === hubServer)
        cli.out.line('Log in with your Docker ID or email address to push and pull images from Docker Hub.');
      const question = given.known === '' ? 'Username: ' : `Username (${given.known}): `;
      username = (await prompter.ask(question)).trim() || given.known;
      if (username === '') throw new CliError('Error: Non-null Username Required');
    }
    if (password === '') {
      password = await prompter.ask('Password: ', { hidden: true });
      if (password === '') throw new CliError('Error: Password Required');
    }
    return { username, password };
  } finally {
    prompter.close();
  }
}

async function authenticate(cli: Cli, server: string, credentials: Credentials): Promise<string> {
  const { username, password } = credentials;
  const body: AuthConfig = { username, password, serveraddress: server };
  const answer = await cli.client.post<AuthResponse>('/auth', { json: body });
  const token = answer.IdentityToken ?? '';
  // A registry that gives a token wants the password never again, so it is not kept.
  const kept = token === '' ? credentials : { ...noCredentials, username, identityToken: token };
  await openStore(cli, server).store(server, kept);
  return answer.Status;
}
