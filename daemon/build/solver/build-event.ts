// What a build tells while it goes on, as BuildKit's StatusResponse (api/services/control/control.proto) divides it: any front end can show it.

/** Times are milliseconds since 1970, with fractions. */
export type BuildEvent =
  | {
      readonly kind: 'vertex';
      readonly digest: string;
      readonly inputs: readonly string[];
      readonly name: string;
      readonly startedMs?: number;
      readonly completedMs?: number;
      readonly isCached: boolean;
      /** Why it failed, or "context canceled". */
      readonly error?: string;
    }
  | {
      /** Something that a vertex is at: a transfer, an extraction. */
      readonly kind: 'status';
      readonly vertex: string;
      readonly id: string;
      readonly current: number;
      /** 0: not known. */
      readonly total: number;
      readonly startedMs: number;
      readonly completedMs?: number;
    }
  | {
      readonly kind: 'log';
      readonly vertex: string;
      readonly stream: 'stdout' | 'stderr';
      readonly bytes: Uint8Array;
      readonly atMs: number;
    }
  | {
      readonly kind: 'warning';
      readonly vertex: string;
      /** Of a build check: its name. */
      readonly rule?: string;
      readonly short: string;
      readonly detail: readonly string[];
      readonly url: string;
      readonly lines?: readonly { readonly start: number; readonly end: number }[];
    }
  | {
      /** Where the vertex that failed stands in the Dockerfile. */
      readonly kind: 'source';
      readonly vertex: string;
      readonly fileName: string;
      readonly lines: { readonly start: number; readonly end: number };
      /** Those lines and some around them, as BuildKit prints them. */
      readonly excerpt: string;
    };

/** Never throws, never waits. */
export type BuildEventSink = (event: BuildEvent) => void;
