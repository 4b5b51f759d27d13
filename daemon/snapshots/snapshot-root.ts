// Where layers lie below the data root.

/** Absolute paths of directories that are there, all on one file system. */
export interface SnapshotRoot {
  readonly layers: string;
  readonly containers: string;
  /** What is being made; emptied at start. */
  readonly staging: string;
  /** Directories of containers that can be used again. */
  readonly spare: string;
}
