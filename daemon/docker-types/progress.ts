// The lines of pull, push, load and import as they are streamed: one JSON object each, ended by CR LF (jsonmessage in Docker's clients).

export interface ProgressMessage {
  status?: string;
  /** What the line is about: a tag, or the first 12 hex digits of a layer's digest. */
  id?: string;
  progressDetail?: ProgressDetail;
  /** The bar, drawn for clients that do not draw one themselves. */
  progress?: string;
  /** The last line when it went wrong after the first byte: the status of the answer was 200 already. */
  error?: string;
  errorDetail?: { message: string; code?: number };
  /** For programs: what was pushed, the ids of what was loaded. */
  aux?: unknown;
  stream?: string;
}

/** Bytes; empty where there is nothing to count. `total` is absent when it is not known. */
export interface ProgressDetail {
  current?: number;
  total?: number;
}
