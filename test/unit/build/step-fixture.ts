// What a step is run with: a client that has what a test gives it, and what was said meanwhile.
import type { SourceOperation, Vertex } from '../../../daemon/build/graph/operation.ts';
import type { ClientServices, ExecSettings, StepRun } from '../../../daemon/build/steps/step.ts';

export const execSettings: ExecSettings = {
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

export class StepFixture {
  readonly secrets = new Map<string, string>();
  readonly statuses: [id: string, current: number, total: number, isComplete: boolean][] = [];
  readonly cancel = new AbortController();
  said = '';

  readonly client: ClientServices = {
    secret: async (id) => {
      const value = this.secrets.get(id);
      return value === undefined ? undefined : Buffer.from(value);
    },
    sshAgent: async () => undefined,
    directory: async () => undefined,
  };

  run(source: SourceOperation['source'], client: ClientServices = this.client): StepRun {
    const vertex: Vertex = {
      digest: 'sha256:0',
      operation: { kind: 'source', source },
      inputs: [],
      name: 'source',
      ignoresCache: false,
    };
    return {
      vertex,
      signal: this.cancel.signal,
      exec: execSettings,
      client,
      log: (_, bytes) => {
        this.said += Buffer.from(bytes).toString();
      },
      status: (...status) => this.statuses.push(status),
    };
  }
}
