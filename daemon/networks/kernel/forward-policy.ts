// Other firewalls of the host: a packet that the engine's table accepts is still dropped when another table drops it. Where docker or
// firewalld manage that, the engine's bridges are let through in the one place that each has for it; anything else is only reported.
//
// docker: its FORWARD chain drops by policy and asks DOCKER-USER first, the chain that it leaves to others. Two rules for each bridge,
//   named by a comment, are put there and taken away again; whether the traffic may pass is then for the engine's own table to say.
// firewalld: a bridge in no zone is rejected; it is put in the zone "trusted", until firewalld is started anew.
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { promisify } from 'node:util';
import { isErrno } from '../../../native-bindings/errno.ts';
import { NETLINK } from '../../../native-bindings/sockets.ts';
import { parseAttributes } from '../../protocols/netlink/netlink-message.ts';
import { equal, meta, verdict } from '../../protocols/nftables/nft-expressions.ts';
import {
  deleteRule,
  FAMILY,
  getChain,
  getTable,
  insertRule,
  interfaceKey,
  listRules,
  parseRule,
  type Rule,
  transaction,
} from '../../protocols/nftables/nft-messages.ts';
import { NetlinkSocket } from './netlink-socket.ts';

const run = promisify(execFile);
const COMMAND_TIMEOUT_MS = 10_000;
const TABLE = 'filter';
const CHAIN = 'DOCKER-USER';
const CHAIN_POLICY = 5;
const POLICY_DROP = 0;
const FAMILIES = [
  { family: FAMILY.IPV4, legacy: 'iptables-legacy', tables: '/proc/net/ip_tables_names' },
  { family: FAMILY.IPV6, legacy: 'ip6tables-legacy', tables: '/proc/net/ip6_tables_names' },
] as const;
type Family = (typeof FAMILIES)[number];

export class ForwardPolicy implements Disposable {
  readonly #socket = NetlinkSocket.open(NETLINK.NETFILTER);
  readonly #comment: string;

  /** `owner` stands in the comment of each rule, before the bridge's name. */
  constructor(owner: string) {
    this.#comment = owner;
  }

  /** Returns what stands in the way and is not the engine's to change. Does nothing where all is as it should be. */
  async allow(bridge: string): Promise<string[]> {
    const warnings: string[] = [];
    for (const entry of FAMILIES) {
      if (await this.#has(getChain(TABLE, CHAIN, entry.family))) await this.#allowInDocker(entry.family, bridge);
      else if (await this.#dropsByPolicy(entry.family)) {
        const name = entry.family === FAMILY.IPV4 ? 'ip' : 'ip6';
        warnings.push(`table ${name} filter drops forwarded packets by policy: bridge ${bridge} needs rules there`);
      }
      await changeLegacy(entry, bridge, true);
    }
    if (await this.#has(getTable('firewalld')))
      await changeFirewalld(['--zone=trusted', `--change-interface=${bridge}`], warnings);
    return warnings;
  }

  async forget(bridge: string): Promise<void> {
    for (const entry of FAMILIES) {
      const ours = await this.#rulesFor(entry.family, bridge);
      const messages = ours.map(({ handle }) => deleteRule(TABLE, CHAIN, handle, entry.family));
      if (messages.length > 0) await this.#socket.request(transaction(messages), `leave ${CHAIN}`);
      await changeLegacy(entry, bridge, false);
    }
    if (await this.#has(getTable('firewalld')))
      await changeFirewalld(['--zone=trusted', `--remove-interface=${bridge}`], []);
  }

  [Symbol.dispose](): void {
    this.#socket[Symbol.dispose]();
  }

  async #allowInDocker(family: number, bridge: string): Promise<void> {
    if ((await this.#rulesFor(family, bridge)).length >= 2) return;
    const rule = (key: 'iifname' | 'oifname') =>
      insertRule(
        TABLE,
        CHAIN,
        [meta(key, 0), equal(0, interfaceKey(bridge)), verdict('accept')],
        this.#commentFor(bridge),
        family,
      );
    await this.#socket.request(transaction([rule('iifname'), rule('oifname')]), `enter ${CHAIN}`);
  }

  async #rulesFor(family: number, bridge: string): Promise<Rule[]> {
    try {
      const answers = await this.#socket.dump(listRules(TABLE, family, CHAIN), `rules of ${CHAIN}`);
      return answers
        .map(({ payload }) => parseRule(payload))
        .filter(({ chain, comment }) => chain === CHAIN && comment === this.#commentFor(bridge));
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return [];
      throw error;
    }
  }

  #commentFor(bridge: string): string {
    return `${this.#comment} ${bridge}`;
  }

  async #dropsByPolicy(family: number): Promise<boolean> {
    const answers = await this.#ask(getChain(TABLE, 'FORWARD', family));
    const [chain] = answers ?? [];
    return (
      chain !== undefined &&
      parseAttributes(chain.payload.subarray(4)).get(CHAIN_POLICY)?.readUInt32BE(0) === POLICY_DROP
    );
  }

  async #has(question: Buffer): Promise<boolean> {
    return (await this.#ask(question)) !== undefined;
  }

  async #ask(question: Buffer): Promise<Awaited<ReturnType<NetlinkSocket['ask']>> | undefined> {
    try {
      return await this.#socket.ask(question, 'rules of other firewalls');
    } catch (error) {
      if (isErrno(error, 'ENOENT')) return undefined;
      throw error;
    }
  }
}

/** The old iptables has tables of its own, which only its own program can change. Most hosts have neither. */
async function changeLegacy({ legacy, tables }: Family, bridge: string, isAllowed: boolean): Promise<void> {
  if (!hasLegacyFilter(tables)) return;
  const call = (...words: string[]) =>
    run(legacy, ['-w', ...words], { timeout: COMMAND_TIMEOUT_MS }).then(
      () => true,
      () => false,
    );
  if (!(await call('-n', '-L', CHAIN))) return;
  for (const side of ['-i', '-o']) {
    const rule = [CHAIN, side, bridge, '-j', 'ACCEPT'];
    const isThere = await call('-C', ...rule);
    if (isThere !== isAllowed) await call(isAllowed ? '-I' : '-D', ...rule);
  }
}

function hasLegacyFilter(path: string): boolean {
  try {
    return readFileSync(path, 'latin1').split('\n').includes(TABLE);
  } catch {
    return false;
  }
}

async function changeFirewalld(words: readonly string[], warnings: string[]): Promise<void> {
  try {
    await run('firewall-cmd', [...words], { timeout: COMMAND_TIMEOUT_MS });
  } catch (error) {
    warnings.push(`firewall-cmd ${words.join(' ')}: ${error instanceof Error ? error.message.trim() : error}`);
  }
}
