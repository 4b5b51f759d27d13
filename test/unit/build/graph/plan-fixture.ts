// Plans of Dockerfiles that are given as text, with images that a test makes up.

import { parseDockerfile } from '../../../../daemon/build/dockerfile/parse-dockerfile.ts';
import { planBuild } from '../../../../daemon/build/graph/dockerfile-graph.ts';
import type { Edge, Vertex } from '../../../../daemon/build/graph/operation.ts';
import type { BuildPlan, PlanLookups, PlanOptions } from '../../../../daemon/build/graph/plan.ts';
import { EngineError } from '../../../../daemon/errors/engine-error.ts';
import type { ImageConfig } from '../../../../daemon/images/documents/image-config.ts';

export const amd64 = { os: 'linux', architecture: 'amd64' } as const;

/** Config of an image by its canonical name; "docker.io/library/base:latest" is there unless a test says otherwise. */
export type Images = Readonly<Record<string, Partial<ImageConfig>>>;

const base: Partial<ImageConfig> = { config: { Env: ['PATH=/bin'], Cmd: ['sh'] } };

export function lookupsOf(
  images: Images = {},
  files: Readonly<Record<string, string>> = {},
): PlanLookups & { readonly asked: string[] } {
  const asked: string[] = [];
  const known: Images = { 'docker.io/library/base:latest': base, ...images };
  return {
    asked,
    resolveImage: async ({ reference }) => {
      asked.push(reference);
      const image = known[reference];
      if (image === undefined) throw new EngineError('not-found', `${reference}: not found`);
      const rootfs = { type: 'layers', diff_ids: [`sha256:${'b'.repeat(64)}`] } as const;
      return {
        imageId: `sha256:${'a'.repeat(64)}`,
        reference,
        config: { ...amd64, rootfs: { ...rootfs, diff_ids: [...rootfs.diff_ids] }, ...image },
      };
    },
    knownImage: ({ reference }) => {
      const image = known[reference];
      return image === undefined ? undefined : { ...amd64, rootfs: { type: 'layers', diff_ids: [] }, ...image };
    },
    resolveLayout: async () => ({ ...amd64, rootfs: { type: 'layers', diff_ids: [] } }),
    readFile: async (_files, path) => {
      asked.push(path);
      const text = files[path];
      return text === undefined ? undefined : Buffer.from(text);
    },
  };
}

export const plainOptions: PlanOptions = {
  dockerfileName: 'Dockerfile',
  context: { kind: 'local', name: 'context', exclude: [] },
  namedContexts: new Map(),
  target: '',
  buildArgs: new Map(),
  labels: new Map(),
  targetPlatform: undefined,
  buildPlatform: amd64,
  isMultiPlatform: false,
  ignoresCache: false,
  ignoresCacheOf: [],
  network: 'default',
};

export function planText(
  text: string,
  options: Partial<PlanOptions> = {},
  lookups: PlanLookups = lookupsOf(),
): Promise<BuildPlan> {
  return planBuild(parseDockerfile(text), { ...plainOptions, ...options }, lookups);
}

/** Every vertex below the target, inputs first. */
export function vertices(target: Edge | undefined): Vertex[] {
  const found = new Map<string, Vertex>();
  const waiting = target === undefined ? [] : [{ vertex: target.vertex, isDone: false }];
  for (let top = waiting.pop(); top !== undefined; top = waiting.pop()) {
    const { vertex, isDone } = top;
    if (isDone) found.set(vertex.digest, vertex);
    if (isDone || found.has(vertex.digest)) continue;
    waiting.push(
      { vertex, isDone: true },
      ...vertex.inputs.map((input) => ({ vertex: input.vertex, isDone: false })).reverse(),
    );
  }
  return [...found.values()];
}

export function names(plan: BuildPlan): string[] {
  return vertices(plan.target).map(({ name }) => name);
}

/** The operation of the one vertex whose name ends in `end`. */
export function operationOf(plan: BuildPlan, end: string): Vertex['operation'] {
  const [found, second] = vertices(plan.target).filter(({ name }) => name.endsWith(end));
  if (found === undefined || second !== undefined)
    throw new Error(`not one vertex: ${JSON.stringify(end)}, of ${names(plan).join('; ')}`);
  return found.operation;
}

export function execOf(plan: BuildPlan, end: string): Extract<Vertex['operation'], { kind: 'exec' }> {
  const operation = operationOf(plan, end);
  if (operation.kind !== 'exec') throw new Error(`no exec: ${operation.kind}`);
  return operation;
}

/** `created_by` of what the Dockerfile added. */
export function createdBy(plan: BuildPlan): (string | undefined)[] {
  return plan.history.map(({ entry }) => entry.created_by);
}
