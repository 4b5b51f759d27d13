// What jobs tell of files, in the form that Docker's clients have it.

/** Of a file in a container; `mode` is Go's os.FileMode, `mtime` RFC 3339. */
export interface PathStat {
  name: string;
  size: number;
  mode: number;
  mtime: string;
  linkTarget: string;
}

export type ChangeKind = 0 | 1 | 2;
/** Docker's `docker diff`: 0 modified, 1 added, 2 deleted. */
export interface Change {
  Path: string;
  Kind: ChangeKind;
}

/** A place that must exist in a container before something is mounted there. */
export interface MountPoint {
  /** Absolute, as the container will see it; symlinks in it are followed inside the image. */
  readonly path: string;
  readonly kind: 'directory' | 'file';
}
