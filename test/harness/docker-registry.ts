// Debian's docker-registry, started in a daemon's network namespace: open, or with TLS and passwords.
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { eventually } from './eventually.ts';
import type { NetNamespace } from './net-namespace.ts';

export interface RegistryOptions {
  /** With these accounts (name to password), over TLS with an authority of its own. */
  accounts?: Record<string, string>;
  /** As it stands in references; the port is added. Default 127.0.0.1. */
  name?: string;
  port: number;
}

export class DockerRegistry {
  readonly dir = mkdtempSync('/tmp/tsdt-registry-');
  readonly host: string;
  private readonly options: RegistryOptions;
  private readonly child: ChildProcess;

  private constructor(network: NetNamespace, options: RegistryOptions) {
    this.options = options;
    this.host = `${options.name ?? '127.0.0.1'}:${options.port}`;
    if (options.accounts !== undefined) this.makeCredentials(options.accounts);
    writeFileSync(`${this.dir}/config.yml`, this.config());
    const [file = '', ...args] = [...network.wrapper, 'docker-registry', 'serve', `${this.dir}/config.yml`];
    this.child = spawn(file, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH } });
    this.child.stderr?.resume();
  }

  static async start(network: NetNamespace, options: RegistryOptions): Promise<DockerRegistry> {
    const registry = new DockerRegistry(network, options);
    const address = `127.0.0.1 ${options.port}`;
    await eventually('docker-registry listens', async () => {
      if (registry.child.exitCode !== null) throw new Error(`docker-registry ended with ${registry.child.exitCode}`);
      return (await network.run('busybox', ['nc', '-w', '1', ...address.split(' '), '-e', 'true'])).code === 0;
    });
    return registry;
  }

  /** The certificate of the authority that signed the registry's. */
  get authority(): string {
    return `${this.dir}/ca.crt`;
  }

  /** Every blob that it stores, by digest. */
  blob(digest: string): Buffer {
    const hex = digest.slice(7);
    return readFileSync(`${this.dir}/data/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`);
  }

  async stop(): Promise<void> {
    this.child.kill('SIGKILL');
    await eventually('docker-registry ends', () => this.child.exitCode !== null || this.child.signalCode !== null);
    rmSync(this.dir, { recursive: true, force: true });
  }

  private config(): string {
    const tls = `, tls: {certificate: ${this.dir}/r.crt, key: ${this.dir}/r.key}`;
    const isOpen = this.options.accounts === undefined;
    return [
      'version: 0.1',
      'log: {level: error}',
      `storage: {filesystem: {rootdirectory: ${this.dir}/data}, delete: {enabled: true}}`,
      `http: {addr: "127.0.0.1:${this.options.port}"${isOpen ? '' : tls}}`,
      ...(isOpen ? [] : [`auth: {htpasswd: {realm: tests, path: ${this.dir}/htpasswd}}`]),
      '',
    ].join('\n');
  }

  private makeCredentials(accounts: Record<string, string>): void {
    const lines = Object.entries(accounts).map(([name, password]) =>
      execFileSync('htpasswd', ['-Bbn', '-C', '4', name, password], { encoding: 'utf8' }).trim(),
    );
    writeFileSync(`${this.dir}/htpasswd`, `${lines.join('\n')}\n`);
    const openssl = (...args: string[]) => execFileSync('openssl', args, { cwd: this.dir, stdio: 'ignore' });
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
    openssl('req', '-x509', ...key, '-keyout', 'ca.key', '-out', 'ca.crt', '-days', '2', '-subj', '/CN=test authority');
    openssl('req', ...key, '-keyout', 'r.key', '-out', 'r.csr', '-subj', '/CN=registry');
    writeFileSync(`${this.dir}/ext`, `subjectAltName=DNS:${this.options.name ?? 'localhost'},IP:127.0.0.1\n`);
    const by = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'ext'];
    openssl('x509', '-req', '-in', 'r.csr', ...by, '-out', 'r.crt', '-days', '2');
  }
}

/**
 * Put before a daemon's command: it sees `name` as loopback, and below /etc/docker/certs.d what is put into `certs`, also later. The machine's
 * own /etc is not touched: it is the lower layer of the one that the daemon has.
 */
export function privateEtc(dir: string, name: string): { wrapper: string[]; certs: string } {
  const upper = `${dir}/etc`;
  const certs = `${dir}/certs.d`;
  for (const path of [`${upper}/docker/certs.d`, `${dir}/work`, certs]) mkdirSync(path, { recursive: true });
  writeFileSync(`${upper}/hosts`, `127.0.0.1 localhost ${name}\n`);
  const script = [
    `mount -t overlay tsdt-etc -o lowerdir=/etc,upperdir=${upper},workdir=${dir}/work /etc`,
    `mount --bind ${certs} /etc/docker/certs.d`,
    'exec "$@"',
  ].join(' && ');
  return { wrapper: ['unshare', '-m', '--propagation', 'private', 'sh', '-c', script, 'sh'], certs };
}
