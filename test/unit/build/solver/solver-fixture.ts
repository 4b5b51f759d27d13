// A solver whose steps are told by the test: layers are numbers, and what a step did is a list of names.
import { createHash } from 'node:crypto';
import type { Edge, FileAction, Operation, Vertex } from '../../../../daemon/build/graph/operation.ts';
import type { BuildEvent } from '../../../../daemon/build/solver/build-event.ts';
import { CacheRecords } from '../../../../daemon/build/solver/cache-records.ts';
import { type ImportedCache, nothingImported } from '../../../../daemon/build/solver/imported-cache.ts';
import type { Solve } from '../../../../daemon/build/solver/solve.ts';
import { Solver } from '../../../../daemon/build/solver/solver.ts';
import { holdLayers } from '../../../../daemon/build/steps/layers-result.ts';
import type {
  ClientServices,
  DirectoryResult,
  ExecSettings,
  LayersResult,
  StepRun,
  Steps,
} from '../../../../daemon/build/steps/step.ts';
import type { Layer } from '../../../../daemon/snapshots/layer.ts';
import type { LayerHold } from '../../../../daemon/snapshots/layer-store.ts';
import { Database } from '../../../../daemon/state/database.ts';

export const noSettings: ExecSettings = {
  memoryBytes: 0,
  memorySwapBytes: 0,
  cpuShares: 0,
  cpuPeriodUs: 0,
  cpuQuotaUs: 0,
  cpusetCpus: '',
  cpusetMems: '',
  shmBytes: 0,
  rlimits: [],
  extraHosts: [],
  network: { kind: 'bridge' },
  cgroupParent: '',
  security: {
    noNewPrivileges: false,
    seccomp: { kind: 'default' },
    hasWritableCgroups: false,
    hasOpenSystemPaths: false,
  },
};

export const noClient: ClientServices = {
  secret: async () => undefined,
  sshAgent: async () => undefined,
  directory: async () => undefined,
};

/** Layers without files, with their rows. */
export class FakeLayers {
  readonly #db: Database;
  readonly #layers = new Map<number, Layer>();
  readonly holds = new Map<number, number>();
  /** The highest layers of what is read now. */
  readonly reads: (number | undefined)[] = [];

  constructor(db: Database) {
    this.#db = db;
  }

  make(parent: number | undefined): number {
    const number = this.#layers.size + 1;
    const diffId = `sha256:${createHash('sha256').update(String(number)).digest('hex')}`;
    const known = { sizeBytes: 1, tarBytes: 1, directory: number, boot: undefined };
    this.#layers.set(number, { number, kind: 'image', key: diffId, parent, diffId, ...known });
    this.#db.run(
      "INSERT INTO layers (number, kind, key, diff_id, size_bytes) VALUES (?, 'image', ?, ?, 1)",
      ...[number, diffId, diffId],
    );
    return number;
  }

  has(number: number): boolean {
    return this.#layers.has(number);
  }

  drop(number: number): void {
    this.#layers.delete(number);
    this.#db.run('DELETE FROM layers WHERE number = ?', number);
  }

  writeRows(): void {}

  read(top: number | undefined): Disposable {
    this.reads.push(top);
    return { [Symbol.dispose]: () => void this.reads.splice(this.reads.indexOf(top), 1) };
  }

  chain(top: number | undefined): Layer[] {
    const chain: Layer[] = [];
    for (let layer = this.#layers.get(top ?? 0); layer !== undefined; layer = this.#layers.get(layer.parent ?? 0))
      chain.push(layer);
    return chain;
  }

  hold(number: number): LayerHold {
    const layer = this.#layers.get(number);
    if (layer === undefined) throw new Error(`no layer ${number}`);
    this.holds.set(number, (this.holds.get(number) ?? 0) + 1);
    let isHeld = true;
    return {
      layer,
      [Symbol.dispose]: () => {
        if (!isHeld) throw new Error(`layer ${number} was let go twice`);
        isHeld = false;
        const left = (this.holds.get(number) ?? 0) - 1;
        if (left === 0) this.holds.delete(number);
        else this.holds.set(number, left);
      },
    };
  }
}

export class SolverFixture implements Disposable {
  readonly database = Database.open(':memory:');
  readonly layers = new FakeLayers(this.database);
  readonly errors: unknown[] = [];
  records: CacheRecords;
  solver: Solver;
  /** Names of vertices that ran, in the order in which they began. */
  ran: string[] = [];
  events: BuildEvent[] = [];
  /** By name: instead of a new layer. */
  readonly behaviours = new Map<string, (run: StepRun) => Promise<void>>();
  /** What a client's directory holds: its checksum. */
  content = 'content';
  directoriesHeld = 0;
  keepsFailed = false;
  imported: ImportedCache = nothingImported;
  #transfers = 0;

  constructor(atOnce = 4) {
    this.records = this.#openRecords();
    this.solver = this.#openSolver(atOnce);
  }

  restart(): void {
    this.records.close();
    this.records = this.#openRecords();
    this.solver = this.#openSolver(4);
  }

  open(
    signal: AbortSignal = new AbortController().signal,
    tell = (event: BuildEvent) => void this.events.push(event),
    exec: Partial<ExecSettings> = {},
  ): Solve {
    const settings = { exec: { ...noSettings, ...exec }, keepsFailed: this.keepsFailed };
    const solve = this.solver.open({ ...settings, client: noClient, tell, signal, imported: this.imported });
    solve.addImage('sha256:1', undefined);
    return solve;
  }

  /** Evaluates in a build of its own; resolves to the names of what ran for it and the highest layer. */
  async build(edge: Edge): Promise<{ ran: string[]; top: number | undefined }> {
    this.ran = [];
    this.events = [];
    await using solve = this.open();
    const result = await solve.evaluate(edge);
    return { ran: [...this.ran], top: result.kind === 'layers' ? result.top : undefined };
  }

  /** Names of vertices that were told as cached. */
  get cached(): string[] {
    return this.events.flatMap((event) => (event.kind === 'vertex' && event.isCached ? [event.name] : []));
  }

  [Symbol.dispose](): void {
    this.records.close();
    this.database.close();
  }

  #openRecords(): CacheRecords {
    return new CacheRecords(this.database, this.layers, (error) => this.errors.push(error));
  }

  #openSolver(atOnce: number): Solver {
    const { layers, records } = this;
    return new Solver({ steps: this.#steps(), records, layers }, atOnce);
  }

  #steps(): Steps {
    const make = async (run: StepRun, parent: LayersResult | undefined): Promise<LayersResult[]> => {
      this.ran.push(run.vertex.name);
      await this.behaviours.get(run.vertex.name)?.(run);
      run.signal.throwIfAborted();
      return [holdLayers(this.layers, this.layers.make(parent?.top))];
    };
    return {
      source: async (run) => {
        this.ran.push(run.vertex.name);
        return this.#directory(`local:${this.#transfers++}`);
      },
      exec: (run, inputs) => make(run, layersOf(inputs[0])),
      file: (run, inputs) => make(run, layersOf(inputs[0])),
      merge: async (run) => (await make(run, undefined))[0] as LayersResult,
      diff: async (run) => (await make(run, undefined))[0] as LayersResult,
      checksum: async (input) => (input.kind === 'directory' ? this.content : `files of ${input.top}`),
    };
  }

  #directory(identity: string): DirectoryResult {
    this.directoriesHeld++;
    return {
      kind: 'directory',
      path: '/nowhere',
      identity,
      again: () => this.#directory(identity),
      [Symbol.dispose]: () => {
        this.directoriesHeld--;
      },
    };
  }
}

function layersOf(input: unknown): LayersResult | undefined {
  return input as LayersResult | undefined;
}

export function vertex(name: string, operation: Operation, inputs: Edge[] = [], more: Partial<Vertex> = {}): Edge {
  const text = JSON.stringify([operation, inputs.map((edge) => [edge.vertex.digest, edge.output])]);
  const digest = `sha256:${createHash('sha256').update(text).digest('hex')}`;
  return { vertex: { digest, operation, inputs, name, ignoresCache: false, ...more }, output: 0 };
}

export const base = vertex('base', {
  kind: 'source',
  source: { type: 'image', reference: 'docker.io/library/base:latest', imageId: 'sha256:1' },
});

export const context = vertex('context', {
  kind: 'source',
  source: { type: 'local', name: 'context', include: [], exclude: [], followPaths: [] },
});

const platform = { os: 'linux', architecture: 'amd64' };

export function run(command: string, on: Edge, more: Partial<Vertex> = {}): Edge {
  const operation: Operation = {
    kind: 'exec',
    args: ['sh', '-c', command],
    env: [],
    proxyEnv: [],
    workingDir: '/',
    user: '',
    hostname: '',
    network: 'default',
    security: 'sandbox',
    mounts: [{ type: 'bind', target: '/', input: 0, selector: '', isReadonly: false, output: 0 }],
    secretEnv: [],
    platform,
  };
  return vertex(`RUN ${command}`, operation, [on], more);
}

export function copy(source: string, from: Edge, on: Edge, more: Partial<Vertex> = {}): Edge {
  const action: FileAction = {
    action: 'copy',
    input: 0,
    from: 1,
    output: 0,
    sources: [source],
    destination: '/',
    exclude: [],
    unpacks: false,
    keepsParents: false,
    replacesLinks: false,
    allowsNoMatch: false,
    hasWildcards: false,
  };
  return vertex(`COPY ${source}`, { kind: 'file', actions: [action], platform }, [on, from], more);
}
