// The lines that this engine's own CLI asks for beside Docker's when it builds (`events=1`): what a build tells while it goes on.

/** Times are milliseconds since 1970, with fractions. `bytes` is base64. */
export type BuildEventLine =
  | {
      kind: 'vertex';
      digest: string;
      inputs: readonly string[];
      name: string;
      startedMs?: number;
      completedMs?: number;
      isCached: boolean;
      error?: string;
    }
  | {
      kind: 'status';
      vertex: string;
      id: string;
      current: number;
      total: number;
      startedMs: number;
      completedMs?: number;
    }
  | { kind: 'log'; vertex: string; stream: 'stdout' | 'stderr'; bytes: string; atMs: number }
  | {
      kind: 'warning';
      vertex: string;
      rule?: string;
      short: string;
      detail: readonly string[];
      url: string;
      lines?: readonly { start: number; end: number }[];
    }
  | {
      /** Where the vertex that failed stands in the Dockerfile. */
      kind: 'source';
      vertex: string;
      fileName: string;
      lines: { start: number; end: number };
      excerpt: string;
    };

/** `id` of the lines with a BuildEventLine in `aux`. */
export const buildEventId = 'tsdocker.build.event';
/** `id` of the lines with a BuildOutputChunk in `aux`. */
export const buildOutputId = 'tsdocker.build.output';
/** `id` of the lines with a BuildOutputChunk of a --cache-to type=local in `aux`: `output` is its index in `cacheto`. */
export const buildCacheId = 'tsdocker.build.cache';
/** `id` of the line before the error of a step that was kept as it stood; a BuildKeptLine is its `aux`. */
export const buildKeptId = 'tsdocker.build.kept';
/** `id` of the last line of a build that succeeded: a BuildResultLine is its `aux`. */
export const buildResultId = 'tsdocker.build.result';

/** Part of an archive that --output asked for; the last one of an output is empty. */
export interface BuildOutputChunk {
  /** Index in the request's outputs. */
  output: number;
  /** Base64. */
  data: string;
}

/** The image that was made of the failed step. */
export interface BuildKeptLine {
  imageId: string;
}

export interface BuildResultLine {
  imageId?: string;
  metadata: Record<string, string>;
  unusedArgs: readonly string[];
  /** Of a build that was asked about its Dockerfile: `call`. */
  answer?: { json: unknown; text: string };
}

/** Answer of POST /build/prune. */
export interface BuildPruned {
  CachesDeleted: string[] | null;
  SpaceReclaimed: number;
}
