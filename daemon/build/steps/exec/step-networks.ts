// The network of a step: an endpoint in a namespace of its own as a container has it, with an owner that is none. Those on the default bridge are
// kept for a moment for the next step: making one costs more than most steps take. What could be left in one by a process without rights over
// its network is a closed connection; one that had such rights is never used again.
import { randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { plainEndpoint } from '../../../networks/endpoint-config.ts';
import type { NetworkNamespace } from '../../../networks/kernel/network-kernel.ts';
import { hostResolvers } from '../../../networks/managed-files.ts';
import type { NetworkEntry } from '../../../networks/network-entry.ts';
import { isPredefined, poolOf } from '../../../networks/network-record.ts';
import type { NamespacePlan } from '../../../runtime/container-input.ts';
import type { ExecParts } from './exec-parts.ts';
import type { StepNetworkMode } from './exec-rights.ts';

/** Ends when it is released. */
export interface StepNetwork {
  /** For the runtime. */
  readonly namespace: NamespacePlan['network'];
  /** What host-gateway stands for. */
  readonly gateways: readonly string[];
  /** The engine's own name server answers in it. */
  readonly hasResolver: boolean;
  /** `isClean`: what used it has ended and could change nothing of it. */
  release(isClean: boolean): Promise<void>;
}

/** One that no step uses is ended after this, and none is kept beyond this number. */
const keptMs = 3000;
const maxKept = 4;

interface Made {
  readonly id: string;
  readonly runDir: string;
  readonly namespace: NetworkNamespace;
  readonly entry: NetworkEntry;
}

export class StepNetworks {
  readonly #parts: Pick<ExecParts, 'networks' | 'defaults' | 'paths' | 'log'>;
  readonly #kept = new Map<Made, NodeJS.Timeout>();
  #isClosed = false;

  constructor(parts: Pick<ExecParts, 'networks' | 'defaults' | 'paths' | 'log'>) {
    this.#parts = parts;
  }

  /** Throws 'not-found' for a network that is not there, and what the networks throw. */
  async take(mode: StepNetworkMode, hostname: string): Promise<StepNetwork> {
    if (mode.kind === 'host' || mode.kind === 'none') {
      const namespace = mode.kind === 'host' ? 'host' : 'private';
      const gateways = this.#gateways(undefined);
      return { namespace, gateways, hasResolver: false, release: () => Promise.resolve() };
    }
    const entry = this.#parts.networks.registry.get(mode.kind === 'network' ? mode.ref : 'bridge');
    const isShared = mode.kind === 'bridge';
    const made = (isShared ? this.#takeKept(entry) : undefined) ?? (await this.#make(entry, hostname));
    return {
      namespace: { fd: made.namespace.fd },
      gateways: this.#gateways(entry),
      hasResolver: !isPredefined(entry.record),
      release: async (isClean) => {
        if (isShared && isClean && !this.#isClosed && this.#kept.size < maxKept) this.#keep(made);
        else await this.#end(made);
      },
    };
  }

  /** Ends those that are kept; what is released from now on is not. */
  async close(): Promise<void> {
    this.#isClosed = true;
    const kept = [...this.#kept.keys()];
    for (const timer of this.#kept.values()) clearTimeout(timer);
    this.#kept.clear();
    for (const made of kept) await this.#end(made);
  }

  #takeKept(entry: NetworkEntry): Made | undefined {
    for (const [made, timer] of this.#kept) {
      if (made.entry !== entry) continue;
      clearTimeout(timer);
      this.#kept.delete(made);
      return made;
    }
    return undefined;
  }

  #keep(made: Made): void {
    const timer = setTimeout(() => {
      this.#kept.delete(made);
      this.#end(made).catch((error: unknown) =>
        this.#parts.log.warn({ err: error }, 'cannot end a network of builds: what it leaves goes at the next start'),
      );
    }, keptMs);
    this.#kept.set(made, timer.unref());
  }

  async #make(entry: NetworkEntry, hostname: string): Promise<Made> {
    const { networks, paths } = this.#parts;
    const id = randomBytes(32).toString('hex');
    const runDir = join(paths.runs, id);
    mkdirSync(runDir, { mode: 0o700 });
    try {
      const sandbox = networks.sandboxes.reserve(
        {
          containerId: id,
          containerName: `build-${id.slice(0, 12)}`,
          hostname,
          runDir,
          wantedPorts: [],
          resolver: this.#resolver(),
        },
        [{ entry, config: plainEndpoint(entry.record.name) }],
      );
      try {
        return { id, runDir, entry, namespace: await networks.sandboxes.build(sandbox) };
      } catch (error) {
        await networks.sandboxes.end(id, false);
        throw error;
      }
    } catch (error) {
      rmSync(runDir, { recursive: true, force: true });
      throw error;
    }
  }

  async #end({ id, runDir, namespace }: Made): Promise<void> {
    namespace[Symbol.dispose]();
    try {
      await this.#parts.networks.sandboxes.end(id, false);
    } finally {
      rmSync(runDir, { recursive: true, force: true });
    }
  }

  #resolver() {
    const { servers, options } = this.#parts.defaults.dns;
    return {
      servers: servers.length > 0 ? servers : hostResolvers(readResolvConf()),
      isFromHost: servers.length === 0,
      isNdotsSet: options.some((option) => option.startsWith('ndots:') && option !== 'ndots:0'),
    };
  }

  /** The host as a step can reach it: its own bridge's addresses, else those of the default one. */
  #gateways(own: NetworkEntry | undefined): string[] {
    const { defaults, networks } = this.#parts;
    if (defaults.hostGateways.length > 0) return [...defaults.hostGateways];
    const isReachable = own?.interfaces !== undefined && !own.record.isInternal;
    const record = isReachable ? own.record : networks.registry.byName('bridge')?.record;
    if (record === undefined) return [];
    return ([4, 6] as const).map((family) => poolOf(record, family)?.gateway).filter((one) => one !== undefined);
  }
}

/** The host's own file may be missing: an empty one says the same. */
export function readResolvConf(): string {
  try {
    return readFileSync('/etc/resolv.conf', 'utf8');
  } catch {
    return '';
  }
}
